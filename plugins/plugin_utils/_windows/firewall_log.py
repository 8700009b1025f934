# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What the log of the Windows Firewall says about a plan: which paths are in use, and what passes or is dropped beside them.

The log is text in the extended format of the W3C, in English on every release, a line per dropped packet and per allowed connection.
https://learn.microsoft.com/windows/security/operating-system-security/network-security/windows-firewall/configure-logging
"""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_firewall import NetshRule
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import boxes as _boxes
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Profile, WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import Script, program

DEFAULT_FILE = "%SystemRoot%\\System32\\LogFiles\\Firewall\\pfirewall.log"
MOST = 50
"""Kinds of traffic beside the plan that are named, the most frequent first."""

_FILE = re.compile(r"(?:%(?:systemroot|windir)%|[A-Za-z]:)((?:\\[A-Za-z0-9 ._()-]+)+)\Z", re.IGNORECASE)
_PROTOCOLS = {"TCP": 6, "UDP": 17, "ICMP": 1, "ICMPV6": 58}
_FIELDS = ("date", "time", "action", "protocol", "src-ip", "dst-ip", "src-port", "dst-port", "size", "tcpflags", "tcpsyn", "tcpack", "tcpwin", "icmptype",
           "icmpcode", "info", "path")
"""The fields where the log does not name them."""


@dataclass(frozen=True)
class Entry:
    """One line of the log. direction: C(in) or C(out). port: of the responder, or ICMP type * 256 + code. family, peer: the other end's address."""

    allowed: bool
    direction: str
    protocol: int
    port: int
    family: int
    peer: int
    size: int


def read_script(profiles: t.Iterable[Profile | None]) -> Script:
    """A script that prints every log once. WindowsError for the name of a file that cannot be sent."""
    text = Script()
    text.label("main")
    for number, file in enumerate(dict.fromkeys(log_file(profile) for profile in profiles)):
        text.section(f"log_{number}", program("findstr", f'/l /c:"#Fields:" /c:" DROP " /c:" ALLOW " "{file}"'))
    text.done()
    return text


def log_file(profile: Profile | None) -> str:
    """The log of a profile as a script names it."""
    given = (profile.log_file if profile else None) or DEFAULT_FILE
    found = _FILE.match(given)
    if not found or ".." in given:
        raise WindowsError(f"the firewall of this host logs to {given!r}, which cannot be read: choose a file with a plain name in a folder of the host")
    return f"%SystemRoot%{found[1]}" if given.startswith("%") else given


def parse(lines: t.Iterable[str]) -> tuple[Entry, ...]:
    """Read a log; lines that are no entry of a packet (C(INFO-EVENTS-LOST), broken ones) are left out."""
    fields: t.Sequence[str] = _FIELDS
    entries = []
    for line in lines:
        if line.startswith("#"):
            fields = line.partition(":")[2].split() if line.lower().startswith("#fields:") else fields
            continue
        try:
            entries.append(_entry(dict(zip(fields, line.split(), strict=False))))
        except (KeyError, ValueError):
            continue
    return tuple(entries)


def _entry(words: t.Mapping[str, str]) -> Entry:
    inbound = {"RECEIVE": True, "SEND": False}[words["path"]]
    protocol = _protocol(words["protocol"])
    family, peer = _networks.parse(words["src-ip" if inbound else "dst-ip"])[:2]
    port = int(words["icmptype"]) * 256 + int(words["icmpcode"]) if protocol in _boxes.ICMP.values() else _number(words["dst-port"])
    return Entry({"ALLOW": True, "DROP": False}[words["action"]], "in" if inbound else "out", protocol, port, family, peer, _number(words["size"]))


def _protocol(text: str) -> int:
    return _PROTOCOLS[text.upper()] if text.upper() in _PROTOCOLS else int(text)


def _number(text: str) -> int:
    return 0 if text == "-" else int(text)


def report(entries: t.Iterable[Entry], rules: t.Sequence[NetshRule], *, outbound: bool) -> dict[str, t.Any]:
    """Counters as M(datapath.exchange.firewall_info) returns them. outbound: whether the plan restricts what goes out.

    counters: by path id; dropped: what no rule of the plan allows; beside: the same by kind, at most MOST; lost: what the plan allows and was dropped.
    """
    known = _Known(rules)
    counted = {path: [0, 0] for rule in rules for path in rule.paths}
    dropped, lost = [0, 0], [0, 0]
    kinds: Counter[tuple[t.Any, ...]] = Counter()
    for entry in entries:
        paths = known.paths(entry)
        if not paths and (outbound or entry.direction == "in"):
            _count(dropped, entry)
            kinds[(entry.direction, entry.protocol, entry.port, entry.family, entry.peer, entry.allowed)] += 1
        elif paths and not entry.allowed:
            _count(lost, entry)
        for path in paths:
            _count(counted[path], entry)
    beside = [_kind(kind, number) for kind, number in kinds.most_common(MOST)]
    return {"counters": {path: _plain(each) for path, each in counted.items()}, "dropped": _plain(dropped), "lost": _plain(lost), "beside": beside}


class _Known:
    """The rules of a plan, asked for packets."""

    def __init__(self, rules: t.Sequence[NetshRule]) -> None:
        self._rules = [(rule.match.direction, box, rule.paths) for rule in rules for box in _boxes.boxes_of(rule.match)]
        self._answers: dict[tuple[t.Any, ...], tuple[str, ...]] = {}

    def paths(self, entry: Entry) -> tuple[str, ...]:
        key = (entry.direction, entry.protocol, entry.port, entry.family, entry.peer)
        if key not in self._answers:
            self._answers[key] = tuple(dict.fromkeys(path for direction, box, paths in self._rules if direction == entry.direction and _in(entry, box)
                                                     for path in paths))
        return self._answers[key]


def _in(entry: Entry, box: _boxes.Box) -> bool:
    sides = ((box.protocols, entry.protocol), (box.ports, entry.port), (box.addresses, entry.peer))
    return entry.family == box.family and all(_networks.contains(side, number) for side, number in sides)


def _count(counter: list[int], entry: Entry) -> None:
    counter[0] += 1
    counter[1] += entry.size


def _plain(counter: t.Sequence[int]) -> dict[str, int]:
    return {"packets": counter[0], "bytes": counter[1]}


def _kind(kind: tuple[t.Any, ...], number: int) -> dict[str, t.Any]:
    direction, protocol, port, family, peer, allowed = kind
    name = {6: "tcp", 17: "udp", 1: "icmp", 58: "icmpv6"}.get(protocol, str(protocol))
    shown = f"{port // 256}:{port % 256}" if protocol in _boxes.ICMP.values() else str(port)
    return {
        "direction": direction, "protocol": name, "port": shown, "peer": _networks.texts(family, ((peer, peer),))[0], "packets": number,
        "action": "allowed" if allowed else "dropped",
    }


__all__ = ("DEFAULT_FILE", "MOST", "Entry", "log_file", "parse", "read_script", "report")
