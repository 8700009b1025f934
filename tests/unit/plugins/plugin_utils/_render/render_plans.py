# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import typing as t

from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, Management, PeerSet, PortRange

WIDTH = {4: 32, 6: 128}
BLOCKS = {4: int(ipaddress.IPv4Address("192.0.2.0")), 6: int(ipaddress.IPv6Address("2001:db8::"))}
SAFE = ("none", "tls", "starttls", "rpc", "kerberos", "ipsec_requested")


@st.composite
def networks(draw: st.DrawFn, version: int) -> tuple[str, ...]:
    """Disjoint networks in address order: single addresses, prefixes, odd ranges, neighbours that touch, both ends of the address space."""
    top = (1 << WIDTH[version]) - 1
    near = st.integers(BLOCKS[version], BLOCKS[version] + 300)
    starts = draw(st.lists(st.one_of(near, st.sampled_from((0, 1, top - 1, top)), st.integers(0, top)), max_size=8))
    pairs = [(start, min(top, start + draw(st.sampled_from((0, 0, 1, 2, 3, 127, 255, 1000))))) for start in starts]
    merged = _networks.merge(pairs)
    if draw(st.booleans()):
        merged = tuple(part for low, high in merged for part in ([(low, low), (low + 1, high)] if high > low else [(low, high)]))
    return _networks.texts(version, merged)


@st.composite
def peer_sets(draw: st.DrawFn, name: str) -> PeerSet:
    if draw(st.integers(0, 5)) == 0:
        return PeerSet(name, everyone=True)
    return PeerSet(name, draw(networks(4)), draw(networks(6)))


@st.composite
def port_ranges(draw: st.DrawFn) -> tuple[PortRange, ...]:
    """Sorted, disjoint, sometimes touching."""
    edges = sorted(draw(st.sets(st.one_of(st.integers(1, 65535), st.integers(1, 40)), min_size=1, max_size=8)))
    ranges = [PortRange(edge, edge) for edge in edges]
    if len(edges) % 2 == 0 and draw(st.booleans()):
        ranges = [PortRange(low, high) for low, high in zip(edges[::2], edges[1::2], strict=True)]
    return tuple(ranges)


PATHS = st.lists(st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,4}", fullmatch=True), min_size=1, max_size=12, unique=True)


@st.composite
def flows(draw: st.DrawFn, sets: t.Mapping[str, PeerSet]) -> Flow:
    peers = draw(st.sampled_from(sorted(sets)))
    protocols = ("tcp", "tcp", "udp", "icmp", "esp") if sets[peers].everyone else ("tcp", "tcp", "udp", "icmp", "esp", "any")
    protocol = draw(st.sampled_from(protocols))
    ports = draw(port_ranges()) if protocol in ("tcp", "udp") else ()
    return Flow(draw(st.sampled_from(("in", "in", "out"))), protocol, ports, peers, tuple(draw(PATHS)), draw(st.sampled_from(SAFE)))


@st.composite
def host_plans(draw: st.DrawFn) -> HostPlan:
    names = draw(st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True).filter(lambda name: name != "session"), min_size=1, max_size=5, unique=True))
    sets = {name: draw(peer_sets(name)) for name in names}
    management = Management(draw(st.sampled_from(["", *names])), draw(port_ranges()))
    families = draw(st.sampled_from((("ipv4",), ("ipv6",), ("ipv4", "ipv6"))))
    return HostPlan(
        "mbx1", ("mailbox",), "default", "linux", families, tuple(draw(st.lists(flows(sets), max_size=10))), sets, management,
        draw(st.sampled_from(("open", "restricted"))),
    )


def port(*numbers: int | tuple[int, int]) -> tuple[PortRange, ...]:
    return tuple(PortRange(*number) if isinstance(number, tuple) else PortRange(number, number) for number in numbers)


def example(*extra: Flow, **changes: t.Any) -> HostPlan:
    """A small plan with one of everything."""
    sets = {
        "config_controller": PeerSet("config_controller", ("198.51.100.0/24",)),
        "hub_transport": PeerSet("hub_transport", ("192.0.2.1", "192.0.2.8-192.0.2.10"), ("2001:db8::1", "2001:db8:1::/64")),
        "nobody": PeerSet("nobody"),
        "web_client": PeerSet("web_client", everyone=True),
    }
    values: dict[str, t.Any] = {
        "host": "mbx1", "roles": ("mailbox",), "site": "default", "platform": "linux", "families": ("ipv4", "ipv6"), "sets": sets,
        "management": Management("config_controller", port(22)), "egress": "restricted",
        "flows": (
            Flow("in", "tcp", port(25), "hub_transport", ("hub-to-mailbox",)),
            Flow("in", "tcp", port(135, (49152, 65535)), "hub_transport", ("mapi-to-mailbox", "outlook-oab")),
            Flow("in", "tcp", port(443), "web_client", ("web-access",), "tls"),
            Flow("in", "icmp", (), "hub_transport", ("cluster-ping",)),
            Flow("in", "esp", (), "hub_transport", ("esp-in",)),
            Flow("in", "any", (), "hub_transport", ("same-site",)),
            Flow("in", "tcp", port(1), "nobody", ("unused",)),
            Flow("out", "udp", port(53), "hub_transport", ("dns",)),
            *extra,
        ),
    }
    return HostPlan(**{**values, **changes})
