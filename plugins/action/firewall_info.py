# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.firewall_info): renders the host's plan, so that what the host enforces can be compared with it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import host_ruleset, windows_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_drift import drift
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import connection as _connection
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import firewall as _windows
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES

Values = dict[str, t.Any]


class ActionModule(ActionBase):
    """One run of the module on Linux, none on Windows."""

    def run(self, tmp: str | None = None, task_vars: Values | None = None) -> Values:
        result: Values = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec({
            "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
            "host": {"type": "str", "default": variables.get("inventory_hostname")},
            "state": {"type": "str", "choices": ["enforced", "monitored"], "default": "enforced"},
            "ruleset": {"type": "str"},
            "log": {"type": "bool", "default": False},
            "windows_foreign_keep": {"type": "list", "elements": "str", "default": []},
            "windows_profiles": {"type": "list", "elements": "str", "choices": list(PROFILES), "default": list(PROFILES)},
            "windows_monitored_inbound": {"type": "str", "choices": ["keep", "allow"], "default": "keep"},
        })
        try:
            if _connection.is_windows(self._connection):
                plan = windows_plan(options["plan"], options["host"]) if options["plan"] else None
                told = _windows.inform(_connection.remote_of(self, AnsibleError), plan, _windows.Wish.of(options), log=options["log"])
                return {**result, **told}
            return self._linux(result, options, variables)
        except (ValueError, OSError) as error:
            raise AnsibleActionFail(str(error)) from error

    def _linux(self, result: Values, options: Values, variables: Values) -> Values:
        arguments = {"state": options["state"], "ruleset": options["ruleset"]}
        if options["plan"]:
            arguments["ruleset"] = host_ruleset(options["plan"], options["host"], options["state"])
        result.update(self._execute_module(module_name="datapath.exchange.firewall_info", module_args=arguments, task_vars=variables))
        if options["plan"] and "listing" in result:
            result["differences"] = drift(arguments["ruleset"], result.pop("listing"))
        return result


__all__ = ("ActionModule",)
