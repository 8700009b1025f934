# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What a Linux host has to have so that its RPC servers answer on the ports of its plan. Pure: values in, values out. Standard library only.

Where Samba is, it takes its ports from the range by itself, and the kernel must not hand them out for anything else. Elsewhere an RPC server takes what
the kernel gives it, so the range becomes the kernel's. Only a range that the inventory names is set.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.module_utils import _samba, _sysctl
from ansible_collections.datapath.exchange.plugins.module_utils._epm import PORT, Endpoint
from ansible_collections.datapath.exchange.plugins.module_utils._listeners import Listener
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError

ABSENT = "absent"
LEAST = 100
"""Ports that have to be left for connections that this host opens, and that a range has to have (KB154596)."""
SHOWN = 10
_LINE = f"include in {_samba.CONF}"


@dataclass(frozen=True)
class Settings:
    """What the plan wants. range: C(LOW-HIGH), which the plan counts with; source: where it comes from; enforced: whether it is set on the host."""

    range: str
    source: str
    enforced: bool = False
    static: t.Mapping[str, int] = field(default_factory=dict)

    @property
    def ports(self) -> _sysctl.Ports:
        return _sysctl.parse(self.range)

    @property
    def samba(self) -> dict[str, str]:
        """What Samba has to be told."""
        return _samba.parameters(self.range if self.enforced else "", self.static)


@dataclass(frozen=True)
class State:
    """Everything that can be set. range: the kernel's; reserved: ports that it leaves out; file: what sets them at boot; include, conf: of Samba.

    samba: whether there is a Samba to set. memory: how the host was before, C(range) as a text and C(reserved) as the ports that were added.
    """

    range: str
    reserved: _sysctl.Ports
    file: str = ""
    include: str = ""
    conf: bytes = b""
    samba: bool = False
    memory: t.Mapping[str, str] = field(default_factory=dict)

    def slots(self) -> dict[str, str]:
        """The state in words, for a difference that a user reads."""
        return {
            _sysctl.RANGE: self.range, _sysctl.RESERVED: _sysctl.text(self.reserved) or "none", str(_sysctl.FILE): _words(self.file),
            **({str(_samba.INCLUDE): _words(self.include), _LINE: _has_line(self.conf)} if self.conf or self.include else {}),
        }


def _words(text: str) -> str:
    return "; ".join(line for line in text.splitlines() if line[:1] != "#") or ABSENT


def _has_line(conf: bytes) -> str:
    return ABSENT if _samba.without_line(conf) == conf else "present"


def wanted(settings: Settings | None, found: State) -> State:
    """What the host is to have; settings: None for what it had before us. Raises EnforceError where Samba's configuration cannot take our line."""
    kernel = settings.range if settings and settings.enforced and not found.samba else ""
    original = found.memory.get("range", "")
    others = found.reserved - _sysctl.parse(found.memory.get("reserved", ""))
    own = _own(settings, found, original or found.range)
    memory = {}
    if kernel and (original or kernel != found.range):
        memory["range"] = original or found.range
    if own - others:
        memory["reserved"] = _sysctl.text(own - others)
    port_range = kernel or original or found.range
    values = {_sysctl.RANGE: port_range.replace("-", " ")} if "range" in memory else {}
    if "reserved" in memory:
        values[_sysctl.RESERVED] = _sysctl.text(others | own)
    include = _samba.include_text(settings.samba) if settings and found.samba else ""
    conf = _samba.with_line(found.conf) if include else _samba.without_line(found.conf)
    return State(port_range, others | own, _sysctl.file_text(values), include, conf, found.samba, memory)


def _own(settings: Settings | None, found: State, kernel: str) -> _sysctl.Ports:
    """Ports that the kernel must not hand out: static ones, and Samba's range where the kernel would take from it."""
    if settings is None:
        return frozenset()
    static = frozenset(settings.static.values())
    taken = settings.enforced and found.samba and settings.ports & _sysctl.parse(kernel)
    return static | settings.ports if taken else static


def refuse(settings: Settings | None, found: State, target: State, listeners: t.Sequence[Listener], endpoints: t.Sequence[Endpoint]) -> None:
    """Raise EnforceError for what must not be done to this host, before anything is changed."""
    for path, text, ours in ((_sysctl.FILE, found.file, _owned), (_samba.INCLUDE, found.include, _samba.owned)):
        if text and not ours(text):
            raise EnforceError(f"{path} is there and not from this collection: move it away")
    left = len(_sysctl.parse(target.range) - target.reserved)
    if target.slots() != found.slots() and left < LEAST:
        raise EnforceError(
            f"{_sysctl.RANGE} would be {target.range} with {left} ports left that are not reserved, and {LEAST} are needed for connections of this host:"
            " move datapath_rpc_range, or the range of the kernel, away from the other"
        )
    if settings and settings.enforced and _moves(settings, found):
        taken = strangers(settings, listeners, endpoints)
        if taken:
            raise EnforceError(
                f"the range {settings.range} contains ports that are listened on already: {_named(taken)}. Stop these, or choose another datapath_rpc_range"
            )


def _owned(text: str) -> bool:
    return text.startswith(_sysctl.HEADER)


def _moves(settings: Settings, found: State) -> bool:
    """Whether the range is not the host's yet: once it is, whatever listens there got its port from it."""
    now = _samba.read_include(found.include).get(_samba.RANGE) if found.samba else found.range
    return now != settings.range


def strangers(settings: Settings, listeners: t.Sequence[Listener], endpoints: t.Sequence[Endpoint]) -> list[Listener]:
    """Listeners within the range that others can reach and that are no RPC servers."""
    known = {endpoint.port for endpoint in endpoints}
    inside = (entry for entry in listeners if entry.port in settings.ports and not entry.local)
    return [entry for entry in inside if entry.port not in known and not _samba.serves(entry.program)]


def _named(listeners: t.Iterable[Listener]) -> str:
    names = sorted({(entry.port, f"{entry.port} ({entry.program or 'unknown'}, process {entry.pid})") for entry in listeners})
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(name for _port, name in names[:SHOWN]) + more


def outside(settings: Settings, endpoints: t.Iterable[Endpoint]) -> list[Endpoint]:
    """RPC servers on ports that the plan opens to nobody for them."""
    admitted = settings.ports | set(settings.static.values()) | {PORT}
    return [endpoint for endpoint in endpoints if endpoint.port not in admitted]


def stale(samba: _sysctl.Ports, listeners: t.Iterable[Listener], endpoints: t.Iterable[Endpoint]) -> list[Listener]:
    """Sockets of Samba's RPC servers on ports that its configuration does not give them any longer."""
    ports = {endpoint.port for endpoint in endpoints} - samba - {PORT}
    return [entry for entry in listeners if entry.port in ports and _samba.serves(entry.program)]


def findings(settings: Settings, found: State, samba: str, listeners: t.Sequence[Listener], endpoints: t.Sequence[Endpoint]) -> list[str]:
    """Sentences about what the plan counts with and the host does otherwise. samba: the range that Samba hands out, empty where there is none."""
    told = [
        f"the RPC server {names} answers on port {port}, outside {settings.range}: nobody reaches it through the firewalls of the plan"
        for port, names in services(outside(settings, endpoints)).items()
    ]
    if samba and not settings.enforced and not _sysctl.parse(samba) <= settings.ports:
        told.append(f"Samba hands out {samba}, but the plan opens {settings.range} ({settings.source}): set datapath_rpc_range on the host")
    if found.samba and settings.enforced and not _moves(settings, found):
        taken = strangers(settings, listeners, endpoints)
        told += [f"the range {settings.range} contains ports that are listened on by others: {_named(taken)}"] if taken else []
    return told


def services(endpoints: t.Iterable[Endpoint]) -> dict[int, str]:
    """What answers on each port, in words: what the servers call their interfaces, or the interfaces."""
    names: dict[int, set[str]] = {}
    for endpoint in endpoints:
        names.setdefault(endpoint.port, set()).add(endpoint.annotation or endpoint.interface)
    return {port: ", ".join(sorted(names[port])) for port in sorted(names)}


def differences(found: State, target: State) -> list[str]:
    """What is not as the plan wants it, one sentence for each."""
    has, wants = found.slots(), target.slots()
    return [f"{slot} is {has.get(slot, ABSENT)}, not {text}" for slot, text in wants.items() if has.get(slot, ABSENT) != text]


__all__ = ("LEAST", "Settings", "State", "differences", "findings", "outside", "refuse", "services", "stale", "strangers", "wanted")
