# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.plan): reads Ansible's variables, calls the planner, keeps the artefact. Its options are documented in the module."""

from __future__ import annotations

import hashlib
import json
import tempfile
import typing as t
from pathlib import Path

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils import _summary
from ansible_collections.datapath.exchange.plugins.plugin_utils._hostvars import inventory_only, runtime_names
from ansible_collections.datapath.exchange.plugins.plugin_utils._inventory import Reader, compile_inventory, misplaced, plain, role_groups
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compare import compare
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PlanError
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import ORGANISATION_DEFAULTS, InputErrors, Inventory

ORGANISATION_FEATURES = (
    "crl_checks", "internet_mail_on_hub", "ldaps_directory", "mapi_udp_notification", "oab_public_folder", "oab_web_distribution", "ocs", "rdp",
    "remote_administration", "updates",
)
"""Features without an owner role. Written out, so that the options do not depend on which reference is asked for; a test compares them."""

Values = t.Mapping[str, t.Any]


class ActionModule(ActionBase):
    """Plans the organisation once and says where the plan is."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        names = (*ORGANISATION_DEFAULTS, *ORGANISATION_FEATURES)
        # Types are for the planner to judge, together with those of the inventory, so that one run shows every mistake.
        _validated, given = self.validate_argument_spec({
            **{name: {"type": "raw"} for name in names}, "dest": {"type": "path"}, "compare_with": {"type": "path"}, "reuse": {"type": "dict"},
        })
        try:
            options = {name: plain(value) for name, value in self._task.args.items() if name in names and value is not None}
            key = self._key(options, given)
            if _reusable(given["reuse"], key):
                return {**result, **plain(given["reuse"]), "changed": False, "reused": True}
            plan = self._compile(options, task_vars or {})
            return {**result, **self._answer(plan, given), "key": key, "reused": False}
        except InputErrors as exc:
            return {**result, "failed": True, "msg": str(exc), "errors": list(exc.errors)}
        except (ValueError, OSError) as exc:
            raise AnsibleActionFail(str(exc)) from exc

    def _key(self, options: Values, given: Values) -> str:
        """Name this play and what was asked for: an earlier result of the same key is still the answer."""
        play = self._task.get_play()._uuid  # noqa: SLF001 - plays may share a name, and nothing else tells them apart
        asked = [play, bool(self._task.check_mode), options, given["dest"], given["compare_with"]]
        return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()

    def _compile(self, options: Values, task_vars: dict[str, t.Any]) -> Plan:
        hostvars, groups, here = task_vars["hostvars"], task_vars["groups"], task_vars["inventory_hostname"]
        view, reader = inventory_only(hostvars), Reader(self._template(task_vars))
        hosts = {str(host): reader.read(str(host), view.raw_get(host), runtime_names(hostvars, host)) for host in groups["all"]}
        unseen = misplaced(task_vars, hostvars.raw_get(here), options, runtime_names(hostvars, here))
        return compile_inventory(Inventory(hosts, plain(groups)), options, (*reader.errors, *unseen))

    def _template(self, task_vars: dict[str, t.Any]) -> t.Callable[[t.Any, Values], t.Any]:
        shared = {"hostvars": inventory_only(task_vars["hostvars"]), "groups": task_vars["groups"]}

        def template(value: t.Any, variables: Values) -> t.Any:
            templar = self._templar.copy_with_new_env(available_variables={**variables, **shared})
            try:
                return plain(templar.template(value))
            except Exception as exc:  # the template is the user's: a filter of theirs can raise anything
                why = str(exc).partition("\n")[0]
                raise ValueError(f"cannot be templated from inventory alone ({why}); facts and play variables do not count here") from exc

        return template

    def _answer(self, plan: Plan, given: Values) -> dict[str, t.Any]:
        answer = {
            "groups": role_groups(plan), "summary": plan.summary(), "findings": _summary.bounded_findings(plan.findings),
            "skipped_paths": [{"path": entry.path, "reason": entry.reason} for entry in plan.skipped],
        }
        if plan.errors:
            lines = _summary.lines(plan.summary(), plan.findings, plan.skipped)
            return {**answer, "report_lines": lines, "failed": True, "msg": _summary.error_text(plan.findings)}
        kept = self._keep(plan, given)
        return {**answer, **kept, "report_lines": _summary.lines(plan.summary(), plan.findings, plan.skipped, kept.get("comparison"))}

    def _keep(self, plan: Plan, given: Values) -> dict[str, t.Any]:
        # Written aside first: an earlier plan in the same place is still needed for the comparison, and check mode leaves it there.
        aside = Path(tempfile.mkdtemp(prefix="datapath-", dir=constants.DEFAULT_LOCAL_TMP))
        path = aside / "plan"
        artefact.write(plan, path)
        comparison = {"comparison": _summary.bounded_comparison(compare(given["compare_with"], path))} if given["compare_with"] else {}
        changed = False
        if given["dest"]:
            dest = Path(given["dest"]).absolute()
            changed = not _same_plan(path, dest)
            if not self._task.check_mode:
                path = dest
                if changed:
                    artefact.write(plan, dest)
        return {"changed": changed, "plan": {"path": str(path), "digest": plan.digest}, "results_dir": str(aside / "results"), **comparison}


def _reusable(earlier: Values | None, key: str) -> bool:
    if not earlier or earlier.get("key") != key or earlier.get("failed"):
        return False
    try:
        artefact.read_index(earlier["plan"]["path"], earlier["plan"]["digest"])
    except PlanError:
        return False
    return True


def _same_plan(made: Path, kept: Path) -> bool:
    """Whether two directories hold the same files with the same bytes; PlanError when something that is no plan is in the way."""
    if not kept.is_dir() or not any(kept.iterdir()):
        return False
    artefact.read_index(kept)
    names = [sorted(path.relative_to(top) for path in top.rglob("*.json")) for top in (made, kept)]
    return names[0] == names[1] and all((made / name).read_bytes() == (kept / name).read_bytes() for name in names[0])
