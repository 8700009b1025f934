# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans of Linux hosts with associations, and what an association says of one packet, asked of the ipaddress module address by address."""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Flow, HostPlan, Management, PeerSet, PortRange
from ansible_collections.datapath.exchange.tests.unit import strategies

SETS = {
    "mailbox": PeerSet("mailbox", ("192.0.2.1-192.0.2.4",), ("2001:db8::1-2001:db8::2",)),
    "backup": PeerSet("backup", ("192.0.2.3", "198.51.100.8/30")),
    "legacy": PeerSet("legacy", ("198.51.100.20",)),
    "everyone": PeerSet("everyone", everyone=True),
    "cast": PeerSet("cast", ("224.0.0.1",)),
    "wide": PeerSet("wide", ("10.77.0.0/16",)),
    "config_controller": PeerSet("config_controller", ("192.0.2.2", "203.0.113.9")),
    "domain_controller": PeerSet("domain_controller", ("192.0.2.4", "203.0.113.1")),
}
WHOLE = Association("mailbox", "required", True, (), ("log-shipping", "seeding"), ("mbx2", "mbx3"))
PORTS = Association("backup", "required", False, ("in 445/tcp", "out 445/tcp", "in 53/udp"), ("backup",))
LEGACY = Association("legacy", "requested", False, ("out 443/tcp",), ("cas-to-legacy",), ike=1)


def plan(*associations: Association, **changes: t.Any) -> HostPlan:
    flows = (
        Flow("in", "tcp", (PortRange(445, 445),), "mailbox", ("log-shipping",), "ipsec_required"),
        Flow("in", "tcp", (PortRange(135, 135),), "mailbox", ("recipient-update",), "rpc"),
        Flow("out", "tcp", (PortRange(445, 445),), "mailbox", ("log-shipping",), "ipsec_required"),
        Flow("out", "tcp", (PortRange(88, 88), PortRange(135, 135), PortRange(389, 389)), "domain_controller", ("dc",), "kerberos"),
        Flow("out", "udp", (PortRange(53, 53),), "domain_controller", ("dns",)),
    )
    values: dict[str, t.Any] = {
        "host": "mbx1", "roles": ("mailbox",), "site": "default", "platform": "linux", "families": ("ipv4", "ipv6"), "flows": flows, "sets": SETS,
        "management": Management("config_controller", (PortRange(22, 22),)), "associations": associations, "egress": "open",
        "addresses": ("192.0.2.1", "2001:db8::1"),
    }
    return HostPlan(**{**values, **changes})


@st.composite
def associations(draw: st.DrawFn) -> Association:
    selectors = st.builds(lambda side, port, protocol: f"{side} {port}/{protocol}", st.sampled_from(("in", "out")), st.sampled_from((25, 445, 446, 64327)),
                          st.sampled_from(("tcp", "udp")))
    whole = draw(st.booleans())
    chosen = () if whole else tuple(sorted(draw(st.lists(selectors, max_size=4, unique=True))))
    peers = draw(st.sampled_from(("mailbox", "backup", "legacy", "domain_controller")))
    return Association(peers, draw(st.sampled_from(("requested", "required"))), whole, chosen, ("some-path",),
                       tuple(draw(st.lists(st.sampled_from(("mbx2", "mbx3")), unique=True))), draw(st.sampled_from((1, 2))))


@dataclass(frozen=True)
class Packet:
    """One packet of a host. direction: C(in) or C(out). sport, dport: as on the wire. ipsec: it came out of, or goes into, IPsec."""

    direction: str
    peer: str
    protocol: int
    sport: int = 0
    dport: int = 0
    ipsec: bool = False


def holds(peers: PeerSet, address: str) -> bool:
    where = ipaddress.ip_address(address)
    return peers.everyone or any(_in(where, text) for text in (peers.v4 if where.version == 4 else peers.v6))


def _in(where: t.Any, text: str) -> bool:
    if "-" in text:
        low, high = map(ipaddress.ip_address, text.split("-"))
        return bool(low <= where <= high)
    return where in ipaddress.ip_network(text)


def answer(host: HostPlan, address: str, mode: str | None = None) -> tuple[bool, frozenset[str], bool]:
    """Whole, selectors and whether anything is required, over all associations that hold an address; with C(mode) only those of that mode."""
    if address in host.addresses:
        return False, frozenset(), False
    found = [each for each in host.associations if holds(host.sets[each.peers], address) and (each.whole or each.selectors)]
    whole = any(each.whole for each in found)
    chosen = [each for each in found if mode in (None, each.mode)]
    return whole, frozenset(selector for each in chosen for selector in each.selectors), any(each.mode == "required" for each in found)


def refused(host: HostPlan, packet: Packet) -> bool:
    """Whether a packet must not pass in clear."""
    whole, selectors, required = answer(host, packet.peer, "required")
    if packet.ipsec or not required or _never(host, packet):
        return False
    if not whole:
        return bool(_sides(packet) & selectors)
    if packet.protocol in (1, 58):
        versions = [each.ike for each in host.associations if holds(host.sets[each.peers], packet.peer) and (each.whole or each.selectors) and each.hosts]
        versions = versions or [each.ike for each in host.associations if holds(host.sets[each.peers], packet.peer) and (each.whole or each.selectors)]
        return min(versions) != 1
    return not _bootstrap(host, packet)


def _sides(packet: Packet) -> set[str]:
    name = {6: "tcp", 17: "udp"}.get(packet.protocol, "")
    ours, theirs = (packet.dport, packet.sport) if packet.direction == "in" else (packet.sport, packet.dport)
    return {f"in {ours}/{name}", f"out {theirs}/{name}"}


def _never(host: HostPlan, packet: Packet) -> bool:
    ours = packet.dport if packet.direction == "in" else packet.sport
    managed = packet.protocol == 6 and ours == 22 and holds(host.sets["config_controller"], packet.peer)
    return managed or packet.protocol == 50 or (packet.protocol == 17 and packet.dport in (500, 4500))


def _bootstrap(host: HostPlan, packet: Packet) -> bool:
    """Names, time and the directory, where the plan opens them and IPsec is not asked for."""
    opened = {
        f"{flow.direction} {port}/{flow.protocol}" for flow in host.flows if flow.protection != "ipsec_required" and holds(host.sets[flow.peers], packet.peer)
        for port in flow.ports if port.low in (53, 88, 123, 389, 464, 636, 3268, 3269)
    }
    return bool(_sides(packet) & opened)


@st.composite
def packets(draw: st.DrawFn) -> Packet:
    peer = draw(st.sampled_from((
        "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "198.51.100.8", "198.51.100.11", "198.51.100.12", "198.51.100.20", "203.0.113.1", "203.0.113.9",
        "2001:db8::2", "2001:db8::3",
    )))
    protocol = draw(st.sampled_from((6, 6, 6, 17, 17, 58 if ":" in peer else 1, 50, 99)))
    ports = st.sampled_from((22, 25, 53, 88, 123, 389, 445, 446, 500, 4500, 64327, 50123))
    sport, dport = (draw(ports), draw(ports)) if protocol in (6, 17) else (0, 0)
    return Packet(draw(st.sampled_from(("in", "out"))), peer, protocol, sport, dport, draw(st.booleans()))


@st.composite
def organisations(draw: st.DrawFn) -> t.Any:
    """Mailbox servers of both platforms in clusters and pairs, with one address or several; each wants of IPsec what it wants."""
    org = strategies.small()
    for number, name in enumerate(("mbx1", "mbx2", "mbx3", "mbx4"), 31):
        both = draw(st.sampled_from(([f"192.0.2.{number}"], [f"192.0.2.{number}", f"2001:db8::{number}"], [f"192.0.2.{number}", f"198.51.100.{number}"])))
        org = org.with_host(
            name, addresses=both, ipsec=draw(st.sampled_from(("absent", "requested", "required", "required"))),
            platform=draw(st.sampled_from(("linux", "linux", "windows"))), rpc_range=draw(st.sampled_from((None, "50000-50999"))),
            cluster=draw(st.sampled_from(("", "ccr1", "ccr1"))),
        )
    org = org.with_host("mbx1", scr_targets=draw(st.lists(st.sampled_from(("mbx2", "mbx3", "mbx4")), max_size=2, unique=True)))
    for name in ("cas1", "hub1"):
        org = org.with_host(name, addresses=[{"cas1": "192.0.2.25", "hub1": "192.0.2.21"}[name]], ipsec=draw(st.sampled_from(("absent", "required"))))
    waived = draw(st.sampled_from(((), ("ccr-scr-seeding", "mailbox-clustering"))))
    peers = {"config_controller": [draw(st.sampled_from(("198.51.100.77", "192.0.2.32")))], "legacy_mailbox": ["203.0.113.88"],
             "admin_workstation": ["203.0.113.49"]}
    return org.with_groups(mailbox=["mbx1", "mbx2", "mbx3", "mbx4"]).with_peers(**peers).with_options(waivers=dict.fromkeys(waived, "agreed"))
