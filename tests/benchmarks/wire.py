# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What connections and bytes cost between two network namespaces, through a host's rules and without them.

One process holds a socket in each namespace and does both ends' work in turn, so its processor time is all that a connection costs: client, server, and the
kernel's work for both. Unlike a rate on a clock this hardly depends on what else the machine does, and on a busy processor the two are each other's inverse.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time

PORT = 135
SERVER, CLIENT = "10.3.0.2", "10.3.0.4"
CONNECTIONS, MEGABYTES, WARM_UP = 1000, 500, 20
REQUEST, ANSWER = bytes(200), bytes(4000)
RESET = b"\1\0\0\0\0\0\0\0"
CLONE_NEWNET = 0x40000000
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33

NO_RULES = "table inet datapath\ndelete table inet datapath\n"
TRACKING = NO_RULES + "table inet datapath { chain input { type filter hook input priority filter; ct state established,related accept; }; }\n"
"""The least that any stateful firewall does."""


class Wire:
    """Two namespaces joined by a cable: ``server`` has the rules. A context manager; nothing is left behind."""

    def __init__(self) -> None:
        self.names = [f"dxbench-{os.getpid()}-{end}" for end in ("server", "client")]
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY)

    def __enter__(self) -> Wire:
        server, client = self.names
        for name in self.names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        _ip("link", "add", "dxb0", "netns", server, "type", "veth", "peer", "name", "dxb1", "netns", client)
        for name, link, address in ((server, "dxb0", SERVER), (client, "dxb1", CLIENT)):
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", link)
            _ip("-n", name, "link", "set", link, "up")
        self._step_into(server)
        self._listener = socket.create_server((SERVER, PORT), backlog=16)
        self._step_into(client)
        return self

    def __exit__(self, *_exc: object) -> None:
        _set_namespace(self._home)
        os.close(self._home)
        for name in self.names:
            _ip("netns", "del", name)

    def rules(self, text: str) -> None:
        """Load rules into the server's namespace."""
        subprocess.run(["ip", "netns", "exec", self.names[0], "nft", "-f", "-"], input=text.encode(), check=True)

    def connect(self) -> float:
        """Processor seconds of connections that are opened and closed, and carry nothing."""
        start = time.process_time()
        for _ in range(CONNECTIONS):
            near, far = self._pair()
            near.close()
            far.close()
        return time.process_time() - start

    def exchange(self) -> float:
        """Processor seconds of connections with one small question and its answer."""
        start = time.process_time()
        for _ in range(CONNECTIONS):
            near, far = self._pair()
            with near, far:
                near.sendall(REQUEST)
                far.recv(len(REQUEST))
                far.sendall(ANSWER)
                _receive(near, len(ANSWER))
        return time.process_time() - start

    def stream(self) -> float:
        """Processor seconds of many bytes over one connection, with buffers as large as those of a busy one."""
        block, buffer = bytes(1 << 20), bytearray(1 << 20)
        near, far = self._pair()
        near.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 8 << 20)
        far.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        with near, far:
            for index in range(WARM_UP + MEGABYTES):
                if index == WARM_UP:
                    start = time.process_time()
                near.sendall(block)
                left = len(block)
                while left:
                    left -= far.recv_into(buffer, left)
            return time.process_time() - start

    def _pair(self) -> tuple[socket.socket, socket.socket]:
        near = socket.create_connection((SERVER, PORT), 5)
        # A reset at the end, so that ports are free again at once.
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        return near, self._listener.accept()[0]

    @staticmethod
    def _step_into(name: str) -> None:
        handle = os.open(f"/run/netns/{name}", os.O_RDONLY)
        _set_namespace(handle)
        os.close(handle)


def _receive(connection: socket.socket, count: int) -> None:
    while count:
        count -= len(connection.recv(count))


def _set_namespace(handle: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
