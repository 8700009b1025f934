# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The report for machines and for reading later: JSON, JUnit XML and Markdown. Same input, same bytes."""

from __future__ import annotations

import json
import re
import typing as t
import xml.etree.ElementTree as ET

from ansible_collections.datapath.exchange.plugins.plugin_utils._report.judge import OUTCOMES, Verdict, explain, totals
from ansible_collections.datapath.exchange.plugins.plugin_utils._report.matrix import matrix

FORMAT = "datapath.exchange/report"
VERSION = 1

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold in any form (https://www.w3.org/TR/xml/#charsets)."""


def to_json(verdicts: t.Sequence[Verdict], digest: str = "") -> str:
    """Return all verdicts with their totals; ``digest`` names the plan that they judge."""
    head = json.dumps({"format": FORMAT, "version": VERSION, "digest": digest, "totals": totals(verdicts)}, sort_keys=True)
    rows = ",\n".join(json.dumps(verdict.to_plain(), sort_keys=True) for verdict in verdicts)
    return f'{head[:-1]}, "verdicts": [\n{rows}\n]}}\n'


def _xml(text: str) -> str:
    return _NOT_XML.sub("?", text)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"


def _counts(verdicts: t.Sequence[Verdict]) -> dict[str, str]:
    """Return the attributes that JUnit readers sum up. They know no "not run", so that counts as skipped here; the properties keep it apart."""
    counts = totals(verdicts)
    return {
        "tests": str(counts["total"]), "failures": str(counts["failed"]), "errors": str(counts["error"]),
        "skipped": str(counts["skipped"] + counts["not_run"]), "time": _seconds(sum(verdict.milliseconds for verdict in verdicts)),
    }


def _testcase(suite: ET.Element, verdict: Verdict) -> None:
    name = f"{verdict.expected} {verdict.port}/{verdict.protocol} {verdict.address}"
    case = ET.SubElement(suite, "testcase", {
        "classname": _xml(f"{verdict.source}.{verdict.target}"), "name": _xml(name), "time": _seconds(verdict.milliseconds),
    })
    if verdict.outcome == "passed":
        return
    text = f"expected {verdict.expected}, observed {verdict.observed or 'nothing'} ({verdict.reason}): {explain(verdict.reason)}"
    if verdict.outcome in ("failed", "error"):
        tag = "failure" if verdict.outcome == "failed" else "error"
        ET.SubElement(case, tag, {"message": _xml(text), "type": _xml(verdict.reason)}).text = _xml("\n".join(verdict.paths))
        return
    ET.SubElement(case, "skipped", {"message": _xml(f"{verdict.outcome.replace('_', ' ')}: {explain(verdict.reason)}")})


def to_junit(verdicts: t.Sequence[Verdict]) -> str:
    """Return JUnit XML: a test suite per source host, a test case per probe."""
    root = ET.Element("testsuites", {"name": "datapath.exchange", **_counts(verdicts)})
    by_source: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_source.setdefault(verdict.source, []).append(verdict)
    for source, found in by_source.items():
        suite = ET.SubElement(root, "testsuite", {"name": _xml(source), **_counts(found)})
        properties = ET.SubElement(suite, "properties")
        for outcome, count in totals(found).items():
            ET.SubElement(properties, "property", {"name": outcome, "value": str(count)})
        for verdict in found:
            _testcase(suite, verdict)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def to_markdown(verdicts: t.Sequence[Verdict], width: int = 100) -> str:
    """Return the totals as a table and the matrix below it, indented as code so that no name in it can become markup."""
    counts = totals(verdicts)
    names = (*OUTCOMES, "total")
    table = [
        "| " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|" + " ---: |" * len(names),
        "| " + " | ".join(str(counts[name]) for name in names) + " |",
    ]
    body = [f"    {line}".rstrip() for line in matrix(verdicts, width).splitlines()]
    return "\n".join(["# Data paths on the wire", "", *table, "", *body]) + "\n"


__all__ = ("FORMAT", "VERSION", "to_json", "to_junit", "to_markdown")
