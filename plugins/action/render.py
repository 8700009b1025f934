# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.render): writes the rules of many hosts on the controller. Its options are documented in the module."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._enforce import host_ruleset
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact

SPEC = {
    "plan": {"type": "dict", "required": True, "options": {"path": {"type": "path", "required": True}, "digest": {"type": "str", "required": True}}},
    "dest": {"type": "path", "required": True}, "hosts": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["enforced", "monitored"], "default": "enforced"},
}


class ActionModule(ActionBase):
    """Writes one file per managed host."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(SPEC)
        try:
            managed = artefact.read_index(given["plan"]["path"], given["plan"]["digest"])["hosts"]
            hosts = sorted(managed if given["hosts"] is None else set(given["hosts"]) & set(managed))
            texts, refused = self._texts(hosts, given)
            written = [change for host in hosts if host in texts for change in self._write(Path(given["dest"], f"{host}.nft"), texts[host])]
        except (ValueError, OSError) as exc:
            raise AnsibleActionFail(str(exc)) from exc
        diff = {"diff": written} if self._task.diff else {}
        result.update(changed=bool(written), written=len(written), rendered=len(texts), dest=str(Path(given["dest"]).absolute()), **diff)
        return {**result, **_failure(refused)}

    def _texts(self, hosts: list[str], given: dict[str, t.Any]) -> tuple[dict[str, str], list[str]]:
        """Render everything before anything is written, so that a plan which cannot be expressed leaves the files of the last one in place."""
        texts, refused = {}, []
        for host in hosts:
            try:
                texts[host] = host_ruleset(given["plan"], host, given["state"])
            except ValueError as exc:
                refused.append(str(exc) if str(exc).startswith(host) else f"{host}: {exc}")
        return texts, refused

    def _write(self, path: Path, text: str) -> t.Iterator[dict[str, str]]:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        if before == text:
            return
        if not self._task.check_mode:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.new")
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        yield {"before_header": str(path), "after_header": str(path), "before": before, "after": text}


def _failure(refused: list[str]) -> dict[str, t.Any]:
    if not refused:
        return {}
    return {"failed": True, "msg": "\n".join((*refused, f"{len(refused)} host(s) cannot be rendered.")), "errors": refused}
