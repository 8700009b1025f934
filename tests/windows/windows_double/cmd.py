# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cmd.exe, as far as our scripts use it, with the traps that it sets: variables are replaced once for a whole line, a digit before C(>) is a handle,
a pipe has the exit code of its last program, and a batch file that deletes itself cannot be read on.

https://learn.microsoft.com/windows-server/administration/windows-commands/cmd
"""

from __future__ import annotations

import contextlib
import ntpath
import re
import typing as t
from dataclasses import dataclass, field

from windows_double import programs
from windows_double.cmd_parse import Block, If, Node, Or, Pipe, Redirection, Sequence, Simple, parse
from windows_double.facts import FOLDER, LINE_LIMIT, SYSTEM32, SYSTEM_ROOT
from windows_double.refusal import ConnectionCut, Refused

if t.TYPE_CHECKING:
    from windows_double.machine import Machine

HEAD = ("@echo off", "setlocal EnableExtensions DisableDelayedExpansion", 'set "T=%SystemRoot%\\System32"', "goto %1")
LAST = "rem DATAPATH-END"
NOT_FOUND = 9009
POWERSHELL = SYSTEM32 + "\\WindowsPowerShell\\v1.0\\powershell.exe"

_VARIABLE = re.compile(r"%(?:~(?P<modifier>dp|f)0|(?P<argument>[0-9])|(?P<name>[^%\r\n]*)%)")
_LABEL = re.compile(r":[a-z]+\Z")
_CALL = re.compile(r'call (?P<label>:[a-z]+)\Z|call "(?P<file>[^"]+)" (?P<argument>[a-z]+)\Z')
_CONDITION = re.compile(r'(?P<not>not )?exist "(?P<path>[^"]+)"\Z|errorlevel (?P<number>[0-9]+)\Z')
_EXIT = re.compile(r"exit /b (?P<number>[0-9]+)\Z")
_PROGRAM = re.compile(r'"(?P<path>[^"]+)"(?P<arguments> .*)?\Z', re.DOTALL)
_DELETE = re.compile(r'del /q "(?P<path>[^"*?]+)"\Z')
_REMOVE = re.compile(r'rd /s /q "(?P<path>[^"*?]+)"\Z')
_LIST = re.compile(r'dir /b "(?P<path>[^"]+)"\Z')


class _Sink:
    """Where a stream of a command goes."""

    def __init__(self, finish: t.Callable[[bytes], object] = len) -> None:
        self.data = bytearray()
        self._finish = finish

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self._finish(bytes(self.data))


@dataclass(frozen=True)
class _Streams:
    out: _Sink
    err: _Sink
    stdin: bytes = b""


@dataclass
class _Frame:
    """A batch file or a called label in it. arguments: from %0 on."""

    path: str
    lines: list[str]
    arguments: list[str]
    position: int = 0


class _Exit(Exception):  # noqa: N818 - exit /b is how a script ends, no error
    """C(exit /b)."""


@dataclass
class Cmd:
    """One cmd.exe process. environment: variables by their upper-case names."""

    machine: Machine
    code_page: int
    environment: dict[str, str] = field(default_factory=lambda: {"SYSTEMROOT": SYSTEM_ROOT})
    errorlevel: int = 0
    stdin: bytes = b""
    frames: list[_Frame] = field(default_factory=list)

    def run_file(self, path: str, label: str) -> tuple[int, bytes, bytes]:
        """C(cmd /d /c path label)."""
        streams = _Streams(_Sink(), _Sink())
        self.machine.log_script(f"{path} {label}")
        with self.machine.running(label):
            self._batch(path, [path, label], streams)
            if self.machine.cut_here():
                raise ConnectionCut("cut at the end of the script")
        return self.errorlevel, bytes(streams.out.data), bytes(streams.err.data)

    # Batch files

    def _batch(self, path: str, arguments: list[str], streams: _Streams) -> None:
        if not self.machine.file_exists(path):
            self._say(streams.err, f"'{path}' is not recognized as an internal or external command,\noperable program or batch file.\n")
            self.errorlevel = 1
            return
        lines = _read(self.machine.read_file(path))
        outer = dict(self.environment)
        self._frame(_Frame(path, lines, arguments), streams)
        self.environment = outer

    def _frame(self, frame: _Frame, streams: _Streams) -> None:
        self.frames.append(frame)
        with contextlib.suppress(_Exit):
            while frame.position < len(frame.lines):
                if not self.machine.file_exists(frame.path):
                    # The file is opened again for every line that is read.
                    self._say(streams.err, "The batch file cannot be found.\n")
                    self.errorlevel = 1
                    break
                line = frame.lines[frame.position]
                frame.position += 1
                self._line(line, streams)
        self.frames.pop()

    def _line(self, line: str, streams: _Streams) -> None:
        if _LABEL.match(line) or line == HEAD[0]:
            return
        expanded = self._expand(line)
        if len(expanded) > LINE_LIMIT:
            raise Refused(f"a line of {len(expanded)} characters: {expanded[:60]!r}...")
        if not expanded.strip():
            raise Refused("an empty line")
        if expanded.startswith("rem "):
            return
        node = parse(expanded)
        _check_shape(node, expanded)
        self._run(node, streams)

    def _expand(self, line: str) -> str:
        if "%" in _VARIABLE.sub("", line):
            raise Refused(f"a percent sign that is no variable: {line!r}")
        return _VARIABLE.sub(self._variable, line)

    def _variable(self, found: re.Match[str]) -> str:
        frame = self.frames[-1]
        if found["modifier"]:
            return frame.path if found["modifier"] == "f" else ntpath.dirname(frame.path) + "\\"
        if found["argument"]:
            number = int(found["argument"])
            if number >= len(frame.arguments):
                raise Refused(f"%{number} where no such argument was given")
            return frame.arguments[number]
        name = found["name"].upper()
        if name == "ERRORLEVEL":
            return str(self.errorlevel)
        if name not in self.environment:
            raise Refused(f"variable %{found['name']}% is not set")
        return self.environment[name]

    # Nodes of a line

    def _run(self, node: Node, streams: _Streams) -> bool:
        """Whether it succeeded, as C(||) sees it."""
        if isinstance(node, Sequence):
            return [self._run(part, streams) for part in node.parts][-1]
        if isinstance(node, Or):
            return self._run(node.left, streams) or self._run(node.right, streams)
        if isinstance(node, Block):
            with self._redirected(node.redirections, streams) as inner:
                return inner is not None and self._run(node.body, inner)
        if isinstance(node, If):
            return self._run(node.body, streams) if self._holds(node.condition) else True
        if isinstance(node, Pipe):
            return self._pipe(node, streams)
        return self._simple(node, streams)

    def _pipe(self, node: Pipe, streams: _Streams) -> bool:
        between = _Sink()
        self._simple(node.left, _Streams(between, streams.err, streams.stdin))
        return self._simple(node.right, _Streams(streams.out, streams.err, bytes(between.data)))

    def _holds(self, condition: str) -> bool:
        found = _CONDITION.match(condition)
        if not found:
            raise Refused(f'if {condition}: only exist "file", not exist "file" and errorlevel N')
        if found["number"] is not None:
            return self.errorlevel >= int(found["number"])
        return self.machine.file_exists(found["path"]) != bool(found["not"])

    @contextlib.contextmanager
    def _redirected(self, redirections: t.Sequence[Redirection], streams: _Streams) -> t.Iterator[_Streams | None]:
        """The streams of a command with redirections; None when a file cannot be opened: then the command does not run."""
        handles = {1: streams.out, 2: streams.err}
        opened: list[_Sink] = []
        try:
            for redirection in redirections:
                handles[redirection.handle] = self._target(redirection, handles, opened)
        except OSError:
            self._say(streams.err, "The system cannot find the path specified.\n")
            self.errorlevel = 1
            yield None
            return
        yield _Streams(handles[1], handles[2], streams.stdin)
        for sink in opened:
            sink.close()

    def _target(self, redirection: Redirection, handles: t.Mapping[int, _Sink], opened: list[_Sink]) -> _Sink:
        if redirection.target.startswith("&"):
            return handles[int(redirection.target[1:])]
        if redirection.target.lower() == "nul":
            return _Sink()
        path = redirection.target
        if not redirection.append or not self.machine.file_exists(path):
            self.machine.write_file(path, b"")
        sink = _Sink(lambda data: self.machine.drive.append(path, data))
        opened.append(sink)
        return sink

    # Commands

    def _simple(self, node: Node, streams: _Streams) -> bool:
        if not isinstance(node, Simple):
            raise Refused("only plain commands in a pipe")
        with self._redirected(node.redirections, streams) as inner:
            return inner is not None and self._command(node.text, inner)

    def _command(self, text: str, streams: _Streams) -> bool:
        if text.startswith('"'):
            return self._program(text, streams)
        word = text.partition(" ")[0].lower()
        inner = {
            "echo": self._echo, "set": self._set, "setlocal": self._setlocal, "goto": self._goto, "call": self._call, "exit": self._exit,
            "del": self._del, "rd": self._rd, "dir": self._dir,
        }.get(word)
        if inner is None:
            self.machine.refuse(f"command {word!r} is none that a script may use: {text!r}")
            self._say(streams.err, f"'{word}' is not recognized as an internal or external command,\noperable program or batch file.\n")
            self.errorlevel = NOT_FOUND
            return False
        return inner(text, streams)

    def _program(self, text: str, streams: _Streams) -> bool:
        found = _PROGRAM.match(text)
        if not found:
            raise Refused(f"no program with arguments: {text!r}")
        folder, name = ntpath.split(found["path"])
        expected = SYSTEM32 if name.lower() != "powershell.exe" else ntpath.dirname(POWERSHELL)
        if folder.lower() != expected.lower():
            raise Refused(f"program {found['path']!r} is not started from {expected}")
        self.errorlevel, out, err = programs.start(self.machine, name, found["arguments"] or "", streams.stdin, self.code_page)
        streams.out.write(out)
        streams.err.write(err)
        return self.errorlevel == 0

    def _echo(self, text: str, streams: _Streams) -> bool:
        said = text[len("echo "):]
        if not said.strip() or said.strip().lower() in ("on", "off") or said.startswith("/?"):
            raise Refused(f"{text!r} does not print what it says")
        self._say(streams.out, said + "\n")
        return True

    def _set(self, text: str, _streams: _Streams) -> bool:
        found = re.fullmatch(r'set "(?P<name>T)=(?P<value>[^"]*)"', text)
        if not found:
            raise Refused(f"only T is set: {text!r}")
        self.environment[found["name"]] = found["value"]
        self.errorlevel = 0
        return True

    def _setlocal(self, text: str, _streams: _Streams) -> bool:
        if text != HEAD[1]:
            raise Refused(text)
        return True

    def _goto(self, text: str, streams: _Streams) -> bool:
        label = text.partition(" ")[2].strip().lower()
        frame = self.frames[-1]
        if not re.fullmatch("[a-z]+", label):
            raise Refused(f"goto {label!r}")
        order = [*range(frame.position, len(frame.lines)), *range(frame.position)]
        target = next((index for index in order if frame.lines[index].lower() == f":{label}"), None)
        if target is None:
            self._say(streams.err, f"The system cannot find the batch label specified - {label}\n")
            self.errorlevel = 1
            raise _Exit
        frame.position = target + 1
        return True

    def _call(self, text: str, streams: _Streams) -> bool:
        found = _CALL.match(text)
        if not found:
            raise Refused(f'only call :label and call "file" label: {text!r}')
        if found["file"]:
            self._batch(found["file"], [found["file"], found["argument"]], streams)
            return self.errorlevel == 0
        frame = self.frames[-1]
        place = next((index for index, line in enumerate(frame.lines) if line.lower() == found["label"]), None)
        if place is None:
            self._say(streams.err, f"The system cannot find the batch label specified - {found['label'][1:]}\n")
            self.errorlevel = 1
            return False
        self._frame(_Frame(frame.path, frame.lines, [found["label"]], place + 1), streams)
        return self.errorlevel == 0

    def _exit(self, text: str, streams: _Streams) -> bool:
        found = _EXIT.match(text)
        if not found:
            raise Refused(f"only exit /b with a number: {text!r}")
        if not self.machine.file_exists(self.frames[-1].path):
            self._say(streams.err, "The batch file cannot be found.\n")
        self.errorlevel = int(found["number"])
        raise _Exit

    def _del(self, text: str, streams: _Streams) -> bool:
        found = _DELETE.match(text.rstrip())
        if not found:
            raise Refused(f'only del /q "file": {text!r}')
        if not self.machine.delete_file(found["path"]):
            self._say(streams.err, f"Could Not Find {found['path']}\n")  # and no errorlevel
        return True

    def _rd(self, text: str, streams: _Streams) -> bool:
        found = _REMOVE.match(text.rstrip())
        path = ntpath.normpath(found["path"]) if found else ""
        if path.lower() != FOLDER.lower():
            raise Refused(f"only rd /s /q of {FOLDER}: {text!r}")
        if not self.machine.drive.delete_tree(path):
            self._say(streams.err, "The system cannot find the file specified.\n")
            return False
        return True

    def _dir(self, text: str, streams: _Streams) -> bool:
        found = _LIST.match(text.rstrip())
        if not found:
            raise Refused(f'only dir /b "pattern": {text!r}')
        names = self.machine.drive.list(*ntpath.split(found["path"]))
        self._say(streams.out if names else streams.err, "".join(f"{name}\n" for name in names) or "File Not Found\n")
        self.errorlevel = 0 if names else 1
        return bool(names)

    def _say(self, sink: _Sink, text: str) -> None:
        sink.write(programs.encode(text, self.code_page))


def _read(content: bytes) -> list[str]:
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError as error:
        raise Refused("a script that is not ASCII") from error
    lines = text.split("\r\n")
    if tuple(lines[:4]) != HEAD or lines[-2:] != [LAST, ""] or any("\n" in line or "\r" in line for line in lines):
        raise Refused("a script without its first four lines, without its last line, or with other line ends than CR LF")
    return lines[:-1]


def _check_shape(node: Node, line: str) -> None:
    """Constructs that cmd knows and our scripts don't use are refused, whatever they would do."""
    if isinstance(node, If):
        _check_shape(node.body, line)
        return
    if isinstance(node, Sequence):
        *before, last = node.parts
        if len(before) != 1 or not isinstance(before[0], Simple) or not isinstance(last, Simple) or not last.text.startswith("exit /b "):
            raise Refused(f"& outside of a block only before exit /b: {line!r}")
        return
    if isinstance(node, Or):
        if not isinstance(node.right, Block) or not isinstance(node.left, (Simple, Pipe)):
            raise Refused(f"|| only between a command and a block: {line!r}")
        _check_shape(node.left, line)
        _check_block(node.right, line)
        return
    if isinstance(node, Pipe):
        right = node.right.text.lower() if isinstance(node.right, Simple) else ""
        if "^" in line or not right.startswith(f'"{SYSTEM32}\\findstr.exe" '.lower()):
            raise Refused(f"a pipe only into findstr, and without carets, which its processes would read once more: {line!r}")
        return
    if isinstance(node, Block):
        raise Refused(f"a block that does not follow ||: {line!r}")


def _check_block(block: Block, line: str) -> None:
    parts = block.body.parts if isinstance(block.body, Sequence) else (block.body,)
    if not all(isinstance(part, Simple) for part in parts):
        raise Refused(f"only plain commands in a block: {line!r}")


def cmd_exe(machine: Machine, arguments: str, code_page: int, environment: t.Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """C(cmd.exe /d /c file label), with the quotes around the file that a task writes: cmd takes the first and the last quote away."""
    found = re.fullmatch(r'/d /c (?:"(?P<quoted>[^" ]+)"|(?P<plain>[^" ]+)) (?P<label>[a-z]+)', arguments)
    if not found:
        raise Refused(f"cmd.exe {arguments}: only /d /c file label")
    shell = Cmd(machine, code_page, {"SYSTEMROOT": SYSTEM_ROOT, **environment})
    return shell.run_file(found["quoted"] or found["plain"], found["label"])
