# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for the tests of this folder, and Ansible to reach them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest
from reach import Ansible, processes_of
from windows_double.endpoints import serve
from windows_double.machine import Machine

HERE = Path(__file__).parent


@pytest.fixture
def ansible(tmp_path: Path) -> t.Iterator[Ansible]:
    with tempfile.TemporaryDirectory(prefix="dx", ignore_cleanup_errors=True) as sockets:
        yield Ansible(tmp_path, sockets)


class Double:
    """A double that is served in a process of its own, as a user of tests/windows/double would do it."""

    def __init__(self, directory: Path, **settings: t.Any) -> None:
        self.directory = directory
        self.machine = Machine.create(directory, **settings)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, HERE / "double", *arguments], check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def serve(self, *, ssh_shell: str = "cmd") -> dict[str, t.Any]:
        done = self.command("serve", str(self.directory), "--winrm", "0", "--psrp", "0", "--ssh", "0", "--ssh-shell", ssh_shell)
        assert done.returncode == 0, done.stdout
        record = serve.running(self.directory)
        assert record
        return record

    def stop(self) -> None:
        serve.stop(self.directory)


@pytest.fixture
def make_double(tmp_path: Path) -> t.Iterator[t.Callable[..., Double]]:
    made: list[Double] = []

    def make(**settings: t.Any) -> Double:
        made.append(Double(tmp_path / f"host{len(made)}", **settings))
        return made[-1]

    yield make
    for double in made:
        double.stop()
        assert processes_of(double.directory) == []
