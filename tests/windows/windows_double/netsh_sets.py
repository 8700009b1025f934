# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication and crypto sets: how netsh's words for them are read, and how the service keeps them.

Words: https://support.microsoft.com/help/949856. Keys and values: https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-gpfas/ (2.2.4, 2.2.5).
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from windows_double import fresh
from windows_double.netsh_words import SZ, RefusedError, Session, ViolationError, choice, entries_of, new_id, number

Suites = tuple[t.Mapping[str, str], ...]

AUTH1_TAGS = ("auth1", "auth1psk", "auth1ca", "auth1healthcert", "auth1ecdsap256ca", "auth1ecdsap384ca", "auth1kerbproxyfqdn")
AUTH2_TAGS = ("auth2", "auth2ca", "auth2ecdsap256ca", "auth2ecdsap384ca")

_AUTH1 = {
    "computerkerb": {"Method": "MachineKerb"},
    "computercert": {"Method": "MachineCert"},
    "computercertecdsap256": {"Method": "MachineCert", "OtherCertSigning": "ECDSA256"},
    "computercertecdsap384": {"Method": "MachineCert", "OtherCertSigning": "ECDSA384"},
    "computerpsk": {"Method": "MachineSHKey"},
    "computerntlm": {"Method": "MachineNtlm"},
    "anonymous": {"Method": "Anonymous"},
}
_CA_TAGS = {"computercert": "ca", "computercertecdsap256": "ecdsap256ca", "computercertecdsap384": "ecdsap384ca"}
_CA_FLAGS = {"certmapping": "CertAccountMapping", "excludecaname": "ExcludeCAName"}
_ONE_CA = re.compile(r"(?P<name>CN=.*?)(?P<flags>(?: (?:certmapping|excludecaname|catype):[a-z]+)*)", re.IGNORECASE)


def auth1(session: Session, given: t.Mapping[str, str]) -> Suites | None:
    """The suites of a first authentication, None where nothing was said of it."""
    if "auth1" not in given:
        if set(AUTH1_TAGS) & given.keys():
            raise RefusedError("value")
        return None
    methods = [choice(word, _AUTH1.keys()) for word in entries_of(given["auth1"])]
    if {"computerpsk", "computerntlm"} <= set(methods):
        raise RefusedError("value")
    if {"auth1healthcert", "auth1kerbproxyfqdn"} & given.keys() or {"computerntlm", "anonymous"} & set(methods):
        raise ViolationError("NTLM, anonymous, health certificates and Kerberos proxies are never asked for")
    if ("auth1psk" in given) != ("computerpsk" in methods):
        raise RefusedError("value")
    if "auth1psk" in given and not session.in_file:
        raise ViolationError("a pre-shared key on a command line, where every process list shows it")
    _needed_authorities(given, methods)
    return tuple(suite for method in methods for suite in _suites(session, method, given))


def _needed_authorities(given: t.Mapping[str, str], methods: t.Collection[str]) -> None:
    for method, tag in _CA_TAGS.items():
        if (method in methods) != (f"auth1{tag}" in given):
            raise RefusedError("value")


def _suites(session: Session, method: str, given: t.Mapping[str, str]) -> t.Iterator[dict[str, str]]:
    if method == "computerpsk":
        yield {**_AUTH1[method], "SHKey": given["auth1psk"]}
    elif method in _CA_TAGS:
        for text in given[f"auth1{_CA_TAGS[method]}"].split(" | "):
            yield {**_AUTH1[method], **_authority(session, text)}
    else:
        yield dict(_AUTH1[method])


def _authority(session: Session, text: str) -> dict[str, str]:
    """A certification authority with its flags: C(CN=Name, O=Example certmapping:yes). An inner quotation mark is written C(\\')."""
    found = _ONE_CA.fullmatch(text)
    if not found or "|" in text or found["name"] != found["name"].rstrip():
        raise RefusedError("value")
    values = {"CAName": found["name"].replace("\\'", '"')}
    for flag in found["flags"].split():
        name, _colon, value = flag.lower().partition(":")
        if name == "catype":
            if not session.since("2008r2"):
                raise RefusedError("value")
            if choice(value, ("root", "intermediate")) == "intermediate":
                values["IntermediateCA"] = "TRUE"
        else:
            values[_CA_FLAGS[name]] = choice(value, {"yes": "TRUE", "no": "FALSE"})
    return values


def auth2(given: t.Mapping[str, str]) -> None:
    """A second authentication is part of AuthIP, which no other system speaks: never asked for."""
    if set(AUTH2_TAGS) & given.keys():
        raise ViolationError("a second authentication is never asked for")


# Crypto

_INTEGRITY = {
    "md5": ("", "MD5"), "sha1": ("", "SHA1"), "sha256": ("2_1", "SHA256"),
    **{f"aesgmac{bits}": ("2_1", f"AES-GMAC{bits}") for bits in (128, 192, 256)}, **{f"aesgcm{bits}": ("2_1", f"AES-GCM{bits}") for bits in (128, 192, 256)},
}
_ENCRYPTION = {
    "des": ("", "DES"), "3des": ("", "3DES"), **{f"aes{bits}": ("", f"AES-{bits}") for bits in (128, 192, 256)},
    **{f"aesgcm{bits}": ("2_1", f"AES-GCM{bits}") for bits in (128, 192, 256)},
}
_LIFE = re.compile(r"(?:\+(?P<minutes>\d+)min)?(?:\+(?P<kilobytes>\d+)kb)?", re.IGNORECASE)
_QUICK = {("esp",): "ESP", ("ah",): "AH", ("ah", "esp"): "AH&ESP"}
_PFS = {
    "none": "Disable", "mainmode": "EnableDHFromPhase1", "dhgroup1": "ReKeyDH1", "dhgroup2": "ReKeyDH2", "dhgroup14": "ReKeyDH2048",
    "ecdhp256": "ReKeyECDH256", "ecdhp384": "ReKeyECDH384",
}


def pfs(session: Session, word: str) -> tuple[str, str]:
    """The value that stands for perfect forward secrecy in a quick mode set: (name, data)."""
    if word.lower() == "dhgroup24" and session.since("2012"):
        return "2_16PFS", "ReKeyDH24"
    return "PFS", choice(word, _PFS)


def quick(session: Session, value: str) -> Suites | None:
    """The suites of C(qmsecmethods), None for the default set."""
    return None if value.lower() == "default" else tuple(_quick(session, part) for part in entries_of(value))


def _quick(session: Session, text: str) -> dict[str, str]:
    """One offer: C(esp:sha1-aes128+60min+100000kb), C(ah:sha1), C(ah:sha1+esp:sha1-aes128)."""
    parts = text.lower().split("+")
    methods = [part.partition(":") for part in parts if ":" in part]
    life = _LIFE.fullmatch("".join(f"+{part}" for part in parts[len(methods):]))
    if not life or [part for part in parts if ":" in part] != parts[:len(methods)]:
        raise RefusedError("value")
    kinds = tuple(kind for kind, _colon, _words in methods)
    if kinds == ("authnoencap",) and session.since("2008r2"):
        raise ViolationError("authnoencap is never asked for")
    if kinds not in _QUICK:
        raise RefusedError("value")
    suite = {"Protocol": _QUICK[kinds]}
    for kind, _colon, words in methods:
        suite.update(_ah(words) if kind == "ah" else _esp(words))
    minutes, kilobytes = number(life["minutes"] or "60", 5, 2880), number(life["kilobytes"] or "100000", 20480, 2147483647)
    return {**suite, "TimeOutMinutes": str(minutes), "TimeOutKbytes": str(kilobytes)}


def _ah(word: str) -> dict[str, str]:
    prefix, name = _INTEGRITY[choice(word, [word for word in _INTEGRITY if "gcm" not in word])]
    return {f"{prefix}AhHash": name}


def _esp(methods: str) -> dict[str, str]:
    integrity, dash, encryption = methods.partition("-")
    if not dash or integrity not in _INTEGRITY or encryption not in _ENCRYPTION or "gmac" in integrity:
        raise RefusedError("value")
    if ("gcm" in integrity or "gcm" in encryption) and integrity != encryption:
        raise RefusedError("value")
    first, second = _ENCRYPTION[encryption], _INTEGRITY[integrity]
    return {f"{first[0]}Encryption": first[1], f"{second[0]}EspHash": second[1]}


_EXCHANGES = {"dhgroup1": "DH1", "dhgroup2": "DH2", "dhgroup14": "DH2048", "ecdhp256": "ECDH-256", "ecdhp384": "ECDH-384"}
_HASHES = {"md5": ("", "MD5"), "sha1": ("", "SHA1"), "sha256": ("2_1", "SHA256"), "sha384": ("2_1", "SHA384")}


def main(session: Session, value: str) -> Suites | None:
    """The suites of C(mmsecmethods), None for the default."""
    if value.lower() == "default":
        return None
    parts = [_main_parts(part) for part in entries_of(value)]
    if not session.since("2008r2") and len({exchange for exchange, _encryption, _hash in parts}) > 1:
        raise RefusedError("value")  # old schemas: one key exchange for all suites (MS-FASP 2.2.74)
    return tuple(_main(session, *part) for part in parts)


def _main_parts(text: str) -> tuple[str, str, str]:
    exchange, colon, rest = text.lower().partition(":")
    encryption, dash, integrity = rest.partition("-")
    if not colon or not dash:
        raise RefusedError("value")
    return exchange, encryption, integrity


def _main(session: Session, exchange: str, encryption: str, integrity: str) -> dict[str, str]:
    newest = exchange == "dhgroup24" and session.since("2012")
    first = {"2_16KeyExchange": "DH24"} if newest else {"KeyExchange": choice(exchange, _EXCHANGES)}
    if "gcm" in encryption:
        raise RefusedError("value")
    prefix, name = _HASHES[choice(integrity, _HASHES.keys())]
    return {**first, "Encryption": _ENCRYPTION[choice(encryption, _ENCRYPTION.keys())][1], f"{prefix}Hash": name}


_MAIN_LIFE = re.compile(r"(\d+)min,(\d+)sess", re.IGNORECASE)


def main_life(value: str) -> tuple[int, int]:
    """(minutes, sessions) of C(mmkeylifetime)."""
    found = _MAIN_LIFE.fullmatch(value)
    if not found:
        raise RefusedError("value")
    return number(found[1], 1, 2880), number(found[2], 0, 2147483647)


# Keys

AUTH1, AUTH2, MAIN, QUICK = "Phase1AuthenticationSet", "Phase2AuthenticationSet", "Phase1CryptoSet", "Phase2CryptoSet"
_RULES = {"ConSecRules": {"Auth1Set": AUTH1, "Auth2Set": AUTH2, "Crypto2Set": QUICK}, "MainModeRules": {"Auth1Set": AUTH1, "Crypto1Set": MAIN}}
_DEFAULTS = {identifier.lower() for identifier in (fresh.DEFAULT_AUTH1, fresh.DEFAULT_AUTH2, fresh.DEFAULT_MAIN, fresh.DEFAULT_QUICK)}


@dataclass(frozen=True)
class NewSet:
    """A set to be written. values: beside the head that all sets have."""

    kind: str
    suites: Suites
    values: tuple[tuple[str, str], ...] = ()


def folder(session: Session, kind: str) -> str:
    """The key that holds the sets of a kind. MS-GPFAS spells it with and without the s, so one release of the double differs from the others."""
    return session.key(kind if kind == MAIN and session.release == "2012r2" else kind + "s")


def write(session: Session, new: NewSet, identifier: str = "") -> str:
    """Write a set under an id, by default a new one, in place of what was there. Returns the id."""
    identifier = identifier or new_id()
    key = f"{folder(session, new.kind)}\\{identifier}"
    session.registry.delete_key(key)
    version = "2.1" if session.release == "2008" else "2.10"
    for name, data in (("Version", version), ("Name", ""), ("Description", ""), ("EmbeddedContext", ""), *new.values):
        session.registry.set(key, name, SZ, data)
    for place, suite in enumerate(new.suites):
        fresh.write_suite(session.registry, key, place, suite)
    return identifier


def drop(session: Session, where: str, rule: t.Callable[[str], str]) -> None:
    """Delete the own sets of a rule that is gone. where: the key of its kind of rules; rule: its tokens by name."""
    for token, kind in _RULES[where].items():
        identifier = rule(token)
        if identifier and identifier.lower() not in _DEFAULTS:
            session.registry.delete_key(f"{folder(session, kind)}\\{identifier}")
            tidy(session, folder(session, kind))


def tidy(session: Session, key: str) -> None:
    """Whether an empty container stays is undocumented, so the double does both: where a fresh installation has none, netsh leaves none."""
    if session.release == "2025" and session.local and not session.registry.values(key) and not session.registry.subkeys(key):
        session.registry.delete_key(key)


__all__ = (
    "AUTH1", "AUTH1_TAGS", "AUTH2", "AUTH2_TAGS", "MAIN", "QUICK", "NewSet", "Suites", "auth1", "auth2", "drop", "folder", "main", "main_life", "pfs", "quick",
    "tidy", "write",
)
