# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The RPC ports of one Linux host: read, compare, write, read back, restart what has to be restarted where that is allowed. Standard library only."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _epm, _firewall, _listeners, _rpc_ports, _samba, _sysctl
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program
from ansible_collections.datapath.exchange.plugins.module_utils._rpc_ports import Settings, State

MEMORY = _boot.DIRECTORY / "rpc_ports.json"
RESTART_SECONDS = 60.0
_MEMORY_NAMES = {"range", "reserved"}

Result = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Sockets:
    """Who listens. endpoints: what the endpoint mapper knows; silent: why it did not tell, empty where there is none or it did."""

    listeners: tuple[_listeners.Listener, ...] = ()
    endpoints: tuple[_epm.Endpoint, ...] = ()
    silent: str = ""


def observe() -> State:
    """What the host has."""
    conf = _samba.CONF.read_bytes() if _samba.CONF.is_file() else b""
    return State(
        _sysctl.port_range(), _sysctl.reserved(), _boot.read(_sysctl.FILE), _boot.read(_samba.INCLUDE), conf, _samba.installed(), _remembered(),
    )


def _remembered() -> dict[str, str]:
    text = _boot.read(MEMORY)
    try:
        memory = json.loads(text) if text else {}
    except ValueError:
        memory = None
    if not isinstance(memory, dict) or not set(memory) <= _MEMORY_NAMES or not all(isinstance(value, str) for value in memory.values()):
        raise EnforceError(f"{MEMORY} does not tell how the host was before: restore it, or delete it and set by hand what {_sysctl.FILE} sets")
    return memory


def sockets() -> Sockets:
    """Who listens, and what the endpoint mapper of this host says of them."""
    listeners = _listeners.listening()
    mappers = sorted(entry.reach for entry in listeners if entry.port == _epm.PORT)
    if not mappers:
        return Sockets(listeners)
    try:
        return Sockets(listeners, _epm.lookup(mappers[0]))
    except _epm.EpmError as error:
        return Sockets(listeners, silent=str(error))


def work(run: Run, settings: Settings | None, *, check: bool, allow_restart: bool) -> Result:
    """Give the host the ports of its plan, or with None what it had before; returns what a module returns. Raises EnforceError or OSError."""
    with contextlib.nullcontext() if check else _firewall.locked():
        before, seen = observe(), sockets()
        target = _rpc_ports.wanted(settings, before)
        _rpc_ports.refuse(settings, before, target, seen.listeners, seen.endpoints)
        changed = target != before
        samba = Samba.of(run, target)
        if changed:
            _refuse_unwritable(before, target, samba)
        if changed and not check:
            _apply(before, target)
        names = _services(samba, seen)
        restarted: list[str] = []
        if names and allow_restart and not check:
            seen = _restart(run, samba, names)
            restarted, names = names, []
    result = {"changed": changed or bool(restarted), "diff": _diff(before, target), "persistent": True, "restarted": False, "restarted_services": restarted}
    return {**result, **describe(settings, before if check else target, samba, seen), "restart_needed": False, "restart_services": names}


def information(run: Run, settings: Settings | None) -> Result:
    """What the host has, and with settings how it differs. Changes nothing."""
    found, seen = observe(), sockets()
    samba = Samba.of(run, found)
    result = {
        **describe(settings, found, samba, seen), "listeners": [entry.to_plain() for entry in seen.listeners],
        "endpoints": [entry.to_plain() for entry in seen.endpoints], "restart_needed": False, "restart_services": _services(samba, seen),
    }
    return {**result, "differences": _rpc_ports.differences(found, _rpc_ports.wanted(settings, found))} if settings else result


@dataclass(frozen=True)
class Samba:
    """What Samba makes of its configuration. range: empty where there is none; ports: all that it may give to RPC servers; flaw: why that cannot be told."""

    range: str = ""
    ports: _sysctl.Ports = frozenset()
    flaw: str = ""

    @classmethod
    def of(cls, run: Run, state: State) -> Samba:
        if not state.samba:
            return cls()
        try:
            found = _samba.evaluate(run, state.conf, _samba.read_include(state.include))
            ports = frozenset().union(*(_sysctl.parse(value) for value in found.values()))
        except (EnforceError, ValueError) as error:
            return cls(flaw=str(error))
        return cls(found[_samba.RANGE], ports)


def _refuse_unwritable(before: State, target: State, samba: Samba) -> None:
    if samba.flaw and target.include:
        raise EnforceError(f"{samba.flaw}. Nothing was changed")
    kernel = (target.range, target.reserved) != (before.range, before.reserved)
    if kernel and not _sysctl.writable():
        raise EnforceError(f"/proc/sys is read-only here, so {_sysctl.RANGE} and {_sysctl.RESERVED} cannot be set: set them on the host of this container")


Step = t.Tuple[t.Callable[[], None], t.Callable[[], None]]


def _apply(before: State, target: State) -> None:
    """Write what differs, and read it back. What fails is taken back as a whole."""
    done: list[t.Callable[[], None]] = []
    try:
        for change, undo in _steps(before, target):
            done.append(undo)
            change()
        _require(target)
    except (EnforceError, OSError) as error:
        raise EnforceError(f"{error}. {_take_back(before, done)}") from error


def _take_back(before: State, done: t.Sequence[t.Callable[[], None]]) -> str:
    """Undo all that can be undone, and say how the host is then; the step that failed may have nothing to undo, and fail at that."""
    for undo in reversed(done):
        with contextlib.suppress(OSError):
            undo()
    left = observe() != before
    return "Putting back what the host had before failed: run the play again, or state: absent" if left else "The host has back what it had before"


def _require(target: State) -> None:
    found = observe()
    if found != target:
        raise EnforceError(f"the host does not have what was written: {'; '.join(_rpc_ports.differences(found, target)) or 'files differ'}")


def _steps(before: State, target: State) -> t.Iterator[Step]:
    """What to do in order, each with its undoing. What the host had before is on the disk before it is lost, and until it is restored."""
    both = {**target.memory, **before.memory}
    if both != before.memory:
        yield lambda: _remember(both), lambda: _remember(before.memory)
    if target.range != before.range:
        yield lambda: _sysctl.set_range(target.range), lambda: _sysctl.set_range(before.range)
    if target.reserved != before.reserved:
        yield lambda: _sysctl.set_reserved(target.reserved), lambda: _sysctl.set_reserved(before.reserved)
    if target.file != before.file:
        yield lambda: _put(_sysctl.FILE, target.file), lambda: _put(_sysctl.FILE, before.file)
    if target.include != before.include:
        yield lambda: _put(_samba.INCLUDE, target.include), lambda: _put(_samba.INCLUDE, before.include)
    if target.conf != before.conf:
        yield lambda: _samba.write_conf(target.conf), lambda: _samba.write_conf(before.conf)
    if target.memory != both:
        yield lambda: _remember(target.memory), lambda: _remember(before.memory)


def _put(path: Path, text: str) -> None:
    if text:
        _boot.write(path, text, 0o644)
    else:
        _boot.discard(path)


def _remember(memory: t.Mapping[str, str]) -> None:
    if memory:
        _boot.DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
        _boot.write(MEMORY, json.dumps(memory, sort_keys=True) + "\n", 0o600)
    else:
        _boot.discard(MEMORY)
        _boot.discard_directory(_boot.DIRECTORY)


def _services(samba: Samba, seen: Sockets) -> list[str]:
    """Services that hold ports which Samba's configuration does not give them, by unit, or by program where no unit is."""
    stale = _rpc_ports.stale(samba.ports, seen.listeners, seen.endpoints) if samba.ports else []
    return sorted({_listeners.unit(entry.pid) or entry.program for entry in stale})


def _restart(run: Run, samba: Samba, services: t.Sequence[str]) -> Sockets:
    """Restart these, and wait until the endpoint mapper knows only ports of the new range."""
    systemctl = find_program("systemctl")
    units = [name for name in services if name.endswith(".service")]
    if not systemctl or len(units) < len(services):
        raise EnforceError(f"no unit of systemd is known for {', '.join(services)}: restart these by hand, the new ports are configured")
    for name in units:
        done = run([systemctl, "restart", name], "")
        if done.code:
            raise EnforceError(f"{name} does not restart: {done.err}. The new ports are configured; look at journalctl -u {name} now")
    deadline = time.monotonic() + RESTART_SECONDS
    while True:
        seen = sockets()
        if seen.endpoints and not _services(samba, seen):
            return seen
        if time.monotonic() > deadline:
            raise EnforceError(f"{', '.join(units)}: restarted, and RPC servers are not on ports of {samba.range} after {RESTART_SECONDS:.0f} s")
        time.sleep(0.5)


def describe(settings: Settings | None, state: State, samba: Samba, seen: Sockets) -> Result:
    """The values that both modules return of a host in this state."""
    result: Result = {
        "dynamic": {"ipv4": state.range, "ipv6": state.range}, "rpc_ports": [samba.range] if samba.range else [],
        "reserved": list(filter(None, _sysctl.text(state.reserved).split(","))), "static": {}, "findings": _told(state, samba, seen), "listeners_outside": [],
    }
    if settings is None:
        return result
    told = _rpc_ports.findings(settings, state, samba.range, seen.listeners, seen.endpoints)
    return {
        **result, "range": settings.range, "source": settings.source, "findings": told + result["findings"], "listeners_outside": _outside(settings, seen),
        "static": {name: port if port in state.reserved else 0 for name, port in settings.static.items()},
    }


def _told(state: State, samba: Samba, seen: Sockets) -> list[str]:
    """Sentences about the host that need no plan."""
    told = [f"the endpoint mapper does not tell which RPC servers are there: {seen.silent}"] if seen.silent else []
    told += [samba.flaw] if samba.flaw else []
    later = _sysctl.overriding([name for name in (_sysctl.RANGE, _sysctl.RESERVED) if name in state.file])
    return told + ([f"{', '.join(later)} will say otherwise at the next boot than {_sysctl.FILE}: take the lines out there"] if later else [])


def _outside(settings: Settings, seen: Sockets) -> list[Result]:
    services = _rpc_ports.services(_rpc_ports.outside(settings, seen.endpoints))
    return [{**entry.to_plain(), "services": services[entry.port]} for entry in seen.listeners if entry.port in services]


def _diff(before: State, target: State) -> dict[str, str]:
    texts = ["".join(f"{slot}: {text}\n" for slot, text in state.slots().items()) for state in (before, target)]
    return {"before_header": "RPC ports", "after_header": "RPC ports", "before": texts[0], "after": texts[1]}


__all__ = ("MEMORY", "Samba", "Sockets", "describe", "information", "observe", "sockets", "work")
