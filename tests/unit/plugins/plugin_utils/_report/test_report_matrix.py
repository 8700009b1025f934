# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as people and machines read it."""

from __future__ import annotations

import json
import re
import typing as t
import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._report.formats import to_json, to_junit, to_markdown
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.judge import OUTCOMES, Verdict, totals
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.matrix import LISTED, SCREEN_LINES, cell, matrix

GROUPS = {"cas1": "cas", "edge1": "edge", "hub1": "hub", "hub2": "hub", "mbx1": "mbx", "um1": "um", "dc1": "domain_controller"}


def verdict(source: str, target: str, port: int, expected: str = "allowed", outcome: str = "passed", seen: str = "", **more: t.Any) -> Verdict:
    observed, reason = (seen or ("open connected" if expected == "allowed" else "filtered no_answer")).split()
    fields = {"address": "192.0.2.31", "protocol": "tcp", "paths": (f"{source}-to-{target}",) if expected == "allowed" else (), "milliseconds": 5, **more}
    return Verdict(
        source=source, source_group=GROUPS.get(source, source), target=target, target_group=GROUPS.get(target, target), id=f"{target} {port}", port=port,
        expected=expected, outcome=outcome, observed=observed, reason=reason, **fields,
    )


SMALL = (
    *(verdict("edge1", "hub1", port) for port in (25, 50636)),
    *(verdict("edge1", "mbx1", port, "denied") for port in (135, 445, 1433)),
    verdict("edge1", "dc1", 53, "denied", "skipped", "unknown silent_no_control", protocol="udp"),
    *(verdict("hub1", "mbx1", port) for port in (135, 49152)),
    verdict("hub1", "mbx1", 445, "allowed", "failed", "filtered no_answer", paths=("hub-to-mailbox-smb", "hub-to-mailbox-rpc")),
    verdict("hub1", "mbx1", 1433, "denied", "failed", "open connected"),
    verdict("hub1", "edge1", 25, seen="open starttls", encryption="offered", address="2001:db8::25"),
    verdict("hub1", "edge1", 80, "denied"),
    verdict("hub1", "dc1", 88, "allowed", "error", "unknown host_unreachable", address="192.0.2.10"),
    *(verdict("um1", "hub1", port, outcome="not_run", seen="- no_results") for port in (25, 587)),
)

GOLDEN = """\
Data paths on the wire: 3 sources, 4 targets, 15 probes

from \\ to  edge1  hub1  dc1  mbx1
edge1      .      2     ~1   3x
hub1       1+1x   .     ?1   2 !2
um1        .      -2    .    .

6: open as planned   4x: blocked as planned   !1: disagrees with the plan   ?1: could not be tested
~1: skipped, no telling test   -1: not run   .: nothing to try

Disagrees with the plan (2)
! hub1 -> mbx1  192.0.2.31 445/tcp   expected allowed, observed filtered (no_answer)
    by hub-to-mailbox-smb, hub-to-mailbox-rpc
! hub1 -> mbx1  192.0.2.31 1433/tcp  expected denied, observed open (connected)
  connected: the connection was accepted
  no_answer: no answer of any kind

Could not be tested (1)
? hub1 -> dc1  192.0.2.10 88/tcp  expected allowed, observed unknown (host_unreachable)
    by hub1-to-dc1
  host_unreachable: the target, or a router before it, does not answer: is it switched on?

Skipped (1)
~ 1 silent_no_control: no other UDP port of the target answered this source, so silence proves
    nothing. From edge1

Not run (2)
- 2 no_results: this host was not reached, or not part of the run. From um1

encryption offered by 1 and not offered by 0 of the open ports that were asked
passed 9, failed 2, error 1, skipped 1, not run 2; total 15
"""


def test_the_whole_report_of_a_small_organisation() -> None:
    assert matrix(SMALL) == GOLDEN


def test_nothing_to_try() -> None:
    assert matrix(()).splitlines()[:3] == ["Data paths on the wire: 0 sources, 0 targets, 0 probes", "", "There is nothing to try."]
    assert matrix(()).endswith("passed 0, failed 0, error 0, skipped 0, not run 0; total 0\n")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((), "."),
        (SMALL[:2], "2"),
        (SMALL[2:5], "3x"),
        ((*SMALL[:2], *SMALL[2:5]), "2+3x"),
        ((SMALL[5],), "~1"),
        (SMALL, "5+4x !2 ?1 ~1 -2"),
    ],
)
def test_cell(verdicts: tuple[Verdict, ...], expected: str) -> None:
    assert cell(verdicts) == expected


def _large(hosts: int) -> list[Verdict]:
    roles = ("hub", "cas", "mbx", "um")
    found = []
    for number in range(hosts):
        for step in (1, 2, 3):
            target = (number + step) % hosts
            ends = (f"host{number}", roles[number % 4], f"host{target}", roles[target % 4])
            found.append(Verdict(*ends, f"{step}", "192.0.2.1", "tcp", 25, "allowed", "passed", "open", "connected"))
    return found


def test_a_large_organisation_is_drawn_by_role() -> None:
    lines = matrix(_large(1000)).splitlines()
    assert lines[0] == "Data paths on the wire: 1000 sources, 1000 targets, 3000 probes"
    assert lines[2:8] == [
        "By role; the lists below and the JSON report name the hosts.",
        "from \\ to  cas  hub  mbx  um",
        "cas        .    250  250  250",
        "hub        250  .    250  250",
        "mbx        250  250  .    250",
        "um         250  250  250  .",
    ]


def test_the_grid_changes_where_it_no_longer_fits_a_screen() -> None:
    assert "By role" not in matrix(_large(8))
    assert "By role" in matrix(_large(SCREEN_LINES))


def test_a_wide_grid_is_continued_below() -> None:
    verdicts = [verdict("hub1", f"a-rather-long-name-{number}", 25) for number in range(20)]
    heads = [line for line in matrix(verdicts).splitlines() if line.startswith("from \\ to")]
    assert len(heads) == 4
    assert all(len(line) <= 100 for line in matrix(verdicts).splitlines())


def test_long_lists_end_with_a_hint() -> None:
    many = [verdict("hub1", "mbx1", port, outcome="failed", seen="filtered no_answer") for port in range(1, LISTED + 4)]
    lines = matrix(many).splitlines()
    assert sum(line.startswith("! ") for line in lines) == LISTED
    assert "  and 3 more: see the JSON report" in lines


def test_a_domain_is_dropped_where_names_stay_different() -> None:
    text = matrix([verdict("hub1.a.invalid", "mbx1.a.invalid", 25), verdict("hub2.a.invalid", "mbx1.b.invalid", 25)])
    assert text.splitlines()[2:5] == ["from \\ to  mbx1.a.invalid  mbx1.b.invalid", "hub1       1               .", "hub2       .               1"]


HOSTILE = st.text(min_size=1, max_size=12)
ANY = st.builds(
    Verdict, HOSTILE, HOSTILE, HOSTILE, HOSTILE, st.text(max_size=5), st.sampled_from(["192.0.2.1", "2001:db8:1111:2222:3333:4444:5555:6666"]),
    st.sampled_from(["tcp", "udp"]), st.integers(1, 65535), st.sampled_from(["allowed", "denied"]), st.sampled_from(OUTCOMES),
    st.sampled_from(["open", "filtered", "unknown", ""]), st.sampled_from(["connected", "no_answer", "local_emfile", "\x1b[2J"]),
    st.sampled_from(["", "offered", "not_offered"]),
    st.lists(st.text(max_size=8), max_size=3).map(tuple), st.integers(0, 9999),
)


@given(st.lists(ANY, max_size=10))
def test_no_name_can_steer_a_terminal_or_break_a_format(verdicts: list[Verdict]) -> None:
    for text in (matrix(verdicts), to_markdown(verdicts)):
        assert re.fullmatch(r"[ -~\n]*", text)
    assert to_json(verdicts).isascii()
    assert [entry["id"] for entry in json.loads(to_json(verdicts))["verdicts"]] == [entry.id for entry in verdicts]
    assert len(ET.fromstring(to_junit(verdicts)).findall("testsuite/testcase")) == len(verdicts)  # noqa: S314 - our own text
    assert matrix(verdicts) == matrix(list(verdicts))


@given(st.lists(ANY, max_size=12))
def test_every_probe_is_counted_once_in_every_form(verdicts: list[Verdict]) -> None:
    counts = totals(verdicts)
    plain = json.loads(to_json(verdicts, "abc"))
    assert (plain["totals"], plain["digest"]) == (counts, "abc")
    assert matrix(verdicts).splitlines()[-1] == (
        f"passed {counts['passed']}, failed {counts['failed']}, error {counts['error']}, skipped {counts['skipped']}, not run {counts['not_run']}; "
        f"total {len(verdicts)}"
    )
    numbers = [int(number) for number in re.findall(r"\d+", cell(verdicts))]
    assert sum(numbers) == len(verdicts)


@given(st.lists(ANY, max_size=12))
def test_junit_counts_what_it_holds(verdicts: list[Verdict]) -> None:
    root = ET.fromstring(to_junit(verdicts))  # noqa: S314 - our own text
    for suites in ([root], root.findall("testsuite")):
        assert sum(int(suite.attrib["tests"]) for suite in suites) == len(verdicts)
    for suite in root.findall("testsuite"):
        held = Counter(child.tag for case in suite.findall("testcase") for child in case)
        assert (int(suite.attrib["failures"]), int(suite.attrib["errors"]), int(suite.attrib["skipped"])) == (held["failure"], held["error"], held["skipped"])
        assert int(suite.attrib["tests"]) == len(suite.findall("testcase"))
        kept = {entry.attrib["name"]: int(entry.attrib["value"]) for entry in suite.findall("properties/property")}
        assert (kept["skipped"] + kept["not_run"], kept["total"]) == (held["skipped"], len(suite.findall("testcase")))


def test_junit_of_one_host() -> None:
    assert to_junit(SMALL[8:10]) == """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="datapath.exchange" tests="2" failures="2" errors="0" skipped="0" time="0.010">
  <testsuite name="hub1" tests="2" failures="2" errors="0" skipped="0" time="0.010">
    <properties>
      <property name="passed" value="0" />
      <property name="failed" value="2" />
      <property name="error" value="0" />
      <property name="skipped" value="0" />
      <property name="not_run" value="0" />
      <property name="total" value="2" />
    </properties>
    <testcase classname="hub1.mbx1" name="allowed 445/tcp 192.0.2.31" time="0.005">
      <failure message="expected allowed, observed filtered (no_answer): no answer of any kind" type="no_answer">hub-to-mailbox-smb
hub-to-mailbox-rpc</failure>
    </testcase>
    <testcase classname="hub1.mbx1" name="denied 1433/tcp 192.0.2.31" time="0.005">
      <failure message="expected denied, observed open (connected): the connection was accepted" type="connected" />
    </testcase>
  </testsuite>
</testsuites>
"""


def test_junit_says_what_was_not_run() -> None:
    messages = [case.attrib["message"] for case in ET.fromstring(to_junit(SMALL)).iter("skipped")]  # noqa: S314 - our own text
    assert messages == [
        "skipped: no other UDP port of the target answered this source, so silence proves nothing",
        *["not run: this host was not reached, or not part of the run"] * 2,
    ]


def test_markdown_is_a_table_and_code() -> None:
    lines = to_markdown(SMALL).splitlines()
    assert lines[:5] == [
        "# Data paths on the wire", "", "| passed | failed | error | skipped | not run | total |", "| ---: | ---: | ---: | ---: | ---: | ---: |",
        "| 9 | 2 | 1 | 1 | 2 | 15 |",
    ]
    assert [line[4:] for line in lines[6:]] == GOLDEN.splitlines()
