# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Asks the endpoint mapper of MS-RPC what is registered. It never reads without bounds of size, number and time. Standard library only."""

from __future__ import annotations

import socket
import time

from ansible_collections.datapath.exchange.plugins.module_utils import _epm_wire as wire
from ansible_collections.datapath.exchange.plugins.module_utils._epm_wire import Endpoint, EpmError

PORT = 135
SECONDS = 10.0
MOST_BYTES = 1 << 20
MOST_CALLS = 200
# Samba fills its answer up to what is asked for; this many entries fit into few fragments.
_ENTRIES = 50


def lookup(address: str, port: int = PORT, seconds: float = SECONDS) -> tuple[Endpoint, ...]:
    """All TCP endpoints that an endpoint mapper knows, sorted, each once. Raises EpmError, also for every failure of the network."""
    deadline = time.monotonic() + seconds
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            return _Conversation(connection, deadline).lookup()
    except OSError as error:
        raise EpmError(f"no answer on {address} port {port}: {error}") from error


class _Conversation:
    """One connection, and when it has to be over."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection, self.deadline = connection, deadline

    def lookup(self) -> tuple[Endpoint, ...]:
        self._send(wire.bind())
        wire.accepted(*self._pdu())
        found: set[Endpoint] = set()
        handle = wire.NO_HANDLE
        for call in range(2, 2 + MOST_CALLS):
            self._send(wire.lookup(call, handle, _ENTRIES))
            handle, endpoints, count = wire.answer(*self._message())
            found.update(endpoints)
            if not count or handle == wire.NO_HANDLE:
                return tuple(sorted(found))
        raise EpmError(f"it has not listed all after {MOST_CALLS} answers")

    def _message(self) -> tuple[bytes, str]:
        """The body of one answer, joined from its fragments, and its order of bytes."""
        body = b""
        while True:
            head, data = self._pdu()
            body += wire.fragment(head, data)
            if len(body) > MOST_BYTES:
                raise EpmError(f"an answer has more than {MOST_BYTES} bytes")
            if head.last:
                return body, head.order

    def _pdu(self) -> tuple[wire.Header, bytes]:
        head = wire.header(self._receive(wire.HEADER))
        return head, self._receive(head.length - wire.HEADER)

    def _send(self, data: bytes) -> None:
        self.connection.settimeout(self._left())
        self.connection.sendall(data)

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            self.connection.settimeout(self._left())
            part = self.connection.recv(length - len(data))
            if not part:
                raise EpmError("it ends the connection within an answer")
            data += part
        return data

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise EpmError("it takes too long to answer")
        return left


__all__ = ("PORT", "Endpoint", "EpmError", "lookup")
