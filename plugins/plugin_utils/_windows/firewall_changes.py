# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What has to change on a host so that its firewall is as wanted: from values to values, without a host.

What is not there yet is added before what is too much is deleted, so that nothing that both allow is ever closed. Old settings are remembered in the registry
of the host, once, and C(absent) puts them back.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, field, fields, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_firewall import OWN, NetshRule, setting_lines, wanted_profiles
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import effective, netsh_words
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import script as _script
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES, FirewallRule, Match, Profile, State
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.transaction import Change, Step

MEMORY = "HKLM\\SOFTWARE\\datapath.exchange"
PART = "firewall"
POLICY = "HKLM\\SYSTEM\\CurrentControlSet\\Services\\SharedAccess\\Parameters\\FirewallPolicy"

_KEYS = {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}
_VALUES = {
    "enabled": ("", "EnableFirewall"), "inbound": ("", "DefaultInboundAction"), "outbound": ("", "DefaultOutboundAction"),
    "block_all": ("", "DoNotAllowExceptions"), "log_dropped": ("\\Logging", "LogDroppedPackets"), "log_allowed": ("\\Logging", "LogSuccessfulConnections"),
}
_DEFAULTS = Profile(enabled=True, inbound="block", outbound="allow", block_all=False, log_dropped=False, log_allowed=False)
"""What a value that is absent stands for (MS-FASP, note 32)."""
_WORDS: dict[str, bool | str | None] = {"on": True, "off": False, "allow": "allow", "block": "block", "absent": None}
_TOGETHER = ("inbound", "outbound", "block_all")
"""netsh sets all of them or none."""
_FOREIGN = "foreign."
_ID_BYTES = 6000
"""Ids of rules in one line of PowerShell."""


@dataclass(frozen=True)
class Aim:
    """How a host's firewall is to be. state: C(enforced), C(monitored) or C(absent). rules: ours, all of them. profiles: fields that are None stay.

    disabled, enabled: foreign rules that are to be so and are not.
    """

    state: str
    rules: tuple[NetshRule, ...] = ()
    profiles: t.Mapping[str, Profile] = field(default_factory=dict)
    disabled: tuple[FirewallRule, ...] = ()
    enabled: tuple[FirewallRule, ...] = ()


@dataclass(frozen=True)
class Difference:
    """What is to be done. deleted: names, and gone the rules that go with them. settings: (profile, line). unset: registry values (key, name) that were not
    there before. remembered, forgotten: entries of the memory by name.
    """

    added: tuple[NetshRule, ...] = ()
    deleted: tuple[str, ...] = ()
    gone: tuple[FirewallRule, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    unset: tuple[tuple[str, str], ...] = ()
    disabled: tuple[FirewallRule, ...] = ()
    enabled: tuple[FirewallRule, ...] = ()
    remembered: t.Mapping[str, str] = field(default_factory=dict)
    forgotten: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, each.name) for each in fields(self))


def is_own(rule: FirewallRule) -> bool:
    """Whether a rule is ours: a name that only we give, in the store that netsh writes to, and one that netsh can be given back."""
    return rule.store == "local" and rule.name.lower().startswith(OWN) and netsh_words.carriable(rule.name)


def memory_of(state: State) -> dict[str, str]:
    """What earlier runs remembered of the firewall."""
    return dict(state.memory.get(PART, {}))


def disabled_by_us(state: State) -> tuple[str, ...]:
    """The ids of foreign rules that earlier runs disabled."""
    return tuple(name[len(_FOREIGN):] for name in sorted(memory_of(state)) if name.startswith(_FOREIGN))


def aimed_profiles(state: State, wanted: str, egress: str, profiles: t.Sequence[str], monitored_inbound: str) -> dict[str, Profile]:
    """How the profiles are to be: what the state asks for, and for the rest what the host had before us."""
    before = old_profiles(state)
    if wanted == "absent":
        return {name: profile for name, profile in before.items() if profile != Profile()}
    asked = wanted_profiles(wanted, egress, profiles, {name: _filled(before[name], state.profiles.get(name)) for name in PROFILES}, monitored_inbound)
    # Where rules or the default let something in, nothing may drop it whatever they say.
    asked = {name: replace(profile, block_all=False) if wanted == "enforced" or profile.inbound == "allow" else profile for name, profile in asked.items()}
    return {name: _or_else(asked.get(name, Profile()), before[name]) for name in PROFILES if name in asked or before[name] != Profile()}


def old_profiles(state: State) -> dict[str, Profile]:
    """The settings that were remembered, as they take effect; None for those that were not."""
    memory = memory_of(state)
    return {name: Profile(**{each: _recalled(memory, f"{name}.{each}", each) for each in _VALUES}) for name in PROFILES}


def _recalled(memory: t.Mapping[str, str], entry: str, setting: str) -> t.Any:
    if memory.get(entry) not in _WORDS:
        return None
    value = _WORDS[memory[entry]]
    return getattr(_DEFAULTS, setting) if value is None else value


def _filled(before: Profile, now: Profile | None) -> Profile:
    """A profile as it was before us: remembered where we changed it, else as it is."""
    return _or_else(before, now or Profile())


def _or_else(first: Profile, second: Profile) -> Profile:
    return replace(second, **{each: getattr(first, each) for each in _VALUES if getattr(first, each) is not None})


def difference(state: State, aim: Aim) -> Difference:
    """What separates a host from how it is to be."""
    own = [rule for rule in state.rules if is_own(rule)]
    added, deleted = _rules(own, aim.rules, {rule.name.lower() for rule in state.rules if rule.store == "local"})
    settings = tuple((name, line) for name, wanted in aim.profiles.items() for line in profile_lines(name, wanted, state.profiles.get(name, Profile())))
    lower = {name.lower() for name in deleted}
    return Difference(
        added, deleted, tuple(rule for rule in own if rule.name.lower() in lower), settings, _to_unset(state, aim, settings), aim.disabled, aim.enabled,
        _to_remember(state, aim, {name for name, _line in settings}), _to_forget(state, aim),
    )


def profile_lines(name: str, wanted: Profile, now: Profile, *, offline: bool = False) -> list[str]:
    """The lines for one profile, with the switch that drops even what rules allow, which netsh has as a third default for inbound packets."""
    lines = setting_lines(name, wanted, now, offline=offline)
    inbound, outbound = (getattr(_or_else(wanted, _or_else(now, _DEFAULTS)), side) for side in ("inbound", "outbound"))
    # Letting everything in and dropping it all the same is nothing that netsh can say.
    shield = bool(now.block_all if wanted.block_all is None else wanted.block_all) and inbound == "block"
    if shield != bool(now.block_all) and not any(" firewallpolicy " in line for line in lines):
        lines = [f"advfirewall set {name}profile firewallpolicy {inbound}inbound,{outbound}outbound", *lines]
    return [line.replace(" blockinbound,", " blockinboundalways,") if shield else line for line in lines]


def _rules(own: t.Sequence[FirewallRule], wanted: t.Sequence[NetshRule], names: set[str]) -> tuple[tuple[NetshRule, ...], tuple[str, ...]]:
    """Rules to add, under names that are free, and names to delete. A name that two rules share is deleted as a whole, for netsh knows no other way."""
    missing = {rule.match: rule for rule in wanted}
    deleted: list[str] = []
    by_name = sorted(own, key=lambda rule: rule.name.lower())
    for _lower, group in itertools.groupby(by_name, key=lambda rule: rule.name.lower()):
        rules = list(group)
        if len(rules) == 1 and rules[0].active and rules[0].match in missing:
            del missing[rules[0].match]
        else:
            deleted.append(rules[0].name)
    added = []
    for rule in (rule for rule in wanted if rule.match in missing):
        added.append(_under_free_name(rule, names))
        names = {*names, added[-1].name.lower()}
    return tuple(added), tuple(deleted)


def _under_free_name(rule: NetshRule, taken: t.Collection[str]) -> NetshRule:
    if rule.name.lower() not in taken:
        return rule
    name = next(each for number in itertools.count(2) if (each := f"{rule.name} {number}").lower() not in taken)
    return replace(rule, name=name, line=rule.line.replace(f'name="{rule.name}"', f'name="{name}"', 1))


def _to_remember(state: State, aim: Aim, touched: t.Collection[str]) -> dict[str, str]:
    if aim.state == "absent":
        return {}
    memory = memory_of(state)
    found = {} if memory.get("state") == aim.state else {"state": aim.state}
    for name in sorted(touched):
        now = state.profiles.get(name, Profile())
        for setting in _touched_settings(aim.profiles[name], now):
            if f"{name}.{setting}" not in memory:
                found[f"{name}.{setting}"] = _word(getattr(now, setting))
    return {**found, **{_FOREIGN + rule.id: "TRUE" for rule in aim.disabled if _FOREIGN + rule.id not in memory}}


def _touched_settings(wanted: Profile, now: Profile) -> list[str]:
    """The settings that the lines for a profile write."""
    found = [each for each in _VALUES if getattr(wanted, each) is not None and getattr(wanted, each) != getattr(_or_else(now, _DEFAULTS), each)]
    return [each for each in _VALUES if each in found or (each in _TOGETHER and set(found) & set(_TOGETHER))]


def _word(value: bool | str | None) -> str:
    return next(word for word, meant in _WORDS.items() if meant is value or (isinstance(value, str) and meant == value))


def _to_forget(state: State, aim: Aim) -> tuple[str, ...]:
    memory = memory_of(state)
    if aim.state == "absent":
        return tuple(memory)
    there = {rule.id for rule in state.rules if rule.store == "local"}
    done = {rule.id for rule in aim.enabled} | (set(disabled_by_us(state)) - there)
    return tuple(name for name in memory if name.startswith(_FOREIGN) and name[len(_FOREIGN):] in done)


def _to_unset(state: State, aim: Aim, settings: t.Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Registry values that netsh wrote, or will write, where there had been none: they say what an absent one says, but were not there before us."""
    if aim.state != "absent":
        return ()
    policy = {name for name, line in settings if " firewallpolicy " in line}
    entries = [tuple(name.split(".", 1)) for name, word in memory_of(state).items() if word == "absent" and "." in name]
    return tuple(
        (f"{POLICY}\\{_KEYS[profile]}{_VALUES[setting][0]}", _VALUES[setting][1]) for profile, setting in entries
        if profile in _KEYS and setting in _VALUES
        and (getattr(state.profiles.get(profile, Profile()), setting) is not None or (setting in _TOGETHER and profile in policy))
    )


def change(diff: Difference, state: State, read: tuple[tuple[str, str], ...]) -> Change:
    """The difference as commands and the way back. read: what is read once they are done."""
    return Change(
        steps=(*_remember(diff), *_open(diff, state), *_close(diff, state), *_forget(diff, state)),
        undo=tuple(_script.netsh(netsh_words.delete_line(rule.name)) for rule in diff.added),
        fallback=tuple(_fallback(diff, state)), afterwards=tuple(_recall(diff, state)), read=read,
    )


def _memory_key() -> str:
    return f"{MEMORY}\\{PART}"


def _remember(diff: Difference) -> t.Iterator[Step]:
    for name, word in diff.remembered.items():
        yield Step(_script.reg_add(_memory_key(), name, "REG_SZ", word), f"remember {name}")


def _open(diff: Difference, state: State) -> t.Iterator[Step]:
    """What lets more through comes first, and the profiles, which need the rules."""
    for rule in diff.added:
        yield Step(_script.netsh(rule.line), f"add the rule {rule.name}")
    yield from toggles(diff.enabled, state, enabled=True)
    for name, line in diff.settings:
        yield Step(_script.netsh(line), f"set the profile {name}: {line.partition('profile ')[2]}")


def _close(diff: Difference, state: State) -> t.Iterator[Step]:
    yield from toggles(diff.disabled, state, enabled=False)
    for name in diff.deleted:
        yield Step(_script.netsh(netsh_words.delete_line(name)), f"delete the rule {name}")


def _forget(diff: Difference, state: State) -> t.Iterator[Step]:
    for key, name in diff.unset:
        yield Step(_script.reg_delete(key, name), f"delete the value {name}, which was not there before")
    kept = set(memory_of(state)) | set(diff.remembered)
    if diff.forgotten and kept == set(diff.forgotten):
        others = set(state.memory) - {PART}
        yield Step(_script.reg_delete(_memory_key() if others else MEMORY), "forget what the firewall was before")
    else:
        yield from (Step(_script.reg_delete(_memory_key(), name), f"forget {name}") for name in diff.forgotten)


def toggles(rules: t.Sequence[FirewallRule], state: State, *, enabled: bool) -> t.Iterator[Step]:
    """Enable or disable foreign rules: by id, or where the release has no such tool by a name and selectors that fit no other rule."""
    verb = "enable" if enabled else "disable"
    if state.release.rules_by_id:
        for ids in _chunks([rule.id for rule in rules]):
            yield Step(_script.set_enabled(ids, enabled=enabled), f"{verb} foreign rules: {', '.join(ids)}")
        return
    for rule in rules:
        line = netsh_words.toggle_line(rule, state.rules, enabled=enabled)
        if line:
            yield Step(_script.netsh(line), f"{verb} the foreign rule {rule.id}")


def _chunks(ids: t.Iterable[str]) -> t.Iterator[list[str]]:
    """Ids for one line each."""
    chunk: list[str] = []
    for each in ids:
        if sum(map(len, chunk)) + 3 * len(chunk) + len(each) > _ID_BYTES:
            yield chunk
            chunk = []
        chunk.append(each)
    if chunk:
        yield chunk


def can_toggle(rule: FirewallRule, state: State) -> bool:
    """Whether a local rule can be enabled and disabled without any other."""
    if not _script.sendable_id(rule.id):
        return False
    return state.release.rules_by_id or netsh_words.toggle_line(rule, state.rules, enabled=False) is not None


def _fallback(diff: Difference, state: State) -> t.Iterator[str]:
    """By hand what the saved firewall would have brought back; deleted first, so that it is right wherever the change stopped."""
    for name in diff.deleted:
        yield _script.netsh(netsh_words.delete_line(name))
    yield from (_script.netsh(line) for rule in diff.gone if (line := netsh_words.add_line(rule)))
    for name in dict.fromkeys(name for name, _line in diff.settings):
        before = _or_else(state.profiles.get(name, Profile()), _DEFAULTS)
        yield from (_script.netsh(line) for line in profile_lines(name, before, Profile(), offline=True))
    yield from (step.command for step in (*toggles(diff.enabled, state, enabled=False), *toggles(diff.disabled, state, enabled=True)))


def _recall(diff: Difference, state: State) -> t.Iterator[str]:
    """The memory as it was."""
    if not state.memory and diff.remembered:
        yield _script.reg_delete(MEMORY)
    elif not memory_of(state) and diff.remembered:
        yield _script.reg_delete(_memory_key())
    else:
        yield from (_script.reg_delete(_memory_key(), name) for name in diff.remembered)
    memory = memory_of(state)
    yield from (_script.reg_add(_memory_key(), name, "REG_SZ", memory[name]) for name in diff.forgotten)
    yield from (_script.reg_add(_memory_key(), name, "REG_SZ", memory[name]) for name in diff.remembered if name in memory)


def listing(state: State) -> list[str]:
    """The host's firewall as far as it is ours, line by line, for differences."""
    own = sorted(f"rule {rule.name}: {'' if rule.active else 'disabled: '}{effective.rule_text(rule.match)}" for rule in state.rules if is_own(rule))
    return [*own, *(_profile_line(name, state.profiles.get(name, Profile())) for name in PROFILES)]


def listing_after(state: State, diff: Difference, aim: Aim) -> list[str]:
    """The same as it is to be."""
    kept = sorted(f"rule {rule.name}: {effective.rule_text(rule.match)}" for rule in state.rules if is_own(rule) and rule.name not in diff.deleted)
    added = (f"rule {rule.name}: {effective.rule_text(rule.match)}" for rule in diff.added)
    profiles = {name: _or_else(aim.profiles.get(name, Profile()), state.profiles.get(name, Profile())) for name in PROFILES}
    return [*sorted((*kept, *added)), *(_profile_line(name, profile) for name, profile in profiles.items())]


def _profile_line(name: str, profile: Profile) -> str:
    shown = _or_else(profile, _DEFAULTS)
    logs = [word for word, on in (("dropped", shown.log_dropped), ("allowed", shown.log_allowed)) if on]
    inbound = f"{shown.inbound}{' whatever rules say' if shown.block_all else ''}"
    return f"profile {name}: {'on' if shown.enabled else 'off'}, inbound {inbound}, outbound {shown.outbound}, log {' and '.join(logs) or 'nothing'}"


def unchanged_elsewhere(before: State, after: State, touched: t.Collection[str]) -> tuple[str, ...]:
    """Names of foreign local rules that are not as they were, apart from those that were to be enabled or disabled."""
    then = _foreign_texts(before, touched)
    now = _foreign_texts(after, touched)
    return tuple(sorted({each for each in {*then, *now} if then.get(each) != now.get(each)}))


def _foreign_texts(state: State, touched: t.Collection[str]) -> dict[str, str]:
    return {rule.id: rule.text for rule in state.rules if rule.store == "local" and rule.id not in touched and not is_own(rule)}


__all__ = (
    "MEMORY",
    "PART",
    "POLICY",
    "Aim",
    "Difference",
    "Match",
    "aimed_profiles",
    "can_toggle",
    "change",
    "difference",
    "disabled_by_us",
    "is_own",
    "listing",
    "listing_after",
    "memory_of",
    "old_profiles",
    "unchanged_elsewhere",
)
