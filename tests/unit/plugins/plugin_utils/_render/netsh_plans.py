# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of Windows hosts, and an oracle that asks the ipaddress module, packet by packet, and shares nothing with the renderers."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

from hypothesis import strategies as st
from render_plans import example, flows, host_plans, peer_sets, port

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, PeerSet

RPC = {"range": "49152-65535", "source": "", "static": {}}
Packet = tuple[str, int, bool, int, int]
"""Direction, protocol number, whether it came encrypted out of IPsec, port of the responder, address of the peer (with 1 << 128 added for IPv6)."""
PROTOCOLS = {"tcp": (6, 6), "udp": (17, 17), "icmp": (1, 58), "esp": (50, 50), "any": (99, 99)}
SIX = 1 << 128


@st.composite
def windows_plans(draw: st.DrawFn, release: str = "2019") -> HostPlan:
    """Like host_plans, with flows that IPsec must protect, for a Windows host."""
    plan = draw(host_plans())
    sets = dict(plan.sets)
    more = draw(st.lists(flows(sets), max_size=3))
    required = tuple(replace(flow, protection="ipsec_required") for flow in more)
    return replace(plan, platform="windows", release=release, rpc=RPC, flows=plan.flows + required)


def windows(*extra: Flow, **changes: t.Any) -> HostPlan:
    """A small plan with one of everything for a Windows host."""
    return example(*extra, **{"platform": "windows", "release": "2019", "rpc": RPC, "addresses": ("192.0.2.77", "2001:db8::77"), **changes})


def wanted(plan: HostPlan, packet: Packet) -> bool:
    """Whether the plan admits a packet."""
    direction, _number, _protected, _port, address = packet
    management = plan.management
    first = [Flow("in", "tcp", management.ports, management.peers, ("management",))] if management.peers else []
    family = "ipv6" if address >= SIX else "ipv4"
    return family in plan.families and (direction == "in" or plan.egress == "restricted") and any(
        flow.direction == direction and _fits(flow, packet) and member(plan.sets[flow.peers], address) for flow in (*plan.flows, *first)
    )


def _fits(flow: Flow, packet: Packet) -> bool:
    _direction, number, protected, asked, address = packet
    if flow.protection == "ipsec_required" and not protected:
        return False
    if flow.protocol == "any":
        return True
    return number == PROTOCOLS[flow.protocol][address >= SIX] and (not flow.ports or any(each.low <= asked <= each.high for each in flow.ports))


def member(peers: PeerSet, address: int) -> bool:
    texts = peers.v6 if address >= SIX else peers.v4
    return peers.everyone or any(low <= address % SIX <= high for low, high in map(ends, texts))


def ends(network: str) -> tuple[int, int]:
    if "-" in network:
        low, high = map(ipaddress.ip_address, network.split("-"))
        return int(low), int(high)
    whole = ipaddress.ip_network(network)
    return int(whole[0]), int(whole[-1])


def edges(plan: HostPlan) -> t.Iterator[Packet]:
    """Packets on both sides of every border in the plan."""
    for flow in plan.flows:
        numbers = {near for each in flow.ports for end in (each.low, each.high) for near in (end - 1, end, end + 1) if 0 < near < 65536} or {7}
        for address in _addresses(plan.sets[flow.peers]):
            for protected in (False, True):
                for asked in numbers:
                    yield flow.direction, PROTOCOLS[flow.protocol][address >= SIX], protected, asked, address


def _addresses(peers: PeerSet) -> set[int]:
    found = {77, SIX + 77}
    for texts, offset, top in ((peers.v4, 0, (1 << 32) - 1), (peers.v6, SIX, SIX - 1)):
        near = {end + step for text in texts for end in ends(text) for step in (-1, 0, 1)}
        found |= {offset + number for number in near if 0 <= number <= top}
    return found


__all__ = ("PROTOCOLS", "RPC", "SIX", "Packet", "edges", "ends", "member", "peer_sets", "port", "wanted", "windows", "windows_plans")
