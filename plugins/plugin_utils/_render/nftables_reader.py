# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A strict reader of the table C(inet datapath), as rendered and as C(nft -s list table) prints it (with or without -n, counters and handles).

It shares no code with the renderer that writes the text, knows nothing of plans, and takes what it does not know for an error:
skipping a word of a firewall could hide that it lets everybody in. The language: https://manpages.debian.org/bookworm/nftables/nft.8.en.html
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import Intervals, ReadBackError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_table import CHAINS, ParsedChain, ParsedSet, ParsedTable, Rule, Value

_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|[{},;=]|\n|[^\s{},;="#]+|"')
_NUMBER = re.compile(r"(?:0x[0-9a-f]{1,8}|[0-9]{1,10})\Z")
_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_RATE = re.compile(r"[0-9]{1,9}/(?:second|minute|hour|day)\Z")
_HANDLE = re.compile(r"# handle [0-9]+\Z")

_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "ipv6-icmp": 58, "icmpv6": 58}
_ICMP = {
    "echo-reply": 0, "destination-unreachable": 3, "source-quench": 4, "redirect": 5, "echo-request": 8, "router-advertisement": 9,
    "router-solicitation": 10, "time-exceeded": 11, "parameter-problem": 12,
}
_ICMPV6 = {
    "destination-unreachable": 1, "packet-too-big": 2, "time-exceeded": 3, "parameter-problem": 4, "echo-request": 128, "echo-reply": 129,
    "mld-listener-query": 130, "mld-listener-report": 131, "mld-listener-done": 132, "mld-listener-reduction": 132, "nd-router-solicit": 133,
    "nd-router-advert": 134, "nd-neighbor-solicit": 135, "nd-neighbor-advert": 136, "nd-redirect": 137, "mld2-listener-report": 143,
}
_CT = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
_FAMILY = {"ipv4": 2, "ipv6": 10}
_IPSEC = {"missing": 0, "exists": 1}
_PORTS: dict[str, int] = {}
_SELECTORS: dict[tuple[str, str], t.Mapping[str, int]] = {
    ("meta", "nfproto"): _FAMILY, ("meta", "l4proto"): _PROTOCOLS, ("meta", "ipsec"): _IPSEC, ("meta", "secpath"): _IPSEC,
    ("rt", "ipsec"): _IPSEC, ("ct", "state"): _CT,
    ("icmp", "type"): _ICMP, ("icmpv6", "type"): _ICMPV6, ("ip6", "hoplimit"): {},
    **{(protocol, side): _PORTS for protocol in ("tcp", "udp", "th") for side in ("sport", "dport")},
}
"""Numeric selectors and the names that nft has for their numbers; service names depend on a file of the host and are not read."""

_PRIORITIES = {"filter": 0, "0": 0, "filter - 1": -1, "-1": -1}
_SETS = {"ipv4_addr": "ipv4", "ipv6_addr": "ipv6"}


@dataclass(frozen=True)
class Opened:
    """``table inet datapath {`` (no name) or ``chain NAME {``."""

    chain: str = ""


@dataclass(frozen=True)
class Closed:
    """``}`` of a table or chain."""


@dataclass(frozen=True)
class Hooked:
    """The line of a base chain."""

    hook: str
    policy: str
    priority: int = 0


@dataclass(frozen=True)
class Added:
    """Members for a set that was declared before."""

    name: str
    more: ParsedSet


@dataclass(frozen=True)
class Prelude:
    """``table inet datapath`` or ``delete table inet datapath``, outside of a table."""

    verb: str


@dataclass(frozen=True)
class Foreign:
    """A statement that a tolerant reader did not understand."""

    text: str


Event = Opened | Closed | Hooked | Added | Prelude | Foreign | ParsedSet | Rule


def read_back(text: str) -> ParsedTable:
    """Read a whole table, strictly: ReadBackError with the line for anything that is not the language of our own tables."""
    return assemble(events(text))


def read_loaded(text: str) -> ParsedTable:
    """Read what a host lists. What others put into our table is kept as C(foreign), so that it can be named instead of hiding the rest."""
    return assemble(events(text, tolerant=True), tolerant=True)


def events(text: str, *, tolerant: bool = False) -> tuple[Event, ...]:
    """The statements of complete lines, in order.

    A text that is made of pieces has the events of its pieces one after the other, because a piece that ends within a statement is an error.
    """
    reader = _Reader(text, tolerant=tolerant)
    return tuple(reader.statements())


class _Reader:
    def __init__(self, text: str, *, tolerant: bool) -> None:
        if text and not text.endswith("\n"):
            raise ReadBackError("the last line has no end")
        self.tokens: list[str] = _TOKEN.findall(text)
        self.position = 0
        self.tolerant = tolerant

    def error(self, what: str) -> ReadBackError:
        return ReadBackError(f"line {self.tokens[:max(self.position - 1, 0)].count(chr(10)) + 1}: {what}")

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        if self.position >= len(self.tokens):
            raise self.error("the text ends within a statement")
        self.position += 1
        return self.tokens[self.position - 1]

    def expect(self, *words: str) -> None:
        for word in words:
            found = self.take()
            if found != word:
                raise self.error(f"{found!r} stands where {word!r} must be")

    def statements(self) -> t.Iterator[Event]:
        while self.position < len(self.tokens):
            if self.peek() in ("\n", ";") or self.peek().startswith("#"):
                self.position += 1
                continue
            start = self.position
            try:
                yield self.statement()
            except ReadBackError:
                if not self.tolerant:
                    raise
                yield self.skip(start)

    def skip(self, start: int) -> Foreign:
        """Leave out a whole statement with all its braces; the closing brace of what surrounds it stays."""
        self.position, depth = start, 0
        while self.position < len(self.tokens):
            word = self.peek()
            if depth == 0 and (word in ("\n", ";") or (word == "}" and self.position > start)):
                break
            depth += {"{": 1, "}": -1}.get(word, 0)
            self.position += 1
        return Foreign(_text(self.tokens[start:self.position]))

    def end(self) -> None:
        """A statement ends with its line; a handle may follow, which only C(nft -a) prints."""
        word = self.take()
        if _HANDLE.match(word):
            word = self.take()
        if word not in ("\n", ";"):
            raise self.error(f"{word!r} stands where the line must end")

    def statement(self) -> Event:
        keyword = self.peek()
        known: dict[str, t.Callable[[], Event]] = {
            "table": self.table, "delete": self.delete, "add": self.add, "set": self.set, "chain": self.chain, "type": self.hook, "}": self.close,
        }
        if keyword not in known:
            return self.rule()
        self.position += 1
        return known[keyword]()

    def table(self) -> Event:
        self.expect("inet", "datapath")
        if self.peek() == "{":
            self.position += 1
            self.end()
            return Opened()
        self.end()
        return Prelude("table")

    def delete(self) -> Event:
        self.expect("table", "inet", "datapath")
        self.end()
        return Prelude("delete")

    def close(self) -> Event:
        self.end()
        return Closed()

    def name(self) -> str:
        name = self.take()
        if not _NAME.match(name):
            raise self.error(f"{name!r} is not a name of ours")
        return name

    def chain(self) -> Event:
        name = self.name()
        self.expect("{")
        self.end()
        return Opened(name)

    def hook(self) -> Event:
        self.expect("filter", "hook")
        hook = self.take()
        self.expect("priority")
        priority = self.take()
        if self.peek() == "-":
            priority += f" {self.take()} {self.take()}"
        self.expect(";", "policy")
        policy = self.take()
        self.expect(";")
        if (hook, _PRIORITIES.get(priority, 1)) not in CHAINS.values() or policy not in ("accept", "drop"):
            raise self.error(f"hook {hook} priority {priority} policy {policy} is not one of ours")
        return Hooked(hook, policy, _PRIORITIES[priority])

    def set(self) -> Event:
        name = self.name()
        self.expect("{")
        self.end()
        declared = self.set_type(name)
        filled: ParsedSet | None = None
        while self.line_starts() != "}":
            if self.peek() != "elements" or filled:
                raise self.error(f"{self.peek()!r} is not known in a set")
            self.expect("elements", "=")
            filled = self.elements(declared)
            self.end()
        self.expect("}")
        self.end()
        return filled or declared

    def set_type(self, name: str) -> ParsedSet:
        self.line_starts()
        self.expect("type")
        kind = self.take()
        if kind not in _SETS:
            raise self.error(f"sets of {kind} are none of ours")
        concatenated = self.peek() == "."
        if concatenated:
            self.expect(".", "inet_service")
        self.end()
        if not concatenated:
            self.line_starts()
            self.expect("flags", "interval")
            self.end()
        return ParsedSet(name, _SETS[kind], concatenated)

    def line_starts(self) -> str:
        while self.peek() in ("\n", ";"):
            self.position += 1
        return self.peek()

    def add(self) -> Event:
        self.expect("element", "inet", "datapath")
        name = self.name()
        family = {"session_v4": "ipv4", "session_v6": "ipv6"}.get(name)
        if not family:
            raise self.error(f"members of {name} are not added one by one")
        more = self.elements(ParsedSet(name, family, concatenated=True))
        self.end()
        return Added(name, more)

    def elements(self, declared: ParsedSet) -> ParsedSet:
        """The members of a set, which may not overlap."""
        members: list[tuple[int, int]] = []
        pairs: set[tuple[int, int]] = set()
        for words in self.braces():
            if not declared.concatenated and len(words) == 1:
                members.append(self.addresses(declared.family, words[0]))
            elif declared.concatenated and len(words) == 3 and words[1] == ".":
                pairs.add((self.address(declared.family, words[0]), self.number(words[2], _PORTS, 65535)))
            else:
                raise self.error(f"{' '.join(words)!r} is not a member of {declared.name}")
        merged = _merged(members)
        if sum(high - low + 1 for low, high in members) != sum(high - low + 1 for low, high in merged):
            raise self.error(f"members of {declared.name} overlap")
        return replace(declared, members=merged, pairs=frozenset(pairs))

    def braces(self) -> t.Iterator[list[str]]:
        """The comma-separated members between braces; a comma may follow the last one, and lines may break."""
        self.expect("{")
        member: list[str] = []
        while True:
            word = self.take()
            if word in (",", "}"):
                if member:
                    yield member
                elif word == ",":
                    raise self.error("a member is empty")
                if word == "}":
                    return
                member = []
            elif word in ("{", ";", "=") or word[0] in '"#':
                raise self.error(f"{word!r} is not known between braces")
            elif word != "\n":
                member.append(word)

    def addresses(self, family: str, word: str) -> tuple[int, int]:
        first, slash, length = word.partition("/")
        low = self.address(family, first.partition("-")[0])
        if slash:
            host_bits = (32 if family == "ipv4" else 128) - self.number(length, _PORTS, 32 if family == "ipv4" else 128)
            high = low + (1 << host_bits) - 1
            if low % (1 << host_bits):
                raise self.error(f"{word!r} has host bits set")
            return low, high
        high = self.address(family, first.partition("-")[2]) if "-" in first else low
        if high < low:
            raise self.error(f"{word!r}: the ends are reversed")
        return low, high

    def address(self, family: str, word: str) -> int:
        try:
            address = ipaddress.IPv4Address(word) if family == "ipv4" else ipaddress.IPv6Address(word)
        except ValueError:
            raise self.error(f"{word!r} is not an {family} address") from None
        if "%" in word:
            raise self.error(f"{word!r} has a scope, which no packet carries")
        return int(address)

    def number(self, word: str, names: t.Mapping[str, int], most: int = 0xFFFFFFFF) -> int:
        if word in names:
            return names[word]
        if not _NUMBER.match(word) or int(word, 0 if word.startswith("0x") else 10) > most:
            raise self.error(f"{word!r} is not known here")
        return int(word, 0 if word.startswith("0x") else 10)

    def range(self, word: str, names: t.Mapping[str, int], most: int) -> tuple[int, int]:
        if word in names:
            return names[word], names[word]
        first, dash, last = word.partition("-")
        low = self.number(first, names, most)
        high = self.number(last, names, most) if dash else low
        if high < low:
            raise self.error(f"{word!r}: the ends are reversed")
        return low, high

    def numbers(self, names: t.Mapping[str, int], most: int) -> Intervals:
        if self.peek() == "{":
            return _merged([self.range(self.single(words), names, most) for words in self.braces()])
        found = [self.range(self.take(), names, most)]
        while self.peek() == ",":
            self.position += 1
            found.append(self.range(self.take(), names, most))
        return _merged(found)

    def single(self, words: list[str]) -> str:
        if len(words) != 1:
            raise self.error(f"{' '.join(words)!r} is not one value")
        return words[0]

    def string(self) -> str:
        word = self.take()
        if len(word) < 2 or word[0] != '"':
            raise self.error(f"{word!r} stands where a quoted text must be")
        return word[1:-1]

    def rule(self) -> Rule:
        start = self.position
        parts = _RuleParts()
        while self.peek() not in ("\n", ";", "}", "") and not _HANDLE.match(self.peek()):
            if parts.comment:
                raise self.error(f"{self.peek()!r} follows a comment")
            self.part(parts)
        text = _text(self.tokens[start:self.position])
        self.end()
        sets = frozenset(
            (str(value[1:]), "ipv4" if key.startswith("ip ") else "ipv6", " . " in key) for key, value in parts.matches.items() if value[:1] == "@"
        )
        return Rule(tuple(sorted(parts.matches.items())), parts.limit, parts.log, parts.verdict, parts.comment, parts.counter, text, sets)

    def part(self, parts: _RuleParts) -> None:
        word = self.take()
        if word == "comment":
            parts.comment = self.string()
        elif parts.verdict:
            raise self.error(f"{word!r} follows a verdict")
        elif word in ("accept", "drop"):
            parts.verdict = word
        elif word == "counter":
            parts.counter = self.counter()
        elif word == "limit" and not parts.limit:
            parts.limit = self.limit()
        elif word == "log" and not parts.log:
            parts.log = self.log()
        else:
            # Whatever limits or logs before a match does so for packets that the match leaves out: the order is part of the meaning.
            if parts.limit or parts.log or parts.counter is not None:
                raise self.error(f"{word!r} follows a limit, a log or a counter")
            self.match(word, parts)

    def counter(self) -> tuple[int, int]:
        if self.peek() != "packets":
            return 0, 0
        self.expect("packets")
        packets = self.number(self.take(), {}, 1 << 64)
        self.expect("bytes")
        return packets, self.number(self.take(), {}, 1 << 64)

    def limit(self) -> str:
        self.expect("rate")
        rate, burst = self.take(), 5
        if not _RATE.match(rate):
            raise self.error(f"{rate!r} is not a rate of ours")
        if self.peek() == "burst":
            self.position += 1
            burst = self.number(self.take(), {})
            self.expect("packets")
        return f"{rate} burst {burst}"

    def log(self) -> str:
        self.expect("prefix")
        prefix = self.string()
        if self.peek() == "level":
            self.position += 1
            if self.take() not in ("info", "notice", "warn"):
                raise self.error("a log level of ours is info, notice or warn")
        return prefix

    def match(self, word: str, parts: _RuleParts) -> None:
        if word in ("iif", "oif"):
            self.keep(parts, word, self.string() if self.peek().startswith('"') else self.name())
            return
        selector = (word, self.take())
        if selector[0] in ("ip", "ip6") and selector[1] in ("saddr", "daddr"):
            self.address_match(selector, parts)
        elif selector in _SELECTORS:
            most = 65535 if selector[1] in ("sport", "dport") else 255
            key = "meta ipsec" if selector == ("meta", "secpath") else " ".join(selector)
            self.keep(parts, key, self.numbers(_SELECTORS[selector], most))
        else:
            raise self.error(f"{' '.join(selector)!r} is not known in a rule")

    def address_match(self, selector: tuple[str, str], parts: _RuleParts) -> None:
        key, family = " ".join(selector), "ipv4" if selector[0] == "ip" else "ipv6"
        if self.peek() == ".":
            self.expect(".", "tcp")
            key += f" . tcp {self.take()}"
            if key.rpartition(" ")[2] not in ("sport", "dport") or not self.peek().startswith("@"):
                raise self.error(f"{key!r} is not known in a rule")
        if self.peek().startswith("@"):
            self.keep(parts, key, self.take())
        elif self.peek() == "{":
            self.keep(parts, key, _merged([self.addresses(family, self.single(words)) for words in self.braces()]))
        else:
            self.keep(parts, key, (self.addresses(family, self.take()),))

    def keep(self, parts: _RuleParts, key: str, value: Value) -> None:
        if key in parts.matches:
            raise self.error(f"{key} is matched twice")
        parts.matches[key] = value


class _RuleParts:
    def __init__(self) -> None:
        self.matches: dict[str, Value] = {}
        self.limit = self.log = self.verdict = self.comment = ""
        self.counter: tuple[int, int] | None = None


def _text(tokens: t.Iterable[str]) -> str:
    """Words as nft itself would space them: a blank follows a comma between braces only."""
    text = re.sub(r" , (?=[^{]*})", ", ", " ".join(" ".join(tokens).split()))
    return text.replace(" , ", ",")


def _merged(ranges: t.Iterable[tuple[int, int]]) -> Intervals:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def assemble(found: t.Iterable[Event], *, tolerant: bool = False) -> ParsedTable:
    """Put statements together as one table; ReadBackError when they do not make exactly one, with every set that a rule names."""
    builder = _Builder(tolerant=tolerant)
    for event in found:
        builder.add(event)
    return builder.table()


class _Builder:
    def __init__(self, *, tolerant: bool) -> None:
        self.tolerant = tolerant
        self.sets: dict[str, ParsedSet] = {}
        self.declared: set[tuple[str, str, bool]] = set()
        self.chains: dict[str, ParsedChain] = {}
        self.foreign: list[str] = []
        self.prelude: list[str] = []
        self.tables = 0
        self.depth = 0
        self.chain = ""
        self.hooked: Hooked | None = None
        self.rules: list[Rule] = []

    def add(self, event: Event) -> None:
        if isinstance(event, Rule):
            self._rule(event)
        elif isinstance(event, ParsedSet):
            self._demand(f"the set {event.name}", allowed=self.depth == 1 and event.name not in self.sets)
            self.sets[event.name] = event
            self.declared.add((event.name, event.family, event.concatenated))
        elif isinstance(event, Foreign):
            self._unknown(event.text)
        elif isinstance(event, Opened):
            self._open(event)
        elif isinstance(event, Closed):
            self._close()
        elif isinstance(event, Hooked):
            ours = CHAINS.get(self.chain) == (event.hook, event.priority)
            self._demand(f"the hook {event.hook}", allowed=self.depth == 2 and self.hooked is None and not self.rules and ours)
            self.hooked = event
        elif isinstance(event, Added):
            self._more(event)
        else:
            self._demand(event.verb, allowed=self.depth == 0 and not self.tables)
            self.prelude.append(event.verb)

    def _demand(self, what: str, *, allowed: bool) -> None:
        if not allowed:
            raise ReadBackError(f"{what} is in the wrong place, or a second one")

    def _unknown(self, text: str) -> None:
        self.foreign.append(f"chain {self.chain}: {text}" if self.chain else text)

    def _rule(self, rule: Rule) -> None:
        if self.depth != 2 or (self.hooked is None and not self.tolerant):
            raise ReadBackError(f"the rule {rule.text!r} is in the wrong place")
        if rule.sets <= self.declared:
            self.rules.append(rule)
        elif self.tolerant:
            self._unknown(rule.text)
        else:
            raise ReadBackError(f"the rule {rule.text!r} names a set that is not there or does not fit")

    def _open(self, event: Opened) -> None:
        self._demand("an opening brace", allowed=self.depth == 1 and event.chain not in self.chains if event.chain else self.depth == 0 and not self.tables)
        self.depth += 1
        self.tables += not event.chain
        self.chain, self.hooked, self.rules = event.chain, None, []

    def _close(self) -> None:
        self._demand("a closing brace", allowed=self.depth > 0)
        if self.depth == 2 and self.hooked:
            self.chains[self.chain] = ParsedChain(self.chain, self.hooked.hook, self.hooked.policy, tuple(self.rules))
        elif self.depth == 2:
            self._demand(f"the chain {self.chain} without a hook", allowed=self.tolerant)
            self.foreign.append(f"chain {self.chain} with {len(self.rules)} rules")
        self.depth -= 1
        self.chain = ""

    def _more(self, event: Added) -> None:
        self._demand(f"the addition to {event.name}", allowed=self.depth == 0 and event.name in self.sets)
        old = self.sets[event.name]
        self.sets[event.name] = replace(old, pairs=old.pairs | event.more.pairs)

    def table(self) -> ParsedTable:
        self._demand("the end of the text", allowed=self.depth == 0 and self.tables == 1)
        self._demand("what comes before the table", allowed=self.prelude in ([], ["table", "delete"]))
        return ParsedTable(self.sets, self.chains, bool(self.prelude), tuple(self.foreign))


__all__ = ("Added", "Closed", "Event", "Foreign", "Hooked", "Opened", "Prelude", "assemble", "events", "read_back", "read_loaded")
