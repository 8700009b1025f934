# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections for swanctl: each address of each peer once, nothing more protected or let through than planned, and both ends of a pair alike."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipsec_plans import LEGACY, PORTS, SETS, WHOLE, answer, associations, organisations, plan

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, HostPlan, Management, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import ipsec_suites, netsh_consec, swanctl
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, UnsupportedFlowError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.swanctl import PSK, SwanctlText, fill, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.swanctl_reader import Child, Connection, Side, aligned, read_back
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of

KEY = IpsecOptions("psk")


def with_peer(text: SwanctlText, peer: str, own: str = "192.0.2.1") -> Connection:
    return next(each for each in text.connections if (each.local, each.remote) == (own, peer))


def said(each: Connection) -> dict[str, tuple[str, str]]:
    """Mode and start of each child."""
    return {child.name: (child.mode, child.start) for child in each.children}


# -- what is written ----------------------------------------------------------------------------------------------------


def test_a_pair_that_is_protected_whole() -> None:
    text = render(plan(WHOLE), KEY)
    each = with_peer(text, "192.0.2.2")
    assert (each.name, each.version, each.auth) == ("datapath-192-0-2-1-to-192-0-2-2", 2, "psk")
    assert each.children == (
        Child("whole", Side("192.0.2.1"), Side("192.0.2.2"), "transport", "trap", each.children[0].suites, "dhgroup14", (3000, 3300, 8 * 10**9, 9 * 10**9)),
        Child("pass-in-22-tcp", Side("192.0.2.1", 6, 22, 22), Side("192.0.2.2", 6), "pass", "trap"),
    )
    assert said(with_peer(text, "192.0.2.4")) == {
        "whole": ("transport", "trap"), "pass-out-53-udp": ("pass", "trap"), "pass-out-88-tcp": ("pass", "trap"), "pass-out-389-tcp": ("pass", "trap"),
    }
    assert said(with_peer(text, "2001:db8::2", "2001:db8::1")) == {
        "whole": ("transport", "trap"), "pass-neighbours-135": ("pass", "trap"), "pass-neighbours-136": ("pass", "trap"),
    }


def test_the_host_is_never_its_own_peer() -> None:
    text = render(plan(WHOLE), KEY)
    assert [(each.local, each.remote) for each in text.connections] == [
        ("192.0.2.1", "192.0.2.2"), ("192.0.2.1", "192.0.2.3"), ("192.0.2.1", "192.0.2.4"), ("2001:db8::1", "2001:db8::2"),
    ]


def test_each_own_address_has_its_connection_with_each_peer() -> None:
    text = render(plan(LEGACY, addresses=("192.0.2.1", "10.77.0.1", "2001:db8::1")), KEY)
    assert {(each.local, each.remote) for each in text.connections} == {("192.0.2.1", "198.51.100.20"), ("10.77.0.1", "198.51.100.20")}


def test_single_ports_are_a_child_each_and_named_from_the_end_that_answers() -> None:
    each = with_peer(render(plan(PORTS), KEY), "198.51.100.8")
    assert {child.name: (child.local.protocol, child.local.ports, child.remote.ports) for child in each.children} == {
        "in-445-tcp": (6, (445, 445), (0, 65535)), "out-445-tcp": (6, (0, 65535), (445, 445)), "in-53-udp": (17, (53, 53), (0, 65535)),
    }


def test_windows_gets_ikev1_the_compatible_suites_and_icmp_in_clear() -> None:
    each = with_peer(render(plan(replace(WHOLE, ike=1)), KEY), "192.0.2.3")
    assert each.version == 1
    assert [suite.integrity for suite in each.suites] == ["sha256", "sha256", "sha1", "sha1"]
    assert said(each) == {"whole": ("transport", "trap"), "pass-icmp": ("pass", "trap")}
    assert each.children[1].local == Side("192.0.2.1", 1)
    six = with_peer(render(plan(replace(WHOLE, ike=1)), KEY), "2001:db8::2", "2001:db8::1")
    assert six.children[1] == Child("pass-icmp", Side("2001:db8::1", 58), Side("2001:db8::2", 58), "pass", "trap"), "neighbour discovery is part of it"


def test_what_is_known_of_a_host_counts_before_its_network() -> None:
    around = replace(PORTS, peers="mailbox", hosts=(), ike=1)
    assert {each.version for each in render(plan(WHOLE, around), KEY).connections} == {2}
    assert {each.version for each in render(plan(replace(WHOLE, ike=1), replace(around, ike=2)), KEY).connections} == {1}


def test_requested_only_starts_and_keeps_trying() -> None:
    text = render(plan(WHOLE, PORTS), IpsecOptions("psk", state="requested"))
    assert {child.start for each in text.connections for child in each.children if child.mode == "transport"} == {"start"}
    assert text.text.count("keyingtries = 0") == len(text.connections) and "keyingtries = 1" not in text.text
    assert "dpd_action = clear" not in text.text and "keyingtries = 0" not in render(plan(WHOLE, PORTS), KEY).text


def test_nothing_is_demanded_before_every_managed_peer_is_ready() -> None:
    waiting = render(plan(WHOLE, PORTS), replace(KEY, ready=frozenset(("mbx3",))))
    assert (waiting.waiting, waiting.unmanaged) == (("mbx2",), ("backup",))
    assert said(with_peer(waiting, "192.0.2.2"))["whole"] == ("transport", "start")
    ready = render(plan(WHOLE), replace(KEY, ready=frozenset(("mbx2", "mbx3"))))
    assert not ready.waiting and said(with_peer(ready, "192.0.2.2"))["whole"] == ("transport", "trap")


def test_nothing_is_written_without_associations() -> None:
    assert render(plan(), KEY) == SwanctlText()
    alone = PeerSet("mailbox", ("192.0.2.1",))
    assert not render(plan(WHOLE, sets={**SETS, "mailbox": alone}), KEY).text


def test_certificates_need_no_secret() -> None:
    text = render(plan(WHOLE), IpsecOptions("certificate"))
    assert {each.auth for each in text.connections} == {"pubkey"}
    assert "secret" not in text.text and PSK not in text.text and "id =" not in text.text
    assert text.text.count("certs = datapath.pem") == 2 * len(text.connections)


def test_the_key_is_a_placeholder_until_it_is_filled_in_for_its_owners_alone() -> None:
    text = render(plan(WHOLE), KEY).text
    assert text.count(PSK) == 1
    filled = fill(text, "correct.horse-battery")
    assert "    secret = 0sY29ycmVjdC5ob3JzZS1iYXR0ZXJ5\n" in filled and PSK not in filled
    assert read_back(filled) == read_back(text)
    owners = re.findall(r"id-\d+ = (\S+)", text)
    assert owners == ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "2001:db8::1", "2001:db8::2"]
    assert fill("no place for a key", None) == "no place for a key"


@pytest.mark.parametrize("key", [None, "", "short", "abcdefghijk}\nid", "0sQUJDREVGR0hJ"])
def test_a_key_that_cannot_travel_is_refused_without_being_shown(key: str | None) -> None:
    with pytest.raises(ValueError, match="psk") as caught:
        fill(render(plan(WHOLE), KEY).text, key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(("options", "words"), [
    (IpsecOptions(), "strongSwan knows no Kerberos: use one of psk, certificate"),
    (IpsecOptions("none"), "use one of psk, certificate"),
    (IpsecOptions("psk", state="absent"), "state 'absent' is not one of requested, required"),
    (IpsecOptions("psk", profile="weak"), "IPsec profile 'weak' is not known"),
])
def test_options_that_mean_nothing_on_linux_are_refused(options: IpsecOptions, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        render(plan(WHOLE), options)


@pytest.mark.parametrize(("association", "changes", "words"), [
    (replace(WHOLE, peers="everyone"), {}, "log-shipping: the renderer swanctl refuses IPsec with everyone"),
    (replace(WHOLE, peers="cast"), {}, "multicast"),
    (replace(WHOLE, peers="gone"), {}, "unknown peer set"),
    (replace(WHOLE, peers="wide"), {}, "IPsec with the 65536 addresses of the peer set wide: name single hosts, or networks of at most 256 addresses, in"
                                      " datapath_peers"),
    (WHOLE, {"addresses": ()}, "without an own ipv4 address"),
    (WHOLE, {"platform": "windows"}, "refuses platform:windows"),
    (replace(PORTS, selectors=("in 50000-50999/tcp",)), {}, "IPsec for the range in 50000-50999/tcp"),
    (replace(PORTS, selectors=("in 49153-49154/tcp",)), {}, "IPsec for the range"),
    (replace(PORTS, selectors=("in 1-65535/tcp",)), {}, "IPsec for the range"),
])
def test_what_no_connection_can_say_is_refused(association: Association, changes: dict[str, t.Any], words: str) -> None:
    with pytest.raises(UnsupportedFlowError, match=f"^mbx1: .*{re.escape(words)}"):
        render(plan(association, **changes), KEY)


@pytest.mark.parametrize("selector", ["in 445/tcp; x", "in 445/sctp", "up 445/tcp", "445/tcp", "in /tcp", "in 0/tcp", "in 70000/tcp"])
def test_a_selector_that_is_none_is_refused(selector: str) -> None:
    with pytest.raises(ValueError, match=r"make the plan again|expected a number|must be 1 to 65535"):
        render(plan(replace(PORTS, selectors=(selector,))), KEY)


def test_a_range_that_a_mask_can_say_is_taken() -> None:
    each = with_peer(render(plan(replace(PORTS, selectors=("in 49152-65535/tcp",))), KEY), "198.51.100.8")
    assert each.children[0].local == Side("192.0.2.1", 6, 49152, 65535)


@given(st.integers(1, 65535), st.integers(1, 65535))
def test_blocks_are_exactly_the_range(one: int, other: int) -> None:
    low, high = min(one, other), max(one, other)
    found = list(swanctl.blocks(low, high))
    assert all(aligned(*block) for block in found) and len(found) <= 30
    assert [number for first, last in found for number in range(first, last + 1)] == list(range(low, high + 1))


def test_management_ports_in_a_range_pass_as_blocks() -> None:
    controllers = Management("config_controller", (PortRange(5985, 5986), PortRange(60000, 60003)))
    each = with_peer(render(plan(WHOLE, management=controllers), KEY), "192.0.2.2")
    assert [child.name for child in each.children if child.mode == "pass"] == [
        "pass-in-5985-tcp", "pass-in-5986-tcp", "pass-in-60000-60003-tcp",
    ]


def test_same_plan_same_bytes_and_cost_is_linear_in_peers() -> None:
    def text(count: int) -> str:
        members = tuple(f"10.77.{number // 100}.{2 * (number % 100)}" for number in range(count))
        return render(plan(replace(WHOLE, peers="many"), sets={**SETS, "many": PeerSet("many", members)}), KEY).text

    assert text(200) == text(200)
    assert len(text(200)) < 2.1 * len(text(100))


# -- properties ---------------------------------------------------------------------------------------------------------


@given(st.lists(associations(), max_size=4), st.sampled_from((None, frozenset(), frozenset(("mbx2",)))), st.sampled_from(("requested", "required")),
       st.sampled_from(("psk", "certificate")), st.sampled_from(("current", "compatible")))
@settings(max_examples=60, deadline=None)
def test_every_address_is_protected_as_an_oracle_reads_the_plan(
    wanted: list[Association], ready: frozenset[str] | None, state: str, auth: str, profile: str,
) -> None:
    host = plan(*wanted)
    text = render(host, IpsecOptions(auth, profile=profile, ready=ready, state=state))
    assert read_back(text.text) == text.connections if text.text else not text.connections
    met = {(each.local, each.remote): each for each in text.connections}
    assert len(met) == len(text.connections)
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "198.51.100.7", "198.51.100.8", "198.51.100.11", "198.51.100.20"):
        whole, selectors, _required = answer(host, address)
        each = met.get(("192.0.2.1", address))
        protected = {child.name for child in each.children if child.mode == "transport"} if each else set()
        assert protected == ({"whole"} if whole else {selector.replace(" ", "-").replace("/", "-") for selector in selectors}), address
    if state == "requested" or ready == frozenset():
        demanding = [each for each in text.connections if any(child.start == "trap" and child.mode == "transport" for child in each.children)]
        assert not demanding or (ready == frozenset() and state == "required" and any(not each.hosts for each in wanted))


def reversed_child(child: Child) -> tuple[Side, Side, str]:
    return child.remote, child.local, child.mode


@given(organisations(), st.sampled_from(("psk", "certificate")), st.sampled_from(("requested", "required")))
@settings(max_examples=40, deadline=None)
def test_what_one_linux_host_offers_the_other_accepts(organisation: t.Any, auth: str, state: str) -> None:
    compiled = organisation.plan()
    options = IpsecOptions(auth, state=state)
    texts = {name: render(compiled.host(name), options) for name in compiled.hosts if compiled.host(name).platform == "linux"}
    owner = {address: name for name in texts for address in compiled.host(name).addresses}
    pairs = {(each.local, each.remote): each for text in texts.values() for each in text.connections}
    for (near, far), each in pairs.items():
        if far not in owner:
            continue
        other = pairs[(far, near)]
        assert (each.version, each.auth, each.suites, each.times) == (other.version, other.auth, other.suites, other.times) == (2, *(
            other.auth, other.suites, other.times))
        mine = {(child.local, child.remote, child.start, child.suites) for child in each.children if child.mode == "transport"}
        theirs = {(child.remote, child.local, child.start, child.suites) for child in other.children if child.mode == "transport"}
        assert mine == theirs, (near, far)
        # A controller does not know the ports of the other end's management, so it may let more of them through.
        passing = {reversed_child(child) for child in other.children if child.mode == "pass"}
        inward = {(child.local, child.remote, child.mode) for child in each.children if child.mode == "pass" and child.remote.ports == (0, 65535)}
        assert inward <= passing


@given(organisations(), st.sampled_from(("2008", "2008r2", "2019")), st.sampled_from(("current", "compatible")))
@settings(max_examples=40, deadline=None)
def test_both_platforms_of_a_pair_protect_the_same(organisation: t.Any, release: str, profile: str) -> None:
    compiled = organisation.plan()
    hosts = {name: compiled.host(name) for name in compiled.hosts}
    options = IpsecOptions("psk", profile=profile)
    for linux in (host for host in hosts.values() if host.platform == "linux"):
        connections = render(linux, options).connections
        for windows in (host for host in hosts.values() if host.platform == "windows"):
            text = netsh_consec.render(windows, options, release_of(release))
            for own in (address for address in linux.addresses if any((":" in address) is (":" in peer) for peer in windows.addresses)):
                for peer in (peer for peer in windows.addresses if (":" in peer) is (":" in own)):
                    met = [each for each in connections if (each.local, each.remote) == (own, peer)]
                    ours = mirrored(swanctl.facts(met), int(ipaddress.ip_address(peer)))
                    assert ours == seen_from(text, own), (linux.host, windows.host)
                    assert all(each.version == 1 for each in met)
                    assert all(_suites_meet(each, profile) for each in met)
                    assert all(("icmp" in swanctl.passes(each)) is any(child.name == "whole" for child in each.children) for each in met)


def mirrored(found: swanctl.Facts, peer: int) -> set[tuple[str, str]]:
    """Mode and selector as the other end would say it."""
    other = {"in": "out", "out": "in"}
    result = set()
    for (_family, mode, selector), peers in found.items():
        assert peers == ((peer, peer),)
        direction, blank, rest = selector.partition(" ")
        result.add((mode, f"{other[direction]} {rest}" if blank else selector))
    return result


def seen_from(text: netsh_consec.SecurityText, address: str) -> set[tuple[str, str]]:
    number, family = int(ipaddress.ip_address(address)), "ipv6" if ":" in address else "ipv4"
    return {
        (mode, selector) for (of, mode, selector), peers in netsh_consec.rule_facts(text.rules).items()
        if of == family and mode != "clear" and any(low <= number <= high for low, high in peers)
    }


def _suites_meet(each: Connection, profile: str) -> bool:
    """The first that Windows offers is among what Linux takes, for both kinds of keys."""
    theirs = ipsec_suites.profile(profile)
    quick = {(suite.encryption, suite.integrity) for child in each.children for suite in child.suites}
    return set(theirs.main) <= set(each.suites) and {(suite.encryption, suite.integrity) for suite in theirs.quick} <= quick


# -- faults planted in the renderer: none of them may leave it ------------------------------------------------------------


@pytest.mark.parametrize(("old", "new"), [
    ("remote_ts = 192.0.2.2/32\n", "remote_ts = 192.0.2.2/32[6]\n"),
    ("local_ts = 192.0.2.1/32[6/22]", "local_ts = 192.0.2.1/32[6/23]"),
    ("local_ts = 192.0.2.1/32[6/22]", "local_ts = 192.0.2.1/32[6]"),
    ("start_action = trap", "start_action = start"),
    ("mode = transport", "mode = tunnel"),
    ("mode = transport", "mode = pass"),
    ("version = 2", "version = 1"),
    ("version = 2", "version = 0"),
    ("remote_addrs = 192.0.2.2", "remote_addrs = 192.0.2.9"),
    ("remote_addrs = 192.0.2.2", "remote_addrs = 0.0.0.0/0"),
    ("aes256-sha256-modp2048", "aes256-sha1-modp1024"),
    ("esp_proposals = aes256gcm16-modp2048,", "esp_proposals = null-sha1,"),
    ("esp_proposals = aes256gcm16-modp2048,", "esp_proposals = "),
    ("auth = psk", "auth = pubkey"),
    ("id = 192.0.2.2", "id = %any"),
    ("reauth_time = 0s", "reauth_time = 60s"),
    ("rekey_time = 3000s", "rekey_time = 9000s"),
    ("life_bytes = 9000000000", "life_bytes = 90"),
    ("encap = no", "encap = yes"),
    ("dpd_action = clear", "dpd_action = restart"),
    ("keyingtries = 1", "keyingtries = 0"),
    ("secret = {PSK}", "secret = password"),
    ("id-2 = 192.0.2.2\n", ""),
    ("        children {", "        unique = never\n        children {"),
    ("secrets {", "pools {\n}\nsecrets {"),
    ("connections {", "connections {\n    other {\n    }"),
    ("whole {", "in-445-tcp {\n            }\n            whole {"),
])
def test_a_wrong_text_is_never_rendered(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    assert old in render(plan(WHOLE), KEY).text
    monkeypatch.setattr(swanctl, "read_back", lambda text: read_back(text.replace(old, new, 1)))
    with pytest.raises(ReadBackError, match=r"^mbx1: "):
        render(plan(WHOLE), KEY)


def test_a_lost_or_doubled_connection_is_never_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    for change in (lambda found: found[1:], lambda found: (*found, replace(found[0], name="datapath-again"))):
        monkeypatch.setattr(swanctl, "read_back", lambda text, change=change: change(read_back(text)))
        with pytest.raises(ReadBackError, match="not with the peers of the plan"):
            render(plan(WHOLE), KEY)


def test_a_whole_pair_rendered_as_ports_is_never_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    real = swanctl.ipsec_pairs.bundles

    def narrower(host: HostPlan, wanted: t.Any) -> t.Any:
        return tuple(replace(bundle, modes=(("in 445/tcp", "required"),)) for bundle in real(host, wanted))

    monkeypatch.setattr(swanctl.ipsec_pairs, "bundles", narrower)
    with pytest.raises(ReadBackError, match="required whole"):
        render(plan(WHOLE), KEY)
