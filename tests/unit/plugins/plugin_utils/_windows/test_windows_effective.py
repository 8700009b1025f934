# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host really lets through, against an evaluator that asks every rule about every packet."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._observed import read_observed
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import effective
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.effective import Judgement, Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import ANY_ADDRESS, ANY_PORT, PROFILES, FirewallRule, Match, Ports, Scope


@dataclass(frozen=True)
class Packet:
    """port, peer: of the responder, of the other end. far_port: the other port. protected: came encrypted out of IPsec."""

    direction: str
    family: int
    protocol: int
    port: int
    peer: int
    far_port: int = 50000
    own: int = 10
    profile: str = "domain"
    program: str = "store.exe"
    protected: bool = False


def in_scope(packet_family: int, number: int, scope: Scope) -> bool:
    return scope.everything or _networks.contains(scope.v4 if packet_family == 4 else scope.v6, number)


def in_ports(number: int, ports: Ports) -> bool:
    return ports.everything or _networks.contains(ports.numbers, number)


def fits(packet: Packet, match: Match) -> bool:
    """Whether a rule is about a packet, straight from MS-FASP 2.2.37."""
    near, far = (match.local_ports, match.remote_ports) if packet.direction == "in" else (match.remote_ports, match.local_ports)
    if packet.protocol in (6, 17):
        ports = in_ports(packet.port, near) and in_ports(packet.far_port, far)
    else:
        ports = not match.icmp or f"{packet.port // 256}:*" in match.icmp or f"{packet.port // 256}:{packet.port % 256}" in match.icmp
    return (
        packet.direction == match.direction and match.protocol in (None, packet.protocol) and ports
        and in_scope(packet.family, packet.peer, match.remote) and in_scope(packet.family, packet.own, match.local)
        and packet.profile in match.profiles and match.program in ("", packet.program) and (match.security == "none" or packet.protected)
    )


def passes(packet: Packet, rules: t.Iterable[FirewallRule]) -> bool:
    active = [rule.match for rule in rules if rule.active and fits(packet, rule.match)]
    actions = {match.action for match in active}
    return "bypass" in actions or ("block" not in actions and "allow" in actions)


def held(packet: Packet, judgement: Judgement) -> bool:
    """Whether a packet is in what was computed to pass beyond the plan."""
    return any(
        excess.rule.match.direction == packet.direction and box.family == packet.family and _networks.contains(box.protocols, packet.protocol)
        and _networks.contains(box.ports, packet.port) and _networks.contains(box.addresses, packet.peer)
        for excess in judgement.excesses for box in excess.boxes
    )


def listed(packet: Packet, remaining: t.Sequence[t.Mapping[str, t.Any]]) -> bool:
    """The same for the plain list."""
    peer = (ipaddress.IPv4Address if packet.family == 4 else ipaddress.IPv6Address)(packet.peer)
    for entry in remaining:
        ports = [tuple(map(int, (port if "-" in port else f"{port}-{port}").split("-"))) for port in entry["ports"]]
        who = entry["everyone"] or any(low <= int(peer) <= high for _family, low, high in map(_networks.parse, entry[f"v{packet.family}"]))
        what = entry["protocol"] == "any" or (entry["protocol"] == {6: "tcp", 17: "udp"}[packet.protocol] and any(a <= packet.port <= b for a, b in ports))
        if entry["direction"] == packet.direction and who and what:
            return True
    return False


SMALL = st.integers(0, 12)
SPANS = st.lists(st.tuples(SMALL, SMALL).map(lambda pair: (min(pair), max(pair))), min_size=1, max_size=2).map(_networks.merge)
PORTS = st.one_of(st.just(ANY_PORT), SPANS.map(lambda spans: Ports(numbers=spans)))
SCOPES = st.one_of(st.just(ANY_ADDRESS), st.builds(lambda v4, v6: Scope(v4=v4, v6=v6), SPANS, SPANS), SPANS.map(lambda v4: Scope(v4=v4)))
PACKETS = st.builds(
    Packet, st.sampled_from(("in", "out")), st.sampled_from((4, 6)), st.sampled_from((6, 17)), SMALL, SMALL, SMALL, SMALL, st.sampled_from(PROFILES),
    st.sampled_from(("", "store.exe", "x.exe")), st.booleans(),
)


@st.composite
def plain_matches(draw: st.DrawFn, action: str = "allow") -> Match:
    direction = draw(st.sampled_from(("in", "out")))
    protocol = draw(st.sampled_from((None, 6, 17)))
    near = draw(PORTS) if protocol else ANY_PORT
    sides = (near, ANY_PORT) if direction == "in" else (ANY_PORT, near)
    return Match(direction, action, protocol, *sides, remote=draw(SCOPES))


@st.composite
def narrow_matches(draw: st.DrawFn, action: str = "allow") -> Match:
    match = draw(plain_matches(action))
    far = draw(PORTS) if match.protocol else ANY_PORT
    sides = {"remote_ports": far} if match.direction == "in" else {"local_ports": far}
    return replace(
        match, **sides, local=draw(SCOPES), profiles=draw(st.sampled_from((PROFILES, ("domain",), ("private", "public")))),
        program=draw(st.sampled_from(("", "store.exe"))), security=draw(st.sampled_from(("none", "authenc"))),
    )


def rules_of(matches: t.Iterable[Match], store: str = "local") -> list[FirewallRule]:
    return [FirewallRule(f"r{number}", store, f"rule {number}", active=number % 7 != 6, match=match) for number, match in enumerate(matches)]


def actions(make: t.Callable[[str], st.SearchStrategy[Match]]) -> st.SearchStrategy[list[Match]]:
    return st.lists(st.one_of(make("allow"), make("allow"), make("block"), make("bypass")), max_size=6)


@given(actions(narrow_matches), st.lists(narrow_matches(), max_size=4), st.lists(PACKETS, min_size=30, max_size=30))
def test_whatever_passes_beside_the_plan_is_held(foreign: list[Match], planned: list[Match], packets: list[Packet]) -> None:
    rules = rules_of(foreign)
    judgement = effective.judge(rules, Plan(tuple(planned), directions=("in", "out")), ())
    remaining = judgement.remaining()
    for packet in packets:
        if passes(packet, rules) and not any(fits(packet, match) for match in planned):
            assert held(packet, judgement), (packet, judgement)
            assert packet.port == 0 or listed(packet, remaining), (packet, remaining)


@given(actions(plain_matches), st.lists(plain_matches(), max_size=4), st.lists(PACKETS, min_size=30, max_size=30))
def test_of_plain_rules_exactly_what_passes_is_held(foreign: list[Match], planned: list[Match], packets: list[Packet]) -> None:
    rules = rules_of(foreign)
    judgement = effective.judge(rules, Plan(tuple(planned), directions=("in", "out")), ())
    remaining = judgement.remaining()
    for packet in packets:
        beside = passes(packet, rules) and not any(fits(packet, match) for match in planned)
        assert held(packet, judgement) == beside, (packet, judgement)
        assert packet.port == 0 or listed(packet, remaining) == beside, (packet, remaining)


@given(actions(narrow_matches))
def test_what_is_listed_can_be_read_as_observed(foreign: list[Match]) -> None:
    remaining = effective.judge(rules_of(foreign), Plan((), directions=("in", "out")), ()).remaining()
    assert len(read_observed({"hub1": remaining}, {"hub1"})["hub1"]) == len(remaining)


# -- single rules ------------------------------------------------------------------------------------------------------------


SMTP = Match("in", "allow", 6, Ports(numbers=((25, 25),)), remote=Scope(v4=((0xC000020B, 0xC000020C),)))
REMOTE_DESKTOP = Match("in", "allow", 6, Ports(numbers=((3389, 3389),)))


def rule(match: Match, rule_id: str = "{A}", **more: t.Any) -> FirewallRule:
    return FirewallRule(rule_id, **{"store": "local", "name": "a foreign rule", "active": True, "match": match, **more})


def judge(*rules: FirewallRule, **plan: t.Any) -> Judgement:
    return effective.judge(rules, Plan((SMTP,), ("datapath.exchange in smtp 00000000",), **plan), ())


def test_any_program_any_address_undoes_the_plan_and_is_told_in_words() -> None:
    (excess,) = judge(rule(Match("in")), management=((5985, 5985),)).excesses
    assert excess.admits == (
        "protocols 0-5, protocols 7-255 from every IPv4 address", "tcp on all ports but 25 from every IPv4 address",
        "tcp 25 from every IPv4 address but 192.0.2.11-192.0.2.12", "any protocol from every IPv6 address",
    )
    assert not excess.kept


@pytest.mark.parametrize(("match", "text"), [
    (REMOTE_DESKTOP, "tcp 3389 from everyone"),
    (replace(REMOTE_DESKTOP, program="c:\\x.exe", service="termservice"), "tcp 3389 from everyone (to program c:\\x.exe; to service termservice)"),
    (replace(REMOTE_DESKTOP, profiles=("domain",)), "tcp 3389 from everyone (in profile domain)"),
    (replace(REMOTE_DESKTOP, remote=Scope(keywords=frozenset({"LocalSubnet"}))), "tcp 3389 from LocalSubnet"),
    (replace(SMTP, remote=ANY_ADDRESS), "tcp 25 from everyone but 192.0.2.11-192.0.2.12"),
    (Match("in", protocol=1, icmp=("3:4", "8:*")), "icmp 3:4, 8 from everyone"),
    (Match("in", protocol=6, local_ports=Ports(keywords=frozenset({"RPC"}))), "tcp RPC from everyone"),
    (replace(REMOTE_DESKTOP, other=(("RMauth", "O:LSD"),), security="authenticate"), "tcp 3389 from everyone (if protected (authenticate); if RMauth fit)"),
])
def test_what_a_rule_admits_is_told_in_words(match: Match, text: str) -> None:
    (excess,) = judge(rule(match)).excesses
    assert excess.admits[0] == text


@pytest.mark.parametrize("match", [
    SMTP, replace(SMTP, remote=Scope(v4=((0xC000020B, 0xC000020B),))), replace(SMTP, program="edge.exe"), replace(SMTP, security="authenc"),
    replace(SMTP, action="block"), Match("out"),
])
def test_a_rule_that_admits_no_more_than_the_plan_is_no_excess(match: Match) -> None:
    assert judge(rule(match)).excesses == ()


def test_a_rule_of_group_policy_counts_and_an_inactive_one_does_not() -> None:
    (excess,) = judge(rule(REMOTE_DESKTOP, store="policy"), rule(REMOTE_DESKTOP, "{B}", active=False)).excesses
    assert (excess.rule.store, excess.why) == ("policy", "written by Group Policy, which a host cannot change")


def test_clear_text_is_beyond_a_plan_that_demands_encryption() -> None:
    plan = Plan((replace(SMTP, security="authenc"),))
    rules = [rule(SMTP, "{A}"), rule(replace(SMTP, security="authenc"), "{B}"), rule(replace(SMTP, security="authenticate"), "{C}")]
    assert [excess.rule.id for excess in effective.judge(rules, plan, ()).excesses] == ["{A}", "{C}"]


def test_a_bypass_is_not_held_up_by_a_block() -> None:
    block = rule(replace(REMOTE_DESKTOP, action="block"), "{B}")
    assert judge(rule(REMOTE_DESKTOP), block).excesses == ()
    (excess,) = judge(rule(replace(REMOTE_DESKTOP, action="bypass", security="authenticate")), block).excesses
    assert excess.why == "authenticated bypass: it passes block rules too"


def test_core_networking_the_keep_list_and_the_management_are_kept() -> None:
    rules = [
        rule(Match("in", protocol=58), "CoreNet", group="@FirewallAPI.dll,-25000"), rule(REMOTE_DESKTOP, "{RDP}"), rule(Match("in", protocol=47), "{GRE}"),
        rule(replace(REMOTE_DESKTOP, local_ports=Ports(numbers=((5985, 5986),))), "WINRM"), rule(Match("in", protocol=6), "{ANY}"),
        rule(Match("in", protocol=50), "{ESP}", group="@Vpn.dll,-1"),
    ]
    found = judge(*rules, management=((5985, 5985),), keep=("{RDP}", "@Vpn.dll,-1")).excesses
    assert {excess.rule.id: excess.kept for excess in found} == {
        "CoreNet": "Core Networking, which is kept", "{RDP}": "on the keep list", "{GRE}": "", "WINRM": "admits the management connection, which is kept",
        "{ANY}": "", "{ESP}": "on the keep list",
    }


def test_a_block_that_hits_the_plan_is_named() -> None:
    block = rule(replace(REMOTE_DESKTOP, action="block", local_ports=Ports(numbers=((20, 30),)), profiles=("domain",)), name="No SMTP")
    (override,) = judge(block, rule(replace(REMOTE_DESKTOP, action="block"), "{B}")).blocks
    assert (override.kind, override.name, override.profile) == ("foreign_block", "No SMTP", "domain")
    assert "tcp 25 from 192.0.2.11-192.0.2.12" in override.why


def test_disabled_rules_are_no_longer_listed_but_those_of_group_policy_are() -> None:
    judgement = judge(rule(REMOTE_DESKTOP, "{A}"), rule(REMOTE_DESKTOP, "{A}", store="policy"))
    assert [entry["rule"] for entry in judgement.remaining({"{A}"})] == ["a foreign rule"]
    assert judgement.remaining()[0] == {
        "direction": "in", "protocol": "tcp", "ports": ["3389"], "v4": [], "v6": [], "everyone": True, "rule": "a foreign rule", "program": "",
        "exactly": True,
    }


def test_keywords_are_listed_as_all_that_they_may_stand_for() -> None:
    match = Match("in", protocol=6, local_ports=Ports(keywords=frozenset({"RPC"})), remote=Scope(keywords=frozenset({"LocalSubnet"})))
    (entry,) = judge(rule(match)).remaining()
    assert (entry["ports"], entry["everyone"], entry["exactly"]) == (["1-65535"], True, False)


def test_profiles_where_the_plan_does_not_count_are_not_judged() -> None:
    plan = Plan((replace(SMTP, profiles=("domain",)),), profiles=("domain",))
    rules = [rule(replace(REMOTE_DESKTOP, profiles=("public",)), "{A}"), rule(SMTP, "{B}"), rule(REMOTE_DESKTOP, "{C}")]
    assert [excess.rule.id for excess in effective.judge(rules, plan, ()).excesses] == ["{C}"]
