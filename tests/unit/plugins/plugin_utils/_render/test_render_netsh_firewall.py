# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import itertools
import re
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from netsh_plans import RPC, SIX, Packet, edges, wanted, windows, windows_plans
from render_plans import port

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, Management, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import base, netsh_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, UnsupportedFlowError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_firewall import LINE_BYTES, RENDERER, RULES, NetshRule, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_reader import LIST_ENTRIES, read_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES, Match, Profile, WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of

CACHES = (netsh_firewall._flow_parts, netsh_firewall._rule, netsh_firewall._longest)
SPAN = (49152, 65535)


@pytest.fixture(autouse=True)
def _fresh_caches() -> t.Iterator[None]:
    """A fault that a test plants must not live on in a cache, nor be hidden by one."""
    for cache in CACHES:
        cache.cache_clear()
    yield
    for cache in CACHES:
        cache.cache_clear()


def passes(rules: t.Sequence[NetshRule], packet: Packet) -> bool:
    """Whether Windows lets a packet through, RPC servers listening on all of their range."""
    return any(_matches(rule.match, packet) for rule in rules)


def _matches(match: Match, packet: Packet) -> bool:
    direction, number, protected, asked, address = packet
    ports = match.local_ports if direction == "in" else match.remote_ports
    numbers = (*ports.numbers, *((SPAN,) if "RPC" in ports.keywords else ()))
    spans = match.remote.v6 if address >= SIX else match.remote.v4
    return (
        match.direction == direction and match.protocol in (None, number) and (protected or match.security == "none")
        and (ports.everything or any(low <= asked <= high for low, high in numbers))
        and (match.remote.everything or any(low <= address % SIX <= high for low, high in spans))
    )


@pytest.mark.parametrize("release", ["2008", "2019"])
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_every_edge_of_the_plan_is_decided_as_an_oracle_decides_it(release: str, data: st.DataObject) -> None:
    plan = data.draw(windows_plans(release))
    try:
        rules = render(plan)
    except UnsupportedFlowError as error:
        assert "rules" in error.feature
        assert release == "2008"
        return
    for packet in edges(plan):
        assert passes(rules, packet) == wanted(plan, packet), packet


@given(windows_plans())
@settings(max_examples=40, deadline=None)
def test_each_line_reads_back_as_its_rule_and_each_match_stands_once(plan: HostPlan) -> None:
    rules = render(plan)
    for rule in rules:
        assert read_firewall(rule.line) == (rule.name, rule.description, rule.match)
        assert re.fullmatch(r"datapath\.exchange (in|out) [a-z0-9-]+ [0-9a-f]{8}( [0-9]+)?", rule.name)
    assert len({rule.match for rule in rules}) == len({rule.name for rule in rules}) == len(rules)
    assert render(plan, "monitored") == rules


@given(windows_plans())
@settings(max_examples=15, deadline=None)
def test_same_plan_same_lines_with_and_without_caches(plan: HostPlan) -> None:
    cached = render(plan)
    for cache in CACHES:
        cache.cache_clear()
    assert render(plan) == cached


def lines(plan: HostPlan, **options: t.Any) -> list[str]:
    return [rule.line for rule in render(plan, **options)]


def body(plan: HostPlan, path: str, **options: t.Any) -> list[str]:
    return [line.partition('" profile=')[2] for line in lines(plan, **options) if f'description="{path}"' in line]


def test_what_lines_look_like() -> None:
    found = lines(windows())
    assert found[0] == (
        'advfirewall firewall add rule name="datapath.exchange in management ee59c8b0" dir=in action=allow description="management" profile=any protocol=tcp'
        ' localport=22 remoteip=198.51.100.0/24'
    )
    peers = "192.0.2.1,192.0.2.8-192.0.2.10,2001:db8::1,2001:db8:1::/64"
    assert body(windows(), "mapi-to-mailbox outlook-oab") == [f"any protocol=tcp localport=135,49152-65535 remoteip={peers}"]
    assert body(windows(), "web-access") == ["any protocol=tcp localport=443 remoteip=any"]
    assert body(windows(), "cluster-ping") == [
        "any protocol=icmpv4:8,any remoteip=192.0.2.1,192.0.2.8-192.0.2.10", "any protocol=icmpv6:128,any remoteip=2001:db8::1,2001:db8:1::/64",
    ]
    assert body(windows(), "esp-in") == [f"any protocol=50 remoteip={peers}"]
    assert body(windows(), "same-site") == [f"any protocol=any remoteip={peers}"]
    assert body(windows(), "dns") == [f"any protocol=udp remoteport=53 remoteip={peers}"]


def test_a_flow_that_only_ipsec_may_carry_asks_for_encryption() -> None:
    flow = Flow("in", "tcp", port(26), "hub_transport", ("secret",), "ipsec_required")
    assert body(windows(flow), "secret")[0].endswith(" security=authenc")
    assert "security" not in body(windows(replace(flow, protection="ipsec_requested")), "secret")[0]


def test_management_comes_first_and_open_egress_has_no_rules_out() -> None:
    names = [rule.name for rule in render(windows(egress="open"))]
    assert names[0].startswith("datapath.exchange in management ")
    assert not [name for name in names if name.startswith("datapath.exchange out ")]


def test_nobody_is_never_anybody() -> None:
    assert not [line for line in lines(windows()) if "unused" in line]
    alone = windows(families=("ipv6",), flows=(Flow("in", "tcp", port(9), "config_controller", ("no-v6-peers",)),))
    assert lines(alone) == []


@pytest.mark.parametrize("protocol", ["tcp", "udp", "esp", "icmp"])
@pytest.mark.parametrize(("family", "whole"), [("ipv4", "0.0.0.0-255.255.255.255"), ("ipv6", "::/1,8000::/1")])
def test_everyone_is_everyone_of_the_host_s_own_families_only(family: str, whole: str, protocol: str) -> None:
    flow = Flow("in", protocol, port(25) if protocol in ("tcp", "udp") else (), "web_client", ("to-all",))
    plan = windows(families=(family,), flows=(flow,), management=Management("", ()))
    (rule,) = render(plan)
    assert rule.line.endswith(f"remoteip={whole}")
    assert not rule.match.remote.everything
    assert bool(rule.match.remote.v4) == (family == "ipv4")
    assert bool(rule.match.remote.v6) == (family == "ipv6")


def test_profiles_narrow_every_rule() -> None:
    rules = render(windows(), profiles=("public", "domain"))
    assert {rule.match.profiles for rule in rules} == {("domain", "public")}
    assert all(" profile=domain,public " in rule.line for rule in rules)


def test_two_flows_that_do_the_same_are_one_rule_that_names_all_paths() -> None:
    twin = PeerSet("twin", ("192.0.2.1", "192.0.2.8-192.0.2.10"), ("2001:db8::1", "2001:db8:1::/64"))
    plan = windows(Flow("in", "tcp", port(25), "twin", ("second-path",)))
    plan = replace(plan, sets={**plan.sets, "twin": twin})
    found = [rule for rule in render(plan) if rule.match.local_ports.numbers == ((25, 25),)]
    assert [(rule.description, rule.paths) for rule in found] == [("hub-to-mailbox second-path", ("hub-to-mailbox", "second-path"))]


def test_rules_of_one_name_get_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netsh_firewall, "match_digest", lambda _match: "00000000")
    assert [rule.name for rule in render(windows()) if "cluster-ping" in rule.name] == [
        "datapath.exchange in cluster-ping 00000000", "datapath.exchange in cluster-ping 00000000 2",
    ]


def test_a_long_description_is_cut_at_whole_ids() -> None:
    paths = tuple(f"path-number-{number:04}" for number in range(30))
    rule = next(rule for rule in render(windows(Flow("in", "tcp", port(99), "hub_transport", paths))) if rule.paths == paths)
    assert rule.description == " ".join((*paths[:14], "+16"))
    assert len(rule.description) <= netsh_firewall.DESCRIPTION_BYTES < len(" ".join((*paths[:15], "+15")))


# Limits of lists and lines.


def _many(count: int, family: int = 4, step: int = 2) -> tuple[str, ...]:
    first, make = (0x0A000000, ipaddress.IPv4Address) if family == 4 else (0x2001_0DB8_1111_2222_3333_4444_5555_6666, ipaddress.IPv6Address)
    return tuple(str(make(first + step * number)) for number in range(count))


def _crowd(v4: tuple[str, ...], v6: tuple[str, ...] = (), ports: tuple[PortRange, ...] = (), **changes: t.Any) -> HostPlan:
    sets = {"crowd": PeerSet("crowd", v4, v6)}
    return windows(sets=sets, management=Management("", ()), flows=(Flow("in", "tcp", ports or port(25), "crowd", ("crowded",)),), **changes)


@pytest.mark.parametrize(("count", "pieces"), [(1, 1), (500, 1), (700, 2), (5000, 8)])
def test_long_lists_are_cut_into_balanced_rules_under_the_limits(count: int, pieces: int) -> None:
    rules = render(_crowd(_many(count)))
    sizes = [rule.line.count(",") for rule in rules]
    assert len(rules) == pieces
    assert max(sizes) - min(sizes) <= 1
    assert max(len(rule.line) for rule in rules) <= LINE_BYTES
    assert base._networks.merge(itertools.chain(*(rule.match.remote.v4 for rule in rules))) == base.intervals("ipv4", _many(count))


def test_no_list_has_more_than_a_thousand_members() -> None:
    short = tuple(f"1.{number // 100}.{number % 100}.1" for number in range(1500))
    for plan in (_crowd(short), _crowd(_many(3), ports=port(*range(1, 4001, 2)))):
        rules = render(plan)
        assert all(len(part.split(",")) <= LIST_ENTRIES for rule in rules for part in rule.line.split())
        assert len(rules) > 1


def test_both_families_and_ports_share_the_room_of_a_line() -> None:
    rules = render(_crowd(_many(300), _many(300, 6), port(*range(10000, 14000, 2))))
    assert max(len(rule.line) for rule in rules) <= LINE_BYTES
    admitted = netsh_firewall.admitted([rule.match for rule in rules], ("crowded",))
    assert {(fact.family, fact.ports, fact.addresses) for fact in admitted} == {
        (family, tuple((number, number) for number in range(10000, 14000, 2)), base.intervals(family, _many(300, int(family[-1])))) for family in base.FAMILIES
    }


def test_more_rules_than_a_host_can_have_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert RULES == 1000
    monkeypatch.setattr(netsh_firewall, "RULES", 8)
    assert len(render(_crowd(_many(5000)))) == 8
    assert re.fullmatch(r"mbx1: the host: the renderer netsh_firewall refuses 10 rules: 8 is the most: .*crowded needs the most", refused(_crowd(_many(5800))))


# Windows Server 2008.


def _old(*ports: int | tuple[int, int], paths: tuple[str, ...] = ("mapi-to-mailbox",), **changes: t.Any) -> list[Match]:
    flow = Flow(changes.pop("direction", "in"), changes.pop("protocol", "tcp"), port(*ports), "hub_transport", paths)
    plan = windows(flows=(flow,), management=Management("", ()), release="2008", **changes)
    return [rule.match for rule in render(plan)]


def test_the_rpc_range_becomes_the_keyword_where_ranges_are_not_known() -> None:
    (match,) = _old(135, SPAN)
    assert (match.local_ports.numbers, match.local_ports.keywords) == (((135, 135),), {"RPC"})


@pytest.mark.parametrize("changes", [
    {"direction": "out"}, {"protocol": "udp"}, {"rpc": {**RPC, "range": "49152-65534"}}, {"rpc": {}}, {"paths": ("ccr-scr-seeding",)},
    {"paths": ("mapi-to-mailbox", "mailbox-clustering")},
])
def test_nothing_else_becomes_the_keyword(changes: dict[str, t.Any]) -> None:
    matches = _old(SPAN, **changes)
    sides = [match.local_ports if match.direction == "in" else match.remote_ports for match in matches]
    assert not [side for side in sides if side.keywords]
    assert base._networks.merge(itertools.chain(*(side.numbers for side in sides))) == (SPAN,)
    assert len(matches) == 17


@pytest.mark.parametrize("span", [(49151, 65535), (49153, 65535), (49152, 65534)])
def test_a_range_that_is_nearly_the_rpc_range_is_a_list(span: tuple[int, int]) -> None:
    assert not [match for match in _old(span) if match.local_ports.keywords]


def test_no_range_of_ports_is_written_where_they_are_not_known() -> None:
    plan = windows(Flow("in", "udp", port((5004, 5010)), "hub_transport", ("media",)), release="2008")
    ports = [word for line in lines(plan) for word in line.split() if word.startswith(("localport=", "remoteport="))]
    assert "localport=5004,5005,5006,5007,5008,5009,5010" in ports
    assert not [word for word in ports if "-" in word]
    assert "localport=5004-5010" in " ".join(lines(plan, release=release_of("2008r2")))


# What is refused.


def refused(plan: HostPlan, state: str = "enforced", **options: t.Any) -> str:
    with pytest.raises((UnsupportedFlowError, ReadBackError)) as caught:
        render(plan, state, **options)
    return str(caught.value)


@pytest.mark.parametrize(("changes", "message"), [
    ({"platform": "linux"}, "mbx1: the host: the renderer netsh_firewall refuses platform:linux: render it with datapath.exchange.nftables"),
    ({"families": ()}, "mbx1: the host: the renderer netsh_firewall refuses family:none: give the host an address in datapath_addresses"),
    ({"flows": (Flow("in", "any", (), "web_client", ("all-of-it",)),)},
     "mbx1: all-of-it: the renderer netsh_firewall refuses everything:everyone: any protocol from anybody switches the firewall off: name the networks of the"
     " peer kind in datapath_peers instead of any"),
    ({"release": "2003"},
     "mbx1: the host: the renderer netsh_firewall refuses Windows Server 2003: it has no netsh advfirewall: datapath.exchange.render writes what its tools can"
     " express, with findings for the rest"),
])
def test_refusals_in_words(changes: dict[str, t.Any], message: str) -> None:
    assert refused(windows(**changes)) == message


def test_other_states_and_profiles_are_refused() -> None:
    assert "state:absent" in refused(windows(), "absent")
    assert "the profiles none" in refused(windows(), profiles=())
    assert "the profiles domain, home" in refused(windows(), profiles=("domain", "home"))


def test_a_release_that_is_not_known_is_an_error() -> None:
    with pytest.raises(WindowsError, match="not a supported release"):
        render(windows(release=""))


@pytest.mark.parametrize("path", ['x" & calc & "', "a b", "%PATH%", "x|y", "x^", "Upper", "", "x" * 101, "zwölf", "x\n"])
def test_hostile_path_ids_are_refused(path: str) -> None:
    assert "this path id" in refused(windows(flows=(Flow("in", "tcp", port(1), "hub_transport", (path,)),)))


@pytest.mark.parametrize("network", [
    "any", "localsubnet", "192.0.2.1 192.0.2.2", "192.0.2.1,192.0.2.9", "192.0.2.1/24", "192.0.2.9-192.0.2.1", "0.0.0.0/0", "192.0.2.1&calc", "%COMPUTERNAME%",
    "192.0.2.1\n", "192.0.2.256", "2001:db8::1", "",
])
def test_hostile_networks_are_refused(network: str) -> None:
    plan = windows(sets={"x": PeerSet("x", (network,))}, flows=(Flow("in", "tcp", port(1), "x", ("a-path",)),), management=Management("", ()))
    assert "peer set 'x'" in refused(plan)


@pytest.mark.parametrize(("family", "whole"), [(4, ("0.0.0.0/1", "128.0.0.0/1")), (6, ("::/1", "8000::/1")), (4, ("0.0.0.0-255.255.255.255",)), (6, ("::/0",))])
def test_everybody_in_disguise_is_refused(family: int, whole: tuple[str, ...]) -> None:
    peers = PeerSet("x", whole) if family == 4 else PeerSet("x", (), whole)
    plan = windows(sets={"x": peers}, flows=(Flow("in", "tcp", port(1), "x", ("a-path",)),), management=Management("", ()))
    assert f"the whole of ipv{family}: any is only ever explicit" in refused(plan)


@pytest.mark.parametrize("ports", [port(9, 9), port((1, 5), (5, 9)), port(9, 1)])
def test_ports_that_are_not_apart_are_refused(ports: tuple[PortRange, ...]) -> None:
    assert "sorted and apart" in refused(windows(flows=(Flow("in", "tcp", ports, "hub_transport", ("a-path",)),)))


def test_members_that_overlap_are_refused() -> None:
    plan = _crowd(("192.0.2.0/24", "192.0.2.7"))
    assert "members that overlap" in refused(plan)


@pytest.mark.parametrize("feature", sorted(RENDERER.features))
def test_each_declared_feature_is_needed(feature: str) -> None:
    """A plan that uses the feature is refused as soon as the renderer does not declare it."""
    plans = (
        windows(Flow("in", "tcp", port(7), "hub_transport", ("a-path",), feature.partition(":")[2]) if feature.startswith("protection:") else
                Flow("in", "tcp", port(7), "hub_transport", ("a-path",))), windows(egress="open"),
    )
    less = replace(RENDERER, features=RENDERER.features - {feature})

    def ask_for_all() -> None:
        for plan in plans:
            for state in ("enforced", "monitored"):
                less.require(plan, state)

    with pytest.raises(UnsupportedFlowError, match=re.escape(feature)):
        ask_for_all()


# Faults planted in the renderer: none of them may leave it.


def _plant(monkeypatch: pytest.MonkeyPatch, name: str, change: t.Callable[[t.Any], t.Any]) -> None:
    monkeypatch.setattr(netsh_firewall, name, change(getattr(netsh_firewall, name)))


@pytest.mark.parametrize(("name", "change"), [
    ("_port_entries", lambda original: lambda flow, offer: original(flow, offer)[:1]),
    ("_port_entries", lambda original: lambda flow, offer: (*original(flow, offer), "65000") if flow.protocol == "tcp" else original(flow, offer)),
    ("_port_entries", lambda _original: lambda _flow, _offer: ()),
    ("_members", lambda original: lambda peers, families: dict(list(original(peers, families).items())[:1])),
    ("_members", lambda original: lambda peers, families: original(replace(peers, v4=(*peers.v4, "203.0.113.9")) if peers.v4 else peers, families)),
    ("_chunks", lambda original: lambda ports, peers: list(original(ports, peers))[1:]),
    ("_chunks", lambda original: lambda ports, peers: ((chunk[0], ()) for chunk in original(ports, peers))),
    ("_body", lambda original: lambda *words: original(*words).replace("protocol=tcp", "protocol=udp")),
    ("_body", lambda original: lambda *words: original(*words).replace(" security=authenc", "")),
    ("_body", lambda original: lambda *words: re.sub(r" remoteip=\S+", "", original(*words))),
    ("_body", lambda original: lambda *words: original(*words) + " edge=yes"),
    ("_body", lambda original: lambda *words: original(*words) + "  "),
    ("_ECHO", lambda _original: {"ipv4": ("icmpv4:5,any", 1, ("5:*",)), "ipv6": ("icmpv6:137,any", 58, ("137:*",))}),
    ("_PROTOCOLS", lambda original: {**original, "esp": None}),
    ("_WHOLE", lambda original: {**original, "ipv4": ("0.0.0.0-255.255.255.255", "2001:db8::/32")}),
])
def test_a_fault_of_the_renderer_never_leaves_it(monkeypatch: pytest.MonkeyPatch, name: str, change: t.Callable[[t.Any], t.Any]) -> None:
    plan = windows(Flow("in", "tcp", port(26), "hub_transport", ("secret",), "ipsec_required"))
    everyone = windows(families=("ipv4",), flows=(Flow("in", "tcp", port(25), "web_client", ("to-all",)),))
    render(plan)
    render(everyone)
    netsh_firewall._flow_parts.cache_clear()
    netsh_firewall._rule.cache_clear()
    _plant(monkeypatch, name, change)
    with pytest.raises((ReadBackError, UnsupportedFlowError, WindowsError)):
        (render(plan), render(everyone))


def test_the_error_says_what_was_gained(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, "_port_entries", lambda original: lambda flow, offer: (*original(flow, offer), "99"))
    plan = windows(flows=(Flow("in", "tcp", port(25), "config_controller", ("a-path",)),), management=Management("", ()))
    assert refused(plan) == (
        "mbx1: what the rules for a-path admit does not mean what was planned: gained in ipv4 25,99/tcp from 198.51.100.0/24 [a-path]; lost in ipv4 25/tcp from"
        " config_controller [a-path]"
    )


def test_a_flow_whose_rules_are_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, "_named", lambda original: lambda parts: original(parts[1:]))
    assert "the rules of the host are not those of its flows" in refused(windows())


def test_the_digest_tells_all_matches_apart() -> None:
    one = Match("in")
    others = [
        Match("out"), replace(one, action="block"), replace(one, protocol=6), replace(one, profiles=("domain",)), replace(one, icmp=("8:*",)),
        replace(one, security="authenc"), replace(one, program="x"), replace(one, service="x"), replace(one, interfaces=("Lan",)), replace(one, edge="yes"),
        replace(one, other=(("LUAuth", "x"),)), *(replace(one, **{side: render(windows())[0].match.local_ports}) for side in ("local_ports", "remote_ports")),
        *(replace(one, **{side: render(windows())[0].match.remote}) for side in ("local", "remote")),
    ]
    assert len({netsh_firewall.match_digest(match) for match in (one, *others)}) == len(others) + 1


# Profiles.


def test_enforced_profiles_block_what_comes_in() -> None:
    assert netsh_firewall.profile_lines("enforced", "open", ("domain",)) == (
        "advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound", "advfirewall set domainprofile logging droppedconnections enable",
        "advfirewall set domainprofile state on",
    )
    restricted = netsh_firewall.profile_lines("enforced", "restricted")
    assert [line.split()[2:] for line in restricted[::3]] == [[f"{name}profile", "firewallpolicy", "blockinbound,blockoutbound"] for name in PROFILES]


def test_profiles_that_are_right_need_no_line() -> None:
    right = Profile(enabled=True, inbound="block", outbound="allow", log_dropped=True)
    assert netsh_firewall.profile_lines("enforced", "open", PROFILES, dict.fromkeys(PROFILES, right)) == ()
    absent = netsh_firewall.profile_lines("enforced", "open", ("domain",), {"domain": Profile()})
    assert absent == ("advfirewall set domainprofile logging droppedconnections enable",)
    off = netsh_firewall.profile_lines("enforced", "open", ("domain",), {"domain": replace(right, enabled=False)})
    assert off == ("advfirewall set domainprofile state on",)


@pytest.mark.parametrize(("current", "inbound", "first"), [
    (None, "keep", "logging droppedconnections enable"),
    (Profile(enabled=True, inbound="block"), "keep", "logging droppedconnections enable"),
    (Profile(), "keep", "logging droppedconnections enable"),
    (Profile(enabled=True, inbound="block", outbound="block"), "allow", "firewallpolicy allowinbound,blockoutbound"),
    (Profile(enabled=False, inbound="block", outbound="block"), "keep", "firewallpolicy allowinbound,allowoutbound"),
    (Profile(enabled=True, inbound="allow"), "allow", "logging droppedconnections enable"),
])
def test_monitored_profiles_drop_and_admit_nothing_new(current: Profile | None, inbound: str, first: str) -> None:
    known = None if current is None else {"public": current}
    found = netsh_firewall.profile_lines("monitored", "restricted", ("public",), known, inbound)
    assert found[0] == f"advfirewall set publicprofile {first}"
    assert "advfirewall set publicprofile logging allowedconnections enable" in found
    assert not [line for line in found if "blockinbound" in line or "state off" in line]
