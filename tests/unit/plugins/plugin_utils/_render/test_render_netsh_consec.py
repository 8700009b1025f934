# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection security rules: both ends of every pair answer alike, and nothing hostile gets into a line."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Flow, HostPlan, Management, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_consec
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, UnsupportedFlowError, interval
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions, SecurityText, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec_reader import read_consec, read_main_mode
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import AuthSuite, ConSecMatch
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of
from ansible_collections.datapath.exchange.tests.unit import strategies

RELEASES = ("2008", "2008r2", "2012", "2019", "2025")
HOSTS = {"a": "192.0.2.1", "b": "192.0.2.2", "c": "192.0.2.3"}


def plan(*associations: Association, **changes: t.Any) -> HostPlan:
    sets = {
        "mailbox": PeerSet("mailbox", ("192.0.2.1-192.0.2.4",), ("2001:db8::2",)), "backup": PeerSet("backup", ("192.0.2.3", "198.51.100.0/24")),
        "everyone": PeerSet("everyone", everyone=True), "config_controller": PeerSet("config_controller", ("192.0.2.2", "198.51.100.9")),
        "domain_controller": PeerSet("domain_controller", ("192.0.2.4", "203.0.113.1")), "cast": PeerSet("cast", ("224.0.0.1",)),
    }
    flows = (
        Flow("out", "tcp", (PortRange(88, 88), PortRange(135, 135), PortRange(389, 389)), "domain_controller", ("dc",), "kerberos"),
        Flow("out", "udp", (PortRange(53, 53),), "domain_controller", ("dns",)),
    )
    values: dict[str, t.Any] = {
        "host": "mbx1", "roles": ("mailbox",), "site": "default", "platform": "windows", "families": ("ipv4", "ipv6"), "flows": flows, "sets": sets,
        "management": Management("config_controller", (PortRange(5985, 5986),)), "associations": associations,
        "addresses": ("192.0.2.1", "2001:db8::1"),
    }
    return HostPlan(**{**values, **changes})


WHOLE = Association("mailbox", "required", True, (), ("log-shipping", "seeding"), ("mbx2",))
PORTS = Association("backup", "requested", False, ("in 445/tcp", "in 10000/tcp", "out 445/tcp", "in 53/udp"), ("backup",), ())


def verdict(text: SecurityText, near: int, far: int, protocol: int, near_port: int, far_port: int) -> tuple[str, t.Any, t.Any]:
    """What happens to a packet: an exemption first, then what secures it."""
    found = []
    for rule in text.rules:
        match = rule.match
        assert isinstance(match, ConSecMatch)
        if not (_networks.contains(match.endpoint1.v4, near) and _networks.contains(match.endpoint2.v4, far)) or match.protocol not in (None, protocol):
            continue
        if all(ports.everything or _networks.contains(ports.numbers, port) for ports, port in ((match.port1, near_port), (match.port2, far_port))):
            found.append(match)
    actions = {match.action for match in found}
    if "noauthentication" in actions:
        return "clear", (), ()
    assert len({(match.action, match.quick, match.auth1, match.pfs) for match in found}) <= 1, found
    return (found[0].action, found[0].quick, found[0].auth1) if found else ("none", (), ())


@st.composite
def organisations(draw: st.DrawFn) -> tuple[t.Any, str]:
    """Mailbox servers in one or two clusters, a client access server, a controller that may be one of them; one wish for IPsec for all managed hosts."""
    org = strategies.small()
    mode = draw(st.sampled_from(("requested", "required")))
    static = draw(st.sampled_from((None, {"store": 6100, "address_book": 6101})))
    for name in ("mbx1", "mbx2", "cas1", "hub1"):
        org = org.with_host(name, ipsec=mode, platform="windows", rpc_range=draw(st.sampled_from((None, "50000-50999"))), static_ports=static or {})
    if draw(st.booleans()):
        org = org.with_host("mbx1", cluster="c1").with_host("mbx2", cluster="c1")
    controller = draw(st.sampled_from(("198.51.100.77", "192.0.2.4", "192.0.2.3")))
    return org.with_peers(config_controller=[controller], legacy_mailbox=["198.51.100.88"], backup_server=["203.0.113.16", "192.0.2.1"]), mode


@settings(max_examples=25, deadline=None)
@given(organisations(), st.sampled_from(RELEASES), st.sampled_from(RELEASES), st.data())
def test_both_ends_of_a_pair_see_every_packet_alike(made: tuple[t.Any, str], near_release: str, far_release: str, data: st.DataObject) -> None:
    organisation, mode = made
    compiled = organisation.plan()
    hosts = {name: f"192.0.2.{number}" for name, number in (("hub1", 1), ("mbx1", 3), ("mbx2", 4), ("cas1", 5))}
    near, far = data.draw(st.permutations(sorted(hosts)))[:2]
    ports = st.sampled_from((22, 53, 88, 135, 445, 5985, 50123, 64327, 6100))
    near_port, far_port, protocol = data.draw(ports), data.draw(ports), data.draw(st.sampled_from((1, 6, 17)))
    texts = [render(compiled.host(name), IpsecOptions("psk"), release_of(release)) for name, release in ((near, near_release), (far, far_release))]
    one, other = (interval("ipv4", hosts[name])[0] for name in (near, far))
    ours, theirs = verdict(texts[0], one, other, protocol, near_port, far_port), verdict(texts[1], other, one, protocol, far_port, near_port)
    assert ours == theirs
    if ours[0] not in ("none", "clear"):
        assert ours[0] == {"requested": "requestinrequestout", "required": "requireinrequireout"}[mode]


def test_the_pair_of_a_cluster_is_protected_whole_on_both_nodes() -> None:
    """The property above would also hold for rules that protect nothing."""
    org = strategies.small()
    for name in ("mbx1", "mbx2"):
        org = org.with_host(name, ipsec="required", platform="windows", cluster="c1")
    compiled = org.plan()
    texts = [render(compiled.host(name), IpsecOptions(), release_of("2008")) for name in ("mbx1", "mbx2")]
    one, other = (interval("ipv4", f"192.0.2.{number}")[0] for number in (3, 4))
    assert verdict(texts[0], one, other, 6, 50123, 445)[0] == verdict(texts[1], other, one, 6, 445, 50123)[0] == "requireinrequireout"
    assert verdict(texts[0], one, other, 1, 0, 0)[0] == "clear"


def test_a_controller_that_is_itself_a_node_reaches_the_other_node_in_clear() -> None:
    org = strategies.small().with_peers(config_controller=["192.0.2.4"])
    for name in ("mbx1", "mbx2"):
        org = org.with_host(name, ipsec="required", platform="windows", cluster="c1")
    compiled = org.plan()
    texts = [render(compiled.host(name), IpsecOptions(), release_of("2019")) for name in ("mbx1", "mbx2")]
    managed, controller = (interval("ipv4", f"192.0.2.{number}")[0] for number in (3, 4))
    assert verdict(texts[0], managed, controller, 6, 5985, 50123)[0] == verdict(texts[1], controller, managed, 6, 50123, 5985)[0] == "clear"
    assert verdict(texts[0], managed, controller, 6, 50123, 5985)[0] == verdict(texts[1], controller, managed, 6, 5985, 50123)[0] == "requireinrequireout"


@st.composite
def associations(draw: st.DrawFn) -> Association:
    selectors = st.builds(lambda side, port, protocol: f"{side} {port}/{protocol}", st.sampled_from(("in", "out")), st.sampled_from((25, 445, 446, 64327)),
                          st.sampled_from(("tcp", "udp")))
    whole = draw(st.booleans())
    chosen = () if whole else tuple(draw(st.lists(selectors, max_size=4, unique=True)))
    return Association(draw(st.sampled_from(("mailbox", "backup", "domain_controller"))), draw(st.sampled_from(("requested", "required"))), whole, chosen,
                       ("some-path",), tuple(draw(st.lists(st.sampled_from(("mbx2", "mbx3")), unique=True))))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(associations(), max_size=4), st.sampled_from(RELEASES), st.sampled_from((None, frozenset(), frozenset(("mbx2",)))),
    st.sampled_from(("requested", "required")),
)
def test_any_associations_make_disjoint_rules_that_mean_them(wanted: list[Association], release: str, ready: frozenset[str] | None, state: str) -> None:
    text = render(plan(*wanted), IpsecOptions("psk", ready=ready, state=state), release_of(release))
    securing = [rule for rule in text.rules if rule.match.action != "noauthentication"]  # type: ignore[union-attr]
    whole = [rule for rule in securing if rule.match.protocol is None]  # type: ignore[union-attr]
    for rule in whole:
        others = [other for other in securing if other is not rule]
        for low, high in rule.match.endpoint2.v4:
            assert not any(low <= top and bottom <= high for other in others for bottom, top in other.match.endpoint2.v4), "a whole pair has one rule"
    assert len({rule.name for rule in (*text.rules, *text.main_mode)}) == len(text.rules) + len(text.main_mode)
    if state == "requested":
        assert not any(rule.match.action == "requireinrequireout" for rule in securing)  # type: ignore[union-attr]
    assert all(len(rule.line) <= 7900 for rule in text.rules)


def test_a_whole_pair_leaves_management_icmp_and_the_directory_in_clear_and_nothing_else() -> None:
    facts = netsh_consec.rule_facts(render(plan(WHOLE), IpsecOptions(), release_of("2019")).rules)
    v4 = {key[2]: peers for key, peers in facts.items() if key[:2] == ("ipv4", "clear")}
    number = {text: interval("ipv4", text) for text in ("192.0.2.2", "192.0.2.4")}
    assert v4 == {
        "icmp": ((number["192.0.2.2"][0], number["192.0.2.4"][1]),), "in 5985/tcp": (number["192.0.2.2"],), "in 5986/tcp": (number["192.0.2.2"],),
        "out 53/udp": (number["192.0.2.4"],), "out 88/tcp": (number["192.0.2.4"],), "out 389/tcp": (number["192.0.2.4"],),
    }
    assert facts[("ipv4", "required", "whole")] == ((number["192.0.2.2"][0], number["192.0.2.4"][1]),), "the host itself is not its peer"


def test_single_ports_need_no_exemption_and_share_a_rule_only_where_windows_can() -> None:
    new, old = (render(plan(PORTS), IpsecOptions(), release_of(name)) for name in ("2008r2", "2008"))
    assert [rule.line.partition(" protocol=")[2].partition(" auth1")[0] for rule in new.rules] == [
        "tcp port1=445,10000 port2=any", "udp port1=53 port2=any", "tcp port1=any port2=445",
    ]
    assert len(old.rules) == 4 and netsh_consec.rule_facts(old.rules) == netsh_consec.rule_facts(new.rules)
    assert len(new.main_mode) == 1 and not new.global_lines
    assert not old.main_mode and old.global_lines == (
        "advfirewall set global mainmode mmsecmethods dhgroup14:aes256-sha256,dhgroup14:aes128-sha256",
        "advfirewall set global mainmode mmkeylifetime 480min,0sess",
    )


def test_nothing_is_demanded_before_every_managed_peer_is_ready() -> None:
    waiting = render(plan(WHOLE, PORTS), IpsecOptions(ready=frozenset(("mbx3",))), release_of("2019"))
    assert waiting.waiting == ("mbx2",) and waiting.unmanaged == ("backup",)
    assert {rule.match.action for rule in waiting.rules} == {"noauthentication", "requestinrequestout"}  # type: ignore[union-attr]
    ready = render(plan(WHOLE), IpsecOptions(ready=frozenset(("mbx2",))), release_of("2019"))
    assert not ready.waiting and {rule.match.action for rule in ready.rules} == {"noauthentication", "requireinrequireout"}  # type: ignore[union-attr]


def test_authentication_is_what_was_chosen() -> None:
    ca = "CN=Example Root, O=Example (Test), C=JP"
    for options, suite in (
        (IpsecOptions(), AuthSuite("kerberos")), (IpsecOptions("certificate", ca), AuthSuite("certificate", ca)), (IpsecOptions("psk"), AuthSuite("psk")),
    ):
        rules = render(plan(WHOLE), options, release_of("2019"))
        securing = [rule for rule in (*rules.main_mode, *rules.rules) if getattr(rule.match, "action", "") != "noauthentication"]
        assert {rule.match.auth1 for rule in securing} == {(suite,)}


@pytest.mark.parametrize("ca", [
    "", "Example Root", "CN=", 'CN=a" auth2=anonymous', "CN=a | CN=b", "CN=a certmapping:yes", "CN=%TEMP%", "CN=a\\'b", "CN=a & calc", "CN=a^", "CN=é",
    "CN=a\n", "CN=a,", "CN=a, X=b", "CN= a", "CN=a ", "CN=" + "a" * 200,
])
def test_a_ca_that_netsh_or_cmd_would_misread_is_refused(ca: str) -> None:
    with pytest.raises(ValueError, match="is not a name that netsh can carry"):
        render(plan(WHOLE), IpsecOptions("certificate", ca), release_of("2019"))


@pytest.mark.parametrize("key", [
    "short", "x" * 128, 'abcdefghijk"l', "abcdefghijk%l", "abcdefghijk l", "abcdefghijk\nl", "abcdefghijk^l", "abcdefghijklé", "0xabcdef012345",
    "0sQUJDREVGR0hJ",
])
def test_a_key_that_cannot_travel_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="psk") as caught:
        netsh_consec.check_psk(key)
    assert key not in str(caught.value)


def test_keys_that_can_travel_are_taken_as_they_are() -> None:
    for key in ("A" * 12, "zZ9._~+/=@:-abc", "x" * 127):
        assert netsh_consec.check_psk(key) == key
    with pytest.raises(ValueError, match="missing"):
        netsh_consec.check_psk("")


@pytest.mark.parametrize(("association", "changes", "words"), [
    (replace(WHOLE, peers="everyone"), {}, "IPsec with everyone"),
    (replace(WHOLE, peers="cast"), {}, "multicast"),
    (replace(WHOLE, peers="gone"), {}, "unknown peer set"),
    (WHOLE, {"addresses": ()}, "without an own ipv4 address"),
    (replace(PORTS, selectors=("in 50000-50999/tcp",)), {}, "IPsec for the range"),
])
def test_what_no_rule_can_say_is_refused(association: Association, changes: dict[str, t.Any], words: str) -> None:
    with pytest.raises(UnsupportedFlowError, match=words):
        render(plan(association, **changes), IpsecOptions(), release_of("2019"))


def test_windows_server_2003_is_refused() -> None:
    with pytest.raises(UnsupportedFlowError, match="release 2003"):
        render(plan(WHOLE), IpsecOptions(), release_of("2003"))


def test_many_peers_are_cut_into_lines_that_fit() -> None:
    texts = tuple(f"198.51.{high}.{low}" for high in range(100, 110) for low in range(0, 256, 2))
    text = render(plan(PORTS, sets={**plan().sets, "backup": PeerSet("backup", texts)}), IpsecOptions("psk"), release_of("2008"))
    assert len(text.rules) > 4 * 2 and max(len(rule.line) for rule in text.rules) <= netsh_consec.MAX_LINE


@pytest.mark.parametrize(("old", "new"), [
    ("requireinrequireout", "requireinclearout"), ("mode=transport", "mode=tunnel"), ("qmpfs=dhgroup14 ", ""), ("esp:aesgcm256-aesgcm256", "esp:sha1-none"),
    ("endpoint2=192.0.2.2-192.0.2.4", "endpoint2=localsubnet"), ("protocol=any", "protocol=any port1=445"), ("auth1=computerkerb", "auth1=anonymous"),
    ("advfirewall consec", "advfirewall firewall"), ("profile=any", "profile=any profile=any"), ("name=", "title="),
    ('"datapath.exchange ipsec log-shipping', '"all" x="'),
])
def test_the_reader_takes_no_other_line(old: str, new: str) -> None:
    line = next(rule.line for rule in render(plan(WHOLE), IpsecOptions(), release_of("2019")).rules if " ipsec " in rule.line)
    read_consec(line)
    assert old in line
    with pytest.raises(ReadBackError):
        read_consec(line.replace(old, new))


def test_ranges_are_read_only_where_nothing_is_secured() -> None:
    line = next(rule.line for rule in render(plan(PORTS), IpsecOptions(), release_of("2019")).rules if "port1=445,10000" in rule.line)
    with pytest.raises(ReadBackError, match="range of ports"):
        read_consec(line.replace("port1=445,10000", "port1=445-446"))


def test_main_mode_rules_read_back() -> None:
    rule = render(plan(WHOLE), IpsecOptions(), release_of("2019")).main_mode[0]
    assert read_main_mode(rule.line) == (rule.name, rule.match)
    with pytest.raises(ReadBackError):
        read_main_mode(rule.line.replace("480min,0sess", "480min"))


def test_a_writer_that_protected_less_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    secure = netsh_consec._Writer._secure
    monkeypatch.setattr(netsh_consec._Writer, "_secure", lambda self, bundle: secure(self, bundle) if bundle.family == "ipv6" else None)
    with pytest.raises(ReadBackError, match=r"lost required whole \(ipv4\)"):
        render(plan(WHOLE), IpsecOptions(), release_of("2019"))
