# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the double lets through: precedence, profiles, Group Policy, keywords, IPsec; and that an nftables table made of it lets through the same."""

from __future__ import annotations

import ipaddress
import itertools
import json
import random
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from netsh_host import ADD, RELEASES, RULES, Host
from windows_double import fresh, rulestring, store, wire
from windows_double.netsh_words import LOCAL, POLICY

SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
SAMPLES = (
    r"v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=RPC|RPort=49000|LA4=192.168.1.0/255.255.255.0|RA4=LocalSubnet|RA6=LocalSubnet|"
    r"App=c:\path\foo.exe|Name=Firewall Rule Test|Security=Authenticate|Security2_9=An-NoEncap|",
    "v2.10|Action=DoNotSecure|Protocol=6|Active=TRUE|EP1Port=5357|EP1Port=5358|EP2_4=157.56.56.23|EP2_4=157.56.59.42|Name=Exempt|Desc=|EmbedCtxt=|",
    "v2.32|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3241|LA4=10.0.0.1|RA4=10.0.0.0/255.255.255.0|Name=USBLink application session|",
    r"v2.0|Action=Allow|Dir=In|Protocol=6|LPort=RPC|App=%SystemRoot%\system32\svchost.exe|Svc=DHCPServer|Name=@%SystemRoot%\system32\dhcpssvc.dll,-205|",
    "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort2_10=1-66|LPort2_10=69-55554|LPort2_10=55556-65535|Name=TCP|EmbedCtxt=GSecurity|",
    "v2.28|Action=ByPass|Active=TRUE|Dir=In|Protocol=6|LPort=3389|Name=x|Desc=x|RMauth=O:LSD:(A;;CC;;;S-1-5-21-1)|Security=Authenticate|Security2_9=An-NoEncap|",
    "V2.0|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|App=...|Name=Effectopedia|Edge=FALSE|",
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, fresh=False)


def tcp(host: Host, port: int, remote: str = "192.0.2.9", **more: t.Any) -> bool:
    return store.passes(host.registry, "in", 6, port, remote, **more)


# Rule texts


@pytest.mark.parametrize("text", SAMPLES)
def test_public_samples_are_read_and_written_back(text: str) -> None:
    assert str(rulestring.read(text)) == text


@pytest.mark.parametrize("text", ["", "v2.10|", "Action=Allow|", "v2|Action=Allow|", "v2.10|Action=Allow", "v2.10|Action|", "v2.10|=Allow|"])
def test_other_texts_are_no_rules(text: str) -> None:
    with pytest.raises(rulestring.RuleTextError):
        rulestring.read(text)


@pytest.mark.parametrize("text", SAMPLES)
def test_switching_off_and_on_changes_one_token(text: str) -> None:
    off = rulestring.with_active(text, active=False)
    assert rulestring.read(off).all("Active") == ("FALSE",)
    if rulestring.read(text).get("Active"):
        assert rulestring.with_active(off, active=True) == text


# Precedence


def test_nothing_comes_in_and_everything_goes_out_by_default(host: Host) -> None:
    assert not tcp(host, 25)
    assert store.passes(host.registry, "out", 6, None, "192.0.2.9", remote_port=25)
    host.ok("advfirewall set domainprofile firewallpolicy allowinbound,blockoutbound")
    assert tcp(host, 25)
    assert not tcp(host, 25, profile="public")
    assert not store.passes(host.registry, "out", 6, None, "192.0.2.9", remote_port=25)


def test_block_beats_allow_beats_the_default(host: Host) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow protocol=tcp localport=20-30 remoteip=192.0.2.0/24")
    assert tcp(host, 25) and not tcp(host, 31) and not tcp(host, 25, "198.51.100.1") and not tcp(host, 25, "2001:db8::1")
    host.ok(f"{ADD} name=b dir=in action=block protocol=tcp localport=25")
    assert not tcp(host, 25) and tcp(host, 26)
    host.ok("advfirewall firewall set rule name=b new enable=no")
    assert tcp(host, 25)


def test_bypass_beats_block_but_only_with_ipsec(host: Host) -> None:
    host.ok(f"{ADD} name=b dir=in action=block protocol=tcp")
    host.registry.set(RULES, "x", "REG_SZ", "v2.10|Action=ByPass|Active=TRUE|Dir=In|Protocol=6|LPort=25|Security=Authenticate|")
    assert not tcp(host, 25) and tcp(host, 25, ipsec=1)


def test_every_condition_counts(host: Host) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow protocol=udp localport=53 remoteport=53 localip=192.0.2.10 remoteip=2001:db8::/32,192.0.2.0/24 profile=private")

    def asked(protocol: int = 17, port: int = 53, remote: str = "192.0.2.1", local: str = "192.0.2.10", theirs: int = 53, profile: str = "private") -> bool:
        return store.passes(host.registry, "in", protocol, port, remote, local_address=local, remote_port=theirs, profile=profile)

    assert asked()
    assert not any((asked(protocol=6), asked(port=54), asked(remote="192.0.3.1"), asked(local="192.0.2.11"), asked(theirs=54), asked(profile="domain")))
    assert not asked(remote="2001:db8::1", local="2001:db8::2"), "no local address of that family is named"


def test_a_rule_of_a_program_speaks_of_others_only_through_its_ports(host: Host) -> None:
    host.ok(r"advfirewall firewall add rule name=a dir=in action=allow protocol=tcp program=C:\store.exe")
    assert not tcp(host, 25) and tcp(host, 25, program=r"c:\STORE.exe") and not tcp(host, 25, program=r"C:\other.exe")
    host.ok(r"advfirewall firewall add rule name=b dir=in action=allow protocol=tcp localport=80 service=w3svc")
    assert tcp(host, 80) and not tcp(host, 80, service="other") and tcp(host, 80, service="W3SVC")


def test_messages_of_icmp(host: Host) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow protocol=icmpv4:8,any", f"{ADD} name=b dir=in action=allow protocol=icmpv6:3,1")
    echo = [store.passes(host.registry, "in", 1, None, "192.0.2.1", icmp=(kind, 0)) for kind in (0, 8)]
    assert echo == [False, True]
    assert [store.passes(host.registry, "in", 58, None, "2001:db8::1", icmp=(3, code)) for code in (0, 1)] == [False, True]


def test_keywords_stand_for_what_the_host_has(host: Host) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow protocol=tcp localport=RPC remoteip=localsubnet")
    host.ok(f"{ADD} name=b dir=in action=allow protocol=tcp localport=RPC-EPMap")
    here = store.Where(subnets=(ipaddress.ip_network("192.0.2.0/24"),), rpc=store.rpc_ports(host.registry))
    assert tcp(host, 135, "198.51.100.1") and tcp(host, 50000, where=here) and not tcp(host, 50000) and tcp(host, 50000, "fe80::1")
    host.registry.set(r"HKLM\SOFTWARE\Microsoft\Rpc\Internet", "Ports", "REG_MULTI_SZ", ("5000-5100", "6000"))
    host.registry.set(SERVICES + r"\MSExchangeIS\ParametersSystem", "TCP/IP Port", "REG_DWORD", 59532)
    assert store.rpc_ports(host.registry) == ((5000, 5100), (6000, 6000), (59532, 59532))
    assert [tcp(host, port, "fe80::1") for port in (5050, 6000, 59532, 50000)] == [True, True, True, False]


def test_unreadable_and_foreign_rules_are_left_out(host: Host) -> None:
    head = "v2.30|Action=Allow|Active=TRUE|Dir=In|"
    for name, text in enumerate(("garbage", f"{head}AppPkgId=S-1-15|", f"{head}IFType=Wireless|")):
        host.registry.set(RULES, str(name), "REG_SZ", text)
    host.registry.set(RULES, "off", "REG_SZ", "v2.30|Action=Allow|Dir=In|Name=active only when it says so|")
    assert not tcp(host, 25)
    host.registry.set(RULES, "on", "REG_SZ", "v2.30|action=Allow|ACTIVE=true|dir=in|")
    assert tcp(host, 25)


# Profiles, policy, service


def test_a_profile_that_is_off_blocks_nothing(host: Host) -> None:
    host.ok(f"{ADD} name=b dir=in action=block", "advfirewall set domainprofile state off")
    assert tcp(host, 25) and not tcp(host, 25, profile="private")


def test_block_always_ignores_every_allow(host: Host) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow", "advfirewall set domainprofile firewallpolicy blockinboundalways,allowoutbound")
    assert not tcp(host, 25) and tcp(host, 25, profile="public")


def test_a_stopped_service_filters_nothing(host: Host) -> None:
    assert tcp(host, 25, is_running=False)
    host.registry.set(SERVICES + r"\BFE", "Start", "REG_DWORD", 4)
    assert tcp(host, 25)


@pytest.mark.parametrize("key", ["PrivateProfile", "StandardProfile"])
def test_group_policy_wins(host: Host, key: str) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow protocol=tcp localport=25")
    host.registry.set(f"{POLICY}\\{key}", "AllowLocalPolicyMerge", "REG_DWORD", 0)
    assert not tcp(host, 25, profile="private") and tcp(host, 25)
    host.registry.set(POLICY + r"\FirewallRules", "gpo", "REG_SZ", "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=80|Name=g|")
    assert tcp(host, 80, profile="private")
    host.ok("advfirewall set privateprofile state on")
    host.registry.set(f"{POLICY}\\{key}", "EnableFirewall", "REG_DWORD", 0)
    assert tcp(host, 25, profile="private")


# IPsec


def test_rules_may_ask_for_protection(host: Host) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow protocol=tcp localport=25 security=authenc")
    host.ok(f"{ADD} name=b dir=in action=allow protocol=tcp localport=80 security=authenticate")
    assert [tcp(host, 25, ipsec=ipsec) for ipsec in (False, 1, True)] == [False, False, True]
    assert [tcp(host, 80, ipsec=ipsec) for ipsec in (False, 1, True)] == [False, True, True]


def test_connection_security_drops_what_must_be_protected(host: Host) -> None:
    host.ok(f"{ADD} name=a dir=in action=allow", "advfirewall consec add rule name=c endpoint1=any endpoint2=192.0.2.9 action=requestinrequestout")
    assert tcp(host, 25)
    host.ok("advfirewall consec add rule name=d endpoint1=192.0.2.10 endpoint2=192.0.2.9 action=requireinrequestout protocol=tcp port1=25")
    assert not tcp(host, 25) and tcp(host, 25, ipsec=True) and tcp(host, 80) and tcp(host, 25, "192.0.2.8") and tcp(host, 25, local_address="192.0.2.11")
    assert store.passes(host.registry, "out", 6, 25, "192.0.2.9", remote_port=40000), "it only asks on the way out"
    host.ok("advfirewall consec add rule name=e endpoint1=192.0.2.9 endpoint2=any action=requireinrequireout")
    assert not tcp(host, 80, local_address="192.0.2.10"), "either end may be this host"
    assert not store.passes(host.registry, "out", 6, 40000, "192.0.2.9", remote_port=25)
    assert store.passes(host.registry, "in", 17, 500, "192.0.2.9"), "the negotiation itself is exempt"
    host.ok("advfirewall consec add rule name=f endpoint1=any endpoint2=any action=noauthentication protocol=tcp port1=5985")
    assert tcp(host, 5985) and not tcp(host, 5986)
    host.registry.set(POLICY + r"\DomainProfile", "AllowLocalIPsecPolicyMerge", "REG_DWORD", 0)
    assert tcp(host, 25)


# A fresh Windows


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("exchange", [None, "2007", "2019"])
def test_a_fresh_windows(tmp_path: Path, release: str, exchange: str | None) -> None:
    host = Host(tmp_path, release, exchange=exchange)
    rules = [rulestring.read(text) for text in host.texts()]
    opened = {139, 445, 3389, 5985} | ({22} if release in {"2019", "2025"} else set()) | ({135} if exchange else set())
    assert {port for port in (22, 25, 80, 135, 139, 443, 445, 3389, 5985, 5986) if tcp(host, port)} == opened
    assert tcp(host, 50000) == bool(exchange)
    assert sum("MSExchange" in rule.get("Name") for rule in rules) == (5 if exchange else 0)
    assert any(rule.get("App").endswith("store.exe") and not rule.all("LPort", "RA4") for rule in rules) == bool(exchange)
    assert host.registry.get(LOCAL + r"\DomainProfile", "DefaultInboundAction") is None
    assert host.registry.get(LOCAL + r"\PublicProfile", "DisableNotifications") == ("REG_DWORD", 0 if release == "2008" else 1)
    assert bool(host.under("Phase2CryptoSets")) == (release in {"2008", "2008r2"})
    assert host.registry.exists(LOCAL + r"\ConSecRules") == (release != "2025")
    assert all(rule.all("Edge") == ("FALSE",) for rule in rules if release == "2008" and rule.get("Dir") == "In" and "MSExchange" not in rule.get("Name"))


def test_the_default_quick_mode_set_offers_no_encryption_first() -> None:
    assert "Encryption" not in fresh.QUICK_SUITES[0]


# nftables


def _unshared() -> bool:
    return subprocess.run(["unshare", "-rn", "nft", "list", "ruleset"], check=False, capture_output=True).returncode == 0


needs_namespaces = pytest.mark.skipif(not _unshared(), reason="no network namespaces for this user, or no nft")


def loads(text: str) -> str:
    """What the kernel makes of a table, loaded twice, in a namespace that is thrown away."""
    script = "nft -f - <<EOF && nft list table inet windows_double\n" + text + text + "EOF\n"
    done = subprocess.run(["unshare", "-rn", "sh", "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + text
    return done.stdout


@needs_namespaces
@pytest.mark.parametrize("release", RELEASES)
def test_the_kernel_takes_the_table_of_a_fresh_windows(tmp_path: Path, release: str) -> None:
    host = Host(tmp_path, release, "ja", exchange="2007")
    host.ok(f'{ADD} name="any" dir=in action=allow remoteip=192.0.2.0/24,192.0.2.128/25,2001:db8::/32 localip=192.0.2.10 security=authenc')
    host.ok(f"{ADD} name=b dir=out action=block protocol=udp remoteport=53,54 security=notrequired", f"{ADD} name=g dir=in action=allow protocol=47")
    listed = loads(wire.nft(host.registry, release))
    assert "tcp dport 3389 accept" in listed and "policy drop" in listed and "ip daddr 192.0.2.10" in listed
    assert "l4proto tcp accept" not in listed, "a rule of a program without ports admits nobody here"


def test_what_filters_nothing_makes_an_empty_table(host: Host) -> None:
    host.ok(f"{ADD} name=b dir=in action=block protocol=tcp localport=25")
    assert "drop" in wire.nft(host.registry, "2019")
    assert "drop" not in wire.nft(host.registry, "2019", is_running=False)
    host.ok("advfirewall set domainprofile state off")
    assert "drop" not in wire.nft(host.registry, "2019") and "drop" in wire.nft(host.registry, "2019", profile="public")


_INTERVAL = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair)))


@given(st.lists(_INTERVAL, max_size=12))
def test_merging_keeps_the_numbers_and_leaves_no_overlap(intervals: list[tuple[int, int]]) -> None:
    merged = wire.merged(intervals)
    assert {number for low, high in merged for number in range(low, high + 1)} == {number for low, high in intervals for number in range(low, high + 1)}
    assert all(first[1] + 1 < second[0] for first, second in itertools.pairwise(merged))


_PEERS = ("192.0.2.1", "192.0.2.2", "192.0.2.200", "2001:db8::1", "2001:db8::2")
_PORTS = (22, 25, 80, 135, 443, 587, 5985, 49500)
_LISTS = {
    "localport": ("25", "80,443", "20-30,587", "RPC", "RPC-EPMap", "any", "1-65535"),
    "remoteip": ("any", "192.0.2.0/25", "192.0.2.1", "2001:db8::/64", "192.0.2.200,2001:db8::2", "192.0.2.2-192.0.2.250", "localsubnet"),
    "localip": ("any", "192.0.2.10", "2001:db8::/32,192.0.2.10", "192.0.2.11,2001:db8::10"),
    "program": ("", "", r"C:\store.exe"),
    "profile": ("any", "domain", "public"),
    "security": ("notrequired", "notrequired", "authenc"),
}

_PROBE = Path(__file__).with_name("wire_probe.py")


def _random_rules(seed: int) -> list[str]:
    chosen = random.Random(seed)
    lines = []
    for number in range(12):
        words = {name: chosen.choice(values) for name, values in _LISTS.items()}
        action = chosen.choice(("allow", "allow", "allow", "block"))
        if action == "block":
            words["security"] = "notrequired"
        if words["remoteip"].startswith("192") and ",2001" not in words["remoteip"]:
            words["localip"] = chosen.choice(("any", "192.0.2.10"))
        if words["remoteip"].startswith("2001"):
            words["localip"] = "any"
        lines.append(f"{ADD} name=n{number} dir=in action={action} protocol=tcp " + " ".join(f"{name}={value}" for name, value in words.items() if value))
    return lines


@needs_namespaces
@pytest.mark.parametrize("seed", range(3))
def test_packets_on_the_wire_pass_as_the_model_says(tmp_path: Path, seed: int) -> None:
    host = Host(tmp_path)
    host.ok(*_random_rules(seed))
    where = store.Where(subnets=(ipaddress.ip_network("192.0.2.0/24"),), rpc=store.rpc_ports(host.registry))
    table = wire.nft(host.registry, "2019", where=where)
    asked = json.dumps((table, _PEERS, _PORTS))
    done = subprocess.run(["unshare", "-rn", sys.executable, str(_PROBE)], input=asked, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = [
        tcp(host, port, peer, local_address="2001:db8::10" if ":" in peer else "192.0.2.10", where=where) for peer in _PEERS for port in _PORTS
    ]
    assert json.loads(done.stdout) == wanted, table
    assert len(set(wanted)) == 2, "a sample in which everything passes or nothing does proves little"
