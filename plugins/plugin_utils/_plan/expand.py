# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Rows crossed with the topology: what a class of alike hosts must allow.

Hosts that agree in everything a row can look at form one class and share one result, so the work grows with classes, not with hosts.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import ipsec
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Flow, Management, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.ports import merge, resolve, rpc_ranges, rpc_source
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.sets import GATEWAY_KINDS, PeerSets, Selection
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.support import support_paths
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath, Port
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host, Topology

MANAGEMENT_KIND = "config_controller"
_DEFAULT_IPSEC = {"as_documented": "absent", "prefer_encrypted": "requested", "require_encrypted": "required"}
_WEAKEST_FIRST = ("none", "starttls", "rpc", "kerberos", "tls")


_NO_PAIR = {
    "same_cluster": "no two mailbox servers have one datapath_cluster",
    "replication": "no two mailbox servers have one datapath_cluster, and none has datapath_scr_targets",
    "witness": "no host has a datapath_file_share_witness",
}


@dataclass(frozen=True)
class Leg:
    """One port of one path, seen from one end: what the planner loops over."""

    path: DataPath
    port: Port
    direction: str
    local: str
    remote: str
    order: int


@dataclass
class ClassPlan:
    """What every host of a class must allow."""

    hosts: list[Host]
    flows: tuple[Flow, ...] = ()
    management: Management = field(default_factory=lambda: Management("", ()))
    associations: tuple[Association, ...] = ()
    rpc: dict[str, t.Any] = field(default_factory=dict)


class Expander:
    """Expands every row for every class of hosts, and remembers which paths found no use and why."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.sets = PeerSets(topology)
        self.used: set[str] = set()
        self.reasons: dict[str, set[str]] = defaultdict(set)
        self.paths = self._paths()
        self._legs = self._by_role()
        self._encrypted_only = topology.options["encryption"] != "as_documented"
        self._waived = frozenset(topology.options["waivers"])
        self._named = _named_by_others(topology)

    def expand(self) -> list[ClassPlan]:
        """One ClassPlan per class, in the order of its first host's name."""
        classes: dict[tuple[t.Any, ...], ClassPlan] = {}
        for host in self.topology.hosts.values():
            classes.setdefault(self._key(host), ClassPlan([])).hosts.append(host)
        for plan in classes.values():
            self._fill(plan)
        self._say_who_is_missing()
        return list(classes.values())

    def _say_who_is_missing(self) -> None:
        """A path that no managed host stands at either end of was never looked at, and has its reason too."""
        for path in self.paths:
            if path.id not in self.used and not self.reasons[path.id]:
                roles = dict.fromkeys(role for role in (*path.initiators, *path.responders) if role in self.topology.reference.roles)
                self.reasons[path.id].add(f"no host has the role {' or '.join(roles)}")

    # -- which paths -----------------------------------------------------------------------------------------------------

    def _paths(self) -> tuple[DataPath, ...]:
        options = self.topology.options
        dropped = set(options["disabled_implied"])
        paths = []
        for path in self.topology.reference.paths:
            if path.origin == "implied" and not options["implied"]:
                self.reasons[path.id].add("datapath_implied is false")
            elif path.origin == "implied" and {path.id, path.source} & dropped:
                self.reasons[path.id].add("dropped by datapath_disabled_implied")
            elif path.relation == "same_host":
                self.reasons[path.id].add("same host: the traffic never leaves it, no rule is needed")
            else:
                paths.append(path)
        if options["scope"] == "supported":
            paths.extend(support_paths(self.topology.reference))
        return tuple(paths)

    def _ports(self, path: DataPath) -> tuple[Port, ...]:
        options = self.topology.options
        dropped = set(options["disabled_implied"])
        if path.id.startswith("supported-"):
            return path.ports
        return tuple(port for port in path.ports if port.origin == "documented" or (options["implied"] and port.source not in dropped))

    def _by_role(self) -> dict[str, tuple[Leg, ...]]:
        legs: dict[str, list[Leg]] = defaultdict(list)
        roles = set(self.topology.reference.roles)
        for order, path in enumerate(self.paths):
            for port in self._ports(path):
                for near, far in self._pairs(path, port):
                    if far in roles:
                        legs[far].append(Leg(path, port, "in", far, near, order))
                    if near in roles:
                        legs[near].append(Leg(path, port, "out", near, far, order))
        return {role: tuple(found) for role, found in legs.items()}

    @staticmethod
    def _pairs(path: DataPath, port: Port) -> t.Iterator[tuple[str, str]]:
        for responder in port.responders or path.responders:
            for initiator in path.initiators:
                yield initiator, responder
                # A port with responders of its own (a certificate authority, a name server) is never opened towards us.
                if path.direction == "both" and initiator != responder and not port.responders:
                    yield responder, initiator

    # -- one class -------------------------------------------------------------------------------------------------------

    def _key(self, host: Host) -> tuple[t.Any, ...]:
        # Replication and witness pairs are between named hosts, so such a host is a class of its own.
        named = host.name if host.scr_targets or host.witness or host.name in self._named else ""
        return (
            host.roles, host.site, host.zone, host.cluster, host.cluster_networks, host.rpc_range, host.static_ports, host.media_range, host.platform,
            host.release, host.egress, host.ipsec, host.families, host.on, host.management_port, named,
        )

    def _fill(self, plan: ClassPlan) -> None:
        host = plan.hosts[0]
        found: dict[tuple[str, str, str], dict[PortRange | None, _Cell]] = defaultdict(dict)
        management: list[PortRange] = []
        for role in host.roles:
            for leg in self._legs.get(role, ()):
                if leg.path.initiators == (MANAGEMENT_KIND,):
                    management.extend(self._management_ports(leg, host))
                    continue
                for selection in self._selections(leg, host):
                    for protection, part in self._protected(leg, host, selection):
                        self._add(found, leg, host, part, protection)
        flows = _flows(found)
        plan.management = self._management(host, management)
        plan.associations = tuple(ipsec.associations(self.sets, flows, host))
        keys = ipsec.key_exchange(self.sets, plan.associations)
        self.used.update(path for flow in keys for path in flow.paths)
        plan.flows = tuple(sorted((*flows, *keys), key=lambda flow: flow.direction))
        plan.rpc = _rpc(host)

    def _selections(self, leg: Leg, host: Host) -> tuple[Selection, ...]:
        """The peers of a leg for a host, empty when the leg is not for it; says why in ``reasons``."""
        path, port = leg.path, leg.port
        wanted = self._conditions(leg, host)
        if wanted is None or not self._encryption_allows(path, port):
            return ()
        if path.platforms and leg.direction == "in" and host.platform not in path.platforms:
            self.reasons[path.id].add(f"only for hosts on {' or '.join(path.platforms)}")
            return ()
        relation = path.relation
        # The switch is about the rows (decision 2): the full trust of one site is no row and never reaches another site.
        if relation == "same_site" and path.origin == "documented" and not self.topology.options["enforce_site_scope"]:
            relation = "any"
        name = port.token.partition("/")[0]
        numbered = name if name not in ("icmp-echo", "any", "esp") else ""
        found = self.sets.select(
            leg.remote, host, relation=relation, wanted=wanted, platforms=path.platforms if leg.direction == "out" else (),
            security=port.security if leg.remote in GATEWAY_KINDS else "", port=numbered if leg.direction == "out" else "",
            local_initiates=leg.direction == "out",
        )
        others = tuple(selection for selection in found if not self._only_itself(selection, host, relation))
        if others:
            self.used.add(path.id)
        else:
            self.reasons[path.id].add(self._nobody(leg, relation, wanted))
        return others

    def _only_itself(self, selection: Selection, host: Host, relation: str) -> bool:
        # Whoever is on a cluster's networks is one of the nodes that are meant.
        nobody_else = relation == "same_cluster" or not self.sets.networks[selection.name]
        return len(selection.hosts) == 1 and selection.hosts[0].name == host.name and nobody_else

    def _nobody(self, leg: Leg, relation: str, wanted: frozenset[tuple[str, bool]]) -> str:
        if relation in _NO_PAIR:
            return _NO_PAIR[relation]
        kind = self.sets.resolve_kind(leg.remote, leg.local)
        is_role = kind in self.topology.reference.roles
        if not (self.topology.by_role.get(kind) or self.topology.by_kind.get(kind) or self.topology.networks.get(kind)):
            return f"no host has the role {kind}" if is_role else f"the inventory names no {kind}"
        if wanted:
            return f"no other {kind} has " + ", ".join(f"datapath_{name} {'on' if on else 'off'}" for name, on in sorted(wanted))
        where = {"same_site": " in the same site", "subscribed": " in the subscribed site", "other_site": " in another site"}.get(relation, "")
        return f"there is no other {kind}{where}" if is_role else f"no {kind} is meant for the site"

    def _conditions(self, leg: Leg, host: Host) -> frozenset[tuple[str, bool]] | None:
        """Features that the far end must have, or None when a condition on this side is not met."""
        far: set[tuple[str, bool]] = set()
        demands = [(name, True) for name in (*leg.path.when, *leg.port.when)] + [(name, False) for name in (*leg.path.unless, *leg.port.unless)]
        initiator = leg.remote if leg.direction == "in" else leg.local
        for kind, names in leg.path.initiator_when:
            demands += [(name, True) for name in names if kind == initiator]
        for name, on in demands:
            owner = self.topology.reference.features[name].owner
            if owner == leg.remote:
                far.add((name, on))
            if (owner != leg.remote or owner == leg.local) and self._is_on(name, owner, leg.local, host) is not on:
                self.reasons[leg.path.id].add(f"datapath_{name} is {'off' if on else 'on'}")
                return None
        return frozenset(far)

    def _is_on(self, name: str, owner: str, local: str, host: Host) -> bool:
        if not owner:
            return name in self.topology.on
        if owner == local or owner in host.roles:
            return name in host.on
        return any(name in member.on for member in self.topology.by_role.get(owner, ()))

    def _encryption_allows(self, path: DataPath, port: Port) -> bool:
        if not self._encrypted_only or not port.twin or path.id in self._waived:
            return True
        if any(other.token == port.twin for other in path.ports):
            self.reasons[path.id].add(f"{port.token} is closed: {self.topology.options['encryption']} and {port.twin} is its encrypted twin")
            return False
        return True

    def _management_ports(self, leg: Leg, host: Host) -> tuple[PortRange, ...]:
        if leg.path.platforms and host.platform not in leg.path.platforms:
            self.reasons[leg.path.id].add(f"only for hosts on {' or '.join(leg.path.platforms)}")
            return ()
        if self._conditions(leg, host) is None or not self._encryption_allows(leg.path, leg.port):
            return ()
        self.used.add(leg.path.id)
        return resolve(leg.port.token.partition("/")[0], host)

    def _management(self, host: Host, ports: t.Sequence[PortRange]) -> Management:
        own = (PortRange(host.management_port, host.management_port),) if host.management_port else ()
        found = self.sets.select(MANAGEMENT_KIND, host) if MANAGEMENT_KIND in self.topology.reference.peer_kinds else ()
        return Management(found[0].name if found else "", merge((*ports, *own)))

    def _add(
        self, found: dict[tuple[str, str, str], dict[PortRange | None, _Cell]], leg: Leg, host: Host, selection: Selection, protection: str,
    ) -> None:
        name, _slash, protocol = leg.port.token.partition("/")
        numbers: tuple[PortRange | None, ...] = (None,)
        if protocol in ("tcp", "udp"):
            numbers = selection.ports if leg.direction == "out" else resolve(name, host)
        cells = found[(leg.direction, protocol, selection.name)]
        for number in numbers:
            cells.setdefault(number, _Cell()).add(leg, protection)

    def _protected(self, leg: Leg, host: Host, selection: Selection) -> t.Iterator[tuple[str, Selection]]:
        """What protects a leg, and towards whom: IPsec takes two, so it is decided pair by pair."""
        if leg.path.enc_mechanism != "ipsec" or leg.path.id in self._waived:
            yield self._protection(leg), selection
            return
        for mode, part in ipsec.by_mode(self.sets, selection, host, self._ipsec_mode).items():
            if part is selection or not self._only_itself(part, host, "any"):
                yield "none" if mode == "absent" else f"ipsec_{mode}", part

    @staticmethod
    def _protection(leg: Leg) -> str:
        mechanism = leg.path.enc_mechanism
        if leg.port.twin or mechanism in ("none", "ipsec"):
            return "none"
        if mechanism == "tls":
            return "starttls"
        return {"rpc": "rpc", "kerberos": "kerberos"}.get(mechanism, "tls")

    def _ipsec_mode(self, host: Host) -> str:
        return host.ipsec or _DEFAULT_IPSEC[self.topology.options["encryption"]]


def _named_by_others(topology: Topology) -> frozenset[str]:
    hosts = topology.hosts.values()
    return frozenset({target for host in hosts for target in host.scr_targets} | {host.witness for host in hosts if host.witness})


@dataclass
class _Cell:
    """Everything that asks for one port of one peer set."""

    paths: dict[str, int] = field(default_factory=dict)
    documented: bool = False
    protections: set[str] = field(default_factory=set)

    def add(self, leg: Leg, protection: str) -> None:
        self.paths[leg.path.id] = leg.order
        self.documented = self.documented or (leg.path.origin == "documented" and leg.port.origin == "documented")
        self.protections.add(protection)

    def protection(self) -> str:
        for strong in ("ipsec_required", "ipsec_requested"):
            if strong in self.protections:
                return strong
        return min(self.protections, key=_WEAKEST_FIRST.index)


def _flows(found: t.Mapping[tuple[str, str, str], t.Mapping[PortRange | None, _Cell]]) -> list[Flow]:
    """Ports of one peer set that the same paths ask for become one flow, in document order."""
    grouped: dict[tuple[t.Any, ...], list[PortRange]] = {}
    for (direction, protocol, peers), cells in found.items():
        for number, cell in cells.items():
            paths = tuple(sorted(cell.paths, key=cell.paths.__getitem__))
            order = min(cell.paths.values())
            key = (direction, order, paths, protocol, peers, cell.protection(), "documented" if cell.documented else "implied")
            grouped.setdefault(key, []).extend(() if number is None else (number,))
    return [
        Flow(direction, protocol, merge(tuple(ports)), peers, paths, protection, origin)
        for (direction, _order, paths, protocol, peers, protection, origin), ports in sorted(grouped.items(), key=lambda item: item[0])
    ]


def _rpc(host: Host) -> dict[str, t.Any]:
    return {"range": str(rpc_ranges(host)[0]), "source": rpc_source(host), "static": dict(host.static_ports)}


__all__ = ("MANAGEMENT_KIND", "ClassPlan", "Expander", "Leg")
