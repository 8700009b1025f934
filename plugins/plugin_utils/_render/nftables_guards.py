# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The rules that every host has around its flows: the text, and apart from it what the text must mean, in numbers.

What a host needs before any path, and why it is not left to the plan:

* Replies (``ct state established,related``), loopback, and the ICMP and ICMPv6 that IP does not work without, RFC 4890 4.4: errors with path
  MTU discovery, neighbour discovery (types 133 to 136, only with hop limit 255, so never from another link, RFC 4861 6.1), and multicast
  listener discovery from link-local addresses. Redirects (137) are left out. Both families always: the connection of Ansible may use the other one.
* Echo requests at a limited rate, RFC 4890 4.3.1 and RFC 1122 3.2.2.6; out of a host with restricted egress only where a path asks for them.
* DHCP of the host itself: without it a host loses its address hours later, long after the rollback timer. In: only DHCPv6 answers on the link,
  as they answer a multicast that connection tracking cannot relate; DHCPv4 clients read a raw socket or get a tracked answer.
  Out, where egress is restricted: client port to server port.
* The connection that Ansible came in on: the sets C(session_v4) and C(session_v6) are empty here, the module adds the one address and port.

Packets that connection tracking calls invalid are dropped without a log line, after sessions and management: where nf_conntrack_tcp_loose
is 0, packets of connections older than the table are invalid, and these two must survive. Neighbour discovery is untracked, never invalid.
In the state C(monitored) nothing is dropped: the same rules count and log.
"""

from __future__ import annotations

import typing as t
from functools import lru_cache

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_table import Rule, Value

POLICY = {"enforced": "drop", "monitored": "accept"}
"""What happens to a packet that no rule decides about, by state."""

ESSENTIAL = {
    "in": (
        "ct state established,related accept",
        'iif "lo" accept',
        'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept comment "icmp errors"',
        'icmp type echo-request limit rate 10/second burst 20 packets accept comment "echo"',
        'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept comment "icmp errors"',
        'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept comment "neighbour discovery"',
        'ip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report, mld-listener-done, mld2-listener-report } accept comment "multicast"',
        'icmpv6 type echo-request limit rate 10/second burst 20 packets accept comment "echo"',
        'ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp sport 547 udp dport 546 counter accept comment "dhcp"',
        'ip saddr . tcp dport @session_v4 counter accept comment "session"',
        'ip6 saddr . tcp dport @session_v6 counter accept comment "session"',
    ),
    "out": (
        "ct state established,related accept",
        'oif "lo" accept',
        'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept comment "icmp errors"',
        'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept comment "icmp errors"',
        'icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept comment "neighbour discovery"',
        # The source is still :: while an address is being made, RFC 3590.
        'icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } ip6 hoplimit 1 accept comment "multicast"',
        'udp sport 68 udp dport 67 counter accept comment "dhcp"',
        'ip6 saddr fe80::/10 udp sport 546 udp dport 547 counter accept comment "dhcp"',
        'ip daddr . tcp sport @session_v4 counter accept comment "session"',
        'ip6 daddr . tcp sport @session_v6 counter accept comment "session"',
    ),
}


def last_texts(direction: str, state: str) -> tuple[str, str, str]:
    """The rules after management (the first) and after all flows (the others)."""
    verdict, would, last = ("drop", "", "dropped") if state == "enforced" else ("accept", "would ", "would drop")
    return (
        f'ct state invalid counter {verdict} comment "invalid"',
        f'limit rate 10/second burst 20 packets log prefix "datapath {direction} {would}drop " level info',
        f'counter {verdict} comment "datapath {last}"',
    )


_Numbers = int | tuple[int, int] | str
_LINK = ((0xFE80 << 112), (0xFE80 << 112) + (1 << 118) - 1)
LIMIT = "10/second burst 20"


def guard(comment: str, matches: t.Mapping[str, _Numbers | list[_Numbers]], verdict: str = "accept", limit: str = "", log: str = "") -> Rule:
    """A rule from the numbers that it must mean."""
    return Rule(tuple(sorted((selector, _value(value)) for selector, value in matches.items())), limit, log, verdict, comment)


def _value(value: _Numbers | list[_Numbers]) -> Value:
    if isinstance(value, str):
        return value
    single = value if isinstance(value, list) else [value]
    return tuple(t.cast("tuple[int, int]", each if isinstance(each, tuple) else (each, each)) for each in single)


_REPLIES = guard("", {"ct state": [2, 4]})
_ERRORS = (guard("icmp errors", {"icmp type": [3, (11, 12)]}), guard("icmp errors", {"icmpv6 type": (1, 4)}))
_NEIGHBOURS = guard("neighbour discovery", {"icmpv6 type": (133, 136), "ip6 hoplimit": 255})

GUARDS: t.Mapping[str, tuple[Rule, ...]] = {
    "in": (
        _REPLIES,
        guard("", {"iif": "lo"}),
        _ERRORS[0],
        guard("echo", {"icmp type": 8}, limit=LIMIT),
        _ERRORS[1],
        _NEIGHBOURS,
        guard("multicast", {"ip6 saddr": _LINK, "icmpv6 type": [(130, 132), 143]}),
        guard("echo", {"icmpv6 type": 128}, limit=LIMIT),
        guard("dhcp", {"ip6 saddr": _LINK, "ip6 daddr": _LINK, "udp sport": 547, "udp dport": 546}),
        guard("session", {"ip saddr . tcp dport": "@session_v4"}),
        guard("session", {"ip6 saddr . tcp dport": "@session_v6"}),
    ),
    "out": (
        _REPLIES,
        guard("", {"oif": "lo"}),
        *_ERRORS,
        _NEIGHBOURS,
        guard("multicast", {"icmpv6 type": [(131, 132), 143], "ip6 hoplimit": 1}),
        guard("dhcp", {"udp sport": 68, "udp dport": 67}),
        guard("dhcp", {"ip6 saddr": _LINK, "udp sport": 546, "udp dport": 547}),
        guard("session", {"ip daddr . tcp sport": "@session_v4"}),
        guard("session", {"ip6 daddr . tcp sport": "@session_v6"}),
    ),
}
"""What ESSENTIAL must mean, in its order. Numbers: IANA registries of ICMP and ICMPv6 types; 2 and 4 are established and related in nf_tables."""


@lru_cache(maxsize=8)
def last_guards(direction: str, state: str) -> tuple[Rule, Rule, Rule]:
    """What C(last_texts) must mean."""
    if state == "enforced":
        return (
            guard("invalid", {"ct state": 1}, "drop"), guard("", {}, "", LIMIT, f"datapath {direction} drop "), guard("datapath dropped", {}, "drop"),
        )
    return (
        guard("invalid", {"ct state": 1}), guard("", {}, "", LIMIT, f"datapath {direction} would drop "), guard("datapath would drop", {}),
    )


__all__ = ("ESSENTIAL", "GUARDS", "LIMIT", "POLICY", "guard", "last_guards", "last_texts")
