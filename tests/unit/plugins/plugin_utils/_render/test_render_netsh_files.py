# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given, settings
from netsh_plans import windows, windows_plans
from render_plans import port

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Flow, HostPlan, Management
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import UnsupportedFlowError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_files import host_files, role_files

PAIR = (Association("hub_transport", "requested", True, (), ("hub-to-mailbox",)),)
RPC = {"range": "50000-50999", "source": "datapath_rpc_range", "static": {"store": 6100}}
PSK = IpsecOptions("psk", state="requested")
RELEASES = ("2003", "2008", "2008r2", "2012r2", "2019", "2025")
NETSH = re.compile(r'^(?:if errorlevel 1 )?"%T%\\netsh\.exe" (.*?)(?: >nul 2>&1)?(?: \|\| \(echo DATAPATH-FAILED ([0-9]+)& (?:exit /b 1|set "FAILED=1")\))?$')
CHECKED = re.compile(r" \|\| \(echo .*& (exit /b [1-9]|set \"FAILED=1\")\)$")


def everything(release: str = "2019", **changes: t.Any) -> HostPlan:
    more = {"associations": PAIR, "rpc": RPC} if release != "2003" else {"rpc": RPC}
    return windows(**{"release": release, "digest": "ab12" * 16, **more, **changes})


def lines(files: t.Mapping[str, str], name: str) -> list[str]:
    return files[name].split("\r\n")


def netsh_lines(files: t.Mapping[str, str], name: str) -> list[str]:
    return [found[1] for line in lines(files, name) if (found := NETSH.match(line))]


@given(windows_plans())
@settings(max_examples=10, deadline=None)
def test_the_script_makes_the_rules_and_then_sets_the_profiles(plan: HostPlan) -> None:
    plan = replace(plan, flows=tuple(flow for flow in plan.flows if flow.protection != "ipsec_required"))
    made = netsh_lines(host_files(plan).files, "mbx1.cmd")
    rules = [rule.line for rule in netsh_firewall.render(plan)]
    assert made == ['advfirewall export "%~dp0mbx1-before.wfw"', *rules, *netsh_firewall.profile_lines("enforced", plan.egress)]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("state", ["enforced", "monitored"])
def test_scripts_are_what_cmd_can_read(release: str, state: str) -> None:
    made = host_files(everything(release), state)
    assert {"mbx1.cmd", "mbx1-undo.cmd"} <= set(made.files)
    for name, text in made.files.items():
        assert text.isascii(), name
        assert text.endswith("\r\n"), name
        assert text.count("\n") == text.count("\r\n") == text.count("\r"), name
        assert max(map(len, text.split("\r\n"))) <= 8000, name
        assert text.startswith("@echo off\r\nrem datapath.exchange: "), name


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("state", ["enforced", "monitored"])
def test_every_line_that_changes_something_is_checked(release: str, state: str) -> None:
    for name, text in host_files(everything(release), state).files.items():
        rows = text.split("\r\n")
        numbers = [int(found[1]) for row in rows if (found := re.search(r"DATAPATH-FAILED ([0-9]+)&", row))]
        assert numbers == list(range(1, len(numbers) + 1)), name
        for row, after in zip(rows, [*rows[1:], ""], strict=True):
            changing = re.match(r'"%T%\\(netsh|reg)\.exe" (?!query|export)', row)
            if changing and not CHECKED.search(row):
                # Deletions are looked up afterwards, and what netsh said of a file of lines is kept.
                assert " delete " in row or after == 'set "CODE=%errorlevel%"' or (row.endswith(">nul 2>&1") and name.endswith("-gpo.cmd")), row


@pytest.mark.parametrize("release", RELEASES[1:])
def test_the_undo_script_takes_back_each_rule_by_name_after_the_import(release: str) -> None:
    files = host_files(everything(release)).files
    added = re.findall(r'advfirewall (firewall|consec|mainmode) add rule name="([^"]+)"', files["mbx1.cmd"])
    undo = files["mbx1-undo.cmd"]
    assert sorted(re.findall(r'advfirewall (firewall|consec|mainmode) delete rule name="([^"]+)"', undo)) == sorted(added)
    assert {name for _context, name in added} == set(re.findall(r"\|Name=([^|]+)\|", undo))
    assert undo.index("advfirewall import") < undo.index("delete rule")
    assert "Without that file it does nothing" in undo.replace("\r\nrem ", " ")


def test_the_script_does_nothing_twice_and_nothing_without_a_saved_policy() -> None:
    rows = lines(host_files(everything()).files, "mbx1.cmd")
    first = next(index for index, row in enumerate(rows) if " add rule " in row)
    before = "\n".join(rows[:first])
    saved = 'exist "%~dp0mbx1-before.wfw" ('
    for needed in (f"if {saved}", "|Name=datapath.exchange ", f"if not {saved}", r"query HKU\S-1-5-19 >nul 2>&1 || ("):
        assert needed in before


def test_watching_asks_each_profile_first_and_blocks_nothing() -> None:
    made = host_files(windows(), "monitored")
    text = made.files["mbx1.cmd"]
    assert "blockinbound" not in text
    for key, profile in (("DomainProfile", "domain"), ("StandardProfile", "private"), ("PublicProfile", "public")):
        assert (
            f'"%T%\\reg.exe" query "%F%\\{key}" /v EnableFirewall | "%T%\\findstr.exe" /l /c:"0x0" >nul\r\nif errorlevel 1 goto {profile}\r\n'
            f'"%T%\\netsh.exe" advfirewall set {profile}profile firewallpolicy allowinbound,allowoutbound ||'
        ) in text
    assert set(made.files) == {"mbx1.cmd", "mbx1-undo.cmd"}
    assert [finding.id for finding in made.findings] == ["windows-policy-monitored"]


def test_the_key_is_asked_for_and_stands_in_no_command() -> None:
    made = host_files(everything(), options=PSK)
    text = made.files["mbx1.cmd"]
    assert "set /p DATAPATHKEY=Pre-shared key: \r\n" in text
    assert text.index('findstr.exe" /r /x') < text.index("%DATAPATHKEY%") < text.index("advfirewall consec add")
    for row in text.split("\r\n"):
        if "%DATAPATHKEY%" in row:
            assert row.startswith('>"%TEMP%\\datapath-key.netsh" echo advfirewall ')
    assert text.count("%DATAPATHKEY%") == text.count('del /q "%TEMP%\\datapath-key.netsh"') > 0
    assert set(made.files) == {"mbx1.cmd", "mbx1-undo.cmd"}
    assert [finding.id for finding in made.findings] == ["windows-policy-psk"]
    assert "DATAPATHKEY" not in made.files["mbx1-undo.cmd"]


def test_a_group_policy_object_is_asked_for_alone_before_anything_is_written_to_it() -> None:
    rows = lines(host_files(everything()).files, "mbx1-gpo.cmd")
    sessions = [index for index, row in enumerate(rows) if row.startswith('"%T%\\netsh.exe" -f ')]
    opened = [index for index, row in enumerate(rows) if row == '>"%TEMP%\\datapath-mbx1.netsh" echo advfirewall set store gpo="%G%"']
    assert len(sessions) == len(opened) == 3
    assert sessions[0] == opened[0] + 1
    assert rows[sessions[0]].endswith("& exit /b 1)")
    assert [row for row in rows[opened[2]:sessions[2]] if " add rule " in row]
    assert not [row for row in rows[:opened[1]] if " rule " in row and not row.startswith("rem ")]
    assert rows.index('if "%~1"=="" (echo Usage: mbx1-gpo.cmd DOMAIN\\OBJECT with letters, digits, blanks and ._- only& exit /b 2)') < opened[0]


def test_a_group_policy_object_gets_the_lines_of_the_host() -> None:
    plan = everything()
    files = host_files(plan).files
    echoed = [line.partition(" echo ")[2] for line in lines(files, "mbx1-gpo.cmd") if line.startswith(">>")]
    applied = [line for line in netsh_lines(files, "mbx1.cmd") if line.startswith("advfirewall ") and " export " not in line]
    assert [line for line in echoed if " delete rule " not in line] == applied


def hubs(**changes: t.Any) -> list[HostPlan]:
    return [windows(**{"host": name, "roles": ("hub_transport",), **changes}) for name in ("hub1", "hub2")]


def test_a_role_has_one_script_where_its_hosts_have_equal_rules() -> None:
    made = role_files([*hubs(), windows(host="mbx1"), windows(host="mbx2", egress="open"), windows(host="um1", roles=("unified_messaging",), release="2003")])
    assert list(made) == ["role-hub_transport-gpo.cmd"]
    assert "rules of hub1 hub2." in made["role-hub_transport-gpo.cmd"]
    same = host_files(hubs()[0]).files["hub1-gpo.cmd"]
    assert made["role-hub_transport-gpo.cmd"].split("\r\n")[7:] == [line.replace("hub1", "role-hub_transport") for line in same.split("\r\n")[7:]]


@pytest.mark.parametrize("change", [
    {"egress": "open"}, {"release": "2008"}, {"families": ("ipv4",)}, {"management": Management("hub_transport", port(22))},
])
def test_hosts_that_differ_have_no_script_of_their_role(change: dict[str, t.Any]) -> None:
    one, two = hubs()
    assert role_files([one, replace(two, **change)]) == {}


def test_to_watch_there_is_no_script_of_a_role() -> None:
    assert role_files(hubs(), "monitored") == {}


def test_windows_server_2003_has_its_findings_in_the_script() -> None:
    made = host_files(everything("2003", associations=PAIR))
    assert set(made.files) == {"mbx1.cmd", "mbx1-undo.cmd"}
    flat = made.files["mbx1.cmd"].replace("\r\nrem ", " ")
    assert len(made.findings) > 3
    for finding in made.findings:
        assert f"- {finding.text}" in flat
    opened = re.findall(r"add portopening protocol=(\w+) port=(\d+)", made.files["mbx1.cmd"])
    assert sorted(re.findall(r"delete portopening protocol=(\w+) port=(\d+)", made.files["mbx1-undo.cmd"])) == sorted(opened)
    assert made.files["mbx1.cmd"].index("opmode") > made.files["mbx1.cmd"].rindex("portopening")
    assert made.files["mbx1-undo.cmd"].index("opmode") < made.files["mbx1-undo.cmd"].index("portopening")


def test_rpc_ports_are_saved_set_and_brought_back() -> None:
    files = host_files(everything()).files
    for key in (r"HKLM\SOFTWARE\Microsoft\Rpc\Internet", r"HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem"):
        assert files["mbx1.cmd"].index(f'export "{key}"') < files["mbx1.cmd"].index(f'add "{key}"')
        assert files["mbx1-undo.cmd"].index(f'delete "{key}"') < files["mbx1-undo.cmd"].index('reg.exe" import')
    assert "int ipv6 set dynamicport tcp start=50000 num=1000" in netsh_lines(files, "mbx1.cmd")
    assert "Restart this host" in files["mbx1.cmd"]
    assert "dynamicport" not in files["mbx1-gpo.cmd"]


def test_a_host_that_nobody_manages_is_found() -> None:
    made = host_files(windows(management=Management("", ())))
    assert [finding.id for finding in made.findings] == ["windows-no-management"]


@pytest.mark.parametrize("name", ["../hub1", "hub 1", "hub1&calc", "%TEMP%", "-hub1", "hub\n1", "", "h" * 101, "hüb"])
@pytest.mark.parametrize("release", ["2003", "2019"])
def test_hostile_host_names_are_refused(name: str, release: str) -> None:
    with pytest.raises(UnsupportedFlowError, match="its name"):
        host_files(windows(host=name, release=release))


@pytest.mark.parametrize("changes", [
    {"roles": ("x & calc",)}, {"scope": "%PATH%"}, {"encryption": "a|b"}, {"digest": "\n"}, {"digest": "a&b"},
    {"flows": (Flow("in", "tcp", port(1), "hub_transport", ("a & b",)),)},
])
@pytest.mark.parametrize("release", ["2003", "2019"])
def test_hostile_words_never_reach_a_script(changes: dict[str, t.Any], release: str) -> None:
    try:
        made = host_files(windows(release=release, **changes))
    except (UnsupportedFlowError, ValueError):
        return
    for text in made.files.values():
        assert "\n\n" not in text
        assert not re.search(r"%PATH%|& calc|a\|b|a&b|a & b", text)
