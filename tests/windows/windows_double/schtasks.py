# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(schtasks /create|/query|/delete) and the service behind it: tasks fire, at their time and at the start of the machine.

https://learn.microsoft.com/windows-server/administration/windows-commands/schtasks-create; the schema of tasks:
https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-tsch/a0cf999f-aa47-4821-a46a-00fd28431f65
"""

from __future__ import annotations

import datetime as dt
import re
import typing as t
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from windows_double.facts import SYSTEM32
from windows_double.programs import Answer, Call
from windows_double.refusal import Refused

if t.TYPE_CHECKING:
    from windows_double.machine import Machine

NAMESPACE = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
SYSTEM = "S-1-5-18"
LONGEST_NAME = 238
BOOLEAN = r"true|false|0|1"
DURATION = r"P(?=.)(\d+D)?(T(?=.)(\d+H)?(\d+M)?(\d+S)?)?"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
TEXT = r"(?s).*"

_TRIGGER = {"Enabled": BOOLEAN, "StartBoundary": MOMENT, "EndBoundary": MOMENT, "ExecutionTimeLimit": DURATION}
LEAVES: t.Mapping[str, t.Mapping[str, str]] = {
    "RegistrationInfo": dict.fromkeys(("URI", "Source", "Date", "Author", "Version", "Description", "Documentation"), TEXT),
    "TimeTrigger": {**_TRIGGER, "RandomDelay": DURATION},
    "BootTrigger": {**_TRIGGER, "Delay": DURATION},
    "Principal": {
        "UserId": r"S-1-[0-9-]+", "LogonType": "S4U|Password|InteractiveToken", "DisplayName": TEXT, "RunLevel": "LeastPrivilege|HighestAvailable",
    },
    "Settings": {
        **dict.fromkeys(
            (
                "AllowStartOnDemand", "DisallowStartIfOnBatteries", "StopIfGoingOnBatteries", "AllowHardTerminate", "StartWhenAvailable",
                "RunOnlyIfNetworkAvailable", "WakeToRun", "Enabled", "Hidden", "RunOnlyIfIdle",
            ), BOOLEAN,
        ),
        "MultipleInstancesPolicy": "Parallel|Queue|IgnoreNew|StopExisting", "DeleteExpiredTaskAfter": DURATION, "ExecutionTimeLimit": DURATION,
        "Priority": r"\d|10",
    },
    "Exec": {"Command": TEXT, "Arguments": TEXT, "WorkingDirectory": TEXT},
}
"""Elements that hold only text, by their parent, with what the text may be. Triggers are sequences, the others may come in any order."""
BRANCHES: t.Mapping[str, t.Collection[str]] = {
    "Task": ("RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"), "Triggers": ("TimeTrigger", "BootTrigger"), "Principals": ("Principal",),
    "Actions": ("Exec",),
}
ORDERED = ("TimeTrigger", "BootTrigger")
ATTRIBUTES: t.Mapping[str, t.Collection[str]] = {
    "Task": ("version",), "Principal": ("id",), "Actions": ("Context",), "TimeTrigger": ("id",), "BootTrigger": ("id",),
}


class MalformedError(Exception):
    """What the Task Scheduler calls a malformed task."""


@dataclass(frozen=True)
class Task:
    """A task as it was registered. start: local time, None for a task without a time trigger."""

    command: str
    arguments: str
    start: dt.datetime | None
    boot: bool


def run(call: Call) -> Answer:
    words = call.words
    verb = words[0].lower() if words else ""
    switches = _switches(words[1:], call.text)
    wanted = {"/create": {"/f", "/tn", "/xml"}, "/query": {"/tn"}, "/delete": {"/f", "/tn"}}.get(verb)
    if switches.keys() != wanted:
        raise Refused(f"schtasks {call.text}: only /create /f /tn NAME /xml FILE, /query /tn NAME and /delete /f /tn NAME")
    name = switches["/tn"]
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name) or len(name) > LONGEST_NAME:
        raise Refused(f"name of a task: {name!r}")
    if not call.machine.elevated:
        return Answer(1, "", call.say("ERROR: Access is denied.\n", "エラー: アクセスが拒否されました。\n"))
    if not call.machine.service_running("Schedule"):
        return Answer(1, "", call.say("ERROR: The Task Scheduler service is not running.\n", "エラー: タスク スケジューラ サービスは実行されていません。\n"))
    return {"/create": _create, "/query": _query, "/delete": _delete}[verb](call, name, switches)


def _switches(words: t.Sequence[str], text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    rest = list(words)
    while rest:
        switch = rest.pop(0).lower()
        if switch in found or (switch != "/f" and not rest):
            raise Refused(f"schtasks {text}")
        found[switch] = "" if switch == "/f" else rest.pop(0)
    return found


def _create(call: Call, name: str, switches: t.Mapping[str, str]) -> Answer:
    try:
        task = read(call.machine.read_file(switches["/xml"]))
    except FileNotFoundError:
        return Answer(1, "", call.say("ERROR: The system cannot find the file specified.\n", "エラー: 指定されたファイルが見つかりません。\n"))
    except MalformedError as error:
        call.machine.refuse(f"task {name}: {error}")
        return Answer(1, "", call.say("ERROR: The task XML is malformed.\n", "エラー: タスク XML の形式が正しくありません。\n"))
    now = call.machine.now()
    with call.machine.changing() as state:
        state["tasks"][name] = {
            "command": task.command, "arguments": task.arguments, "start": task.start.isoformat() if task.start else None, "boot": task.boot,
            # Only what comes due while a task is registered is late; a time that was past at its registration never comes.
            "fired": task.start is not None and task.start < now, "runs": [],
        }
    return Answer(0, call.say(
        f'SUCCESS: The scheduled task "{name}" has successfully been created.\n', f'成功: スケジュール タスク "{name}" は正しく作成されました。\n',
    ))


def _missing(call: Call) -> Answer:
    return Answer(1, "", call.say("ERROR: The system cannot find the file specified.\n", "エラー: 指定されたファイルが見つかりません。\n"))


def _query(call: Call, name: str, _switches: t.Mapping[str, str]) -> Answer:
    task = call.machine.tasks.get(name)
    if task is None:
        return _missing(call)
    head = f"{call.say('TaskName', 'タスク名'):<40} {call.say('Next Run Time', '次回の実行時刻'):<22} {call.say('Status', '状態')}"
    state = call.say("Ready", "準備完了")
    return Answer(0, f"\n{call.say('Folder', 'フォルダー')}: \\\n{head}\n{'=' * 40} {'=' * 22} {'=' * 15}\n{name:<40} {task['start'] or 'N/A':<22} {state}\n")


def _delete(call: Call, name: str, _switches: t.Mapping[str, str]) -> Answer:
    with call.machine.changing() as state:
        if state["tasks"].pop(name, None) is None:
            return _missing(call)
    return Answer(0, call.say(
        f'SUCCESS: The scheduled task "{name}" was successfully deleted.\n', f'成功: スケジュール タスク "{name}" は正しく削除されました。\n',
    ))


# Reading a task


def read(content: bytes) -> Task:
    """A task from its XML; raises MalformedError where the schema says no, Refused for what the schema allows and nobody here sends."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or b"<?xml" in content or b"<!" in content:
        raise Refused("a task with a byte order mark, a declaration or a document type: its encoding is then read another way")
    try:
        root = ET.fromstring(content.decode("ascii"))  # noqa: S314 - written by the test's own run, and no document types come this far
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise MalformedError(str(error)) from error
    if root.tag != f"{NAMESPACE}Task" or root.get("version") != "1.2":
        raise MalformedError(f"root {root.tag} version {root.get('version')}")
    _check(root)
    return _task(root)


def _name(element: ET.Element) -> str:
    if not element.tag.startswith(NAMESPACE):
        raise MalformedError(f"element {element.tag} is in no known namespace")
    return element.tag[len(NAMESPACE):]


def _check(element: ET.Element) -> None:
    name = _name(element)
    leaves, branches = LEAVES.get(name), BRANCHES.get(name, ())
    children = [_name(child) for child in element]
    if set(element.attrib) - set(ATTRIBUTES.get(name, ())):
        raise MalformedError(f"attributes of {name}: {sorted(element.attrib)}")
    repeats = name in ("Triggers", "Actions")
    if len(set(children)) != len(children) and not repeats:
        raise MalformedError(f"an element twice in {name}: {children}")
    if name in ORDERED and children != [leaf for leaf in LEAVES[name] if leaf in children]:
        raise MalformedError(f"{name} is a sequence of {', '.join(LEAVES[name])}: {children}")
    for child, child_name in zip(element, children, strict=True):
        if leaves is not None and child_name in leaves:
            _check_leaf(child, child_name, leaves[child_name])
        elif child_name in branches:
            _check(child)
        else:
            raise MalformedError(f"element {child_name} in {name}")
    if (element.text or "").strip() or any((child.tail or "").strip() for child in element):
        raise MalformedError(f"text in {name}")


def _check_leaf(element: ET.Element, name: str, pattern: str) -> None:
    if len(element) or element.attrib or not re.fullmatch(pattern, element.text or ""):
        raise MalformedError(f"{name} is {element.text!r}")
    if name.endswith("Boundary"):
        _moment(element.text or "")


def _moment(text: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError(str(error)) from error


def _find(root: ET.Element, path: str) -> ET.Element | None:
    return root.find("/".join(NAMESPACE + part for part in path.split("/")))


def _text(root: ET.Element, path: str, default: str = "") -> str:
    found = _find(root, path)
    return default if found is None else found.text or ""


def _task(root: ET.Element) -> Task:
    actions, principal = _find(root, "Actions"), _find(root, "Principals/Principal")
    if actions is None or len(actions) != 1 or not _text(root, "Actions/Exec/Command"):
        raise MalformedError("a task runs one command")
    if principal is None or _text(root, "Principals/Principal/UserId") != SYSTEM:
        raise Refused("a task that the system account does not run")
    if actions.get("Context") is not None and actions.get("Context") != principal.get("id"):
        raise MalformedError("the context of the actions is no principal")
    if _text(root, "Settings/Enabled", "true") not in ("true", "1"):
        raise Refused("a task that is not enabled")
    for name, default in (("DisallowStartIfOnBatteries", "true"), ("StopIfGoingOnBatteries", "true"), ("StartWhenAvailable", "false")):
        wanted = name == "StartWhenAvailable"
        if (_text(root, f"Settings/{name}", default) in ("true", "1")) != wanted:
            raise Refused(f"a task whose {name} may keep it from running")
    start = _start(root)
    boot = _find(root, "Triggers/BootTrigger")
    if start is None and boot is None:
        raise Refused("a task without a trigger")
    return Task(_text(root, "Actions/Exec/Command"), _text(root, "Actions/Exec/Arguments"), start, boot is not None)


def _start(root: ET.Element) -> dt.datetime | None:
    triggers = root.findall(f"{NAMESPACE}Triggers/{NAMESPACE}TimeTrigger")
    if not triggers:
        return None
    if len(triggers) > 1:
        raise Refused("more than one time trigger")
    if {_name(child) for child in triggers[0]} != {"StartBoundary"}:
        raise Refused("a time trigger of more or less than a StartBoundary")
    return _moment(_text(root, "Triggers/TimeTrigger/StartBoundary"))


# Running tasks


def fire_due(machine: Machine) -> list[str]:
    """Run every task whose time has come, once. Returns their names."""
    now = machine.now().isoformat()
    if not any(task["start"] and not task["fired"] and task["start"] <= now for task in machine.tasks.values()):
        return []
    with machine.changing() as state:
        due = [name for name, task in state["tasks"].items() if task["start"] and not task["fired"] and task["start"] <= now]
        for name in due:
            state["tasks"][name]["fired"] = True
        tasks = {name: dict(state["tasks"][name]) for name in due}
    return _run_all(machine, tasks)


def fire_boot(machine: Machine) -> list[str]:
    """Run what runs when the machine starts, and what came due while it did not run. Returns the names."""
    now = machine.now().isoformat()
    with machine.changing() as state:
        tasks = {name: dict(task) for name, task in state["tasks"].items() if task["boot"]}
        for name in tasks:
            start = state["tasks"][name]["start"]
            state["tasks"][name]["fired"] |= bool(start and start <= now)
    return _run_all(machine, tasks)


def _run_all(machine: Machine, tasks: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[str]:
    if not machine.service_running("Schedule"):
        return []
    for name, task in tasks.items():
        rc = _run_task(machine, task["command"], task["arguments"])
        with machine.changing() as state:
            state["task_log"].append([name, machine.now().isoformat(), rc])
            if name in state["tasks"]:
                state["tasks"][name]["runs"].append(rc)
    return list(tasks)


def _run_task(machine: Machine, command: str, arguments: str) -> int:
    if command.lower() != f"{SYSTEM32}\\cmd.exe".lower():
        machine.refuse(f"a task that runs {command!r}")
        return 255
    with machine.as_system():
        try:
            return machine.cmd_exe(arguments, machine.code_page, {})[0]
        except Refused as refusal:
            machine.refuse(str(refusal))
            return 255
