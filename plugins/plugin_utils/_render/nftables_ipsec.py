# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The chains that refuse in clear what the plan requires IPsec for: the text, and apart from it what the text must mean, in numbers.

They stand before the chains that decide what passes, in both directions, so that neither an established connection nor open outbound traffic goes round them.
An C(accept) in them only says "nothing against it": the packet still meets the chains behind. What came out of IPsec, or will go into it, is let go on first
(C(meta secpath), listed as C(meta ipsec); C(rt ipsec): nft(8)); then loopback, key exchange and ESP themselves, neighbour discovery, Ansible's own connection
and management, for none of these may a guard ever catch. So a host whose strongSwan is dead, not yet started or wrongly configured sends nothing in clear.

In the state C(monitored) nothing is refused: the same rules count and log.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PeerSet
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import ipsec_pairs
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import Intervals
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import plan_facts
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_guards import LIMIT, guard
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_table import Rule

CHAIN = {"in": "ipsec_in", "out": "ipsec_out"}
PREFIX = "ipsec_"
"""Sets of ours begin with it, and no peer set may."""
COMMENT = "ipsec"
WHOLE = "ipsec_whole"

_KEYWORDS = {"ipv4": "ip", "ipv6": "ip6"}
_SUFFIX = {"ipv4": "v4", "ipv6": "v6"}
_ICMP = {"ipv4": ("icmp", 1), "ipv6": ("ipv6-icmp", 58)}
_SIDE = {"in": "saddr", "out": "daddr"}
_OUR_END = {"in": "dport", "out": "sport"}
_THEIR_END = {"in": "sport", "out": "dport"}

FIRST = {
    "in": ("meta secpath exists accept", 'iif "lo" accept'),
    "out": ("rt ipsec exists accept", 'oif "lo" accept'),
}
NEVER = (
    "meta l4proto esp accept",
    "udp dport { 500, 4500 } accept",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
)
SESSION = {
    "in": ("ip saddr . tcp dport @session_v4 accept", "ip6 saddr . tcp dport @session_v6 accept"),
    "out": ("ip daddr . tcp sport @session_v4 accept", "ip6 daddr . tcp sport @session_v6 accept"),
}


@dataclass(frozen=True)
class Guards:
    """What a host refuses in clear. sets: peers by name and family. required: selectors, without the one of whole pairs.

    clear: what passes though a pair is protected whole, as selector and family.
    """

    sets: t.Mapping[tuple[str, str], Intervals]
    required: tuple[str, ...]
    clear: tuple[tuple[str, str], ...]

    @property
    def whole(self) -> bool:
        return any(name == WHOLE for name, _family in self.sets)

    @property
    def peer_sets(self) -> tuple[PeerSet, ...]:
        """The sets as those of a plan."""
        return tuple(
            PeerSet(name, tuple(_networks.texts(4, self.sets.get((name, "ipv4"), ()))), tuple(_networks.texts(6, self.sets.get((name, "ipv6"), ()))))
            for name in sorted({name for name, _family in self.sets})
        )


def guards_of(plan: HostPlan) -> Guards | None:
    """What the plan requires IPsec for, as a host would refuse it; None where it requires it for nothing. RefusedError for peers that no rule can name."""
    if all(association.mode != "required" for association in plan.associations):
        return None
    made = ipsec_pairs.bundles(plan, ipsec_pairs.needs(plan, "required", None))
    demanded = [bundle for bundle in made if any(mode == "required" for _selector, mode in bundle.modes)]
    if not demanded:
        return None
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    required: dict[str, None] = {}
    for bundle in demanded:
        for selector, mode in bundle.modes:
            if mode == "required":
                found.setdefault((set_name(selector), bundle.family), []).extend(bundle.peers)
                required[selector] = None
    clear: dict[tuple[str, str], None] = {}
    for entry in ipsec_pairs.exemptions_on_linux(plan, demanded):
        # Neighbour discovery and management are never caught anyway, whoever the peer is.
        if entry.selector != ipsec_pairs.NEIGHBOURS and not (entry.why == "management" and entry.selector.startswith("in ")):
            found.setdefault((clear_name(entry.selector), entry.family), []).extend(entry.peers)
            clear[(entry.selector, entry.family)] = None
    sets = {key: _networks.merge(peers) for key, peers in sorted(found.items())}
    selectors = tuple(sorted(required, key=_order))
    return Guards(sets, tuple(each for each in selectors if each != ipsec_pairs.WHOLE), tuple(sorted(clear)))


def _order(selector: str) -> tuple[str, str, int]:
    if selector == ipsec_pairs.WHOLE:
        return "", "", 0
    direction, port, protocol = ipsec_pairs.parts(selector)
    return direction, protocol, port.low


def set_name(selector: str) -> str:
    """The set of the peers that a selector is required of: ``ipsec_whole``, ``ipsec_in_tcp_445``."""
    if selector == ipsec_pairs.WHOLE:
        return WHOLE
    direction, port, protocol = ipsec_pairs.parts(selector)
    return f"{PREFIX}{direction}_{protocol}_{str(port).replace('-', '_')}"


def clear_name(selector: str) -> str:
    """The set of the peers with which something passes in clear though the pair is protected whole."""
    return f"{PREFIX}clear_icmp" if selector == "icmp" else set_name(selector).replace(PREFIX, f"{PREFIX}clear_", 1)


# -- the text -----------------------------------------------------------------------------------------------------------


def lines(plan: HostPlan, found: Guards, direction: str, state: str) -> list[str]:
    """The rules of one chain."""
    result = [*FIRST[direction], *NEVER, *SESSION[direction], *(f"{match} accept" for match in _management(plan, direction))]
    for selector in found.required:
        for family in _families(found, set_name(selector)):
            result += _refusal(f"{_peers(direction, family, set_name(selector))} {_ports(direction, selector)}", direction, state)
    for selector, family in found.clear:
        what = f"meta l4proto {_ICMP[family][0]}" if selector == "icmp" else _ports(direction, selector)
        result.append(f"{_peers(direction, family, clear_name(selector))} {what} accept")
    for family in _families(found, WHOLE):
        result += _refusal(_peers(direction, family, WHOLE), direction, state)
    return result


def _families(found: Guards, name: str) -> list[str]:
    return [family for family in _KEYWORDS if (name, family) in found.sets]


def _peers(direction: str, family: str, name: str) -> str:
    return f"{_KEYWORDS[family]} {_SIDE[direction]} @{name}_{_SUFFIX[family]}"


def _ports(direction: str, selector: str) -> str:
    whose, port, protocol = ipsec_pairs.parts(selector)
    return f"{protocol} {(_OUR_END if whose == 'in' else _THEIR_END)[direction]} {port}"


def _management(plan: HostPlan, direction: str) -> t.Iterator[str]:
    """Ansible's way in, and the way back of its answers."""
    peers = plan.sets.get(plan.management.peers)
    if peers is None or not plan.management.ports:
        return
    ports = ", ".join(map(str, plan.management.ports))
    match = f"tcp {_OUR_END[direction]} {ports if len(plan.management.ports) == 1 else '{ ' + ports + ' }'}"
    if peers.everyone:
        yield match
        return
    for family, networks in (("ipv4", peers.v4), ("ipv6", peers.v6)):
        if networks and family in plan.families:
            yield f"{_peers(direction, family, peers.name)} {match}"


def _refusal(match: str, direction: str, state: str) -> list[str]:
    verdict, would = ("drop", "") if state == "enforced" else ("accept", "would ")
    return [
        f'{match} limit rate 10/second burst 20 packets log prefix "datapath {direction} {would}drop clear " level info',
        f'{match} counter {verdict} comment "{COMMENT}"',
    ]


# -- what it must mean --------------------------------------------------------------------------------------------------


def rules(plan: HostPlan, found: Guards, direction: str, state: str) -> tuple[Rule, ...]:
    """What C(lines) must mean, in its order: made from the plan a second time, in numbers."""
    inward = direction == "in"
    side, ours = ("saddr", "dport") if inward else ("daddr", "sport")
    verdict = "drop" if state == "enforced" else "accept"
    log = f"datapath {direction} drop clear " if state == "enforced" else f"datapath {direction} would drop clear "
    result = [
        guard("", {"meta ipsec" if inward else "rt ipsec": 1}), guard("", {"iif" if inward else "oif": "lo"}), guard("", {"meta l4proto": 50}),
        guard("", {"udp dport": [500, 4500]}), guard("", {"icmpv6 type": (135, 136)}),
        guard("", {f"ip {side} . tcp {ours}": "@session_v4"}), guard("", {f"ip6 {side} . tcp {ours}": "@session_v6"}),
    ]
    result += [guard("", matches) for matches in _management_numbers(plan, side, ours)]
    for selector in (*found.required, *([ipsec_pairs.WHOLE] if found.whole else [])):
        if selector == ipsec_pairs.WHOLE:
            result += _clear_numbers(found, direction)
        for key, name in _members(found, set_name(selector), side):
            matches = {key: name, **({} if selector == ipsec_pairs.WHOLE else _port_numbers(direction, selector))}
            result += [guard("", matches, "", LIMIT, log), guard(COMMENT, matches, verdict)]
    return tuple(result)


def _members(found: Guards, name: str, side: str) -> list[tuple[str, str]]:
    return [(f"{word} {side}", f"@{name}_{suffix}") for word, suffix, family in (("ip", "v4", "ipv4"), ("ip6", "v6", "ipv6")) if (name, family) in found.sets]


def _port_numbers(direction: str, selector: str) -> dict[str, t.Any]:
    whose, port, protocol = ipsec_pairs.parts(selector)
    return {f"{protocol} {'dport' if whose == direction else 'sport'}": (port.low, port.high)}


def _clear_numbers(found: Guards, direction: str) -> list[Rule]:
    side = "saddr" if direction == "in" else "daddr"
    result = []
    for selector, family in found.clear:
        what = {"meta l4proto": _ICMP[family][1]} if selector == "icmp" else _port_numbers(direction, selector)
        result += [guard("", {key: name, **what}) for key, name in _members(found, clear_name(selector), side) if name.endswith(_SUFFIX[family])]
    return result


def _management_numbers(plan: HostPlan, side: str, ours: str) -> t.Iterator[dict[str, t.Any]]:
    management = plan.management
    peers = plan.sets.get(management.peers)
    if peers is None or not management.ports:
        return
    ports = {f"tcp {ours}": list(_networks.merge((port.low, port.high) for port in management.ports))}
    sides = [] if peers.everyone else [("ip", "v4", "ipv4", peers.v4), ("ip6", "v6", "ipv6", peers.v6)]
    if peers.everyone:
        yield ports
    for word, suffix, family, networks in sides:
        if networks and family in plan.families:
            yield {f"{word} {side}": f"@{management.peers}_{suffix}", **ports}


def planned(plan: HostPlan) -> dict[tuple[str, str], Intervals]:
    """Whom each selector is required of, as C(Guards.sets) should say it: computed by subtraction instead of by cutting the address space."""
    facts = plan_facts(plan, ipsec_pairs.needs(plan, "required", None))
    return {(set_name(selector), family): peers for (family, mode, selector), peers in facts.items() if mode == "required"}


__all__ = ("CHAIN", "COMMENT", "PREFIX", "Guards", "clear_name", "guards_of", "lines", "planned", "rules", "set_name")
