# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The kernel's own choice of ports: two switches of this network namespace, and the file that sets them at boot. Standard library only.

https://docs.kernel.org/networking/ip-sysctl.html
"""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _boot

RANGE = "net.ipv4.ip_local_port_range"
"""From where the kernel takes a port for whoever does not name one; of IPv6 too."""
RESERVED = "net.ipv4.ip_local_reserved_ports"
"""What it leaves out then."""
FILE = Path("/etc/sysctl.d/60-datapath.conf")
HEADER = "# Managed by datapath.exchange: changes made here are lost.\n"
# In the order of sysctl.d(5): of files with one name the first folder's counts.
_FOLDERS = (Path("/etc/sysctl.d"), Path("/run/sysctl.d"), Path("/usr/local/lib/sysctl.d"), Path("/usr/lib/sysctl.d"))
_PROC = Path("/proc/sys")

Ports = t.FrozenSet[int]


def parse(text: str) -> Ports:
    """Read ports as the kernel lists them, ``1-3,40000``; raises ValueError for anything else."""
    found: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        low, _dash, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found)


def text(ports: t.Iterable[int]) -> str:
    """The shortest way to write ports, sorted: the form in which the kernel lists them."""
    runs: list[list[int]] = []
    for port in sorted(ports):
        if runs and port == runs[-1][1] + 1:
            runs[-1][1] = port
        else:
            runs.append([port, port])
    return ",".join(f"{low}-{high}" if low != high else str(low) for low, high in runs)


def port_range() -> str:
    """The live range, ``LOW-HIGH``."""
    return "-".join(_path(RANGE).read_text(encoding="ascii").split())


def reserved() -> Ports:
    """The live reservations."""
    return parse(_path(RESERVED).read_text(encoding="ascii"))


def set_range(wanted: str) -> None:
    _write(RANGE, wanted.replace("-", " "))


def set_reserved(wanted: Ports) -> None:
    """Replaces the whole list. A line break alone empties it: of no bytes at all the kernel takes no notice."""
    _write(RESERVED, text(wanted))


def writable() -> bool:
    """False where /proc/sys is mounted read-only, as in many containers."""
    return os.access(_path(RANGE), os.W_OK) and os.access(_path(RESERVED), os.W_OK)


def file_text(values: t.Mapping[str, str]) -> str:
    """The file that sets these at boot; empty for none."""
    return HEADER + "".join(f"{name} = {value}\n" for name, value in values.items()) if values else ""


def overriding(names: t.Collection[str], folders: t.Sequence[Path] = _FOLDERS) -> list[str]:
    """Files that set one of these switches after ours at boot, so that they win."""
    files: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.conf")) if folder.is_dir() else ():
            files.setdefault(path.name, path)
    return [str(files[name]) for name in sorted(files) if name > FILE.name and set(names) & set(_names(files[name]))]


def _names(path: Path) -> t.Iterator[str]:
    for line in _boot.read(path).splitlines():
        name, equals, _value = line.strip().lstrip("-").partition("=")
        if equals and name[:1] not in ("#", ";"):
            yield name.strip().replace("/", ".")


def _path(name: str) -> Path:
    return _PROC.joinpath(*name.split("."))


def _write(name: str, value: str) -> None:
    with _path(name).open("w", encoding="ascii") as file:
        file.write(value + "\n")


__all__ = (
    "FILE", "HEADER", "RANGE", "RESERVED", "Ports", "file_text", "overriding", "parse", "port_range", "reserved", "set_range", "set_reserved", "text",
    "writable",
)
