# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import re
import typing as t

import pytest
from hypothesis import given, settings
from render_plans import example, host_plans, port

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Flow, HostPlan, Management, PeerSet, PlanError, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import base, nftables
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import FlowFact, ReadBackError, UnsupportedFlowError, plan_facts
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import COMMENT_BYTES, RENDERER, drift, read_back, render

CACHES = (nftables._head, nftables._sessions, nftables._tail, nftables._set_block, nftables._flow_block, nftables._frame)


@pytest.fixture(autouse=True)
def _fresh_caches() -> t.Iterator[None]:
    """A fault that a test plants must not live on in a cache, nor be hidden by one."""
    for cache in CACHES:
        cache.cache_clear()
    yield
    for cache in CACHES:
        cache.cache_clear()


@given(host_plans())
@settings(max_examples=60, deadline=None)
def test_reading_back_gives_the_flows_of_the_plan(plan: HostPlan) -> None:
    for state in ("enforced", "monitored"):
        assert read_back(render(plan, state)).flows == plan_facts(plan, COMMENT_BYTES)


@given(host_plans())
@settings(max_examples=40, deadline=None)
def test_every_edge_of_the_plan_is_decided_as_an_oracle_decides_it(plan: HostPlan) -> None:
    """The oracle shares nothing with the renderer: it asks the ipaddress module, packet by packet."""
    table = read_back(render(plan))
    for flow in plan.flows:
        for family in base.FAMILIES:
            for address in _edges(plan.sets[flow.peers], family):
                for number in _port_edges(flow):
                    packet = (flow.direction, family, flow.protocol, number, address)
                    assert _admitted(table.flows, *packet) == _wanted(plan, *packet), packet


def _edges(peers: PeerSet, family: str) -> set[int]:
    top = (1 << base.WIDTH[family]) - 1
    ends = {end for network in (peers.v4 if family == "ipv4" else peers.v6) for end in _ends(network)}
    return {near for end in ends for near in (end - 1, end, end + 1) if 0 <= near <= top} | {77}


def _ends(network: str) -> tuple[int, int]:
    if "-" in network:
        low, high = map(ipaddress.ip_address, network.split("-"))
        return int(low), int(high)
    whole = ipaddress.ip_network(network)
    return int(whole[0]), int(whole[-1])


def _port_edges(flow: Flow) -> set[int]:
    return {near for each in flow.ports for end in (each.low, each.high) for near in (end - 1, end, end + 1)} or {0}


def _admitted(facts: t.Iterable[FlowFact], direction: str, family: str, protocol: str, number: int, address: int) -> bool:
    return any(
        fact.direction == direction and fact.family == family and (fact.protocol == "any" or (fact.protocol == protocol and _inside(number, fact.ports)))
        and (fact.addresses is None or _inside(address, t.cast("base.Intervals", fact.addresses))) for fact in facts
    )


def _inside(number: int, intervals: base.Intervals) -> bool:
    return not intervals or any(low <= number <= high for low, high in intervals)


def _wanted(plan: HostPlan, direction: str, family: str, protocol: str, number: int, address: int) -> bool:
    management = plan.management
    flows = [*plan.flows, *([Flow("in", "tcp", management.ports, management.peers, ("management",))] if management.peers else [])]
    return family in plan.families and any(
        flow.direction == direction and (direction == "in" or plan.egress == "restricted") and _member(plan.sets[flow.peers], family, address)
        and (flow.protocol == "any" or (flow.protocol == protocol and _inside(number, tuple((each.low, each.high) for each in flow.ports))))
        for flow in flows
    )


def _member(peers: PeerSet, family: str, address: int) -> bool:
    return peers.everyone or any(low <= address <= high for low, high in map(_ends, peers.v4 if family == "ipv4" else peers.v6))


@given(host_plans())
@settings(max_examples=20, deadline=None)
def test_same_plan_same_bytes_with_and_without_caches(plan: HostPlan) -> None:
    cached = render(plan)
    for cache in CACHES:
        cache.cache_clear()
    assert render(plan) == cached
    assert drift(cached, cached) == []


def test_what_a_text_looks_like() -> None:
    text = render(example())
    assert text.startswith(
        "# datapath.exchange: scope documented, encryption as_documented\ntable inet datapath\ndelete table inet datapath\ntable inet datapath {\n"
    )
    for line in (
        'ip saddr @hub_transport_v4 tcp dport { 135, 49152-65535 } counter accept comment "mapi-to-mailbox outlook-oab"',
        'ip6 saddr @hub_transport_v6 tcp dport 25 counter accept comment "hub-to-mailbox"',
        'tcp dport 443 counter accept comment "web-access"',
        'ip saddr @hub_transport_v4 icmp type echo-request counter accept comment "cluster-ping"',
        'ip6 saddr @hub_transport_v6 icmpv6 type echo-request counter accept comment "cluster-ping"',
        'ip saddr @hub_transport_v4 counter accept comment "same-site"',
        'ip saddr @config_controller_v4 tcp dport 22 counter accept comment "management"',
        'ip daddr @hub_transport_v4 udp dport 53 counter accept comment "dns"',
    ):
        assert text.count(f"\t\t{line}\n") == 1, line


def test_the_order_of_a_chain_lets_session_and_management_survive() -> None:
    comments = [rule.comment for rule in read_back(render(example())).chains["input"].rules]
    assert comments.index("session") < comments.index("management") < comments.index("invalid") < comments.index("hub-to-mailbox")
    assert comments[-2:] == ["", "datapath dropped"]


def test_monitored_drops_nothing() -> None:
    table = read_back(render(example(), "monitored"))
    assert {chain.policy for chain in table.chains.values()} == {"accept"}
    assert not [rule for chain in table.chains.values() for rule in chain.rules if rule.verdict == "drop"]
    assert [chain.rules[-2].log for chain in table.chains.values()] == ["datapath in would drop ", "datapath out would drop "]


def test_enforced_drops_by_policy_and_by_rule() -> None:
    table = read_back(render(example()))
    assert {chain.policy for chain in table.chains.values()} == {"drop"}
    assert {chain.rules[-1].verdict for chain in table.chains.values()} == {"drop"}


def test_open_egress_has_no_output_chain_and_no_set_of_its_own() -> None:
    plan = example(Flow("out", "tcp", port(80), "only_out", ("crl",)), egress="open")
    plan = HostPlan(**{**vars(plan), "sets": {**plan.sets, "only_out": PeerSet("only_out", ("203.0.113.1",))}})
    assert list(read_back(render(plan)).chains) == ["input"]
    assert "only_out" not in render(plan)
    assert "set only_out_v4" in render(HostPlan(**{**vars(plan), "egress": "restricted"}))


def test_nobody_is_never_anybody() -> None:
    text = render(example())
    assert "unused" not in text
    assert "nobody" not in text
    assert "dport 1 " not in text


def test_a_family_without_members_gets_no_rule() -> None:
    plan = example(Flow("in", "tcp", port(9), "config_controller", ("one-family",)))
    assert [fact.family for fact in read_back(render(plan)).flows if fact.paths == ("one-family",)] == ["ipv4"]


def test_a_host_of_one_family_has_no_set_of_the_other() -> None:
    table = read_back(render(example(families=("ipv6",))))
    assert {each.family for each in table.sets.values() if not each.concatenated} == {"ipv6"}


@pytest.mark.parametrize("family", base.FAMILIES)
def test_everyone_is_everyone_of_the_host_s_own_families_only(family: str) -> None:
    plan = example(families=(family,))
    facts = [fact for fact in read_back(render(plan)).flows if fact.paths == ("web-access",)]
    assert [(fact.family, fact.addresses) for fact in facts] == [(family, None)]
    assert f"meta nfproto {family} tcp dport 443" in render(plan)


def test_sessions_are_declared_and_empty() -> None:
    table = read_back(render(example(families=("ipv4",))))
    assert {name for name, each in table.sets.items() if each.concatenated} == {"session_v4", "session_v6"}
    assert not table.sessions


def test_each_address_once_and_size_linear() -> None:
    def text(count: int, flows: int) -> str:
        members = tuple(str(ipaddress.IPv4Address(int(ipaddress.IPv4Address("10.0.0.0")) + 2 * number)) for number in range(count))
        sets = {"many": PeerSet("many", members)}
        return render(HostPlan(
            "h", (), "s", "linux", ("ipv4",), tuple(Flow("in", "tcp", port(number), "many", ("a-path",)) for number in range(1, flows + 1)), sets,
            Management("", ()),
        ))

    one, two, many_flows = text(1000, 1), text(2000, 1), text(1000, 30)
    assert len(two) - len(one) <= 20_000
    assert len(many_flows) - len(one) <= 29 * 100
    for each in (one, many_flows):
        assert all(len(re.findall(rf"\b{re.escape(address)}\b", each)) == 1 for address in ("10.0.0.0", "10.0.3.232", "10.0.7.206"))


def test_each_distinct_set_is_rendered_and_proved_once() -> None:
    for number in range(20):
        render(example(host=f"mbx{number}"))
    assert nftables._set_block.cache_info().misses == 3


def test_a_long_comment_is_cut_at_whole_ids() -> None:
    paths = tuple(f"path-number-{number:04}" for number in range(30))
    facts = read_back(render(example(Flow("in", "tcp", port(99), "hub_transport", paths)))).flows
    shown = next(fact.paths for fact in facts if fact.ports == ((99, 99),))
    assert shown == (*paths[:6], "+24")
    assert len(" ".join((*paths[:7], "+23"))) > COMMENT_BYTES >= len(" ".join(shown))


# Faults planted in the renderer: none of them may leave it.


def _plant(monkeypatch: pytest.MonkeyPatch, name: str, change: t.Callable[[t.Any], t.Any]) -> None:
    original = getattr(nftables, name)
    monkeypatch.setattr(nftables, name, change(original))


def _first_port_only(original: t.Callable[..., str]) -> t.Callable[..., str]:
    return lambda flow, family: original(Flow(flow.direction, flow.protocol, flow.ports[:1], flow.peers, flow.paths), family)


def _no_port(original: t.Callable[..., str]) -> t.Callable[..., str]:
    return lambda flow, family: "meta l4proto tcp" if flow.protocol == "tcp" else original(flow, family)


def _no_peers(original: t.Callable[..., t.Iterator[str]]) -> t.Callable[..., t.Iterator[str]]:
    return lambda flow, reach: (re.sub(r"ip6? saddr @\w+ ", "", text) for text in original(flow, reach))


def _only_ipv4(original: t.Callable[..., t.Iterator[str]]) -> t.Callable[..., t.Iterator[str]]:
    return lambda flow, reach: (text for text in original(flow, reach) if not text.startswith("ip6"))


def _twice(original: t.Callable[..., t.Iterator[str]]) -> t.Callable[..., t.Iterator[str]]:
    return lambda flow, reach: (text for text in original(flow, reach) for _time in range(2))


@pytest.mark.parametrize(("name", "change"), [
    ("_protocol", _first_port_only),
    ("_protocol", _no_port),
    ("_matches", _no_peers),
    ("_matches", _only_ipv4),
    ("_matches", _twice),
    ("_comment", lambda _original: lambda _flow: "another-path"),
    ("_SIDE", lambda _original: {"in": "daddr", "out": "saddr"}),
    ("_KEYWORDS", lambda _original: {"ipv4": "ip6", "ipv6": "ip"}),
    ("_ECHO", lambda _original: {"ipv4": "icmp type redirect", "ipv6": "icmpv6 type nd-redirect"}),
])
def test_a_wrong_rule_is_never_rendered(monkeypatch: pytest.MonkeyPatch, name: str, change: t.Callable[[t.Any], t.Any]) -> None:
    _plant(monkeypatch, name, change)
    with pytest.raises(ReadBackError, match=r"^mbx1: "):
        render(example())


def test_a_dropped_port_is_named_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, "_protocol", _first_port_only)
    plan = example()
    plan = HostPlan(**{**vars(plan), "flows": plan.flows[1:2]})
    with pytest.raises(ReadBackError) as caught:
        render(plan)
    assert caught.value.lost == (
        "in ipv4 135,49152-65535/tcp from hub_transport [mapi-to-mailbox outlook-oab]",
        "in ipv6 135,49152-65535/tcp from hub_transport [mapi-to-mailbox outlook-oab]",
    )
    assert [text.partition(" from ")[0] for text in caught.value.gained] == ["in ipv4 135/tcp", "in ipv6 135/tcp"]


@pytest.mark.parametrize(("old", "new", "gained", "lost"), [
    ("192.0.2.1,", "192.0.2.0/31,", ("192.0.2.0",), ()),
    ("192.0.2.8-192.0.2.10", "192.0.2.8", (), ("192.0.2.9-192.0.2.10",)),
    ("192.0.2.1,", "192.0.2.2,", ("192.0.2.2",), ("192.0.2.1",)),
    ("192.0.2.1,\n", "", (), ("192.0.2.1",)),
    ("set hub_transport_v4 {", "set hub_transport {", (), ()),
])
def test_a_wrong_set_is_never_rendered(
    monkeypatch: pytest.MonkeyPatch, old: str, new: str, gained: tuple[str, ...], lost: tuple[str, ...],
) -> None:
    monkeypatch.setattr(nftables, "events", lambda text, read=nftables.events: read(text.replace(old, new)))
    with pytest.raises(ReadBackError, match="hub_transport_v4 does not hold what was planned") as caught:
        render(example())
    assert (caught.value.gained, caught.value.lost) == (gained, lost)


@pytest.mark.parametrize(("old", "new"), [
    ("policy drop;", "policy accept;"),
    ('counter drop comment "datapath dropped"', 'counter accept comment "datapath dropped"'),
    ("ct state established,related accept", "ct state established,related,new accept"),
    ("nd-router-solicit", "nd-redirect"),
    (" ip6 hoplimit 255", ""),
    ('iif "lo" accept', 'iif "eth0" accept'),
    ("packet-too-big, ", ""),
    ("10/second burst 20 packets accept", "10/second burst 200 packets accept"),
    ('ip saddr . tcp dport @session_v4 counter accept comment "session"\n', ""),
    ('log prefix "datapath in drop "', 'log prefix "datapath in "'),
])
def test_a_wrong_frame_is_never_rendered(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    monkeypatch.setattr(nftables, "events", lambda text, read=nftables.events: read(text.replace(old, new)))
    with pytest.raises(ReadBackError, match="what surrounds the flows of chain input"):
        render(example())


def _swap_directions(original: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    other = {"in": "out", "out": "in"}
    return lambda admitted, direction, state: [
        *original([], direction, state)[:-1], *(block for flow, block in admitted if flow.direction == other[direction]), original([], direction, state)[-1],
    ]


def _flow_lost(original: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    return lambda admitted, direction, state: original(admitted[:-2], direction, state)


def _flow_before_invalid(original: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    def wrong(admitted: t.Any, direction: str, state: str) -> t.Any:
        if direction == "out":
            return original(admitted, direction, state)
        before, management, between, *others = original(admitted, direction, state)
        return [before, management, *others[:1], between, *others[1:]]
    return wrong


@pytest.mark.parametrize("change", [_swap_directions, _flow_lost, _flow_before_invalid])
def test_flows_in_the_wrong_place_are_never_rendered(monkeypatch: pytest.MonkeyPatch, change: t.Callable[[t.Any], t.Any]) -> None:
    _plant(monkeypatch, "_chain_blocks", change)
    with pytest.raises(ReadBackError, match="not those that were planned, in that order"):
        render(example())


def test_a_set_that_is_used_and_not_rendered_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, "_set_blocks", lambda _original: lambda _used, _families: [])
    with pytest.raises(ReadBackError, match="names a set that is not there"):
        render(example())


# What is refused, and in which words.


def test_the_declaration_is_pinned() -> None:
    assert {feature for feature in RENDERER.features if feature.startswith(("protection", "platform", "state"))} == {
        "platform:linux", "state:enforced", "state:monitored", "protection:none", "protection:tls", "protection:starttls", "protection:rpc",
        "protection:kerberos", "protection:ipsec_requested", "protection:ipsec_required",
    }
    assert "everything:everyone" not in RENDERER.features


WANTED = Association("hub_transport", "maybe", whole=False, selectors=("in 445/tcp",), paths=("log-shipping",))


@pytest.mark.parametrize(("plan", "path", "feature", "fix"), [
    (example(associations=(WANTED,)), "log-shipping", "protection:ipsec_maybe", "leave it out of the plan"),
    (example(platform="windows"), "the host", "platform:windows", "set datapath_platform to linux"),
    (example(families=()), "the host", "family:none", "datapath_addresses"),
    (example(egress="blocked"), "the host", "egress:blocked", "leave it out of the plan"),
    (example(Flow("in", "any", (), "web_client", ("wide-open",))), "wide-open", "everything:everyone", "in datapath_peers instead of any"),
])
def test_what_is_not_declared_is_refused(plan: HostPlan, path: str, feature: str, fix: str) -> None:
    with pytest.raises(UnsupportedFlowError, match=re.escape(fix)) as caught:
        render(plan)
    assert (caught.value.host, caught.value.path, caught.value.feature, caught.value.renderer) == ("mbx1", path, feature, "nftables")
    assert str(caught.value).startswith(f"mbx1: {path}: the renderer nftables refuses {feature}: ")


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(UnsupportedFlowError, match="refuses state:absent"):
        render(example(), "absent")


def test_an_unknown_peer_set_is_an_error() -> None:
    with pytest.raises(PlanError, match="lost-set is not in the plan of the host"):
        render(example(Flow("in", "tcp", port(1), "lost-set", ("a-path",))))


EVIL = (
    "192.0.2.1; flush ruleset", "192.0.2.1 }", "192.0.2.1\n", "192.0.2.01", "192.0.2.256", "192.0.2.1/33", "192.0.2.1/24", "192.0.2.9-192.0.2.1", "::1",
    "192.0.2.1/", "/24", "-", "", "192.0.2.1-", "192.0.2.0/24-192.0.2.9", "192.0.2.1,192.0.2.2", "0x7f.0.0.1", "\u0661.0.2.1", 'include "/etc/shadow"',
    "192.0.2.0/+4", "192.0.2.0/ 24", "0.0.0.0/0",
)


@pytest.mark.parametrize("member", EVIL)
def test_a_hostile_ipv4_member_is_refused(member: str) -> None:
    plan = example(sets={**example().sets, "hub_transport": PeerSet("hub_transport", (member,))})
    with pytest.raises(UnsupportedFlowError, match=r"^mbx1: peer set hub_transport: the renderer nftables refuses "):
        render(plan)


@pytest.mark.parametrize("member", [
    "2001:DB8::1", "2001:db8::1%eth0", "fe80::1 }", "2001:db8::/129", "2001:db8::1/64", "::/0", "192.0.2.1", "2001:db8:::1", "@x", "$x",
])
def test_a_hostile_ipv6_member_is_refused(member: str) -> None:
    plan = example(sets={**example().sets, "hub_transport": PeerSet("hub_transport", (), (member,))})
    with pytest.raises(UnsupportedFlowError, match=r"^mbx1: peer set hub_transport: the renderer nftables refuses "):
        render(plan)


@pytest.mark.parametrize("members", [("192.0.2.1", "192.0.2.1"), ("192.0.2.0/24", "192.0.2.7"), ("192.0.2.1-192.0.2.5", "192.0.2.5-192.0.2.9")])
def test_overlapping_members_are_refused(members: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedFlowError, match="members that overlap"):
        render(example(sets={**example().sets, "hub_transport": PeerSet("hub_transport", members)}))


def test_halves_of_the_address_space_are_any_in_disguise() -> None:
    with pytest.raises(UnsupportedFlowError, match="the whole of ipv4: any is only ever explicit"):
        render(example(sets={**example().sets, "hub_transport": PeerSet("hub_transport", ("0.0.0.0/1", "128.0.0.0/1"))}))


@pytest.mark.parametrize("name", ["1site", "Site", "a b", "a;b", "a\n", "@a", "", "session", "_a", "a" * 253, "a-b", "\u00e4"])
def test_a_hostile_set_name_is_refused(name: str) -> None:
    plan = HostPlan(
        "h", (), "s", "linux", ("ipv4",), (Flow("in", "tcp", port(1), name, ("a-path",)),), {name: PeerSet(name, ("192.0.2.1",))}, Management("", ()),
    )
    with pytest.raises(UnsupportedFlowError, match=r"^h: "):
        render(plan)


@pytest.mark.parametrize("path", ['x" accept', "a b", "A", "-a", "a\n", "a" * 111, "", "+2", "session", "invalid"])
def test_a_hostile_path_is_refused(path: str) -> None:
    with pytest.raises(UnsupportedFlowError, match="this path id"):
        render(example(Flow("in", "tcp", port(1), "hub_transport", (path,))))


@pytest.mark.parametrize("ports", [port(0), port(65536), port((9, 8)), port(5, 4), port((1, 5), 5), port(7, 7), (PortRange(t.cast("int", "1 accept"), 2),)])
def test_wrong_ports_are_refused(ports: tuple[PortRange, ...]) -> None:
    with pytest.raises(UnsupportedFlowError, match=r"^mbx1: a-path: the renderer nftables refuses (a port|ports) "):
        render(example(Flow("in", "tcp", ports, "hub_transport", ("a-path",))))


@pytest.mark.parametrize("word", ["x\ny", "a b", "", "A"])
def test_a_hostile_scope_is_refused(word: str) -> None:
    with pytest.raises(UnsupportedFlowError, match="the scope or encryption"):
        render(example(scope=word))


def test_too_many_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nftables, "SET_ELEMENTS", 1)
    with pytest.raises(UnsupportedFlowError, match="2 members: a set has at most 1: name larger networks"):
        render(example())


# Any change of the text changes what is read, or cannot be read.


@pytest.mark.parametrize("state", ["enforced", "monitored"])
def test_no_line_can_be_left_out(state: str) -> None:
    text = render(example(), state)
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.strip() and not line.startswith("#"):
            assert _noticed(text, "".join(lines[:number] + lines[number + 1:])), line


def test_no_digit_can_be_another() -> None:
    text = render(example())
    for found in re.finditer(r"[0-9]", text):
        changed = text[:found.start()] + str((int(found.group()) + 1) % 10) + text[found.end():]
        assert _noticed(text, changed), text[found.start() - 40:found.end() + 5]


def test_no_word_can_be_left_out() -> None:
    text = render(example())
    for found in re.finditer(r"[^\s]+", text[text.index("\n"):]):
        start, end = (text.index("\n") + offset for offset in found.span())
        if not re.fullmatch(r"counter|level|,|;", found.group()):
            assert _noticed(text, text[:start] + text[end:]), text[start - 40:end + 5]


def _noticed(text: str, changed: str) -> bool:
    try:
        read_back(changed)
    except ReadBackError:
        return True
    return bool(drift(text, changed))
