# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to change on a host, from values to values: nothing is closed in between, and the way back leads back."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_reader import read_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import firewall_changes, netsh_words
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.firewall_changes import Aim, Difference
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import FirewallRule, Match, Ports, Profile, Scope, State
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import flow, plan

RULES = netsh_firewall.render(plan(*(flow(f"path-{number}", str(1000 + number), "hubs") for number in range(4))))
FOREIGN = FirewallRule("{F}", "local", "Foreign", True, Match("in"))


def state(*rules: FirewallRule, release: str = "2019", **more: t.Any) -> State:
    return State(release_of(release), elevated=True, rules=rules, **more)


def own(rule: netsh_firewall.NetshRule, rule_id: str = "", **more: t.Any) -> FirewallRule:
    return replace(FirewallRule(rule_id or f"{{{rule.name[-8:]}}}", "local", rule.name, active=True, match=rule.match, description=rule.description), **more)


def after(host: tuple[FirewallRule, ...], diff: Difference) -> t.Iterator[tuple[FirewallRule, ...]]:
    """The rules of a host after each command: netsh adds one, and deletes all of a name."""
    yield host
    for number, rule in enumerate(diff.added):
        host = (*host, own(rule, f"new {number}"))
        yield host
    for name in diff.deleted:
        host = tuple(rule for rule in host if rule.name.lower() != name.lower() or rule.store != "local")
        yield host


def admitted(rules: t.Iterable[FirewallRule]) -> set[Match]:
    return {rule.match for rule in rules if rule.active and rule.match.action == "allow"}


HOST_RULES = st.lists(
    st.builds(
        lambda rule, other, active, suffix, number: FirewallRule(f"{{{number}}}", "local", rule.name + suffix, active, other.match),
        st.sampled_from(RULES), st.sampled_from(RULES), st.booleans(), st.sampled_from(("", "", " 2", " X")), st.integers(0, 10 ** 9),
    ), max_size=8,
).map(tuple)


@given(HOST_RULES, st.lists(st.sampled_from(RULES), unique=True))
def test_whatever_a_host_has_it_ends_as_wanted_and_nothing_is_closed_in_between(host: tuple[FirewallRule, ...], wanted: list[netsh_firewall.NetshRule]) -> None:
    aim = Aim("enforced", tuple(wanted))
    diff = firewall_changes.difference(state(*host, FOREIGN), aim)
    steps = list(after((*host, FOREIGN), diff))
    ours = [rule for rule in steps[-1] if firewall_changes.is_own(rule)]
    assert sorted(map(repr, (rule.match for rule in ours))) == sorted(repr(rule.match) for rule in wanted)
    assert all(rule.active for rule in ours)
    assert FOREIGN in steps[-1]
    both = admitted(host) & {rule.match for rule in wanted}
    assert all(both <= admitted(rules) for rules in steps)
    again = firewall_changes.difference(state(*steps[-1], memory={"firewall": {"state": "enforced"}}), aim)
    assert not again, again


def test_rules_of_others_are_never_deleted() -> None:
    names = ("Datapath", "datapath.exchangein", "x datapath.exchange in y", 'datapath.exchange "x"', "datapath.exchange %x%", "datapath.exchange \u00e9")
    others = [replace(FOREIGN, id=name, name=name) for name in names] + [replace(FOREIGN, store="policy", name="datapath.exchange in x")]
    assert not firewall_changes.difference(state(*others), Aim("absent"))


def test_a_new_rule_never_takes_a_name_that_is_there() -> None:
    taken = [replace(FOREIGN, id="{1}", name=RULES[0].name.upper()), replace(FOREIGN, id="{2}", name=f"{RULES[0].name} 2")]
    (added,) = firewall_changes.difference(state(*taken), Aim("enforced", RULES[:1])).added
    assert added.name == f"{RULES[0].name} 3"
    assert read_firewall(added.line) == (added.name, added.description, added.match)


def test_settings_are_remembered_once_and_together() -> None:
    before = {name: Profile(enabled=True, outbound="allow", log_dropped=False) for name in ("domain", "private", "public")}
    aim = Aim("enforced", (), {"domain": Profile(enabled=True, inbound="block", outbound="block", block_all=False, log_dropped=True)})
    diff = firewall_changes.difference(state(profiles=before), aim)
    assert diff.remembered == {
        "state": "enforced", "domain.inbound": "absent", "domain.outbound": "allow", "domain.block_all": "absent", "domain.log_dropped": "off",
    }
    known = state(profiles=before, memory={"firewall": {"state": "enforced", "domain.outbound": "block"}})
    assert "domain.outbound" not in firewall_changes.difference(known, aim).remembered


def test_the_way_back_deletes_what_was_added_and_the_fallback_puts_back_what_was_deleted() -> None:
    host = state(own(RULES[0]), memory={"firewall": {"state": "monitored"}})
    diff = firewall_changes.difference(host, Aim("enforced", RULES[1:2]))
    change = firewall_changes.change(diff, host, ())
    assert [step.shown for step in change.steps] == ["remember state", f"add the rule {RULES[1].name}", f"delete the rule {RULES[0].name}"]
    assert [command.partition("advfirewall ")[2] for command in change.undo] == [f'firewall delete rule name="{RULES[1].name}"']
    deleting, adding = (command.partition("advfirewall ")[2] for command in change.fallback)
    assert deleting == f'firewall delete rule name="{RULES[0].name}"'
    assert read_firewall(f"advfirewall {adding}").match == RULES[0].match
    assert '/v "state" /t REG_SZ /d "monitored" /f' in change.afterwards[-1]


@pytest.mark.parametrize(("memory", "key"), [
    ({}, "HKLM\\SOFTWARE\\datapath.exchange"), ({"ipsec": {"x": "y"}}, "HKLM\\SOFTWARE\\datapath.exchange\\firewall"),
])
def test_what_others_remember_is_left(memory: dict[str, dict[str, str]], key: str) -> None:
    host = state(memory=memory)
    change = firewall_changes.change(firewall_changes.difference(host, Aim("enforced")), host, ())
    assert change.afterwards == (f'"%T%\\reg.exe" delete "{key}" /f',)
    mine = state(memory={**memory, "firewall": {"state": "enforced"}})
    (step,) = firewall_changes.change(firewall_changes.difference(mine, Aim("absent")), mine, ()).steps
    assert step.command == f'"%T%\\reg.exe" delete "{key}" /f'


def test_many_ids_take_several_lines() -> None:
    rules = [replace(FOREIGN, id=f"{{{'A' * 100}-{number}}}") for number in range(200)]
    steps = list(firewall_changes.toggles(rules, state(*rules), enabled=False))
    assert len(steps) > 3
    assert all(len(step.command) < 8000 for step in steps)
    assert sum(step.command.count("AAAA-") for step in steps) == 200


MATCHES = (
    Match("in", protocol=6, local_ports=Ports(numbers=((25, 25), (80, 90))), remote=Scope(v4=((1, 5),), v6=((0, 7),))),
    Match("in", "block", 17, remote_ports=Ports(numbers=((53, 53),)), local=Scope(v4=((1, 1),)), profiles=("domain",)),
    Match("out", protocol=6, remote_ports=Ports(numbers=((389, 389),)), security="authenc"), Match("in"), Match("in", protocol=50),
    Match("in", protocol=1, icmp=("8:*",)), Match("in", protocol=6, local_ports=Ports(keywords=frozenset({"RPC"}))),
)


@pytest.mark.parametrize("match", MATCHES)
def test_a_rule_is_put_back_as_it_was(match: Match) -> None:
    line = netsh_words.add_line(FirewallRule("{A}", "local", "datapath.exchange in x", True, match, description="x y"))
    assert line
    assert ("action=block" in line) == (match.action == "block")
    if match.action == "allow":
        assert read_firewall(line) == ("datapath.exchange in x", "x y", match)


def test_a_rule_that_ours_never_are_is_not_put_back() -> None:
    assert netsh_words.add_line(replace(FOREIGN, match=Match("in", program="c:\\x.exe"))) is None


@pytest.mark.parametrize("name", ["all", "ALL", "", " x", 'a"b', "a%b%", "a^b", "a\\", "a&b", "a\nb", "\u65e5\u672c"])
def test_names_that_netsh_cannot_be_given(name: str) -> None:
    assert not netsh_words.carriable(name)
    assert netsh_words.toggle_line(replace(FOREIGN, name=name), [replace(FOREIGN, name=name)], enabled=False) is None
