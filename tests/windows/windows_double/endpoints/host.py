# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint asks of the host behind it, and what it does with the answer whatever the connection is."""

from __future__ import annotations

import base64
import binascii
import itertools
import traceback
import typing as t
from dataclasses import dataclass

BROKEN = 250
"""What a command returns when its player has an error of its own."""


class Cut(Exception):  # noqa: N818 - not an error of ours: the host went away in the middle
    """The connection ends without an answer, as when a host loses its network."""


@dataclass(frozen=True)
class Account:
    """Who may log in."""

    user: str = "administrator"
    password: str = "windows-double"  # noqa: S105 - a test's own password


class Host(t.Protocol):
    """A Windows host, whoever plays it. Both ways to run something raise Cut where the host goes away instead of answering."""

    def management_open(self, peer_address: str, port: int) -> bool:
        """Tell whether the host's firewall lets a new connection of that peer in."""

    def run_command_line(self, text: str, stdin: bytes = b"", code_page: int | None = None) -> tuple[int, bytes, bytes]:
        """Run what cmd.exe would get after ``/c``."""

    def run_powershell(self, script: str, stdin: bytes = b"", code_page: int | None = None) -> tuple[int, bytes, bytes]:
        """Run PowerShell text in a runspace."""


def loudly(action: t.Callable[[], tuple[int, bytes, bytes]]) -> tuple[int, bytes, bytes]:
    """Do it, and make an error of the player a loud failure of the command; raises Cut."""
    try:
        return action()
    except Cut:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the test must see it
        traceback.print_exc()
        return BROKEN, b"", f"the double failed: {type(error).__name__}: {error}\r\n".encode()


def script_of(line: str) -> str | None:
    """Give the PowerShell text inside a command line, or None where it holds none."""
    words = line.split()
    for flag, value in itertools.pairwise(words):
        if flag.lower() in {"-encodedcommand", "-enc"}:
            try:
                return base64.b64decode(value, validate=True).decode("utf-16-le")
            except (binascii.Error, UnicodeDecodeError):
                return None
    return None


def reads_input(line: str) -> bool:
    """Tell whether the command reads its input to the end; one that does not must not wait for a client that never closes it."""
    script = script_of(line)
    # Ansible of some releases encodes a command that is encoded already.
    return "$input" in line.lower() if script is None else reads_input(script)


__all__ = ("BROKEN", "Account", "Cut", "Host", "loudly", "reads_input", "script_of")
