# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A plan in a few lines that a person can read, and in values small enough for every host of a play to carry."""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compare import Comparison
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding, Skipped

HOSTS_SHOWN = 8
HOSTS_RETURNED = 100
FLOWS_RETURNED = 500
_WORDS = {"error": "ERROR", "warning": "WARNING", "info": "NOTE"}
_CHANGES = (("gained", "flows gained"), ("lost", "flows lost"), ("hosts_added", "hosts added"), ("hosts_removed", "hosts removed"))


def bounded_findings(findings: t.Iterable[Finding]) -> list[dict[str, t.Any]]:
    """Findings as plain values; of more than 100 hosts the first 100 by name, with their number in ``hosts_total``."""
    return [{**finding.to_plain(), "hosts": list(finding.hosts[:HOSTS_RETURNED]), "hosts_total": len(finding.hosts)} for finding in findings]


def bounded_comparison(comparison: Comparison) -> dict[str, t.Any]:
    """A comparison as plain values; of more than 500 entries the first 500 of each list, with its length in ``gained_total`` and so on."""
    plain = comparison.to_plain()
    return {**{name: entries[:FLOWS_RETURNED] for name, entries in plain.items()}, **{f"{name}_total": len(entries) for name, entries in plain.items()}}


def error_text(findings: t.Iterable[Finding]) -> str:
    """Every finding that forbids the plan, and their number."""
    errors = [finding for finding in findings if finding.severity == "error"]
    return "\n".join((*map(_finding, errors), f"{len(errors)} finding(s) forbid this plan; no host was touched."))


def lines(
    summary: t.Mapping[str, t.Any], findings: t.Sequence[Finding], skipped: t.Sequence[Skipped], comparison: t.Mapping[str, t.Any] | None = None,
) -> list[str]:
    """The plan for a reader: scope and its support statement first, then findings, paths without use, and what changed."""
    return [*_head(summary), *_findings(summary, findings), *_skipped(skipped), *_comparison(comparison)]


def _head(summary: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    sites = summary["sites"]
    where = f"{len(sites)} {'site' if len(sites) == 1 else 'sites'} ({_some(sites)})"
    yield f"Plan {summary['digest'][:12]}: {summary['hosts']} hosts in {where}, reference {summary['reference']}"
    yield f"Scope: {summary['scope']}; encryption: {summary['encryption']}"
    yield f"{summary['statement']} Source: {summary['statement_source']}"
    yield f"{summary['flows']} flows on all hosts from {summary['paths_used']} paths; {summary['paths_skipped']} paths are not used here"


def _findings(summary: t.Mapping[str, t.Any], findings: t.Sequence[Finding]) -> t.Iterator[str]:
    counts = summary["findings"]
    yield f"Findings: {counts['error']} errors, {counts['warning']} warnings, {counts['info']} notes"
    for finding in findings:
        yield f"  {_finding(finding)}"


def _finding(finding: Finding) -> str:
    hosts = f" [{_some(finding.hosts)}]" if finding.hosts else ""
    return f"{_WORDS[finding.severity]} {finding.id}: {finding.text}{hosts} (source: {finding.source})"


def _skipped(skipped: t.Sequence[Skipped]) -> t.Iterator[str]:
    if skipped:
        yield "Paths that open nothing here:"
    for entry in skipped:
        yield f"  {entry.path}: {entry.reason}"


def _comparison(comparison: t.Mapping[str, t.Any] | None) -> t.Iterator[str]:
    if comparison is None:
        return
    counts = ", ".join(f"{comparison[f'{name}_total']} {word}" for name, word in _CHANGES)
    yield f"Compared with the earlier plan: {counts}"
    for name, word in _CHANGES:
        mark = "-" if name in ("lost", "hosts_removed") else "+"
        yield from (f"  {mark} {'host ' if 'host' in word else ''}{entry}" for entry in comparison[name])
        if comparison[f"{name}_total"] > len(comparison[name]):
            yield f"  {mark} and {comparison[f'{name}_total'] - len(comparison[name])} more"


def _some(names: t.Sequence[str]) -> str:
    shown = ", ".join(names[:HOSTS_SHOWN])
    return shown if len(names) <= HOSTS_SHOWN else f"{shown} and {len(names) - HOSTS_SHOWN} more"


__all__ = ("bounded_comparison", "bounded_findings", "error_text", "lines")
