# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Windows server: its registry, drive, services, clock and tasks in a directory that outlives the process.

Several processes may hold the same machine: an endpoint that serves it, a test that looks into it, the control program ``tests/windows/double``.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import threading
import typing as t
from pathlib import Path

from windows_double import cmd, powershell, programs, schtasks
from windows_double.facts import (
    AUTOMATIC,
    CODE_PAGES,
    CURRENT_VERSION,
    DISABLED,
    FOLDER,
    LINE_LIMIT,
    MANUAL,
    ORDER,
    RELEASES,
    RUNNING,
    SERVICES,
    STOPPED,
    SYSTEM32,
    SYSTEM_ROOT,
    ReleaseFacts,
)
from windows_double.files import Drive
from windows_double.refusal import REFUSAL, ConnectionCut, Refused
from windows_double.registry import Registry, SharedFile

if t.TYPE_CHECKING:
    import os

DEFAULT_SERVICES: t.Mapping[str, tuple[int, int]] = {
    "MpsSvc": (RUNNING, AUTOMATIC), "BFE": (RUNNING, AUTOMATIC), "IKEEXT": (RUNNING, AUTOMATIC), "PolicyAgent": (RUNNING, MANUAL),
    "Schedule": (RUNNING, AUTOMATIC), "RpcSs": (RUNNING, AUTOMATIC), "RpcEptMapper": (RUNNING, AUTOMATIC), "WinRM": (RUNNING, AUTOMATIC),
}
EXCHANGE_KEYS = (r"MSExchangeIS\ParametersSystem", r"MSExchangeSA\Parameters")
_CONTROL = r"HKLM\SYSTEM\CurrentControlSet\Control\Windows"
EXCHANGE_SERVICES = ("MSExchangeIS", "MSExchangeSA", "MSExchangeTransport", "MSExchangeADTopology")
FAULTS: t.Mapping[str, str] = {
    "cut_after": "this many more programs of scripts run, then the connection is cut and the script killed (then the fault is over)",
    "cut_label": "cut_after counts only in scripts that were started with this label",
    "lose_output": "the next script runs to its end, but the connection is lost before anything arrives (then the fault is over)",
    "netsh_fail": "this many changes by netsh from now, the change fails with rc 1 (then the fault is over)",
    "access_denied": "prefix of registry keys that nobody may open",
    "no_elevation": "the user's token is not elevated",
    "service_stopped": "name of a service that is stopped and does not start",
    "lockout": "no new connection is accepted from the next firewall change on, until the rules are again as they were",
    "import_fails": "netsh advfirewall import fails with rc 1, every time",
}


class Faults(t.MutableMapping[str, t.Any]):
    """What is broken on a machine, by the names of FAULTS. A fault that is not set reads as None with C(get)."""

    def __init__(self, state: SharedFile) -> None:
        self._state = state

    def __getitem__(self, name: str) -> t.Any:
        with self._state.transaction():
            return self._state.content["faults"][name]

    def __setitem__(self, name: str, value: t.Any) -> None:
        if name not in FAULTS:
            raise ValueError(f"no fault {name!r}: one of {', '.join(FAULTS)}")
        with self._state.transaction():
            self._state.content["faults"][name] = value
            self._state.changed()

    def __delitem__(self, name: str) -> None:
        with self._state.transaction():
            del self._state.content["faults"][name]
            self._state.changed()

    def __iter__(self) -> t.Iterator[str]:
        with self._state.transaction():
            return iter(list(self._state.content["faults"]))

    def __len__(self) -> int:
        with self._state.transaction():
            return len(self._state.content["faults"])

    def count_down(self, name: str) -> bool:
        """One step towards a fault that is a number of steps away; whether this step is the one. Then the fault is over."""
        with self._state.transaction():
            left = self._state.content["faults"].get(name)
            if left is None:
                return False
            self._state.content["faults"][name] = left - 1
            if left <= 1:
                del self._state.content["faults"][name]
            self._state.changed()
            return bool(left <= 1)


class Violations(list[str]):
    """What was refused, as it was when it was asked for; appending puts down one more."""

    def __init__(self, texts: t.Iterable[str], put_down: t.Callable[[str], object]) -> None:
        super().__init__(texts)
        self._put_down = put_down

    def append(self, text: str) -> None:
        super().append(text)
        self._put_down(text)


class Machine:
    """A Windows server that lives in a directory. registry: another one with the same interface (Wine's own), instead of the directory's."""

    def __init__(self, directory: str | os.PathLike[str], registry: Registry | None = None) -> None:
        self.directory = Path(directory)
        if not (self.directory / "machine.json").exists():
            raise FileNotFoundError(f"no double in {self.directory}: make one with Machine.create or tests/windows/double create")
        self._state = SharedFile(self.directory / "machine.json")
        self.registry = registry or Registry(self.directory / "registry.json")
        self.drive = Drive(self.directory / "c")
        self.faults = Faults(self._state)
        self._acting = threading.local()
        self._stop = threading.Event()
        self._timer: threading.Thread | None = None

    @classmethod
    def create(
        cls, directory: str | os.PathLike[str], release: str = "2019", language: str = "en", *, exchange: str | None = None,
        hostname: str = "EX1", addresses: t.Sequence[str] = ("192.0.2.10",), utc_offset: int = 0, fresh: bool = True,
    ) -> Machine:
        """Install a machine. exchange: its version when Exchange is installed (C(2007)...). fresh: with the firewall contents of a fresh installation.

        utc_offset: hours that its local time is ahead.
        """
        if release not in RELEASES or language not in CODE_PAGES:
            raise ValueError(f"no release {release!r} in {language!r}: {', '.join(RELEASES)}; {', '.join(CODE_PAGES)}")
        root = Path(directory)
        (root / "c" / "Windows" / "System32").mkdir(parents=True)
        state = SharedFile(root / "machine.json", lambda: _first_state(release, language, hostname, addresses, utc_offset))
        with state.transaction():
            state.changed()
        machine = cls(root)
        machine.install(exchange, fresh=fresh)
        return machine

    def install(self, exchange: str | None, *, fresh: bool = True) -> None:
        """Fill the registry as the release's setup does."""
        with self.registry.transaction():
            _fill_registry(self)
            services = dict(DEFAULT_SERVICES)
            services.update(dict.fromkeys(EXCHANGE_SERVICES if exchange else (), (RUNNING, AUTOMATIC)))
            for name, (state, start) in services.items():
                self.add_service(name, state, start)
            for key in EXCHANGE_KEYS if exchange else ():
                self.registry.create_key(f"{SERVICES}\\{key}")
            if fresh:
                from windows_double import fresh as contents

                contents.install(self, exchange)

    # Facts

    @property
    def release(self) -> str:
        return str(self._get("release"))

    @property
    def facts(self) -> ReleaseFacts:
        return RELEASES[self.release]

    def at_least(self, release: str) -> bool:
        return ORDER.index(self.release) >= ORDER.index(release)

    @property
    def language(self) -> str:
        return str(self._get("language"))

    @property
    def code_page(self) -> int:
        """The OEM code page, in which programs speak when nobody has set another."""
        return CODE_PAGES[self.language]

    @property
    def elevated(self) -> bool:
        """Whether who runs now may change the machine: the system always, users unless the fault C(no_elevation) is set."""
        return self.is_system or not self.faults.get("no_elevation")

    @property
    def is_system(self) -> bool:
        return bool(getattr(self._acting, "system", False))

    @property
    def hostname(self) -> str:
        return str(self._get("hostname"))

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(self._get("addresses"))

    @property
    def listeners(self) -> list[dict[str, t.Any]]:
        """Sockets that C(netstat) shows: {protocol, address, port, pid}."""
        return list(self._get("listeners"))

    def add_listener(self, protocol: str, address: str, port: int, pid: int) -> None:
        with self._state.transaction():
            self._state.content["listeners"].append({"protocol": protocol, "address": address, "port": port, "pid": pid})
            self._state.changed()

    @property
    def settings(self) -> t.Mapping[str, t.Any]:
        """State that is not in the registry, by name: C(dynamicport) and whatever else a program keeps with C(set_setting)."""
        return dict(self._get("settings"))

    def set_setting(self, name: str, value: t.Any) -> None:
        with self._state.transaction():
            self._state.content["settings"][name] = value
            self._state.changed()

    # Files

    def read_file(self, path: str) -> bytes:
        return self.drive.read(path)

    def write_file(self, path: str, content: bytes) -> None:
        self.drive.write(path, content)

    def file_exists(self, path: str) -> bool:
        return self.drive.exists(path)

    def delete_file(self, path: str) -> bool:
        return self.drive.delete(path)

    # Services

    def add_service(self, name: str, state: int = RUNNING, start: int = AUTOMATIC) -> None:
        self.registry.set(f"{SERVICES}\\{name}", "Start", "REG_DWORD", start)
        with self._state.transaction():
            self._state.content["services"][name] = state
            self._state.changed()

    def service_state(self, name: str) -> int:
        """The number that C(sc query) shows, 0 for a service that does not exist."""
        if (self.faults.get("service_stopped") or "").lower() == name.lower():
            return STOPPED
        states = self._get("services")
        return next((int(states[known]) for known in states if known.lower() == name.lower()), 0)

    def service_name(self, name: str) -> str:
        """The name as the service was made."""
        return next((known for known in self._get("services") if known.lower() == name.lower()), name)

    def service_running(self, name: str) -> bool:
        return self.service_state(name) == RUNNING

    def set_service(self, name: str, state: int) -> None:
        with self._state.transaction():
            self._state.content["services"][self.service_name(name)] = state
            self._state.content["service_log"].append([self.service_name(name), state])
            self._state.changed()

    @property
    def service_log(self) -> list[tuple[str, int]]:
        """Changes of services, in order: (name, new state)."""
        return [(name, state) for name, state in self._get("service_log")]

    # Clock

    def now(self) -> dt.datetime:
        """The machine's local time."""
        ahead = dt.timedelta(seconds=self._get("clock_offset"), hours=self._get("utc_offset"))
        return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None) + ahead

    def advance(self, seconds: float) -> None:
        """Let time pass without waiting; tasks that are due fire at the next C(tick)."""
        with self._state.transaction():
            self._state.content["clock_offset"] += seconds
            self._state.changed()

    def set_clock(self, local: dt.datetime) -> None:
        self.advance((local - self.now()).total_seconds())

    # Running commands

    def run_command_line(self, text: str, stdin: bytes = b"", code_page: int | None = None) -> tuple[int, bytes, bytes]:
        """What cmd.exe does with one line that a connection hands it: (rc, stdout, stderr), in the code page given, else in the machine's own.

        Raises ConnectionCut when a fault cuts the connection: the client gets no answer.
        """
        if len(text) > LINE_LIMIT:
            return 1, b"", b"The command line is too long.\r\n"
        return self._guarded(lambda: powershell.command_line(self, text, stdin, code_page or self.code_page))

    def run_powershell(self, script: str, stdin: bytes = b"", code_page: int | None = None) -> tuple[int, bytes, bytes]:
        """What a PowerShell runspace does with a script (psrp): as C(run_command_line)."""
        return self._guarded(lambda: powershell.script(self, script, stdin, code_page or 65001))

    def cmd_exe(self, arguments: str, code_page: int, environment: t.Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """cmd.exe with a script, started by PowerShell or by a task. Where a real cmd.exe is at hand (Wine), that runs instead."""
        return cmd.cmd_exe(self, arguments, code_page, environment)

    def run_program(self, name: str, arguments: str, stdin: bytes = b"", code_page: int | None = None) -> tuple[int, bytes, bytes]:
        """One program of System32 by its bare name (C(netsh.exe)) with the raw text of its arguments, as a real cmd starts it (Wine)."""
        return self._guarded(lambda: programs.start(self, name, arguments, stdin, code_page or self.code_page))

    def _guarded(self, action: t.Callable[[], tuple[int, bytes, bytes]]) -> tuple[int, bytes, bytes]:
        try:
            return action()
        except Refused as refusal:
            told = f"{REFUSAL}{refusal}" if refusal.recorded else self.refuse(str(refusal))
            return 255, told.encode() + b"\r\n", b""

    def refuse(self, why: str) -> str:
        """Put down that something was asked which no documentation promises. Returns the text that the one who asked is told."""
        with self._state.transaction():
            self._state.content["violations"].append(why)
            self._state.changed()
        return f"{REFUSAL}{why}"

    @property
    def violations(self) -> Violations:
        """Everything that was refused since the machine was made: a test demands that there is nothing. What is appended stays."""
        return Violations(self._get("violations"), self.refuse)

    @property
    def commands(self) -> list[str]:
        """Programs that were started, in order, as C(name arguments)."""
        return list(self._get("commands"))

    @contextlib.contextmanager
    def running(self, label: str) -> t.Iterator[None]:
        """A script that was started with this label runs inside; faults may wait for it."""
        before = getattr(self._acting, "label", "")
        self._acting.label = label
        try:
            yield
        finally:
            self._acting.label = before

    def cut_here(self) -> bool:
        """Whether the fault C(cut_after) strikes before the next program starts, or before the end of the script."""
        label = self.faults.get("cut_label")
        left = self.faults.get("cut_after")
        if left is None or self.is_system or (label and label != getattr(self._acting, "label", "")):
            return False
        if left > 0:
            self.faults["cut_after"] = left - 1
            return False
        for name in ("cut_after", "cut_label"):
            self.faults.pop(name, None)
        return True

    def output_lost(self) -> bool:
        """Whether the fault C(lose_output) takes the answer of this script."""
        return not self.is_system and bool(self.faults.pop("lose_output", False))

    @property
    def scripts(self) -> list[str]:
        """Batch files that were started, in order, as C(path label)."""
        return list(self._get("scripts"))

    def log_command(self, text: str) -> None:
        self._log("commands", text)

    def log_script(self, text: str) -> None:
        self._log("scripts", text)

    def clear_log(self) -> None:
        with self._state.transaction():
            self._state.content.update({"commands": [], "scripts": [], "service_log": []})
            self._state.changed()

    def _log(self, part: str, text: str) -> None:
        with self._state.transaction():
            self._state.content[part].append(text)
            self._state.changed()

    @contextlib.contextmanager
    def as_system(self) -> t.Iterator[None]:
        """What runs inside is run by the system account, as a task is: elevated, and no connection of it can be cut."""
        before = self.is_system
        self._acting.system = True
        try:
            yield
        finally:
            self._acting.system = before

    # Tasks and restarts

    @property
    def tasks(self) -> dict[str, dict[str, t.Any]]:
        """Scheduled tasks by name, as schtasks.py keeps them."""
        return dict(self._get("tasks"))

    @property
    def task_log(self) -> list[tuple[str, str, int]]:
        """Every run of a task: (name, local time, exit code)."""
        return [(name, when, rc) for name, when, rc in self._get("task_log")]

    @contextlib.contextmanager
    def changing(self) -> t.Iterator[dict[str, t.Any]]:
        """The machine's state as one document, for programs that change it."""
        with self._state.transaction():
            yield self._state.content
            self._state.changed()

    def tick(self) -> list[str]:
        """Run every task that is due now, and the restart that was asked for. Returns the names of the tasks that ran."""
        due = self._get("restart_at")
        if due is not None and self.now() >= dt.datetime.fromisoformat(due):
            return self.reboot()
        return schtasks.fire_due(self)

    def reboot(self) -> list[str]:
        """Restart: automatic services start, boot triggers fire. Returns the names of the tasks that ran."""
        with self.changing() as state:
            state["restart_at"], state["boots"] = None, state["boots"] + 1
            # In reality the time of the shutdown; what matters is that no two are the same.
            self.registry.set(_CONTROL, "ShutdownTime", "REG_BINARY", f"{state['boots']:016X}")
            for name in state["services"]:
                start = self.registry.get(f"{SERVICES}\\{name}", "Start")
                state["services"][name] = RUNNING if start and start[1] == AUTOMATIC else STOPPED
        return schtasks.fire_boot(self)

    @property
    def boots(self) -> int:
        return int(self._get("boots"))

    @property
    def restart_at(self) -> str | None:
        """When a restart was asked for, in local time."""
        found: str | None = self._get("restart_at")
        return found

    def start_timer(self, interval: float = 0.2) -> None:
        """Let tasks fire by themselves while this process lives."""
        self._stop.clear()
        self._timer = threading.Thread(target=self._run_timer, args=(interval,), name="task scheduler of a double", daemon=True)
        self._timer.start()

    def stop_timer(self) -> None:
        self._stop.set()
        if self._timer is not None:
            self._timer.join()
            self._timer = None

    def _run_timer(self, interval: float) -> None:
        while not self._stop.wait(interval):
            self.tick()

    # Firewall

    def management_open(self, peer_address: str, port: int) -> bool:
        """Whether a new TCP connection from a peer to a port of this machine gets through its firewall now: endpoints ask before they accept.

        Loopback is never filtered, so a test that comes from there sets C(controller) to the address it stands for.
        """
        if self._locked_out():
            return False
        peer = ipaddress.ip_address(peer_address.partition("%")[0])
        if peer.is_loopback:
            stands_for = self.settings.get("controller")
            if stands_for is None:
                return True
            peer = ipaddress.ip_address(stands_for)
        from windows_double import store

        return bool(store.passes(self.registry, "in", 6, port, str(peer)))

    def _locked_out(self) -> bool:
        """The fault C(lockout) is set to True and here becomes the digest of the rules before the change that locks out."""
        return bool(self.faults.get("lockout")) and self.faults["lockout"] is not True and self.faults["lockout"] != self.firewall_digest()

    def before_firewall_change(self) -> None:
        """netsh calls this before it changes anything: a lock-out that waits for a change remembers what there was."""
        if self.faults.get("lockout") is True:
            self.faults["lockout"] = self.firewall_digest()

    def firewall_digest(self) -> str:
        return self.registry.digest(SERVICES + r"\SharedAccess\Parameters\FirewallPolicy")

    def digest(self) -> str:
        """A fingerprint of the whole registry: after C(absent) it is what it was before."""
        return self.registry.digest()

    def _get(self, name: str) -> t.Any:
        with self._state.transaction():
            return self._state.content[name]


def _first_state(release: str, language: str, hostname: str, addresses: t.Sequence[str], utc_offset: int) -> dict[str, t.Any]:
    return {
        "release": release, "language": language, "hostname": hostname, "addresses": list(addresses), "utc_offset": utc_offset, "clock_offset": 0,
        "faults": {}, "services": {}, "service_log": [], "tasks": {}, "task_log": [], "listeners": [], "settings": {}, "violations": [], "commands": [],
        "scripts": [], "boots": 1, "restart_at": None,
    }


def _fill_registry(machine: Machine) -> None:
    facts = machine.facts
    for name, data in (
        ("ProductName", facts.product), ("CurrentVersion", facts.version),
        ("CurrentBuild", str(facts.build)), ("CurrentBuildNumber", str(facts.build)),
    ):
        machine.registry.set(CURRENT_VERSION, name, "REG_SZ", data)
    if facts.major is not None:
        machine.registry.set(CURRENT_VERSION, "CurrentMajorVersionNumber", "REG_DWORD", facts.major)
        machine.registry.set(CURRENT_VERSION, "CurrentMinorVersionNumber", "REG_DWORD", 0)
    machine.registry.create_key(r"HKU\S-1-5-19\Environment")
    machine.registry.create_key(r"HKU\S-1-5-19\Software")
    machine.registry.create_key(r"HKLM\SOFTWARE\Policies\Microsoft")
    machine.registry.create_key(r"HKLM\SOFTWARE\Microsoft\Rpc")
    machine.registry.set(_CONTROL, "ShutdownTime", "REG_BINARY", f"{0:016X}")
    machine.registry.create_key(SERVICES + r"\SharedAccess\Parameters\FirewallPolicy\FirewallRules")


__all__ = (
    "AUTOMATIC",
    "CODE_PAGES",
    "DISABLED",
    "FAULTS",
    "FOLDER",
    "LINE_LIMIT",
    "MANUAL",
    "RELEASES",
    "RUNNING",
    "SERVICES",
    "STOPPED",
    "SYSTEM32",
    "SYSTEM_ROOT",
    "ConnectionCut",
    "Faults",
    "Machine",
    "Refused",
    "ReleaseFacts",
    "Violations",
)
