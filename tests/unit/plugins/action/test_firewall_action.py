# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action firewall as a user runs it: a playbook, from the plan to the confirmed table, on a real kernel."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _rollback
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.firewall_host import SEARCH, Host, skip_reason

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

SSH = "192.0.2.10 50000 192.0.2.1 22"
INVENTORY: dict[str, t.Any] = {
    "all": {
        "vars": {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable,
            "datapath_peers": {"domain_controller": ["192.0.2.2"], "config_controller": ["192.0.2.3"]},
        },
        "children": {
            "hub_transport": {"hosts": {"hub1": {"datapath_addresses": ["192.0.2.11"]}, "hub2": {"datapath_addresses": ["192.0.2.12"]}}},
            "mailbox": {"hosts": {"mbx1": {"datapath_addresses": ["192.0.2.21"]}}},
        },
    },
}


def playbook(outcome: Path, *following: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    plan = {"datapath.exchange.plan": {}, "register": "compiled"}
    tried = [{**task, "register": "outcome", "ignore_errors": True} for task in following]
    keep = {"ansible.builtin.copy": {"content": "{{ outcome | to_json }}", "dest": str(outcome), "mode": "0600"}, "check_mode": False, "diff": False}
    return [{"hosts": "hub1", "gather_facts": False, "tasks": [plan, *tried, keep]}]


def firewall(**options: t.Any) -> dict[str, t.Any]:
    return {"datapath.exchange.firewall": {"plan": "{{ compiled.plan }}", **options}}


@pytest.fixture(name="host")
def make_host(tmp_path: Path) -> t.Iterator[Host]:
    tmp_path.joinpath("host").mkdir()
    host = Host(tmp_path / "host")
    yield host
    host.close()


@pytest.fixture(name="play")
def make_play(host: Host, tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    """Run a playbook in the host; returns the result of its last task."""

    def play(*following: dict[str, t.Any], arguments: t.Sequence[str] = (), inventory: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        tmp_path.joinpath("inventory.json").write_text(json.dumps(inventory or INVENTORY))
        tmp_path.joinpath("play.json").write_text(json.dumps(playbook(tmp_path / "outcome.json", *following)))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(tmp_path / "inventory.json"), str(tmp_path / "play.json"), *arguments]
        environment = {"ANSIBLE_COLLECTIONS_PATH": SEARCH[0], "HOME": str(tmp_path), "SSH_CONNECTION": SSH, "LC_ALL": "C.UTF-8"}
        done = host.run(*command, environment=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, t.Any] = json.loads(tmp_path.joinpath("outcome.json").read_text())
        return result

    return play


def test_a_plan_is_enforced_confirmed_and_the_second_run_changes_nothing(host: Host, play: t.Callable[..., dict[str, t.Any]]) -> None:
    first = play(firewall())
    assert first["changed"], first
    assert first["confirmed"], first
    assert (first["state"], first["session"], first["foreign_firewalls"]) == ("enforced", [{"address": "192.0.2.10", "port": 22}], [])
    assert "pending" not in first
    assert "policy drop" in host.table()
    assert host.path(_boot.RULES).exists()
    before = host.footprint()
    second = play(firewall())
    assert (second["changed"], second["confirmed"]) == (False, False), second
    assert host.footprint() == before


def test_check_mode_confirms_nothing(host: Host, play: t.Callable[..., dict[str, t.Any]]) -> None:
    result = play(firewall(), arguments=("--check", "--diff"))
    assert result["changed"], result
    assert "confirmed" not in result
    assert result["diff"][0]["before"] == ""
    assert "table inet datapath {" in result["diff"][0]["after"]
    assert host.table() == ""
    assert not host.path(_rollback.DIRECTORY).exists()


def test_absent_needs_no_plan(host: Host, play: t.Callable[..., dict[str, t.Any]]) -> None:
    play(firewall())
    result = play({"datapath.exchange.firewall": {"state": "absent"}})
    assert result["changed"], result
    assert host.table() == ""
    assert play({"datapath.exchange.firewall": {"state": "absent"}})["changed"] is False


def test_other_states_need_a_plan(host: Host, play: t.Callable[..., dict[str, t.Any]]) -> None:
    result = play({"datapath.exchange.firewall": {"state": "monitored"}})
    assert result["failed"]
    assert "state is monitored but all of the following are missing: plan" in result["msg"]
    assert host.table() == ""


def test_a_plan_of_other_inputs_is_refused(host: Host, play: t.Callable[..., dict[str, t.Any]]) -> None:
    result = play({"datapath.exchange.firewall": {"plan": {"path": "{{ compiled.plan.path }}", "digest": "0" * 64}}})
    assert result["failed"], result
    assert "is not the plan 000000000000" in result["msg"]
    assert host.table() == ""


def test_a_windows_host_is_refused_by_name(play: t.Callable[..., dict[str, t.Any]]) -> None:
    windows = json.loads(json.dumps(INVENTORY))
    windows["all"]["children"]["hub_transport"]["hosts"]["hub1"]["datapath_platform"] = "windows"
    result = play(firewall(), inventory=windows)
    assert result["failed"], result
    assert result["msg"].startswith("hub1: the plan is that of a Windows host, but the connection leads to a Unix shell")


def test_info_says_in_words_what_differs_from_the_plan(host: Host, play: t.Callable[..., dict[str, t.Any]]) -> None:
    info = {"datapath.exchange.firewall_info": {"plan": "{{ compiled.plan }}"}}
    same = play(firewall(), info)
    assert (same["drift"], same["differences"], same["drift_diff"], same["state"]) == (False, [], "", "enforced"), same
    assert "listing" not in same
    host.nft("add", "rule", "inet", "datapath", "input", "tcp", "dport", "8080", "accept")
    other = play(info)
    assert other["drift"], other
    assert any("8080" in difference for difference in other["differences"])
    assert "8080" in other["drift_diff"]
