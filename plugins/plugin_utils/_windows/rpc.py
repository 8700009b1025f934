# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""RPC ports of a Windows host: read, compare, write, read back, and restart what has to be restarted where that is allowed."""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import rpc_settings
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.rpc_settings import FAMILIES, RESTART_ORDER, STATIC, RpcSettings
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import rpc_change, state
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import State, WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import Remote
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script, program, reg_delete

# Exchange services that stop with the two that have static ports, and do not start again by themselves.
DEPENDENTS = ("MSExchangeSearch", "MSExchangeMailSubmission", "MSExchangeMailboxAssistants", "MSExchangeTransportLogSearch", "MSExchangeRepl")
SERVICES = (*RESTART_ORDER, *DEPENDENTS)
REBOOT_SECONDS = 900
_DELAY = 5
_RUNNING = (2, 4)


@dataclass(frozen=True)
class Observed:
    """What was read from a host."""

    state: State
    current: rpc_change.Current

    @property
    def memory(self) -> t.Mapping[str, str]:
        return self.state.memory.get(rpc_change.PART, {})


@dataclass(frozen=True)
class Wish:
    """What the user asked for. plan: None for absent, or for reading without one."""

    plan: HostPlan | None = None
    allow_restart: bool = False


def _sections(script: Script) -> None:
    for section, command in (*state.read_commands(), *rpc_change.read_commands(SERVICES)):
        script.section(section, command)


def observe(remote: Remote) -> Observed:
    """Read the host; WindowsError when it does not answer in full."""
    script = Script()
    script.label("main")
    _sections(script)
    script.done()
    output = remote.run(script)
    why = output.why(script)
    if why:
        raise WindowsError(f"the host could not be read: {why}. Is the account of the connection an administrator there?")
    return _observed(output.sections)


def _observed(sections: state.Sections) -> Observed:
    found = state.parse(sections)
    if not found.elevated:
        raise WindowsError("the account of the connection has no administrative rights on the host (or its token is filtered by UAC): use an administrator")
    return Observed(found, rpc_change.read(sections, SERVICES))


def work(
    remote: Remote, wish: Wish, *, check: bool, reconnect: t.Callable[[], None] = lambda: None, sleep: t.Callable[[float], None] = time.sleep,
) -> dict[str, t.Any]:
    """Make a wish true; returns what a module returns. Raises WindowsError and what the renderer raises.

    reconnect: called before a host that restarts is asked again.
    """
    before = observe(remote)
    settings = rpc_settings.render(wish.plan, before.state.release) if wish.plan else None
    rpc_change.refuse_clashes(settings, before.current)
    differing = rpc_change.difference(rpc_change.wanted_slots(settings, before.current), before.current, before.memory)
    after = before
    result = {"changed": bool(differing), "persistent": True, "commands": 0, "diff": _diff(before.current, differing)}
    if differing and not check:
        after, result["commands"] = _apply(remote, settings, before, differing)
    needs = _needs(settings, differing, before if check else after)
    done: dict[str, t.Any] = {"restarted": False, "restarted_services": []}
    if wish.allow_restart and not check:
        done, after = _restart(remote, needs, after, reconnect, sleep)
    left = _needs(settings, rpc_change.Difference(), after) if done["restarted"] or done["restarted_services"] else needs
    return {
        **result, **done, **_described(wish, settings, after.current), "changed": result["changed"] or done["restarted"] or bool(done["restarted_services"]),
        "restart_needed": left.reboot, "restart_services": list(left.services), "round_trips": remote.round_trips,
    }


def _diff(current: rpc_change.Current, differing: rpc_change.Difference) -> dict[str, str]:
    after = {**current.slots, **differing.set}
    lines = [{slot: texts[slot] for slot in sorted(texts)} for texts in (current.slots, after)]
    before_text, after_text = ("".join(f"{slot}: {text}\n" for slot, text in each.items()) for each in lines)
    return {"before_header": "RPC ports", "after_header": "RPC ports", "before": before_text, "after": after_text}


def _apply(remote: Remote, settings: RpcSettings | None, before: Observed, differing: rpc_change.Difference) -> tuple[Observed, int]:
    """Write, and read back in the same script. What fails is taken back as a whole, also without being asked."""
    script = Script()
    script.label("main")
    for command, shown in rpc_change.commands(differing, before.state.memory, before.current.boot, keep=settings is not None):
        script.change(command, shown)
    _sections(script)
    script.done()
    script.label("back")
    for command in rpc_change.back(differing, before.current, before.state.memory):
        script.attempt(command)
    script.done()
    why = ""
    try:
        output = remote.run(script)
        why = output.why(script)
        after = before if why else _observed(output.sections)
        left = rpc_change.difference(rpc_change.wanted_slots(settings, after.current), after.current, after.memory)
        why = why or (f"the host does not have what was written: {', '.join(left.set) or 'its memory differs'}" if left else "")
    except WindowsError as error:
        why = str(error)
    if why:
        raise WindowsError(f"{why}. {_taken_back(remote, script)}")
    return after, script.changes


def _taken_back(remote: Remote, script: Script) -> str:
    try:
        done = remote.run(script, "back").done
    except WindowsError:
        done = False
    return "The host has back what it had before" if done else "Putting back what the host had before failed: run the play again, or state: absent"


@dataclass(frozen=True)
class Needs:
    """What has to be restarted before everything counts."""

    reboot: bool = False
    services: tuple[str, ...] = ()


def _needs(settings: RpcSettings | None, differing: rpc_change.Difference, found: Observed) -> Needs:
    """The host needs a restart as long as it is in the boot in which values changed, a service also only until it listens on all its static ports."""
    here = {name for name, boot in found.memory.items() if boot == found.current.boot}
    listening = {entry.port for entry in found.current.listeners}
    waiting = {STATIC[name].service for name, port in (settings.static if settings else ()) if port not in listening}
    services = differing.services | {service for service in waiting if f"{rpc_change.RESTART}.{service}" in here}
    running = {service for service in services if found.current.services.get(service) in _RUNNING}
    return Needs(differing.reboot or rpc_change.RESTART in here, tuple(service for service in RESTART_ORDER if service in running))


def _restart(
    remote: Remote, needs: Needs, found: Observed, reconnect: t.Callable[[], None], sleep: t.Callable[[float], None],
) -> tuple[dict[str, t.Any], Observed]:
    done: dict[str, t.Any] = {"restarted": False, "restarted_services": []}
    if needs.reboot:
        return {**done, "restarted": True}, _reboot(remote, found, reconnect, sleep)
    if needs.services:
        return {**done, "restarted_services": list(needs.services)}, _restart_services(remote, needs.services, found)
    return done, found


def _restart_services(remote: Remote, services: tuple[str, ...], found: Observed) -> Observed:
    """Stop in reverse order with what depends on them, start in order, then start what stopped with them and ran before."""
    script = Script()
    script.label("main")
    for service in reversed(services):
        script.change(program("net", f"stop {service} /y"), f"stop the service {service}")
    for service in services:
        script.change(program("net", f"start {service}"), f"start the service {service}")
    _forget(script, found, [f"{rpc_change.RESTART}.{service}" for service in services])
    after = _run_and_observe(remote, script)
    ran = [name for name in SERVICES if found.current.services.get(name) in _RUNNING]
    stopped = [name for name in ran if after.current.services.get(name) not in _RUNNING]
    if not stopped:
        return after
    again = Script()
    again.label("main")
    for service in stopped:
        again.change(program("net", f"start {service}"), f"start the service {service}")
    return _run_and_observe(remote, again)


def _forget(script: Script, found: Observed, names: t.Iterable[str]) -> None:
    for name in names:
        if name in found.memory:
            script.change(reg_delete(rpc_change.KEY, name), f"forget {name}")


def _run_and_observe(remote: Remote, script: Script) -> Observed:
    _sections(script)
    script.done()
    output = remote.run(script)
    why = output.why(script)
    if why:
        raise WindowsError(f"restarting services failed: {why}. Look at the services of Exchange on the host now")
    return _observed(output.sections)


def _reboot(remote: Remote, found: Observed, reconnect: t.Callable[[], None], sleep: t.Callable[[float], None]) -> Observed:
    """Restart the host and wait until it answers from its next boot."""
    script = Script()
    script.label("main")
    script.change(program("shutdown", f"/r /t {_DELAY}"), "restart the host")
    script.done()
    why = remote.run(script).why(script)
    if why:
        raise WindowsError(f"the host could not be restarted: {why}")
    waited = 0.0
    while waited < REBOOT_SECONDS:
        sleep(2 * _DELAY)
        waited += 2 * _DELAY
        try:
            reconnect()
            after = observe(remote)
        except Exception:  # noqa: BLE001, S112 - whatever a connection raises while its host is down
            continue
        if after.current.boot != found.current.boot:
            return _forget_restart(remote, after)
    raise WindowsError(f"the host was told to restart and did not answer from a new boot within {REBOOT_SECONDS} s")


def _forget_restart(remote: Remote, found: Observed) -> Observed:
    names = [name for name in found.memory if name.startswith(rpc_change.RESTART)]
    if not names:
        return found
    script = Script()
    script.label("main")
    _forget(script, found, names)
    return _run_and_observe(remote, script)


def _described(wish: Wish, settings: RpcSettings | None, current: rpc_change.Current) -> dict[str, t.Any]:
    result: dict[str, t.Any] = {
        "dynamic": {family: str(current.dynamic(family) or "") for family in FAMILIES},
        "static": {name: _port(current.slots[f"static.{name}"]) for name in STATIC}, "rpc_ports": _rpc_ports(current), "findings": [], "listeners_outside": [],
    }
    if settings is None or wish.plan is None:
        return result
    found = rpc_change.outside(settings, current, rpc_change.explained(wish.plan))
    return {
        **result, "range": str(settings.range), "source": settings.source, "findings": rpc_change.findings(settings, current),
        "listeners_outside": [entry.to_plain() for entry in found],
    }


def _port(slot: str) -> int:
    kind, _blank, data = slot.partition(" ")
    return int(data) if kind == "REG_DWORD" and data.isdigit() else 0


def _rpc_ports(current: rpc_change.Current) -> list[str]:
    """The ports of KB154596 where they are in force."""
    slots = current.slots
    if slots["internet.UseInternetPorts"].upper() != "REG_SZ Y" or slots["internet.PortsInternetAvailable"].upper() != "REG_SZ Y":
        return []
    return [text for text in slots["internet.Ports"].partition(" ")[2].split("\\0") if text]


def information(remote: Remote, wish: Wish) -> dict[str, t.Any]:
    """What the host has, and with a plan how it differs. Changes nothing."""
    found = observe(remote)
    settings = rpc_settings.render(wish.plan, found.state.release) if wish.plan else None
    needs = _needs(settings, rpc_change.Difference(), found)
    result = {
        **_described(wish, settings, found.current), "listeners": [entry.to_plain() for entry in found.current.listeners], "restart_needed": needs.reboot,
        "restart_services": list(needs.services),
    }
    if settings is None:
        return result
    left = rpc_change.difference(rpc_change.wanted_slots(settings, found.current), found.current, found.memory)
    differences = [f"{slot} is {found.current.slots.get(slot, rpc_change.ABSENT)}, not {text}" for slot, text in left.set.items()]
    return {**result, "differences": differences}


def warnings(result: t.Mapping[str, t.Any]) -> list[str]:
    """Sentences for the user about what is not as the plan counts with it, or not yet."""
    found = list(result["findings"])
    if result["restart_needed"]:
        found.append("the RPC ports of this host count only after it was restarted: restart it, or set allow_restart")
    if result["restart_services"]:
        found.append(f"these services use their static ports only after they were restarted: {', '.join(result['restart_services'])}")
    return found


__all__ = ("DEPENDENTS", "SERVICES", "Needs", "Observed", "Wish", "information", "observe", "warnings", "work")
