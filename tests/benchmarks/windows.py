# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run costs a Windows host, counted by the double that plays it: calls over the connection, and programs that it starts.

Counts are the same on every machine. How long netsh takes on a real Windows is not known here.
"""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import measure
from organisation import busy_organisation

ROOT = Path(__file__).resolve().parents[2]
DOUBLE = ROOT / "tests" / "windows"
sys.path.insert(0, str(DOUBLE))

from reach import variables  # noqa: E402 - found beside the double
from windows_double.endpoints import serve  # noqa: E402 - as above
from windows_double.machine import Machine  # noqa: E402 - as above

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import form_a  # noqa: E402 - as above
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script, netsh  # noqa: E402 - as above

HOST = "mailbox-1"
_PLAY = """\
- hosts: mailbox-1
  gather_facts: false
  tasks:
    - low_level: {command: '{{ form }}', input: '{{ item }}', answer: '{{ answer }}'}
      loop: '{{ scripts }}'
"""


@dataclass(frozen=True)
class Cost:
    """Calls over the connection, programs started on the host, and programs among them that change it."""

    calls: int
    programs: int
    changes: int


class Server:
    """A double behind WinRM, and the busiest host of an organisation on it."""

    def __init__(self, work: Path, release: str, environment: dict[str, str]) -> None:
        self.work, self.environment = work, {**environment, "ANSIBLE_ACTION_PLUGINS": str(DOUBLE / "action_plugins")}
        self.directory = work / f"windows-{release}"
        self.machine = Machine.create(self.directory, release, exchange="2007")
        record = serve.start(
            [sys.executable, str(DOUBLE / "double"), "serve", str(self.directory), "--winrm", "0", "--foreground"], self.directory)
        self.hosts, self.groups = busy_organisation()
        self.hosts[HOST].update(variables(self.directory, record, "winrm"), datapath_platform={"os": "windows", "release": release})
        self.peers: dict[str, list[str]] = {"config_controller": ["192.0.2.200"]}

    def close(self) -> None:
        serve.stop(self.directory)

    def play(self, *what: str) -> Cost:
        self.machine.clear_log()
        path = self.work / "windows.json"
        children = {group: {"hosts": {name: self.hosts[name] for name in names}} for group, names in self.groups.items()}
        path.write_text(json.dumps({"all": {"vars": {"datapath_peers": self.peers}, "children": children}}), encoding="utf-8")
        program = str(Path(sys.executable).with_name("ansible-playbook"))
        measure.run([program, "-i", str(path), *what, "--limit", HOST], env=self.environment)
        started = self.machine.commands
        changes = [command for command in started if command.lower().startswith("netsh") and " show " not in command]
        return Cost(len(self.machine.scripts), len(started), len(changes))

    def one_task_a_rule(self, lines: list[str]) -> Cost:
        """The same rules, one task and one call each, as modules for one rule do at best: they read before they write."""
        scripts = []
        for line in lines:
            text = Script()
            text.label("main")
            text.step(netsh(line), "one rule")
            text.done()
            text.exit(0)
            scripts.append(base64.b64encode(text.text().encode("ascii")).decode())
        play, given = self.work / "each.yml", self.work / "each.json"
        play.write_text(_PLAY, encoding="utf-8")
        form = form_a("run-0123456789abcdef", "main", 0, keep=False)
        given.write_text(json.dumps({"form": form, "scripts": scripts, "answer": str(self.work / "answer")}), encoding="utf-8")
        return self.play(str(play), "-e", f"@{given}")


__all__ = ("HOST", "Cost", "Server")
