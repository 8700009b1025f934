# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as a user runs them, as far as they contact no host. Hosts of these inventories cannot be reached at all, so a try to would fail."""

from __future__ import annotations

import json
import re
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.tests.unit.plugins.action.playing import Stage

UNREACHABLE = {"ansible_connection": "ssh", "ansible_ssh_executable": "/bin/false", "ansible_python_interpreter": sys.executable}
INVENTORY: dict[str, t.Any] = {"all": {"vars": UNREACHABLE, "children": {
    "hub_transport": {"hosts": {"hub1": {"ansible_host": "192.0.2.11"}}},
    "storage": {"hosts": {"mbx1": {"ansible_host": "192.0.2.21"}}},
    "domain_controller": {"hosts": {"dc1": {"ansible_host": "192.0.2.2"}}},
}}}
MAPPED = {"datapath_role_groups": {"mailbox": ["storage"]}}


@pytest.fixture(name="stage")
def make_stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, {"all": {**INVENTORY["all"], "vars": {**UNREACHABLE, **MAPPED}}})


def recap(output: str) -> dict[str, dict[str, int]]:
    return {
        match[1]: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", match[2])}
        for match in re.finditer(r"^(\w+) +: (ok=.*)$", output, re.MULTILINE)
    }


def test_plan_shows_scope_support_statement_findings_and_what_is_not_used(stage: Stage) -> None:
    done = stage.playbook("datapath.exchange.plan")
    assert done.code == 0, done.output
    for text in (
        "2 hosts in 1 site (default)", "Scope: documented; encryption: as_documented", "Source: https://techcommunity.microsoft.com/", "Findings: 0 errors",
        "  edgesync-ldaps: no host has the role edge_transport",
    ):
        assert text in done.output


def test_plan_keeps_and_compares_where_it_is_told_to(stage: Stage) -> None:
    arguments = ("-e", "datapath_plan_dir=kept")
    assert stage.playbook("datapath.exchange.plan", *arguments).code == 0
    assert set(artefact.read_index(stage.directory / "kept")["hosts"]) == {"hub1", "mbx1"}
    done = stage.playbook("datapath.exchange.plan", *arguments, "-e", "datapath_compare_with=kept", "-e", "datapath_scope=supported", "--check")
    assert re.search(r"Compared with the earlier plan: [1-9]\d* flows gained, 0 flows lost, 0 hosts added, 0 hosts removed", done.output), done.output
    assert artefact.read_index(stage.directory / "kept")["summary"]["scope"] == "documented"


def test_ask_answers_one_question_from_the_command_line(stage: Stage) -> None:
    done = stage.playbook("datapath.exchange.ask", "-e", "from=hub1", "-e", "to=mbx1", "-e", "port=135/tcp", "--limit", "dc1")
    assert done.code == 0, done.output
    assert "hub1 to mbx1 135/tcp: allowed by hub-to-mailbox-mapi" in done.output


@pytest.mark.parametrize(("expect", "code"), [("allowed", 0), ("denied", 2)])
def test_ask_answers_a_file_of_questions_and_fails_with_its_expectations(stage: Stage, expect: str, code: int) -> None:
    questions = [{"from": "hub1", "to": "mbx1", "port": "135/tcp", "expect": expect}, {"from": "dc1", "to": "mbx1", "port": "445/tcp"}]
    (stage.directory / "questions.json").write_text(json.dumps({"questions": questions}))
    done = stage.playbook("datapath.exchange.ask", "-e", "@questions.json")
    assert done.code == code, done.output
    if code:
        assert "expected denied, but hub1 to mbx1 135/tcp: allowed" in done.output
        assert "1 of 2 answers are not as expected." in done.output
    else:
        assert "dc1 to mbx1 445/tcp: denied" in done.output


def test_ask_says_what_is_missing(stage: Stage) -> None:
    done = stage.playbook("datapath.exchange.ask", "-e", "from=hub1")
    assert done.code == 2
    assert "questions[0].to: is missing; name a host, a peer kind or an address" in done.output


def test_render_writes_one_file_per_managed_host_of_the_play(stage: Stage) -> None:
    arguments = ("-e", "datapath_render_dir=rules")
    assert stage.playbook("datapath.exchange.render", *arguments, "--limit", "hub1").code == 0
    assert [path.name for path in (stage.directory / "rules").iterdir()] == ["hub1.nft"]
    looked = stage.playbook("datapath.exchange.render", *arguments, "--check", "--diff")
    assert "+table inet datapath" in looked.output
    assert not (stage.directory / "rules" / "mbx1.nft").exists()
    done, again = (stage.playbook("datapath.exchange.render", *arguments) for _run in range(2))
    assert sorted(path.name for path in (stage.directory / "rules").iterdir()) == ["hub1.nft", "mbx1.nft"]
    assert sum(host["changed"] for host in recap(done.output).values()) == 1
    assert sum(host["changed"] for host in recap(again.output).values()) == 0


@pytest.mark.parametrize("name", ["site", "verify", "report", "remove"])
def test_hosts_without_a_server_role_are_never_contacted(stage: Stage, name: str) -> None:
    done = stage.playbook(f"datapath.exchange.{name}", "--limit", "dc1")
    assert done.code == 0, done.output
    assert "UNREACHABLE" not in done.output


@pytest.mark.parametrize("name", ["site", "verify", "report", "remove"])
def test_managed_hosts_are_contacted_also_those_of_mapped_groups(stage: Stage, name: str) -> None:
    """What the test above relies on: a host that is contacted shows."""
    done = stage.playbook(f"datapath.exchange.{name}")
    assert done.code != 0
    assert {host for host, counts in recap(done.output).items() if counts["unreachable"]} == {"hub1", "mbx1"}, done.output


def test_verify_contacts_other_hosts_only_where_they_may_be_logged_into(stage: Stage) -> None:
    stage.inventory({"all": {**INVENTORY["all"], "vars": {**UNREACHABLE, **MAPPED, "datapath_probe": True}}})
    done = stage.playbook("datapath.exchange.verify", "--limit", "dc1")
    assert recap(done.output)["dc1"]["unreachable"] == 1, done.output


def test_site_contacts_nobody_when_one_host_fails_its_checks(stage: Stage) -> None:
    stage.inventory({"all": {**INVENTORY["all"], "vars": {**UNREACHABLE, **MAPPED, "datapath_rollback_timeout": 5}}})
    done = stage.playbook("datapath.exchange.site")
    assert done.code != 0
    assert "datapath_rollback_timeout is 5" in done.output
    assert "UNREACHABLE" not in done.output


def test_site_contacts_nobody_when_the_inventory_has_mistakes(stage: Stage) -> None:
    done = stage.playbook("datapath.exchange.site", "-e", "datapath_site=''", "-e", "datapath_zone=moon")
    assert done.code != 0
    assert "hub1: datapath_zone: 'moon' is not one of internal, perimeter" in done.output
    assert "UNREACHABLE" not in done.output
