# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A table C(inet datapath) as values, and what its rules let through."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import Addresses, FlowFact, Intervals

Value = Intervals | str
"""What a rule compares with: numbers, or a text for ``@set`` and interface names."""

HOOKS = {"input": "in", "output": "out"}
"""The hooks that our chains use, and the direction of their flows."""
CHAINS = {"input": ("input", 0), "output": ("output", 0), "ipsec_in": ("input", -1), "ipsec_out": ("output", -1)}
"""Hook and priority of our chains. Those before the others let nothing through: they only refuse what should have been in IPsec."""

_WITHOUT_PORTS = {"icmp type": ("ipv4", "icmp", ((8, 8),)), "icmpv6 type": ("ipv6", "icmp", ((128, 128),))}
_PEERS = {"in": {"ip saddr": "ipv4", "ip6 saddr": "ipv6"}, "out": {"ip daddr": "ipv4", "ip6 daddr": "ipv6"}}
_IPSEC = {"in": "meta ipsec", "out": "rt ipsec"}
_EXISTS = ((1, 1),)
_ONLY = frozenset(("meta nfproto", "meta l4proto", "tcp dport", "udp dport", "th dport", "icmp type", "icmpv6 type"))


@dataclass(frozen=True)
class Rule:
    """One rule. matches: selector and value, sorted by selector. limit, log: empty without. verdict: ``accept``, ``drop`` or empty.

    sets: name, family and concatenation of the sets that it needs. counter: packets and bytes where the text has them; neither decides about equality.
    """

    matches: tuple[tuple[str, Value], ...]
    limit: str
    log: str
    verdict: str
    comment: str
    counter: tuple[int, int] | None = field(default=None, compare=False)
    text: str = field(default="", compare=False)
    sets: frozenset[tuple[str, str, bool]] = field(default=frozenset(), compare=False)


@dataclass(frozen=True)
class ParsedSet:
    """A named set. concatenated: of addresses and ports (the sets of Ansible's own connections), whose members are in C(pairs)."""

    name: str
    family: str
    concatenated: bool = False
    members: Intervals = ()
    pairs: frozenset[tuple[int, int]] = frozenset()


@dataclass(frozen=True)
class ParsedChain:
    """A base chain with its rules in order. policy: what happens to packets that no rule decides about."""

    name: str
    hook: str
    policy: str
    rules: tuple[Rule, ...] = ()

    @property
    def filters(self) -> bool:
        """Whether the chain decides what passes; another can only refuse, however its rules look."""
        return self.name in HOOKS


@dataclass(frozen=True)
class ParsedTable:
    """The table as read. replaces: the text first removes the table that was there. foreign: what a tolerant reader did not know, as text."""

    sets: t.Mapping[str, ParsedSet]
    chains: t.Mapping[str, ParsedChain]
    replaces: bool = False
    foreign: tuple[str, ...] = ()

    @property
    def flows(self) -> frozenset[FlowFact]:
        """What the table lets through by flow, with every address; what is not a flow (replies, neighbour discovery...) is in C(guards)."""
        return frozenset(fact for chain in self.chains.values() for rule in chain.rules for fact in self.facts(chain, rule))

    def facts(self, chain: ParsedChain, rule: Rule) -> tuple[FlowFact, ...]:
        """What one rule lets through; empty when it is not a flow."""
        return facts(rule, HOOKS[chain.hook], lambda name: self.sets[name].members) if chain.filters else ()

    def guards(self, chain: ParsedChain) -> tuple[Rule, ...]:
        """The rules of a chain that are no flows, in order."""
        return tuple(rule for rule in chain.rules if not self.facts(chain, rule))

    @property
    def sessions(self) -> frozenset[tuple[str, str, int]]:
        """Family, address and port of the connections that are admitted because Ansible came in on them."""
        make = {"ipv4": ipaddress.IPv4Address, "ipv6": ipaddress.IPv6Address}
        return frozenset((each.family, str(make[each.family](address)), port) for each in self.sets.values() for address, port in each.pairs)


def facts(rule: Rule, direction: str, members: t.Callable[[str], Addresses]) -> tuple[FlowFact, ...]:
    """What a rule lets through, by family and protocol; empty when it is not a flow: it drops, limits, logs, or matches what flows do not.

    A rule without any match is no flow either: it decides about everything, as a policy does.
    members: resolves the name of a set.
    """
    matches = dict(rule.matches)
    peers, ipsec = _PEERS[direction], _IPSEC[direction]
    if rule.verdict != "accept" or rule.limit or rule.log or not matches or not set(matches) <= {*_ONLY, *peers, ipsec}:
        return ()
    if matches.get(ipsec, _EXISTS) != _EXISTS:
        return ()
    protocols = _protocols(matches)
    who = [key for key in peers if key in matches]
    if not protocols or len(who) > 1:
        return ()
    addresses, name = _addresses(matches, who, members)
    return tuple(
        FlowFact(direction, family, protocol, ports, addresses, tuple(rule.comment.split()), ipsec in matches, name)
        for family in _families(matches, peers[who[0]] if who else "") for protocol, ports in protocols
    )


def _addresses(matches: t.Mapping[str, Value], who: list[str], members: t.Callable[[str], Addresses]) -> tuple[Addresses, str]:
    if not who:
        return None, ""
    value = matches[who[0]]
    return (members(value[1:]), value[1:-3]) if isinstance(value, str) else (value, "")


def _families(matches: t.Mapping[str, Value], of_address: str) -> tuple[str, ...]:
    """The families that every match of a rule leaves."""
    left = {"ipv4", "ipv6"}
    for family, number in (("ipv4", 2), ("ipv6", 10)):
        if matches.get("meta nfproto", ((number, number),)) != ((number, number),) or of_address not in ("", family):
            left.discard(family)
    for selector, (family, _protocol, _types) in _WITHOUT_PORTS.items():
        left &= {family} if selector in matches else left
    return tuple(sorted(left))


def _protocols(matches: t.Mapping[str, Value]) -> list[tuple[str, Intervals]]:
    """Protocol and ports of a rule; empty when they are not those of a flow."""
    ways = [key for key in ("tcp dport", "udp dport", "th dport", "icmp type", "icmpv6 type") if key in matches]
    layer: t.Any = matches.get("meta l4proto")
    if len(ways) > 1 or (layer is not None and ways and ways != ["th dport"]):
        return []
    if not ways and layer is None:
        return [("any", ())]
    if ways in (["tcp dport"], ["udp dport"]):
        return [(ways[0][:3], t.cast("Intervals", matches[ways[0]]))]
    if ways and ways[0] in _WITHOUT_PORTS:
        return [("icmp", ())] if matches[ways[0]] == _WITHOUT_PORTS[ways[0]][2] else []
    return _by_number(layer, t.cast("Intervals", matches.get("th dport", ())))


def _by_number(layer: Intervals | None, ports: Intervals) -> list[tuple[str, Intervals]]:
    """``meta l4proto { tcp, udp } th dport 53`` is how nft merges two rules; ``meta l4proto esp`` has no ports."""
    named = {6: "tcp", 17: "udp"} if ports else {50: "esp"}
    numbers = [number for low, high in layer or () for number in range(low, high + 1)]
    return [(named[number], ports) for number in numbers] if set(numbers) <= set(named) else []


__all__ = ("CHAINS", "HOOKS", "ParsedChain", "ParsedSet", "ParsedTable", "Rule", "Value", "facts")
