# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be in IPsec and is not is refused both ways, whatever state a connection is in; nothing that IPsec or Ansible needs ever is."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipsec_plans import LEGACY, PORTS, SETS, WHOLE, Packet, associations, packets, plan, refused

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, HostPlan, Management, PeerSet
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import nftables, nftables_ipsec
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, UnsupportedFlowError, plan_facts
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import COMMENT_BYTES, drift, read_back, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_table import ParsedTable, Rule

CACHES = (nftables._head, nftables._sessions, nftables._tail, nftables._set_block, nftables._flow_block, nftables._frame)
CHAIN = {"in": "ipsec_in", "out": "ipsec_out"}


@pytest.fixture(autouse=True)
def _fresh_caches() -> t.Iterator[None]:
    yield
    for cache in CACHES:
        cache.cache_clear()


def verdict(table: ParsedTable, packet: Packet) -> str:
    """What the guards do with a packet: the first rule that matches and decides; ``accept`` by the policy."""
    chain = table.chains[CHAIN[packet.direction]]
    for rule in chain.rules:
        if rule.verdict and all(_matches(table, packet, key, value) for key, value in rule.matches):
            return f"{rule.verdict} {rule.comment}".strip()
    return chain.policy


def _matches(table: ParsedTable, packet: Packet, key: str, value: t.Any) -> bool:
    version = ipaddress.ip_address(packet.peer).version
    word, _blank, field = key.partition(" ")
    if key in ("meta ipsec", "rt ipsec"):
        return packet.ipsec
    if key in ("iif", "oif") or word == "icmpv6":
        return False
    if key == "meta l4proto":
        return _among(value, packet.protocol)
    if word in ("ip", "ip6"):
        if (word == "ip") is not (version == 4) or "." in field:
            return False
        return _among(table.sets[value[1:]].members, int(ipaddress.ip_address(packet.peer)))
    return packet.protocol == {"tcp": 6, "udp": 17}[word] and _among(value, packet.sport if field == "sport" else packet.dport)


def _among(ranges: t.Iterable[tuple[int, int]], number: int) -> bool:
    return any(low <= number <= high for low, high in ranges)


@given(st.lists(associations(), max_size=4), st.lists(packets(), max_size=30), st.sampled_from(("enforced", "monitored")))
@settings(max_examples=60, deadline=None)
def test_the_guards_refuse_exactly_what_must_not_pass_in_clear(wanted: list[Association], asked: list[Packet], state: str) -> None:
    host = plan(*wanted)
    table = read_back(render(host, state))
    for packet in asked:
        says = verdict(table, packet) if CHAIN[packet.direction] in table.chains else "accept"
        caught = says == {"enforced": "drop ipsec", "monitored": "accept ipsec"}[state]
        assert caught is refused(host, packet), packet


@given(st.lists(associations(), max_size=4), st.sampled_from(("open", "restricted")))
@settings(max_examples=30, deadline=None)
def test_guards_let_nothing_through_and_change_no_flow(wanted: list[Association], egress: str) -> None:
    text = render(plan(*wanted, egress=egress))
    assert read_back(text).flows == plan_facts(plan(*wanted, egress=egress), COMMENT_BYTES)
    assert drift(text, text) == []


def test_what_a_text_looks_like() -> None:
    text = render(plan(WHOLE, PORTS))
    opening = '\tchain ipsec_in {\n\t\ttype filter hook input priority filter - 1; policy accept;\n\t\tmeta secpath exists accept\n\t\tiif "lo" accept\n'
    assert text.count(opening) == 1
    for line in (
        'ip saddr @ipsec_in_tcp_445_v4 tcp dport 445 counter drop comment "ipsec"', 'ip saddr @ipsec_out_tcp_445_v4 tcp sport 445 counter drop comment "ipsec"',
        'ip daddr @ipsec_in_tcp_445_v4 tcp sport 445 counter drop comment "ipsec"', 'ip daddr @ipsec_out_tcp_445_v4 tcp dport 445 counter drop comment "ipsec"',
        'ip saddr @ipsec_whole_v4 limit rate 10/second burst 20 packets log prefix "datapath in drop clear " level info',
        'ip6 daddr @ipsec_whole_v6 counter drop comment "ipsec"', "ip saddr @ipsec_clear_out_udp_53_v4 udp sport 53 accept",
        'ip saddr @mailbox_v4 tcp dport 445 meta secpath exists counter accept comment "log-shipping"',
        "ip saddr @config_controller_v4 tcp dport 22 accept", "ip daddr @config_controller_v4 tcp sport 22 accept", "rt ipsec exists accept",
    ):
        assert text.count(f"\t\t{line}\n") == 1, line


def test_the_host_is_not_its_own_peer_and_whole_pairs_need_no_ports() -> None:
    table = read_back(render(plan(WHOLE, PORTS)))
    members = {name: each.members for name, each in table.sets.items() if name.startswith("ipsec")}
    first = int(ipaddress.ip_address("192.0.2.2"))
    assert members["ipsec_whole_v4"] == ((first, first + 2),)
    eighth = int(ipaddress.ip_address("198.51.100.8"))
    assert members["ipsec_in_tcp_445_v4"] == ((eighth, eighth + 3),), "192.0.2.3 is in a whole pair already"


def test_open_egress_still_has_the_guards_and_nothing_else_on_the_way_out() -> None:
    assert list(read_back(render(plan(WHOLE))).chains) == ["ipsec_in", "ipsec_out", "input"]
    assert list(read_back(render(plan(WHOLE, egress="restricted"))).chains) == ["ipsec_in", "ipsec_out", "input", "output"]
    out = read_back(render(plan(WHOLE, egress="restricted"))).chains["output"]
    assert [rule.matches for rule in out.rules if rule.comment == "log-shipping"] == [
        (("ip daddr", "@mailbox_v4"), ("rt ipsec", ((1, 1),)), ("tcp dport", ((445, 445),))),
        (("ip6 daddr", "@mailbox_v6"), ("rt ipsec", ((1, 1),)), ("tcp dport", ((445, 445),))),
    ]


@pytest.mark.parametrize("wanted", [(), (LEGACY,), (replace(WHOLE, mode="requested"),), (replace(WHOLE, selectors=(), whole=False),)])
def test_what_is_only_requested_has_no_guard(wanted: tuple[Association, ...]) -> None:
    assert "ipsec_" not in render(plan(*wanted))


def test_monitored_refuses_nothing_and_says_what_it_would() -> None:
    table = read_back(render(plan(WHOLE, PORTS), "monitored"))
    rules = [rule for name in CHAIN.values() for rule in table.chains[name].rules]
    assert not [rule for rule in rules if rule.verdict == "drop"]
    assert {rule.log for rule in rules if rule.log} == {"datapath in would drop clear ", "datapath out would drop clear "}
    counted = sum(rule.comment == "ipsec" for rule in rules)
    assert counted == sum(rule.comment == "ipsec" for name in CHAIN.values() for rule in read_back(render(plan(WHOLE, PORTS))).chains[name].rules) > 8


def test_management_from_anywhere_is_never_caught() -> None:
    sets = {**SETS, "config_controller": PeerSet("config_controller", everyone=True)}
    table = read_back(render(plan(WHOLE, sets=sets)))
    for packet in (Packet("in", "192.0.2.3", 6, 50123, 22), Packet("out", "192.0.2.3", 6, 22, 50123)):
        assert verdict(table, packet) == "accept"
    assert verdict(table, Packet("in", "192.0.2.3", 6, 445, 50123)) == "drop ipsec"
    nobody = read_back(render(plan(WHOLE, management=Management("", ()))))
    assert verdict(nobody, Packet("in", "192.0.2.2", 6, 50123, 22)) == "drop ipsec"


def test_sessions_are_let_go_on_before_any_guard() -> None:
    table = read_back(render(plan(WHOLE)))
    for name, key in (("ipsec_in", "ip saddr . tcp dport"), ("ipsec_out", "ip daddr . tcp sport")):
        keys = [[selector for selector, _value in rule.matches] for rule in table.chains[name].rules]
        assert keys.index([key]) < next(index for index, rule in enumerate(table.chains[name].rules) if rule.verdict == "drop")


@pytest.mark.parametrize(("association", "words"), [
    (replace(WHOLE, peers="everyone"), "IPsec with everyone"),
    (replace(WHOLE, peers="cast"), "multicast"),
    (replace(WHOLE, peers="gone"), "unknown peer set"),
])
def test_peers_that_no_guard_can_name_are_refused(association: Association, words: str) -> None:
    with pytest.raises(UnsupportedFlowError, match=f"^mbx1: log-shipping: the renderer nftables refuses .*{words}"):
        render(plan(association))


def test_names_of_guards_are_no_peer_sets() -> None:
    flow = replace(plan().flows[0], peers="ipsec_whole")
    with pytest.raises(UnsupportedFlowError, match="names that begin with ipsec_ are those of guards"):
        render(plan(WHOLE, flows=(flow,), sets={**SETS, "ipsec_whole": PeerSet("ipsec_whole", ("192.0.2.9",))}))


# Faults planted in the renderer: none of them may leave it.

DROP = 'ip saddr @ipsec_whole_v4 counter drop comment "ipsec"'


@pytest.mark.parametrize(("old", "new"), [
    (DROP, DROP.replace("drop", "accept")),
    (f"{DROP}\n", ""),
    (DROP, DROP.replace("ip saddr", "ip daddr")),
    (DROP, f"tcp dport 80 {DROP}".replace("tcp dport 80 ip saddr @ipsec_whole_v4", "ip saddr @ipsec_whole_v4 tcp dport 80")),
    (DROP, DROP.replace("whole", "in_tcp_445")),
    ("meta secpath exists accept", "meta secpath missing accept"),
    ("rt ipsec exists accept", "accept"),
    ("udp dport { 500, 4500 } accept", "udp dport { 500, 4501 } accept"),
    ("meta l4proto esp accept", "meta l4proto tcp accept"),
    ("nd-neighbor-solicit, nd-neighbor-advert } accept", "nd-neighbor-solicit } accept"),
    ("ip saddr @config_controller_v4 tcp dport 22 accept", "ip saddr @config_controller_v4 accept"),
    ("ip daddr . tcp sport @session_v4 accept\n", ""),
    ("tcp sport 445 counter drop", "tcp sport 446 counter drop"),
    ("udp sport 53 accept", "udp dport 53 accept"),
    ("hook output priority filter - 1; policy accept", "hook output priority filter - 1; policy drop"),
])
def test_a_wrong_guard_is_never_rendered(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    assert old in render(plan(WHOLE, PORTS))
    monkeypatch.setattr(nftables, "events", lambda text, read=nftables.events: read(text.replace(old, new, 1)))
    with pytest.raises(ReadBackError, match=r"^mbx1: the rules of chain ipsec_(in|out) are not those that were planned"):
        render(plan(WHOLE, PORTS))


@pytest.mark.parametrize(("old", "new"), [
    ("priority filter - 1", "priority filter - 2"),
    ("priority filter - 1", "priority filter"),
    ("chain ipsec_in", "chain ipsec_on"),
    ("type filter hook input priority filter - 1; policy accept;\n", ""),
])
def test_a_guard_in_the_wrong_place_is_never_rendered(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    monkeypatch.setattr(nftables, "events", lambda text, read=nftables.events: read(text.replace(old, new, 1)))
    with pytest.raises(ReadBackError):
        render(plan(WHOLE))


def test_guards_about_other_peers_are_never_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    real = nftables_ipsec.guards_of

    def lost(host: HostPlan) -> t.Any:
        found = real(host)
        assert found is not None
        return replace(found, sets={key: peers[1:] if key == ("ipsec_in_tcp_445", "ipv4") else peers for key, peers in found.sets.items()})

    monkeypatch.setattr(nftables_ipsec, "guards_of", lost)
    with pytest.raises(ReadBackError, match="not about the peers of whom the plan requires IPsec"):
        render(plan(PORTS))


def test_what_others_do_to_the_guards_is_drift() -> None:
    text = render(plan(WHOLE, PORTS))
    assert drift(text, text.replace(DROP, "counter accept", 1)) == [
        f"chain ipsec_in: missing rule: {DROP}", "chain ipsec_in: not planned rule: counter accept",
    ]
    start = text.index("\tchain ipsec_out")
    assert drift(text, text[:start] + text[text.index("\tchain input"):]) == ["chain ipsec_out is missing"]
    clear = text.replace(" meta secpath exists counter", " counter")
    assert "not planned: in ipv4 445/tcp from mailbox [log-shipping]" in drift(text, clear)
    assert "missing: in ipv4 445/tcp from mailbox in IPsec [log-shipping]" in drift(text, clear)


def test_the_reader_takes_both_words_for_one_thing() -> None:
    text = render(plan(WHOLE))
    listed = text.replace("meta secpath", "meta ipsec")
    assert listed != text and read_back(listed) == read_back(text)
    rule = next(rule for rule in read_back(listed).chains["ipsec_in"].rules)
    assert rule == Rule((("meta ipsec", ((1, 1),)),), "", "", "accept", "")


def test_cost_is_linear_in_peers() -> None:
    def size(count: int) -> int:
        members = tuple(f"10.77.{number // 100}.{2 * (number % 100)}" for number in range(count))
        return len(render(plan(replace(WHOLE, peers="many"), sets={**SETS, "many": PeerSet("many", members)})))

    assert size(400) - size(200) <= 200 * 20
