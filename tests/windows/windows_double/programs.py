# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of System32 that a double has, how their arguments are taken apart, and in which language they answer."""

from __future__ import annotations

import codecs
import typing as t
from dataclasses import dataclass

from windows_double.refusal import ConnectionCut, Refused

if t.TYPE_CHECKING:
    from windows_double.machine import Machine


@dataclass(frozen=True)
class Call:
    """One start of a program. text: its arguments as they stand on the command line; words: as the program's runtime takes them apart."""

    machine: Machine
    name: str
    text: str
    stdin: bytes = b""
    code_page: int = 437

    @property
    def words(self) -> list[str]:
        return split(self.text)

    @property
    def input_lines(self) -> list[str]:
        return decode(self.stdin, self.code_page).replace("\r\n", "\n").split("\n")

    def say(self, english: str, japanese: str) -> str:
        return japanese if self.machine.language == "ja" else english


@dataclass(frozen=True)
class Answer:
    """What a program said; lines are joined by CR LF on the way out."""

    rc: int = 0
    out: str = ""
    err: str = ""


def split(text: str) -> list[str]:
    """Arguments as Microsoft's C runtime takes a command line apart: quotes group, backslashes escape only before a quote.

    https://learn.microsoft.com/cpp/c-language/parsing-c-command-line-arguments
    """
    words: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in " \t":
            position += 1
            continue
        word, position = _word(text, position)
        words.append(word)
    return words


def _word(text: str, position: int) -> tuple[str, int]:
    word, quoted = "", False
    while position < len(text) and (quoted or text[position] not in " \t"):
        slashes = len(text[position:]) - len(text[position:].lstrip("\\"))
        after = position + slashes
        if slashes and after < len(text) and text[after] == '"':
            word += "\\" * (slashes // 2)
            position = after
            if slashes % 2:
                word, position = word + '"', after + 1
        elif slashes:
            word, position = word + "\\" * slashes, after
        elif text[position] == '"':
            if quoted and text[position + 1:position + 2] == '"':
                word, position = word + '"', position + 1
            else:
                quoted = not quoted
            position += 1
        else:
            word, position = word + text[position], position + 1
    return word, position


def codec(code_page: int) -> str:
    return "utf-8" if code_page == 65001 else codecs.lookup(f"cp{code_page}").name


def encode(text: str, code_page: int) -> bytes:
    """Text as a console of this code page gets it: what the page lacks becomes a question mark, line ends become CR LF."""
    return text.replace("\r\n", "\n").replace("\n", "\r\n").encode(codec(code_page), "replace")


def decode(data: bytes, code_page: int) -> str:
    return data.decode(codec(code_page), "replace")


def _netsh(call: Call) -> Answer:
    from windows_double import netsh

    with call.machine.registry.transaction():
        rc, said = netsh.run(call.machine, call.text, None)
    return Answer(rc, said)


def table() -> t.Mapping[str, t.Callable[[Call], Answer]]:
    """The programs, by the names of their files."""
    from windows_double import findstr, powershell, reg, sc, schtasks, system

    return {
        "findstr.exe": findstr.run, "net.exe": sc.net, "netsh.exe": _netsh, "netstat.exe": system.netstat,
        "powershell.exe": powershell.form_b, "reg.exe": reg.run, "sc.exe": sc.run, "schtasks.exe": schtasks.run, "shutdown.exe": system.shutdown,
    }


def start(machine: Machine, name: str, arguments: str, stdin: bytes = b"", code_page: int = 437) -> tuple[int, bytes, bytes]:
    """Run one program; raises Refused for a program that nobody should call, ConnectionCut when the fault C(cut_after) says so."""
    known = table()
    if name.lower() not in known:
        raise Refused(f"program {name!r} is none of {', '.join(known)}")
    if machine.cut_here():
        raise ConnectionCut(f"cut before {name}")
    machine.log_command(f"{name.lower()} {arguments.strip()}".rstrip())
    answer = known[name.lower()](Call(machine, name.lower(), arguments.strip(), stdin, code_page))
    return answer.rc, encode(answer.out, code_page), encode(answer.err, code_page)
