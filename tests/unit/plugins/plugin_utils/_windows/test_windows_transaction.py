# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that undoes itself: its script, its task, its confirmation, and what happens when any of them breaks off."""

from __future__ import annotations

import datetime as dt
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import script as _script
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import transaction
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.transaction import Change, ChangeError, Step
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows import on_the_double
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import FOLDER, Machine, connect

TOKEN = "0123456789abcdef"  # noqa: S105 - of a change, no secret
KEY = "HKLM\\SOFTWARE\\datapath.exchange\\firewall"
MARK = Step(_script.reg_add(KEY, "state", "REG_SZ", "enforced"), "remember the state")
FORGET = _script.reg_delete("HKLM\\SOFTWARE\\datapath.exchange")
ADD = Step(_script.netsh('advfirewall firewall add rule name="datapath.exchange in x 00000000" dir=in action=allow protocol=tcp localport=25'), "add x")
DELETE = _script.netsh('advfirewall firewall delete rule name="datapath.exchange in x 00000000"')
CHANGE = Change((MARK, ADD), undo=(DELETE,), afterwards=(FORGET,))


@pytest.fixture(name="machine")
def make_machine(tmp_path: Path) -> Machine:
    return Machine.create(tmp_path / "h", exchange="2007")


def task_xml(machine: Machine) -> ET.Element:
    return ET.fromstring(machine.read_file(f"{FOLDER}\\task.xml").decode("ascii"))  # noqa: S314


def ours(machine: Machine) -> tuple[str, str]:
    """What a change touches; a reboot itself writes elsewhere."""
    return machine.registry.digest(on_the_double.LOCAL), machine.registry.digest(on_the_double.MEMORY)


# -- texts -------------------------------------------------------------------------------------------------------------------


def part(script: Script, label: str) -> list[str]:
    """The lines of a part up to the next one."""
    lines = script.text().split("\r\n")
    start = lines.index(f":{label}") + 1
    end = next(index for index in range(start, len(lines)) if lines[index].startswith((":", "rem ")))
    return lines[start:end]


def test_nothing_is_changed_before_the_task_is_known_to_be_there() -> None:
    lines = part(transaction.pending_script(CHANGE, TOKEN), "apply")
    order = [next(index for index, line in enumerate(lines) if word in line) for word in ("export", "/create", "/query", "reg.exe", "add rule", "DONE")]
    assert order == sorted(order)


def test_undo_marks_its_beginning_takes_back_loads_and_forgets_in_this_order() -> None:
    script = transaction.pending_script(Change((ADD,), (DELETE,), (ADD.command,), (FORGET,)), TOKEN)
    silent = " >nul 2>&1"
    assert part(script, "undo") == [
        f'>"%~dp0undo-{TOKEN}.txt" echo begun', f'if not exist "%~dp0apply-{TOKEN}.txt" goto drop', DELETE + silent,
        f'"%T%\\netsh.exe" advfirewall import "%~dp0before-{TOKEN}.wfw"{silent}',
        "if errorlevel 1 call :fallback", FORGET + silent,
    ]
    assert part(script, "drop") == [
        f'"%T%\\schtasks.exe" /delete /f /tn datapath-rollback{silent}', "echo DATAPATH-DONE", f'rd /s /q "%~dp0."{silent}', "exit /b 0",
    ]
    assert part(script, "fallback") == [ADD.command + silent, "exit /b 0"]


def test_a_change_that_is_not_of_the_firewall_neither_saves_nor_loads_it() -> None:
    text = transaction.pending_script(Change((MARK,), (FORGET,), firewall=False), TOKEN).text()
    assert "advfirewall" not in text
    assert "fallback" not in text


@pytest.mark.parametrize("token", ["", "x", "0123456789ABCDEF", '0123456789abcde"', "0123456789abcdef0"])
def test_only_tokens_name_files(token: str) -> None:
    for use in (lambda: transaction.pending_script(CHANGE, token), lambda: transaction.confirm_script(token)):
        with pytest.raises(WindowsError):
            use()


@pytest.mark.parametrize("seconds", [9, 3601, 0, -5])
def test_times_out_of_range_are_refused_before_anything_is_sent(seconds: int, machine: Machine) -> None:
    with pytest.raises(WindowsError, match="seconds from 10 to 3600"):
        transaction.apply(connect(machine), CHANGE, seconds)
    assert machine.scripts == []


# -- on a host ---------------------------------------------------------------------------------------------------------------


def test_the_task_is_well_formed_and_runs_as_the_system(machine: Machine) -> None:
    pending = transaction.apply(connect(machine), CHANGE, 60)
    root = task_xml(machine)
    space = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    texts = {element.tag.removeprefix(space): (element.text or "") for element in root.iter()}
    assert root.tag == f"{space}Task"
    assert texts["UserId"] == "S-1-5-18"
    assert texts["Command"] == "C:\\Windows\\System32\\cmd.exe"
    assert texts["Arguments"] == f'/d /c "{FOLDER}\\pending-{pending.token}.cmd" undo'
    assert "BootTrigger" in texts
    due = dt.datetime.fromisoformat(texts["StartBoundary"]) - machine.now()
    assert dt.timedelta(seconds=55) < due <= dt.timedelta(seconds=62)


def test_over_midnight_of_a_year_the_host_restores_itself(machine: Machine) -> None:
    before = machine.registry.digest()
    machine.set_clock(dt.datetime(2026, 12, 31, 23, 59, 30))  # noqa: DTZ001 - the host's own time
    transaction.apply(connect(machine), CHANGE, 60)
    assert machine.registry.digest() != before
    machine.advance(40)
    assert machine.tick() == []
    machine.advance(30)
    assert machine.tick() == ["datapath-rollback"]
    assert (machine.registry.digest(), machine.tasks, on_the_double.files(machine), machine.violations) == (before, {}, [], [])


def test_a_reboot_restores_as_well(machine: Machine) -> None:
    before = ours(machine)
    transaction.apply(connect(machine), CHANGE, 3600)
    assert ours(machine) != before
    machine.reboot()
    assert (ours(machine), machine.tasks) == (before, {})


def test_a_confirmed_change_stays_and_leaves_no_file(machine: Machine) -> None:
    pending = transaction.apply(connect(machine), CHANGE, 60)
    changed = ours(machine)
    transaction.confirm(connect(machine), pending.token)
    machine.advance(1000)
    assert machine.tick() == []
    machine.reboot()
    assert (ours(machine), machine.tasks, on_the_double.files(machine), machine.violations) == (changed, {}, [], [])


def test_too_late_is_too_late(machine: Machine) -> None:
    before = machine.registry.digest()
    pending = transaction.apply(connect(machine), CHANGE, 60)
    machine.advance(100)
    machine.tick()
    with pytest.raises(ChangeError, match="no longer waits"):
        transaction.confirm(connect(machine), pending.token)
    assert machine.registry.digest() == before


def test_another_token_confirms_nothing(machine: Machine) -> None:
    transaction.apply(connect(machine), CHANGE, 60)
    with pytest.raises(ChangeError, match="no longer waits"):
        transaction.confirm(connect(machine), TOKEN)
    assert list(machine.tasks) == ["datapath-rollback"]


def test_a_change_whose_undo_has_begun_is_not_confirmed(machine: Machine) -> None:
    pending = transaction.apply(connect(machine), CHANGE, 60)
    machine.write_file(f"{FOLDER}\\undo-{pending.token}.txt", b"begun\r\n")
    with pytest.raises(ChangeError, match="no longer waits"):
        transaction.confirm(connect(machine), pending.token)


@pytest.mark.parametrize(("faults", "words"), [
    ({"netsh_fail": 1}, "failed: add x. The host has back what it had before"),
    ({"cut_after": 3, "cut_label": "apply"}, "The host has back what it had before"), ({"lose_output": True}, "The host has back what it had before"),
    ({"netsh_fail": 1, "import_fails": True}, "failed: add x. The host has back what it had before"),
])
def test_a_change_that_fails_or_breaks_off_is_taken_back_at_once(machine: Machine, faults: dict[str, t.Any], words: str) -> None:
    before = machine.registry.digest()
    machine.faults.update(faults)
    with pytest.raises(ChangeError, match=words) as error:
        transaction.apply(connect(machine), CHANGE, 60)
    assert not error.value.restoring
    assert (machine.registry.digest(), machine.tasks, on_the_double.files(machine)) == (before, {}, [])


def test_where_the_connection_is_gone_the_host_restores_itself(machine: Machine) -> None:
    before = machine.registry.digest()
    host, calls = connect(machine), []

    def execute(command: str, stdin: bytes) -> t.Mapping[str, t.Any]:
        calls.append(command)
        if len(calls) > 1:
            raise transaction.CutError("no route to host")
        host._execute(command, stdin)
        raise transaction.CutError("connection reset")

    with pytest.raises(ChangeError, match=r"connection reset\. Undoing the change at once failed: no route to host") as error:
        transaction.apply(transaction.Remote(execute, "winrm"), CHANGE, 60)
    assert error.value.restoring
    assert machine.registry.digest() != before
    machine.advance(100)
    machine.tick()
    assert machine.registry.digest() == before


def test_a_task_that_cannot_be_made_changes_nothing(machine: Machine) -> None:
    before = machine.registry.digest()
    machine.set_service("Schedule", 1)
    with pytest.raises(ChangeError, match="Nothing was changed"):
        transaction.apply(connect(machine), CHANGE, 60)
    assert (machine.registry.digest(), on_the_double.files(machine)) == (before, [])


def test_a_change_of_an_earlier_run_is_taken_back_with_the_script_that_it_left(machine: Machine) -> None:
    before = machine.registry.digest()
    pending = transaction.apply(connect(machine), CHANGE, 3600)
    transaction.take_over(connect(machine), pending.token)
    assert (machine.registry.digest(), machine.tasks, on_the_double.files(machine), machine.violations) == (before, {}, [], [])


def test_a_change_that_cannot_be_taken_back_stops_the_run(machine: Machine) -> None:
    with pytest.raises(ChangeError, match="wait, then run the play again"):
        transaction.take_over(connect(machine), TOKEN)


def test_a_file_that_a_step_reads_is_gone_after_it_and_after_a_failure(machine: Machine) -> None:
    line = 'advfirewall firewall add rule name="datapath.exchange in x 00000000" dir=in action=allow protocol=tcp localport=25'
    step = Step(_script.program("netsh", f"-f {_script.beside('add.txt')}"), "add from a file", (("add.txt", (line,)),))
    pending = transaction.apply(connect(machine), Change((step,), (DELETE,)), 60)
    assert on_the_double.own_rules(machine) == ["datapath.exchange in x 00000000"]
    assert "add.txt" not in on_the_double.files(machine)
    transaction.confirm(connect(machine), pending.token)
    broken = Step(step.command, "add from a file", (("add.txt", ("advfirewall firewall nonsense",)),))
    with pytest.raises(ChangeError, match="failed: add from a file"):
        transaction.apply(connect(machine), Change((broken,)), 60)
    assert on_the_double.files(machine) == []
