# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint mapper for tests, also as a process of its own: ``epm_double.py '{"mapper": 135, "servers": {"lsarpc": 50001}, "listen": [8080]}'``.

As a process it prints a line when everything listens, and ends when its standard input does. It imports nothing of the collection.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import sys
import threading
import typing as t
import uuid

NDR = uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860")
HANDLE = bytes(range(1, 21))
NOT_REGISTERED = 0x16C9A0D6


def interface(name: str) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_DNS, name)


def floors(*parts: tuple[bytes, bytes]) -> bytes:
    return struct.pack("<H", len(parts)) + b"".join(struct.pack("<H", len(side)) + side for part in parts for side in part)


def tower(name: str, port: int, address: str = "192.0.2.1", minor: int = 0) -> bytes:
    """The five floors of an interface on TCP."""
    return floors(
        (b"\x0d" + interface(name).bytes_le + struct.pack("<H", 1), struct.pack("<H", minor)), (b"\x0d" + NDR.bytes_le + b"\x02\x00", b"\x00\x00"),
        (b"\x0b", b"\x00\x00"), (b"\x07", struct.pack(">H", port)), (b"\x09", socket.inet_aton(address)),
    )


def pipe(name: str) -> bytes:
    """The floors of an interface on a named pipe."""
    first = (b"\x0d" + interface(name).bytes_le + b"\x01\x00", b"\x00\x00")
    return floors(first, (b"\x0d" + NDR.bytes_le + b"\x02\x00", b"\x00\x00"), (b"\x0b", b"\x00\x00"), (b"\x0f", name.encode() + b"\0"))


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def answer(entries: t.Sequence[tuple[bytes, str]], *, handle: bytes = HANDLE, status: int = 0, order: str = "<", most: int | None = None) -> bytes:
    """The stub of an answer to ept_lookup; entries: tower and annotation."""
    count = len(entries)
    heads, towers = b"", b""
    for number, (built, annotation) in enumerate(entries):
        text = annotation.encode("utf-8") + b"\0"
        heads += padded(bytes(16) + struct.pack(order + "III", 0x20000 + 4 * number, 0, len(text)) + text)
        towers += padded(struct.pack(order + "II", len(built), len(built)) + built)
    counts = struct.pack(order + "IIII", count, count if most is None else most, 0, count)
    return handle + counts + heads + towers + struct.pack(order + "I", status)


def pdu(kind: int, body: bytes, *, call: int = 1, flags: int = 3, order: str = "<") -> bytes:
    label = b"\x10\0\0\0" if order == "<" else b"\0\0\0\0"
    return struct.pack("BBBB", 5, 0, kind, flags) + label + struct.pack(order + "HHI", 16 + len(body), 0, call) + body


def bind_ack(result: int = 0, order: str = "<") -> bytes:
    body = struct.pack(order + "HHI", 4280, 4280, 1) + struct.pack(order + "H", 4) + b"135\0"
    body = padded(body) + b"\x01\0\0\0" + struct.pack(order + "HH", result, 2 * result) + NDR.bytes_le + struct.pack("<I", 2)
    return pdu(12, body, order=order)


def responses(stub: bytes, size: int = 4000, order: str = "<") -> bytes:
    """One answer in as many fragments as it takes."""
    parts = [stub[at:at + size] for at in range(0, len(stub), size)] or [b""]
    flags = [(1 if number == 0 else 0) | (2 if number == len(parts) - 1 else 0) for number in range(len(parts))]
    return b"".join(pdu(2, struct.pack(order + "IHH", len(stub), 0, 0) + part, flags=flag, order=order) for part, flag in zip(parts, flags, strict=True))


def request(peer: socket.socket) -> bytes:
    """The body of one PDU of the client; empty when it has gone."""
    with contextlib.suppress(ConnectionResetError):
        head = peer.recv(16, socket.MSG_WAITALL)
        if len(head) == 16:
            return peer.recv(struct.unpack("<H", head[8:10])[0] - 16, socket.MSG_WAITALL)
    return b""


def converse(peer: socket.socket, entries: t.Sequence[tuple[bytes, str]], *, order: str = "<", size: int = 4000) -> None:
    """Answer one client as the endpoint mapper does: some entries at a time, then none and no handle."""
    with peer:
        request(peer)
        peer.sendall(bind_ack(order=order))
        at = 0
        while body := request(peer):
            most = struct.unpack("<I", body[-4:])[0]
            page, at = entries[at:at + most], at + most
            ended = not page
            stub = answer(page, handle=bytes(20) if ended else HANDLE, status=NOT_REGISTERED if ended else 0, order=order)
            peer.sendall(responses(stub, size, order))


def serve(listener: socket.socket, entries: t.Sequence[tuple[bytes, str]]) -> None:
    while True:
        try:
            peer = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=converse, args=(peer, entries), daemon=True).start()


def main() -> None:
    order = json.loads(sys.argv[1])
    held = [socket.create_server(("0.0.0.0", port)) for port in {*order.get("servers", {}).values(), *order.get("listen", [])}]
    if "mapper" in order:
        entries = [(tower(name, port), name) for name, port in order["servers"].items()]
        mapper = socket.create_server(("0.0.0.0", order["mapper"]))
        threading.Thread(target=serve, args=(mapper, [*entries, (pipe("epmapper"), "epmapper")]), daemon=True).start()
    print("ready", len(held), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
