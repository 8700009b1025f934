# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A change of a Windows host that undoes itself unless somebody confirms it over a new connection.

The script of a change has three parts. C(apply) saves the firewall, arms a scheduled task that runs C(undo), and only then changes anything; C(drop) forgets
a change that never began. The task does not depend on Ansible, on PowerShell or on the network, and it also fires at the next boot. Its time comes from the
clock of the host as an ISO date, because C(schtasks /st) knows no tomorrow and C(/sd) depends on the locale.
https://learn.microsoft.com/windows-server/administration/windows-commands/schtasks-create
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import CutError, Remote, token
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Output, Script, beside, checked, echoed, program

TASK = "datapath-rollback"
SECONDS = (10, 3600)

_TASK_XML = (
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">',
    "<Triggers><TimeTrigger><StartBoundary>{deadline}</StartBoundary></TimeTrigger><BootTrigger/></Triggers>",
    '<Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>',
    "<Settings><DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries><StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>",
    "<StartWhenAvailable>true</StartWhenAvailable><ExecutionTimeLimit>PT1H</ExecutionTimeLimit></Settings>",
    '<Actions Context="Author"><Exec><Command>{cmd}</Command><Arguments>/d /c &quot;{file}&quot; undo</Arguments></Exec></Actions>',
    "</Task>",
)
_PLACES = {"{deadline}": "%DATAPATH_DEADLINE%", "{cmd}": "%SystemRoot%\\System32\\cmd.exe", "{file}": "%~f0"}
_TASK_FILE = "task.xml"
_QUERY = program("schtasks", f"/query /tn {TASK}")
_DISARM = program("schtasks", f"/delete /f /tn {TASK}")
_EMPTY_FOLDER = 'rd /s /q "%~dp0."'
_TOKEN = re.compile(r"[0-9a-f]{16}\Z")


class ChangeError(WindowsError):
    """A change that failed. restored: the host is as it was before; restoring: the host undoes it by itself, later. Neither: nothing had been changed."""

    def __init__(self, text: str, *, restored: bool = False, restoring: bool = False) -> None:
        super().__init__(text)
        self.restored, self.restoring = restored, restoring


@dataclass(frozen=True)
class Step:
    """One command of a change. shown: in words, for messages. files: texts that the command reads, written before it and deleted after it."""

    command: str
    shown: str
    files: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Change:
    """What to do and how to take it back.

    steps: in order; the first that fails ends the change. firewall: whether the whole firewall (rules, connection security rules, profiles) is saved before,
    and loaded back by undo. undo: commands that undo runs first. fallback: commands for when the saved firewall cannot be loaded, which must be right
    wherever the change stopped. afterwards: commands that undo runs last, for what is not in the saved firewall. All commands of undo are run, whatever comes
    of each. read: sections (name, command) that are read once the steps are done.
    """

    steps: tuple[Step, ...]
    undo: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    read: tuple[tuple[str, str], ...] = ()
    firewall: bool = True


@dataclass(frozen=True)
class Pending:
    """A change that was applied and waits for its confirmation. script: holds the way back; output: what was read once the steps were done."""

    token: str
    script: Script
    output: Output


def pending_script(change: Change, name: str) -> Script:
    """The script of a change, with the parts C(apply), C(undo) and C(drop). name: its token."""
    text = Script()
    text.label("apply")
    if change.firewall:
        text.step(program("netsh", f"advfirewall export {_saved(name)}"), "save the firewall")
        text.line(f"if not exist {_saved(name)} exit /b 1")
    _arm(text)
    text.file(_begun(name), ["begun"])
    for step in change.steps:
        _write_step(text, step)
    for section, command in change.read:
        text.section(section, command)
    text.done()
    _write_undo(text, change, name)
    return text


def _saved(name: str) -> str:
    return beside(f"before-{checked(_TOKEN, name, 'the token of a change', '16 hexadecimal digits')}.wfw")


def _begun(name: str, label: str = "apply") -> str:
    """A file that says that a part has begun to change the host."""
    return f"{label}-{name}.txt"


def _arm(text: Script) -> None:
    """Nothing is changed before the task is known to be there."""
    text.file(_TASK_FILE, _task_lines(), escape=False)
    text.step(program("schtasks", f"/create /f /tn {TASK} /xml {beside(_TASK_FILE)}"), "create the scheduled task that undoes the change")
    text.step(_QUERY, "find the scheduled task that undoes the change")


def _task_lines() -> t.Iterator[str]:
    for line in _TASK_XML:
        escaped = echoed(line)
        for place, variable in _PLACES.items():
            escaped = escaped.replace(place, variable)
        yield escaped


def _write_step(text: Script, step: Step) -> None:
    for name, lines in step.files:
        text.file(name, lines)
    text.change(step.command, step.shown)
    text.delete(*(name for name, _lines in step.files))


def _write_undo(text: Script, change: Change, name: str) -> None:
    text.label("undo")
    text.file(_begun(name, "undo"), ["begun"])
    text.line(f"if not exist {beside(_begun(name))} goto drop")
    for command in change.undo:
        text.attempt(command)
    if change.firewall:
        text.attempt(program("netsh", f"advfirewall import {_saved(name)}"))
        text.line("if errorlevel 1 call :fallback")
    for command in change.afterwards:
        text.attempt(command)
    _write_drop(text)
    if change.firewall:
        text.label("fallback")
        for command in change.fallback:
            text.attempt(command)
        text.exit(0)


def _write_drop(text: Script) -> None:
    """Undo runs into it; a change that never began is ended with it alone."""
    text.label("drop")
    text.attempt(_DISARM)
    text.line("echo DATAPATH-DONE")
    # The script deletes itself here: cmd.exe cannot read on, so nothing that matters may follow.
    text.attempt(_EMPTY_FOLDER)
    text.exit(0)


def apply(remote: Remote, change: Change, seconds: int) -> Pending:
    """Apply a change that undoes itself after C(seconds) and one more for each of its steps; the caller then confirms it over a new connection.

    Raises ChangeError when a step fails, after having taken back what was done, and WindowsError when nothing was begun.
    """
    check_seconds(seconds)
    name = token()
    text = pending_script(change, name)
    try:
        output = remote.run(text, "apply", seconds + text.changes, name=f"pending-{name}", keep=True)
    except CutError as error:
        raise _taken_back(remote, Pending(name, text, Output()), str(error)) from error
    pending = Pending(name, text, output)
    why = output.why(text)
    if not why:
        return pending
    if _nothing_begun(text, output):
        raise _dropped(remote, pending, why)
    raise _taken_back(remote, pending, why)


def check_seconds(seconds: int) -> None:
    if not SECONDS[0] <= seconds <= SECONDS[1]:
        raise WindowsError(f"rollback_timeout is {seconds}: seconds from {SECONDS[0]} to {SECONDS[1]} are expected")


def _nothing_begun(text: Script, output: Output) -> bool:
    return 0 < output.failed <= len(text.steps) - text.changes


def _dropped(remote: Remote, pending: Pending, why: str) -> ChangeError:
    try:
        remote.run(pending.script, "drop", name=f"pending-{pending.token}")
    except WindowsError as error:
        return ChangeError(f"{why}. Nothing was changed; cleaning up failed: {error}", restoring=True)
    return ChangeError(f"{why}. Nothing was changed")


def _taken_back(remote: Remote, pending: Pending, why: str) -> ChangeError:
    try:
        undo(remote, pending)
    except WindowsError as error:
        return ChangeError(f"{why}. Undoing the change at once failed: {error}. The host restores what it had before by itself", restoring=True)
    return ChangeError(f"{why}. The host has back what it had before", restored=True)


def undo(remote: Remote, pending: Pending) -> None:
    """Take an unconfirmed change back at once; WindowsError when the host does not say that it is done, and its task has to do it."""
    output = remote.run(pending.script, "undo", name=f"pending-{pending.token}")
    if not output.done:
        raise WindowsError(f"undo ended early, with code {output.code}")


def take_over(remote: Remote, name: str) -> None:
    """Take back a change of an earlier run that nobody confirmed, with the script that it left on the host. name: its token."""
    text = Script()
    text.label("main")
    text.line(f"call {_script_file(name)} undo")
    text.exit(0)
    output = remote.run(text)
    if not output.done:
        raise ChangeError(
            f"a change of an earlier run waits for its confirmation, and taking it back ended early, with code {output.code}. "
            "The host takes it back by itself: wait, then run the play again", restoring=True,
        )


def _script_file(name: str) -> str:
    return beside(f"pending-{checked(_TOKEN, name, 'the token of a change', '16 hexadecimal digits')}.cmd")


def confirm(remote: Remote, name: str) -> None:
    """Keep the change with this token: disarm its task and delete its files. ChangeError when it no longer waits."""
    output = remote.run(confirm_script(name))
    if not output.done:
        raise ChangeError("the change no longer waits for its confirmation: the host has restored what it had before, or another run has taken it over")


def confirm_script(name: str) -> Script:
    """The task goes before anything is decided: from then on undo has begun, and left its mark, or never will."""
    text = Script()
    text.label("main")
    text.line(f"if not exist {_script_file(name)} exit /b 3")
    text.attempt(_QUERY)
    text.line("if errorlevel 1 exit /b 3")
    text.step(_DISARM, "delete the scheduled task that undoes the change")
    text.line(f"if exist {beside(_begun(name, 'undo'))} exit /b 3")
    text.line("echo DATAPATH-DONE")
    text.attempt(_EMPTY_FOLDER)
    text.exit(0)
    return text


__all__ = (
    "SECONDS",
    "TASK",
    "Change",
    "ChangeError",
    "Pending",
    "Step",
    "apply",
    "check_seconds",
    "confirm",
    "confirm_script",
    "pending_script",
    "take_over",
    "undo",
)
