# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The two scripts of a Windows Server 2003: what its tools can express, the rest as findings that stand in the script too."""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding, HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_legacy, rpc_settings
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.cmd_text import DONE, begin, profile_is, rpc_of, set_rpc, unset_rpc
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Release
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import netsh, program

_PROFILES = {"domain": "DOMAIN", "private": "STANDARD"}
"""Windows Server 2003 has these two (https://technet.microsoft.com/library/bb490617.aspx)."""

_APPLY = (
    "{0}-before.txt shows the ports that were open before, {0}-domain-off.txt and {0}-private-off.txt that a profile was switched off: none of this can be"
    " known before. A port that was open already gets the peers of the plan instead of its own. The script ends at the first line that fails, with code 1,"
    " and does not run twice. It leaves out:"
)
_UNDO = (
    "It switches off the profiles that {0}.cmd found off, then closes the ports of {0}.cmd. Ports that were open before have to be opened again by hand, as"
    " {0}-before.txt shows them."
)


def legacy_files(plan: HostPlan, state: str, release: Release) -> tuple[dict[str, str], tuple[Finding, ...]]:
    """Both texts by file name, and the findings. Raises RefusedError and ReadBackError as the renderers do."""
    made, rpc = netsh_legacy.render(plan, state), rpc_of(plan, release)
    found = made.findings
    if plan.associations:
        text = "Windows Server 2003: left out IPsec. It has no connection security rules: set datapath_ipsec to absent on it, or replace the host."
        found += (Finding("windows-2003-ipsec", "warning", (plan.host,), text, "https://support.microsoft.com/help/947709"),)
    return {f"{plan.host}.cmd": _apply(plan, state, made, rpc, found), f"{plan.host}-undo.cmd": _undo(plan, state, made, rpc)}, found


def _apply(
    plan: HostPlan, state: str, made: netsh_legacy.LegacyText, rpc: rpc_settings.RpcSettings | None, found: t.Sequence[Finding],
) -> str:
    name = plan.host
    text = begin(f"this opens ports of {name}. Run it there as an administrator. {name}-undo.cmd takes it back.", plan, state)
    text.comment(_APPLY.format(name))
    for line in [finding.text for finding in found] or ["nothing."]:
        text.comment(f"- {line}")
    text.head()
    before = f'"%~dp0{name}-before.txt"'
    text.add(f"if exist {before} (echo {name}.cmd has run already. Run {name}-undo.cmd first.& exit /b 3)")
    text.step(f">{before} {program('netsh', 'firewall show portopening')}")
    for profile in _PROFILES:
        text.add(profile_is(profile, "0x1"), f'if errorlevel 1 >"%~dp0{name}-{profile}-off.txt" echo off')
    for line in (*made.lines, *made.switch):
        text.step(netsh(line))
    if rpc:
        set_rpc(text, name, rpc)
    text.add(*DONE)
    return text.text()


def _undo(plan: HostPlan, state: str, made: netsh_legacy.LegacyText, rpc: rpc_settings.RpcSettings | None) -> str:
    name = plan.host
    text = begin(f"this takes back what {name}.cmd made on {name}. Run it there as an administrator.", plan, state)
    text.comment(_UNDO.format(name))
    text.head()
    before = f'"%~dp0{name}-before.txt"'
    text.add(f"if not exist {before} (echo {name}.cmd has not run here. Nothing was changed.& exit /b 3)")
    for profile, word in _PROFILES.items() if made.switch else ():
        text.add(f'if not exist "%~dp0{name}-{profile}-off.txt" goto {profile}')
        text.attempt(netsh(f"firewall set opmode mode=DISABLE profile={word}"))
        text.add(f":{profile}")
    for line in reversed(made.undo):
        text.attempt(netsh(line))
    if rpc:
        unset_rpc(text, name, rpc)
    text.finish(before, *(f'"%~dp0{name}-{profile}-off.txt"' for profile in _PROFILES))
    return text.text()


__all__ = ("legacy_files",)
