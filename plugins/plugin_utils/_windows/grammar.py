# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The text of one rule as the registry holds it: C(v2.10|Token=Value|Token=Value|), MS-GPFAS 2.2.2.19.

Nothing is known here of what tokens mean; what is read is written back exactly.
https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-gpfas/2efe0b76-7b4a-41ff-9050-1023f8196d16
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError

_VERSION = re.compile(r"[vV][0-9]{1,3}\.[0-9]{1,3}\Z")


class GrammarError(WindowsError):
    """The text of a rule that is not one, or says what nobody here understands."""


@dataclass(frozen=True)
class RuleText:
    """A rule as tokens in their order. version: its prefix as written, which says who wrote the rule and nothing about what it means."""

    version: str
    tokens: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> RuleText:
        """Read a text so that C(str) gives it back; GrammarError for a text without a version, a closing C(|), or with a part that has no C(=)."""
        version, end, rest = text.partition("|")
        if not _VERSION.match(version) or not end:
            raise GrammarError(f"{shown(text)} does not begin with a version like v2.10|")
        if rest and not rest.endswith("|"):
            raise GrammarError(f"{shown(text)} does not end with |, so its end may be missing")
        return cls(version, tuple(_token(part) for part in rest[:-1].split("|")) if rest else ())

    def __str__(self) -> str:
        return "|".join((self.version, *(f"{name}={value}" for name, value in self.tokens), ""))

    def all(self, name: str) -> tuple[str, ...]:
        """The values of a token in their order, whatever the case of its name."""
        wanted = name.lower()
        return tuple(value for token, value in self.tokens if token.lower() == wanted)

    def get(self, name: str, default: str = "") -> str:
        """The value of a token that may be there once; GrammarError when it is there with several values, for nobody knows which of them counts."""
        values = self.all(name)
        if len(set(values)) > 1:
            raise GrammarError(f"{name} is there {len(values)} times: {', '.join(map(shown, values))}")
        return values[0] if values else default

    def with_token(self, name: str, value: str) -> RuleText:
        """The same rule with a token set once: in the place of its first value, or at the end."""
        if not _token(f"{name}={value}") or "|" in name + value or "=" in name:
            raise GrammarError(f"{shown(name)}={shown(value)} cannot be a token: | separates tokens and = ends a name")
        wanted, placed, tokens = name.lower(), False, []
        for token in self.tokens:
            if token[0].lower() != wanted:
                tokens.append(token)
            elif not placed:
                tokens.append((token[0], value))
                placed = True
        return RuleText(self.version, tuple(tokens if placed else [*tokens, (name, value)]))


def _token(part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals or not name:
        raise GrammarError(f"{shown(part)} is not Token=Value")
    return name, value


def shown(text: str, most: int = 80) -> str:
    """A foreign text for a message: quoted, control characters escaped, not longer than a message can bear."""
    return repr(text if len(text) <= most else text[:most] + "...")


__all__ = ("GrammarError", "RuleText", "shown")
