# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of the Windows Firewall, held against a plan."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import firewall_log
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.firewall_log import DEFAULT_FILE, Entry
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Profile, WindowsError
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows import on_the_double
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import flow, plan

FIELDS = "#Fields: date time action protocol src-ip dst-ip src-port dst-port size tcpflags tcpsyn tcpack tcpwin icmptype icmpcode info path"
HUB, STRANGER = 0xC000020B, 0xC000024D


def line(action: str = "DROP", protocol: str = "TCP", source: str = "192.0.2.11", port: str = "25", path: str = "RECEIVE", icmp: str = "- -") -> str:
    return f"2026-11-25 10:00:00 {action} {protocol} {source} 192.0.2.10 50000 {port} 60 S 1 0 8192 {icmp} - {path}"


@pytest.mark.parametrize(("text", "entry"), [
    (line(), Entry(False, "in", 6, 25, 4, HUB, 60)), (line("ALLOW"), Entry(True, "in", 6, 25, 4, HUB, 60)),
    (line(protocol="UDP", port="53", path="SEND"), Entry(False, "out", 17, 53, 4, 0xC000020A, 60)),
    (line(protocol="ICMP", port="-", icmp="8 0"), Entry(False, "in", 1, 2048, 4, HUB, 60)),
    (line(protocol="50", port="-"), Entry(False, "in", 50, 0, 4, HUB, 60)),
    (line(source="2001:db8::1"), Entry(False, "in", 6, 25, 6, (0x20010DB8 << 96) + 1, 60)),
    (line().replace(" 60 ", " - "), Entry(False, "in", 6, 25, 4, HUB, 0)),
])
def test_an_entry(text: str, entry: Entry) -> None:
    assert firewall_log.parse([FIELDS, text]) == (entry,)
    assert firewall_log.parse([text]) == (entry,)


@pytest.mark.parametrize("text", [
    "", "#Version: 1.5", "2026-11-25 10:00:00 INFO-EVENTS-LOST - - - - - - - - - - - - 4 -",
    line(path="FORWARD"), line("OPEN"), line(source="x"), line(port="x"),
    "2026-11-25 10:00:00 DROP TCP 192.0.2.11", line(protocol="ICMP", icmp="- -"),
])
def test_what_is_no_entry_of_a_packet_is_left_out(text: str) -> None:
    assert firewall_log.parse([FIELDS, text]) == ()


def test_fields_are_found_by_their_names() -> None:
    text = "#Fields: path dst-port src-ip dst-ip protocol action size pid"
    assert firewall_log.parse([text, "RECEIVE 25 192.0.2.11 192.0.2.10 TCP ALLOW 40 4"]) == (Entry(True, "in", 6, 25, 4, HUB, 40),)


@given(st.lists(st.text(max_size=80), max_size=5))
def test_anything_can_be_in_a_log(lines: list[str]) -> None:
    firewall_log.parse([FIELDS, *lines])


def entry(port: int = 25, peer: int = HUB, *, allowed: bool = True, direction: str = "in", size: int = 60) -> Entry:
    return Entry(allowed, direction, 6, port, 4, peer, size)


def test_paths_are_counted_and_what_is_beside_them_is_named() -> None:
    rules = netsh_firewall.render(plan(), "monitored")
    entries = [
        entry(), entry(), entry(allowed=False), entry(3389, STRANGER), entry(3389, STRANGER), entry(3389, STRANGER, allowed=False), entry(80, STRANGER),
        entry(389, direction="out"),
    ]
    found = firewall_log.report(entries, rules, outbound=False)
    assert found["counters"] == {
        "management": {"packets": 0, "bytes": 0}, "mapi-clients": {"packets": 0, "bytes": 0}, "smtp-hub-to-hub": {"packets": 3, "bytes": 180},
    }
    assert (found["dropped"], found["lost"]) == ({"packets": 4, "bytes": 240}, {"packets": 1, "bytes": 60})
    kinds = [(kind["port"], kind["packets"], kind["action"]) for kind in found["beside"]]
    assert kinds == [("3389", 2, "allowed"), ("3389", 1, "dropped"), ("80", 1, "allowed")]


def test_what_goes_out_is_judged_where_the_plan_restricts_it() -> None:
    restricted = plan(egress="restricted")
    found = firewall_log.report([entry(80, direction="out")], netsh_firewall.render(restricted, "monitored"), outbound=True)
    assert (found["dropped"]["packets"], found["beside"][0]["direction"]) == (1, "out")


def test_a_rule_that_two_paths_share_counts_for_both() -> None:
    rules = netsh_firewall.render(plan(flow("smtp-a", "25", "hubs"), flow("smtp-b", "25", "hubs")), "enforced")
    counters = firewall_log.report([entry()], rules, outbound=False)["counters"]
    assert (counters["smtp-a"]["packets"], counters["smtp-b"]["packets"]) == (1, 1)


def test_only_the_most_frequent_kinds_are_named() -> None:
    found = firewall_log.report([entry(port) for port in range(1000, 1100)], (), outbound=False)
    assert (len(found["beside"]), found["dropped"]["packets"]) == (firewall_log.MOST, 100)


@pytest.mark.parametrize(("given_", "sent"), [
    (None, DEFAULT_FILE), ("%systemroot%\\system32\\LogFiles\\Firewall\\x.log", "%SystemRoot%\\system32\\LogFiles\\Firewall\\x.log"),
    ("%WINDIR%\\pfirewall.log", "%SystemRoot%\\pfirewall.log"), ("D:\\Logs (old)\\fw.log", "D:\\Logs (old)\\fw.log"),
])
def test_the_file_of_a_profile(given_: str | None, sent: str) -> None:
    text = firewall_log.read_script([Profile(log_file=given_), None]).text()
    assert f'"%T%\\findstr.exe" /l /c:"#Fields:" /c:" DROP " /c:" ALLOW " "{sent}"' in text
    assert text.count("findstr") == (1 if sent == DEFAULT_FILE else 2)


@pytest.mark.parametrize("name", ['C:\\x" & calc & "', "%TEMP%\\x.log", "C:\\%PATH%", "\\\\server\\share\\x.log", "C:\\..\\x.log", "x.log", "C:\\x\ny", ""])
def test_a_file_that_cannot_be_named_to_cmd_is_refused(name: str) -> None:
    if not name:
        assert firewall_log.log_file(Profile(log_file=name)) == DEFAULT_FILE
        return
    with pytest.raises(WindowsError, match="cannot be read"):
        firewall_log.log_file(Profile(log_file=name))


def test_nothing_is_written_where_the_log_is_read() -> None:
    text = firewall_log.read_script([None]).text()
    assert ">" not in text.replace("\r\n", "")
    assert on_the_double.FOLDER not in text
