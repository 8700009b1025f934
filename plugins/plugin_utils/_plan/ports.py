# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Which port numbers a path needs on the host that answers, by platform, release and what the inventory says."""

from __future__ import annotations

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import DIRECTORY_KINDS, Host

# Windows Server 2003: KB929851. Exchange 2007 setup on Server 2008 widens the range to 1025-60000: KB929851 says so itself.
# Linux: the default of Samba's "rpc server dynamic port range", the RPC server there is.
WINDOWS_2003 = PortRange(1025, 5000)
WINDOWS_2008 = PortRange(49152, 65535)
EXCHANGE_2007_ON_2008 = PortRange(1025, 60000)
SAMBA_RPC = PortRange(49152, 65535)
LINUX_EPHEMERAL = PortRange(32768, 60999)
UNKNOWN = PortRange(1024, 65535)
REPLICATION = ("frs", "dfsr")
"""Services between domain controllers, which no server of ours calls: their ports are facts for the findings, opened to nobody."""


def rpc_ranges(host: Host) -> tuple[PortRange, ...]:
    """Ports on which RPC servers of a host may answer: its range and its static ports."""
    static = tuple(PortRange(port, port) for name, port in host.static_ports if name not in REPLICATION)
    if host.rpc_range:
        return (host.rpc_range, *static)
    if not host.managed:
        return (*(() if pinned(host) else _unmanaged_ranges(host)), *static)
    return (_managed_default(host), *static)


def pinned(host: Host) -> bool:
    """Whether a domain controller answers members on fixed ports alone: those of its directory and of Netlogon."""
    names = {name for name, _port in host.static_ports}
    return set(host.kinds) <= DIRECTORY_KINDS and names >= {"ntds", "netlogon"}


def rpc_source(host: Host) -> str:
    """Where the range of C(rpc_ranges) comes from, for the plan's reader."""
    if host.rpc_range:
        return "datapath_rpc_range"
    if host.platform == "linux":
        return "default of Samba (rpc server dynamic port range)"
    return "Windows Server 2003 default, KB929851" if host.release == "2003" else "Exchange 2007 on Windows Server 2008 and later, KB929851"


def _managed_default(host: Host) -> PortRange:
    if host.platform == "linux":
        return SAMBA_RPC
    return WINDOWS_2003 if host.release == "2003" else EXCHANGE_2007_ON_2008


def _unmanaged_ranges(host: Host) -> tuple[PortRange, ...]:
    # A domain controller is not an Exchange server; KB179442 names both ranges for estates with old and new ones.
    if DIRECTORY_KINDS & set(host.kinds):
        return (WINDOWS_2003, WINDOWS_2008)
    return (UNKNOWN,)


def ephemeral_range(host: Host) -> PortRange:
    """The "randomly assigned high TCP ports" of a host: the operating system's range, which limiting RPC does not shrink (N-M4)."""
    if not host.managed:
        return UNKNOWN
    if host.platform == "linux":
        return LINUX_EPHEMERAL
    return WINDOWS_2003 if host.release == "2003" else EXCHANGE_2007_ON_2008


def resolve(name: str, host: Host) -> tuple[PortRange, ...]:
    """Turn the port part of a token into numbers on the host that answers."""
    if name == "rpc-dynamic":
        return rpc_ranges(host)
    if name == "random":
        return (ephemeral_range(host),)
    if name == "rtp":
        return (host.media_range,)
    return (PortRange.parse(name),)


def merge(ranges: tuple[PortRange, ...]) -> tuple[PortRange, ...]:
    """Sort ranges and join those that overlap or touch."""
    merged: list[PortRange] = []
    for entry in sorted(ranges):
        if merged and entry.low <= merged[-1].high + 1:
            merged[-1] = PortRange(merged[-1].low, max(merged[-1].high, entry.high))
        else:
            merged.append(entry)
    return tuple(merged)


__all__ = ("REPLICATION", "ephemeral_range", "merge", "pinned", "resolve", "rpc_ranges", "rpc_source")
