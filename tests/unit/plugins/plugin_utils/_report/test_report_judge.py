# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From expectation and observation to a verdict."""

from __future__ import annotations

import itertools
import re
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._report import results
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.judge import (
    OBSERVED,
    OUTCOMES,
    REASONS,
    ReportError,
    complaints,
    explain,
    group_of,
    judge,
    natural,
    totals,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.matrix import matrix
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.results import HostResults

MEMBERS = {
    "hub1": {"roles": ["hub_transport", "client_access"]}, "mbx1": {"roles": ["mailbox"]}, "dc1": {"roles": [], "kinds": ["domain_controller", "dns_server"]},
}


def probe(expect: str = "allowed", tls: str = "", name: str = "p", **more: t.Any) -> dict[str, t.Any]:
    return {"id": name, "to": "mbx1", "address": "192.0.2.31", "protocol": "tcp", "port": 445, "expect": expect, "paths": ["a-path"], "tls": tls, **more}


def row(verdict: str, reason: str = "connected", encryption: str = "", name: str = "p") -> dict[str, t.Any]:
    return {"id": name, "verdict": verdict, "reason": reason, "ms": 3, "encryption": encryption}


def one(expected: dict[str, t.Any], seen: dict[str, t.Any], *, alive: bool = True, **options: bool) -> tuple[str, str]:
    found = {"hub1": HostResults((seen,))}
    if alive:
        found["mbx1"] = HostResults((row("open", name="other"),))
    catalogues = {"hub1": [expected], "mbx1": [probe(name="other", to="dc1")]}
    verdict = judge(MEMBERS, catalogues, found, **options)[0]
    return verdict.outcome, verdict.reason


@pytest.mark.parametrize(
    ("expect", "verdict", "reason", "expected"),
    [
        ("allowed", "open", "connected", ("passed", "connected")),
        ("allowed", "refused", "reset", ("passed", "reset")),
        ("allowed", "filtered", "no_answer", ("failed", "no_answer")),
        ("allowed", "filtered", "own_firewall", ("failed", "own_firewall")),
        ("allowed", "unknown", "host_unreachable", ("error", "host_unreachable")),
        ("allowed", "unknown", "silent_no_control", ("error", "silent_no_control")),
        ("allowed", "unknown", "silent_port", ("error", "silent_port")),
        ("denied", "open", "connected", ("failed", "connected")),
        ("denied", "refused", "reset", ("failed", "reset")),
        ("denied", "filtered", "no_answer", ("passed", "no_answer")),
        ("denied", "filtered", "admin_prohibited", ("passed", "admin_prohibited")),
        ("denied", "unknown", "no_route", ("error", "no_route")),
        ("denied", "unknown", "local_emfile", ("error", "local_emfile")),
        ("denied", "unknown", "out_of_time", ("error", "out_of_time")),
        ("denied", "unknown", "silent_no_control", ("skipped", "silent_no_control")),
        ("denied", "unknown", "silent_port", ("skipped", "silent_port")),
    ],
)
def test_expected_and_observed(expect: str, verdict: str, reason: str, expected: tuple[str, str]) -> None:
    assert one(probe(expect), row(verdict, reason)) == expected


@pytest.mark.parametrize(
    ("verdict", "reason", "expected"),
    [
        ("filtered", "no_answer", ("skipped", "target_unseen")),
        ("filtered", "rejected", ("passed", "rejected")),
        ("filtered", "own_firewall", ("passed", "own_firewall")),
        ("open", "connected", ("failed", "connected")),
    ],
)
def test_silence_of_a_target_that_nobody_saw_proves_nothing(verdict: str, reason: str, expected: tuple[str, str]) -> None:
    assert one(probe("denied"), row(verdict, reason), alive=False) == expected


def test_an_answer_to_anybody_is_a_sign_of_life() -> None:
    catalogues = {"hub1": [probe("denied")], "dc1": [probe(name="q", port=25)]}
    silent = HostResults((row("filtered", "no_answer"),))
    for seen, outcome in (("refused", "passed"), ("filtered", "skipped")):
        found = {"hub1": silent, "dc1": HostResults((row(seen, "reset", name="q"),))}
        assert judge(MEMBERS, catalogues, found)[1].outcome == outcome


def test_a_silent_allowed_path_fails_also_when_nobody_saw_the_target() -> None:
    assert one(probe(), row("filtered", "no_answer"), alive=False) == ("failed", "no_answer")


@pytest.mark.parametrize(
    ("tls", "verdict", "encryption", "strict", "lenient"),
    [
        ("tls", "open", "offered", "passed", "passed"),
        ("tls", "open", "not_offered", "failed", "passed"),
        ("starttls-smtp", "open", "", "error", "passed"),
        ("tls", "refused", "", "passed", "passed"),
        ("", "open", "", "passed", "passed"),
    ],
)
def test_encryption(tls: str, verdict: str, encryption: str, strict: str, lenient: str) -> None:
    seen = row(verdict, "word", encryption)
    assert one(probe(tls=tls), seen)[0] == strict
    assert one(probe(tls=tls), seen, require_encryption=False)[0] == lenient


@pytest.mark.parametrize("verdict", ["open", "refused", "filtered"])
def test_rules_that_only_watch_are_not_asked_to_block(verdict: str) -> None:
    assert one(probe("denied"), row(verdict), monitored=True) == ("skipped", "monitored")
    assert one(probe("allowed"), row("filtered", "no_answer"), monitored=True) == ("failed", "no_answer")


def test_an_open_denied_port_fails_whatever_it_speaks() -> None:
    assert one(probe("denied", tls="tls"), row("open", "tls_server_hello", "offered"))[0] == "failed"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({}, "no_results"),
        ({"hub1": HostResults(reason="other_plan")}, "other_plan"),
        ({"hub1": HostResults()}, "no_result"),
    ],
)
def test_without_a_result_a_probe_was_not_run(found: dict[str, HostResults], reason: str) -> None:
    [verdict] = judge(MEMBERS, {"hub1": [probe()]}, found)
    assert (verdict.outcome, verdict.reason, verdict.observed) == ("not_run", reason, "")


def test_what_is_neither_tcp_nor_udp_is_skipped() -> None:
    [verdict] = judge(MEMBERS, {"hub1": [probe(protocol="icmp", port=0)]}, {"hub1": HostResults()})
    assert (verdict.outcome, verdict.reason) == ("skipped", "unsupported_protocol")


@pytest.mark.parametrize(
    ("probes", "rows", "message"),
    [
        ([probe(), probe()], [], "hub1: the probe catalogue holds an id twice; make the plan again"),
        ([probe()], [row("open", name="q")], "hub1: the results hold probes that the plan does not, or twice; run datapath.exchange.probe again"),
        ([probe()], [row("open"), row("filtered")], "hub1: the results hold probes that the plan does not, or twice; run datapath.exchange.probe again"),
        ([probe()], [row("perhaps")], "hub1: probe p: verdict 'perhaps' is not known"),
        ([probe("maybe")], [row("open")], "probe p: expects 'maybe', which is neither allowed nor denied"),
    ],
)
def test_what_contradicts_itself_is_an_error(probes: list[t.Any], rows: list[t.Any], message: str) -> None:
    with pytest.raises(ReportError, match=f"^{re.escape(message)}$"):
        judge(MEMBERS, {"hub1": probes}, {"hub1": HostResults(tuple(rows))})


def test_a_verdict_carries_all_that_a_report_needs() -> None:
    verdict = judge(MEMBERS, {"hub1": [probe()]}, {"hub1": HostResults((row("open"),))})[0]
    assert verdict.to_plain() == {
        "source": "hub1", "source_group": "cas+hub", "target": "mbx1", "target_group": "mbx", "id": "p", "address": "192.0.2.31", "protocol": "tcp",
        "port": 445, "expected": "allowed", "outcome": "passed", "observed": "open", "reason": "connected", "encryption": "", "paths": ["a-path"],
        "milliseconds": 3,
    }


def test_groups_and_order() -> None:
    assert [group_of(name, MEMBERS) for name in ("hub1", "dc1", "ip_gateway")] == ["cas+hub", "dns_server+domain_controller", "ip_gateway"]
    assert sorted(["hub10", "hub2", "2hub", "hub", "hub2a"], key=natural) == ["2hub", "hub", "hub2", "hub2a", "hub10"]


SEEN = st.tuples(st.sampled_from(OBSERVED), st.sampled_from(sorted(REASONS)), st.sampled_from(["", "offered", "not_offered"]))


CASE = st.tuples(st.sampled_from(["allowed", "denied"]), st.sampled_from(["", "tls"]), st.sampled_from(["tcp", "udp", "icmp"]), st.none() | SEEN)


@given(cases=st.lists(CASE, max_size=12), strict=st.booleans())
def test_verdicts_are_one_per_probe_and_sum_to_the_total(cases: list[t.Any], *, strict: bool) -> None:
    probes = [probe(expect, tls, str(number), protocol=protocol) for number, (expect, tls, protocol, seen) in enumerate(cases)]
    rows = tuple(row(*case[3], name=str(number)) for number, case in enumerate(cases) if case[3])
    verdicts = judge(MEMBERS, {"hub1": probes}, {"hub1": HostResults(rows)}, require_encryption=strict)
    counts = totals(verdicts)
    assert [verdict.id for verdict in verdicts] == [entry["id"] for entry in probes]
    assert counts["total"] == len(cases) == sum(counts[outcome] for outcome in OUTCOMES)
    assert counts["not_run"] == sum(case[3] is None and case[2] != "icmp" for case in cases)
    # No probe passes that the network contradicted or that nobody answered for.
    for verdict in verdicts:
        if verdict.outcome == "passed":
            assert verdict.observed in (("open", "refused") if verdict.expected == "allowed" else ("filtered",))


@given(counts=st.fixed_dictionaries({outcome: st.integers(0, 3) for outcome in OUTCOMES}), fail=st.booleans(), allow=st.booleans())
def test_when_a_run_passes(counts: dict[str, int], *, fail: bool, allow: bool) -> None:
    wrong = complaints({**counts, "total": sum(counts.values())}, fail_on_disagreement=fail, allow_errors=allow)
    tested = counts["passed"] + counts["failed"] > 0
    assert (not wrong) == (tested and (allow or not counts["error"]) and (not fail or not counts["failed"]))


def test_the_complaints_say_what_to_do() -> None:
    assert complaints({"passed": 1, "failed": 2, "error": 3, "skipped": 0, "not_run": 0, "total": 6}) == [
        "the wire disagrees with the plan in 2 of 6 probes", "3 of 6 probes could not be tested (allow_errors accepts that)",
    ]
    assert complaints({"passed": 0, "failed": 0, "error": 0, "skipped": 1, "not_run": 4, "total": 5}) == [
        "nothing was tested: of 5 probes none has a result that says anything",
    ]


def test_every_word_of_a_result_is_explained() -> None:
    from ansible_collections.datapath.exchange.plugins.module_utils import _probe, _probe_wire

    text = "".join(Path(module.__file__).read_text() for module in (_probe, _probe_wire))
    words = set(re.findall(r'(?:OPEN|REFUSED|FILTERED|UNKNOWN|"offered"|"not_offered"|""), "([a-z_]+)"', text)) - {"silent", "tls"}
    words |= set(itertools.chain(*re.findall(r'"([a-z_]+)" if data else "([a-z_]+)"', text)))
    assert len(words) > 20
    assert words <= set(REASONS)
    assert explain("local_emfile") == "the source itself could not try (EMFILE)"


def test_a_host_from_which_nothing_can_be_tried_is_skipped_and_still_a_target() -> None:
    catalogues = {"hub1": [probe("denied")], "mbx1": [probe(name="q", port=25), probe("denied", name="r", port=26)]}
    found = {"hub1": HostResults((row("open"),)), "mbx1": HostResults(reason="unsupported_platform")}
    verdicts = judge(MEMBERS, catalogues, found)
    assert [(verdict.source, verdict.outcome, verdict.reason) for verdict in verdicts] == [
        ("hub1", "failed", "connected"), ("mbx1", "skipped", "unsupported_platform"), ("mbx1", "skipped", "unsupported_platform"),
    ]
    assert totals(verdicts) == {"passed": 0, "failed": 1, "error": 0, "skipped": 2, "not_run": 0, "total": 3}
    text = " ".join(matrix(verdicts).split())
    assert "~ 2 unsupported_platform: this host runs Windows, from where nothing can be tried: it was tried as a target only. From mbx1" in text
    assert judge(MEMBERS, catalogues, {**found, "mbx1": HostResults(reason="no_results")})[1].outcome == "not_run"


# -- results on disk


def test_results_come_back_as_written(tmp_path: Path) -> None:
    found = HostResults((row("open"), row("filtered", name="q")))
    path = results.write(tmp_path / "new", "hub1", "d1", found)
    assert results.read(tmp_path / "new", "hub1", "d1") == found
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_results_that_are_missing_or_of_another_plan(tmp_path: Path) -> None:
    results.write(tmp_path, "hub1", "d1", HostResults(reason="unsupported_platform"))
    assert results.read(tmp_path, "hub1", "d1").reason == "unsupported_platform"
    assert results.read(tmp_path, "hub1", "d2") == HostResults(reason="other_plan")
    assert results.read(tmp_path, "hub2", "d1") == HostResults(reason="no_results")
    results.discard(tmp_path, "hub1")
    results.discard(tmp_path, "hub1")
    assert results.read(tmp_path, "hub1", "d1").reason == "no_results"


@pytest.mark.parametrize("text", ["", "[]", '{"format": "x"}', '{"format": "datapath.exchange/results", "version": 1, "host": "hub2"}'])
def test_a_broken_file_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / results.file_name("hub1")).write_text(text)
    with pytest.raises(results.ResultsError, match=r"hub1\.[0-9a-f]{12}\.json: .*datapath\.exchange\.probe again"):
        results.read(tmp_path, "hub1", "d1")


@given(st.text(min_size=1), st.text(min_size=1))
def test_file_names_stay_in_the_directory_and_differ(one_host: str, other: str) -> None:
    name = results.file_name(one_host)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,60}\.[0-9a-f]{12}\.json", name)
    assert (name == results.file_name(other)) == (one_host == other)


def test_a_file_that_is_right_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report"
    assert (results.replace_file(path, "a", only_compare=True), path.parent.exists()) == (True, False)
    assert [results.replace_file(path, "a") for _time in range(2)] == [True, False]
    assert (results.replace_file(path, "b", only_compare=True), path.read_text()) == (True, "a")
    assert (results.replace_file(path, "b"), path.read_text()) == (True, "b")


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    with pytest.raises(IsADirectoryError):
        results.replace_file(tmp_path / "report", "a")
    assert [entry.name for entry in tmp_path.iterdir()] == ["report"]
