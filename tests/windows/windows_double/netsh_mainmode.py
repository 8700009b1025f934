# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netsh advfirewall mainmode) (6.1 and later) and C(set global mainmode): how two hosts agree on keys.

https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-advfirewall
"""

from __future__ import annotations

import typing as t

from windows_double import fresh, netsh_sets, rulestring
from windows_double.netsh_firewall import same_name
from windows_double.netsh_words import SZ, RefusedError, Session, ViolationError, addresses, choice, new_id, one_family, profiles, tags
from windows_double.rulestring import RuleText, Token

_RULES = "MainModeRules"
_ADD = ("name", "mmsecmethods", "mmforcedh", "mmkeylifetime", "description", "enable", "profile", "endpoint1", "endpoint2", "type")


def run(session: Session, words: t.Sequence[str]) -> None:
    """One command after C(advfirewall mainmode)."""
    if not session.since("2008r2") or len(words) < 2 or words[1].lower() != "rule":
        raise RefusedError("command", " ".join(words[:2]))
    verb = words[0].lower()
    if verb not in _VERBS:
        raise ViolationError(f"mainmode {verb} rule is never sent")
    session.begin_change()
    _VERBS[verb](session, words[2:])


def set_default(session: Session, words: t.Sequence[str]) -> None:
    """C(set global mainmode mmkeylifetime|mmsecmethods|mmforcedh VALUE): the set that every association uses that has no rule of its own."""
    if len(words) != 2:
        raise RefusedError("arguments")
    name, value = words[0].lower(), words[1]
    if name not in {"mmkeylifetime", "mmsecmethods", "mmforcedh"} or (name == "mmforcedh" and not session.since("2008r2")):
        raise RefusedError("command", " ".join(words))
    current = _current(session)
    values = _values(current.values, {name: value})
    suites = current.suites
    if name == "mmsecmethods":
        suites = netsh_sets.main(session, value) or fresh.MAIN_SUITES
    netsh_sets.write(session, netsh_sets.NewSet(netsh_sets.MAIN, suites, values), fresh.DEFAULT_MAIN)


def _current(session: Session) -> netsh_sets.NewSet:
    """The default set as it is, or as Windows assumes it."""
    key = f"{netsh_sets.folder(session, netsh_sets.MAIN)}\\{fresh.DEFAULT_MAIN}"
    stored = {name: str(data) for name, (_kind, data) in session.registry.values(key).items()}
    values = tuple((name, stored.get(name, default)) for name, default in fresh.MAIN_VALUES)
    suites = tuple({name: str(data) for name, (_kind, data) in session.registry.values(f"{key}\\{place}").items()} for place in session.registry.subkeys(key))
    return netsh_sets.NewSet(netsh_sets.MAIN, suites or fresh.MAIN_SUITES, values)


def _values(current: t.Iterable[Token], given: t.Mapping[str, str]) -> tuple[Token, ...]:
    values = dict(current)
    if "mmforcedh" in given:
        values["DoNotSkipDH"] = choice(given["mmforcedh"], {"yes": "TRUE", "no": "FALSE"})
    if "mmkeylifetime" in given:
        minutes, sessions = netsh_sets.main_life(given["mmkeylifetime"])
        values.update(TimeOutMinutes=str(minutes), TimeOutSessions=str(sessions))
    return tuple(values.items())


def endpoint(number: str, value: str) -> tuple[Token, ...]:
    """Tokens of one end; multicast addresses are refused (MS-FASP 2.2.55)."""
    found, words = addresses(value, keywords=True)
    for entry in found:
        if entry.first.is_multicast or entry.last.is_multicast:
            raise RefusedError("value")
    return rulestring.address_tokens(f"EP{number}_4", f"EP{number}_6", found, words)


def common_tokens(given: t.Mapping[str, str]) -> list[Token]:
    """Tokens that connection security rules and main mode rules share."""
    name = given["name"]
    if name.lower() == "all":
        raise RefusedError("all_name")
    if "|" in name + given.get("description", "") or name.startswith("@"):
        raise RefusedError("value")
    if "type" in given and choice(given["type"], ("dynamic", "static")) == "dynamic":
        raise ViolationError("type=dynamic: such a rule is gone after a restart and stands in no registry")
    tokens = [("Name", name), ("Desc", given.get("description", ""))]
    tokens.append(("Active", choice(given.get("enable", "yes"), {"yes": "TRUE", "no": "FALSE"})))
    tokens.extend(("Profile", word) for word in profiles(given.get("profile", "any")))
    for number in "12":
        tokens.extend(endpoint(number, given.get(f"endpoint{number}", "any")))
    one_family(tokens, "EP1_", "EP2_")
    return tokens


def _add(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, (*_ADD, *netsh_sets.AUTH1_TAGS))
    if not {"name", "mmsecmethods"} <= given.keys():
        raise RefusedError("arguments")
    tokens = common_tokens(given)
    suites = netsh_sets.main(session, given["mmsecmethods"]) or fresh.MAIN_SUITES
    crypto = netsh_sets.NewSet(netsh_sets.MAIN, suites, _values(fresh.MAIN_VALUES, given))
    first = netsh_sets.auth1(session, given)
    auth = fresh.DEFAULT_AUTH1 if first is None else netsh_sets.write(session, netsh_sets.NewSet(netsh_sets.AUTH1, first))
    tokens += [("Auth1Set", auth), ("Crypto1Set", netsh_sets.write(session, crypto))]
    session.registry.set(session.key(_RULES), new_id(), SZ, rulestring.write(session.release, tokens))
    session.say("ok")


def named(session: Session, where: str, name: str) -> list[tuple[str, RuleText]]:
    """The security rules of one kind that bear a name."""
    if name.lower() == "all":
        raise ViolationError("name=all takes or changes everybody's rules")
    found = [(identifier, rulestring.read(str(data))) for identifier, (_kind, data) in session.registry.values(session.key(where)).items()]
    return [(identifier, rule) for identifier, rule in found if same_name(session, rule.get("Name"), name)]


def remove(session: Session, where: str, found: t.Sequence[tuple[str, RuleText]]) -> None:
    """Delete rules with the sets that are theirs alone."""
    if not found:
        raise RefusedError("no_rules")
    for identifier, rule in found:
        session.registry.delete_value(session.key(where), identifier)
        netsh_sets.drop(session, where, rule.get)
    netsh_sets.tidy(session, session.key(where))
    session.say("deleted", len(found))
    session.say("ok")


def _delete(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, ("name",))
    if "name" not in given:
        raise RefusedError("arguments")
    remove(session, _RULES, named(session, _RULES, given["name"]))


def switch(session: Session, where: str, words: t.Sequence[str]) -> None:
    """C(set rule name=... new enable=yes|no), the one change that is ever asked for."""
    if len(words) != 3 or words[1].lower() != "new":
        raise ViolationError("set rule other than name=... new enable=...: rules are made anew instead")
    given, new = tags(words[:1], ("name",)), tags(words[2:], ("enable",))
    active = choice(new["enable"], {"yes": "TRUE", "no": "FALSE"})
    found = named(session, where, given["name"])
    if not found:
        raise RefusedError("no_rules")
    for identifier, rule in found:
        session.registry.set(session.key(where), identifier, SZ, rulestring.with_active(str(rule), active == "TRUE"))
    session.say("updated", len(found))
    session.say("ok")


_VERBS: dict[str, t.Callable[[Session, t.Sequence[str]], None]] = {
    "add": _add,
    "delete": _delete,
    "set": lambda session, words: switch(session, _RULES, words),
}

__all__ = ("common_tokens", "endpoint", "named", "remove", "run", "set_default", "switch")
