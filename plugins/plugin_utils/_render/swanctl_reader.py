# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A strict reader of the connections that this collection writes for swanctl: one setting on a line, and no setting that is not known here.

It shares no code with the renderer that writes the text. The language: https://docs.strongswan.org/docs/latest/swanctl/swanctlConf.html
"""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.ipsec_suites import SuiteError, read_swan_esp_proposals, read_swan_proposals
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import CryptoSuite

_SECTION = re.compile(r"([a-z][a-z0-9-]{0,200}) \{\Z")
_SETTING = re.compile(r"([a-z][a-z0-9_-]{0,40}) = (\S+)\Z")
_SELECTOR = re.compile(r"([0-9a-f.:]+)/(32|128)(?:\[([0-9]{1,3})(?:/([0-9]{1,5})(?:-([0-9]{1,5}))?)?\])?\Z")
_SECONDS = re.compile(r"([0-9]{1,6})s\Z")
_BYTES = re.compile(r"[0-9]{1,15}\Z")
_SECRET = re.compile(r"\{PSK\}\Z|0s[A-Za-z0-9+/]{16,}={0,2}\Z")
_ANY = (0, 65535)


@dataclass(frozen=True)
class Side:
    """One end of a child: address, IP protocol (0 for any), and ports, 0 to 65535 for any; of ICMPv6 they are type times 256 plus code."""

    address: str
    protocol: int = 0
    low: int = 0
    high: int = 65535

    @property
    def ports(self) -> tuple[int, int]:
        return self.low, self.high


@dataclass(frozen=True)
class Child:
    """What is protected (mode ``transport``), or let through in clear (mode ``pass``), between the two addresses of a connection.

    start: ``trap`` protects or blocks, ``start`` protects while both ends agree. suites, exchange, times: of the keys, seconds before bytes.
    """

    name: str
    local: Side
    remote: Side
    mode: str
    start: str
    suites: tuple[CryptoSuite, ...] = ()
    exchange: str = ""
    times: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True)
class Connection:
    """How keys are agreed on between one own and one peer address. version: of IKE. auth: ``psk`` or ``pubkey``. times: until renewed, and how much over."""

    name: str
    version: int
    local: str
    remote: str
    auth: str
    suites: tuple[CryptoSuite, ...]
    times: tuple[int, int]
    children: tuple[Child, ...]


def read_back(text: str) -> tuple[Connection, ...]:
    """The connections of a text; ReadBackError naming the line or section for anything that is not the language of our own texts."""
    top = _parse(text)
    connections = top.section("connections")
    found = tuple(_connection(each) for each in connections.rest())
    connections.finish()
    users = [each for each in found if each.auth == "psk"]
    if users:
        secrets = top.section("secrets")
        _secret(secrets.section("ike-datapath"), users)
        secrets.finish()
    top.finish()
    return found


class _Section:
    """One section while it is read: each setting and each section is taken once."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values: dict[str, str] = {}
        self.sections: dict[str, _Section] = {}

    def error(self, what: str) -> ReadBackError:
        return ReadBackError(f"{self.name}: {what}")

    def take(self, key: str) -> str:
        if key not in self.values:
            raise self.error(f"has no {key}")
        return self.values.pop(key)

    def must(self, key: str, value: str) -> None:
        found = self.take(key)
        if found != value:
            raise self.error(f"{key} is {found}, not {value}")

    def choice(self, key: str, choices: t.Sequence[str]) -> str:
        value = self.take(key)
        if value not in choices:
            raise self.error(f"{key} is {value}, not {' or '.join(choices)}")
        return value

    def seconds(self, key: str) -> int:
        match = _SECONDS.match(self.take(key))
        if not match or int(match[1]) == 0:
            raise self.error(f"{key} is no number of seconds")
        return int(match[1])

    def bytes(self, key: str) -> int:
        value = self.take(key)
        if not _BYTES.match(value) or int(value) == 0:
            raise self.error(f"{key} is no number of bytes")
        return int(value)

    def section(self, name: str) -> _Section:
        if name not in self.sections:
            raise self.error(f"has no section {name}")
        return self.sections.pop(name)

    def rest(self) -> list[_Section]:
        found, self.sections = list(self.sections.values()), {}
        return found

    def finish(self) -> None:
        unknown = [*self.values, *self.sections]
        if unknown:
            raise self.error(f"{', '.join(unknown)} is not expected")


def _parse(text: str) -> _Section:
    if text and not text.endswith("\n"):
        raise ReadBackError("the last line has no end")
    open_ones = [_Section("the text")]
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip(" ")
        if word == "}" and len(open_ones) > 1:
            open_ones.pop()
        elif word and not word.startswith("# "):
            _line(open_ones, word, number)
    if len(open_ones) > 1:
        raise ReadBackError(f"{open_ones[-1].name} has no end")
    return open_ones[0]


def _line(open_ones: list[_Section], word: str, number: int) -> None:
    section, setting, now = _SECTION.match(word), _SETTING.match(word), open_ones[-1]
    name = (section or setting or [""])[1] if section or setting else ""
    # strongSwan joins sections of one name and lets the last setting win: neither is ever meant here.
    if not name or name in now.sections or name in now.values:
        raise ReadBackError(f"line {number}: {word!r} is not known here, or stands here twice")
    if section:
        now.sections[name] = _Section(name if len(open_ones) == 1 else f"{now.name}.{name}")
        open_ones.append(now.sections[name])
    elif setting:
        now.values[name] = setting[2]


def _connection(given: _Section) -> Connection:
    version = int(given.choice("version", ("1", "2")))
    local, remote = _address(given, given.take("local_addrs")), _address(given, given.take("remote_addrs"))
    if (":" in local) is not (":" in remote) or local == remote:
        raise given.error(f"{local} and {remote} are no pair")
    suites = _suites(given, "proposals", read_swan_proposals)
    times = given.seconds("rekey_time"), given.seconds("over_time")
    _fixed(given, version)
    auth = _auth(given, local, remote)
    if auth == "pubkey":
        given.must("unique", "never")
    # Whoever only starts has to keep trying, because no packet will make it try again.
    tries = given.choice("keyingtries", ("0", "1"))
    section = given.section("children")
    children = tuple(_child(each, local, remote) for each in section.rest())
    section.finish()
    given.finish()
    if tries != ("0" if any(child.start == "start" for child in children) else "1") or not any(child.mode == "transport" for child in children):
        raise given.error(f"keyingtries = {tries} does not fit its children")
    return Connection(given.name.rpartition(".")[2], version, local, remote, auth, suites, times, children)


def _fixed(given: _Section, version: int) -> None:
    given.must("encap", "no")
    given.must("reauth_time", "0s")
    given.must("dpd_delay", "30s")
    if version == 1:
        given.must("aggressive", "no")
        given.must("dpd_timeout", "150s")
    else:
        given.must("mobike", "no")


def _auth(given: _Section, local: str, remote: str) -> str:
    near, far = given.section("local"), given.section("remote")
    auth = near.choice("auth", ("psk", "pubkey"))
    far.must("auth", auth)
    if auth == "psk":
        near.must("id", local)
        far.must("id", remote)
    else:
        near.must("certs", "datapath.pem")
        far.must("cacerts", "datapath.pem")
    near.finish()
    far.finish()
    return auth


def _child(given: _Section, local: str, remote: str) -> Child:
    mode = given.choice("mode", ("transport", "pass"))
    near, far = _side(given, "local_ts", local), _side(given, "remote_ts", remote)
    start = given.choice("start_action", ("trap", "start"))
    if mode == "pass" and start != "trap":
        raise given.error("what passes in clear is not negotiated")
    name = given.name.rpartition(".")[2]
    if mode == "pass":
        given.finish()
        return Child(name, near, far, mode, start)
    suites, exchange = _suites(given, "esp_proposals", read_swan_esp_proposals)
    times = given.seconds("rekey_time"), given.seconds("life_time"), given.bytes("rekey_bytes"), given.bytes("life_bytes")
    given.must("dpd_action", "clear" if start == "trap" else "restart")
    given.finish()
    return Child(name, near, far, mode, start, suites, exchange, times)


def _side(given: _Section, key: str, address: str) -> Side:
    text = given.take(key)
    match = _SELECTOR.match(text)
    if not match or match[1] != address or (match[2] == "128") is not (":" in address):
        raise given.error(f"{key} is {text}, not about {address}")
    protocol = int(match[3] or 0)
    low, high = _ANY if match[4] is None else (int(match[4]), int(match[5] or match[4]))
    if protocol > 255 or not low <= high <= 65535 or not aligned(low, high):
        raise given.error(f"{key} is {text}: its ports are no block that a kernel can match")
    return Side(address, protocol, low, high)


def aligned(low: int, high: int) -> bool:
    """Whether a mask can say exactly these ports: their number is a power of two, and the first is a multiple of it."""
    size = high - low + 1
    return size & (size - 1) == 0 and low % size == 0


def _address(given: _Section, text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise given.error(f"{text!r} is not an address") from None
    if str(address) != text or "%" in text:
        raise given.error(f"{text!r} is not how an address is written here")
    return text


T = t.TypeVar("T")


def _suites(given: _Section, key: str, reader: t.Callable[[str], T]) -> T:
    try:
        return reader(given.take(key))
    except SuiteError as error:
        raise given.error(f"{key}: {error}") from None


def _secret(given: _Section, users: t.Sequence[Connection]) -> None:
    """One key for exactly the addresses that use it: another connection of the host never finds it."""
    if not _SECRET.match(given.take("secret")):
        raise given.error("secret is neither a placeholder nor encoded")
    owners = {value for key, value in given.values.items() if key.startswith("id-")}
    if owners != {address for each in users for address in (each.local, each.remote)} or len(owners) != len(given.values):
        raise given.error("its owners are not the ends of the connections")


__all__ = ("Child", "Connection", "Side", "aligned", "read_back")
