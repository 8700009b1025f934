#!/usr/bin/python3
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two clustered servers have to say to each other: serve PORT..., once ADDRESS PORT, or call ADDRESS PORT, which goes on and writes down how it went."""

from __future__ import annotations

import socket
import socketserver
import sys
import threading
import time
from pathlib import Path

SAID = b"datapath-canary-in-clear\n" * 200
LOG = Path("/var/tmp/traffic.log")  # noqa: S108 - on a guest that nobody else uses


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        got = 0
        while got < len(SAID):
            part = self.request.recv(65536)
            if not part:
                return
            self.request.sendall(part)
            got += len(part)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    address_family = socket.AF_INET6


def once(address: str, port: int, seconds: float = 3.0) -> bool:
    """Whether everything came back that was said."""
    try:
        with socket.create_connection((address, port), seconds) as connection:
            connection.sendall(SAID)
            got = b""
            while len(got) < len(SAID):
                part = connection.recv(65536)
                if not part:
                    break
                got += part
            return got == SAID
    except OSError:
        return False


def main(what: str, *words: str) -> int:
    if what == "serve":
        for port in words:
            threading.Thread(target=Server(("::", int(port)), Echo).serve_forever).start()
        return 0
    if what == "once":
        return 0 if once(words[0], int(words[1])) else 1
    while True:
        went = "passed" if once(words[0], int(words[1])) else "failed"
        with LOG.open("a", encoding="ascii") as log:
            log.write(f"{time.time():.1f} {went}\n")
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
