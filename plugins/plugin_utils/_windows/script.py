# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The one .cmd script that a run sends to a Windows host, and the answer that it prints.

Everything that could come from an inventory or from a host is held against allow-lists here: what cmd, netsh, reg or PowerShell could read as anything
but a plain word is refused, never escaped away. The one exception is the text of files that the script writes (C(Script.file)), which cmd's C(echo) can carry.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field
from types import MappingProxyType

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError

LONGEST_LINE = 8000
"""Below the 8191 characters of a line of cmd.exe (KB830473), with room for what its variables become."""
LAST_LINE = "rem DATAPATH-END"
SILENT = " >nul 2>&1"

_HEAD = ("@echo off", "setlocal EnableExtensions DisableDelayedExpansion", 'set "T=%SystemRoot%\\System32"', "goto %1")
_VARIABLES = re.compile(r"%(?:SystemRoot%|T%|errorlevel%|DATAPATH_DEADLINE%|~dp0|~f0|1(?![0-9A-Za-z]))")
_PRINTABLE = re.compile(r"[ -~]*\Z")
_LABEL = re.compile(r"[a-z]+\Z")
_FILE = re.compile(r"[a-z][a-z0-9-]*\.[a-z]+\Z")
_SECTION = re.compile(r"[a-z][A-Za-z0-9_]*\Z")
_PROGRAM = re.compile(r"[a-z]+\Z")
_NETSH = re.compile(r'(?:[A-Za-z0-9 =,.:/_+*-]|"[A-Za-z0-9 =,.:/\\_+(){}@\'-]*")*\Z')
_KEY = re.compile(r"HK(?:LM|U)(?:\\[A-Za-z0-9 ._{}-]+)+\Z")
_VALUE_NAME = re.compile(r"[A-Za-z0-9 ./_{}-]+\Z")
_DATA = re.compile(r"(?:[A-Za-z0-9 .,:/_{}-]|\\0)*\Z")
_ID = re.compile(r"[A-Za-z0-9{}._-]+\Z")
_TYPES = ("REG_SZ", "REG_DWORD", "REG_MULTI_SZ")
_SERVICE = re.compile(r"[A-Za-z0-9_]+\Z")


class Script:
    """A script being written, line by line. Labels are places that C(Remote.run) can start it at.

    steps: what each numbered line does, in words for messages; line N of C(DATAPATH-FAILED N) is C(steps[N - 1]). changes: how many of them change the host.
    Every method raises WindowsError for what cannot be sent.
    """

    def __init__(self) -> None:
        self._lines = list(_HEAD)
        self.steps: list[str] = []
        self.changes = 0

    def label(self, name: str) -> None:
        """Begin a part, which is entered by name only."""
        self._lines.append(":" + checked(_LABEL, name, "the name of a part", "lower-case letters"))

    def line(self, text: str) -> None:
        """Add a line as it is. Values in it must have gone through the functions below."""
        self._lines.append(_line(text))

    def section(self, name: str, command: str) -> None:
        """Run a command whose output and exit code are read back as C(Output.sections[name])."""
        checked(_SECTION, name, "the name of a section", "letters, digits and underscores")
        self.line(f"echo DATAPATH-SECTION {name}")
        self.line(command)
        self.line("echo DATAPATH-RC %errorlevel%")

    def step(self, command: str, shown: str) -> int:
        """Run a command that must succeed, or end the script there; returns its number."""
        self.steps.append(shown)
        self.line(f"{command}{SILENT} || (echo DATAPATH-FAILED {len(self.steps)}& exit /b 1)")
        return len(self.steps)

    def change(self, command: str, shown: str) -> int:
        """The same for a command that changes what the host enforces."""
        self.changes += 1
        return self.step(command, shown)

    def attempt(self, command: str) -> None:
        """Run a command whatever comes of it, without output."""
        self.line(command + SILENT)

    def file(self, name: str, lines: t.Iterable[str], *, escape: bool = True) -> None:
        """Write a text file of printable ASCII beside the script. escape: False for lines that hold variables and were escaped with C(echoed)."""
        path = beside(name)
        redirect = ">"
        for text in lines:
            self._lines.append(_line(f"{redirect}{path} echo {echoed(text) if escape else text}"))
            redirect = ">>"

    def delete(self, *names: str) -> None:
        """Delete files beside the script."""
        for name in names:
            self.attempt(f"del /q {beside(name)}")

    def done(self) -> None:
        """Say that the part came to its end, and end it."""
        self.line("echo DATAPATH-DONE")
        self.exit(0)

    def exit(self, code: int) -> None:
        self.line(f"exit /b {code:d}")

    def text(self) -> str:
        """The whole script as it is sent: ASCII, CRLF."""
        return "".join(f"{line}\r\n" for line in (*self._lines, LAST_LINE))


def _line(text: str) -> str:
    if not _PRINTABLE.match(text):
        raise WindowsError(f"a line for the host has characters other than printable ASCII: {text!r}. Use plain letters, digits and blanks in names")
    if "%" in _VARIABLES.sub("", text):
        raise WindowsError(f"a line for the host has a percent sign, which cmd.exe would read as a variable: {text!r}. Leave it out of names")
    if len(text) > LONGEST_LINE:
        raise WindowsError(f"a line for the host has {len(text)} characters, at most {LONGEST_LINE} fit: {text[:80]!r}... Put less into one rule")
    return text


def checked(pattern: re.Pattern[str], text: str, what: str, allowed: str) -> str:
    """The text when the whole of it matches; WindowsError with what was expected otherwise."""
    if not pattern.match(text):
        raise WindowsError(f"{what} cannot be sent to a Windows host: {text!r}. Use only {allowed}")
    return text


def echoed(text: str) -> str:
    """A line of printable ASCII so that C(echo) writes exactly it into a file: carets outside of quotes, where cmd reads them, none within."""
    if not _PRINTABLE.match(text) or "%" in text:
        raise WindowsError("a line of a file for the host has a percent sign or characters other than printable ASCII. Leave them out")
    if text.count('"') % 2:
        raise WindowsError("a line of a file for the host has an odd number of double quotes, which cmd.exe cannot write. Leave the quote out")
    if not text.strip() or text.strip().lower() in ("on", "off") or text.lstrip().startswith("/?"):
        raise WindowsError(f"a line of a file for the host is one that echo does not write: {text!r}")
    parts = text.split('"')
    return '"'.join(re.sub(r"[\^<>&|()]", r"^\g<0>", part) if index % 2 == 0 else part for index, part in enumerate(parts))


def beside(name: str) -> str:
    """The quoted path of a file in the folder that the script is in."""
    return f'"%~dp0{checked(_FILE, name, "the name of a file", "lower-case letters, digits and dashes, and an extension")}"'


def program(name: str, arguments: str = "") -> str:
    """A program of Windows by its whole path: never one that the search path finds first."""
    path = f'"%T%\\{checked(_PROGRAM, name, "the name of a program", "lower-case letters")}.exe"'
    return f"{path} {arguments}" if arguments else path


def netsh(line: str) -> str:
    """One line of C(netsh -f) as a command."""
    allowed = "letters, digits, blanks and =,.:/_+*-, in double quotes also \\(){}@'"
    return program("netsh", checked(_NETSH, line, "a line of netsh", allowed))


def reg_add(key: str, name: str, kind: str, data: str) -> str:
    r"""Write a value. kind: C(REG_SZ), C(REG_DWORD) or C(REG_MULTI_SZ), whose entries are joined with C(\0)."""
    if kind not in _TYPES:
        raise WindowsError(f"registry values of type {kind} are not written. Use one of {', '.join(_TYPES)}")
    shown = checked(_DATA, data, f"the registry data of {name}", "letters, digits, blanks and .,:/_{}-")
    return program("reg", f'add "{reg_key(key)}" /v "{reg_name(name)}" /t {kind} /d "{shown}" /f')


def reg_delete(key: str, name: str = "") -> str:
    """Delete a value, or without a name the whole key."""
    return program("reg", f'delete "{reg_key(key)}" /v "{reg_name(name)}" /f' if name else f'delete "{reg_key(key)}" /f')


def reg_key(key: str) -> str:
    return checked(_KEY, key, "a registry key", "HKLM or HKU and letters, digits, blanks and ._{}-")


def reg_name(name: str) -> str:
    return checked(_VALUE_NAME, name, "the name of a registry value", "letters, digits, blanks and ./_{}-")


def service_name(name: str) -> str:
    return checked(_SERVICE, name, "the name of a service", "letters, digits and underscores")


def sendable_id(rule_id: str) -> bool:
    """Whether a rule can be named to PowerShell by its id."""
    return bool(_ID.match(rule_id)) and len(rule_id) < 512


def set_enabled(ids: t.Sequence[str], *, enabled: bool) -> str:
    """Form B: enable or disable firewall rules of the local store by id (Windows Server 2012 and later)."""
    quoted = ",".join(f"'{checked(_ID, rule_id, 'the id of a rule', 'letters, digits and {}._-')}'" for rule_id in ids)
    command = f"Set-NetFirewallRule -PolicyStore PersistentStore -Name {quoted} -Enabled {'True' if enabled else 'False'}"
    return f'"%T%\\WindowsPowerShell\\v1.0\\powershell.exe" -NoProfile -NonInteractive -Command "{command}"'


Section = tuple[int, tuple[str, ...]]
"""Exit code and output lines of one command."""


@dataclass(frozen=True)
class Output:
    """What a script printed. sections: by name, exit code and lines; failed: the number of the line that failed, 0 for none; done: whether a part said
    that it came to its end; code: the exit code of the script; lines: what stands outside of sections.
    """

    sections: t.Mapping[str, Section] = field(default_factory=lambda: MappingProxyType({}))
    failed: int = 0
    done: bool = False
    code: int = 0
    lines: tuple[str, ...] = ()

    def why(self, script: Script) -> str:
        """In words, what went wrong; empty when the script came to its end."""
        if 0 < self.failed <= len(script.steps):
            return f"step {self.failed} of {len(script.steps)} failed: {script.steps[self.failed - 1]}"
        return "" if self.done else f"the script ended early, with code {self.code}"


_MARK = re.compile(r"DATAPATH-(SECTION|RC|FAILED|DONE)(?: ([A-Za-z0-9_-]+))?\s*\Z")


def parse_output(lines: t.Iterable[str], code: int) -> Output:
    """Read the lines that a script printed. A section without its exit code is one that was cut off, and is left out."""
    sections: dict[str, Section] = {}
    rest: list[str] = []
    name, collected, failed, done = "", rest, 0, False
    for line in lines:
        mark = _MARK.match(line)
        if not mark:
            collected.append(line)
            continue
        word, value = mark[1], mark[2] or ""
        if word == "SECTION":
            name, collected = value, []
        elif word == "RC" and name:
            sections[name] = (_number(value), tuple(collected))
            name, collected = "", rest
        elif word == "FAILED":
            failed = _number(value)
        elif word == "DONE":
            done = True
    return Output(MappingProxyType(sections), failed, done, code, tuple(rest))


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise WindowsError(f"the host answered {text!r} where a number was expected. Run the play again; report it if it stays so") from None


__all__ = (
    "LAST_LINE",
    "LONGEST_LINE",
    "Output",
    "Script",
    "Section",
    "beside",
    "checked",
    "echoed",
    "netsh",
    "parse_output",
    "program",
    "reg_add",
    "reg_delete",
    "reg_key",
    "reg_name",
    "sendable_id",
    "service_name",
    "set_enabled",
)
