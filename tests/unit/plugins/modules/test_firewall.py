# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module firewall on real kernels. Whatever it says, the kernel is asked."""

from __future__ import annotations

import os
import signal
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _programs, _rollback
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.firewall_host import Host, skip_reason

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

SSH = "192.0.2.10 50000 192.0.2.1 22"
TEMPLATE = """\
table inet datapath
delete table inet datapath
table inet datapath {{
  set hubs_v4 {{ type ipv4_addr; flags interval; elements = {{ {hubs} }} }}
  set session_v4 {{ type ipv4_addr . inet_service; }}
  set session_v6 {{ type ipv6_addr . inet_service; }}
  chain input {{
    type filter hook input priority filter; policy {policy};
    ct state established,related accept
    iif "lo" accept
    ip saddr . tcp dport @session_v4 counter accept comment "management"
    ip6 saddr . tcp dport @session_v6 counter accept comment "management"
    ip saddr @hubs_v4 tcp dport {{ 135, 49152-65535 }} counter accept comment "first-path second-path"
    ip saddr @hubs_v4 tcp dport 25 counter accept comment "second-path +2"
    counter comment "datapath dropped"
  }}
}}
"""
RULES = TEMPLATE.format(hubs="192.0.2.20, 198.51.100.0/24", policy="drop")
OTHER = TEMPLATE.format(hubs="203.0.113.7", policy="drop")
GUARD = """\
table inet site {
  chain guard {
    type filter hook input priority -10; policy drop;
  }
  chain audit {
    type filter hook output priority 0;
  }
}
"""
BANS = """\
table ip bans {
  chain judge {
    counter reject
  }
  chain input {
    type filter hook input priority -1;
    tcp dport vmap { 22 : jump judge }
  }
}
"""
MONITORED = TEMPLATE.format(hubs="192.0.2.20, 198.51.100.0/24", policy="accept")


@pytest.fixture(name="host")
def make_host(tmp_path: Path) -> t.Iterator[Host]:
    host = Host(tmp_path)
    yield host
    host.close()


def apply(host: Host, rules: str = RULES, ssh: str = "", **arguments: t.Any) -> dict[str, t.Any]:
    return host.module("firewall", {"state": "enforced", "ruleset": rules, "_ansible_diff": True, **arguments}, ssh)


def confirm(host: Host, token: str) -> dict[str, t.Any]:
    return host.module("firewall", {"phase": "confirm", "token": token})


def enforced(host: Host, rules: str = RULES, ssh: str = "") -> None:
    assert confirm(host, apply(host, rules, ssh)["pending"])["changed"]


def expire(host: Host, token: str) -> None:
    """What the timer does when the time is over, at once."""
    done = host.run("/bin/sh", str(_rollback.SCRIPT), "0", token, "/usr/sbin/nft")
    assert done.returncode == 0, done.stderr


def timer_process(host: Host) -> int:
    return int(host.path(_rollback.DIRECTORY / "process").read_text())


def test_rules_are_loaded_and_wait_for_their_confirmation(host: Host) -> None:
    result = apply(host)
    assert result["changed"]
    assert len(result["pending"]) == 32
    assert 'comment "first-path second-path"' in host.table()
    assert not host.path(_boot.RULES).exists(), "a reboot would load rules that nobody has confirmed"
    info = host.module("firewall_info", {})
    assert (info["state"], info["loaded"], info["unit_enabled"]) == ("pending", "enforced", False)


def test_a_confirmed_change_stays_and_would_survive_a_reboot(host: Host) -> None:
    result = confirm(host, apply(host)["pending"])
    assert result["changed"]
    assert result["persistent"]
    assert "pending" not in result
    before = host.table()
    host.nft("flush", "ruleset")
    unit = host.path(_boot.UNIT).read_text().splitlines()
    start = next(line for line in unit if line.startswith("ExecStart=")).partition("=")[2]
    assert host.run(*start.split()).returncode == 0
    assert host.table() == before != ""
    assert host.path(_boot.LINK).is_symlink()
    assert host.path(_boot.LINK).readlink() == _boot.UNIT


def test_a_confirmed_change_leaves_no_timer_behind(host: Host) -> None:
    token = apply(host)["pending"]
    process = timer_process(host)
    assert process in host.processes()
    confirm(host, token)
    assert host.eventually(lambda: host.processes() == [])
    assert not host.path(_rollback.DIRECTORY).exists()
    assert not host.path(_boot.STAGED).exists()


def test_files_are_for_root_only(host: Host) -> None:
    token = apply(host)["pending"]
    for path in (_boot.DIRECTORY, _boot.STAGED, _rollback.DIRECTORY, _rollback.PENDING, _rollback.SCRIPT, _rollback.PENDING / "rollback.nft"):
        assert stat.S_IMODE(host.path(path).stat().st_mode) & 0o077 == 0, path
    confirm(host, token)
    assert stat.S_IMODE(host.path(_boot.RULES).stat().st_mode) == 0o600


def test_the_second_run_changes_and_writes_nothing(host: Host) -> None:
    enforced(host, ssh=SSH)
    before, table = host.footprint(), host.nft("-a", "list", "ruleset")
    result = apply(host, ssh=SSH)
    assert result["changed"] is False
    assert "pending" not in result
    assert result["diff"] == []
    assert host.footprint() == before
    assert host.nft("-a", "list", "ruleset") == table


def test_a_run_that_changes_nothing_keeps_the_counters(host: Host) -> None:
    enforced(host)
    host.nft("add", "rule", "inet", "datapath", "input", "counter", "packets", "7", "bytes", "70")
    drifted = apply(host)
    assert drifted["changed"], "a rule that somebody added is a difference"
    confirm(host, drifted["pending"])
    assert "packets 7" not in host.nft("list", "ruleset")


def test_check_mode_shows_what_a_run_does_and_does_not_do_it(host: Host) -> None:
    enforced(host, OTHER)
    before, table = host.footprint(), host.table()
    foretold = apply(host, _ansible_check_mode=True)
    assert foretold["changed"]
    assert "pending" not in foretold
    assert (host.footprint(), host.table()) == (before, table)
    done = apply(host)
    assert done["diff"] == foretold["diff"]


def test_the_diff_is_what_the_kernel_lists(host: Host) -> None:
    enforced(host, OTHER)
    before = host.table()
    difference = apply(host)["diff"][0]
    assert (difference["before"], difference["after"]) == (before, host.table())
    assert "203.0.113.7" in difference["before"]
    assert "203.0.113.7" not in difference["after"]


def test_without_confirmation_the_first_rules_vanish(host: Host) -> None:
    expire(host, apply(host)["pending"])
    assert host.table() == ""
    assert not host.path(_rollback.DIRECTORY).exists()
    assert not host.path(_boot.DIRECTORY).exists()


def test_the_timer_restores_exactly_the_previous_rules(host: Host) -> None:
    enforced(host)
    before, file = host.table(), host.path(_boot.RULES).read_text()
    result = apply(host, OTHER, rollback_timeout=10)
    assert host.table() != before
    assert host.eventually(lambda: host.table() == before), "the timer never fired"
    assert host.eventually(lambda: not host.path(_rollback.DIRECTORY).exists())
    assert host.path(_boot.RULES).read_text() == file
    assert not host.path(_boot.STAGED).exists()
    late = confirm(host, result["pending"])
    assert late["failed"]
    assert "no longer waits" in late["msg"]
    assert late["restoring"] is False
    assert host.table() == before


def test_the_timer_needs_nothing_but_sh_and_nft(host: Host) -> None:
    token = apply(host)["pending"]
    assert host.path(_rollback.SCRIPT).read_text().startswith("#!/bin/sh\n")
    command = Path(f"/proc/{timer_process(host)}/cmdline").read_bytes().split(b"\0")
    assert command[:2] == [b"/bin/sh", bytes(_rollback.SCRIPT)]
    assert command[3] == token.encode()
    assert Path(f"/proc/{timer_process(host)}/cwd").readlink() == Path("/")
    assert os.getsid(timer_process(host)) == timer_process(host), "the end of Ansible's session would end the timer"


def test_a_wrong_token_confirms_nothing(host: Host) -> None:
    token = apply(host)["pending"]
    refused = confirm(host, "0" * 32)
    assert refused["failed"]
    assert "another run" in refused["msg"]
    assert refused["restoring"] is False
    assert confirm(host, token)["changed"]


def test_a_table_that_changed_meanwhile_is_not_confirmed(host: Host) -> None:
    token = apply(host)["pending"]
    host.nft("flush", "chain", "inet", "datapath", "input")
    refused = confirm(host, token)
    assert refused["failed"]
    assert "something else has changed it" in refused["msg"]
    assert refused["restoring"] is True
    expire(host, token)
    assert host.table() == ""


def test_an_unconfirmed_change_is_taken_over_with_the_way_back_to_the_state_before_both(host: Host) -> None:
    enforced(host)
    original = host.table()
    first = apply(host, OTHER)["pending"]
    second = apply(host, MONITORED)
    assert second["taken_over"]
    assert second["pending"] != first
    assert confirm(host, first)["failed"]
    expire(host, first)
    assert "policy accept" in host.table(), "the timer of the first run must not decide about the second"
    expire(host, second["pending"])
    assert host.table() == original


def test_an_unconfirmed_change_is_confirmed_by_running_again(host: Host) -> None:
    apply(host)
    second = apply(host)
    assert second["changed"]
    assert second["taken_over"]
    assert second["pending"]
    assert confirm(host, second["pending"])["changed"]
    assert apply(host)["changed"] is False


def test_a_change_whose_timer_was_killed_is_found(host: Host) -> None:
    apply(host)
    os.killpg(timer_process(host), signal.SIGKILL)
    foretold = apply(host, _ansible_check_mode=True)
    assert foretold["changed"]
    assert foretold["taken_over"]
    second = apply(host)
    expire(host, second["pending"])
    assert host.table() == ""


def test_a_reboot_while_a_change_waits_brings_the_previous_rules(host: Host) -> None:
    enforced(host)
    before = host.table()
    apply(host, OTHER)
    host.nft("flush", "ruleset")
    host.run("rm", "-r", str(_rollback.DIRECTORY))
    host.run("nft", "-f", str(_boot.RULES))
    assert host.table() == before
    tidied = apply(host)
    assert tidied["changed"]
    assert "pending" not in tidied
    assert str(_boot.STAGED) in tidied["diff"][0]["before"]
    assert str(_boot.STAGED) not in tidied["diff"][0]["after"]
    assert not host.path(_boot.STAGED).exists()
    assert apply(host)["changed"] is False


def test_monitored_is_a_change_of_its_own(host: Host) -> None:
    enforced(host)
    result = apply(host, MONITORED, state="monitored")
    assert result["changed"]
    assert result["state"] == "monitored"
    confirm(host, result["pending"])
    assert host.module("firewall_info", {})["state"] == "monitored"


def test_only_what_a_reboot_would_load_is_repaired_at_once(host: Host) -> None:
    enforced(host)
    host.path(_boot.LINK).unlink()
    host.path(_boot.RULES).write_text("something else")
    result = apply(host)
    assert result["changed"]
    assert "pending" not in result
    assert [difference["before_header"] for difference in result["diff"]] == ["after a reboot"]
    assert host.path(_boot.LINK).is_symlink()
    assert apply(host)["changed"] is False


def test_a_file_that_others_may_read_is_repaired(host: Host) -> None:
    enforced(host)
    host.path(_boot.RULES).chmod(0o644)
    assert apply(host)["changed"]
    assert stat.S_IMODE(host.path(_boot.RULES).stat().st_mode) == 0o600


@pytest.mark.parametrize("make", [enforced, apply], ids=["confirmed", "pending"])
def test_absent_leaves_the_host_as_it_was(host: Host, make: t.Callable[[Host], t.Any]) -> None:
    names = set(host.footprint())
    host.nft("add", "table", "inet", "other")
    make(host)
    arguments = {"state": "absent", "_ansible_diff": True}
    foretold = host.module("firewall", {**arguments, "_ansible_check_mode": True})
    assert foretold["changed"]
    assert host.table() != ""
    result = host.module("firewall", arguments)
    assert result["changed"]
    assert result["diff"] == foretold["diff"]
    assert result["diff"][0]["after"] == ""
    assert set(host.footprint()) == names
    assert host.nft("list", "tables") == "table inet other\n"
    assert host.eventually(lambda: host.processes() == [])
    footprint = host.footprint()
    again = host.module("firewall", arguments)
    assert again["changed"] is False
    assert again["diff"] == []
    assert host.footprint() == footprint


def test_absent_keeps_what_others_put_into_the_directory(host: Host) -> None:
    enforced(host)
    host.path("/etc/datapath/note").write_text("keep me")
    host.module("firewall", {"state": "absent"})
    assert [entry.name for entry in host.path("/etc/datapath").iterdir()] == ["note"]


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (RULES + "flush ruleset\n", "must make table inet datapath and no other"),
        (RULES + GUARD, "must make table inet datapath and no other"),
        ("add table inet datapath\ndelete table inet datapath\n", "must make table inet datapath and no other"),
        (RULES + "delete table inet innocent\n", "No such file or directory"),
        (RULES.replace("192.0.2.20", '192.0.2.20 } } include "/etc/hostname'), "nft refused the rules"),
        (RULES.replace("second-path +2", 'second" accept; } } table ip evil { #'), "nft refused the rules"),
        (RULES.replace("192.0.2.20", "192.0.2.999"), "nft refused the rules"),
        (RULES.replace("198.51.100.0/24", "192.0.2.20-192.0.2.40"), "conflicting intervals"),
        ("garbage", "syntax error"),
    ],
    ids=["flush", "second-table", "nothing", "delete", "include", "quote", "address", "overlap", "garbage"],
)
def test_rules_that_are_not_only_ours_or_not_rules_change_nothing(host: Host, rules: str, message: str) -> None:
    host.nft("add", "table", "inet", "innocent")
    enforced(host, OTHER)
    before, ruleset = host.footprint(), host.nft("-a", "list", "ruleset")
    refused = apply(host, rules)
    assert refused.get("failed"), refused
    assert message in refused["msg"]
    assert (host.footprint(), host.nft("-a", "list", "ruleset")) == (before, ruleset)


def test_even_accepted_rules_reach_only_our_table(host: Host) -> None:
    host.nft("add", "table", "inet", "innocent")
    enforced(host, "flush ruleset\n" + RULES)
    assert host.nft("list", "tables") == "table inet innocent\ntable inet datapath\n"


@pytest.mark.parametrize(
    ("ssh", "element"),
    [
        (SSH, "192.0.2.10 . 22"),
        ("::ffff:192.0.2.10 50000 ::ffff:192.0.2.1 2222", "192.0.2.10 . 2222"),
        ("2001:db8::10 50000 2001:db8::1 22", "2001:db8::10 . 22"),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", "fe80::1 . 22"),
    ],
)
def test_the_connection_that_ansible_came_in_on_stays_admitted(host: Host, ssh: str, element: str) -> None:
    result = apply(host, ssh=ssh)
    assert f"elements = {{ {element} }}" in host.table()
    assert [f"{peer['address']} . {peer['port']}" for peer in result["session"]] == [element]


def test_sudo_does_not_hide_the_connection(host: Host) -> None:
    strip = ("/bin/sh", "-c", 'env -u SSH_CONNECTION "$@"; exit $?', "sudo")
    result = host.module("firewall", {"ruleset": RULES}, SSH, before=strip)
    assert result["session"] == [{"address": "192.0.2.10", "port": 22}]


def test_foreign_firewalls_are_named(host: Host) -> None:
    host.nft("-f", "-", text=GUARD + BANS)
    result = apply(host)
    assert result["foreign_firewalls"] == [
        {"kind": "nftables", "name": "inet site", "chain": "guard", "why": "policy drop"},
        {"kind": "nftables", "name": "ip bans", "chain": "input", "why": "a rule with reject in chain judge"},
    ]
    assert "inet site guard (policy drop)" in str(result["warnings"])


def test_foreign_firewalls_can_stop_the_run(host: Host) -> None:
    host.nft("-f", "-", text=GUARD)
    before = host.footprint()
    refused = apply(host, foreign_firewall="fail")
    assert refused["failed"]
    assert "nftables inet site guard (policy drop)" in refused["msg"]
    assert host.table() == ""
    assert host.footprint() == before


@pytest.mark.skipif(not _programs.find_program("iptables-legacy"), reason="iptables-legacy is not installed")
def test_a_legacy_iptables_is_named(host: Host) -> None:
    if host.run("iptables-legacy", "-A", "INPUT", "-p", "tcp", "--dport", "25", "-j", "REJECT").returncode:
        pytest.skip("this kernel has no legacy iptables")
    assert {"kind": "iptables", "name": "ip filter", "chain": "INPUT", "why": "a rule with reject"} in apply(host)["foreign_firewalls"]


def test_a_host_without_nft_is_told_what_to_install(host: Host) -> None:
    nft = str(_programs.find_program("nft"))
    assert host.run("mount", "--bind", "/dev/null", nft).returncode == 0
    refused = apply(host)
    assert refused["failed"]
    assert refused["msg"] == "nft is not installed: install the package nftables on this host"
    assert host.module("firewall", {"state": "absent"})["changed"] is False


@pytest.mark.skipif(not _programs.find_program("setpriv"), reason="setpriv is not installed")
@pytest.mark.parametrize(("capability", "message"), [("net_admin", "CAP_NET_ADMIN"), ("sys_admin", "CAP_SYS_ADMIN")])
def test_a_missing_capability_is_named(host: Host, capability: str, message: str) -> None:
    limit = ("setpriv", "--bounding-set", f"-{capability}", "--inh-caps", f"-{capability}")
    refused = host.module("firewall", {"ruleset": RULES}, before=limit)
    assert refused["failed"]
    assert message in refused["msg"]
    assert host.table() == ""


@pytest.mark.parametrize("seconds", [9, 3601])
def test_a_timeout_that_makes_no_sense_is_refused(host: Host, seconds: int) -> None:
    refused = apply(host, rollback_timeout=seconds)
    assert refused["failed"]
    assert f"rollback_timeout is {seconds}" in refused["msg"]
    assert host.table() == ""


def test_without_a_way_back_nothing_is_loaded(host: Host) -> None:
    enforced(host, OTHER)
    before = host.table()
    host.path(_rollback.SCRIPT).mkdir(parents=True)
    refused = apply(host)
    assert refused["failed"]
    assert host.table() == before
    assert not host.path(_boot.STAGED).exists()
    assert not host.path(_rollback.PENDING).exists()


def test_a_run_that_fails_after_taking_over_restores_the_state_before_both(host: Host) -> None:
    enforced(host)
    original = host.table()
    apply(host, OTHER)
    host.path(_boot.STAGED).unlink()
    host.path(_boot.STAGED).mkdir()
    refused = apply(host, MONITORED)
    assert refused["failed"]
    assert host.table() == original
    assert not host.path(_rollback.DIRECTORY).exists()


def test_info_counts_by_path(host: Host) -> None:
    enforced(host, ssh=SSH)
    for rule in ('counter packets 7 bytes 70 comment "second-path third-path +4"', 'counter packets 2 bytes 20 comment "datapath dropped"'):
        host.nft("-f", "-", text=f"add rule inet datapath input {rule}\n")
    info = host.module("firewall_info", {})
    none, seven = {"packets": 0, "bytes": 0}, {"packets": 7, "bytes": 70}
    assert info["counters"] == {"first-path": none, "second-path": seven, "third-path": seven}
    assert info["guards"] == {"management": none}
    assert (info["dropped"], info["changed"]) == ({"packets": 2, "bytes": 20}, False)
    assert info["session"] == [{"address": "192.0.2.10", "port": 22}]


def test_info_compares_with_a_plan(host: Host) -> None:
    enforced(host, ssh=SSH)
    same = host.module("firewall_info", {"ruleset": RULES})
    assert (same["drift"], same["drift_diff"]) == (False, "")
    other = host.module("firewall_info", {"ruleset": OTHER})
    assert other["drift"]
    assert "+\t\telements = { 203.0.113.7 }" in other["drift_diff"]
    assert "192.0.2.10 . 22" not in other["drift_diff"]


def test_info_changes_nothing(host: Host) -> None:
    enforced(host)
    before, ruleset = host.footprint(), host.nft("-a", "list", "ruleset")
    host.module("firewall_info", {"ruleset": OTHER})
    assert (host.footprint(), host.nft("-a", "list", "ruleset")) == (before, ruleset)


def test_info_of_a_host_without_our_table(host: Host) -> None:
    info = host.module("firewall_info", {"ruleset": RULES})
    assert (info["state"], info["counters"], info["drift"], info["unit_enabled"]) == ("absent", {}, True, False)
