# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The IPsec policies that connections must have in the kernel, and how those that it has differ. Standard library only."""

from __future__ import annotations

import ipaddress
import socket
import typing as t

from ansible_collections.datapath.exchange.plugins.module_utils._swanctl import Child, Connection
from ansible_collections.datapath.exchange.plugins.module_utils._xfrm import Policy

#: Direction, source, target, protocol, source port and mask, target port and mask.
Key = t.Tuple[str, str, str, int, int, int, int, int]
_ICMP = (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6)


def key(policy: Policy) -> Key:
    """What a policy is about."""
    return (
        policy.direction, policy.source, policy.target, policy.protocol, policy.source_port, policy.source_mask, policy.target_port, policy.target_mask,
    )


def keys(child: Child) -> tuple[Key, ...]:
    """What the policies of a child are about. Those that pass in clear are also made for packets that a host forwards."""
    near, far = _network(child.local.address), _network(child.remote.address)
    protocol = child.local.protocol
    if protocol in _ICMP and child.local.low != child.local.high:
        near_ports = far_ports = (0, 0)
    elif protocol in _ICMP:
        # The kernel has type and code where other protocols have source and target port (strongSwan, kernel_netlink_ipsec.c, ts2selector).
        kind, code = divmod(child.local.low, 256)
        return tuple((way, *ends, protocol, kind, kind and 0xFFFF, code, code and 0xFFFF) for way, ends in _ways(child, near, far))
    else:
        near_ports, far_ports = child.local.mask(), child.remote.mask()
    return tuple(
        (way, *ends, protocol, *(near_ports if ends[0] == near else far_ports), *(far_ports if ends[0] == near else near_ports))
        for way, ends in _ways(child, near, far)
    )


def _ways(child: Child, near: str, far: str) -> tuple[tuple[str, tuple[str, str]], ...]:
    ways = (("out", (near, far)), ("in", (far, near)))
    return (*ways, ("fwd", (far, near))) if child.mode == "pass" else ways


def _network(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def differences(connections: t.Iterable[Connection], found: t.Iterable[Policy]) -> list[str]:
    """How the kernel's policies between the ends of connections differ from those that they must have, one sentence for each.

    Children that only start have policies while they have an SA: those may be there, and none beside them.
    """
    children = [child for connection in connections for child in connection.children]
    must = {each: child.mode for child in children if child.start == "trap" for each in keys(child)}
    may = {each: child.mode for child in children for each in keys(child)}
    pairs = {each[1:3] for each in may}
    between = [policy for policy in found if (policy.source, policy.target) in pairs]
    there = {key(policy) for policy in between}
    told = [f"the kernel has no policy for {shown(each)}" for each in must if each not in there]
    told += [f"the kernel has a policy that nobody asked for: {shown(key(policy))}" for policy in between if key(policy) not in may]
    return told + [
        f"the kernel {'protects' if policy.protect else 'does not protect'} what it should {'let pass' if may[key(policy)] == 'pass' else 'protect'}: "
        f"{shown(key(policy))}" for policy in between if key(policy) in may and not _right(policy, may[key(policy)])
    ]


def _right(policy: Policy, mode: str) -> bool:
    return policy.action == "allow" and (policy.plain if mode == "pass" else policy.protect)


def shown(each: Key) -> str:
    """A policy in words: ``out 192.0.2.1/32 tcp any to 192.0.2.2/32 445``."""
    way, source, target, protocol, source_port, source_mask, target_port, target_mask = each
    name = {0: "any", socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp"}.get(protocol, f"protocol {protocol}")
    return f"{way} {source} {name} {_ports(source_port, source_mask)} to {target} {_ports(target_port, target_mask)}"


def _ports(port: int, mask: int) -> str:
    if not mask:
        return "any"
    return str(port) if mask == 0xFFFF else f"{port} mask {mask:#06x}"


def bypasses(connections: t.Iterable[Connection], found: t.Iterable[Policy]) -> list[str]:
    """Policies of others for whole networks that let pass in clear what ours are about, and come before ours."""
    pairs = {(_network(child.local.address), _network(child.remote.address)) for each in connections for child in each.children}
    policies = list(found)
    mine = [policy for policy in policies if policy.protect and {(policy.source, policy.target), (policy.target, policy.source)} & pairs]
    first = min((policy.priority for policy in mine), default=0)
    wide = [policy for policy in policies if policy.plain and not _single(policy) and policy.priority <= first]
    return [shown(key(policy)) for policy in wide if any(_covers(policy, near, far) or _covers(policy, far, near) for near, far in pairs)]


def _single(policy: Policy) -> bool:
    return all(text.endswith("/128" if ":" in text else "/32") for text in (policy.source, policy.target))


def _covers(policy: Policy, source: str, target: str) -> bool:
    return _within(source, policy.source) and _within(target, policy.target)


def _within(small: str, large: str) -> bool:
    return (":" in small) is (":" in large) and ipaddress.ip_network(small)[0] in ipaddress.ip_network(large)


__all__ = ("Key", "bypasses", "differences", "key", "keys", "shown")
