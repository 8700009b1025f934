# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plan as a user runs it. No task of these playbooks contacts a host."""

from __future__ import annotations

import copy
import json
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.datapath.exchange.plugins.action.plan import ORGANISATION_FEATURES
from ansible_collections.datapath.exchange.plugins.modules import plan as documentation
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import ORGANISATION_DEFAULTS
from ansible_collections.datapath.exchange.tests.unit.plugins.action.playing import PLAN, Stage

INVENTORY: dict[str, t.Any] = {"all": {"vars": {"network": "192.0.2"}, "children": {
    "hub_transport": {"hosts": {"hub1": {"ansible_host": "{{ network }}.11"}, "hub2": {"datapath_addresses": ["192.0.2.12"]}}},
    "mailbox": {"hosts": {"mbx1": {"datapath_addresses": ["{{ network }}.21", "2001:db8::21"]}}},
    "domain_controller": {"hosts": {"dc1": {"ansible_host": "192.0.2.2"}}},
    "others": {"hosts": {"printer": {"datapath_anything": "{{ undefined_here }}", "password": "{{ undefined_too }}"}}},
}}}


@pytest.fixture(name="stage")
def make_stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, changed())


def changed(**hosts: dict[str, t.Any]) -> dict[str, t.Any]:
    """The inventory with further variables of some hosts."""
    inventory = copy.deepcopy(INVENTORY)
    del inventory["all"]["children"]["others"]
    for group in inventory["all"]["children"].values():
        for name, variables in group["hosts"].items():
            variables.update(hosts.get(name, {}))
    return inventory


def test_options_are_those_of_the_planner_and_documented() -> None:
    organisation = {name for name, feature in load().features.items() if not feature.owner}
    assert set(ORGANISATION_FEATURES) == organisation
    documented = set(yaml.safe_load(documentation.DOCUMENTATION)["options"])
    assert documented == {*ORGANISATION_DEFAULTS, *organisation, "dest", "compare_with", "reuse"}


def test_a_plan_covers_hosts_outside_the_limit_and_says_where_it_is(stage: Stage) -> None:
    done = stage.tasks({"datapath.exchange.plan": {"dest": "kept"}, "run_once": True}, arguments=["--limit", "hub1"])
    (plan,) = done.results
    assert plan["plan"] == {"path": str(stage.directory / "kept"), "digest": artefact.read_index(stage.directory / "kept")["digest"]}
    assert set(artefact.read_index(stage.directory / "kept")["hosts"]) == {"hub1", "hub2", "mbx1"}
    assert artefact.read_host(stage.directory / "kept", "mbx1").families == ("ipv4", "ipv6")
    assert plan["groups"]["mailbox"] == ["mailbox"]
    assert plan["summary"]["scope"] == "documented"
    assert plan["summary"]["statement_source"] in "\n".join(plan["report_lines"])


def test_limit_order_and_options_of_applying_change_no_byte(stage: Stage) -> None:
    for name, arguments in (("one", ["--limit", "mbx1"]), ("two", ["-e", "datapath_firewall_state=monitored"])):
        assert stage.tasks({"datapath.exchange.plan": {"dest": name}, "run_once": True}, arguments=arguments).results[0]["changed"]
    files = [{path.relative_to(stage.directory / name): path.read_bytes() for path in (stage.directory / name).rglob("*.json")} for name in ("one", "two")]
    assert files[0] == files[1]
    assert files[0]


CANARY = "canary-3f9d-not-a-key"


@pytest.mark.parametrize("value", [CANARY, "{{ secret }}", "{{ lookup('ansible.builtin.unvault', 'missing') }}"])
def test_a_pre_shared_key_is_in_no_file_no_digest_and_no_word_of_a_run(stage: Stage, value: str) -> None:
    task = {"datapath.exchange.plan": {"dest": "kept"}, "run_once": True}
    (without,) = stage.tasks(task, arguments=["-vvv"]).results
    stage.inventory(changed(mbx1={"datapath_ipsec_psk": value, "secret": CANARY, "datapath_ipsec": "requested"}, hub1={"datapath_ipsec": "requested"}))
    (plain,) = stage.tasks(task, arguments=["-vvv"]).results
    stage.inventory(changed(mbx1={"datapath_ipsec_psk": f"{value}!", "secret": CANARY, "datapath_ipsec": "requested"}, hub1={"datapath_ipsec": "requested"}))
    done = stage.tasks(task, arguments=["-vvv"])
    assert not done.results[0]["failed"], done.output
    assert done.results[0]["plan"]["digest"] == plain["plan"]["digest"] != without["plan"]["digest"]
    assert CANARY not in done.output
    assert CANARY not in json.dumps(done.results)
    files = list((stage.directory / "kept").rglob("*.json"))
    assert files
    assert not [path for path in files if CANARY in path.read_text(encoding="utf-8")]


def test_a_kept_plan_changes_only_with_its_content(stage: Stage) -> None:
    task = {"datapath.exchange.plan": {"dest": "kept"}, "run_once": True}
    assert [result["changed"] for result in stage.tasks(task, task).results] == [True, False]
    stage.inventory(changed(mbx1={"datapath_site": "branch"}))
    assert [result["changed"] for result in stage.tasks(task, task).results] == [True, False]


def test_check_mode_compares_and_leaves_the_kept_plan(stage: Stage) -> None:
    stage.tasks({"datapath.exchange.plan": {"dest": "kept"}, "run_once": True})
    before = (stage.directory / "kept" / "index.json").read_bytes()
    stage.inventory(changed(hub1={"datapath_egress": "restricted"}, mbx1={"datapath_rpc_range": "50000-50999"}))
    task = {"datapath.exchange.plan": {"dest": "kept", "compare_with": "kept"}, "run_once": True}
    looked, done = stage.tasks(task, arguments=["--check"]).results[0], stage.tasks(task).results[0]
    assert looked["changed"]
    assert looked["comparison"] == done["comparison"]
    assert any(flow.startswith("mbx1 in 50000-50999/tcp") for flow in done["comparison"]["gained"]), done["comparison"]
    assert done["comparison"]["lost_total"] == len(done["comparison"]["lost"]) > 0
    assert before != (stage.directory / "kept" / "index.json").read_bytes()


def test_check_mode_writes_nothing(stage: Stage) -> None:
    stage.tasks({"datapath.exchange.plan": {"dest": "kept"}, "run_once": True}, arguments=["--check"])
    assert not (stage.directory / "kept").exists()


def test_a_plan_that_is_not_kept_changes_nothing_and_is_gone_afterwards(stage: Stage) -> None:
    (plan,) = stage.tasks(PLAN).results
    assert not plan["changed"]
    assert not Path(plan["plan"]["path"]).exists()


def test_something_that_is_no_plan_is_never_replaced(stage: Stage) -> None:
    kept = stage.directory / "kept"
    kept.mkdir()
    (kept / "letter.txt").write_text("dear reader")
    (plan,) = stage.tasks({"datapath.exchange.plan": {"dest": "kept"}, "run_once": True}).results
    assert plan["failed"]
    assert (kept / "letter.txt").read_text() == "dear reader"


def test_all_mistakes_of_all_hosts_are_shown_at_once(stage: Stage) -> None:
    stage.inventory(changed(hub1={"datapath_site": "{{ nowhere_to_be_found }}"}, hub2={"datapath_zone": "moon"}, mbx1={"datapath_sight": "head"}))
    (plan,) = stage.tasks(PLAN).results
    assert plan["failed"]
    assert len(plan["errors"]) == 3
    assert plan["errors"][0].startswith("hub1: datapath_site: cannot be templated from inventory alone (")
    assert "nowhere_to_be_found" in plan["errors"][0]
    assert "hub2: datapath_zone: 'moon' is not one of internal, perimeter" in plan["errors"]
    assert any(error.startswith("mbx1: datapath_sight: is not a variable of this collection") for error in plan["errors"])
    assert plan["msg"].endswith("3 error(s) in the inventory; nothing was planned and no host was touched.")


def test_other_variables_and_other_hosts_are_not_templated(stage: Stage) -> None:
    stage.inventory(INVENTORY)
    (plan,) = stage.tasks(PLAN).results
    # The printer is in no group that counts, so its own mistake is shown for what it is and for nothing else.
    assert plan["errors"] == [error for error in plan["errors"] if error.startswith("printer: datapath_anything: cannot be templated")]
    assert len(plan["errors"]) == 1


def test_templates_may_ask_the_inventory_for_other_hosts(stage: Stage) -> None:
    stage.inventory(changed(mbx1={"datapath_cluster": "{{ hostvars['hub1'].ansible_host }}", "datapath_file_share_witness": "{{ groups.hub_transport[0] }}"}))
    (plan,) = stage.tasks({"datapath.exchange.plan": {"dest": "kept"}, "run_once": True}).results
    assert not plan["failed"], plan.get("msg")


@pytest.mark.parametrize("extra", [{"cacheable": True}, {}])
def test_set_fact_does_not_leak_in(stage: Stage, extra: dict[str, t.Any]) -> None:
    setting = {"ansible.builtin.set_fact": {"datapath_site": "elsewhere", **extra}, "when": "inventory_hostname == 'mbx1'"}
    plan = stage.tasks(setting, PLAN).results[1]
    assert plan["errors"] == ["mbx1: datapath_site: was set by set_fact, register, include_vars or a fact; set it in inventory"]


def test_facts_of_an_earlier_run_do_not_leak_in(stage: Stage) -> None:
    stage.environment = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(stage.directory / "facts")}
    stage.tasks({"ansible.builtin.set_fact": {"datapath_site": "elsewhere", "cacheable": True}}, arguments=["--limit", "mbx1"])
    assert any("elsewhere" in path.read_text() for path in (stage.directory / "facts").iterdir())
    (plan,) = stage.tasks(PLAN).results
    assert plan["errors"] == ["mbx1: datapath_site: was set by set_fact, register, include_vars or a fact; set it in inventory"]


def test_facts_do_not_leak_in_through_templates(stage: Stage) -> None:
    stage.inventory(changed(
        hub1={"datapath_site": "{{ learned }}"}, hub2={"datapath_site": "{{ hostvars.mbx1.learned }}"}, mbx1={"datapath_site": "{{ ansible_facts.learned }}"},
    ))
    plan = stage.tasks({"ansible.builtin.set_fact": {"learned": "head", "cacheable": True}}, PLAN).results[1]
    assert [error.split(" (")[0] for error in plan["errors"]] == [
        f"{host}: datapath_site: cannot be templated from inventory alone" for host in ("hub1", "hub2", "mbx1")
    ]


def test_include_vars_does_not_leak_in(stage: Stage) -> None:
    (stage.directory / "more.json").write_text(json.dumps({"datapath_zone": "internal"}))
    plan = stage.tasks({"ansible.builtin.include_vars": {"file": "more.json"}}, PLAN).results[1]
    assert len(plan["errors"]) == 4
    assert all("datapath_zone: was set by set_fact, register, include_vars or a fact" in error for error in plan["errors"])


@pytest.mark.parametrize(("variable", "value", "error"), [
    ("datapath_zone", "internal", "is set for a play, role or task, where the plan of the whole organisation cannot see it; set it in inventory"),
    (
        "datapath_scope", "supported",
        "is set for a play, role or task and not given to the plan; set it for group all, or as its option scope",
    ),
    ("datapath_scoop", "supported", "is not a variable of this collection; correct its name or remove it"),
])
def test_play_variables_that_the_plan_cannot_see_are_named(stage: Stage, variable: str, value: str, error: str) -> None:
    assert stage.tasks(PLAN, vars={variable: value}).results[0]["errors"] == [f"play: {variable}: {error}"]


def test_organisation_variables_arrive_as_options_and_as_extra_variables(stage: Stage) -> None:
    options = {"scope": "{{ datapath_scope }}", "enforce_site_scope": "{{ datapath_enforce_site_scope | default(true) }}"}
    given = {"datapath.exchange.plan": options, "run_once": True}
    played = stage.tasks(given, vars={"datapath_scope": "supported"}).results[0]
    extra = stage.tasks(given, arguments=["-e", "datapath_scope=supported", "-e", "datapath_enforce_site_scope=false"]).results[0]
    assert played["summary"]["scope"] == extra["summary"]["scope"] == "supported"
    assert not extra["failed"]


def test_findings_that_forbid_the_plan_fail_and_keep_nothing(stage: Stage) -> None:
    inventory = changed()
    inventory["all"]["children"]["unified_messaging"] = {"hosts": {"um1": {"datapath_addresses": ["192.0.2.51"]}}}
    stage.inventory(inventory)
    (plan,) = stage.tasks({"datapath.exchange.plan": {"dest": "kept"}, "run_once": True}).results
    assert plan["failed"]
    assert plan["msg"].startswith("ERROR R-UM-02: ")
    assert plan["msg"].endswith("1 finding(s) forbid this plan; no host was touched.")
    assert "plan" not in plan
    assert not (stage.directory / "kept").exists()


def test_a_second_task_of_the_play_takes_the_plan_of_the_first(stage: Stage) -> None:
    again = {"datapath.exchange.plan": {"reuse": "{{ result_0 }}"}, "run_once": True}
    other = {"datapath.exchange.plan": {"scope": "supported", "reuse": "{{ result_0 }}"}, "run_once": True}
    first, second, third = stage.tasks(PLAN, again, other).results
    assert [first["reused"], second["reused"], third["reused"]] == [False, True, False]
    assert second["plan"] == first["plan"]
    assert third["summary"]["scope"] == "supported"


def test_a_plan_of_another_play_or_one_that_is_gone_is_not_taken(stage: Stage) -> None:
    play: dict[str, t.Any] = {"hosts": "all", "gather_facts": False}
    again: dict[str, t.Any] = {"datapath.exchange.plan": {"reuse": "{{ first }}"}, "run_once": True, "register": "second"}
    planned: dict[str, t.Any] = {"datapath.exchange.plan": {}, "run_once": True, "register": "first"}
    gone: dict[str, t.Any] = {"ansible.builtin.file": {"path": "{{ first.plan.path }}", "state": "absent"}, "run_once": True}
    fresh: dict[str, t.Any] = {"ansible.builtin.assert": {"that": "not second.reused"}, "run_once": True}
    assert stage.plays([{**play, "tasks": [planned]}, {**play, "tasks": [again, fresh]}]).code == 0
    assert stage.plays([{**play, "tasks": [planned, gone, again, fresh]}]).code == 0


def test_unknown_options_are_refused(stage: Stage) -> None:
    (plan,) = stage.tasks({"datapath.exchange.plan": {"scop": "supported"}, "run_once": True}).results
    assert plan["failed"]
    assert "scop" in plan["msg"]
