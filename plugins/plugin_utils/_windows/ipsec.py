# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Connection security rules of a Windows host: read, compare, apply in a change that undoes itself, read back."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_consec
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.ipsec_pairs import intersect
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import ipsec_change, regquery, state, transaction
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import (
    ConSecMatch,
    MainModeMatch,
    Release,
    Scope,
    SecurityRule,
    State,
    WindowsError,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import Remote
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script, beside, program, reg_key
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.security import DEFAULT_MAIN, read_sets

_PSK_FILE = "psk.txt"
_AUTH_SETS = ("sets_phase1authenticationset", "sets_phase1authenticationsets")
_CRYPTO_SETS = ("sets_phase1cryptoset", "sets_phase1cryptosets")


@dataclass(frozen=True)
class Observed:
    """What was read from a host. keys: of its authentication sets by lower-case id; around: what else is changed there."""

    state: State
    keys: t.Mapping[str, str]
    around: ipsec_change.Around


@dataclass(frozen=True)
class Wish:
    """What the user asked for. state: ``requested``, ``required`` or ``absent``. plan: None for absent."""

    state: str
    plan: HostPlan | None = None
    options: netsh_consec.IpsecOptions = field(default_factory=netsh_consec.IpsecOptions)
    psk: str = ""
    seconds: int = 60


def observe(remote: Remote) -> Observed:
    """Read the host; WindowsError when it does not answer in full."""
    script = Script()
    script.label("main")
    for section, command in state.read_commands():
        script.section(section, command)
    script.done()
    output = remote.run(script)
    why = output.why(script)
    if why:
        raise WindowsError(f"the host could not be read: {why}. Is the account of the connection an administrator there?")
    return observed(output.sections)


def observed(sections: state.Sections) -> Observed:
    """The same from sections that were read already."""
    found = state.parse(sections)
    keep = any(text.startswith("local:") for text in found.unreadable)
    return Observed(found, _set_keys(sections, _AUTH_SETS), replace(_around(sections), keep=keep))


def _set_keys(sections: state.Sections, names: t.Sequence[str]) -> dict[str, str]:
    """Keys of sets by lower-case id, in the short form that commands take."""
    found: dict[str, str] = {}
    for name in names:
        for key in regquery.parse(sections[name][1]):
            head, _slash, last = key.rpartition("\\")
            if last.startswith("{") and last.endswith("}"):
                found[last.lower()] = key.replace("HKEY_LOCAL_MACHINE", "HKLM", 1)
            elif head.endswith("}"):
                found.setdefault(head.rpartition("\\")[2].lower(), head.replace("HKEY_LOCAL_MACHINE", "HKLM", 1))
    return found


def _around(sections: state.Sections) -> ipsec_change.Around:
    keys = {key: values for name in _CRYPTO_SETS for key, values in regquery.parse(sections[name][1]).items()}
    key = _set_keys(sections, _CRYPTO_SETS).get(DEFAULT_MAIN, "")
    version = regquery.value(regquery.find(keys, key), "Version") if key else None
    names = [name.rpartition("\\")[2] for name in regquery.parse(sections["firewall_policy"][1])]
    there = {name: frozenset[str]() for name in names if name in ipsec_change.RULE_KEYS}
    there.update((name, frozenset(_set_keys(sections, [f"sets_{name.lower()}"]))) for name in names if f"sets_{name.lower()}" in sections)
    return ipsec_change.Around(read_sets(keys).main[DEFAULT_MAIN], key, version[1] if version else "", there)


def settle(remote: Remote, *, check: bool) -> tuple[Observed, bool]:
    """Read the host after taking back what an earlier run never confirmed; in check mode that is only told."""
    found = observe(remote)
    if not found.state.pending or check:
        return found, bool(found.state.pending)
    transaction.take_over(remote, found.state.pending)
    found = observe(remote)
    if found.state.pending:
        raise WindowsError("a change of an earlier run still waits for its confirmation after it was taken back: run the play again in a minute")
    return found, True


def require(found: State, wanted: str) -> None:
    """Raise WindowsError for a host on which connection security rules would not count, or could not be read."""
    state.require_usable(found, wanted)
    if wanted == "absent":
        return
    for profile, policy in found.policy_profiles.items():
        if policy.merge_ipsec is False:
            raise WindowsError(
                f"Group Policy makes Windows ignore local connection security rules in the {profile} profile (AllowLocalIPsecPolicyMerge is 0): "
                "allow them there, or put the rules into the policy (datapath.exchange.render)"
            )


def wanted_text(wish: Wish, release: Release) -> netsh_consec.SecurityText:
    """The rules that the host is to have."""
    if wish.plan is None:
        return netsh_consec.SecurityText()
    if wish.options.auth == "psk" and wish.plan.associations:
        netsh_consec.check_psk(wish.psk)
    return netsh_consec.render(wish.plan, wish.options, release)


def stale_keys(remote: Remote, found: Observed, psk: str) -> frozenset[str]:
    """Ids of our rules whose pre-shared key is not this one. The host compares: a key never travels back."""
    rules = [rule for rule in ipsec_change.own(found.state.security_rules) if any(suite.method == "psk" for suite in rule.match.auth1)]
    if not psk or not rules:
        return frozenset()
    sets = sorted({rule.auth_set for rule in rules})
    script = Script()
    script.label("main")
    script.file(_PSK_FILE, [f"    SHKey    REG_SZ    {psk}"])
    for number, set_id in enumerate(sets):
        if set_id in found.keys:
            query = program("reg", rf'query "{reg_key(found.keys[set_id])}\0000" /v SHKey')
            script.section(f"psk_{number}", f"{query} | {program('findstr', f'/x /l /g:{beside(_PSK_FILE)}')} >nul")
    script.delete(_PSK_FILE)
    script.done()
    output = remote.run(script)
    why = output.why(script)
    if why:
        raise WindowsError(f"the pre-shared keys could not be compared: {why}")
    same = {set_id for number, set_id in enumerate(sets) if output.sections.get(f"psk_{number}", (1, ()))[0] == 0}
    return frozenset(rule.id for rule in rules if rule.auth_set not in same)


def work(remote: Remote, wish: Wish, *, check: bool) -> dict[str, t.Any]:
    """Make a wish true; returns what a module returns, with the token C(pending) when a change waits for its confirmation.

    Raises WindowsError and what the renderer raises, all before the first change; transaction.ChangeError afterwards.
    """
    if wish.plan is not None:
        transaction.check_seconds(wish.seconds)
        netsh_consec.check_options(wish.options)
    found, taken_over = settle(remote, check=check)
    require(found.state, wish.state)
    text = wanted_text(wish, found.state.release)
    stale = stale_keys(remote, found, wish.psk if _uses_psk(text) else "")
    differing = ipsec_change.difference(text, found.state.security_rules, stale, found.around, found.state.memory.get(ipsec_change.PART, {}))
    result = {
        **_described(text, found.state), "state": wish.state, "changed": bool(differing) or taken_over, "taken_over": taken_over, "persistent": True,
        "diff": _diff(text, found, differing),
    }
    if differing and not check:
        result["pending"], result["commands"] = _apply(remote, wish, text, found, differing)
    return {**result, "round_trips": remote.round_trips}


def _uses_psk(text: netsh_consec.SecurityText) -> bool:
    return any(netsh_consec.PSK in rule.line for rule in text.rules)


def _apply(
    remote: Remote, wish: Wish, text: netsh_consec.SecurityText, before: Observed, differing: ipsec_change.Difference,
) -> tuple[str, int]:
    change = ipsec_change.change(differing, before.around, before.state.memory, wish.psk, state.read_commands())
    pending = transaction.apply(remote, change, wish.seconds)
    try:
        _read_back(remote, wish, text, before, observed(pending.output.sections))
    except WindowsError as error:
        raise _taken_back(remote, pending, str(error)) from error
    return pending.token, len(change.steps)


def _taken_back(remote: Remote, pending: transaction.Pending, why: str) -> transaction.ChangeError:
    try:
        transaction.undo(remote, pending)
    except WindowsError as error:
        text = f"{why}. Undoing the change at once failed: {error}. The host restores what it had before by itself"
        return transaction.ChangeError(text, restoring=True)
    return transaction.ChangeError(f"{why}. The host has back what it had before", restored=True)


def _read_back(remote: Remote, wish: Wish, text: netsh_consec.SecurityText, before: Observed, after: Observed) -> None:
    """Raise WindowsError unless the host has exactly the wanted rules of ours, and all others as they were."""
    stale = stale_keys(remote, after, wish.psk if _uses_psk(text) else "")
    left = ipsec_change.difference(text, after.state.security_rules, stale, after.around, after.state.memory.get(ipsec_change.PART, {}))
    if left:
        names = [f"missing {rule.name}" for rule in left.add] + [f"left over {rule.name}" for rule in left.delete] + list(left.globals)
        raise WindowsError(f"the host does not have the rules that it was given: {'; '.join(names[:5])}")
    if foreign(before.state) != foreign(after.state):
        raise WindowsError("connection security rules that are not ours changed with ours")


def foreign(found: State) -> frozenset[tuple[str, str]]:
    """Rules of others as id and text."""
    mine = {rule.id for rule in ipsec_change.own(found.security_rules)}
    return frozenset((rule.id, rule.text) for rule in found.security_rules if rule.store == "local" and rule.id not in mine)


def _described(text: netsh_consec.SecurityText, found: State) -> dict[str, t.Any]:
    return {
        "rules": len(text.rules) + len(text.main_mode), "waiting": list(text.waiting), "unmanaged": list(text.unmanaged),
        "foreign_rules": [_foreign_entry(rule) for rule in overlapping(text, found)], "unreadable": list(found.unreadable), "commands": 0,
    }


def _foreign_entry(rule: SecurityRule) -> dict[str, str]:
    action = rule.match.action if isinstance(rule.match, ConSecMatch) else "mainmode"
    return {"id": rule.id, "name": rule.name, "store": rule.store, "action": action}


def overlapping(text: netsh_consec.SecurityText, found: State) -> tuple[SecurityRule, ...]:
    """Active rules of others about addresses that ours are about: which of two Windows takes is documented nowhere."""
    mine = {rule.id for rule in ipsec_change.own(found.security_rules)}
    others = [rule for rule in found.security_rules if rule.active and rule.id not in mine]
    return tuple(
        rule for rule in others if any(
            isinstance(rule.match, MainModeMatch) == isinstance(own.match, MainModeMatch) and _meet(rule.match.endpoint1, own.match.endpoint1)
            and _meet(rule.match.endpoint2, own.match.endpoint2) for own in (*text.main_mode, *text.rules)
        )
    )


def _meet(first: Scope, second: Scope) -> bool:
    if first.everything or second.everything or first.keywords or second.keywords:
        return True
    return bool(intersect(first.v4, second.v4) or intersect(first.v6, second.v6))


def _diff(text: netsh_consec.SecurityText, found: Observed, differing: ipsec_change.Difference) -> dict[str, str]:
    before = ipsec_change.shown(ipsec_change.own(found.state.security_rules))
    after = ipsec_change.shown((*text.main_mode, *text.rules))
    if differing.globals:
        before = "".join(f"{line}\n" for line in ipsec_change.global_lines(found.around.main)) + before
        after = "".join(f"{line}\n" for line in differing.globals) + after
    header = "connection security rules"
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def information(remote: Remote, wish: Wish | None) -> dict[str, t.Any]:
    """What the host has, and with a wish how it differs. Changes nothing."""
    found = observe(remote)
    state.require_usable(found.state, "info")
    mine = ipsec_change.own(found.state.security_rules)
    result: dict[str, t.Any] = {
        "rules": [_rule_entry(rule) for rule in mine], "pending": bool(found.state.pending), "unreadable": list(found.state.unreadable),
        "services": {name: service.state == state.RUNNING for name, service in found.state.services.items()},
    }
    if wish is None:
        return {**result, "foreign_rules": [_foreign_entry(rule) for rule in found.state.security_rules if rule.active and rule not in mine]}
    text = wanted_text(wish, found.state.release)
    stale = stale_keys(remote, found, wish.psk if _uses_psk(text) else "")
    left = ipsec_change.difference(text, found.state.security_rules, stale, found.around, found.state.memory.get(ipsec_change.PART, {}))
    differences = [f"missing: {rule.name}" for rule in left.add] + [f"superfluous: {rule.name}" for rule in left.delete]
    differences += [f"setting: {line}" for line in left.globals]
    described = _described(text, found.state)
    return {**result, "differences": differences, **{key: described[key] for key in ("waiting", "unmanaged", "foreign_rules")}}


def _rule_entry(rule: SecurityRule) -> dict[str, t.Any]:
    return {"id": rule.id, "name": rule.name, "active": rule.active, "description": rule.description, "does": ipsec_change.shown((rule,)).strip()}


def warnings(result: t.Mapping[str, t.Any], wish: Wish) -> list[str]:
    """Sentences for the user about what is true but perhaps not wanted."""
    found = []
    if result.get("waiting"):
        found.append(f"IPsec stays requested, not required, because these hosts are not ready: {', '.join(result['waiting'])}")
    if result.get("unmanaged") and wish.state != "absent":
        found.append(f"the other end of IPsec is not configured by this plan for: {', '.join(result['unmanaged'])}")
    if result.get("foreign_rules"):
        names = ", ".join(f"{rule['name']} ({rule['store']})" for rule in result["foreign_rules"][:10])
        found.append(f"other connection security rules are about the same addresses, and which of two Windows takes is not documented: {names}")
    return found


__all__ = (
    "Observed", "Wish", "foreign", "information", "observe", "observed", "overlapping", "require", "settle", "stale_keys", "wanted_text", "warnings", "work",
)
