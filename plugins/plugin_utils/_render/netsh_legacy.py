# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The plan of a Windows Server 2003 as C(netsh firewall) port openings, as far as they can say it. What they cannot say is left out and found, never widened.

The language: https://technet.microsoft.com/library/bb490617.aspx (appendix B). It knows single TCP and UDP ports that come in, each with one list of IPv4
networks: peers of all paths that use a port are merged for it.
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding, Flow, HostPlan, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import base
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import Intervals, ReadBackError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_firewall import LINE_BYTES, OWN
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_reader import read_portopening
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Scope

RANGE_PORTS = 32
"""Ranges up to this size are written port by port."""

SWITCH_ON = "firewall set opmode mode=ENABLE exceptions=ENABLE profile=ALL"

_SYNTAX = "https://technet.microsoft.com/library/bb490617.aspx"
_SCOPE = "https://technet.microsoft.com/library/cc776852.aspx"
_NOBODY: Intervals = ((0x00000000, 0x00FFFFFF), (0x7F000000, 0x7FFFFFFF))
"""Scopes hold no unspecified and no loopback addresses, which no packet from another host carries (RFC 1122, 3.2.1.3)."""
_EVERYBODY: Intervals = ((0, 0xFFFFFFFF),)


@dataclass(frozen=True)
class LegacyText:
    """lines: port openings, those of management first, without C(netsh) in front. switch: what turns the firewall on, empty where that could lock out.

    undo: what closes the same ports. findings: everything that the plan has and the lines do not.
    """

    lines: tuple[str, ...]
    switch: tuple[str, ...]
    undo: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass
class _Port:
    """What is known of one port so far: everyone means both families, peers are IPv4."""

    paths: dict[str, None] = field(default_factory=dict)
    peers: list[tuple[int, int]] = field(default_factory=list)
    everyone: bool = False

    @property
    def scope(self) -> Scope:
        return Scope(everything=True) if self.everyone else Scope(v4=base.subtract(_networks.merge(self.peers), _NOBODY))


class _Left(t.NamedTuple):
    """What of a flow is left out: nothing, all of it (whole), or some of its peers or ports."""

    what: str
    why: str
    source: str
    whole: bool = True


def render(plan: HostPlan, state: str = "enforced") -> LegacyText:
    """What Windows Server 2003 can express of a plan. Raises ReadBackError when a line would not mean what it must."""
    if state != "enforced":
        return LegacyText((), (), (), (_finding(plan, "monitored", "state monitored", "its firewall has no way to let pass and report", _SYNTAX),))
    left: dict[tuple[str, str, str], dict[str, None]] = {}
    ports: dict[tuple[str, int], _Port] = {}
    for flow in base.effective_flows(plan):
        for entry in _add(flow, base.peers_of(plan, flow), plan.families, ports):
            left.setdefault(entry[:3], {}).update(dict.fromkeys(flow.paths))
    lines, found = _lines(plan, ports)
    found += [_finding(plan, what.split()[0], f"{what}: {', '.join(paths)}", why, source) for (what, why, source), paths in left.items()]
    undo = tuple(f"firewall delete portopening protocol={protocol.upper()} port={number} profile=ALL" for protocol, number in lines)
    switch = () if _locks_out(plan, lines) else (SWITCH_ON,)
    if not switch:
        why = "the connection that manages the host could not be kept"
        found.insert(0, _finding(plan, "management", "switching the firewall on", why, _SYNTAX, "error"))
    return LegacyText(tuple(lines.values()), switch, undo, tuple(found))


def _finding(plan: HostPlan, what: str, text: str, why: str, source: str, severity: str = "warning") -> Finding:
    return Finding(f"windows-2003-{what.lower()}", severity, (plan.host,), f"Windows Server 2003: left out {text}. {why[0].upper()}{why[1:]}.", source)


def _locks_out(plan: HostPlan, lines: t.Mapping[tuple[str, int], str]) -> bool:
    """Whether some port of management has no line, or nobody is named to manage the host."""
    wanted = {("tcp", number) for port in plan.management.ports for number in range(port.low, min(port.high, port.low + RANGE_PORTS) + 1)}
    return not plan.management.peers or not wanted or not wanted <= set(lines)


def _add(flow: Flow, peers: PeerSet, families: tuple[str, ...], ports: dict[tuple[str, int], _Port]) -> t.Iterator[_Left]:
    """Put what can be said of a flow to its ports; hands back what cannot."""
    left = _refused(flow)
    if left:
        yield left
        return
    everyone = peers.everyone and len(families) == len(base.FAMILIES)
    v4 = (_EVERYBODY if peers.everyone else base.intervals("ipv4", peers.v4)) if "ipv4" in families else ()
    if "ipv6" in families and not everyone and (peers.everyone or peers.v6):
        yield _Left("IPv6 peers", "its port openings name IPv4 networks only", _SYNTAX, whole=False)
    for port in flow.ports:
        if port.high - port.low >= RANGE_PORTS:
            yield _Left(f"ports {port}/{flow.protocol}", "it opens single ports, not ranges: give the services static ports", _SYNTAX, whole=False)
        elif everyone or v4:
            _open(flow, port, v4, ports, everyone=everyone)


def _open(flow: Flow, port: PortRange, v4: Intervals, ports: dict[tuple[str, int], _Port], *, everyone: bool) -> None:
    for number in range(port.low, port.high + 1):
        known = ports.setdefault((flow.protocol, number), _Port())
        known.paths.update(dict.fromkeys(flow.paths))
        known.peers += v4
        known.everyone = known.everyone or everyone


def _refused(flow: Flow) -> _Left | None:
    if flow.direction == "out":
        return _Left("outbound paths", "its firewall does not filter what goes out", _SYNTAX)
    if flow.protection == "ipsec_required":
        return _Left("paths that only IPsec may carry", "a port opening cannot ask for IPsec, and would let them pass in clear", _SYNTAX)
    if flow.protocol == "icmp":
        return _Left("ICMP", "its ICMP exceptions admit everybody: they have no scope", _SCOPE)
    if flow.protocol not in ("tcp", "udp"):
        return _Left(f"protocol {flow.protocol}", "it opens TCP and UDP ports only", _SYNTAX)
    return None


def _lines(plan: HostPlan, ports: t.Mapping[tuple[str, int], _Port]) -> tuple[dict[tuple[str, int], str], list[Finding]]:
    lines: dict[tuple[str, int], str] = {}
    found = []
    for (protocol, number), port in ports.items():
        line = _line(protocol, number, port) if port.scope != Scope() else ""
        if 0 < len(line) <= LINE_BYTES:
            lines[protocol, number] = line
        else:
            text = f"port {number}/{protocol}: {', '.join(port.paths)}"
            too_long = "its list of peers is longer than a line may be: name larger networks in datapath_peers"
            why = too_long if line else "nobody can have the addresses of its peers"
            found.append(_finding(plan, "peers", text, why, _SYNTAX))
    return lines, found


def _line(protocol: str, number: int, port: _Port) -> str:
    """One port opening, proved by reading it unless it is too long to be used."""
    name = f"{OWN}{next(iter(port.paths))}"
    scope = port.scope
    who = "scope=ALL" if scope.everything else f"scope=CUSTOM addresses={','.join(_networks_of(scope.v4))}"
    line = f'firewall add portopening protocol={protocol.upper()} port={number} name="{name}" mode=ENABLE {who} profile=ALL'
    if len(line) <= LINE_BYTES:
        try:
            read = read_portopening(line)
        except ValueError as error:
            raise ReadBackError(f"the line of port {number}/{protocol} cannot be read: {error}") from None
        if read != (name, protocol, number, scope, "ALL"):
            raise ReadBackError(f"the line of port {number}/{protocol} does not mean what was planned")
    return line


def _networks_of(spans: Intervals) -> t.Iterator[str]:
    """Prefixes that are exactly the addresses: scopes have no ranges."""
    for low, high in spans:
        for network in ipaddress.summarize_address_range(ipaddress.IPv4Address(low), ipaddress.IPv4Address(high)):
            yield str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


__all__ = ("RANGE_PORTS", "SWITCH_ON", "LegacyText", "render")
