# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints of the double, reached by Ansible's own connections."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import time
import typing as t
from pathlib import Path

import pytest
from ansible.release import __version__
from reach import TRANSPORTS, Ansible, children_of, processes_of, variables
from windows_double.endpoints import serve
from windows_double.endpoints.psrp import InputError, input_of

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import command, form_a
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script, program

if t.TYPE_CHECKING:
    from conftest import Double

VERSION_KEY = r"HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
FORM = form_a("run-0123456789abcdef", "main", 60, keep=False)
ANSWER = ["DATAPATH-SECTION version", "", VERSION_KEY, "    CurrentVersion    REG_SZ    6.3", "", "DATAPATH-RC 0", "DATAPATH-DONE", "DATAPATH-END 0"]


def script(filler: int = 0) -> bytes:
    """Ask for the version of Windows, at the end of a script of that many long lines."""
    text = Script()
    text.label("main")
    for number in range(filler):
        text.line(f"rem {number:06d} {'x' * 90}")
    text.section("version", program("reg", r'query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion" /v CurrentVersion'))
    text.done()
    return str(text.text()).encode()


def hosts_of(double: Double, record: t.Mapping[str, t.Any], transports: t.Iterable[str] = TRANSPORTS) -> dict[str, dict[str, t.Any]]:
    return {transport: variables(double.directory, record, transport) for transport in transports}


def everywhere(text: str) -> dict[str, str]:
    return {transport: command(transport, text) for transport in TRANSPORTS}


@pytest.mark.parametrize("shell", ["cmd", "powershell"])
@pytest.mark.parametrize("filler", [0, 1000], ids=["short", "100 KB"])
def test_script_arrives_whole_over_every_connection(make_double: t.Callable[..., Double], ansible: Ansible, shell: str, filler: int) -> None:
    double = make_double()
    # One after the other: they write the same file on the host.
    hosts = hosts_of(double, double.serve(ssh_shell=shell))
    answers = {name: ansible.low_level({name: host}, everywhere(FORM), script(filler)).get(name) for name, host in hosts.items()}
    for name, answer in answers.items():
        assert answer is not None, f"{name}: {ansible.said}"
        assert (answer.rc, answer.stderr, answer.stdout.splitlines()) == (0, "", ANSWER), name
    assert double.machine.violations == []
    assert double.machine.scripts == [r"C:\Windows\datapath\run-0123456789abcdef.cmd main"] * 3


def test_text_that_nobody_documents_is_refused_loudly(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    double = make_double()
    hosts = hosts_of(double, double.serve())
    said = ansible("ansible", "all", "-i", ansible.inventory(hosts), "-m", "raw", "-a", "netsh advfirewall reset").stdout
    # It ends with 255, which over ssh means that there is no connection.
    assert said.count("WINDOWS-DOUBLE REFUSES") == 2, said
    assert said.count("UNREACHABLE") == 1, said
    assert len(double.machine.violations) == len(hosts)


def test_input_of_a_plain_text_is_no_text_over_psrp(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    double = make_double()
    answer = ansible.low_level(hosts_of(double, double.serve(), ["psrp"]), {"psrp": FORM}, script())["psrp"]
    assert answer.rc == 1
    assert "arrays of bytes" in answer.stderr
    assert double.machine.scripts == []


@pytest.mark.parametrize(("objects", "text"), [
    ([b"a", b""], "$input"), (["a\nb"], "$input"), ([b"a\nb"], "[byte[]]"),
])
def test_script_must_know_what_objects_it_gets(objects: list[object], text: str) -> None:
    with pytest.raises(InputError):
        input_of(text, objects)


def test_objects_become_the_lines_that_the_script_reads() -> None:
    assert input_of("$input", ["a", "", "b"]) == b"a\r\n\r\nb\r\n"
    assert input_of(FORM, ["a\r\nb\r\n"]) == b"a\r\nb\r\n"
    assert input_of("-split", ["a\r\nb"]) == b"a\r\nb\r\n"


def test_command_line_that_is_too_long_is_answered_and_not_run(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    double = make_double()
    answers = ansible.low_level(hosts_of(double, double.serve(), ["winrm", "ssh"]), everywhere("#" * 3100), script())
    assert {(name, answer.rc, answer.stderr.strip()) for name, answer in answers.items()} == {
        (name, 1, "The command line is too long.") for name in ("winrm", "ssh")
    }


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_connection_that_is_cut_gives_no_answer(make_double: t.Callable[..., Double], ansible: Ansible, transport: str) -> None:
    double = make_double()
    record = double.serve()
    hosts = hosts_of(double, record, [transport])
    double.machine.faults["cut_after"] = 0
    answer = ansible.low_level(hosts, everywhere(FORM), script()).get(transport)
    assert answer is None or "DATAPATH-END" not in answer.stdout
    assert double.machine.commands == []
    assert children_of(record["process"]) == []  # the session is gone, not only the command
    # The next one is served as ever.
    assert ansible.low_level(hosts, everywhere(FORM), script())[transport].stdout.splitlines() == ANSWER


def test_answer_that_is_lost_leaves_what_was_done(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    double = make_double()
    hosts = hosts_of(double, double.serve(), ["winrm"])
    double.machine.faults["lose_output"] = True
    assert ansible.low_level(hosts, everywhere(FORM), script()) == {}
    assert len(double.machine.commands) == 1


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_firewall_is_asked_for_every_new_connection(make_double: t.Callable[..., Double], ansible: Ansible, transport: str) -> None:
    double = make_double()
    hosts = hosts_of(double, double.serve(), [transport])
    double.machine.faults["lockout"] = "other rules than there are"
    assert ansible.low_level(hosts, everywhere(FORM), script()) == {}
    assert "UNREACHABLE" in ansible.said or "Connection" in ansible.said
    del double.machine.faults["lockout"]
    assert transport in ansible.low_level(hosts, everywhere(FORM), script())


def test_established_connection_outlives_a_rule_that_shuts_it_out(make_double: t.Callable[..., Double]) -> None:
    double = make_double()
    port = double.serve()["winrm"]
    before = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    assert _post(before) == 401
    double.machine.faults["lockout"] = "other rules than there are"
    assert _post(before) == 401
    with pytest.raises(http.client.RemoteDisconnected):
        _post(http.client.HTTPConnection("127.0.0.1", port, timeout=10))


def _post(connection: http.client.HTTPConnection) -> int:
    connection.request("POST", "/wsman", b"")
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_wrong_password_is_turned_away(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    double = make_double()
    hosts = hosts_of(double, double.serve(), ["winrm", "psrp"])
    assert ansible.low_level({name: {**host, "ansible_password": "wrong"} for name, host in hosts.items()}, everywhere(FORM), script()) == {}
    assert double.machine.scripts == []


def test_nothing_is_left_after_stop(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    double = make_double()
    record = double.serve()
    ansible.low_level(hosts_of(double, record), everywhere(FORM), script())
    assert "run already" in double.command("serve", str(double.directory), "--winrm", "0").stdout
    assert double.command("stop", str(double.directory)).returncode == 0
    _gone(double.directory, record)
    assert double.command("stop", str(double.directory)).returncode == 1


def test_nothing_is_left_after_a_kill(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    double = make_double()
    record = double.serve()
    ansible.low_level(hosts_of(double, record, ["ssh"]), everywhere(FORM), script())
    # Ansible's ssh stays connected, so an sshd of ours is there to be taken along.
    sessions = children_of(record["process"])
    assert sessions
    os.kill(record["process"], signal.SIGKILL)
    _gone(double.directory, record, sessions)
    assert serve.running(double.directory) is None
    assert double.serve()["process"] != record["process"]


def test_host_whose_directory_is_deleted_ends(make_double: t.Callable[..., Double]) -> None:
    double = make_double()
    record = double.serve()
    shutil.rmtree(double.directory)
    _gone(double.directory, record)


def _gone(directory: Path, record: t.Mapping[str, t.Any], sessions: t.Sequence[int] = (), seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while left := [*processes_of(directory), *(session for session in sessions if Path(f"/proc/{session}").exists())]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    for transport in TRANSPORTS:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", record[transport]), timeout=5)


def test_this_is_the_ansible_that_was_asked_for() -> None:
    assert __version__.startswith(os.environ.get("DATAPATH_TEST_CORE", "2."))
