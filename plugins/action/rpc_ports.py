# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.rpc_ports): gives a host the RPC ports that its peers' firewalls count with."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import linux_plan, windows_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import rpc_settings
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import connection, rpc
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.actions import reconnect

Values = dict[str, t.Any]


class ActionModule(ActionBase):
    """On Linux one run of the module. On Windows everything is Python on the controller; the host runs one script at a time."""

    def run(self, tmp: str | None = None, task_vars: Values | None = None) -> Values:
        result: Values = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec(
            {
                "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
                "host": {"type": "str", "default": (task_vars or {}).get("inventory_hostname")},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "allow_restart": {"type": "bool", "default": False},
            },
            required_if=[("state", "present", ("plan",))],
        )
        try:
            if connection.is_windows(self._connection):
                return self._windows(result, options)
            return self._linux(result, options, task_vars or {})
        except (ValueError, OSError) as error:
            raise AnsibleActionFail(str(error)) from error

    def _linux(self, result: Values, options: Values, variables: Values) -> Values:
        arguments = {name: options[name] for name in ("state", "allow_restart")}
        if options["state"] == "present":
            arguments["settings"] = rpc_settings.linux(linux_plan(options["plan"], options["host"]))
        result.update(self._execute_module(module_name="datapath.exchange.rpc_ports", module_args=arguments, task_vars=variables))
        return result

    def _windows(self, result: Values, options: Values) -> Values:
        plan = windows_plan(options["plan"], options["host"]) if options["state"] == "present" else None
        found = rpc.work(
            connection.remote_of(self, AnsibleError), rpc.Wish(plan, options["allow_restart"]), check=self._task.check_mode,
            reconnect=lambda: reconnect(self._connection),
        )
        result.update(found, state=options["state"], warnings=rpc.warnings(found))
        if not self._task.diff:
            result.pop("diff")
        return result


__all__ = ("ActionModule",)
