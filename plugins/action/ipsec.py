# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.ipsec): makes the associations of a host true, and confirms the change over a new connection."""

from __future__ import annotations

import contextlib
import typing as t
from pathlib import Path

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils import _linux_ipsec
from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import linux_plan, windows_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import AUTHENTICATIONS, IpsecOptions, check_psk
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import connection, ipsec, transaction
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.actions import reconnect

MODULE = "datapath.exchange.ipsec"
PLAN = {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}}
Values = dict[str, t.Any]


def spec(host: t.Any, *, states: t.Sequence[str]) -> Values:
    """The options that ipsec and ipsec_info share."""
    return {
        "plan": PLAN, "host": {"type": "str", "default": host}, "state": {"type": "str", "choices": list(states), "default": "requested"},
        "auth": {"type": "str", "choices": list(AUTHENTICATIONS), "default": "kerberos"}, "ca": {"type": "str", "default": ""},
        "cert": {"type": "str", "default": ""}, "key": {"type": "str", "default": "", "no_log": False}, "psk": {"type": "str", "no_log": True},
        "profile": {"type": "str", "choices": ["current", "compatible"], "default": "current"}, "ready": {"type": "list", "elements": "str"},
    }


def _options(options: Values, authority: str) -> IpsecOptions:
    ready = None if options["ready"] is None else frozenset(options["ready"])
    return IpsecOptions(options["auth"], authority, options["profile"], ready, options["state"])


def wish(options: t.Mapping[str, t.Any], seconds: int = 60) -> ipsec.Wish:
    """What the options say to Windows. Raises WindowsError and PlanError for a plan that is not there or not of a Windows host."""
    if options["state"] == "absent":
        return ipsec.Wish("absent")
    plan = windows_plan(options["plan"], options["host"])
    if options["auth"] == "psk" and plan.associations:
        check_psk(options["psk"])
    return ipsec.Wish(options["state"], plan, _options(dict(options), options["ca"]), options["psk"] or "", seconds)


def handed(action: t.Any, options: Values) -> _linux_ipsec.Handed:
    """What the options say to Linux. Files are found as M(ansible.builtin.copy) finds them, and decrypted. Raises ValueError and AnsibleError."""
    plan = linux_plan(options["plan"], options["host"])
    wanted = options["auth"] == "certificate" and bool(plan.associations)
    with contextlib.ExitStack() as stack:
        files = {name: _file(action, stack, options[name] if wanted else "") for name in ("cert", "key", "ca")}
        return _linux_ipsec.hand(plan, _options(options, ""), options["psk"] or "", files)


def _file(action: t.Any, stack: contextlib.ExitStack, name: str) -> Path | None:
    if not name:
        return None
    loader = action._loader  # noqa: SLF001 - Ansible's own name for what its plugins use
    path = loader.get_real_file(action._find_needle("files", name))  # noqa: SLF001
    stack.callback(loader.cleanup_tmp_file, path)
    return Path(path)


def refused(result: Values, error: Exception) -> Values:
    """A failure that is returned, not raised: what is raised, C(failed_when) never sees, and C(no_log) hides (task_executor.py)."""
    return {**result, "failed": True, "msg": str(error)}


def in_plain_text(options: Values, variables: t.Mapping[str, t.Any]) -> list[str]:
    """A warning about a key that stands in the inventory for everybody to read."""
    source = _linux_ipsec.plain_source(variables.get("datapath_ipsec_psk")) if options["auth"] == "psk" else ""
    return [f"datapath_ipsec_psk stands in plain text in {source}: encrypt it with ansible-vault"] if source else []


class ActionModule(ActionBase):
    """On Linux one run of the module where nothing changes, two where a change is confirmed; on Windows no module at all."""

    def run(self, tmp: str | None = None, task_vars: Values | None = None) -> Values:
        result: Values = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, options = self.validate_argument_spec(
            {
                **spec(variables.get("inventory_hostname"), states=("requested", "required", "absent")),
                "rollback_timeout": {"type": "int", "default": 60},
            },
            required_if=[("state", "requested", ("plan",)), ("state", "required", ("plan",))],
        )
        for text in in_plain_text(options, variables):
            # Not as part of the result, which no_log hides before ansible-core 2.19.
            self._display.warning(text)
        if connection.is_windows(self._connection):
            return self._windows(result, options)
        return self._linux(result, options, variables)

    def _windows(self, result: Values, options: Values) -> Values:
        try:
            wanted = wish(options, options["rollback_timeout"])
            found = ipsec.work(connection.remote_of(self, AnsibleError), wanted, check=self._task.check_mode)
        except transaction.ChangeError as error:
            return {**result, "failed": True, "msg": str(error), "restored": error.restored, "restoring": error.restoring}
        except (ValueError, OSError) as error:
            return refused(result, error)
        token = found.pop("pending", "")
        result.update(found, warnings=ipsec.warnings(found, wanted))
        if not self._task.diff:
            result.pop("diff")
        if not token:
            return {**result, "confirmed": False}
        return self._confirm(result, options["rollback_timeout"], lambda: self._confirmed_on_windows(token))

    def _confirmed_on_windows(self, token: str) -> Values:
        transaction.confirm(connection.remote_of(self, AnsibleError), token)
        return {}

    def _linux(self, result: Values, options: Values, variables: Values) -> Values:
        try:
            made = None if options["state"] == "absent" else handed(self, options)
        except (ValueError, OSError, AnsibleError) as error:
            return refused(result, error)
        arguments = {"state": options["state"], "rollback_timeout": options["rollback_timeout"], "desired": made.desired if made else {}}
        answer = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=variables)
        result.update(answer)
        if result.get("failed") or result.get("unreachable"):
            return result
        text = made.text if made else None
        result.update(waiting=list(text.waiting) if text else [], unmanaged=list(text.unmanaged) if text else [])
        result["rules"] = sum(len(each.children) for each in text.connections) if text else 0
        result["warnings"] = [*answer.get("warnings", ()), *_linux_ipsec.warnings(result)]
        token = result.pop("pending", "")
        if not token:
            return {**result, "confirmed": False}
        confirmation = {"phase": "confirm", "token": token, "state": options["state"]}
        return self._confirm(result, options["rollback_timeout"], lambda: self._execute_module(
            module_name=MODULE, module_args=confirmation, task_vars=variables))

    def _confirm(self, result: Values, seconds: int, confirm: t.Callable[[], Values]) -> Values:
        try:
            reconnect(self._connection)
            answer = confirm()
        except (AnsibleError, ValueError) as error:
            # Nothing more may go over this connection: removing Ansible's temporary files would hide our message behind its own failure.
            if self._connection._shell is not None:  # noqa: SLF001
                self._connection._shell.tmpdir = None  # noqa: SLF001
            answer = {"failed": True, "msg": str(error)}
        if not answer.get("failed"):
            return {**result, "confirmed": True, **{name: answer[name] for name in ("persistent",) if name in answer}}
        text = f"the change was not confirmed: {answer['msg']}. The host restores its previous rules by itself about {seconds} s after the change"
        return {**result, "failed": True, "confirmed": False, "restoring": True, "msg": text}


__all__ = ("ActionModule", "handed", "in_plain_text", "refused", "spec", "wish")
