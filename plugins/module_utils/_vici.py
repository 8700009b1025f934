# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""vici, the interface of strongSwan's daemon, as a client: what it has loaded and negotiated. Standard library only.

The protocol gives every value its length, where C(swanctl --raw) prints values with blanks in them and quotes none.
https://github.com/strongswan/strongswan/blob/5.9.8/src/libcharon/plugins/vici/README.md
"""

from __future__ import annotations

import socket
import stat
import struct
import typing as t
from pathlib import Path

SOCKETS = (Path("/run/charon.vici"), Path("/run/strongswan/charon.vici"), Path("/var/run/charon.vici"))
"""Where Debian, the enterprise Linuxes and strongSwan itself put it."""
MOST_BYTES = 512 * 1024
"""The longest packet that the daemon sends or takes (VICI_MESSAGE_SIZE_MAX)."""
MOST_EVENTS = 200_000
MOST_DEPTH = 16
_SECONDS = 60.0

_REQUEST, _RESPONSE, _UNKNOWN_COMMAND, _REGISTER, _UNREGISTER, _CONFIRMED, _UNKNOWN_EVENT, _EVENT = range(8)
_SECTION, _SECTION_END, _VALUE, _LIST, _ITEM, _LIST_END = range(1, 7)

#: A value is a text, a list of texts or a section. Keys keep their order.
Message = t.Dict[str, t.Any]


class ViciError(Exception):
    """The daemon cannot be asked, or answers what is not its protocol."""


class NoDaemonError(ViciError):
    """There is no socket, or nobody listens on it."""


def encode(message: t.Mapping[str, t.Any]) -> bytes:
    """A message as bytes; raises ViciError for what the protocol cannot carry."""
    parts: list[bytes] = []
    for key, value in message.items():
        if isinstance(value, str):
            parts += [bytes((_VALUE,)), _short(key), _long(value)]
        elif isinstance(value, (list, tuple)):
            parts += [bytes((_LIST,)), _short(key), *(bytes((_ITEM,)) + _long(item) for item in value), bytes((_LIST_END,))]
        else:
            parts += [bytes((_SECTION,)), _short(key), encode(value), bytes((_SECTION_END,))]
    return b"".join(parts)


def _short(text: str) -> bytes:
    raw = text.encode("utf-8", errors="surrogateescape")
    if not 0 < len(raw) < 256:
        raise ViciError(f"a name of {len(raw)} bytes does not fit into a message")
    return bytes((len(raw),)) + raw


def _long(text: str) -> bytes:
    raw = text.encode("utf-8", errors="surrogateescape")
    if len(raw) > 0xFFFF:
        raise ViciError(f"a value of {len(raw)} bytes does not fit into a message")
    return struct.pack(">H", len(raw)) + raw


def decode(raw: bytes) -> Message:
    """Bytes as a message; raises ViciError for anything else, so that nothing is ever half understood."""
    reader = _Reader(raw)
    message = reader.section(0)
    if reader.place != len(raw):
        raise ViciError("the daemon's message ends before its packet does")
    return message


class _Reader:
    """Goes through one message."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.place = raw, 0

    def take(self, count: int) -> bytes:
        end = self.place + count
        if end > len(self.raw):
            raise ViciError("the daemon's message is cut off")
        part = self.raw[self.place:end]
        self.place = end
        return part

    def text(self, width: int) -> str:
        return self.take(int.from_bytes(self.take(width), "big")).decode("utf-8", errors="surrogateescape")

    def section(self, depth: int) -> Message:
        """Elements up to the end of the section, or of the message where depth is 0."""
        if depth > MOST_DEPTH:
            raise ViciError(f"the daemon's message is more than {MOST_DEPTH} sections deep")
        found: Message = {}
        while self.place < len(self.raw) or depth:
            kind = self.take(1)[0]
            if kind == _SECTION_END and depth:
                return found
            self._element(kind, found, depth)
        return found

    def _element(self, kind: int, found: Message, depth: int) -> None:
        if kind not in (_SECTION, _VALUE, _LIST):
            raise ViciError(f"the daemon's message has an element of kind {kind} where none may be")
        key = self.text(1)
        if not key or key in found:
            raise ViciError(f"the daemon's message has the key {key!r} twice" if key else "the daemon's message has a key without a name")
        found[key] = self.section(depth + 1) if kind == _SECTION else self.text(2) if kind == _VALUE else self._items()

    def _items(self) -> list[str]:
        items: list[str] = []
        while True:
            kind = self.take(1)[0]
            if kind == _LIST_END:
                return items
            if kind != _ITEM:
                raise ViciError(f"the daemon's message has an element of kind {kind} in a list")
            items.append(self.text(2))


def find_socket(paths: t.Iterable[Path] = SOCKETS) -> Path:
    """The daemon's socket; raises NoDaemonError when there is none."""
    for path in paths:
        try:
            if stat.S_ISSOCK(path.stat().st_mode):
                return path
        except OSError:
            continue
    raise NoDaemonError(f"charon does not run, or its socket is elsewhere than {' or '.join(map(str, paths))}")


class Vici:
    """One conversation with the daemon."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    @classmethod
    def connect(cls, path: Path) -> Vici:
        """Call the daemon; raises NoDaemonError when nobody answers."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_SECONDS)
        try:
            connection.connect(str(path))
        except OSError as error:
            connection.close()
            raise NoDaemonError(f"charon does not answer on {path}: {error.strerror or error}") from error
        return cls(connection)

    def __enter__(self) -> Vici:  # noqa: PYI034 - Self is too new for targets
        return self

    def __exit__(self, *_what: object) -> None:
        self._socket.close()

    def request(self, command: str, message: t.Mapping[str, t.Any] | None = None) -> Message:
        """Send a command and return its answer; raises ViciError when it is not known or failed."""
        self._send(_REQUEST, command, message or {})
        return self._answer(command, None, [])

    def stream(self, command: str, event: str, message: t.Mapping[str, t.Any] | None = None) -> list[Message]:
        """Send a command that answers with events, and return what they carry."""
        events: list[Message] = []
        self._register(_REGISTER, event)
        self._send(_REQUEST, command, message or {})
        self._answer(command, event, events)
        self._register(_UNREGISTER, event)
        return events

    def _register(self, kind: int, event: str) -> None:
        self._send(kind, event, None)
        answer, _rest = self._packet()
        if answer != _CONFIRMED:
            raise ViciError(f"charon knows no event {event}: update strongSwan")

    def _answer(self, command: str, event: str | None, events: list[Message]) -> Message:
        while True:
            kind, rest = self._packet()
            if kind == _EVENT and event is not None and len(events) < MOST_EVENTS:
                events.append(_named(rest, event))
            elif kind == _RESPONSE:
                return _succeeded(command, decode(rest))
            elif kind == _UNKNOWN_COMMAND:
                raise ViciError(f"charon knows no command {command}: update strongSwan")
            else:
                raise ViciError(f"charon sent a packet of kind {kind} while it was asked {command}")

    def _send(self, kind: int, name: str, message: t.Mapping[str, t.Any] | None) -> None:
        body = bytes((kind,)) + _short(name) + (b"" if message is None else encode(message))
        if len(body) > MOST_BYTES:
            raise ViciError(f"a message of {len(body)} bytes is more than charon takes")
        try:
            self._socket.sendall(struct.pack(">I", len(body)) + body)
        except OSError as error:
            raise ViciError(f"charon went away: {error.strerror or error}") from error

    def _packet(self) -> tuple[int, bytes]:
        (length,) = struct.unpack(">I", self._exactly(4))
        if not 0 < length <= MOST_BYTES:
            raise ViciError(f"charon announces a packet of {length} bytes")
        body = self._exactly(length)
        return body[0], body[1:]

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            try:
                part = self._socket.recv(count)
            except OSError as error:
                raise ViciError(f"charon went away: {error.strerror or error}") from error
            if not part:
                raise ViciError("charon closed the connection")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def _named(rest: bytes, event: str) -> Message:
    length = rest[0] if rest else 0
    if rest[1:1 + length] != event.encode("ascii"):
        raise ViciError(f"charon sent another event than {event}")
    return decode(rest[1 + length:])


def _succeeded(command: str, answer: Message) -> Message:
    if answer.get("success", "yes") != "yes":
        raise ViciError(f"charon refused {command}: {str(answer.get('errmsg', 'no reason given'))[:300]}")
    return answer


__all__ = ("MOST_BYTES", "MOST_DEPTH", "SOCKETS", "Message", "NoDaemonError", "Vici", "ViciError", "decode", "encode", "find_socket")
