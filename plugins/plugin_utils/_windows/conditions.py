# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What firewall rules and connection security rules say in the same tokens: protocols, ports, addresses and profiles.

What is read are sets of numbers, so that two spellings of one thing are equal; an address keyword or a port keyword that is not known here is an error,
because what it lets through is not known either. MS-GPFAS 2.2.2.7 to 2.2.2.16, MS-FASP 2.2.4 to 2.2.24.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from functools import lru_cache

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import GrammarError, RuleText, shown
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import ANY_ADDRESS, ANY_PORT, PROFILES, Ports, Scope, WindowsError

Tokens = tuple[tuple[str, str], ...]

PROTOCOLS: t.Final = {"icmpv4": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
PORT_KEYWORDS: t.Final = {
    "RPC": "", "RPC-EPMap": "", "Teredo": "", "IPTLSIn": "2_10", "IPHTTPSIn": "2_10", "IPTLSOut": "2_10", "IPHTTPSOut": "2_10", "DHCP": "2_20",
    "Ply2Disc": "2_20", "mDNS": "2_24", "CortanaOut": "2_28", "TcpCDPSvc": "2_29",
}
"""Port keywords and the version that ends the name of their token."""
ADDRESS_KEYWORDS: t.Final = {
    "LocalSubnet": "", "DNS": "", "DHCP": "", "WINS": "", "DefaultGateway": "", "IntrAnet": "2", "IntErnet": "2", "Ply2Renders": "2", "RmtIntrAnet": "2",
    "CaptivePortal": "2",
}
"""Address keywords and what ends the name of their token: C(RA42) and C(RA62) came with version 2.20."""

_PORT_WORDS = {word.lower(): word for word in PORT_KEYWORDS}
_ADDRESS_WORDS = {word.lower(): word for word in ADDRESS_KEYWORDS}
_VERSIONED = re.compile(r"(?:2_[0-9]{1,2})?\Z")
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?\Z")
_DIGITS = re.compile(r"[0-9]{1,3}\Z")
_FLAGS = {"true": True, "false": False}


def word(rule: RuleText, name: str, words: t.Mapping[str, t.Any], default: str | None = None) -> t.Any:
    """What a token's word stands for; GrammarError for another word, and for none where there is no default."""
    text = rule.get(name)
    if not text and default is not None:
        text = default
    if text.lower() not in words:
        raise GrammarError(f"{name}={shown(text)} is not one of {', '.join(filter(None, words))}" if text else f"{name} is missing")
    return words[text.lower()]


def flag(rule: RuleText, name: str) -> bool:
    """A token that is C(TRUE) or C(FALSE), false when absent."""
    return bool(word(rule, name, _FLAGS, "false"))


def protocol(rule: RuleText) -> int | None:
    """C(Protocol) as a number, None for any (256, MS-FASP 2.2.37). Old keys have names too."""
    values = rule.all("Protocol")
    if not values:
        return None
    text = rule.get("Protocol").strip().lower()
    if text in {"any", "256"}:
        return None
    if text in PROTOCOLS:
        return PROTOCOLS[text]
    if not _DIGITS.match(text) or int(text) > 255:
        raise GrammarError(f"Protocol={shown(text)} is not a number up to 255")
    return int(text)


def profiles(rule: RuleText) -> tuple[str, ...]:
    """The profiles of a rule, all of them when none is named."""
    named = {part.lower() for part in _parts(rule.all("Profile"))}
    if not named <= set(PROFILES):
        raise GrammarError(f"Profile={shown(min(named - set(PROFILES)))} is not one of {', '.join(PROFILES)}")
    return tuple(sorted(named)) or PROFILES


def _parts(values: t.Iterable[str]) -> t.Iterator[str]:
    """Values one by one: a repeated token is the rule, a list with commas what old keys have instead (C(RestrictedServices))."""
    for value in values:
        for part in value.split(","):
            yield part.strip()


def is_port_token(name: str, prefix: str) -> bool:
    """Whether a token is C(LPort), C(LPort2_10), C(LPort2_20)... for the prefix C(LPort)."""
    return name.lower().startswith(prefix.lower()) and bool(_VERSIONED.match(name[len(prefix):]))


def ports(rule: RuleText, prefix: str) -> Ports:
    """The ports of one side from all its tokens; any port when there is none."""
    values = [value for name, value in rule.tokens if is_port_token(name, prefix)]
    if not values:
        return ANY_PORT
    numbers: list[tuple[int, int]] = []
    keywords: set[str] = set()
    for part in _parts(values):
        if part.lower() in _PORT_WORDS:
            keywords.add(_PORT_WORDS[part.lower()])
        else:
            numbers.append(_ports(prefix, part))
    return Ports(False, _networks.merge(numbers), frozenset(keywords))


def _ports(prefix: str, text: str) -> tuple[int, int]:
    found = _PORT.match(text)
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not low <= high <= 65535:
        raise GrammarError(f"{prefix}={shown(text)} is not a port, a range of ports or a known keyword")
    return low, high


def scope(rule: RuleText, v4: str, v6: str) -> tuple[Scope, Tokens]:
    """The addresses of one side, and the keywords that were named for one family only, which no C(Scope) can say.

    v4, v6: the names of the tokens without the C(2) that newer keywords have, as C(RA4) and C(RA6).
    """
    families = {4: rule.all(v4) + rule.all(v4 + "2"), 6: rule.all(v6) + rule.all(v6 + "2")}
    if not any(families.values()):
        return ANY_ADDRESS, ()
    found = {family: [_address(family, part) for part in _parts(values)] for family, values in families.items()}
    words = {family: {each for each in items if isinstance(each, str)} for family, items in found.items()}
    numbers = {family: _networks.merge(each for each in items if not isinstance(each, str)) for family, items in found.items()}
    lonely = {(v4, each) for each in words[4] - words[6]} | {(v6, each) for each in words[6] - words[4]}
    return Scope(False, numbers[4], numbers[6], frozenset(words[4] | words[6])), tuple(sorted(lonely))


@lru_cache(maxsize=65536)
def _address(family: int, text: str) -> tuple[int, int] | str:
    if text.lower() in _ADDRESS_WORDS:
        return _ADDRESS_WORDS[text.lower()]
    try:
        return _interval(family, text)
    except ValueError:
        raise GrammarError(f"{shown(text)} is not an IPv{family} address, network or range, and not a known keyword") from None


def _interval(family: int, text: str) -> tuple[int, int]:
    make: t.Any = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    first, slash, mask = text.partition("/")
    if slash:
        size = _mask_size(family, mask)
        low = int(make(first)) & ~(size - 1)
        return low, low + size - 1
    first, dash, last = text.partition("-")
    low, high = int(make(first)), int(make(last if dash else first))
    # A zone is known to the host alone.
    if low > high or "%" in text:
        raise ValueError(text)
    return low, high


def _mask_size(family: int, mask: str) -> int:
    """How many addresses a mask leaves: C(ipaddress) would also read 0.0.0.255, turned round."""
    width = _networks.WIDTH[family]
    if _DIGITS.match(mask):
        if int(mask) > width:
            raise ValueError(mask)
        return int(1 << (width - int(mask)))
    if family == 6:
        raise ValueError(mask)
    size = (1 << 32) - int(ipaddress.IPv4Address(mask))
    if size & (size - 1):
        raise ValueError(mask)
    return size


def rest(rule: RuleText, known: t.Callable[[str], bool], flags: t.AbstractSet[str]) -> Tokens:
    """The tokens that nothing here computes, sorted: those without a value say nothing, nor does a flag that is C(FALSE)."""
    left = ((name, value) for name, value in rule.tokens if value and not known(name.lower()))
    return tuple(sorted({(name, value) for name, value in left if not (name.lower() in flags and value.lower() == "false")}))


def port_tokens(prefix: str, side: Ports) -> Tokens:
    """Ports as tokens; WindowsError when no port at all is meant, which cannot be said."""
    if side.everything:
        return ()
    if not side.numbers and not side.keywords:
        raise WindowsError(f"{prefix}: a rule for no port at all cannot be written")
    words = [(prefix + PORT_KEYWORDS[each], each) for each in sorted(side.keywords)]
    singles = [(prefix, str(low)) for low, high in side.numbers if low == high]
    return (*words, *singles, *((f"{prefix}2_10", f"{low}-{high}") for low, high in side.numbers if low != high))


def scope_tokens(v4: str, v6: str, side: Scope, lonely: Tokens = ()) -> Tokens:
    """Addresses as tokens, as the service writes them: IPv4 networks with a dotted mask. lonely: keywords of one family, as C(scope) gives them."""
    if side.everything:
        return ()
    if not (side.v4 or side.v6 or side.keywords):
        raise WindowsError(f"{v4}: a rule for no address at all cannot be written")
    found: list[tuple[str, str]] = []
    alone = {each: name for name, each in lonely if name in {v4, v6}}
    for name, family, numbers in ((v4, 4, side.v4), (v6, 6, side.v6)):
        found += [(name, _text(family, low, high)) for low, high in numbers]
        found += [(name + ADDRESS_KEYWORDS[each], each) for each in sorted(side.keywords) if alone.get(each, name) == name]
    return tuple(found)


def _text(family: int, low: int, high: int) -> str:
    make: t.Any = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    (text,) = _networks.texts(family, ((low, high),))
    if text.endswith("/0"):
        return f"{make(low)}-{make(high)}"
    return str(ipaddress.IPv4Network(text).with_netmask) if family == 4 and "/" in text else text


def profile_tokens(names: tuple[str, ...]) -> Tokens:
    """Profiles as tokens; none for all of them."""
    return () if set(names) == set(PROFILES) else tuple(("Profile", name.capitalize()) for name in names)


__all__ = (
    "ADDRESS_KEYWORDS",
    "PORT_KEYWORDS",
    "PROTOCOLS",
    "Tokens",
    "flag",
    "is_port_token",
    "port_tokens",
    "ports",
    "profile_tokens",
    "profiles",
    "protocol",
    "rest",
    "scope",
    "scope_tokens",
    "word",
)
