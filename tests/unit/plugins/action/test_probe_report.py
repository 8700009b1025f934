# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions probe and report as a user runs them: plan, rendered rules on real kernels, probes between them, judgement."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import ansible
import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import nftables
from ansible_collections.datapath.exchange.plugins.plugin_utils._report import results

SEARCH = (str(Path(results.__file__).parents[6]), str(Path(ansible.__file__).parents[1]))
ADDRESSES = {"hub1": "192.0.2.11", "mbx1": "192.0.2.21"}
TOOLS = ("ip", "nft", "unshare")


def _unable() -> str:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"needs {', '.join(missing)}"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "needs root and the right to make network namespaces"
    return ""


pytestmark = pytest.mark.skipif(bool(_unable()), reason=_unable())


class Organisation:
    """Two servers, each a network namespace that Ansible reaches through an interpreter of its own."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.spaces = {host: f"dxr{os.getpid()}{host}" for host in ADDRESSES}
        self.out = scratch / "outcome.json"
        self.results = scratch / "results"

    def build(self) -> None:
        for host, space in self.spaces.items():
            self.ip("netns", "add", space)
            self.ip("-n", space, "link", "set", "lo", "up")
            wrapper = self.scratch / f"python-{host}"
            wrapper.write_text(f'#!/bin/sh\nexec ip netns exec {space} {sys.executable} "$@"\n')
            wrapper.chmod(0o755)
        one, other = self.spaces.values()
        self.ip("link", "add", "dx0", "netns", one, "type", "veth", "peer", "name", "dx0", "netns", other)
        for host, address in ADDRESSES.items():
            self.ip("-n", self.spaces[host], "addr", "add", f"{address}/24", "dev", "dx0")
            self.ip("-n", self.spaces[host], "link", "set", "dx0", "up")
        planned = self.play({"datapath.exchange.plan": {"dest": str(self.scratch / "plan")}}, limit="hub1")
        assert not planned.get("failed"), planned
        self.digest = artefact.read_index(self.scratch / "plan")["digest"]

    def fresh(self) -> None:
        """Forget rules and results of the test before."""
        for host in ADDRESSES:
            self.nft(host, "flush ruleset")
        shutil.rmtree(self.results, ignore_errors=True)
        shutil.rmtree(self.scratch / "reports", ignore_errors=True)

    def close(self) -> None:
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "delete", space], check=False, capture_output=True)

    @staticmethod
    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    def nft(self, host: str, text: str) -> None:
        subprocess.run(["ip", "netns", "exec", self.spaces[host], "nft", "-f", "-"], input=text, text=True, check=True)

    def enforce(self, host: str) -> None:
        self.nft(host, nftables.render(artefact.read_host(self.scratch / "plan", host, self.digest)))

    def inventory(self) -> dict[str, t.Any]:
        hosts = {
            host: {"hosts": {host: {"datapath_addresses": [ADDRESSES[host]], "ansible_python_interpreter": str(self.scratch / f"python-{host}")}}}
            for host in ADDRESSES
        }
        shared = {"ansible_connection": "local", "datapath_peers": {"domain_controller": ["192.0.2.2"], "config_controller": ["192.0.2.3"]}}
        return {"all": {"vars": shared, "children": {"hub_transport": hosts["hub1"], "mailbox": hosts["mbx1"]}}}

    def play(self, *tasks: dict[str, t.Any], limit: str = "all", check: bool = False) -> dict[str, t.Any]:
        """Run tasks; returns what the last one registered on the first host."""
        keep = {
            "ansible.builtin.copy": {"content": "{{ outcome | to_json }}", "dest": str(self.out), "mode": "0600"}, "delegate_to": "localhost", "run_once": True,
            "check_mode": False, "vars": {"ansible_python_interpreter": sys.executable},
        }
        plays = [{"hosts": "all", "gather_facts": False, "tasks": [*({**task, "register": "outcome", "ignore_errors": True} for task in tasks), keep]}]
        (self.scratch / "inventory.json").write_text(json.dumps(self.inventory()))
        (self.scratch / "play.json").write_text(json.dumps(plays))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", "play.json", "--limit", limit, *(["--check"] * check)]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(SEARCH), "ANSIBLE_COLLECTIONS_PATH": SEARCH[0], "HOME": str(self.scratch)}
        done = subprocess.run(command, cwd=self.scratch, env=variables, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        outcome: dict[str, t.Any] = json.loads(self.out.read_text())
        return outcome

    @property
    def plan(self) -> dict[str, str]:
        return {"path": str(self.scratch / "plan"), "digest": self.digest}

    def probe(self, **options: t.Any) -> dict[str, t.Any]:
        return {"datapath.exchange.probe": {"plan": self.plan, "results_dir": str(self.results), "timeout": 0.5, **options}}

    def report(self, **options: t.Any) -> dict[str, t.Any]:
        return {"datapath.exchange.report": {"plan": self.plan, "results_dir": str(self.results), **options}, "run_once": True}


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Organisation]:
    made = Organisation(tmp_path_factory.mktemp("organisation"))
    try:
        made.build()
        yield made
    finally:
        made.close()


@pytest.fixture(name="organisation")
def _organisation(built: Organisation) -> Organisation:
    built.fresh()
    return built


def test_an_enforced_plan_is_what_the_wire_shows(organisation: Organisation) -> None:
    for host in ADDRESSES:
        organisation.enforce(host)
    seen = organisation.play(organisation.probe())
    assert set(seen) >= {"planned", "counts", "results_file"}
    assert not {"results", "invocation"}.intersection(seen)
    assert seen["planned"] == sum(seen["counts"].values()) > 0
    assert sorted(path.name for path in organisation.results.iterdir()) == sorted(results.file_name(host) for host in ADDRESSES)

    files = {name: str(organisation.scratch / "reports" / name) for name in ("json", "junit", "markdown")}
    first = organisation.play(organisation.report(**files))
    assert not first.get("failed"), first
    totals = first["totals"]
    assert totals["passed"] == totals["total"] > 0
    assert first["matrix"].splitlines() == first["matrix_lines"]
    assert first["matrix_lines"][-1] == f"passed {totals['total']}, failed 0, error 0, skipped 0, not run 0; total {totals['total']}"
    assert ET.parse(files["junit"]).getroot().attrib["tests"] == str(totals["total"])  # noqa: S314 - our own file
    assert json.loads(Path(files["json"]).read_text())["digest"] == organisation.digest
    assert (first["changed"], organisation.play(organisation.report(**files))["changed"]) == (True, False)


def test_what_the_wire_shows_against_the_plan_fails(organisation: Organisation) -> None:
    organisation.enforce("hub1")
    organisation.nft("mbx1", "table inet t { chain input { type filter hook input priority filter; tcp dport 135 drop; }; }")
    organisation.play(organisation.probe())
    outcome = organisation.play(organisation.report())
    assert outcome["failed"]
    count = outcome["totals"]["failed"]
    assert outcome["msg"] == f"the wire disagrees with the plan in {count} of {outcome['totals']['total']} probes"
    wrong = {(entry["source"], entry["port"], entry["expected"], entry["observed"]) for entry in outcome["disagreements"]}
    assert ("hub1", 135, "allowed", "filtered") in wrong
    assert {(source, expected, observed) for source, port, expected, observed in wrong if port != 135} == {("hub1", "denied", "refused")}
    assert not organisation.play(organisation.report(fail_on_disagreement=False)).get("failed")


def test_check_mode_sends_nothing_and_keeps_nothing(organisation: Organisation) -> None:
    organisation.nft("mbx1", "table inet t { chain input { type filter hook input priority filter; tcp flags syn counter drop; }; }")
    seen = organisation.play(organisation.probe(), check=True)
    assert seen["planned"] > 0
    assert "counts" not in seen
    assert not seen["changed"]
    assert not organisation.results.exists()
    arrived = subprocess.run(["ip", "netns", "exec", organisation.spaces["mbx1"], "nft", "list", "ruleset"], capture_output=True, text=True, check=True).stdout
    assert "counter packets 0 " in arrived
    target = organisation.scratch / "report.json"
    outcome = organisation.play(organisation.report(json=str(target)), check=True)
    assert (outcome.get("failed", False), outcome["changed"], target.exists()) == (False, True, False)
    assert outcome["totals"]["not_run"] == outcome["totals"]["total"] > 0


def test_hosts_that_were_not_probed_are_not_run(organisation: Organisation) -> None:
    organisation.play(organisation.probe(), limit="hub1")
    outcome = organisation.play(organisation.report())
    assert outcome["totals"]["not_run"] == len(artefact.read_probes(organisation.scratch / "plan", "mbx1", organisation.digest))
    assert any("no_results" in line and "mbx1" in line for line in outcome["matrix_lines"])


def test_a_run_that_tested_nothing_fails(organisation: Organisation) -> None:
    outcome = organisation.play(organisation.report())
    assert outcome["failed"]
    assert outcome["msg"] == f"nothing was tested: of {outcome['totals']['total']} probes none has a result that says anything"


def test_a_probe_that_dies_leaves_no_old_results(organisation: Organisation) -> None:
    results.write(organisation.results, "hub1", organisation.digest, results.HostResults(reason="old"))
    outcome = organisation.play(organisation.probe(timeout=1000), limit="hub1")
    assert outcome["failed"]
    assert outcome["msg"] == "timeout: 1000.0 is not 0.1 to 60"
    assert list(organisation.results.iterdir()) == []


def test_another_plan_is_an_error(organisation: Organisation) -> None:
    plan = {**organisation.plan, "digest": "0" * 64}
    for task in (organisation.probe(plan=plan), organisation.report(plan=plan)):
        outcome = organisation.play(task)
        assert outcome["failed"]
        assert "run the datapath.exchange.plan task of this play first" in outcome["msg"]


def test_a_list_of_ones_own(organisation: Organisation) -> None:
    organisation.nft("mbx1", "table inet t { chain input { type filter hook input priority filter; tcp dport 25 drop; }; }")
    probes = [{"id": "smtp", "address": ADDRESSES["mbx1"], "port": 25}, {"id": "mapper", "address": ADDRESSES["mbx1"], "port": 135}]
    outcome = organisation.play({"datapath.exchange.probe": {"probes": probes, "timeout": 0.3}}, limit="hub1")
    assert [(row["id"], row["verdict"]) for row in outcome["results"]] == [("smtp", "filtered"), ("mapper", "refused")]
    assert outcome["counts"] == {"open": 0, "refused": 1, "filtered": 1, "unknown": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probes": []}, "parameters are mutually exclusive: plan|probes"),
        ({"plan": None, "results_dir": None}, "one of the following is required: plan, probes"),
        ({"results_dir": None}, "parameters are required together: plan, results_dir"),
        (
            {
                "plan": None, "results_dir": None,
                "probes": [{"id": "a", "address": "mail.invalid", "port": 25}, {"id": "a", "address": "192.0.2.1", "port": 0}],
            },
            "probes: a: 'mail.invalid' does not appear to be an IPv4 or IPv6 address; a: port 0 is not 1 to 65535; ids must be unique",
        ),
    ],
)
def test_what_cannot_be_asked(organisation: Organisation, options: dict[str, t.Any], message: str) -> None:
    asked = {name: value for name, value in {"plan": organisation.plan, "results_dir": "r", **options}.items() if value is not None}
    outcome = organisation.play({"datapath.exchange.probe": asked}, limit="hub1")
    assert outcome["failed"]
    assert message in outcome["msg"]
