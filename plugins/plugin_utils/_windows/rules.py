# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Firewall rules between the registry's text and C(Match), in both directions (MS-GPFAS 2.2.2.19, MS-FASP 2.2.37).

https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-gpfas/2efe0b76-7b4a-41ff-9050-1023f8196d16
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import conditions
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.conditions import Tokens
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import GrammarError, RuleText, shown
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import FirewallRule, Match, WindowsError

_ACTIONS: t.Final = {"allow": "Allow", "block": "Block", "bypass": "ByPass"}
_DIRECTIONS: t.Final = {"in": "In", "out": "Out"}
_DEFERS: t.Final = {"": "", "app": "deferapp", "user": "deferuser"}
_INTERFACE_TYPES: t.Final = {"lan": "Lan", "wireless": "Wireless", "remoteaccess": "RemoteAccess"}
_INTERFACE = re.compile(r"\{[0-9a-f-]{36}\}\Z")
_ICMP = re.compile(r"([0-9]{1,3}):([0-9]{1,3}|\*)\Z")
_ICMP_TOKENS: t.Final = {1: "ICMP4", 58: "ICMP6"}
_SECURITY: t.Final = {
    "none": (), "authenticate": (("Security", "Authenticate"),), "authenc": (("Security", "AuthenticateEncrypt"),),
    "authnoencap": (("Security", "Authenticate"), ("Security2_9", "An-NoEncap")),
    "authdynenc": (("Security", "AuthenticateEncrypt"), ("Security2", "AnE-Nego")),
}
_SECURITY_TOKENS = ("Security", "Security2_9", "Security2")
_SECURITY_WORDS: t.Final[dict[tuple[str, ...], str]] = {
    ("", "", ""): "none", ("authenticate", "", ""): "authenticate", ("authenticateencrypt", "", ""): "authenc",
    ("authenticate", "an-noencap", ""): "authnoencap", ("", "an-noencap", ""): "authnoencap",
    ("authenticateencrypt", "", "ane-nego"): "authdynenc", ("", "", "ane-nego"): "authdynenc",
}
_EDGE: t.Final = {
    "no": (), "yes": (("Edge", "TRUE"),), "deferapp": (("Edge", "TRUE"), ("Defer", "App")), "deferuser": (("Edge", "TRUE"), ("Defer", "User")),
}
_FLAGS = frozenset(("lsm", "lom", "pcross", "authbypassout"))
_KNOWN = frozenset((
    "action", "active", "dir", "protocol", "profile", "la4", "la6", "la42", "la62", "ra4", "ra6", "ra42", "ra62", "app", "svc", "name", "desc", "embedctxt",
    "edge", "defer", "if", "iftype", "security", "security2_9", "security2", "icmp4", "icmp6",
))
_SCOPES = ("LA4", "LA6", "RA4", "RA6")
_NEWER: t.Final = {"defer": (2, 10), "security2_9": (2, 9), "security2": (2, 10), "ra42": (2, 20), "ra62": (2, 20)}
_SUFFIX = re.compile(r"[LR]Port([0-9])_([0-9]{1,2})\Z")
_SCHEMA = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\Z")
_UNWRITABLE = re.compile(r"[|\x00-\x1f\x7f-\x9f]")
_NAME_LENGTH = 9999


def firewall_rule(rule_id: str, text: str, store: str = "local") -> FirewallRule:
    """Read a value of C(FirewallRules); GrammarError for what cannot be understood, so that nothing is judged by half of a rule."""
    rule = RuleText.parse(text)
    return FirewallRule(
        rule_id, store, rule.get("Name"), conditions.flag(rule, "Active"), _match(rule), rule.get("EmbedCtxt"), rule.get("Desc"), text,
    )


def _match(rule: RuleText) -> Match:
    protocol = conditions.protocol(rule)
    local, local_lonely = conditions.scope(rule, "LA4", "LA6")
    remote, remote_lonely = conditions.scope(rule, "RA4", "RA6")
    other = {*conditions.rest(rule, _known, _FLAGS), *local_lonely, *remote_lonely, *_stray_icmp(rule, protocol)}
    return Match(
        str(conditions.word(rule, "Dir", _DIRECTIONS)).lower(), str(conditions.word(rule, "Action", _ACTIONS)).lower(), protocol,
        conditions.ports(rule, "LPort"), conditions.ports(rule, "RPort"), local, remote, conditions.profiles(rule), _icmp(rule, protocol),
        rule.get("App").lower(), rule.get("Svc").lower(), _interfaces(rule), _security(rule), _edge(rule), tuple(sorted(other)),
    )


def _known(name: str) -> bool:
    return name in _KNOWN or conditions.is_port_token(name, "lport") or conditions.is_port_token(name, "rport")


def _icmp(rule: RuleText, protocol: int | None) -> tuple[str, ...]:
    if protocol not in _ICMP_TOKENS:
        return ()
    name = _ICMP_TOKENS[protocol]
    return tuple(sorted({_icmp_text(name, part.strip()) for value in rule.all(name) for part in value.split(",")}))


def _icmp_text(name: str, text: str) -> str:
    found = _ICMP.match(text)
    if not found or int(found[1]) > 255 or (found[2] != "*" and int(found[2]) > 255):
        raise GrammarError(f"{name}={shown(text)} is not type:code or type:*")
    return f"{int(found[1])}:{found[2] if found[2] == '*' else int(found[2])}"


def _stray_icmp(rule: RuleText, protocol: int | None) -> t.Iterator[tuple[str, str]]:
    """Types of a protocol that the rule is not for: kept, for nobody says what they do."""
    for number, name in _ICMP_TOKENS.items():
        if number != protocol:
            yield from ((name, value) for value in rule.all(name))


def _interfaces(rule: RuleText) -> tuple[str, ...]:
    found = {value.lower() for value in rule.all("IF")}
    for each in found:
        if not _INTERFACE.match(each):
            raise GrammarError(f"IF={shown(each)} is not the id of an interface")
    for value in rule.all("IFType"):
        if value.lower() not in _INTERFACE_TYPES:
            raise GrammarError(f"IFType={shown(value)} is not one of {', '.join(_INTERFACE_TYPES.values())}")
        found.add(_INTERFACE_TYPES[value.lower()])
    return tuple(sorted(found))


def _security(rule: RuleText) -> str:
    """Newer releases add a second token to the one that older ones read; alone, it means the same."""
    said = tuple(rule.get(name).lower() for name in _SECURITY_TOKENS)
    if said not in _SECURITY_WORDS:
        raise GrammarError(f"{'|'.join(map('='.join, zip(_SECURITY_TOKENS, said, strict=True)))} is no known kind of protection")
    return _SECURITY_WORDS[said]


def _edge(rule: RuleText) -> str:
    """One public dump has C(Defer) without C(Edge)."""
    edge = conditions.flag(rule, "Edge")
    return str(conditions.word(rule, "Defer", _DEFERS, "")) or ("yes" if edge else "no")


def to_text(match: Match, *, name: str, schema: str, description: str = "", active: bool = True) -> str:
    """The text that netsh would store; C(firewall_rule) reads an equal match from it. WindowsError for what that schema or no schema can say."""
    tokens = (
        ("Action", _ACTIONS[match.action]), ("Active", str(active).upper()), ("Dir", _DIRECTIONS[match.direction]), *_selectors(match),
        *_narrowing(match), ("Name", _checked_name(name)), *((("Desc", description),) if description else ()),
        *_SECURITY[match.security], *_EDGE[match.edge], *(token for token in match.other if token[0] not in _SCOPES),
    )
    _check_schema(tokens, schema, name)
    for token, value in tokens:
        if _UNWRITABLE.search(token + value):
            raise WindowsError(f"rule {shown(name)}: {token}={shown(value)} holds | or a control character, which no rule can hold")
    return str(RuleText(f"v{schema}", tokens))


def _selectors(match: Match) -> Tokens:
    if match.protocol not in {6, 17} and not (match.local_ports.everything and match.remote_ports.everything):
        raise WindowsError(f"ports need the protocol TCP or UDP, not {'any' if match.protocol is None else match.protocol}")
    if match.icmp and match.protocol not in _ICMP_TOKENS:
        raise WindowsError("ICMP types need the protocol ICMPv4 or ICMPv6")
    protocol = () if match.protocol is None else (("Protocol", str(match.protocol)),)
    icmp = tuple((_ICMP_TOKENS[match.protocol or 0], each) for each in match.icmp)
    lonely = tuple(token for token in match.other if token[0] in _SCOPES)
    return (
        *protocol, *conditions.profile_tokens(match.profiles), *conditions.port_tokens("LPort", match.local_ports),
        *conditions.port_tokens("RPort", match.remote_ports), *icmp, *conditions.scope_tokens("LA4", "LA6", match.local, lonely),
        *conditions.scope_tokens("RA4", "RA6", match.remote, lonely),
    )


def _narrowing(match: Match) -> Tokens:
    program = (("App", match.program),) if match.program else ()
    service = (("Svc", match.service),) if match.service else ()
    interfaces = tuple(("IF" if each.startswith("{") else "IFType", each) for each in match.interfaces)
    return (*program, *service, *interfaces)


def _checked_name(name: str) -> str:
    """MS-FASP 2.2.37: a name has 1 to 9 999 characters and is not C(all), which netsh takes for every rule there is."""
    if not 1 <= len(name) <= _NAME_LENGTH or name.lower() == "all":
        raise WindowsError(f"{shown(name)} cannot be the name of a rule: it needs 1 to {_NAME_LENGTH} characters and must not be 'all'")
    return name


def _check_schema(tokens: Tokens, schema: str, name: str) -> None:
    found = _SCHEMA.match(schema)
    if not found:
        raise WindowsError(f"{shown(schema)} is not the version of a rule schema like 2.10")
    limit = int(found[1]), int(found[2])
    for token, value in tokens:
        suffix = _SUFFIX.match(token)
        needed = (int(suffix[1]), int(suffix[2])) if suffix else _NEWER.get(token.lower(), (2, 0))
        if needed > limit:
            raise WindowsError(f"rule {shown(name)}: {token}={shown(value)} needs version {needed[0]}.{needed[1]} of rules, and the host has {schema}")


__all__ = ("firewall_rule", "to_text")
