# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.firewall_info): renders the host's plan, so that the module can compare with it."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import host_ruleset
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_drift import drift


class ActionModule(ActionBase):
    """One run of the module."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec({
            "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
            "host": {"type": "str", "default": variables.get("inventory_hostname")},
            "state": {"type": "str", "choices": ["enforced", "monitored"], "default": "enforced"},
            "ruleset": {"type": "str"},
        })
        arguments = {"state": options["state"], "ruleset": options["ruleset"]}
        if options["plan"]:
            try:
                arguments["ruleset"] = host_ruleset(options["plan"], options["host"], options["state"])
            except (ValueError, OSError) as error:
                raise AnsibleActionFail(str(error)) from error
        result.update(self._execute_module(module_name="datapath.exchange.firewall_info", module_args=arguments, task_vars=variables))
        if options["plan"] and "listing" in result:
            result["differences"] = drift(arguments["ruleset"], result.pop("listing"))
        return result


__all__ = ("ActionModule",)
