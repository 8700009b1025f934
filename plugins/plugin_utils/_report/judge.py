# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""From what the plan expects and what the wire showed to one verdict per probe. Verdicts are never merged; they sum to the number of probes."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._report.results import HostResults

OUTCOMES = ("passed", "failed", "error", "skipped", "not_run")
"""``failed``: the wire disagrees with the plan; ``error``: could not be tested; ``skipped``: has no telling test; ``not_run``: was never tried."""

OBSERVED = ("open", "refused", "filtered", "unknown")

ROLE_NAMES = {"hub_transport": "hub", "edge_transport": "edge", "mailbox": "mbx", "client_access": "cas", "unified_messaging": "um"}
"""What administrators call the server roles; for tables, where room is short."""

REASONS = {
    "connected": "the connection was accepted",
    "answered": "the service answered",
    "reset": "the path is open, no service listens",
    "port_unreachable": "the path is open, no service listens",
    "no_answer": "no answer of any kind",
    "rejected": "something on the path or the target rejected it",
    "admin_prohibited": "a firewall said that it prohibits it",
    "own_firewall": "the firewall of the source itself blocks it",
    "no_route": "the source has no route to the address",
    "no_source_address": "the source has no address to send from",
    "host_unreachable": "the target, or a router before it, does not answer: is it switched on?",
    "out_of_time": "the time for all probes of this host was over: raise total_timeout",
    "silent_no_control": "no other UDP port of the target answered this source, so silence proves nothing",
    "silent_port": "the usual service of this UDP port keeps silent when it is asked, so silence proves nothing",
    "monitored": "the rules only watch, so what the plan does not allow still passes",
    "target_unseen": "it was silent as planned, but the target showed no sign of life in this run, so silence proves nothing",
    "tls_server_hello": "the service speaks TLS",
    "tls_alert": "the service speaks TLS, and refused this hello",
    "starttls": "the service offers STARTTLS",
    "clear_text": "the service answered in clear text where the plan wants TLS",
    "closed": "the service closed the connection where the plan wants TLS",
    "no_tls_answer": "the service did not answer TLS where the plan wants it",
    "no_starttls": "the service does not offer STARTTLS where the plan wants it",
    "smtp_no_greeting": "the path is open, but the service sent no greeting: encryption could not be tested",
    "smtp_no_answer": "the path is open, but the service did not answer EHLO: encryption could not be tested",
    "smtp_refused": "the path is open, but the service refused us: encryption could not be tested",
    "no_results": "this host was not reached, or not part of the run",
    "other_plan": "the results of this host belong to another plan: run the probes again",
    "no_result": "the results of this host do not hold this probe",
    "unsupported_platform": "this host runs Windows, from where nothing can be tried: it was tried as a target only",
    "unsupported_protocol": "only tcp and udp can be tried",
}
"""What the stable words of a result mean."""


class ReportError(ValueError):
    """Catalogue and results that contradict each other: says where."""


@dataclass(frozen=True)
class Verdict:
    """One probe judged. outcome: one of OUTCOMES; observed: one of OBSERVED or empty; reason: a word of REASONS or ``local_<errno>``.

    source_group, target_group: the server roles of a host in short, or the peer kinds.
    """

    source: str
    source_group: str
    target: str
    target_group: str
    id: str
    address: str
    protocol: str
    port: int
    expected: str
    outcome: str
    observed: str = ""
    reason: str = ""
    encryption: str = ""
    paths: tuple[str, ...] = ()
    milliseconds: int = 0

    def to_plain(self) -> dict[str, t.Any]:
        return {**vars(self), "paths": list(self.paths)}


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts hub2 before hub10."""
    parts = re.split(r"(\d+)", text)
    return tuple((0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts if part)


def explain(reason: str) -> str:
    """Return the meaning of a reason as English text."""
    if reason.startswith("local_"):
        return f"the source itself could not try ({reason[6:].upper()})"
    return REASONS.get(reason, reason)


def group_of(name: str, members: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """Return the roles of a host in short, joined by ``+``, or its peer kinds; another name stands for itself."""
    entry = members.get(name, {})
    roles = [ROLE_NAMES.get(role, role) for role in entry.get("roles", ())]
    return "+".join(sorted(roles) or sorted(entry.get("kinds", ())) or [name])


def _judge_allowed(observed: str, encryption: str, tls: str) -> str:
    if observed == "open" and tls:
        return {"offered": "passed", "not_offered": "failed"}.get(encryption, "error")
    return {"open": "passed", "refused": "passed", "filtered": "failed", "unknown": "error"}[observed]


def _judge_denied(observed: str, reason: str, *, present: bool) -> tuple[str, str]:
    """Silence is what a denied path should show, but a machine that is off shows it too: it counts only beside a sign of life."""
    if observed in ("open", "refused"):
        return "failed", reason
    if observed == "filtered":
        return ("skipped", "target_unseen") if reason == "no_answer" and not present else ("passed", reason)
    return ("skipped" if reason.startswith("silent_") else "error"), reason


def _alive(catalogues: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]], results: t.Mapping[str, HostResults]) -> set[str]:
    """Names of hosts that ran probes, and addresses that answered anybody."""
    signs = {host for host, found in results.items() if found.rows}
    for host, probes in catalogues.items():
        seen = {row["id"]: row for row in results.get(host, HostResults()).rows}
        signs.update(probe["address"] for probe in probes if seen.get(probe["id"], {}).get("verdict") in ("open", "refused"))
    return signs


def _by_id(host: str, probes: t.Sequence[t.Mapping[str, t.Any]], found: HostResults) -> dict[str, t.Mapping[str, t.Any]]:
    rows = {row["id"]: row for row in found.rows}
    known = {probe["id"] for probe in probes}
    if len(known) != len(probes):
        raise ReportError(f"{host}: the probe catalogue holds an id twice; make the plan again")
    if len(rows) != len(found.rows) or not known.issuperset(rows):
        raise ReportError(f"{host}: the results hold probes that the plan does not, or twice; run datapath.exchange.probe again")
    for row in found.rows:
        if row["verdict"] not in OBSERVED:
            raise ReportError(f"{host}: probe {row['id']}: verdict {row['verdict']!r} is not known")
    return rows


def _untried(reason: str) -> tuple[str, str]:
    """A host from which nothing can be tried was not forgotten: its probes have no telling test."""
    return ("skipped" if reason == "unsupported_platform" else "not_run"), reason or "no_result"


def _judge_one(
    probe: t.Mapping[str, t.Any], row: t.Mapping[str, t.Any], signs: t.Container[str], *, require_encryption: bool, monitored: bool,
) -> tuple[str, str]:
    if probe["expect"] == "allowed":
        tls = probe["tls"] if require_encryption else ""
        return _judge_allowed(row["verdict"], row["encryption"], tls), row["reason"]
    if probe["expect"] != "denied":
        raise ReportError(f"probe {probe['id']}: expects {probe['expect']!r}, which is neither allowed nor denied")
    if monitored:
        return "skipped", "monitored"
    return _judge_denied(row["verdict"], row["reason"], present=probe["to"] in signs or probe["address"] in signs)


def judge(
    members: t.Mapping[str, t.Mapping[str, t.Any]],
    catalogues: t.Mapping[str, t.Sequence[t.Mapping[str, t.Any]]],
    results: t.Mapping[str, HostResults],
    *,
    require_encryption: bool = True,
    monitored: bool = False,
) -> tuple[Verdict, ...]:
    """Judge every probe of every catalogue, sorted by source, in catalogue order.

    members: what the plan's index says of each host: ``roles``, or ``kinds`` for an unmanaged one. catalogues: probes by source host, as
    ``read_probes`` returns them. results: what each host saw; a host that is missing counts as not run.
    require_encryption: an open port that should speak TLS or STARTTLS and does not is ``failed``.
    monitored: the rules only watch, so a path that should be blocked has no telling test.
    Raises ReportError when results do not belong to the catalogue.
    """
    signs = _alive(catalogues, results)
    verdicts = []
    for host in sorted(catalogues, key=natural):
        found = results.get(host, HostResults(reason="no_results"))
        rows = _by_id(host, catalogues[host], found)
        for probe in catalogues[host]:
            row = rows.get(probe["id"])
            if probe["protocol"] not in ("tcp", "udp"):
                outcome, reason = "skipped", "unsupported_protocol"
            elif row is None:
                outcome, reason = _untried(found.reason)
            else:
                outcome, reason = _judge_one(probe, row, signs, require_encryption=require_encryption, monitored=monitored)
            verdicts.append(_verdict(host, probe, row or {}, outcome, reason, members))
    return tuple(verdicts)


def _verdict(
    host: str, probe: t.Mapping[str, t.Any], row: t.Mapping[str, t.Any], outcome: str, reason: str, members: t.Mapping[str, t.Mapping[str, t.Any]],
) -> Verdict:
    return Verdict(
        source=host, source_group=group_of(host, members), target=probe["to"], target_group=group_of(probe["to"], members), id=probe["id"],
        address=probe["address"], protocol=probe["protocol"], port=probe["port"], expected=probe["expect"], outcome=outcome,
        observed=row.get("verdict", ""), reason=reason, encryption=row.get("encryption", ""), paths=tuple(probe["paths"]), milliseconds=row.get("ms", 0),
    )


def totals(verdicts: t.Iterable[Verdict]) -> dict[str, int]:
    """Count verdicts by outcome, every outcome present, and their ``total``."""
    counts = dict.fromkeys(OUTCOMES, 0)
    for verdict in verdicts:
        counts[verdict.outcome] += 1
    return {**counts, "total": sum(counts.values())}


def complaints(counts: t.Mapping[str, int], *, fail_on_disagreement: bool = True, allow_errors: bool = False) -> list[str]:
    """Return why a run with these totals does not pass, empty when it does. A run that tested nothing never passes."""
    found = []
    if counts["failed"] and fail_on_disagreement:
        found.append(f"the wire disagrees with the plan in {counts['failed']} of {counts['total']} probes")
    if counts["error"] and not allow_errors:
        found.append(f"{counts['error']} of {counts['total']} probes could not be tested (allow_errors accepts that)")
    if not counts["passed"] + counts["failed"]:
        found.append(f"nothing was tested: of {counts['total']} probes none has a result that says anything")
    return found


__all__ = ("OBSERVED", "OUTCOMES", "REASONS", "ReportError", "Verdict", "complaints", "explain", "group_of", "judge", "natural", "totals")
