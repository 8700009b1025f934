# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netsh advfirewall set PROFILE): state, default actions, notifications and the log of the three profiles.

Values: https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-gpfas/ (2.2.3). One setting a command, as the usage text has it.
"""

from __future__ import annotations

import typing as t

from windows_double.netsh_words import DWORD, SZ, RefusedError, Session, ViolationError, choice, number

KEYS = {
    "domain": ("DomainProfile", "DomainProfile"),
    "private": ("StandardProfile", "PrivateProfile"),
    "public": ("PublicProfile", "PublicProfile"),
}
"""By profile: its key in the local store and in a Group Policy object."""

_SCOPES = {"allprofiles": tuple(KEYS), **{f"{name}profile": (name,) for name in KEYS}}
SCOPES = (*_SCOPES, "currentprofile")

_INBOUND = {"blockinbound": (1, 0), "blockinboundalways": (1, 1), "allowinbound": (0, 0)}
_OUTBOUND = {"allowoutbound": 0, "blockoutbound": 1}
_LOG_SIZE = 32767
_SWITCHES = {"enable": 1, "disable": 0}
_LOGGING = {"allowedconnections": "LogSuccessfulConnections", "droppedconnections": "LogDroppedPackets"}
_MERGE = {"localfirewallrules": "AllowLocalPolicyMerge", "localconsecrules": "AllowLocalIPsecPolicyMerge"}
_DISABLING = {"inboundusernotification": "DisableNotifications", "unicastresponsetomulticast": "DisableUnicastResponsesToMulticastBroadcast"}

Change = tuple[str, str, str, t.Any]
"""(subkey of the profile, value name, type, data); data None deletes the value."""


def _unset(session: Session) -> None:
    if session.local:
        raise RefusedError("value")  # notconfigured is for Group Policy objects only


def _state(session: Session, words: t.Sequence[str]) -> list[Change]:
    (value,) = words
    if value.lower() == "notconfigured":
        _unset(session)
        return [("", "EnableFirewall", DWORD, None)]
    return [("", "EnableFirewall", DWORD, {"on": 1, "off": 0}[choice(value, ("on", "off"))])]


def _policy(session: Session, words: t.Sequence[str]) -> list[Change]:
    (value,) = words
    parts = value.lower().split(",")
    if len(parts) != 2:
        raise RefusedError("value")
    inbound, outbound = parts
    changes: list[Change] = []
    if inbound == "notconfigured":
        _unset(session)
        changes += [("", "DefaultInboundAction", DWORD, None), ("", "DoNotAllowExceptions", DWORD, None)]
    else:
        block, shielded = _INBOUND[choice(inbound, _INBOUND.keys())]
        changes += [("", "DefaultInboundAction", DWORD, block), ("", "DoNotAllowExceptions", DWORD, shielded)]
    if outbound == "notconfigured":
        _unset(session)
        return [*changes, ("", "DefaultOutboundAction", DWORD, None)]
    return [*changes, ("", "DefaultOutboundAction", DWORD, _OUTBOUND[choice(outbound, _OUTBOUND.keys())])]


def _switch(session: Session, value: str) -> int | None:
    if value.lower() == "notconfigured":
        _unset(session)
        return None
    return _SWITCHES[choice(value, _SWITCHES.keys())]


def _settings(session: Session, words: t.Sequence[str]) -> list[Change]:
    name, value = words
    word = name.lower()
    if word == "remotemanagement":
        raise ViolationError("settings remotemanagement switches rule groups: never sent")
    switch = _switch(session, value)
    if word in _MERGE:
        if session.local:
            raise RefusedError("value")
        return [("", _MERGE[word], DWORD, switch)]
    if word not in _DISABLING:
        raise RefusedError("value")
    return [("", _DISABLING[word], DWORD, None if switch is None else 1 - switch)]


def _logging(session: Session, words: t.Sequence[str]) -> list[Change]:
    name, value = words
    word = name.lower()
    if word in _LOGGING:
        return [("Logging", _LOGGING[word], DWORD, _switch(session, value))]
    if word not in {"filename", "maxfilesize"}:
        raise RefusedError("value")
    if value.lower() == "notconfigured":
        _unset(session)
        return [("Logging", "LogFilePath" if word == "filename" else "LogFileSize", SZ, None)]
    if word == "maxfilesize":
        return [("Logging", "LogFileSize", DWORD, number(value, 1, _LOG_SIZE))]
    if set(value) & set('/*?"<>|'):
        raise RefusedError("value")
    return [("Logging", "LogFilePath", SZ, value)]


_PARTS: dict[str, tuple[int, t.Callable[[Session, t.Sequence[str]], list[Change]]]] = {
    "state": (1, _state),
    "firewallpolicy": (1, _policy),
    "settings": (2, _settings),
    "logging": (2, _logging),
}


def run(session: Session, words: t.Sequence[str]) -> None:
    """One command after C(advfirewall set), beginning with the profile."""
    scope, *rest = words
    if scope.lower() == "currentprofile":
        raise ViolationError("set currentprofile: which profile that is, changes with the network")
    if not rest or rest[0].lower() not in _PARTS:
        raise RefusedError("command", " ".join(words[:2]))
    count, read = _PARTS[rest[0].lower()]
    if len(rest) != count + 1:
        raise RefusedError("arguments")
    session.begin_change()
    changes = read(session, rest[1:])
    for profile in _SCOPES[scope.lower()]:
        _apply(session, KEYS[profile][0 if session.local else 1], changes)
    session.say("ok")


def _apply(session: Session, profile: str, changes: t.Iterable[Change]) -> None:
    for subkey, name, kind, data in changes:
        key = session.key(profile, subkey) if subkey else session.key(profile)
        if data is None:
            session.registry.delete_value(key, name)
        else:
            session.registry.set(key, name, kind, data)


__all__ = ("KEYS", "SCOPES", "run")
