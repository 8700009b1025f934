# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What a Windows host says of itself, as values. The same values stand for what netsh is told to make, so that both can be compared."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

PROFILES = ("domain", "private", "public")
Intervals = tuple[tuple[int, int], ...]
"""Sorted, merged, inclusive ranges of numbers."""


class WindowsError(ValueError):
    """What a Windows host said, or is to be told, and cannot be right: names what, where and how to fix it."""


@dataclass(frozen=True)
class Ports:
    """Ports of one side of a rule. everything: no restriction. keywords: as the registry spells them (C(RPC), C(RPC-EPMap), C(Teredo)...)."""

    everything: bool = False
    numbers: Intervals = ()
    keywords: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """Addresses of one side of a rule. everything: no restriction, in both families. keywords: C(LocalSubnet), C(DNS)... as the registry spells them.

    Where anything is named, a family without addresses and keywords admits nobody (MS-GPFAS 2.2.2.19: RA4 and RA6 restrict the rule together).
    """

    everything: bool = False
    v4: Intervals = ()
    v6: Intervals = ()
    keywords: frozenset[str] = frozenset()


ANY_PORT = Ports(everything=True)
ANY_ADDRESS = Scope(everything=True)


@dataclass(frozen=True)
class Match:
    """What a firewall rule does, whoever wrote it and whatever it is called: rules with equal matches do the same.

    direction: ``in`` or ``out``. action: ``allow``, ``block`` or ``bypass``. protocol: a number, None for any. icmp: sorted ``8:*`` texts, empty for all
    types. profiles: sorted members of PROFILES, all three when nothing restricts them. program, service: as written, in lower case, empty for none.
    interfaces: sorted texts of C(IF) and C(IFType). security: ``none``, ``authenticate``, ``authenc``, ``authnoencap`` or ``authdynenc``.
    edge: ``no``, ``yes``, ``deferapp`` or ``deferuser``. other: sorted tokens that narrow the rule in ways that are not computed here (computer and
    user groups, packages, platforms...); a rule that has any admits at most what the rest of it says.
    """

    direction: str
    action: str = "allow"
    protocol: int | None = None
    local_ports: Ports = ANY_PORT
    remote_ports: Ports = ANY_PORT
    local: Scope = ANY_ADDRESS
    remote: Scope = ANY_ADDRESS
    profiles: tuple[str, ...] = PROFILES
    icmp: tuple[str, ...] = ()
    program: str = ""
    service: str = ""
    interfaces: tuple[str, ...] = ()
    security: str = "none"
    edge: str = "no"
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class FirewallRule:
    """One firewall rule of a host. id: the name of its registry value. store: ``local`` or ``policy``. group: C(EmbedCtxt). text: exactly as stored."""

    id: str
    store: str
    name: str
    active: bool
    match: Match
    group: str = ""
    description: str = ""
    text: str = ""


@dataclass(frozen=True)
class AuthSuite:
    """One way to prove who the peer is. method: ``kerberos``, ``certificate``, ``psk``, ``ntlm``, ``anonymous``, ``user_*``. ca: the name of the authority.

    A pre-shared key is never held here.
    """

    method: str
    ca: str = ""
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CryptoSuite:
    """One offer of algorithms, in lower-case netsh words (``aes256``, ``sha1``, ``dhgroup14``, ``aesgcm256``); an empty encryption is none at all.

    protocol: ``esp``, ``ah``, ``ah+esp`` for quick mode, empty for main mode. minutes, kilobytes: life time of a quick mode key, 0 for the default.
    """

    encryption: str = ""
    integrity: str = ""
    protocol: str = ""
    exchange: str = ""
    minutes: int = 0
    kilobytes: int = 0
    ah_integrity: str = ""


@dataclass(frozen=True)
class ConSecMatch:
    """What a connection security rule does. action: netsh's word (C(requireinrequireout), C(requestinrequestout), C(requireinrequestout),
    C(requireinclearout), C(noauthentication)). auth1, auth2, quick: contents of the sets that the rule points to, in order; empty where it has none.
    pfs: netsh's word. other: sorted tokens that are not computed here (tunnel ends, key modules...).
    """

    action: str
    protocol: int | None = None
    port1: Ports = ANY_PORT
    port2: Ports = ANY_PORT
    endpoint1: Scope = ANY_ADDRESS
    endpoint2: Scope = ANY_ADDRESS
    profiles: tuple[str, ...] = PROFILES
    auth1: tuple[AuthSuite, ...] = ()
    auth2: tuple[AuthSuite, ...] = ()
    quick: tuple[CryptoSuite, ...] = ()
    pfs: str = "none"
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class MainModeMatch:
    """What a main mode rule does (Windows Server 2008 R2 and later)."""

    endpoint1: Scope = ANY_ADDRESS
    endpoint2: Scope = ANY_ADDRESS
    profiles: tuple[str, ...] = PROFILES
    auth1: tuple[AuthSuite, ...] = ()
    suites: tuple[CryptoSuite, ...] = ()
    minutes: int = 480
    sessions: int = 0
    other: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SecurityRule:
    """A connection security or main mode rule of a host, its sets followed. auth_set: the id of its first authentication set, where its key lies."""

    id: str
    store: str
    name: str
    active: bool
    match: ConSecMatch | MainModeMatch
    description: str = ""
    auth_set: str = ""
    text: str = ""


@dataclass(frozen=True)
class Profile:
    """One profile of the firewall in one store; None where the store says nothing. inbound, outbound: ``allow`` or ``block``.

    log_*: whether dropped packets and allowed connections are written to the log, its file and its size in kilobytes.
    merge, merge_ipsec: whether local rules count beside Group Policy's (policy store only).
    block_all: whether inbound packets are dropped even where a rule allows them (C(DoNotAllowExceptions), netsh's C(blockinboundalways)).
    """

    enabled: bool | None = None
    inbound: str | None = None
    outbound: str | None = None
    log_dropped: bool | None = None
    log_allowed: bool | None = None
    log_file: str | None = None
    log_size: int | None = None
    merge: bool | None = None
    merge_ipsec: bool | None = None
    block_all: bool | None = None


@dataclass(frozen=True)
class Service:
    """A service. state: the number that C(sc query) shows (4 is running), 0 for absent. start: the registry's C(Start) (2 automatic, 4 disabled)."""

    state: int = 0
    start: int = 0


@dataclass(frozen=True)
class Release:
    """A release of Windows and what its tools can say. name: as C(datapath_platform.release) has it. build: of the host; 0 when rendered without one."""

    name: str
    build: int = 0
    advfirewall: bool = True
    """Windows Server 2003 has the old firewall only (KB947709)."""
    port_ranges: bool = True
    """Ranges of ports in firewall rules: not on Windows Server 2008 (MS-FASP 2.2.24, KB949856)."""
    securing_lists: bool = True
    """More than one port a side in rules that secure: not on Windows Server 2008."""
    main_mode_rules: bool = True
    """Main mode rules: not on Windows Server 2008 (schema 0x0208)."""
    rules_by_id: bool = True
    """The NetSecurity cmdlets, which name a rule by its id: Windows Server 2012 and later."""
    schema: str = "2.33"
    """The version that new rules are written with (MS-FASP 2.2.42)."""


@dataclass(frozen=True)
class State:
    """Everything that was read from a host. Keys and texts are the registry's; nothing here was read from translated text.

    profiles, policy_profiles: by member of PROFILES. services: by name as asked (C(MpsSvc), C(BFE), C(IKEEXT)...). memory: what earlier runs left to be
    restored, by part (``firewall``, ``ipsec``, ``rpc_ports``) and name. pending: the token of a change that nobody has confirmed yet, or empty.
    """

    release: Release
    elevated: bool
    rules: tuple[FirewallRule, ...] = ()
    security_rules: tuple[SecurityRule, ...] = ()
    profiles: t.Mapping[str, Profile] = field(default_factory=dict)
    policy_profiles: t.Mapping[str, Profile] = field(default_factory=dict)
    services: t.Mapping[str, Service] = field(default_factory=dict)
    memory: t.Mapping[str, t.Mapping[str, str]] = field(default_factory=dict)
    pending: str = ""
    main_suites: tuple[CryptoSuite, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Rules that could not be understood, as C(store: id: why): never silently left out of a judgement."""
    faults: tuple[str, ...] = ()
    """Parts of the registry that are there and could not be read, in words."""


__all__ = (
    "ANY_ADDRESS",
    "ANY_PORT",
    "PROFILES",
    "AuthSuite",
    "ConSecMatch",
    "CryptoSuite",
    "FirewallRule",
    "Intervals",
    "MainModeMatch",
    "Match",
    "Ports",
    "Profile",
    "Release",
    "Scope",
    "SecurityRule",
    "Service",
    "State",
    "WindowsError",
)
