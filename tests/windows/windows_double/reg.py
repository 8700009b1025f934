# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(reg query|add|delete): https://learn.microsoft.com/windows-server/administration/windows-commands/reg-query and its neighbours.

Exit code 1 means every failure. Errors go to standard error, columns stand four spaces apart. Questions are never answered: what would ask is refused.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from windows_double.programs import Answer, Call
from windows_double.refusal import Refused
from windows_double.registry import NUMBERS, TYPES, Registry, Value, full_name

WITH_VALUE = ("/v", "/t", "/d", "/s", "/f")
ALLOWED: t.Mapping[str, t.Collection[str]] = {
    "query": ("/v", "/ve", "/s"), "add": ("/v", "/ve", "/t", "/d", "/s", "/f"), "delete": ("/v", "/ve", "/va", "/f"),
}
FLAGS: t.Mapping[str, t.Collection[str]] = {"query": ("/ve", "/s"), "add": ("/ve", "/f"), "delete": ("/ve", "/va", "/f")}


@dataclass
class Options:
    """A command taken apart. given: switches in lower case with their values, empty for those that take none."""

    verb: str
    key: str
    given: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """The value that is meant: empty for the default value, None when none was named."""
        return "" if "/ve" in self.given else self.given.get("/v")


class SyntaxAnswerError(Exception):
    """What reg calls invalid syntax."""


def run(call: Call) -> Answer:
    words = call.words
    if not words or words[0].lower() not in ALLOWED:
        raise Refused(f"reg {' '.join(words[:1])}: only query, add and delete")
    try:
        options = _options(call, words)
    except SyntaxAnswerError:
        usage = f'"REG {words[0].upper()} /?"'
        return _failure(call, f"Invalid syntax.\nType {usage} for usage.", f"構文が無効です。\n{usage} と入力すると使用法が表示されます。")
    if not _may_open(call, options):
        return _failure(call, "Access is denied.", "アクセスが拒否されました。")
    with call.machine.registry.transaction():
        return {"query": _query, "add": _add, "delete": _delete}[options.verb](call, options)


def _options(call: Call, words: t.Sequence[str]) -> Options:
    verb = words[0].lower()
    if len(words) < 2 or words[1].startswith("/"):
        raise SyntaxAnswerError("no key")
    options = Options(verb, words[1].rstrip("\\"))
    rest = list(words[2:])
    while rest:
        switch = rest.pop(0).lower()
        if switch == "/reg:64" and call.machine.at_least("2008r2"):
            continue
        if switch == "/reg:64":
            raise SyntaxAnswerError("/reg:64 came with Windows 7")
        if switch not in ALLOWED[verb]:
            raise Refused(f"reg {verb} {switch}: only {' '.join(ALLOWED[verb])}")
        if switch in options.given:
            raise SyntaxAnswerError(f"{switch} twice")
        options.given[switch] = "" if switch in FLAGS[verb] else _argument(switch, rest)
    if "/v" in options.given and "/ve" in options.given:
        raise SyntaxAnswerError("/v with /ve")
    return options


def _argument(switch: str, rest: list[str]) -> str:
    if not rest:
        raise SyntaxAnswerError(f"nothing after {switch}")
    return rest.pop(0)


def _may_open(call: Call, options: Options) -> bool:
    try:
        key = full_name(options.key).lower()
    except ValueError:
        return True
    denied = call.machine.faults.get("access_denied")
    if denied and key.startswith(full_name(denied).lower()):
        return False
    return call.machine.elevated or (options.verb == "query" and not key.startswith("hkey_users\\s-1-5-19"))


def _failure(call: Call, english: str, japanese: str) -> Answer:
    return Answer(1, "", call.say(f"ERROR: {english}\n", f"エラー: {japanese}\n"))


def _missing(call: Call) -> Answer:
    return _failure(call, "The system was unable to find the specified registry key or value.", "指定されたレジストリ キーまたは値が見つかりませんでした。")


def _done(call: Call) -> Answer:
    return Answer(0, call.say("The operation completed successfully.\n\n", "この操作を正しく終了しました。\n\n"))


def _exists(registry: Registry, key: str) -> bool:
    try:
        return registry.exists(key)
    except ValueError:
        return False


def _query(call: Call, options: Options) -> Answer:
    registry = call.machine.registry
    if not _exists(registry, options.key):
        return _missing(call)
    if options.name is not None:
        if "/s" in options.given:
            raise Refused("reg query /v with /s: its summary line is translated")
        value = registry.get(options.key, options.name)
        if value is None:
            return _missing(call)
        name = next((written for written in registry.values(options.key) if written.lower() == options.name.lower()), options.name)
        return Answer(0, "\n" + _heading(registry, options.key) + _line(call, name, value) + "\n")
    if "/s" in options.given:
        return Answer(0, "".join(_tree(call, options.key)))
    return Answer(0, _one_level(call, options.key))


def _heading(registry: Registry, key: str) -> str:
    return full_name(registry.path(key)) + "\n"


def _one_level(call: Call, key: str) -> str:
    registry = call.machine.registry
    values = registry.values(key)
    text = "\n"
    if values:
        text += _heading(registry, key) + "".join(_line(call, name, value) for name, value in values.items()) + "\n"
    return text + "".join(f"{full_name(registry.path(key))}\\{name}\n" for name in registry.subkeys(key))


def _tree(call: Call, key: str) -> t.Iterator[str]:
    """Keys without values: dumps differ in whether they are listed, so the oldest release lists them and the others do not."""
    registry = call.machine.registry
    values = registry.values(key)
    if values or not call.machine.at_least("2008r2"):
        yield "\n" + _heading(registry, key) + "".join(_line(call, name, value) for name, value in values.items())
    for name in registry.subkeys(key):
        yield from _tree(call, f"{key}\\{name}")


def _line(call: Call, name: str, value: Value) -> str:
    kind, data = value
    return f"    {name or call.say('(Default)', '(既定)')}    {kind}    {shown(kind, data)}\n"


def shown(kind: str, data: t.Any) -> str:
    """Data as reg prints it: numbers in hexadecimal, entries of a list parted by a backslash and a zero."""
    if kind in NUMBERS:
        return f"{data:#x}"
    return "\\0".join(data) if kind == "REG_MULTI_SZ" else str(data)


def _add(call: Call, options: Options) -> Answer:
    registry = call.machine.registry
    try:
        full_name(options.key)
    except ValueError:
        return _failure(call, "Invalid key name.", "キー名が無効です。")
    if options.name is None:
        if options.given.keys() - {"/f"}:
            raise Refused("reg add with data but without /v or /ve")
        registry.create_key(options.key)
        return _done(call)
    if "/f" not in options.given:
        raise Refused("reg add without /f asks before it overwrites")
    kind = options.given.get("/t", "REG_SZ").upper()
    if kind not in TYPES:
        return _failure(call, "Invalid syntax.", "構文が無効です。")
    data = _data(kind, options)
    if data is None:
        return _failure(call, "Invalid syntax. Specify valid numeric value for '/d'.", "構文が無効です。'/d' に有効な数値を指定してください。")
    registry.set(options.key, options.name, kind, data)
    return _done(call)


def _data(kind: str, options: Options) -> t.Any:
    text = options.given.get("/d", "")
    if kind in NUMBERS:
        return _number(text or "0", NUMBERS[kind])
    if kind == "REG_MULTI_SZ":
        return tuple(part for part in text.split(options.given.get("/s", "\\0")) if part)
    if kind == "REG_BINARY":
        return text if len(text) % 2 == 0 and all(digit in "0123456789abcdefABCDEF" for digit in text) else None
    return text


def _number(text: str, largest: int) -> int | None:
    try:
        number = int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        return None
    return number if 0 <= number <= largest else None


def _delete(call: Call, options: Options) -> Answer:
    registry = call.machine.registry
    if "/f" not in options.given:
        raise Refused("reg delete without /f asks before it deletes")
    if not _exists(registry, options.key):
        return _missing(call)
    if "/va" in options.given:
        for name in registry.values(options.key):
            registry.delete_value(options.key, name)
        return _done(call)
    if options.name is not None:
        return _done(call) if registry.delete_value(options.key, options.name) else _missing(call)
    registry.delete_key(options.key)
    return _done(call)
