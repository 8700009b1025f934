# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Wine host from its first start to its end: one process that keeps room, registry and endpoints."""

from __future__ import annotations

import contextlib
import json
import shutil
import typing as t
from pathlib import Path

from windows_double.endpoints import serve
from windows_double.machine import Machine
from windows_double.registry import Registry
from wine.machine import DRIVE, LOCALES, WineMachine, inside
from wine.room import Room, enter
from wine.tree import Shared, WineError, copy

_ABSENT_BEFORE_10 = ("CurrentMajorVersionNumber", "CurrentMinorVersionNumber")
_CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"


def prefix_of(directory: Path) -> Path:
    return directory / "wine"


def create(directory: Path, shared: Shared, release: str, language: str, exchange: str | None) -> None:
    """Install a host: the double's machine first, then a prefix that shall hold its drive and, at the first start, its registry."""
    if not (directory / "machine.json").exists():
        Machine.create(directory, release, language, exchange=exchange)
    if not prefix_of(directory).exists():
        copy(shared, prefix_of(directory))
        shutil.rmtree(directory / "c")
    drive = directory / "c"
    if not drive.is_symlink():
        drive.symlink_to(Path("wine") / DRIVE)


def keep(directory: Path, shared: Shared, wanted: serve.Wanted) -> None:
    """Run the host until it is told to end."""
    language = json.loads((directory / "machine.json").read_text())["language"]
    with enter(shared.tree, prefix_of(directory), LOCALES[language]) as room:
        _boot(room)
        (directory / "room.json").write_text(json.dumps(room.record))
        try:
            with inside(directory, room) as machine:
                _seed(machine)
                machine.start_timer()
                try:
                    serve.serve(directory, machine, wanted)
                finally:
                    machine.stop_timer()
        finally:
            (directory / "room.json").unlink(missing_ok=True)
            # Or the registry of the last seconds is lost.
            room.run(["wineserver", "--kill"], check=False)
            room.run(["wineserver", "--wait"], check=False)


def _boot(room: Room) -> None:
    """Wine's server first, with nobody's output in its hands, and then one command that makes it start its services."""
    room.run(["wineserver", "--persistent"])
    done = room.run(["wine", "cmd", "/c", "exit 0"], seconds=120, check=False)
    if done.status:
        raise WineError(f"Wine's cmd.exe ended with {done.status}:\n{done.err.decode(errors='replace')}")


def _seed(machine: WineMachine) -> None:
    """Put what the double's setup wrote into Wine's registry, once."""
    first = machine.directory / "registry.json"
    if not first.exists():
        return
    content = Registry(first).snapshot()
    for entry in content.values():
        machine.registry.create_key(entry["path"])
        for name, kind, data in entry["values"].values():
            machine.registry.set(entry["path"], name, kind, data)
    known = content[_CURRENT_VERSION.lower()]["values"]
    for name in _ABSENT_BEFORE_10:
        if name.lower() not in known:
            machine.registry.delete_value(_CURRENT_VERSION, name)
    first.unlink()


@contextlib.contextmanager
def look_into(directory: Path) -> t.Iterator[WineMachine]:
    """Give the machine of a host that runs in another process: for tests. Raises WineError where it does not run."""
    try:
        record = json.loads((directory / "room.json").read_text())
    except FileNotFoundError as error:
        raise WineError(f"the Wine host of {directory} does not run") from error
    with inside(directory, Room.again(record, prefix_of(directory))) as machine:
        yield machine


__all__ = ("create", "keep", "look_into", "prefix_of")
