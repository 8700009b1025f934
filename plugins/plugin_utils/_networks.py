# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Networks as merged integer intervals, IPv4 and IPv6 apart; each distinct text is parsed once."""

from __future__ import annotations

import ipaddress
import typing as t
from functools import lru_cache

Interval = tuple[int, int]
"""An inclusive range of addresses as integers."""

WIDTH = {4: 32, 6: 128}


class NetworkError(ValueError):
    """A network text that is no network, or a wider one than is meant: says how to write it."""


@lru_cache(maxsize=65536)
def parse(text: str) -> tuple[int, int, int]:
    """Read an address, a prefix or a C(LOW-HIGH) range as (family 4 or 6, low, high); NetworkError says what is wrong."""
    if "%" in text:
        raise NetworkError(f"{text!r} has a zone, which only the host itself knows; write the address without it")
    if "-" in text:
        return _parse_range(text)
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise NetworkError(_why(text)) from None
    return network.version, int(network.network_address), int(network.broadcast_address)


def _parse_range(text: str) -> tuple[int, int, int]:
    low, _dash, high = text.partition("-")
    try:
        first, last = ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
    except ValueError:
        raise NetworkError(f"{text!r} is not a range of addresses; host names are not resolved, write it as 192.0.2.1-192.0.2.9") from None
    if first.version != last.version or int(first) > int(last):
        raise NetworkError(f"{text!r} is not a range: both ends must be of one family, the lower one first")
    return first.version, int(first), int(last)


def _why(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is not an address or network; host names are not resolved, write 192.0.2.1, 192.0.2.0/24 or 192.0.2.1-192.0.2.9"
    return f"{text!r} has host bits set; write {text.partition('/')[0]} for the host or {network} for the network"


@lru_cache(maxsize=65536)
def parse_host(text: str) -> tuple[int, int]:
    """Read one unicast address that a host can have as (family, number)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise NetworkError(f"{text!r} is not an IPv4 or IPv6 address; write it alone, without a name or prefix length") from None
    for flaw in ("is_unspecified", "is_loopback", "is_multicast", "is_link_local"):
        if getattr(address, flaw):
            raise NetworkError(f"{text!r} is {flaw[3:].replace('_', ' ')}: peers cannot reach the host there")
    if "%" in text or getattr(address, "ipv4_mapped", None) or int(address) in (0, (1 << 32) - 1):
        raise NetworkError(f"{text!r} is no address that packets of peers carry; write the plain IPv4 or IPv6 address")
    return address.version, int(address)


def merge(intervals: t.Iterable[Interval]) -> tuple[Interval, ...]:
    """Sort intervals and join those that overlap or touch."""
    merged: list[Interval] = []
    for low, high in sorted(intervals):
        if merged and low <= merged[-1][1] + 1:
            if high > merged[-1][1]:
                merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)


def texts(family: int, intervals: t.Iterable[Interval]) -> tuple[str, ...]:
    """Write disjoint intervals as addresses, prefixes where they are whole ones, else C(LOW-HIGH)."""
    return tuple(_text(family, low, high) for low, high in intervals)


@lru_cache(maxsize=65536)
def _text(family: int, low: int, high: int) -> str:
    make: t.Any = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    if low == high:
        return str(make(low))
    size = high - low + 1
    if size & (size - 1) == 0 and low % size == 0:
        return f"{make(low)}/{WIDTH[family] - size.bit_length() + 1}"
    return f"{make(low)}-{make(high)}"


def covers_family(family: int, intervals: t.Sequence[Interval]) -> bool:
    """Whether merged intervals are the whole address space: an C(any) in disguise."""
    return len(intervals) == 1 and intervals[0] == (0, (1 << WIDTH[family]) - 1)


def contains(intervals: t.Sequence[Interval], number: int) -> bool:
    return any(low <= number <= high for low, high in intervals)


__all__ = ("WIDTH", "Interval", "NetworkError", "contains", "covers_family", "merge", "parse", "parse_host", "texts")
