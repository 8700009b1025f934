# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netsh advfirewall firewall): rules of the firewall.

https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-advfirewall and, for what the service refuses,
https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-fasp/8c008258-166d-46d4-9090-f2ffaa01be4b
"""

from __future__ import annotations

import typing as t

from windows_double import rulestring
from windows_double.netsh_words import (
    LIMIT,
    SZ,
    RefusedError,
    Session,
    ViolationError,
    addresses,
    choice,
    entries_of,
    new_id,
    number,
    one_family,
    port_range,
    profiles,
    protocol,
    tags,
)
from windows_double.rulestring import RuleText, Token

Tokens = tuple[Token, ...]

_SELECTORS = ("name", "dir", "profile", "program", "service", "localip", "remoteip", "localport", "remoteport", "protocol")
_SETTINGS = (*_SELECTORS, "action", "description", "enable", "interfacetype", "rmtcomputergrp", "rmtusrgrp", "edge", "security")
_SHOW = ("name", "profile", "type")

_OWNED: dict[str, tuple[str, ...]] = {
    "name": ("Name",),
    "dir": ("Dir",),
    "action": ("Action",),
    "description": ("Desc",),
    "enable": ("Active",),
    "profile": ("Profile",),
    "program": ("App",),
    "service": ("Svc",),
    "protocol": ("Protocol", "ICMP4", "ICMP6"),
    "localport": ("LPort", "LPort2_10", "LPort2_20", "LPort2_24", "LPort2_29"),
    "remoteport": ("RPort", "RPort2_10", "RPort2_28"),
    "localip": ("LA4", "LA6"),
    "remoteip": ("RA4", "RA6", "RA42", "RA62"),
    "interfacetype": ("IFType",),
    "edge": ("Edge", "Defer"),
    "security": ("Security", "Security2_9", "Security2"),
}
"""Which tokens an argument governs."""

_SECURITY: dict[str, Tokens] = {
    "notrequired": (),
    "authenticate": (("Security", "Authenticate"),),
    "authenc": (("Security", "AuthenticateEncrypt"),),
    "authnoencap": (("Security", "Authenticate"), ("Security2_9", "An-NoEncap")),
    "authdynenc": (("Security", "AuthenticateEncrypt"), ("Security2", "AnE-Nego")),
}
_EDGE: dict[str, Tokens] = {
    "no": (),
    "yes": (("Edge", "TRUE"),),
    "deferapp": (("Edge", "TRUE"), ("Defer", "App")),
    "deferuser": (("Edge", "TRUE"), ("Defer", "User")),
}
_INTERFACES = {"wireless": "Wireless", "lan": "Lan", "ras": "RemoteAccess", "any": ""}
_NAME_LIMIT = 9999
_PATH_LIMIT = 259
_PATH_FORBIDDEN = set('/*?"<>|')


def _name(_session: Session, value: str) -> Tokens:
    if value.lower() == "all":
        raise RefusedError("all_name")
    if value.startswith("@"):
        raise ViolationError(f"name={value}: an indirect string is nobody's own name")
    return (("Name", _line(value)),)


def _line(value: str) -> str:
    if "|" in value or len(value) > _NAME_LIMIT:
        raise RefusedError("value")
    return value


def _path(value: str) -> str:
    if len(value) > _PATH_LIMIT or _PATH_FORBIDDEN & set(value):
        raise RefusedError("value")
    return value


def _service(_session: Session, value: str) -> Tokens:
    return (("Svc", "*" if value.lower() == "any" else _path(value)),)


def _protocol(_session: Session, value: str) -> Tokens:
    word, colon, rest = value.lower().partition(":")
    if not colon:
        plain = protocol(value)
        return () if plain is None else (("Protocol", str(plain)),)
    if word not in {"icmpv4", "icmpv6"}:
        raise RefusedError("value")
    kind, _comma, code = rest.partition(",")
    which = ("Protocol", str(protocol(word)))
    if kind == "any":
        if code != "any":
            raise RefusedError("value")
        return (which,)
    number(kind, 0, 255)
    return (which, ("ICMP4" if word == "icmpv4" else "ICMP6", f"{kind}:{'*' if code == 'any' else number(code, 0, 255)}"))


_PORT_KEYWORDS = {"rpc": (("LPort", "RPC"),), "rpc-epmap": (("LPort", "RPC-EPMap"),), "iphttps": (("LPort2_10", "IPTLSIn"), ("LPort2_10", "IPHTTPSIn"))}


def _ports(session: Session, value: str, plain: str, keywords: t.Mapping[str, Tokens]) -> Tokens:
    parts = entries_of(value)
    if [part.lower() for part in parts] == ["any"]:
        return ()
    words = [part.lower() for part in parts if part.lower() in keywords]
    if words and len(parts) > 1 and session.since("2008r2"):
        raise ViolationError(f"{value[:80]}: a keyword in a list of ports is documented for Windows Server 2008 only")
    if "iphttps" in words and not session.since("2008r2"):
        raise RefusedError("value")
    ranges = [port_range(part) for part in parts if part.lower() not in keywords]
    if len(ranges) > LIMIT or (not session.since("2008r2") and any("-" in part for part in parts if part.lower() not in keywords)):
        raise RefusedError("value")
    return (
        *(token for word in words for token in keywords[word]),
        *((plain, str(low)) for low, high in ranges if low == high),
        *((plain + "2_10", f"{low}-{high}") for low, high in ranges if low != high),
    )


def _addresses(value: str, side: str, keywords: bool) -> Tokens:
    found, words = addresses(value, keywords)
    return rulestring.address_tokens(side + "4", side + "6", found, words)


def _security(session: Session, value: str) -> Tokens:
    word = choice(value, _SECURITY.keys())
    if word in {"authnoencap", "authdynenc"} and not session.since("2008r2"):
        raise RefusedError("value")
    return _SECURITY[word]


def _edge(session: Session, value: str) -> Tokens:
    word = choice(value, _EDGE.keys())
    if word.startswith("defer") and not session.since("2008r2"):
        raise RefusedError("value")
    return _EDGE[word]


def _interface(_session: Session, value: str) -> Tokens:
    word = choice(value, _INTERFACES)
    return (("IFType", word),) if word else ()


def _groups(_session: Session, value: str) -> Tokens:
    raise ViolationError(f"{value}: groups of computers and users are called differently from release to release")


def _action(_session: Session, value: str) -> Tokens:
    if value.lower() == "bypass":
        raise ViolationError("action=bypass needs a group of computers, which is never sent")
    return (("Action", choice(value, {"allow": "Allow", "block": "Block"})),)


_READERS: dict[str, t.Callable[[Session, str], Tokens]] = {
    "name": _name,
    "dir": lambda _session, value: (("Dir", choice(value, {"in": "In", "out": "Out"})),),
    "action": _action,
    "description": lambda _session, value: (("Desc", _line(value)),),
    "enable": lambda _session, value: (("Active", choice(value, {"yes": "TRUE", "no": "FALSE"})),),
    "profile": lambda _session, value: tuple(("Profile", word) for word in profiles(value)),
    "program": lambda _session, value: (("App", _path(value)),),
    "service": _service,
    "protocol": _protocol,
    "localport": lambda session, value: _ports(session, value, "LPort", _PORT_KEYWORDS),
    "remoteport": lambda session, value: _ports(session, value, "RPort", {}),
    "localip": lambda _session, value: _addresses(value, "LA", keywords=False),
    "remoteip": lambda _session, value: _addresses(value, "RA", keywords=True),
    "interfacetype": _interface,
    "rmtcomputergrp": _groups,
    "rmtusrgrp": _groups,
    "edge": _edge,
    "security": _security,
}


def check(rule: RuleText) -> None:
    """RefusedError where the parts of a rule contradict each other (MS-FASP 2.2.37)."""
    inbound = rule.get("Dir") == "In"
    if rule.all(*_OWNED["localport"], *_OWNED["remoteport"]) and rule.get("Protocol") not in {"6", "17"}:
        raise RefusedError("ports_protocol")
    keywords = [port for port in rule.all("LPort", "LPort2_10") if not port[0].isdigit()]
    if keywords and not (inbound and rule.get("Protocol") == "6"):
        raise RefusedError("value")
    if rule.get("Edge", "FALSE") == "TRUE" and not inbound:
        raise RefusedError("value")
    if rule.get("Security2") == "AnE-Nego" and not inbound:
        raise RefusedError("value")
    if rule.get("Security") and rule.get("Action") == "Block":
        raise ViolationError("a block rule with security=: undocumented")
    one_family(rule.tokens, "LA", "RA")


def _add(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, _SETTINGS)
    if not {"name", "dir", "action"} <= given.keys():
        raise RefusedError("arguments")
    tokens = [token for name, value in {"enable": "yes", **given}.items() for token in _READERS[name](session, value)]
    if not session.since("2008r2") and given["dir"].lower() == "in" and given.get("edge", "no").lower() == "no":
        tokens.append(("Edge", "FALSE"))  # written out by 6.0 only, as public dumps show
    text = rulestring.write(session.release, tokens)
    check(rulestring.read(text))
    session.registry.set(session.key("FirewallRules"), new_id(), SZ, text)
    session.say("ok")


def _rules(session: Session) -> dict[str, RuleText]:
    """Every firewall rule of the session's store by its id, unreadable ones left out as the service leaves them out."""
    found = {}
    for name, (_kind, data) in session.registry.values(session.key("FirewallRules")).items():
        try:
            found[name] = rulestring.read(str(data))
        except rulestring.RuleTextError:
            continue
    return found


def same_name(session: Session, stored: str, wanted: str) -> bool:
    """Whether netsh finds a rule by this name: as it is stored or as it is shown."""
    return wanted.lower() in {stored.lower(), session.display(stored).lower()}


def _canonical(name: str, tokens: t.Iterable[Token]) -> frozenset[tuple[str, str]]:
    """The tokens that one argument governs, so that equal meanings are equal: subnets and hosts by their numbers, all profiles as none."""
    owned = {token.lower() for token in _OWNED[name]}
    found = {(token.lower(), value.lower()) for token, value in tokens if token.lower() in owned}
    if name in {"localip", "remoteip"}:
        return frozenset((token, _address_key(value)) for token, value in found)
    if name == "profile" and len(found) == 3:
        return frozenset()
    return frozenset(found)


def _address_key(value: str) -> str:
    if value in rulestring.ADDRESS_KEYWORDS:
        return value
    try:
        entry = rulestring.address_entry(value)
    except ValueError:
        return value
    return f"{entry.shape} {int(entry.first)} {int(entry.last)}"


def _selected(session: Session, given: t.Mapping[str, str]) -> list[tuple[str, RuleText]]:
    """The rules that all given selectors fit."""
    for name, value in given.items():
        if name not in {"name", "dir", "service"} and value.lower() == "any":
            raise ViolationError(f"{name}=any as a selector: whether it means every rule or only unrestricted ones is undocumented")
    wanted = {name: _canonical(name, _READERS[name](session, value)) for name, value in given.items() if name != "name"}
    return [
        (identifier, rule)
        for identifier, rule in _rules(session).items()
        if (given["name"].lower() == "all" or same_name(session, rule.get("Name"), given["name"]))
        and all(_canonical(name, rule.tokens) == tokens for name, tokens in wanted.items())
    ]


def _delete(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, _SELECTORS)
    if "name" not in given:
        raise RefusedError("arguments")
    if given["name"].lower() == "all":
        raise ViolationError("delete rule name=all takes everybody's rules away")
    found = _selected(session, given)
    if not found:
        raise RefusedError("no_rules")
    for identifier, _rule in found:
        session.registry.delete_value(session.key("FirewallRules"), identifier)
    session.say("deleted", len(found))
    session.say("ok")


def _split_new(words: t.Sequence[str]) -> tuple[t.Sequence[str], t.Sequence[str]]:
    for place, word in enumerate(words):
        if word.lower() == "new":
            return words[:place], words[place + 1 :]
    raise ViolationError("set rule without new does nothing")


def _set(session: Session, words: t.Sequence[str]) -> None:
    before, after = _split_new(words)
    given = tags(before, (*_SELECTORS, "group"))
    new = tags(after, _SETTINGS)
    if not new or ("name" in given) == ("group" in given):
        raise RefusedError("arguments")
    if "group" in given:
        found = _group(session, given, new)
    else:
        if given["name"].lower() == "all":
            raise ViolationError("set rule name=all changes everybody's rules")
        found = _selected(session, given)
    if not found:
        raise RefusedError("no_rules")
    changed = [(identifier, _changed(session, rule, new)) for identifier, rule in found]
    for identifier, rule in changed:
        session.registry.set(session.key("FirewallRules"), identifier, SZ, str(rule))
    session.say("updated", len(changed))
    session.say("ok")


def _group(session: Session, given: t.Mapping[str, str], new: t.Mapping[str, str]) -> list[tuple[str, RuleText]]:
    if len(given) > 1:
        raise RefusedError("group_only")
    if new.keys() != {"enable"}:
        raise RefusedError("syntax")
    found = _rules(session).items()
    return [(identifier, rule) for identifier, rule in found if rule.get("EmbedCtxt") and same_name(session, rule.get("EmbedCtxt"), given["group"])]


def _changed(session: Session, rule: RuleText, new: t.Mapping[str, str]) -> RuleText:
    """A rule with new settings; a mere switch leaves every other character alone."""
    if new.keys() == {"enable"}:
        ((_name, active),) = _READERS["enable"](session, new["enable"])
        return rulestring.read(rulestring.with_active(str(rule), active == "TRUE"))
    for name, value in new.items():
        rule = rule.replaced(_OWNED.get(name, ()), _READERS[name](session, value))
    check(rule)
    return rule


def _show(session: Session, words: t.Sequence[str]) -> None:
    verbose = bool(words) and words[-1].lower() == "verbose"
    given = tags(words[:-1] if verbose else words, _SHOW)
    if "name" not in given:
        raise RefusedError("arguments")
    given.pop("type", None)
    found = _selected(session, given)
    if not found:
        raise ViolationError("show rule without a match: reports of its exit code differ, so it may not be asked for presence")
    for _identifier, rule in found:
        _show_rule(session, rule)
    session.say("ok")


def _show_rule(session: Session, rule: RuleText) -> None:
    lines = (
        ("rule_name", session.display(rule.get("Name"))),
        ("enabled", session.text("yes" if rule.get("Active") == "TRUE" else "no")),
        ("direction", session.text(rule.get("Dir").lower())),
    )
    session.out.append("".join(f"{session.text(key):<38}{value}\r\n" for key, value in lines) + "\r\n")


_VERBS = {"add": _add, "delete": _delete, "set": _set, "show": _show}


def run(session: Session, words: t.Sequence[str]) -> None:
    """One command after C(advfirewall firewall)."""
    if len(words) < 2 or words[0].lower() not in _VERBS or words[1].lower() != "rule":
        raise RefusedError("command", " ".join(words[:2]))
    if words[0].lower() == "show":
        session.need_rights()
    else:
        session.begin_change()
    _VERBS[words[0].lower()](session, words[2:])


__all__ = ("check", "run", "same_name")
