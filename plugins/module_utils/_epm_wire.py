# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What is said to an endpoint mapper and what it answers, as bytes: DCE 1.1 RPC (C706) and MS-RPCE over TCP. Pure. Standard library only.

https://pubs.opengroup.org/onlinepubs/9629399/ chapters 12 (PDUs), 14 (NDR), appendix L (towers) and O (the interface of the endpoint mapper)
"""

from __future__ import annotations

import struct
import typing as t
import uuid
from dataclasses import dataclass

HEADER = 16
RESPONSE, FAULT, BIND_ACK, BIND_NAK = 2, 3, 12, 13
HANDLE = 20
NO_HANDLE = bytes(HANDLE)
NOT_REGISTERED = 0x16C9A0D6
"""Status C(ept_s_not_registered): nothing is left to list."""
MOST_ENTRIES = 500
"""What one answer may hold: more than is asked for is a broken server."""

_EPM = struct.pack("<16sHH", uuid.UUID("e1af8308-5d1f-11c9-91a4-08002b14a0fa").bytes_le, 3, 0)
_NDR = struct.pack("<16sI", uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le, 2)
_REQUEST, _BIND, _WHOLE = 0, 11, 3
_LAST = 2
_FRAGMENT = 5840
_LOOKUP = 2
_TCP, _IP, _NAMED_INTERFACE = 0x07, 0x09, 0x0D
_MOST_FLOORS = 16


class EpmError(Exception):
    """An endpoint mapper that does not answer, or not in its protocol: says what."""


@dataclass(frozen=True, order=True)
class Endpoint:
    """One interface that listens on a TCP port. interface: its UUID; annotation: what the server calls it, printable and possibly empty."""

    port: int
    address: str
    interface: str
    version: str
    annotation: str = ""

    def to_plain(self) -> dict[str, t.Any]:
        return {
            "port": self.port, "address": self.address, "interface": self.interface, "version": self.version, "annotation": self.annotation,
        }


@dataclass(frozen=True)
class Header:
    """The beginning of a PDU: kind, whether it is the last of its message, its length, and the order of bytes of its integers."""

    kind: int
    last: bool
    length: int
    order: str


def bind() -> bytes:
    """The PDU that opens the interface of the endpoint mapper on a connection."""
    context = struct.pack("<BxxxHBx", 1, 0, 1) + _EPM + _NDR
    return _pdu(_BIND, 1, struct.pack("<HHI", _FRAGMENT, _FRAGMENT, 0) + context)


def lookup(call: int, handle: bytes, entries: int) -> bytes:
    """The PDU that asks for the next entries, whatever their interface; handle: of the answer before, first C(NO_HANDLE)."""
    stub = struct.pack("<IIII", 0, 0, 0, 0) + handle + struct.pack("<I", entries)
    return _pdu(_REQUEST, call, struct.pack("<IHH", len(stub), 0, _LOOKUP) + stub)


def _pdu(kind: int, call: int, body: bytes) -> bytes:
    return struct.pack("<BBBBIHHI", 5, 0, kind, _WHOLE, 0x10, HEADER + len(body), 0, call) + body


def header(data: bytes) -> Header:
    """Read the first 16 bytes of a PDU; EpmError for anything else."""
    if len(data) != HEADER or data[0] != 5 or data[1] > 1 or data[4] >> 4 > 1:
        raise EpmError("it does not speak DCE RPC 5")
    order = "<" if data[4] >> 4 else ">"
    length, authentication = struct.unpack(order + "HH", data[8:12])
    if length < HEADER or authentication:
        raise EpmError(f"a PDU of {length} bytes with {authentication} bytes of authentication was not expected")
    return Header(data[2], bool(data[3] & _LAST), length, order)


def accepted(head: Header, body: bytes) -> None:
    """Raise EpmError unless the answer to C(bind) says yes."""
    reader = Reader(body, head.order)
    if head.kind != BIND_ACK:
        raise EpmError("it refuses the interface of an endpoint mapper" if head.kind == BIND_NAK else f"a PDU of kind {head.kind} answers the bind")
    reader.take(8)
    reader.take(reader.number("H"))
    reader.align()
    if reader.number("B") != 1:
        raise EpmError("the bind is answered for another number of interfaces")
    reader.take(3)
    if reader.number("H"):
        raise EpmError(f"it refuses the interface of an endpoint mapper, reason {reader.number('H')}")


def fragment(head: Header, body: bytes) -> bytes:
    """The part of an answer that one PDU carries; EpmError for a fault."""
    reader = Reader(body, head.order)
    reader.take(8)
    if head.kind == FAULT:
        raise EpmError(f"it answers with the fault 0x{reader.number('I'):08x}")
    if head.kind != RESPONSE:
        raise EpmError(f"a PDU of kind {head.kind} answers the lookup")
    return reader.rest()


class Reader:
    """Numbers and bytes one after another; EpmError where there are too few. order: C(<) or C(>)."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data, self.order, self.at = data, order, 0

    def take(self, length: int) -> bytes:
        if length > len(self.data) - self.at:
            raise EpmError(f"an answer ends after {len(self.data)} bytes, within a value")
        self.at += length
        return self.data[self.at - length:self.at]

    def number(self, kind: str) -> int:
        value: int = struct.unpack(self.order + kind, self.take(struct.calcsize("=" + kind)))[0]
        return value

    def align(self) -> None:
        """Skip to a multiple of four; padding that the very end lacks does no harm."""
        self.at = min(len(self.data), (self.at + 3) & ~3)

    def uuid(self) -> str:
        raw = self.take(16)
        return str(uuid.UUID(bytes_le=raw) if self.order == "<" else uuid.UUID(bytes=raw))

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)


def answer(stub: bytes, order: str) -> tuple[bytes, tuple[Endpoint, ...], int]:
    """Read the answer to a lookup: the handle for the next one, the TCP endpoints among the entries, how many entries there were.

    Raises EpmError when it breaks the protocol or tells an error.
    """
    reader = Reader(stub, order)
    handle = reader.take(HANDLE)
    count = reader.number("I")
    most, offset, given = (reader.number("I") for _position in range(3))
    if given != count or offset or count > min(most, MOST_ENTRIES):
        raise EpmError(f"an answer counts {count} entries, and lists {given} from {offset} of {most}")
    heads = [_entry(reader) for _position in range(count)]
    found = [_endpoint(_tower(reader), annotation) for pointer, annotation in heads if pointer]
    reader.align()
    status = reader.number("I")
    if status not in (0, NOT_REGISTERED):
        raise EpmError(f"it answers with the status 0x{status:08x}")
    return handle, tuple(endpoint for endpoint in found if endpoint), count


def _entry(reader: Reader) -> tuple[int, str]:
    """The part of an entry that stands in the array: whether a tower follows, and the annotation."""
    reader.align()
    reader.take(16)
    pointer, offset, length = (reader.number("I") for _position in range(3))
    if offset or length > 64:
        raise EpmError(f"an annotation of {length} bytes from {offset}: 64 at most were expected")
    text = reader.take(length).split(b"\0")[0].decode("ascii", "replace")
    return pointer, "".join(char if char.isprintable() else "?" for char in text)


def _tower(reader: Reader) -> bytes:
    reader.align()
    most, length = reader.number("I"), reader.number("I")
    if most != length:
        raise EpmError(f"a tower of {length} bytes in an array of {most}")
    return reader.take(length)


def _endpoint(tower: bytes, annotation: str) -> Endpoint | None:
    """The TCP endpoint of a tower; None for other transports. Numbers in towers are little-endian, ports and addresses of the network's order."""
    reader = Reader(tower, "<")
    count = reader.number("H")
    if count > _MOST_FLOORS:
        raise EpmError(f"a tower of {count} floors")
    floors = [(reader.take(reader.number("H")), reader.take(reader.number("H"))) for _position in range(count)]
    if count < 4 or floors[3][0][:1] != bytes((_TCP,)):
        return None
    left, right = floors[0]
    if len(left) != 19 or left[0] != _NAMED_INTERFACE or len(right) != 2 or len(floors[3][1]) != 2:
        raise EpmError("a tower for TCP without an interface or a port")
    version = f"{int.from_bytes(left[17:], 'little')}.{int.from_bytes(right, 'little')}"
    return Endpoint(int.from_bytes(floors[3][1], "big"), _address(floors[4:]), str(uuid.UUID(bytes_le=left[1:17])), version, annotation)


def _address(floors: t.Sequence[tuple[bytes, bytes]]) -> str:
    for left, right in floors:
        if left[:1] == bytes((_IP,)) and len(right) == 4:
            return ".".join(map(str, right))
    return ""


__all__ = (
    "HEADER", "MOST_ENTRIES", "NOT_REGISTERED", "NO_HANDLE", "Endpoint", "EpmError", "Header", "Reader", "accepted", "answer", "bind", "fragment", "header",
    "lookup",
)
