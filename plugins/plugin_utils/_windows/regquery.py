# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What C(reg query) prints, read by its columns: everything else in it is translated, and Wine words it differently again.

A key stands at the beginning of a line; its values follow as C(    name    REG_TYPE    data), four blanks each (public dumps; the same in Wine 8 and 10).
https://learn.microsoft.com/windows-server/administration/windows-commands/reg-query
"""

from __future__ import annotations

import re
import typing as t

Value = tuple[str, str]
"""Type and data as printed."""
Keys = dict[str, dict[str, Value]]
"""Values by key and name as printed; the name of a default value is empty, whatever its translation."""

_KEY = re.compile(r"HKEY_[A-Z_]+(?:\\.*)?\Z")
_VALUE = re.compile(r" {4}(.*?) {4}(REG_[A-Z0-9_]+)(?: {4}(.*))?\Z", re.DOTALL)
_DEFAULT = re.compile(r"\([^()]*\)\Z")
_HIVES = {"HKLM": "HKEY_LOCAL_MACHINE", "HKU": "HKEY_USERS"}
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}\Z|[0-9]{1,10}\Z")


def parse(lines: t.Iterable[str]) -> Keys:
    """Read lines with or without carriage returns; lines that are no key and no value are ignored, but for those that continue a value of several lines."""
    keys: Keys = {}
    values: dict[str, Value] | None = None
    last = ""
    for line in (line.rstrip("\r\n") for line in lines):
        found = _VALUE.match(line)
        if _KEY.match(line):
            values, last = keys.setdefault(line, {}), ""
        elif values is not None and found:
            last = _name(found[1], values)
            values[last] = found[2], (found[3] or "")
        elif values is not None and last and line:
            # A text with a line break in it: cut off here, a rule would lose what narrows it.
            values[last] = values[last][0], f"{values[last][1]}\n{line}"
        else:
            last = ""
    return keys


def _name(name: str, values: t.Mapping[str, Value]) -> str:
    """C((Default)) and its translations stand for no name, but only once a key: a rule may be called like that."""
    return "" if _DEFAULT.match(name) and "" not in values else name


def number(value: Value | None) -> int | None:
    """The number in a value, whether a REG_DWORD or digits in a REG_SZ; None for no value and for anything else."""
    if value is None or value[0] not in {"REG_DWORD", "REG_QWORD", "REG_SZ"} or not _NUMBER.match(value[1].strip()):
        return None
    text = value[1].strip()
    return int(text, 16 if text[:2] in {"0x", "0X"} else 10)


def strings(value: Value | None) -> tuple[str, ...]:
    r"""The texts of a REG_MULTI_SZ, which are printed with a literal C(\0) between; of a REG_SZ its only one."""
    if value is None or not value[1]:
        return ()
    return tuple(text for text in value[1].split("\\0") if text) if value[0] == "REG_MULTI_SZ" else (value[1],)


def full_key(key: str) -> str:
    """A key as it is printed: C(HKLM) is short for C(HKEY_LOCAL_MACHINE)."""
    hive, slash, rest = key.partition("\\")
    return _HIVES.get(hive.upper(), hive) + slash + rest


def find(keys: t.Mapping[str, dict[str, Value]], key: str) -> dict[str, Value]:
    """The values of one key, whatever its case; empty when it is not there."""
    wanted = full_key(key).lower()
    return next((values for name, values in keys.items() if name.lower() == wanted), {})


def value(values: t.Mapping[str, Value], name: str) -> Value | None:
    """One value of a key, whatever the case of its name; None when it is not there."""
    wanted = name.lower()
    return next((each for key, each in values.items() if key.lower() == wanted), None)


__all__ = ("Keys", "Value", "find", "full_key", "number", "parse", "strings", "value")
