# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from windows_host import FIREWALL, MEMORY, POLICY, PSK, SERVICES, Host, fresh

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import CryptoSuite, Match, Ports, Profile, Service, WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.state import SECTIONS, parse, read_commands, require_usable

RULE = "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=25|Name=datapath.exchange in x 12345678|"
SETS = "Auth1Set={A}|Auth2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE4}|Crypto2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE2}|"
SCRIPT = re.compile(
    r'(?:"%T%\\reg\.exe" query "(?:HKLM|HKU)\\[A-Za-z0-9 .\\-]+"(?: /v \w+)?(?: /s(?: \| "%T%\\findstr\.exe" /v /i /c:"    SHKey    ")?)?'
    r'|"%T%\\sc\.exe" query \w+|"%T%\\schtasks\.exe" /query /tn datapath-rollback >nul 2>&1|dir /b "%~dp0pending-\*\.cmd" 2>nul)\Z',
)


def test_the_commands_are_in_the_grammar_of_our_scripts_and_show_no_key() -> None:
    for section, command in read_commands():
        assert SCRIPT.match(command) and len(command) < 8000 and command.isascii(), section
        deep = command.partition(" | ")[0].endswith(" /s")
        assert not deep or "SHKey" in command or section.startswith("profiles_") or section == "memory"
    assert len(set(SECTIONS)) == len(SECTIONS) == len(read_commands())


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("wine", [False, True], ids=["windows", "wine"])
def test_a_fresh_host(language: str, wine: bool) -> None:
    state = parse(fresh(language=language, wine=wine).sections())
    log = r"%systemroot%\system32\LogFiles\Firewall\pfirewall.log"
    assert (state.release, state.elevated, state.rules, state.security_rules) == (release_of("2019", 17763), True, (), ())
    assert state.profiles == dict.fromkeys(("domain", "private", "public"), Profile(enabled=True, log_dropped=False, log_file=log, log_size=4096))
    assert state.policy_profiles == dict.fromkeys(("domain", "private", "public"), Profile())
    assert state.services == dict.fromkeys(("MpsSvc", "BFE", "IKEEXT"), Service(4, 2))
    assert (state.memory, state.pending, state.unreadable, state.faults) == ({}, "", (), ())
    assert state.main_suites == (CryptoSuite("aes128", "sha1", exchange="dhgroup2"), CryptoSuite("3des", "sha1", exchange="dhgroup2"))
    for wanted in ("enforced", "monitored", "absent", "required", "requested"):
        require_usable(state, wanted)


@pytest.mark.parametrize("wine", [False, True], ids=["windows", "wine"])
def test_rules_of_both_stores_and_a_default_value_that_is_none(wine: bool) -> None:
    host = fresh(wine=wine, language="ja")
    host.set(rf"{FIREWALL}\FirewallRules", "", "").set(rf"{FIREWALL}\FirewallRules", "{1}", RULE)
    host.set(rf"{FIREWALL}\FirewallRules", "FPS-1", "v2.29|Action=Block|Dir=Out|Name=メール サーバー|")
    host.set(rf"{FIREWALL}\FirewallRules\Sub", "{no}", "v2.10|broken")
    host.set(POLICY, "PolicyVersion", "0x20a", "REG_DWORD").set(rf"{POLICY}\FirewallRules", "{2}", RULE)
    state = parse(host.sections())
    assert {(rule.store, rule.id, rule.name, rule.active) for rule in state.rules} == {
        ("local", "{1}", "datapath.exchange in x 12345678", True), ("local", "FPS-1", "メール サーバー", False),
        ("policy", "{2}", "datapath.exchange in x 12345678", True),
    }
    assert {rule.match for rule in state.rules if rule.active} == {Match("in", protocol=6, local_ports=Ports(numbers=((25, 25),)))}
    assert (state.unreadable, state.faults) == ((), ())


def test_a_rule_of_policy_that_is_too_long_for_a_filter_is_read_all_the_same() -> None:
    host = fresh()
    text = RULE + "".join(f"RA4=198.51.100.{number % 256}|" for number in range(900))
    host.set(rf"{POLICY}\FirewallRules", "{1}", text)
    sections = host.sections()
    code, lines = sections["policy"]
    state = parse({**sections, "policy": (code, tuple(line for line in lines if len(line) < 8191))})
    assert [rule.text for rule in state.rules] == [text]


def test_rules_that_are_not_understood_are_named_and_not_left_out() -> None:
    host = fresh()
    host.set(rf"{FIREWALL}\FirewallRules", "{1}", "v2.10|Action=Allow|Active=TRUE|Dir=In|RA4=everywhere|")
    host.set(rf"{FIREWALL}\FirewallRules", "{2}", "v2.10|Action=Allow|Active=TRUE|Dir=In|Desc=cut\n\nhere|RA4=192.0.2.1|")
    host.set(rf"{FIREWALL}\FirewallRules", "{3}", "")
    host.set(rf"{POLICY}\ConSecRules", "{4}", "v2.10|Action=Secure|Auth1Set={GONE}|Crypto2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE2}|")
    state = parse(host.sections())
    assert (state.rules, state.security_rules) == ((), ())
    assert [each.split(": ")[:2] for each in state.unreadable] == [["local", "{1}"], ["local", "{2}"], ["local", "{3}"], ["policy", "{4}"]]
    assert "everywhere" in state.unreadable[0]


def _ipsec(host: Host) -> Host:
    host.set(rf"{FIREWALL}\ConSecRules", "{C}", f"v2.10|Action=Secure|Active=TRUE|Name=datapath.exchange ipsec x 12345678|{SETS}")
    host.set(rf"{FIREWALL}\MainModeRules", "{M}", "v2.10|Active=TRUE|Name=m|Auth1Set={a}|Crypto1Set={E5A5D32A-4BCE-4E4D-B07F-4AB1BA7E5FE1}|")
    host.set(rf"{FIREWALL}\Phase1AuthenticationSets\{{A}}", "Version", "2.10")
    host.set(rf"{FIREWALL}\Phase1AuthenticationSets\{{A}}\0000", "Method", "MachineSHKey")
    return host.set(rf"{FIREWALL}\Phase1AuthenticationSets\{{A}}\0000", "SHKey", PSK)


def test_security_rules_with_their_sets_and_without_the_key() -> None:
    sections = _ipsec(fresh()).sections()
    state = parse(sections)
    assert [(rule.id, rule.name, rule.auth_set, rule.match.auth1[0].method) for rule in state.security_rules] == [
        ("{C}", "datapath.exchange ipsec x 12345678", "{a}", "psk"), ("{M}", "m", "{a}", "psk"),
    ]
    assert PSK not in repr(sections) + repr(state)


def test_a_key_that_got_through_the_filter_goes_no_further() -> None:
    sections = _ipsec(fresh()).sections()
    code, lines = sections["sets_phase1authenticationsets"]
    leaky = (*lines, rf"{FIREWALL}\Phase1AuthenticationSets\{{A}}\0000".replace("HKLM", "HKEY_LOCAL_MACHINE"), f"    SHKey    REG_SZ    {PSK}")
    assert PSK not in repr(parse({**sections, "sets_phase1authenticationsets": (code, leaky)}))


def test_settings_of_profiles_in_both_stores() -> None:
    host = fresh()
    for name, number in (("EnableFirewall", 0), ("DefaultInboundAction", 1), ("DefaultOutboundAction", 0), ("DoNotAllowExceptions", 1)):
        host.set(rf"{FIREWALL}\StandardProfile", name, hex(number), "REG_DWORD")
    host.set(rf"{POLICY}\DomainProfile", "AllowLocalPolicyMerge", "0x0", "REG_DWORD")
    host.set(rf"{POLICY}\PublicProfile", "AllowLocalIPsecPolicyMerge", "0x1", "REG_DWORD")
    host.set(rf"{POLICY}\PrivateProfile", "EnableFirewall", "0x0", "REG_DWORD").set(rf"{POLICY}\StandardProfile", "EnableFirewall", "0x1", "REG_DWORD")
    host.set(rf"{POLICY}\PrivateProfile\Logging", "LogSuccessfulConnections", "0x1", "REG_DWORD")
    state = parse(host.sections())
    private = state.profiles["private"]
    assert (private.enabled, private.inbound, private.outbound, private.block_all) == (False, "block", "allow", True)
    assert state.profiles["domain"].enabled and state.profiles["domain"].inbound is None
    assert state.policy_profiles == {
        "domain": Profile(merge=False), "private": Profile(enabled=False, log_allowed=True), "public": Profile(merge_ipsec=True),
    }


def test_services_by_their_numbers() -> None:
    host = fresh(services={"MpsSvc": 1, "BFE": 4}, sc="translated").set(rf"{SERVICES}\MpsSvc", "Start", "0x4", "REG_DWORD")
    assert parse(host.sections()).services == {"MpsSvc": Service(1, 4), "BFE": Service(4, 2), "IKEEXT": Service()}


def test_what_earlier_runs_left() -> None:
    host = fresh(files=("pending-0123456789abcdef.cmd",), task=True)
    host.set(rf"{MEMORY}\firewall", "domain.inbound", "allow").set(rf"{MEMORY}\firewall", "foreign.{1}", "TRUE").set(MEMORY, "stray", "x")
    state = parse(host.sections())
    assert state.memory == {"firewall": {"domain.inbound": "allow", "foreign.{1}": "TRUE"}}
    assert state.pending == "0123456789abcdef"


@pytest.mark.parametrize(("files", "expected"), [
    (("PENDING-0123456789ABCDEF.CMD ",), "0123456789abcdef"), (("pending-1.cmd", "run-0123456789abcdef.cmd", "pending-0123456789abcdef.cmd.bak"), ""),
    (("File Not Found",), ""),
])
def test_pending_changes_by_the_names_of_their_files(files: tuple[str, ...], expected: str) -> None:
    assert parse(fresh(files=files).sections()).pending == expected


@pytest.mark.parametrize(("version", "build", "major", "name"), [("6.0", 6002, None, "2008"), ("6.1", 7601, None, "2008r2"), ("6.3", 26100, 10, "2025")])
def test_the_release(version: str, build: int, major: int | None, name: str) -> None:
    assert parse(fresh(version, build, major).sections()).release == release_of(name, build)


def test_releases_that_are_not_supported_and_hosts_that_do_not_say() -> None:
    with pytest.raises(WindowsError, match="not a supported release"):
        parse(fresh("6.3", 10240, 10).sections())
    host = fresh()
    del host.registry[r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"]
    with pytest.raises(WindowsError, match="release of Windows could not be read"):
        parse(host.sections())


@pytest.mark.parametrize("section", SECTIONS)
def test_an_answer_that_was_cut_off_is_no_state(section: str) -> None:
    sections = fresh().sections()
    del sections[section]
    with pytest.raises(WindowsError, match=f"cut off: {section} missing"):
        parse(sections)


@pytest.mark.parametrize("key", [
    FIREWALL, rf"{FIREWALL}\FirewallRules", rf"{FIREWALL}\ConSecRules", rf"{FIREWALL}\PublicProfile", POLICY, rf"{POLICY}\FirewallRules",
])
@pytest.mark.parametrize("wine", [False, True], ids=["windows", "wine"])
def test_denied_is_told_from_missing(key: str, wine: bool) -> None:
    host = fresh(denied={key}, wine=wine).set(POLICY, "x", "y")
    state = parse(host.sections())
    assert len(state.faults) == 1 and f"{key} " in state.faults[0]
    with pytest.raises(WindowsError, match="registry is not readable"):
        require_usable(state, "enforced")


def test_empty_keys_of_policy_are_no_fault() -> None:
    host = fresh()
    host.registry[POLICY] = {}
    host.registry[rf"{POLICY}\FirewallRules"] = {}
    assert parse(host.sections()).faults == ()


def test_a_host_without_a_firewall_is_not_usable() -> None:
    host = fresh()
    host.registry = {key: values for key, values in host.registry.items() if not key.startswith(FIREWALL)}
    with pytest.raises(WindowsError, match="registry is not readable"):
        require_usable(parse(host.sections()), "absent")


@pytest.mark.parametrize("wanted", ["enforced", "monitored", "absent"])
def test_a_connection_without_elevation_is_not_usable(wanted: str) -> None:
    with pytest.raises(WindowsError, match="not elevated"):
        require_usable(parse(fresh(elevated=False).sections()), wanted)


@pytest.mark.parametrize("name", ["MpsSvc", "BFE"])
@pytest.mark.parametrize("state", [0, 1, 2, 3, 7])
def test_a_stopped_service_is_named_with_the_command_that_starts_it(name: str, state: int) -> None:
    host = fresh()
    host.services[name] = state
    read = parse(host.sections())
    with pytest.raises(WindowsError, match=rf"service {name} is not running.*: net start {name}"):
        require_usable(read, "enforced")
    for wanted in ("absent", "info"):
        require_usable(read, wanted)
    disabled = parse(host.set(rf"{SERVICES}\{name}", "Start", "0x4", "REG_DWORD").sections())
    with pytest.raises(WindowsError, match=rf"sc config {name} start= auto"):
        require_usable(disabled, "monitored")


def test_what_is_to_be_removed_needs_the_services_too() -> None:
    host = fresh(services={"BFE": 4}).set(rf"{FIREWALL}\FirewallRules", "{1}", RULE)
    with pytest.raises(WindowsError, match="MpsSvc is not running"):
        require_usable(parse(host.sections()), "absent")
    remembered = fresh(services={"BFE": 4}).set(rf"{MEMORY}\firewall", "domain.inbound", "allow")
    with pytest.raises(WindowsError, match="MpsSvc is not running"):
        require_usable(parse(remembered.sections()), "absent")
    foreign = fresh(services={"BFE": 4}).set(rf"{POLICY}\FirewallRules", "{1}", RULE)
    require_usable(parse(foreign.sections()), "absent")


def test_keys_are_exchanged_by_a_service_that_is_not_disabled() -> None:
    host = fresh().set(rf"{SERVICES}\IKEEXT", "Start", "0x4", "REG_DWORD")
    host.services["IKEEXT"] = 1
    state = parse(host.sections())
    require_usable(state, "enforced")
    for wanted in ("required", "requested"):
        with pytest.raises(WindowsError, match="IKEEXT is disabled or absent"):
            require_usable(state, wanted)
    require_usable(parse(host.set(rf"{SERVICES}\IKEEXT", "Start", "0x3", "REG_DWORD").sections()), "required")


def test_a_release_without_the_new_firewall_is_not_usable() -> None:
    state = replace(parse(fresh().sections()), release=release_of("2003"))
    with pytest.raises(WindowsError, match="2003 has no firewall that can be managed"):
        require_usable(state, "enforced")
