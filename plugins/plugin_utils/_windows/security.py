# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Connection security rules, main mode rules and the sets that they point to (MS-GPFAS 2.2.4 to 2.2.7). A pre-shared key is never kept.

https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-gpfas/885f236b-39f5-4a83-bac8-3c5459e88a9a
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import conditions, regquery
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.conditions import Tokens
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import GrammarError, RuleText, shown
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import AuthSuite, ConSecMatch, CryptoSuite, MainModeMatch, SecurityRule

Values = t.Mapping[str, regquery.Value]


@dataclass(frozen=True)
class MainCrypto:
    """A set of main mode offers. minutes, sessions: how long their keys live, 0 sessions for no limit."""

    suites: tuple[CryptoSuite, ...]
    minutes: int = 480
    sessions: int = 0
    other: Tokens = ()


@dataclass(frozen=True)
class QuickCrypto:
    """A set of quick mode offers. pfs: netsh's word."""

    suites: tuple[CryptoSuite, ...]
    pfs: str = "none"


# What a store holds before anybody changed it, and what counts where it holds nothing: MS-FASP, appendix notes 30 to 32.
DEFAULT_MAIN: t.Final = "{e5a5d32a-4bce-4e4d-b07f-4ab1ba7e5fe1}"
DEFAULT_QUICK: t.Final = "{e5a5d32a-4bce-4e4d-b07f-4ab1ba7e5fe2}"
DEFAULT_AUTH1: t.Final = "{e5a5d32a-4bce-4e4d-b07f-4ab1ba7e5fe3}"
DEFAULT_AUTH2: t.Final = "{e5a5d32a-4bce-4e4d-b07f-4ab1ba7e5fe4}"
_MAIN = MainCrypto((CryptoSuite("aes128", "sha1", exchange="dhgroup2"), CryptoSuite("3des", "sha1", exchange="dhgroup2")))
_QUICK = QuickCrypto((
    CryptoSuite("", "sha1", "esp"), CryptoSuite("aes128", "sha1", "esp"), CryptoSuite("3des", "sha1", "esp"), CryptoSuite("", "", "ah", ah_integrity="sha1"),
))

_KEY = re.compile(r"\\Phase([12])(Authentication|Crypto)Sets?\\([^\\]+)(?:\\([0-9]{4}))?\Z", re.IGNORECASE)
_METHODS: t.Final = {
    "anonymous": "anonymous", "machinekerb": "kerberos", "machinecert": "certificate", "machineshkey": "psk", "machinentlm": "ntlm",
    "userkerb": "user_kerberos", "usercert": "user_certificate", "userntlm": "user_ntlm",
}
_ENCRYPTIONS: t.Final = {
    "": "", "none": "", "des": "des", "3des": "3des", **{f"aes-{bits}": f"aes{bits}" for bits in (128, 192, 256)},
    **{f"aes-gcm{bits}": f"aesgcm{bits}" for bits in (128, 192, 256)},
}
_HASHES: t.Final = {
    "": "", "none": "", "md5": "md5", "sha1": "sha1", "sha256": "sha256", "sha384": "sha384",
    **{f"aes-g{mode}{bits}": f"aesg{mode}{bits}" for mode in ("cm", "mac") for bits in (128, 192, 256)},
}
_EXCHANGES: t.Final = {
    "": "", "dh1": "dhgroup1", "dh2": "dhgroup2", "dh2048": "dhgroup14", "dh24": "dhgroup24", "ecdh-256": "ecdhp256", "ecdh-384": "ecdhp384",
}
_PFS: t.Final = {
    "": "none", "disable": "none", "enabledhfromphase1": "mainmode", "rekeydh1": "dhgroup1", "rekeydh2": "dhgroup2", "rekeydh2048": "dhgroup14",
    "rekeydh24": "dhgroup24", "rekeyecdh256": "ecdhp256", "rekeyecdh384": "ecdhp384", "dh24": "dhgroup24",
}
_PROTOCOLS: t.Final = {"esp": "esp", "ah": "ah", "ah&esp": "ah+esp", "auth_no_encap": "authnoencap"}
_ACTIONS: t.Final = {
    "secure": "requireinrequireout", "secureserver": "requireinrequestout", "boundary": "requestinrequestout", "donotsecure": "noauthentication",
}
_FLAGS = frozenset((
    "secureinclearout", "bypasstunnel", "authz", "keymanagerdictate", "keymanagernotify", "securityrealmenabled", "certaccountmapping", "excludecaname",
    "healthcert", "intermediateca", "allowproxy", "donotskipdh",
))
_AUTH_KNOWN = frozenset(("method", "caname", "shkey"))
_RULE_KNOWN = frozenset((
    "action", "active", "name", "desc", "embedctxt", "protocol", "profile", "auth1set", "auth2set", "crypto2set",
    "ep1_4", "ep1_6", "ep2_4", "ep2_6", "ep1_42", "ep1_62", "ep2_42", "ep2_62",
))
_MAIN_KNOWN = frozenset((
    "active", "name", "desc", "embedctxt", "profile", "auth1set", "crypto1set", "ep1_4", "ep1_6", "ep2_4", "ep2_6", "ep1_42", "ep1_62", "ep2_42", "ep2_62",
))


@dataclass(frozen=True)
class Sets:
    """The sets of one store by lower-case id, the defaults among them. unreadable: why a set could not be understood, by kind and id."""

    auth1: t.Mapping[str, tuple[AuthSuite, ...]] = field(default_factory=lambda: {DEFAULT_AUTH1: (AuthSuite("kerberos"),)})
    auth2: t.Mapping[str, tuple[AuthSuite, ...]] = field(default_factory=lambda: {DEFAULT_AUTH2: ()})
    main: t.Mapping[str, MainCrypto] = field(default_factory=lambda: {DEFAULT_MAIN: _MAIN})
    quick: t.Mapping[str, QuickCrypto] = field(default_factory=lambda: {DEFAULT_QUICK: _QUICK})
    unreadable: t.Mapping[tuple[str, str], str] = field(default_factory=dict)


def read_sets(keys: t.Mapping[str, t.Mapping[str, regquery.Value]]) -> Sets:
    """All sets among parsed keys of one store. Keys may be spelt with or without the last C(s): MS-GPFAS itself has both."""
    heads: dict[tuple[str, str], Values] = {}
    suites: dict[tuple[str, str], dict[str, Values]] = {}
    for key, values in keys.items():
        found = _KEY.search(key)
        if found:
            place = _KINDS[found[2].lower(), found[1]], found[3].lower()
            suites.setdefault(place, {})
            if found[4]:
                suites[place][found[4]] = values
            else:
                heads[place] = values
    empty = Sets()
    made: dict[str, dict[str, t.Any]] = {"auth1": {**empty.auth1}, "auth2": {**empty.auth2}, "main": {**empty.main}, "quick": {**empty.quick}}
    unreadable: dict[tuple[str, str], str] = {}
    for (kind, set_id), numbered in suites.items():
        try:
            made[kind][set_id] = _READERS[kind](heads.get((kind, set_id), {}), [numbered[number] for number in sorted(numbered)])
        except GrammarError as error:
            unreadable[kind, set_id] = str(error)
    return Sets(**made, unreadable=unreadable)


def _auth_set(_head: Values, suites: list[Values]) -> tuple[AuthSuite, ...]:
    return tuple(AuthSuite(_word(suite, _METHODS, "Method"), _text(suite, "CAName"), _rest(suite, _AUTH_KNOWN)) for suite in suites)


def _main_set(head: Values, suites: list[Values]) -> MainCrypto:
    made = tuple(
        CryptoSuite(_word(suite, _ENCRYPTIONS, "Encryption"), _word(suite, _HASHES, "2_1Hash", "Hash"),
                    exchange=_word(suite, _EXCHANGES, "2_16KeyExchange", "KeyExchange"))
        for suite in suites
    )
    other = (("DoNotSkipDH", "TRUE"),) if _text(head, "DoNotSkipDH").lower() == "true" else ()
    return MainCrypto(made, _number(head, "TimeOutMinutes", 480), _number(head, "TimeOutSessions", 0), other)


def _quick_set(head: Values, suites: list[Values]) -> QuickCrypto:
    return QuickCrypto(tuple(map(_quick_suite, suites)), _word(head, _PFS, "2_16PFS", "PFS"))


def _quick_suite(suite: Values) -> CryptoSuite:
    encryption = _word(suite, _ENCRYPTIONS, "2_1Encryption", "Encryption")
    integrity = _word(suite, _HASHES, "2_1EspHash", "EspHash")
    if integrity.startswith("aesgcm") and not encryption:
        # GCM that encrypts nothing is GMAC (RFC 4543), and netsh calls it so.
        integrity = "aesgmac" + integrity.removeprefix("aesgcm")
    return CryptoSuite(
        encryption, integrity, _word(suite, _PROTOCOLS, "2_9Protocol", "Protocol"), minutes=_number(suite, "TimeOutMinutes", 0),
        kilobytes=_number(suite, "TimeOutKbytes", 0), ah_integrity=_word(suite, _HASHES, "2_1AhHash", "AhHash").replace("aesgcm", "aesgmac"),
    )


_READERS: t.Final[dict[str, t.Callable[[Values, list[Values]], t.Any]]] = {"auth1": _auth_set, "auth2": _auth_set, "main": _main_set, "quick": _quick_set}
_KINDS: t.Final = {("authentication", "1"): "auth1", ("authentication", "2"): "auth2", ("crypto", "1"): "main", ("crypto", "2"): "quick"}


def _text(values: Values, *names: str) -> str:
    """The first of several values that is there: a newer one, with the version before its name, stands before what older releases read."""
    return next((found[1].strip() for found in (regquery.value(values, name) for name in names) if found and found[1].strip()), "")


def _word(values: Values, words: t.Mapping[str, str], *names: str) -> str:
    text = _text(values, *names).lower()
    if text not in words:
        raise GrammarError(f"{names[-1]} {shown(text)} of a set is not known" if text else f"a set lacks {names[-1]}")
    return words[text]


def _number(values: Values, name: str, default: int) -> int:
    found = regquery.value(values, name)
    if found is None or not found[1].strip():
        return default
    number = regquery.number(found)
    if number is None:
        raise GrammarError(f"{name} {shown(found[1])} of a set is not a number")
    return number


def _rest(values: Values, known: t.AbstractSet[str]) -> Tokens:
    left = ((name, data) for name, (_type, data) in values.items() if data and name.lower() not in known)
    return tuple(sorted((name, data) for name, data in left if not (name.lower() in _FLAGS and data.lower() == "false")))


def security_rule(rule_id: str, text: str, store: str, sets: Sets) -> SecurityRule:
    """Read a value of C(ConSecRules) and the sets it points to; GrammarError for what cannot be understood or is not there."""
    rule = RuleText.parse(text)
    return SecurityRule(
        rule_id, store, rule.get("Name"), conditions.flag(rule, "Active"), _consec_match(rule, sets), rule.get("Desc"), rule.get("Auth1Set").lower(), text,
    )


def _consec_match(rule: RuleText, sets: Sets) -> ConSecMatch:
    action = _action(rule)
    needed = action != "noauthentication"
    quick = _follow(rule, "Crypto2Set", "quick", sets, needed=needed) or QuickCrypto(())
    endpoint1, lonely1 = conditions.scope(rule, "EP1_4", "EP1_6")
    endpoint2, lonely2 = conditions.scope(rule, "EP2_4", "EP2_6")
    rest = conditions.rest(rule, _consec_known, _FLAGS)
    other = {token for token in rest if token != ("KeyMod", "KeyModDefault") and token[0].lower() != "secureinclearout"}
    return ConSecMatch(
        action, conditions.protocol(rule), conditions.ports(rule, "EP1Port"), conditions.ports(rule, "EP2Port"), endpoint1, endpoint2,
        conditions.profiles(rule), _follow(rule, "Auth1Set", "auth1", sets, needed=needed) or (),
        _follow(rule, "Auth2Set", "auth2", sets, needed=False) or (), quick.suites, quick.pfs, tuple(sorted({*other, *lonely1, *lonely2})),
    )


def _action(rule: RuleText) -> str:
    """MS-GPFAS 2.2.6: clear text out is said by a second token, and only beside C(Secure)."""
    action = str(conditions.word(rule, "Action", _ACTIONS))
    if not conditions.flag(rule, "SecureInClearOut"):
        return action
    if action != "requireinrequireout":
        raise GrammarError(f"SecureInClearOut=TRUE stands beside Action={shown(rule.get('Action'))}")
    return "requireinclearout"


def _consec_known(name: str) -> bool:
    return name in _RULE_KNOWN or conditions.is_port_token(name, "ep1port") or conditions.is_port_token(name, "ep2port")


def _follow(rule: RuleText, token: str, kind: str, sets: Sets, *, needed: bool) -> t.Any:
    """The content of the set that a rule points to; None where it points to none and needs none."""
    set_id = rule.get(token).lower()
    if not set_id:
        if needed:
            raise GrammarError(f"{token} is missing")
        return None
    if (kind, set_id) in sets.unreadable:
        raise GrammarError(f"{token}={shown(set_id)}: {sets.unreadable[kind, set_id]}")
    if set_id not in getattr(sets, kind):
        raise GrammarError(f"{token}={shown(set_id)} is not in the store")
    return getattr(sets, kind)[set_id]


def main_mode_rule(rule_id: str, text: str, store: str, sets: Sets) -> SecurityRule:
    """Read a value of C(MainModeRules) and the sets it points to; GrammarError for what cannot be understood or is not there."""
    rule = RuleText.parse(text)
    crypto = _follow(rule, "Crypto1Set", "main", sets, needed=True)
    endpoint1, lonely1 = conditions.scope(rule, "EP1_4", "EP1_6")
    endpoint2, lonely2 = conditions.scope(rule, "EP2_4", "EP2_6")
    other = {*conditions.rest(rule, _MAIN_KNOWN.__contains__, _FLAGS), *lonely1, *lonely2, *crypto.other}
    match = MainModeMatch(
        endpoint1, endpoint2, conditions.profiles(rule), _follow(rule, "Auth1Set", "auth1", sets, needed=True), crypto.suites, crypto.minutes,
        crypto.sessions, tuple(sorted(other)),
    )
    return SecurityRule(rule_id, store, rule.get("Name"), conditions.flag(rule, "Active"), match, rule.get("Desc"), rule.get("Auth1Set").lower(), text)


__all__ = (
    "DEFAULT_AUTH1",
    "DEFAULT_AUTH2",
    "DEFAULT_MAIN",
    "DEFAULT_QUICK",
    "MainCrypto",
    "QuickCrypto",
    "Sets",
    "main_mode_rule",
    "read_sets",
    "security_rule",
)
