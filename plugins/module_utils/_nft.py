# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""nft on a target: the one table that we own, its canonical form, and a throw-away kernel to rehearse in. Standard library only."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils._programs import Finished, Run, find_program

FAMILY = "inet"
TABLE = "datapath"
#: 0.9.3 is what the oldest supported enterprise Linux ships; before it, ``-t`` and parts of the JSON listing are missing.
MINIMUM = (0, 9, 3)
_CLONE_NEWNET = 0x40000000
_CAP_NET_ADMIN = 12
_UNSHARE_FAILED = {
    errno.EPERM: "may not make a network namespace: CAP_SYS_ADMIN is missing (in a container, add it or run the container privileged)",
    errno.EINVAL: "cannot make a network namespace: this kernel is built without CONFIG_NET_NS",
    errno.ENOSYS: "cannot make a network namespace: this kernel is built without CONFIG_NET_NS",
    errno.ENOSPC: "cannot make a network namespace: the limit user.max_net_namespaces is reached; raise it with sysctl",
}


class EnforceError(Exception):
    """The firewall of this host cannot be read or changed: says what, where and how to fix it. Nothing was changed unless it says so."""


class NftMissingError(EnforceError):
    """The program nft is not installed."""


def replacement(listing: str) -> str:
    """The transaction that puts exactly ``listing`` in the place of our table; an empty listing removes the table.

    The first line makes sure that the second never fails: https://wiki.nftables.org/wiki-nftables/index.php/Atomic_rule_replacement
    """
    return f"table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n{listing}"


def parse_version(text: str) -> tuple[int, int, int]:
    """Read ``nftables v1.0.6 (Lester Gooch #5)``; raises EnforceError when there is no version in it."""
    found = re.search(r"\bv(\d+)\.(\d+)(?:\.(\d+))?", text)
    if not found:
        raise EnforceError(f"nft --version says {text.strip()!r}: no version found in it")
    return int(found.group(1)), int(found.group(2)), int(found.group(3) or 0)


def require_version(version: tuple[int, int, int]) -> None:
    """Raise EnforceError when nft is older than MINIMUM."""
    if version < MINIMUM:
        raise EnforceError(f"nft {_dotted(version)} is too old: {_dotted(MINIMUM)} or later is needed; update the package nftables")


def require_privilege(status: str, user: int, what: str = "the firewall") -> None:
    """Raise EnforceError unless a process with this user id and this /proc/self/status may change the firewall, or what is named instead."""
    if user != 0:
        raise EnforceError(f"root is needed to read and change {what}: set become: true on the task, the play or the host")
    capabilities = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    if capabilities and not int(capabilities.group(1), 16) >> _CAP_NET_ADMIN & 1:
        raise EnforceError(f"root lacks CAP_NET_ADMIN here: a container needs that capability for {what}")


@dataclass(frozen=True)
class Nft:
    """The nft of this host; every method raises EnforceError with nft's own words when nft fails."""

    path: str
    version: tuple[int, int, int]
    run: Run

    @classmethod
    def find(cls, run: Run) -> Nft:
        """The installed nft, after checking its version and our privileges."""
        path = find_program("nft")
        if not path:
            raise NftMissingError("nft is not installed: install the package nftables on this host")
        require_privilege(Path("/proc/self/status").read_text(encoding="ascii", errors="replace"), os.geteuid())
        version = parse_version(run([path, "--version"], "").out)
        require_version(version)
        return cls(path, version, run)

    def live(self) -> str:
        """The canonical listing of our table as the kernel has it now; empty when there is none."""
        return self._listing() if (FAMILY, TABLE) in self._tables() else ""

    def ruleset(self) -> list[dict[str, t.Any]]:
        """Everything that nftables enforces here, without the members of sets."""
        return self._json("-t", "list", "ruleset")

    def table(self) -> list[dict[str, t.Any]]:
        """Our table with its counters; empty when there is none."""
        return self._json("list", "table", FAMILY, TABLE) if (FAMILY, TABLE) in self._tables() else []

    def apply(self, text: str) -> None:
        """Load ``text`` as one transaction: all of it, or nothing."""
        done = self.run([self.path, "-f", "-"], text)
        if done.code:
            raise EnforceError(f"nft refused the rules, and nothing of them was loaded: {_excerpt(done.err)}")

    def canonical(self, text: str) -> str:
        """What this kernel lists for our table after loading ``text``, found out in a network namespace that ends with the call.

        Raises EnforceError when nft refuses the text, when the text makes another table or none, and when nft cannot read its own
        listing back: the listing is what is applied, kept and restored, so it must mean the same.
        """
        return in_new_network(lambda: self._rehearse(text))

    def _rehearse(self, text: str) -> str:
        self.apply(text)
        if self._tables() != {(FAMILY, TABLE)}:
            raise EnforceError(f"the rules were refused: they must make table {FAMILY} {TABLE} and no other")
        listing = self._listing()
        self.apply(replacement(listing))
        if self._listing() != listing:
            raise EnforceError(f"nft {_dotted(self.version)} does not read its own listing back unchanged: update the package nftables")
        return listing

    def _listing(self) -> str:
        return self._checked("-s", "list", "table", FAMILY, TABLE).out

    def _tables(self) -> set[tuple[str, str]]:
        return {(item["table"]["family"], item["table"]["name"]) for item in self._json("list", "tables") if "table" in item}

    def _json(self, *arguments: str) -> list[dict[str, t.Any]]:
        return list(json.loads(self._checked("-j", *arguments).out or '{"nftables": []}')["nftables"])

    def _checked(self, *arguments: str) -> Finished:
        done = self.run([self.path, *arguments], "")
        if done.code:
            raise EnforceError(f"nft {' '.join(arguments)} failed (does this kernel have nf_tables, and nft JSON support?): {_excerpt(done.err)}")
        return done


_Answer = t.TypeVar("_Answer")


def in_new_network(work: t.Callable[[], _Answer]) -> _Answer:
    """Call ``work`` in a new, empty network namespace and return its answer; only ``work`` and the programs it starts are in there.

    A namespace belongs to a thread (unshare(2)), so a thread of its own is all it takes: the rest of the process never leaves the host's
    network, and the namespace and all that was loaded into it end with the thread.
    """
    answers: list[_Answer] = []
    failures: list[BaseException] = []

    def enter() -> None:
        try:
            _unshare_network()
            answers.append(work())
        except BaseException as failure:  # noqa: BLE001 - handed to the caller's thread, which raises it
            failures.append(failure)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return answers[0]


def _unshare_network() -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
        number = ctypes.get_errno()
        raise EnforceError(_UNSHARE_FAILED.get(number, f"cannot make a network namespace: {os.strerror(number)}"))


def _dotted(version: tuple[int, int, int]) -> str:
    return ".".join(str(part) for part in version)


def _excerpt(text: str, lines: int = 6) -> str:
    """The first lines of an error: nft repeats a message for each bad line, and one bad set can have thousands."""
    kept = text.splitlines()[:lines]
    return "\n".join(line[:300] for line in kept) or "no message"


__all__ = (
    "FAMILY", "MINIMUM", "TABLE", "EnforceError", "Nft", "NftMissingError", "in_new_network", "parse_version", "replacement", "require_privilege",
    "require_version",
)
