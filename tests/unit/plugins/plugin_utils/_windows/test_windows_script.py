# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that is sent: what may be in it, and how its answer is read."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import script as _script
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script, parse_output
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows import on_the_double

HOSTILE = (
    'x" & calc.exe & "', "x%PATH%", "x^", "x|y", "x&y", "x>y", "x<y", "x!y!", "x\ny", "x\r\nexit", "x\0", "x`y", "x$(y)", "x'y", "x\u201dy", "x;y", "x\ty",
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("use", [
    lambda text: _script.netsh(f'advfirewall firewall delete rule name="{text}"') if "'" not in text else _script.reg_name(text),
    lambda text: _script.netsh(f"advfirewall firewall delete rule name={text}"), lambda text: _script.reg_add("HKLM\\SOFTWARE\\x", text, "REG_SZ", "1"),
    lambda text: _script.reg_add("HKLM\\SOFTWARE\\x", "v", "REG_SZ", text), lambda text: _script.reg_add(f"HKLM\\{text}", "v", "REG_SZ", "1"),
    lambda text: _script.reg_delete(f"HKLM\\{text}"), lambda text: _script.reg_delete("HKLM\\SOFTWARE\\x", text),
    lambda text: _script.set_enabled([text], enabled=False), _script.beside, _script.program, _script.service_name, lambda text: Script().label(text),
    lambda text: Script().section(text, "echo x"),
])
def test_what_cmd_or_netsh_could_misread_is_refused(use: t.Callable[[str], object], text: str) -> None:
    with pytest.raises(WindowsError):
        use(text)


@pytest.mark.parametrize(("call", "text"), [
    (lambda: _script.netsh('advfirewall firewall delete rule name="a b"'), '"%T%\\netsh.exe" advfirewall firewall delete rule name="a b"'),
    (lambda: _script.reg_add("HKLM\\SOFTWARE\\a.b", "TCP/IP Port", "REG_DWORD", "59532"),
     '"%T%\\reg.exe" add "HKLM\\SOFTWARE\\a.b" /v "TCP/IP Port" /t REG_DWORD /d "59532" /f'),
    (lambda: _script.reg_add("HKLM\\SOFTWARE\\a", "Ports", "REG_MULTI_SZ", "135\\05000-5100"),
     '"%T%\\reg.exe" add "HKLM\\SOFTWARE\\a" /v "Ports" /t REG_MULTI_SZ /d "135\\05000-5100" /f'),
    (lambda: _script.reg_delete("HKLM\\SOFTWARE\\a"), '"%T%\\reg.exe" delete "HKLM\\SOFTWARE\\a" /f'),
    (lambda: _script.set_enabled(["{A-1}", "WINRM-HTTP"], enabled=True),
     '"%T%\\WindowsPowerShell\\v1.0\\powershell.exe" -NoProfile -NonInteractive -Command '
     "\"Set-NetFirewallRule -PolicyStore PersistentStore -Name '{A-1}','WINRM-HTTP' -Enabled True\""),
])
def test_commands(call: t.Callable[[], str], text: str) -> None:
    assert call() == text


def test_a_whole_script() -> None:
    text = Script()
    text.label("main")
    text.section("names", '"%T%\\reg.exe" query "HKLM\\X"')
    assert text.change(_script.netsh("advfirewall set domainprofile state on"), "switch it on") == 1
    text.done()
    assert text.text().split("\r\n") == [
        "@echo off", "setlocal EnableExtensions DisableDelayedExpansion", 'set "T=%SystemRoot%\\System32"', "goto %1", ":main",
        "echo DATAPATH-SECTION names", '"%T%\\reg.exe" query "HKLM\\X"', "echo DATAPATH-RC %errorlevel%",
        '"%T%\\netsh.exe" advfirewall set domainprofile state on >nul 2>&1 || (echo DATAPATH-FAILED 1& exit /b 1)', "echo DATAPATH-DONE", "exit /b 0",
        "rem DATAPATH-END", "",
    ]
    assert (text.steps, text.changes) == (["switch it on"], 1)


@pytest.mark.parametrize("line", ["echo x%y", "echo %PATH%", "echo 100%", "echo %2", "echo \u00e9", "echo a\tb", "x" * 8001])
def test_lines_with_other_variables_characters_or_lengths_are_refused(line: str) -> None:
    with pytest.raises(WindowsError):
        Script().line(line)


def test_a_value_of_a_line_that_is_refused_is_not_quoted_whole() -> None:
    with pytest.raises(WindowsError, match="at most 8000 fit") as error:
        Script().line("y" * 9000)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize("line", ["", "  ", "on", "OFF ", "/?", 'a "b', "100%", "tab\there", "caf\u00e9"])
def test_lines_that_echo_does_not_write_are_refused(line: str) -> None:
    with pytest.raises(WindowsError):
        Script().file("a.txt", [line])


def test_a_secret_in_a_line_that_is_refused_is_not_in_the_message() -> None:
    with pytest.raises(WindowsError) as error:
        Script().file("psk.txt", ['auth1psk="correct horse%"'])
    assert "horse" not in str(error.value)


@given(st.lists(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="%"), min_size=1, max_size=30), min_size=1, max_size=4))
def test_files_arrive_as_they_were_meant(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    """Through the double's cmd, which reads quotes, carets and redirections as cmd does."""
    text = Script()
    text.label("main")
    try:
        text.file("a.txt", lines)
    except WindowsError:
        return
    text.exit(0)
    machine = on_the_double.Machine.create(Path(tmp_path_factory.mktemp("host")) / "h", fresh=False)
    on_the_double.connect(machine).run(text)
    written = machine.read_file(f"{on_the_double.FOLDER}\\a.txt").decode()
    assert written.split("\r\n") == [*lines, ""], machine.violations


# -- answers -----------------------------------------------------------------------------------------------------------------


def test_an_answer_is_taken_apart() -> None:
    output = parse_output(["x", "DATAPATH-SECTION a", "1", " 2", "DATAPATH-RC 0", "DATAPATH-SECTION b", "DATAPATH-RC 36", "y", "DATAPATH-DONE"], 0)
    assert dict(output.sections) == {"a": (0, ("1", " 2")), "b": (36, ())}
    assert (output.lines, output.failed, output.done, output.why(Script())) == (("x", "y"), 0, True, "")


def test_a_section_without_its_end_is_left_out() -> None:
    assert dict(parse_output(["DATAPATH-SECTION a", "1"], 0).sections) == {}


def test_a_failed_step_is_named() -> None:
    text = Script()
    text.step("x", "do this")
    text.change("y", "do that")
    assert parse_output(["DATAPATH-FAILED 2"], 1).why(text) == "step 2 of 2 failed: do that"
    assert parse_output([], 7).why(text) == "the script ended early, with code 7"


def test_an_exit_code_that_is_no_number_is_an_error() -> None:
    with pytest.raises(WindowsError, match="where a number was expected"):
        parse_output(["DATAPATH-SECTION a", "DATAPATH-RC x"], 0)
