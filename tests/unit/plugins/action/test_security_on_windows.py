# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions for IPsec and RPC ports on the Windows double: real action plugins and a plan on disk, with a connection that is one call away."""

from __future__ import annotations

import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from ansible.errors import AnsibleConnectionFailure, AnsibleError

from ansible_collections.datapath.exchange.plugins.action import ipsec, ipsec_info, rpc_ports, rpc_ports_info
from ansible_collections.datapath.exchange.plugins.modules import ipsec as ipsec_doc
from ansible_collections.datapath.exchange.plugins.modules import ipsec_info as ipsec_info_doc
from ansible_collections.datapath.exchange.plugins.modules import rpc_ports as rpc_ports_doc
from ansible_collections.datapath.exchange.plugins.modules import rpc_ports_info as rpc_ports_info_doc
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.tests.unit import strategies
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import Machine, files

KEY = "s3cret-key.of/the+pair="
DOCS = {"ipsec": ipsec_doc, "ipsec_info": ipsec_info_doc, "rpc_ports": rpc_ports_doc, "rpc_ports_info": rpc_ports_info_doc}
ACTIONS: dict[str, t.Any] = {"ipsec": ipsec, "ipsec_info": ipsec_info, "rpc_ports": rpc_ports, "rpc_ports_info": rpc_ports_info}


class Connection:
    """What the actions use of a connection. refuses: whether the next reset finds nobody."""

    transport = "psrp"

    def __init__(self, *, windows: bool = True) -> None:
        self._shell = SimpleNamespace(_IS_WINDOWS=windows, SHELL_FAMILY="powershell" if windows else "sh", tmpdir=None)
        self.resets, self.refuses = 0, False

    def reset(self) -> None:
        self.resets += 1
        if self.refuses:
            raise AnsibleConnectionFailure("nobody answers")


class Host:
    """A machine and the plan of its organisation."""

    def __init__(self, directory: Path) -> None:
        self.machine = Machine.create(directory / "machine", "2019", exchange="2007")
        org = strategies.small()
        for name in ("mbx1", "mbx2"):
            org = org.with_host(name, ipsec="required", platform="windows", cluster="c1", rpc_range="50000-50999")
        plan = org.with_peers(config_controller=["198.51.100.77"]).plan()
        self.plan = {"path": str(directory / "plan"), "digest": artefact.write(plan, directory / "plan")}
        self.connection = Connection()

    def run(self, module: str, *, check: bool = False, diff: bool = False, plan: bool = True, **options: t.Any) -> dict[str, t.Any]:
        arguments = {**({"plan": self.plan} if plan else {}), **options}
        task = SimpleNamespace(args=arguments, check_mode=check, diff=diff, async_val=0, action=f"datapath.exchange.{module}", collections=[], environment=None)
        action = ACTIONS[module].ActionModule(task, self.connection, SimpleNamespace(check_mode=check), None, None, None)
        action._load_name = f"datapath.exchange.{module}"  # Ansible's loader sets it
        action._low_level_execute_command = self._execute
        result: dict[str, t.Any] = action.run(None, {"inventory_hostname": "mbx1"})
        return result

    def _execute(self, command: str, *, sudoable: bool, in_data: bytes | None = None) -> dict[str, t.Any]:
        assert not sudoable and KEY not in command
        rc, out, err = self.machine.run_powershell(command, in_data or b"")
        return {"rc": rc, "stdout": out.decode(), "stderr": err.decode()}


@pytest.fixture(name="host")
def _host(tmp_path: Path) -> t.Iterator[Host]:
    host = Host(tmp_path)
    yield host
    assert host.machine.violations == []


def refused(host: Host, module: str, /, **options: t.Any) -> str:
    """Why a task fails. What is about keys returns its failure, because what is raised is hidden with the key."""
    try:
        result = host.run(module, **options)
    except AnsibleError as error:
        return str(error)
    assert result["failed"]
    return str(result["msg"])


def returned(module: str) -> set[str]:
    return set(yaml.safe_load(DOCS[module].RETURN)) | {"changed", "diff", "warnings"}


def test_associations_are_confirmed_over_a_new_connection(host: Host) -> None:
    result = host.run("ipsec", auth="psk", psk=KEY, diff=True)
    assert result["changed"] and result["confirmed"] and host.connection.resets == 1
    assert KEY not in repr(result) and set(result) <= returned("ipsec")
    again = host.run("ipsec", auth="psk", psk=KEY)
    assert not again["changed"] and not again["confirmed"] and "diff" not in again and host.connection.resets == 1
    assert host.run("ipsec", state="absent", plan=False)["confirmed"]
    assert not files(host.machine)


def test_a_host_that_is_lost_restores_itself(host: Host) -> None:
    before = host.machine.registry.digest()
    host.connection.refuses = True
    result = host.run("ipsec", state="required")
    assert result["failed"] and result["restoring"] and not result["confirmed"] and "restores its previous rules by itself" in result["msg"]
    host.machine.advance(3600)
    host.machine.tick()
    assert host.machine.registry.digest() == before


def test_a_change_that_fails_says_that_it_was_taken_back(host: Host) -> None:
    host.machine.faults["netsh_fail"] = 2
    result = host.run("ipsec")
    assert result["failed"] and result["restored"] and not result["restoring"]


def test_what_waits_is_warned_of(host: Host) -> None:
    result = host.run("ipsec", state="required", ready=["mbx1"])
    assert result["waiting"] == ["mbx2"] and any("mbx2" in warning for warning in result["warnings"])


def test_check_mode_and_information_change_nothing(host: Host) -> None:
    before = host.machine.registry.digest()
    assert host.run("ipsec", check=True)["changed"]
    assert host.run("rpc_ports", check=True)["changed"]
    information = host.run("ipsec_info", state="required")
    assert information["differences"] and not information["changed"] and set(information) <= returned("ipsec_info")
    assert host.run("ipsec_info", plan=False)["rules"] == []
    ports = host.run("rpc_ports_info")
    assert ports["differences"] and set(ports) <= returned("rpc_ports_info")
    assert "differences" not in host.run("rpc_ports_info", plan=False)
    assert host.machine.registry.digest() == before and host.connection.resets == 0


def test_ports_are_set_and_the_restart_is_asked_for(host: Host) -> None:
    result = host.run("rpc_ports", diff=True)
    assert result["changed"] and result["restart_needed"] and result["state"] == "present" and set(result) <= returned("rpc_ports")
    assert any("restarted" in warning for warning in result["warnings"])
    assert not host.run("rpc_ports")["changed"]
    assert host.run("rpc_ports", state="absent", plan=False)["changed"]


@pytest.mark.parametrize("module", sorted(ACTIONS))
def test_a_connection_to_another_platform_is_told_clearly(host: Host, module: str) -> None:
    host.connection = Connection(windows=False)
    assert "mbx1: the plan is that of a Windows host, but the connection leads to a Unix shell" in refused(host, module)


@pytest.mark.parametrize(("module", "options", "words"), [
    ("ipsec", {"host": "hub1"}, "the plan is that of a linux host"), ("ipsec", {"host": "nobody"}, "nobody: is not in the plan"),
    ("ipsec", {"auth": "psk", "psk": "with space in"}, "psk has 13 characters"),
    ("ipsec", {"auth": "certificate", "ca": "x|y"}, "not a name that netsh can carry"),
    ("ipsec", {"rollback_timeout": 1}, "rollback_timeout is 1"), ("rpc_ports", {"host": "hub1"}, "the plan is that of a linux host"),
])
def test_mistakes_are_errors_before_the_host_is_changed(host: Host, module: str, options: dict[str, t.Any], words: str) -> None:
    before = host.machine.registry.digest()
    assert words in refused(host, module, **options)
    assert host.machine.registry.digest() == before


@pytest.mark.parametrize(("module", "options"), [
    ("ipsec", {"state": "gone"}), ("ipsec", {"auth": "psk"}), ("ipsec", {"auth": "certificate"}), ("ipsec", {"mode": "x"}), ("rpc_ports", {"range": "1-2"}),
    ("rpc_ports_info", {"state": "present"}),
])
def test_options_that_do_not_fit_are_refused(host: Host, module: str, options: dict[str, t.Any]) -> None:
    assert refused(host, module, **options)
    assert host.machine.commands == []


@pytest.mark.parametrize("module", sorted(ACTIONS))
def test_options_are_those_of_the_documentation(module: str) -> None:
    documented = yaml.safe_load(DOCS[module].DOCUMENTATION)["options"]
    spec = DOCS[module].argument_spec()
    assert {**documented, "plan": {}}.keys() == spec.keys()
    for name, option in spec.items():
        assert documented.get(name, {}).get("choices", option.get("choices")) == option.get("choices")
        assert documented.get(name, {}).get("default", option.get("default")) == option.get("default")
