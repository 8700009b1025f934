# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What all scripts for cmd share that are carried to a Windows host by hand: comments, numbered lines whose exit code counts, and the RPC ports."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import rpc_settings
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import RefusedError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Release
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import LONGEST_LINE, netsh, program

PROFILE_KEYS = {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}
DONE = ("echo DATAPATH-DONE", "exit /b 0")

_POLICY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_COMMENT = re.compile(r"[A-Za-z0-9 .,:;()/'_+=-]*\Z")
_FIX = "make the plan again with datapath.exchange.plan"


@dataclass
class CmdText:
    """A script being written. steps: how many of its lines are numbered.

    Raises RefusedError for what cmd would not take as it is meant. Commands must have gone through the functions of C(_windows.script).
    """

    lines: list[str] = field(default_factory=lambda: ["@echo off"])
    steps: int = 0

    def comment(self, text: str) -> None:
        for line in textwrap.wrap(text, 140):
            if not _COMMENT.match(line):
                raise RefusedError("the host", f"the comment {line!r}", _FIX)
            self.lines.append(f"rem {line}")

    def add(self, *lines: str) -> None:
        for line in lines:
            if len(line) > LONGEST_LINE:
                raise RefusedError("the host", f"a line of {len(line)} characters", f"{LONGEST_LINE} is the most: name larger networks in datapath_peers")
            self.lines.append(line)

    def step(self, command: str) -> None:
        """A command that must succeed, or the script ends there."""
        self.steps += 1
        self.add(f"{command} || (echo DATAPATH-FAILED {self.steps}& exit /b 1)")

    def attempt(self, command: str) -> None:
        """A command after whose failure the rest is still tried; C(finish) then ends with code 1."""
        self.steps += 1
        self.add(f'{command} || (echo DATAPATH-FAILED {self.steps}& set "FAILED=1")')

    def head(self) -> None:
        """Places by their names, and nothing without the rights of an administrator."""
        self.add("setlocal EnableExtensions DisableDelayedExpansion", r'set "T=%SystemRoot%\System32"', f'set "F={_POLICY}"', 'set "FAILED="')
        self.add(rf"{program('reg', 'query')} HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)")

    def finish(self, *leftovers: str) -> None:
        """End with what C(attempt) found; files are deleted only where everything was undone."""
        self.add("if defined FAILED exit /b 1", f"del /q {' '.join(leftovers)} >nul 2>&1", *DONE)

    def text(self) -> str:
        return "".join(f"{line}\r\n" for line in self.lines)


def begin(title: str, plan: HostPlan, state: str) -> CmdText:
    """A script of one host, with what it was made from."""
    if not _HOST.match(plan.host):
        raise RefusedError("the host", f"its name {plan.host!r}", "rename it: letters, digits, dots, dashes and underscores can stand in a file of cmd")
    text = CmdText()
    text.comment(f"datapath.exchange: {title}")
    made_of = f"scope {plan.scope}, encryption {plan.encryption}, plan {plan.digest[:12] or 'unknown'}"
    text.comment(f"Windows Server {plan.release}, roles {' '.join(plan.roles)}, state {state}, {made_of}.")
    return text


def search(start: str) -> str:
    """Whether the host has a rule, of any kind, whose name begins so: exit code 0."""
    return f'{program("reg", "query")} "%F%" /s | {program("findstr")} /l /c:"|Name={start}" >nul'


def profile_is(profile: str, number: str) -> str:
    """Whether the switch of a profile has this value: exit code 0. An absent value has none."""
    return f'{program("reg", "query")} "%F%\\{PROFILE_KEYS[profile]}" /v EnableFirewall | {program("findstr")} /l /c:"{number}" >nul'


def rpc_of(plan: HostPlan, release: Release) -> rpc_settings.RpcSettings | None:
    """The RPC ports that have to be set on a host, None where there are none."""
    settings = rpc_settings.render(plan, release) if plan.rpc else None
    return settings if settings and (settings.values or settings.dynamic) else None


def set_rpc(text: CmdText, name: str, rpc: rpc_settings.RpcSettings) -> None:
    """Keep what is there beside the script, then set the ports."""
    for number, key in enumerate(_keys(rpc), 1):
        # A key that is not there cannot be exported: the undo script then has nothing to bring back.
        text.add(f'{program("reg", "export")} "{key}" "%~dp0{name}-registry-{number}.reg" >nul 2>&1')
    for ports in rpc.dynamic:
        text.step(f'>>"%~dp0{name}-dynamicport.txt" {program("netsh", f"int {ports.family} show dynamicport tcp")}')
    for value in rpc.values:
        text.step(program("reg", value.line()))
    for ports in rpc.dynamic:
        text.step(netsh(ports.line()))
    _say_restart(text, rpc)


def unset_rpc(text: CmdText, name: str, rpc: rpc_settings.RpcSettings) -> None:
    """Bring back what C(set_rpc) kept. What netsh shows of dynamic ports is translated, so those are shown for somebody to set them."""
    for value in rpc.values:
        text.add(f'{program("reg", "delete")} "{value.key}" /v "{value.name}" /f >nul 2>&1')
    for number, _key in enumerate(_keys(rpc), 1):
        saved = f'"%~dp0{name}-registry-{number}.reg"'
        text.add(f"if not exist {saved} goto absent{number}")
        text.attempt(f"{program('reg', 'import')} {saved}")
        text.add(f":absent{number}")
    if rpc.dynamic:
        text.add(f'if exist "%~dp0{name}-dynamicport.txt" type "%~dp0{name}-dynamicport.txt"')
        text.add("echo The range of dynamic ports was as above. Set it by hand: netsh int ipv4 set dynamicport tcp start=FIRST num=COUNT, and ipv6.")
        text.add('set "FAILED=1"')
    _say_restart(text, rpc)


def _say_restart(text: CmdText, rpc: rpc_settings.RpcSettings) -> None:
    if rpc.reboot:
        text.add("echo Restart this host: its range of RPC ports counts from then on.")
    elif rpc.services:
        text.add(f"echo Restart {' '.join(rpc.services)}: their ports count from then on.")


def _keys(rpc: rpc_settings.RpcSettings) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value.key for value in rpc.values))


__all__ = ("DONE", "CmdText", "begin", "profile_is", "rpc_of", "search", "set_rpc", "unset_rpc")
