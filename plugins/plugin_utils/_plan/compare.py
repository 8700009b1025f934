# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Two plans compared as flows gained and lost, in words that a reviewer can read."""

from __future__ import annotations

import json
import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PlanError

SIDES = {"in": "from", "out": "to"}


@dataclass(frozen=True)
class Comparison:
    """What the new plan opens (``gained``) and closes (``lost``): ``mbx1 in 445/tcp from client_access [path ids]``; networks that a set gained or lost
    are named as such. ``hosts_added`` and ``hosts_removed`` are managed hosts.
    """

    gained: tuple[str, ...]
    lost: tuple[str, ...]
    hosts_added: tuple[str, ...]
    hosts_removed: tuple[str, ...]

    @property
    def same(self) -> bool:
        return not (self.gained or self.lost or self.hosts_added or self.hosts_removed)

    def to_plain(self) -> dict[str, t.Any]:
        return {"gained": list(self.gained), "lost": list(self.lost), "hosts_added": list(self.hosts_added), "hosts_removed": list(self.hosts_removed)}


def compare(old: str | os.PathLike[str], new: str | os.PathLike[str]) -> Comparison:
    """Compare two plan directories; PlanError when one is missing or not a plan."""
    before, after = _Side(old), _Side(new)
    gained: list[str] = []
    lost: list[str] = []
    for host in sorted({*before.hosts, *after.hosts}):
        was, now = before.flows(host), after.flows(host)
        gained += [f"{host} {text} [{now[text]}]" for text in sorted({*now} - {*was})]
        lost += [f"{host} {text} [{was[text]}]" for text in sorted({*was} - {*now})]
    for name in sorted({*before.sets} & {*after.sets}):
        more, less = after.beyond(before, name), before.beyond(after, name)
        gained += [f"peer set {name}: {text}" for text in more]
        lost += [f"peer set {name}: {text}" for text in less]
    return Comparison(
        tuple(gained), tuple(lost), tuple(sorted({*after.hosts} - {*before.hosts})), tuple(sorted({*before.hosts} - {*after.hosts})),
    )


class _Side:
    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory)
        self.hosts = artefact.read_index(directory)["hosts"]
        self.sets = {path.stem for path in (self.directory / "sets").glob("*.json")}

    def flows(self, host: str) -> dict[str, str]:
        """Flows of a host, one text per port with its path ids apart: another row asking for the same port is no change of what passes."""
        path = self.directory / "hosts" / f"{host}.json"
        if host not in self.hosts:
            return {}
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as exc:
            raise PlanError(f"{path}: cannot be read as a plan ({exc})") from exc
        peers = plain["management"]["peers"] or "the connection in use"
        result = {f"in {port}/tcp from {peers}": "management" for port in plain["management"]["ports"]}
        if plain["egress"] == "open":
            result["out anything to anyone"] = "datapath_egress open"
        for flow in plain["flows"]:
            for text in _texts(flow):
                result[text] = " ".join(dict.fromkeys((*result.get(text, "").split(), *flow["paths"])))
        return result

    def beyond(self, other: _Side, name: str) -> list[str]:
        """Networks of a set that the same set of the other side does not cover."""
        mine, theirs = artefact.read_set(self.directory, name), artefact.read_set(other.directory, name)
        if mine == theirs or theirs["everyone"]:
            return []
        if mine["everyone"]:
            return ["any"]
        result: list[str] = []
        for family, key in ((4, "v4"), (6, "v6")):
            covered = [_networks.parse(text)[1:] for text in theirs[key]]
            for text in mine[key]:
                low, high = _networks.parse(text)[1:]
                result += _networks.texts(family, _minus((low, high), covered))
        return result


def _minus(interval: _networks.Interval, covered: t.Iterable[_networks.Interval]) -> list[_networks.Interval]:
    low, high = interval
    rest = []
    for other_low, other_high in sorted(covered):
        if other_high < low or other_low > high:
            continue
        if other_low > low:
            rest.append((low, other_low - 1))
        low = max(low, other_high + 1)
    return [*rest, (low, high)] if low <= high else rest


def _texts(flow: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    for port in flow["ports"] or [""]:
        what = f"{port}/{flow['protocol']}" if port else f"{flow['protocol']}"
        yield f"{flow['direction']} {what} {SIDES[flow['direction']]} {flow['peers']}"


__all__ = ("Comparison", "compare")
