# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory files of Ansible's YAML form without Ansible: what the oracle's and the planner's tests both start from."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from pathlib import Path

import yaml

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"


@dataclass(frozen=True)
class Organisation:
    """An inventory: each host's variables, those of its groups included, and each group's hosts, those of its children included."""

    name: str
    hosts: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)


def organisations() -> list[Path]:
    """Every organisation that there is a plan for: those made for this test, and those whose plans are kept in git."""
    return [*sorted(HERE.glob("organisations/*.yml")), *sorted(GOLDEN.glob("*/inventory.yml"))]


def read(path: Path) -> Organisation:
    name = path.stem if path.parent.name == "organisations" else path.parent.name
    organisation = Organisation(name)
    top = yaml.safe_load(path.read_text(encoding="utf-8"))["all"]
    _hosts(organisation, "all", top)
    _variables(organisation, "all", top)
    return organisation


def _hosts(organisation: Organisation, name: str, group: t.Mapping[str, t.Any] | None) -> list[str]:
    members = list((group or {}).get("hosts") or {})
    for host in members:
        organisation.hosts.setdefault(host, {}).update((group or {})["hosts"][host] or {})
    for child, content in ((group or {}).get("children") or {}).items():
        members += _hosts(organisation, child, content)
    organisation.groups[name] = list(dict.fromkeys(members))
    return organisation.groups[name]


def _variables(organisation: Organisation, name: str, group: t.Mapping[str, t.Any] | None) -> None:
    """What a host does not say itself, its groups say, the nearest first."""
    for child, content in ((group or {}).get("children") or {}).items():
        _variables(organisation, child, content)
    for host in organisation.groups[name]:
        for key, value in ((group or {}).get("vars") or {}).items():
            organisation.hosts[host].setdefault(key, value)
