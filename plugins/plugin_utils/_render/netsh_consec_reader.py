# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Reads C(netsh advfirewall consec add rule) and C(netsh advfirewall mainmode add rule) lines as values, strictly (KB949856, TechNet dd736198).

It knows only the form that the renderer writes: one blank between arguments, quotes around whole values. Everything else is an error.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, interval
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.ipsec_suites import SuiteError, read_netsh_main, read_netsh_quick
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import ANY_PORT, AuthSuite, ConSecMatch, MainModeMatch, Ports, Scope

CONSEC = "advfirewall consec add rule "
MAIN_MODE = "advfirewall mainmode add rule "
_ARGUMENT = re.compile(r'([a-z0-9]+)=(?:"([^"]+)"|([^ "]+))(?: |\Z)')
_PROTOCOLS = {"any": None, "tcp": 6, "udp": 17, "icmpv4": 1, "icmpv6": 58}
_ACTIONS = ("requestinrequestout", "requireinrequireout", "noauthentication")
_AUTH = {"computerkerb": "kerberos", "computercert": "certificate", "computerpsk": "psk"}
_PFS = ("none", "dhgroup1", "dhgroup2", "dhgroup14", "ecdhp256", "ecdhp384", "mainmode")
_LIFE = re.compile(r"([0-9]{1,4})min,([0-9]{1,9})sess\Z")
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?\Z")


def read_consec(line: str) -> tuple[str, ConSecMatch]:
    """Name and meaning of a connection security rule; ReadBackError for a line that Windows would not take like this."""
    given = _Arguments(line, CONSEC)
    action = given.choice("action", _ACTIONS)
    protocol = _PROTOCOLS[given.choice("protocol", tuple(_PROTOCOLS))]
    given.must("mode", "transport")
    given.must("profile", "any")
    port1, port2 = (_ports(given, f"port{number}", protocol) for number in (1, 2))
    endpoint1, endpoint2 = _scope(given, "endpoint1"), _scope(given, "endpoint2")
    secured: dict[str, t.Any] = {} if action == "noauthentication" else {
        "auth1": _auth(given), "quick": given.suites("qmsecmethods", read_netsh_quick), "pfs": given.choice("qmpfs", _PFS),
    }
    name = given.finish()
    _check_ports(line, action, port1, port2)
    return name, ConSecMatch(action, protocol, port1, port2, endpoint1, endpoint2, **secured)


def read_main_mode(line: str) -> tuple[str, MainModeMatch]:
    """Name and meaning of a main mode rule."""
    given = _Arguments(line, MAIN_MODE)
    given.must("profile", "any")
    life = _LIFE.match(given.take("mmkeylifetime"))
    if not life:
        raise ReadBackError(f"{line!r}: mmkeylifetime is not <n>min,<n>sess")
    suites = given.suites("mmsecmethods", read_netsh_main)
    match = MainModeMatch(
        _scope(given, "endpoint1"), _scope(given, "endpoint2"), auth1=_auth(given), suites=suites, minutes=int(life[1]), sessions=int(life[2]),
    )
    return given.finish(), match


class _Arguments:
    """The arguments of one line, each to be taken once."""

    def __init__(self, line: str, verb: str) -> None:
        self.line = line
        if not line.startswith(verb) or not line.isascii() or "%" in line or len(line) > 7900:
            raise ReadBackError(f"{line[:80]!r} is not one line of {verb!r}")
        self.values: dict[str, str] = {}
        position = len(verb)
        while position < len(line):
            match = _ARGUMENT.match(line, position)
            if not match or match[1] in self.values:
                raise ReadBackError(f"{line!r}: cannot be read from character {position}")
            self.values[match[1]] = match[2] or match[3]
            position = match.end()

    def take(self, name: str) -> str:
        try:
            return self.values.pop(name)
        except KeyError:
            raise ReadBackError(f"{self.line!r}: has no {name}") from None

    def must(self, name: str, value: str) -> None:
        if self.take(name) != value:
            raise ReadBackError(f"{self.line!r}: {name} is not {value}")

    def choice(self, name: str, choices: t.Sequence[str]) -> str:
        value = self.take(name)
        if value not in choices:
            raise ReadBackError(f"{self.line!r}: {name}={value} is not known")
        return value

    def suites(self, name: str, reader: t.Callable[[str], t.Any]) -> t.Any:
        try:
            return reader(self.take(name))
        except SuiteError as error:
            raise ReadBackError(f"{self.line!r}: {error}") from None

    def finish(self) -> str:
        """The name, once everything else was taken."""
        name = self.take("name")
        self.values.pop("description", None)
        if self.values or name.lower() == "all":
            raise ReadBackError(f"{self.line!r}: {', '.join(self.values) or 'the name all'} is not expected")
        return name


def _auth(given: _Arguments) -> tuple[AuthSuite, ...]:
    method = _AUTH[given.choice("auth1", tuple(_AUTH))]
    if method == "psk":
        given.take("auth1psk")
    return (AuthSuite(method, given.take("auth1ca") if method == "certificate" else ""),)


def _scope(given: _Arguments, name: str) -> Scope:
    found: dict[str, list[tuple[int, int]]] = {"ipv4": [], "ipv6": []}
    for text in given.take(name).split(","):
        family = "ipv6" if ":" in text else "ipv4"
        try:
            found[family].append(interval(family, text))
        except ValueError as error:
            raise ReadBackError(f"{given.line!r}: {name}: {error}") from None
    return Scope(v4=_networks.merge(found["ipv4"]), v6=_networks.merge(found["ipv6"]))


def _ports(given: _Arguments, name: str, protocol: int | None) -> Ports:
    if protocol not in (6, 17):
        return ANY_PORT
    text = given.take(name)
    if text == "any":
        return ANY_PORT
    matches = [_PORT.match(part) for part in text.split(",")]
    numbers = [(int(match[1]), int(match[2] or match[1])) for match in matches if match]
    if len(numbers) != len(matches) or any(not 0 < low <= high < 65536 for low, high in numbers):
        raise ReadBackError(f"{given.line!r}: {name}={text} is not a list of ports")
    return Ports(numbers=_networks.merge(numbers))


def _check_ports(line: str, action: str, port1: Ports, port2: Ports) -> None:
    """Ports that touch look like a range once merged, so the text decides (MS-FASP 2.2.24)."""
    ranges = re.search(r" port[12]=[^ ]*-", line)
    if ranges and action != "noauthentication":
        raise ReadBackError(f"{line!r}: a rule that secures cannot have a range of ports")
    if not port1.everything and not port2.everything:
        raise ReadBackError(f"{line!r}: ports of both sides are not expected")


__all__ = ("CONSEC", "MAIN_MODE", "read_consec", "read_main_mode")
