# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The firewall of a Windows host brought to its plan: read, judge, compare, change with a way back, read again, wait for the confirmation."""

from __future__ import annotations

import difflib
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import MANAGEMENT
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import effective, firewall_changes, firewall_log, transaction
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import state as _state
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.effective import Judgement, Override
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.firewall_changes import Aim
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES, FirewallRule, State, WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import CutError, Remote
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.transaction import ChangeError, Pending

STATES = ("enforced", "monitored", "absent")
_RUNNING = 4
_VOID = ("policy_merge", "profile_disabled", "service")
"""Kinds of overrides that leave nothing of our rules."""
_NOTHING = {"packets": 0, "bytes": 0}
_SERVICES = {"MpsSvc": "the Windows Firewall", "BFE": "the Base Filtering Engine, which the firewall needs"}


@dataclass(frozen=True)
class Wish:
    """The options of a run, as documented in M(datapath.exchange.firewall)."""

    state: str = "enforced"
    rollback_timeout: int = 60
    foreign_firewall: str = "warn"
    foreign_allow: str = "report"
    foreign_keep: tuple[str, ...] = ()
    profiles: tuple[str, ...] = PROFILES
    monitored_inbound: str = "keep"

    @classmethod
    def of(cls, options: t.Mapping[str, t.Any]) -> Wish:
        """The options of a task; those that it does not have are at their defaults."""
        wish = cls()
        return cls(
            options["state"], options.get("rollback_timeout", wish.rollback_timeout), options.get("foreign_firewall", wish.foreign_firewall),
            options.get("windows_foreign_allow", wish.foreign_allow), tuple(options["windows_foreign_keep"]),
            tuple(name for name in PROFILES if name in options["windows_profiles"]), options["windows_monitored_inbound"],
        )


@dataclass(frozen=True)
class Outcome:
    """What a run came to. result: return values; warnings: sentences; pending: the token of the change that waits for its confirmation, or empty."""

    result: dict[str, t.Any]
    warnings: tuple[str, ...] = ()
    pending: str = ""


@dataclass(frozen=True)
class _View:
    """A host as read, judged by its plan, and how it is to be."""

    state: State
    judgement: Judgement
    overrides: tuple[Override, ...]
    aim: Aim


def enforce(remote: Remote, plan: HostPlan | None, wish: Wish, *, check: bool) -> Outcome:
    """Bring the host to its plan; plan is None for C(absent) only. check: read, and change nothing.

    Raises WindowsError (ChangeError once something was begun), and what the renderer raises, with nothing changed that does not undo itself.
    """
    transaction.check_seconds(wish.rollback_timeout)
    _require_management(plan)
    state = read(remote)
    taken_over = bool(state.pending)
    if taken_over and not check:
        transaction.take_over(remote, state.pending)
        state = read(remote)
        if state.pending:
            raise WindowsError("a change of an earlier run still waits for its confirmation after it was taken back. Run the play again in a minute")
    _state.require_usable(state, wish.state)
    view = _view(state, plan, wish)
    _refuse(view, wish)
    diff = firewall_changes.difference(state, view.aim)
    change = firewall_changes.change(diff, state, _state.read_commands())
    pending = None if check or not diff else _apply(remote, change, view, wish)
    result = {
        **_result(view, wish), "changed": bool(diff) or taken_over, "taken_over": taken_over, "commands": len(change.steps), "round_trips": remote.round_trips,
        "diff": _diff(view, diff),
    }
    return Outcome(result, _warnings(view, plan.host if plan else "this host"), pending.token if pending else "")


def read(remote: Remote) -> State:
    """Everything that is judged of a host, in one call; it changes nothing but the script file itself, which comes and goes."""
    text = Script()
    text.label("main")
    for section, command in _state.read_commands():
        text.section(section, command)
    text.done()
    output = remote.run(text)
    if not output.done:
        raise WindowsError(f"reading the firewall ended early: {output.why(text)}. Run the play again")
    return _state.parse(output.sections)


def confirm(remote: Remote, token: str) -> None:
    """Keep a change; the connection must be one that was opened after it. ChangeError when it no longer waits."""
    transaction.confirm(remote, token)


def confirmation(remote: Remote, token: str) -> dict[str, t.Any]:
    """The same as an answer: C(persistent), or C(failed), C(msg) and whether the host is C(restoring) what it had before."""
    try:
        confirm(remote, token)
    except WindowsError as error:
        return {"failed": True, "msg": str(error), "restoring": isinstance(error, CutError)}
    return {"persistent": True}


def inform(remote: Remote, plan: HostPlan | None, wish: Wish, *, log: bool = False) -> dict[str, t.Any]:
    """What the host enforces and lets through, held against a plan where there is one. log: also what its log says. Changes nothing."""
    state = read(remote)
    view = _view(state, plan, replace(wish, foreign_allow="report"))
    loaded = _loaded(state)
    result = {**_result(view, wish), "state": "pending" if state.pending else loaded, "loaded": loaded, "unit_enabled": loaded != "absent", "guards": {},
              "counters": {}, "dropped": _NOTHING}
    if plan:
        result.update(_drift(view))
    if log:
        result.update(_logged(remote, view, plan))
    return {**result, "changed": False}


def _drift(view: _View) -> dict[str, t.Any]:
    before = firewall_changes.listing(view.state)
    after = firewall_changes.listing_after(view.state, firewall_changes.difference(view.state, view.aim), view.aim)
    differences = _differences(view, before, after)
    lines = difflib.unified_diff(before, after, "loaded", "planned", lineterm="")
    return {"drift": bool(differences), "differences": differences, "drift_diff": _text(lines)}


def _logged(remote: Remote, view: _View, plan: HostPlan | None) -> dict[str, t.Any]:
    state = view.state
    files = [policy if (policy := state.policy_profiles.get(name)) and policy.log_file else state.profiles.get(name) for name in PROFILES]
    script = firewall_log.read_script(files)
    output = remote.run(script)
    if not output.done:
        raise WindowsError(f"reading the log of the firewall ended early: {output.why(script)}. Run the play again")
    entries = (entry for _code, lines in output.sections.values() for entry in firewall_log.parse(lines))
    # Without a plan, what an earlier run made of one.
    own = (rule for rule in state.rules if firewall_changes.is_own(rule) and rule.active)
    made = tuple(netsh_firewall.NetshRule(rule.name, rule.description, rule.match, tuple(rule.description.split()), "") for rule in own)
    told = firewall_log.report(entries, view.aim.rules if plan else made, outbound=plan is not None and plan.egress == "restricted")
    guards = {name: told["counters"].pop(name) for name in MANAGEMENT if name in told["counters"]}
    return {**told, "guards": guards}


def _require_management(plan: HostPlan | None) -> None:
    if plan and not (plan.management.peers and plan.management.ports):
        raise WindowsError(
            f"{plan.host}: the plan admits nobody to the port that Ansible comes in on, and a Windows host does not tell from where that is. "
            "Name the addresses of the controllers as config_controller in datapath_peers"
        )


def _view(state: State, plan: HostPlan | None, wish: Wish) -> _View:
    if plan is None:
        judgement = Judgement()
        aim = _aim(state, (), judgement, "open", wish if wish.state == "absent" else replace(wish, state=_loaded(state)))
        return _View(state, judgement, overrides(state, wish, "open") if wish.state != "absent" else (), aim)
    rules = netsh_firewall.render(plan, wish.state, state.release, wish.profiles)
    judgement = effective.judge(state.rules, _measure(state, plan, wish), [rule.id for rule in state.rules if firewall_changes.is_own(rule)])
    aim = _aim(state, rules, judgement, plan.egress, wish)
    return _View(state, judgement, (*overrides(state, wish, plan.egress), *judgement.blocks), aim)


def _measure(state: State, plan: HostPlan, wish: Wish) -> effective.Plan:
    """What rules are judged by. Outbound flows are planned also where outbound traffic is not restricted: a block rule may stop them.

    Nothing of it is written, so ranges stay ranges also where the release would need a list of every port.
    """
    rules = netsh_firewall.render(replace(plan, egress="restricted"), wish.state, replace(state.release, port_ranges=True), wish.profiles)
    directions = ("in", "out") if plan.egress == "restricted" else ("in",)
    management = _networks.merge((port.low, port.high) for port in plan.management.ports)
    names = tuple(rule.name for rule in rules)
    return effective.Plan(tuple(rule.match for rule in rules), names, directions, management, wish.foreign_keep, wish.profiles)


def _aim(state: State, rules: tuple[netsh_firewall.NetshRule, ...], judgement: Judgement, egress: str, wish: Wish) -> Aim:
    profiles = firewall_changes.aimed_profiles(state, wish.state, egress, wish.profiles, wish.monitored_inbound)
    local = {rule.id: rule for rule in state.rules if rule.store == "local"}
    ours = [local[each] for each in firewall_changes.disabled_by_us(state) if each in local]
    enabled = tuple(rule for rule in ours if wish.state != "enforced" or rule.id in wish.foreign_keep or rule.group in wish.foreign_keep)
    disabled = _to_disable(state, judgement) if (wish.state, wish.foreign_allow) == ("enforced", "disable") else ()
    return Aim(wish.state, rules, profiles, disabled, tuple(rule for rule in enabled if firewall_changes.can_toggle(rule, state)))


def _to_disable(state: State, judgement: Judgement) -> tuple[FirewallRule, ...]:
    local = (excess.rule for excess in judgement.excesses if not excess.kept and excess.rule.store == "local")
    return tuple(rule for rule in local if firewall_changes.can_toggle(rule, state))


def overrides(state: State, wish: Wish, egress: str) -> tuple[Override, ...]:
    """What makes our rules count for nothing, whatever they say: Group Policy and services. Only in the profiles that are ours."""
    found = [
        Override("service", name, "", f"{what}, is not running") for name, what in _SERVICES.items()
        if name in state.services and state.services[name].state != _RUNNING
    ]
    for profile in wish.profiles:
        found += _policy(state, profile, egress)
    return tuple(found)


def _policy(state: State, profile: str, egress: str) -> t.Iterator[Override]:
    policy = state.policy_profiles.get(profile)
    if policy is None:
        return
    if policy.merge is False:
        yield Override("policy_merge", "AllowLocalPolicyMerge", profile, "Group Policy ignores all local rules")
    if policy.enabled is False:
        yield Override("profile_disabled", "EnableFirewall", profile, "Group Policy switches the firewall off")
    if policy.inbound == "allow":
        yield Override("profile_disabled", "DefaultInboundAction", profile, "Group Policy lets in whatever no rule blocks")
    if policy.outbound == "allow" and egress == "restricted":
        yield Override("profile_disabled", "DefaultOutboundAction", profile, "Group Policy lets out whatever no rule blocks")
    if policy.outbound == "block" and egress != "restricted":
        yield Override("policy_rule", "DefaultOutboundAction", profile, "Group Policy blocks what no rule lets out")


def _refuse(view: _View, wish: Wish) -> None:
    """Stop before the first write where nothing would be enforced, or where the user wants no other firewall to interfere."""
    if wish.state == "absent":
        return
    void = [each for each in view.overrides if each.kind in _VOID]
    if void and wish.state == "enforced":
        raise WindowsError(
            f"the rules of the plan would count for nothing on this host: {'; '.join(map(str, void))}. Change the Group Policy object, "
            "leave the profile out of windows_profiles, or start the service. Nothing was changed"
        )
    if view.overrides and wish.foreign_firewall == "fail":
        raise WindowsError(
            f"something of this host overrides the plan: {'; '.join(map(str, view.overrides))}. Remove it, or set foreign_firewall: warn. Nothing was changed"
        )


def _apply(remote: Remote, change: transaction.Change, view: _View, wish: Wish) -> Pending:
    """Apply, and prove by reading back that the host is as it was to be and that nothing else was touched; else take it back at once."""
    pending = transaction.apply(remote, change, wish.rollback_timeout)
    why = _wrong(view, _state.parse(pending.output.sections))
    if not why:
        return pending
    try:
        transaction.undo(remote, pending)
    except WindowsError as error:
        raise ChangeError(f"{why}. Undoing the change at once failed: {error}. The host restores what it had before by itself", restoring=True) from error
    raise ChangeError(f"{why}. The host has back what it had before", restored=True)


def _wrong(view: _View, after: State) -> str:
    """What the host says after the change that it should not; empty when all is well."""
    rules = {rule.id: rule for rule in after.rules if rule.store == "local"}
    disabled = tuple(rule for rule in view.aim.disabled if rule.id not in rules or rules[rule.id].active)
    enabled = tuple(rule for rule in view.aim.enabled if rule.id not in rules or not rules[rule.id].active)
    left = firewall_changes.difference(after, replace(view.aim, disabled=disabled, enabled=enabled))
    touched = {rule.id for rule in (*view.aim.disabled, *view.aim.enabled)}
    others = firewall_changes.unchanged_elsewhere(view.state, after, touched)
    if others:
        return f"the change has also changed rules that are not ours: {', '.join(others[:5])}"
    if left:
        names = [*(rule.name for rule in left.added), *left.deleted, *(name for name, _line in left.settings), *(rule.id for rule in (*disabled, *enabled))]
        return f"the host does not have what it said it had done: {', '.join((names or list(left.remembered) or list(left.forgotten))[:5])}"
    return ""


def _loaded(state: State) -> str:
    """The state that an earlier run brought the host to, and that is still there."""
    known = firewall_changes.memory_of(state).get("state", "")
    return known if known in STATES and any(firewall_changes.is_own(rule) for rule in state.rules) else "absent"


def _result(view: _View, wish: Wish) -> dict[str, t.Any]:
    gone = {rule.id for rule in view.aim.disabled}
    back = {rule.id for rule in view.aim.enabled}
    remembered = firewall_changes.disabled_by_us(view.state)
    return {
        "state": wish.state, "persistent": True, "session": [], "foreign_firewalls": [],
        "foreign_allows": [_shown(excess, view.state) for excess in view.judgement.excesses if excess.rule.store == "policy" or excess.rule.id not in gone],
        "overrides": [each.to_plain() for each in view.overrides], "disabled": sorted(({*remembered} | gone) - back),
        "remaining": view.judgement.remaining(gone), "unreadable": list(view.state.unreadable),
    }


def _shown(excess: effective.Excess, state: State) -> dict[str, t.Any]:
    plain = excess.to_plain()
    if excess.rule.store == "local" and not excess.kept and not firewall_changes.can_toggle(excess.rule, state):
        plain["why"] += "; it cannot be disabled without others, so disable it by hand"
    return plain


def _warnings(view: _View, host: str) -> tuple[str, ...]:
    found = [f"{host}: something overrides the plan: {each}" for each in view.overrides]
    found += [f"{host}: a rule cannot be read, so what it does is not known: {each}" for each in view.state.unreadable]
    gone = {rule.id for rule in view.aim.disabled}
    left = [each for each in view.judgement.excesses if not each.kept and (each.rule.store == "policy" or each.rule.id not in gone)]
    if left:
        names = "; ".join(f"{each.rule.name or each.rule.id} ({', '.join(each.to_plain()['admits'][:2])})" for each in left[:3])
        more = f"; and {len(left) - 3} more" if len(left) > 3 else ""
        found.append(
            f"{host}: {len(left)} foreign rule(s) admit what the plan does not: {names}{more}. See foreign_allows; "
            "datapath_windows_foreign_allow: disable switches them off"
        )
    return tuple(found)


def _diff(view: _View, diff: firewall_changes.Difference) -> list[dict[str, str]]:
    """What C(--diff) shows: our rules and the profiles, and foreign rules that are enabled or disabled."""
    before, after = firewall_changes.listing(view.state), firewall_changes.listing_after(view.state, diff, view.aim)
    before += [f"foreign rule {rule.id}: enabled" for rule in diff.disabled] + [f"foreign rule {rule.id}: disabled" for rule in diff.enabled]
    after += [f"foreign rule {rule.id}: disabled" for rule in diff.disabled] + [f"foreign rule {rule.id}: enabled" for rule in diff.enabled]
    if before == after:
        return []
    header = "Windows Firewall"
    return [{"before_header": header, "after_header": header, "before": _text(before), "after": _text(after)}]


def _text(lines: t.Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _differences(view: _View, before: list[str], after: list[str]) -> list[str]:
    """In words what separates the host from the plan."""
    if _loaded(view.state) == "absent":
        return ["no rule of the plan is there: nothing is enforced"]
    found = [f"missing: {line}" for line in after if line not in before] + [f"not planned: {line}" for line in before if line not in after]
    return [*found, *(f"overridden: {each}" for each in view.overrides if each.kind in _VOID)]


__all__ = ("STATES", "Outcome", "Wish", "confirm", "confirmation", "enforce", "inform", "overrides", "read")
