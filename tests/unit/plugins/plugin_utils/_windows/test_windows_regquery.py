# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows_rules import words

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import regquery

KEY = r"HKEY_LOCAL_MACHINE\SOFTWARE\A b\{1}"


def printed(values: dict[str, tuple[str, str]], key: str = KEY) -> list[str]:
    return ["", key, *(f"    {name or '(Default)'}    {kind}    {data}" for name, (kind, data) in values.items()), ""]


names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="()"), max_size=12).filter(
    lambda name: "    " not in f"{name} " and not name.startswith(" "),
)
kinds = st.sampled_from(("REG_SZ", "REG_DWORD", "REG_MULTI_SZ", "REG_EXPAND_SZ", "REG_BINARY"))


@given(st.dictionaries(names, st.tuples(kinds, words)), st.booleans())
def test_what_is_printed_is_read_again(values: dict[str, tuple[str, str]], returns: bool) -> None:
    assert regquery.parse(line + "\r" * returns for line in printed(values)) == {KEY: values}


@given(st.lists(st.text(max_size=40)))
def test_any_lines_are_read(lines: list[str]) -> None:
    regquery.parse(lines)


WINDOWS = r"""
HKEY_LOCAL_MACHINE\SOFTWARE\Test
    (Default)    REG_SZ    plain
    Number    REG_DWORD    0xa
    Many    REG_MULTI_SZ    5000-5100\06000\0
    Path    REG_EXPAND_SZ    %SystemRoot%\x
    Empty    REG_SZ    {}
    Bare    REG_SZ
    TCP/IP Port    REG_DWORD    0x1771

HKEY_LOCAL_MACHINE\SOFTWARE\Test\Sub
""".format("").splitlines()
WINE = r"""
HKEY_LOCAL_MACHINE\SOFTWARE\Test
    (Default)    REG_SZ    plain
    Bare    REG_SZ
    Empty    REG_SZ    {}
    Many    REG_MULTI_SZ    5000-5100\06000\0
    Number    REG_DWORD    0xa
    Path    REG_EXPAND_SZ    %SystemRoot%\x
    TCP/IP Port    REG_DWORD    0x1771

HKEY_LOCAL_MACHINE\SOFTWARE\Test\Sub
""".format("").splitlines()
TEST = {
    "": ("REG_SZ", "plain"), "Number": ("REG_DWORD", "0xa"), "Many": ("REG_MULTI_SZ", r"5000-5100\06000\0"), "Path": ("REG_EXPAND_SZ", r"%SystemRoot%\x"),
    "Empty": ("REG_SZ", ""), "Bare": ("REG_SZ", ""), "TCP/IP Port": ("REG_DWORD", "0x1771"),
}


@pytest.mark.parametrize("lines", [WINDOWS, WINE], ids=["windows", "wine"])
def test_both_forms_are_read_alike(lines: list[str]) -> None:
    assert regquery.parse(line + "\r" for line in lines) == {r"HKEY_LOCAL_MACHINE\SOFTWARE\Test": TEST, r"HKEY_LOCAL_MACHINE\SOFTWARE\Test\Sub": {}}


@pytest.mark.parametrize("name", ["(Default)", "(既定)", "(Standard)", "(par défaut)", "(По умолчанию)", "(默认)", "(???)"])
def test_the_default_value_has_no_name_in_any_language(name: str) -> None:
    assert regquery.parse([KEY, f"    {name}    REG_SZ    x", "    (x)    REG_SZ    y"]) == {KEY: {"": ("REG_SZ", "x"), "(x)": ("REG_SZ", "y")}}


@pytest.mark.parametrize("noise", [
    "ERROR: The system was unable to find the specified registry key or value.", "エラー: 指定されたレジストリ キーまたは値が見つかりませんでした。",
    "reg: Unable to find the specified registry key", "End of search: 1 match(es) found.", "検索の完了: 1 件見つかりました。", "HKEY", "REG_SZ    x",
])
def test_other_lines_are_ignored(noise: str) -> None:
    assert regquery.parse([noise, *printed({"a": ("REG_SZ", "b")}), noise]) == {KEY: {"a": ("REG_SZ", "b")}}
    assert regquery.parse([noise]) == {}


def test_a_text_of_several_lines_stays_one() -> None:
    lines = [KEY, "    rule    REG_SZ    v2.10|Action=Allow|Desc=one", "two|RA4=192.0.2.1|", "    next    REG_SZ    x", "", "noise"]
    assert regquery.parse(lines) == {KEY: {"rule": ("REG_SZ", "v2.10|Action=Allow|Desc=one\ntwo|RA4=192.0.2.1|"), "next": ("REG_SZ", "x")}}


@pytest.mark.parametrize(("value", "number"), [
    (None, None), (("REG_DWORD", "0xa"), 10), (("REG_DWORD", "0xffffffff"), 4294967295), (("REG_SZ", " 17763 "), 17763), (("REG_SZ", "6.3"), None),
    (("REG_SZ", ""), None), (("REG_BINARY", "10"), None), (("REG_SZ", "١٢"), None), (("REG_DWORD", "-1"), None),
])
def test_numbers(value: regquery.Value | None, number: int | None) -> None:
    assert regquery.number(value) == number


def test_texts_of_a_list() -> None:
    assert regquery.strings(TEST["Many"]) == ("5000-5100", "6000")
    assert regquery.strings(("REG_SZ", r"a\0b")) == (r"a\0b",)
    assert regquery.strings(None) == regquery.strings(("REG_MULTI_SZ", "")) == ()


def test_keys_and_names_are_found_whatever_their_case() -> None:
    keys = regquery.parse(WINDOWS)
    assert regquery.find(keys, r"hklm\software\TEST") == TEST
    assert regquery.find(keys, r"HKLM\SOFTWARE\Other") == {}
    assert regquery.value(TEST, "nUMBER") == ("REG_DWORD", "0xa")
    assert regquery.value(TEST, "none") is None
