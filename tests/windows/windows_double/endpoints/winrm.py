# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows Remote Shell of WinRM: Create, Command, Send, Receive, Signal, Delete (MS-WSMV 3.1.4.1)."""

from __future__ import annotations

import base64
import threading
import typing as t
import uuid
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from windows_double.endpoints.host import Cut, Host, loudly
from windows_double.endpoints.wsman import NO_SHELL, NOT_SUPPORTED, SHELL, TIMED_OUT, FaultError, Request, created

_CHUNK = 150 * 1024
"""Bytes of output in one answer, well below the size of an envelope."""

_CODE_PAGE = 437
"""The code page of a shell whose client names none."""


class _Command:
    """One command line that runs or has run, and the input and output that go with it."""

    def __init__(self, host: Host, line: str, code_page: int, *, waits: bool) -> None:
        self.id = str(uuid.uuid4()).upper()
        self._host, self._line, self._code_page = host, line, code_page
        self._input = bytearray()
        self._input_ended = threading.Event()
        self._finished = threading.Event()
        self._cut = False
        self._status = 0
        self._streams: dict[str, bytes] = {}
        if not waits:
            self._input_ended.set()
        threading.Thread(target=self._run, daemon=True).start()

    def feed(self, data: bytes, *, last: bool) -> None:
        self._input += data
        if last:
            self._input_ended.set()

    def end(self) -> None:
        self._input_ended.set()

    def _run(self) -> None:
        self._input_ended.wait()
        try:
            self._status, out, err = loudly(lambda: self._host.run_command_line(self._line, bytes(self._input), self._code_page))
            self._streams = {"stdout": out, "stderr": err}
        except Cut:
            self._cut = True
        finally:
            self._finished.set()

    def receive(self, seconds: float) -> str:
        """Give what there is of its output; raises FaultError when there is none yet, and Cut."""
        if not self._finished.wait(seconds):
            raise FaultError(TIMED_OUT, "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.")
        if self._cut:
            raise Cut
        text = "".join(self._take(name) for name in ("stdout", "stderr"))
        if any(self._streams.values()):
            return f'{text}<rsp:CommandState CommandId="{self.id}" State="{SHELL}/CommandState/Running"/>'
        ends = "".join(f'<rsp:Stream Name="{name}" CommandId="{self.id}" End="true"/>' for name in ("stdout", "stderr"))
        state = f'<rsp:CommandState CommandId="{self.id}" State="{SHELL}/CommandState/Done"><rsp:ExitCode>{self._status}</rsp:ExitCode></rsp:CommandState>'
        return text + ends + state

    def _take(self, name: str) -> str:
        data = self._streams.get(name, b"")
        part, self._streams[name] = data[:_CHUNK], data[_CHUNK:]
        return f'<rsp:Stream Name="{name}" CommandId="{self.id}">{base64.b64encode(part).decode()}</rsp:Stream>' if part else ""


@dataclass
class _Shell:
    """One shell of a client and the commands in it."""

    code_page: int
    commands: dict[str, _Command] = field(default_factory=dict)


class WinRM:
    """The shells of one host. patience: how long a Receive waits for output before it says that there is none."""

    def __init__(self, host: Host, patience: float = 15) -> None:
        self._host, self._patience = host, patience
        self._shells: dict[str, _Shell] = {}
        self._actions: dict[str, t.Callable[[Request], str]] = {
            "Create": self._create, "Command": self._command, "Send": self._send, "Receive": self._receive, "Signal": self._signal, "Delete": self._delete,
        }

    def answer(self, request: Request) -> str:
        action = self._actions.get(request.action)
        if action is None:
            raise FaultError(NOT_SUPPORTED, f"{request.uri} is not played here")
        if request.action != "Create" and request.shell not in self._shells:
            raise FaultError(NO_SHELL, f"The request for the Windows Remote Shell with ShellId {escape(request.shell)} failed because the shell was not found.")
        return action(request)

    def close(self) -> None:
        for command in (command for shell in self._shells.values() for command in shell.commands.values()):
            command.end()

    def _create(self, request: Request) -> str:
        shell = str(uuid.uuid4()).upper()
        self._shells[shell] = _Shell(int(request.options().get("WINRS_CODEPAGE") or _CODE_PAGE))
        return created(shell)

    def _command(self, request: Request) -> str:
        words = [element.text or "" for element in (request.find("rsp:Command"), *request.all("rsp:Arguments"))]
        # Where the client says that there is no console it means to send input, and to end it.
        waits = request.options().get("WINRS_CONSOLEMODE_STDIN", "").upper() == "FALSE"
        shell = self._shells[request.shell]
        command = _Command(self._host, " ".join(words), shell.code_page, waits=waits)
        shell.commands[command.id] = command
        return f"<rsp:CommandResponse><rsp:CommandId>{command.id}</rsp:CommandId></rsp:CommandResponse>"

    def _find(self, request: Request, identity: str | None) -> _Command:
        command = self._shells[request.shell].commands.get((identity or "").upper())
        if command is None:
            raise FaultError(NO_SHELL, f"no command {identity} in this shell")
        return command

    def _send(self, request: Request) -> str:
        stream = request.find("rsp:Stream")
        last = stream.get("End", "").lower() == "true"
        self._find(request, stream.get("CommandId")).feed(base64.b64decode(stream.text or ""), last=last)
        return "<rsp:SendResponse/>"

    def _receive(self, request: Request) -> str:
        command = self._find(request, request.find("rsp:DesiredStream").get("CommandId"))
        return f"<rsp:ReceiveResponse>{command.receive(self._patience)}</rsp:ReceiveResponse>"

    def _signal(self, request: Request) -> str:
        command = self._shells[request.shell].commands.pop((request.find("rsp:Signal").get("CommandId") or "").upper(), None)
        if command:
            command.end()
        return "<rsp:SignalResponse/>"

    def _delete(self, request: Request) -> str:
        for command in self._shells.pop(request.shell).commands.values():
            command.end()
        return ""


__all__ = ("WinRM",)
