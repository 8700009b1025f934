# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall of a freshly installed Windows, with or without Exchange: as public dumps of registries show it, shortened to what matters for mail.

Versions, indirect names and ids of built-in rules are in the style of those dumps. The exact set of rules differs from one installation to the next, so
nothing may depend on it.
"""

from __future__ import annotations

import typing as t

from windows_double.netsh_words import DWORD, LOCAL, RELEASES, SZ
from windows_double.registry import Registry

if t.TYPE_CHECKING:
    from windows_double.machine import Machine

DEFAULT_MAIN = "{E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE1}"
DEFAULT_QUICK = "{E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE2}"
DEFAULT_AUTH1 = "{E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE3}"
DEFAULT_AUTH2 = "{E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE4}"
"""Ids of the sets that rules use when they have none of their own (MS-FASP appendix, notes 30-32)."""

_CORE = "@FirewallAPI.dll,-25000"
_DESKTOP = "@FirewallAPI.dll,-28752"
_SHARING = "@FirewallAPI.dll,-28502"
_REMOTE = "@FirewallAPI.dll,-30267"
_SVCHOST = r"App=%SystemRoot%\system32\svchost.exe"

Rules = tuple[tuple[str, str], ...]
Suites = tuple[t.Mapping[str, str], ...]

_EVERYWHERE: Rules = (
    ("CoreNet-ICMP6-DU-In", f"Action=Allow|Active=TRUE|Dir=In|Protocol=58|ICMP6=1:*|App=System|Name=@FirewallAPI.dll,-25110|EmbedCtxt={_CORE}|"),
    ("CoreNet-ICMP6-PTB-In", f"Action=Allow|Active=TRUE|Dir=In|Protocol=58|ICMP6=2:*|App=System|Name=@FirewallAPI.dll,-25001|EmbedCtxt={_CORE}|"),
    ("CoreNet-ICMP6-NDS-In", f"Action=Allow|Active=TRUE|Dir=In|Protocol=58|ICMP6=135:*|App=System|Name=@FirewallAPI.dll,-25019|EmbedCtxt={_CORE}|"),
    ("CoreNet-ICMP6-NDA-In", f"Action=Allow|Active=TRUE|Dir=In|Protocol=58|ICMP6=136:*|App=System|Name=@FirewallAPI.dll,-25026|EmbedCtxt={_CORE}|"),
    (
        "CoreNet-ICMP6-RA-In",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=58|ICMP6=134:*|RA6=fe80::/64|App=System|Name=@FirewallAPI.dll,-25012|EmbedCtxt={_CORE}|",
    ),
    ("CoreNet-ICMP4-DUFRAG-In", f"Action=Allow|Active=TRUE|Dir=In|Protocol=1|ICMP4=3:4|App=System|Name=@FirewallAPI.dll,-25251|EmbedCtxt={_CORE}|"),
    (
        "CoreNet-DHCP-In",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=17|LPort=68|RPort=67|{_SVCHOST}|Svc=dhcp|Name=@FirewallAPI.dll,-25301|EmbedCtxt={_CORE}|",
    ),
    (
        "CoreNet-DNS-Out-UDP",
        f"Action=Allow|Active=TRUE|Dir=Out|Protocol=17|RPort=53|{_SVCHOST}|Svc=dnscache|Name=@FirewallAPI.dll,-25405|EmbedCtxt={_CORE}|",
    ),
    (
        "FPS-NB_Session-In-TCP",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=139|App=System|Name=@FirewallAPI.dll,-28503|Desc=@FirewallAPI.dll,-28506|EmbedCtxt={_SHARING}|",
    ),
    (
        "FPS-SMB-In-TCP",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=445|App=System|Name=@FirewallAPI.dll,-28511|Desc=@FirewallAPI.dll,-28514|EmbedCtxt={_SHARING}|",
    ),
    (
        "FPS-ICMP4-ERQ-In",
        f"Action=Allow|Active=FALSE|Dir=In|Protocol=1|Profile=Public|ICMP4=8:*|RA4=LocalSubnet|RA6=LocalSubnet|Name=@FirewallAPI.dll,-28543|"
        f"EmbedCtxt={_SHARING}|",
    ),
    (
        "NETDIS-NB_Name-Out-UDP",
        "Action=Allow|Active=FALSE|Dir=Out|Protocol=17|Profile=Private|RPort=137|RA4=LocalSubnet|RA6=LocalSubnet|App=System|"
        "Name=@FirewallAPI.dll,-32773|Desc=@FirewallAPI.dll,-32776|EmbedCtxt=@FirewallAPI.dll,-32752|",
    ),
)
_DESKTOP_OLD: Rules = (
    (
        "RemoteDesktop-In-TCP",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3389|App=System|Name=@FirewallAPI.dll,-28753|Desc=@FirewallAPI.dll,-28756|EmbedCtxt={_DESKTOP}|",
    ),
)
_DESKTOP_NEW: Rules = (
    (
        "RemoteDesktop-UserMode-In-TCP",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3389|{_SVCHOST}|Svc=termservice|Name=@FirewallAPI.dll,-28775|Desc=@FirewallAPI.dll,-28756|"
        f"EmbedCtxt={_DESKTOP}|",
    ),
)
_REMOTE_OLD: Rules = (
    (
        "WINRM-HTTP-In-TCP",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=5985|App=System|Name=@FirewallAPI.dll,-30253|Desc=@FirewallAPI.dll,-30256|EmbedCtxt={_REMOTE}|",
    ),
)
_REMOTE_NEW: Rules = (
    (
        "WINRM-HTTP-In-TCP-NoScope",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Domain|Profile=Private|LPort=5985|App=System|Name=@FirewallAPI.dll,-30253|"
        f"Desc=@FirewallAPI.dll,-30256|EmbedCtxt={_REMOTE}|",
    ),
    (
        "WINRM-HTTP-In-TCP",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=5985|RA4=LocalSubnet|RA6=LocalSubnet|App=System|Name=@FirewallAPI.dll,-30253|"
        f"Desc=@FirewallAPI.dll,-30256|EmbedCtxt={_REMOTE}|",
    ),
)
_NEWEST: Rules = (
    (
        "OpenSSH-Server-In-TCP",
        r"Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=22|App=%SystemRoot%\system32\OpenSSH\sshd.exe|Name=OpenSSH SSH Server (sshd)|"
        "Desc=Inbound rule for OpenSSH SSH Server (sshd)|EmbedCtxt=OpenSSH Server|",
    ),
    (
        "MDNS-In-UDP-Private-Active",
        f"Action=Allow|Active=TRUE|Dir=In|Protocol=17|Profile=Private|LPort2_24=mDNS|{_SVCHOST}|Svc=dnscache|"
        r"Name=@%SystemRoot%\system32\firewallapi.dll,-37303|"
        r"EmbedCtxt=@%SystemRoot%\system32\firewallapi.dll,-37302|LUOwn=S-1-5-18|",
    ),
)
_EXCHANGE: dict[str, tuple[str, str]] = {
    "2007": (r"C:\Program Files\Microsoft\Exchange Server\Bin", ""),
    "2010": (r"C:\Program Files\Microsoft\Exchange Server\V14\Bin", ""),
}
_EXCHANGE_NEW = r"C:\Program Files\Microsoft\Exchange Server\V15\Bin"
_PROGRAMS = (
    ("EdgeTransport.exe", "MSExchangeTransportWorker - RPC (TCP-In)", "LPort=RPC|"),
    ("MSExchangeTransport.exe", "MSExchangeTransport (GFW) (TCP-In)", ""),
    ("store.exe", "MSExchangeIS (GFW) (TCP-In)", ""),
    ("Microsoft.Exchange.ServiceHost.exe", "MSExchangeServiceHost - RPC (TCP-In)", "LPort=RPC|"),
)


def since(release: str, first: str) -> bool:
    return RELEASES.index(release) >= RELEASES.index(first)


def rules(release: str, exchange: str | None) -> Rules:
    """(id, text) of the rules that are there before anybody configured anything. Texts of built-in rules are older than the release that ships them."""
    version = "v2.0" if release == "2008" else "v2.10" if release == "2008r2" else "v2.22"
    desktop = _DESKTOP_NEW if since(release, "2012") else _DESKTOP_OLD
    remote = _REMOTE_NEW if since(release, "2008r2") else _REMOTE_OLD
    newest = _NEWEST if since(release, "2019") else ()
    edge = "Edge=FALSE|" if release == "2008" else ""
    found = [
        (name, f"{version}|{text}{edge if '|Dir=In|' in text else ''}") for name, text in (*_EVERYWHERE, *desktop, *remote, *newest)
    ]
    return (*found, *_exchange(version, exchange))


def _exchange(version: str, exchange: str | None) -> Rules:
    """Exchange's own rules: one program each, any address, some with any port: they admit what the reference closes."""
    if exchange is None:
        return ()
    folder = _EXCHANGE.get(exchange, (_EXCHANGE_NEW, ""))[0]
    programs = tuple(
        (
            f"{{5D0E1B5C-7C5F-4D0B-9E2A-0000000001{place:02X}}}",
            f"{version}|Action=Allow|Active=TRUE|Dir=In|Protocol=6|{ports}App={folder}\\{program}|Name={name}|Desc=|EmbedCtxt=Microsoft Exchange Server|",
        )
        for place, (program, name, ports) in enumerate(_PROGRAMS)
    )
    mapper = (
        "{5D0E1B5C-7C5F-4D0B-9E2A-0000000001F0}",
        f"{version}|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=RPC-EPMap|Name=MSExchangeRPCEPMap (GFW) (TCP-In)|Desc=|"
        "EmbedCtxt=Microsoft Exchange Server|",
    )
    return (*programs, mapper)


_CONTAINERS = ("ConSecRules", "Phase1AuthenticationSets", "Phase2AuthenticationSets", "Phase1CryptoSets", "Phase2CryptoSets")
_BARE = "2025"
"""Whether empty keys for security rules are there before anybody makes one is undocumented: on this release of the double they are not."""


def write_policy(registry: Registry, release: str, exchange: str | None = None) -> None:
    """The local policy of a fresh installation, into an empty key."""
    for name, text in rules(release, exchange):
        registry.set(LOCAL + r"\FirewallRules", name, SZ, text)
    for profile in ("DomainProfile", "StandardProfile", "PublicProfile"):
        _profile(registry, release, LOCAL + "\\" + profile)
    if release != _BARE:
        for container in _CONTAINERS:
            registry.create_key(f"{LOCAL}\\{container}")
    if not since(release, "2012"):
        write_default_sets(registry)


def _profile(registry: Registry, release: str, key: str) -> None:
    """Default actions are not written by setup: what is absent is block in, allow out. Old releases have them nowhere, new ones have the list of settings."""
    registry.set(key, "EnableFirewall", DWORD, 1)
    registry.set(key, "DisableNotifications", DWORD, 1 if since(release, "2008r2") else 0)
    log = key + r"\Logging"
    registry.set(log, "LogDroppedPackets", DWORD, 0)
    registry.set(log, "LogFilePath", SZ, r"%systemroot%\system32\LogFiles\Firewall\pfirewall.log")
    registry.set(log, "LogFileSize", DWORD, 4096)
    registry.set(log, "LogSuccessfulConnections", DWORD, 0)


MAIN_VALUES = (("DoNotSkipDH", "FALSE"), ("TimeOutMinutes", "480"), ("TimeOutSessions", "0"))
MAIN_SUITES: Suites = tuple({"KeyExchange": "DH2", "Encryption": encryption, "Hash": "SHA1"} for encryption in ("AES-128", "3DES"))
"""The default main mode set, as Windows assumes it where nothing is written."""
_LIFE = {"TimeOutMinutes": "60", "TimeOutKbytes": "100000"}
QUICK_SUITES: Suites = (
    {"Protocol": "ESP", "EspHash": "SHA1", **_LIFE},
    {"Protocol": "ESP", "Encryption": "AES-128", "EspHash": "SHA1", **_LIFE},
    {"Protocol": "ESP", "Encryption": "3DES", "EspHash": "SHA1", **_LIFE},
    {"Protocol": "AH", "AhHash": "SHA1", **_LIFE},
)
"""The default quick mode set: its first offer encrypts nothing."""


def write_default_sets(registry: Registry) -> None:
    """The sets that rules use when they have none of their own. Absent in the registry of newer releases until somebody changes them."""
    _write_set(registry, f"Phase1CryptoSets\\{DEFAULT_MAIN}", MAIN_VALUES, MAIN_SUITES)
    _write_set(registry, f"Phase2CryptoSets\\{DEFAULT_QUICK}", (("PFS", "Disable"),), QUICK_SUITES)
    _write_set(registry, f"Phase1AuthenticationSets\\{DEFAULT_AUTH1}", (), ({"Method": "MachineKerb"},))
    _write_set(registry, f"Phase2AuthenticationSets\\{DEFAULT_AUTH2}", (), ())


def _write_set(registry: Registry, key: str, values: t.Iterable[tuple[str, str]], suites: Suites) -> None:
    for name, data in (("Version", "2.0"), ("Name", ""), ("Description", ""), ("EmbeddedContext", ""), *values):
        registry.set(f"{LOCAL}\\{key}", name, SZ, data)
    for place, suite in enumerate(suites):
        write_suite(registry, f"{LOCAL}\\{key}", place, suite)


def write_suite(registry: Registry, key: str, place: int, values: t.Mapping[str, str]) -> None:
    """One suite of a set: a subkey named by its place."""
    for name, data in values.items():
        registry.set(f"{key}\\{place:04d}", name, SZ, data)


_RANGES = {"2007": (1025, 58976), "2010": (6005, 59530)}
"""By version of Exchange: the dynamic range for TCP that its setup leaves behind (KB929851; 1ask2.com on Exchange 2010)."""
DEFAULT_RANGE = (49152, 16384)


def install(machine: Machine, exchange: str | None) -> None:
    """The firewall policy and the dynamic ranges of a fresh machine."""
    write_policy(machine.registry, machine.release, exchange)
    if exchange in _RANGES:
        machine.set_setting("dynamicport", {f"{family} tcp": list(_RANGES[exchange]) for family in ("ipv4", "ipv6")})


__all__ = (
    "DEFAULT_AUTH1", "DEFAULT_AUTH2", "DEFAULT_MAIN", "DEFAULT_QUICK", "DEFAULT_RANGE", "MAIN_SUITES", "MAIN_VALUES", "QUICK_SUITES", "Rules", "Suites",
    "install", "rules", "since", "write_default_sets", "write_policy", "write_suite",
)
