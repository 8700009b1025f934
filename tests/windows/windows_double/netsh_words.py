# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all commands of the double's netsh share: where they work, how they refuse, and how their words are read."""

from __future__ import annotations

import typing as t
import uuid
from dataclasses import dataclass, field

from windows_double import messages
from windows_double.refusal import Refused as ViolationError
from windows_double.registry import Registry
from windows_double.rulestring import ADDRESS_KEYWORDS, AddressEntry, address_entry

LOCAL = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
OBJECTS = r"HKLM\SOFTWARE\windows_double\GroupPolicyObjects"
"""Where Group Policy objects that netsh fills lie in the double: they are no part of the machine, but C(set store gpo=) must write somewhere."""

RELEASES = ("2003", "2008", "2008r2", "2012", "2012r2", "2016", "2019", "2022", "2025")
LIMIT = 1000
"""Entries of any list of a rule (MS-FASP 2.2.4 and the following)."""
LINE = 8191
"""The longest command line of cmd (https://learn.microsoft.com/troubleshoot/windows-client/shell-experience/command-line-string-limitation)."""

DWORD = "REG_DWORD"
SZ = "REG_SZ"


class Machine(t.Protocol):
    """The part of the double's machine that netsh uses."""

    @property
    def registry(self) -> Registry: ...

    @property
    def faults(self) -> Faults: ...

    @property
    def release(self) -> str: ...

    @property
    def language(self) -> str: ...

    @property
    def elevated(self) -> bool: ...

    @property
    def settings(self) -> t.Mapping[str, t.Any]: ...

    def set_setting(self, name: str, value: t.Any) -> None: ...

    def read_file(self, path: str) -> bytes: ...

    def write_file(self, path: str, content: bytes) -> None: ...

    def file_exists(self, path: str) -> bool: ...

    def service_running(self, name: str) -> bool: ...

    def before_firewall_change(self) -> None: ...

    def refuse(self, why: str) -> str: ...


class Faults(t.Protocol):
    """The part of a machine's faults that netsh obeys."""

    def get(self, name: str) -> t.Any: ...

    def count_down(self, name: str) -> bool: ...


class RefusedError(Exception):
    """What real netsh refuses as well: said in the machine's language, exit code 1. key, values: of messages.text."""

    def __init__(self, key: str, *values: object) -> None:
        super().__init__(key, *values)
        self.key = key
        self.values = values


@dataclass
class Session:
    """One run of netsh. root: the key of the store that its commands work on; C(set store) changes it until the run ends. in_file: C(netsh -f)."""

    machine: Machine
    root: str = LOCAL
    in_file: bool = False
    out: list[str] = field(default_factory=list)

    @property
    def registry(self) -> Registry:
        return self.machine.registry

    @property
    def release(self) -> str:
        return self.machine.release

    @property
    def local(self) -> bool:
        return self.root == LOCAL

    def since(self, release: str) -> bool:
        """Whether the machine is this release or a later one."""
        return RELEASES.index(self.machine.release) >= RELEASES.index(release)

    def key(self, *names: str) -> str:
        return "\\".join((self.root, *names))

    def text(self, key: str, *values: object) -> str:
        return messages.text(self.machine.language, key, *values)

    def say(self, key: str, *values: object) -> None:
        self.out.append(self.text(key, *values) + "\r\n\r\n")

    def display(self, stored: str) -> str:
        return messages.display(self.machine.language, stored)

    def need_rights(self) -> None:
        """RefusedError unless the caller is elevated and the firewall service runs."""
        if not self.machine.elevated:
            raise RefusedError("elevation")
        if self.local and not self.machine.service_running("MpsSvc"):
            raise RefusedError("service")

    def begin_change(self) -> None:
        """To be called once before a command changes anything: RefusedError without the right to, or when the test wants this change to fail."""
        self.need_rights()
        if self.machine.faults.count_down("netsh_fail"):
            raise RefusedError("failed")
        self.machine.before_firewall_change()


def new_id() -> str:
    return "{" + str(uuid.uuid4()).upper() + "}"


def tags(words: t.Sequence[str], allowed: t.Collection[str]) -> dict[str, str]:
    """C(name=value) words by their lower-case names, each at most once and with a value."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.lower()
        if not equals or name not in allowed:
            raise RefusedError("tag", word)
        if name in found:
            raise RefusedError("syntax")
        if not value:
            raise ViolationError(f"{name}= without a value: undocumented")
        found[name] = value
    return found


def choice(value: str, allowed: t.Mapping[str, str] | t.Collection[str]) -> str:
    """A word out of a fixed list, whatever its case; from a mapping, what it stands for."""
    word = value.lower()
    if word not in allowed:
        raise RefusedError("value")
    return allowed[word] if isinstance(allowed, t.Mapping) else word


def entries_of(value: str) -> list[str]:
    """The parts of a list. Empty parts, blanks and repeated entries are refused: no document says what they do."""
    parts = value.split(",")
    if any(not part or part != part.strip() for part in parts):
        raise RefusedError("value")
    if len({part.lower() for part in parts}) != len(parts):
        raise ViolationError(f"the same entry twice in {value[:80]!r}: undocumented")
    return parts


def number(text: str, low: int, high: int) -> int:
    """A decimal number between two limits."""
    if not (text.isascii() and text.isdigit()) or not low <= int(text) <= high or (len(text) > 1 and text[0] == "0"):
        raise RefusedError("value")
    return int(text)


def port_range(text: str) -> tuple[int, int]:
    """C(n) or C(a-b), as numbers. Port 0 is refused by the service whatever the help says (MS-FASP 2.2.14)."""
    first, dash, last = text.partition("-")
    low = number(first, 1, 65535)
    return (low, number(last, low, 65535)) if dash else (low, low)


PROTOCOLS = {"tcp": 6, "udp": 17, "icmpv4": 1, "icmpv6": 58}


def protocol(value: str) -> int | None:
    """The number of a protocol, None for any."""
    word = value.lower()
    if word == "any":
        return None
    return PROTOCOLS[word] if word in PROTOCOLS else number(word, 0, 255)


def profiles(value: str) -> tuple[str, ...]:
    """Registry words of a list of profiles; empty for all."""
    words = [choice(part, {"domain": "Domain", "private": "Private", "public": "Public", "any": ""}) for part in entries_of(value)]
    if "" in words:
        if len(words) > 1:
            raise RefusedError("value")
        return ()
    return tuple(word for word in ("Domain", "Private", "Public") if word in words) if len(words) < 3 else ()


def addresses(value: str, keywords: bool) -> tuple[list[AddressEntry], list[str]]:
    """Entries and keywords of an address list; both empty for any."""
    parts = entries_of(value)
    if [part.lower() for part in parts] == ["any"]:
        return [], []
    words = [part for part in parts if part.lower() in ADDRESS_KEYWORDS]
    if words and not keywords:
        raise RefusedError("value")
    found = [_address(part) for part in parts if part not in words]
    for shape in ("subnet", "range"):
        if max(sum(1 for entry in found if (entry.shape, entry.version) == (shape, version)) for version in (4, 6)) > LIMIT:
            raise RefusedError("value")
    return found, [ADDRESS_KEYWORDS[word.lower()] for word in words]


def _address(part: str) -> AddressEntry:
    try:
        entry = address_entry(part)
    except ValueError as error:
        if "has host bits set" in str(error):
            raise ViolationError(f"{part}: a subnet with bits outside its mask is undocumented") from error
        raise RefusedError("value") from error
    if entry.shape == "subnet" and int(entry.last) - int(entry.first) == 2**entry.first.max_prefixlen - 1:
        raise RefusedError("value")  # a mask of no bits is invalid (MS-FASP 2.2.8)
    return entry


def one_family(tokens: t.Iterable[tuple[str, str]], *prefixes: str) -> None:
    """Refused when two sides that name addresses have no address family in common: such a rule fits nothing."""
    found = [{name[len(prefix)] for name, _value in tokens if name.startswith(prefix)} or {"4", "6"} for prefix in prefixes]
    if not set.intersection(*found):
        raise ViolationError("two sides that have no address family in common")


EVERY_PROFILE = ("Domain", "Private", "Public")

__all__ = (
    "DWORD", "EVERY_PROFILE", "LIMIT", "LINE", "LOCAL", "OBJECTS", "POLICY", "PROTOCOLS", "RELEASES", "SZ", "Machine", "RefusedError", "Session",
    "ViolationError", "addresses", "choice", "entries_of", "new_id", "number", "one_family", "port_range", "profiles", "protocol", "tags",
)
