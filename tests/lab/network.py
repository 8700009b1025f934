# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wires: a router namespace with one bridge per network, the controller's namespace, and one namespace per host.

Everything is inside namespaces of the lab, so no address, route or forwarding switch of the machine itself changes.
"""

from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

from organisation import CONTROLLER_NETWORK, Host, Interface, controller_addresses, gateway
from settings import Settings

ROUTER = "router"
CONTROLLER = "ctl"
_RUN = Path("/run/netns")


def lay(settings: Settings, hosts: t.Iterable[Host]) -> None:
    """Make the router and the controller; hosts plug in as they boot."""
    router, controller = settings.namespace(ROUTER), settings.namespace(CONTROLLER)
    _ip("netns", "add", router)
    _ip("netns", "add", controller)
    networks = sorted({CONTROLLER_NETWORK} | {interface.network for host in hosts for interface in host.interfaces})
    _batch(router, ["link set lo up", *(line for network in networks for line in _bridge(network))])
    for path in ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"):
        within(router, "sh", "-c", f"echo 1 > /proc/sys/{path}")
    _plug(settings, CONTROLLER, 0, 0, Interface(CONTROLLER_NETWORK, controller_addresses()))


def attach(settings: Settings, host: Host) -> None:
    """Give a booting host a network namespace without a past, like a machine whose kernel has just started."""
    _ip("netns", "del", settings.namespace(host.name), check=False)
    _ip("netns", "add", settings.namespace(host.name))
    for position, interface in enumerate(host.interfaces):
        _plug(settings, host.name, host.number, position, interface)


def bridge(settings: Settings, host: Host) -> None:
    """Give a virtual machine its cables: in its namespace, each ``ethN`` to the network is joined to a ``tapN`` for the machine's own card."""
    namespace = settings.namespace(host.name)
    _ip("netns", "add", namespace)
    for position, interface in enumerate(host.interfaces):
        port = _cable(settings, host.name, host.number, position, interface)
        _batch(namespace, [
            f"link add br{position} type bridge mcast_snooping 0",
            f"tuntap add tap{position} mode tap",
            *(f"link set {name} addrgenmode none" for name in (port, f"tap{position}", f"br{position}")),
            *(f"link set {name} master br{position} up" for name in (port, f"tap{position}")),
            f"link set br{position} up",
        ])


def configuration(position: int, interface: Interface) -> list[str]:
    """Give what ``ip -batch`` needs to know of a card; the first card gets the default route."""
    card = f"eth{position}"
    lines = ["link set lo up", f"link set {card} up"]
    lines += [f"addr add {address} dev {card}" + (" nodad" if ":" in address else "") for address in interface.addresses]
    if position == 0:
        versions = sorted({6 if ":" in address else 4 for address in interface.addresses})
        lines += [f"route add default via {gateway(interface.network, version)}" for version in versions]
    return lines


def hardware_address(number: int, position: int) -> str:
    """Give the address of a card: the same over reboots, or the neighbours would talk to the old one for a while."""
    return f"02:00:00:00:{position:02x}:{number:02x}"


def within(namespace: str, *command: str) -> str:
    """Run a command inside a namespace and give its output."""
    return subprocess.run(
        ["nsenter", f"--net={_RUN / namespace}", "--", *command], check=True, text=True, stdout=subprocess.PIPE,
    ).stdout


def namespaces(settings: Settings) -> list[str]:
    """Name every namespace of this lab, also those that a killed run left half-made."""
    return sorted(path.name for path in _RUN.glob(f"{settings.name}-*"))


def hang_up(namespace: str) -> None:
    """End what still runs inside: captures, and the proxies of ssh, which go on trying to connect when ssh itself is long gone."""
    pids = _ip("netns", "pids", namespace, check=False).split()
    if pids:
        subprocess.run(["kill", "-KILL", *pids], check=False, stderr=subprocess.DEVNULL)


def remove(namespace: str) -> None:
    """Delete a namespace and end what still runs inside."""
    hang_up(namespace)
    _ip("netns", "del", namespace, check=False)


def _bridge(network: int) -> list[str]:
    bridge = f"br{network}"
    return [
        f"link add {bridge} type bridge mcast_snooping 0",
        f"addr add {gateway(network, 4)}/24 dev {bridge}",
        f"addr add {gateway(network, 6)}/64 dev {bridge} nodad",
        f"link set {bridge} up",
    ]


def _plug(settings: Settings, name: str, number: int, position: int, interface: Interface) -> None:
    """Join a namespace to a network and make its end of the cable the namespace's own card."""
    card = _cable(settings, name, number, position, interface)
    _batch(settings.namespace(name), [f"link set {card} address {hardware_address(number, position)}", *configuration(position, interface)])


def _cable(settings: Settings, name: str, number: int, position: int, interface: Interface) -> str:
    """Lay a cable whose other end vanishes with the namespace; gives the name of the near end."""
    namespace, router = settings.namespace(name), settings.namespace(ROUTER)
    card, port = f"eth{position}", f"p{number}n{position}"
    # A deleted namespace gives up its cards later, in the kernel's own time; a deleted port is gone at once, with the card at its other end.
    _ip("-n", router, "link", "del", port, check=False)
    _batch(router, [
        f"link add {port} type veth peer name {card} netns {namespace}",
        f"link set {port} master br{interface.network} up",
    ])
    return card


def _batch(namespace: str, lines: t.Iterable[str]) -> None:
    subprocess.run(["ip", "-n", namespace, "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def _ip(*arguments: str, check: bool = True) -> str:
    return subprocess.run(
        ["ip", *arguments], check=check, text=True, stdout=subprocess.PIPE, stderr=None if check else subprocess.DEVNULL,
    ).stdout


__all__ = (
    "CONTROLLER", "ROUTER", "attach", "bridge", "configuration", "hang_up", "hardware_address", "lay", "namespaces", "remove", "within",
)
