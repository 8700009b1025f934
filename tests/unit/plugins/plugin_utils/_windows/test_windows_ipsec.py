# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connection security rules on the Windows double: every release, a drifting host, a key that never shows, and the way back."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import ipsec, transaction
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import CutError
from ansible_collections.datapath.exchange.tests.unit import strategies
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import LOCAL, MEMORY, POLICY, Machine, connect, files

RELEASES = ("2008", "2008r2", "2012r2", "2019", "2025")
KEY = "s3cret-key.of/the+pair="
RULES = rf"{LOCAL}\ConSecRules"


def organisation(**more: t.Any) -> t.Any:
    org = strategies.small()
    for name in ("mbx1", "mbx2"):
        org = org.with_host(name, ipsec="required", platform="windows", cluster="c1", **more)
    return org.with_host("cas1", ipsec="required", platform="windows").with_peers(config_controller=["198.51.100.77"], legacy_mailbox=["198.51.100.88"])


def plan(name: str = "mbx1") -> HostPlan:
    found: HostPlan = organisation().plan().host(name)
    return found


@pytest.fixture(name="make")
def _make(tmp_path: Path) -> t.Iterator[t.Callable[..., Machine]]:
    """Machines whose every command was one that documentation promises."""
    made: list[Machine] = []

    def make(release: str = "2019", language: str = "en") -> Machine:
        made.append(Machine.create(tmp_path / f"m{len(made)}", release, language, exchange="2007"))
        return made[-1]

    yield make
    for machine in made:
        assert machine.violations == []
        assert not any(KEY in command for command in machine.commands)


def wish(state: str = "requested", auth: str = "kerberos", psk: str = "", name: str = "mbx1", **options: t.Any) -> ipsec.Wish:
    if state == "absent":
        return ipsec.Wish("absent")
    return ipsec.Wish(state, plan(name), IpsecOptions(auth, state=state, **options), psk)


def run(machine: Machine, wanted: ipsec.Wish, *, check: bool = False, confirm: bool = True, transport: str = "winrm") -> dict[str, t.Any]:
    result = ipsec.work(connect(machine, transport), wanted, check=check)
    if confirm and "pending" in result:
        transaction.confirm(connect(machine, transport), result["pending"])
    return result


def names(machine: Machine, key: str = RULES) -> list[str]:
    texts = (str(value[1]) for value in machine.registry.values(key).values())
    return sorted(token[5:] for text in texts for token in text.split("|") if token.startswith("Name="))


def actions(machine: Machine) -> set[str]:
    return {token[7:] for value in machine.registry.values(RULES).values() for token in str(value[1]).split("|") if token.startswith("Action=")}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_host_goes_from_nothing_to_required_and_back_without_a_trace(make: t.Callable[..., Machine], release: str, language: str) -> None:
    machine = make(release, language)
    before = machine.registry.digest()
    for state in ("requested", "required"):
        assert run(machine, wish(state))["changed"]
        again = run(machine, wish(state))
        assert not again["changed"] and again["commands"] == 0 and again["diff"]["before"] == again["diff"]["after"] != ""
        assert actions(machine) == {"DoNotSecure", {"requested": "Boundary", "required": "Secure"}[state]}
    assert run(machine, wish("absent"))["changed"]
    assert not run(machine, wish("absent"))["changed"]
    assert machine.registry.digest() == before
    assert not files(machine) and not machine.tasks


@pytest.mark.parametrize("transport", ["winrm", "psrp", "ssh"])
def test_every_connection_carries_it(make: t.Callable[..., Machine], transport: str) -> None:
    machine = make()
    assert run(machine, wish("requested", "psk", KEY), transport=transport)["changed"]
    assert not run(machine, wish("requested", "psk", KEY), transport=transport)["changed"]


@pytest.mark.parametrize("release", ["2008", "2019"])
def test_a_key_is_changed_where_it_differs_and_never_seen(make: t.Callable[..., Machine], release: str) -> None:
    machine = make(release)
    first = run(machine, wish("requested", "psk", KEY))
    assert KEY not in repr(first) and not files(machine)
    assert not run(machine, wish("requested", "psk", KEY))["changed"]
    stored = {str(value[1]) for key in keys(machine) for name, value in machine.registry.values(key).items() if name == "SHKey"}
    assert stored == {KEY}
    second = run(machine, wish("requested", "psk", "another-key-0123"))
    assert second["changed"] and KEY not in repr(second) and "another-key" not in repr(second)
    stored = {str(value[1]) for key in keys(machine) for name, value in machine.registry.values(key).items() if name == "SHKey"}
    assert stored == {"another-key-0123"}


def keys(machine: Machine) -> list[str]:
    root = rf"{LOCAL}\Phase1AuthenticationSets"
    return [rf"{root}\{each}\{suite}" for each in machine.registry.subkeys(root) for suite in machine.registry.subkeys(rf"{root}\{each}")]


def test_check_mode_writes_nothing(make: t.Callable[..., Machine]) -> None:
    machine = make()
    before = machine.registry.digest()
    result = run(machine, wish("required", "psk", KEY), check=True)
    assert result["changed"] and "pending" not in result and "requireinrequireout" in result["diff"]["after"]
    assert machine.registry.digest() == before and not files(machine)


def test_a_change_that_nobody_confirms_is_undone_by_the_host(make: t.Callable[..., Machine]) -> None:
    machine = make("2008")
    before = machine.registry.digest()
    run(machine, wish("required", "psk", KEY), confirm=False)
    assert machine.registry.digest() != before
    machine.advance(3600)
    machine.tick()
    assert machine.registry.digest() == before and not files(machine) and not machine.tasks


def test_a_later_run_takes_over_what_nobody_confirmed(make: t.Callable[..., Machine]) -> None:
    machine = make()
    run(machine, wish("required"), confirm=False)
    assert run(machine, wish("requested"))["taken_over"]
    assert "Secure" not in actions(machine)


@pytest.mark.parametrize("line", [1, 2, 3])
def test_a_failing_command_leaves_the_host_as_it_was(make: t.Callable[..., Machine], line: int) -> None:
    machine = make()
    before = machine.registry.digest()
    machine.faults["netsh_fail"] = line
    with pytest.raises(transaction.ChangeError, match="The host has back what it had before") as caught:
        run(machine, wish("required", "psk", KEY))
    assert caught.value.restored and machine.registry.digest() == before and not files(machine)
    assert KEY not in str(caught.value)


def test_a_cut_connection_is_undone_at_once(make: t.Callable[..., Machine]) -> None:
    machine = make()
    before = machine.registry.digest()
    machine.faults["cut_label"] = "apply"
    machine.faults["cut_after"] = 6
    with pytest.raises((transaction.ChangeError, CutError)):
        run(machine, wish("required"))
    machine.advance(3600)
    machine.tick()
    assert machine.registry.digest() == before


def test_drift_is_repaired_and_nothing_else_is_touched(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.registry.set(RULES, "{11111111-2222-3333-4444-555555555555}", "REG_SZ", "v2.10|Action=DoNotSecure|Active=TRUE|Name=Somebody|Desc=|EmbedCtxt=|")
    run(machine, wish("required"))
    good = names(machine)
    rules = machine.registry.values(RULES)
    ours = [rule_id for rule_id, value in rules.items() if "Name=datapath.exchange ipsec" in str(value[1])]
    edited = str(rules[ours[0]][1])
    machine.registry.set(RULES, ours[0], "REG_SZ", edited.replace("Action=Secure", "Action=Boundary"))
    machine.registry.set(RULES, "{99999999-2222-3333-4444-555555555555}", "REG_SZ", "v2.10|Action=DoNotSecure|Active=TRUE|Name=datapath.exchange clear old|")
    information = ipsec.information(connect(machine), wish("required"))
    assert len(information["differences"]) == 3
    assert [rule["name"] for rule in information["foreign_rules"]] == ["Somebody"]
    assert run(machine, wish("required"))["changed"]
    assert not run(machine, wish("required"))["changed"]
    assert "Somebody" in names(machine) and len(names(machine)) == len(good)
    assert ipsec.information(connect(machine), wish("required"))["differences"] == []


def test_a_rule_that_is_there_twice_is_thinned_out_without_a_gap(make: t.Callable[..., Machine]) -> None:
    machine = make()
    run(machine, wish("required"))
    value = next(value for value in machine.registry.values(RULES).values() if "exchange ipsec" in str(value[1]))
    machine.registry.set(RULES, "{77777777-2222-3333-4444-555555555555}", "REG_SZ", str(value[1]))
    machine.clear_log()
    assert run(machine, wish("required"))["changed"]
    changing = [command for command in machine.commands if " consec " in command]
    assert " add rule " in changing[0] and " delete rule " in changing[1] and len(changing) == 2
    assert next(name for name in names(machine) if "exchange ipsec" in name).endswith(" 2")
    assert not run(machine, wish("required"))["changed"]


def test_hosts_that_are_not_ready_are_asked_and_named(make: t.Callable[..., Machine]) -> None:
    machine = make()
    wanted = wish("required", ready=frozenset())
    result = run(machine, wanted)
    assert result["waiting"] == ["mbx2"] and actions(machine) == {"DoNotSecure", "Boundary"}
    assert any("mbx2" in warning for warning in ipsec.warnings(result, wanted))


def test_peers_that_nobody_configures_are_named(make: t.Callable[..., Machine]) -> None:
    wanted = wish("required", name="cas1")
    result = run(make(), wanted)
    assert result["unmanaged"] == ["legacy_mailbox"]
    assert any("legacy_mailbox" in warning for warning in ipsec.warnings(result, wanted))


def test_group_policy_that_ignores_local_rules_is_an_error_before_any_change(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.registry.set(rf"{POLICY}\DomainProfile", "AllowLocalIPsecPolicyMerge", "REG_DWORD", 0)
    before = machine.registry.digest()
    with pytest.raises(WindowsError, match="AllowLocalIPsecPolicyMerge"):
        run(machine, wish())
    assert machine.registry.digest() == before


@pytest.mark.parametrize(("fault", "value", "words"), [
    ("no_elevation", True, "an administrator"), ("service_stopped", "MpsSvc", "MpsSvc is not running"),
    ("access_denied", LOCAL, "not readable|could not be read"),
])
def test_a_host_that_cannot_be_managed_is_an_error_before_any_change(make: t.Callable[..., Machine], fault: str, value: t.Any, words: str) -> None:
    machine = make()
    before = machine.registry.digest()
    machine.faults[fault] = value
    with pytest.raises(WindowsError, match=words):
        run(machine, wish())
    del machine.faults[fault]
    assert machine.registry.digest() == before


@pytest.mark.parametrize(("auth", "psk", "options", "seconds", "words"), [
    ("psk", "", {}, 60, "psk is missing"), ("psk", "with space in it", {}, 60, "psk has 16 characters"), ("kerberos", "", {"profile": "x"}, 60, "not known"),
    ("certificate", "", {"ca": "O'Reilly"}, 60, "not a name that netsh can carry"), ("kerberos", "", {}, 5, "rollback_timeout is 5"),
])
def test_bad_options_change_nothing(make: t.Callable[..., Machine], auth: str, psk: str, options: dict[str, t.Any], seconds: int, words: str) -> None:
    machine = make()
    before = machine.registry.digest()
    with pytest.raises(ValueError, match=words) as caught:
        run(machine, ipsec.Wish("requested", plan(), IpsecOptions(auth, **options), psk, seconds))
    assert not psk or psk not in str(caught.value)
    assert machine.registry.digest() == before


def test_the_main_mode_of_a_whole_host_is_remembered_and_restored(make: t.Callable[..., Machine]) -> None:
    machine = make("2008")
    run(machine, wish())
    assert str(machine.registry.get(rf"{MEMORY}\ipsec", "main.suites")[1]) == "dhgroup2:aes128-sha1,dhgroup2:3des-sha1"
    assert {name for name in names(machine) if not name.startswith("datapath.exchange ")} == set()
    run(machine, wish("absent"))
    assert not machine.registry.exists(MEMORY)


def test_what_a_certificate_rule_does_is_read_back(make: t.Callable[..., Machine]) -> None:
    machine = make()
    wanted = wish("required", "certificate", ca="CN=Example Root, O=Example")
    assert run(machine, wanted)["changed"] and not run(machine, wanted)["changed"]
    assert run(machine, wish("required", "certificate", ca="CN=Other Root"))["changed"]


def test_a_plan_that_asks_for_nothing_takes_everything_away(make: t.Callable[..., Machine]) -> None:
    machine = make()
    before = machine.registry.digest()
    run(machine, wish())
    nothing: HostPlan = organisation().with_host("mbx1", ipsec="absent").with_host("mbx2", ipsec="absent").plan().host("mbx1")
    assert not nothing.associations
    assert run(machine, ipsec.Wish("requested", nothing, IpsecOptions(state="requested")))["changed"]
    assert machine.registry.digest() == before
