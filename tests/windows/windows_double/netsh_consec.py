# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netsh advfirewall consec): connection security rules.

Words: https://support.microsoft.com/help/949856 (6.0) and
https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-server-2008-r2-and-2008/dd736198(v=ws.10) (6.1). What the service refuses: MS-FASP
2.2.55 and, for ranges of ports in rules that secure, 2.2.24.
"""

from __future__ import annotations

import typing as t

from windows_double import fresh, netsh_sets, rulestring
from windows_double.netsh_mainmode import common_tokens, named, remove, switch
from windows_double.netsh_words import LIMIT, SZ, RefusedError, Session, ViolationError, choice, entries_of, new_id, port_range, protocol, tags
from windows_double.rulestring import RuleText, Token

_RULES = "ConSecRules"
_NEEDED = ("name", "endpoint1", "endpoint2", "action")
_CRYPTO = ("qmsecmethods", "qmpfs")
_TUNNEL = ("localtunnelendpoint", "remotetunnelendpoint")
_SINCE_2008R2 = ("exemptipsecprotectedconnections", "applyauthz")
_ADD = (
    *(*_NEEDED, "description", "mode", "enable", "profile", "type", "port1", "port2", "protocol", "interfacetype"),
    *(*_TUNNEL, *_CRYPTO, *netsh_sets.AUTH1_TAGS, *netsh_sets.AUTH2_TAGS),
)
_SELECTORS = ("name", "profile", "endpoint1", "endpoint2", "port1", "port2", "protocol")

_ACTIONS = {"requireinrequireout": "Secure", "requireinrequestout": "SecureServer", "requestinrequestout": "Boundary", "noauthentication": "DoNotSecure"}


def run(session: Session, words: t.Sequence[str]) -> None:
    """One command after C(advfirewall consec)."""
    if len(words) < 2 or words[1].lower() != "rule":
        raise RefusedError("command", " ".join(words[:2]))
    verb = words[0].lower()
    if verb not in _VERBS:
        raise ViolationError(f"consec {verb} rule is never sent")
    session.begin_change()
    _VERBS[verb](session, words[2:])


def _add(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, (*_ADD, *(_SINCE_2008R2 if session.since("2008r2") else ())))
    if not set(_NEEDED) <= given.keys():
        raise RefusedError("arguments")
    _refuse_unused(given)
    action = _action(session, given["action"])
    tokens = [("Action", action), *common_tokens(given), *_traffic(session, given, securing=action != "DoNotSecure")]
    tokens += _sets(session, given, action)
    session.registry.set(session.key(_RULES), new_id(), SZ, rulestring.write(session.release, tokens))
    session.say("ok")


def _refuse_unused(given: t.Mapping[str, str]) -> None:
    if given.get("mode", "transport").lower() not in {"transport", "tunnel"}:
        raise RefusedError("value")
    if given.get("mode", "transport").lower() == "tunnel" or {*_TUNNEL, *_SINCE_2008R2, "interfacetype"} & given.keys():
        raise ViolationError("tunnels, interface types and authorization are never asked for in connection security rules")


def _action(session: Session, value: str) -> str:
    if value.lower() == "requireinclearout" and session.since("2008r2"):
        raise RefusedError("value")  # tunnels only
    return choice(value, _ACTIONS)


def _traffic(session: Session, given: t.Mapping[str, str], securing: bool) -> list[Token]:
    which = protocol(given.get("protocol", "any"))
    tokens = [] if which is None else [("Protocol", str(which))]
    for number in "12":
        tokens += _ports(session, given.get(f"port{number}", "any"), f"EP{number}Port", securing=securing)
    if len(tokens) > 1 and which not in {6, 17}:
        raise RefusedError("ports_protocol")
    if which is None and len(tokens) > 0:
        raise RefusedError("ports_protocol")
    return tokens


def _ports(session: Session, value: str, token: str, *, securing: bool) -> list[Token]:
    parts = entries_of(value)
    if [part.lower() for part in parts] == ["any"]:
        return []
    if not session.since("2008r2") and (len(parts) > 1 or "-" in value):
        raise RefusedError("value")
    ranges = [port_range(part) for part in parts]
    if len(ranges) > LIMIT:
        raise RefusedError("value")
    if securing and any(low != high for low, high in ranges):
        raise RefusedError("range")
    return [(token, str(low)) if low == high else (f"{token}2_10", f"{low}-{high}") for low, high in sorted(ranges)]


def _sets(session: Session, given: t.Mapping[str, str], action: str) -> list[Token]:
    """Ids of the sets of a rule, its own ones written. An exemption has none (MS-FASP 2.2.55)."""
    netsh_sets.auth2(given)
    first = netsh_sets.auth1(session, given)
    if action == "DoNotSecure":
        if first is not None or set(_CRYPTO) & given.keys():
            raise RefusedError("value")
        return []
    crypto = _quick(session, given)
    auth = fresh.DEFAULT_AUTH1 if first is None else netsh_sets.write(session, netsh_sets.NewSet(netsh_sets.AUTH1, first))
    quick = fresh.DEFAULT_QUICK if crypto is None else netsh_sets.write(session, crypto)
    return [("Auth1Set", auth), ("Auth2Set", fresh.DEFAULT_AUTH2), ("Crypto2Set", quick)]


def _quick(session: Session, given: t.Mapping[str, str]) -> netsh_sets.NewSet | None:
    suites = netsh_sets.quick(session, given.get("qmsecmethods", "default"))
    if suites is None and "qmpfs" not in given:
        return None
    return netsh_sets.NewSet(netsh_sets.QUICK, suites or fresh.QUICK_SUITES, (netsh_sets.pfs(session, given.get("qmpfs", "none")),))


def _delete(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, _SELECTORS)
    if "name" not in given:
        raise RefusedError("arguments")
    remove(session, _RULES, named(session, _RULES, given["name"]) if len(given) == 1 else _selected(session, given))


def _selected(_session: Session, given: t.Mapping[str, str]) -> list[tuple[str, RuleText]]:
    raise ViolationError(f"connection security rules are only ever deleted by their name, not also by {', '.join(sorted(given.keys() - {'name'}))}")


_VERBS: dict[str, t.Callable[[Session, t.Sequence[str]], None]] = {
    "add": _add,
    "delete": _delete,
    "set": lambda session, words: switch(session, _RULES, words),
}

__all__ = ("run",)
