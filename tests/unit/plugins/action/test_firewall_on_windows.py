# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions firewall and firewall_info on a Windows host: Ansible's own low-level execution, over connections that treat a command as each release does."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

from ansible_collections.datapath.exchange.plugins.action import firewall, firewall_info
from ansible_collections.datapath.exchange.plugins.modules import firewall as firewall_doc
from ansible_collections.datapath.exchange.plugins.modules import firewall_info as firewall_info_doc
from ansible_collections.datapath.exchange.plugins.plugin_utils import _enforce
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows import on_the_double
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import Machine, files, own_rules, plan

CORES = ("2.17", "2.18", "2.19", "2.20", "2.21")
PREFIX = "PowerShell -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand "
PLAN = {"path": "/nowhere", "digest": "0" * 64}
ACTIONS = {"firewall": (firewall, firewall_doc), "firewall_info": (firewall_info, firewall_info_doc)}


def encoded(text: str) -> str:
    return PREFIX + base64.b64encode(text.encode("utf-16-le")).decode()


class Connection:
    """A connection plugin of one release of ansible-core, in front of the double.

    https://github.com/ansible/ansible/blob/v2.18.6/lib/ansible/plugins/connection/winrm.py and its neighbours in the other releases.
    """

    allow_executable = False
    become = None

    def __init__(self, machine: Machine, transport: str, core: str, shell: str = "powershell") -> None:
        self.machine, self.transport, self.core = machine, transport, core
        self._shell = SimpleNamespace(SHELL_FAMILY=shell, _IS_WINDOWS=True, tmpdir=None)
        self.resets = 0
        self.breaks: t.Callable[[int], bool] = lambda _call: False
        self.calls: list[str] = []

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:  # noqa: FBT002 - Ansible's own
        assert not sudoable
        self.calls.append(cmd)
        if self.breaks(len(self.calls)):
            raise AnsibleConnectionFailure("no route to host")
        return t.cast("tuple[int, bytes, bytes]", getattr(self, f"_{self.transport}")(cmd, in_data or b""))

    def _winrm(self, cmd: str, stdin: bytes) -> tuple[int, bytes, bytes]:
        passed = {"2.17": False, "2.18": False, "2.21": " -EncodedCommand " in cmd}.get(self.core, cmd.startswith((PREFIX, "type ")))
        return self.machine.run_command_line(cmd if passed else encoded(cmd), stdin, 65001)

    def _psrp(self, cmd: str, stdin: bytes) -> tuple[int, bytes, bytes]:
        # Input is passed as text, and as lines since 2.19, only where the command is an encoded one.
        assert cmd.startswith(PREFIX)
        return self.machine.run_powershell(base64.b64decode(cmd.removeprefix(PREFIX)).decode("utf-16-le"), stdin)

    def _ssh(self, cmd: str, stdin: bytes) -> tuple[int, bytes, bytes]:
        return self.machine.run_command_line(f"chcp.com 65001 >nul 2>&1 && {encoded(cmd)}" if self.core == "2.17" else cmd, stdin, 65001)

    def reset(self) -> None:
        self.resets += 1


def run(connection: Connection, module: str = "firewall", *, check: bool = False, diff: bool = False, **options: t.Any) -> dict[str, t.Any]:
    arguments = {**({} if options.get("state") == "absent" else {"plan": PLAN}), **options}
    task = SimpleNamespace(args=arguments, check_mode=check, diff=diff, async_val=0, action=f"datapath.exchange.{module}", collections=[], environment=None)
    play = SimpleNamespace(check_mode=check, executable="/bin/sh", remote_user="administrator")
    action = ACTIONS[module][0].ActionModule(task, connection, play, None, None, None)
    for name in ("_execute_module", "_make_tmp_path", "_transfer_file", "_transfer_data", "_execute_remote_stat", "_remote_expand_user"):
        setattr(action, name, forbidden)
    action._get_remote_user = lambda: "administrator"
    result: dict[str, t.Any] = action.run(None, {"inventory_hostname": "hub1"})
    assert connection._shell.tmpdir is None
    return result


def forbidden(*_arguments: t.Any, **_named: t.Any) -> None:
    raise AssertionError("nothing may be uploaded to a Windows host")


@pytest.fixture(autouse=True)
def _plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_enforce, "read_host", lambda _path, _host, _digest: plan())


@pytest.fixture(name="machine")
def make_machine(tmp_path: Path) -> t.Iterator[Machine]:
    machine = Machine.create(tmp_path / "h", exchange="2007")
    yield machine
    assert machine.violations == []


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize(("transport", "shell"), [("winrm", "powershell"), ("psrp", "powershell"), ("ssh", "powershell"), ("ssh", "cmd")])
def test_every_release_of_ansible_over_every_connection(machine: Machine, core: str, transport: str, shell: str) -> None:
    connection = Connection(machine, transport, core, shell)
    first = run(connection)
    assert (first["changed"], first["confirmed"], first["persistent"], connection.resets) == (True, True, True, 1)
    assert len(own_rules(machine)) == 3
    assert (files(machine), machine.tasks) == ([], {})
    assert not run(connection, "firewall_info")["drift"]


def test_a_second_run_changes_nothing_and_opens_no_new_connection(machine: Machine) -> None:
    connection = Connection(machine, "ssh", "2.21")
    run(connection)
    second = run(connection, diff=True)
    assert (second["changed"], second["confirmed"], second["diff"], connection.resets) == (False, False, [], 1)


@pytest.mark.parametrize("diff", [True, False])
def test_check_mode_confirms_and_writes_nothing(machine: Machine, diff: bool) -> None:
    before = machine.registry.digest()
    result = run(Connection(machine, "winrm", "2.19"), check=True, diff=diff)
    assert result["changed"]
    assert "confirmed" not in result
    assert ("diff" in result) == diff
    assert (machine.registry.digest(), files(machine), machine.tasks) == (before, [], {})


@pytest.mark.parametrize(("module", "options"), [
    ("firewall", {}), ("firewall", {"state": "monitored"}), ("firewall", {"state": "absent"}), ("firewall_info", {}), ("firewall_info", {"plan": None}),
])
def test_what_is_returned_is_documented(machine: Machine, module: str, options: dict[str, t.Any]) -> None:
    result = run(Connection(machine, "psrp", "2.21"), module, **options)
    assert set(result) <= set(yaml.safe_load(ACTIONS[module][1].RETURN)) | {"changed", "warnings"}


def test_every_option_reaches_the_host(machine: Machine) -> None:
    connection = Connection(machine, "winrm", "2.21")
    result = run(connection, windows_foreign_allow="disable", windows_foreign_keep=["FPS-SMB-In-TCP"], windows_profiles=["private", "domain"])
    assert "RemoteDesktop-UserMode-In-TCP" in result["disabled"]
    assert "FPS-SMB-In-TCP" not in result["disabled"]
    texts = [str(text) for _kind, text in machine.registry.values(on_the_double.RULES).values() if "Name=datapath.exchange" in str(text)]
    assert all("|Profile=Domain|Profile=Private|" in text for text in texts)
    watched = run(connection, state="monitored", windows_monitored_inbound="allow")
    assert (watched["changed"], watched["disabled"]) == (True, [])
    assert machine.registry.get(rf"{on_the_double.LOCAL}\DomainProfile", "DefaultInboundAction") == ("REG_DWORD", 0)
    with pytest.raises(AnsibleActionFail, match="value of windows_profiles must be one or more of"):
        run(connection, windows_profiles=["work"])


def test_warnings_are_given_to_ansible(machine: Machine) -> None:
    assert any("foreign rule(s)" in text for text in run(Connection(machine, "winrm", "2.21"))["warnings"])


def test_a_host_that_is_not_there_is_unreachable(machine: Machine) -> None:
    connection = Connection(machine, "winrm", "2.21")
    connection.breaks = lambda _call: True
    with pytest.raises(AnsibleConnectionFailure):
        run(connection)


def test_where_the_change_cuts_the_connection_the_host_restores_itself(machine: Machine) -> None:
    before = machine.registry.digest()
    connection = Connection(machine, "winrm", "2.21")
    real = connection._winrm

    def cut(cmd: str, stdin: bytes) -> tuple[int, bytes, bytes]:
        answer = real(cmd, stdin)
        if b":undo" in stdin:
            connection.breaks = lambda _call: True
            raise AnsibleConnectionFailure("connection reset")
        return answer

    connection._winrm = cut  # type: ignore[method-assign]
    result = run(connection, rollback_timeout=30)
    assert (result["failed"], result["restoring"]) == (True, True)
    assert "connection reset" in result["msg"]
    assert "by itself" in result["msg"]
    machine.advance(120)
    machine.tick()
    assert (machine.registry.digest(), files(machine), machine.tasks) == (before, [], {})


def test_where_no_new_connection_is_possible_the_host_restores_itself(machine: Machine) -> None:
    before = machine.registry.digest()
    connection = Connection(machine, "ssh", "2.21")
    connection.breaks = lambda call: call > 2
    result = run(connection, rollback_timeout=30)
    assert (result["failed"], result["confirmed"], result["restoring"]) == (True, False, True)
    assert "a new connection to the host was not possible: no route to host" in result["msg"]
    assert f"within {30 + result['commands']} s" in result["msg"]
    machine.advance(120)
    machine.tick()
    assert (machine.registry.digest(), machine.tasks) == (before, {})


def test_a_change_that_was_restored_before_the_confirmation_fails(machine: Machine) -> None:
    connection = Connection(machine, "psrp", "2.21")

    def late() -> None:
        machine.advance(1000)
        machine.tick()

    connection.reset = late  # type: ignore[method-assign]
    result = run(connection)
    assert (result["failed"], result["confirmed"], result["restoring"]) == (True, False, False)
    assert "no longer waits for its confirmation" in result["msg"]


def test_a_change_that_fails_is_taken_back_and_says_so(machine: Machine) -> None:
    before = machine.registry.digest()
    machine.faults["netsh_fail"] = 2
    result = run(Connection(machine, "winrm", "2.21"))
    assert (result["failed"], result["restoring"]) == (True, False)
    assert "failed: add the rule datapath.exchange in " in result["msg"]
    assert machine.registry.digest() == before


def test_connections_without_reset_are_closed_and_opened(machine: Machine) -> None:
    class Plain(Connection):
        reset = ConnectionBase.reset

        def close(self) -> None:
            self.resets += 1

        def _connect(self) -> None:
            self.resets += 1

    connection = Plain(machine, "winrm", "2.21")
    assert run(connection)["confirmed"]
    assert connection.resets == 2


def test_the_plan_of_a_linux_host_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_enforce, "read_host", lambda _path, _host, _digest: replace(plan(), platform="linux"))
    connection = Connection(machine, "winrm", "2.21")
    result = run(connection)
    assert result["msg"].startswith("hub1: the plan is that of a linux host, but the connection leads to a Windows shell")
    with pytest.raises(AnsibleActionFail, match="the plan is that of a linux host"):
        run(connection, "firewall_info")
    assert connection.calls == []


def test_another_connection_to_windows_is_refused(machine: Machine) -> None:
    connection = Connection(machine, "winrm", "2.21")
    connection.transport = "community.general.smb"
    assert "set ansible_connection to one of winrm, psrp, ssh" in run(connection)["msg"]


def test_the_name_of_a_connection_may_have_its_collection(machine: Machine) -> None:
    connection = Connection(machine, "ssh", "2.21")
    connection.transport = "ansible.builtin.ssh"
    setattr(connection, "_ansible.builtin.ssh", connection._ssh)
    assert run(connection)["confirmed"]
