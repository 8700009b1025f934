# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows_rules import SAMPLES, VERSIONS, matches, words

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.conditions import ADDRESS_KEYWORDS, PORT_KEYWORDS
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import GrammarError, RuleText
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES, Intervals, Match, Ports, Scope, WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.rules import firewall_rule, to_text

SUBNET = Scope(keywords=frozenset({"LocalSubnet"}))
REMOTE_DESKTOP = Ports(numbers=((3389, 3389),))


def v4(*ranges: tuple[str, str]) -> Intervals:
    return tuple((int(ipaddress.IPv4Address(low)), int(ipaddress.IPv4Address(high))) for low, high in ranges)


def v6(*ranges: tuple[str, str]) -> Intervals:
    return tuple((int(ipaddress.IPv6Address(low)), int(ipaddress.IPv6Address(high))) for low, high in ranges)


def read(tokens: str) -> Match:
    return firewall_rule("id", f"v2.10|Action=Allow|Active=TRUE|Dir=In|{tokens}").match


@given(matches(), words, words.filter(lambda text: text.lower() != "all" and text != ""), st.booleans())
def test_a_rule_that_is_written_is_read_again_as_it_was(match: Match, description: str, name: str, active: bool) -> None:
    rule = firewall_rule("{id}", to_text(match, name=name, schema="2.33", description=description, active=active))
    assert rule.match == match
    assert (rule.name, rule.description, rule.active, rule.store, rule.id) == (name, description, active, "local", "{id}")


@given(matches())
def test_equal_rules_have_equal_texts_whatever_the_order_of_their_tokens(match: Match) -> None:
    text = RuleText.parse(to_text(match, name="x", schema="2.33"))
    turned = str(RuleText(text.version, tuple(reversed(text.tokens))))
    assert firewall_rule("a", turned).match == match


EXPECTED = {
    "documented": Match(
        "in", "allow", 6, Ports(keywords=frozenset({"RPC"})), Ports(numbers=((49000, 49000),)), Scope(v4=v4(("192.0.2.0", "192.0.2.255"))), SUBNET, ("public",),
        program=r"c:\path\foo.exe", security="authnoencap",
    ),
    "application": Match(
        "in", "allow", 6, Ports(numbers=((3241, 3241),)), local=Scope(v4=v4(("192.0.2.1", "192.0.2.1"))), remote=Scope(v4=v4(("192.0.2.0", "192.0.2.255"))),
    ),
    "outbound": Match(
        "out", "allow", 17, remote_ports=Ports(numbers=((137, 137),)), remote=SUBNET, profiles=("private",), program="system", security="authenc",
    ),
    "service": Match("in", "allow", 6, Ports(keywords=frozenset({"RPC"})), program=r"%systemroot%\system32\svchost.exe", service="dhcpserver"),
    "remote desktop": Match("in", "allow", 6, REMOTE_DESKTOP, program="system"),
    "block": Match("in", "block", 6, Ports(numbers=((1, 66), (69, 55554), (55556, 65535)))),
    "bypass": Match(
        "in", "bypass", 6, REMOTE_DESKTOP, security="authnoencap",
        other=(("RMauth", "O:LSD:(A;;CC;;;S-1-5-21-1)"), ("RUAuth", "O:LSD:(A;;CC;;;S-1-5-21-2)")),
    ),
    "restricted in": Match("in", "block", 6, Ports(numbers=((1, 553), (555, 8553), (8555, 65535)))),
    "restricted out": Match("out", "allow", 6, remote_ports=Ports(numbers=((389, 389), (3268, 3268))), program=r"%systemroot%\system32\svchost.exe"),
    "explicit edge": Match("in", "allow", 6, profiles=("public",), program=r"c:\game.exe"),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_public_samples_mean_what_their_sources_say(name: str) -> None:
    rule = firewall_rule("{id}", SAMPLES[name], "policy")
    assert rule.match == EXPECTED[name]
    assert (rule.store, rule.text) == ("policy", SAMPLES[name])


def test_a_rule_is_active_only_when_it_says_so() -> None:
    assert [name for name in SAMPLES if not firewall_rule("x", SAMPLES[name]).active] == ["outbound", "service", "restricted in", "restricted out"]


def test_names_descriptions_and_groups_are_kept_as_written() -> None:
    rule = firewall_rule("FPS-1", "v2.10|Action=Allow|Dir=In|Name=メール|Desc=規則 a=b|EmbedCtxt=@FirewallAPI.dll,-28752|")
    assert (rule.id, rule.name, rule.description, rule.group) == ("FPS-1", "メール", "規則 a=b", "@FirewallAPI.dll,-28752")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_read_alike(version: str) -> None:
    assert firewall_rule("x", f"{version}|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort2_10=80-81|").match.local_ports == Ports(numbers=((80, 81),))


@pytest.mark.parametrize(("text", "expected"), [
    ("192.0.2.7", ("192.0.2.7", "192.0.2.7")), ("192.0.2.7/255.255.255.255", ("192.0.2.7", "192.0.2.7")), ("192.0.2.7/32", ("192.0.2.7", "192.0.2.7")),
    ("192.0.2.0/24", ("192.0.2.0", "192.0.2.255")), ("192.0.2.9/255.255.255.0", ("192.0.2.0", "192.0.2.255")),
    ("192.0.2.3-192.0.2.9", ("192.0.2.3", "192.0.2.9")), ("0.0.0.0/0.0.0.0", ("0.0.0.0", "255.255.255.255")),
    ("255.255.255.255", ("255.255.255.255", "255.255.255.255")), ("192.0.2.0/255.255.255.254", ("192.0.2.0", "192.0.2.1")),
])
def test_ipv4_addresses_in_all_their_notations(text: str, expected: tuple[str, str]) -> None:
    assert read(f"RA4={text}|").remote == Scope(v4=v4(expected))
    assert read(f"LA4={text}|").local == Scope(v4=v4(expected))


@pytest.mark.parametrize(("text", "expected"), [
    ("2001:db8::7", ("2001:db8::7", "2001:db8::7")), ("2001:DB8::/32", ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff")),
    ("2001:db8::-2001:db8::ff", ("2001:db8::", "2001:db8::ff")), ("::/0", ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
])
def test_ipv6_addresses_in_all_their_notations(text: str, expected: tuple[str, str]) -> None:
    assert read(f"RA6={text}|").remote == Scope(v6=v6(expected))


@pytest.mark.parametrize("text", [
    "192.0.2.0/0.0.0.255", "192.0.2.0/255.0.255.0", "192.0.2.0/33", "192.0.2.9-192.0.2.3", "192.0.2", "192.0.2.07", "2001:db8::1", "any", "*", "",
    "host.example", "192.0.2.0/", "192.0.2.1-192.0.2.0/24", "192.0.2.0/24/24", "\uff11.2.3.4", "Future",
])
def test_what_is_no_ipv4_address_is_an_error(text: str) -> None:
    with pytest.raises(GrammarError):
        read(f"RA4={text}|")


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::/129", "2001:db8::/ffff::", "fe80::1%12", "fe80::1%a-fe80::2%a", ""])
def test_what_is_no_ipv6_address_is_an_error(text: str) -> None:
    with pytest.raises(GrammarError):
        read(f"RA6={text}|")


@pytest.mark.parametrize("keyword", ADDRESS_KEYWORDS)
def test_address_keywords_are_known_by_any_case_and_in_both_tokens(keyword: str) -> None:
    suffix = ADDRESS_KEYWORDS[keyword]
    for word in (keyword, keyword.upper()):
        assert read(f"RA4{suffix}={word}|RA6{suffix}={word}|").remote == Scope(keywords=frozenset({keyword}))


def test_a_keyword_of_one_family_is_remembered_as_such() -> None:
    match = read("RA4=LocalSubnet|RA6=2001:db8::1|")
    assert match.remote == Scope(v6=v6(("2001:db8::1", "2001:db8::1")), keywords=frozenset({"LocalSubnet"}))
    assert match.other == (("RA4", "LocalSubnet"),)
    assert "RA6=LocalSubnet" not in to_text(match, name="x", schema="2.0")


@pytest.mark.parametrize("keyword", PORT_KEYWORDS)
def test_port_keywords_are_known_by_any_case_and_under_any_version(keyword: str) -> None:
    for token in ("LPort", "LPort2_10", "LPort2_20", "LPort2_99", f"LPort{PORT_KEYWORDS[keyword]}"):
        assert read(f"Protocol=6|{token}={keyword.lower()}|").local_ports == Ports(keywords=frozenset({keyword}))


def test_ports_of_all_tokens_are_one_set() -> None:
    match = read("Protocol=6|LPort=80|LPort2_10=81-90|lport2_20=443, 91|LPort=RPC|RPort2_10=1-65535|")
    assert match.local_ports == Ports(numbers=((80, 91), (443, 443)), keywords=frozenset({"RPC"}))
    assert match.remote_ports == Ports(numbers=((1, 65535),))


@pytest.mark.parametrize("text", ["65536", "-1", "80-", "90-80", "", "*", "any", "http", "80 81", "\uff18\uff10", "0x50", "80-90-100"])
def test_what_is_no_port_is_an_error(text: str) -> None:
    with pytest.raises(GrammarError):
        read(f"Protocol=6|LPort={text}|")


@pytest.mark.parametrize(("tokens", "expected"), [
    ("", "none"), ("Security=Authenticate|", "authenticate"), ("security=AUTHENTICATE|", "authenticate"), ("Security=AuthenticateEncrypt|", "authenc"),
    ("Security=Authenticate|Security2_9=An-NoEncap|", "authnoencap"), ("Security2_9=An-NoEncap|", "authnoencap"),
    ("Security=AuthenticateEncrypt|Security2=AnE-Nego|", "authdynenc"), ("Security2=AnE-Nego|", "authdynenc"), ("Security=|", "none"),
])
def test_kinds_of_protection(tokens: str, expected: str) -> None:
    assert read(tokens).security == expected


@pytest.mark.parametrize(("tokens", "expected"), [
    ("", "no"), ("Edge=FALSE|", "no"), ("Edge=true|", "yes"), ("Edge=TRUE|Defer=App|", "deferapp"), ("Defer=user|", "deferuser"), ("Edge=TRUE|Defer=|", "yes"),
])
def test_kinds_of_edge_traversal(tokens: str, expected: str) -> None:
    assert read(tokens).edge == expected


def test_types_of_icmp_belong_to_their_protocol() -> None:
    assert read("Protocol=1|ICMP4=8:*|ICMP4=0:0|").icmp == ("0:0", "8:*")
    assert read("Protocol=58|ICMP6=128:*|").icmp == ("128:*",)
    stray = read("Protocol=1|ICMP6=128:*|")
    assert (stray.icmp, stray.other) == ((), (("ICMP6", "128:*"),))


def test_interfaces_profiles_and_protocols() -> None:
    match = read("IFType=lan|IF={212D4E36-DB6E-4EAE-A65F-1C4615EBFDDB}|Profile=Private|Profile=domain|Protocol=256|Svc=*|")
    assert match.interfaces == ("Lan", "{212d4e36-db6e-4eae-a65f-1c4615ebfddb}")
    assert (match.profiles, match.protocol, match.service) == (("domain", "private"), None, "*")
    assert read("Profile=Domain|Profile=Private|Profile=Public|").profiles == PROFILES
    assert [read(f"Protocol={name}|").protocol for name in ("TCP", "udp", "ICMPv4", "icmpv6", "any", "50")] == [6, 17, 1, 58, None, 50]


def test_what_narrows_a_rule_and_is_not_computed_is_kept() -> None:
    match = read("Platform=2:6:1|Platform2=GTEQ|AppPkgId=S-1-15-2-1|LUAuth2_24=O:BAD|SkipVer=2_20|TTK2_22=P2PSetup|NNm=x|Future=1|Empty=|LSM=FALSE|LOM=TRUE|")
    assert match.other == (
        ("AppPkgId", "S-1-15-2-1"), ("Future", "1"), ("LOM", "TRUE"), ("LUAuth2_24", "O:BAD"), ("NNm", "x"), ("Platform", "2:6:1"), ("Platform2", "GTEQ"),
        ("SkipVer", "2_20"), ("TTK2_22", "P2PSetup"),
    )


@pytest.mark.parametrize("text", [
    "v2.10|Action=Allow|Active=TRUE|", "v2.10|Dir=In|Active=TRUE|", "v2.10|Action=Permit|Dir=In|", "v2.10|Action=Allow|Dir=Both|",
    "v2.10|Action=Allow|Dir=In|Dir=Out|", "v2.10|Action=Allow|Dir=In|Active=1|", "v2.10|Action=Allow|Dir=In|Protocol=999|",
    "v2.10|Action=Allow|Dir=In|Protocol=|",
    "v2.10|Action=Allow|Dir=In|Profile=Home|", "v2.10|Action=Allow|Dir=In|Profile=|", "v2.10|Action=Allow|Dir=In|Security=Maybe|",
    "v2.10|Action=Allow|Dir=In|Security=Authenticate|Security2=AnE-Nego|", "v2.10|Action=Allow|Dir=In|Defer=Later|", "v2.10|Action=Allow|Dir=In|IF=eth0|",
    "v2.10|Action=Allow|Dir=In|IFType=Modem|", "v2.10|Action=Allow|Dir=In|Protocol=1|ICMP4=8|", "v2.10|Action=Allow|Dir=In|Protocol=1|ICMP4=256:*|",
    "v2.10|Action=Allow|Dir=In|Edge=TRUE|Edge=FALSE|", "v2.10|Action=Allow|Dir=In|Name=a|Name=b|", "not a rule",
])
def test_what_cannot_be_understood_is_an_error_and_not_a_guess(text: str) -> None:
    with pytest.raises(WindowsError):
        firewall_rule("x", text)


TOKENS = st.sampled_from(("Action", "Dir", "Protocol", "LPort", "RA4", "RA6", "Profile", "Name", "ICMP4", "Security", "X"))


@given(st.lists(st.tuples(TOKENS, words), max_size=6))
def test_hostile_rules_are_read_or_refused_in_one_line(tokens: list[tuple[str, str]]) -> None:
    try:
        firewall_rule("x", str(RuleText("v2.10", tuple(tokens))))
    except WindowsError as error:
        assert len(str(error).splitlines()) == 1


def test_networks_are_written_as_the_service_writes_them() -> None:
    match = Match("in", protocol=6, local_ports=Ports(numbers=((25, 25), (80, 90))), remote=Scope(
        v4=v4(("192.0.2.0", "192.0.2.255"), ("198.51.100.3", "198.51.100.9")), v6=v6(("2001:db8::", "2001:db8::ffff")), keywords=frozenset({"LocalSubnet"}),
    ), program=r"c:\x.exe", security="authenc", edge="deferuser", profiles=("domain", "private"))
    assert to_text(match, name="datapath.exchange in x 12345678", schema="2.10", description="x y") == (
        "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Domain|Profile=Private|LPort=25|LPort2_10=80-90|RA4=192.0.2.0/255.255.255.0|"
        r"RA4=198.51.100.3-198.51.100.9|RA4=LocalSubnet|RA6=2001:db8::/112|RA6=LocalSubnet|App=c:\x.exe|Name=datapath.exchange in x 12345678|Desc=x y|"
        "Security=AuthenticateEncrypt|Edge=TRUE|Defer=User|"
    )


@pytest.mark.parametrize(("changes", "schema"), [
    ({"local_ports": Ports(numbers=((80, 81),))}, "2.1"), ({"local_ports": Ports(keywords=frozenset({"IPHTTPSIn"}))}, "2.1"),
    ({"local_ports": Ports(keywords=frozenset({"mDNS"}))}, "2.22"), ({"security": "authnoencap"}, "2.1"), ({"security": "authdynenc"}, "2.9"),
    ({"edge": "deferapp"}, "2.1"), ({"remote": Scope(keywords=frozenset({"IntrAnet"}))}, "2.10"), ({}, "2"), ({}, "newest"),
])
def test_a_release_is_not_told_what_it_cannot_read(changes: dict[str, object], schema: str) -> None:
    match = replace(Match("in", protocol=6), **changes)
    with pytest.raises(WindowsError):
        to_text(match, name="x", schema=schema)
    assert to_text(match, name="x", schema="2.33")


@pytest.mark.parametrize("changes", [
    {"protocol": None, "local_ports": Ports(numbers=((80, 80),))}, {"protocol": 47, "remote_ports": Ports(numbers=((80, 80),))}, {"local_ports": Ports()},
    {"remote": Scope()}, {"icmp": ("8:*",)}, {"program": "c:\\x|Action=Allow"}, {"other": (("X", "a\nb"),)}, {"service": "a\x00"},
])
def test_what_no_rule_can_say_is_not_written(changes: dict[str, object]) -> None:
    with pytest.raises(WindowsError):
        to_text(replace(Match("in", protocol=6), **changes), name="x", schema="2.33")


@pytest.mark.parametrize("name", ["", "all", "ALL", "x" * 10000, "a|b", "a\r\nb"])
def test_hostile_names_are_not_written(name: str) -> None:
    with pytest.raises(WindowsError):
        to_text(Match("in"), name=name, schema="2.33")
