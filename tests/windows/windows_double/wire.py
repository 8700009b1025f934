# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Windows with this registry would filter, as an nftables table, so that a Linux host of the lab filters like it.

A rule that is bound to a program admits its ports for everybody, since the double has no programs; without named ports it admits nothing here. Connection
security rules are left out: they negotiate, they do not filter; firewall rules with C(security=) ask for protected packets.
"""

from __future__ import annotations

import ipaddress
import re
import subprocess
import time
import typing as t

from windows_double import store
from windows_double.registry import Registry

if t.TYPE_CHECKING:
    from windows_double.machine import Machine

TABLE = "windows_double"
_PROTOCOLS = {6: "tcp", 17: "udp"}
_ICMP = {1: "icmp", 58: "icmpv6"}
_FAMILIES = {4: "ip", 6: "ip6"}


def nft(registry: Registry, release: str = "", *, profile: str = "domain", where: store.Where | None = None, is_running: bool = True) -> str:
    """Commands for C(nft -f) that replace the table C(inet windows_double). release: whose registry it is; all releases filter alike."""
    del release
    where = where or store.Where(rpc=store.rpc_ports(registry))
    settings = store.settings(registry, profile)
    filtering = is_running and store.running(registry) and settings.enabled
    rules = store.rules(registry, profile, where) if filtering else []
    chains = (
        _chain("input", [] if settings.shielded else rules, block=filtering and (settings.block_in or settings.shielded)),
        _chain("output", rules, block=filtering and settings.block_out),
    )
    head = f"table inet {TABLE}\ndelete table inet {TABLE}\n"
    return head + f"table inet {TABLE} {{\n" + "\n".join(chains) + "}\n"


def follow(machine: Machine, interval: float = 0.1) -> t.NoReturn:
    """Make the network namespace that this runs in filter like the machine, now and whenever its registry or its firewall service changes."""
    loaded = ""
    while True:
        text = nft(machine.registry, machine.release, is_running=machine.service_running("MpsSvc"))
        if text != loaded:
            subprocess.run(["nft", "-f", "-"], input=text, text=True, check=True)
            loaded = text
        time.sleep(interval)


def _chain(hook: str, rules: t.Sequence[store.StoreRule], *, block: bool) -> str:
    inbound = hook == "input"
    lines = [
        f"type filter hook {hook} priority filter; policy {'drop' if block else 'accept'};",
        f"{'iif' if inbound else 'oif'} lo accept",
        "ct state established,related accept",
    ]
    if inbound:
        lines += ["meta l4proto { esp, ah } accept", "udp dport { 500, 4500 } accept"]
    mine = [rule for rule in rules if rule.inbound == inbound and store.names_ports(rule)]
    for action in ("bypass", "block", "allow"):
        for rule in mine:
            if rule.action == action:
                lines.extend(_lines(rule))
    return f"\tchain {hook} {{\n" + "".join(f"\t\t{line}\n" for line in lines) + "\t}\n"


def _lines(rule: store.StoreRule) -> t.Iterator[str]:
    verdict = "drop" if rule.action == "block" else "accept"
    comment = re.sub(r"[^A-Za-z0-9{}._ -]", "_", rule.id)[:100]
    for scope in _scopes(rule):
        for traffic in _traffic(rule):
            words = (scope, traffic, _protection(rule), verdict, f'comment "{comment}"')
            yield " ".join(word for word in words if word)


def _protection(rule: store.StoreRule) -> str:
    if not rule.protection and rule.action != "bypass":
        return ""
    return "meta ipsec exists" if rule.inbound else "rt ipsec exists"


def _scopes(rule: store.StoreRule) -> t.Iterator[str]:
    """Conditions on addresses, one a family; a family that a side does not name is not admitted."""
    if rule.local is None and rule.remote is None:
        yield ""
        return
    ours, theirs = ("daddr", "saddr") if rule.inbound else ("saddr", "daddr")
    for version, family in _FAMILIES.items():
        parts = []
        for word, addresses in ((theirs, rule.remote), (ours, rule.local)):
            if addresses is None:
                continue
            intervals = addresses.v4 if version == 4 else addresses.v6
            if not intervals:
                break
            parts.append(f"{family} {word} {_set([_address_range(version, *span) for span in merged(intervals)])}")
        else:
            yield " ".join(parts)


def _traffic(rule: store.StoreRule) -> t.Iterator[str]:
    ours, theirs = ("dport", "sport") if rule.inbound else ("sport", "dport")
    if rule.icmp:
        name = _ICMP[t.cast("int", rule.protocol)]
        for kind, code in rule.icmp:
            yield f"{name} type {kind}" + ("" if code is None else f" {name} code {code}")
        return
    name = _PROTOCOLS.get(rule.protocol or 0, "")
    parts = [(word, ports) for word, ports in ((ours, rule.local_ports), (theirs, rule.remote_ports)) if ports is not None]
    if any(not ports for _word, ports in parts):
        return  # a keyword that stands for no port here
    if parts:
        yield " ".join(f"{name} {word} {_set([_range(*span) for span in merged(ports)])}" for word, ports in parts)
    else:
        yield "" if rule.protocol is None else f"meta l4proto {rule.protocol}"


def merged(intervals: t.Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sorted intervals without overlaps: nft refuses those in a set."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(intervals):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _address_range(version: int, low: int, high: int) -> str:
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    first, last = kind(low), kind(high)
    return str(first) if low == high else f"{first}-{last}"


def _set(entries: t.Sequence[str]) -> str:
    return entries[0] if len(entries) == 1 else "{ " + ", ".join(entries) + " }"


__all__ = ("TABLE", "follow", "merged", "nft")
