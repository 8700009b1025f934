# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What every rule behind a finding may look at: the topology, and what was planned for it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.expand import ClassPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Finding
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host, Network, Topology


@dataclass(frozen=True)
class Secured:
    """One association with everybody at its two ends. outside: names and networks of peers that this collection does not manage.

    addresses: how many of them the networks hold. anyone: whether everyone is among the peers.
    """

    association: Association
    near: tuple[Host, ...]
    far: tuple[Host, ...]
    outside: tuple[str, ...]
    addresses: int = 0
    anyone: bool = False

    @property
    def ends(self) -> tuple[Host, ...]:
        return (*self.near, *self.far)


class Checker:
    """One topology and its plan. used: ids of the paths that the plan opens somewhere; members, networks: of each peer set."""

    def __init__(
        self, topology: Topology, used: frozenset[str], classes: t.Sequence[ClassPlan], members: t.Mapping[str, frozenset[str]],
        networks: t.Mapping[str, tuple[Network, ...]],
    ) -> None:
        self.topology = topology
        self.options = topology.options
        self.used = used
        self.secured = tuple(self._secured(made, association, members, networks) for made in classes for association in made.associations)

    def _secured(
        self, made: ClassPlan, association: Association, members: t.Mapping[str, frozenset[str]], networks: t.Mapping[str, tuple[Network, ...]],
    ) -> Secured:
        names = members[association.peers]
        far = tuple(self.topology.hosts[name] for name in sorted(names & self.topology.hosts.keys()))
        outside = (*sorted(names - self.topology.hosts.keys()), *sorted(network.text for network in networks[association.peers]))
        addresses = sum(network.high - network.low + 1 for network in networks[association.peers])
        return Secured(association, tuple(made.hosts), far, outside, addresses, any(network.family == 0 for network in networks[association.peers]))

    def hosts(self, role: str = "") -> tuple[Host, ...]:
        return self.topology.by_role.get(role, ()) if role else tuple(self.topology.hosts.values())

    def names(self, test: t.Callable[[Host], bool] | None = None, role: str = "") -> tuple[str, ...]:
        return tuple(sorted(host.name for host in self.hosts(role) if test is None or test(host)))

    def has(self, kind: str) -> bool:
        return bool(self.topology.by_role.get(kind) or self.topology.by_kind.get(kind) or self.topology.networks.get(kind))


def found(id_: str, severity: str, hosts: t.Sequence[str], text: str, source: str) -> t.Iterator[Finding]:
    """One finding where any host is concerned, none where none is."""
    if hosts:
        yield Finding(id_, severity, tuple(hosts), text, source)


__all__ = ("Checker", "Secured", "found")
