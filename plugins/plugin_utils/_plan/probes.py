# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The probe catalogue: what C(verify) will try from each host, chosen from the plan and the same for the same plan.

Every allowed flow towards hosts of the inventory, and for every kind of server a sample of what must not pass. Networks are never probed: only
hosts that the inventory names.
"""

from __future__ import annotations

import hashlib
import random
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.expand import ClassPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.ipsec import KEY_EXCHANGE
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host, Network

if t.TYPE_CHECKING:
    from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan

DENIED_PER_TARGET = 3
TELLING_PORTS = (
    21, 23, 25, 53, 80, 88, 110, 135, 139, 143, 389, 443, 445, 465, 587, 636, 691, 993, 995, 1433, 3268, 3389, 5060, 5061, 5985, 6001, 8080, 8443,
    49152, 50389, 50636, 64327,
)
"""Ports that an intruder tries first on such servers; the sample of what must not pass is drawn from these."""

SILENT_UDP_PORTS = (9, 37, 88, 123, 389, 5060, 20000, 33434)
"""UDP ports for the sample of what must not pass: a host that does not filter them answers, by a service or by port unreachable."""

_TLS = {443: "tls", 636: "tls", 993: "tls", 995: "tls", 3269: "tls", 5061: "tls", 50636: "tls", 25: "starttls-smtp", 587: "starttls-smtp"}


@dataclass(frozen=True)
class Source:
    """Hosts that see the organisation alike: a class of managed hosts, or one outsider that may be logged into."""

    hosts: tuple[Host, ...]
    made: ClassPlan | None

    @property
    def key(self) -> str:
        return self.hosts[0].name


class Catalogue:
    """Makes the probes of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.everyone = {**plan.topology.hosts, **plan.topology.outsiders}
        self.peers_per_flow = 8 if len(plan.topology.hosts) <= 200 else 2
        self._sorted: dict[str, list[str]] = {}
        self.targets_per_source = 24 if len(plan.topology.hosts) <= 200 else 6

    def sources(self) -> list[Source]:
        """All sources, in plan order; outsiders without ``datapath_probe`` have none."""
        managed = [Source(tuple(made.hosts), made) for made in self.plan.classes]
        return managed + [Source((host,), None) for host in self.plan.topology.outsiders.values() if host.probe]

    def probes(self, source: Source) -> list[dict[str, t.Any]]:
        """The probes of a source, sorted by target and port; a host leaves out those towards itself."""
        found: dict[tuple[t.Any, ...], dict[str, t.Any]] = {}
        for probe in (*self._allowed(source), *self._denied(source)):
            key = (probe["to"], probe["address"], probe["protocol"], probe["port"])
            if key in found and probe["expect"] == "allowed":
                found[key]["paths"] = [*found[key]["paths"], *(path for path in probe["paths"] if path not in found[key]["paths"])]
            else:
                found.setdefault(key, probe)
        return [dict(probe, id=f"{probe['to']} {probe['port']}/{probe['protocol']} {probe['address']}") for _key, probe in sorted(found.items())]

    # -- allowed ---------------------------------------------------------------------------------------------------------

    def _allowed(self, source: Source) -> t.Iterator[dict[str, t.Any]]:
        if source.made:
            for flow in source.made.flows:
                if flow.direction == "out":
                    for name in self._sample(flow.peers, f"{source.key} {flow.peers}"):
                        yield from self._along(flow, self.everyone[name], source.hosts[0].families)
            return
        for made in self.plan.classes:
            for flow in made.flows:
                if flow.direction == "in" and self._admits(flow, source.hosts):
                    for target in _pick(made.hosts, self.peers_per_flow, f"{source.key} {flow.peers}"):
                        yield from self._along(flow, target, self._families(flow, source.hosts[0]))

    def _sample(self, peers: str, seed: str) -> list[str]:
        if peers not in self._sorted:
            self._sorted[peers] = sorted(self.plan.members[peers])
        return _pick(self._sorted[peers], self.peers_per_flow, seed)

    def _families(self, flow: Flow, host: Host) -> tuple[str, ...]:
        """Families in which a flow lets in all addresses of a host, because the host chooses itself which one it connects from."""
        if self.plan.sets[flow.peers].everyone or host.name in self.plan.members[flow.peers]:
            return host.families
        networks = self.plan.networks[flow.peers]
        return tuple(
            family for family, number, addresses in (("ipv4", 4, host.v4), ("ipv6", 6, host.v6))
            if addresses and all(any(net.family == number and net.low <= address <= net.high for net in networks) for address in addresses))

    def _along(self, flow: Flow, target: Host, families: tuple[str, ...]) -> t.Iterator[dict[str, t.Any]]:
        # A daemon for keys answers nobody but its peers, and that it does answer them shows in what they have agreed on.
        if flow.protocol not in ("tcp", "udp", "any") or flow.paths == (KEY_EXCHANGE,):
            return
        protocol = "tcp" if flow.protocol == "any" else flow.protocol
        for port in _edges(flow.ports or (PortRange(40000, 40000),)):
            for address in _addresses(families, target):
                yield {
                    "to": target.name, "address": address, "protocol": protocol, "port": port, "expect": "allowed", "paths": list(flow.paths),
                    "tls": _TLS.get(port, "") if protocol == "tcp" else "",
                }

    # -- denied ----------------------------------------------------------------------------------------------------------

    def _denied(self, source: Source) -> t.Iterator[dict[str, t.Any]]:
        classes = _pick(range(len(self.plan.classes)), self.targets_per_source, f"{source.key} denied")
        for index in classes:
            made = self.plan.classes[index]
            target = _pick(made.hosts, 1, f"{source.key} {made.hosts[0].name}")[0]
            admitted = [flow for flow in made.flows if flow.direction == "in" and self._admits(flow, source.hosts)]
            if any(flow.protocol == "any" for flow in admitted):
                continue
            for port in self._closed_ports(source.key, made, [flow for flow in admitted if flow.protocol == "tcp"]):
                for address in _addresses(source.hosts[0].families, target)[:1]:
                    yield {"to": target.name, "address": address, "protocol": "tcp", "port": port, "expect": "denied", "paths": [], "tls": ""}
            udp = [flow for flow in admitted if flow.protocol == "udp" and flow.paths != (KEY_EXCHANGE,)]
            # Silence on UDP says nothing by itself; beside an open UDP port of the same target that does answer, it does.
            if udp:
                port = _draw(f"{source.key} {target.name} udp", [p for p in SILENT_UDP_PORTS if not _open(p, udp)])
                for address in _addresses(source.hosts[0].families, target)[:1] if port else ():
                    yield {"to": target.name, "address": address, "protocol": "udp", "port": port, "expect": "denied", "paths": [], "tls": ""}

    def _closed_ports(self, seed: str, made: ClassPlan, admitted: t.Sequence[Flow]) -> list[int]:
        # Whether a source is the controller is not in the plan, so ports of the management path prove nothing.
        managed = (*made.management.ports, PortRange(22, 22))
        closed = [port for port in TELLING_PORTS if not _open(port, admitted) and not any(p.low <= port <= p.high for p in managed)]
        return sorted(_pick(closed, DENIED_PER_TARGET, f"{seed} {made.hosts[0].name} tcp"))

    def _admits(self, flow: Flow, hosts: t.Sequence[Host]) -> bool:
        """Whether a flow lets in any of these hosts, as a member by name or because a network happens to hold an address of theirs."""
        if self.plan.sets[flow.peers].everyone:
            return True
        members, networks = self.plan.members[flow.peers], self.plan.networks[flow.peers]
        return any(host.name in members or _held(host, networks) for host in hosts)


def _addresses(families: tuple[str, ...], target: Host) -> tuple[str, ...]:
    """The first address of a target in each of these families."""
    v4 = _networks.texts(4, ((number, number) for number in target.v4[:1])) if "ipv4" in families else ()
    v6 = _networks.texts(6, ((number, number) for number in target.v6[:1])) if "ipv6" in families else ()
    return (*v4, *v6)


def _held(host: Host, networks: t.Sequence[Network]) -> bool:
    return any(
        network.low <= number <= network.high for network in networks for number in (host.v4 if network.family == 4 else host.v6)
    )


def _edges(ports: t.Iterable[PortRange]) -> tuple[int, ...]:
    return tuple(sorted({end for port in ports for end in (port.low, port.high)}))


def _open(port: int, flows: t.Iterable[Flow]) -> bool:
    return any(entry.low <= port <= entry.high for flow in flows for entry in flow.ports)


T = t.TypeVar("T")


def _pick(values: t.Sequence[T], most: int, seed: str) -> list[T]:
    """All values, or a sample that depends on nothing but the seed and the values."""
    if len(values) <= most:
        return list(values)
    chosen = sorted(_random(seed).sample(range(len(values)), most))
    return [values[index] for index in chosen]


def _draw(seed: str, values: t.Sequence[int]) -> int:
    return values[_random(seed).randrange(len(values))] if values else 0


def _random(seed: str) -> random.Random:
    return random.Random(  # noqa: S311 - a sample that can be repeated, not a secret
        hashlib.sha256(seed.encode()).digest())


__all__ = ("DENIED_PER_TARGET", "TELLING_PORTS", "Catalogue", "Source")
