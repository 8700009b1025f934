# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random packets, most of them where a mistake would show: beside the ends of networks and of port ranges, and from every host there is."""

from __future__ import annotations

import ipaddress
import itertools
import random
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.tests.oracle.oracle import ESP, SYMBOLIC, Address, Host, Oracle, Packet, Party, span

PROTOCOLS = ("tcp", "tcp", "tcp", "tcp", "udp", "udp", "253")
"""253 is set aside for experiments (RFC 3692): it stands for every protocol that no row names."""

WELL_KNOWN = (1, 22, 53, 80, 88, 123, 137, 443, 3343, 3389, 5985, 8080, 32767, 65535)
STRANGERS = {4: ("203.0.113.255", "100.64.0.9", "8.8.8.8"), 6: ("2001:db8:ffff::1", "fd00::1", "2600::1")}


@dataclass(frozen=True)
class Pools:
    """What packets to or from one host are made of, by address family. aims: what some row may want of the host, by direction."""

    own: dict[int, list[str]]
    hosts: dict[int, list[str]]
    edges: dict[int, list[str]]
    inside: dict[int, list[tuple[Address, Address]]]
    ports: list[int]
    aims: dict[str, list[Aim]]


@dataclass(frozen=True)
class Aim:
    """One port of one row: its numbers and their neighbours, and the peers that it is about."""

    protocol: str
    ports: list[int]
    peers: dict[int, list[str]]


def dice(seed: str) -> random.Random:
    """The same dice for the same text, on every machine."""
    return random.Random(seed)


def pools(oracle: Oracle, name: str) -> Pools:
    host = oracle.hosts[name]
    everybody = [address for other in oracle.hosts.values() if other != host for address in other.addresses]
    networks = [span(text) for text in _networks(oracle, host) if text != "any"]
    near = [_moved(end, step) for low, high in networks for end in (low, high) for step in (-1, 0, 1)]
    near += [_moved(address, step) for address in everybody for step in (-1, 1)]
    return Pools(
        _by_family(host.addresses), _by_family(everybody), _by_family(address for address in near if address and address not in host.addresses),
        {version: [pair for pair in networks if pair[0].version == version] for version in (4, 6)}, sorted(_ports(oracle)),
        {"in": list(_aims(oracle, host, "responders", "initiators")), "out": list(_aims(oracle, host, "initiators", "responders"))},
    )


def packets(pool: Pools, direction: str, family: int, count: int, roll: random.Random) -> t.Iterator[Packet]:
    aims = [aim for aim in pool.aims[direction] if aim.peers[family]]
    for _index in range(count):
        own = roll.choice(pool.own[family])
        if aims and roll.random() < 0.4:
            aim = roll.choice(aims)
            peer, protocol, port = roll.choice(aim.peers[family]), aim.protocol, roll.choice(aim.ports)
        else:
            peer, protocol = _address(pool, family, roll), roll.choice(PROTOCOLS)
            port = roll.choice(pool.ports) if roll.random() < 0.75 else roll.randint(1, 65535)
        source, destination = (peer, own) if direction == "in" else (own, peer)
        yield Packet(source, destination, protocol, port if protocol in ("tcp", "udp") else 0)


def _aims(oracle: Oracle, host: Host, near: str, far: str) -> t.Iterator[Aim]:
    """Aims of the rows that have a role of the host at one end, whatever their conditions: to ask is not to know."""
    for row in oracle.rows:
        kinds = [kind for end in ((near, far), (far, near)) if set(row[end[0]]) & set(host.roles) for kind in row[end[1]]]
        for port in row["ports"] if kinds else ():
            name, _slash, protocol = port["token"].partition("/")
            peers = _by_family(address for kind in (*kinds, *port.get("responders", ())) for address in _members(oracle, host, kind))
            if protocol in ("tcp", "udp"):
                parties = [Party(kind, other) for other in (host, None) for kind in kinds] if name in SYMBOLIC else [Party("")]
                yield Aim(protocol, sorted(_beside(end for party in parties for ends in oracle.numbers(name, party) for end in ends)), peers)
            if row.get("encryption", {}).get("mechanism") == "ipsec":
                yield from (Aim("udp", sorted(_beside((500, 4500))), peers), Aim(ESP, [0], peers))


def _members(oracle: Oracle, host: Host, kind: str) -> t.Iterator[Address | None]:
    """Every host and every end of a network of a kind, and the addresses beside them."""
    found = [address for other in oracle.hosts.values() if kind in (*other.roles, *other.kinds) for address in other.addresses]
    found += [end for text, _mode, _site in oracle.networks(kind) if text != "any" for end in span(text)]
    yield from (moved for address in found for step in (-1, 0, 1) if (moved := _moved(address, step)) not in host.addresses)


def grid(pool: Pools, family: int) -> t.Iterator[Packet]:
    """Every packet to a host from where a mistake would show: each host, each end of a network, a stranger, at each number that any row means."""
    sources = [source for source in (*pool.hosts[family], *pool.edges[family], *STRANGERS[family][:1]) if source not in pool.own[family]]
    for source, protocol, port in itertools.product(dict.fromkeys(sources), ("tcp", "udp"), pool.ports):
        yield Packet(source, pool.own[family][0], protocol, port)


def _address(pool: Pools, family: int, roll: random.Random) -> str:
    while True:
        kind = roll.random()
        if kind < 0.45 and pool.hosts[family]:
            return roll.choice(pool.hosts[family])
        if kind < 0.75 and pool.edges[family]:
            return roll.choice(pool.edges[family])
        if kind < 0.9 and pool.inside[family]:
            low, high = roll.choice(pool.inside[family])
            found = str(type(low)(roll.randint(int(low), int(high))))
        elif kind < 0.95:
            found = roll.choice(STRANGERS[family])
        else:
            found = str(ipaddress.IPv4Address(roll.getrandbits(32)) if family == 4 else ipaddress.IPv6Address((2 << 124) | roll.getrandbits(125)))
        if _ordinary(ipaddress.ip_address(found)) and found not in pool.own[family]:
            return found


def _ordinary(address: Address) -> bool:
    """An address that a packet can come from: a kernel drops others before any rule."""
    if isinstance(address, ipaddress.IPv4Address):
        return 1 <= int(address) >> 24 < 224 and int(address) >> 24 != 127
    return int(address) >> 125 == 1 or int(address) >> 121 == 0x7E


def _networks(oracle: Oracle, host: Host) -> t.Iterator[str]:
    for kind in oracle.kinds:
        yield from (text for text, _mode, _site in oracle.networks(kind))
    for other in oracle.hosts.values():
        yield from other.get("cluster_networks", ())
    witness = str(host.get("file_share_witness", ""))
    if witness and witness not in oracle.hosts:
        yield witness


def _ports(oracle: Oracle) -> set[int]:
    """Every number that any row means on any host, and its neighbours."""
    parties = [Party("", host) for host in oracle.hosts.values()] + [Party("domain_controller"), Party("")]
    tokens = {port["token"].partition("/")[0] for row in oracle.rows for port in row["ports"]}
    found = {int(host.variables["ansible_port"]) for host in oracle.managed if "ansible_port" in host.variables}
    for token in tokens - {"icmp-echo", "any", "esp"}:
        for party in parties if token in SYMBOLIC else parties[:1]:
            found.update(end for ends in oracle.numbers(token, party) for end in ends)
    return _beside({*found, *WELL_KNOWN})


def _beside(numbers: t.Iterable[int]) -> set[int]:
    return {port for number in numbers for port in (number - 1, number, number + 1) if 0 < port < 65536}


def _moved(address: Address, step: int) -> Address | None:
    number = int(address) + step
    return type(address)(number) if 0 <= number < 1 << address.max_prefixlen and _ordinary(type(address)(number)) else None


def _by_family(addresses: t.Iterable[Address | None]) -> dict[int, list[str]]:
    found = sorted({address for address in addresses if address}, key=lambda address: (address.version, int(address)))
    return {version: [str(address) for address in found if address.version == version] for version in (4, 6)}
