# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Which TCP ports a host listens on, by which process, from /proc alone: no program, no translated text. Standard library only."""

from __future__ import annotations

import ipaddress
import os
import sys
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"


@dataclass(frozen=True, order=True)
class Listener:
    """A listening socket. pid: 0 where no process of this host has it; program: the file that the process runs, without its folder."""

    port: int
    address: str
    pid: int = 0
    program: str = ""

    @property
    def local(self) -> bool:
        """Whether only this host can reach it."""
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def reach(self) -> str:
        """The address that this host reaches it by."""
        address = ipaddress.ip_address(self.address)
        return {4: "127.0.0.1", 6: "::1"}[address.version] if address.is_unspecified else self.address

    def to_plain(self) -> dict[str, t.Any]:
        return {"port": self.port, "address": self.address, "pid": self.pid}


def listening(proc: Path = _PROC) -> tuple[Listener, ...]:
    """All listening TCP sockets of this network namespace, sorted."""
    found: dict[str, Listener] = {}
    for name in ("tcp", "tcp6"):
        found.update(table(_text(proc / "self" / "net" / name)))
    owners = _owners(proc, frozenset(found))
    known = {inode: replace(entry, pid=owners[inode], program=program(owners[inode], proc)) for inode, entry in found.items() if inode in owners}
    return tuple(sorted({**found, **known}.values()))


def table(text: str) -> dict[str, Listener]:
    """Listeners by inode, from /proc/net/tcp or tcp6 (proc(5)); lines that do not tell a listener are passed over."""
    found = {}
    for fields in map(str.split, text.splitlines()[1:]):
        if len(fields) > 9 and fields[3] == _LISTENING:
            address, _colon, port = fields[1].partition(":")
            found[fields[9]] = Listener(int(port, 16), _address(address))
    return found


def _address(text: str) -> str:
    """The kernel prints each word of four bytes as a number of this machine."""
    raw = bytes.fromhex(text)
    words = [raw[at:at + 4] for at in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)))


def _owners(proc: Path, inodes: t.Collection[str]) -> dict[str, int]:
    """The process of each socket, the oldest where several share it."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    owners: dict[str, int] = {}
    for pid in sorted(int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()):
        for target in _descriptors(proc / str(pid) / "fd"):
            if target in wanted:
                owners.setdefault(wanted[target], pid)
    return owners


def _descriptors(folder: Path) -> t.Iterator[str]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        entries = []
    return map(_link, entries)


def program(pid: int, proc: Path = _PROC) -> str:
    """The name of the file that a process runs, also after that file was replaced; empty when it cannot be told."""
    return Path(_link(proc / str(pid) / "exe").partition(" (deleted)")[0]).name


def unit(pid: int, proc: Path = _PROC) -> str:
    """The service of systemd that a process belongs to; empty when it belongs to none."""
    for line in _text(proc / str(pid) / "cgroup").splitlines():
        last = line.rpartition("/")[2]
        if last.endswith(".service"):
            return last
    return ""


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


__all__ = ("Listener", "listening", "program", "table", "unit")
