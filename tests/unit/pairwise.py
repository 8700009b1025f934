# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan made a second time, slowly: row by row and pair by pair, without classes, peer sets or any code of the planner.

Both sides are brought to one form, ``Openings``: for one managed host and one address, which ports of which protocol pass in which direction.
"""

from __future__ import annotations

import functools
import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PeerSet
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath, Port, Reference
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import GATEWAY_KINDS, Host, Network, Topology

Ports = tuple[tuple[int, int], ...]
Openings = dict[tuple[str, str], Ports]
"""Direction and protocol to merged port ranges; ((0, 0),) for protocols without ports."""

PORTLESS = ((0, 0),)
KEYS = ("ipsec-key-exchange",)
IPSEC = ("absent", "requested", "required")


@dataclass(frozen=True)
class End:
    """One end of a pair as the oracle sees it: a host, or one network of a peer kind."""

    kinds: frozenset[str]
    host: Host | None = None
    network: Network | None = None

    @property
    def site(self) -> str:
        return self.host.site if self.host else (self.network.site if self.network else "")

    @property
    def managed(self) -> bool:
        return bool(self.host and self.host.managed)


@functools.cache
def number(address: str) -> tuple[int, int]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed)


def merged(ranges: t.Iterable[tuple[int, int]]) -> Ports:
    result: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return tuple(result)


# -- what a finished plan opens ------------------------------------------------------------------------------------------


def holds(peers: PeerSet, address: str) -> bool:
    """Whether an address is in a peer set, read from the set's own texts."""
    if peers.everyone:
        return True
    version, value = number(address)
    return any(low <= value <= high for low, high in map(_span, peers.v4 if version == 4 else peers.v6))


@functools.cache
def _span(text: str) -> tuple[int, int]:
    if "-" in text:
        low, high = text.split("-")
        return number(low)[1], number(high)[1]
    network = ipaddress.ip_network(text)
    return int(network.network_address), int(network.broadcast_address)


def openings(plan: HostPlan, address: str, *, everyone: bool = True, keys: bool = True) -> Openings:
    """What a host's plan lets pass from and to an address; without ``everyone`` only where somebody is named, without ``keys`` what is not IPsec's own."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for flow in plan.flows:
        if (keys or flow.paths != KEYS) and holds(plan.sets[flow.peers], address) and (everyone or not plan.sets[flow.peers].everyone):
            ports = [(port.low, port.high) for port in flow.ports] or list(PORTLESS)
            found.setdefault((flow.direction, flow.protocol), []).extend(ports)
    return {key: merged(ports) for key, ports in found.items()}


def covered(small: Openings, large: Openings) -> bool:
    return all(
        any(low <= first and last <= high for low, high in large.get(key, ())) for key, ports in small.items() for first, last in ports
    )


# -- what the rows ask for -----------------------------------------------------------------------------------------------


class Oracle:
    """Answers for one topology. Takes the topology as read, not the plan made from it."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.reference: Reference = topology.reference
        self.options = topology.options
        self.rows = [(path, port, tuple(pairs(path, port))) for path, port in self.paths()]

    def openings(self, host: Host, address: str) -> Openings:
        """What must pass between a managed host and an address, both ways."""
        found: dict[tuple[str, str], list[tuple[int, int]]] = {}
        me = End(frozenset(host.roles), host)
        for end in self.ends(address):
            for way, first, second in (("out", me, end), ("in", end, me)):
                for path, port, joined in self.rows:
                    if self.joins(path, port, joined, first, second, me):
                        protocol = port.token.partition("/")[2]
                        found.setdefault((way, protocol), []).extend(numbers(port, second))
            if self.secured(me, end):
                for way in ("in", "out"):
                    found.setdefault((way, "udp"), []).extend(((500, 500), (4500, 4500)))
                    found.setdefault((way, "esp"), []).extend(PORTLESS)
        if "mailbox" in host.roles and any(ipaddress.ip_address(address) in ipaddress.ip_network(text) for text in host.cluster_networks):
            self.private(me, found)
        if host.witness not in {*self.topology.hosts, *self.topology.outsiders} and host.witness and number(host.witness) == number(address):
            self.witness(found)
        return {key: merged(ports) for key, ports in found.items()}

    def secured(self, me: End, end: End) -> bool:
        """Whether IPsec protects any row between two ends; with everyone nobody shares a key."""
        asked = [self.mode(each.host) for each in (me, end) if each.host and each.managed]
        if min(asked, key=IPSEC.index) == "absent" or (end.network and end.network.family == 0):
            return False
        rows = [row for row in self.rows if row[0].enc_mechanism == "ipsec" and row[0].id not in self.options["waivers"]]
        return any(self.joins(*row, first, second, me) for row in rows for first, second in ((me, end), (end, me)))

    def mode(self, host: Host) -> str:
        by_encryption = {"as_documented": "absent", "prefer_encrypted": "requested", "require_encrypted": "required"}
        return host.ipsec or by_encryption[self.options["encryption"]]

    def witness(self, found: dict[tuple[str, str], list[tuple[int, int]]]) -> None:
        for path, _port, _joined in self.rows:
            if path.relation == "witness":
                found.setdefault(("out", "tcp"), []).append((445, 445))

    def ends(self, address: str) -> t.Iterator[End]:
        version, value = number(address)
        for host in (*self.topology.hosts.values(), *self.topology.outsiders.values()):
            if value in (host.v4 if version == 4 else host.v6):
                yield End(frozenset(host.roles or host.kinds), host)
        for kind, networks in self.topology.networks.items():
            for network in networks:
                if network.family == 0 or (network.family == version and network.low <= value <= network.high):
                    yield End(frozenset((kind,)), None, network)

    def private(self, me: End, found: dict[tuple[str, str], list[tuple[int, int]]]) -> None:
        """The cluster's own networks, on which any other node of the cluster may be met; without another node nobody is."""
        nodes = [End(frozenset(("mailbox",)), node) for node in self.topology.by_role["mailbox"] if me.host and node.cluster == me.host.cluster]
        for path, port, _joined in self.rows:
            if path.relation != "same_cluster" or not self.encrypted_enough(path, port):
                continue
            meant = [node for node in nodes if self.features(path, port, "mailbox", "mailbox", me, node)]
            for node in meant if len(meant) > 1 else ():
                if node.host == me.host:
                    continue
                for way, responder in (("out", node), ("in", me)):
                    found.setdefault((way, port.token.partition("/")[2]), []).extend(numbers(port, responder))

    def paths(self) -> t.Iterator[tuple[DataPath, Port]]:
        dropped = set(self.options["disabled_implied"])
        for path in self.reference.paths:
            if path.relation == "same_host" or path.initiators == ("config_controller",):
                continue
            if path.origin == "implied" and (not self.options["implied"] or dropped & {path.id, path.source}):
                continue
            for port in path.ports:
                if port.origin == "documented" or (self.options["implied"] and port.source not in dropped):
                    yield path, port
        if self.options["scope"] == "supported":
            yield from self.supported()

    def supported(self) -> t.Iterator[tuple[DataPath, Port]]:
        members = ("hub_transport", "mailbox", "client_access", "unified_messaging")
        port = Port("any/any", "anything", "implied", source="S-FW")
        for name, far in (("members", members), ("directory", ("domain_controller", "global_catalog"))):
            yield DataPath(
                f"anything-with-{name}", self.reference.name, "implied", 0, "", members, far, "organisation", "any", (), (port,), direction="both",
                origin="implied", source="S-FW"), port

    def joins(self, path: DataPath, port: Port, joined: tuple[tuple[str, str], ...], first: End, second: End, me: End) -> bool:
        return any(
            self.is_a(first, initiator, responder, me) and self.is_a(second, responder, initiator, me)
            and self.related(path, first, second) and self.features(path, port, initiator, responder, first, second)
            and self.speaks(port, initiator, first) and self.speaks(port, responder, second)
            and (not path.platforms or not second.managed or second.host.platform in path.platforms)  # type: ignore[union-attr]
            for initiator, responder in joined) and self.encrypted_enough(path, port)

    def is_a(self, end: End, kind: str, other: str, me: End) -> bool:
        """Whether an end is meant by a kind; a kind that nobody named is stood in for, except towards an edge server."""
        if end is me:
            return kind in end.kinds
        kinds = self.reference.peer_kinds
        while kind in kinds and kind not in self.topology.given and kinds[kind].fallback and other not in self.reference.exclusive_roles:
            kind = kinds[kind].fallback
        return kind in end.kinds

    def related(self, path: DataPath, first: End, second: End) -> bool:
        relation, me, far = path.relation, first if first.managed else second, second if first.managed else first
        if path.origin == "documented" and relation == "same_site" and not self.options["enforce_site_scope"]:
            relation = "any"
        if far.network:
            return (not far.site or far.site == me.site) and relation != "witness"
        assert first.host is not None
        assert second.host is not None
        if relation == "witness":
            return first.host.witness == second.host.name
        if not far.managed:
            return not far.site or relation not in ("same_site", "subscribed") or far.site == me.site
        same_cluster = bool(first.host.cluster) and first.host.cluster == second.host.cluster
        return {
            "any": True, "same_site": me.site == far.site, "subscribed": me.site == far.site, "other_site": me.site != far.site, "same_cluster": same_cluster,
            "replication": same_cluster or second.host.name in first.host.scr_targets or first.host.name in second.host.scr_targets,
        }[relation]

    def features(self, path: DataPath, port: Port, initiator: str, responder: str, first: End, second: End) -> bool:
        wanted = dict.fromkeys((*path.when, *port.when, *dict(path.initiator_when).get(initiator, ())), True)
        wanted.update(dict.fromkeys((*path.unless, *port.unless), False))
        for name, on in wanted.items():
            owner = self.reference.features[name].owner
            carriers = [end.host for kind, end in ((initiator, first), (responder, second)) if kind == owner and end.host]
            states = [name in carrier.on for carrier in carriers] if owner else [name in self.topology.on]
            if not all(state is on for state in states):
                return False
        return True

    def encrypted_enough(self, path: DataPath, port: Port) -> bool:
        return self.options["encryption"] == "as_documented" or not port.twin or path.id in self.options["waivers"]

    @staticmethod
    def speaks(port: Port, kind: str, end: End) -> bool:
        if not port.security or kind not in GATEWAY_KINDS:
            return True
        mode = end.network.mode if end.network else end.host.gateway_mode if end.host else ""
        return mode in ("", port.security)


def pairs(path: DataPath, port: Port) -> t.Iterator[tuple[str, str]]:
    for initiator in path.initiators:
        for responder in port.responders or path.responders:
            yield initiator, responder
            if path.direction == "both" and not port.responders and initiator != responder:
                yield responder, initiator


def numbers(port: Port, responder: End) -> list[tuple[int, int]]:
    name, _slash, protocol = port.token.partition("/")
    if protocol not in ("tcp", "udp"):
        return list(PORTLESS)
    if name == "rtp":
        return [_range(responder.host.media_range)] if responder.host else [(1024, 65535)]
    if name in ("rpc-dynamic", "random"):
        return _dynamic(name, responder)
    low, _dash, high = name.partition("-")
    return [(int(low), int(high or low))]


def _range(value: t.Any) -> tuple[int, int]:
    return value.low, value.high


def _dynamic(name: str, responder: End) -> list[tuple[int, int]]:
    host = responder.host
    static = [(port, port) for _service, port in host.static_ports] if host and name == "rpc-dynamic" else []
    if host and host.rpc_range and name == "rpc-dynamic":
        return [_range(host.rpc_range), *static]
    if host and host.managed:
        windows = (1025, 5000) if host.release == "2003" else (1025, 60000)
        linux = (49152, 65535) if name == "rpc-dynamic" else (32768, 60999)
        return [windows if host.platform == "windows" else linux, *static]
    if name == "rpc-dynamic" and responder.kinds & {"domain_controller", "global_catalog"}:
        return [(1025, 5000), (49152, 65535), *static]
    return [(1024, 65535), *static]


def probes_of(plan: Plan) -> list[str]:
    """Addresses that between them tell apart everything that a plan can name: of each host, the ends of each network, and nobody's."""
    topology = plan.topology
    found = {"198.51.100.127", "2001:db8:ffff::1", "198.51.100.130", "198.51.100.150", "2001:db8:c::7", "198.51.100.99", "2001:db8:ee::1"}
    for host in (*topology.hosts.values(), *topology.outsiders.values()):
        found |= {str(ipaddress.IPv4Address(value)) for value in host.v4} | {str(ipaddress.IPv6Address(value)) for value in host.v6}
    for network in (network for networks in topology.networks.values() for network in networks if network.family):
        make: t.Any = ipaddress.IPv4Address if network.family == 4 else ipaddress.IPv6Address
        found |= {str(make(network.low)), str(make(network.high))}
    return sorted(found)
