# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The report as text for a terminal: one screen that says what passes, what is blocked and what could not be tested. ASCII, same input, same bytes."""

from __future__ import annotations

import re
import textwrap
import typing as t
from collections import Counter

from ansible_collections.datapath.exchange.plugins.plugin_utils._report.judge import Verdict, explain, natural, totals

SCREEN_LINES = 40
"""A grid of hosts that needs more lines than this is drawn by role instead."""

LISTED = 200
"""At most so many probes are listed one by one in each section; the JSON report holds all."""

_LABEL, _HEADING = 24, 16
_MARKS = (("failed", "!"), ("error", "?"), ("skipped", "~"), ("not_run", "-"))
_LEGEND = (
    "6: open as planned   4x: blocked as planned   !1: disagrees with the plan   ?1: could not be tested",
    "~1: skipped, no telling test   -1: not run   .: nothing to try",
)

_NOT_PRINTABLE = re.compile("[^ -~]")

Key = t.Callable[[Verdict], str]


def printable(text: str) -> str:
    """Return the text as ASCII without control characters: names come from the inventory and must not steer a terminal."""
    return _NOT_PRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def cell(verdicts: t.Iterable[Verdict]) -> str:
    """Return the summary of one source and target: ``6+4x !1 ?2``."""
    counts: Counter[tuple[str, str]] = Counter()
    for verdict in verdicts:
        counts[verdict.outcome, verdict.expected if verdict.outcome == "passed" else ""] += 1
    allowed, denied = counts["passed", "allowed"], counts["passed", "denied"]
    good = "+".join([str(allowed)] * bool(allowed) + [f"{denied}x"] * bool(denied))
    marks = [f"{mark}{counts[outcome, '']}" for outcome, mark in _MARKS if counts[outcome, ""]]
    return " ".join([good] * bool(good) + marks) or "."


def _clip(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "~"


def _short_names(names: t.Iterable[str]) -> dict[str, str]:
    """Drop what follows the first dot of host names where the names stay different."""
    names = list(names)
    heads = Counter(name.split(".")[0] for name in names)
    return {name: printable(name.split(".")[0] if heads[name.split(".")[0]] == 1 and not name[:1].isdigit() else name) for name in names}


def _columns(rows: t.Sequence[str], names: t.Iterable[str]) -> list[str]:
    """Sources first and in their order, so that the diagonal is one, then what is only a target."""
    names = set(names)
    return [name for name in rows if name in names] + sorted(names.difference(rows), key=natural)


def _blocks(widths: t.Sequence[int], room: int) -> t.Iterator[tuple[int, int]]:
    """Split columns into runs that fit into the room; a column that is too wide stands alone."""
    start, used = 0, 0
    for index, width in enumerate(widths):
        if used + width > room and index > start:
            yield start, index
            start, used = index, 0
        used += width
    if widths:
        yield start, len(widths)


def grid(verdicts: t.Sequence[Verdict], row_key: Key, column_key: Key, width: int) -> list[str]:
    """Return sources down, targets across, in as many blocks as the width needs."""
    tallies: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        tallies.setdefault((row_key(verdict), column_key(verdict)), []).append(verdict)
    rows = sorted({row for row, column in tallies}, key=natural)
    columns = _columns(rows, (column for row, column in tallies))
    names = _short_names({*rows, *columns})
    cells = {key: cell(found) for key, found in tallies.items()}
    label = min(_LABEL, max([len("from \\ to"), *(len(names[row]) for row in rows)]))
    widths = [2 + max(len(_clip(names[column], _HEADING)), *(len(cells.get((row, column), ".")) for row in rows)) for column in columns]
    lines: list[str] = []
    for start, end in _blocks(widths, width - label):
        sizes = list(zip(columns[start:end], widths[start:end], strict=True))
        lines += [""] if lines else []
        lines.append("from \\ to".ljust(label) + "".join("  " + _clip(names[column], _HEADING).ljust(size - 2) for column, size in sizes))
        lines += [
            _clip(names[row], label).ljust(label) + "".join("  " + cells.get((row, column), ".").ljust(size - 2) for column, size in sizes) for row in rows
        ]
    return [line.rstrip() for line in lines]


def _by_host(verdict: Verdict) -> str:
    return verdict.source


def _to_host(verdict: Verdict) -> str:
    return verdict.target


def _by_group(verdict: Verdict) -> str:
    return verdict.source_group


def _to_group(verdict: Verdict) -> str:
    return verdict.target_group


def _drawn(verdicts: t.Sequence[Verdict], width: int) -> list[str]:
    # A grid of a thousand hosts is a million cells: the number of rows alone says that it cannot be read.
    if len({verdict.source for verdict in verdicts}) < SCREEN_LINES:
        lines = grid(verdicts, _by_host, _to_host, width)
        if len(lines) <= SCREEN_LINES:
            return lines
    return ["By role; the lists below and the JSON report name the hosts.", *grid(verdicts, _by_group, _to_group, width)]


def _observation(verdict: Verdict) -> str:
    return printable(f"expected {verdict.expected}, observed {verdict.observed} ({verdict.reason})")


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(printable(text), width, subsequent_indent="    ", break_on_hyphens=False)


def _entries(mark: str, verdicts: t.Sequence[Verdict], width: int) -> list[str]:
    """Return each probe with its paths: on its own line when they fit, else below."""
    listed = verdicts[:LISTED]
    pairs = [f"{printable(verdict.source)} -> {printable(verdict.target)}" for verdict in listed]
    places = [printable(f"{verdict.address} {verdict.port}/{verdict.protocol}") for verdict in listed]
    left, middle = (min(40, max(map(len, texts), default=0)) for texts in (pairs, places))
    lines: list[str] = []
    for verdict, pair, place in zip(listed, pairs, places, strict=True):
        start, end = f"{mark} {pair.ljust(left)}  {place.ljust(middle)}", _observation(verdict)
        lines += [f"{start}  {end}"] if len(start) + len(end) + 2 <= width else [start.rstrip(), f"    {end}"]
        if verdict.paths:
            lines += _wrapped("    by " + ", ".join(verdict.paths), width)
    return lines + ([f"  and {len(verdicts) - LISTED} more: see the JSON report"] if len(verdicts) > LISTED else [])


def _meanings(verdicts: t.Iterable[Verdict]) -> list[str]:
    return [printable(f"  {reason}: {explain(reason)}") for reason in sorted({verdict.reason for verdict in verdicts})]


def _counted(mark: str, verdicts: t.Sequence[Verdict], width: int) -> list[str]:
    """Return one line per reason: how many probes, from which hosts, and what the word means."""
    lines: list[str] = []
    for reason in sorted({verdict.reason for verdict in verdicts}):
        hosts = Counter(verdict.source for verdict in verdicts if verdict.reason == reason)
        names = ", ".join(printable(host) for host in sorted(hosts, key=natural)[:20]) + (", ..." if len(hosts) > 20 else "")
        text = f"{mark} {sum(hosts.values())} {reason}: {explain(reason)}. From {names}"
        lines += _wrapped(text, width)
    return lines


def _section(title: str, verdicts: t.Sequence[Verdict], lines: t.Sequence[str]) -> list[str]:
    return ["", f"{title} ({len(verdicts)})", *lines] if verdicts else []


def totals_line(counts: t.Mapping[str, int]) -> str:
    """Return all five totals and their sum."""
    named = ", ".join(f"{outcome.replace('_', ' ')} {counts[outcome]}" for outcome in ("passed", "failed", "error", "skipped", "not_run"))
    return f"{named}; total {counts['total']}"


def _encryption(verdicts: t.Iterable[Verdict]) -> list[str]:
    counts = Counter(verdict.encryption for verdict in verdicts)
    if not counts["offered"] + counts["not_offered"]:
        return []
    return [f"encryption offered by {counts['offered']} and not offered by {counts['not_offered']} of the open ports that were asked"]


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def matrix(verdicts: t.Sequence[Verdict], width: int = 100) -> str:
    """Return the whole report as text: the grid with its legend, what disagrees, what could not be tested, what was left out, the totals."""
    by_outcome: dict[str, list[Verdict]] = {outcome: [] for outcome, mark in _MARKS}
    for verdict in verdicts:
        by_outcome.setdefault(verdict.outcome, []).append(verdict)
    failed, errors, skipped, not_run = (by_outcome[outcome] for outcome, mark in _MARKS)
    sources, targets = ({name(verdict) for verdict in verdicts} for name in (_by_host, _to_host))
    head = f"Data paths on the wire: {_plural(len(sources), 'source')}, {_plural(len(targets), 'target')}, {_plural(len(verdicts), 'probe')}"
    lines = [head, "", *(_drawn(verdicts, width) or ["There is nothing to try."]), "", *_LEGEND]
    lines += _section("Disagrees with the plan", failed, [*_entries("!", failed, width), *_meanings(failed)])
    lines += _section("Could not be tested", errors, [*_entries("?", errors, width), *_meanings(errors)])
    lines += _section("Skipped", skipped, _counted("~", skipped, width))
    lines += _section("Not run", not_run, _counted("-", not_run, width))
    return "\n".join([*lines, "", *_encryption(verdicts), totals_line(totals(verdicts))]) + "\n"


__all__ = ("LISTED", "SCREEN_LINES", "cell", "grid", "matrix", "printable", "totals_line")
