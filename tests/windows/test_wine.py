# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on Wine: a real cmd.exe and a real registry under the scripts that the collection sends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from collection import Collection, life
from reach import TRANSPORTS, Ansible, children_of, processes_of, variables
from windows_double.endpoints import serve
from windows_double.refusal import ConnectionCut
from wine.host import look_into
from wine.machine import WineMachine

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import command, form_a
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script, program, set_enabled

HERE = Path(__file__).parent
RULES = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
VERSION_KEY = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
ADD = 'netsh advfirewall firewall add rule name="datapath.exchange in test" dir=in action=allow protocol=TCP localport=25 remoteip=192.0.2.7'


def wine(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", "wine", *arguments], env=environment, check=False, text=True, capture_output=True)


class WineHost:
    """One host on Wine, up."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.directory, self._arguments = directory, arguments
        self.up()

    def up(self) -> None:
        done = wine("up", str(self.directory), *self._arguments)
        assert done.returncode == 0, done.stderr
        self.record: dict[str, t.Any] = json.loads(done.stdout)

    def down(self) -> None:
        assert wine("down", str(self.directory)).returncode == 0
        left = processes_of(self.directory)
        assert left == []

    def reached(self) -> dict[str, dict[str, t.Any]]:
        return {transport: variables(self.directory, self.record, transport) for transport in TRANSPORTS}


def _host(tmp_path_factory: pytest.TempPathFactory, name: str, *arguments: str) -> t.Iterator[WineHost]:
    host = WineHost(tmp_path_factory.mktemp("wine") / name, *arguments)
    yield host
    host.down()


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[WineHost]:
    yield from _host(tmp_path_factory, "english", "--exchange", "2007")


@pytest.fixture(scope="module")
def japanese(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[WineHost]:
    yield from _host(tmp_path_factory, "japanese", "--language", "ja", "--ssh-shell", "powershell")


@pytest.fixture
def machine(english: WineHost) -> t.Iterator[WineMachine]:
    with look_into(english.directory) as found:
        yield found


@pytest.fixture
def clean(machine: WineMachine) -> t.Iterator[WineMachine]:
    """A machine whose firewall rules are afterwards what they were."""
    before = machine.registry.snapshot(RULES)
    yield machine
    machine.registry.restore(before, RULES)


def run(machine: WineMachine, text: str, stdin: bytes = b"") -> tuple[int, str]:
    rc, out, err = machine.run_command_line(text, stdin)
    return rc, (out + err).decode("cp932" if machine.language == "ja" else "ascii").replace("\r\n", "\n")


def batch(machine: WineMachine, *lines: str) -> tuple[int, str]:
    """Run lines as a script: what cmd.exe gets after /c is taken apart once more, and quotes at its ends are taken away."""
    machine.write_file(r"C:\double\test.cmd", "".join(f"{line}\r\n" for line in ("@echo off", *lines)).encode())
    return run(machine, r"C:\double\test.cmd")


@pytest.mark.parametrize(("text", "said"), [
    ("cmd /c exit 0 || echo NO", ""), ("cmd /c exit 3 || echo YES", "YES\n"), ("cmd /c exit 3 && echo NO", ""),
    ("cmd /c exit 3 || (echo YES& exit /b 1)", "YES\n"), ("cmd /c exit 3 & echo %errorlevel%", "0\n"), ("cmd /c exit 3 >nul 2>&1 || echo YES", "YES\n"),
    ("echo a^&b ^> c", "a&b > c\n"), ('echo "a&b" 100 ^^', '"a&b" 100 ^\n'), ("if errorlevel 1 echo NO", ""),
])
def test_cmd_is_one_that_can_be_trusted(machine: WineMachine, text: str, said: str) -> None:
    assert batch(machine, text)[1].replace(" \n", "\n") == said


def test_exit_codes_of_relays_reach_cmd(clean: WineMachine) -> None:
    assert run(clean, ADD) == (0, "Ok.\n\n")
    rc, said = batch(clean, 'netsh advfirewall firewall delete rule name="no such rule" || (echo FAILED& exit /b 9)')
    assert (rc, said.rstrip().endswith("FAILED")) == (9, True)
    assert clean.violations == []


def test_what_netsh_makes_is_in_the_registry_that_reg_reads(clean: WineMachine) -> None:
    before = run(clean, f'reg query "{RULES}"')[1].splitlines()
    run(clean, ADD)
    fresh = [line for line in run(clean, f'reg query "{RULES}"')[1].splitlines() if line not in before]
    assert len(fresh) == 1
    name, kind, data = fresh[0].strip().split("    ")
    assert (kind, "|Name=datapath.exchange in test|" in data, "|RA4=192.0.2.7" in data) == ("REG_SZ", True, True)
    assert run(clean, f'reg delete "{RULES}" /v "{name}" /f')[0] == 0
    assert run(clean, f'reg query "{RULES}"')[1].splitlines() == before


def test_rules_of_setup_are_there(machine: WineMachine) -> None:
    assert run(machine, r'reg query "HKLM\SYSTEM\CurrentControlSet\Services\MpsSvc" /v Start')[1].split()[-1] == "0x2"
    assert len(machine.registry.values(RULES)) > 20


def test_findstr_is_not_wine_s_own(machine: WineMachine) -> None:
    assert run(machine, f'reg query "{VERSION_KEY}" /v CurrentVersion | findstr /v /i /c:"    CURRENTVERSION    "')[1].split() == [
        r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows", "NT\\CurrentVersion",
    ]


def test_service_states_are_the_double_s(machine: WineMachine) -> None:
    rc, said = run(machine, "sc query MpsSvc")
    assert rc == 0
    assert ": 4  RUNNING" in said


def test_line_that_wine_would_drop_is_refused(machine: WineMachine) -> None:
    length = len(machine.violations)
    assert run(machine, "rem " + "x" * 7100)[0] == 255
    assert len(machine.violations) == length + 1
    assert run(machine, "rem " + "x" * 8200) == (1, "The command line is too long.\n")
    assert run(machine, "echo " + "x" * 6900)[1].strip() == "x" * 6900


def everything() -> Script:
    """Every kind of line that scripts are made of, and what it prints."""
    text = Script()
    text.label("main")
    text.section("query", program("reg", r'query "HKLM\SOFTWARE\no such key"'))
    text.file("x.txt", ["    CurrentVersion    REG_SZ    6.3", '<a b="c">&d'])
    version = program("reg", rf'query "{VERSION_KEY}" /v CurrentVersion')
    same = program("findstr", '/x /l /g:"%~dp0x.txt"')
    text.section("file", f"{version} | {same}")
    text.line('if exist "%~dp0x.txt" echo there')
    text.delete("x.txt")
    text.line('if not exist "%~dp0x.txt" echo gone')
    text.section("dir", r'dir /b "%~dp0pending-*.cmd" 2>nul')
    text.section("own", r'dir /b "%~dp0run-*.cmd" 2>nul')
    text.line("call :part")
    text.line("if errorlevel 1 echo code %errorlevel%")
    text.line("goto last")
    text.label("part")
    text.exit(7)
    text.label("last")
    text.step(program("reg", r'query "HKLM\SOFTWARE\no such key"'), "fails")
    text.done()
    return text


EVERYTHING = [
    "DATAPATH-SECTION query", "DATAPATH-RC 1", "DATAPATH-SECTION file", "    CurrentVersion    REG_SZ    6.3", "DATAPATH-RC 0", "there", "gone",
    "DATAPATH-SECTION dir", "DATAPATH-RC 1", "DATAPATH-SECTION own", "run-0123456789abcdef.cmd", "DATAPATH-RC 0", "code 7",
    "DATAPATH-FAILED 1", "DATAPATH-END 1",
]


@pytest.mark.parametrize("language", ["english", "japanese"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_every_kind_of_line_in_a_real_cmd(request: pytest.FixtureRequest, ansible: Ansible, language: str, transport: str) -> None:
    host: WineHost = request.getfixturevalue(language)
    commands = {transport: command(transport, form_a("run-0123456789abcdef", "main", 60, keep=False))}
    answers = ansible.low_level({transport: host.reached()[transport]}, commands, everything().text().encode())
    assert transport in answers, ansible.said
    lines = [line for line in answers[transport].stdout.splitlines() if not line.startswith("reg: ") and line]
    assert lines == EVERYTHING
    assert not (host.directory / "c" / "windows" / "datapath" / "run-0123456789abcdef.cmd").exists()


def test_words_are_japanese_and_columns_are_not(japanese: WineHost) -> None:
    with look_into(japanese.directory) as machine:
        before = machine.registry.snapshot(RULES)
        assert "レジストリ" in run(machine, r'reg query "HKLM\SOFTWARE\no such key"')[1]
        assert "OK" in run(machine, ADD)[1]
        assert "|Name=datapath.exchange in test|" in run(machine, f'reg query "{RULES}"')[1]
        machine.registry.restore(before, RULES)
        assert machine.violations == []


def test_japanese_arrives_readable_over_winrm(japanese: WineHost, ansible: Ansible) -> None:
    text = Script()
    text.label("main")
    text.section("query", program("reg", r'query "HKLM\SOFTWARE\no such key"'))
    text.done()
    commands = {name: command(name, form_a("run-0123456789abcdef", "main", 60, keep=False)) for name in ("winrm", "psrp")}
    for name, line in commands.items():
        answer = ansible.low_level({name: japanese.reached()[name]}, {name: line}, text.text().encode())[name]
        assert "レジストリ" in answer.stdout, name


def form_b(machine: WineMachine, identity: str, *, enabled: bool) -> tuple[int, str]:
    return batch(machine, r'set "T=%SystemRoot%\System32"', set_enabled([identity], enabled=enabled))


def test_rule_is_switched_by_its_id(clean: WineMachine) -> None:
    identity = next(name for name, (_kind, data) in clean.registry.values(RULES).items() if "|Active=TRUE|" in data)
    assert form_b(clean, identity, enabled=False) == (0, "")
    assert "|Active=FALSE|" in clean.registry.values(RULES)[identity][1]
    assert form_b(clean, identity, enabled=True) == (0, "")
    assert "|Active=TRUE|" in clean.registry.values(RULES)[identity][1]


def rollback_script() -> Script:
    """Arm a task with the deadline that PowerShell gave, and say what it did."""
    text = Script()
    text.label("apply")
    text.line('>"%~dp0task.xml" echo ^<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"^>')
    for line in (
        "^<Triggers^>^<TimeTrigger^>^<StartBoundary^>%DATAPATH_DEADLINE%^</StartBoundary^>^</TimeTrigger^>^</Triggers^>",
        '^<Principals^>^<Principal id="Author"^>^<UserId^>S-1-5-18^</UserId^>^<RunLevel^>HighestAvailable^</RunLevel^>^</Principal^>^</Principals^>',
        "^<Settings^>^<DisallowStartIfOnBatteries^>false^</DisallowStartIfOnBatteries^>^<StopIfGoingOnBatteries^>false^</StopIfGoingOnBatteries^>",
        "^<StartWhenAvailable^>true^</StartWhenAvailable^>^</Settings^>",
        '^<Actions Context="Author"^>^<Exec^>^<Command^>%SystemRoot%\\System32\\cmd.exe^</Command^>',
        "^<Arguments^>/d /c ^&quot;%~f0^&quot; undo^</Arguments^>^</Exec^>^</Actions^>^</Task^>",
    ):
        text.line(f'>>"%~dp0task.xml" echo {line}')
    text.step(program("schtasks", '/create /f /tn datapath-rollback /xml "%~dp0task.xml"'), "arm")
    text.step(program("schtasks", "/query /tn datapath-rollback"), "look")
    text.done()
    text.label("undo")
    text.attempt(program("reg", r'add "HKLM\SOFTWARE\datapath.exchange\firewall" /v "undone" /t REG_SZ /d "yes" /f'))
    text.attempt(program("schtasks", "/delete /f /tn datapath-rollback"))
    text.exit(0)
    return text


def test_task_fires_in_a_real_cmd(english: WineHost, machine: WineMachine, ansible: Ansible) -> None:
    refused = list(machine.violations)
    form = form_a("pending-0123456789abcdef", "apply", 3, keep=True)
    answer = ansible.low_level({"ssh": english.reached()["ssh"]}, {"ssh": command("ssh", form)}, rollback_script().text().encode())["ssh"]
    assert answer.stdout.splitlines() == ["DATAPATH-DONE", "DATAPATH-END 0"]
    assert "datapath-rollback" in machine.tasks
    _until(lambda: machine.registry.get(r"HKLM\SOFTWARE\datapath.exchange\firewall", "undone") == ("REG_SZ", "yes"), "the task ran")
    _until(lambda: not machine.tasks, "the task deleted itself")
    assert machine.registry.delete_key(r"HKLM\SOFTWARE\datapath.exchange")
    assert machine.delete_file(r"C:\Windows\datapath\pending-0123456789abcdef.cmd")
    assert machine.violations == refused


def test_cut_kills_the_script_where_it_is(clean: WineMachine) -> None:
    clean.faults["cut_after"] = 1
    with pytest.raises(ConnectionCut):
        clean.run_command_line(f"{ADD} & sc query MpsSvc & {ADD.replace('in test', 'in second')}")
    names = [data for _kind, data in clean.registry.values(RULES).values() if "datapath.exchange in" in data]
    assert len(names) == 1
    assert run(clean, "echo still here") == (0, "still here\n")


def test_nothing_is_left_after_a_kill_and_the_registry_outlives_an_end(tmp_path: Path) -> None:
    host = WineHost(tmp_path / "host", "--release", "2008r2")
    with look_into(host.directory) as machine:
        assert run(machine, ADD)[0] == 0
        assert run(machine, f'reg query "{VERSION_KEY}" /v CurrentMajorVersionNumber')[0] == 1
        digest = machine.digest()
    host.down()
    host.up()
    with look_into(host.directory) as machine:
        assert machine.digest() == digest
    everybody = _descendants(host.record["process"])
    assert len(everybody) > 3
    os.kill(host.record["process"], signal.SIGKILL)
    _until(lambda: not [process for process in everybody if Path(f"/proc/{process}").exists()], "all processes ended")
    assert serve.running(host.directory) is None
    assert processes_of(host.directory) == []


@pytest.mark.parametrize(("language", "transport"), [("english", "winrm"), ("japanese", "ssh")])
def test_collection_gives_a_host_back_as_it_was(request: pytest.FixtureRequest, ansible: Ansible, language: str, transport: str) -> None:
    host: WineHost = request.getfixturevalue(language)
    collection = Collection(ansible, host.reached()[transport])
    with look_into(host.directory) as machine:
        refused = list(machine.violations)
        life(collection, machine.digest, lambda: _own(machine))
        assert machine.violations == refused
        assert machine.tasks == {}
        assert machine.drive.list(r"C:\Windows\datapath") == []


def test_collection_is_taken_back_by_the_task_when_nobody_can_confirm(english: WineHost, machine: WineMachine, ansible: Ansible) -> None:
    before = machine.digest()
    machine.faults["lockout"] = True
    result = Collection(ansible, english.reached()["winrm"]).firewall(rollback_timeout=10)
    assert (result["failed"], result["restoring"]) == (True, True), result["msg"]
    _until(lambda: machine.digest() == before and not machine.tasks, "the host is as it was", 120)
    del machine.faults["lockout"]


def test_collection_that_is_cut_takes_back_what_it_had_begun(english: WineHost, machine: WineMachine, ansible: Ansible) -> None:
    before = machine.digest()
    machine.faults["cut_label"] = "apply"
    machine.faults["cut_after"] = 6
    result = Collection(ansible, english.reached()["winrm"]).firewall(rollback_timeout=60)
    assert result["failed"], result
    _until(lambda: machine.digest() == before and not machine.tasks, "the host is as it was", 120)


def _own(machine: WineMachine) -> int:
    return sum("|Name=datapath.exchange " in str(data) for _kind, data in machine.registry.values(RULES).values())


def _descendants(process: int) -> list[int]:
    return [process, *(below for child in children_of(process) for below in _descendants(child))]


def _until(condition: t.Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.1)
