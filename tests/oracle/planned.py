# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a finished plan says about one packet: the other side of the comparison with the oracle."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan, compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Inventory
from ansible_collections.datapath.exchange.tests.oracle import sampling
from ansible_collections.datapath.exchange.tests.oracle.inventory import Organisation
from ansible_collections.datapath.exchange.tests.oracle.oracle import ESP, Oracle, Packet, contains

PROTOCOLS = {"tcp": "tcp", "udp": "udp", "esp": ESP}
"""Packets of other protocols that a plan knows are not asked for here."""


@dataclass(frozen=True)
class Disagreement:
    """One packet, why the oracle lets it pass (nothing: it does not), and which paths of the plan do."""

    host: str
    direction: str
    packet: Packet
    oracle: list[str]
    plan: list[str]

    def __str__(self) -> str:
        about = f"{self.host} {self.direction}: {self.packet.source} to {self.packet.destination} {self.packet.port}/{self.packet.protocol}"
        return f"{about}\n    rows: {'; '.join(self.oracle) or 'none wants it'}\n    plan: {'; '.join(self.plan) or 'nothing admits it'}"


def make_plan(organisation: Organisation) -> Plan:
    return compile_plan(Inventory(organisation.hosts, organisation.groups), {})


def admitted(plan: HostPlan, direction: str, packet: Packet) -> list[str]:
    """Every flow of a host's plan that a packet belongs to."""
    peer = packet.source if direction == "in" else packet.destination
    found = [
        f"{' '.join(flow.paths)} of {flow.peers}" for flow in plan.flows
        if flow.direction == direction and _about(flow, packet) and _holds(plan.sets[flow.peers], peer)
    ]
    management = plan.management
    if direction == "in" and management.peers and packet.protocol == "tcp" and _among(management.ports, packet.port):
        found += ["management"] if _holds(plan.sets[management.peers], peer) else []
    return found


def questions(oracle: Oracle, host: str, count: int, seed: str) -> list[tuple[str, Packet, list[str]]]:
    """Random packets with the oracle's answer, C(count) in each direction and family that the host has."""
    pool, asked = sampling.pools(oracle, host), {"in": oracle.inbound, "out": oracle.outbound}
    return [
        (direction, packet, asked[direction](host, packet)) for direction in asked for family in (4, 6) if pool.own[family]
        for packet in sampling.packets(pool, direction, family, count, sampling.dice(f"{seed} {host} {direction} {family}"))
    ]


def disagreements(plan: HostPlan, asked: t.Iterable[tuple[str, Packet, list[str]]]) -> t.Iterator[Disagreement]:
    """The packets about which the plan says something else."""
    for direction, packet, wanted in asked:
        found = admitted(plan, direction, packet)
        if bool(wanted) != bool(found):
            yield Disagreement(plan.host, direction, packet, wanted, found)


def _about(flow: Flow, packet: Packet) -> bool:
    if flow.protocol == "any":
        return True
    return PROTOCOLS.get(flow.protocol) == packet.protocol and (not flow.ports or _among(flow.ports, packet.port))


def _among(ports: t.Iterable[PortRange], port: int) -> bool:
    return any(entry.low <= port <= entry.high for entry in ports)


def _holds(peers: PeerSet, address: str) -> bool:
    where = ipaddress.ip_address(address)
    return peers.everyone or any(contains(network, where) for network in (peers.v4 if where.version == 4 else peers.v6))
