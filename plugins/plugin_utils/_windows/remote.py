# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""How a script gets to a Windows host and starts: one text of PowerShell 2 for every connection, the script on its standard input.

No file is copied, no module is run and no temporary folder of Ansible's is made: hosts of 2008 have neither the PowerShell nor the .NET that those need.
"""

from __future__ import annotations

import base64
import re
import secrets
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import LAST_LINE, Output, Script, checked, parse_output

TRANSPORTS = ("winrm", "psrp", "ssh")
LONGEST_FORM = 1100
"""Over ssh, ansible-core 2.17 encodes the encoded command once more: beyond this it would not fit into the 8191 characters of cmd.exe."""
NOT_WHOLE = 96
"""The exit code of the bootstrap when the last line of the script did not arrive."""

_ENCODED = "PowerShell -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand "
_FORM = "\n".join((
    "$ErrorActionPreference='Continue'",
    # One object a line, except over psrp up to ansible-core 2.18: there the whole input is one.
    "$lines=@($input|ForEach-Object{{$_ -replace '\\r?\\n$' -split '\\r?\\n'}})",
    "$folder=$env:SystemRoot+'\\datapath'",
    "$file=$folder+'\\{name}.cmd'",
    f"$code={NOT_WHOLE}",
    f"if($lines.Count -gt 0 -and $lines[$lines.Count-1] -eq '{LAST_LINE}'){{{{",
    "if(-not [IO.Directory]::Exists($folder)){{",
    # Made with its rights, not given them afterwards: the system and administrators only. The texts of rights are the same in every language.
    "$acl=New-Object Security.AccessControl.DirectorySecurity",
    "$acl.SetSecurityDescriptorSddlForm('D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')",
    "[void][IO.Directory]::CreateDirectory($folder,$acl)",
    "}}",
    "[IO.File]::WriteAllLines($file,[string[]]$lines,[Text.Encoding]::ASCII)",
    "$env:DATAPATH_DEADLINE=[DateTime]::Now.AddSeconds({seconds}).ToString('s')",
    "& ($env:SystemRoot+'\\System32\\cmd.exe') /d /c $file {label}",
    "$code=$LASTEXITCODE",
    "if((-not {keep}) -and [IO.File]::Exists($file)){{[IO.File]::Delete($file)}}",
    "if([IO.Directory]::Exists($folder) -and [IO.Directory]::GetFileSystemEntries($folder).Length -eq 0){{[IO.Directory]::Delete($folder)}}",
    "}}",
    "'DATAPATH-END '+$code",
    "exit $code",
))
_NAME = re.compile(r"(?:run|pending)-[0-9a-f]{16}\Z")
_LABEL = re.compile(r"[a-z]+\Z")
_END = re.compile(r"DATAPATH-END (-?\d+)\s*\Z")

Execute = t.Callable[[str, bytes], t.Mapping[str, t.Any]]
"""Runs a command with standard input; returns C(rc), C(stdout) and C(stderr), as Ansible's low-level execution does."""


class CutError(WindowsError):
    """The answer of the host broke off, or never began: what the script did is not known."""


def form_a(name: str, label: str, seconds: int, *, keep: bool) -> str:
    r"""The text of PowerShell that stores standard input as a script in C(%SystemRoot%\datapath) and runs it.

    name: of the file, without its extension. label: where the script starts. seconds: from now to C(DATAPATH_DEADLINE), by the clock of the host, in the form
    that the Task Scheduler reads whatever the locale. keep: leave the script there.
    """
    text = _FORM.format(
        name=checked(_NAME, name, "the name of a script", "run- or pending- and 16 hexadecimal digits"),
        label=checked(_LABEL, label, "the name of a part", "lower-case letters"), seconds=int(seconds), keep="$true" if keep else "$false",
    )
    if len(text) > LONGEST_FORM:
        raise WindowsError(f"the command that starts a script has {len(text)} characters, at most {LONGEST_FORM} fit")
    return text


def command(transport: str, text: str) -> str:
    """The command that a connection is given for a text of PowerShell.

    winrm takes PowerShell, and encodes it in every ansible-core from 2.17 to 2.21. ssh passes a command to whatever shell the host has, so it gets the encoded
    form, which cmd and PowerShell both run. psrp gets it too, and decodes it again: with plain text it would send the input as arrays of bytes, not as text.
    """
    if transport not in TRANSPORTS:
        raise WindowsError(f"connection {transport!r} does not lead to a Windows host: set ansible_connection to one of {', '.join(TRANSPORTS)}")
    return _ENCODED + base64.b64encode(text.encode("utf-16-le")).decode("ascii") if transport != "winrm" else text


class Remote:
    """A Windows host over a connection. execute: see Execute; transport: one of TRANSPORTS. round_trips: how often the host was called."""

    def __init__(self, execute: Execute, transport: str) -> None:
        self._execute, self._transport = execute, transport
        self.round_trips = 0

    def run(self, script: Script, label: str = "main", seconds: int = 0, *, name: str = "", keep: bool = False) -> Output:
        """Send a script and run it from a label; arguments as in C(form_a), with a name of its own by default.

        Returns what it printed, failed steps included. Raises CutError when the end of the answer is missing, WindowsError when nothing was run.
        """
        text = form_a(name or f"run-{token()}", label, seconds, keep=keep)
        self.round_trips += 1
        answer = self._execute(command(self._transport, text), script.text().encode("ascii"))
        lines = str(answer.get("stdout", "")).replace("\r\n", "\n").split("\n")
        ends = [index for index, line in enumerate(lines) if _END.match(line)]
        if not ends:
            raise _no_end(answer)
        code = int(t.cast("re.Match[str]", _END.match(lines[ends[-1]]))[1])
        if code == NOT_WHOLE:
            raise WindowsError("the script did not arrive whole at the host, and was not run: the connection lost part of its input. Run the play again")
        return parse_output(lines[: ends[-1]], code)


def token() -> str:
    """A name for a script or a change that nothing else has."""
    return secrets.token_hex(8)


def _no_end(answer: t.Mapping[str, t.Any]) -> CutError:
    """Only standard error is quoted: standard output may hold what the registry keeps for itself."""
    said = " ".join(str(answer.get("stderr", "")).split())[:300]
    detail = f"exit code {answer.get('rc')}" + (f", {said}" if said else "")
    if str(answer.get("stdout", "")).strip():
        return CutError(f"the answer of the host broke off ({detail}): what was done is not known")
    return CutError(
        f"the host did not run PowerShell ({detail}). powershell.exe 2.0 or later must be there; over ssh, ansible_shell_type must be cmd or powershell"
    )


__all__ = ("LONGEST_FORM", "NOT_WHOLE", "TRANSPORTS", "CutError", "Execute", "Remote", "command", "form_a", "token")
