# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How cmd.exe takes a line apart after variables were replaced: quotes, carets, redirections, pipes, C(||), C(&), blocks and C(if)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from windows_double.refusal import Refused

DELIMITERS = " \t,;="


@dataclass(frozen=True)
class Redirection:
    """target: a path, C(nul), or C(&1) for another handle."""

    handle: int
    append: bool
    target: str


@dataclass(frozen=True)
class Simple:
    """A command without its redirections."""

    text: str
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True)
class Pipe:
    left: Node
    right: Node


@dataclass(frozen=True)
class Or:
    left: Node
    right: Node


@dataclass(frozen=True)
class Sequence:
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Block:
    body: Node
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True)
class If:
    """Everything up to the end of the line, or of the block, is its body."""

    condition: str
    body: Node


Node: t.TypeAlias = "Simple | Pipe | Or | Sequence | Block | If"
_IF = re.compile(r'if ((?:not )?exist "[^"]*"|errorlevel [0-9]+) +', re.IGNORECASE)


def parse(line: str) -> Node:
    """One line; raises Refused for what our scripts don't use or cmd calls a syntax error."""
    parser = _Parser(line)
    node = parser.sequence(0)
    if parser.position < len(line):
        raise Refused(f"{line[parser.position:]!r} was unexpected in {line!r}")
    return node


class _Parser:
    def __init__(self, line: str) -> None:
        self.line, self.position = line, 0

    def peek(self, text: str) -> bool:
        return self.line.startswith(text, self.position)

    def skip(self) -> None:
        while self.position < len(self.line) and self.line[self.position] in " \t":
            self.position += 1

    def sequence(self, depth: int) -> Node:
        parts = [self.either(depth)]
        while self.peek("&"):
            if self.peek("&&"):
                raise Refused(f"&& in {self.line!r}: Wine and Windows agree on || only")
            self.position += 1
            parts.append(self.either(depth))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def either(self, depth: int) -> Node:
        node = self.pipe(depth)
        while self.peek("||"):
            self.position += 2
            node = Or(node, self.pipe(depth))
        return node

    def pipe(self, depth: int) -> Node:
        node = self.command(depth)
        while self.peek("|") and not self.peek("||"):
            self.position += 1
            node = Pipe(node, self.command(depth))
        return node

    def command(self, depth: int) -> Node:
        self.skip()
        if self.peek("("):
            return self.block(depth)
        condition = _IF.match(self.line, self.position)
        if condition:
            self.position = condition.end()
            return If(condition[1], self.sequence(depth))
        return self.simple(depth)

    def block(self, depth: int) -> Node:
        self.position += 1
        body = self.sequence(depth + 1)
        if not self.peek(")"):
            raise Refused(f"a block is not closed: {self.line!r}")
        self.position += 1
        text, redirections = self.words(depth)
        if text.strip():
            raise Refused(f"{text!r} after a block")
        return Block(body, redirections)

    def simple(self, depth: int) -> Node:
        text, redirections = self.words(depth)
        text = text.lstrip(" \t")
        if not text:
            raise Refused(f"a command is missing in {self.line!r}")
        return Simple(text, redirections)

    def words(self, depth: int) -> tuple[str, tuple[Redirection, ...]]:
        """Text up to the next operator, redirections taken out of it."""
        text, quoted, found = "", False, []
        while self.position < len(self.line):
            character = self.line[self.position]
            if quoted or character == '"':
                quoted ^= character == '"'
            elif character == "^":
                self.position += 1
                character = self._escaped()
            elif character in "<>":
                text, redirection = self.redirection(text)
                found.append(redirection)
                continue
            elif character in "&|" or (character == ")" and depth):
                break
            text += character
            self.position += 1
        return text, tuple(found)

    def _escaped(self) -> str:
        if self.position >= len(self.line):
            raise Refused("a line that goes on in the next one")
        return self.line[self.position]

    def redirection(self, text: str) -> tuple[str, Redirection]:
        """A digit right before C(>) is a handle when a blank, a delimiter or nothing stands before it: then it is no part of the text."""
        if self.peek("<"):
            raise Refused("input is not redirected")
        handle = 1
        if text[-1:].isdigit() and self.line[self.position - 1] == text[-1] and (len(text) == 1 or text[-2] in DELIMITERS):
            handle, text = int(text[-1]), text[:-1]
        append = self.peek(">>")
        self.position += 2 if append else 1
        return text, Redirection(handle, append, self.target())

    def target(self) -> str:
        if self.peek("&1") or self.peek("&2"):
            self.position += 2
            return self.line[self.position - 2:self.position]
        self.skip()
        found = re.compile(r'"([^"]+)"|(nul)(?![^\s&|)])', re.IGNORECASE).match(self.line, self.position)
        if not found:
            raise Refused(f"a redirection to neither nul nor a quoted file: {self.line!r}")
        self.position = found.end()
        return found[1] or found[2]
