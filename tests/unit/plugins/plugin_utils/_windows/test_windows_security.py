# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows_host import PSK
from windows_rules import scopes

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.conditions import profile_tokens, scope_tokens
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import GrammarError, RuleText
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import (
    ANY_PORT,
    PROFILES,
    AuthSuite,
    ConSecMatch,
    CryptoSuite,
    MainModeMatch,
    Ports,
    Scope,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.security import (
    DEFAULT_MAIN,
    MainCrypto,
    QuickCrypto,
    Sets,
    main_mode_rule,
    read_sets,
    security_rule,
)

ROOT = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
DEFAULT_IDS = (
    "Auth1Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE3}|Auth2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE4}|Crypto2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE2}|"
)
DEFAULT_QUICK = (
    CryptoSuite("", "sha1", "esp"), CryptoSuite("aes128", "sha1", "esp"), CryptoSuite("3des", "sha1", "esp"), CryptoSuite("", "", "ah", ah_integrity="sha1"),
)
KERBEROS = (AuthSuite("kerberos"),)
# MS-GPFAS 4.3, a registry export and a template of Antignis; addresses replaced by those for documentation.
EXEMPT = (
    "v2.10|Action=DoNotSecure|Protocol=6|Active=TRUE|EP1Port=5357|EP1Port=5358|EP1Port=5363|EP2_4=198.51.100.23|EP2_4=198.51.100.42|EP2_4=198.51.100.92|"
    "EP2_4=198.51.100.49|EP2_4=198.51.100.37|Name=Exempt TCP Ports on Specific boxes|Desc=|EmbedCtxt=|"
)
ISOLATION = (
    "v2.10|Action=SecureServer|Active=TRUE|Name=Domain Isolation Rule|Desc=AuthIP policy|Auth1Set={212D4E36-DB6E-4EAE-A65F-1C4615EBFDDB}|"
    "Auth2Set={967F0367-F879-42EC-938B-C89FE8289B26}|Crypto2Set={E9A15CB6-DFC4-41F8-8D14-CA62A4EC708F}|"
)
TUNNEL = (
    "v2.10|Action=Secure|Active=TRUE|Profile=Private|Profile=Public|EP2_6=2001:db8:1601::/48|EP2_6=2001:db8:4898::-2001:db8:4898:a0:5084:ffff:ffff:ffff|"
    "RTunnel6_2=2001:db8:e0:3084::2|Name=Tunnel From Internet To Corp|Desc=|Auth1Set={D842F406-E895-406A-AC35-9837B6D499F4}|"
    "Auth2Set={A75A5046-E377-45CC-BD25-EC0F8E601CE1}|Crypto2Set={CD863A4F-CD94-4763-AD25-69A1378D51EB}|EmbedCtxt=|"
)
AUTH = f"v2.33|Action=SecureServer|Name=Auth|Desc=|Active=TRUE|{DEFAULT_IDS}"
TEMPLATE = (
    "v2.28|Action=SecureServer|Name=CSR_x|Desc=|Protocol=6|Active=TRUE|EP1Port=3389|Auth1Set=ComputerKerberos|Auth2Set=UserKerberos|"
    "Crypto2Set={E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE2}|EmbedCtxt=|"
)


def keys(*parts: tuple[str, dict[str, str]]) -> dict[str, dict[str, tuple[str, str]]]:
    return {rf"{ROOT}\{key}": {name: ("REG_SZ", data) for name, data in values.items()} for key, values in parts}


def auth_set(set_id: str, *suites: dict[str, str], phase: int = 1, end: str = "s") -> list[tuple[str, dict[str, str]]]:
    head = rf"Phase{phase}AuthenticationSet{end}\{set_id}"
    return [(head, {"Version": "2.10", "Name": "x"}), *((rf"{head}\{number:04}", suite) for number, suite in enumerate(suites))]


def crypto_set(set_id: str, head: dict[str, str], *suites: dict[str, str], phase: int = 2, end: str = "s") -> list[tuple[str, dict[str, str]]]:
    key = rf"Phase{phase}CryptoSet{end}\{set_id}"
    return [(key, {"Version": "2.10", **head}), *((rf"{key}\{number:04}", suite) for number, suite in enumerate(suites))]


GPFAS = read_sets(keys(
    *auth_set("{212D4E36-DB6E-4EAE-A65F-1C4615EBFDDB}", {"Method": "MachineKerb"}),
    *auth_set("{967F0367-F879-42EC-938B-C89FE8289B26}", {"Method": "UserKerb"}, phase=2),
    *crypto_set("{E9A15CB6-DFC4-41F8-8D14-CA62A4EC708F}", {"PFS": "Disable"}, {"Protocol": "ESP", "EspHash": "SHA1", "TimeOutMinutes": "60"}),
    *auth_set("{D842F406-E895-406A-AC35-9837B6D499F4}", {"Method": "MachineCert", "CAName": "CN=Root"}),
    *auth_set("{A75A5046-E377-45CC-BD25-EC0F8E601CE1}", {"Method": "Anonymous"}, phase=2),
    *crypto_set("{CD863A4F-CD94-4763-AD25-69A1378D51EB}", {"PFS": "ReKeyDH2"}, {
        "Protocol": "AH&ESP", "AhHash": "MD5", "EspHash": "SHA1", "Encryption": "3DES",
    }),
    *auth_set("ComputerKerberos", {"Method": "MachineKerb"}), *auth_set("UserKerberos", {"Method": "UserKerb"}, phase=2),
))


def addresses(*texts: str) -> Scope:
    return Scope(v4=tuple((number, number) for number in sorted(int(ipaddress.IPv4Address(text)) for text in texts)))


def consec(text: str, sets: Sets = GPFAS) -> ConSecMatch:
    match = security_rule("{id}", text, "local", sets).match
    assert isinstance(match, ConSecMatch)
    return match


def test_a_documented_exemption() -> None:
    assert consec(EXEMPT) == ConSecMatch(
        "noauthentication", 6, Ports(numbers=((5357, 5358), (5363, 5363))),
        endpoint2=addresses("198.51.100.23", "198.51.100.42", "198.51.100.92", "198.51.100.49", "198.51.100.37"),
    )


def test_a_documented_isolation_rule_and_its_sets() -> None:
    rule = security_rule("{id}", ISOLATION, "policy", GPFAS)
    assert (rule.name, rule.description, rule.active, rule.store, rule.text) == ("Domain Isolation Rule", "AuthIP policy", True, "policy", ISOLATION)
    assert rule.auth_set == "{212d4e36-db6e-4eae-a65f-1c4615ebfddb}"
    assert rule.match == ConSecMatch(
        "requireinrequestout", auth1=KERBEROS, auth2=(AuthSuite("user_kerberos"),), quick=(CryptoSuite("", "sha1", "esp", minutes=60),),
    )


def test_a_documented_tunnel() -> None:
    match = consec(TUNNEL)
    assert match.other == (("RTunnel6_2", "2001:db8:e0:3084::2"),)
    assert match.profiles == ("private", "public")
    assert match.endpoint2.v6[0] == tuple(map(int, (ipaddress.IPv6Address("2001:db8:1601::"), ipaddress.IPv6Address("2001:db8:1601:ffff:ffff:ffff:ffff:ffff"))))
    assert (match.auth1, match.auth2, match.pfs) == ((AuthSuite("certificate", "CN=Root"),), (AuthSuite("anonymous"),), "dhgroup2")
    assert match.quick == (CryptoSuite("3des", "sha1", "ah+esp", ah_integrity="md5"),)


def test_an_exported_rule_with_the_default_sets_that_the_store_lacks() -> None:
    assert consec(AUTH, Sets()) == consec(AUTH, read_sets({})) == ConSecMatch("requireinrequestout", auth1=KERBEROS, quick=DEFAULT_QUICK)


def test_ids_of_sets_may_be_names() -> None:
    assert consec(TEMPLATE) == ConSecMatch(
        "requireinrequestout", 6, Ports(numbers=((3389, 3389),)), auth1=KERBEROS, auth2=(AuthSuite("user_kerberos"),), quick=DEFAULT_QUICK,
    )


def test_a_default_set_that_the_store_changed_is_the_stores() -> None:
    sets = read_sets(keys(*crypto_set("{e5a5d32a-4bce-4e4d-b07f-4ab1ba7e5fe2}", {}, {"Protocol": "ESP", "EspHash": "SHA1", "Encryption": "AES-256"})))
    assert consec(AUTH, sets).quick == (CryptoSuite("aes256", "sha1", "esp"),)


@pytest.mark.parametrize("end", ["", "s"])
def test_keys_of_sets_have_both_spellings(end: str) -> None:
    sets = read_sets(keys(*auth_set("{A}", {"Method": "MachineNtlm"}, end=end), *crypto_set("{B}", {}, phase=1, end=end), *crypto_set("{C}", {}, end=end)))
    assert (sets.auth1["{a}"], sets.main["{b}"], sets.quick["{c}"]) == ((AuthSuite("ntlm"),), MainCrypto(()), QuickCrypto(()))


def test_a_key_is_never_kept() -> None:
    sets = read_sets(keys(*auth_set("{A}", {"Method": "MachineSHKey", "SHKey": PSK, "shkey": PSK})))
    rule = security_rule("{id}", f"v2.10|Action=Secure|Auth1Set={{a}}|Auth2Set=|{DEFAULT_IDS.split('|')[2]}|", "local", sets)
    assert isinstance(rule.match, ConSecMatch) and rule.match.auth1 == (AuthSuite("psk"),)
    assert PSK not in repr((sets, rule))


def test_what_a_proof_says_besides() -> None:
    sets = read_sets(keys(*auth_set("{A}", {
        "Method": "MachineCert", "CAName": "CN=山田", "CertAccountMapping": "FALSE", "ExcludeCAName": "false", "HealthCert": "TRUE",
        "OtherCertSigning": "ECDSA256", "ProxyServer": "",
    })))
    assert sets.auth1["{a}"] == (AuthSuite("certificate", "CN=山田", (("HealthCert", "TRUE"), ("OtherCertSigning", "ECDSA256"))),)


def test_suites_are_offered_in_the_order_of_their_numbers() -> None:
    parts = auth_set("{A}", {"Method": "MachineCert"}, {"Method": "MachineSHKey"}, {"Method": "Anonymous"})
    assert [suite.method for suite in read_sets(keys(*reversed(parts))).auth1["{a}"]] == ["certificate", "psk", "anonymous"]


@pytest.mark.parametrize(("suite", "expected"), [
    ({"Protocol": "ESP", "EspHash": "SHA1", "Encryption": "AES-128", "TimeOutMinutes": "60", "TimeOutKbytes": "100000"},
     CryptoSuite("aes128", "sha1", "esp", minutes=60, kilobytes=100000)),
    ({"Protocol": "ESP", "EspHash": "SHA1", "2_1EspHash": "SHA256", "Encryption": "3DES", "2_1Encryption": "AES-256"}, CryptoSuite("aes256", "sha256", "esp")),
    ({"Protocol": "ESP", "2_1EspHash": "AES-GCM128", "2_1Encryption": "AES-GCM128"}, CryptoSuite("aesgcm128", "aesgcm128", "esp")),
    ({"Protocol": "ESP", "2_1EspHash": "AES-GCM256"}, CryptoSuite("", "aesgmac256", "esp")),
    ({"Protocol": "AH", "2_1AhHash": "AES-GMAC192"}, CryptoSuite("", "", "ah", ah_integrity="aesgmac192")),
    ({"Protocol": "ESP", "2_9Protocol": "AUTH_NO_ENCAP", "EspHash": "SHA1"}, CryptoSuite("", "sha1", "authnoencap")),
])
def test_quick_mode_suites_in_the_words_of_netsh(suite: dict[str, str], expected: CryptoSuite) -> None:
    assert read_sets(keys(*crypto_set("{A}", {}, suite))).quick["{a}"].suites == (expected,)


@pytest.mark.parametrize(("head", "expected"), [
    ({}, "none"), ({"PFS": "Disable"}, "none"), ({"PFS": "EnableDHFromPhase1"}, "mainmode"), ({"PFS": "ReKeyDH2048"}, "dhgroup14"),
    ({"PFS": "ReKeyECDH256"}, "ecdhp256"), ({"PFS": "ReKeyDH2048", "2_16PFS": "ReKeyDH24"}, "dhgroup24"),
])
def test_forward_secrecy_in_the_words_of_netsh(head: dict[str, str], expected: str) -> None:
    assert read_sets(keys(*crypto_set("{A}", head))).quick["{a}"].pfs == expected


def test_main_mode_rules_and_their_sets() -> None:
    sets = read_sets(keys(
        *auth_set("{A}", {"Method": "MachineSHKey"}),
        *crypto_set("{B}", {"TimeOutMinutes": "120", "TimeOutSessions": "9", "DoNotSkipDH": "TRUE"}, {
            "KeyExchange": "DH2048", "Encryption": "AES-256", "Hash": "SHA1", "2_1Hash": "SHA256",
        }, {"KeyExchange": "ECDH-256", "Encryption": "AES-128", "2_1Hash": "SHA384"}, phase=1),
    ))
    rule = main_mode_rule("{id}", "v2.10|Active=TRUE|EP2_4=198.51.100.0/24|Auth1Set={A}|Crypto1Set={b}|Name=x|Desc=y|Profile=Domain|", "local", sets)
    assert rule.match == MainModeMatch(
        endpoint2=Scope(v4=((int(ipaddress.IPv4Address("198.51.100.0")), int(ipaddress.IPv4Address("198.51.100.255"))),)), profiles=("domain",),
        auth1=(AuthSuite("psk"),), minutes=120, sessions=9, other=(("DoNotSkipDH", "TRUE"),),
        suites=(CryptoSuite("aes256", "sha256", exchange="dhgroup14"), CryptoSuite("aes128", "sha384", exchange="ecdhp256")),
    )
    assert (rule.auth_set, rule.name, rule.description, rule.active) == ("{a}", "x", "y", True)
    default = Sets().main[DEFAULT_MAIN]
    assert (default.suites, default.minutes, default.sessions) == (
        (CryptoSuite("aes128", "sha1", exchange="dhgroup2"), CryptoSuite("3des", "sha1", exchange="dhgroup2")), 480, 0,
    )


@pytest.mark.parametrize(("token", "expected"), [
    ("Action=Secure", "requireinrequireout"), ("Action=SecureServer", "requireinrequestout"), ("Action=BOUNDARY", "requestinrequestout"),
    ("Action=DoNotSecure", "noauthentication"), ("Action=Secure|SecureInClearOut=TRUE", "requireinclearout"),
    ("Action=Secure|SecureInClearOut=FALSE", "requireinrequireout"),
])
def test_actions_in_the_words_of_netsh(token: str, expected: str) -> None:
    assert consec(f"v2.10|{token}|{DEFAULT_IDS}").action == expected


def test_what_is_not_computed_is_kept() -> None:
    match = consec(f"v2.10|Action=Secure|KeyMod=IkeV2|Authz=FALSE|IFType=Lan|FwdLifetime=0|EP1Port2_10=80-90|EP2Port=25|Protocol=6|EP1_4=DNS|{DEFAULT_IDS}")
    assert match.other == (("EP1_4", "DNS"), ("FwdLifetime", "0"), ("IFType", "Lan"), ("KeyMod", "IkeV2"))
    assert (match.port1, match.port2) == (Ports(numbers=((80, 90),)), Ports(numbers=((25, 25),)))
    assert consec(f"v2.10|Action=Secure|KeyMod=KeyModDefault|{DEFAULT_IDS}").other == ()


@pytest.mark.parametrize("text", [
    f"v2.10|Action=Encrypt|{DEFAULT_IDS}", f"v2.10|{DEFAULT_IDS}", "v2.10|Action=Secure|", f"v2.10|Action=Boundary|SecureInClearOut=TRUE|{DEFAULT_IDS}",
    f"v2.10|Action=Secure|EP1Port=RPCX|{DEFAULT_IDS}", f"v2.10|Action=Secure|EP2_4=198.51.100.300|{DEFAULT_IDS}",
    f"v2.10|Action=Secure|Auth1Set={{GONE}}|{DEFAULT_IDS.partition('|')[2]}", f"v2.10|Action=Secure|{DEFAULT_IDS}Crypto2Set={{GONE}}|", "nothing",
])
def test_what_cannot_be_understood_is_an_error(text: str) -> None:
    with pytest.raises(GrammarError):
        security_rule("{id}", text, "local", GPFAS)


@pytest.mark.parametrize("parts", [
    auth_set("{X}", {"Method": "MachineMagic"}), auth_set("{X}", {"CAName": "CN=x"}), auth_set("{X}", {"Method": "MachineKerb"}, {"Method": ""}),
])
def test_a_set_that_is_not_understood_spoils_the_rules_that_use_it_and_no_others(parts: list[tuple[str, dict[str, str]]]) -> None:
    sets = read_sets(keys(*parts))
    with pytest.raises(GrammarError, match=r"Auth1Set='\{x\}': "):
        security_rule("{id}", f"v2.10|Action=Secure|Auth1Set={{X}}|{DEFAULT_IDS.partition('|')[2]}", "local", sets)
    assert consec(AUTH, sets).auth1 == KERBEROS


@pytest.mark.parametrize(("head", "suite"), [
    ({"PFS": "Maybe"}, {"Protocol": "ESP"}), ({}, {"Protocol": "GRE"}), ({}, {}), ({}, {"Protocol": "ESP", "Encryption": "ROT13"}),
    ({}, {"Protocol": "ESP", "EspHash": "CRC"}), ({}, {"Protocol": "ESP", "TimeOutMinutes": "an hour"}),
])
def test_a_crypto_set_that_is_not_understood_spoils_its_rules(head: dict[str, str], suite: dict[str, str]) -> None:
    with pytest.raises(GrammarError, match=r"Crypto2Set"):
        consec(AUTH, read_sets(keys(*crypto_set("{E5A5D32A-4BCE-4e4d-B07F-4AB1BA7E5FE2}", head, suite))))


def test_main_mode_rules_need_both_sets() -> None:
    for text in ("v2.10|Auth1Set={E5A5D32A-4BCE-4E4D-B07F-4AB1BA7E5FE3}|", "v2.10|Crypto1Set={E5A5D32A-4BCE-4E4D-B07F-4AB1BA7E5FE1}|"):
        with pytest.raises(GrammarError, match=r"is missing"):
            main_mode_rule("{id}", text, "local", Sets())


@given(scopes, scopes, st.sets(st.sampled_from(PROFILES), min_size=1))
def test_endpoints_that_are_written_are_read_again(endpoint1: Scope, endpoint2: Scope, named: set[str]) -> None:
    profiles = tuple(sorted(named))
    tokens = (
        ("Action", "DoNotSecure"), *profile_tokens(profiles), *scope_tokens("EP1_4", "EP1_6", endpoint1), *scope_tokens("EP2_4", "EP2_6", endpoint2),
    )
    match = consec(str(RuleText("v2.20", tokens)))
    assert match == ConSecMatch("noauthentication", None, ANY_PORT, ANY_PORT, endpoint1, endpoint2, profiles)
