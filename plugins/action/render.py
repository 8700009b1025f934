# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.render): writes the rules of many hosts on the controller. Its options are documented in the module."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding, HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import ipsec_suites, netsh_consec, nftables
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_files import IPSEC, host_files, role_files
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES

SPEC = {
    "plan": {"type": "dict", "required": True, "options": {"path": {"type": "path", "required": True}, "digest": {"type": "str", "required": True}}},
    "dest": {"type": "path", "required": True}, "hosts": {"type": "list", "elements": "str"},
    "state": {"type": "str", "choices": ["enforced", "monitored"], "default": "enforced"},
    "windows_profiles": {"type": "list", "elements": "str", "choices": list(PROFILES), "default": list(PROFILES)},
    "ipsec": {"type": "dict", "options": {
        "auth": {"type": "str", "choices": list(netsh_consec.AUTHENTICATIONS), "default": "kerberos"}, "ca": {"type": "str", "default": ""},
        "profile": {"type": "str", "choices": sorted(ipsec_suites.PROFILES), "default": ipsec_suites.DEFAULT},
        "state": {"type": "str", "choices": ["requested", "required"], "default": "requested"},
    }},
}


class ActionModule(ActionBase):
    """Writes the files of managed hosts."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(SPEC)
        try:
            managed = artefact.read_index(given["plan"]["path"], given["plan"]["digest"])["hosts"]
            rendering = _Rendering(given, managed)
            written = [change for name, text in rendering.texts.items() for change in self._write(Path(given["dest"], name), text)]
        except (ValueError, OSError) as exc:
            raise AnsibleActionFail(str(exc)) from exc
        diff = {"diff": written} if self._task.diff else {}
        result.update(changed=bool(written), written=len(written), rendered=len(rendering.done), dest=str(Path(given["dest"]).absolute()),
                      findings=[finding.to_plain() for finding in rendering.findings], **diff)
        return {**result, **_failure(rendering.refused)}

    def _write(self, path: Path, text: str) -> t.Iterator[dict[str, str]]:
        # Line ends are part of a text: those of cmd must neither get lost nor hide a difference.
        before = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        if before == text:
            return
        if not self._task.check_mode:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = path.with_name(f".{path.name}.new")
            aside.write_bytes(text.encode("utf-8"))
            aside.replace(path)
        yield {"before_header": str(path), "after_header": str(path), "before": before, "after": text}


class _Rendering:
    """Everything rendered before anything is written, so that a plan which cannot be expressed leaves the files of the last one in place."""

    def __init__(self, given: t.Mapping[str, t.Any], managed: t.Mapping[str, t.Any]) -> None:
        self.given, self.managed = given, managed
        self.ipsec = netsh_consec.IpsecOptions(**given["ipsec"]) if given["ipsec"] else IPSEC
        netsh_consec.check_options(self.ipsec)
        self.profiles = tuple(given["windows_profiles"])
        self.texts: dict[str, str] = {}
        self.done: list[str] = []
        self.findings: list[Finding] = []
        self.refused: list[str] = []
        self._windows: dict[str, HostPlan] = {}
        for host in sorted(managed if given["hosts"] is None else set(given["hosts"]) & set(managed)):
            self._host(host)
        self._roles()

    def _host(self, host: str) -> None:
        try:
            plan = artefact.read_host(self.given["plan"]["path"], host, self.given["plan"]["digest"])
            if plan.platform == "windows":
                made = host_files(plan, self.given["state"], self.ipsec, self.profiles)
                self._windows[host] = plan
                self.texts.update(made.files)
                self.findings += made.findings
            else:
                self.texts[f"{host}.nft"] = nftables.render(plan, self.given["state"])
        except ValueError as exc:
            self.refused.append(str(exc) if str(exc).startswith(host) else f"{host}: {exc}")
        else:
            self.done.append(host)

    def _roles(self) -> None:
        """A role's file is only for roles all of whose Windows hosts were rendered: nobody knows whether the others are alike."""
        elsewhere = {
            role for host, entry in self.managed.items() if entry["platform"] == "windows" and host not in self._windows for role in entry["roles"]
        }
        made = role_files(list(self._windows.values()), self.given["state"], self.ipsec, self.profiles)
        self.texts.update({name: text for name, text in made.items() if name not in {f"role-{role}-gpo.cmd" for role in elsewhere}})


def _failure(refused: list[str]) -> dict[str, t.Any]:
    if not refused:
        return {}
    return {"failed": True, "msg": "\n".join((*refused, f"{len(refused)} host(s) cannot be rendered.")), "errors": refused}
