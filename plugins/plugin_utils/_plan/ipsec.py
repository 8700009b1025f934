# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Who protects what with IPsec, pair by pair, and what IPsec itself needs to pass (X-29).

Both ends of a pair have to come to the same answer, so everything here depends on the two ends alone, never on who else is in a peer set.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Flow, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.sets import PeerSets, Selection
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host, Network

KEY_EXCHANGE = "ipsec-key-exchange"
"""The path of the key exchange and of encapsulated packets: no row of the reference, because IPsec brings it along (X-29)."""
IKE_PORTS = (PortRange(500, 500), PortRange(4500, 4500))
MOST_ADDRESSES = 256
"""On Linux each address of a peer is a connection of its own, so networks of peers that are not managed may have at most that many addresses."""
MODES = ("absent", "requested", "required")
_WINDOWS_KINDS = frozenset(("legacy_mailbox", "legacy_bridgehead"))
"""Exchange 2003 and 2000 ran on nothing else, whatever the inventory says of such a peer."""


def weaker(*modes: str) -> str:
    """What a pair of hosts can do together."""
    return min(modes, key=MODES.index)


def by_mode(sets: PeerSets, selection: Selection, host: Host, mode: t.Callable[[Host], str]) -> dict[str, Selection]:
    """The parts of a selection by what a host and each peer can do together; who is not managed follows the host.

    Whoever is on a network of a cluster is one of its nodes, so such a network can do what the weakest of them can.
    """
    own = mode(host)
    modes = {member.name: weaker(own, mode(member)) if member.managed else own for member in selection.hosts}
    nodes = weaker(own, *modes.values())
    return sets.parts(selection, lambda member: modes[member.name], lambda network: nodes if network.text in host.cluster_networks else own)


def associations(sets: PeerSets, flows: t.Iterable[Flow], host: Host) -> list[Association]:
    """What has to be protected towards whom, by peer set, mode and version of the key exchange.

    A pair with any dynamic port is protected whole: kernels match port masks and Windows refuses ranges in securing rules.
    """
    pairs: dict[tuple[str, str], list[Flow]] = defaultdict(list)
    for flow in flows:
        if flow.protection.startswith("ipsec_"):
            pairs[(flow.peers, flow.protection[6:])].append(flow)
    result = []
    for (peers, mode), members in sorted(pairs.items()):
        whole = any(port.low != port.high for flow in members for port in flow.ports)
        selectors = sorted({f"{flow.direction} {port}/{flow.protocol}" for flow in members for port in flow.ports})
        paths = tuple(dict.fromkeys(path for flow in members for path in flow.paths))
        for version, part in sorted(_by_version(sets, peers, host).items()):
            if {member.name for member in part.hosts} != {host.name} or sets.networks[part.name]:
                result.append(Association(part.name, mode, whole, () if whole else tuple(selectors), paths, ike=int(version[-1])))
    return result


def _by_version(sets: PeerSets, peers: str, host: Host) -> dict[str, Selection]:
    """IKEv2 where both ends run Linux, IKEv1 elsewhere: connection security rules of Windows Server 2008 know nothing newer (MS-GPFAS 2.2.6).

    Networks of a cluster are left out: addresses of its nodes are known, and of whatever else is there nobody knows a key.
    """
    def version(member: Host) -> str:
        windows = "windows" in (host.platform, member.platform) or (not member.managed and not _WINDOWS_KINDS.isdisjoint(member.kinds))
        return "ikev1" if windows else "ikev2"

    def of_network(network: Network) -> str:
        if network.text in host.cluster_networks:
            return ""
        return "ikev1" if host.platform == "windows" or sets.kinds[peers] in _WINDOWS_KINDS else "ikev2"

    return sets.parts(Selection(peers, sets.hosts[peers]), version, of_network)


def key_exchange(sets: PeerSets, found: t.Iterable[Association]) -> tuple[Flow, ...]:
    """What has to pass between the ends of each association, both ways. Nothing opens it to everyone, with whom no key can be shared."""
    peers = dict.fromkeys(association.peers for association in found if not sets.sets[association.peers].everyone)
    return tuple(
        Flow(direction, protocol, ports, name, (KEY_EXCHANGE,), origin="implied")
        for direction in ("in", "out") for name in peers for protocol, ports in (("udp", IKE_PORTS), ("esp", ()))
    )


__all__ = ("IKE_PORTS", "KEY_EXCHANGE", "MODES", "MOST_ADDRESSES", "associations", "by_mode", "key_exchange", "weaker")
