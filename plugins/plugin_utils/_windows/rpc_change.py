# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What has to be written so that a host has the RPC ports of its plan, and how it gets back what it had. Pure: it knows values, no connection.

Everything that can be set is a slot with a text: C(REG_SZ Y), C(REG_DWORD 6100), C(50000 1000) for a dynamic range, C(absent). A slot is remembered on the
host before it is first changed, and restored once nobody wants it any longer.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.rpc_settings import FAMILIES, INTERNET, STATIC, DynamicPorts, RpcSettings
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import regquery
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import netsh, program, reg_add, reg_delete
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.state import MEMORY, Sections

PART = "rpc_ports"
KEY = rf"{MEMORY}\{PART}"
ABSENT = "absent"
RESTART = "restart"
"""What is to be restarted, the host under this name and a service under C(restart.NAME), with the boot in which that became so."""
INTERNET_KEY = "internet.key"
CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control\Windows"
"""C(ShutdownTime), written whenever Windows shuts down, tells one boot from the next in any language."""
REGISTRY_SLOTS: t.Mapping[str, tuple[str, str]] = {
    **{f"internet.{name}": (INTERNET, name) for name in ("Ports", "PortsInternetAvailable", "UseInternetPorts")},
    **{f"static.{name}": (place.key, place.value) for name, place in STATIC.items()},
}
DYNAMIC_SLOTS = {f"dynamic.{family}": family for family in FAMILIES}
_LISTENER = re.compile(r"\s*TCP\s+(\S+):([0-9]+)\s+\S+:0\s+\S+\s+([0-9]+)\s*\Z")
_NUMBER = re.compile(r"([0-9]+)\s*\Z")


@dataclass(frozen=True, order=True)
class Listener:
    """One listening TCP socket."""

    port: int
    address: str
    pid: int

    def to_plain(self) -> dict[str, t.Any]:
        return {"port": self.port, "address": self.address, "pid": self.pid}


@dataclass(frozen=True)
class Current:
    """What a host has. slots: text by slot. boot: names the boot that it is in. services: numbers of states by name, 0 for absent.

    others: values of the key of KB154596 that are not ours.
    """

    slots: t.Mapping[str, str]
    listeners: tuple[Listener, ...] = ()
    boot: str = ""
    services: t.Mapping[str, int] = field(default_factory=dict)
    internet_exists: bool = False
    others: tuple[str, ...] = ()

    def dynamic(self, family: str) -> PortRange | None:
        return _dynamic_range(self.slots.get(f"dynamic.{family}", ABSENT))


def read_commands(services: t.Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Sections for C(read), in script form. Nothing here changes the host."""
    return (
        ("rpc_parent", program("reg", f'query "{INTERNET.rpartition(chr(92))[0]}"')),
        ("rpc_internet", program("reg", f'query "{INTERNET}"')),
        *((f"rpc_{name}", program("reg", f'query "{place.key}" /v "{place.value}"')) for name, place in STATIC.items()),
        *((f"dynamic_{family}", program("netsh", f"int {family} show dynamicport tcp")) for family in FAMILIES),
        ("listeners", program("netstat", "-ano")),
        ("boot", program("reg", f'query "{CONTROL}" /v ShutdownTime')),
        *((f"rpc_service_{name}", program("sc", f"query {name}")) for name in services),
    )


def read(sections: Sections, services: t.Iterable[str]) -> Current:
    """What was read; WindowsError when it is incomplete or the key of KB154596 is there and could not be read."""
    missing = [name for name, _command in read_commands(services) if name not in sections]
    if missing:
        raise WindowsError(f"the host's answer was cut off: {', '.join(missing)} missing; run the play again")
    internet = regquery.find(regquery.parse(sections["rpc_internet"][1]), INTERNET)
    exists = sections["rpc_internet"][0] == 0
    parents = {key.rpartition("\\")[2].lower() for key in regquery.parse(sections["rpc_parent"][1])}
    if not exists and "internet" in parents:
        raise WindowsError(f"{INTERNET} is there and could not be read: give the account of the connection access to the registry")
    slots = {f"internet.{name}": _slot(regquery.value(internet, name)) for name in ("Ports", "PortsInternetAvailable", "UseInternetPorts")}
    for name, place in STATIC.items():
        slots[f"static.{name}"] = _slot(regquery.value(regquery.find(regquery.parse(sections[f"rpc_{name}"][1]), place.key), place.value))
    for family in FAMILIES:
        slots[f"dynamic.{family}"] = _dynamic_slot(sections[f"dynamic_{family}"])
    boot = regquery.value(regquery.find(regquery.parse(sections["boot"][1]), CONTROL), "ShutdownTime")
    others = tuple(sorted(name for name in internet if f"internet.{name}".lower() not in {slot.lower() for slot in slots}))
    states = {name: service_state(sections[f"rpc_service_{name}"]) for name in services}
    return Current(slots, listeners(sections["listeners"][1]), boot[1] if boot else "unknown", states, exists, others)


def _slot(value: regquery.Value | None) -> str:
    if value is None:
        return ABSENT
    number = regquery.number(value) if value[0] == "REG_DWORD" else None
    return f"{value[0]} {value[1] if number is None else number}".strip()


def _dynamic_slot(section: tuple[int, tuple[str, ...]]) -> str:
    """The last two numbers, in whatever language: where the range begins, and how many ports it has."""
    found = [match[1] for match in map(_NUMBER.search, section[1]) if match]
    if section[0] or len(found) < 2:
        raise WindowsError("netsh does not tell the range of dynamic TCP ports: is this an account with administrative rights?")
    return f"{found[-2]} {found[-1]}"


def service_state(section: tuple[int, tuple[str, ...]]) -> int:
    """The second number that C(sc query) shows in its table, whose words are translated; 0 for a service that is not there."""
    found = [match[1] for match in (re.match(r"\s+\S[^:]*:\s*([0-9a-fA-F]+)\b", line) for line in section[1]) if match]
    return int(found[1], 16) if section[0] == 0 and len(found) > 1 else 0


def listeners(lines: t.Iterable[str]) -> tuple[Listener, ...]:
    """Listening sockets from C(netstat -ano): the words differ, the columns do not, and a listener has no port on its other side."""
    found = (_LISTENER.match(line) for line in lines)
    return tuple(sorted({Listener(int(match[2]), match[1].strip("[]"), int(match[3])) for match in found if match}))


def _dynamic_range(text: str) -> PortRange | None:
    start, _blank, number = text.partition(" ")
    return PortRange(int(start), int(start) + int(number) - 1) if start.isdigit() and number.isdigit() and int(number) else None


def wanted_slots(settings: RpcSettings | None, current: Current) -> dict[str, str]:
    """The slots that settings fill; none for absent, and none of services that the host does not have."""
    if settings is None:
        return {}
    places = {place: slot for slot, place in REGISTRY_SLOTS.items()}
    there = [value for value in settings.values if not value.service or current.services.get(value.service)]
    registry = {places[(value.key, value.name)]: f"{value.kind} {value.data}" for value in there}
    return {**registry, **{f"dynamic.{entry.family}": f"{entry.start} {entry.number}" for entry in settings.dynamic}}


@dataclass(frozen=True)
class Difference:
    """What has to be done. set: text by slot, C(absent) to delete; remember: text by name, before; forget: names, after.

    drop_key: delete the key of KB154596, which was not there before us.
    """

    set: t.Mapping[str, str] = field(default_factory=dict)
    remember: t.Mapping[str, str] = field(default_factory=dict)
    forget: tuple[str, ...] = ()
    drop_key: bool = False

    def __bool__(self) -> bool:
        return bool(self.set or self.remember or self.forget or self.drop_key)

    @property
    def reboot(self) -> bool:
        """Whether something changes that RPC reads at boot only (KB154596)."""
        return any(slot.startswith("internet.") for slot in self.set)

    @property
    def services(self) -> frozenset[str]:
        """Services whose static ports change."""
        return frozenset(STATIC[slot.partition(".")[2]].service for slot in self.set if slot.startswith("static."))

    def restarts(self) -> tuple[str, ...]:
        """Names under which needed restarts are remembered."""
        return (*((RESTART,) if self.reboot else ()), *(f"{RESTART}.{service}" for service in sorted(self.services)))


def difference(wanted: t.Mapping[str, str], current: Current, memory: t.Mapping[str, str]) -> Difference:
    """Compare slot by slot. memory: what earlier runs remembered, by name."""
    changes, remember, forget = {}, {}, []
    for slot in (*REGISTRY_SLOTS, *DYNAMIC_SLOTS):
        has, want, was = current.slots.get(slot, ABSENT), wanted.get(slot), memory.get(slot)
        if want is not None and has != want:
            changes[slot] = want
            if was is None:
                remember[slot] = has
        elif want is None and was is not None:
            forget.append(slot)
            if has != was:
                changes[slot] = was
    internet = [slot for slot in REGISTRY_SLOTS if slot.startswith("internet.")]
    if INTERNET_KEY not in memory and any(slot in remember for slot in internet):
        remember[INTERNET_KEY] = "present" if current.internet_exists else ABSENT
    gone = INTERNET_KEY in memory and not any(slot in wanted for slot in internet)
    drop = gone and memory[INTERNET_KEY] == ABSENT and current.internet_exists and not current.others
    return Difference(changes, remember, (*forget, *((INTERNET_KEY,) if gone else ())), drop)


def commands(found: Difference, memory: t.Mapping[str, t.Mapping[str, str]], boot: str, *, keep: bool) -> list[tuple[str, str]]:
    """Commands in order, each with what it does in words. keep: whether restarts that are needed are remembered."""
    steps = [(reg_add(KEY, name, "REG_SZ", data), f"remember {name}") for name, data in found.remember.items()]
    steps += [(reg_add(KEY, name, "REG_SZ", boot), f"remember {name}") for name in (found.restarts() if keep else ())]
    for slot, text in found.set.items():
        if not (found.drop_key and slot.startswith("internet.")):
            steps.append((_write(slot, text), f"set {slot} to {text}"))
    if found.drop_key:
        steps.append((reg_delete(INTERNET), f"delete {INTERNET}, which was not there before"))
    return [*steps, *_forget(found, memory, keep=keep)]


def _forget(found: Difference, memory: t.Mapping[str, t.Mapping[str, str]], *, keep: bool) -> t.Iterator[tuple[str, str]]:
    mine = memory.get(PART, {})
    left = {name for name in (*mine, *found.remember) if name not in found.forget and (keep or not name.startswith(RESTART))}
    if found.forget and not left:
        yield reg_delete(MEMORY if set(memory) <= {PART} else KEY), "forget what the host had before"
        return
    for name in found.forget:
        if name in mine:
            yield reg_delete(KEY, name), f"forget {name}"


def _write(slot: str, text: str) -> str:
    if slot in DYNAMIC_SLOTS:
        ports = _dynamic_range(text)
        if ports is None:
            raise WindowsError(f"{slot}: {text!r} is not a range that was remembered: set it by hand")
        return netsh(DynamicPorts(DYNAMIC_SLOTS[slot], ports.low, ports.high - ports.low + 1).line())
    key, name = REGISTRY_SLOTS[slot]
    if text == ABSENT:
        return reg_delete(key, name)
    kind, _blank, data = text.partition(" ")
    return reg_add(key, name, kind, data)


def back(found: Difference, current: Current, memory: t.Mapping[str, t.Mapping[str, str]]) -> list[str]:
    """Commands that put everything back as it was before C(commands); those for what was not reached yet do no harm."""
    undone = [_write(slot, current.slots.get(slot, ABSENT)) for slot in found.set]
    if any(slot.startswith("internet.") for slot in found.set) and not current.internet_exists:
        undone.append(reg_delete(INTERNET))
    mine = memory.get(PART, {})
    if not mine:
        return [*undone, reg_delete(MEMORY if set(memory) <= {PART} else KEY)]
    kept = [reg_add(KEY, name, "REG_SZ", data) for name, data in mine.items()]
    return [*undone, *(reg_delete(KEY, name) for name in (*found.remember, *found.restarts()) if name not in mine), *kept]


def refuse_clashes(settings: RpcSettings | None, current: Current) -> None:
    """Raise WindowsError when a static port is another program's: the service would not start again."""
    for name, port in settings.static if settings else ():
        taken = sorted({listener.pid for listener in current.listeners if listener.port == port})
        if taken and current.slots[f"static.{name}"] != f"REG_DWORD {port}":
            raise WindowsError(
                f"the static port {port} of {name} is already listened on (process {', '.join(map(str, taken))}): choose another in datapath_static_ports"
            )


def explained(plan: HostPlan) -> frozenset[int]:
    """Single ports that the plan expects something to listen on."""
    ports = {port.low for flow in plan.flows if flow.direction == "in" and flow.protocol == "tcp" for port in flow.ports if port.low == port.high}
    return frozenset(ports | {number for port in plan.management.ports for number in range(port.low, port.high + 1)})


def outside(settings: RpcSettings, current: Current, known: t.Container[int]) -> tuple[Listener, ...]:
    """Listeners above 1024 that neither the range nor a static port nor a flow explains: RPC servers that nobody can reach, or strangers."""
    static = {port for _name, port in settings.static}
    return tuple(
        entry for entry in current.listeners
        if entry.port > 1024 and not settings.range.low <= entry.port <= settings.range.high and entry.port not in static and entry.port not in known
    )


def findings(settings: RpcSettings, current: Current) -> list[str]:
    """Sentences about what the plan counts with and the host does not do, or will stumble over."""
    listening = {entry.port for entry in current.listeners}
    found = [
        f"{STATIC[name].service} runs and does not listen on the static port {port} of {name}" for name, port in settings.static
        if current.services.get(STATIC[name].service) == 4 and current.slots[f"static.{name}"] == f"REG_DWORD {port}" and port not in listening
    ]
    found += [
        f"{STATIC[name].service} is not installed, so the static port {port} of {name} is not set: take it out of datapath_static_ports"
        for name, port in settings.static if not current.services.get(STATIC[name].service)
    ]
    for family in FAMILIES:
        ports = current.dynamic(family)
        if not settings.dynamic and ports and not (settings.range.low <= ports.low and ports.high <= settings.range.high):
            found.append(
                f"the dynamic ports of {family} are {ports}, but the plan opens {settings.range} ({settings.source}): set datapath_rpc_range on the host"
            )
    if settings.dynamic:
        now = [ports for ports in map(current.dynamic, FAMILIES) if ports]
        fixed = sorted({
            entry.port for entry in current.listeners
            if settings.range.low <= entry.port <= settings.range.high and not any(ports.low <= entry.port <= ports.high for ports in now)
        })
        if fixed:
            found.append(f"the range {settings.range} contains ports that are listened on already: {', '.join(map(str, fixed[:10]))}")
    return found


__all__ = (
    "ABSENT", "KEY", "PART", "RESTART", "Current", "Difference", "Listener", "back", "commands", "difference", "explained", "findings", "listeners", "outside",
    "read", "read_commands", "refuse_clashes", "service_state", "wanted_slots",
)
