# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netsh firewall) of Windows Server 2003: single ports that anybody or listed IPv4 networks may reach.

https://learn.microsoft.com/troubleshoot/windows-server/networking/netsh-advfirewall-firewall-control-firewall-behavior (KB947709) has old and new side by side.
"""

from __future__ import annotations

import ipaddress
import typing as t

from windows_double.netsh_words import DWORD, LOCAL, SZ, RefusedError, Session, ViolationError, choice, entries_of, number, tags

_PORT_TAGS = ("protocol", "port", "name", "mode", "scope", "addresses", "profile")
_PROFILES = {"domain": ("DomainProfile",), "standard": ("StandardProfile",), "all": ("DomainProfile", "StandardProfile")}
_MODES = {"enable": 1, "disable": 0}


def run(session: Session, words: t.Sequence[str]) -> None:
    """One command after C(firewall)."""
    command = tuple(word.lower() for word in words[:2])
    if command not in _COMMANDS:
        raise RefusedError("command", " ".join(words[:2]))
    session.begin_change()
    _COMMANDS[command](session, words[2:])
    session.say("ok")


def _keys(given: t.Mapping[str, str]) -> list[str]:
    if "profile" not in given:
        raise ViolationError("without profile= only the current profile changes")
    return [f"{LOCAL}\\{profile}" for profile in choice(given["profile"], _PROFILES)]


def _add_port(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, _PORT_TAGS)
    if not {"protocol", "port", "name"} <= given.keys():
        raise RefusedError("arguments")
    port = f"{number(given['port'], 1, 65535)}:{choice(given['protocol'], ('tcp', 'udp')).upper()}"
    if ":" in given["name"]:
        raise RefusedError("value")
    mode = "Enabled" if _MODES[choice(given.get("mode", "enable"), _MODES.keys())] else "Disabled"
    for key in _keys(given):
        session.registry.set(f"{key}\\GloballyOpenPorts\\List", port, SZ, f"{port}:{_scope(given)}:{mode}:{given['name']}")


def _scope(given: t.Mapping[str, str]) -> str:
    scope = choice(given.get("scope", "all"), ("all", "subnet", "custom"))
    if (scope == "custom") != ("addresses" in given):
        raise RefusedError("value")
    if scope != "custom":
        return {"all": "*", "subnet": "LocalSubNet"}[scope]
    return ",".join(_network(part) for part in entries_of(given["addresses"]))


def _network(part: str) -> str:
    if part.lower() == "localsubnet":
        return "LocalSubNet"
    try:
        network = ipaddress.IPv4Network(part)
    except ValueError as error:
        raise RefusedError("value") from error
    return f"{network.network_address}/{network.netmask}"


def _delete_port(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, ("protocol", "port", "profile"))
    if not {"protocol", "port"} <= given.keys():
        raise RefusedError("arguments")
    port = f"{number(given['port'], 1, 65535)}:{choice(given['protocol'], ('tcp', 'udp')).upper()}"
    gone = [session.registry.delete_value(f"{key}\\GloballyOpenPorts\\List", port) for key in _keys(given)]
    if not any(gone):
        raise RefusedError("no_rules")


def _set_mode(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, ("mode", "exceptions", "profile"))
    if "mode" not in given:
        raise RefusedError("arguments")
    for key in _keys(given):
        session.registry.set(key, "EnableFirewall", DWORD, _MODES[choice(given["mode"], _MODES.keys())])
        if "exceptions" in given:
            session.registry.set(key, "DoNotAllowExceptions", DWORD, 1 - _MODES[choice(given["exceptions"], _MODES.keys())])


def _set_logging(session: Session, words: t.Sequence[str]) -> None:
    given = tags(words, ("filelocation", "maxfilesize", "droppedpackets", "connections"))
    for profile in _PROFILES["all"]:
        key = f"{LOCAL}\\{profile}\\Logging"
        for tag, name in (("droppedpackets", "LogDroppedPackets"), ("connections", "LogSuccessfulConnections")):
            if tag in given:
                session.registry.set(key, name, DWORD, _MODES[choice(given[tag], _MODES.keys())])
        if "maxfilesize" in given:
            session.registry.set(key, "LogFileSize", DWORD, number(given["maxfilesize"], 1, 32767))
        if "filelocation" in given:
            session.registry.set(key, "LogFilePath", SZ, given["filelocation"])


_COMMANDS: dict[tuple[str, ...], t.Callable[[Session, t.Sequence[str]], None]] = {
    ("add", "portopening"): _add_port,
    ("delete", "portopening"): _delete_port,
    ("set", "opmode"): _set_mode,
    ("set", "logging"): _set_logging,
}

__all__ = ("run",)
