# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes and their report where some hosts run Windows. These hosts cannot be reached at all, so a try to would fail."""

from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.tests.unit.plugins.action.playing import Stage

UNREACHABLE = {"ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false", "ansible_python_interpreter": sys.executable}


def inventory(**variables: t.Any) -> dict[str, t.Any]:
    return {"all": {"vars": UNREACHABLE, "children": {
        "hub_transport": {"hosts": {"hub1": {"ansible_host": "192.0.2.11", **variables}}},
        "mailbox": {"hosts": {"mbx1": {"ansible_host": "192.0.2.21", **variables}}},
    }}}


PLAN = {"datapath.exchange.plan": {}, "run_once": True, "delegate_to": "localhost"}
REPORT = {"datapath.exchange.report": {"plan": "{{ result_0.plan }}", "results_dir": "results"}, "run_once": True, "delegate_to": "localhost"}
PROBE = {"datapath.exchange.probe": {"plan": "{{ result_0.plan }}", "results_dir": "results"}}


def run(stage: Stage, *tasks: dict[str, t.Any]) -> tuple[list[dict[str, t.Any]], str]:
    """Run tasks; returns what each gave on the first host, kept by a task that contacts none."""
    named = [{"ignore_errors": True, **task, "register": f"result_{number}"} for number, task in enumerate(tasks)]
    kept = stage.directory / "outcome.json"
    content = "{{ [" + ", ".join(f"result_{number}" for number in range(len(tasks))) + "] | to_json }}"
    keep = {
        "ansible.builtin.copy": {"content": content, "dest": str(kept), "mode": "0600"}, "run_once": True, "delegate_to": "localhost",
        "vars": {"ansible_connection": "local", "ansible_shell_type": "sh"},
    }
    done = stage.plays([{"hosts": "all", "gather_facts": False, "tasks": [*named, keep]}])
    assert kept.exists(), done.output
    results: list[dict[str, t.Any]] = json.loads(kept.read_text(encoding="utf-8"))
    return results, done.output


@pytest.mark.parametrize("shell", ["powershell", "cmd"])
def test_a_windows_host_is_not_contacted_and_its_probes_are_skipped_with_the_reason(tmp_path: Path, shell: str) -> None:
    (_plan, probed, report), output = run(Stage(tmp_path, inventory(ansible_shell_type=shell)), PLAN, PROBE, REPORT)
    assert "UNREACHABLE" not in output
    assert (probed["skipped"], probed["changed"]) == (True, False), output
    assert probed["planned"] > 0
    assert probed["skip_reason"].startswith("this host runs Windows")
    assert report["totals"]["skipped"] == report["totals"]["total"] > probed["planned"]
    assert report["failed"]
    assert report["msg"].startswith("nothing was tested")


def test_a_list_of_ones_own_cannot_be_tried_from_windows(tmp_path: Path) -> None:
    own = {"datapath.exchange.probe": {"probes": [{"id": "a", "address": "192.0.2.1", "port": 25}]}}
    (tried,), output = run(Stage(tmp_path, inventory(ansible_shell_type="powershell")), own)
    assert tried["failed"]
    assert tried["msg"].startswith("hub1: this host runs Windows, from where nothing can be tried"), output


def test_a_host_with_a_posix_shell_is_contacted(tmp_path: Path) -> None:
    """What the tests above rely on: a host that is contacted shows."""
    done = Stage(tmp_path, inventory()).tasks(PLAN, PROBE)
    assert "UNREACHABLE" in done.output
