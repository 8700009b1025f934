# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(findstr) with literal strings on its standard input or in one file: C(/v /i /l /x /g: /c:).

https://learn.microsoft.com/windows-server/administration/windows-commands/findstr; that a backslash of a search string escapes a backslash or a quote,
that a line of a pipe may have 8191 characters and a search string 254, was found by others: https://stackoverflow.com/q/8844868
"""

from __future__ import annotations

import typing as t

from windows_double.programs import Answer, Call, decode
from windows_double.refusal import Refused

LONGEST_LINE = 8191
LONGEST_STRING = 254


def run(call: Call) -> Answer:
    switches, strings, file = _arguments(call)
    if not strings:
        raise Refused(f"findstr without a string: {call.text!r}")
    if any(len(text) > LONGEST_STRING for text in strings):
        return Answer(2, "", "FINDSTR: Search string too long.\n")
    wanted = [_literal(text) for text in strings]
    if file and not call.machine.file_exists(file):
        return Answer(1, "", f"FINDSTR: Cannot open {file}\n")
    lines = decode(call.machine.read_file(file), call.code_page).split("\r\n") if file else call.input_lines
    if lines and lines[-1] == "":
        lines.pop()
    out, err = "", ""
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_LINE:
            err += f"FINDSTR: Line {number} is too long.\n"
        elif _matches(line, wanted, switches) != ("/v" in switches):
            out += f"{line}\n"
    return Answer(0 if out else 1, out, err)


def _arguments(call: Call) -> tuple[set[str], list[str], str]:
    switches: set[str] = set()
    strings: list[str] = []
    file = ""
    for word in call.words:
        head = word[:3].lower()
        if word.lower() in ("/v", "/i", "/l", "/x"):
            switches.add(word.lower())
        elif head == "/c:" and len(word) > 3:
            strings.append(word[3:])
        elif head == "/g:" and len(word) > 3:
            strings += _from_file(call, word[3:])
        elif strings and not file and not word.startswith("/"):
            file = word
        else:
            raise Refused(f"findstr {word!r}: only /v /i /l /x /g:file /c:text, on its standard input or in one file")
    return switches, strings, file


def _from_file(call: Call, path: str) -> list[str]:
    try:
        content = call.machine.read_file(path)
    except FileNotFoundError:
        raise Refused(f"findstr /g: of a file that is not there: {path!r}") from None
    return [line for line in decode(content, call.code_page).split("\r\n") if line]


def _literal(text: str) -> str:
    return text.replace("\\\\", "\\").replace('\\"', '"')


def _matches(line: str, wanted: t.Sequence[str], switches: t.Collection[str]) -> bool:
    fold = str.lower if "/i" in switches else str
    if "/x" in switches:
        return any(fold(line) == fold(text) for text in wanted)
    return any(fold(text) in fold(line) for text in wanted)
