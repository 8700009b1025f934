# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All endpoints of one host in one process, started and ended by a command."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from windows_double.endpoints.host import Account, Host
from windows_double.endpoints.ssh import SHELLS, Ssh
from windows_double.endpoints.winrm import WinRM
from windows_double.endpoints.wsman import Endpoint

_FOLDER = "endpoints"


class ServeError(Exception):
    """The endpoints of a host do not run; the text says why."""


@dataclass(frozen=True)
class Wanted:
    """Which endpoints shall run and where; a port of 0 is any free one, None is no such endpoint."""

    address: str = "127.0.0.1"
    winrm: int | None = None
    psrp: int | None = None
    ssh: int | None = None
    ssh_shell: str = "cmd"


class _Server(t.Protocol):
    @property
    def server_port(self) -> int: ...

    def serve_forever(self) -> None: ...

    def server_close(self) -> None: ...


def folder_of(directory: Path) -> Path:
    return directory / _FOLDER


def serve(directory: Path, host: Host, wanted: Wanted) -> None:
    """Run the endpoints until SIGTERM or SIGINT; raises ServeError where this host's endpoints run already, and OSError for a port that is taken."""
    folder = folder_of(directory)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServeError(f"the endpoints of {directory} run already") from error
        os.set_inheritable(lock.fileno(), False)
        servers = _servers(folder, host, wanted)
        try:
            _run(servers, folder, wanted)
        finally:
            for server in servers.values():
                server.server_close()
            (folder / "serve.json").unlink(missing_ok=True)


def _servers(folder: Path, host: Host, wanted: Wanted) -> dict[str, _Server]:
    servers: dict[str, _Server] = {}
    try:
        if wanted.winrm is not None:
            servers["winrm"] = Endpoint(wanted.address, wanted.winrm, host, WinRM(host), Account())
        if wanted.psrp is not None:
            from windows_double.endpoints.psrp import PSRP  # what it needs is not there where only the others are wanted

            servers["psrp"] = Endpoint(wanted.address, wanted.psrp, host, PSRP(host), Account())
        if wanted.ssh is not None:
            servers["ssh"] = Ssh(wanted.address, wanted.ssh, host, folder / "sshd", wanted.ssh_shell)
    except BaseException:
        for server in servers.values():
            server.server_close()
        raise
    return servers


def _record(folder: Path, wanted: Wanted, servers: t.Mapping[str, _Server]) -> Path:
    ports = {name: server.server_port for name, server in servers.items()}
    record = {**asdict(wanted), **ports, "process": os.getpid(), "since": _started(os.getpid())}
    path = folder / "serve.json"
    path.write_text(json.dumps(record))
    return path


def _run(servers: t.Mapping[str, _Server], folder: Path, wanted: Wanted) -> None:
    """Serve until somebody says that it is enough, or takes the host's directory away."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ended.set())
    for server in servers.values():
        threading.Thread(target=server.serve_forever, daemon=True).start()
    record = _record(folder, wanted, servers)
    while not ended.wait(1) and record.exists():
        pass
    for server in servers.values():
        if isinstance(server, Endpoint):
            server.shutdown()


def running(directory: Path) -> dict[str, t.Any] | None:
    """Say where the endpoints of this host are (C(address), C(winrm), C(psrp), C(ssh), C(process)); None where they do not run."""
    try:
        record: dict[str, t.Any] = json.loads((folder_of(directory) / "serve.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return record if _started(record["process"]) == record["since"] else None


def start(command: t.Sequence[str], directory: Path, seconds: float = 60) -> dict[str, t.Any]:
    """Start a command that ends up in C(serve), in the background, and wait until it takes connections; raises ServeError."""
    folder = folder_of(directory)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if running(directory):
        raise ServeError(f"the endpoints of {directory} run already")
    log = folder / "log"
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, start_new_session=True)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if (record := running(directory)) and record["process"] == process.pid:
            return record
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise ServeError(f"the endpoints of {directory} did not start; {log} ends:\n{log.read_text(errors='replace')[-2000:]}")


def stop(directory: Path, seconds: float = 15) -> bool:
    """End the endpoints of this host; tells whether there were any."""
    record = running(directory)
    if not record:
        return False
    process, deadline = record["process"], time.monotonic() + seconds
    os.kill(process, signal.SIGTERM)
    while _started(process) == record["since"]:
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
        time.sleep(0.02)
    (folder_of(directory) / "serve.json").unlink(missing_ok=True)
    return True


def _started(process: int) -> str:
    """Give when a process started, in the kernel's ticks: a number that was given to another process since is told from it. Empty: it is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser], load: t.Callable[[Path], Host]) -> None:
    """Add C(serve) and C(stop) to a command line. load: makes the host of a directory."""
    parser = commands.add_parser("serve", help="let Ansible reach the host by WinRM, PSRP or SSH, in the background")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--address", default="127.0.0.1")
    for name in ("winrm", "psrp", "ssh"):
        parser.add_argument(f"--{name}", type=int, metavar="PORT", help="0: any free port")
    parser.add_argument("--ssh-shell", choices=SHELLS, default="cmd", help="the DefaultShell of the host's sshd")
    parser.add_argument("--foreground", action="store_true")
    parser.set_defaults(command=lambda options: _serve_command(options, load))
    parser = commands.add_parser("stop", help="end what serve began")
    parser.add_argument("directory", type=Path)
    parser.set_defaults(command=lambda options: 0 if stop(options.directory.resolve()) else 1)


def _serve_command(options: argparse.Namespace, load: t.Callable[[Path], Host]) -> int:
    directory = options.directory.resolve()
    if options.foreground:
        wanted = Wanted(options.address, options.winrm, options.psrp, options.ssh, options.ssh_shell)
        serve(directory, load(directory), wanted)
        return 0
    record = start([sys.executable, *sys.argv, "--foreground"], directory)
    print(json.dumps(record))
    return 0


__all__ = ("SHELLS", "ServeError", "Wanted", "add_commands", "folder_of", "running", "serve", "start", "stop")
