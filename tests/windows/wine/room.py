# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A closed room for one Wine: namespaces of its own for mounts and processes, so that whatever Wine leaves running ends with the room."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "/wine"
"""Where the prefix is, seen from inside."""

OURS = ("chcp.com", "findstr.exe", "net.exe", "netsh.exe", "netstat.exe", "sc.exe", "schtasks.exe", "shutdown.exe")
"""Programs of System32 that Wine does not have, or has without what scripts need of them: its findstr knows neither /v nor /x nor /g.

Wine has to be told, or it runs what it has built in under these names.
"""

_FURNISH = """
set -e
mount --rbind /dev {tree}/dev
mount -t proc proc {tree}/proc
mount -t tmpfs -o mode=1777 tmpfs {tree}/tmp
mount --bind {prefix} {tree}{inside}
exec chroot {tree} sh -c "echo ready; exec sleep infinity"
"""


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: bytes
    err: bytes


class Room:
    """Runs commands in the Debian tree with one prefix. locale: in which language Wine speaks, and in which code page."""

    def __init__(self, holder: int, prefix: Path, locale: str) -> None:
        self.prefix = prefix
        self.record = {"holder": holder, "locale": locale}
        self._holder = holder
        self._environment = {
            "HOME": "/root", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": locale, "XDG_RUNTIME_DIR": "/tmp",  # noqa: S108 - its own
            "WINEPREFIX": PREFIX, "WINEDEBUG": "-all", "WINEDLLOVERRIDES": f"mscoree,mshtml,winemenubuilder.exe=d;{','.join(OURS)}=n",
        }

    @classmethod
    def again(cls, record: t.Mapping[str, t.Any], prefix: Path) -> Room:
        """Give the room that another process has opened."""
        return cls(record["holder"], prefix, record["locale"])

    def command(self, words: t.Sequence[str], **environment: str) -> list[str]:
        """Give the command that runs this one inside."""
        settings = [f"{name}={value}" for name, value in {**self._environment, **environment}.items()]
        inside = ["nsenter", f"--target={self._holder}", "--mount", "--pid", "--root", "--wd"]
        return [*inside, "--", "/usr/bin/env", "--ignore-environment", *settings, *words]

    def run(self, words: t.Sequence[str], stdin: bytes = b"", *, seconds: float = 60, check: bool = True, **environment: str) -> Done:
        """Run a command inside. Files and no pipes, since a server that Wine starts on the way holds on to what it got.

        Raises CalledProcessError and TimeoutExpired.
        """
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin)
            given.seek(0)
            command = self.command(words, **environment)
            status = subprocess.run(command, stdin=given, stdout=out, stderr=err, timeout=seconds, check=False).returncode
            out.seek(0)
            err.seek(0)
            done = Done(status, out.read(), err.read())
        if check and status:
            raise subprocess.CalledProcessError(status, list(words), done.out, done.err)
        return done

    def start(self, words: t.Sequence[str], **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self.command(words, **environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def kill(self, mark: str) -> None:
        """Kill every process inside that has this in its environment; Wine's programs are nobody's children."""
        script = f"for it in /proc/[0-9]*; do grep -qzx {shlex.quote(mark)} $it/environ 2>/dev/null && kill -9 ${{it#/proc/}}; done; :"
        self.run(["sh", "-c", script], check=False)


@contextmanager
def enter(tree: Path, prefix: Path, locale: str = "C") -> t.Iterator[Room]:
    """Open a room, and end everything in it at the end; the death of this process ends it too."""
    script = _FURNISH.format(tree=shlex.quote(str(tree)), prefix=shlex.quote(str(prefix)), inside=PREFIX)
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as outer:
        try:
            if not outer.stdout or outer.stdout.readline() != "ready\n":
                raise RuntimeError(f"no room for Wine in {tree}: this needs root, namespaces and mounts")
            yield Room(_child(outer.pid), prefix, locale)
        finally:
            outer.kill()


def _child(process: int) -> int:
    """Give the process that unshare forked: the first inside."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return int(children[0])


__all__ = ("OURS", "PREFIX", "Done", "Room", "enter")
