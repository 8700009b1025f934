# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.probe): reads the catalogue, runs the module once, keeps the results on the controller."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.modules.probe import argument_spec
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._report import results
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.judge import explain

SENT = ("id", "address", "protocol", "port", "tls")
LIMITS = ("timeout", "retries", "concurrency", "total_timeout")


class ActionModule(ActionBase):
    """Sends one host its list and keeps what it saw."""

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        variables = task_vars or {}
        _validated, given = self.validate_argument_spec(
            argument_spec(), mutually_exclusive=[("plan", "probes")], required_one_of=[("plan", "probes")], required_together=[("plan", "results_dir")],
        )
        host = given["host"] or str(variables["inventory_hostname"])
        windows = getattr(self._connection._shell, "_IS_WINDOWS", False)  # noqa: SLF001 - as ActionBase itself does
        if windows and not given["plan"]:
            raise AnsibleActionFail(f"{host}: {explain('unsupported_platform')}")
        try:
            return {**result, **(self._planned(host, given, variables, windows=windows) if given["plan"] else self._execute(given["probes"], given, variables))}
        except (ValueError, OSError) as exc:
            raise AnsibleActionFail(str(exc)) from exc

    def _planned(self, host: str, given: dict[str, t.Any], task_vars: dict[str, t.Any], *, windows: bool) -> dict[str, t.Any]:
        catalogue = artefact.read_probes(given["plan"]["path"], host, given["plan"]["digest"])
        probes = [{key: probe[key] for key in SENT} for probe in catalogue if probe["protocol"] in ("tcp", "udp")]
        if self._task.check_mode:
            return {"changed": False, "planned": len(probes)}
        directory, digest = Path(given["results_dir"]), given["plan"]["digest"]
        results.discard(directory, host)
        if windows:
            results.write(directory, host, digest, results.HostResults(reason="unsupported_platform"))
            return {"changed": False, "skipped": True, "planned": len(probes), "skip_reason": explain("unsupported_platform")}
        seen = self._execute(probes, given, task_vars)
        if "results" not in seen:
            return seen
        path = results.write(directory, host, digest, results.HostResults(tuple(seen.pop("results"))))
        return {**seen, "results_file": str(path)}

    def _execute(self, probes: list[dict[str, t.Any]], given: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        arguments = {"probes": probes, **{name: given[name] for name in LIMITS}}
        seen: dict[str, t.Any] = self._execute_module(module_name="datapath.exchange.probe", module_args=arguments, task_vars=task_vars)
        seen.pop("invocation", None)  # it repeats the whole list
        return seen
