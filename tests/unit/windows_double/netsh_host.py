# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double for the tests of its netsh, and short ways to ask it."""

from __future__ import annotations

import typing as t
from pathlib import Path

from windows_double import netsh
from windows_double.machine import Machine
from windows_double.netsh_words import LOCAL

RELEASES = ("2008", "2008r2", "2012r2", "2019", "2025")
RULES = LOCAL + r"\FirewallRules"
ADD = "advfirewall firewall add rule"


class Host:
    """A machine whose netsh is called directly."""

    def __init__(self, folder: Path, release: str = "2019", language: str = "en", **options: t.Any) -> None:
        self.machine = Machine.create(folder / f"{release}-{language}", release, language, **options)
        self.registry = self.machine.registry

    def netsh(self, line: str) -> tuple[int, str]:
        return netsh.run(self.machine, line)

    def ok(self, *lines: str) -> None:
        for line in lines:
            code, said = self.netsh(line)
            assert code == 0, (line, said)

    def in_file(self, *lines: str, path: str = r"C:\Windows\lines.txt") -> tuple[int, str]:
        """Lines through C(netsh -f)."""
        self.machine.write_file(path, "".join(f"{line}\r\n" for line in lines).encode("ascii"))
        return self.netsh(f'-f "{path}"')

    def refuses(self, line: str) -> bool:
        """Whether netsh says no, and nothing changed."""
        before = self.machine.digest()
        code, said = self.netsh(line)
        assert code in {0, 1} and said
        return code == 1 and self.machine.digest() == before

    def texts(self, key: str = "FirewallRules") -> list[str]:
        """Rules as they are stored, in the order of their making."""
        return [str(data) for _kind, data in self.registry.values(f"{LOCAL}\\{key}").values()]

    def last(self, key: str = "FirewallRules") -> str:
        return self.texts(key)[-1]

    def under(self, key: str) -> dict[str, dict[str, t.Any]]:
        """Values by name of every key right below one of the local policy."""
        root = f"{LOCAL}\\{key}"
        return {name: {value: data for value, (_kind, data) in self.registry.values(f"{root}\\{name}").items()} for name in self.registry.subkeys(root)}


__all__ = ("ADD", "RELEASES", "RULES", "Host")
