# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.report): reads plan and results, lets the pure code judge, writes the files. Its options are documented in the module."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._report import formats, results
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.judge import Verdict, complaints, judge, totals
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.matrix import LISTED, matrix

PLAN = {"type": "dict", "required": True, "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}}
SPEC = {
    "plan": PLAN, "results_dir": {"type": "path", "required": True}, **{name: {"type": "path"} for name in ("json", "junit", "markdown")},
    "fail_on_disagreement": {"type": "bool", "default": True}, "allow_errors": {"type": "bool", "default": False},
    "require_encryption": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["enforced", "monitored"], "default": "enforced"},
    "width": {"type": "int", "default": 100},
}


class ActionModule(ActionBase):
    """Judges a run on the controller."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(SPEC)
        if not 60 <= given["width"] <= 500:
            raise AnsibleActionFail(f"width: {given['width']} is not 60 to 500")
        try:
            verdicts = _read(given)
            changed = self._write(verdicts, given)
        except (ValueError, OSError) as exc:
            raise AnsibleActionFail(str(exc)) from exc
        counts = totals(verdicts)
        wrong = complaints(counts, fail_on_disagreement=given["fail_on_disagreement"], allow_errors=given["allow_errors"])
        failure = {"failed": True, "msg": "; ".join(wrong)} if wrong and not self._task.check_mode else {}
        return {**result, "changed": changed, **_shown(verdicts, given["width"]), "totals": counts, **failure}

    def _write(self, verdicts: t.Sequence[Verdict], given: dict[str, t.Any]) -> bool:
        changed = False
        for name, text in (
            ("json", formats.to_json(verdicts, given["plan"]["digest"])), ("junit", formats.to_junit(verdicts)),
            ("markdown", formats.to_markdown(verdicts, given["width"])),
        ):
            if given[name]:
                changed |= results.replace_file(Path(given[name]), text, only_compare=self._task.check_mode)
        return changed


def _read(given: dict[str, t.Any]) -> tuple[Verdict, ...]:
    path, digest = given["plan"]["path"], given["plan"]["digest"]
    index = artefact.read_index(path, digest)
    members = {**index["hosts"], **index["outsiders"]}
    catalogues = {host: artefact.read_probes(path, host, digest) for host in members}
    seen = {host: results.read(Path(given["results_dir"]), host, digest) for host, probes in catalogues.items() if probes}
    return judge(members, catalogues, seen, require_encryption=given["require_encryption"], monitored=given["state"] == "monitored")


def _shown(verdicts: t.Sequence[Verdict], width: int) -> dict[str, t.Any]:
    text = matrix(verdicts, width)
    named = {
        name: [verdict.to_plain() for verdict in verdicts if verdict.outcome == outcome][:LISTED]
        for name, outcome in (("disagreements", "failed"), ("errors", "error"))
    }
    return {"matrix": text, "matrix_lines": text.splitlines(), **named}
