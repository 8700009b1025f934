# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Named sets of IPsec algorithms and life times, in the words of netsh and of swanctl, and readers of both.

One profile is one value, so that the two ends of a pair cannot drift apart. Never null encryption, which Windows offers first where nobody says otherwise
(MS-FASP, appendix note 30 to 32), and nothing that only one side knows. Every suite exists in Windows Server 2008 and later (KB949856).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import CryptoSuite

DEFAULT = "current"
_KEY_MINUTES = 60
_KEY_KILOBYTES = 10_000_000
"""A key of quick mode protects at most 10 GB: bulk seeding of databases renews it now and then, not every 100 MB as the default of Windows would."""


class SuiteError(ValueError):
    """An unknown profile, or a text of algorithms that is not understood."""


@dataclass(frozen=True)
class LinuxTimes:
    """When strongSwan renews, in seconds and bytes: always before Windows would, so that one side renews (docs.strongswan.org, config/rekeying)."""

    ike_rekey: int = 6 * 3600
    ike_over: int = 1800
    child_rekey: int = 50 * 60
    child_life: int = 55 * 60
    child_rekey_bytes: int = 8_000_000_000
    child_life_bytes: int = 9_000_000_000


@dataclass(frozen=True)
class Profile:
    """What both ends offer, best first. exchange: the one key exchange of all suites, because Windows Server 2008 can hold only one (MS-FASP 2.2.74).

    pfs: netsh's word for the key exchange of quick mode; the same in every profile, so that hosts of different profiles still agree.
    """

    name: str
    main: tuple[CryptoSuite, ...]
    quick: tuple[CryptoSuite, ...]
    exchange: str = "dhgroup14"
    pfs: str = "dhgroup14"
    minutes: int = 480
    sessions: int = 0
    linux: LinuxTimes = LinuxTimes()


def _main(*suites: tuple[str, str]) -> tuple[CryptoSuite, ...]:
    return tuple(CryptoSuite(encryption, integrity, exchange="dhgroup14") for encryption, integrity in suites)


def _quick(*suites: tuple[str, str]) -> tuple[CryptoSuite, ...]:
    return tuple(CryptoSuite(encryption, integrity, "esp", minutes=_KEY_MINUTES, kilobytes=_KEY_KILOBYTES) for encryption, integrity in suites)


_MAIN = (("aes256", "sha256"), ("aes128", "sha256"))
_QUICK = (("aesgcm256", "aesgcm256"), ("aesgcm128", "aesgcm128"))
# HMAC-SHA-256 of ESP is left out everywhere: kernels and Windows releases differ in where they cut it (swanctl.conf, sha256_96).
PROFILES = {
    "current": Profile("current", _main(*_MAIN), _quick(*_QUICK)),
    "compatible": Profile(
        "compatible", _main(*_MAIN, ("aes256", "sha1"), ("aes128", "sha1")), _quick(*_QUICK, ("aes256", "sha1"), ("aes128", "sha1")),
    ),
}

_SWAN_EXCHANGE = {"dhgroup2": "modp1024", "dhgroup14": "modp2048", "ecdhp256": "ecp256", "ecdhp384": "ecp384"}
_SWAN_QUICK = {
    ("aesgcm128", "aesgcm128"): "aes128gcm16", ("aesgcm192", "aesgcm192"): "aes192gcm16", ("aesgcm256", "aesgcm256"): "aes256gcm16",
}
_CIPHERS = ("3des", "aes128", "aes192", "aes256")
_HASHES = ("sha1", "sha256", "sha384")
_NETSH_MAIN = re.compile(r"([a-z0-9]+):([a-z0-9]+)-([a-z0-9]+)\Z")
_NETSH_QUICK = re.compile(r"esp:([a-z0-9]+)-([a-z0-9]+)(?:\+([0-9]{1,4})min)?(?:\+([0-9]{5,10})kb)?\Z")


def profile(name: str) -> Profile:
    """The profile of a name; SuiteError for any other."""
    try:
        return PROFILES[name]
    except KeyError:
        raise SuiteError(f"IPsec profile {name!r} is not known: use one of {', '.join(PROFILES)}") from None


def netsh_main(suites: tuple[CryptoSuite, ...]) -> str:
    """For C(mmsecmethods)."""
    return ",".join(f"{suite.exchange}:{suite.encryption}-{suite.integrity}" for suite in suites)


def netsh_quick(suites: tuple[CryptoSuite, ...]) -> str:
    """For C(qmsecmethods)."""
    return ",".join(f"esp:{suite.integrity}-{suite.encryption}+{suite.minutes}min+{suite.kilobytes}kb" for suite in suites)


def swan_proposals(chosen: Profile) -> str:
    """For C(proposals) of a connection. IKEv1 knows one algorithm of a kind in a proposal, so each suite is a proposal (swanctl.conf)."""
    return ",".join(f"{suite.encryption}-{suite.integrity}-{_SWAN_EXCHANGE[suite.exchange]}" for suite in chosen.main)


def swan_esp_proposals(chosen: Profile) -> str:
    """For C(esp_proposals) of a child."""
    exchange = "" if chosen.pfs == "none" else f"-{_SWAN_EXCHANGE[chosen.pfs]}"
    return ",".join(_swan_esp(suite) + exchange for suite in chosen.quick)


def _swan_esp(suite: CryptoSuite) -> str:
    return _SWAN_QUICK.get((suite.encryption, suite.integrity)) or f"{suite.encryption}-{suite.integrity}"


def read_netsh_main(text: str) -> tuple[CryptoSuite, ...]:
    """Suites of a C(mmsecmethods) text; SuiteError for a word that Windows has not."""
    found = [_NETSH_MAIN.match(part) for part in text.split(",")]
    suites = tuple(CryptoSuite(match[2], match[3], exchange=match[1]) for match in found if match)
    known = all(suite.exchange in _SWAN_EXCHANGE and suite.encryption in _CIPHERS and suite.integrity in _HASHES for suite in suites)
    if len(suites) != len(found) or not known:
        raise SuiteError(f"main mode {text!r} is not a list of exchange:encryption-integrity")
    return suites


def read_netsh_quick(text: str) -> tuple[CryptoSuite, ...]:
    """Suites of a C(qmsecmethods) text; SuiteError for a word that Windows has not, and for anything that does not encrypt."""
    suites = []
    for part in text.split(","):
        match = _NETSH_QUICK.match(part)
        if not match or not _encrypts(match[2], match[1]):
            raise SuiteError(f"quick mode {part!r} is not esp:integrity-encryption with real encryption")
        suites.append(CryptoSuite(match[2], match[1], "esp", minutes=int(match[3] or 0), kilobytes=int(match[4] or 0)))
    return tuple(suites)


def _encrypts(encryption: str, integrity: str) -> bool:
    return (encryption, integrity) in _SWAN_QUICK or (encryption in _CIPHERS and integrity in _HASHES)


def read_swan_proposals(text: str) -> tuple[CryptoSuite, ...]:
    """Main mode suites of a C(proposals) text, in the words of netsh."""
    exchanges = {swan: netsh for netsh, swan in _SWAN_EXCHANGE.items()}
    suites = []
    for part in text.split(","):
        words = part.split("-")
        if len(words) != 3 or words[0] not in _CIPHERS or words[1] not in _HASHES or words[2] not in exchanges:
            raise SuiteError(f"proposal {part!r} is not encryption-integrity-exchange with one algorithm each")
        suites.append(CryptoSuite(words[0], words[1], exchange=exchanges[words[2]]))
    return tuple(suites)


def read_swan_esp_proposals(text: str) -> tuple[tuple[CryptoSuite, ...], str]:
    """Quick mode suites of an C(esp_proposals) text without life times, and netsh's word for their common key exchange."""
    exchanges = {swan: netsh for netsh, swan in _SWAN_EXCHANGE.items()}
    combined = {swan: netsh for netsh, swan in _SWAN_QUICK.items()}
    suites, used = [], set()
    for part in text.split(","):
        words = part.split("-")
        used.add(exchanges[words.pop()] if words[-1] in exchanges else "none")
        pair = combined.get(words[0]) if len(words) == 1 else (words[0], words[1]) if len(words) == 2 else None
        if pair is None or not _encrypts(*pair):
            raise SuiteError(f"ESP proposal {part!r} is not one cipher with one integrity")
        suites.append(CryptoSuite(*pair, "esp"))
    if len(used) != 1:
        raise SuiteError(f"ESP proposals {text!r} do not share one key exchange, which IKEv1 wants of the offers of one quick mode")
    return tuple(suites), used.pop()


__all__ = (
    "DEFAULT", "PROFILES", "LinuxTimes", "Profile", "SuiteError", "netsh_main", "netsh_quick", "profile", "read_netsh_main", "read_netsh_quick",
    "read_swan_esp_proposals", "read_swan_proposals", "swan_esp_proposals", "swan_proposals",
)
