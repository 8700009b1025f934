# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Every flow between two managed hosts must exist at both ends, or the plan is wrong.

Checked on the finished plan, without the code that made it: for each inbound flow, each host of its peer set must have an outbound flow that covers it, and
the other way round.
"""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.expand import ClassPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, PlanError, PortRange


def check(classes: t.Sequence[ClassPlan], members: t.Mapping[str, frozenset[str]]) -> None:
    """Raise PlanError naming the first flows of which only one end exists."""
    checker = _Ends(classes, members)
    missing = [text for end, owners in checker.ends.items() for text in checker.missing(end, owners)]
    if missing:
        raise PlanError(f"the plan is not the same at both ends, nothing was planned ({len(missing)} flows): " + "; ".join(missing[:5]))


End = tuple[str, str, str, PortRange | None]
"""Direction, protocol, peer set and one port range: what several classes of hosts may have in common."""


class _Ends:
    def __init__(self, classes: t.Sequence[ClassPlan], members: t.Mapping[str, frozenset[str]]) -> None:
        self.classes = classes
        self.members = members
        self.owner = {host.name: index for index, plan in enumerate(classes) for host in plan.hosts}
        self.ends: dict[End, set[int]] = {}
        self.by_owner: dict[tuple[str, str, PortRange | None, int], list[str]] = {}
        self._touched: dict[str, dict[int, int]] = {}
        for index, plan in enumerate(classes):
            for flow in plan.flows:
                for port in flow.ports or (None,):
                    self._record(flow, port, index)

    def _record(self, flow: Flow, port: PortRange | None, index: int) -> None:
        self.ends.setdefault((flow.direction, flow.protocol, flow.peers, port), set()).add(index)
        self.by_owner.setdefault((flow.direction, flow.protocol, port, index), []).append(flow.peers)

    def touched(self, peers: str) -> dict[int, int]:
        """How many hosts of each class are in a peer set."""
        if peers not in self._touched:
            count: dict[int, int] = {}
            for name in self.members[peers]:
                if name in self.owner:
                    count[self.owner[name]] = count.get(self.owner[name], 0) + 1
            self._touched[peers] = count
        return self._touched[peers]

    def missing(self, end: End, owners: set[int]) -> t.Iterator[str]:
        direction, protocol, peers, port = end
        others, back = self.touched(peers), "out" if direction == "in" else "in"
        # Nearly every flow meets a twin that has all its hosts on both sides; only what does not is compared pair by pair.
        candidates = self.by_owner.get((back, protocol, port, min(others)), ()) if others else ()
        twins = [twin for twin in candidates if others.keys() <= self.ends[(back, protocol, twin, port)]]
        whole = {index for twin in twins for index, count in self.touched(twin).items() if count == len(self.classes[index].hosts)}
        for index in sorted(owners - whole):
            for other in sorted(others):
                if not (index == other and len(self.classes[index].hosts) == 1) and not self._covered(other, back, protocol, port, index):
                    yield (
                        f"{self.classes[index].hosts[0].name} {direction} {port or 'all ports'}/{protocol} {peers}"
                        f" has no other end on {self.classes[other].hosts[0].name}")

    def _covered(self, index: int, direction: str, protocol: str, port: PortRange | None, other: int) -> bool:
        size = len(self.classes[other].hosts)
        have = [
            flow for flow in self.classes[index].flows
            if (flow.direction, flow.protocol) == (direction, protocol) and self.touched(flow.peers).get(other) == size
        ]
        return _covers([entry for flow in have for entry in flow.ports], (port,)) if port else bool(have)


def _covers(have: t.Sequence[PortRange], need: t.Sequence[PortRange]) -> bool:
    merged: list[list[int]] = []
    for port in sorted(have):
        if merged and port.low <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], port.high)
        else:
            merged.append([port.low, port.high])
    return all(any(low <= port.low and port.high <= high for low, high in merged) for port in need)


__all__ = ("check",)
