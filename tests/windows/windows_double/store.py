# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Windows with this registry lets through.

Precedence: authenticated bypass, block, allow, default action of the profile
(https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-fasp/702e3c23-c9d8-43db-8380-b4c670dd7f7d). A setting of Group Policy wins over the local
one; rules of both count unless the policy says that local ones don't
(https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-fasp/5a6e0d39-802d-456b-b483-c7360566fcdd).
"""

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import dataclass

from windows_double import rulestring
from windows_double.netsh_words import EVERY_PROFILE, LOCAL, POLICY
from windows_double.registry import Registry
from windows_double.rulestring import RuleText

Intervals = tuple[tuple[int, int], ...]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
_INTERNET = r"HKLM\SOFTWARE\Microsoft\Rpc\Internet"
_STATIC = (
    (r"MSExchangeIS\ParametersSystem", "TCP/IP Port"),
    (r"MSExchangeSA\Parameters", "TCP/IP Port"),
    (r"MSExchangeSA\Parameters", "TCP/IP NSPI Port"),
    (r"MSExchangeRPC\ParametersSystem", "TCP/IP Port"),
    (r"NTDS\Parameters", "TCP/IP Port"),
    (r"Netlogon\Parameters", "DCTcpipPort"),
)
"""Fixed ports that services register with RPC: the keyword C(RPC) means what is registered, wherever it lies (MS-FASP 2.2.14)."""
_DYNAMIC = ((49152, 65535),)
_KEYWORD_PORTS: t.Mapping[str, Intervals] = {
    "rpc-epmap": ((135, 135),), "iptlsin": ((443, 443),), "iphttpsin": ((443, 443),), "iptlsout": ((443, 443),), "iphttpsout": ((443, 443),),
    "mdns": ((5353, 5353),), "dhcp": ((68, 68), (546, 546)), "tcpcdpsvc": ((5040, 5040),),
}
_LINK_LOCAL = ipaddress.ip_network("fe80::/64")
_DISABLED = 4
_PROFILE_KEYS = {
    "domain": ("DomainProfile", ("DomainProfile",)),
    "private": ("StandardProfile", ("PrivateProfile", "StandardProfile")),
    "public": ("PublicProfile", ("PublicProfile",)),
}
_PROFILE_NAMES = dict(zip(("domain", "private", "public"), EVERY_PROFILE, strict=True))


@dataclass(frozen=True)
class Where:
    """What keywords of rules stand for on this host. subnets: its local networks. keywords: addresses of DNS servers and the like, by lower-case keyword.

    rpc: ports that RPC services have registered.
    """

    subnets: tuple[Network, ...] = ()
    keywords: t.Mapping[str, tuple[Network, ...]] | None = None
    rpc: Intervals = ()


@dataclass(frozen=True)
class Addresses:
    """Addresses of one side; None for any, in both families."""

    v4: Intervals = ()
    v6: Intervals = ()

    def has(self, address: Address) -> bool:
        return within(int(address), self.v4 if address.version == 4 else self.v6)


@dataclass(frozen=True)
class StoreRule:
    """A rule that counts, its keywords resolved. None: not restricted. protection: 0 none needed, 1 authenticated, 2 encrypted."""

    id: str
    store: str
    inbound: bool
    action: str
    protocol: int | None
    local_ports: Intervals | None
    remote_ports: Intervals | None
    local: Addresses | None
    remote: Addresses | None
    icmp: tuple[tuple[int, int | None], ...]
    program: str
    service: str
    protection: int


@dataclass(frozen=True)
class Settings:
    """The effective settings of one profile."""

    enabled: bool
    block_in: bool
    block_out: bool
    shielded: bool
    merge: bool


@dataclass(frozen=True)
class Packet:
    """The first packet of a flow. ipsec: how it is protected, as StoreRule.protection. program, service: empty for one that has named ports only."""

    inbound: bool
    protocol: int
    remote: Address
    local: Address | None = None
    local_port: int | None = None
    remote_port: int | None = None
    icmp: tuple[int, int] | None = None
    ipsec: int = 0
    program: str = ""
    service: str = ""


def within(number: int, intervals: t.Iterable[tuple[int, int]]) -> bool:
    return any(low <= number <= high for low, high in intervals)


# Reading


def _dword(registry: Registry, key: str, name: str) -> int | None:
    found = registry.get(key, name)
    return int(found[1]) if found else None


def settings(registry: Registry, profile: str) -> Settings:
    """What a profile does: Group Policy's value where there is one, else the local one, else the default."""
    local, policies = _PROFILE_KEYS[profile]

    def value(name: str, default: int, *, policy_only: bool = False) -> int:
        keys = [f"{POLICY}\\{policy}" for policy in policies] + ([] if policy_only else [f"{LOCAL}\\{local}"])
        found = [number for number in (_dword(registry, key, name) for key in keys) if number is not None]
        return found[0] if found else default

    return Settings(
        enabled=bool(value("EnableFirewall", 1)),
        block_in=bool(value("DefaultInboundAction", 1)),
        block_out=bool(value("DefaultOutboundAction", 0)),
        shielded=bool(value("DoNotAllowExceptions", 0)),
        merge=bool(value("AllowLocalPolicyMerge", 1, policy_only=True)),
    )


def running(registry: Registry) -> bool:
    """Whether the firewall service may run at all; who knows that it is stopped says so."""
    return all(_dword(registry, f"{_SERVICES}\\{name}", "Start") != _DISABLED for name in ("MpsSvc", "BFE"))


def rpc_ports(registry: Registry, dynamic: Intervals = _DYNAMIC) -> Intervals:
    """Where RPC services of this host can be: the configured range, or the whole dynamic one, and their fixed ports."""
    entry = registry.get(_INTERNET, "Ports")
    ranges = tuple((int(part.split("-")[0]), int(part.split("-")[-1])) for part in entry[1]) if entry else dynamic
    fixed = [_dword(registry, f"{_SERVICES}\\{key}", name) for key, name in _STATIC]
    return (*ranges, *((port, port) for port in fixed if port))


def rules(registry: Registry, profile: str, where: Where | None = None) -> list[StoreRule]:
    """The active firewall rules that count in a profile, Group Policy's first."""
    where = where or Where(rpc=rpc_ports(registry))
    stores = [("policy", POLICY)] + ([("local", LOCAL)] if settings(registry, profile).merge else [])
    found = []
    for store, root in stores:
        for identifier, (_kind, data) in registry.values(root + r"\FirewallRules").items():
            text = _readable(str(data))
            if text and _counts(text, profile):
                found.append(_rule(identifier, store, text, where))
    return found


def _readable(data: str) -> RuleText | None:
    try:
        return rulestring.read(data)
    except rulestring.RuleTextError:
        return None


def _counts(text: RuleText, profile: str) -> bool:
    """Whether a rule is on, for this profile and for a plain wired host without packages."""
    names = {name.lower() for name in text.all("Profile")}
    types = text.all("IFType")
    return (
        text.get("Active").upper() == "TRUE"
        and (not names or _PROFILE_NAMES[profile].lower() in names)
        and (not types or "Lan" in types)
        and not text.all("IF", "AppPkgId", "SecurityRealmId")
    )


_PROTECTION = {"": 0, "authenticate": 1, "authenticateencrypt": 2}


def _rule(identifier: str, store: str, text: RuleText, where: Where) -> StoreRule:
    protection = _PROTECTION[text.get("Security").lower()]
    return StoreRule(
        id=identifier,
        store=store,
        inbound=text.get("Dir").lower() == "in",
        action=text.get("Action").lower(),
        protocol=int(text.get("Protocol")) if text.get("Protocol") not in {"", "256"} else None,
        local_ports=_ports(text, "LPort", where),
        remote_ports=_ports(text, "RPort", where),
        local=_addresses(text.all("LA4", "LA6"), where),
        remote=_addresses(text.all("RA4", "RA6", "RA42", "RA62"), where),
        icmp=tuple(_icmp(value) for value in text.all("ICMP4", "ICMP6")),
        program=text.get("App"),
        service=text.get("Svc"),
        protection=1 if text.get("Security2") == "AnE-Nego" else protection,
    )


def _icmp(value: str) -> tuple[int, int | None]:
    kind, _colon, code = value.partition(":")
    return int(kind), None if code == "*" else int(code)


def _ports(text: RuleText, prefix: str, where: Where) -> Intervals | None:
    values = [value for name, value in text.tokens if name.lower().partition("2_")[0] == prefix.lower()]
    return tuple(sorted(interval for value in values for interval in _port(value, where))) if values else None


def _port(value: str, where: Where) -> Intervals:
    if value[0].isdigit():
        first, _dash, last = value.partition("-")
        return ((int(first), int(last or first)),)
    return where.rpc if value.lower() == "rpc" else _KEYWORD_PORTS.get(value.lower(), ())


def _addresses(values: t.Sequence[str], where: Where) -> Addresses | None:
    if not values:
        return None
    spans = [span for value in values for span in _spans(value, where)]
    v4, v6 = (tuple(sorted({(int(low), int(high)) for low, high in spans if low.version == version})) for version in (4, 6))
    return Addresses(v4, v6)


def _spans(value: str, where: Where) -> list[tuple[Address, Address]]:
    if value[0].isalpha() and ":" not in value:
        return [(network.network_address, network.broadcast_address) for network in _keyword(value.lower(), where)]
    entry = rulestring.address_entry(value)
    return [(entry.first, entry.last)]


def _keyword(word: str, where: Where) -> tuple[Network, ...]:
    if word == "localsubnet":
        return (*where.subnets, _LINK_LOCAL)
    return (where.keywords or {}).get(word, ())


# Deciding


def matches(rule: StoreRule, packet: Packet) -> bool:
    """Whether a rule speaks of a packet, whatever it does with it."""
    return (
        rule.inbound == packet.inbound
        and rule.protocol in {None, packet.protocol}
        and _fits(rule.local_ports, packet.local_port)
        and _fits(rule.remote_ports, packet.remote_port)
        and (rule.local is None or packet.local is None or rule.local.has(packet.local))
        and (rule.remote is None or rule.remote.has(packet.remote))
        and (not rule.icmp or (packet.icmp is not None and any(kind == packet.icmp[0] and code in {None, packet.icmp[1]} for kind, code in rule.icmp)))
        and _same_program(rule, packet)
    )


def _fits(wanted: Intervals | None, port: int | None) -> bool:
    return wanted is None or (port is not None and within(port, wanted))


def _same_program(rule: StoreRule, packet: Packet) -> bool:
    if not packet.program and not packet.service:
        return names_ports(rule)
    return (not rule.program or rule.program.lower() == packet.program.lower()) and (not rule.service or rule.service.lower() in {"*", packet.service.lower()})


def names_ports(rule: StoreRule) -> bool:
    """Whether a rule says something of a packet whose program nobody knows: not when it is bound to a program and names no port or kind of message."""
    bound = bool(rule.program or rule.service)
    return not bound or rule.local_ports is not None or rule.remote_ports is not None or bool(rule.icmp)


def decide(registry: Registry, packet: Packet, profile: str = "domain", where: Where | None = None) -> tuple[bool, str]:
    """Whether a packet passes, and the id of the rule that says so; empty where the profile or a service does."""
    if not running(registry):
        return True, ""
    if security(registry, packet, profile) == "refused":
        return False, "security"
    profile_settings = settings(registry, profile)
    if not profile_settings.enabled:
        return True, ""
    if packet.inbound and profile_settings.shielded:
        return False, ""
    fitting = [rule for rule in rules(registry, profile, where) if matches(rule, packet)]
    for action, passes_ in (("bypass", True), ("block", False), ("allow", True)):
        for rule in fitting:
            if rule.action == action and (action == "block" or packet.ipsec >= max(rule.protection, 1 if action == "bypass" else 0)):
                return passes_, rule.id
    return not (profile_settings.block_in if packet.inbound else profile_settings.block_out), ""


def passes(
    registry: Registry,
    direction: str,
    protocol: int,
    local_port: int | None,
    remote_address: str,
    *,
    local_address: str | None = None,
    remote_port: int | None = None,
    icmp: tuple[int, int] | None = None,
    ipsec: bool | int = False,
    profile: str = "domain",
    program: str = "",
    service: str = "",
    where: Where | None = None,
    is_running: bool = True,
) -> bool:
    """Whether the first packet of a flow passes. direction: ``in`` or ``out``. ipsec: True for encrypted, 1 for authenticated only.

    remote_port: the peer's, which restricts outbound rules. is_running: False when the firewall service is stopped, which filters nothing.
    """
    if not is_running:
        return True
    packet = Packet(
        inbound={"in": True, "out": False}[direction],
        protocol=protocol,
        remote=ipaddress.ip_address(remote_address),
        local=ipaddress.ip_address(local_address) if local_address else None,
        local_port=local_port,
        remote_port=remote_port,
        icmp=icmp,
        ipsec=2 if ipsec is True else int(ipsec),
        program=program,
        service=service,
    )
    return decide(registry, packet, profile, where)[0]


# Connection security


@dataclass(frozen=True)
class SecurityRule:
    """A connection security rule that counts."""

    id: str
    action: str
    protocol: int | None
    ports: tuple[Intervals | None, Intervals | None]
    ends: tuple[Addresses | None, Addresses | None]


def security_rules(registry: Registry, profile: str) -> list[SecurityRule]:
    """The active connection security rules of a profile."""
    policies = [f"{POLICY}\\{policy}" for policy in _PROFILE_KEYS[profile][1]]
    merge = next((number for number in (_dword(registry, key, "AllowLocalIPsecPolicyMerge") for key in policies) if number is not None), 1)
    found = []
    for root in (POLICY, *((LOCAL,) if merge else ())):
        for identifier, (_kind, data) in registry.values(root + r"\ConSecRules").items():
            text = _readable(str(data))
            if text and _counts(text, profile):
                found.append(_security_rule(identifier, text))
    return found


def _security_rule(identifier: str, text: RuleText) -> SecurityRule:
    where = Where()
    return SecurityRule(
        id=identifier,
        action=text.get("Action").lower(),
        protocol=int(text.get("Protocol")) if text.get("Protocol") else None,
        ports=(_ports(text, "EP1Port", where), _ports(text, "EP2Port", where)),
        ends=(_addresses(text.all("EP1_4", "EP1_6"), where), _addresses(text.all("EP2_4", "EP2_6"), where)),
    )


def security(registry: Registry, packet: Packet, profile: str = "domain") -> str:
    """What connection security rules say of a packet: nothing, ``exempt``, ``asked``, ``refused`` or ``protected``.

    Refused: protection is required and it has none. An exemption wins; either end may be this host, whichever way it was written.
    Packets of IKE itself are exempt.
    """
    if packet.protocol == 17 and {packet.local_port, packet.remote_port} & {500, 4500}:
        return "exempt"
    fitting = {rule.action for rule in security_rules(registry, profile) if _secures(rule, packet)}
    if not fitting:
        return ""
    if "donotsecure" in fitting:
        return "exempt"
    if packet.ipsec:
        return "protected"
    required = {"secure", "secureserver"} if packet.inbound else {"secure"}
    return "refused" if fitting & required else "asked"


def _secures(rule: SecurityRule, packet: Packet) -> bool:
    if rule.protocol not in {None, packet.protocol}:
        return False
    return any(
        _fits(rule.ports[mine], packet.local_port)
        and _fits(rule.ports[theirs], packet.remote_port)
        and (rule.ends[mine] is None or packet.local is None or rule.ends[mine].has(packet.local))  # type: ignore[union-attr]
        and (rule.ends[theirs] is None or rule.ends[theirs].has(packet.remote))  # type: ignore[union-attr]
        for mine, theirs in ((0, 1), (1, 0))
    )


__all__ = (
    "Addresses", "Intervals", "Packet", "SecurityRule", "Settings", "StoreRule", "Where", "decide", "matches", "names_ports", "passes", "rpc_ports", "rules",
    "running", "security", "security_rules", "settings", "within",
)
