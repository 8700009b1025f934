# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The RPC ports of one host, from the same value of the plan that opens its peers' firewalls: on Windows as registry values and netsh lines.

A range is set only where the inventory names one. The default range of a release, and what setup of Exchange 2007 makes of it (KB929851), is only checked.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PlanError, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, UnsupportedFlowError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Release

RENDERER = "rpc_settings"
INTERNET = r"HKLM\SOFTWARE\Microsoft\Rpc\Internet"
"""KB154596: Ports, PortsInternetAvailable, UseInternetPorts. Its values count after a restart of the host only."""
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
FAMILIES = ("ipv4", "ipv6")
FROM_INVENTORY = "datapath_rpc_range"
SMALLEST_DYNAMIC = 255
LOWEST_DYNAMIC = 1025
"""What C(netsh int ipv4 set dynamicport) takes (KB929851)."""
SMALLEST_RPC = 100


@dataclass(frozen=True)
class StaticPort:
    """Where a service reads its fixed port (KB270836). service: to be restarted for it."""

    service: str
    key: str
    value: str


STATIC = {
    "store": StaticPort("MSExchangeIS", rf"{SERVICES}\MSExchangeIS\ParametersSystem", "TCP/IP Port"),
    "referral": StaticPort("MSExchangeSA", rf"{SERVICES}\MSExchangeSA\Parameters", "TCP/IP Port"),
    "address_book": StaticPort("MSExchangeSA", rf"{SERVICES}\MSExchangeSA\Parameters", "TCP/IP NSPI Port"),
}
DIRECTORY = ("ntds", "netlogon", "frs", "dfsr")
"""Fixed ports of a domain controller: facts that the plan counts with, which whoever runs a directory on Windows sets."""
RESTART_ORDER = ("MSExchangeSA", "MSExchangeIS")
"""The order to start in; services stop in the reverse order."""


@dataclass(frozen=True)
class RegistryValue:
    r"""One value. kind: C(REG_SZ), C(REG_DWORD), C(REG_MULTI_SZ). data: decimal digits for a number; entries of a list joined with ``\0``.

    service: the one that reads it, empty for the host as a whole.
    """

    key: str
    name: str
    kind: str
    data: str
    service: str = ""

    def line(self) -> str:
        """For C(reg)."""
        return f'add "{self.key}" /v "{self.name}" /t {self.kind} /d "{self.data}" /f'


@dataclass(frozen=True)
class DynamicPorts:
    """The range that TCP sockets of one family get their ports from (KB929851)."""

    family: str
    start: int
    number: int

    def line(self) -> str:
        """For C(netsh)."""
        return f"int {self.family} set dynamicport tcp start={self.start} num={self.number}"

    @property
    def ports(self) -> PortRange:
        return PortRange(self.start, self.start + self.number - 1)


@dataclass(frozen=True)
class RpcSettings:
    """What is to be true on one host. range: the ports that the plan counts with; source: where it comes from. values, dynamic: empty where nothing is set.

    services: to restart when a value of theirs changes, in starting order. reboot: whether a change of the range counts only after one. static: by name.
    """

    range: PortRange
    source: str
    values: tuple[RegistryValue, ...] = ()
    dynamic: tuple[DynamicPorts, ...] = ()
    static: tuple[tuple[str, int], ...] = ()
    services: tuple[str, ...] = ()
    reboot: bool = False

    def lines(self) -> tuple[str, ...]:
        """Commands without their paths, for review: C(reg) and C(netsh) lines in the order to run them."""
        return (*(f"reg {value.line()}" for value in self.values), *(f"netsh {ports.line()}" for ports in self.dynamic))


def render(plan: HostPlan, release: Release) -> RpcSettings:
    """The RPC ports of one host. Raises UnsupportedFlowError for what Windows refuses, PlanError for a plan without a range."""
    wanted = _range(plan)
    static = _static(plan, wanted)
    values = tuple(RegistryValue(STATIC[name].key, STATIC[name].value, "REG_DWORD", str(port), STATIC[name].service) for name, port in static)
    named = {value.service for value in values}
    services = tuple(service for service in RESTART_ORDER if service in named)
    source = str(plan.rpc.get("source", ""))
    if source != FROM_INVENTORY:
        return RpcSettings(wanted, source, values, (), static, services)
    if wanted.high - wanted.low + 1 < SMALLEST_RPC:
        raise _too_small(plan, wanted)
    settings = RpcSettings(wanted, source, (*_internet(wanted), *values), _dynamic(plan, wanted, release), static, services, reboot=True)
    _prove(plan, settings)
    return settings


def linux(plan: HostPlan) -> dict[str, t.Any]:
    """What the module of a Linux host is handed: its range, where that comes from, whether it is set, its static ports. Errors as of C(render)."""
    wanted = _range(plan)
    enforced = plan.rpc.get("source") == FROM_INVENTORY
    if enforced and wanted.low < LOWEST_DYNAMIC:
        raise _refused(plan, f"the range {wanted}", f"begin datapath_rpc_range at {LOWEST_DYNAMIC} or above")
    if enforced and wanted.high - wanted.low + 1 < SMALLEST_RPC:
        raise _too_small(plan, wanted)
    static = dict(_static(plan, wanted, (*STATIC, *DIRECTORY)))
    return {"range": str(wanted), "source": str(plan.rpc.get("source", "")), "enforced": enforced, "static": static}


def _too_small(plan: HostPlan, wanted: PortRange) -> UnsupportedFlowError:
    return _refused(plan, f"the range {wanted} of fewer than {SMALLEST_RPC} ports", "widen datapath_rpc_range (KB154596)")


def _refused(plan: HostPlan, feature: str, fix: str) -> UnsupportedFlowError:
    return UnsupportedFlowError(plan.host, "RPC ports", feature, RENDERER, fix)


def _range(plan: HostPlan) -> PortRange:
    try:
        return PortRange.parse(plan.rpc["range"])
    except KeyError:
        raise PlanError(f"{plan.host}: the plan names no range of RPC ports: make the plan again") from None


def _static(plan: HostPlan, wanted: PortRange, names: t.Sequence[str] = tuple(STATIC)) -> tuple[tuple[str, int], ...]:
    given = plan.rpc.get("static") or {}
    if not isinstance(given, t.Mapping) or not set(given) <= {*STATIC, *DIRECTORY}:
        raise PlanError(f"{plan.host}: static ports {given!r} are not {', '.join(STATIC)}: make the plan again")
    static = tuple((name, int(given[name])) for name in names if name in given)
    for name, port in static:
        if plan.rpc.get("source") == FROM_INVENTORY and wanted.low <= port <= wanted.high:
            raise _refused(plan, f"the static port {port} of {name} within the range {wanted}", "move one of them (datapath_static_ports)")
    if len({port for _name, port in static}) != len(static):
        raise _refused(plan, "one static port for two services", "give each its own in datapath_static_ports")
    return static


def _internet(wanted: PortRange) -> tuple[RegistryValue, ...]:
    return (
        RegistryValue(INTERNET, "Ports", "REG_MULTI_SZ", str(wanted)),
        RegistryValue(INTERNET, "PortsInternetAvailable", "REG_SZ", "Y"),
        RegistryValue(INTERNET, "UseInternetPorts", "REG_SZ", "Y"),
    )


def _dynamic(plan: HostPlan, wanted: PortRange, release: Release) -> tuple[DynamicPorts, ...]:
    """Windows Server 2003 has no such command; its RPC servers obey the registry values alone."""
    if not release.advfirewall:
        return ()
    number = wanted.high - wanted.low + 1
    if wanted.low < LOWEST_DYNAMIC or number < SMALLEST_DYNAMIC:
        raise _refused(
            plan, f"the range {wanted} for dynamicport", f"begin datapath_rpc_range at {LOWEST_DYNAMIC} or above, with {SMALLEST_DYNAMIC} ports or more",
        )
    return tuple(DynamicPorts(family, wanted.low, number) for family in FAMILIES)


_DYNAMIC_LINE = re.compile(r"netsh int (ipv4|ipv6) set dynamicport tcp start=([0-9]+) num=([0-9]+)\Z")
_REG_LINE = re.compile(r'reg add "(HKLM\\[^"]+)" /v "([^"]+)" /t (REG_[A-Z_]+) /d "([^"]*)" /f\Z')


def read_lines(lines: t.Iterable[str]) -> tuple[dict[tuple[str, str], tuple[str, str]], dict[str, PortRange]]:
    """What lines set: (type, data) by (key, name), and the dynamic ports by family; ReadBackError for a line of another form."""
    values: dict[tuple[str, str], tuple[str, str]] = {}
    dynamic: dict[str, PortRange] = {}
    for line in lines:
        reg, netsh = _REG_LINE.match(line), _DYNAMIC_LINE.match(line)
        if reg:
            values[(reg[1], reg[2])] = (reg[3], reg[4])
        elif netsh:
            dynamic[netsh[1]] = PortRange.parse(f"{netsh[2]}-{int(netsh[2]) + int(netsh[3]) - 1}")
        else:
            raise ReadBackError(f"{line!r} sets no RPC port")
    return values, dynamic


def _prove(plan: HostPlan, settings: RpcSettings) -> None:
    values, dynamic = read_lines(settings.lines())
    ranges = {*dynamic.values(), PortRange.parse(values[(INTERNET, "Ports")][1])}
    if ranges != {settings.range}:
        raise ReadBackError(f"{plan.host}: the RPC ports", (str(entry) for entry in ranges - {settings.range}), (str(settings.range),))


__all__ = (
    "FAMILIES", "FROM_INVENTORY", "INTERNET", "RESTART_ORDER", "STATIC", "DynamicPorts", "RegistryValue", "RpcSettings", "StaticPort", "linux", "read_lines",
    "render",
)
