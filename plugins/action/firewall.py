# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.firewall): renders the host's plan, has it applied, confirms a change over a new connection."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.connection import ConnectionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import host_ruleset, windows_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import connection as _connection
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import firewall as _windows
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES

MODULE = "datapath.exchange.firewall"
Values = dict[str, t.Any]


class ActionModule(ActionBase):
    """On Linux one run of the module where nothing changes, two where a change is confirmed; on Windows no module at all."""

    def run(self, tmp: str | None = None, task_vars: Values | None = None) -> Values:
        result: Values = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec(
            {
                "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
                "host": {"type": "str", "default": variables.get("inventory_hostname")},
                "state": {"type": "str", "choices": ["enforced", "monitored", "absent"], "default": "enforced"},
                "rollback_timeout": {"type": "int", "default": 60},
                "foreign_firewall": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
                "windows_foreign_allow": {"type": "str", "choices": ["report", "disable"], "default": "report"},
                "windows_foreign_keep": {"type": "list", "elements": "str", "default": []},
                "windows_profiles": {"type": "list", "elements": "str", "choices": list(PROFILES), "default": list(PROFILES)},
                "windows_monitored_inbound": {"type": "str", "choices": ["keep", "allow"], "default": "keep"},
            },
            required_if=[("state", "enforced", ("plan",)), ("state", "monitored", ("plan",))],
        )
        if _connection.is_windows(self._connection):
            return self._windows(result, options)
        return self._linux(result, options, variables)

    def _linux(self, result: Values, options: Values, variables: Values) -> Values:
        arguments = {name: options[name] for name in ("state", "rollback_timeout", "foreign_firewall")}
        if options["state"] != "absent":
            try:
                arguments["ruleset"] = host_ruleset(options["plan"], options["host"], options["state"])
            except (ValueError, OSError) as error:
                raise AnsibleActionFail(str(error)) from error
        result.update(self._execute_module(module_name=MODULE, module_args=arguments, task_vars=variables))
        if result.get("failed") or result.get("unreachable") or self._task.check_mode:
            return result
        token = result.pop("pending", "")
        if not token:
            return {**result, "confirmed": False}
        confirmation = {"phase": "confirm", "token": token, "state": result["state"]}
        return self._confirm(result, options["rollback_timeout"], lambda: self._execute_module(
            module_name=MODULE, module_args=confirmation, task_vars=variables))

    def _windows(self, result: Values, options: Values) -> Values:
        try:
            plan = None if options["state"] == "absent" else windows_plan(options["plan"], options["host"])
            remote = _connection.remote_of(self, AnsibleError)
            outcome = _windows.enforce(remote, plan, _windows.Wish.of(options), check=bool(self._task.check_mode))
        except (ValueError, OSError) as error:
            return {**result, "failed": True, "msg": str(error), "restoring": bool(getattr(error, "restoring", False))}
        result.update(outcome.result)
        if outcome.warnings:
            result["warnings"] = [*result.get("warnings", ()), *outcome.warnings]
        if not self._task.diff:
            result.pop("diff")
        if self._task.check_mode:
            return result
        if not outcome.pending:
            return {**result, "confirmed": False}
        # One more second for each command, as the host was told.
        seconds = options["rollback_timeout"] + outcome.result["commands"]
        return self._confirm(result, seconds, lambda: _windows.confirmation(_connection.remote_of(self, AnsibleError), outcome.pending))

    def _confirm(self, result: Values, seconds: int, confirm: t.Callable[[], Values]) -> Values:
        try:
            self._reconnect()
            answer = confirm()
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
