# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drive C: of a double: a real directory, its names found in any case."""

from __future__ import annotations

import fnmatch
import ntpath
import shutil
import typing as t
from pathlib import Path

FORBIDDEN = frozenset('<>"|?*')


class Drive:
    """Drive C:. Paths are Windows paths; anything outside of C: is a FileNotFoundError, as a drive is that does not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes:
        return self._existing(path).read_bytes()

    def write(self, path: str, content: bytes) -> None:
        """Write a file anew; its folder must exist."""
        self._fresh(path).write_bytes(content)

    def append(self, path: str, content: bytes) -> None:
        with self._fresh(path).open("ab") as stream:
            stream.write(content)

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder of this name; the last part may be a pattern."""
        folder, pattern = ntpath.split(path)
        if "*" in pattern or "?" in pattern:
            return bool(self.list(folder, pattern))
        try:
            return self._existing(path).exists()
        except FileNotFoundError:
            return False

    def is_folder(self, path: str) -> bool:
        return self.exists(path) and self._existing(path).is_dir()

    def list(self, folder: str, pattern: str = "*") -> list[str]:
        """Names in a folder that fit a pattern, sorted as NTFS keeps them."""
        if not self.is_folder(folder):
            return []
        names = (entry.name for entry in self._existing(folder).iterdir())
        return sorted((name for name in names if fnmatch.fnmatchcase(name.lower(), pattern.lower())), key=str.upper)

    def delete(self, path: str) -> bool:
        """Delete a file. Whether it was there."""
        if not self.exists(path) or self.is_folder(path):
            return False
        self._existing(path).unlink()
        return True

    def make_folder(self, path: str) -> None:
        self._fresh(path).mkdir(exist_ok=True)

    def delete_tree(self, path: str) -> bool:
        if not self.is_folder(path):
            return False
        shutil.rmtree(self._existing(path))
        return True

    def _existing(self, path: str) -> Path:
        found = self.root
        for part in _parts(path):
            found = _child(found, part)
        return found

    def _fresh(self, path: str) -> Path:
        *above, name = _parts(path)
        if FORBIDDEN & set(name):
            raise OSError(f"no name of a file: {name!r}")
        folder = self._existing("C:\\" + "\\".join(above))
        try:
            return _child(folder, name)
        except FileNotFoundError:
            return folder / name


def _parts(path: str) -> t.Sequence[str]:
    drive, rest = ntpath.splitdrive(ntpath.normpath(path))
    if drive.upper() != "C:" or not rest.startswith("\\"):
        raise FileNotFoundError(f"no such drive or no full path: {path!r}")
    return [part for part in rest.split("\\") if part]


def _child(folder: Path, name: str) -> Path:
    if folder.is_dir():
        for entry in folder.iterdir():
            if entry.name.lower() == name.lower():
                return entry
    raise FileNotFoundError(f"no {name!r} in {folder.name!r}")
