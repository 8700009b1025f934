# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs of a double: output in the layout of Windows, exit codes, errors where Windows sends them, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from double_scripts import FOLDER, Host
from windows_double.programs import split

KEY = r"HKLM\SOFTWARE\datapath.exchange\firewall"
LONG_KEY = KEY.replace("HKLM", "HKEY_LOCAL_MACHINE")
COLUMNS = re.compile(r"^ {4}(.+?) {4}(REG_[A-Z_]+) {4}(.*)$")


@pytest.mark.parametrize(("text", "words"), [
    (r'add "HKLM\a b" /v "x"', ["add", r"HKLM\a b", "/v", "x"]), (r'"HKLM\a\" /f"', ['HKLM\\a" /f']), (r'"HKLM\a\\" /f', ["HKLM\\a\\", "/f"]),
    (r'name="a b" x', ["name=a b", "x"]), (r'"a""b" c', ['a"b', "c"]), (r"a\\b \"c", [r"a\\b", '"c']), ('""', [""]), ("", []),
])
def test_arguments_are_taken_apart_as_the_c_runtime_does(text: str, words: list[str]) -> None:
    assert split(text) == words


# reg


def test_reg_writes_and_shows_every_type(host: Host) -> None:
    for name, kind, data in (
        ("text", "REG_SZ", "a  b"), ("empty", "REG_SZ", ""), ("number", "REG_DWORD", "25"), ("hex", "REG_DWORD", "0x1F"),
        ("list", "REG_MULTI_SZ", r"5000-5100\0600"), ("path", "REG_EXPAND_SZ", "%SystemRoot%\\x"), ("TCP/IP Port", "REG_DWORD", "59532"),
    ):
        assert host.program("reg.exe", f'add "{KEY}" /v "{name}" /t {kind} /d "{data}" /f').rc == 0
    said = host.program("reg.exe", f'query "{KEY}"')
    assert said.lines[:2] == ["", LONG_KEY]
    assert [COLUMNS.match(line).groups() for line in said.lines[2:-1]] == [
        ("text", "REG_SZ", "a  b"), ("empty", "REG_SZ", ""), ("number", "REG_DWORD", "0x19"), ("hex", "REG_DWORD", "0x1f"),
        ("list", "REG_MULTI_SZ", r"5000-5100\0600"), ("path", "REG_EXPAND_SZ", "%SystemRoot%\\x"), ("TCP/IP Port", "REG_DWORD", "0xe88c"),
    ]
    assert said.lines[-1] == ""
    assert host.program("reg.exe", f'query "{KEY}" /v NUMBER').lines == ["", LONG_KEY, "    number    REG_DWORD    0x19", ""]


def test_reg_shows_subkeys_of_one_level_and_values_of_all_with_s(host: Host) -> None:
    host.machine.registry.set(KEY + r"\b\0000", "x", "REG_SZ", "1")
    host.machine.registry.set(KEY + r"\a", "x", "REG_SZ", "2")
    assert host.program("reg.exe", f'query "{KEY}"').lines == ["", f"{LONG_KEY}\\a", f"{LONG_KEY}\\b"]
    lines = ["", f"{LONG_KEY}\\a", "    x    REG_SZ    2", "", f"{LONG_KEY}\\b\\0000", "    x    REG_SZ    1"]
    assert host.program("reg.exe", f'query "{KEY}" /s').lines == lines


def test_the_oldest_release_lists_keys_without_values_too(tmp_path: Path) -> None:
    host = Host.create(tmp_path / "h", "2008")
    host.machine.registry.set(KEY + r"\b\0000", "x", "REG_SZ", "1")
    assert f"{LONG_KEY}\\b" in host.program("reg.exe", f'query "{KEY}" /s').lines


@pytest.mark.parametrize("arguments", [
    f'query "{KEY}"', r'query "HKLM\SOFTWARE" /v Nope', f'delete "{KEY}" /f', r'delete "HKLM\SOFTWARE" /v Nope /f', "query", r"query HKXX\a", r"add HKLM\a /v",
    r"add HKLM\SOFTWARE\a /v x /t REG_NOPE /d 1 /f", r"add HKLM\SOFTWARE\a /v x /t REG_DWORD /d zz /f",
    r"add HKLM\SOFTWARE\a /v x /t REG_DWORD /d 4294967296 /f",
    r"query HKLM\SOFTWARE /s /s",
])
def test_reg_fails_with_1_and_an_error_on_standard_error(host: Host, arguments: str) -> None:
    before = host.machine.digest()
    said = host.program("reg.exe", arguments)
    assert (said.rc, said.out) == (1, "")
    assert said.err.startswith("ERROR: ")
    assert host.machine.digest() == before
    assert host.machine.violations == []


def test_reg_speaks_japanese_and_keeps_its_layout(tmp_path: Path) -> None:
    host = Host.create(tmp_path / "h", language="ja")
    rc, out, err = host.machine.run_program("reg.exe", f'query "{KEY}"')
    assert (rc, out) == (1, b"")
    assert err.decode("cp932").startswith("エラー: ")
    host.machine.registry.set(KEY, "", "REG_SZ", "日本")
    assert "    (既定)    REG_SZ    日本" in host.machine.run_program("reg.exe", f'query "{KEY}"')[1].decode("cp932")
    assert "    (??)    REG_SZ    ??" in host.machine.run_program("reg.exe", f'query "{KEY}"', b"", 437)[1].decode("cp437")


@pytest.mark.parametrize("arguments", [
    "export HKLM\\SOFTWARE x.reg", "query HKLM\\SOFTWARE /f x", "query HKLM\\SOFTWARE /z", "query HKLM\\SOFTWARE /v x /s", "add HKLM\\SOFTWARE\\a /v x /d 1",
    "delete HKLM\\SOFTWARE /v x", "add HKLM\\SOFTWARE\\a /d 1 /f", "",
])
def test_reg_refuses_what_asks_questions_or_is_translated(host: Host, arguments: str) -> None:
    assert host.program("reg.exe", arguments).out.startswith("WINDOWS-DOUBLE REFUSES: ")
    assert len(host.machine.violations) == 1


def test_the_64_bit_view_came_with_windows_7(tmp_path: Path) -> None:
    assert Host.create(tmp_path / "new").program("reg.exe", "query HKLM\\SOFTWARE /reg:64").rc == 0
    assert Host.create(tmp_path / "old", "2008").program("reg.exe", "query HKLM\\SOFTWARE /reg:64").rc == 1


def test_without_elevation_much_is_denied(host: Host) -> None:
    assert host.program("reg.exe", r"query HKU\S-1-5-19").rc == 0
    host.machine.faults["no_elevation"] = True
    assert host.program("reg.exe", r"query HKU\S-1-5-19").rc == 1
    assert host.program("reg.exe", r"query HKLM\SOFTWARE").rc == 0
    assert "Access is denied" in host.program("reg.exe", f'add "{KEY}" /v x /d 1 /f').err
    assert not host.machine.registry.exists(KEY)


# findstr


def _find(host: Host, text: str, arguments: str) -> tuple[int, list[str]]:
    rc, out, _err = host.machine.run_program("findstr.exe", arguments, text.encode())
    return rc, out.decode().splitlines()


def test_findstr_takes_away_a_line_with_a_secret(host: Host) -> None:
    text = "\r\nHKEY\r\n    SHKey    REG_SZ    secret\r\n    Method    REG_SZ    MachineSHKey\r\n"
    assert _find(host, text, '/v /i /c:"    shkey    "') == (0, ["", "HKEY", "    Method    REG_SZ    MachineSHKey"])
    assert _find(host, text, '/v /c:"    shkey    "')[1][2] == "    SHKey    REG_SZ    secret"
    assert _find(host, "", '/v /c:"x"') == (1, [])


def test_findstr_compares_whole_lines_with_a_file(host: Host) -> None:
    host.machine.drive.make_folder(FOLDER)
    host.machine.write_file(FOLDER + r"\psk.txt", b"    SHKey    REG_SZ    a\\\\b.*\r\n")
    arguments = f'/x /l /g:"{FOLDER}\\psk.txt"'
    assert _find(host, "x\r\n    SHKey    REG_SZ    a\\b.*\r\n", arguments)[0] == 0
    assert _find(host, "    SHKey    REG_SZ    a\\b.* \r\n", arguments)[0] == 1
    assert _find(host, "    SHKey    REG_SZ    a\\bxx\r\n", arguments)[0] == 1


def test_findstr_drops_lines_beyond_its_limit_and_says_so(host: Host) -> None:
    rc, out, err = host.machine.run_program("findstr.exe", '/v /c:"none"', b"a\r\n" + b"x" * 8192 + b"\r\nb\r\n")
    assert (rc, out) == (0, b"a\r\nb\r\n")
    assert b"Line 2 is too long" in err
    assert host.machine.run_program("findstr.exe", f'/c:"{"x" * 255}"', b"a")[0] == 2


@pytest.mark.parametrize("arguments", ["word", "/r /c:x", "/v", '/c:"a" one.txt two.txt', f'/g:"{FOLDER}\\none.txt"', "/c:"])
def test_findstr_refuses_other_forms(host: Host, arguments: str) -> None:
    _find(host, "a\r\n", arguments)
    assert host.machine.violations


# services


@pytest.mark.parametrize("language", ["en", "ja"])
def test_sc_shows_numbers_that_do_not_depend_on_the_language(tmp_path: Path, language: str) -> None:
    host = Host.create(tmp_path / "h", language=language)
    states = [re.findall(r"(?m)^ +[^:]+: ([0-9]) +(?:STOPPED|RUNNING)", host.program("sc.exe", "query mpssvc").out)]
    host.program("sc.exe", "stop MpsSvc")
    states.append(re.findall(r"(?m)^ +[^:]+: ([0-9]) +(?:STOPPED|RUNNING)", host.program("sc.exe", "query MpsSvc").out))
    assert states == [["4"], ["1"]]
    assert ("STATE" in host.program("sc.exe", "query MpsSvc").out) == (language == "en")


def test_sc_and_net_have_the_exit_codes_of_windows(host: Host) -> None:
    assert host.program("sc.exe", "query Nope").rc == 1060
    assert host.program("sc.exe", "start BFE").rc == 1056
    assert host.program("net.exe", "stop BFE /y").rc == 0
    assert host.program("sc.exe", "stop BFE").rc == 1062
    assert host.program("net.exe", "stop BFE /y").rc == 2
    assert host.program("net.exe", "start BFE").rc == 0
    assert host.machine.service_log == [("BFE", 1), ("BFE", 4)]
    host.program("net.exe", "stop BFE /y")
    host.machine.registry.set(r"HKLM\SYSTEM\CurrentControlSet\Services\BFE", "Start", "REG_DWORD", 4)
    assert host.program("sc.exe", "start BFE").rc == 1058
    host.machine.faults["no_elevation"] = True
    assert host.program("sc.exe", "stop IKEEXT").rc == 5


def test_a_service_that_is_broken_does_not_start(host: Host) -> None:
    host.machine.faults["service_stopped"] = "MPSSVC"
    assert not host.machine.service_running("MpsSvc")
    assert host.program("sc.exe", "start MpsSvc").rc == 1058


@pytest.mark.parametrize(("name", "arguments"), [
    ("sc.exe", "config MpsSvc start= auto"), ("sc.exe", "query"), ("net.exe", "stop BFE"), ("net.exe", "user"), ("netstat.exe", "-an"),
    ("shutdown.exe", "/s /t 0"), ("shutdown.exe", "/r"),
    ("schtasks.exe", "/create /f /tn x /tr y /sc once /st 00:00"), ("schtasks.exe", "/query"),
    ("schtasks.exe", "/delete /tn x"), ("whoami.exe", ""), ("powershell.exe", "-Command Get-NetFirewallRule"), ("schtasks.exe", '/query /tn "a b"'),
])
def test_other_uses_are_refused(host: Host, name: str, arguments: str) -> None:
    assert host.program(name, arguments).rc == 255
    assert len(host.machine.violations) == 1


# The rest


def test_netstat_lists_the_listeners(tmp_path: Path) -> None:
    host = Host.create(tmp_path / "h", language="ja")
    host.machine.add_listener("tcp", "0.0.0.0", 49155, 812)
    host.machine.add_listener("tcp", "::", 49155, 812)
    host.machine.add_listener("udp", "0.0.0.0", 123, 4)
    rows = [line.split() for line in host.program("netstat.exe", "-ano").lines[-3:]]
    assert rows == [
        ["TCP", "0.0.0.0:49155", "0.0.0.0:0", "LISTENING", "812"], ["TCP", "[::]:49155", "[::]:0", "LISTENING", "812"], ["UDP", "0.0.0.0:123", "*:*", "4"],
    ]


def test_shutdown_restarts_in_time_and_once(host: Host) -> None:
    assert host.program("shutdown.exe", "/r /t 30").rc == 0
    assert host.program("shutdown.exe", "/r /t 30").rc == 1190
    host.program("sc.exe", "stop MpsSvc")
    host.machine.tick()
    assert host.machine.boots == 1
    host.machine.advance(31)
    host.machine.tick()
    assert host.machine.boots == 2
    assert host.machine.service_running("MpsSvc")
    assert not host.machine.service_running("PolicyAgent")  # started by hand only
