# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What every renderer shares: it declares what it can express, the rest is refused, and what it wrote is read back and compared with the plan.

A new platform is one module with a Renderer value, a function that writes text, and a reader of that text that ends in FlowFacts.
"""

from __future__ import annotations

import re
import socket
import typing as t
from dataclasses import dataclass, field, replace
from functools import lru_cache

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, PeerSet, PlanError, PortRange

FAMILIES = ("ipv4", "ipv6")
WIDTH = {"ipv4": 32, "ipv6": 128}
MANAGEMENT = ("management",)
"""The path of rules that come from C(HostPlan.management), which is no path of the reference."""

Intervals = tuple[tuple[int, int], ...]
"""Sorted, merged, inclusive ranges of numbers."""
Addresses = Intervals | str | None
"""None is everyone. A text names a set whose members are proved elsewhere, where sets and rules are proved apart."""

_AF = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_ADDRESS = {"ipv4": re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})\Z"), "ipv6": re.compile(r"[0-9a-f:.]{2,45}\Z")}
_LENGTH = re.compile(r"(?:0|[1-9][0-9]{0,2})\Z")


class UnsupportedFlowError(ValueError):
    """A plan asks for what a renderer cannot express, or cannot express safely. Nothing was rendered.

    host, path (or the peer set, the management...), feature, renderer, fix: the parts of the message.
    """

    def __init__(self, host: str, path: str, feature: str, renderer: str, fix: str) -> None:
        super().__init__(f"{host}: {path}: the renderer {renderer} refuses {feature}: {fix}")
        self.host, self.path, self.feature, self.renderer, self.fix = host, path, feature, renderer, fix


class RefusedError(ValueError):
    """Part of a plan that cannot be rendered, found where the host is not known; C(Renderer.refuse) makes the full error of it."""

    def __init__(self, path: str, feature: str, fix: str) -> None:
        super().__init__(f"{path}: {feature}: {fix}")
        self.path, self.feature, self.fix = path, feature, fix


class ReadBackError(ValueError):
    """A rendered text that cannot be read, or does not mean what was planned: a fault of the renderer, and never to be enforced.

    gained: what the text admits beyond the plan; lost: what it fails to admit. Both are sentences without a full stop.
    """

    def __init__(self, what: str, gained: t.Iterable[str] = (), lost: t.Iterable[str] = ()) -> None:
        self.what, self.gained, self.lost = what, tuple(gained), tuple(lost)
        parts = [f"gained {text}" for text in self.gained] + [f"lost {text}" for text in self.lost]
        super().__init__(": ".join((what, "; ".join(parts))) if parts else what)

    def on(self, host: str) -> ReadBackError:
        """The same error naming the host."""
        return ReadBackError(f"{host}: {self.what}", self.gained, self.lost)


@dataclass(frozen=True)
class FlowFact:
    """What a rule lets through, whoever wrote the rule: two texts mean the same when their sets of facts are equal.

    direction: ``in`` or ``out``. family: one of FAMILIES. protocol: ``tcp``, ``udp``, ``icmp`` (echo requests), ``esp`` or ``any``.
    ports: of the responder; empty for protocols without ports. addresses: of the peers. paths: as shown, see C(shown_paths).
    protected: only when the packet came out of IPsec. peers: the name of the peer set, for words only.
    Source of the fields: what a firewall rule can tell of a flow, ``_plan/model.py`` has the rest.
    """

    direction: str
    family: str
    protocol: str
    ports: Intervals
    addresses: Addresses
    paths: tuple[str, ...]
    protected: bool = False
    peers: str = field(default="", compare=False)

    def __str__(self) -> str:
        ports = ",".join(str(PortRange(*port)) for port in self.ports)
        preposition = "from" if self.direction == "in" else "to"
        protocol = f"{ports}/{self.protocol}" if ports else self.protocol
        who = "everyone" if self.addresses is None else self.peers or address_text(self.family, self.addresses)
        protected = " in IPsec" if self.protected else ""
        return f"{self.direction} {self.family} {protocol} {preposition} {who}{protected} [{' '.join(self.paths)}]"


@dataclass(frozen=True)
class Renderer:
    """What one renderer declares. features: as C(features_of_flow) and C(features_of_plan) name them. fixes: advice by refused feature.

    comment_bytes: room for path ids beside a rule.
    """

    name: str
    features: frozenset[str]
    fixes: t.Mapping[str, str]
    comment_bytes: int

    def require(self, plan: HostPlan, state: str) -> None:
        """Raise UnsupportedFlowError for the first thing in the plan that was not declared."""
        self._require(plan.host, "the host", features_of_plan(plan, state))
        for flow in plan.flows:
            self._require(plan.host, flow.paths[0], features_of_flow(flow, peers_of(plan, flow)))
        for association in plan.associations:
            path = association.paths[0] if association.paths else association.peers
            self._require(plan.host, path, frozenset((f"protection:ipsec_{association.mode}",)))

    def refuse(self, host: str, refusal: RefusedError) -> UnsupportedFlowError:
        """The refusal of a part, naming host and renderer."""
        return UnsupportedFlowError(host, refusal.path, refusal.feature, self.name, refusal.fix)

    def _require(self, host: str, path: str, wanted: frozenset[str]) -> None:
        if not wanted <= self.features:
            feature = min(wanted - self.features)
            raise UnsupportedFlowError(host, path, feature, self.name, self.fixes.get(feature, "leave it out of the plan"))


def features_of_plan(plan: HostPlan, state: str) -> frozenset[str]:
    """What a plan as a whole asks of a renderer; a host without addresses asks for the family C(none), which nobody can filter."""
    families = plan.families or ("none",)
    return frozenset((f"platform:{plan.platform}", f"state:{state}", f"egress:{plan.egress}", *(f"family:{family}" for family in families)))


def features_of_flow(flow: Flow, peers: PeerSet) -> frozenset[str]:
    """What one flow asks of a renderer."""
    return _features(flow.direction, flow.protocol, flow.protection, "everyone" if peers.everyone else "networks")


@lru_cache(maxsize=256)
def _features(direction: str, protocol: str, protection: str, peers: str) -> frozenset[str]:
    wanted = {f"direction:{direction}", f"protocol:{protocol}", f"protection:{protection}", f"peers:{peers}"}
    if (protocol, peers) == ("any", "everyone"):
        wanted.add("everything:everyone")
    return frozenset(wanted)


def peers_of(plan: HostPlan, flow: Flow) -> PeerSet:
    """The peer set of a flow; a set that is not there is an error, never anybody."""
    try:
        return plan.sets[flow.peers]
    except KeyError:
        raise PlanError(f"{plan.host}: {flow.paths[0]}: its peer set {flow.peers} is not in the plan of the host: make the plan again") from None


def effective_flows(plan: HostPlan) -> tuple[Flow, ...]:
    """The flows that filter something on the host, management first: those out count only where egress is restricted.

    Ports of one peer set that the same paths ask for are one flow here: what protects each, and whether a cell or a note names it, filters nothing.
    """
    management = plan.management
    first = (Flow("in", "tcp", management.ports, management.peers, MANAGEMENT),) if management.peers and management.ports else ()
    return first + _joined(plan.flows, plan.egress == "restricted")


@lru_cache(maxsize=1024)
def _joined(flows: tuple[Flow, ...], outbound: bool) -> tuple[Flow, ...]:
    groups: dict[tuple[object, ...], list[Flow]] = {}
    for flow in flows:
        if flow.direction == "in" or outbound:
            ipsec = flow.protection if flow.protection.startswith("ipsec") else ""
            groups.setdefault((flow.direction, flow.protocol, flow.peers, flow.paths, ipsec), []).append(flow)
    return tuple(group[0] if len(group) == 1 else replace(group[0], ports=_union(group)) for group in groups.values())


def _union(flows: t.Iterable[Flow]) -> tuple[PortRange, ...]:
    return tuple(PortRange(*run) for run in _networks.merge((port.low, port.high) for flow in flows for port in flow.ports))


def flow_facts(flow: Flow, families: t.Iterable[str], addresses: t.Mapping[str, Addresses], comment_bytes: int) -> frozenset[FlowFact]:
    """What a flow means. addresses: by family; a family that is missing has no peers, and nothing is let through there."""
    ports = _networks.merge((port.low, port.high) for port in flow.ports)
    paths = shown_paths(flow.paths, comment_bytes)
    protected = flow.protection == "ipsec_required"
    return frozenset(
        FlowFact(flow.direction, family, flow.protocol, ports, addresses[family], paths, protected, flow.peers) for family in families if family in addresses
    )


def plan_facts(plan: HostPlan, comment_bytes: int) -> frozenset[FlowFact]:
    """What a whole plan means, with every address."""
    facts: set[FlowFact] = set()
    for flow in effective_flows(plan):
        facts |= flow_facts(flow, plan.families, set_addresses(peers_of(plan, flow)), comment_bytes)
    return frozenset(facts)


def set_addresses(peers: PeerSet) -> dict[str, Addresses]:
    """The members of a peer set by family; families without members are not in it."""
    if peers.everyone:
        return dict.fromkeys(FAMILIES)
    members = {"ipv4": peers.v4, "ipv6": peers.v6}
    return {family: intervals(family, texts) for family, texts in members.items() if texts}


def intervals(family: str, texts: t.Iterable[str]) -> Intervals:
    """Network texts as merged intervals; ValueError for anything that is not exactly a network of the family."""
    return _networks.merge(interval(family, text) for text in texts)


def interval(family: str, text: str) -> tuple[int, int]:
    """Read ``192.0.2.7``, ``192.0.2.0/24`` or ``192.0.2.7-192.0.2.9`` of one family as an inclusive interval; ValueError for anything else."""
    first, slash, length = text.partition("/")
    if slash:
        return _prefix(family, _number(family, first), length, text)
    first, dash, last = text.partition("-")
    low = _number(family, first)
    high = _number(family, last) if dash else low
    if low > high:
        raise ValueError(f"{text!r}: the ends are reversed")
    return low, high


def _number(family: str, text: str) -> int:
    if not _ADDRESS[family].match(text):
        raise ValueError(f"{text!r} is not an {family} address")
    try:
        return int.from_bytes(socket.inet_pton(_AF[family], text), "big")
    except OSError:
        raise ValueError(f"{text!r} is not an {family} address") from None


def _prefix(family: str, low: int, length: str, text: str) -> tuple[int, int]:
    if not _LENGTH.match(length) or int(length) > WIDTH[family]:
        raise ValueError(f"{text!r}: {length!r} is not a prefix length of {family}")
    mask = (1 << (WIDTH[family] - int(length))) - 1
    if low & mask:
        raise ValueError(f"{text!r} has host bits set")
    return low, low | mask


def address_text(family: str, addresses: Addresses, most: int = 5) -> str:
    """Intervals in words for messages: at most C(most) of them, and how many more."""
    if addresses is None:
        return "everyone"
    if isinstance(addresses, str):
        return addresses
    shown = ", ".join(_networks.texts(4 if family == "ipv4" else 6, addresses[:most]))
    return f"{shown} and {len(addresses) - most} more" if len(addresses) > most else shown or "nobody"


def shown_paths(paths: t.Sequence[str], most: int) -> tuple[str, ...]:
    """As many whole path ids as fit into C(most) bytes with a blank between, then ``+N`` for those that do not."""
    if len(" ".join(paths)) <= most:
        return tuple(paths)
    kept = len(paths) - 1
    while kept and len(" ".join((*paths[:kept], f"+{len(paths) - kept}"))) > most:
        kept -= 1
    return (*paths[:kept], f"+{len(paths) - kept}")


def compare(what: str, planned: t.AbstractSet[FlowFact], read: t.AbstractSet[FlowFact]) -> None:
    """Raise ReadBackError with what was gained and lost unless both sets of facts are equal."""
    if planned != read:
        raise ReadBackError(f"{what} does not mean what was planned", sorted(map(str, read - planned)), sorted(map(str, planned - read)))


def subtract(minuend: Intervals, subtrahend: Intervals) -> Intervals:
    """The numbers of the first that are not in the second."""
    rest: list[tuple[int, int]] = []
    holes = iter((*subtrahend, (1 << 129, 1 << 129)))
    start, end = next(holes)
    for low, high in minuend:
        begin = low
        while begin <= high:
            if end < begin:
                start, end = next(holes)
            elif start > begin:
                rest.append((begin, min(high, start - 1)))
                begin = start
            else:
                begin = end + 1
    return tuple(rest)


__all__ = (
    "FAMILIES",
    "MANAGEMENT",
    "WIDTH",
    "Addresses",
    "FlowFact",
    "Intervals",
    "ReadBackError",
    "RefusedError",
    "Renderer",
    "UnsupportedFlowError",
    "address_text",
    "compare",
    "effective_flows",
    "features_of_flow",
    "features_of_plan",
    "flow_facts",
    "interval",
    "intervals",
    "peers_of",
    "plan_facts",
    "set_addresses",
    "shown_paths",
    "subtract",
)
