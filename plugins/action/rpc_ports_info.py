# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.rpc_ports_info): reads the RPC ports and listeners of a host and compares them with its plan."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import linux_plan, windows_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import rpc_settings
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import connection, rpc

Values = dict[str, t.Any]


class ActionModule(ActionBase):
    """Reads, and changes nothing: with one run of the module on Linux, none on Windows."""

    def run(self, tmp: str | None = None, task_vars: Values | None = None) -> Values:
        result: Values = super().run(tmp, task_vars)
        _validated, options = self.validate_argument_spec({
            "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
            "host": {"type": "str", "default": (task_vars or {}).get("inventory_hostname")},
        })
        try:
            found = self._windows(options) if connection.is_windows(self._connection) else self._linux(options, task_vars or {})
        except (ValueError, OSError) as error:
            raise AnsibleActionFail(str(error)) from error
        return {**result, **found, "changed": False}

    def _linux(self, options: Values, variables: Values) -> Values:
        arguments = {"settings": rpc_settings.linux(linux_plan(options["plan"], options["host"]))} if options["plan"] else {}
        return dict(self._execute_module(module_name="datapath.exchange.rpc_ports_info", module_args=arguments, task_vars=variables))

    def _windows(self, options: Values) -> Values:
        plan = windows_plan(options["plan"], options["host"]) if options["plan"] else None
        return rpc.information(connection.remote_of(self, AnsibleError), rpc.Wish(plan))


__all__ = ("ActionModule",)
