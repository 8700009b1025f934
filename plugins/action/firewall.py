# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.firewall): renders the host's plan, runs the module, confirms a change over a new connection."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import host_ruleset, windows_refused

MODULE = "datapath.exchange.firewall"


class ActionModule(ActionBase):
    """One run of the module where nothing changes, two where a change is confirmed."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec(
            {
                "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
                "host": {"type": "str", "default": variables.get("inventory_hostname")},
                "state": {"type": "str", "choices": ["enforced", "monitored", "absent"], "default": "enforced"},
                "rollback_timeout": {"type": "int", "default": 60},
                "foreign_firewall": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
            },
            required_if=[("state", "enforced", ("plan",)), ("state", "monitored", ("plan",))],
        )
        arguments = {name: options[name] for name in ("state", "rollback_timeout", "foreign_firewall")}
        if options["state"] != "absent":
            arguments["ruleset"] = self._ruleset(options)
        result.update(self._execute_module(module_name=MODULE, module_args=arguments, task_vars=variables))
        if result.get("failed") or result.get("unreachable") or self._task.check_mode:
            return result
        token = result.pop("pending", "")
        return self._confirm(result, token, options["rollback_timeout"], variables) if token else {**result, "confirmed": False}

    def _ruleset(self, options: dict[str, t.Any]) -> str:
        if getattr(self._connection._shell, "SHELL_FAMILY", "") == "powershell":  # noqa: SLF001 - as ActionBase itself does
            raise AnsibleActionFail(windows_refused(options["host"]))
        try:
            return host_ruleset(options["plan"], options["host"], options["state"])
        except (ValueError, OSError) as error:
            raise AnsibleActionFail(str(error)) from error

    def _confirm(self, result: dict[str, t.Any], token: str, seconds: int, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = {"phase": "confirm", "token": token, "state": result["state"]}
        try:
            self._reconnect()
            answer = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=variables)
        except AnsibleError as error:
            # Nothing more may go over this connection: removing Ansible's temporary files would hide our message behind its own failure.
            self._connection._shell.tmpdir = None  # noqa: SLF001
            answer = {"failed": True, "msg": f"a new connection to the host was not possible: {error}", "restoring": True}
        if not answer.get("failed"):
            return {**result, "confirmed": True, "persistent": answer["persistent"]}
        restores = f". The host restores its previous rules by itself within {seconds} s of the change" if answer.get("restoring") else ""
        return {**result, "failed": True, "confirmed": False, "restoring": bool(restores), "msg": f"the change was not confirmed: {answer['msg']}{restores}"}

    def _reconnect(self) -> None:
        """A connection that was there before proves nothing: established ones stay admitted."""
        if type(self._connection).reset is ConnectionBase.reset:
            self._connection.close()
            self._connection._connect()  # noqa: SLF001 - what Ansible itself calls
        else:
            self._connection.reset()


__all__ = ("ActionModule",)
