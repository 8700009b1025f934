# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fate of one packet, from the rows of the reference and the inventory alone.

Nothing of the planner is imported, nothing is compiled, merged or shared: for each packet every row is asked again whether it wants it. That is slow,
and simple enough to be believed. What rows leave open is read as docs/inventory.md and docs/decisions say.
"""

from __future__ import annotations

import ipaddress
import itertools
import typing as t
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

EDITION = Path(__file__).parents[2] / "plugins" / "plugin_utils" / "_reference" / "exchange_2007"
GATEWAYS = ("ip_gateway", "ip_pbx", "fax_device")
DIRECTORY = ("domain_controller", "global_catalog")
ESP = "50"
SYMBOLIC = ("rpc-dynamic", "random", "rtp")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Range = tuple[int, int]
Row = dict[str, t.Any]


@dataclass(frozen=True)
class Packet:
    """source and destination are addresses; protocol is tcp, udp, or a number of another IP protocol; port is the destination's, 0 without ports."""

    source: str
    destination: str
    protocol: str
    port: int


@dataclass(frozen=True)
class Host:
    """A host of the inventory: its variables, and the roles or peer kinds that its groups give it."""

    name: str
    variables: t.Mapping[str, t.Any] = field(hash=False)
    roles: tuple[str, ...]
    kinds: tuple[str, ...]

    def get(self, name: str, default: t.Any = None) -> t.Any:
        return self.variables.get(f"datapath_{name}", default)

    @property
    def addresses(self) -> list[Address]:
        return [ipaddress.ip_address(text) for text in self.get("addresses") or [self.variables["ansible_host"]]]

    @property
    def site(self) -> str:
        return str(self.get("site", "default"))

    @property
    def platform(self) -> str:
        value = self.get("platform", "linux")
        return str(value if isinstance(value, str) else value["os"])


@dataclass(frozen=True)
class Party:
    """Somebody who may be at one end of a path in the capacity of a role or peer kind: a host, or whoever uses an address of a network."""

    kind: str
    host: Host | None = None
    mode: str = ""
    site: str = ""
    why: str = ""


class Oracle:
    """Asks every row about every packet."""

    def __init__(self, hosts: t.Mapping[str, t.Mapping[str, t.Any]], groups: t.Mapping[str, t.Sequence[str]], edition: Path = EDITION) -> None:
        catalogue = _read(edition / "catalogue.yml")
        self.roles: list[str] = catalogue["roles"]
        self.kinds: dict[str, t.Any] = catalogue["peer_kinds"]
        self.features: dict[str, t.Any] = catalogue["features"]
        self.edges: list[str] = catalogue["exclusive_roles"]
        self.rows = [row for section in (*catalogue["sections"], "implied") for row in _rows(edition / f"{section}.yml")]
        self.organisation: dict[str, t.Any] = {key: value for variables in hosts.values() for key, value in variables.items()}
        self.hosts = {name: host for name, host in self._hosts(hosts, groups).items() if host.roles or host.kinds}
        self.rows += self._support_statement() if self.option("scope", "documented") == "supported" else []
        self.asked = [(row, port) for row in self.rows if self._row_counts(row) for port in row["ports"] if self._port_counts(row, port)]
        # Remembered, because thousands of packets ask for the same few hosts.
        self.at = cache(self._at)
        self.secured = cache(self._secured)
        self.stands_for = cache(self._stands_for)

    # -- the inventory -----------------------------------------------------------------------------------------------

    def _hosts(self, hosts: t.Mapping[str, t.Mapping[str, t.Any]], groups: t.Mapping[str, t.Sequence[str]]) -> dict[str, Host]:
        self.organisation.pop("datapath_addresses", None)
        mapped: dict[str, list[str]] = self.option("role_groups", {})
        members = {kind: {host for group in (kind, *mapped.get(kind, ())) for host in groups.get(group, ())} for kind in (*self.roles, *self.kinds)}
        return {
            name: Host(
                name, variables, tuple(role for role in self.roles if name in members[role]), tuple(kind for kind in self.kinds if name in members[kind]),
            ) for name, variables in hosts.items()
        }

    def option(self, name: str, default: t.Any) -> t.Any:
        """A value that the whole organisation shares; the inventory sets it for all hosts alike."""
        return self.organisation.get(f"datapath_{name}", default)

    @property
    def managed(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.roles]

    def organisation_feature(self, name: str) -> bool:
        value = self.option(name, None)
        if value is not None:
            return bool(value)
        if name == "internet_mail_on_hub":
            return not any("edge_transport" in host.roles for host in self.managed)
        if name == "oab_public_folder":
            derived = int(self.option("outlook_min_version", 2007)) <= 2003 or not self.organisation_feature("oab_web_distribution")
            chosen = self.option("oab_public_folder_distribution", None)
            return derived if chosen is None else bool(chosen)
        return bool(self.features[name]["default"])

    # -- who is at an address ----------------------------------------------------------------------------------------

    def _at(self, address: str, kind: str) -> list[Party]:
        """Everybody of a kind who may be at an address."""
        where = ipaddress.ip_address(address)
        parties = [
            Party(kind, host, mode=host.get("gateway_mode", ""), why=host.name)
            for host in self.hosts.values() if kind in (host.roles or host.kinds) and where in host.addresses
        ]
        for network, mode, site in self.networks(kind):
            if contains(network, where):
                parties.append(Party(kind, mode=mode, site=site, why=network))
        return parties

    def networks(self, kind: str) -> t.Iterator[tuple[str, str, str]]:
        """Networks that the inventory gives for a peer kind, each with a gateway's mode and the only site that accepts it."""
        given = self.option("peers", {}).get(kind, [])
        by_site = given if isinstance(given, dict) else {"": given}
        for site, entries in by_site.items():
            for entry in [entries] if isinstance(entries, str) else entries:
                if isinstance(entry, dict):
                    yield entry["address"], entry.get("mode", ""), entry.get("site", site)
                else:
                    yield entry, "", site

    def _stands_for(self, kind: str, other: str) -> str:
        """The kind that is asked in place of one that the inventory does not name at all; an edge server never gets the directory."""
        named = kind in self.option("peers", {}) or any(kind in host.kinds for host in self.hosts.values() if not host.roles)
        fallback = self.kinds.get(kind, {}).get("fallback", "")
        return kind if named or not fallback or other in self.edges else self._stands_for(fallback, other)

    # -- the question ------------------------------------------------------------------------------------------------

    def inbound(self, host: str, packet: Packet) -> list[str]:
        """Why a host must accept a packet that opens a connection; empty when it must not."""
        end = self.hosts[host]
        return [*self._asked(packet, accepting=end), *self._management(end, packet), *self._keys(end, packet.source, packet)]

    def outbound(self, host: str, packet: Packet) -> list[str]:
        """Why a host may open a connection; empty when it must not."""
        return [*self._asked(packet, opening=self.hosts[host]), *self._keys(self.hosts[host], packet.destination, packet)]

    def clear(self, host: str, direction: str, packet: Packet) -> bool:
        """Whether a packet that rows want passes without IPsec: some reason does not demand it, and nothing else between the ends does."""
        end = self.hosts[host]
        address = packet.source if direction == "in" else packet.destination
        reasons = list(self._reasons(packet, accepting=end) if direction == "in" else self._reasons(packet, opening=end))
        free = [*self._keys(end, address, packet), *(self._management(end, packet) if direction == "in" else [])]
        return bool(free) or (any(not demanding for _text, demanding in reasons) and not self._guarded(end, address, direction, packet))

    def _asked(self, packet: Packet, accepting: Host | None = None, opening: Host | None = None) -> list[str]:
        return [text for text, _demanding in self._reasons(packet, accepting, opening)]

    def _reasons(self, packet: Packet, accepting: Host | None = None, opening: Host | None = None) -> t.Iterator[tuple[str, bool]]:
        """Why a packet may pass, and whether only inside IPsec."""
        for row, port in self.asked:
            for initiator_kind, responder_kind in _pairs(row, port) if _may_match(port["token"], packet.protocol, packet.port) else ():
                initiators = self._ends(initiator_kind, responder_kind, packet.source, opening)
                responders = self._ends(responder_kind, initiator_kind, packet.destination, accepting)
                if row["relation"] == "witness":
                    responders = [*responders, *self._witnesses(responder_kind, packet.destination, opening)]
                if row["relation"] == "same_cluster":
                    initiators = [*initiators, *self._on_cluster_network(packet.source, accepting)]
                    responders = [*responders, *self._on_cluster_network(packet.destination, opening)]
                for initiator, responder in itertools.product(initiators, responders):
                    if self._wants(row, port, initiator, responder) and self._port_matches(port["token"], packet, responder):
                        text = f"{row['id']}: {port['token']} from {initiator.kind} {initiator.why} to {responder.kind} {responder.why}"
                        yield text, self._by_ipsec(row) and {self.ipsec(end.host) for end in (initiator, responder)} == {"required"}

    def _ends(self, kind: str, other: str, address: str, host: Host | None) -> list[Party]:
        """The parties at one end: the host that is asked about, in one of its roles, or whoever is at the address."""
        if host:
            return [Party(kind, host, why=host.name)] if kind in host.roles else []
        return self.at(address, self.stands_for(kind, other))

    # -- switches ----------------------------------------------------------------------------------------------------

    def _row_counts(self, row: Row) -> bool:
        if row["relation"] == "same_host" or row["initiators"] == ["config_controller"]:
            return False
        if row.get("section") != "implied":
            return True
        return bool(self.option("implied", True)) and not {row["id"], row["source"]} & set(self.option("disabled_implied", []))

    def _port_counts(self, row: Row, port: Row) -> bool:
        if port.get("origin") == "implied" and (not self.option("implied", True) or port["source"] in self.option("disabled_implied", [])):
            return False
        # A clear-text port that has an encrypted twin is open only where encryption is as documented, or where the row is waived.
        clear = port.get("twin") and self.option("encryption", "as_documented") != "as_documented"
        return not clear or row["id"] in self.option("waivers", {})

    def _wants(self, row: Row, port: Row, initiator: Party, responder: Party) -> bool:
        if initiator.host and initiator.host == responder.host:
            return False
        if row.get("platforms") and responder.host and responder.host.platform not in row["platforms"]:
            return False
        if port.get("security") and any(end.kind in GATEWAYS and end.mode not in ("", port["security"]) for end in (initiator, responder)):
            return False
        if not self._sites_fit(initiator, responder) or not self._related(row, initiator, responder):
            return False
        demands = [*row.get("when", ()), *port.get("when", ()), *row.get("initiator_when", {}).get(initiator.kind, ())]
        return all(self._is_on(feature, initiator, responder) for feature in demands)

    def _is_on(self, feature: str, initiator: Party, responder: Party) -> bool:
        owner = self.features[feature].get("owner", "")
        if not owner:
            return self.organisation_feature(feature)
        ends = [end.host for end in (initiator, responder) if end.kind == owner and end.host]
        return all(host.get(feature, self.features[feature]["default"]) for host in ends)

    # -- relations ---------------------------------------------------------------------------------------------------

    @staticmethod
    def _sites_fit(initiator: Party, responder: Party) -> bool:
        """A network that is given for one site is known to the servers of that site only."""
        return all(not near.site or not far.host or near.site == far.host.site for near, far in ((initiator, responder), (responder, initiator)))

    def _related(self, row: Row, initiator: Party, responder: Party) -> bool:
        relation, first, second = row["relation"], initiator.host, responder.host
        if relation == "any":
            return True
        if relation == "witness":
            given = first.get("file_share_witness") if first else None
            return given is not None and (responder.why == given if second is None else _is_witness_of(second, given))
        if not first or not second:
            raise ValueError(f"{row['id']}: {relation} joins hosts")
        if relation == "same_site":
            # The switch widens the rows that were read as staying in a site; the full trust of decision 1 is about one site by its nature.
            widened = not self.option("enforce_site_scope", True) and row["section"] != "implied"
            return first.site == second.site or widened
        return {
            "subscribed": first.site == second.site,
            "other_site": first.site != second.site,
            "same_cluster": _one_cluster(first, second),
            "replication": _one_cluster(first, second) or second.name in first.get("scr_targets", ()) or first.name in second.get("scr_targets", ()),
        }[relation]

    def _witnesses(self, kind: str, address: str, node: Host | None) -> list[Party]:
        """A witness given by its bare address."""
        given = str(node.get("file_share_witness", "")) if node else ""
        bare = kind == "file_share_witness" and given == address and not any(given in map(str, host.addresses) for host in self.hosts.values())
        return [Party(kind, why=given)] if bare else []

    def _on_cluster_network(self, address: str, node: Host | None) -> list[Party]:
        """Somebody on a network of a node's cluster is one of its other nodes."""
        if not node or not any(contains(network, ipaddress.ip_address(address)) for network in node.get("cluster_networks", ())):
            return []
        others = (host for host in self.managed if host != node and _one_cluster(host, node))
        return [Party("mailbox", other, why=f"{other.name} by a cluster network") for other in others]

    # -- ports -------------------------------------------------------------------------------------------------------

    def _port_matches(self, token: str, packet: Packet, responder: Party) -> bool:
        name, _slash, protocol = token.partition("/")
        if protocol == "any":
            return True
        return protocol == packet.protocol and any(low <= packet.port <= high for low, high in self.numbers(name, responder))

    def numbers(self, name: str, responder: Party) -> list[Range]:
        """The port part of a token as numbers of the host that answers."""
        host = responder.host
        if name == "rtp":
            return [_range(host.get("media_range", "1024-65535") if host else "1024-65535")]
        if name == "rpc-dynamic":
            static = [(port, port) for port in host.get("static_ports", {}).values()] if host else []
            return [*self._rpc_range(responder), *static]
        if name == "random":
            return [self._ephemeral_range(host)]
        return [_range(name)]

    def _rpc_range(self, responder: Party) -> list[Range]:
        host = responder.host
        if host and host.get("rpc_range"):
            return [_range(host.get("rpc_range"))]
        if host and host.roles:
            return [(49152, 65535)] if host.platform == "linux" else [_windows_range(host)]
        # KB179442: a directory may have domain controllers of both generations; of other strangers nothing is known.
        return [(1025, 5000), (49152, 65535)] if responder.kind in DIRECTORY else [(1024, 65535)]

    @staticmethod
    def _ephemeral_range(host: Host | None) -> Range:
        if not host or not host.roles:
            return (1024, 65535)
        return (32768, 60999) if host.platform == "linux" else _windows_range(host)

    # -- what IPsec needs for itself -----------------------------------------------------------------------------------

    def _keys(self, host: Host, address: str, packet: Packet) -> list[str]:
        """IPsec brings its key exchange and its packets along (X-29), both ways between ends that protect any row with it."""
        if (packet.protocol, packet.port) not in (("udp", 500), ("udp", 4500), (ESP, 0)):
            return []
        return [f"ipsec-key-exchange: {party.why} for {row['id']}" for row, _port, party, _opens in self.secured(host, address)]

    def _guarded(self, host: Host, address: str, direction: str, packet: Packet) -> bool:
        """Whether nothing, or nothing on this port, may pass in clear between a host and an address: with a range of ports the whole pair is protected."""
        for _row, port, party, opens in self.secured(host, address):
            if {self.ipsec(host), self.ipsec(party.host)} == {"required"}:
                name, _slash, protocol = port["token"].partition("/")
                ends = self.numbers(name, party if opens else Party("", host))
                same = opens is (direction == "out") and protocol == packet.protocol and any(low <= packet.port <= high for low, high in ends)
                if same or any(low != high for low, high in ends):
                    return True
        return False

    def _by_ipsec(self, row: Row) -> bool:
        return row.get("encryption", {}).get("mechanism") == "ipsec" and row["id"] not in self.option("waivers", {})

    def _secured(self, host: Host, address: str) -> list[tuple[Row, Row, Party, bool]]:
        """The ports that a host protects with IPsec towards an address, whom it means there, and whether it opens them."""
        found = []
        for row, port in self.asked:
            for initiator_kind, responder_kind in _pairs(row, port) if self._by_ipsec(row) else ():
                for near, far, opens in ((initiator_kind, responder_kind, True), (responder_kind, initiator_kind, False)):
                    me = Party(near, host, why=host.name)
                    parties = self._ends(far, near, address, None) if near in host.roles and self.ipsec(host) != "absent" else []
                    wanted = [party for party in parties if self._wants(row, port, *((me, party) if opens else (party, me)))]
                    found += [(row, port, party, opens) for party in wanted if self.ipsec(party.host) != "absent"]
        return found

    def ipsec(self, host: Host | None) -> str:
        """What an end can do: hosts of ours what they are told, others whatever they are asked for."""
        if host is None or not host.roles:
            return "required"
        by_encryption = {"as_documented": "absent", "prefer_encrypted": "requested", "require_encrypted": "required"}
        return str(host.get("ipsec") or by_encryption[self.option("encryption", "as_documented")])

    # -- management and the support statement --------------------------------------------------------------------------

    def _management(self, host: Host, packet: Packet) -> list[str]:
        """Ansible's own way in: the rows that only a configuration controller uses, and the port of the connection where the inventory names it."""
        if packet.protocol != "tcp":
            return []
        parties = [party for party in self.at(packet.source, "config_controller") if party.host != host and party.site in ("", host.site)]
        ports = {int(host.variables["ansible_port"])} if "ansible_port" in host.variables else self._ports_of_connection(host)
        for row in self.rows:
            dropped = {row.get("source"), row["id"]} & set(self.option("disabled_implied", [])) or not self.option("implied", True)
            if row["initiators"] == ["config_controller"] and host.platform in row["platforms"] and not dropped:
                ports |= {int(port["token"].partition("/")[0]) for port in row["ports"] if self._port_counts(row, port)}
        return [f"management: {packet.port}/tcp from {party.why}" for party in parties] if packet.port in ports else []

    @staticmethod
    def _ports_of_connection(host: Host) -> set[int]:
        """The default of the connection; only on Windows, because ssh on Linux is a row."""
        connection = str(host.variables.get("ansible_connection", "ssh"))
        platform = host.get("platform")
        if host.platform != "windows" or (isinstance(platform, dict) and str(platform.get("release")) == "2003"):
            return set()
        return {22} if connection == "ssh" else {5986}

    def _support_statement(self) -> list[Row]:
        members = [role for role in self.roles if role not in self.edges]
        common = {"section": "support", "relation": "any", "direction": "both", "ports": [{"token": "any/any"}], "initiators": members}
        return [{"id": "supported-between-members", "responders": members, **common}, {"id": "supported-with-directory", "responders": [*DIRECTORY], **common}]


def _read(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _rows(path: Path) -> list[Row]:
    content = _read(path)
    return [{**row, "section": content["section"]} for row in content["rows"]]


def _pairs(row: Row, port: Row) -> t.Iterator[tuple[str, str]]:
    """Who opens a port on whom. Where a path goes both ways, the responders open it too, but not what somebody else answers."""
    for initiator in row["initiators"]:
        for responder in port.get("responders") or row["responders"]:
            yield initiator, responder
            if row.get("direction") == "both" and initiator != responder and not port.get("responders"):
                yield responder, initiator


@cache
def _may_match(token: str, protocol: str, number: int) -> bool:
    """Whether a port can be meant at all, before anybody asks who answers: saves time, decides nothing."""
    name, _slash, wanted = token.partition("/")
    if wanted == "any":
        return True
    return wanted == protocol and (name in SYMBOLIC or _range(name)[0] <= number <= _range(name)[1])


def _is_witness_of(host: Host, given: str) -> bool:
    return given in (host.name, *map(str, host.addresses))


def _one_cluster(first: Host, second: Host) -> bool:
    return bool(first.get("cluster")) and first.get("cluster") == second.get("cluster")


def _windows_range(host: Host) -> Range:
    release = host.get("platform")["release"] if isinstance(host.get("platform"), dict) else "2008"
    return (1025, 5000) if str(release) == "2003" else (1025, 60000)


@cache
def _range(text: str) -> Range:
    low, _dash, high = str(text).partition("-")
    return int(low), int(high or low)


@cache
def span(network: str) -> tuple[Address, Address]:
    """The first and last address of a network text."""
    low, dash, high = network.partition("-")
    if dash:
        return ipaddress.ip_address(low.strip()), ipaddress.ip_address(high.strip())
    whole = ipaddress.ip_network(network)
    return whole[0], whole[-1]


def contains(network: str, address: Address) -> bool:
    if network == "any":
        return True
    low, high = span(network)
    return low.version == address.version and int(low) <= int(address) <= int(high)
