# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Peer sets: who is meant by a role or peer kind, seen from one host. Made once, named once, used by many flows."""

from __future__ import annotations

import hashlib
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.ports import merge, resolve
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import GATEWAY_KINDS, Host, Network, Topology

Wanted = frozenset[tuple[str, bool]]
"""Features that the members of a set must have on (True) or off (False)."""


@dataclass(frozen=True)
class Selection:
    """One peer set and the ports that its members answer on. hosts: its members that are hosts of the inventory."""

    name: str
    hosts: tuple[Host, ...]
    ports: tuple[PortRange, ...] = ()


class PeerSets:
    """All peer sets of a plan; each distinct membership exists once."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.sets: dict[str, PeerSet] = {}
        self.members: dict[str, frozenset[str]] = {}
        self.networks: dict[str, tuple[Network, ...]] = {}
        self.hosts: dict[str, tuple[Host, ...]] = {}
        self.kinds: dict[str, str] = {}
        self._names: dict[tuple[t.Any, ...], str] = {}
        self._selections: dict[tuple[t.Any, ...], tuple[Selection, ...]] = {}
        self._by_cluster = _clusters(topology)
        self._by_site = _sites(topology)
        self._partners = {(host.name, target) for host in topology.hosts.values() for target in host.scr_targets}
        self._replicating = frozenset(name for pair in self._partners for name in pair)

    def resolve_kind(self, kind: str, local: str) -> str:
        """The kind whose members stand for C(kind) on a host of role C(local): itself, or its fallback where the user named none.

        An edge server stands outside the forest: it never gets a domain controller in place of a name or time server.
        """
        kinds = self.topology.reference.peer_kinds
        if kind not in kinds or kind in self.topology.given or not kinds[kind].fallback or local in self.topology.reference.exclusive_roles:
            return kind
        return self.resolve_kind(kinds[kind].fallback, local)

    def select(
        self, kind: str, host: Host, *, relation: str = "any", wanted: Wanted = frozenset(), platforms: tuple[str, ...] = (),
        security: str = "", port: str = "", local_initiates: bool = False,
    ) -> tuple[Selection, ...]:
        """Peers of a kind seen from a host, split by the numbers that C(port) (the port part of a token; empty: none asked) has on them.

        An empty result means that nobody is meant: never anybody.
        """
        kind = self.resolve_kind(kind, host.roles[0])
        symbolic = port if port in ("rpc-dynamic", "random", "rtp") else ""
        key = (kind, self._view(kind, host, relation, local_initiates), wanted, platforms, security, symbolic)
        if key not in self._selections:
            self._selections[key] = tuple(self._make(kind, host, relation, wanted, platforms, security, symbolic, local_initiates))
        found = self._selections[key]
        if symbolic or not port:
            return found
        numbers = (PortRange.parse(port),)
        return tuple(Selection(selection.name, selection.hosts, numbers) for selection in found)

    def _view(self, kind: str, host: Host, relation: str, local_initiates: bool) -> t.Any:
        """What of a host changes the answer: hosts with the same view share the set."""
        by_site = any(network.site for network in self.topology.networks.get(kind, ()))
        site = host.site if by_site or relation in ("same_site", "other_site", "subscribed") else ""
        if relation in ("same_cluster", "replication"):
            return relation, host.cluster, host.cluster_networks, host.name if relation == "replication" and host.name in self._replicating else ""
        if relation == "witness":
            return relation, host.name, local_initiates
        return relation if site else "any", site

    def _make(
        self, kind: str, host: Host, relation: str, wanted: Wanted, platforms: tuple[str, ...], security: str, symbolic: str, local_initiates: bool,
    ) -> t.Iterator[Selection]:
        hosts = tuple(
            member for member in self._near(kind, host, relation)
            if self._related(relation, host, member, local_initiates) and _fits(member, wanted, platforms, security)
        )
        networks = tuple(self._networks(kind, host, relation, security, local_initiates))
        for ports, group in self._by_ports(kind, hosts, networks, symbolic, near=relation == "same_cluster").items():
            name = self._name(kind, host, relation, wanted, security, ports if symbolic else (), *group)
            if name:
                yield Selection(name, group[0], ports)

    def _candidates(self, kind: str) -> tuple[Host, ...]:
        return self.topology.by_role.get(kind, ()) or self.topology.by_kind.get(kind, ())

    def _near(self, kind: str, host: Host, relation: str) -> tuple[Host, ...]:
        """Candidates for a relation, without walking the organisation where a cluster or site already says who can be meant."""
        if relation == "same_cluster" or (relation == "replication" and host.name not in self._replicating):
            return tuple(member for member in self._by_cluster.get(host.cluster, ()) if kind in member.roles)
        if relation in ("same_site", "subscribed") and kind in self.topology.by_role:
            return self._by_site.get((kind, host.site), ())
        return self._candidates(kind)

    def _related(self, relation: str, host: Host, member: Host, local_initiates: bool) -> bool:
        if relation == "witness":
            return host.witness == member.name if local_initiates else member.witness == host.name
        if not member.managed:
            # A peer without a site of its own serves every site.
            return not member.site or relation not in ("same_site", "subscribed") or member.site == host.site
        if relation in ("same_site", "subscribed", "other_site"):
            return (member.site == host.site) is (relation != "other_site")
        mates = bool(host.cluster) and member.cluster == host.cluster
        replicas = relation == "replication" and bool({(host.name, member.name), (member.name, host.name)} & self._partners)
        return relation == "any" or mates or replicas

    def _networks(self, kind: str, host: Host, relation: str, security: str, local_initiates: bool) -> t.Iterator[Network]:
        if relation == "witness" and local_initiates and kind == "file_share_witness" and host.witness and host.witness not in self.topology.hosts:
            if host.witness not in self.topology.outsiders:
                family, number = _networks.parse_host(host.witness)
                yield Network(host.witness, family, number, number)
            return
        if relation == "same_cluster":
            for text in host.cluster_networks:
                family, low, high = _networks.parse(text)
                yield Network(text, family, low, high)
        for network in self.topology.networks.get(kind, ()):
            if (not network.site or network.site == host.site) and (not security or network.mode in ("", security)) and relation != "witness":
                yield network

    def _by_ports(
        self, kind: str, hosts: tuple[Host, ...], networks: tuple[Network, ...], symbolic: str, *, near: bool,
    ) -> dict[tuple[PortRange, ...], tuple[tuple[Host, ...], tuple[Network, ...]]]:
        if not symbolic:
            return {(): (hosts, networks)} if hosts or networks else {}
        groups: dict[tuple[PortRange, ...], tuple[list[Host], list[Network]]] = {}
        for member in hosts:
            groups.setdefault(merge(resolve(symbolic, member)), ([], []))[0].append(member)
        # A cluster's own network holds its nodes, whose ranges are known; of any other network nothing is.
        for ports in list(groups) if near and groups else [merge(resolve(symbolic, Host("", kinds=(kind,))))] if networks else []:
            groups.setdefault(ports, ([], []))[1].extend(networks)
        return {ports: (tuple(members), tuple(nets)) for ports, (members, nets) in groups.items()}

    def _name(
        self, kind: str, host: Host, relation: str, wanted: Wanted, security: str, ports: tuple[PortRange, ...],
        hosts: tuple[Host, ...], networks: tuple[Network, ...],
    ) -> str:
        """Name a membership after how it was chosen, or simply after its kind when it is the whole kind."""
        content = (kind, tuple(member.name for member in hosts), networks)
        if content in self._names:
            return self._names[content]
        made = _peer_set(kind, hosts, networks)
        if made.empty:
            return ""
        whole = hosts == self._candidates(kind) and networks == tuple(self.topology.networks.get(kind, ()))
        base = kind if whole else self._of_one_site(kind, hosts, networks) or kind + _suffix(host, relation, wanted, security, ports)
        return self._keep(base, kind, hosts, networks)

    def _keep(self, base: str, kind: str, hosts: tuple[Host, ...], networks: tuple[Network, ...]) -> str:
        """The name of a membership: the one that it has, else C(base) as long as no other has it."""
        content = (kind, tuple(member.name for member in hosts), networks)
        if content in self._names:
            return self._names[content]
        name, salt = base, repr(content)
        while name in self.sets:
            name, salt = f"{base}_{_digest(salt)}", f"{salt}+"
        made = _peer_set(name, hosts, networks)
        self._names[content] = name
        self.sets[name] = made
        self.members[name] = frozenset(member.name for member in hosts)
        self.networks[name] = networks
        self.hosts[name], self.kinds[name] = hosts, kind
        return name

    def parts(self, whole: Selection, of_host: t.Callable[[Host], str], of_network: t.Callable[[Network], str]) -> dict[str, Selection]:
        """A selection cut into those of whom the same word is said, by word; of whom none is said, belongs to no part."""
        hosts: dict[str, list[Host]] = {}
        networks: dict[str, list[Network]] = {}
        for member in whole.hosts:
            hosts.setdefault(of_host(member), []).append(member)
        for network in self.networks[whole.name]:
            networks.setdefault(of_network(network), []).append(network)
        words = dict.fromkeys((*hosts, *networks))
        if len(words) == 1:
            return {word: whole for word in words if word}
        found = {word: (tuple(hosts.get(word, ())), tuple(networks.get(word, ()))) for word in words if word}
        return {word: Selection(self._part(whole.name, word, *part), part[0], whole.ports) for word, part in found.items()}

    def _part(self, whole: str, word: str, hosts: tuple[Host, ...], networks: tuple[Network, ...]) -> str:
        room = 59 - 7 - len(word)  # a digest may follow, when another set has the name
        short = whole if len(whole) <= room else f"{whole[:room - 7]}_{_digest(whole)}"
        return self._keep(f"{short}_{word}", self.kinds[whole], hosts, networks)

    def _of_one_site(self, kind: str, hosts: tuple[Host, ...], networks: tuple[Network, ...]) -> str:
        """The name of a set that holds all hosts of a kind in one site, whichever relation selected them; empty for any other set."""
        sites = {member.site for member in hosts}
        if networks or len(sites) != 1:
            return ""
        site = sites.pop()
        return f"{kind}_in_{slug(site)}" if site and hosts == self._by_site.get((kind, site), ()) else ""


def _clusters(topology: Topology) -> dict[str, tuple[Host, ...]]:
    result: dict[str, list[Host]] = {}
    for host in topology.hosts.values():
        if host.cluster:
            result.setdefault(host.cluster, []).append(host)
    return {cluster: tuple(hosts) for cluster, hosts in result.items()}


def _sites(topology: Topology) -> dict[tuple[str, str], tuple[Host, ...]]:
    result: dict[tuple[str, str], list[Host]] = {}
    for role, hosts in topology.by_role.items():
        for host in hosts:
            result.setdefault((role, host.site), []).append(host)
    return {key: tuple(hosts) for key, hosts in result.items()}


def _fits(member: Host, wanted: Wanted, platforms: tuple[str, ...], security: str) -> bool:
    if member.managed:
        return all((feature in member.on) is on for feature, on in wanted) and (not platforms or member.platform in platforms)
    return not security or member.gateway_mode in ("", security)


def _peer_set(name: str, hosts: tuple[Host, ...], networks: tuple[Network, ...]) -> PeerSet:
    if any(network.family == 0 for network in networks):
        return PeerSet(name, everyone=True)
    v4 = [(number, number) for member in hosts for number in member.v4]
    v6 = [(number, number) for member in hosts for number in member.v6]
    v4 += [(network.low, network.high) for network in networks if network.family == 4]
    v6 += [(network.low, network.high) for network in networks if network.family == 6]
    return PeerSet(name, _networks.texts(4, _networks.merge(v4)), _networks.texts(6, _networks.merge(v6)))


def _suffix(host: Host, relation: str, wanted: Wanted, security: str, ports: tuple[PortRange, ...]) -> str:
    parts = {
        "same_site": f"in_{slug(host.site)}", "subscribed": f"in_{slug(host.site)}", "other_site": f"outside_{slug(host.site)}",
        "same_cluster": f"cluster_{slug(host.cluster)}", "replication": f"replicas_{slug(host.cluster or host.name)}",
        "witness": f"witness_{slug(host.cluster or host.name)}",
    }
    words = [parts[relation]] if relation in parts else []
    words += [f"{'with' if on else 'without'}_{feature}" for feature, on in sorted(wanted)]
    words += [f"{security}_mode"] if security else []
    words += ["ports_" + "_".join(str(port).replace("-", "_to_") for port in ports)] if ports else []
    suffix = "_" + "_".join(words or [f"for_{slug(host.site)}"])
    # With the longest kind (18) and a digest behind it (7) the name stays within the 60 of PeerSet.
    return suffix if len(suffix) <= 35 else f"{suffix[:28]}_{_digest(suffix)}"


def slug(label: str) -> str:
    """A label as part of a set name: lower case letters, digits and '_'; two labels that would look alike stay apart by a digest."""
    plain = re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    faithful = plain == label
    short = plain[:20] or "x"
    return short if faithful and len(plain) <= 20 else f"{short}_{_digest(label)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


__all__ = ("GATEWAY_KINDS", "PeerSets", "Selection", "Wanted", "slug")
