# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from render_plans import example

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import drift, read_back, read_loaded, render

SETS = (
    "\tset a_v4 {\n"
    "\t\ttype ipv4_addr\n"
    "\t\tflags interval\n"
    "\t\telements = { 192.0.2.1, 192.0.2.128/25,\n"
    "\t\t\t     198.51.100.7-198.51.100.9 }\n"
    "\t}\n"
    "\n"
    "\tset b_v6 {\n"
    "\t\ttype ipv6_addr\n"
    "\t\tflags interval\n"
    "\t}\n"
    "\n"
    "\tset session_v4 {\n"
    "\t\ttype ipv4_addr . inet_service\n"
    "\t\telements = { 192.0.2.1 . 22 }\n"
    "\t}\n"
)
"""As nft lists it, wrapped lines and all."""


def _table(*rules: str, sets: str = SETS) -> str:
    lines = "".join(f"\t\t{rule}\n" for rule in rules)
    return f"table inet datapath {{\n{sets}\n\tchain input {{\n\t\ttype filter hook input priority filter; policy drop;\n{lines}\t}}\n}}\n"


A = ((3221225985, 3221225985), (3221226112, 3221226239), (3325256711, 3325256713))


@pytest.mark.parametrize(("rule", "facts"), [
    ('ip saddr @a_v4 tcp dport 25 counter accept comment "x y"', {("ipv4", "tcp", ((25, 25),), A, ("x", "y"), False)}),
    ("ip saddr @a_v4 tcp dport { 25-26, 27-30, 5 } counter packets 7 bytes 420 accept", {("ipv4", "tcp", ((5, 5), (25, 30)), A, (), False)}),
    ("ip6 saddr @b_v6 udp dport 53 accept # handle 12", {("ipv6", "udp", ((53, 53),), (), (), False)}),
    ("ip saddr { 192.0.2.1, 192.0.2.3-192.0.2.4 } accept", {("ipv4", "any", (), ((3221225985, 3221225985), (3221225987, 3221225988)), (), False)}),
    ("ip6 saddr ::ffff:192.0.2.1 accept", {("ipv6", "any", (), (((0xFFFF << 32) + 3221225985,) * 2,), (), False)}),
    ("tcp dport 443 accept", {("ipv4", "tcp", ((443, 443),), None, (), False), ("ipv6", "tcp", ((443, 443),), None, (), False)}),
    ("meta nfproto ipv6 tcp dport 443 accept", {("ipv6", "tcp", ((443, 443),), None, (), False)}),
    ("meta nfproto 2 tcp dport 443 accept", {("ipv4", "tcp", ((443, 443),), None, (), False)}),
    ("icmp type 8 accept", {("ipv4", "icmp", (), None, (), False)}),
    ("icmpv6 type echo-request accept", {("ipv6", "icmp", (), None, (), False)}),
    ("ip saddr @a_v4 meta l4proto 50 accept", {("ipv4", "esp", (), A, (), False)}),
    ("ip saddr @a_v4 meta l4proto { 6, 17 } th dport 53 accept", {("ipv4", each, ((53, 53),), A, (), False) for each in ("tcp", "udp")}),
    ("ip saddr @a_v4 tcp dport 445 meta ipsec exists accept", {("ipv4", "tcp", ((445, 445),), A, (), True)}),
    ("meta secpath exists ip saddr @a_v4 accept", {("ipv4", "any", (), A, (), True)}),
    ("ip saddr @a_v4 tcp dport 445 meta ipsec 1 accept", {("ipv4", "tcp", ((445, 445),), A, (), True)}),
])
def test_rules_that_are_flows(rule: str, facts: set[object]) -> None:
    found = read_back(_table(rule)).flows
    assert {(fact.family, fact.protocol, fact.ports, fact.addresses, fact.paths, fact.protected) for fact in found} == facts
    assert {fact.direction for fact in found} == {"in"}


GUARDS = """
accept
counter accept
counter drop
ip saddr @a_v4 drop
ip saddr @a_v4 limit rate 5/second accept
ip daddr @a_v4 accept
ip saddr @a_v4 tcp sport 25 accept
ct state established,related accept
iif "lo" accept
icmp type { 3, 8 } accept
meta l4proto { 6, 50 } accept
ip saddr @a_v4 meta ipsec missing accept
log prefix "x" level info
ip saddr @a_v4 icmpv6 type 128 accept
icmpv6 type 128 ip6 hoplimit 255 accept
ip saddr . tcp dport @session_v4 accept
ip saddr @a_v4 ip6 saddr @b_v6 accept
meta l4proto { 6, 17, 50 } th dport 53 accept
th dport 53 accept
ip saddr @a_v4
""".strip().splitlines()


@pytest.mark.parametrize("rule", GUARDS)
def test_rules_that_are_no_flows_are_guards(rule: str) -> None:
    table = read_back(_table(rule))
    assert not table.flows
    assert [each.text for each in table.guards(table.chains["input"])] == [rule]


def test_numbers_and_names_are_the_same_rule() -> None:
    names = read_back(_table("ct state established,related accept", "icmpv6 type { nd-router-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept"))
    numbers = read_back(_table("ct state 0x4,0x2 accept", "icmpv6 type { 136, 133 } ip6 hoplimit 255 accept"))
    assert names.chains == numbers.chains


def test_counters_are_kept_and_do_not_count() -> None:
    one, two = (read_back(_table(f"tcp dport 1 {counter} accept")) for counter in ("counter packets 3 bytes 180", "counter"))
    assert one == two
    assert one.chains["input"].rules[0].counter == (3, 180)


def test_sessions_are_read_from_the_set_and_from_the_lines_that_the_module_appends() -> None:
    table = read_back(_table() + "add element inet datapath session_v4 { 198.51.100.9 . 2222 }\n")
    assert table.sessions == {("ipv4", "192.0.2.1", 22), ("ipv4", "198.51.100.9", 2222)}


UNKNOWN = """
ip saddr != 192.0.2.1 accept
ip saddr @missing_v4 accept
ip saddr @b_v6 accept
ip6 saddr @a_v4 accept
ip saddr @session_v4 accept
ip saddr . tcp dport @a_v4 accept
ip saddr . udp dport @session_v4 accept
ip saddr . tcp dport 22 accept
jump other
goto other
return
queue
reject
tcp dport smtp accept
tcp dport "smtp" accept
tcp dport 65536 accept
tcp dport 9-1 accept
tcp dport { } ; } accept
tcp dport -1 accept
tcp dport 1 tcp dport 2 accept
tcp flags syn accept
meta mark 1 accept
meta nfproto ipv5 accept
icmp type nonsense accept
accept drop
accept tcp dport 1
tcp dport 1 comment "x" accept
counter tcp dport 1 accept
limit rate 1/second tcp dport 1 accept
limit rate over 1/second accept
limit rate 10 mbytes/second accept
log accept
log prefix "x" group 1
log prefix "x" level emerg
ct mark 1 accept
iifname "eth0" accept
ip saddr 192.0.2.1/24 accept
ip saddr 192.0.2.0/33 accept
ip saddr 192.0.2 accept
ip saddr example.org accept
ip saddr 2001:db8::1 accept
tcp dport 1 accept comment unquoted
tcp dport 1 accept comment "open
tcp dport { 1, , 2 } accept
tcp dport { { 1 } } accept
tcp dport vmap { 1 : drop }
include "/etc/passwd"
ip saddr $x accept
tcp dport \u0661 accept
ip6 saddr fe80::1%eth0 accept
meta l4proto tcp counter packets x bytes 1 accept
""".strip().splitlines()


@pytest.mark.parametrize("rule", UNKNOWN)
def test_what_is_not_known_is_an_error_with_its_line(rule: str) -> None:
    with pytest.raises(ReadBackError, match=r"^(line 2[0-9]: |the rule )"):
        read_back(_table(rule))


TEXT = render(example())


@pytest.mark.parametrize(("old", "new"), [
    ("table inet datapath {", "table inet other {"),
    ("table inet datapath {", "table ip datapath {"),
    ("delete table inet datapath\n", ""),
    ("delete table inet datapath\n", "flush ruleset\n"),
    ("delete table inet datapath\n", "delete table inet datapath\ndelete table inet datapath\n"),
    ("priority filter", "priority -300"),
    ("hook input", "hook forward"),
    ("hook input", "hook output"),
    ("type filter hook input priority filter; policy drop;", "type nat hook input priority filter; policy drop;"),
    ("type filter hook input priority filter; policy drop;", "type filter hook input priority filter;"),
    ("flags interval", "flags interval, timeout"),
    ("flags interval", "flags interval\n\t\tauto-merge"),
    ("flags interval\n", ""),
    ("\t\ttype ipv4_addr\n", "\t\ttype ether_addr\n"),
    ("192.0.2.8-192.0.2.10", "192.0.2.8-192.0.2.10 timeout 5s"),
    ("192.0.2.8-192.0.2.10", "192.0.2.1-192.0.2.10"),
    ("192.0.2.1,", "192.0.2.1,,"),
    ("set session_v4", "map session_v4"),
    ("set session_v4", "set hub_transport_v4"),
    ("chain output", "chain input"),
    ("\t}\n}\n", "\t}\n"),
    ("\t}\n}\n", "\t}\n}\n}\n"),
    ("\t}\n}\n", "\t}\n}\ntable inet datapath {\n}\n"),
    ("\t}\n}\n", "\t}\n}\nadd rule inet datapath input accept\n"),
    ("\t}\n}\n", "\t}\n}\nadd element inet datapath hub_transport_v4 { 192.0.2.99 }\n"),
    ("\t}\n}\n", "\t}\n\tchain extra {\n\t}\n}\n"),
    ("\t}\n}\n", "\t}\n}"),
    ("\t}\n}\n", "\t}\n}\n# a comment that would swallow what follows"),
    ("\tset session_v4 {\n", "\tset hub_transport_v4 {\n\t\ttype ipv4_addr\n\t\tflags interval\n\t}\n\tset session_v4 {\n"),
])
def test_another_table_is_an_error(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(ReadBackError):
        read_back(TEXT.replace(old, new, 1) if old != "\t}\n}\n" else TEXT[:-len(old)] + new)


@pytest.mark.parametrize("text", ["", "\n", "nonsense\n", "table inet datapath\ndelete table inet datapath\n"])
def test_no_table_is_an_error(text: str) -> None:
    with pytest.raises(ReadBackError):
        read_back(text)


def test_the_tolerant_reader_names_what_is_foreign_and_reads_the_rest() -> None:
    text = TEXT.replace("\t\tcounter drop", "\t\tip saddr @mine_v4 tcp dport vmap { 1 : drop }\n\t\tip saddr @gone_v4 accept\n\t\tcounter drop", 1)
    text = text.replace("\tset session_v4", "\tset mine_v4 {\n\t\ttype ipv4_addr\n\t\tsize 9\n\t}\n\n\tflags dormant\n\tset session_v4", 1)
    text = text[:-2] + "\tchain mine {\n\t\ttcp dport 7 accept\n\t\treject\n\t}\n\n"
    text += "\tchain nat {\n\t\ttype nat hook prerouting priority -100; policy accept;\n\t}\n}\n"
    with pytest.raises(ReadBackError):
        read_back(text)
    assert read_loaded(text).foreign == (
        "set mine_v4 { type ipv4_addr size 9 }", "flags dormant", "chain input: ip saddr @mine_v4 tcp dport vmap { 1 : drop }",
        "chain input: ip saddr @gone_v4 accept", "chain mine: reject", "chain mine with 1 rules", "chain nat: type nat hook prerouting priority -100",
        "chain nat: policy accept", "chain nat with 0 rules",
    )
    assert read_loaded(text).flows == read_back(TEXT).flows


# Drift, in words.

NEIGHBOURS = (
    "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept"
    ' comment "neighbour discovery"'
)


@pytest.mark.parametrize(("old", "new", "words"), [
    ("192.0.2.1,", "192.0.2.1,\n192.0.2.66,", [
        "{flow}: also admits 192.0.2.66, which is not planned",
    ]),
    ("192.0.2.8-192.0.2.10", "192.0.2.9", ["{flow}: does not admit 192.0.2.8, 192.0.2.10"]),
])
def test_drift_of_members_is_told_for_every_flow_that_uses_them(old: str, new: str, words: list[str]) -> None:
    flows = sorted(str(fact) for fact in read_back(TEXT).flows if fact.family == "ipv4" and fact.peers == "hub_transport")
    assert len(flows) == 6
    assert drift(TEXT, TEXT.replace(old, new)) == [word.format(flow=flow) for flow in flows for word in words]


@pytest.mark.parametrize(("old", "new", "words"), [
    (
        'tcp dport 443 counter accept comment "web-access"', 'tcp dport { 443, 8443 } counter accept comment "web-access"',
        [
            "missing: in ipv4 443/tcp from everyone [web-access]", "missing: in ipv6 443/tcp from everyone [web-access]",
            "not planned: in ipv4 443,8443/tcp from everyone [web-access]", "not planned: in ipv6 443,8443/tcp from everyone [web-access]",
        ],
    ),
    (
        'ip saddr @hub_transport_v4 tcp dport 25 counter accept comment "hub-to-mailbox"', 'tcp dport 25 counter accept comment "hub-to-mailbox"',
        [
            "missing: in ipv4 25/tcp from hub_transport [hub-to-mailbox]", "not planned: in ipv4 25/tcp from everyone [hub-to-mailbox]",
            "not planned: in ipv6 25/tcp from everyone [hub-to-mailbox]",
        ],
    ),
    ("policy drop;", "policy accept;", ["chain input: its policy is accept, planned drop"]),
    (
        "ip6 hoplimit 255 ", "ip6 hoplimit 254 ",
        [f"chain input: missing rule: {NEIGHBOURS}", f"chain input: not planned rule: {NEIGHBOURS.replace('255', '254')}"],
    ),
    ("\t\tct state invalid counter drop", "\t\tcounter accept\n\t\tct state invalid counter drop", ["chain input: not planned rule: counter accept"]),
    ("\t\tct state invalid counter drop", "\t\treject\n\t\tct state invalid counter drop", ["not written by this collection: chain input: reject"]),
])
def test_drift_in_words(old: str, new: str, words: list[str]) -> None:
    assert old in TEXT
    assert drift(TEXT, TEXT.replace(old, new, 1)) == words


def test_drift_of_the_order() -> None:
    last = '\t\tcounter drop comment "datapath dropped"\n'
    first = "\t\tct state established,related accept\n"
    assert drift(TEXT, TEXT.replace(last, "", 1).replace(first, last + first, 1)) == ["chain input: its rules are in another order, so that other rules decide"]


def test_drift_of_a_chain() -> None:
    start = TEXT.index("\n\tchain output")
    assert drift(TEXT, TEXT[:start] + "}\n")[-1] == "chain output is missing"
    assert "chain output is not planned" in drift(TEXT[:start] + "}\n", TEXT)


@pytest.mark.parametrize(("actual", "words"), [
    ("", "the table inet datapath is not loaded: nothing is enforced"),
    ("\n", "the table inet datapath is not loaded: nothing is enforced"),
    ("nonsense", "what is loaded as table inet datapath cannot be read: "),
])
def test_drift_of_everything(actual: str, words: str) -> None:
    assert re.match(re.escape(words), drift(TEXT, actual)[0])


def test_no_drift_by_sessions_counters_and_layout() -> None:
    other = TEXT.replace(" counter ", " counter packets 5 bytes 300 ").replace("192.0.2.1,\n\t\t\t192.0.2.8-192.0.2.10", "192.0.2.8/31, 192.0.2.10, 192.0.2.1")
    other += "add element inet datapath session_v6 { 2001:db8::9 . 22 }\n"
    assert other != TEXT
    assert drift(TEXT, other) == []
