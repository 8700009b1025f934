# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of a double: one JSON file, shared between processes by a lock beside it.

Names are found in any case and kept as they were first written. Values of a key stand in the order in which they were made, subkeys in the order of their
names, as Windows lists them.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import hashlib
import json
import os
import threading
import typing as t
from pathlib import Path

ROOTS = {
    "HKLM": "HKEY_LOCAL_MACHINE", "HKU": "HKEY_USERS", "HKCU": "HKEY_CURRENT_USER", "HKCR": "HKEY_CLASSES_ROOT", "HKCC": "HKEY_CURRENT_CONFIG",
}
TYPES = ("REG_SZ", "REG_EXPAND_SZ", "REG_MULTI_SZ", "REG_DWORD", "REG_QWORD", "REG_BINARY")
NUMBERS = {"REG_DWORD": 2**32 - 1, "REG_QWORD": 2**64 - 1}
Value = tuple[str, t.Any]
"""(type, data): text for REG_SZ and REG_EXPAND_SZ, a number for REG_DWORD and REG_QWORD, a tuple of texts for REG_MULTI_SZ, hex digits for REG_BINARY."""


class SharedFile:
    """A JSON document that several processes and threads change in turn. Inside ``with shared.transaction():`` it is locked, current, and saved once."""

    def __init__(self, path: str | os.PathLike[str], empty: t.Callable[[], t.Any] = dict) -> None:
        self.path = Path(path)
        self.content: t.Any = empty()
        self._empty = empty
        self._threads = threading.RLock()
        self._depth = 0
        self._lock = -1
        self._seen: tuple[int, int, int] | None = None
        self._dirty = False

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        """Locked against other threads and processes; nests; saves what changed on the way out, also after an error (a cut script has done what it did)."""
        with self._threads:
            self._enter()
            try:
                yield
            finally:
                self._leave()

    def changed(self) -> None:
        self._dirty = True

    def save(self) -> None:
        """Write the file now."""
        with self.transaction():
            self._write()

    def _enter(self) -> None:
        if self._depth == 0:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._refresh()
        self._depth += 1

    def _leave(self) -> None:
        self._depth -= 1
        if self._depth == 0:
            try:
                if self._dirty:
                    self._write()
            finally:
                os.close(self._lock)

    def _refresh(self) -> None:
        try:
            stamp = self._stamp()
        except FileNotFoundError:
            self.content, self._seen = self._empty(), None
            return
        if stamp != self._seen:
            self.content, self._seen = json.loads(self.path.read_text(encoding="utf-8")), stamp

    def _stamp(self) -> tuple[int, int, int]:
        status = self.path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _write(self) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}")
        fresh.write_text(json.dumps(self.content, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
        fresh.replace(self.path)
        self._seen, self._dirty = self._stamp(), False


def full_name(key: str) -> str:
    """The key with the long name of its root, as C(reg query) prints it."""
    root, separator, rest = _split(key)
    return ROOTS[root] + separator + rest


def _split(key: str) -> tuple[str, str, str]:
    root, separator, rest = key.partition("\\")
    for short, long in ROOTS.items():
        if root.upper() in (short, long):
            return short, separator, rest
    raise ValueError(f"no registry root in {key!r}")


def _canonical(key: str) -> str:
    root, _, rest = _split(key)
    parts = [part for part in rest.split("\\") if part]
    return "\\".join([root, *parts])


def _checked(kind: str, data: t.Any) -> t.Any:
    if kind not in TYPES:
        raise ValueError(f"no registry type {kind!r}")
    if kind in NUMBERS:
        if isinstance(data, bool) or not isinstance(data, int) or not 0 <= data <= NUMBERS[kind]:
            raise ValueError(f"{data!r} is no {kind}")
        return data
    if kind == "REG_MULTI_SZ":
        if isinstance(data, str) or not all(isinstance(entry, str) for entry in data):
            raise ValueError(f"{data!r} is no list of texts")
        return list(data)
    if not isinstance(data, str):
        raise TypeError(f"{data!r} is no text")
    return bytes.fromhex(data).hex().upper() if kind == "REG_BINARY" else data


class Registry:
    """The registry of one double. Every call is atomic between processes; group several in ``with registry.transaction():``."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = SharedFile(path)

    def transaction(self) -> contextlib.AbstractContextManager[None]:
        return self._file.transaction()

    def save(self) -> None:
        self._file.save()

    @property
    def _keys(self) -> dict[str, t.Any]:
        keys: dict[str, t.Any] = self._file.content
        return keys

    def get(self, key: str, name: str) -> Value | None:
        """The value (name: empty for the default value), or None when the key or the value does not exist."""
        with self.transaction():
            entry = self._keys.get(_canonical(key).lower())
            found = entry and entry["values"].get(name.lower())
            return _value(found) if found else None

    def set(self, key: str, name: str, kind: str, data: t.Any) -> None:
        """Make or overwrite a value; keys above it come into being. An overwritten value keeps its place and the case of its name."""
        data = _checked(kind, data)
        with self.transaction():
            values = self.create_key(key)["values"]
            written = values.get(name.lower(), [name])[0]
            values[name.lower()] = [written, kind, data]
            self._file.changed()

    def create_key(self, key: str) -> dict[str, t.Any]:
        """Make a key and those above it, where they are missing."""
        parts = _canonical(key).split("\\")
        with self.transaction():
            for end in range(1, len(parts) + 1):
                path = "\\".join(parts[:end])
                if path.lower() not in self._keys:
                    above = self._keys.get("\\".join(parts[:end - 1]).lower())
                    self._keys[path.lower()] = {"path": f"{above['path']}\\{parts[end - 1]}" if above else path, "values": {}}
                    self._file.changed()
            entry: dict[str, t.Any] = self._keys["\\".join(parts).lower()]
            return entry

    def delete_value(self, key: str, name: str) -> bool:
        """Whether there was such a value."""
        with self.transaction():
            entry = self._keys.get(_canonical(key).lower())
            if entry is None or entry["values"].pop(name.lower(), None) is None:
                return False
            self._file.changed()
            return True

    def delete_key(self, key: str) -> bool:
        """Delete a key with all below it. Whether there was such a key."""
        with self.transaction():
            gone = self._below(key)
            for path in gone:
                del self._keys[path]
                self._file.changed()
            return bool(gone)

    def exists(self, key: str) -> bool:
        with self.transaction():
            return _canonical(key).lower() in self._keys

    def path(self, key: str) -> str:
        """The key as its names were first written."""
        with self.transaction():
            entry = self._keys.get(_canonical(key).lower())
            return str(entry["path"]) if entry else _canonical(key)

    def values(self, key: str) -> dict[str, Value]:
        """All values of a key in the order of their making; empty for a key that does not exist."""
        with self.transaction():
            entry = self._keys.get(_canonical(key).lower())
            return {found[0]: _value(found) for found in entry["values"].values()} if entry else {}

    def subkeys(self, key: str) -> list[str]:
        """Names of the keys right below, sorted as Windows sorts them."""
        start = _canonical(key).lower() + "\\"
        with self.transaction():
            names = [entry["path"].rpartition("\\")[2] for path, entry in self._keys.items() if path.startswith(start) and "\\" not in path[len(start):]]
        return sorted(names, key=str.upper)

    def snapshot(self, key: str = "") -> dict[str, t.Any]:
        """A copy of everything, or of a key with all below it, that C(restore) takes."""
        with self.transaction():
            return copy.deepcopy({path: self._keys[path] for path in (self._below(key) if key else self._keys)})

    def restore(self, snapshot: t.Mapping[str, t.Any], key: str = "") -> None:
        """Put everything, or a key with all below it, back to a copy."""
        with self.transaction():
            for path in (self._below(key) if key else list(self._keys)):
                del self._keys[path]
            if key and snapshot:
                self.create_key(_canonical(key).rpartition("\\")[0] or _canonical(key))
            self._keys.update(copy.deepcopy(dict(snapshot)))
            self._file.changed()

    def digest(self, key: str = "") -> str:
        """A fingerprint of names, types and data of everything, or of a key and all below it. The order of values is no part of it."""
        copied = self.snapshot(key)
        plain = sorted((entry["path"], sorted(entry["values"].values(), key=lambda value: value[0])) for entry in copied.values())
        return hashlib.sha256(json.dumps(plain, ensure_ascii=False).encode()).hexdigest()

    def _below(self, key: str) -> list[str]:
        start = _canonical(key).lower()
        return [path for path in self._keys if path == start or path.startswith(start + "\\")]


def _value(stored: list[t.Any]) -> Value:
    _name, kind, data = stored
    return kind, tuple(data) if kind == "REG_MULTI_SZ" else data
