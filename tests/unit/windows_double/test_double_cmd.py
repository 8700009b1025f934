# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""cmd.exe: what our scripts may use works as on Windows, traps included; everything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from double_scripts import FOLDER, Host, form_a, script

REG = '"%T%\\reg.exe"'
MISSING = f'{REG} query "HKLM\\SOFTWARE\\Nope"'
THERE = f'{REG} query "HKLM\\SOFTWARE\\Policies\\Microsoft"'


@pytest.mark.parametrize("release", ["2008", "2008r2", "2012r2", "2019", "2025"])
def test_sections_and_exit_codes(tmp_path: Path, release: str) -> None:
    host = Host.create(tmp_path / "h", release)
    code = "echo DATAPATH-RC %errorlevel%"
    said = host.run("echo DATAPATH-SECTION a", MISSING, code, THERE, code, "echo DATAPATH-DONE", "exit /b 0")
    assert said.lines[:2] == ["DATAPATH-SECTION a", "DATAPATH-RC 1"]
    assert said.lines[-3:] == ["DATAPATH-RC 0", "DATAPATH-DONE", "DATAPATH-END 0"]
    assert "ERROR" in said.err
    assert said.rc == 0
    assert host.machine.violations == []
    assert host.machine.drive.list(FOLDER) == []


def test_a_failing_command_runs_the_block_and_ends_the_script(host: Host) -> None:
    said = host.run(f"{THERE} >nul 2>&1 || (echo DATAPATH-FAILED 1& exit /b 1)", f"{MISSING} >nul 2>&1 || (echo DATAPATH-FAILED 2& exit /b 1)", "echo never")
    assert said.lines == ["DATAPATH-FAILED 2", "DATAPATH-END 1"]
    assert said.err == ""
    assert said.rc == 1


def test_variables_of_a_line_are_replaced_before_it_runs(host: Host) -> None:
    said = host.run(f"{MISSING} >nul 2>&1 || (echo it was %errorlevel%& exit /b 7)")
    assert said.lines == ["it was 0", "DATAPATH-END 7"]


def test_echo_and_a_program_that_works_leave_and_set_the_errorlevel(host: Host) -> None:
    said = host.run(f"{MISSING} 2>nul", "echo text", "echo %errorlevel%", "if errorlevel 1 echo at least one", "if errorlevel 2 echo two", "exit /b 0")
    assert said.lines == ["text", "1", "at least one", "DATAPATH-END 0"]


def test_redirection_first_keeps_digits_and_blanks(host: Host) -> None:
    host.run('>"%~dp0x.txt" echo port 8 ', '>>"%~dp0x.txt" echo ^<a b="^>"^>^& 25', keep=True)
    assert host.machine.read_file(FOLDER + r"\x.txt") == b'port 8 \r\n<a b="^>">& 25\r\n'
    assert host.machine.violations == []


def test_a_digit_before_a_redirection_behind_the_text_is_a_handle(host: Host) -> None:
    said = host.run('echo port 8>"%~dp0x.txt"', 'echo port8>>"%~dp0y.txt"', 'echo lost 2>>"%~dp0z.txt"', keep=True)
    assert said.lines == ["port ", "lost ", "DATAPATH-END 0"]
    assert host.machine.read_file(FOLDER + r"\x.txt") == b""
    assert host.machine.read_file(FOLDER + r"\y.txt") == b"port8\r\n"
    assert host.machine.read_file(FOLDER + r"\z.txt") == b""


def test_redirection_into_a_folder_that_is_not_there_keeps_the_command_from_running(host: Host) -> None:
    said = host.run(f'>"%~dp0none\\x.txt" {THERE}', "echo %errorlevel%")
    assert said.lines[0] == "1"
    assert "cannot find the path" in said.err
    assert host.machine.commands == []


def test_a_pipe_has_the_exit_code_of_its_last_program(host: Host) -> None:
    find = '"%T%\\findstr.exe" /v /i /c:"    SHKey    "'
    said = host.run(f"{MISSING} 2>nul | {find}", "echo %errorlevel%", f"{THERE} | {find}", "echo %errorlevel%")
    assert said.lines[0] == "1"
    assert said.lines[-2] == "0"


def test_labels(host: Host) -> None:
    lines = script("call :part", "echo back %errorlevel%", "goto end", ":part", "echo in part", "exit /b 3", ":end", "echo end", "exit /b %errorlevel%")
    assert host.send(lines).lines == ["in part", "back 3", "end", "DATAPATH-END 3"]


def test_a_label_that_is_not_there_ends_the_script_with_an_error(host: Host) -> None:
    said = host.send(script("exit /b 0"), form_a(label="other"))
    assert said.rc == 1
    assert "cannot find the batch label specified - other" in said.err


def test_another_script_is_called_with_its_label(host: Host) -> None:
    host.send(script("echo other", "exit /b 4", label="undo"), form_a("pending-00000000000000aa", "undo", keep=True))
    said = host.run('call "%~dp0pending-00000000000000aa.cmd" undo', "echo %errorlevel% %~f0", "exit /b 0")
    assert said.lines == ["other", f"4 {FOLDER}\\run-0123456789abcdef.cmd", "DATAPATH-END 0"]


def test_files_are_found_listed_and_deleted(host: Host) -> None:
    said = host.run(
        '>"%~dp0pending-1.cmd" echo x', 'dir /b "%~dp0pending-*.cmd" 2>nul', "echo %errorlevel%", 'if exist "%~dp0pending-1.cmd" echo there',
        'del /q "%~dp0pending-1.cmd" >nul 2>&1', 'if not exist "%~dp0pending-1.cmd" echo gone', 'del /q "%~dp0pending-1.cmd"', "echo %errorlevel%",
        'dir /b "%~dp0pending-*.cmd" 2>nul', "echo %errorlevel%", "exit /b 0",
    )
    assert said.lines == ["pending-1.cmd", "0", "there", "gone", "0", "1", "DATAPATH-END 0"]
    assert "Could Not Find" in said.err
    assert host.machine.violations == []


def test_a_script_that_deletes_its_folder_is_not_read_on(host: Host) -> None:
    said = host.run("echo DATAPATH-DONE", 'rd /s /q "%~dp0." >nul 2>&1', "echo never", "exit /b 0")
    assert said.lines == ["DATAPATH-DONE", "DATAPATH-END 1"]
    assert "The batch file cannot be found." in said.err
    assert not host.machine.file_exists(FOLDER)


def test_an_exit_on_the_same_line_still_gives_its_code(host: Host) -> None:
    assert host.run('rd /s /q "%~dp0." >nul 2>&1& exit /b 0').lines == ["DATAPATH-END 0"]
    assert host.machine.violations == []


def test_variables_of_the_bootstrap(host: Host) -> None:
    said = host.run("echo %SystemRoot% %T% %1 %~dp0 %DATAPATH_DEADLINE%", seconds=0)
    assert said.lines[0].startswith(f"C:\\Windows C:\\Windows\\System32 main {FOLDER}\\ 20")


@pytest.mark.parametrize("line", [
    "echo 100% sure", "echo %PATH%", "echo %2", "echo off", "echo.", "echo ", "set X=1", 'set "X=1"', "setlocal", "goto :eof", "call other.cmd",
    "exit 1", "exit /b", "exit /b x", "for %i in (1) do echo x", "cd C:\\", "cls",
    "netsh.exe advfirewall", '"C:\\Windows\\netsh.exe" advfirewall', '"%T%\\cscript.exe" x.vbs',
    '"%T%\\cmd.exe" /c x', "echo a & echo b", "echo a && echo b", "echo a || echo b", "(echo a)", f"{THERE} | {REG} query HKLM", "echo a >x.txt", "echo a <nul",
    'rd /s /q "C:\\Windows"', 'rd /s /q "%~dp0..\\."', 'del "%~dp0x"', 'del /q "%~dp0*"', 'dir "%~dp0*"', "if exist x echo y",
    "if %errorlevel%==0 echo y", "if errorlevel 1 if errorlevel 2 echo a & echo b",
    f"{THERE} || (echo a& (echo b))", "echo (a) || (echo b", "",
    "pushd x", 'start "%T%\\reg.exe"', "echo a ^",
    f'{THERE} | "%T%\\findstr.exe" /v /c:"^x"',
])
def test_everything_else_is_refused(host: Host, line: str) -> None:
    assert host.refused(line, "exit /b 0")


def test_an_unknown_command_has_9009(host: Host) -> None:
    assert host.run("chcp 65001", "echo %errorlevel%").lines == ["9009", "DATAPATH-END 9009"]
    assert "chcp" in host.machine.violations[0]


def test_lines_beyond_the_limit_of_cmd_are_refused(host: Host) -> None:
    assert not host.refused("rem " + "x" * 7990)
    assert "8192 characters" in host.refused("echo " + "x" * 8187)
    assert "characters" in host.refused("echo %~f0" + "x" * 8150)


@pytest.mark.parametrize("stdin", [
    script("exit /b 0").replace(b"@echo off\r\n", b""), script("exit /b 0").replace(b"DisableDelayed", b"EnableDelayed"),
    script("exit /b 0").replace(b"goto %1\r\n", b""), script("exit /b 0").replace(b"exit /b 0", b"echo a\rb"),
])
def test_a_script_begins_as_agreed_and_has_whole_lines(host: Host, stdin: bytes) -> None:
    assert host.send(stdin).rc == 255
    assert "first four lines" in host.machine.violations[0]


def test_what_is_not_ascii_does_not_arrive(host: Host) -> None:
    assert host.send(script("echo caf\u00e9")).lines == ["caf?", "DATAPATH-END 0"]
