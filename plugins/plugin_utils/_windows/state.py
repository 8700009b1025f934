# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The state of a Windows host from the output of a fixed list of commands: the registry's own texts and numbers, never a translated sentence.

A key that is missing is normal and one that must not be read is an error; C(reg query) fails alike for both, so the parent, which lists its subkeys,
tells them apart.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import regquery
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import GrammarError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import (
    FirewallRule,
    Profile,
    Release,
    SecurityRule,
    Service,
    State,
    WindowsError,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of_build
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.rules import firewall_rule
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.security import DEFAULT_MAIN, Sets, main_mode_rule, read_sets, security_rule

Section = tuple[int, tuple[str, ...]]
"""Exit code and lines of one command."""
Sections = t.Mapping[str, Section]

LOCAL: t.Final = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
POLICY: t.Final = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
MEMORY: t.Final = r"HKLM\SOFTWARE\datapath.exchange"
TASK: t.Final = "datapath-rollback"
OWN: t.Final = "datapath.exchange "
SERVICES: t.Final = ("MpsSvc", "BFE", "IKEEXT")
RUNNING: t.Final = 4
DISABLED: t.Final = 4
_FILTERING: t.Final = frozenset(("enforced", "monitored", "required", "requested"))

_SETS: t.Final = tuple(f"Phase{phase}{kind}Set{end}" for kind in ("Authentication", "Crypto") for phase in "12" for end in ("", "s"))
_RULES: t.Final = {"firewall_rules": "FirewallRules", "consec_rules": "ConSecRules", "mainmode_rules": "MainModeRules"}
# The private profile's key has the name of the days when there were two (public dumps).
_PROFILE_KEYS: t.Final = {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}
_POLICY_KEYS: t.Final = {"domain": ("DomainProfile",), "private": ("PrivateProfile", "StandardProfile"), "public": ("PublicProfile",)}
_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
_VERSIONS: t.Final = {"os_version": "CurrentVersion", "os_build": "CurrentBuildNumber", "os_major": "CurrentMajorVersionNumber"}
_NO_KEY: t.Final = r'"%T%\findstr.exe" /v /i /c:"    SHKey    "'
_PENDING = re.compile(r"pending-([0-9a-f]{16})\.cmd\Z")
_FIELD = re.compile(r"\s+\S[^:]*:\s*([0-9a-fA-F]+)\b")


def _query(key: str, more: str = "") -> str:
    return rf'"%T%\reg.exe" query "{key}"{more}'


def read_commands() -> tuple[tuple[str, str], ...]:
    """Names of sections and the command of each, in script form: all that C(parse) wants, and nothing that changes the host or shows a key."""
    return (
        *((section, _query(_VERSION, f" /v {name}")) for section, name in _VERSIONS.items()),
        ("elevated", _query(r"HKU\S-1-5-19")),
        ("firewall_policy", _query(LOCAL)),
        *((section, _query(rf"{LOCAL}\{name}")) for section, name in _RULES.items()),
        *((f"sets_{name.lower()}", f"{_query(rf'{LOCAL}{chr(92)}{name}', ' /s')} | {_NO_KEY}") for name in _SETS),
        *((f"profiles_{key.removesuffix('Profile').lower()}", _query(rf"{LOCAL}\{key}", " /s")) for key in _PROFILE_KEYS.values()),
        ("policy_parent", _query(POLICY.rpartition("\\")[0])),
        ("policy_root", _query(POLICY)),
        ("policy", f"{_query(POLICY, ' /s')} | {_NO_KEY}"),
        # findstr leaves out lines of 8 191 bytes and more, and a rule with many addresses is one: https://ss64.com/nt/findstr.html
        *((f"policy_{section}", _query(rf"{POLICY}\{name}")) for section, name in _RULES.items()),
        *((f"service_{name}", rf'"%T%\sc.exe" query {name}') for name in SERVICES),
        *((f"start_{name}", _query(rf"HKLM\SYSTEM\CurrentControlSet\Services\{name}", " /v Start")) for name in SERVICES),
        ("memory", _query(MEMORY, " /s")),
        ("pending", rf'"%T%\schtasks.exe" /query /tn {TASK} >nul 2>&1'),
        ("pending_files", r'dir /b "%~dp0pending-*.cmd" 2>nul'),
    )


SECTIONS: t.Final = tuple(section for section, _command in read_commands())


def parse(sections: Sections) -> State:
    """Everything that was read, as a State. WindowsError for an answer with sections missing and for a release that is not supported.

    What is there and could not be read is in C(State.faults), rules that could not be understood in C(State.unreadable): C(require_usable) judges them.
    """
    missing = [section for section in SECTIONS if section not in sections]
    if missing:
        raise WindowsError(f"the host's answer was cut off: {', '.join(missing)} missing; run again, and look at the limits of the connection")
    read = _Reader(sections)
    local = read.rules("local", LOCAL, {section: section for section in _RULES}, read.sets())
    policy = read.rules("policy", POLICY, {section: f"policy_{section}" for section in _RULES}, read.policy_sets())
    return State(
        read.release(), sections["elevated"][0] == 0, local.rules + policy.rules, local.security + policy.security, read.profiles(),
        read.policy_profiles(), read.services(), read.memory(), read.pending(), read.sets().main[DEFAULT_MAIN].suites, local.unreadable + policy.unreadable,
        read.faults(),
    )


class _Rules(t.NamedTuple):
    rules: tuple[FirewallRule, ...]
    security: tuple[SecurityRule, ...]
    unreadable: tuple[str, ...]


class _Reader:
    """The sections of one answer, each parsed once."""

    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._keys: dict[str, regquery.Keys] = {}

    def keys(self, section: str) -> regquery.Keys:
        if section not in self._keys:
            self._keys[section] = regquery.parse(self._sections[section][1])
        return self._keys[section]

    def _value(self, section: str, key: str, name: str) -> regquery.Value | None:
        return regquery.value(regquery.find(self.keys(section), key), name)

    def release(self) -> Release:
        version = self._value("os_version", _VERSION, "CurrentVersion")
        build = regquery.number(self._value("os_build", _VERSION, "CurrentBuildNumber"))
        if version is None or build is None:
            raise WindowsError(f"the release of Windows could not be read from {_VERSION}: give the account of the connection access to the registry")
        major = regquery.number(self._value("os_major", _VERSION, "CurrentMajorVersionNumber"))
        return release_of_build(version[1].strip(), build, major or 0)

    def sets(self) -> Sets:
        return read_sets({key: values for name in _SETS for key, values in self.keys(f"sets_{name.lower()}").items()})

    def policy_sets(self) -> Sets:
        return read_sets(self.keys("policy"))

    def rules(self, store: str, root: str, sections: t.Mapping[str, str], sets: Sets) -> _Rules:
        """The rules of one store; those that are not understood go by their names."""
        readers: dict[str, t.Callable[[str, str], t.Any]] = {
            "firewall_rules": lambda rule_id, text: firewall_rule(rule_id, text, store),
            "consec_rules": lambda rule_id, text: security_rule(rule_id, text, store, sets),
            "mainmode_rules": lambda rule_id, text: main_mode_rule(rule_id, text, store, sets),
        }
        made: dict[str, list[t.Any]] = {kind: [] for kind in _RULES}
        unreadable: list[str] = []
        for kind, section in sections.items():
            for rule_id, (type_, text) in regquery.find(self.keys(section), rf"{root}\{_RULES[kind]}").items():
                # PolicyVersion and the like are numbers; an empty default value is none.
                if type_ not in {"REG_SZ", "REG_EXPAND_SZ"} or (not rule_id and not text.startswith(("v", "V"))):
                    continue
                try:
                    made[kind].append(readers[kind](rule_id, text))
                except GrammarError as error:
                    unreadable.append(f"{store}: {rule_id}: {error}")
        return _Rules(tuple(made["firewall_rules"]), (*made["consec_rules"], *made["mainmode_rules"]), tuple(unreadable))

    def profiles(self) -> dict[str, Profile]:
        return {
            name: _profile(self.keys(f"profiles_{key.removesuffix('Profile').lower()}"), (rf"{LOCAL}\{key}",)) for name, key in _PROFILE_KEYS.items()
        }

    def policy_profiles(self) -> dict[str, Profile]:
        return {name: _profile(self.keys("policy"), tuple(rf"{POLICY}\{key}" for key in names)) for name, names in _POLICY_KEYS.items()}

    def services(self) -> dict[str, Service]:
        return {name: Service(self._service_state(name), self._service_start(name)) for name in SERVICES}

    def _service_state(self, name: str) -> int:
        """The second of C(sc)'s fields, by its number: the first is the type, and their names are translated."""
        code, lines = self._sections[f"service_{name}"]
        fields = [found[1] for found in map(_FIELD.match, lines) if found]
        return int(fields[1], 16) if code == 0 and len(fields) > 1 else 0

    def _service_start(self, name: str) -> int:
        return regquery.number(self._value(f"start_{name}", rf"HKLM\SYSTEM\CurrentControlSet\Services\{name}", "Start")) or 0

    def memory(self) -> dict[str, dict[str, str]]:
        root = regquery.full_key(MEMORY).lower() + "\\"
        return {
            key[len(root):].lower(): {name: data for name, (_type, data) in values.items()}
            for key, values in self.keys("memory").items() if key.lower().startswith(root) and values
        }

    def pending(self) -> str:
        """A file alone is enough: its task may have been deleted by hand, and what it would undo is still there."""
        found = (_PENDING.match(line.strip().lower()) for line in self._sections["pending_files"][1])
        return next((each[1] for each in found if each), "")

    def faults(self) -> tuple[str, ...]:
        """Sets count by themselves: a rule that points to one that was not read is unreadable."""
        return (*self._denied(), *self._denied_policy())

    def _denied(self) -> t.Iterator[str]:
        if self._sections["firewall_policy"][0]:
            yield f"{LOCAL} could not be read: is the Windows Firewall there, and may this account read it?"
            return
        there = self._subkeys("firewall_policy", LOCAL)
        children = {**_RULES, **{f"profiles_{key.removesuffix('Profile').lower()}": key for key in _PROFILE_KEYS.values()}}
        for section, name in children.items():
            if self._sections[section][0] and name.lower() in there:
                yield _denial(rf"{LOCAL}\{name}")

    def _denied_policy(self) -> t.Iterator[str]:
        parent, _slash, name = POLICY.rpartition("\\")
        if self._sections["policy_root"][0]:
            if name.lower() in self._subkeys("policy_parent", parent):
                yield _denial(POLICY)
            return
        there = self._subkeys("policy_root", POLICY)
        for section, child in _RULES.items():
            if self._sections[f"policy_{section}"][0] and child.lower() in there:
                yield _denial(rf"{POLICY}\{child}")

    def _subkeys(self, section: str, root: str) -> set[str]:
        prefix = regquery.full_key(root).lower() + "\\"
        return {key[len(prefix):].lower() for key in self.keys(section) if key.lower().startswith(prefix)}


def _denial(key: str) -> str:
    return f"{key} is there and could not be read: access denied?"


def _profile(keys: regquery.Keys, roots: tuple[str, ...]) -> Profile:
    """One profile from its key and the C(Logging) below it; of several keys the first that has a value counts."""

    def number(name: str, below: str = "") -> int | None:
        found = (regquery.number(regquery.value(regquery.find(keys, root + below), name)) for root in roots)
        return next((each for each in found if each is not None), None)

    def flag(name: str, below: str = "") -> bool | None:
        found = number(name, below)
        return None if found is None else bool(found)

    def action(name: str) -> str | None:
        found = number(name)
        return None if found is None else "block" if found else "allow"

    files = (regquery.value(regquery.find(keys, rf"{root}\Logging"), "LogFilePath") for root in roots)
    return Profile(
        flag("EnableFirewall"), action("DefaultInboundAction"), action("DefaultOutboundAction"), flag("LogDroppedPackets", r"\Logging"),
        flag("LogSuccessfulConnections", r"\Logging"), next((each[1] for each in files if each), None), number("LogFileSize", r"\Logging"),
        flag("AllowLocalPolicyMerge"), flag("AllowLocalIPsecPolicyMerge"), flag("DoNotAllowExceptions"),
    )


def require_usable(state: State, wanted: str) -> None:
    """Raise WindowsError when a state cannot be brought to what is wanted, before anything is written.

    wanted: C(enforced), C(monitored), C(required), C(requested) or C(absent); for the last, services count only where there is something to remove.
    Any other word asks for no more than reading.
    """
    if not state.release.advfirewall:
        raise WindowsError(f"Windows Server {state.release.name} has no firewall that can be managed: render its plan and carry it out by hand")
    if not state.elevated:
        raise WindowsError("the connection is not elevated: use an account that is a local administrator, without filtered rights over the network")
    if state.faults:
        raise WindowsError("the firewall's registry is not readable: " + "; ".join(state.faults))
    if wanted in _FILTERING or (wanted == "absent" and _owns(state)):
        _require_services(state, wanted)


def _owns(state: State) -> bool:
    names = [rule.name for rule in state.rules if rule.store == "local"] + [rule.name for rule in state.security_rules if rule.store == "local"]
    return any(name.startswith(OWN) for name in names) or bool(state.pending or state.memory)


def _require_services(state: State, wanted: str) -> None:
    for name in ("BFE", "MpsSvc"):
        service = state.services.get(name, Service())
        if service.state != RUNNING:
            how = f"sc config {name} start= auto, then net start {name}" if service.start == DISABLED else f"net start {name}"
            raise WindowsError(f"the service {name} is not running, so nothing is filtered and netsh cannot be used: {how}")
    if wanted in {"required", "requested"} and state.services.get("IKEEXT", Service()).start in {0, DISABLED}:
        raise WindowsError("the service IKEEXT is disabled or absent, so no key can be exchanged: sc config IKEEXT start= auto, then net start IKEEXT")


__all__ = ("LOCAL", "MEMORY", "OWN", "POLICY", "RUNNING", "SECTIONS", "SERVICES", "TASK", "Section", "Sections", "parse", "read_commands", "require_usable")
