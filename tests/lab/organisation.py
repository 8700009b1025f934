# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab must build, read from a plain Ansible inventory: the same file that the playbooks get.

The numbers say everything. ``10.77.N.H`` and ``fd77:0:0:N::H`` are interface H of network N; ``.1`` is the router; a host has one
interface per network. Network 0 belongs to the controller (``10.77.0.10``).
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml
from base import ADDED
from settings import LabError

V4 = ipaddress.IPv4Network("10.77.0.0/16")
V6 = ipaddress.IPv6Network("fd77::/48")
CONTROLLER = "10.77.0.10"
CONTROLLER_NETWORK = 0
_HOST = re.compile(r"[a-z][a-z0-9]{0,8}\Z")
_RESERVED = ("ctl", "router")
_VARIABLES = ("datapath_addresses", "lab_addresses")
"""The second holds addresses of further cards, which the plan does not need to know (a cluster's heartbeat network)."""


@dataclass(frozen=True)
class Interface:
    """One network card of a host with its addresses, each with its prefix length."""

    network: int
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class Host:
    """One machine. ``address`` is where the controller logs in; the first interface holds the default route.

    windows: the release that it plays, empty for a Debian that is one.
    kernel: whether it has a kernel of its own, as a virtual machine, and not this machine's, as a container.
    packages: the name of what is installed beyond what all hosts have; empty for nothing.
    """

    name: str
    number: int
    address: str
    interfaces: tuple[Interface, ...]
    windows: str = ""
    kernel: bool = False
    packages: str = ""

    @classmethod
    def from_plain(cls, plain: t.Mapping[str, t.Any]) -> Host:
        interfaces = tuple(Interface(interface["network"], tuple(interface["addresses"])) for interface in plain["interfaces"])
        return cls(plain["name"], plain["number"], plain["address"], interfaces, plain["windows"], plain["kernel"], plain["packages"])

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(text.partition("/")[0] for interface in self.interfaces for text in interface.addresses)


def gateway(network: int, version: int) -> str:
    return f"10.77.{network}.1" if version == 4 else f"fd77:0:0:{network:x}::1"


def controller_addresses() -> tuple[str, ...]:
    return (f"{CONTROLLER}/24", f"fd77:0:0:{CONTROLLER_NETWORK:x}::10/64")


def read(inventory: Path, only: t.Collection[str] = ()) -> tuple[Host, ...]:
    """Give the hosts of an inventory file, all or those named; raises LabError when the lab cannot build what it says."""
    try:
        document = yaml.safe_load(inventory.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LabError(f"inventory {inventory}: {error}") from error
    found: dict[str, dict[str, t.Any]] = {}
    for group in (document or {}).values():
        _collect(group or {}, found)
    unknown = sorted(set(only) - set(found))
    if unknown or not found:
        raise LabError(f"inventory {inventory}: it has no host {', '.join(unknown) or 'at all'}")
    names = [name for name in sorted(found) if not only or name in only]
    return tuple(_host(name, number, found[name]) for number, name in enumerate(names, start=1))


def _collect(group: dict[str, t.Any], found: dict[str, dict[str, t.Any]]) -> None:
    for name, variables in (group.get("hosts") or {}).items():
        found.setdefault(name, {}).update(variables or {})
    for child in (group.get("children") or {}).values():
        _collect(child or {}, found)


def _host(name: str, number: int, variables: t.Mapping[str, t.Any]) -> Host:
    if not _HOST.match(name) or name in _RESERVED:
        raise LabError(f"host {name!r}: use a letter and up to eight more letters or digits, all lower case, but not {' or '.join(_RESERVED)}")
    texts = [str(text) for variable in _VARIABLES for text in variables.get(variable) or ()]
    texts += [text for text in (str(variables.get("ansible_host", "")),) if text and text not in texts]
    interfaces: dict[int, list[str]] = {}
    for text in texts:
        network, address = _place(name, text)
        interfaces.setdefault(network, []).append(address)
    if not interfaces:
        raise LabError(f"host {name}: give it datapath_addresses or ansible_host within {V4} and {V6}")
    return Host(
        name, number, str(variables.get("ansible_host") or texts[0]),
        tuple(Interface(network, tuple(addresses)) for network, addresses in interfaces.items()), str(variables.get("lab_windows", "")),
        _kernel(name, variables), _packages(name, variables),
    )


def _kernel(name: str, variables: t.Mapping[str, t.Any]) -> bool:
    kernel = variables.get("lab_kernel", False)
    if not isinstance(kernel, bool):
        raise LabError(f"host {name}: lab_kernel is {kernel!r}: use true or false")
    if kernel and variables.get("lab_windows"):
        raise LabError(f"host {name}: lab_kernel and lab_windows exclude each other: a double of Windows is a container")
    return kernel


def _packages(name: str, variables: t.Mapping[str, t.Any]) -> str:
    packages = variables.get("lab_packages", "")
    if packages not in ADDED:
        raise LabError(f"host {name}: lab_packages is {packages!r}: use {', '.join(filter(None, ADDED))}")
    if packages and variables.get("lab_kernel"):
        raise LabError(f"host {name}: lab_packages and lab_kernel exclude each other: virtual machines boot one image")
    return str(packages)


def _place(host: str, text: str) -> tuple[int, str]:
    """Give the network of an address, and the address with its prefix length."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise LabError(f"host {host}: {error}") from error
    if isinstance(address, ipaddress.IPv4Address) and address in V4:
        network, length = address.packed[2], 24
    elif isinstance(address, ipaddress.IPv6Address) and address in V6:
        network, length = int.from_bytes(address.packed[6:8], "big"), 64
    else:
        raise LabError(f"host {host}: {text} is outside {V4} and {V6}, the only networks that the lab makes")
    if network > 255 or str(address) == gateway(network, address.version):
        raise LabError(f"host {host}: {text} is taken by the lab's own router or beyond network 255")
    return network, f"{address}/{length}"


__all__ = ("CONTROLLER", "CONTROLLER_NETWORK", "Host", "Interface", "controller_addresses", "gateway", "read")
