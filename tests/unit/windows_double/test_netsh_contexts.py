# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's netsh, everything but firewall rules: profiles, export and import, connection security, main mode, dynamic ports, Windows Server 2003."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from netsh_host import ADD, RELEASES, Host
from windows_double import fresh, netsh, netsh_legacy, rulestring
from windows_double.netsh_words import LOCAL, OBJECTS, Session
from windows_double.refusal import Refused

CONSEC = "advfirewall consec add rule name=c endpoint1=192.0.2.1 endpoint2=192.0.2.2"
SECURE = f"{CONSEC} action=requireinrequireout"
MAIN = "advfirewall mainmode add rule name=m endpoint1=192.0.2.1 endpoint2=192.0.2.2"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def profile(host: Host, name: str, subkey: str = "") -> dict[str, t.Any]:
    key = f"{LOCAL}\\{name}" + (f"\\{subkey}" if subkey else "")
    return {value: data for value, (_kind, data) in host.registry.values(key).items()}


# Words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('a "b c" d="e f"', ["a", "b c", "d=e f"]),
        (r"C:\a\b\ c", ["C:\\a\\b\\", "c"]),
        (r'"C:\a b\\" c', ["C:\\a b\\", "c"]),
        (r'a\"b "c\\\"d"', ['a"b', 'c\\"d']),
        ('"" x ""', ["", "x", ""]),
        ('"a""b"', ['a"b']),
        ("  a\t b  ", ["a", "b"]),
        ("", []),
    ],
)
def test_splits_as_windows_splits(text: str, words: list[str]) -> None:
    assert netsh.split(text) == words


@pytest.mark.parametrize("line", ["", "advfirewall dump", "advfirewall monitor show mmsa", "advfirewall show store", "firewall show state", "-f", "-f a b"])
def test_contexts_that_nobody_may_use(host: Host, line: str) -> None:
    with pytest.raises(Refused):
        host.netsh(line)


@pytest.mark.parametrize(
    "line", ["advfirewall", "advfirewall firewall", "advfirewall frewall add rule", "advfirewall set everyprofile state on", "winsock reset"],
)
def test_commands_that_do_not_exist(host: Host, line: str) -> None:
    assert host.refuses(line)


# Profiles


def test_one_command_sets_all_profiles(host: Host) -> None:
    host.ok("advfirewall set allprofiles state off", "advfirewall set allprofiles firewallpolicy allowinbound,blockoutbound")
    for name in ("DomainProfile", "StandardProfile", "PublicProfile"):
        assert profile(host, name) == {
            "EnableFirewall": 0, "DisableNotifications": 1, "DefaultInboundAction": 0, "DoNotAllowExceptions": 0, "DefaultOutboundAction": 1,
        }


def test_one_profile_leaves_the_others_alone(host: Host) -> None:
    before = profile(host, "PublicProfile")
    host.ok("advfirewall set privateprofile firewallpolicy BlockInboundAlways,AllowOutbound", "advfirewall set domainprofile logging droppedconnections enable")
    host.ok(r"advfirewall set domainprofile logging filename C:\log.txt", "advfirewall set domainprofile logging maxfilesize 8192")
    host.ok("advfirewall set domainprofile settings inboundusernotification enable", "advfirewall set domainprofile logging allowedconnections enable")
    assert profile(host, "StandardProfile")["DoNotAllowExceptions"] == 1
    assert profile(host, "DomainProfile", "Logging") == {
        "LogDroppedPackets": 1, "LogFilePath": r"C:\log.txt", "LogFileSize": 8192, "LogSuccessfulConnections": 1,
    }
    assert profile(host, "DomainProfile")["DisableNotifications"] == 0
    assert profile(host, "PublicProfile") == before


@pytest.mark.parametrize(
    "words",
    [
        *("state", "state maybe", "state on off", "state notconfigured", "firewallpolicy blockinbound", "firewallpolicy blockinbound,notconfigured"),
        *("firewallpolicy allowoutbound,blockinbound", "firewallpolicy blockinbound, allowoutbound", "logging droppedconnections yes"),
        *("logging droppedconnections", "logging"),
        *("logging maxfilesize 0", "logging maxfilesize 32768", "logging filename C:\\a?b", "logging colour enable", "settings localfirewallrules enable"),
        *("logging filename notconfigured", "settings unicastresponsetomulticast maybe", "colour on"),
    ],
)
def test_profiles_refuse(host: Host, words: str) -> None:
    assert host.refuses(f"advfirewall set allprofiles {words}")


@pytest.mark.parametrize("words", ["currentprofile state on", "allprofiles settings remotemanagement enable", "global statefulftp enable"])
def test_settings_that_nobody_may_touch(host: Host, words: str) -> None:
    with pytest.raises(Refused):
        host.netsh(f"advfirewall set {words}")


# Whole policy


@pytest.mark.parametrize("release", RELEASES)
def test_import_brings_back_exactly_what_was_exported(tmp_path: Path, release: str) -> None:
    host = Host(tmp_path, release, exchange="2007")
    before = host.registry.snapshot(LOCAL)
    host.ok(r'advfirewall export "C:\Windows\before.wfw"')
    ours = f"{ADD} name=n dir=in action=allow protocol=tcp localport=25"
    host.ok(ours, "advfirewall set allprofiles firewallpolicy allowinbound,allowoutbound", f"{SECURE} protocol=tcp port1=25")
    host.ok('advfirewall firewall delete rule name="MSExchangeIS (GFW) (TCP-In)"', "advfirewall set global mainmode mmkeylifetime 60min,0sess")
    assert host.registry.snapshot(LOCAL) != before
    host.ok(r"advfirewall import C:\WINDOWS\before.wfw")
    assert list(host.registry.snapshot(LOCAL).items()) == list(before.items())


def test_export_and_import_refuse(host: Host) -> None:
    assert host.refuses(r"advfirewall import C:\Windows\nothing.wfw")
    assert host.refuses(r"advfirewall export C:\nowhere\x.wfw")
    assert host.refuses("advfirewall export")
    host.machine.write_file(r"C:\Windows\x.wfw", b"something else")
    assert host.refuses(r"advfirewall import C:\Windows\x.wfw")
    host.machine.faults["import_fails"] = True
    host.ok(r"advfirewall export C:\Windows\y.wfw")
    assert host.refuses(r"advfirewall import C:\Windows\y.wfw")


@pytest.mark.parametrize("line", ["export before.wfw", r"export C:\Windows\there.wfw"])
def test_exports_that_nobody_may_do(host: Host, line: str) -> None:
    host.machine.write_file(r"C:\Windows\there.wfw", b"")
    with pytest.raises(Refused):
        host.netsh(f"advfirewall {line}")


def test_reset_is_a_fresh_windows_without_exchange(tmp_path: Path) -> None:
    host, clean = Host(tmp_path / "a", exchange="2007"), Host(tmp_path / "b")
    assert any("MSExchange" in text for text in host.texts())
    host.ok(r"advfirewall reset export C:\Windows\old.wfw")
    assert host.registry.digest(LOCAL) == clean.registry.digest(LOCAL)
    host.ok(r"advfirewall import C:\Windows\old.wfw")
    assert any("MSExchange" in text for text in host.texts())


def test_a_file_of_commands_fills_a_group_policy_object(host: Host) -> None:
    before = host.registry.digest(LOCAL)
    code, said = host.in_file(
        r'advfirewall set store gpo="example.com\Exchange servers"',
        f"{ADD} name=n dir=in action=allow protocol=tcp localport=25",
        "advfirewall set privateprofile state on",
        "advfirewall set privateprofile settings localfirewallrules disable",
    )
    root = f"{OBJECTS}\\example.com/Exchange servers"
    assert code == 0, said
    assert host.registry.digest(LOCAL) == before
    assert len(host.registry.values(f"{root}\\FirewallRules")) == 1
    assert {name: data for name, (_kind, data) in host.registry.values(f"{root}\\PrivateProfile").items()} == {"EnableFirewall": 1, "AllowLocalPolicyMerge": 0}
    assert host.in_file(r"advfirewall set store gpo=nonsense", path=r"C:\Windows\b.txt")[0] == 1
    with pytest.raises(Refused, match="forgotten"):
        host.netsh(r'advfirewall set store gpo="example.com\x"')


# Connection security


def test_a_rule_with_defaults_points_to_the_default_sets(host: Host) -> None:
    host.ok(f"{CONSEC} action=requireinrequestout")
    assert host.last("ConSecRules") == (
        "v2.29|Action=SecureServer|Active=TRUE|EP1_4=192.0.2.1|EP2_4=192.0.2.2|Name=c|Desc=|Auth1Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE3}|"
        "Auth2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE4}|Crypto2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE2}|"
    )


@pytest.mark.parametrize(
    ("action", "stored"),
    [("requireinrequireout", "Secure"), ("requireinrequestout", "SecureServer"), ("requestinrequestout", "Boundary"), ("noauthentication", "DoNotSecure")],
)
def test_actions(host: Host, action: str, stored: str) -> None:
    host.ok(f"{CONSEC} action={action} protocol=tcp port1=25 port2=any")
    rule = rulestring.read(host.last("ConSecRules"))
    assert rule.get("Action") == stored
    assert bool(rule.all("Auth1Set", "Auth2Set", "Crypto2Set")) == (stored != "DoNotSecure")


@pytest.mark.parametrize("release", RELEASES)
def test_lists_of_ports_in_securing_rules_need_2008r2_and_ranges_are_never_there(tmp_path: Path, release: str) -> None:
    host = Host(tmp_path, release)
    assert host.refuses(f"{SECURE} protocol=tcp port1=25,135") == (release == "2008")
    assert host.refuses(f"{SECURE} protocol=tcp port1=25-135")
    assert host.refuses(f"{CONSEC} action=noauthentication protocol=tcp port1=1024-2000,135") == (release == "2008")
    if release != "2008":
        assert "|EP1Port=135|EP1Port2_10=1024-2000|" in host.last("ConSecRules")


def test_a_key_goes_into_its_own_set_and_leaves_with_the_rule(tmp_path: Path) -> None:
    host = Host(tmp_path, "2025")
    before = host.machine.digest()
    code, _said = host.in_file(f'{SECURE} protocol=tcp port1=25 auth1=computerpsk auth1psk="not a secret" qmsecmethods=esp:sha1-aes128+30min+100000kb')
    assert code == 0
    rule = rulestring.read(host.last("ConSecRules"))
    assert host.under(f"Phase1AuthenticationSets\\{rule.get('Auth1Set')}") == {"0000": {"Method": "MachineSHKey", "SHKey": "not a secret"}}
    suite = {"Protocol": "ESP", "Encryption": "AES-128", "EspHash": "SHA1", "TimeOutMinutes": "30", "TimeOutKbytes": "100000"}
    assert host.under(f"Phase2CryptoSets\\{rule.get('Crypto2Set')}") == {"0000": suite}
    host.machine.delete_file(r"C:\Windows\lines.txt")
    host.ok("advfirewall consec delete rule name=c")
    assert host.machine.digest() == before
    with pytest.raises(Refused, match="process list"):
        host.netsh(f"{SECURE} auth1=computerpsk auth1psk=x")


def test_suites_and_authorities(host: Host) -> None:
    host.ok(
        f'{SECURE} auth1=computercert,computerkerb auth1ca="CN=Root \\\'1\\\', O=Example certmapping:yes catype:intermediate | CN=Other excludecaname:yes" '
        "qmsecmethods=esp:aesgcm256-aesgcm256,esp:sha256-aes256,ah:sha1,ah:sha1+esp:sha1-3des+5min qmpfs=ecdhp384",
    )
    rule = rulestring.read(host.last("ConSecRules"))
    assert list(host.under(f"Phase1AuthenticationSets\\{rule.get('Auth1Set')}").values()) == [
        {"Method": "MachineCert", "CAName": 'CN=Root "1", O=Example', "CertAccountMapping": "TRUE", "IntermediateCA": "TRUE"},
        {"Method": "MachineCert", "CAName": "CN=Other", "ExcludeCAName": "TRUE"},
        {"Method": "MachineKerb"},
    ]
    life = {"TimeOutMinutes": "60", "TimeOutKbytes": "100000"}
    assert list(host.under(f"Phase2CryptoSets\\{rule.get('Crypto2Set')}").values()) == [
        {"Protocol": "ESP", "2_1Encryption": "AES-GCM256", "2_1EspHash": "AES-GCM256", **life},
        {"Protocol": "ESP", "Encryption": "AES-256", "2_1EspHash": "SHA256", **life},
        {"Protocol": "AH", "AhHash": "SHA1", **life},
        {"Protocol": "AH&ESP", "AhHash": "SHA1", "Encryption": "3DES", "EspHash": "SHA1", "TimeOutMinutes": "5", "TimeOutKbytes": "100000"},
    ]
    assert host.registry.get(f"{LOCAL}\\Phase2CryptoSets\\{rule.get('Crypto2Set')}", "PFS") == ("REG_SZ", "ReKeyECDH384")


@pytest.mark.parametrize(
    "line",
    [
        "advfirewall consec add rule name=c endpoint1=any endpoint2=any",
        "advfirewall consec add rule name=all endpoint1=any endpoint2=any action=noauthentication",
        f"{CONSEC} action=requireinclearout",
        f"{CONSEC} action=secure",
        f"{CONSEC} action=noauthentication auth1=computerkerb",
        f"{CONSEC} action=noauthentication qmsecmethods=esp:sha1-aes128",
        f"{SECURE} port1=25",
        f"{SECURE} protocol=icmpv4 port1=25",
        f"{SECURE} protocol=tcp port1=RPC",
        f"{SECURE} protocol=tcp port1=0",
        f"{SECURE} mode=bridge",
        f"{SECURE} auth1=computerpsk",
        f"{SECURE} auth1psk=x",
        f"{SECURE} auth1=computerkerb auth1psk=x",
        f"{SECURE} auth1=computercert",
        f'{SECURE} auth1=computercert auth1ca="O=Example"',
        f'{SECURE} auth1=computercert auth1ca="CN=Example certmapping:maybe"',
        f"{SECURE} auth1=computerntlm,computerpsk auth1psk=x",
        f"{SECURE} qmsecmethods=esp:sha1",
        f"{SECURE} qmsecmethods=esp:sha1-none",
        f"{SECURE} qmsecmethods=esp:aesgcm128-aes128",
        f"{SECURE} qmsecmethods=esp:sha1-aesgcm128",
        f"{SECURE} qmsecmethods=esp:sha1-aes128+4min",
        f"{SECURE} qmsecmethods=esp:sha1-aes128+60min+20479kb",
        f"{SECURE} qmsecmethods=esp:sha1-aes128+60kb+60min",
        f"{SECURE} qmsecmethods=esp:sha1-aes128+esp:sha1-3des",
        f"{SECURE} qmpfs=dhgroup5",
        "advfirewall consec add rule name=c endpoint1=224.0.0.1 endpoint2=any action=requireinrequireout",
        "advfirewall consec add rule name=c endpoint1=any endpoint2=ff02::1 action=requireinrequireout",
        "advfirewall consec delete rule name=nobody",
        "advfirewall consec set rule name=nobody new enable=no",
    ],
)
def test_connection_security_refuses(host: Host, line: str) -> None:
    assert host.refuses(line)


@pytest.mark.parametrize(
    "more",
    [
        *("auth2=userkerb", "mode=tunnel", "localtunnelendpoint=192.0.2.1", "type=dynamic", "interfacetype=lan", "applyauthz=yes", "auth1=anonymous"),
        *("qmsecmethods=authnoencap:sha1", "auth1=computerkerb auth1kerbproxyfqdn=x"),
    ],
)
def test_connection_security_that_nobody_may_ask_for(host: Host, more: str) -> None:
    with pytest.raises(Refused):
        host.netsh(f"{SECURE} {more}")


def test_2008_lacks_what_came_later(tmp_path: Path) -> None:
    old, new = Host(tmp_path, "2008"), Host(tmp_path, "2012r2")
    for line in (
        f"{MAIN} mmsecmethods=dhgroup14:aes128-sha1",
        f'{SECURE} auth1=computercert auth1ca="CN=x catype:intermediate"',
        f"{SECURE} qmpfs=dhgroup24",
        "advfirewall set global mainmode mmsecmethods dhgroup24:aes128-sha1",
        "advfirewall set global mainmode mmsecmethods dhgroup2:aes128-sha1,dhgroup14:aes128-sha1",
        "advfirewall set global mainmode mmforcedh yes",
        "advfirewall set global ipsec defaultexemptions dhcp",
    ):
        assert old.refuses(line), line
        new.ok(line)
    assert Host(tmp_path, "2008r2").refuses(f"{SECURE} qmpfs=dhgroup24")


def test_connection_security_rules_are_switched_and_named_as_often_as_one_likes(host: Host) -> None:
    host.ok(SECURE, SECURE, "advfirewall consec set rule name=C new enable=no")
    assert [rulestring.read(text).get("Active") for text in host.texts("ConSecRules")] == ["FALSE", "FALSE"]
    code, said = host.netsh("advfirewall consec delete rule name=c")
    assert code == 0 and "2" in said and host.texts("ConSecRules") == []


# Main mode and global settings


def test_main_mode_rules(host: Host) -> None:
    host.ok(f"{MAIN} mmsecmethods=dhgroup14:aes256-sha384,ecdhp256:aes128-sha1 mmkeylifetime=60min,10sess auth1=computerkerb profile=domain")
    rule = rulestring.read(host.last("MainModeRules"))
    key = f"Phase1CryptoSets\\{rule.get('Crypto1Set')}"
    assert host.under(key) == {
        "0000": {"KeyExchange": "DH2048", "Encryption": "AES-256", "2_1Hash": "SHA384"},
        "0001": {"KeyExchange": "ECDH-256", "Encryption": "AES-128", "Hash": "SHA1"},
    }
    assert host.registry.get(f"{LOCAL}\\{key}", "TimeOutSessions") == ("REG_SZ", "10")
    assert rule.get("Profile") == "Domain" and not rule.get("Action")
    host.ok("advfirewall mainmode delete rule name=m")
    assert host.texts("MainModeRules") == [] and host.under("Phase1CryptoSets") == {}


@pytest.mark.parametrize(
    "words", ["", "mmsecmethods=dhgroup14-aes128-sha1", "mmsecmethods=dhgroup14:aesgcm128-sha1", "mmsecmethods=default mmkeylifetime=0min,0sess"],
)
def test_main_mode_refuses(host: Host, words: str) -> None:
    assert host.refuses(f"{MAIN} {words}")


def test_the_default_main_mode_set_is_changed_part_by_part(tmp_path: Path) -> None:
    host = Host(tmp_path, "2012r2")  # which spells the key without an s
    key = f"Phase1CryptoSet\\{fresh.DEFAULT_MAIN}"
    host.ok("advfirewall set global mainmode mmkeylifetime 60min,5sess")
    assert len(host.under(key)) == 2
    host.ok("advfirewall set global mainmode mmsecmethods dhgroup14:aes128-sha256")
    assert list(host.under(key).values()) == [{"KeyExchange": "DH2048", "Encryption": "AES-128", "2_1Hash": "SHA256"}]
    assert host.registry.get(f"{LOCAL}\\{key}", "TimeOutMinutes") == ("REG_SZ", "60")
    host.ok("advfirewall set global mainmode mmsecmethods default")
    assert [suite["KeyExchange"] for suite in host.under(key).values()] == ["DH2", "DH2"]


def test_global_ipsec_settings(host: Host) -> None:
    host.ok("advfirewall set global ipsec defaultexemptions icmp,neighbordiscovery", "advfirewall set global ipsec ipsecthroughnat never")
    host.ok("advfirewall set global ipsec saidletimemin 10", "advfirewall set global ipsec strongcrlcheck 0")
    assert {name: data for name, (_kind, data) in host.registry.values(LOCAL).items()} == {
        "IPsecExempt": 3, "IPsecThroughNAT": 0, "SAIdleTime": 600, "StrongCRLCheck": 0,
    }
    for words in ("ipsec saidletimemin 4", "ipsec defaultexemptions none,icmp", "ipsec colour 1", "mainmode mmkeylifetime 60", "mainmode", "colour", ""):
        assert host.refuses(f"advfirewall set global {words}")


# Dynamic ports


@pytest.mark.parametrize(
    ("release", "exchange", "family", "protocol", "numbers"),
    [
        *(("2008", None, "ipv4", "tcp", "49152 16384"), ("2008", "2007", "ipv4", "tcp", "1025 58976"), ("2008", "2007", "ipv4", "udp", "49152 16384")),
        *(("2008r2", "2010", "ipv6", "tcp", "6005 59530"), ("2025", "2019", "ipv6", "tcp", "49152 16384")),
    ],
)
@pytest.mark.parametrize(("language", "word"), [("en", "Start Port"), ("ja", "開始ポート")])
def test_dynamic_ranges(tmp_path: Path, release: str, exchange: str, family: str, protocol: str, numbers: str, language: str, word: str) -> None:
    host = Host(tmp_path, release, language, exchange=exchange)
    code, said = host.netsh(f"int {family} show dynamicport {protocol}")
    assert code == 0 and word in said
    assert " ".join(part for part in said.split() if part.isdigit()) == numbers


def test_the_four_ranges_are_set_one_by_one(host: Host) -> None:
    host.ok("interface ipv4 set dynamicport tcp start=1025 num=255")
    said = [host.netsh(f"int {family} show dynamicport {protocol}")[1] for family in ("ipv4", "ipv6") for protocol in ("tcp", "udp")]
    assert ["1025" in text for text in said] == [True, False, False, False]


@pytest.mark.parametrize(
    "words",
    [
        *("start=1024 num=255", "start=1025 num=254", "start=65000 num=1000", "start=a num=255", "start=1025", "start=1025 num=255 store=active", "1025 255"),
    ],
)
def test_dynamic_ranges_refuse(host: Host, words: str) -> None:
    before = host.machine.settings
    assert host.netsh(f"int ipv4 set dynamicport tcp {words}")[0] == 1
    assert host.machine.settings == before


@pytest.mark.parametrize(
    "line", ["int ipv5 show dynamicport tcp", "int ipv4 show dynamicport sctp", "int ipv4 show dynamicport tcp all", "int ipv4 delete dynamicport tcp"],
)
def test_interface_commands_that_do_not_exist(host: Host, line: str) -> None:
    assert host.refuses(line)


def test_dynamic_ranges_need_rights(host: Host) -> None:
    host.machine.faults["no_elevation"] = True
    assert host.netsh("int ipv4 set dynamicport tcp start=1025 num=255")[0] == 1


# Windows Server 2003


class Old:
    """Enough of a machine of 2003: the double as a whole begins with 2008."""

    release = "2003"

    def __init__(self, host: Host) -> None:
        self._machine = host.machine

    def __getattr__(self, name: str) -> t.Any:
        return getattr(self._machine, name)


def test_2003_opens_single_ports(host: Host) -> None:
    old = Old(host)
    line = 'firewall add portopening protocol=TCP port=25 name="mail in" mode=ENABLE scope=CUSTOM addresses=192.0.2.0/24,198.51.100.7,LocalSubnet profile=ALL'
    assert netsh.run(old, line)[0] == 0
    assert netsh.run(old, "firewall set opmode mode=ENABLE profile=ALL")[0] == 0
    for name in ("DomainProfile", "StandardProfile"):
        opened = host.registry.get(f"{LOCAL}\\{name}\\GloballyOpenPorts\\List", "25:TCP")
        assert opened == ("REG_SZ", "25:TCP:192.0.2.0/255.255.255.0,198.51.100.7/255.255.255.255,LocalSubNet:Enabled:mail in")
    assert netsh.run(old, "firewall delete portopening protocol=TCP port=25 profile=ALL")[0] == 0
    assert netsh.run(old, "firewall delete portopening protocol=TCP port=25 profile=ALL")[0] == 1


@pytest.mark.parametrize(
    "words",
    [
        *("protocol=TCP port=25-30 name=x profile=ALL", "protocol=TCP port=25,26 name=x profile=ALL", "protocol=ICMP port=8 name=x profile=ALL"),
        *("protocol=TCP port=25 name=x scope=CUSTOM profile=ALL", "protocol=TCP port=25 name=x scope=CUSTOM addresses=2001:db8::1 profile=ALL"),
        *("protocol=TCP port=25 name=x scope=CUSTOM addresses=192.0.2.1-192.0.2.9 profile=ALL", "protocol=TCP port=25 profile=ALL"),
    ],
)
def test_2003_refuses(host: Host, words: str) -> None:
    assert netsh.run(Old(host), f"firewall add portopening {words}")[0] == 1


def test_2003_has_nothing_newer(host: Host) -> None:
    for line in ("advfirewall firewall add rule name=x dir=in action=allow", "int ipv4 show dynamicport tcp", "firewall show state"):
        assert netsh.run(Old(host), line)[0] == 1
    with pytest.raises(Refused):
        netsh_legacy.run(Session(Old(host)), ["set", "opmode", "mode=enable"])
