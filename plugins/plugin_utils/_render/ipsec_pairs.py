# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What each address of a peer must have protected, whatever platform enforces it: the associations of a plan, made disjoint.

A peer can be in several peer sets, and which of two overlapping securing rules wins is documented nowhere. So every address gets one answer: the whole pair
when any association wants it whole, the union of the selectors otherwise, and the stricter mode where two differ. Both ends of a pair see the same flows and
come to the same answer.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, HostPlan, PeerSet, PlanError, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import Intervals, RefusedError, intervals, subtract

WHOLE = "whole"
"""The selector of a pair that is protected whole."""
NEIGHBOURS = "neighbours"
"""Neighbour discovery of IPv6, by which alone a peer on the same link is found before any key is agreed on (RFC 4861, RFC 3971 1)."""
# Domain members find and ask their domain controllers by these before any key can be agreed on (KB179442; KB254949 for Kerberos).
BOOTSTRAP = {"tcp": frozenset((53, 88, 389, 464, 636, 3268, 3269)), "udp": frozenset((53, 88, 123, 389, 464))}
REMOTE_CONTROL = (PortRange(22, 22), PortRange(5985, 5986))
_MULTICAST: dict[str, Intervals] = {"ipv4": ((0xE0000000, 0xFFFFFFFF),), "ipv6": ((0xFF << 120, (1 << 128) - 1),)}


@dataclass(frozen=True)
class Need:
    """One association as it is to be enforced now. waiting: managed peers that cannot do IPsec yet, for whose sake it stays requested."""

    association: Association
    peers: PeerSet
    mode: str
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bundle:
    """Addresses of one family that want the same. modes: mode by selector, C(WHOLE) alone for a pair protected whole, sorted.

    ike: version of the key exchange with them.
    """

    family: str
    peers: Intervals
    modes: tuple[tuple[str, str], ...]
    paths: tuple[str, ...]
    ike: int = 2


@dataclass(frozen=True)
class Exemption:
    """What passes in clear inside pairs protected whole. selector: C(in 5985/tcp), C(out 88/udp), C(icmp) or C(NEIGHBOURS)."""

    family: str
    selector: str
    peers: Intervals
    why: str


def needs(plan: HostPlan, state: str, ready: frozenset[str] | None) -> tuple[Need, ...]:
    """The associations of a plan with the mode that holds now.

    state: ``requested`` asks everywhere and demands nowhere; ``required`` demands where the plan does and all managed peers are ready.
    ready: names of hosts that can do IPsec, None for all. Raises RefusedError for peers that no rule can name.
    """
    return tuple(_need(plan, association, state, ready) for association in plan.associations if association.whole or association.selectors)


def _need(plan: HostPlan, association: Association, state: str, ready: frozenset[str] | None) -> Need:
    path = association.paths[0] if association.paths else association.peers
    peers = plan.sets.get(association.peers)
    if peers is None:
        raise RefusedError(path, f"the unknown peer set {association.peers}", "make the plan again")
    if peers.everyone:
        raise RefusedError(path, "IPsec with everyone", "name the networks of the peers in datapath_peers, or set datapath_ipsec: absent on this host")
    for family, members in (("ipv4", peers.v4), ("ipv6", peers.v6)):
        if intersect(intervals(family, members), _MULTICAST[family]):
            raise RefusedError(path, f"IPsec with multicast addresses in the peer set {association.peers}", "name hosts and their networks only")
    waiting = () if ready is None else tuple(host for host in association.hosts if host not in ready)
    mode = association.mode if state == "required" and not waiting else "requested"
    return Need(association, peers, mode, waiting if association.mode == "required" else ())


def own_addresses(plan: HostPlan, family: str) -> Intervals:
    """The host's own addresses of a family."""
    colon = family == "ipv6"
    return intervals(family, (text for text in plan.addresses if (":" in text) is colon))


def bundles(plan: HostPlan, wanted: t.Sequence[Need]) -> tuple[Bundle, ...]:
    """Disjoint bundles of addresses, in family and address order; the host itself is in none."""
    return tuple(bundle for family in plan.families for bundle in _of_family(family, wanted, own_addresses(plan, family)))


def _of_family(family: str, wanted: t.Sequence[Need], own: Intervals) -> list[Bundle]:
    found: dict[tuple[tuple[tuple[str, str], ...], tuple[str, ...], int], list[tuple[int, int]]] = defaultdict(list)
    for active, piece in _pieces([subtract(members(need.peers, family), own) for need in wanted]):
        covering = [wanted[index] for index in sorted(active)]
        paths = tuple(dict.fromkeys(path for need in covering for path in need.association.paths))
        found[(_modes(covering), paths, _ike(covering))].append(piece)
    made = [Bundle(family, _networks.merge(pieces), modes, paths, ike) for (modes, paths, ike), pieces in found.items()]
    return sorted(made, key=lambda bundle: bundle.peers)


def _ike(covering: t.Sequence[Need]) -> int:
    """The version for an address: what is known of a managed host counts before what is said of the network around it."""
    named = [need.association.ike for need in covering if need.association.hosts]
    return min(named or [need.association.ike for need in covering])


def members(peers: PeerSet, family: str) -> Intervals:
    """The addresses of a peer set in one family."""
    return intervals(family, peers.v4 if family == "ipv4" else peers.v6)


def _pieces(sets: t.Sequence[Intervals]) -> t.Iterator[tuple[frozenset[int], tuple[int, int]]]:
    """The address space cut where any set begins or ends, without the parts that are in none."""
    opens: dict[int, set[int]] = defaultdict(set)
    closes: dict[int, set[int]] = defaultdict(set)
    for index, ranges in enumerate(sets):
        for low, high in ranges:
            opens[low].add(index)
            closes[high + 1].add(index)
    active: set[int] = set()
    cuts = sorted({*opens, *closes})
    for cut, following in pairwise(cuts):
        active = (active - closes[cut]) | opens[cut]
        if active:
            yield frozenset(active), (cut, following - 1)


def _modes(covering: t.Sequence[Need]) -> tuple[tuple[str, str], ...]:
    strictest = "required" if any(need.mode == "required" for need in covering) else "requested"
    if any(need.association.whole for need in covering):
        return ((WHOLE, strictest),)
    found: dict[str, str] = {}
    for need in covering:
        for selector in need.association.selectors:
            found[selector] = "required" if "required" in (need.mode, found.get(selector)) else "requested"
    return tuple(sorted(found.items()))


def exemptions(plan: HostPlan, made: t.Sequence[Bundle]) -> tuple[Exemption, ...]:
    """What must stay in clear inside the pairs that are protected whole; empty where there are none."""
    result: list[Exemption] = []
    for family in plan.families:
        whole = _networks.merge(pair for bundle in made if bundle.family == family and bundle.modes[0][0] == WHOLE for pair in bundle.peers)
        if whole:
            found = [Exemption(family, "icmp", whole, "ICMP"), *_management(plan, family, whole), *_bootstrap(plan, family, whole)]
            result.extend(entry for entry in found if entry.peers)
    return tuple(result)


def exemptions_on_linux(plan: HostPlan, made: t.Sequence[Bundle]) -> tuple[Exemption, ...]:
    """The same where the kernel is told. Linux hosts keep ICMP inside, but for neighbour discovery; Windows sends it in clear, so it is taken so."""
    whole = [bundle for bundle in made if bundle.modes[0][0] == WHOLE]
    result = [replace(entry, peers=_speaking(whole, entry.family, 1)) if entry.selector == "icmp" else entry for entry in exemptions(plan, made)]
    result.append(Exemption("ipv6", NEIGHBOURS, _speaking(whole, "ipv6", 2), "neighbour discovery"))
    return tuple(entry for entry in result if entry.peers)


def _speaking(made: t.Iterable[Bundle], family: str, ike: int) -> Intervals:
    return _networks.merge(pair for bundle in made if (bundle.family, bundle.ike) == (family, ike) for pair in bundle.peers)


def _management(plan: HostPlan, family: str, whole: Intervals) -> t.Iterator[Exemption]:
    """The way in for Ansible, and the way out where this host is one that Ansible runs on."""
    peers = plan.sets.get(plan.management.peers)
    if peers is None:
        return
    controllers = ((0, (1 << 128) - 1),) if peers.everyone else members(peers, family)
    for port in plan.management.ports:
        yield Exemption(family, f"in {port}/tcp", intersect(whole, controllers), "management")
    if intersect(own_addresses(plan, family), controllers):
        for low, high in _networks.merge((port.low, port.high) for port in (*plan.management.ports, *REMOTE_CONTROL)):
            yield Exemption(family, f"out {PortRange(low, high)}/tcp", whole, "management")


def _bootstrap(plan: HostPlan, family: str, whole: Intervals) -> t.Iterator[Exemption]:
    """What the plan opens for DNS, time, Kerberos and LDAP: a key agreed on by Kerberos cannot protect the way to Kerberos."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for flow in plan.flows:
        peers = plan.sets[flow.peers]
        if flow.protocol not in BOOTSTRAP or peers.everyone or flow.protection.startswith("ipsec_"):
            continue
        for port in flow.ports:
            if port.low == port.high and port.low in BOOTSTRAP[flow.protocol]:
                found[f"{flow.direction} {port}/{flow.protocol}"].extend(members(peers, family))
    for selector, ranges in sorted(found.items()):
        yield Exemption(family, selector, intersect(whole, _networks.merge(ranges)), "domain controllers")


def parts(selector: str) -> tuple[str, PortRange, str]:
    """Direction, ports and protocol of C(in 445/tcp); PlanError for anything else."""
    direction, _blank, rest = selector.partition(" ")
    port, _slash, protocol = rest.partition("/")
    if direction not in ("in", "out") or protocol not in ("tcp", "udp"):
        raise PlanError(f"{selector!r} does not say which ports of which end are protected: make the plan again")
    return direction, PortRange.parse(port), protocol


def intersect(first: Intervals, second: Intervals) -> Intervals:
    """The numbers that are in both."""
    return subtract(first, subtract(first, second))


__all__ = (
    "BOOTSTRAP", "NEIGHBOURS", "WHOLE", "Bundle", "Exemption", "Need", "bundles", "exemptions", "exemptions_on_linux", "intersect", "members", "needs",
    "own_addresses", "parts",
)
