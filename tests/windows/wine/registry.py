# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wine's registry with the interface of the double's own: every call is work for the agent that runs inside."""

from __future__ import annotations

import contextlib
import struct
import threading
import typing as t

from windows_double.registry import NUMBERS, TYPES, Registry, Value
from wine.relays import Relay, data_field, data_of, text_field, text_of

_CODES = {"REG_SZ": 1, "REG_EXPAND_SZ": 2, "REG_BINARY": 3, "REG_DWORD": 4, "REG_MULTI_SZ": 7, "REG_QWORD": 11}
_NAMES = {code: name for name, code in _CODES.items()}
_SIZES = {"REG_DWORD": "<I", "REG_QWORD": "<Q"}
_ROOTS = {"HKLM": "M", "HKEY_LOCAL_MACHINE": "M", "HKU": "U", "HKEY_USERS": "U"}
_EVERYTHING = (
    r"HKLM\SYSTEM\CurrentControlSet\Services", r"HKLM\SOFTWARE\Policies", r"HKLM\SOFTWARE\datapath.exchange",
    r"HKLM\SOFTWARE\Microsoft\Rpc", r"HKLM\SOFTWARE\Microsoft\Exchange",
)
"""What C(digest) and C(snapshot) look at when they are given no key: Wine's registry holds much more, some of which changes by itself."""

_Content = tuple[dict[str, Value], list[str]]


class WineRegistry(Registry):
    """The registry of one prefix, in the 64-bit view. Values come in the order of their names: Wine does not know another."""

    def __init__(self, agent: Relay) -> None:  # the double's file is not ours  # pylint: disable=super-init-not-called
        self._agent = agent
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def transaction(self) -> t.Iterator[None]:
        with self._lock:
            yield

    def save(self) -> None:
        pass  # Wine's server does

    def get(self, key: str, name: str) -> Value | None:
        return next((value for known, value in self.values(key).items() if known.lower() == name.lower()), None)

    def set(self, key: str, name: str, kind: str, data: t.Any) -> None:
        self._do("SET", *_place(key), text_field(name), str(_CODES[kind]), data_field(_encode(kind, data)))

    def create_key(self, key: str) -> dict[str, t.Any]:
        self._do("CREATE", *_place(key))
        return {}

    def delete_value(self, key: str, name: str) -> bool:
        return self._try("UNSET", *_place(key), text_field(name))

    def delete_key(self, key: str) -> bool:
        return self._try("DELETE", *_place(key))

    def exists(self, key: str) -> bool:
        return self._list(key) is not None

    def path(self, key: str) -> str:
        return key

    def values(self, key: str) -> dict[str, Value]:
        return (self._list(key) or ({}, []))[0]

    def subkeys(self, key: str) -> list[str]:
        return sorted((self._list(key) or ({}, []))[1], key=str.upper)

    def snapshot(self, key: str = "") -> dict[str, t.Any]:
        with self._lock:
            copied: dict[str, t.Any] = {}
            for start in [key] if key else _EVERYTHING:
                self._copy(start, copied)
            return copied

    def restore(self, snapshot: t.Mapping[str, t.Any], key: str = "") -> None:
        with self._lock:
            for start in [key] if key else _EVERYTHING:
                self.delete_key(start)
            for entry in snapshot.values():
                self.create_key(entry["path"])
                for name, kind, data in entry["values"].values():
                    self.set(entry["path"], name, kind, data)

    def _copy(self, key: str, copied: dict[str, t.Any]) -> None:
        content = self._list(key)
        if content is None:
            return
        values = {name.lower(): [name, kind, list(data) if isinstance(data, tuple) else data] for name, (kind, data) in content[0].items()}
        copied[key.lower()] = {"path": key, "values": values}
        for name in content[1]:
            self._copy(f"{key}\\{name}", copied)

    def _list(self, key: str) -> _Content | None:
        values: dict[str, Value] = {}
        keys: list[str] = []
        with self._lock:
            line = self._agent.ask("LIST", *_place(key))
            while line[0] in {"V", "K"}:
                if line[0] == "K":
                    keys.append(text_of(line[1]))
                else:
                    kind = _NAMES.get(int(line[2]), "REG_BINARY")
                    values[text_of(line[1])] = kind, _decode(kind, data_of(line[3]))
                line = self._agent.read_line()
        return None if line[0] == "absent" else (values, keys)

    def _do(self, *order: str) -> None:
        with self._lock:
            error = int(self._agent.ask(*order)[0])
        if error:
            raise OSError(f"Wine's registry: {order[0]} of {text_of(order[2])}: error {error}")

    def _try(self, *order: str) -> bool:
        with self._lock:
            return int(self._agent.ask(*order)[0]) == 0


def _place(key: str) -> tuple[str, str]:
    root, _, rest = key.strip("\\").partition("\\")
    if root.upper() not in _ROOTS:
        raise ValueError(f"no such part of Wine's registry is played: {key!r}")
    return _ROOTS[root.upper()], text_field(rest)


def _encode(kind: str, data: t.Any) -> bytes:
    if kind not in TYPES:
        raise ValueError(f"no registry type {kind!r}")
    if kind in NUMBERS:
        return struct.pack(_SIZES[kind], data)
    if kind == "REG_BINARY":
        return bytes.fromhex(data)
    text = "".join(f"{entry}\0" for entry in data) if kind == "REG_MULTI_SZ" else data
    return f"{text}\0".encode("utf-16-le")


def _decode(kind: str, data: bytes) -> t.Any:
    if kind in NUMBERS and len(data) == struct.calcsize(_SIZES[kind]):
        return struct.unpack(_SIZES[kind], data)[0]
    if kind in NUMBERS or kind == "REG_BINARY":
        return data.hex().upper()
    text = data.decode("utf-16-le", "replace")
    return tuple(entry for entry in text.split("\0") if entry) if kind == "REG_MULTI_SZ" else text.removesuffix("\0")


__all__ = ("WineRegistry",)
