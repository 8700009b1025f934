# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that our programs inside Wine ask: who they are, what they were told, what they shall do (relay.c)."""

from __future__ import annotations

import ntpath
import secrets
import socketserver
import sys
import threading
import typing as t
from dataclasses import dataclass
from io import BufferedIOBase


class GoneError(Exception):
    """The program inside Wine has ended, or its room has."""


@dataclass(frozen=True)
class Caller:
    """One start of a program. name: of its file, in lower case. arguments: the raw text behind the program's name. run: which command it belongs to."""

    name: str
    arguments: str
    folder: str
    run: str


class Relay:
    """A connection to one program inside Wine."""

    def __init__(self, reader: BufferedIOBase, writer: BufferedIOBase) -> None:
        self._reader, self._writer = reader, writer

    def read_line(self) -> list[str]:
        try:
            line = self._reader.readline()
        except OSError as error:
            raise GoneError(str(error)) from error
        if not line.endswith(b"\n"):
            raise GoneError("a program inside Wine ended in the middle")
        return line.decode("ascii").split()

    def say(self, word: str, *fields: str) -> None:
        try:
            self._writer.write((" ".join((word, *fields)) + "\n").encode("ascii"))
            self._writer.flush()
        except OSError as error:
            raise GoneError(str(error)) from error

    def ask(self, word: str, *fields: str) -> list[str]:
        self.say(word, *fields)
        return self.read_line()

    def read_input(self) -> bytes:
        """Everything that the program gets as standard input."""
        return data_of(self.ask("READ")[0])

    def run(self, line: str) -> int:
        """Run a command line inside, with the program's own input and output; returns its exit code."""
        return int(self.ask("RUN", text_field(line))[0])

    def set_variable(self, name: str, value: str) -> None:
        self.say("ENV", text_field(name), text_field(value))

    def end(self, status: int, out: bytes = b"", err: bytes = b"") -> None:
        """Let the program say this and end."""
        for word, data in (("OUT", out), ("ERR", err)):
            if data:
                self.say(word, data.hex())
        self.say("END", str(status))


def text_field(text: str) -> str:
    return text.encode("utf-16-le").hex() or "-"


def data_field(data: bytes) -> str:
    return data.hex() or "-"


def data_of(field: str) -> bytes:
    return b"" if field == "-" else bytes.fromhex(field)


def text_of(field: str) -> str:
    return data_of(field).decode("utf-16-le")


def arguments_of(line: str) -> str:
    """Give a command line without the name of its program, as CreateProcess takes it apart."""
    line = line.lstrip()
    if line.startswith('"'):
        return line[1:].partition('"')[2].lstrip(" \t")
    return [*line.split(None, 1), "", ""][1]


class _Handler(socketserver.StreamRequestHandler):
    server: Relays

    def handle(self) -> None:
        relay = Relay(self.rfile, self.wfile)
        try:
            token, run, program, folder, line = relay.read_line()
            if secrets.compare_digest(token, self.server.token):
                name = ntpath.basename(text_of(program)).lower()
                self.server.act(relay, Caller(name, arguments_of(text_of(line)), text_of(folder), run))
        except GoneError:
            pass  # killed: whoever waits for it finds out by itself


class Relays(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The listener. act: does what has to be done for a caller. Only who knows the token, which is in the environment inside, is listened to."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, act: t.Callable[[Relay, Caller], None]) -> None:
        self.act, self.token = act, secrets.token_hex(16)
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """What programs inside need to find us."""
        return {"DATAPATH_RELAY_PORT": str(self.server_address[1]), "DATAPATH_RELAY_TOKEN": self.token}

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


__all__ = ("Caller", "GoneError", "Relay", "Relays", "arguments_of", "data_field", "data_of", "text_field", "text_of")
