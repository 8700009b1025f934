# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Ansible's host variables without what a run adds to them, so that C(--limit), the order of plays and cached facts change no plan.

Works on the objects that Ansible hands to an action plugin and imports nothing of Ansible.
"""

from __future__ import annotations

import typing as t

Variables = dict[str, t.Any]


def runtime_names(hostvars: t.Any, host: str) -> frozenset[str]:
    """Names that set_fact, register, include_vars or facts (also cached ones) have set for a host."""
    # Where the layers are kept apart is private to Ansible; what it hands out is their sum. Tests hold this on each version.
    manager = hostvars._variable_manager  # noqa: SLF001
    layers = (manager._nonpersistent_fact_cache, manager._vars_cache)  # noqa: SLF001
    try:
        facts = manager._fact_cache.get(host) or {}  # noqa: SLF001
    except KeyError:
        facts = {}
    return frozenset((*facts, *(name for layer in layers for name in layer.get(host, ()))))


def inventory_only(hostvars: t.Any) -> t.Any:
    """Return a view of C(hostvars) whose C(raw_get) and item access show inventory and extra variables only."""
    seen: type[t.Any] = type(hostvars)

    class InventoryVars(seen):
        def raw_get(self, host_name: str) -> t.Any:
            data = super().raw_get(host_name)
            if not isinstance(data, dict):
                return data
            return _without(data, runtime_names(self, host_name))

    view = object.__new__(InventoryVars)
    # Its own constructor would make the variable manager hand out this view to everybody else.
    view.__dict__.update(hostvars.__dict__)
    return view


def _without(data: Variables, names: frozenset[str]) -> Variables:
    hidden = {*names, "ansible_facts", "ansible_local"}
    return {name: value for name, value in data.items() if name not in hidden}


__all__ = ("inventory_only", "runtime_names")
