# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forced command of a session: brings command and input to the double that owns the folder, and takes back what it says."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading


def main(folder: str) -> int:
    command = os.environ.get("SSH_ORIGINAL_COMMAND")
    if command is None:
        sys.stderr.write("This double has no interactive shell.\r\n")
        return 1
    os.chdir(folder)
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("commands")
        connection.sendall(json.dumps({"command": command}).encode() + b"\n")
        threading.Thread(target=_send_input, args=(connection,), daemon=True).start()
        return _give_answer(connection)


def _send_input(connection: socket.socket) -> None:
    try:
        while data := os.read(0, 65536):
            connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # the command did not want it


def _give_answer(connection: socket.socket) -> int:
    with connection.makefile("rb") as answer:
        head = json.loads(answer.readline() or b'{"status": 255, "out": 0, "err": 0}')
        sys.stdout.buffer.write(answer.read(head["out"]))
        sys.stdout.buffer.flush()
        sys.stderr.buffer.write(answer.read(head["err"]))
        sys.stderr.buffer.flush()
    return int(head["status"]) & 0xFF


if __name__ == "__main__":
    # Not sys.exit: the thread may still wait for input that nobody sends.
    status = main(sys.argv[1])
    os._exit(status)
