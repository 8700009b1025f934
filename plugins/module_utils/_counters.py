# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What the counters of the loaded table say, by path. Standard library only."""

from __future__ import annotations

import re
import typing as t

#: The comments of rules that are no path: what every host has around its paths.
GUARDS = ("dhcp", "invalid", "ipsec", "management", "session")
#: The last rule of a chain, when enforced and when monitored.
DROPPED = ("datapath dropped", "datapath would drop")
_CUT = re.compile(r"\+[0-9]+\Z")

Count = t.Dict[str, int]
_NOTHING: t.Mapping[str, int] = {"packets": 0, "bytes": 0}


def by_path(table: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, Count]:
    """Packets and bytes of each path id, over all rules of the table.

    table: the items of ``nft -j list table``. A rule that several paths share counts for each of them.
    """
    words = ((word, count) for comment, count in _counted(table) if comment not in GUARDS + DROPPED for word in comment.split())
    return _totals((word, count) for word, count in words if not _CUT.match(word))


def by_guard(table: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, Count]:
    """Packets and bytes of the rules that are no path: management, the session of Ansible and so on."""
    return _totals((comment, count) for comment, count in _counted(table) if comment in GUARDS)


def dropped(table: t.Iterable[t.Mapping[str, t.Any]]) -> Count:
    """Packets and bytes that no rule allowed: dropped when enforced, let through when monitored."""
    return _totals(("", count) for comment, count in _counted(table) if comment in DROPPED).get("", dict(_NOTHING))


def state(table: t.Iterable[t.Mapping[str, t.Any]]) -> str:
    """``absent``, ``enforced`` or ``monitored``: the policy of the input chain."""
    policies = {item["chain"]["name"]: item["chain"].get("policy", "accept") for item in table if "chain" in item}
    if not policies:
        return "absent"
    return "enforced" if policies.get("input") == "drop" else "monitored"


def sessions(table: t.Iterable[t.Mapping[str, t.Any]]) -> list[tuple[str, int]]:
    """Address and port of the connections that the table keeps admitted."""
    sets = [item["set"] for item in table if item.get("set", {}).get("name") in ("session_v4", "session_v6")]
    return [(str(element["concat"][0]), int(element["concat"][1])) for part in sets for element in part.get("elem", [])]


def _counted(table: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[tuple[str, Count]]:
    for item in table:
        rule = item.get("rule", {})
        for expression in rule.get("expr", []):
            counter = expression.get("counter")
            if isinstance(counter, dict) and rule.get("comment"):
                yield rule["comment"], {"packets": counter["packets"], "bytes": counter["bytes"]}


def _totals(counts: t.Iterable[tuple[str, Count]]) -> dict[str, Count]:
    totals: dict[str, Count] = {}
    for name, count in counts:
        total = totals.setdefault(name, dict(_NOTHING))
        for unit, number in count.items():
            total[unit] += number
    return {name: totals[name] for name in sorted(totals)}


__all__ = ("DROPPED", "GUARDS", "by_guard", "by_path", "dropped", "sessions", "state")
