# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scripts as the collection sends them, written by hand: the double is tested without the collection."""

from __future__ import annotations

import base64
import typing as t
from dataclasses import dataclass
from pathlib import Path

from windows_double.machine import Machine
from windows_double.powershell import FORM_A

HEAD = ["@echo off", "setlocal EnableExtensions DisableDelayedExpansion", 'set "T=%SystemRoot%\\System32"', "goto %1"]
LAUNCHER = "PowerShell -NoProfile -NonInteractive -ExecutionPolicy Unrestricted -EncodedCommand "
FOLDER = r"C:\Windows\datapath"
TASK = (
    '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task"><Triggers><TimeTrigger><StartBoundary>{start}</StartBoundary>'
    "</TimeTrigger><BootTrigger/></Triggers>"
    '<Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal>'
    "</Principals><Settings><DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries><StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>"
    "<StartWhenAvailable>true</StartWhenAvailable></Settings>"
    '<Actions Context="Author"><Exec><Command>C:\\Windows\\System32\\cmd.exe</Command>'
    '<Arguments>/d /c "{file}" undo</Arguments></Exec></Actions></Task>'
)


def form_a(name: str = "run-0123456789abcdef", label: str = "main", seconds: int = 60, *, keep: bool = False) -> str:
    parts = {"<NAME>": name, "<LABEL>": label, "<SECONDS>": str(seconds), "<KEEP>": "$true" if keep else "$false"}
    text = FORM_A
    for part, value in parts.items():
        text = text.replace(part, value)
    return text


def encoded(text: str) -> str:
    return LAUNCHER + base64.b64encode(text.encode("utf-16-le")).decode()


def script(*lines: str, label: str = "main") -> bytes:
    return "".join(f"{line}\r\n" for line in [*HEAD, f":{label}", *lines, "rem DATAPATH-END"]).encode()


@dataclass(frozen=True)
class Said:
    rc: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Host:
    """A machine and short ways to talk to it."""

    machine: Machine

    @classmethod
    def create(cls, directory: Path, release: str = "2019", language: str = "en", **more: t.Any) -> Host:
        return cls(Machine.create(directory, release, language, **{"fresh": False, **more}))

    def run(self, *lines: str, keep: bool = False, seconds: int = 60, name: str = "run-0123456789abcdef") -> Said:
        return self.send(script(*lines), form_a(name=name, keep=keep, seconds=seconds))

    def send(self, stdin: bytes, text: str = "", code_page: int = 65001) -> Said:
        rc, out, err = self.machine.run_command_line(encoded(text or form_a()), stdin, code_page)
        return Said(rc, out.decode("utf-8"), err.decode("utf-8"))

    def program(self, name: str, arguments: str, code_page: int = 65001) -> Said:
        rc, out, err = self.machine.run_program(name, arguments, b"", code_page)
        return Said(rc, out.decode("utf-8"), err.decode("utf-8"))

    def refused(self, *lines: str) -> str:
        """What the double says against a script; empty when it says nothing."""
        before = len(self.machine.violations)
        self.run(*lines)
        return " ".join(self.machine.violations[before:])
