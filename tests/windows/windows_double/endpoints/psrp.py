# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerShell remoting (MS-PSRP) over WS-Management: runspace pools of one host, on the server half of psrpcore."""

from __future__ import annotations

import base64
import re
import threading
import typing as t
import uuid

import psrpcore
from psrpcore.types import ErrorCategoryInfo, HostMethodIdentifier, NETException, PSInvocationState

from windows_double.endpoints.host import Cut, Host, loudly
from windows_double.endpoints.wsman import NO_SHELL, NOT_SUPPORTED, SHELL, TIMED_OUT, FaultError, Request, created

_LIMITS = (
    '<cfg:Config xmlns:cfg="http://schemas.microsoft.com/wbem/wsman/1/config"><cfg:MaxEnvelopeSizekb>500</cfg:MaxEnvelopeSizekb></cfg:Config>'
)


class InputError(ValueError):
    """A script that would not read the objects which its client sends as the lines that the client means."""


def input_of(script: str, objects: t.Sequence[object]) -> bytes:
    """Give what the objects are as lines of text, if the script takes them as such; raises InputError.

    Ansible's connection sends bytes where the script is plain text, strings where it is encoded, and one object instead of one a line up to
    ansible-core 2.18 (exec_command of its psrp plugin). PowerShell makes a text of numbers of an array of bytes, so a script must decode it.
    """
    if any(isinstance(item, (bytes, bytearray)) for item in objects) and "[byte[]]" not in script:
        raise InputError("the input arrives as arrays of bytes, and the script does not say what to do with [byte[]]")
    lines = [bytes(item).decode() if isinstance(item, (bytes, bytearray)) else str(item) for item in objects]
    if r"-replace '\r?\n$'" in script:
        lines = [re.sub(r"\r?\n\Z", "", line) for line in lines]
    if any("\n" in line for line in lines) and "-split" not in script:
        raise InputError("the input arrives as one object of many lines, and the script does not -split it")
    return "".join(f"{line}\r\n" for line in lines).encode()


class _Pool:
    """One runspace pool: what the client sends goes through psrpcore, what is to be sent waits until the client asks."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._pool = psrpcore.ServerRunspacePool()
        self._waiting: dict[uuid.UUID | None, list[bytes]] = {}
        self._orders: dict[uuid.UUID, psrpcore.CreatePipelineEvent] = {}
        self._inputs: dict[uuid.UUID, list[object]] = {}
        self._done: set[uuid.UUID] = set()
        self._cut: set[uuid.UUID] = set()
        self._change = threading.Condition()

    def start(self, pipeline: uuid.UUID, data: bytes) -> None:
        """Take the first part of a new pipeline; psrpcore wants to know it by the number that the client gave to its command."""
        with self._change:
            psrpcore.ServerPipeline(self._pool, pipeline)
        self.feed(data, pipeline)

    def feed(self, data: bytes, pipeline: uuid.UUID | None = None) -> None:
        with self._change:
            self._pool.receive_data(psrpcore.PSRPPayload(data, psrpcore.StreamType.default, pipeline))
            while (event := self._pool.next_event()) is not None:
                self._happen(event)
            self._flush()

    def _happen(self, event: psrpcore.PSRPEvent[t.Any, t.Any]) -> None:
        if isinstance(event, psrpcore.CreatePipelineEvent):
            self._orders[event.pipeline_id] = event
            self._inputs[event.pipeline_id] = []
            if event.pipeline.no_input:
                self._run(event.pipeline_id)
        elif isinstance(event, psrpcore.PipelineInputEvent):
            self._inputs[event.pipeline_id].append(event.data)
        elif isinstance(event, psrpcore.EndOfPipelineInputEvent):
            self._run(event.pipeline_id)

    def _run(self, pipeline: uuid.UUID) -> None:
        order = self._orders.pop(pipeline)
        script = "\n".join(command.command_text for command in order.pipeline.commands)
        threading.Thread(target=self._work, args=(pipeline, script, self._inputs.pop(pipeline)), daemon=True).start()

    def _work(self, identity: uuid.UUID, script: str, objects: t.Sequence[object]) -> None:
        try:
            data = input_of(script, objects)
            status, out, err = loudly(lambda: self._host.run_powershell(script, data, 65001))
        except Cut:
            with self._change:
                self._cut.add(identity)
                self._change.notify_all()
            return
        except InputError as error:
            status, out, err = 1, b"", f"{error}\r\n".encode()
        with self._change:
            self._finish(self._pool.pipeline_table[identity], status, out, err)
            self._done.add(identity)
            self._flush()

    def _finish(self, pipeline: psrpcore.ServerPipeline, status: int, out: bytes, err: bytes) -> None:
        if pipeline.state == PSInvocationState.Stopped:
            return
        pipeline.start()
        for line in out.decode("utf-8", "replace").splitlines():
            pipeline.write_output(line)
        for line in err.decode("utf-8", "replace").splitlines():
            pipeline.write_error(NETException(line), ErrorCategoryInfo(TargetName="line"), fully_qualified_error_id="NativeCommandError")
        pipeline.host_call(HostMethodIdentifier.SetShouldExit, [status])
        pipeline.complete()

    def _flush(self) -> None:
        while (payload := self._pool.data_to_send()) is not None:
            self._waiting.setdefault(payload.pipeline_id, []).append(payload.data)
        self._change.notify_all()

    def receive(self, pipeline: uuid.UUID | None, seconds: float) -> tuple[list[bytes], bool]:
        """Give what there is to send and whether that is the end of it; raises FaultError when there is nothing yet, and Cut."""
        with self._change:
            self._change.wait_for(lambda: self._waiting.get(pipeline) or pipeline in self._done or pipeline in self._cut, seconds)
            if pipeline in self._cut:
                raise Cut
            parts, done = self._waiting.pop(pipeline, []), pipeline in self._done
        if not parts and not done:
            raise FaultError(TIMED_OUT, "The WS-Management service cannot complete the operation within the time specified in OperationTimeout.")
        return parts, done


class PSRP:
    """The runspace pools of one host. patience: how long a Receive waits for output before it says that there is none."""

    def __init__(self, host: Host, patience: float = 15) -> None:
        self._host, self._patience = host, patience
        self._pools: dict[str, _Pool] = {}
        self._actions: dict[str, t.Callable[[Request], str]] = {
            "Get": lambda _request: _LIMITS, "Create": self._create, "Command": self._command, "Send": self._send, "Receive": self._receive,
            "Signal": lambda _request: "<rsp:SignalResponse/>", "Delete": self._delete,
        }

    def answer(self, request: Request) -> str:
        action = self._actions.get(request.action)
        if action is None:
            raise FaultError(NOT_SUPPORTED, f"{request.uri} is not played here")
        if request.action not in {"Get", "Create"} and request.shell not in self._pools:
            raise FaultError(NO_SHELL, "The request for the Windows Remote Shell failed because the shell was not found.")
        return action(request)

    def close(self) -> None:
        self._pools.clear()

    def _create(self, request: Request) -> str:
        shell = request.find("rsp:Shell").get("ShellId") or str(uuid.uuid4()).upper()
        pool = self._pools[shell] = _Pool(self._host)
        pool.feed(_bytes(request.find("ps:creationXml").text))
        return created(shell)

    def _command(self, request: Request) -> str:
        command = request.find("rsp:CommandLine").get("CommandId") or str(uuid.uuid4()).upper()
        self._pools[request.shell].start(uuid.UUID(command), _bytes(request.find("rsp:Arguments").text))
        return f"<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>"

    def _send(self, request: Request) -> str:
        for stream in request.all("rsp:Stream"):
            self._pools[request.shell].feed(_bytes(stream.text), _identity(stream.get("CommandId")))
        return "<rsp:SendResponse/>"

    def _receive(self, request: Request) -> str:
        command = request.find("rsp:DesiredStream").get("CommandId")
        parts, done = self._pools[request.shell].receive(_identity(command), self._patience)
        of = f' CommandId="{command}"' if command else ""
        streams = "".join(f'<rsp:Stream Name="stdout"{of}>{base64.b64encode(part).decode()}</rsp:Stream>' for part in parts)
        end = f'<rsp:CommandState{of} State="{SHELL}/CommandState/Done"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>' if done else ""
        return f"<rsp:ReceiveResponse>{streams}{end}</rsp:ReceiveResponse>"

    def _delete(self, request: Request) -> str:
        del self._pools[request.shell]
        return ""


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _identity(command: str | None) -> uuid.UUID | None:
    return uuid.UUID(command) if command else None


__all__ = ("PSRP", "InputError", "input_of")
