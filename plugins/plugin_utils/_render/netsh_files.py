# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Files for Windows hosts that Ansible does not reach: a script that applies the plan, one that takes it back, and one that fills a Group Policy object.

Nothing in them is secret: a pre-shared key is asked for when a script runs. Nothing in them can be read as anything but a word: what is not on an
allow-list is refused. Each line's exit code is looked at; a script that could not do everything ends with another code than 0.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding, HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_consec, netsh_firewall, rpc_settings
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import RefusedError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.cmd_text import (
    DONE,
    CmdText,
    begin,
    profile_is,
    rpc_of,
    search,
    set_rpc,
    unset_rpc,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_legacy_files import legacy_files
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import releases
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES, Release
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import echoed, netsh, program

IPSEC = netsh_consec.IpsecOptions(state="requested")
"""What the scripts demand unless told otherwise: protection that an end without it can do without."""

_WORD = re.compile(r"[a-z0-9_]+\Z")
_KEY = "DATAPATHKEY"

_APPLY = (
    "It first saves the whole policy of the firewall as {0}-before.wfw beside itself, because how the profiles were set cannot be known before. It ends at the"
    " first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice."
)
_UNDO = (
    "It imports {0}-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of {0}.cmd that are still there"
    " after that are deleted by name. Without that file it does nothing, unless it is run as {0}-undo.cmd rules: then it deletes the rules by name and"
    " leaves the profiles as they are, so that a profile that blocks will block without them."
)
_GROUP_POLICY = (
    "Run it where Group Policy is managed, with the domain and the name of the object, a backslash between, in double quotes where there are blanks. It"
    " deletes the rules of these names from the object before it makes them, so it can run again. Rules of an older plan have other names: empty the object"
    " first, or delete those that begin with datapath.exchange. To take it back, unlink the object. RPC ports are not in it."
)
_STORE = "How netsh names the object: https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/"


@dataclass(frozen=True)
class HandOver:
    """Texts by file name, CRLF, and what of the plan they cannot bring about."""

    files: t.Mapping[str, str]
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Policy:
    """What a Group Policy object of one or more hosts holds, and the lines that delete its rules by name; for netsh, without C(netsh)."""

    lines: tuple[str, ...]
    deletions: tuple[str, ...]


@dataclass(frozen=True)
class _Host:
    """Everything that is written for one host with C(netsh advfirewall)."""

    plan: HostPlan
    state: str
    profiles: tuple[str, ...]
    rules: tuple[netsh_firewall.NetshRule, ...]
    security: netsh_consec.SecurityText
    rpc: rpc_settings.RpcSettings | None
    options: netsh_consec.IpsecOptions

    @property
    def asks_key(self) -> bool:
        return any(netsh_consec.PSK in line for line in self.security.lines())

    @property
    def for_policy(self) -> bool:
        """Whether a Group Policy object can hold it: a key there can be read by everybody, and to watch, it has to be known whether the profile was on."""
        return self.state == "enforced" and not self.asks_key

    @property
    def profile_lines(self) -> tuple[str, ...]:
        return netsh_firewall.profile_lines(self.state, self.plan.egress, self.profiles)

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """All rules by context of netsh, the last made first."""
        contexts: tuple[tuple[str, t.Sequence[t.Any]], ...] = (
            ("consec", self.security.rules), ("mainmode", self.security.main_mode), ("firewall", self.rules),
        )
        return tuple((context, rule.name) for context, rules in contexts for rule in reversed(rules))

    @property
    def policy(self) -> _Policy:
        deletions = tuple(_deletion(context, name) for context, name in self.names)
        return _Policy((*(rule.line for rule in self.rules), *self.security.lines(), *self.profile_lines), deletions)


def host_files(
    plan: HostPlan, state: str = "enforced", options: netsh_consec.IpsecOptions = IPSEC, profiles: tuple[str, ...] = PROFILES,
) -> HandOver:
    """The files of one Windows host. options: for connection security rules.

    Raises UnsupportedFlowError, ReadBackError and WindowsError as the renderers do.
    """
    release = releases.release_of(plan.release)
    try:
        if not release.advfirewall:
            return HandOver(*legacy_files(plan, state, release))
        host = _host(plan, state, release, options, profiles)
        files = {f"{plan.host}.cmd": _apply(host), f"{plan.host}-undo.cmd": _undo(host)}
        if host.for_policy:
            files[f"{plan.host}-gpo.cmd"] = _group_policy(plan.host, (plan.host,), host.policy)
    except RefusedError as refusal:
        raise netsh_firewall.RENDERER.refuse(plan.host, refusal) from None
    return HandOver(files, tuple(_findings(host)))


def role_files(
    plans: t.Sequence[HostPlan], state: str = "enforced", options: netsh_consec.IpsecOptions = IPSEC, profiles: tuple[str, ...] = PROFILES,
) -> dict[str, str]:
    """One Group Policy script for each role whose hosts among these have equal rules; Windows Server 2003 has no such policy and does not count.

    plans: of all Windows hosts of a role, or the file would be named after hosts that it was not compared with.
    """
    known = [(plan, releases.release_of(plan.release)) for plan in plans]
    made = [_host(plan, state, release, options, profiles) for plan, release in known if release.advfirewall]
    files = {}
    for role in sorted({role for plan in plans for role in plan.roles if _WORD.match(role)}):
        members = [host for host in made if role in host.plan.roles]
        policies = {host.policy for host in members}
        if len(policies) == 1 and all(host.for_policy for host in members):
            names = tuple(sorted(host.plan.host for host in members))
            files[f"role-{role}-gpo.cmd"] = _group_policy(f"role-{role}", names, policies.pop())
    return files


def _host(plan: HostPlan, state: str, release: Release, options: netsh_consec.IpsecOptions, profiles: tuple[str, ...]) -> _Host:
    rules = netsh_firewall.render(plan, state, release, profiles)
    return _Host(plan, state, profiles, rules, netsh_consec.render(plan, options, release), rpc_of(plan, release), options)


def _findings(host: _Host) -> t.Iterator[Finding]:
    plan = host.plan
    if host.state == "monitored":
        text = "No script for Group Policy: what a profile lets pass by default has to stay as each host has it, and a policy would decide it for all."
        yield Finding("windows-policy-monitored", "info", (plan.host,), text, "docs/windows.md")
    if host.asks_key:
        text = "No script for Group Policy: every member of the domain can read a pre-shared key there. Use certificates or Kerberos."
        yield Finding("windows-policy-psk", "warning", (plan.host,), text, "MS-GPFAS 2.2.4")
    if not plan.management.peers and host.state == "enforced":
        text = "Nobody is named in config_controller to manage the host: after its script has run, only its console can."
        yield Finding("windows-no-management", "warning", (plan.host,), text, "docs/safety.md")


def _apply(host: _Host) -> str:
    name = host.plan.host
    text = begin(f"this makes the rules of {name}. Run it there as an administrator. {name}-undo.cmd takes it back.", host.plan, host.state)
    text.comment(_APPLY.format(name))
    _comment_security(text, host)
    text.head()
    before = f'"%~dp0{name}-before.wfw"'
    text.add(f"if exist {before} (echo {name}.cmd has run already. Run {name}-undo.cmd first.& exit /b 3)")
    text.add(search(netsh_firewall.OWN), "if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)")
    if host.asks_key:
        _ask_key(text)
    text.step(f"{program('netsh', 'advfirewall export')} {before}")
    text.add(f"if not exist {before} (echo The policy was not saved. Nothing was changed.& exit /b 4)")
    for rule in host.rules:
        text.step(netsh(rule.line))
    for line in host.security.lines():
        _secure(text, line)
    _switch(text, host)
    if host.rpc:
        set_rpc(text, name, host.rpc)
    text.add(*DONE)
    return text.text()


def _comment_security(text: CmdText, host: _Host) -> None:
    if host.security.lines():
        when = "an end that has not run it cannot speak to one that has" if host.options.state == "required" else "pairs that both have run it are protected"
        text.comment(f"IPsec: {host.options.auth}, {host.options.state}: {when}.")
    if host.asks_key:
        text.comment(f"The pre-shared key is asked for, or taken from the variable {_KEY}; it is in none of these files.")
    others = (*host.security.waiting, *host.security.unmanaged)
    if others:
        text.comment(f"Other ends of IPsec, to be configured by other means: {' '.join(others)}")


def _ask_key(text: CmdText) -> None:
    """The key is checked before it stands in any line: cmd would read some characters as its own."""
    text.add(f"if not defined {_KEY} set /p {_KEY}=Pre-shared key: ")
    text.add(f'set {_KEY}| {program("findstr")} /r /x /c:"{_KEY}=[A-Za-z0-9._~+/=@:-]*" >nul')
    text.add("if errorlevel 1 (echo The key must be 12 to 127 letters, digits and ._~+/=@:-& exit /b 2)")
    text.add(f'if "%{_KEY}:~11,1%"=="" (echo The key has fewer than 12 characters.& exit /b 2)')
    text.add(f'if not "%{_KEY}:~127,1%"=="" (echo The key has more than 127 characters.& exit /b 2)')


def _secure(text: CmdText, line: str) -> None:
    if netsh_consec.PSK not in line:
        text.step(netsh(line))
        return
    # Every process of the host can be seen with its command line, so the key goes through a file of this user only.
    shown = echoed(line.replace(netsh_consec.PSK, _KEY)).replace(f'"{_KEY}"', f'"%{_KEY}%"')
    scratch = r'"%TEMP%\datapath-key.netsh"'
    text.step(f">{scratch} echo {shown}")
    text.add(f"{program('netsh', '-f')} {scratch}", 'set "CODE=%errorlevel%"', f"del /q {scratch} >nul 2>&1")
    text.steps += 1
    text.add(f'if not "%CODE%"=="0" (echo DATAPATH-FAILED {text.steps}& exit /b 1)')


def _switch(text: CmdText, host: _Host) -> None:
    """The profiles come last: what blocks must find all rules in place."""
    for profile in host.profiles if host.state == "monitored" else ():
        # A firewall that was off let everything pass: switched on to watch, it must not begin to drop.
        text.add(profile_is(profile, "0x0"), f"if errorlevel 1 goto {profile}")
        text.step(netsh(f"advfirewall set {profile}profile firewallpolicy allowinbound,allowoutbound"))
        text.add(f":{profile}")
    for line in host.profile_lines:
        text.step(netsh(line))


def _undo(host: _Host) -> str:
    name = host.plan.host
    text = begin(f"this takes back what {name}.cmd made on {name}. Run it there as an administrator.", host.plan, host.state)
    text.comment(_UNDO.format(name))
    text.head()
    before = f'"%~dp0{name}-before.wfw"'
    text.add('if "%~1"=="rules" goto rules')
    text.add(f"if not exist {before} (echo {name}-before.wfw is not here. Nothing was changed.& exit /b 3)")
    text.step(f"{program('netsh', 'advfirewall import')} {before}")
    text.add(":rules")
    for context, rule in host.names:
        text.add(f"{netsh(_deletion(context, rule))} >nul 2>&1")
    for _context, rule in host.names:
        # netsh ends with 1 for a rule that is not there as for one that it cannot delete, so the registry has to say.
        text.steps += 1
        text.add(search(f"{rule}|"), f'if not errorlevel 1 (echo DATAPATH-FAILED {text.steps}& set "FAILED=1")')
    if host.rpc:
        unset_rpc(text, name, host.rpc)
    text.finish(before)
    return text.text()


def _deletion(context: str, name: str) -> str:
    return f'advfirewall {context} delete rule name="{name}"'


def _group_policy(name: str, hosts: tuple[str, ...], made: _Policy) -> str:
    """Fill a Group Policy object: C(set store) counts for one session of netsh only, so each session is a file for C(netsh -f)."""
    text = CmdText()
    text.comment(f"datapath.exchange: this fills a Group Policy object with the rules of {' '.join(hosts)}.")
    text.comment(_GROUP_POLICY)
    text.comment(_STORE)
    text.add("setlocal EnableExtensions DisableDelayedExpansion", r'set "T=%SystemRoot%\System32"')
    usage = f"echo Usage: {name}-gpo.cmd DOMAIN\\OBJECT with letters, digits, blanks and ._- only& exit /b 2"
    text.add(f'if "%~1"=="" ({usage})', 'set "G=%~1"')
    text.add(f'set G| {program("findstr")} /r /x /c:"G=[A-Za-z0-9._-]*\\\\[A-Za-z0-9 ._-]*" >nul', f"if errorlevel 1 ({usage})")
    script = rf'"%TEMP%\datapath-{name}.netsh"'
    # netsh goes on after a line that fails: were the object not there, all that follows would change this computer. So it is asked for first, alone.
    _session(text, script, ())
    text.step(f"{program('netsh', '-f')} {script}")
    _session(text, script, made.deletions)
    text.add(f"{program('netsh', '-f')} {script} >nul 2>&1")
    _session(text, script, made.lines)
    text.add(f"{program('netsh', '-f')} {script}", 'set "CODE=%errorlevel%"', f"del /q {script} >nul 2>&1")
    text.add('if not "%CODE%"=="0" (echo DATAPATH-FAILED: some of the lines above& exit /b 1)', *DONE)
    return text.text()


def _session(text: CmdText, script: str, lines: tuple[str, ...]) -> None:
    text.add(f'>{script} echo advfirewall set store gpo="%G%"')
    for line in lines:
        text.add(f">>{script} echo {echoed(line)}")


__all__ = ("IPSEC", "HandOver", "host_files", "role_files")
