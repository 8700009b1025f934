# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netsh interface ipv4|ipv6 show|set dynamicport tcp|udp): four ranges that know nothing of each other.

https://learn.microsoft.com/troubleshoot/windows-server/networking/default-dynamic-port-range-tcpip-chang (KB929851)
"""

from __future__ import annotations

import typing as t

from windows_double.fresh import DEFAULT_RANGE
from windows_double.netsh_words import RefusedError, Session, choice, tags

_FIRST = 1025
_FEWEST = 255
_LAST = 65535


def run(session: Session, words: t.Sequence[str]) -> None:
    """One command after C(interface)."""
    if len(words) < 4 or not session.since("2008"):
        raise RefusedError("command", " ".join(words[:3]))
    family, verb, what, protocol = (word.lower() for word in words[:4])
    if family not in {"ipv4", "ipv6"} or verb not in {"show", "set"} or what != "dynamicport":
        raise RefusedError("command", " ".join(words[:3]))
    choice(protocol, ("tcp", "udp"))
    if verb == "set":
        _set(session, f"{family} {protocol}", words[4:])
    else:
        _show(session, family, protocol, words[4:])


def dynamic_range(settings: t.Mapping[str, t.Any], name: str) -> tuple[int, int]:
    """(first port, number of ports) of a range: C(ipv4 tcp)."""
    start, count = settings.get("dynamicport", {}).get(name, DEFAULT_RANGE)
    return start, count


def _show(session: Session, family: str, protocol: str, rest: t.Sequence[str]) -> None:
    if rest:
        raise RefusedError("arguments")
    start, count = dynamic_range(session.machine.settings, f"{family} {protocol}")
    title = session.text("dynamic_title", protocol)
    lines = ("", title, "-" * 33, f"{session.text('dynamic_start')} {start}", f"{session.text('dynamic_number')} {count}", "", "")
    session.out.append("\r\n".join(lines))


def _set(session: Session, name: str, rest: t.Sequence[str]) -> None:
    if not session.machine.elevated:
        raise RefusedError("elevation")
    given = tags(rest, ("start", "num"))
    if given.keys() != {"start", "num"}:
        raise RefusedError("arguments")
    if not all(value.isascii() and value.isdigit() for value in given.values()):
        raise RefusedError("dynamic_bad")
    start, count = int(given["start"]), int(given["num"])
    if start < _FIRST or count < _FEWEST or start + count - 1 > _LAST:
        raise RefusedError("dynamic_bad")
    if session.machine.faults.count_down("netsh_fail"):
        raise RefusedError("failed")
    session.machine.set_setting("dynamicport", {**session.machine.settings.get("dynamicport", {}), name: [start, count]})
    session.say("ok")


__all__ = ("dynamic_range", "run")
