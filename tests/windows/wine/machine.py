# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host whose cmd.exe, reg.exe and registry are Wine's, and whose other programs are the double's."""

from __future__ import annotations

import contextlib
import re
import threading
import time
import typing as t
import uuid
from dataclasses import dataclass
from pathlib import Path

from windows_double import powershell
from windows_double.machine import Machine
from windows_double.programs import decode, encode
from windows_double.refusal import ConnectionCut, Refused
from wine.registry import WineRegistry
from wine.relays import Caller, Relay, Relays
from wine.room import PREFIX, Room

LOCALES = {"en": "C", "ja": "ja_JP.UTF-8"}
DRIVE = "drive_c"
_LAUNCHER = "C:\\double\\launcher.exe"
_AGENT = "C:\\double\\agent.exe"
_LONGEST = 7000
"""Characters of a command line that Wine's cmd.exe surely takes; somewhere below 7300 it begins to drop the line and to say that all is well."""
_ENCODED = re.compile(r"\s-EncodedCommand\s+(?P<encoded>\S+)\s*\Z", re.IGNORECASE)


@dataclass
class _Run:
    """One command that a connection or a task has started. label: of its script."""

    system: bool = False
    label: str = ""
    cut: bool = False


class WineMachine(Machine):
    """The double with Wine's parts."""

    def __init__(self, directory: Path, room: Room, relays: Relays, registry: WineRegistry) -> None:
        super().__init__(directory, registry)
        self._room, self._relays = room, relays
        self._runs: dict[str, _Run] = {}
        self._here = threading.local()

    def run_command_line(self, text: str, stdin: bytes = b"", code_page: int | None = None) -> tuple[int, bytes, bytes]:
        if len(text) > 8191:
            return 1, b"", b"The command line is too long.\r\n"
        if len(text) > _LONGEST:
            return self._guarded(lambda: _refuse(f"a command line of {len(text)} characters: Wine takes {_LONGEST}, Windows 8191"))
        return self._start(f"cmd.exe /c {text}", stdin, code_page or self.code_page)

    def cmd_exe(self, arguments: str, code_page: int, environment: t.Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """Wine's cmd.exe with a script: in the place of the relay that asks for it, or else (a runspace, a task) on its own."""
        found = re.search(r"([a-z]+)\Z", arguments)
        label = found[1] if found else ""
        self.log_script(arguments.removeprefix("/d /c ").replace('"', ""))
        line = f"C:\\windows\\System32\\cmd.exe {arguments}"
        relay: Relay | None = getattr(self._here, "relay", None)
        if relay is None:
            return self._start(line, b"", code_page, label, environment)
        for name, value in environment.items():
            relay.set_variable(name, value)
        self._runs[self._here.run].label = label
        return relay.run(line), b"", b""

    def _start(
        self, line: str, stdin: bytes, code_page: int, label: str = "", environment: t.Mapping[str, str] | None = None,
    ) -> tuple[int, bytes, bytes]:
        name = uuid.uuid4().hex
        run = self._runs[name] = _Run(system=self.is_system, label=label)
        try:
            done = self._room.run(
                ["wine", _LAUNCHER], stdin, seconds=300, check=False,
                **self._relays.environment, **(environment or {}), DATAPATH_RUN=name, DATAPATH_LINE=line,
            )
        finally:
            del self._runs[name]
        if run.cut:
            raise ConnectionCut("the connection was cut")
        return done.status, self._translated(done.out, code_page), self._translated(done.err, code_page)

    def _translated(self, data: bytes, code_page: int) -> bytes:
        """What a console of another code page shows. Wine's programs have no console here, so they speak in the code page of their locale."""
        return data if code_page == self.code_page else encode(decode(data, self.code_page), code_page)

    def act(self, relay: Relay, caller: Caller) -> None:
        """Be the program that was called."""
        run = self._runs.get(caller.run) or _Run()
        try:
            with contextlib.ExitStack() as stack:
                if run.system:
                    stack.enter_context(self.as_system())
                stack.enter_context(self.running(run.label))
                status, out, err = self._play(relay, caller)
        except ConnectionCut:
            run.cut = True
            self._room.kill(f"DATAPATH_RUN={caller.run}")
            return
        relay.end(status, out, err)

    def _play(self, relay: Relay, caller: Caller) -> tuple[int, bytes, bytes]:
        encoded = _ENCODED.search(caller.arguments)
        if caller.name == "powershell.exe" and encoded:
            self._here.relay, self._here.run = relay, caller.run
            line = f"PowerShell {caller.arguments}"
            out: tuple[int, bytes, bytes] = self._guarded(lambda: powershell.command_line(self, line, relay.read_input(), self.code_page))
            return out
        if caller.name == "chcp.com":
            return 0, f"Active code page: {caller.arguments or self.code_page}\r\n".encode(), b""
        stdin = relay.read_input() if caller.name == "findstr.exe" else b""
        return self.run_program(caller.name, caller.arguments, stdin, self.code_page)


def _refuse(why: str) -> tuple[int, bytes, bytes]:
    raise Refused(why)


@contextlib.contextmanager
def inside(directory: Path, room: Room) -> t.Iterator[WineMachine]:
    """Give the machine of a directory whose Wine runs in this room; several processes may hold it at once."""
    agents: list[Relay] = []
    machines: list[WineMachine] = []
    started, ended = threading.Event(), threading.Event()

    def act(relay: Relay, caller: Caller) -> None:
        if caller.name == "agent.exe":
            agents.append(relay)
            started.set()
            ended.wait()
            relay.end(0)
        else:
            machines[0].act(relay, caller)

    relays = Relays(act)
    agent = room.start(["wine", _AGENT], **relays.environment)
    try:
        if not started.wait(60):
            raise RuntimeError("the agent inside Wine did not start")
        machines.append(WineMachine(directory, room, relays, WineRegistry(agents[0])))
        yield machines[0]
    finally:
        ended.set()
        _end(agent)
        relays.shutdown()
        relays.server_close()


def _end(agent: t.Any, seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while agent.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    agent.kill()
    agent.wait()


__all__ = ("DRIVE", "LOCALES", "PREFIX", "WineMachine", "inside")
