# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two texts of PowerShell that are ever sent, word by word. No PowerShell runs here: any other text is refused.

For texts of tests: C(syntax_errors) asks a grammar of PowerShell 7, C(newer_than_2) looks for what PowerShell 2 lacks and that grammar lets through.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import typing as t

from windows_double.facts import FOLDER
from windows_double.programs import Answer, Call, decode, encode
from windows_double.refusal import ConnectionCut, Refused

if t.TYPE_CHECKING:
    from windows_double.machine import Machine

LONGEST = 3000
"""Characters of a script that fit, encoded, into the command line of a remote shell with something to spare (https://github.com/WinRb/WinRM/issues/41)."""
NOTHING_RUN = 96
LAUNCHER = re.compile(
    r"PowerShell(?:\.exe)? -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand (?P<encoded>[A-Za-z0-9+/]+={0,2})", re.IGNORECASE,
)
UTF8_FIRST = "chcp.com 65001 >nul 2>&1 && "
"""What Ansible's connections put before a command on some releases."""
FORM_A = r"""$ErrorActionPreference='Continue'
$lines=@($input|ForEach-Object{$_ -replace '\r?\n$' -split '\r?\n'})
$folder=$env:SystemRoot+'\datapath'
$file=$folder+'\<NAME>.cmd'
$code=96
if($lines.Count -gt 0 -and $lines[$lines.Count-1] -eq 'rem DATAPATH-END'){
if(-not [IO.Directory]::Exists($folder)){
$acl=New-Object Security.AccessControl.DirectorySecurity
$acl.SetSecurityDescriptorSddlForm('D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)')
[void][IO.Directory]::CreateDirectory($folder,$acl)
}
[IO.File]::WriteAllLines($file,[string[]]$lines,[Text.Encoding]::ASCII)
$env:DATAPATH_DEADLINE=[DateTime]::Now.AddSeconds(<SECONDS>).ToString('s')
& ($env:SystemRoot+'\System32\cmd.exe') /d /c $file <LABEL>
$code=$LASTEXITCODE
if((-not <KEEP>) -and [IO.File]::Exists($file)){[IO.File]::Delete($file)}
if([IO.Directory]::Exists($folder) -and [IO.Directory]::GetFileSystemEntries($folder).Length -eq 0){[IO.Directory]::Delete($folder)}
}
'DATAPATH-END '+$code
exit $code"""
_PARTS = {
    "<NAME>": r"(?P<name>(?:run|pending)-[0-9a-f]{16})", "<SECONDS>": r"(?P<seconds>[0-9]+)", "<LABEL>": r"(?P<label>[a-z]+)",
    "<KEEP>": r"(?P<keep>\$true|\$false)",
}
_FORM_B = re.compile(
    r"""-NoProfile -NonInteractive -Command "Set-NetFirewallRule -PolicyStore PersistentStore -Name (?P<ids>'[A-Za-z0-9{}._-]+'(?:,'[A-Za-z0-9{}._-]+')*) """
    r"""-Enabled (?P<enabled>True|False)\"""",
)


def _form(template: str) -> re.Pattern[str]:
    pattern = re.escape(template)
    for name, part in _PARTS.items():
        pattern = pattern.replace(re.escape(name), part)
    return re.compile(pattern)


_FORM_A = _form(FORM_A)


def command_line(machine: Machine, text: str, stdin: bytes, code_page: int) -> tuple[int, bytes, bytes]:
    """A line that a connection hands to cmd.exe: PowerShell's launcher and nothing else."""
    line = text
    if line.startswith(UTF8_FIRST):
        line, code_page = line[len(UTF8_FIRST):], 65001
    found = LAUNCHER.fullmatch(line.strip())
    if not found:
        raise Refused(f"a command line that does not start PowerShell as Ansible does: {text[:200]!r}")
    return script(machine, _decoded(found["encoded"]), stdin, code_page)


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-16-le")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused(f"an encoded command that is not base64 of UTF-16: {error}") from error


def script(machine: Machine, text: str, stdin: bytes, code_page: int) -> tuple[int, bytes, bytes]:
    """A text of PowerShell: form A, with what Ansible's connections add to it, or another launcher with form A inside."""
    bare = text.strip().removesuffix("exit $LASTEXITCODE").rstrip()
    nested = LAUNCHER.fullmatch(bare)
    if nested:
        return script(machine, _decoded(nested["encoded"]), stdin, code_page)
    found = _FORM_A.fullmatch(bare)
    if not found or len(bare) > LONGEST:
        raise Refused(f"a text of PowerShell that is not form A: {text[:400]!r}")
    return _form_a(machine, found, stdin, code_page)


def _form_a(machine: Machine, found: re.Match[str], stdin: bytes, code_page: int) -> tuple[int, bytes, bytes]:
    lines = _input(stdin, code_page)
    if not lines or lines[-1].lower() != "rem datapath-end":
        return _ended(NOTHING_RUN, b"", b"", code_page)
    path = _stored(machine, f"{found['name']}.cmd", lines)
    if path is None:
        return _ended(1, b"", encode("Access to the path is denied.\n", code_page), code_page)
    deadline = (machine.now() + dt.timedelta(seconds=int(found["seconds"]))).strftime("%Y-%m-%dT%H:%M:%S")
    rc, out, err = machine.cmd_exe(f"/d /c {path} {found['label']}", code_page, {"DATAPATH_DEADLINE": deadline})
    if found["keep"] == "$false":
        machine.delete_file(path)
    if machine.drive.is_folder(FOLDER) and not machine.drive.list(FOLDER):
        machine.drive.delete_tree(FOLDER)
    if machine.output_lost():
        raise ConnectionCut("the answer is lost")
    return _ended(rc, out, err, code_page)


def _input(stdin: bytes, code_page: int) -> list[str]:
    """C(@($input)): one text for every line."""
    lines = decode(stdin, code_page).replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _stored(machine: Machine, name: str, lines: t.Sequence[str]) -> str | None:
    """The path of the script in its folder, which nobody but administrators may open; None when that could not be made."""
    if not machine.elevated:
        return None
    if not machine.drive.is_folder(FOLDER):
        machine.drive.make_folder(FOLDER)
    path = f"{FOLDER}\\{name}"
    machine.write_file(path, "".join(f"{line}\r\n" for line in lines).encode("ascii", "replace"))
    return path


def _ended(rc: int, out: bytes, err: bytes, code_page: int) -> tuple[int, bytes, bytes]:
    return rc, out + encode(f"DATAPATH-END {rc}\n", code_page), err


def form_b(call: Call) -> Answer:
    """C(Set-NetFirewallRule) by id: Windows Server 2012 and later (https://learn.microsoft.com/powershell/module/netsecurity/set-netfirewallrule)."""
    found = _FORM_B.fullmatch(call.text)
    if not found:
        raise Refused(f"powershell.exe {call.text[:200]!r}: only form B")
    if not call.machine.at_least("2012r2"):
        raise Refused(f"Set-NetFirewallRule on {call.machine.release}: it came with Windows Server 2012")
    if not call.machine.elevated:
        return Answer(1, "", "Set-NetFirewallRule : Access is denied.\n")
    call.machine.before_firewall_change()
    with call.machine.registry.transaction():
        missing = [rule for rule in re.findall(r"'([^']+)'", found["ids"]) if not _switch(call.machine, rule, found["enabled"].upper())]
    error = "".join(f"Set-NetFirewallRule : No MSFT_NetFirewallRule objects found with property 'InstanceID' equal to '{rule}'.\n" for rule in missing)
    return Answer(1 if missing else 0, "", error)


def _switch(machine: Machine, rule: str, active: str) -> bool:
    key = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
    value = machine.registry.get(key, rule)
    if value is None:
        return False
    text, count = re.subn(r"\|Active=[^|]*\|", f"|Active={active}|", value[1], count=1, flags=re.IGNORECASE)
    machine.registry.set(key, rule, "REG_SZ", text if count else f"{text}Active={active}|")
    return True


# For the tests of texts that are sent

NEWER: t.Sequence[tuple[str, str]] = (
    (r"&&|\|\|", "pipeline chains came with PowerShell 7"), (r"\?\?|\?\.|\s\?\s*\S+\s*:", "null and ternary operators came with PowerShell 7"),
    (r"(?i)\[ordered\]|\[pscustomobject\]", "PowerShell 3"), (r"(?i)^\s*(class|enum|using)\s", "PowerShell 5"),
    (r"(?i)\.(where|foreach)\(", "methods of collections came with PowerShell 4"), (r"(?i)::new\(", "PowerShell 5"),
    (r"(?i)\b(get|new|remove|invoke)-cim\w+|\b\w+-net(firewall|ipsec)\w+", "cmdlets of PowerShell 3 and Windows Server 2012"),
    (r"(?i)\bconvert(to|from)-json\b|\binvoke-(webrequest|restmethod)\b|\bget-filehash\b|\bexpand-archive\b", "PowerShell 3 and later"),
    (r"(?i)\$psitem\b|\$using:|\$psscriptroot\b|\$pscommandpath\b", "variables of PowerShell 3"), (r"(?i)\s-(in|notin|shl|shr)\s", "operators of PowerShell 3"),
    (r"(?i)\b(where|foreach)-object\s+[a-z]+\s+-", "simplified syntax of PowerShell 3"), (r"(?i)isnullorwhitespace", ".NET 4"),
    (r"(?i)get-content\s.*-raw\b", "PowerShell 3"), (r"(?i)-parallel\b", "PowerShell 3"),
)


def newer_than_2(text: str) -> list[str]:
    """What PowerShell 2 does not have, as C(words: why). Quoted texts are not looked into."""
    bare = re.sub(r"'[^']*'", "''", text)
    return [f"{found.group().strip()}: {why}" for pattern, why in NEWER for found in re.finditer(pattern, bare, re.MULTILINE)]


def syntax_errors(text: str) -> list[str]:
    """Where a text is no PowerShell, as C(line N: text). Needs the test dependencies tree-sitter and tree-sitter-powershell."""
    import tree_sitter
    import tree_sitter_powershell

    parser = tree_sitter.Parser(tree_sitter.Language(tree_sitter_powershell.language()))
    return list(_errors(parser.parse(text.encode()).root_node))


def _errors(node: t.Any) -> t.Iterator[str]:
    if node.is_error or node.is_missing:
        yield f"line {node.start_point[0] + 1}: {node.text.decode()[:60]}"
    for child in node.children:
        yield from _errors(child)
