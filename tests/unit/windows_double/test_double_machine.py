# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine as a whole: what it remembers, how it breaks, and that its tasks really fire."""

from __future__ import annotations

import base64
import datetime as dt
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from double_scripts import FOLDER, HEAD, TASK, Host, encoded, form_a, script
from windows_double import powershell
from windows_double.cli import add_rule, copy_rule, edit_rule, find_rule, main
from windows_double.machine import ConnectionCut, Machine

REG = '"%T%\\reg.exe"'
KEY = r"HKLM\SOFTWARE\datapath.exchange\firewall"
RULES = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
ADD = f'{REG} add "{KEY}" /v done /d 1 /f'
CREATE = '"%T%\\schtasks.exe" /create /f /tn datapath-rollback /xml "%~dp0task.xml"'
PENDING = "pending-00000000000000aa"
CONTROL = Path(__file__).resolve().parents[2] / "windows" / "double"


def _arm(host: Host, seconds: int = 5, xml: str = TASK) -> None:
    """Leave a script with undo on the host and a task that runs it."""
    host.send(script(ADD, "exit /b 0", label="undo"), form_a(PENDING, "undo", keep=True))
    host.machine.registry.delete_key(KEY)
    start = (host.machine.now() + dt.timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    host.machine.write_file(FOLDER + r"\task.xml", xml.format(start=start, file=f"{FOLDER}\\{PENDING}.cmd").encode())


def _echoed(text: str) -> str:
    """Carets where cmd reads them: outside of quotes."""
    return '"'.join(part if odd % 2 else part.replace("<", "^<").replace(">", "^>") for odd, part in enumerate(text.split('"')))


def _create(host: Host) -> int:
    return host.program("schtasks.exe", f"/create /f /tn datapath-rollback /xml {FOLDER}\\task.xml").rc


# What it is


@pytest.mark.parametrize(("release", "version", "build", "major"), [
    ("2008", "6.0", "6002", None), ("2008r2", "6.1", "7601", None), ("2012r2", "6.3", "9600", None), ("2019", "6.3", "17763", 10), ("2025", "6.3", "26100", 10),
])
def test_a_release_is_known_by_its_registry(tmp_path: Path, release: str, version: str, build: str, major: int | None) -> None:
    registry = Machine.create(tmp_path / "m", release).registry
    key = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
    assert registry.get(key, "CurrentVersion") == ("REG_SZ", version)
    assert registry.get(key, "CurrentBuildNumber") == ("REG_SZ", build)
    assert registry.get(key, "CurrentMajorVersionNumber") == (("REG_DWORD", major) if major else None)
    assert len(registry.values(RULES)) > 3


def test_it_outlives_the_process(tmp_path: Path) -> None:
    Host.create(tmp_path / "h", "2012r2", "ja").run(ADD, '>"%~dp0left.txt" echo x', "cls", keep=True)
    again = Machine(tmp_path / "h")
    assert (again.release, again.language, again.code_page) == ("2012r2", "ja", 932)
    assert again.registry.get(KEY, "done") == ("REG_SZ", "1")
    assert again.drive.list(FOLDER) == ["left.txt", "run-0123456789abcdef.cmd"]
    assert len(again.violations) == 1
    assert again.commands == [f'reg.exe add "{KEY}" /v done /d 1 /f']
    assert again.scripts == [f"{FOLDER}\\run-0123456789abcdef.cmd main"]


def test_nothing_but_a_known_release_is_installed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no release"):
        Machine.create(tmp_path / "m", "2003r2")
    with pytest.raises(FileNotFoundError):
        Machine(tmp_path / "m")


@pytest.mark.parametrize("path", [r"D:\x", r"\\server\share\x", "x", r"C:\Windows\none\x"])
def test_there_is_one_drive(host: Host, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        host.machine.write_file(path, b"")
    assert not host.machine.file_exists(path)


# How commands arrive


def test_every_way_in_which_ansible_starts_powershell(host: Host) -> None:
    stdin, text = script("echo hello"), form_a()
    for line in (encoded(text), encoded(encoded(text)), "chcp.com 65001 >nul 2>&1 && " + encoded(text), encoded(text + "\nexit $LASTEXITCODE")):
        assert host.machine.run_command_line(line, stdin) == (0, b"hello\r\nDATAPATH-END 0\r\n", b"")
    assert host.machine.run_powershell(text + "\nexit $LASTEXITCODE", stdin)[1] == b"hello\r\nDATAPATH-END 0\r\n"
    assert host.machine.violations == []


def test_a_script_that_did_not_arrive_whole_is_not_run(host: Host) -> None:
    stdin = script(ADD)
    for cut in (b"", stdin[:-6], stdin.replace(b"rem DATAPATH-END", b"")):
        assert host.send(cut).lines == ["DATAPATH-END 96"]
    assert host.machine.commands == []
    assert not host.machine.file_exists(FOLDER)


def test_lines_with_lf_only_are_stored_with_cr_lf(host: Host) -> None:
    assert host.send(script("echo a").replace(b"\r\n", b"\n")).lines == ["a", "DATAPATH-END 0"]


def test_the_command_line_of_cmd_is_limited(host: Host) -> None:
    rc, out, err = host.machine.run_command_line("x" * 8192, b"")
    assert (rc, out) == (1, b"")
    assert b"too long" in err


@pytest.mark.parametrize("text", [
    "Get-Date", form_a().replace("Continue", "Stop"), form_a() + "\nGet-Date", form_a(name="run-0123456789abcdeg"), form_a(label="Main"),
    form_a().replace("$false", "$null"), "",
])
def test_other_texts_of_powershell_are_refused(host: Host, text: str) -> None:
    rc, out, _err = host.machine.run_command_line(encoded(text), script("exit /b 0"))
    assert rc == 255
    assert out.startswith(b"WINDOWS-DOUBLE REFUSES: ")
    assert len(host.machine.violations) == 1


@pytest.mark.parametrize("line", ["ver", "powershell -Command Get-Date", encoded("x")[:-3] + "!", encoded(form_a()).replace("-NoProfile ", "")])
def test_other_command_lines_are_refused(host: Host, line: str) -> None:
    assert host.machine.run_command_line(line, b"")[0] == 255
    assert host.machine.violations


def test_without_elevation_no_script_is_stored(host: Host) -> None:
    host.machine.faults["no_elevation"] = True
    said = host.run("exit /b 0")
    assert said.rc == 1
    assert not host.machine.file_exists(FOLDER)


# Rules by id


def test_form_b_switches_exactly_the_rules_it_names(host: Host) -> None:
    ids = [add_rule(host.machine, ["Action=Allow", "Dir=In", f"Name={name}"]) for name in ("a", "b", "c")]
    command = '"%T%\\WindowsPowerShell\\v1.0\\powershell.exe" -NoProfile -NonInteractive -Command "Set-NetFirewallRule -PolicyStore PersistentStore -Name '
    host.run(f"{command}'{ids[0]}','{ids[2]}' -Enabled False\"", "exit /b 0")
    assert ["Active=TRUE" in value[1] for value in host.machine.registry.values(RULES).values()] == [False, True, False]
    host.run(f"{command}'{ids[0]}' -Enabled True\"", "exit /b 0")
    assert "|Active=TRUE|" in host.machine.registry.get(RULES, ids[0])[1]
    assert host.machine.violations == []
    said = host.run(f"{command}'nope' -Enabled True\"", "echo %errorlevel%")
    assert said.lines[0] == "1"
    assert "nope" in said.err


def test_form_b_came_with_2012(tmp_path: Path) -> None:
    host = Host.create(tmp_path / "h", "2008r2")
    command = "-NoProfile -NonInteractive -Command \"Set-NetFirewallRule -PolicyStore PersistentStore -Name 'x' -Enabled True\""
    assert host.program("powershell.exe", command).rc == 255


# Tasks


def test_a_task_fires_at_its_time_once(host: Host) -> None:
    _arm(host, 100)
    assert _create(host) == 0
    assert host.program("schtasks.exe", "/query /tn datapath-rollback").rc == 0
    host.machine.advance(98)
    assert host.machine.tick() == []
    host.machine.advance(3)
    assert host.machine.tick() == ["datapath-rollback"]
    assert host.machine.tick() == []
    assert host.machine.registry.get(KEY, "done") == ("REG_SZ", "1")
    assert host.machine.violations == []
    assert [rc for _name, _when, rc in host.machine.task_log] == [0]


def test_a_task_fires_by_itself_in_another_process(tmp_path: Path) -> None:
    host = Host.create(tmp_path / "h")
    _arm(host, 2)
    assert _create(host) == 0
    code = "import sys, time; from windows_double.machine import Machine; m = Machine(sys.argv[1]); m.start_timer(0.05); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "h")], env={"PYTHONPATH": str(CONTROL.parent)}) as server:
        deadline = time.monotonic() + 30
        while not host.machine.registry.get(KEY, "done") and time.monotonic() < deadline:
            time.sleep(0.05)
        server.kill()
    assert host.machine.registry.get(KEY, "done") == ("REG_SZ", "1")


def test_a_task_survives_the_process_and_fires_when_the_machine_starts(tmp_path: Path) -> None:
    host = Host.create(tmp_path / "h")
    _arm(host, 3000)
    _create(host)
    again = Machine(tmp_path / "h")
    assert again.reboot() == ["datapath-rollback"]
    assert again.registry.get(KEY, "done") == ("REG_SZ", "1")


def test_a_deleted_task_does_not_fire(host: Host) -> None:
    _arm(host)
    _create(host)
    assert host.program("schtasks.exe", "/delete /f /tn datapath-rollback").rc == 0
    assert host.program("schtasks.exe", "/delete /f /tn datapath-rollback").rc == 1
    assert host.program("schtasks.exe", "/query /tn datapath-rollback").rc == 1
    host.machine.advance(10)
    assert host.machine.tick() == []
    assert host.machine.reboot() == []


def test_a_task_works_over_midnight_and_in_another_time_zone(tmp_path: Path) -> None:
    host = Host.create(tmp_path / "h", utc_offset=9)
    host.machine.set_clock(dt.datetime.fromisoformat("2024-12-31T23:59:58"))
    lines = TASK.format(start="%DATAPATH_DEADLINE%", file=f"{FOLDER}\\{PENDING}.cmd").split("<Settings>")
    escaped = [_echoed(line) for line in (lines[0], f"<Settings>{lines[1]}")]
    _arm(host)
    said = host.run(f'>"%~dp0task.xml" echo {escaped[0]}', f'>>"%~dp0task.xml" echo {escaped[1]}', CREATE, "echo %errorlevel%", seconds=30)
    assert said.lines[-2] == "0"
    assert host.machine.tasks["datapath-rollback"]["start"] == "2025-01-01T00:00:28"
    host.machine.advance(31)
    assert host.machine.tick() == ["datapath-rollback"]


def test_a_task_whose_time_is_past_when_it_is_made_never_fires(host: Host) -> None:
    _arm(host, -5)
    assert _create(host) == 0
    assert host.machine.tick() == []


@pytest.mark.parametrize(("old", "new"), [
    ("<TimeTrigger>", "<TimedTrigger>"), ("</Task>", ""), ('version="1.2"', 'version="1.9"'), ("2004/02/mit", "2005/02/mit"),
    ("<BootTrigger/>", "<BootTrigger><Nope/></BootTrigger>"),
    ("{start}", "00:30"), ("{start}", "2024-02-30T00:00:00"), ("HighestAvailable", "Highest"), ("<StartWhenAvailable>true", "<StartWhenAvailable>yes"),
    ("<Settings>", "<Settings>text"), ('Context="Author"', 'Context="Other"'), ("</Exec>", "</Exec><Exec><Command>x</Command></Exec>"),
    ("</Settings>", "<Priority>11</Priority></Settings>"),
    ("</TimeTrigger>", "<Enabled>true</Enabled></TimeTrigger>"),
    ("<Settings>", "<Settings><ExecutionTimeLimit>1H</ExecutionTimeLimit>"), ("S-1-5-18", "SYSTEM"),
    ("<StartWhenAvailable>", "<StartWhenAvailable>true</StartWhenAvailable><StartWhenAvailable>"), ("<Exec>", '<Exec x="1">'), ("<UserId>", "<userId>"),
    ("<Task ", '<?xml version="1.0" encoding="UTF-16"?><Task '), ("<StartWhenAvailable>true</StartWhenAvailable>", ""), ("S-1-5-18", "S-1-5-19"),
    ("<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>", ""), ("<StopIfGoingOnBatteries>false", "<StopIfGoingOnBatteries>true"),
])
def test_a_task_must_be_what_the_schema_says_and_what_surely_runs(host: Host, old: str, new: str) -> None:
    assert old in TASK
    _arm(host, xml=TASK.replace(old, new))
    assert _create(host) in (1, 255)
    assert host.machine.tasks == {}
    assert host.machine.violations


def test_tasks_need_rights_and_the_service(host: Host) -> None:
    _arm(host)
    host.machine.faults["service_stopped"] = "Schedule"
    assert _create(host) == 1
    del host.machine.faults["service_stopped"]
    host.machine.faults["no_elevation"] = True
    assert _create(host) == 1
    del host.machine.faults["no_elevation"]
    assert _create(host) == 0


def test_a_task_runs_elevated_whoever_is_connected(host: Host) -> None:
    _arm(host, 1)
    _create(host)
    host.machine.faults["no_elevation"] = True
    host.machine.advance(2)
    host.machine.tick()
    assert host.machine.registry.get(KEY, "done") == ("REG_SZ", "1")


# Faults


def test_a_cut_connection_stops_the_script_where_it_was(host: Host) -> None:
    host.machine.faults.update({"cut_after": 2, "cut_label": "main"})
    with pytest.raises(ConnectionCut):
        host.run(*(f'{REG} add "{KEY}" /v n{number} /d 1 /f' for number in range(4)))
    assert list(host.machine.registry.values(KEY)) == ["n0", "n1"]
    assert dict(host.machine.faults) == {}
    assert host.run("echo again").lines[0] == "again"


def test_a_cut_waits_for_its_label_and_spares_tasks(host: Host) -> None:
    _arm(host, 1)
    _create(host)
    host.machine.faults.update({"cut_after": 0, "cut_label": "undo"})
    assert host.run(ADD, "exit /b 0").rc == 0
    host.machine.registry.delete_key(KEY)
    host.machine.advance(2)
    assert host.machine.tick() == ["datapath-rollback"]
    assert host.machine.registry.get(KEY, "done")
    with pytest.raises(ConnectionCut):
        host.send(script("exit /b 0", label="undo"), form_a(label="undo"))


def test_a_lost_answer_is_a_script_that_ran(host: Host) -> None:
    host.machine.faults["lose_output"] = True
    with pytest.raises(ConnectionCut):
        host.run(ADD)
    assert host.machine.registry.get(KEY, "done")
    assert host.run("echo again").lines[0] == "again"


def test_denied_keys(host: Host) -> None:
    host.machine.faults["access_denied"] = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess"
    said = host.program("reg.exe", f'query "{RULES}"')
    assert said.rc == 1
    assert "Access is denied" in said.err
    assert host.program("reg.exe", r"query HKLM\SOFTWARE").rc == 0


def test_the_nth_change_of_netsh_fails(host: Host) -> None:
    host.machine.faults["netsh_fail"] = 2
    line = 'advfirewall firewall add rule name="{}" dir=in action=allow protocol=tcp localport=25'
    assert [host.program("netsh.exe", line.format(name)).rc for name in "abc"] == [0, 1, 0]
    assert len(host.machine.registry.values(RULES)) == 2
    assert host.machine.violations == []


def test_no_fault_is_misspelled(host: Host) -> None:
    with pytest.raises(ValueError, match="no fault 'cut'"):
        host.machine.faults["cut"] = 1


# Management


def test_a_lock_out_begins_with_a_change_and_ends_when_it_is_undone(host: Host) -> None:
    host.machine.faults["lockout"] = True
    assert host.machine.management_open("127.0.0.1", 5985)
    host.program("netsh.exe", "advfirewall firewall add rule name=x dir=in action=allow")
    assert not host.machine.management_open("127.0.0.1", 5985)
    assert not Machine(host.machine.directory).management_open("127.0.0.1", 5985)
    host.program("netsh.exe", "advfirewall firewall delete rule name=x")
    assert host.machine.management_open("127.0.0.1", 5985)


def test_the_rules_decide_who_may_connect(tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "m")
    for rule in list(machine.registry.values(RULES)):
        machine.registry.delete_value(RULES, rule)
    assert machine.management_open("127.0.0.1", 5985)
    assert not machine.management_open("192.0.2.7", 5985)
    add_rule(machine, ["Action=Allow", "Dir=In", "Protocol=6", "LPort=5985", "RA4=192.0.2.7", "Name=winrm"])
    assert machine.management_open("192.0.2.7", 5985)
    assert not machine.management_open("192.0.2.7", 5986)
    assert not machine.management_open("192.0.2.8", 5985)
    machine.set_setting("controller", "192.0.2.8")
    assert not machine.management_open("127.0.0.1", 5985)


# Texts


def test_our_own_text_is_powershell_2() -> None:
    pytest.importorskip("tree_sitter_powershell")
    assert powershell.syntax_errors(form_a()) == []
    assert powershell.newer_than_2(form_a()) == []
    assert len(form_a(keep=True, seconds=99999)) < 3000


@pytest.mark.parametrize("text", ["if ($a) {", "$a = 'x", "$a = $b ? 1 : 2\n", "($a"])
def test_what_is_no_powershell_is_found(text: str) -> None:
    pytest.importorskip("tree_sitter_powershell")
    assert powershell.syntax_errors(text)


@pytest.mark.parametrize("text", [
    "a && b", "$a ?? 1", "[ordered]@{}", "class A {}", "$a.Where({1})", "[A]::new()", "Get-CimInstance x", "Get-NetFirewallRule", "1 | ConvertTo-Json",
    "$PSItem", "1 -in $a", "$a | Where-Object Name -eq x", "[string]::IsNullOrWhiteSpace($a)", "Get-Content x -Raw",
])
def test_what_powershell_2_lacks_is_found(text: str) -> None:
    assert powershell.newer_than_2(text)


def test_quoted_texts_are_not_searched() -> None:
    assert powershell.newer_than_2("'a && b'") == []


# The control program


def test_the_control_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = str(tmp_path / "m")

    def run(*arguments: str) -> str:
        assert main([arguments[0], directory, *arguments[1:]]) == 0
        return capsys.readouterr().out.strip()

    run("create", "--release", "2008", "--language", "ja", "--exchange", "2007")
    before = run("digest")
    identifier = run("add-rule", "Action=Block", "Dir=In", "Protocol=6", "LPort=25", "Name=foreign")
    assert f"{identifier} v2.1|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=25|Name=foreign|" in run("rules")
    run("edit-rule", "foreign", "LPort=26", "Dir=")
    assert "v2.1|Action=Block|Active=TRUE|Protocol=6|Name=foreign|LPort=26|" in run("rules")
    copied = run("copy-rule", identifier)
    run("delete-rule", copied)
    run("delete-rule", "foreign")
    assert run("digest") == before
    run("policy", "private", "AllowLocalPolicyMerge", "0")
    assert json.loads(run("get", r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall\PrivateProfile", "AllowLocalPolicyMerge")) == ["REG_DWORD", 0]
    run("delete", r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall")
    run("set", r"HKLM\SOFTWARE\x", "list", "REG_MULTI_SZ", "a", "b")
    run("delete", r"HKLM\SOFTWARE\x", "list")
    run("fault", "cut_after=3", "no_elevation=true", "access_denied=HKLM\\SAM")
    assert json.loads(run("show"))["faults"] == {"cut_after": 3, "no_elevation": True, "access_denied": "HKLM\\SAM"}
    run("fault", "cut_after=", "no_elevation=", "access_denied=")
    run("service", "MpsSvc", "1")
    run("advance", "5")
    assert run("reboot") == ""
    shown = json.loads(run("show"))
    assert (shown["boots"], shown["violations"]) == (2, [])


def test_the_control_program_runs_from_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, str(CONTROL), "create", str(tmp_path / "m")]
    assert subprocess.run(command, check=False, cwd=tmp_path).returncode == 0
    assert Machine(tmp_path / "m").release == "2019"


def test_a_rule_is_named_without_doubt(host: Host) -> None:
    first = add_rule(host.machine, ["Action=Allow", "Dir=In", "Name=twice"])
    copied = copy_rule(host.machine, first)
    with pytest.raises(LookupError, match="2 rules"):
        find_rule(host.machine, "twice")
    edit_rule(host.machine, find_rule(host.machine, copied.lower()), ["Name=once"])
    assert find_rule(host.machine, "Once") == copied


def test_the_scripts_of_these_tests_are_what_is_sent() -> None:
    assert script("exit /b 0").startswith("\r\n".join(HEAD).encode())
    assert base64.b64decode(encoded("x").rpartition(" ")[2]).decode("utf-16-le") == "x"
