# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netsh advfirewall) itself: export, import, reset, C(set store) and C(set global).

https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-advfirewall
"""

from __future__ import annotations

import json
import re
import typing as t
import zlib

from windows_double import fresh
from windows_double.netsh_mainmode import set_default
from windows_double.netsh_words import DWORD, LOCAL, OBJECTS, RefusedError, Session, ViolationError, choice, number

_MAGIC = b"windows_double policy\x00"
_EXEMPTIONS = {"none": 0, "neighbordiscovery": 1, "icmp": 2, "dhcp": 8}
_NAT = {"never": 0, "serverbehindnat": 1, "serverandclientbehindnat": 2}
_STORE = re.compile(r"gpo=([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\\.+)", re.IGNORECASE)


def export(session: Session, words: t.Sequence[str]) -> None:
    """The whole local policy into a file that must not exist: what happens to one that does is undocumented."""
    path = _path(words)
    session.need_rights()
    if session.machine.file_exists(path):
        raise ViolationError(f"export over {path}: undocumented, use a new name")
    snapshot = session.registry.snapshot(session.root)
    try:
        session.machine.write_file(path, _MAGIC + zlib.compress(json.dumps(snapshot).encode()))
    except FileNotFoundError as error:
        raise RefusedError("file") from error
    session.say("ok")


def import_(session: Session, words: t.Sequence[str]) -> None:
    """The whole local policy as it was when the file was made; whatever came since is gone."""
    path = _path(words)
    session.begin_change()
    if session.machine.faults.get("import_fails"):
        raise RefusedError("failed")
    if not session.machine.file_exists(path):
        raise RefusedError("file")
    data = session.machine.read_file(path)
    if not data.startswith(_MAGIC):
        raise RefusedError("file_content")
    try:
        snapshot = json.loads(zlib.decompress(data[len(_MAGIC):]))
    except (ValueError, zlib.error) as error:
        raise RefusedError("file_content") from error
    session.registry.restore(snapshot, session.root)
    session.say("ok")


def reset(session: Session, words: t.Sequence[str]) -> None:
    """The policy of a Windows that was just installed; what other programs added is gone."""
    session.begin_change()
    if not session.local:
        raise ViolationError("reset of a Group Policy object: never sent")
    if words:
        if words[0].lower() != "export" or len(words) != 2:
            raise RefusedError("arguments")
        export(session, words[1:])
        session.out.clear()
    session.registry.delete_key(LOCAL)
    fresh.write_policy(session.registry, session.release)
    session.say("ok")


def _path(words: t.Sequence[str]) -> str:
    if len(words) != 1:
        raise RefusedError("arguments")
    if not re.match(r"[A-Za-z]:\\", words[0]):
        raise ViolationError(f"{words[0]!r} is no absolute path: where it lies depends on who runs netsh")
    return words[0]


def set_store(session: Session, words: t.Sequence[str]) -> None:
    """Which store the following commands of this run work on. Alone in a process it changes nothing, which nobody can mean."""
    if len(words) != 1:
        raise RefusedError("arguments")
    if not session.in_file:
        raise ViolationError("set store is forgotten when netsh ends: it belongs into a file of commands")
    session.need_rights()
    if words[0].lower() == "local":
        session.root = LOCAL
    else:
        found = _STORE.fullmatch(words[0])
        if not found:
            raise RefusedError("value")
        session.root = f"{OBJECTS}\\{found[1].replace(chr(92), '/')}"
    session.say("ok")


def set_global(session: Session, words: t.Sequence[str]) -> None:
    """C(set global mainmode|ipsec|statefulftp|statefulpptp ...)."""
    if not words:
        raise RefusedError("arguments")
    session.begin_change()
    area = words[0].lower()
    if area == "mainmode":
        set_default(session, words[1:])
    elif area == "ipsec":
        _ipsec(session, words[1:])
    elif area in {"statefulftp", "statefulpptp"}:
        raise ViolationError(f"set global {area}: never sent")
    else:
        raise RefusedError("command", " ".join(words))
    session.say("ok")


def _ipsec(session: Session, words: t.Sequence[str]) -> None:
    if len(words) != 2:
        raise RefusedError("arguments")
    name, value = words[0].lower(), words[1]
    if name == "defaultexemptions":
        session.registry.set(session.root, "IPsecExempt", DWORD, _exemptions(session, value))
    elif name == "saidletimemin":
        session.registry.set(session.root, "SAIdleTime", DWORD, number(value, 5, 60) * 60)
    elif name == "strongcrlcheck":
        session.registry.set(session.root, "StrongCRLCheck", DWORD, number(value, 0, 2))
    elif name == "ipsecthroughnat":
        session.registry.set(session.root, "IPsecThroughNAT", DWORD, _NAT[choice(value, _NAT.keys())])
    else:
        raise RefusedError("command", " ".join(words))


def _exemptions(session: Session, value: str) -> int:
    words = value.lower().split(",")
    if len(set(words)) != len(words) or ("none" in words and len(words) > 1):
        raise RefusedError("value")
    if "dhcp" in words and not session.since("2008r2"):
        raise RefusedError("value")
    return sum(_EXEMPTIONS[choice(word, _EXEMPTIONS.keys())] for word in words)


__all__ = ("export", "import_", "reset", "set_global", "set_store")
