# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections and throughput between two network namespaces, through a host's rules and without them.

``wire.py serve`` and ``wire.py connect|stream HOST`` run inside the namespaces; ``Wire`` makes those.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time

CONNECT_PORT, STREAM_PORT = 135, 50000
SERVER, CLIENT = "10.3.0.2", "10.3.0.4"
CONNECTIONS, MEGABYTES = 4000, 3000


class Wire:
    """Two namespaces joined by a cable: ``server`` has the rules. A context manager; nothing is left behind."""

    def __init__(self) -> None:
        self.names = [f"dxbench-{os.getpid()}-{end}" for end in ("server", "client")]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Wire:
        server, client = self.names
        for name in self.names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "dxb0", "netns", server, "type", "veth", "peer", "name", "dxb1", "netns", client)
        for name, link, address in ((server, "dxb0", SERVER), (client, "dxb1", CLIENT)):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            _ip("-n", name, "link", "set", link, "up")
        self._process = subprocess.Popen(self._inside(server, sys.executable, __file__, "serve"), stdout=subprocess.PIPE)
        assert self._process.stdout
        self._process.stdout.readline()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
        for name in self.names:
            _ip("netns", "del", name)

    @staticmethod
    def _inside(name: str, *command: str) -> list[str]:
        return ["ip", "netns", "exec", name, *command]

    def rules(self, text: str) -> None:
        """Load rules into the server's namespace; an empty text takes them away."""
        text = text or "table inet datapath\ndelete table inet datapath\n"
        subprocess.run(self._inside(self.names[0], "nft", "-f", "-"), input=text.encode(), check=True)

    def measure(self, what: str) -> float:
        """Seconds for ``connect`` (many connections) or ``stream`` (many bytes), seen from the client."""
        done = subprocess.run(self._inside(self.names[1], sys.executable, __file__, what), capture_output=True, text=True, check=True)
        return float(done.stdout)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _serve() -> None:
    for port, answer in ((CONNECT_PORT, _close), (STREAM_PORT, _swallow)):
        listener = socket.create_server((SERVER, port), backlog=512)
        threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def _accept(listener: socket.socket, answer: object) -> None:
    while True:
        answer(listener.accept()[0])  # type: ignore[operator]


def _close(connection: socket.socket) -> None:
    connection.close()


def _swallow(connection: socket.socket) -> None:
    buffer = bytearray(1 << 20)
    with connection:
        while connection.recv_into(buffer):
            pass
        # The client waits for this byte: only then has everything arrived.
        connection.sendall(b"x")


def _connect() -> float:
    start = time.perf_counter()
    for _ in range(CONNECTIONS):
        with socket.create_connection((SERVER, CONNECT_PORT), 5) as connection:
            # A reset at the end, so that ports are free again at once.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    return time.perf_counter() - start


def _stream() -> float:
    block = bytes(1 << 20)
    with socket.create_connection((SERVER, STREAM_PORT), 5) as connection:
        start = time.perf_counter()
        for _ in range(MEGABYTES):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)
        return time.perf_counter() - start


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve()
    print(_connect() if sys.argv[1] == "connect" else _stream())
