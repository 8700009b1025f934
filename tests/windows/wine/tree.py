# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all Wine hosts share: a Debian 13 tree with Wine 10, our two programs built for Windows, and an installed prefix with them in it.

Wine 8 of Debian 12 will not do: its cmd.exe does not look at the exit code for C(&&) and C(||).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wine.room import OURS, PREFIX, Room, enter

HERE = Path(__file__).parent
SUITE = "trixie"
PACKAGES = ("wine", "wine64", "gcc-mingw-w64-x86-64-win32")
SYSTEM32 = "drive_c/windows/system32"
RELAYED = (*OURS, "WindowsPowerShell/v1.0/powershell.exe")
FOLDER = "drive_c/double"

_UNWANTED = ("doc", "info", "locale", "man")
_BUILD = ("x86_64-w64-mingw32-gcc", "-std=c11", "-O2", "-s", "-Wall", "-Wextra", "-Werror")
_LIBRARIES = ("-lws2_32", "-ladvapi32")


class WineError(Exception):
    """Something that stops a Wine host: the text says what, where and how to fix it."""


@dataclass(frozen=True)
class Shared:
    """Where the tree and the installed prefix are; nobody writes to them."""

    tree: Path
    prefix: Path


def recipe(mirror: str) -> tuple[str, ...]:
    """Give the arguments of mmdebstrap; the same recipe always means the same tree."""
    return (
        "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}",
        '--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNWANTED),
        SUITE, "-", *filter(None, (mirror,)),
    )


def cache_folder(environment: t.Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "datapath-exchange" / "windows"


def ensure(environment: t.Mapping[str, str], say: t.Callable[[str], None]) -> Shared:
    """Return tree and prefix, making them first where needed; safe when several hosts ask at once, and after being killed half-way."""
    cache, mirror = cache_folder(environment), environment.get("DATAPATH_LAB_MIRROR", "")
    tree = cache / f"wine-{_digest(*(text.encode() for text in recipe(mirror)))}"
    sources = [path.read_bytes() for path in sorted(HERE.glob("*.c"))]
    prefix = cache / f"{tree.name}-prefix-{_digest(*sources, *(name.encode() for name in RELAYED))}"
    with locked(cache / "lock"):
        if not tree.exists():
            say(f"making the Debian tree with Wine (Debian {SUITE}, once; about a minute)")
            _make(tree, lambda part: _bootstrap(part, recipe(mirror)))
        if not prefix.exists():
            say("making the Windows installation of all Wine hosts (once; some seconds)")
            _make(prefix, lambda part: _install(tree, part))
    return Shared(tree, prefix)


def _make(target: Path, build: t.Callable[[Path], None]) -> None:
    part = target.with_name(target.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    build(part)
    part.replace(target)


def _bootstrap(part: Path, arguments: t.Sequence[str]) -> None:
    log = part.with_suffix(".log")
    with log.open("wb") as errors, subprocess.Popen(["mmdebstrap", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as make:
        part.mkdir()
        unpack = subprocess.run(["tar", "--xattrs", "--xattrs-include=*", "-C", part, "-xf", "-"], stdin=make.stdout, check=False)
    if make.returncode or unpack.returncode:
        raise WineError(f"mmdebstrap failed ({make.returncode}), its log is {log}:\n{log.read_text(errors='replace')[-2000:]}")
    (part / PREFIX.lstrip("/")).mkdir()
    log.unlink()


def _install(tree: Path, part: Path) -> None:
    """Let Wine make a prefix, then put our programs over those that it lacks."""
    part.mkdir()
    with enter(tree, part) as room:
        _wineboot(room)
        for name in ("relay", "launcher"):
            (part / f"{name}.c").write_bytes((HERE / f"{name}.c").read_bytes())
            room.run([*_BUILD, "-o", f"{PREFIX}/{name}.exe", f"{PREFIX}/{name}.c", *_LIBRARIES], seconds=120)
            (part / f"{name}.c").unlink()
    (part / FOLDER).mkdir()
    for name in RELAYED:
        place = part / SYSTEM32 / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        os.link(part / "relay.exe", place)
    (part / "launcher.exe").rename(part / FOLDER / "launcher.exe")
    (part / "relay.exe").rename(part / FOLDER / "agent.exe")


def _wineboot(room: Room) -> None:
    done = room.run(["wineboot", "--init"], seconds=300, check=False)
    room.run(["wineserver", "--wait"], seconds=300)
    if not (room.prefix / "system.reg").exists():
        raise WineError(f"wineboot failed with {done.status}:\n{done.err.decode(errors='replace')[-2000:]}")


def copy(shared: Shared, prefix: Path) -> None:
    """Give a host a prefix of its own. Programs and libraries are not copied where they can be linked: nobody writes to them."""
    part = prefix.with_name(prefix.name + ".part")
    if part.exists():
        shutil.rmtree(part)
    linked = subprocess.run(["cp", "--archive", "--link", shared.prefix, part], check=False, stderr=subprocess.DEVNULL).returncode == 0
    if not linked:
        shutil.rmtree(part, ignore_errors=True)
        subprocess.run(["cp", "--archive", shared.prefix, part], check=True)
    for registry in shared.prefix.glob("*.reg"):
        (part / registry.name).unlink()
        shutil.copy2(registry, part / registry.name)
    part.replace(prefix)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


@contextmanager
def locked(path: Path) -> t.Iterator[None]:
    """Hold a lock that the kernel drops when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


__all__ = ("FOLDER", "RELAYED", "SYSTEM32", "Shared", "WineError", "copy", "ensure", "locked", "recipe")
