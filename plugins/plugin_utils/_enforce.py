# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""From the plan on disk to what one host's module is handed."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.artefact import read_host
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PlanError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import render


def host_ruleset(plan: t.Mapping[str, str], host: str, state: str) -> str:
    """The text for nft of one host; state: ``enforced`` or ``monitored``. Errors as of C(linux_plan), and what the renderer raises."""
    return render(linux_plan(plan, host), state)


def linux_plan(plan: t.Mapping[str, str], host: str) -> HostPlan:
    """The plan of one host that is no Windows host.

    plan: path and digest as the action ``plan`` returns them. Raises PlanError when the plan is missing, of other inputs, or of a Windows host.
    """
    host_plan = read_host(Path(plan["path"]), host, plan["digest"])
    if host_plan.platform.startswith("windows"):
        raise PlanError(
            f"{host}: the plan is that of a Windows host, but the connection leads to a Unix shell. Set ansible_connection to winrm, psrp or ssh and "
            "ansible_shell_type to powershell or cmd, or correct datapath_platform"
        )
    return host_plan


def windows_plan(plan: t.Mapping[str, str], host: str) -> HostPlan:
    """The plan of one Windows host; errors as of C(linux_plan)."""
    host_plan = read_host(Path(plan["path"]), host, plan["digest"])
    if not host_plan.platform.startswith("windows"):
        raise PlanError(
            f"{host}: the plan is that of a {host_plan.platform} host, but the connection leads to a Windows shell. Set datapath_platform to windows "
            "with its release, and make the plan again, or correct the connection"
        )
    return host_plan


__all__ = ("host_ruleset", "linux_plan", "windows_plan")
