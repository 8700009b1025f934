# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How tests reach a Windows host that is played here: by Ansible itself, over every connection that leads there."""

from __future__ import annotations

import base64
import getpass
import json
import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

from windows_double.endpoints.host import Account

HERE = Path(__file__).parent
TRANSPORTS = ("winrm", "psrp", "ssh")
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Answer:
    """What a host said."""

    rc: int
    stdout: str
    stderr: str


def variables(directory: Path, record: t.Mapping[str, t.Any], transport: str) -> dict[str, t.Any]:
    """Give the inventory variables of a host that is served (C(serve.running))."""
    common = {"ansible_host": record["address"], "ansible_port": record[transport], "ansible_connection": transport}
    account = Account()
    login = {"ansible_user": account.user, "ansible_password": account.password}
    if transport == "winrm":
        return {**common, **login, "ansible_winrm_scheme": "http", "ansible_winrm_transport": "basic", "ansible_winrm_message_encryption": "never"}
    if transport == "psrp":
        return {**common, **login, "ansible_psrp_protocol": "http", "ansible_psrp_auth": "basic", "ansible_psrp_message_encryption": "never"}
    options = "-F /dev/null -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o IdentitiesOnly=yes"
    return {
        **common, "ansible_user": getpass.getuser(), "ansible_shell_type": record["ssh_shell"], "ansible_ssh_common_args": options,
        "ansible_ssh_private_key_file": str(directory / "endpoints" / "sshd" / "client_key"),
    }


class Ansible:
    """Ansible of the environment that the tests run in. folder: where inventories and answers are written; sockets: of ssh, with a short name."""

    def __init__(self, folder: Path, sockets: str) -> None:
        self.folder = folder
        self._environment = {
            **os.environ, "PATH": f"{_BIN}:{os.environ['PATH']}", "ANSIBLE_ACTION_PLUGINS": str(HERE / "action_plugins"), "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets, "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=15s",
            "ANSIBLE_HOST_KEY_CHECKING": "false", "ANSIBLE_PIPELINING": "true", "ANSIBLE_TIMEOUT": "20", "ANSIBLE_RETRIES": "0",
        }

    def inventory(self, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> Path:
        path = self.folder / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": hosts}}))
        return path

    def __call__(self, program: str, *arguments: str | Path, seconds: float = 180) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [_BIN / program, *arguments], env=self._environment, cwd=self.folder, check=False, text=True, timeout=seconds,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )

    def low_level(self, hosts: t.Mapping[str, t.Mapping[str, t.Any]], commands: t.Mapping[str, str], data: bytes = b"") -> dict[str, Answer]:
        """Let every host run its command with this input; a host that gives no answer is left out."""
        self.said = ""
        given = self.folder / "variables.json"
        given.write_text(json.dumps({"commands": commands, "data": base64.b64encode(data).decode()}))
        for host in hosts:
            (self.folder / f"{host}.answer").unlink(missing_ok=True)
        arguments = {"command": "{{ commands[inventory_hostname] }}", "input": "{{ data }}", "answer": f"{self.folder}/{{{{ inventory_hostname }}}}.answer"}
        self.said = self("ansible", "all", "-i", self.inventory(hosts), "-m", "low_level", "-a", json.dumps(arguments), "-e", f"@{given}").stdout
        found = {host: self.folder / f"{host}.answer" for host in hosts}
        return {host: Answer(**json.loads(path.read_text())) for host, path in found.items() if path.exists()}


def processes_of(directory: Path) -> list[str]:
    """Give the command lines of processes that have to do with this host."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line and process.name != str(os.getpid()):
            found.append(f"{process.name} {line}")
    return found


def children_of(process: int) -> list[int]:
    """Give the processes that this one has started and that still run."""
    threads = Path(f"/proc/{process}/task").glob("*/children")
    return [int(child) for thread in threads for child in thread.read_text().split()]


__all__ = ("TRANSPORTS", "Ansible", "Answer", "children_of", "processes_of", "variables")
