# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The plan as values: what each host must allow, protect and refuse. Knows nothing of any platform's language."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

PROTECTIONS = ("none", "tls", "starttls", "rpc", "kerberos", "ipsec_requested", "ipsec_required")
PROTOCOLS = ("tcp", "udp", "icmp", "esp", "any")


class PlanError(ValueError):
    """A plan that cannot be made, read or kept: says what, where and how to fix it."""


@dataclass(frozen=True, order=True)
class PortRange:
    """An inclusive range of ports, 1 to 65535; one port has low == high."""

    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"

    @classmethod
    def parse(cls, text: str) -> PortRange:
        """Read ``25`` or ``1025-60000``; raises PlanError for anything else, reversed and out of range included."""
        low, dash, high = str(text).partition("-")
        if not all(end.isascii() and end.isdigit() and len(end) <= 5 for end in ((low, high) if dash else (low,))):
            raise PlanError(f"port {text!r}: expected a number or LOW-HIGH")
        value = cls(int(low), int(high) if dash else int(low))
        if not 1 <= value.low <= value.high <= 65535:
            raise PlanError(f"port {text!r}: numbers must be 1 to 65535, low before high")
        return value


@dataclass(frozen=True)
class PeerSet:
    """A named, sorted, merged list of networks, IPv4 and IPv6 apart. ``everyone`` is an explicit any and has no networks.

    v4, v6: texts ``192.0.2.7``, ``192.0.2.0/24`` or ``192.0.2.7-192.0.2.9``, disjoint, in address order.
    name: ``[a-z0-9_]+``, at most 60 characters, unique in a plan.
    """

    name: str
    v4: tuple[str, ...] = ()
    v6: tuple[str, ...] = ()
    everyone: bool = False

    def __post_init__(self) -> None:
        if self.everyone and (self.v4 or self.v6):
            raise PlanError(f"peer set {self.name}: any and single networks exclude each other")

    @property
    def empty(self) -> bool:
        return not (self.everyone or self.v4 or self.v6)

    def to_plain(self) -> dict[str, t.Any]:
        return {"everyone": self.everyone, "v4": list(self.v4), "v6": list(self.v6)}

    @classmethod
    def from_plain(cls, name: str, plain: t.Mapping[str, t.Any]) -> PeerSet:
        return cls(name, tuple(plain["v4"]), tuple(plain["v6"]), bool(plain["everyone"]))


@dataclass(frozen=True, order=True)
class Flow:
    """One allowed direction on one host.

    direction: ``in`` (peers open to this host) or ``out``. ports: of the responder, sorted and disjoint; empty for protocols without ports.
    peers: the name of a peer set. paths: every path id that asks for exactly this, in document order.
    protection: what keeps it secret. origin: ``documented`` when any path's own cell asks for it.
    """

    direction: str
    protocol: str
    ports: tuple[PortRange, ...]
    peers: str
    paths: tuple[str, ...]
    protection: str = "none"
    origin: str = "documented"

    def __post_init__(self) -> None:
        if self.direction not in ("in", "out") or self.protocol not in PROTOCOLS or self.protection not in PROTECTIONS:
            raise PlanError(f"flow {self.paths}: {self.direction}, {self.protocol} or {self.protection} is not known")
        if (self.protocol in ("tcp", "udp")) != bool(self.ports):
            raise PlanError(f"flow {self.paths}: {self.protocol} and ports {self.ports} do not fit")
        if not self.paths:
            raise PlanError(f"flow to {self.peers}: no path asks for it")

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "direction": self.direction, "protocol": self.protocol, "ports": [str(port) for port in self.ports], "peers": self.peers,
            "paths": list(self.paths), "protection": self.protection, "origin": self.origin,
        }

    @classmethod
    def from_plain(cls, plain: t.Mapping[str, t.Any]) -> Flow:
        return cls(
            plain["direction"], plain["protocol"], tuple(PortRange.parse(port) for port in plain["ports"]), plain["peers"],
            tuple(plain["paths"]), plain["protection"], plain["origin"],
        )


@dataclass(frozen=True)
class Association:
    """What IPsec must protect between this host and a peer set.

    whole: every packet of the pair (a path with dynamic ports is among them); otherwise ``selectors`` name protocol, side and port.
    mode: ``requested`` or ``required``. hosts: names of the managed hosts among the peers, sorted, never the host itself.
    ike: version of the key exchange, 2 only where both ends run Linux.
    """

    peers: str
    mode: str
    whole: bool
    selectors: tuple[str, ...]
    paths: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    ike: int = 2

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "peers": self.peers, "mode": self.mode, "whole": self.whole, "selectors": list(self.selectors), "paths": list(self.paths),
            "hosts": list(self.hosts), "ike": self.ike,
        }


@dataclass(frozen=True)
class Management:
    """How Ansible and administrators of the configuration reach the host: never planned away, rendered first."""

    peers: str
    ports: tuple[PortRange, ...]


@dataclass(frozen=True)
class HostPlan:
    """Everything that one host must allow, protect and refuse. ``sets`` holds exactly the peer sets that it uses.

    release: of Windows, as C(datapath_platform.release) names it; empty for other platforms. addresses: the host's own, IPv4 before IPv6.
    """

    host: str
    roles: tuple[str, ...]
    site: str
    platform: str
    families: tuple[str, ...]
    flows: tuple[Flow, ...]
    sets: t.Mapping[str, PeerSet]
    management: Management
    egress: str = "open"
    scope: str = "documented"
    encryption: str = "as_documented"
    reference: str = "exchange_2007"
    associations: tuple[Association, ...] = ()
    rpc: t.Mapping[str, t.Any] = field(default_factory=dict)
    digest: str = ""
    release: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, order=True)
class Finding:
    """A rule of the notes checked against the topology. severity: ``error``, ``warning`` or ``info``; hosts: sorted, may be empty."""

    id: str
    severity: str
    hosts: tuple[str, ...]
    text: str
    source: str

    def to_plain(self) -> dict[str, t.Any]:
        return {"id": self.id, "severity": self.severity, "hosts": list(self.hosts), "text": self.text, "source": self.source}


@dataclass(frozen=True, order=True)
class Skipped:
    """A path that the plan does not use, and why."""

    path: str
    reason: str


__all__ = (
    "PROTECTIONS",
    "PROTOCOLS",
    "Association",
    "Finding",
    "Flow",
    "HostPlan",
    "Management",
    "PeerSet",
    "PlanError",
    "PortRange",
    "Skipped",
)
