# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What rules let through, as boxes of protocols x ports x addresses: whatever a rule is called, boxes can be taken from one another.

ICMP types and codes stand where other protocols have ports, as type * 256 + code. Keywords whose numbers only the host knows (C(RPC), C(LocalSubnet)...) get
numbers behind the last real one: C(any) holds them, a list of numbers never does.
"""

from __future__ import annotations

import bisect
import itertools
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import subtract as _minus
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.conditions import ADDRESS_KEYWORDS, PORT_KEYWORDS
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Intervals, Match, Ports, Scope

ICMP = {4: 1, 6: 58}
TCP, UDP = 6, 17
LAST_PORT = 65535

_KNOWN_PORTS = {"RPC-EPMap": 135, "IPHTTPSIn": 443, "IPTLSIn": 443, "IPHTTPSOut": 443, "IPTLSOut": 443, "mDNS": 5353}
"""Keywords that stand for one port wherever they are (MS-FASP 2.2.14)."""
_PORT_NUMBERS = {word: _KNOWN_PORTS.get(word, LAST_PORT + 1 + index) for index, word in enumerate(sorted(PORT_KEYWORDS))}
_PORT_WORDS = {number: word for word, number in _PORT_NUMBERS.items() if number > LAST_PORT}
_ADDRESS_WORDS = sorted(ADDRESS_KEYWORDS)

EVERY_PROTOCOL: Intervals = ((0, 255),)
EVERY_PORT: Intervals = ((0, LAST_PORT + len(PORT_KEYWORDS)),)


def last_address(family: int) -> int:
    return (1 << _networks.WIDTH[family]) - 1


def every_address(family: int) -> Intervals:
    return ((0, last_address(family) + len(_ADDRESS_WORDS)),)


@dataclass(frozen=True)
class Box:
    """Packets of one family whose protocol, port (of the responder) and peer are all in the given intervals."""

    family: int
    protocols: Intervals
    ports: Intervals
    addresses: Intervals


def boxes_of(match: Match) -> tuple[Box, ...]:
    """The packets that a rule is about; where it is narrowed by more than protocol, port and peer, at most these."""
    inbound = match.direction == "in"
    scope = match.remote
    side = match.local_ports if inbound else match.remote_ports
    found = (_box(family, match, side, scope) for family in (4, 6))
    return tuple(box for box in found if box.protocols and box.ports and box.addresses)


def _box(family: int, match: Match, side: Ports, scope: Scope) -> Box:
    return Box(family, _protocols(family, match.protocol), _ports(match, side), _addresses(family, scope))


def _protocols(family: int, number: int | None) -> Intervals:
    """ICMP belongs to one family each."""
    if number is None:
        return EVERY_PROTOCOL
    return () if number == ICMP[10 - family] else ((number, number),)


def _ports(match: Match, side: Ports) -> Intervals:
    if match.protocol in ICMP.values():
        return _networks.merge(map(_icmp, match.icmp)) if match.icmp else EVERY_PORT
    # The numbers behind a keyword are ports too: whoever has all ports has them.
    if side.everything or side.numbers in (((0, LAST_PORT),), ((1, LAST_PORT),)):
        return EVERY_PORT
    return _networks.merge((*side.numbers, *((_PORT_NUMBERS[word], _PORT_NUMBERS[word]) for word in side.keywords)))


def _icmp(text: str) -> tuple[int, int]:
    kind, _colon, code = text.partition(":")
    low = int(kind) * 256
    return (low, low + 255) if code == "*" else (low + int(code), low + int(code))


def _addresses(family: int, scope: Scope) -> Intervals:
    numbers = scope.v4 if family == 4 else scope.v6
    if scope.everything or _networks.covers_family(family, numbers):
        return every_address(family)
    first = last_address(family) + 1
    words = (first + _ADDRESS_WORDS.index(word) for word in scope.keywords)
    return _networks.merge((*numbers, *((number, number) for number in words)))


def common(one: Intervals, other: Intervals) -> Intervals:
    """The numbers that are in both."""
    return _minus(one, _minus(one, other))


def overlap(one: Box, other: Box) -> Box | None:
    """The packets that are in both boxes, None when there are none."""
    if one.family != other.family:
        return None
    protocols, ports = common(one.protocols, other.protocols), common(one.ports, other.ports)
    addresses = common(one.addresses, other.addresses) if protocols and ports else ()
    return Box(one.family, protocols, ports, addresses) if addresses else None


class _Strip(t.NamedTuple):
    """Ports from low to high, and all addresses that any box of an area has for them."""

    low: int
    high: int
    addresses: Intervals


class Area:
    """The packets of many boxes together, ready to be taken away from others: cut at every border of protocols and ports, so that each piece is asked once."""

    def __init__(self, boxes: t.Iterable[Box]) -> None:
        self._boxes = tuple(boxes)
        self._protocols = {family: tuple(self._by_protocol(family)) for family in (4, 6)}

    def _by_protocol(self, family: int) -> t.Iterator[tuple[tuple[int, int], tuple[_Strip, ...]]]:
        boxes = [box for box in self._boxes if box.family == family]
        for low, high in _pieces(box.protocols for box in boxes):
            inside = [box for box in boxes if _networks.contains(box.protocols, low)]
            if inside:
                yield (low, high), tuple(_strips(inside))

    def taken_from(self, boxes: t.Iterable[Box]) -> tuple[Box, ...]:
        """The packets of the boxes that are not in this area, as disjoint boxes where they were disjoint."""
        return tuple(piece for box in boxes for piece in self._rest(box))

    def _rest(self, box: Box) -> t.Iterator[Box]:
        untouched = _minus(box.protocols, _networks.merge(span for span, _strips_ in self._protocols[box.family]))
        if untouched:
            yield replace(box, protocols=untouched)
        for span, strips in self._protocols[box.family]:
            protocols = common(box.protocols, (span,))
            if protocols:
                yield from (replace(box, protocols=protocols, ports=ports, addresses=addresses) for ports, addresses in _left(box, strips))


def _pieces(sides: t.Iterable[Intervals]) -> t.Iterator[tuple[int, int]]:
    """The runs between all borders of intervals."""
    edges = sorted({edge for side in sides for low, high in side for edge in (low, high + 1)})
    return ((low, after - 1) for low, after in itertools.pairwise(edges))


def _strips(boxes: t.Sequence[Box]) -> t.Iterator[_Strip]:
    pieces = list(_pieces(box.ports for box in boxes))
    starts = [low for low, _high in pieces]
    members: list[list[Intervals]] = [[] for _piece in pieces]
    for box in boxes:
        for low, high in box.ports:
            for index in range(bisect.bisect_left(starts, low), bisect.bisect_right(starts, high)):
                members[index].append(box.addresses)
    for (low, high), sides in zip(pieces, members, strict=True):
        if sides:
            yield _Strip(low, high, sides[0] if len(sides) == 1 else _networks.merge(run for side in sides for run in side))


def _left(box: Box, strips: t.Sequence[_Strip]) -> t.Iterator[tuple[Intervals, Intervals]]:
    """What is left of the ports and addresses of a box, ports with the same addresses together."""
    untouched = _minus(box.ports, _networks.merge((strip.low, strip.high) for strip in strips))
    if untouched:
        yield untouched, box.addresses
    left: dict[Intervals, list[tuple[int, int]]] = {}
    for strip in strips:
        ports = common(box.ports, ((strip.low, strip.high),))
        addresses = _minus(box.addresses, strip.addresses) if ports else ()
        if addresses:
            left.setdefault(addresses, []).extend(ports)
    yield from ((_networks.merge(ports), addresses) for addresses, ports in left.items())


def joined(boxes: t.Iterable[Box]) -> tuple[Box, ...]:
    """The same packets in fewer boxes: those that differ in one side only become one."""
    by_peers: dict[t.Hashable, list[Box]] = {}
    for box in boxes:
        by_peers.setdefault((box.family, box.protocols, box.addresses), []).append(box)
    by_ports: dict[t.Hashable, list[Box]] = {}
    for group in by_peers.values():
        box = replace(group[0], ports=_networks.merge(run for each in group for run in each.ports))
        by_ports.setdefault((box.family, box.protocols, box.ports), []).append(box)
    return tuple(replace(group[0], addresses=_networks.merge(run for each in group for run in each.addresses)) for group in by_ports.values())


def port_words(ports: Intervals) -> tuple[Intervals, tuple[str, ...]]:
    """Ports as numbers, and the keywords among them, where they do not stand for what is left of any port."""
    beyond = _beyond(ports, LAST_PORT)
    words = tuple(word for number, word in sorted(_PORT_WORDS.items()) if _networks.contains(beyond, number))
    return _shown(_numbers(ports, LAST_PORT), words, len(_PORT_WORDS))


def address_words(family: int, addresses: Intervals) -> tuple[Intervals, tuple[str, ...]]:
    """Addresses as numbers, and the keywords among them, where they do not stand for what is left of any address."""
    last = last_address(family)
    beyond = _beyond(addresses, last)
    words = tuple(word for index, word in enumerate(_ADDRESS_WORDS) if _networks.contains(beyond, last + 1 + index))
    return _shown(_numbers(addresses, last), words, len(_ADDRESS_WORDS))


def _shown(numbers: Intervals, words: tuple[str, ...], every: int) -> tuple[Intervals, tuple[str, ...]]:
    return numbers, (() if numbers and len(words) == every else words)


def missing_ports(ports: Intervals) -> Intervals | None:
    """The ports that are left out of any port; None where the ports are not what is left of it."""
    return _missing(ports, EVERY_PORT, LAST_PORT)


def missing_addresses(family: int, addresses: Intervals) -> Intervals | None:
    """The same for addresses."""
    return _missing(addresses, every_address(family), last_address(family))


def _missing(intervals: Intervals, every: Intervals, last: int) -> Intervals | None:
    gone = _minus(every, intervals)
    return None if _numbers(gone, last) != gone or not _numbers(intervals, last) else gone


def _beyond(intervals: Intervals, last: int) -> Intervals:
    return tuple(run for run in intervals if run[1] > last)


def _numbers(intervals: Intervals, last: int) -> Intervals:
    return tuple((low, min(high, last)) for low, high in intervals if low <= last)


__all__ = (
    "EVERY_PORT",
    "EVERY_PROTOCOL",
    "ICMP",
    "LAST_PORT",
    "TCP",
    "UDP",
    "Area",
    "Box",
    "address_words",
    "boxes_of",
    "common",
    "every_address",
    "joined",
    "last_address",
    "missing_addresses",
    "missing_ports",
    "overlap",
    "port_words",
)
