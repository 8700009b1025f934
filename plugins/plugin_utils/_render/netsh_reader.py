# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A strict reader of the lines that are written for netsh: what one line would make, as values.

It shares no code with the renderers that write the lines, knows nothing of plans, and takes what it does not know for an error. The language:
https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-advfirewall and, for the one of Windows Server 2003,
https://learn.microsoft.com/troubleshoot/windows-server/networking/netsh-advfirewall-firewall-control-firewall-behavior
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import (
    ANY_ADDRESS,
    ANY_PORT,
    PROFILES,
    Intervals,
    Match,
    Ports,
    Scope,
    WindowsError,
)

LINE_BYTES = 8191
"""What cmd passes on: https://learn.microsoft.com/troubleshoot/windows-client/shell-experience/command-line-string-limitation"""
LIST_ENTRIES = 1000
"""Members of a list of addresses or ports: MS-FASP 2.2.4 to 2.2.15."""

_PREFIX = "advfirewall firewall add rule "
_LEGACY = "firewall add portopening "
_WORD = re.compile(r'([a-z0-9]+)=("[^"]*"|[^\s"]+)(?: |\Z)')
_SAFE = re.compile(r'[A-Za-z0-9 .,:;=/+_"-]*\Z')
_NUMBER = re.compile(r"(?:0|[1-9][0-9]{0,4})\Z")
_ICMP = re.compile(r"icmpv([46]):([0-9]{1,3}),any\Z")
_PROTOCOLS = {"any": None, "tcp": 6, "udp": 17}
_SECURITY = ("authenticate", "authenc")


class ReadRule(t.NamedTuple):
    """One C(add rule) line: the name and description that it gives, and what the rule does."""

    name: str
    description: str
    match: Match


class ReadPort(t.NamedTuple):
    """One C(add portopening) line of Windows Server 2003."""

    name: str
    protocol: str
    port: int
    remote: Scope
    profile: str


def read_firewall(line: str) -> ReadRule:
    """Read one line, without C(netsh) in front; WindowsError names the word that is not the language of our own lines."""
    words = _words(line, _PREFIX)
    if not {"name", "description", "dir", "action", "profile", "protocol"} <= set(words):
        raise WindowsError(f"{line[:200]!r}: a word of each of our rules is missing")
    name, description = words.pop("name"), words.pop("description")
    direction, action = words.pop("dir"), words.pop("action")
    if direction not in ("in", "out") or action != "allow":
        raise WindowsError(f"dir={direction} action={action}: rules of ours allow, in or out")
    protocol, icmp = _protocol(words.pop("protocol"))
    match = Match(
        direction, action, protocol, icmp=icmp, profiles=_profiles(words.pop("profile")), security=_security(words.pop("security", "none")),
        local_ports=_ports(words.pop("localport", "any"), protocol, keywords=direction == "in"),
        remote_ports=_ports(words.pop("remoteport", "any"), protocol, keywords=False),
        remote=_scope(words.pop("remoteip", "any")),
    )
    if words:
        raise WindowsError(f"{'='.join(next(iter(words.items())))!r} is not a word of our rules")
    return ReadRule(name, description, match)


def read_portopening(line: str) -> ReadPort:
    """Read one line for Windows Server 2003, without C(netsh) in front; WindowsError as C(read_firewall)."""
    words = _words(line, _LEGACY)
    wanted = {"protocol", "port", "name", "mode", "scope", "profile"} | ({"addresses"} if words.get("scope") == "CUSTOM" else set())
    if set(words) != wanted or words["mode"] != "ENABLE" or words["protocol"] not in ("TCP", "UDP") or words["scope"] not in ("ALL", "CUSTOM"):
        raise WindowsError(f"{line[:200]!r} is not a port opening of ours")
    remote = ANY_ADDRESS if words["scope"] == "ALL" else _scope(words["addresses"])
    if remote.v6 or bool(remote.v4) != (words["scope"] == "CUSTOM"):
        raise WindowsError(f"{line[:200]!r}: scopes hold IPv4 networks only")
    return ReadPort(words["name"], words["protocol"].lower(), _number(words["port"], 65535), remote, words["profile"])


def _words(line: str, prefix: str) -> dict[str, str]:
    """The words of a line by tag, unquoted: each tag once, nothing between them but one blank."""
    if not line.startswith(prefix) or len(line) > LINE_BYTES:
        raise WindowsError(f"{line[:200]!r} is no line of ours, or longer than {LINE_BYTES} characters")
    if not _SAFE.match(line):
        raise WindowsError(f"{line[:200]!r} holds a character that cmd or netsh could take for something else")
    words: dict[str, str] = {}
    position = len(prefix)
    while position < len(line):
        found = _WORD.match(line, position)
        if not found or found[1] in words:
            raise WindowsError(f"{line[position:position + 80]!r} is not a word of netsh, or stands twice")
        words[found[1]] = found[2].strip('"')
        position = found.end()
    if line.endswith(" "):
        raise WindowsError(f"{line[-80:]!r} ends with a blank")
    return words


def _protocol(text: str) -> tuple[int | None, tuple[str, ...]]:
    found = _ICMP.match(text)
    if found:
        return {"4": 1, "6": 58}[found[1]], (f"{_number(found[2], 255)}:*",)
    return (_PROTOCOLS[text] if text in _PROTOCOLS else _number(text, 255)), ()


def _profiles(text: str) -> tuple[str, ...]:
    named = PROFILES if text == "any" else tuple(text.split(","))
    if not set(named) <= set(PROFILES) or len(set(named)) != len(named):
        raise WindowsError(f"profile={text}: expected any or some of {', '.join(PROFILES)}")
    return tuple(profile for profile in PROFILES if profile in named)


def _security(text: str) -> str:
    if text not in ("none", *_SECURITY):
        raise WindowsError(f"security={text}: expected one of {', '.join(_SECURITY)}")
    return text


def _ports(text: str, protocol: int | None, *, keywords: bool) -> Ports:
    if text == "any":
        return ANY_PORT
    if protocol not in (6, 17):
        raise WindowsError(f"ports {text[:80]}: only TCP and UDP have any")
    entries = text.split(",")
    named = frozenset(entry for entry in entries if entry == "RPC")
    if named and not (keywords and protocol == 6):
        raise WindowsError("RPC: only for TCP that comes in (MS-FASP 2.2.37)")
    return Ports(numbers=_limited([_range(entry) for entry in entries if entry not in named], len(entries)), keywords=named)


def _range(text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    first = _number(low, 65535)
    last = _number(high, 65535) if dash else first
    if not 0 < first <= last:
        raise WindowsError(f"port {text}: begins with 0, or its ends are reversed")
    return first, last


def _number(text: str, most: int) -> int:
    if not _NUMBER.match(text) or int(text) > most:
        raise WindowsError(f"{text!r} is not a number up to {most}")
    return int(text)


def _scope(text: str) -> Scope:
    if text == "any":
        return ANY_ADDRESS
    entries = text.split(",")
    v4 = [_network(entry, ipaddress.IPv4Network, ipaddress.IPv4Address) for entry in entries if ":" not in entry]
    v6 = [_network(entry, ipaddress.IPv6Network, ipaddress.IPv6Address) for entry in entries if ":" in entry]
    return Scope(v4=_limited(v4, len(entries)), v6=_limited(v6, len(entries)))


def _network(text: str, network: t.Any, address: t.Any) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    try:
        if not dash:
            whole = network(text)
            first, last = int(whole.network_address), int(whole.broadcast_address)
        else:
            first, last = int(address(low)), int(address(high))
    except ValueError:
        raise WindowsError(f"{text!r} is not an address, network or range") from None
    if first > last or text.endswith("/0"):
        raise WindowsError(f"{text!r}: its ends are reversed, or its mask has no bits (MS-FASP 2.2.4)")
    return first, last


def _limited(ranges: list[tuple[int, int]], entries: int) -> Intervals:
    """Sorted and merged; an error for lists that Windows would not take, or that say something twice."""
    if entries > LIST_ENTRIES:
        raise WindowsError(f"a list of {entries} members, where {LIST_ENTRIES} is the most")
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1]:
            raise WindowsError(f"members of a list overlap: {low}-{high} and {merged[-1][0]}-{merged[-1][1]}")
        if merged and low == merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], high)
        else:
            merged.append((low, high))
    return tuple(merged)


__all__ = ("LINE_BYTES", "LIST_ENTRIES", "ReadPort", "ReadRule", "read_firewall", "read_portopening")
