# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Questions against a plan on disk: may one end open a connection to the other on a port, by which path, protected how?

Where it is known what hosts let pass beyond their plan, the answer is what really passes: plan and foreign rules together.
Only the files of the two ends and of their peer sets are read, so that a question costs the same in a large organisation.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
import typing as t
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._observed import Foreign, read_observed
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, PeerSet, PlanError, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference import loader

EXPECTATIONS = ("allowed", "denied")
MANAGEMENT = "management"
_WEAKEST_FIRST = ("none", "ipsec_requested", "starttls", "rpc", "kerberos", "tls", "ipsec_required")
_PORT = re.compile(r"(\d{1,5}(?:-\d{1,5})?)/(tcp|udp)\Z")
_KEYS = {"from", "to", "port", "expect"}


class QuestionErrors(ValueError):  # noqa: N818 - one exception, all errors
    """Everything wrong with the questions: ``errors`` holds one sentence per mistake, ``questions[2].from: what, how to fix``."""

    def __init__(self, errors: t.Sequence[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join((*self.errors, f"{len(self.errors)} error(s) in the questions; none was answered.")))


@dataclass(frozen=True)
class Question:
    """One question. source, target: host name, peer kind or address; expect: ``allowed``, ``denied`` or empty."""

    source: str
    target: str
    port: PortRange
    protocol: str
    expect: str = ""

    @property
    def what(self) -> str:
        return f"{self.port}/{self.protocol}"

    def __str__(self) -> str:
        return f"{self.source} to {self.target} {self.what}"


@dataclass(frozen=True)
class Answer:
    """What the plan says. paths: ids of the rows that open it; protection: the weakest among them; empty where nothing opens it."""

    question: Question
    allowed: bool
    reason: str
    paths: tuple[str, ...] = ()
    protection: str = ""

    @property
    def as_expected(self) -> bool:
        return self.question.expect in ("", "allowed" if self.allowed else "denied")

    def to_plain(self) -> dict[str, t.Any]:
        asked = self.question
        expect = {"expect": asked.expect} if asked.expect else {}
        return {
            "from": asked.source, "to": asked.target, "port": asked.what, **expect,
            "allowed": self.allowed, "paths": list(self.paths), "protection": self.protection, "reason": self.reason,
        }

    def __str__(self) -> str:
        by = f" by {', '.join(self.paths)}" if self.paths else ""
        by += f" (protection: {self.protection})" if self.protection else ""
        return f"{self.question}: {'allowed' if self.allowed else 'denied'}{by}: {self.reason}"


@dataclass(frozen=True)
class Part:
    """A run of addresses that every rule of the plan treats alike, or has to."""

    family: int
    low: int
    high: int

    def __str__(self) -> str:
        return _networks.texts(self.family, ((self.low, self.high),))[0]


_EVERYBODY = tuple(Part(family, 0, (1 << width) - 1) for family, width in _networks.WIDTH.items())


@dataclass(frozen=True)
class End:
    """One end of a question. host: its name when it is managed. everyone: any address at all."""

    name: str
    parts: tuple[Part, ...] = ()
    host: str = ""
    everyone: bool = False


def read_questions(plain: t.Sequence[t.Any]) -> tuple[Question, ...]:
    """Read questions as given by a user; QuestionErrors names every mistake."""
    errors: list[str] = []
    questions = [_question(f"questions[{index}]", entry, errors) for index, entry in enumerate(plain)]
    if not plain:
        errors.append("questions: there are none; give from, to and port")
    if errors:
        raise QuestionErrors(errors)
    return tuple(questions)


def _question(where: str, entry: t.Any, errors: list[str]) -> Question:
    nothing = Question("", "", PortRange(1, 1), "tcp")
    if not isinstance(entry, t.Mapping):
        errors.append(f"{where}: is not a mapping; write {{from: hub1, to: mbx1, port: 25/tcp}}")
        return nothing
    found = [f"{where}.{key}: is not known; use from, to, port and expect" for key in sorted(map(str, set(entry) - _KEYS))]
    found += [f"{where}.{key}: is missing; name a host, a peer kind or an address" for key in ("from", "to") if not _text(entry.get(key))]
    expect = entry.get("expect") or ""
    try:
        port, protocol = _port(_text(entry.get("port")))
    except PlanError as exc:
        found.append(f"{where}.port: {entry.get('port')!r}: {exc}")
    if expect not in ("", *EXPECTATIONS):
        found.append(f"{where}.expect: {expect!r} is not one of {', '.join(EXPECTATIONS)}")
    errors += found
    return nothing if found else Question(_text(entry["from"]), _text(entry["to"]), port, protocol, str(expect))


def _port(text: str) -> tuple[PortRange, str]:
    match = _PORT.match(text)
    if not match:
        raise PlanError("expected NUMBER/tcp or LOW-HIGH/udp")
    return PortRange.parse(match[1]), match[2]


def _text(value: t.Any) -> str:
    return str.__str__(value).strip() if isinstance(value, str) else ""


class Asker:
    """Answers questions against one plan directory; PlanError when it is missing or another plan than the digest names.

    observed: by managed host what it lets pass beyond its plan, as C(firewall_info) returns it in C(remaining); ObservedErrors says what is wrong with it.
    """

    def __init__(self, directory: str | os.PathLike[str], digest: str | None = None, observed: t.Mapping[str, t.Any] | None = None) -> None:
        self.directory = Path(directory)
        self.digest = digest
        self.index = artefact.read_index(directory, digest)
        self.reference = loader.load(self.index["summary"]["reference"])
        self._foreign = read_observed({} if observed is None else observed, self.index["hosts"])
        self._plans: dict[str, HostPlan] = {}
        self._by_address = {
            address: name for group in ("hosts", "outsiders") for name, entry in self.index[group].items() for address in (*entry["v4"], *entry["v6"])
        }

    def answer_all(self, questions: t.Sequence[Question]) -> tuple[Answer, ...]:
        """Answers in the order of the questions; QuestionErrors names every end that the plan does not know."""
        errors: list[str] = []
        answers = []
        for index, question in enumerate(questions):
            try:
                answers.append(self.answer(question))
            except _UnknownError as exc:
                errors.append(f"questions[{index}]{exc}")
        if errors:
            raise QuestionErrors(errors)
        return tuple(answers)

    def answer(self, question: Question) -> Answer:
        source, target = self._end(question.source, "from"), self._end(question.target, "to")
        if source.host and source.host == target.host:
            return Answer(question, True, f"{source.host} speaks to itself over loopback, which is always open")
        if not source.host and not target.host:
            raise _UnknownError(f": neither {question.source} nor {question.target} is a managed host, so the plan says nothing about them")
        for end in (source, target):
            if not end.parts and not end.everyone:
                return Answer(question, False, f"the plan names no address of {end.name}, so nothing is open for it")
        return self._between(question, source, target)

    # -- ends ------------------------------------------------------------------------------------------------------------

    def _end(self, name: str, key: str) -> End:
        for group in ("hosts", "outsiders"):
            entry = self.index[group].get(name)
            if entry:
                return End(name, _parts((*entry["v4"], *entry["v6"])), name if group == "hosts" else "")
        if name in self.reference.peer_kinds:
            return self._kind(name)
        try:
            family, number = _networks.parse_host(name)
        except _networks.NetworkError:
            raise _UnknownError(self._unknown(name, key)) from None
        part = Part(family, number, number)
        host = self._by_address.get(str(part), "")
        return End(f"{name} ({host})" if host else name, (part,), host if host in self.index["hosts"] else "")

    def _unknown(self, name: str, key: str) -> str:
        if name in self.reference.roles:
            return f".{key}: {name!r} is a server role; name one of its hosts"
        known = [*self.index["hosts"], *self.index["outsiders"], *self.reference.peer_kinds]
        close = difflib.get_close_matches(name, known, 1, 0.6)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return f".{key}: {name!r} is neither a host of the plan, a peer kind nor an address{hint}"

    def _kind(self, name: str) -> End:
        """A peer kind as the runs of addresses that its peer sets are made of; that of its fallback where it has none."""
        kinds = sorted((*self.reference.peer_kinds, *self.reference.roles), key=len, reverse=True)
        # The longest kind that a set's name begins with is the one that it was named after.
        sets = [
            artefact.read_set(self.directory, path.stem) for path in sorted((self.directory / "sets").glob(f"{name}*.json"))
            if next((kind for kind in kinds if path.stem == kind or path.stem.startswith(f"{kind}_")), "") == name
        ]
        fallback = self.reference.peer_kinds[name].fallback
        if not sets and fallback:
            return self._kind(fallback)
        return End(name, _segments(sets), everyone=any(peers["everyone"] for peers in sets))

    # -- rules -----------------------------------------------------------------------------------------------------------

    def _plan(self, host: str) -> HostPlan:
        if host not in self._plans:
            self._plans[host] = artefact.read_host(self.directory, host, self.digest)
        return self._plans[host]

    def _between(self, question: Question, source: End, target: End) -> Answer:
        families = {4, 6} & _families(source) & _families(target)
        if not families:
            return Answer(question, False, f"{source.name} and {target.name} have no address family in common")
        opened: list[Flow] = []
        reasons: list[str] = []
        if source.host:
            flows, reason = self._outbound(question, source, target, families)
            if flows is None:
                return Answer(question, False, reason)
            opened += [] if target.host else flows
            reasons.append(reason)
        if target.host:
            flows, reason = self._inbound(question, source, target, families)
            if flows is None:
                return Answer(question, False, reason)
            opened += flows
            reasons.insert(0, reason)
        paths = tuple(dict.fromkeys(path for flow in opened for path in flow.paths))
        # What protects the way that Ansible comes in is the connection's business, not a row's.
        protection = min((flow.protection for flow in opened if flow.paths != (MANAGEMENT,)), key=_WEAKEST_FIRST.index, default="")
        return Answer(question, True, "; ".join(reasons), paths, protection)

    def _outbound(self, question: Question, source: End, target: End, families: set[int]) -> tuple[list[Flow] | None, str]:
        plan = self._plan(source.host)
        told = "" if target.host else f"{target.name} is not managed, so only {source.host} decides: "
        flows, missing = _admitting(plan, plan.flows, "out", question, target, families)
        if plan.egress == "open":
            return flows, f"{told}outbound traffic of {source.host} is not restricted"
        if missing:
            beyond = self._beyond(plan, plan.flows, "out", question, target, families)
            if beyond:
                return beyond[0], f"{told}not the plan but foreign rules of {source.host} lead to {missing}: {beyond[1]}"
            return None, f"{told}no outbound flow of {source.host} for {question.what} leads to {missing}{_elsewhere(plan.flows, 'out', question)}"
        return flows, f"{told}outbound flows of {source.host} lead to {_sets(flows)}"

    def _inbound(self, question: Question, source: End, target: End, families: set[int]) -> tuple[list[Flow] | None, str]:
        plan = self._plan(target.host)
        every = (*plan.flows, *_management(plan))
        flows, missing = _admitting(plan, every, "in", question, source, families)
        if missing:
            beyond = self._beyond(plan, every, "in", question, source, families)
            if beyond:
                return beyond[0], f"not the plan but foreign rules of {target.host} admit {missing}: {beyond[1]}"
            hints = _elsewhere(every, "in", question) + _session_hint(plan, question)
            return None, f"no inbound flow of {target.host} for {question.what} admits {missing}{hints}"
        return flows, f"inbound flows of {target.host} admit {_sets(flows)}"

    def _beyond(
        self, plan: HostPlan, flows: tuple[Flow, ...], direction: str, question: Question, far: End, families: set[int],
    ) -> tuple[list[Flow], str] | None:
        """Flows of the plan and foreign rules that together open what the plan alone does not, and the rules in words; None where they don't either."""
        foreign = {entry.flow.peers: entry for entry in self._foreign.get(plan.host, ())}
        wider = replace(plan, sets={**plan.sets, **{name: entry.peers for name, entry in foreign.items()}})
        # Foreign rules may name each family apart, which together is anybody.
        whole = replace(far, everyone=False, parts=_EVERYBODY) if far.everyone else far
        used, missing = _admitting(wider, (*flows, *(entry.flow for entry in foreign.values())), direction, question, whole, families)
        return None if missing else (used, _named([foreign[flow.peers] for flow in used if flow.peers in foreign]))


class _UnknownError(ValueError):
    """An end of a question that the plan does not know."""


def _named(foreign: t.Iterable[Foreign]) -> str:
    texts = list(dict.fromkeys(entry.text for entry in foreign))
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def _parts(texts: t.Iterable[str]) -> tuple[Part, ...]:
    return tuple(Part(*_networks.parse(text)) for text in texts)


def _segments(sets: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[Part, ...]:
    """Cut the networks of several sets at every border, so that each run is wholly inside or outside of each set."""
    result: list[Part] = []
    for family, key in ((4, "v4"), (6, "v6")):
        runs = {_networks.parse(text)[1:] for peers in sets for text in peers[key]}
        whole = _networks.merge(runs)
        cuts = sorted({low for low, _high in runs} | {high + 1 for _low, high in runs})
        result += [Part(family, low, after - 1) for low, after in itertools.pairwise(cuts) if _networks.contains(whole, low)]
    return tuple(result)


def _families(end: End) -> set[int]:
    return {4, 6} if end.everyone else {part.family for part in end.parts}


def _management(plan: HostPlan) -> tuple[Flow, ...]:
    if not (plan.management.peers and plan.management.ports):
        return ()
    return (Flow("in", "tcp", plan.management.ports, plan.management.peers, (MANAGEMENT,)),)


def _session_hint(plan: HostPlan, question: Question) -> str:
    ports = plan.management.ports
    if question.protocol == "tcp" and _covers(ports, question.port):
        return "; the address and port that Ansible comes in on stay open by themselves"
    return ""


def _admitting(
    plan: HostPlan, flows: t.Iterable[Flow], direction: str, question: Question, far: End, families: set[int],
) -> tuple[list[Flow], str]:
    """Flows that open the port for the far end, and the first part of the far end for which they don't; empty when they all do."""
    fitting = [flow for flow in flows if flow.direction == direction and _touches(flow, question)]
    used: list[Flow] = []
    everyone = [flow for flow in fitting if plan.sets[flow.peers].everyone]
    if far.everyone:
        return everyone, "" if _opens(everyone, question) else f"any address ({far.name})"
    for part in far.parts:
        if part.family in families:
            admitting = [flow for flow in fitting if _holds(plan.sets[flow.peers], part)]
            if not _opens(admitting, question):
                return [], far.name if str(part) == far.name or far.host else f"{far.name} ({part})"
            used += [flow for flow in admitting if flow not in used]
    return used, ""


def _touches(flow: Flow, question: Question) -> bool:
    if flow.protocol == "any":
        return True
    return flow.protocol == question.protocol and any(port.low <= question.port.high and question.port.low <= port.high for port in flow.ports)


def _opens(flows: t.Sequence[Flow], question: Question) -> bool:
    return any(flow.protocol == "any" for flow in flows) or _covers([port for flow in flows for port in flow.ports], question.port)


def _covers(ports: t.Iterable[PortRange], asked: PortRange) -> bool:
    merged = _networks.merge((port.low, port.high) for port in ports)
    return any(low <= asked.low and asked.high <= high for low, high in merged)


def _holds(peers: PeerSet, part: Part) -> bool:
    if peers.everyone:
        return True
    return any(low <= part.low and part.high <= high for low, high in _merged(peers.v4 if part.family == 4 else peers.v6))


@lru_cache(maxsize=4096)
def _merged(texts: tuple[str, ...]) -> tuple[_networks.Interval, ...]:
    return _networks.merge(_networks.parse(text)[1:] for text in texts)


def _sets(flows: t.Iterable[Flow]) -> str:
    return ", ".join(dict.fromkeys(flow.peers for flow in flows))


def _elsewhere(flows: t.Iterable[Flow], direction: str, question: Question) -> str:
    """Who may use this port instead: the fastest way to see a host in the wrong group or site."""
    others = _sets(flow for flow in flows if flow.direction == direction and _touches(flow, question))
    return f"; it is open {'from' if direction == 'in' else 'to'} {others}" if others else "; nobody may use it"


__all__ = ("EXPECTATIONS", "Answer", "Asker", "End", "Part", "Question", "QuestionErrors", "read_questions")
