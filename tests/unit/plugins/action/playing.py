# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs real playbooks whose tasks contact no host, and hands back what their tasks returned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from dataclasses import dataclass
from pathlib import Path

import ansible

from ansible_collections.datapath.exchange.plugins.plugin_utils import _summary

SEARCH = (str(Path(_summary.__file__).parents[5]), str(Path(ansible.__file__).parents[1]))
Task = dict[str, t.Any]
PLAN: Task = {"datapath.exchange.plan": {}, "run_once": True}


@dataclass(frozen=True)
class Outcome:
    """code: of ansible-playbook; output: its text; results: of the tasks, in order, each with ``failed``."""

    code: int
    output: str
    results: tuple[dict[str, t.Any], ...] = ()


class Stage:
    """A directory with an inventory, in which playbooks are run."""

    def __init__(self, directory: Path, inventory: dict[str, t.Any]) -> None:
        self.directory = directory
        self.environment: dict[str, str] = {}
        self.inventory(inventory)

    def inventory(self, inventory: dict[str, t.Any]) -> None:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        top = inventory["all"]
        text = json.dumps({"all": {**top, "vars": {**local, **top.get("vars", {})}}})
        (self.directory / "inventory.json").write_text(text, encoding="utf-8")

    def tasks(self, *tasks: Task, arguments: t.Sequence[str] = (), **play: t.Any) -> Outcome:
        """Run tasks in one play over all hosts. A failing one does not keep the next from running; results are those of the first host."""
        named = [{"ignore_errors": True, **task, "register": f"result_{number}"} for number, task in enumerate(tasks)]
        names = [f"'{number}': hostvars[ansible_play_hosts_all[0]].result_{number}" for number in range(len(tasks))]
        content = "{{ {" + ", ".join(names) + "} | to_json }}"
        outcome = self.directory / "outcome.json"
        outcome.unlink(missing_ok=True)
        # Ansible's own way to get a value out of a run, without a callback of ours.
        keep = {
            "ansible.builtin.copy": {"content": content, "dest": str(outcome), "mode": "0600"}, "run_once": True, "check_mode": False, "diff": False,
        }
        done = self.plays([{"hosts": "all", "gather_facts": False, "tasks": [*named, keep], **play}], *arguments)
        results = json.loads(outcome.read_text(encoding="utf-8")) if outcome.exists() else {}
        return Outcome(done.code, done.output, tuple(results[key] for key in sorted(results, key=int)))

    def plays(self, plays: list[dict[str, t.Any]], *arguments: str) -> Outcome:
        (self.directory / "play.json").write_text(json.dumps(plays), encoding="utf-8")
        return self.playbook("play.json", *arguments)

    def playbook(self, name: str, *arguments: str) -> Outcome:
        command = [sys.executable, "-m", "ansible", "playbook", "-i", "inventory.json", name, *arguments]
        environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(SEARCH), "ANSIBLE_COLLECTIONS_PATH": SEARCH[0], "ANSIBLE_HOME": str(self.directory / "home"),
            "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0", "COLUMNS": "1000",
            **self.environment,
        }
        for name_ in ("ANSIBLE_CONFIG", "ANSIBLE_STDOUT_CALLBACK"):
            environment.pop(name_, None)
        done = subprocess.run(command, cwd=self.directory, env=environment, capture_output=True, text=True, check=False, timeout=300)
        return Outcome(done.returncode, done.stdout + done.stderr)
