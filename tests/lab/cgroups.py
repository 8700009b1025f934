# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups as the lab's book of processes: whatever a host started stays in its tree, and ending the tree ends it all.

No process list is searched and no process name is trusted; a run killed at any time leaves nothing that is not in the book.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from settings import LabError, Settings

_MOUNTS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"))
"""Pure version 2; version 2 beside version 1; systemd's own tree of version 1. Those that a machine has are all used."""


def roots(settings: Settings) -> list[Path]:
    """Give the lab's tree in each hierarchy of this machine, whether it exists yet or not."""
    return [mount / f"datapath-lab-{settings.name}" for mount in _MOUNTS if (mount / "cgroup.procs").exists()]


def enter(settings: Settings, host: str, part: str) -> None:
    """Move the calling process, so all that it will start, into a part of a host's tree."""
    for root in roots(settings):
        group = root / host / part
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.procs").write_text(str(os.getpid()))


def processes(settings: Settings) -> set[int]:
    """Give the number of every process in the lab's trees."""
    found: set[int] = set()
    for root in roots(settings):
        for listing in root.rglob("cgroup.procs"):
            with suppress(OSError):
                found.update(map(int, listing.read_text().split()))
    return found


def remove(settings: Settings, seconds: float = 20.0) -> None:
    """End every process of the lab and delete its trees; raises LabError when something outlives SIGKILL."""
    deadline = time.monotonic() + seconds
    while any(root.exists() for root in roots(settings)):
        if time.monotonic() > deadline:
            raise LabError(f"processes {sorted(processes(settings))} of the lab do not end; see /proc/PID/stack, then run down again")
        _kill(settings)
        for root in roots(settings):
            _prune(root)
        time.sleep(0.02)


def _kill(settings: Settings) -> None:
    for root in roots(settings):
        with suppress(OSError):
            (root / "cgroup.kill").write_text("1")
    for pid in processes(settings):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _prune(root: Path) -> None:
    """Delete a tree from its leaves up; a group that is still busy stays for the next round."""
    for path, _directories, _files in os.walk(root, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()


__all__ = ("enter", "processes", "remove", "roots")
