# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSSH for Windows: Debian's sshd with keys and settings of its own, one for each connection, hands every command to the host behind it.

The listener is ours, so that the host's firewall is asked for every connection and so that a connection can be cut.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import typing as t
from pathlib import Path

from windows_double.endpoints.host import Cut, Host, loudly, reads_input, script_of

SHELLS = ("cmd", "powershell")
_UTF8_FIRST = "chcp.com 65001 > $null ; "
"""What ansible-core 2.17 puts before every command for a PowerShell."""
_SSHD = ("/usr/sbin/sshd", "/usr/local/sbin/sshd")
_RELAY = Path(__file__).with_name("ssh_relay.py")
_SETTINGS = """\
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
AllowUsers {user}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
# The folder may be below a directory that others write to, as /tmp is.
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PidFile none
LogLevel ERROR
PermitTTY no
AllowTcpForwarding no
AllowAgentForwarding no
X11Forwarding no
ForceCommand {command}
"""


class SshError(Exception):
    """sshd cannot be had; the text says why."""


def run(host: Host, shell: str, text: str, stdin: bytes) -> tuple[int, bytes, bytes]:
    """Do what sshd of Windows does with a command: give it to the default shell."""
    if shell == "cmd":
        return loudly(lambda: host.run_command_line(text, stdin))
    code_page = 65001 if text.startswith(_UTF8_FIRST) else None
    line = text.removeprefix(_UTF8_FIRST)
    # A program that PowerShell starts by name gets the words as cmd.exe would give them; all else is PowerShell's own text.
    if script_of(line) is not None:
        return loudly(lambda: host.run_command_line(line, stdin, code_page))
    return loudly(lambda: host.run_powershell(line, stdin, code_page))


def program() -> str:
    """Find sshd; raises SshError."""
    for path in _SSHD:
        if os.access(path, os.X_OK):
            return path
    raise SshError(f"no sshd in {', '.join(_SSHD)}: install openssh-server (it need not run)")


def prepare(folder: Path) -> None:
    """Make keys and settings; the folder is ours alone."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("host_key", "client_key"):
        if not (folder / name).exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "windows double", "-f", folder / name], check=True)
    command = shlex.join([sys.executable, "-I", str(_RELAY), str(folder)])
    (folder / "sshd_config").write_text(_SETTINGS.format(folder=folder, user=getpass.getuser(), command=command))


def separate() -> None:
    """Make the empty folder that sshd wants as root; at a boot it is made by sshd's own unit only."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


class _Commands(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Where the forced command of every session brings what it was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, folder: Path, endpoint: Ssh) -> None:
        self.endpoint = endpoint
        socket_path = folder / "commands"
        socket_path.unlink(missing_ok=True)
        handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        try:
            # Not the path itself: it may be longer than the 107 characters of a socket's address.
            super().__init__(f"/proc/self/fd/{handle}/{socket_path.name}", _Command)
        finally:
            os.close(handle)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a session that went away
            super().handle_error(request, client_address)


class _Command(socketserver.StreamRequestHandler):
    server: _Commands

    def handle(self) -> None:
        endpoint = self.server.endpoint
        text = json.loads(self.rfile.readline())["command"]
        stdin = self.rfile.read() if reads_input(text) else b""
        try:
            status, out, err = run(endpoint.host, endpoint.shell, text, stdin)
        except Cut:
            endpoint.hang_up(self._caller())
            return
        self.wfile.write(json.dumps({"status": status, "out": len(out), "err": len(err)}).encode() + b"\n" + out + err)

    def _caller(self) -> int:
        credentials = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0])


class Ssh:
    """The listener. shell: what the host's C(DefaultShell) is, ``cmd`` or ``powershell``."""

    def __init__(self, address: str, port: int, host: Host, folder: Path, shell: str = "cmd") -> None:
        self.host, self.shell = host, shell
        self._sshd, self._settings = program(), folder / "sshd_config"
        separate()
        prepare(folder)
        self._commands = _Commands(folder, self)
        self._listener = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._sessions: list[subprocess.Popen[bytes]] = []

    @property
    def server_port(self) -> int:
        return int(self._listener.getsockname()[1])

    def serve_forever(self) -> None:
        threading.Thread(target=self._commands.serve_forever, daemon=True).start()
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return  # closed
            with connection:
                if self.host.management_open(peer[0], self.server_port):
                    self._start(connection)

    def _start(self, connection: socket.socket) -> None:
        self._sessions = [session for session in self._sessions if session.poll() is None]
        # Started by the thread that lives as long as we do, since its death is what takes the sshd with it (prctl(2), PR_SET_PDEATHSIG).
        command = ["setpriv", "--pdeathsig", "KILL", self._sshd, "-i", "-f", str(self._settings)]
        self._sessions.append(subprocess.Popen(command, stdin=connection.fileno(), stdout=connection.fileno(), stderr=subprocess.DEVNULL))

    def hang_up(self, process: int) -> None:
        """End the connection that this process belongs to."""
        sessions = {session.pid: session for session in self._sessions}
        while process > 1 and process not in sessions:
            process = _parent(process)
        if process in sessions:
            sessions[process].kill()
            sessions[process].wait()

    def server_close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends accept(), which close() does not
        self._listener.close()
        self._commands.shutdown()
        self._commands.server_close()
        (self._settings.parent / "commands").unlink(missing_ok=True)
        for session in self._sessions:
            session.terminate()
        for session in self._sessions:
            session.wait()


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


__all__ = ("SHELLS", "Ssh", "SshError", "prepare", "run")
