# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action render as a user runs it. No task of these playbooks contacts a host."""

from __future__ import annotations

import copy
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.datapath.exchange.plugins.action.render import SPEC
from ansible_collections.datapath.exchange.plugins.modules import render as documentation
from ansible_collections.datapath.exchange.tests.unit.plugins.action.playing import PLAN, Outcome, Stage

WINDOWS = {"datapath_platform": {"os": "windows", "release": "2019"}}
INVENTORY: dict[str, t.Any] = {"all": {"vars": {"datapath_peers": {"config_controller": ["198.51.100.7"]}}, "children": {
    "hub_transport": {"hosts": {
        "hub1": {"datapath_addresses": ["192.0.2.11"], **WINDOWS}, "hub2": {"datapath_addresses": ["192.0.2.12"], **WINDOWS},
        "hub3": {"datapath_addresses": ["192.0.2.13"], "datapath_platform": "linux"},
    }},
    "mailbox": {"hosts": {
        "mbx1": {"datapath_addresses": ["192.0.2.21"], "datapath_platform": {"os": "windows", "release": "2003"}},
        "mbx2": {
            "datapath_addresses": ["192.0.2.22"], "datapath_platform": {"os": "windows", "release": "2008r2"}, "datapath_ipsec": "required",
            "datapath_scr_targets": ["mbx3"],
        },
        "mbx3": {"datapath_addresses": ["192.0.2.23"], "datapath_platform": {"os": "windows", "release": "2025"}, "datapath_ipsec": "required"},
    }},
    "domain_controller": {"hosts": {"dc1": {"ansible_host": "192.0.2.2"}}},
}}}


@pytest.fixture(name="stage")
def make_stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path, copy.deepcopy(INVENTORY))


def render(stage: Stage, *arguments: str, **options: t.Any) -> Outcome:
    return stage.tasks(
        PLAN,
        {"datapath.exchange.render": {"plan": "{{ result_0.plan }}", "dest": "rules", **options}, "run_once": True}, arguments=arguments,
    )


def written(stage: Stage) -> set[str]:
    return {path.name for path in (stage.directory / "rules").iterdir()}


def names(*hosts: str, policy: bool = True) -> set[str]:
    return {f"{host}{end}.cmd" for host in hosts for end in ("", "-undo", *(("-gpo",) if policy else ()))}


def flat(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    kept = ("type", "required", "choices", "default", "elements")
    nested = {name: value for name, value in options.items() if "options" in value or "suboptions" in value}
    return {
        **{name: {key: value[key] for key in kept if key in value and value[key] is not False} for name, value in options.items()},
        **{f"{outer}.{name}": value for outer, each in nested.items() for name, value in flat(each.get("options") or each["suboptions"]).items()},
    }


def test_options_are_those_of_the_documentation() -> None:
    assert flat(yaml.safe_load(documentation.DOCUMENTATION)["options"]) == flat(SPEC)


def test_each_host_gets_the_files_of_its_platform(stage: Stage) -> None:
    done = render(stage).results[1]
    assert written(stage) == {
        "hub3.nft", *names("hub1", "hub2", "mbx2", "mbx3"), *names("mbx1", policy=False), "role-hub_transport-gpo.cmd",
    }
    assert (done["rendered"], done["written"]) == (6, len(written(stage)))
    assert {finding["id"] for finding in done["findings"]} >= {"windows-2003-ports"}
    assert {host for finding in done["findings"] for host in finding["hosts"]} == {"mbx1"}
    again = render(stage).results[1]
    assert (again["changed"], again["written"]) == (False, 0)


def test_line_ends_are_kept_and_looked_at(stage: Stage) -> None:
    render(stage)
    path = stage.directory / "rules" / "hub1.cmd"
    made = path.read_bytes()
    assert made.count(b"\r\n") == made.count(b"\n") > 10
    path.write_bytes(made.replace(b"\r\n", b"\n"))
    assert render(stage).results[1]["written"] == 1
    assert path.read_bytes() == made


def test_check_mode_writes_nothing_and_shows_the_difference(stage: Stage) -> None:
    done = render(stage, "--check", "--diff")
    assert not (stage.directory / "rules").exists()
    assert "+rem datapath.exchange: this makes the rules of hub1." in done.output


def test_a_role_is_never_judged_by_some_of_its_hosts(stage: Stage) -> None:
    render(stage, hosts=["hub1", "mbx1"])
    assert written(stage) == {*names("hub1"), *names("mbx1", policy=False)}


def test_to_watch_nothing_blocks_and_no_group_policy_is_written(stage: Stage) -> None:
    done = render(stage, state="monitored", hosts=["hub1", "hub2"]).results[1]
    assert written(stage) == names("hub1", "hub2", policy=False)
    assert "blockinbound" not in (stage.directory / "rules" / "hub1.cmd").read_text()
    assert {finding["id"] for finding in done["findings"]} == {"windows-policy-monitored"}


def test_profiles_and_ipsec_are_passed_on(stage: Stage) -> None:
    render(stage, hosts=["mbx2"], windows_profiles=["domain"], ipsec={"auth": "certificate", "ca": "CN=Example Root", "state": "required"})
    text = (stage.directory / "rules" / "mbx2.cmd").read_text()
    assert 'auth1=computercert auth1ca="CN=Example Root"' in text
    assert "action=requireinrequireout" in text
    assert "set domainprofile state on" in text
    assert "publicprofile" not in text


def test_a_key_is_asked_for_and_never_written(stage: Stage) -> None:
    done = render(stage, hosts=["mbx2"], ipsec={"auth": "psk"}).results[1]
    assert written(stage) == names("mbx2", policy=False)
    assert [finding["id"] for finding in done["findings"]] == ["windows-policy-psk"]
    assert 'auth1psk="%DATAPATHKEY%"' in (stage.directory / "rules" / "mbx2.cmd").read_text()
    assert "requestinrequestout" in (stage.directory / "rules" / "mbx2.cmd").read_text()


def test_a_name_that_netsh_cannot_carry_is_one_error_for_all(stage: Stage) -> None:
    done = render(stage, ipsec={"auth": "certificate", "ca": '"; calc'}).results[1]
    assert done["failed"]
    assert "is not a name that netsh can carry" in done["msg"]
    assert not (stage.directory / "rules").exists()


def test_what_cannot_be_rendered_is_named_and_the_rest_is_written(stage: Stage) -> None:
    inventory, name = copy.deepcopy(INVENTORY), "mbx" + "3" * 100
    inventory["all"]["children"]["mailbox"]["hosts"][name] = {"datapath_addresses": ["192.0.2.24"], **WINDOWS}
    stage.inventory(inventory)
    done = render(stage, hosts=["hub1", name]).results[1]
    assert done["failed"]
    (error,) = done["errors"]
    assert error.startswith(f"{name}: the host: the renderer netsh_firewall refuses its name")
    assert written(stage) == names("hub1")
