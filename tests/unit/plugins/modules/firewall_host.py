# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host to enforce rules on: the machine's real kernel with a network, an /etc and a /run of its own, all gone when the test ends."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import ansible
import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _programs

SEARCH = (str(Path(_programs.__file__).parents[5]), str(Path(ansible.__file__).parents[1]))
TOOLS = ("ip", "mount", "nft", "nsenter", "unshare")

# An overlay, so that the real module finds every file it expects and yet none of its writes leaves the test.
MAKE_HOST = """\
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" /etc
mount -t tmpfs tmpfs /run
mkdir -p /etc/systemd/system
ip link set lo up
echo ready
exec sleep 900
"""

RUN_MODULE = """\
import contextlib, json, runpy, sys
from ansible.module_utils import basic
arguments = json.load(sys.stdin)
try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core 2.17 and 2.18
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    given = contextlib.nullcontext()
else:
    given = patch_module_args(arguments)
with given:
    runpy.run_module("ansible_collections.datapath.exchange.plugins.modules." + sys.argv[1], run_name="__main__")
"""


def skip_reason() -> str:
    """Why there can be no such host here; empty when there can."""
    if os.geteuid() != 0:
        return "root is needed to make network and mount namespaces"
    missing = [tool for tool in TOOLS if not shutil.which(tool, path=_programs.SEARCH_PATH)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Host:
    """The namespaces of one host, held by a process that sleeps."""

    def __init__(self, scratch: Path) -> None:
        command = ["unshare", "--net", "--mount", "--propagation", "private", "--", "/bin/sh", "-ec", MAKE_HOST, "sh", str(scratch)]
        self.holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PATH": _programs.SEARCH_PATH})
        assert self.holder.stdout and self.holder.stderr
        ready, _writable, _failed = select.select([self.holder.stdout], [], [], 30)
        if not ready or self.holder.stdout.readline() != "ready\n":
            self.holder.kill()
            pytest.skip(f"no namespaces with an overlay on this kernel: {self.holder.stderr.read()}")

    def close(self) -> None:
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.holder.kill()
        self.holder.communicate()

    def processes(self) -> list[int]:
        """Whatever else runs in this host's network, such as its timer."""
        own = Path(f"/proc/{self.holder.pid}/ns/net").readlink()
        numbers = (entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != self.holder.pid)
        return [int(entry.name) for entry in numbers if _network(entry) == own]

    def run(self, *argv: str, text: str = "", environment: t.Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        enter = ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", "--", *argv]
        variables = {"PATH": _programs.SEARCH_PATH, "PYTHONPATH": ":".join(SEARCH), "SSH_CONNECTION": "", "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})}
        return subprocess.run(enter, input=text, capture_output=True, text=True, env=variables, timeout=120, check=False)

    def module(self, name: str, arguments: t.Mapping[str, t.Any], ssh: str = "", before: t.Sequence[str] = ()) -> dict[str, t.Any]:
        """Run a module in a process of its own, as Ansible does; ssh: the connection that Ansible came in on; before: a program that starts it."""
        done = self.run(*before, sys.executable, "-c", RUN_MODULE, name, text=json.dumps(arguments), environment={"SSH_CONNECTION": ssh})
        assert done.stdout.strip().startswith("{"), done.stderr
        result: dict[str, t.Any] = json.loads(done.stdout)
        return result

    def nft(self, *arguments: str, text: str = "") -> str:
        done = self.run("nft", *arguments, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def table(self) -> str:
        """Our table without counters; empty when there is none."""
        return self.run("nft", "-s", "list", "table", "inet", "datapath").stdout

    def path(self, path: str | Path) -> Path:
        """Where a path of the host is seen from outside."""
        return Path(f"/proc/{self.holder.pid}/root{path}")

    def footprint(self) -> dict[str, tuple[int, ...]]:
        """Every file and directory that the module could touch, with what a write would change in it."""
        roots = [self.path("/etc/datapath"), self.path("/etc/systemd/system"), self.path("/run")]
        found = [entry for root in roots if root.exists() for entry in (root, *root.rglob("*"))]
        facts = {str(entry)[len(str(self.path("/"))) - 1:]: entry.lstat() for entry in found}
        return {name: (fact.st_mode, fact.st_uid, fact.st_ino, fact.st_size, fact.st_mtime_ns) for name, fact in facts.items()}

    def eventually(self, condition: t.Callable[[], bool], seconds: float = 60) -> bool:
        """Wait for something that must come; the limit only ends a test that has failed."""
        deadline = time.monotonic() + seconds
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.1)
        return condition()


def _network(process: Path) -> Path | None:
    try:
        return (process / "ns/net").readlink()
    except OSError:
        return None
