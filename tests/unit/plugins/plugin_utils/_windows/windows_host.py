# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Windows host as a registry and services, and what its programs print of them: enough for the read commands, by a printer of its own."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.state import read_commands

FIREWALL: t.Final = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
POLICY: t.Final = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
SERVICES: t.Final = r"HKLM\SYSTEM\CurrentControlSet\Services"
VERSION: t.Final = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
MEMORY: t.Final = r"HKLM\SOFTWARE\datapath.exchange"
PSK: t.Final = "correct horse battery staple"

Values = dict[str, tuple[str, str]]
DEFAULT_NAMES = {"en": "(Default)", "ja": "(既定)", "de": "(Standard)"}
NOT_FOUND = {
    "en": "ERROR: The system was unable to find the specified registry key or value.",
    "ja": "エラー: 指定されたレジストリ キーまたは値が見つかりません",
}
SC = {
    "windows": "\n\nSERVICE_NAME: {name} \n        TYPE               : 20  WIN32_SHARE_PROCESS  \n        STATE              : {state}  RUNNING \n"
               "                                (STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN)\n        WIN32_EXIT_CODE    : 0  (0x0)\n"
               "        SERVICE_EXIT_CODE  : 0  (0x0)\n        CHECKPOINT         : 0x0\n        WAIT_HINT          : 0x0\n",
    "translated": "\nDIENSTNAME: {name} \n        TYP                : e0  UNBEKANNT \n        STATUS             : {state}  LÄUFT \n"
                  "        CHECKPOINT         : 0x4\n",
}


def long_hive(key: str) -> str:
    return key.replace("HKLM", "HKEY_LOCAL_MACHINE", 1).replace("HKU", "HKEY_USERS", 1)


@dataclass
class Host:
    """registry: values by key, keys with HKLM. denied: keys that exist and may not be read. wine: print as Wine does, errors among the output."""

    registry: dict[str, Values] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=lambda: {"MpsSvc": 4, "BFE": 4, "IKEEXT": 4})
    denied: set[str] = field(default_factory=set)
    elevated: bool = True
    files: tuple[str, ...] = ()
    task: bool = False
    language: str = "en"
    wine: bool = False
    sc: str = "windows"

    def set(self, key: str, name: str, data: str, kind: str = "REG_SZ") -> Host:
        self.registry.setdefault(key, {})[name] = kind, data
        return self

    def sections(self) -> dict[str, tuple[int, tuple[str, ...]]]:
        """What the read commands answer, in the order of their names."""
        return {section: self._run(command) for section, command in read_commands()}

    def _run(self, command: str) -> tuple[int, tuple[str, ...]]:
        command, pipe, _filter = command.partition(" | ")
        program = re.match(r'"%T%\\(?P<name>\w+)\.exe" ', command)
        if program is None:
            return (0, self.files) if self.files else (1, ())
        arguments = command[program.end():]
        code, lines = getattr(self, f"_{program['name']}")(arguments)
        if pipe:
            lines = tuple(line for line in lines if "    shkey    " not in line.lower())
            code = 0 if lines else 1
        return code, tuple(f"{line}\r" for line in lines)

    def _sc(self, arguments: str) -> tuple[int, tuple[str, ...]]:
        state = self.services.get(arguments.split()[1])
        if state is None:
            return 1060, ("[SC] EnumQueryServicesStatus:OpenService FAILED 1060:",)
        return 0, tuple(SC[self.sc].format(name=arguments.split()[1], state=state).split("\n"))

    def _schtasks(self, _arguments: str) -> tuple[int, tuple[str, ...]]:
        return (0, ()) if self.task else (1, ())

    def _reg(self, arguments: str) -> tuple[int, tuple[str, ...]]:
        found = re.fullmatch(r'query "([^"]+)"(?: /v (\w+))?( /s)?', arguments)
        assert found, arguments
        key, name, deep = found.groups()
        if key.startswith("HKU"):
            return (0, ("", long_hive(key), "")) if self.elevated else self._error()
        known = sorted({each for stored in (*self.registry, *self.denied) for each in _ancestors(stored)}, key=str.lower)
        if key not in known or key in self.denied or (name and name not in self.registry.get(key, {})):
            return self._error()
        if deep:
            shown = [each for each in known if each == key or each.startswith(key + "\\")]
            return 0, tuple(line for each in shown if each not in self.denied for line in self._printed(each, None, skip_empty=self.wine))
        below = [long_hive(each) for each in known if each.startswith(key + "\\") and "\\" not in each[len(key) + 1:]]
        return 0, (*self._printed(key, name, skip_empty=False), *below)

    def _error(self) -> tuple[int, tuple[str, ...]]:
        return 1, ((NOT_FOUND[self.language],) if self.wine else ())

    def _printed(self, key: str, only: str | None, *, skip_empty: bool) -> tuple[str, ...]:
        values = self.registry.get(key, {})
        if skip_empty and not values:
            return ()
        rows = [(name or DEFAULT_NAMES[self.language], *value) for name, value in values.items() if only in {None, name}]
        rows = sorted(rows) if self.wine else rows
        return "", long_hive(key), *(line for name, kind, data in rows for line in f"    {name}    {kind}    {data}".split("\n")), ""


def _ancestors(key: str) -> t.Iterator[str]:
    parts = key.split("\\")
    return ("\\".join(parts[:count]) for count in range(1, len(parts) + 1))


def fresh(version: str = "6.3", build: int = 17763, major: int | None = 10, **options: t.Any) -> Host:
    """A host with the firewall's keys and nothing in them, of Windows Server 2019 unless told otherwise."""
    host = Host(**options)
    host.set(VERSION, "CurrentVersion", version).set(VERSION, "CurrentBuildNumber", str(build))
    if major is not None:
        host.set(VERSION, "CurrentMajorVersionNumber", hex(major), "REG_DWORD")
    for key in ("DomainProfile", "StandardProfile", "PublicProfile"):
        host.set(rf"{FIREWALL}\{key}", "EnableFirewall", "0x1", "REG_DWORD").set(rf"{FIREWALL}\{key}", "DisableNotifications", "0x1", "REG_DWORD")
        host.set(rf"{FIREWALL}\{key}\Logging", "LogFilePath", r"%systemroot%\system32\LogFiles\Firewall\pfirewall.log")
        host.set(rf"{FIREWALL}\{key}\Logging", "LogFileSize", "0x1000", "REG_DWORD").set(rf"{FIREWALL}\{key}\Logging", "LogDroppedPackets", "0x0", "REG_DWORD")
    host.registry.setdefault(rf"{FIREWALL}\FirewallRules", {})
    host.registry.setdefault(r"HKLM\SOFTWARE\Policies\Microsoft", {})
    for service in host.services:
        host.set(rf"{SERVICES}\{service}", "Start", "0x2", "REG_DWORD")
    return host
