# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.ipsec_info): reads what a host has of IPsec and compares it with its plan."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.action.ipsec import handed, refused, spec, wish
from ansible_collections.datapath.exchange.plugins.plugin_utils import _linux_ipsec
from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import linux_plan, windows_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.artefact import read_index
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import connection, ipsec

Values = dict[str, t.Any]


class ActionModule(ActionBase):
    """Reads, and changes nothing: with one run of the module on Linux, none on Windows."""

    def run(self, tmp: str | None = None, task_vars: Values | None = None) -> Values:
        result: Values = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec({
            **spec(variables.get("inventory_hostname"), states=("requested", "required", "absent")), "since": {"type": "list", "elements": "dict"},
        })
        try:
            if connection.is_windows(self._connection):
                result.update(self._windows(options))
            else:
                result.update(self._linux(options, variables))
        except AnsibleConnectionFailure:
            raise  # the host is unreachable, which is more than a failed task
        except (ValueError, OSError, AnsibleError) as error:
            return refused(result, error)
        return {**result, "changed": False}

    def _windows(self, options: Values) -> Values:
        wanted = wish(options) if options["plan"] or options["state"] == "absent" else None
        found = ipsec.information(connection.remote_of(self, AnsibleError), wanted)
        return {**found, "requires": list(_linux_ipsec.requires(windows_plan(options["plan"], options["host"])))} if options["plan"] else found

    def _linux(self, options: Values, variables: Values) -> Values:
        absent = options["state"] == "absent"
        made = handed(self, options) if options["plan"] and not absent else None
        arguments = {"state": options["state"], **({"desired": made.desired if made else {}} if made or absent else {})}
        found: Values = self._execute_module(module_name="datapath.exchange.ipsec_info", module_args=arguments, task_vars=variables)
        if made is None or found.get("failed") or found.get("unreachable"):
            return found
        required = _linux_ipsec.requires(linux_plan(options["plan"], options["host"]))
        owners = _linux_ipsec.addresses(read_index(options["plan"]["path"], options["plan"]["digest"]), required) if required else {}
        told = {
            "requires": list(required), "waiting": list(made.text.waiting), "unmanaged": list(made.text.unmanaged),
            "unprotected": _linux_ipsec.unprotected(owners, found["associations"]), "translated": _linux_ipsec.translated(owners, found["associations"]),
        }
        if options["since"] is not None:
            told["idle"] = _linux_ipsec.idle(owners, options["since"], found["associations"])
        return {**found, **told}


__all__ = ("ActionModule",)
