# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Organisations of any size for the benchmarks: eight equal groups, every second address, so that no two hosts merge into a prefix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GROUPS = (
    "hub_transport", "edge_transport", "mailbox", "client_access", "unified_messaging", "domain_controller", "ip_gateway", "mapi_client",
)


def address(group: int, number: int) -> str:
    return f"10.{group + 1}.{2 * number // 256}.{2 * number % 256}"


def organisation(hosts: int, *, clusters: bool = False) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """Return variables by host and hosts by group. clusters: mailbox servers in pairs, each pair unlike any other."""
    variables: dict[str, dict[str, Any]] = {}
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for index in range(hosts):
        group, number = index % len(GROUPS), index // len(GROUPS) + 1
        name = f"{GROUPS[group].replace('_', '-')}-{number}"
        groups[GROUPS[group]].append(name)
        variables[name] = {"datapath_addresses": [address(group, number)]}
        if clusters and GROUPS[group] == "mailbox":
            variables[name]["datapath_cluster"] = f"ccr{number // 2}"
    return variables, groups


def busy_organisation() -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
    """A small organisation with both address families, in which mailbox-1 has four roles and many features: as many rules as one host gets."""
    variables, groups = organisation(40)
    for index, host in enumerate(variables.values()):
        host["datapath_addresses"].append(f"2001:db8::{index + 1:x}")
    variables["mailbox-1"].update(datapath_webdav=True, datapath_outlook_anywhere=True, datapath_scr_targets=["mailbox-2"])
    for role in ("hub_transport", "client_access", "unified_messaging"):
        groups[role].append("mailbox-1")
    return variables, groups


def write_inventory(path: Path, variables: dict[str, dict[str, Any]], groups: dict[str, list[str]]) -> None:
    """Write an organisation as a YAML inventory, the form of the documentation."""
    written: set[str] = set()
    with path.open("w", encoding="utf-8") as stream:
        stream.write("all:\n  children:\n")
        for group, names in groups.items():
            stream.write(f"    {group}:\n      hosts:\n")
            for name in names:
                stream.write(f"        {name}:\n")
                stream.writelines(f"          {key}: {json.dumps(value)}\n" for key, value in variables[name].items() if name not in written)
                written.add(name)
