# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of the scripts, given to the strict double of netsh of each release, which shares no code with what writes them."""

from __future__ import annotations

import re
import sys
import typing as t
from pathlib import Path

import pytest
from netsh_plans import windows
from render_plans import port
from test_render_netsh_files import PAIR, netsh_lines

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_files import host_files
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.rules import firewall_rule

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "windows"))

from windows_double import netsh
from windows_double.machine import Machine
from windows_double.netsh_words import OBJECTS

POLICY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
RELEASES = ("2008", "2008r2", "2012r2", "2019", "2025")
FILES = r"C:\Windows"


def plan(release: str, **changes: t.Any) -> HostPlan:
    extra = (
        Flow("in", "tcp", port(26), "hub_transport", ("secret",), "ipsec_required"), Flow("in", "udp", port((5004, 5010)), "web_client", ("media",)),
    )
    return windows(*extra, **{"release": release, "associations": PAIR, **changes})


def run(machine: Machine, lines: t.Iterable[str]) -> list[str]:
    """The lines that netsh refused, in the folder that the scripts are in."""
    return [line for line in lines if netsh.run(machine, line.replace("%~dp0", f"{FILES}\\"))[0]]


@pytest.fixture(params=RELEASES)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machine:
    return Machine.create(tmp_path / "host", request.param, "ja", exchange="2007")


def stored(machine: Machine) -> dict[str, t.Any]:
    rules = [firewall_rule(name, str(data)) for name, (_kind, data) in machine.registry.values(f"{POLICY}\\FirewallRules").items()]
    return {rule.name: rule for rule in rules if rule.name.startswith(netsh_firewall.OWN)}


@pytest.mark.parametrize("families", [("ipv4",), ("ipv6",), ("ipv4", "ipv6")])
def test_what_is_stored_is_what_the_rules_mean(machine: Machine, families: tuple[str, ...]) -> None:
    made = plan(machine.release, families=families, associations=())
    assert run(machine, [rule.line for rule in netsh_firewall.render(made)]) == []
    assert {name: rule.match for name, rule in stored(machine).items()} == {rule.name: rule.match for rule in netsh_firewall.render(made)}
    assert all(rule.active for rule in stored(machine).values())


@pytest.mark.parametrize("state", ["enforced", "monitored"])
def test_the_scripts_are_taken_and_the_undo_script_leaves_the_store_as_it_was(machine: Machine, state: str) -> None:
    files, before = host_files(plan(machine.release), state).files, machine.digest()
    assert run(machine, netsh_lines(files, "mbx1.cmd")) == []
    assert len(stored(machine)) == len(netsh_firewall.render(plan(machine.release)))
    assert machine.digest() != before
    refused = run(machine, netsh_lines(files, "mbx1-undo.cmd"))
    assert all(" delete rule " in line for line in refused)
    assert stored(machine) == {}
    assert machine.digest() == before


def test_without_the_saved_policy_the_names_are_enough(machine: Machine) -> None:
    files = host_files(plan(machine.release)).files
    assert run(machine, netsh_lines(files, "mbx1.cmd")) == []
    deletions = [line for line in netsh_lines(files, "mbx1-undo.cmd") if " delete rule " in line]
    assert run(machine, deletions) == []
    assert stored(machine) == {}


def test_every_rule_is_found_again_by_what_the_undo_script_searches_for(machine: Machine) -> None:
    files = host_files(plan(machine.release)).files
    assert run(machine, netsh_lines(files, "mbx1.cmd")) == []
    texts = [str(data) for key in ("FirewallRules", "ConSecRules", "MainModeRules") for _kind, data in machine.registry.values(f"{POLICY}\\{key}").values()]
    searched = re.findall(r'findstr\.exe" /l /c:"(\|Name=[^"]+\|)"', files["mbx1-undo.cmd"])
    assert len(searched) > 10
    assert all(any(text in rule for rule in texts) for text in searched)


def test_enforced_profiles_block_at_the_end(machine: Machine) -> None:
    assert run(machine, netsh_lines(host_files(plan(machine.release, egress="restricted")).files, "mbx1.cmd")) == []
    for profile in ("DomainProfile", "StandardProfile", "PublicProfile"):
        values = {name: data for name, (_kind, data) in machine.registry.values(f"{POLICY}\\{profile}").items()}
        assert (values["EnableFirewall"], values["DefaultInboundAction"], values["DefaultOutboundAction"]) == (1, 1, 1)


@pytest.mark.parametrize("release", RELEASES)
def test_organisations_under_golden_are_taken(release: str, tmp_path: Path) -> None:
    golden = Path(__file__).resolve().parents[4] / "golden"
    scripts = [path for path in golden.glob("*/netsh/*.cmd") if f"rem Windows Server {release}," in path.read_text(encoding="ascii")]
    applying = [path for path in scripts if not path.stem.endswith(("-undo", "-gpo"))]
    assert applying
    for path in applying:
        machine = Machine.create(tmp_path / path.stem, release)
        text = path.read_bytes().decode("ascii")
        assert run(machine, netsh_lines({"x.cmd": text}, "x.cmd")) == [], path


def sessions(files: t.Mapping[str, str], name: str, policy: str) -> list[str]:
    """The files for netsh that a script for Group Policy writes one after the other."""
    found: list[list[str]] = []
    for line in files[name].split("\r\n"):
        start, echo, text = line.partition(" echo ")
        if echo and start.startswith(">"):
            if not start.startswith(">>"):
                found.append([])
            found[-1].append(text.replace("%G%", policy))
    return ["".join(f"{line}\r\n" for line in lines) for lines in found]


def fill(machine: Machine, made: HostPlan, policy: str = r"example.com\Exchange 2007") -> list[int]:
    codes = []
    for text in sessions(host_files(made).files, "mbx1-gpo.cmd", policy):
        machine.write_file(f"{FILES}\\x.netsh", text.encode("ascii"))
        codes.append(netsh.run(machine, f'-f "{FILES}\\x.netsh"')[0])
    return codes


def test_a_group_policy_object_is_filled_once_however_often_and_this_computer_is_not_touched(machine: Machine) -> None:
    made, local = plan(machine.release), machine.firewall_digest()
    assert fill(machine, made) == [0, 1, 0]
    assert fill(machine, made) == [0, 0, 0]
    assert machine.firewall_digest() == local
    (name,) = machine.registry.subkeys(OBJECTS)
    assert name == "example.com/Exchange 2007"
    rules = [firewall_rule(rule, str(data)) for rule, (_kind, data) in machine.registry.values(f"{OBJECTS}\\{name}\\FirewallRules").items()]
    assert sorted((rule.name, repr(rule.match)) for rule in rules) == sorted((rule.name, repr(rule.match)) for rule in netsh_firewall.render(made))
