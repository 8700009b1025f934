# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions for RPC ports as a user runs them on Linux: a playbook, from the plan to the kernel, in a network of its own."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.datapath.exchange.plugins.modules import rpc_ports, rpc_ports_info
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.firewall_host import SEARCH, skip_reason
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.test_rpc_ports import BEFORE, RpcHost

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

PLAN = {"datapath.exchange.plan": {}, "register": "compiled"}
SET = {"datapath.exchange.rpc_ports": {"plan": "{{ compiled.plan }}"}}
READ = {"datapath.exchange.rpc_ports_info": {"plan": "{{ compiled.plan }}"}}
ABSENT = {"datapath.exchange.rpc_ports": {"state": "absent"}}
Play = t.Callable[..., list[dict[str, t.Any]]]


@pytest.fixture(name="host")
def make_host(tmp_path: Path) -> t.Iterator[RpcHost]:
    tmp_path.joinpath("host").mkdir()
    host = RpcHost(tmp_path / "host")
    yield host
    host.close()


@pytest.fixture(name="play")
def make_play(host: RpcHost, tmp_path: Path) -> Play:
    """Run tasks in the host after a plan; returns their results."""

    def play(*tasks: dict[str, t.Any], arguments: t.Sequence[str] = (), **variables: t.Any) -> list[dict[str, t.Any]]:
        mailbox = {"datapath_addresses": ["192.0.2.21"], "datapath_rpc_range": "51000-51999", "datapath_static_ports": {"store": 6100}, **variables}
        everyone = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {"all": {"vars": everyone, "children": {"mailbox": {"hosts": {"mbx1": mailbox}}}}}
        kept = [{**task, "register": f"result_{number}", "ignore_errors": True} for number, task in enumerate(tasks)]
        content = "{{ [" + ", ".join(task["register"] for task in kept) + "] | to_json }}"
        keep = {"ansible.builtin.copy": {"content": content, "dest": str(tmp_path / "outcome.json"), "mode": "0600"}, "check_mode": False, "diff": False}
        (tmp_path / "inventory.json").write_text(json.dumps(inventory))
        (tmp_path / "play.json").write_text(json.dumps([{"hosts": "mbx1", "gather_facts": False, "tasks": [PLAN, *kept, keep]}]))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(tmp_path / "inventory.json"), str(tmp_path / "play.json"), *arguments]
        done = host.run(*command, environment={"ANSIBLE_COLLECTIONS_PATH": SEARCH[0], "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, done.stdout + done.stderr
        results: list[dict[str, t.Any]] = json.loads((tmp_path / "outcome.json").read_text())
        return results

    return play


def test_the_plan_sets_the_host_and_absent_gives_back_what_was_there(host: RpcHost, play: Play) -> None:
    first, second, info, gone = play(SET, SET, READ, ABSENT)
    assert first["changed"] and first["state"] == "present" and (first["range"], first["source"]) == ("51000-51999", "datapath_rpc_range")
    assert not second["changed"] and first["dynamic"]["ipv4"] == "51000-51999" and first["static"] == {"store": 6100}
    assert not info["changed"] and info["differences"] == [] and gone["changed"] and host.ports() == BEFORE
    own = {"changed", "failed", "warnings", "deprecations", "_ansible_no_log"}
    for module, results in ((rpc_ports, (first, second, gone)), (rpc_ports_info, (info,))):
        assert set().union(*results) - own <= set(yaml.safe_load(module.RETURN))


def test_check_mode_and_difference(host: RpcHost, play: Play) -> None:
    planned, info = play(SET, READ, arguments=("--check", "--diff"))
    assert planned["changed"] and "ip_local_port_range: 51000-51999" in planned["diff"]["after"] and host.ports() == BEFORE
    assert info["differences"][0] == "net.ipv4.ip_local_port_range is 32768-60999, not 51000-51999"


def test_a_host_whose_plan_is_that_of_windows_is_refused(host: RpcHost, play: Play) -> None:
    for result in play(SET, READ, datapath_platform={"os": "windows", "release": "2019"}):
        assert result["failed"] and "the plan is that of a Windows host, but the connection leads to a Unix shell" in result["msg"]
    assert host.ports() == BEFORE


def test_mistakes_are_errors_before_the_host_is_changed(host: RpcHost, play: Play) -> None:
    other = {"datapath.exchange.rpc_ports": {"plan": "{{ compiled.plan }}", "host": "nobody"}}
    missing, unknown, handed = play({"datapath.exchange.rpc_ports": {}}, other, {"datapath.exchange.rpc_ports": {"state": "absent", "settings": {}}})
    assert missing["failed"] and "plan" in missing["msg"] and unknown["failed"] and "nobody: is not in the plan" in unknown["msg"] and handed["failed"]
    assert host.ports() == BEFORE


def test_reading_needs_no_plan(play: Play) -> None:
    (info,) = play({"datapath.exchange.rpc_ports_info": {}})
    assert info["dynamic"] == {"ipv4": "32768-60999", "ipv6": "32768-60999"} and "differences" not in info
