# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a script starts on a host: the text of PowerShell, what each connection is given for it, and answers that are cut off."""

from __future__ import annotations

import base64
import typing as t

import pytest
from windows_double import powershell

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import remote
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import CutError, Remote
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows import on_the_double

NAME = "run-0123456789abcdef"
PREFIX = "PowerShell -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand "


def script() -> Script:
    text = Script()
    text.label("main")
    text.section("elevated", '"%T%\\reg.exe" query "HKU\\S-1-5-19"')
    text.done()
    return text


def answering(stdout: str = "", stderr: str = "", rc: int = 0) -> Remote:
    return Remote(lambda _command, _stdin: {"rc": rc, "stdout": stdout, "stderr": stderr}, "winrm")


def test_the_bootstrap_is_powershell_2() -> None:
    text = remote.form_a("pending-0123456789abcdef", "apply", 3600, keep=True)
    assert powershell.newer_than_2(text) == []
    assert len(text) < 3000
    assert "AddSeconds(3600).ToString('s')" in text
    assert text.endswith("exit $code")


def test_the_bootstrap_is_powershell() -> None:
    pytest.importorskip("tree_sitter_powershell")
    assert powershell.syntax_errors(remote.form_a(NAME, "main", 0, keep=False)) == []


@pytest.mark.parametrize(("name", "label"), [
    ("run-x", "main"), ("run-0123456789abcdef'", "main"), ("other-0123456789abcdef", "main"), (NAME, "main & calc"), (NAME, "Main"), (NAME, "")])
def test_only_known_names_and_labels_start(name: str, label: str) -> None:
    with pytest.raises(WindowsError):
        remote.form_a(name, label, 0, keep=False)


def test_winrm_is_given_powershell() -> None:
    assert remote.command("winrm", "'x'") == "'x'"


@pytest.mark.parametrize("transport", ["ssh", "psrp"])
def test_ssh_is_given_what_cmd_and_powershell_both_run_and_psrp_the_same(transport: str) -> None:
    text = remote.command(transport, "'x'")
    assert text.startswith(PREFIX)
    assert base64.b64decode(text[len(PREFIX):]).decode("utf-16-le") == "'x'"
    assert not set(text) & set("\"'&|<>^%!;$`")


def test_encoded_twice_it_still_fits_into_a_line_of_cmd() -> None:
    """ansible-core 2.17 does that to every command over ssh."""
    once = remote.command("ssh", remote.form_a("pending-0123456789abcdef", "confirm", 3600, keep=False))
    assert len("chcp.com 65001 >nul 2>&1 && " + remote.command("ssh", once)) < 8191


@pytest.mark.parametrize("transport", ["local", "paramiko", "", "network_cli"])
def test_other_connections_are_refused(transport: str) -> None:
    with pytest.raises(WindowsError, match="set ansible_connection to one of winrm, psrp, ssh"):
        Remote(lambda _command, _stdin: {}, transport).run(script())


@pytest.mark.parametrize("transport", remote.TRANSPORTS)
def test_a_script_runs_over_every_connection(tmp_path: t.Any, transport: str) -> None:
    machine = on_the_double.Machine.create(tmp_path / "h", fresh=False)
    host = on_the_double.connect(machine, transport)
    output = host.run(script())
    assert output.done
    assert output.sections["elevated"][0] == 0
    assert (host.round_trips, on_the_double.files(machine), machine.violations) == (1, [], [])


@pytest.mark.parametrize("stdout", ["DATAPATH-SECTION elevated\r\nHKEY_USERS\r\n", "DATAPATH-DONE", "xDATAPATH-END 0", "DATAPATH-END"])
def test_an_answer_without_its_end_is_cut(stdout: str) -> None:
    with pytest.raises(CutError, match="broke off"):
        answering(stdout).run(script())


def test_an_empty_answer_tells_what_is_missing() -> None:
    with pytest.raises(CutError, match=r"did not run PowerShell \(exit code 127, bash: PowerShell: command not found\)"):
        answering("", "bash: PowerShell: command\n not found", 127).run(script())


def test_a_script_that_did_not_arrive_whole_is_told_apart() -> None:
    with pytest.raises(WindowsError, match="did not arrive whole") as error:
        answering("DATAPATH-END 96\r\n", rc=96).run(script())
    assert not isinstance(error.value, CutError)


def test_standard_output_is_never_quoted() -> None:
    with pytest.raises(CutError) as error:
        answering("SHKey secret\n" * 5, "short").run(script())
    assert "secret" not in str(error.value)


def test_a_sentinel_in_the_answer_of_a_program_does_not_end_it() -> None:
    output = answering("DATAPATH-END 5\nDATAPATH-DONE\nDATAPATH-END 0\n").run(script())
    assert (output.done, output.code) == (True, 0)
