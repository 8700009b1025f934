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
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PlanError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import render


def host_ruleset(plan: t.Mapping[str, str], host: str, state: str) -> str:
    """The text for nft of one host.

    plan: path and digest as the action ``plan`` returns them; state: ``enforced`` or ``monitored``.
    Raises PlanError when the plan is missing, of other inputs, or of a platform that is not enforced, and what the renderer raises.
    """
    host_plan = read_host(Path(plan["path"]), host, plan["digest"])
    if host_plan.platform.startswith("windows"):
        raise PlanError(windows_refused(host))
    return render(host_plan, state)


def windows_refused(host: str) -> str:
    """Why nothing is done on a Windows host, and what to do about it."""
    return f"{host}: platform windows is not enforced by this release: its plan can be reviewed, but leave the host out of plays that enforce it"


__all__ = ("host_ruleset", "windows_refused")
