# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Where the connection that Ansible came in on comes from: its address must stay admitted, whatever the plan says. Standard library only."""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils._nft import FAMILY, TABLE

_VARIABLE = "SSH_CONNECTION"


@dataclass(frozen=True, order=True)
class Session:
    """The peer of an SSH connection as this host sees it, and the port of this host that it uses."""

    address: str
    port: int

    @property
    def family(self) -> str:
        """``v4`` or ``v6``."""
        return "v6" if ":" in self.address else "v4"

    def element(self) -> str:
        """The line that admits this peer in a loaded table."""
        return f"add element {FAMILY} {TABLE} session_{self.family} {{ {self.address} . {self.port} }}\n"


def parse(text: str) -> Session | None:
    """Read the value of SSH_CONNECTION, ``client-address client-port server-address server-port``; None when it is not that.

    A scope (``fe80::1%eth0``) is dropped, as packets carry none, and a mapped address (``::ffff:192.0.2.1``) becomes the IPv4 address of its packets.
    """
    words = text.split()
    if len(words) != 4 or not re.match(r"[0-9]{1,5}\Z", words[3]):
        return None
    try:
        address = ipaddress.ip_address(words[0].partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    port = int(words[3])
    return Session(str(mapped or address), port) if 1 <= port <= 65535 else None


def find(environment: t.Mapping[str, str], parent: int, proc: str = "/proc") -> Session | None:
    """The SSH session that this process belongs to; None for a plain local connection.

    sudo and su strip the variable from what they start, but the kernel keeps the environment that each ancestor was started with.
    """
    if _VARIABLE in environment:
        return parse(environment[_VARIABLE])
    seen = set()
    while parent > 1 and parent not in seen:
        seen.add(parent)
        value = _variable_of(parent, proc)
        if value is not None:
            return parse(value)
        parent = _parent_of(parent, proc)
    return None


def current() -> tuple[Session, ...]:
    """The session of this process, as a tuple of none or one."""
    session = find(os.environ, os.getppid())
    return (session,) if session else ()


def _variable_of(process: int, proc: str) -> str | None:
    wanted = _VARIABLE.encode() + b"="
    for entry in _read(f"{proc}/{process}/environ").split(b"\0"):
        if entry.startswith(wanted):
            return entry[len(wanted):].decode("ascii", errors="replace")
    return None


def _parent_of(process: int, proc: str) -> int:
    """The fourth field of /proc/PID/stat; the second is a name that may hold blanks and brackets, so read from its end (proc(5))."""
    fields = _read(f"{proc}/{process}/stat").rpartition(b")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


__all__ = ("Session", "current", "find", "parse")
