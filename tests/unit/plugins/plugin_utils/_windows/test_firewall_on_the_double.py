# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs against the strict Windows double: what a host has afterwards, and that a host that says no is as it was."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, Management
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.firewall import Wish
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import Remote
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.transaction import ChangeError
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import (
    LOCAL,
    MEMORY,
    POLICY,
    RULES,
    Machine,
    connect,
    files,
    flow,
    own_rules,
    plan,
    run,
)

RDP = "RemoteDesktop-UserMode-In-TCP"
ANYTHING = "v2.10|Action=Allow|Active=TRUE|Dir=In|Name=Anything|"
PROFILE_KEYS = ("DomainProfile", "StandardProfile", "PublicProfile")


@pytest.fixture(name="machine")
def make_machine(tmp_path: Path) -> t.Iterator[Machine]:
    machine = Machine.create(tmp_path / "h", exchange="2007")
    yield machine
    assert machine.violations == []


def for_release(release: str) -> HostPlan:
    """Windows Server 2008 has no ranges of ports, and one host's RPC range is the keyword."""
    if release != "2008":
        return plan(release=release)
    made = plan(flow("smtp-hub-to-hub", "25", "hubs"), flow("mapi-clients", "135 1025-60000", "clients"), release=release)
    return replace(made, rpc={"range": "1025-60000"})


def profile(machine: Machine, name: str = "DomainProfile", value: str = "DefaultInboundAction") -> int:
    """A setting as it takes effect (MS-FASP, note 32)."""
    default = {"EnableFirewall": 1, "DefaultInboundAction": 1}.get(value, 0)
    return int((machine.registry.get(rf"{LOCAL}\{name}", value) or ("", default))[1])


def active(machine: Machine, rule: str) -> bool:
    return "|active=true|" in str(machine.registry.get(RULES, rule)[1]).lower()  # type: ignore[index]


def overridden(machine: Machine, name: str, number: int, key: str = "DomainProfile") -> None:
    machine.registry.set(rf"{POLICY}\{key}", name, "REG_DWORD", number)


# -- the way of a host -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("release", "language", "transport"), [
    ("2008", "en", "winrm"), ("2008r2", "ja", "ssh"), ("2012r2", "en", "psrp"), ("2019", "ja", "winrm"), ("2025", "en", "ssh"),
])
def test_from_a_fresh_host_to_enforced_to_monitored_to_as_it_was(tmp_path: Path, release: str, language: str, transport: str) -> None:
    machine = Machine.create(tmp_path / "h", release, language, exchange="2007")
    before, wanted = machine.registry.digest(), for_release(release)
    first = run(machine, wanted, transport=transport, foreign_allow="disable")
    assert (first.result["changed"], first.result["round_trips"]) == (True, 2)
    assert len(own_rules(machine)) == len(first.result["diff"][0]["after"].split("rule datapath.exchange in ")) - 1
    assert [profile(machine, key) for key in PROFILE_KEYS] == [1, 1, 1]
    second = run(machine, wanted, transport=transport, foreign_allow="disable")
    assert (second.result["changed"], second.result["diff"], second.result["commands"], second.result["round_trips"]) == (False, [], 0, 1)
    assert second.result["disabled"] == first.result["disabled"] != []
    watched = run(machine, wanted, transport=transport, state="monitored", foreign_allow="disable")
    assert (watched.result["changed"], watched.result["disabled"]) == (True, [])
    assert not run(machine, wanted, transport=transport, state="monitored").result["changed"]
    assert run(machine, None, transport=transport, state="absent").result["changed"]
    assert not run(machine, None, transport=transport, state="absent").result["changed"]
    assert (machine.registry.digest(), files(machine), machine.tasks, machine.violations) == (before, [], {}, [])


@pytest.mark.parametrize("state", ["enforced", "monitored", "absent"])
def test_check_mode_writes_nothing_and_tells_the_same(machine: Machine, state: str) -> None:
    if state == "absent":
        run(machine, plan())
    before = machine.registry.digest()
    wanted = None if state == "absent" else plan()
    told = run(machine, wanted, check=True, state=state, foreign_allow="disable")
    assert (machine.registry.digest(), files(machine), machine.tasks, told.pending) == (before, [], {}, "")
    done = run(machine, wanted, state=state, foreign_allow="disable")
    assert {**told.result, "round_trips": 2} == done.result
    assert told.result["changed"]


def test_a_changed_peer_is_added_before_the_old_one_goes(machine: Machine) -> None:
    run(machine, plan())
    machine.clear_log()
    changed = run(machine, plan(hubs=("192.0.2.11", "192.0.2.13")))
    assert changed.result["commands"] == 2
    netsh = [text.split("rule")[0].split()[-1] for text in machine.commands if " firewall add rule " in text or " firewall delete rule " in text]
    assert netsh == ["add", "delete"]
    difference = changed.result["diff"][0]
    assert "192.0.2.11-192.0.2.12" in difference["before"] and "192.0.2.13" not in difference["before"]
    assert "tcp 25 from 192.0.2.11, 192.0.2.13" in difference["after"]


def test_a_plan_that_admits_nobody_to_the_management_is_refused(machine: Machine) -> None:
    with pytest.raises(WindowsError, match="config_controller in datapath_peers"):
        run(machine, replace(plan(), management=Management("", ())))
    assert machine.scripts == []


# -- drift -------------------------------------------------------------------------------------------------------------------


def smtp_id(machine: Machine) -> str:
    return next(name for name, (_kind, text) in machine.registry.values(RULES).items() if "Name=datapath.exchange in smtp-hub-to-hub" in str(text))


def edited(machine: Machine) -> None:
    kind, text = machine.registry.values(RULES)[smtp_id(machine)]
    machine.registry.set(RULES, smtp_id(machine), kind, str(text).replace("192.0.2.12", "192.0.2.99"))


def opened(machine: Machine) -> None:
    kind, text = machine.registry.values(RULES)[smtp_id(machine)]
    machine.registry.set(RULES, smtp_id(machine), kind, str(text).replace("Active=TRUE", "Active=FALSE"))


def deleted(machine: Machine) -> None:
    machine.registry.delete_value(RULES, smtp_id(machine))


def duplicated(machine: Machine) -> None:
    kind, text = machine.registry.values(RULES)[smtp_id(machine)]
    machine.registry.set(RULES, "{11111111-1111-1111-1111-111111111111}", kind, text)


def twin(machine: Machine) -> None:
    kind, text = machine.registry.values(RULES)[smtp_id(machine)]
    machine.registry.set(RULES, "{11111111-1111-1111-1111-111111111111}", kind, str(text).replace("LPort=25", "LPort=26"))


def renamed(machine: Machine) -> None:
    kind, text = machine.registry.values(RULES)[smtp_id(machine)]
    machine.registry.set(RULES, "{11111111-1111-1111-1111-111111111111}", kind, str(text).replace("smtp-hub", "other-hub"))


def switched_off(machine: Machine) -> None:
    machine.registry.set(rf"{LOCAL}\PublicProfile", "EnableFirewall", "REG_DWORD", 0)


def let_in(machine: Machine) -> None:
    machine.registry.set(rf"{LOCAL}\DomainProfile", "DefaultInboundAction", "REG_DWORD", 0)


def shielded(machine: Machine) -> None:
    machine.registry.set(rf"{LOCAL}\StandardProfile", "DoNotAllowExceptions", "REG_DWORD", 1)


@pytest.mark.parametrize("drift", [edited, opened, deleted, duplicated, twin, renamed, switched_off, let_in, shielded])
def test_drift_is_told_and_mended(machine: Machine, drift: t.Callable[[Machine], None]) -> None:
    run(machine, plan())
    meant = rules_without_ids(machine)
    assert not told(machine)["drift"]
    drift(machine)
    found = told(machine)
    assert (found["drift"], found["loaded"], found["state"]) == (True, "enforced", "enforced")
    assert found["differences"] and found["drift_diff"]
    assert run(machine, plan()).result["changed"]
    assert rules_without_ids(machine) == meant
    assert not told(machine)["drift"]


def rules_without_ids(machine: Machine) -> list[str]:
    """Our rules as they filter, without their suffixes and ids."""
    texts = [str(text) for _kind, text in machine.registry.values(RULES).values() if "Name=datapath.exchange " in str(text)]
    settings = ("EnableFirewall", "DefaultInboundAction", "DoNotAllowExceptions")
    profiles = [f"{key}{value}{profile(machine, key, value)}" for key in PROFILE_KEYS for value in settings]
    return sorted(text.split("Name=")[0].replace("RA4=192.0.2.11|RA4=192.0.2.12", "RA4=192.0.2.11-192.0.2.12") for text in texts) + profiles


def told(machine: Machine, wanted: HostPlan | None = None, **wish: t.Any) -> dict[str, t.Any]:
    return firewall.inform(connect(machine), wanted or plan(), Wish(**wish))


# -- foreign rules -----------------------------------------------------------------------------------------------------------


def test_foreign_rules_are_reported_and_left_alone_by_default(machine: Machine) -> None:
    outcome = run(machine, plan())
    found = {entry["id"]: entry for entry in outcome.result["foreign_allows"]}
    assert found[RDP]["kept"] is False
    assert found[RDP]["admits"][0].startswith("tcp 3389 from everyone but 198.51.100.0/24")
    assert found["CoreNet-DHCP-In"]["kept"] is True
    assert active(machine, RDP)
    assert any("foreign rule(s) admit what the plan does not" in text for text in outcome.warnings)
    assert any(entry["rule"] == "@FirewallAPI.dll,-28775" for entry in outcome.result["remaining"])


def test_foreign_rules_that_admit_too_much_are_disabled_but_for_those_that_are_kept(machine: Machine) -> None:
    outcome = run(machine, plan(), foreign_allow="disable", foreign_keep=("FPS-SMB-In-TCP",))
    assert RDP in outcome.result["disabled"]
    assert not active(machine, RDP)
    assert [active(machine, rule) for rule in ("FPS-SMB-In-TCP", "CoreNet-DHCP-In", "WINRM-HTTP-In-TCP")] == [True] * 3
    assert all(entry["kept"] for entry in outcome.result["foreign_allows"])
    assert {entry["rule"] for entry in outcome.result["remaining"]} >= {"@FirewallAPI.dll,-28511"}
    assert "foreign rule RemoteDesktop-UserMode-In-TCP: disabled" in outcome.result["diff"][0]["after"]


def test_a_rule_that_is_kept_from_now_on_is_enabled_again(machine: Machine) -> None:
    run(machine, plan(), foreign_allow="disable")
    outcome = run(machine, plan(), foreign_allow="disable", foreign_keep=(RDP,))
    assert outcome.result["changed"]
    assert active(machine, RDP)
    assert RDP not in outcome.result["disabled"]
    assert machine.registry.get(rf"{MEMORY}\firewall", f"foreign.{RDP}") is None


def test_a_rule_that_somebody_enabled_again_is_disabled_again(machine: Machine) -> None:
    run(machine, plan(), foreign_allow="disable")
    kind, text = machine.registry.values(RULES)[RDP]
    machine.registry.set(RULES, RDP, kind, str(text).replace("Active=FALSE", "Active=TRUE"))
    assert run(machine, plan(), foreign_allow="disable").result["changed"]
    assert not active(machine, RDP)


def test_a_rule_that_was_deleted_in_the_meantime_is_forgotten(machine: Machine) -> None:
    run(machine, plan(), foreign_allow="disable")
    machine.registry.delete_value(RULES, RDP)
    assert RDP not in run(machine, plan(), foreign_allow="disable").result["disabled"] or machine.registry.get(rf"{MEMORY}\firewall", f"foreign.{RDP}") is None
    assert run(machine, None, state="absent").result["changed"]


def test_any_program_any_address_is_disabled_although_it_admits_the_management(machine: Machine) -> None:
    machine.registry.set(RULES, "{ANY}", "REG_SZ", ANYTHING)
    assert "{ANY}" in run(machine, plan(), foreign_allow="disable").result["disabled"]


@pytest.mark.parametrize("release", ["2008r2", "2019"])
@pytest.mark.parametrize("text", [
    'v2.10|Action=Allow|Active=TRUE|Dir=In|Name=x" & calc & "|', "v2.10|Action=Allow|Active=TRUE|Dir=In|Name=%PATH%|",
    "v2.10|Action=Allow|Active=TRUE|Dir=In|Name=all|",
    "v2.10|Action=Allow|Active=TRUE|Dir=In|Name=datapath.exchange in x & y|", "v2.10|Action=Allow|Active=TRUE|Dir=In|",
])
def test_hostile_names_are_reported_and_never_sent(tmp_path: Path, release: str, text: str) -> None:
    machine = Machine.create(tmp_path / "h", release, exchange="2007")
    machine.registry.set(RULES, "{GOOD}", "REG_SZ", text)
    machine.registry.set(RULES, 'bad"id', "REG_SZ", ANYTHING)
    outcome = run(machine, for_release(release), foreign_allow="disable")
    left = {entry["id"]: entry["why"] for entry in outcome.result["foreign_allows"]}
    assert "disable it by hand" in left['bad"id']
    assert ("{GOOD}" in left) == (release == "2008r2")
    assert active(machine, 'bad"id')
    assert run(machine, None, state="absent").result["changed"]
    assert active(machine, "{GOOD}")
    assert machine.violations == []


def test_on_old_releases_a_rule_is_disabled_only_where_netsh_can_tell_it_from_others(tmp_path: Path) -> None:
    machine = Machine.create(tmp_path / "h", "2008r2", exchange="2007")
    for rule_id in ("{A}", "{B}"):
        machine.registry.set(RULES, rule_id, "REG_SZ", ANYTHING)
    machine.registry.set(RULES, "{C}", "REG_SZ", ANYTHING.replace("Anything", "Other").replace("Dir=In", "Dir=In|Protocol=6"))
    machine.registry.set(RULES, "{D}", "REG_SZ", ANYTHING.replace("Anything", "Other").replace("Dir=In", "Dir=In|Protocol=17"))
    outcome = run(machine, for_release("2008r2"), foreign_allow="disable")
    assert {"{C}", "{D}"} <= set(outcome.result["disabled"])
    assert [active(machine, rule) for rule in ("{A}", "{B}", "{C}", "{D}")] == [True, True, False, False]
    assert machine.violations == []


def test_a_rule_that_cannot_be_read_is_named(machine: Machine) -> None:
    machine.registry.set(RULES, "{ODD}", "REG_SZ", "v2.10|Action=Perhaps|Active=TRUE|Dir=In|Name=Odd|")
    outcome = run(machine, plan())
    assert any("{ODD}" in text for text in outcome.result["unreadable"])
    assert any("{ODD}" in text for text in outcome.warnings)


@pytest.mark.parametrize(("store", "kind"), [(RULES, "foreign_block"), (rf"{POLICY}\FirewallRules", "policy_rule")])
def test_a_block_rule_is_warned_of_and_fatal_where_the_user_wants_that(machine: Machine, store: str, kind: str) -> None:
    machine.registry.set(store, "{B}", "REG_SZ", "v2.10|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort=25|Name=No SMTP|")
    before = machine.registry.digest()
    with pytest.raises(WindowsError, match=r"overrides the plan: No SMTP: blocks what the plan allows: tcp 25 from 192.0.2.11-192.0.2.12"):
        run(machine, plan(), foreign_firewall="fail")
    assert machine.registry.digest() == before
    outcome = run(machine, plan())
    assert [(entry["kind"], entry["name"]) for entry in outcome.result["overrides"]] == [(kind, "No SMTP")]
    assert any("No SMTP" in text for text in outcome.warnings)


def test_a_block_of_what_goes_out_overrides_the_plan_even_where_egress_is_open(machine: Machine) -> None:
    machine.registry.set(RULES, "{B}", "REG_SZ", "v2.10|Action=Block|Active=TRUE|Dir=Out|Protocol=6|RPort=389|Name=No LDAP|")
    assert [entry["name"] for entry in run(machine, plan()).result["overrides"]] == ["No LDAP"]


# -- Group Policy, services, rights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number", "egress", "words"), [
    ("AllowLocalPolicyMerge", 0, "open", "Group Policy ignores all local rules"), ("EnableFirewall", 0, "open", "Group Policy switches the firewall off"),
    ("DefaultInboundAction", 0, "open", "lets in whatever no rule blocks"), ("DefaultOutboundAction", 0, "restricted", "lets out whatever no rule blocks"),
])
def test_group_policy_that_leaves_nothing_of_the_plan_stops_the_run_before_the_first_write(
    machine: Machine, name: str, number: int, egress: str, words: str,
) -> None:
    overridden(machine, name, number)
    before = machine.registry.digest()
    with pytest.raises(WindowsError, match=words):
        run(machine, plan(egress=egress))
    assert (machine.registry.digest(), files(machine), machine.tasks) == (before, [], {})
    assert any(words in text for text in told(machine, plan(egress=egress))["differences"]) or told(machine)["state"] == "absent"
    assert run(machine, plan(egress=egress), state="monitored").result["overrides"][0]["name"] == name


def test_group_policy_of_a_profile_that_is_not_ours_is_no_matter(machine: Machine) -> None:
    overridden(machine, "AllowLocalPolicyMerge", 0, "PublicProfile")
    machine.registry.set(rf"{LOCAL}\PublicProfile", "DefaultInboundAction", "REG_DWORD", 0)
    outcome = run(machine, plan(), profiles=("domain", "private"))
    assert outcome.result["overrides"] == []
    assert (profile(machine), profile(machine, "PublicProfile")) == (1, 0)
    texts = [str(text) for _kind, text in machine.registry.values(RULES).values() if "Name=datapath.exchange" in str(text)]
    assert texts and all("|Profile=Domain|Profile=Private|" in text for text in texts)
    assert not run(machine, plan(), profiles=("domain", "private")).result["changed"]


@pytest.mark.parametrize("service", ["MpsSvc", "BFE"])
def test_a_stopped_service_stops_the_run(machine: Machine, service: str) -> None:
    machine.faults["service_stopped"] = service
    before = machine.registry.digest()
    with pytest.raises(WindowsError, match=service):
        run(machine, plan())
    assert machine.registry.digest() == before
    assert [entry["kind"] for entry in told(machine)["overrides"]] == ["service"]


def test_without_elevation_or_rights_nothing_is_begun(machine: Machine) -> None:
    before = machine.registry.digest()
    machine.faults["access_denied"] = RULES
    with pytest.raises(WindowsError, match="could not be read"):
        run(machine, plan())
    assert machine.registry.digest() == before


# -- what goes wrong ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 10))
def test_whichever_change_fails_the_host_is_as_it_was(machine: Machine, number: int) -> None:
    machine.registry.set(RULES, "{ANY}", "REG_SZ", ANYTHING)
    run(machine, plan())
    before = machine.registry.digest()
    changed = plan(egress="restricted", hubs=("192.0.2.77",), clients=("203.0.113.0/24",))
    machine.faults["netsh_fail"] = number
    try:
        outcome = run(machine, changed, foreign_allow="disable", check=False)
    except ChangeError as error:
        assert error.restored, error
        assert "failed: " in str(error)
        assert (machine.registry.digest(), files(machine), machine.tasks) == (before, [], {})
    else:
        assert outcome.result["changed"] and "netsh_fail" in machine.faults


@pytest.mark.parametrize("number", range(0, 40, 5))
def test_wherever_the_connection_is_cut_the_host_is_as_it_was(machine: Machine, number: int) -> None:
    run(machine, plan())
    before = machine.registry.digest()
    machine.faults.update({"cut_after": number, "cut_label": "apply"})
    with pytest.raises(ChangeError) as error:
        run(machine, plan(hubs=("192.0.2.77",)), foreign_allow="disable")
    assert error.value.restored, error.value
    assert (machine.registry.digest(), files(machine), machine.tasks) == (before, [], {})


def test_a_change_that_nobody_confirms_is_undone_by_the_host(machine: Machine) -> None:
    before = machine.registry.digest()
    outcome = run(machine, plan(), confirm=False, rollback_timeout=30, foreign_allow="disable")
    assert outcome.pending
    assert told(machine)["state"] == "pending"
    machine.advance(30 + outcome.result["commands"] + 1)
    assert machine.tick() == ["datapath-rollback"]
    assert (machine.registry.digest(), files(machine), machine.tasks) == (before, [], {})
    assert firewall.confirmation(connect(machine), outcome.pending) == {
        "failed": True, "restoring": False,
        "msg": "the change no longer waits for its confirmation: the host has restored what it had before, or another run has taken it over",
    }


def test_where_the_saved_firewall_cannot_be_loaded_single_steps_bring_it_back(machine: Machine) -> None:
    """The ids of rules that were deleted are new then, and so are the settings that were absent."""
    run(machine, plan())
    meant = rules_without_ids(machine)
    machine.faults["import_fails"] = True
    outcome = run(machine, plan(hubs=("192.0.2.77",), egress="restricted"), confirm=False, rollback_timeout=30, foreign_allow="disable")
    assert rules_without_ids(machine) != meant
    machine.advance(30 + outcome.result["commands"] + 1)
    machine.tick()
    assert rules_without_ids(machine) == meant
    assert active(machine, RDP)
    assert not told(machine)["drift"]


@pytest.mark.parametrize("state", ["enforced", "absent"])
def test_a_change_of_an_earlier_run_is_taken_back_first(machine: Machine, state: str) -> None:
    before = machine.registry.digest()
    run(machine, plan(hubs=("192.0.2.77",)), confirm=False, foreign_allow="disable")
    outcome = run(machine, None if state == "absent" else plan(), state=state)
    assert (outcome.result["taken_over"], outcome.result["changed"]) == (True, True)
    assert not machine.tasks
    if state == "absent":
        assert machine.registry.digest() == before
    else:
        assert active(machine, RDP)
        assert not told(machine)["drift"]


def test_in_check_mode_a_waiting_change_is_left_to_wait(machine: Machine) -> None:
    run(machine, plan(), confirm=False)
    outcome = run(machine, plan(), check=True)
    assert (outcome.result["taken_over"], outcome.result["changed"], list(machine.tasks)) == (True, True, ["datapath-rollback"])


class Lying:
    """A host whose answer after the change is not what it should be."""

    def __init__(self, machine: Machine, lie: t.Callable[[str], str]) -> None:
        self._host, self._lie = connect(machine), lie

    def __call__(self, command: str, stdin: bytes) -> t.Mapping[str, t.Any]:
        answer = dict(self._host._execute(command, stdin))
        if b"advfirewall export" in stdin and "DATAPATH-DONE" in answer["stdout"] and "DATAPATH-SECTION" in answer["stdout"]:
            answer["stdout"] = self._lie(answer["stdout"])
        return answer


def without(text: str, word: str) -> str:
    return "\r\n".join(line for line in text.split("\r\n") if word not in line)


@pytest.mark.parametrize(("lie", "words"), [
    (lambda text: without(text, "smtp-hub-to-hub"), "does not have what it said it had done: datapath.exchange in smtp"),
    (lambda text: text.replace("LogDroppedPackets    REG_DWORD    0x1", "LogDroppedPackets    REG_DWORD    0x0"), "does not have what it said"),
    (lambda text: without(text, RDP), f"has also changed rules that are not ours: {RDP}"),
    (lambda text: text.replace("LPort=445", "LPort=446"), "has also changed rules that are not ours: FPS-SMB-In-TCP"),
])
def test_what_is_read_back_is_believed_and_nothing_else(machine: Machine, lie: t.Callable[[str], str], words: str) -> None:
    before = machine.registry.digest()
    with pytest.raises(ChangeError, match=words) as error:
        firewall.enforce(Remote(Lying(machine, lie), "winrm"), plan(), Wish(), check=False)
    assert error.value.restored
    assert (machine.registry.digest(), files(machine), machine.tasks) == (before, [], {})


# -- profiles ----------------------------------------------------------------------------------------------------------------


def set_profile(machine: Machine, **values: int | None) -> None:
    for name, number in values.items():
        for key in PROFILE_KEYS:
            path = rf"{LOCAL}\{key}" + ("\\Logging" if name.startswith("Log") else "")
            if number is None:
                machine.registry.delete_value(path, name)
            else:
                machine.registry.set(path, name, "REG_DWORD", number)


PROFILES_BEFORE: tuple[dict[str, int | None], ...] = (
    {"EnableFirewall": 0}, {"DefaultInboundAction": 0}, {"DoNotAllowExceptions": 1}, {"DefaultOutboundAction": 1},
    {"EnableFirewall": None, "DefaultInboundAction": None, "DefaultOutboundAction": None, "DoNotAllowExceptions": None},
    {"LogDroppedPackets": None, "LogSuccessfulConnections": None}, {"LogDroppedPackets": 1, "LogSuccessfulConnections": 1},
    {"EnableFirewall": 0, "DefaultInboundAction": 0, "DefaultOutboundAction": 1},
)


@pytest.mark.parametrize("values", PROFILES_BEFORE)
def test_absent_brings_back_every_setting(machine: Machine, values: dict[str, int | None]) -> None:
    set_profile(machine, **values)
    before = machine.registry.digest()
    for state in ("monitored", "enforced", "monitored"):
        run(machine, plan(egress="restricted"), state=state, monitored_inbound="allow")
        assert not run(machine, plan(egress="restricted"), state=state, monitored_inbound="allow").result["changed"]
    run(machine, None, state="absent")
    assert machine.registry.digest() == before


@pytest.mark.parametrize(("values", "inbound", "wanted"), [
    ({}, "keep", 1), ({}, "allow", 0), ({"DefaultInboundAction": 0}, "keep", 0), ({"EnableFirewall": 0}, "keep", 0),
    ({"DefaultInboundAction": None}, "keep", 1),
])
@pytest.mark.parametrize("through", ["", "enforced"])
def test_monitored_never_closes_and_never_opens_unless_asked(
    machine: Machine, values: dict[str, int | None], inbound: str, wanted: int, through: str,
) -> None:
    set_profile(machine, **values)
    if through:
        run(machine, plan(), state=through)
    run(machine, plan(), state="monitored", monitored_inbound=inbound)
    assert [profile(machine, key) for key in PROFILE_KEYS] == [wanted] * 3
    assert [profile(machine, key, "EnableFirewall") for key in PROFILE_KEYS] == [1, 1, 1]
    assert {profile(machine, rf"{key}\Logging", value) for key in PROFILE_KEYS for value in ("LogDroppedPackets", "LogSuccessfulConnections")} == {1}


def test_restricted_egress_blocks_what_goes_out_and_judges_it(machine: Machine) -> None:
    outcome = run(machine, plan(egress="restricted"))
    assert [profile(machine, key, "DefaultOutboundAction") for key in PROFILE_KEYS] == [1, 1, 1]
    assert "datapath.exchange out ldap" in " ".join(own_rules(machine))
    assert "CoreNet-DNS-Out-UDP" in [entry["id"] for entry in outcome.result["foreign_allows"] if entry["direction"] == "out"]


# -- info --------------------------------------------------------------------------------------------------------------------


def test_info_of_a_host_that_was_never_touched(machine: Machine) -> None:
    before = machine.registry.digest()
    found = told(machine)
    assert (found["state"], found["loaded"], found["drift"], found["changed"]) == ("absent", "absent", True, False)
    assert found["differences"] == ["no rule of the plan is there: nothing is enforced"]
    assert "+rule datapath.exchange in smtp-hub-to-hub" in found["drift_diff"]
    bare = firewall.inform(connect(machine), None, Wish())
    assert "drift" not in bare
    assert (bare["state"], bare["foreign_allows"], bare["counters"], bare["dropped"]) == ("absent", [], {}, {"packets": 0, "bytes": 0})
    assert (machine.registry.digest(), files(machine)) == (before, [])


def test_info_of_a_monitored_host(machine: Machine) -> None:
    run(machine, plan(), state="monitored")
    assert (told(machine, state="monitored")["drift"], told(machine)["loaded"]) == (False, "monitored")


def test_info_tells_what_remains_beyond_the_plan(machine: Machine) -> None:
    run(machine, plan(), foreign_allow="disable")
    found = told(machine)
    assert RDP in found["disabled"]
    assert all(entry["kept"] for entry in found["foreign_allows"])
    assert not any(entry["ports"] == ["3389"] for entry in found["remaining"])


LOG = (
    "#Version: 1.5", "#Software: Microsoft Windows Firewall", "#Time Format: Local",
    "#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn tcpack tcpwin icmptype icmpcode info path",
    "2026-11-25 10:00:00 ALLOW TCP 192.0.2.11 192.0.2.10 50000 25 0 - 0 0 0 - - - RECEIVE",
    "2026-11-25 10:00:01 ALLOW TCP 192.0.2.250 192.0.2.10 50000 5985 0 - 0 0 0 - - - RECEIVE",
    "2026-11-25 10:00:02 ALLOW TCP 192.0.2.77 192.0.2.10 50000 3389 60 - 0 0 0 - - - RECEIVE",
)


@pytest.mark.parametrize("with_plan", [True, False])
def test_info_counts_what_the_log_has(machine: Machine, with_plan: bool) -> None:
    run(machine, plan(), state="monitored")
    host = connect(machine)

    def execute(command: str, stdin: bytes) -> t.Mapping[str, t.Any]:
        if b"log_0" not in stdin:
            return host._execute(command, stdin)
        assert b'findstr.exe" /l /c:"#Fields:" /c:" DROP " /c:" ALLOW " "%SystemRoot%\\' in stdin
        return {"rc": 0, "stdout": "\n".join(("DATAPATH-SECTION log_0", *LOG[3:], "DATAPATH-RC 0", "DATAPATH-DONE", "DATAPATH-END 0", "")), "stderr": ""}

    found = firewall.inform(Remote(execute, "ssh"), plan() if with_plan else None, Wish(state="monitored"), log=True)
    assert found["counters"] == {"smtp-hub-to-hub": {"packets": 1, "bytes": 0}, "mapi-clients": {"packets": 0, "bytes": 0}}
    assert (found["guards"], found["dropped"]) == ({"management": {"packets": 1, "bytes": 0}}, {"packets": 1, "bytes": 60})
    assert found["beside"] == [{"direction": "in", "protocol": "tcp", "port": "3389", "peer": "192.0.2.77", "packets": 1, "action": "allowed"}]
