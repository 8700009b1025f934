# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab keeps its things and what it is called: read once from the environment."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[a-z][a-z0-9]{0,5}\Z")
_ACCELERATORS = ("tcg", "kvm")


class LabError(Exception):
    """Something that stops the lab: the text says what, where and how to fix it."""


@dataclass(frozen=True)
class Settings:
    """One lab among several that may run side by side.

    name: starts every namespace, machine and control group of this lab, so that labs with other names are never touched.
    state: what this lab alone writes. cache: the base trees, shared by all labs of the user.
    suite, mirror: the Debian release of the hosts and where it comes from; an empty mirror is mmdebstrap's own choice.
    accelerator: what runs the guests that have a kernel of their own. KVM only when asked for: that /dev/kvm exists does not mean that it boots them.
    """

    name: str
    state: Path
    cache: Path
    suite: str = "bookworm"
    mirror: str = ""
    accelerator: str = "tcg"

    @classmethod
    def from_environment(cls, environment: t.Mapping[str, str]) -> Settings:
        """Read ``DATAPATH_LAB*`` and the XDG directories; raises LabError for a value that cannot be used."""
        name = environment.get("DATAPATH_LAB", "dx")
        if not _NAME.match(name):
            raise LabError(f"DATAPATH_LAB={name!r}: use a letter and up to five more letters or digits, all lower case")
        accelerator = environment.get("DATAPATH_LAB_ACCEL") or "tcg"
        if accelerator not in _ACCELERATORS:
            raise LabError(f"DATAPATH_LAB_ACCEL={accelerator!r}: use {' or '.join(_ACCELERATORS)}")
        home = Path(environment["HOME"]) if environment.get("HOME") else Path.home()
        state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state")
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache")
        return cls(
            name=name,
            state=state / "datapath-exchange" / "lab" / name,
            cache=cache / "datapath-exchange" / "lab",
            suite=environment.get("DATAPATH_LAB_SUITE", "bookworm"),
            mirror=environment.get("DATAPATH_LAB_MIRROR", ""),
            accelerator=accelerator,
        )

    @property
    def hosts(self) -> Path:
        return self.state / "hosts"

    @property
    def ssh_config(self) -> Path:
        return self.state / "ssh_config"

    @property
    def connection(self) -> Path:
        """The second inventory: how Ansible reaches the hosts of this lab."""
        return self.state / "connection.yml"

    def namespace(self, host: str) -> str:
        return f"{self.name}-{host}"


__all__ = ("LabError", "Settings")
