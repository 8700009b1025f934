# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as the firewall service stores them: C(v2.29|Action=Allow|...|).

Grammar: https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-gpfas/2efe0b76-7b4a-41ff-9050-1023f8196d16 (firewall rules) and
https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-gpfas/885f236b-39f5-4a83-bac8-3c5459e88a9a (connection security rules).
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, replace

VERSIONS = {
    "2008": "v2.0",  # 6.0 knows schema 2.1, but what is seen in public dumps of it is v2.0: readers must not look at it
    "2008r2": "v2.10",
    "2012": "v2.20",
    "2012r2": "v2.22",
    "2016": "v2.26",
    "2019": "v2.29",
    "2022": "v2.31",
    "2025": "v2.33",
}
"""What a release writes in front of new rules (MS-FASP 2.2.42)."""

_ORDER = (
    *("Action", "Active", "Dir", "Protocol", "Profile", "LPort", "LPort2_10", "LPort2_20", "LPort2_24", "LPort2_29", "RPort", "RPort2_10", "RPort2_28"),
    *("EP1Port", "EP1Port2_10", "EP2Port", "EP2Port2_10", "ICMP4", "ICMP6", "LA4", "LA6", "RA4", "RA6", "RA42", "RA62"),
    *("EP1_4", "EP1_6", "EP2_4", "EP2_6", "IF", "IFType", "App", "Svc", "Name", "Desc", "Auth1Set", "Auth2Set", "Crypto1Set", "Crypto2Set", "EmbedCtxt"),
    *("Platform", "Platform2", "LSM", "Edge", "Defer", "RMauth", "RUAuth", "Security", "Security2_9", "Security2"),
)
_PLACE = {name: place for place, name in enumerate(_ORDER)}
_VERSION = re.compile(r"[vV]\d+\.\d+")

Token = tuple[str, str]


class RuleTextError(ValueError):
    """A text that is no rule."""


@dataclass(frozen=True)
class RuleText:
    """A rule as text: its version as written and its tokens in order."""

    version: str
    tokens: tuple[Token, ...]

    def get(self, name: str, default: str = "") -> str:
        """The first value of a token, whatever the case of its name."""
        return next(iter(self.all(name)), default)

    def all(self, *names: str) -> tuple[str, ...]:
        """Every value of the named tokens, in order."""
        wanted = {name.lower() for name in names}
        return tuple(value for name, value in self.tokens if name.lower() in wanted)

    def replaced(self, names: t.Iterable[str], tokens: t.Iterable[Token]) -> RuleText:
        """The same rule with other values for these tokens, where the service would have put them."""
        gone = {name.lower() for name in names}
        kept = [token for token in self.tokens if token[0].lower() not in gone]
        return replace(self, tokens=ordered((*kept, *tokens)))

    def __str__(self) -> str:
        return self.version + "|" + "".join(f"{name}={value}|" for name, value in self.tokens)


def ordered(tokens: t.Iterable[Token]) -> tuple[Token, ...]:
    """Tokens in the order in which the service writes them; unknown ones last, as they were."""
    return tuple(sorted(tokens, key=lambda token: _PLACE.get(token[0], len(_ORDER))))


def read(text: str) -> RuleText:
    """A rule from its text. RuleTextError where it is none."""
    version, *parts = text.split("|")
    if not _VERSION.fullmatch(version) or len(parts) < 2 or parts[-1]:
        raise RuleTextError(f"not a rule: {text!r}")
    tokens = [part.partition("=") for part in parts[:-1]]
    if any(not name or not equals for name, equals, _value in tokens):
        raise RuleTextError(f"a token without a value in {text!r}")
    return RuleText(version, tuple((name, value) for name, _equals, value in tokens))


def write(release: str, tokens: t.Iterable[Token]) -> str:
    """The text of a new rule made on a release."""
    return str(RuleText(VERSIONS[release], ordered(tokens)))


def with_active(text: str, active: bool) -> str:
    """The same rule switched on or off, every other character as it was."""
    wanted = f"Active={'TRUE' if active else 'FALSE'}|"
    changed, found = re.subn(r"(?<=\|)Active=[^|]*\|", wanted, text, count=1, flags=re.IGNORECASE)
    if found:
        return changed
    version, _bar, rest = text.partition("|")
    action, _bar, others = rest.partition("|")
    return f"{version}|{action}|{wanted}{others}"


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class AddressEntry:
    """One entry of an address list, C(shape) as it is written: ``subnet`` (a host is one too) or ``range``."""

    shape: str
    first: Address
    last: Address

    @property
    def version(self) -> int:
        return self.first.version

    def __str__(self) -> str:
        if self.shape == "range":
            return f"{self.first}-{self.last}"
        if self.first == self.last:
            return str(self.first)
        prefix = self.first.max_prefixlen - (int(self.last) - int(self.first)).bit_length()
        return f"{self.first}/{ipaddress.ip_network(f'{self.first}/{prefix}').netmask if self.version == 4 else prefix}"


ADDRESS_KEYWORDS = {"localsubnet": "LocalSubnet", "dns": "DNS", "dhcp": "DHCP", "wins": "WINS", "defaultgateway": "DefaultGateway"}


def address_entry(text: str) -> AddressEntry:
    """One address, subnet or range, as netsh and the registry write them. ValueError where it is none, or has bits outside its mask."""
    if "-" in text:
        first, last = (ipaddress.ip_address(part) for part in text.split("-"))
        if first.version != last.version or int(first) > int(last):
            raise ValueError(f"{text} is no range")
        return AddressEntry("range", first, last)
    network = ipaddress.ip_network(text)
    return AddressEntry("subnet", network.network_address, network.broadcast_address)


def address_tokens(prefix4: str, prefix6: str, entries: t.Sequence[AddressEntry], keywords: t.Iterable[str] = ()) -> tuple[Token, ...]:
    """The tokens of an address list: keywords in both families, then subnets, then ranges, each sorted: the order given is not kept."""
    words = sorted(keywords)
    tokens = [(name, word) for name in (prefix4, prefix6) for word in words]
    for name, version in ((prefix4, 4), (prefix6, 6)):
        for shape in ("subnet", "range"):
            mine = sorted((int(entry.first), int(entry.last), str(entry)) for entry in entries if entry.version == version and entry.shape == shape)
            tokens.extend((name, text) for _first, _last, text in mine)
    return tuple(tokens)


__all__ = (
    "ADDRESS_KEYWORDS", "VERSIONS", "AddressEntry", "RuleText", "RuleTextError", "Token", "address_entry", "address_tokens", "ordered", "read", "with_active",
    "write",
)
