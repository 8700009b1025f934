# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Inventory variables through an allow-list: only these are picked, only those with a template in them are templated, all come out plain.

Nothing here imports Ansible: the caller says how to look up a host and how to template a value.
"""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan, compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference import loader
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import Reference
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import (
    APPLY_VARIABLES,
    HOST_VARIABLES,
    ORGANISATION_DEFAULTS,
    InputErrors,
    Inventory,
)

PREFIX = "datapath_"
CONNECTION_VARIABLES = (
    "ansible_host", "ansible_port", "ansible_connection", "ansible_shell_type", "ansible_winrm_port", "ansible_psrp_port", "ansible_psrp_protocol",
)
# How a plan is applied changes nothing in it; what is not read here, a key among them, can appear in no plan, digest or message.
_APPLIED = frozenset(f"datapath_{name}" for name in APPLY_VARIABLES)
_MARKERS = ("{{", "{%", "{#")

Variables = t.Mapping[str, t.Any]
Template = t.Callable[[t.Any, Variables], t.Any]
"""How to template a value with the variables of its host: the result, or ValueError when it can't be."""


class NotPlainError(ValueError):
    """A value that no plan can hold: neither text, number, boolean, list nor mapping."""


def plain(value: t.Any) -> t.Any:
    """Copy a value into Python's own str, int, float, bool, list and dict, whatever Ansible wrapped them in; NotPlainError for all else."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, t.Mapping):
        return {plain(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if hasattr(value, "_ciphertext"):
        raise NotPlainError("is encrypted; a plan can be read by everybody who may read the run, write it in plain text")
    raise NotPlainError(f"is a {type(value).__name__}; write it as text, number, boolean, list or mapping (quote a date)")


def has_template(value: t.Any) -> bool:
    """Whether any text in a value could be a template."""
    if isinstance(value, str):
        return any(marker in value for marker in _MARKERS)
    if isinstance(value, t.Mapping):
        return any(has_template(key) or has_template(entry) for key, entry in value.items())
    return isinstance(value, (list, tuple)) and any(has_template(entry) for entry in value)


class Reader:
    """Reads hosts one by one. ``errors``: everything that could not be read so far, ``host: variable: what, how to fix``."""

    def __init__(self, template: Template) -> None:
        self.errors: list[str] = []
        self._template = template
        # A group's value is one object for all its hosts: converted once, and equal by identity for whoever compares hosts.
        # The first object is kept with its copy, because Python reuses the id of one that is gone.
        self._shared: dict[int, tuple[t.Any, t.Any]] = {}

    def read(self, host: str, variables: Variables, runtime: t.Iterable[str] = ()) -> dict[str, t.Any]:
        """Pick the plan's variables of one host. runtime: names that set_fact, register, include_vars or facts have set for it."""
        taken = set(runtime)
        for name in sorted(taken):
            if name in CONNECTION_VARIABLES or (name.startswith(PREFIX) and name[len(PREFIX):] not in APPLY_VARIABLES):
                self.errors.append(f"{host}: {name}: was set by set_fact, register, include_vars or a fact; set it in inventory")
        result = {}
        for name in variables:
            if (name in CONNECTION_VARIABLES or (name.startswith(PREFIX) and name not in _APPLIED)) and name not in taken:
                try:
                    result[name] = self._value(variables[name], variables)
                except ValueError as exc:
                    self.errors.append(f"{host}: {name}: {exc}")
        return result

    def _value(self, value: t.Any, variables: Variables) -> t.Any:
        known = self._shared.get(id(value))
        if known is not None:
            return known[1]
        if has_template(value):
            return plain(self._template(value, variables))
        result = plain(value)
        self._shared[id(value)] = (value, result)
        return result


def misplaced(
    task_variables: Variables, inventory_variables: Variables, options: Variables, runtime: t.Container[str] = (),
) -> list[str]:
    """Name the C(datapath_*) variables that a task sees and the plan does not: play and role variables, for one host only known there.

    options: those of the plan task, which is how an organisation's variable gets from a play into the plan.
    """
    errors = []
    reference = _reference(options.get("reference"))
    organisation = {*ORGANISATION_DEFAULTS, *(name for name, feature in reference.features.items() if not feature.owner)}
    hosts = {*HOST_VARIABLES, *(name for name, feature in reference.features.items() if feature.owner)}
    for key in sorted(name for name in task_variables if name.startswith(PREFIX)):
        name = key[len(PREFIX):]
        if name in APPLY_VARIABLES or key in runtime or (key in inventory_variables and _same(inventory_variables[key], task_variables[key])):
            continue
        if name in hosts:
            errors.append(f"play: {key}: is set for a play, role or task, where the plan of the whole organisation cannot see it; set it in inventory")
        elif name not in organisation:
            errors.append(f"play: {key}: is not a variable of this collection; correct its name or remove it")
        elif name not in options:
            errors.append(f"play: {key}: is set for a play, role or task and not given to the plan; set it for group all, or as its option {name}")
    return errors


def _reference(name: t.Any) -> Reference:
    """The reference whose features decide which names are known; an unknown one is the planner's to report."""
    return loader.load(name if name in loader.available() else ORGANISATION_DEFAULTS["reference"])


def _same(left: t.Any, right: t.Any) -> bool:
    return left is right or bool(left == right)


def compile_inventory(inventory: Inventory, options: Variables, errors: t.Sequence[str] = ()) -> Plan:
    """Plan an inventory of which some values could not be read; InputErrors names those together with what the planner finds wrong."""
    try:
        plan = compile_plan(inventory, options)
    except InputErrors as exc:
        # What could not be read is missing for the planner too: saying so twice would send the reader to the wrong place.
        told = tuple(":".join(error.split(":")[:2]) + ":" for error in errors)
        raise InputErrors([*errors, *(error for error in exc.errors if not error.startswith(told))]) from exc
    if errors:
        raise InputErrors(errors)
    return plan


def role_groups(plan: Plan) -> dict[str, list[str]]:
    """Inventory groups that give their hosts a server role, by role: a few names, from which each host can tell whether it is managed."""
    mapped = plan.topology.options["role_groups"]
    return {role: list(dict.fromkeys((role, *_names(mapped.get(role, ()))))) for role in plan.topology.reference.roles}


def _names(groups: str | t.Sequence[str]) -> t.Sequence[str]:
    return [groups] if isinstance(groups, str) else groups


__all__ = ("CONNECTION_VARIABLES", "PREFIX", "NotPlainError", "Reader", "Template", "compile_inventory", "has_template", "misplaced", "plain", "role_groups")
