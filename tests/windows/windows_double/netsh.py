# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's netsh.exe: what is documented for a release works, what real netsh refuses is refused, and what no document answers fails the test."""

from __future__ import annotations

import typing as t

from windows_double import netsh_consec, netsh_firewall, netsh_global, netsh_interface, netsh_legacy, netsh_mainmode, netsh_profiles
from windows_double.netsh_words import LINE, Machine, RefusedError, Session, ViolationError
from windows_double.programs import split

_CODE_PAGES = {"en": "cp1252", "ja": "cp932"}
"""The ANSI code page in which a file of commands is read."""
_FILE_LINE = 8000


def run(machine: Machine, argv_text: str, stdin_files: object = None) -> tuple[int, str]:  # noqa: ARG001 - netsh never reads its standard input here
    """What C(netsh ARGV_TEXT) says and its exit code. Refused: what nobody may send."""
    if len(argv_text) + len("netsh ") > LINE:
        raise ViolationError(f"a command line of {len(argv_text)} characters: cmd would have cut it")
    _check_characters(argv_text)
    words = split(argv_text)
    in_file = bool(words) and words[0].lower() == "-f"
    session = Session(machine, in_file=in_file)
    code = _file(session, words[1:]) if in_file else _command(session, words)
    return code, "".join(session.out)


def _check_characters(text: str) -> None:
    if not text.isascii() or any(ord(character) < 32 for character in text):
        raise ViolationError(f"characters that depend on the code page or that nobody can type: {text[:80]!r}")
    if text.count('"') % 2:
        raise ViolationError(f"a quotation mark that is never closed: {text[:80]!r}")


def _file(session: Session, words: t.Sequence[str]) -> int:
    """C(netsh -f FILE): every line is run, whatever becomes of the others; 1 when any failed."""
    if len(words) != 1:
        raise ViolationError("netsh -f with anything but one file: never sent")
    path = words[0]
    if not session.machine.file_exists(path):
        session.say("file")
        return 1
    lines = session.machine.read_file(path).decode(_CODE_PAGES[session.machine.language]).split("\n")
    codes = [_line(session, line.rstrip("\r")) for line in lines]
    return max(codes, default=0)


def _line(session: Session, line: str) -> int:
    if len(line) > _FILE_LINE:
        raise ViolationError(f"a line of {len(line)} characters in a file of commands: nobody knows what netsh does with it")
    _check_characters(line)
    words = split(line)
    if not words or words[0].startswith("#"):
        return 0
    if words[0].lower() == "netsh":
        raise ViolationError("a line that begins with netsh in a file for netsh -f")
    return _command(session, words)


def _command(session: Session, words: t.Sequence[str]) -> int:
    try:
        if any('"' in word for word in words):
            raise ViolationError(f"a quotation mark inside of a word: {' '.join(words)[:120]!r}")
        _dispatch(session, words)
    except RefusedError as refusal:
        session.say(refusal.key, *refusal.values)
        return 1
    return 0


def _dispatch(session: Session, words: t.Sequence[str]) -> None:
    if not words:
        raise ViolationError("netsh without a command waits for a person")
    context = words[0].lower()
    if context == "advfirewall" and session.since("2008"):
        _advfirewall(session, words[1:])
    elif context in {"interface", "int"}:
        netsh_interface.run(session, words[1:])
    elif context == "firewall" and not session.since("2008"):
        netsh_legacy.run(session, words[1:])
    elif context == "firewall":
        raise ViolationError("netsh firewall on a release that has advfirewall (KB947709)")
    else:
        raise RefusedError("command", " ".join(words))


_CONTEXTS: dict[str, t.Callable[[Session, t.Sequence[str]], None]] = {
    "firewall": netsh_firewall.run,
    "consec": netsh_consec.run,
    "mainmode": netsh_mainmode.run,
    "export": netsh_global.export,
    "import": netsh_global.import_,
    "reset": netsh_global.reset,
}
_UNUSED = ("monitor", "show", "dump", "help", "?")


def _advfirewall(session: Session, words: t.Sequence[str]) -> None:
    first = words[0].lower() if words else ""
    if first in _CONTEXTS:
        _CONTEXTS[first](session, words[1:])
    elif first == "set" and len(words) > 1:
        _set(session, words[1:])
    elif first in _UNUSED:
        raise ViolationError(f"advfirewall {first}: translated text, never to be asked for")
    else:
        raise RefusedError("command", " ".join(words))


def _set(session: Session, words: t.Sequence[str]) -> None:
    what = words[0].lower()
    if what in netsh_profiles.SCOPES:
        netsh_profiles.run(session, words)
    elif what == "global":
        netsh_global.set_global(session, words[1:])
    elif what == "store":
        netsh_global.set_store(session, words[1:])
    else:
        raise RefusedError("command", " ".join(words))


__all__ = ("run", "split")
