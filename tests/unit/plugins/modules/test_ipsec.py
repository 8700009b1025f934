# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module ipsec with a real daemon and the kernel's real policies. What it negotiates is seen on guests whose kernel has ESP."""

from __future__ import annotations

import json
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _ipsec, _nft, _xfrm
from ansible_collections.datapath.exchange.tests.unit.plugins.modules import ipsec_host
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.ipsec_host import (
    OTHER,
    OWN,
    OWN6,
    PEER,
    PEER6,
    PSK,
    Host,
    child,
    connection,
    desired,
    skip_reason,
)

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

SMB = child("in-445-tcp", protocol=6, near=(445, 445))
ICMP = child("pass-icmp", protocol=1, mode="pass")
EXACT = desired(connection(SMB, child("out-64-udp", protocol=17, far=(64, 127))))
WHOLE = desired(
    connection(child("whole"), ICMP, child("pass-in-22-tcp", protocol=6, near=(22, 22), mode="pass")),
    connection(child("whole", (OWN6, PEER6)), child("pass-neighbours-135", (OWN6, PEER6), 58, (34560, 34560), (34560, 34560), "pass"), ends=(OWN6, PEER6)),
)
REQUESTED = desired(connection(child("in-445-tcp", protocol=6, near=(445, 445), start="start")))


@pytest.fixture(name="host")
def make_host(tmp_path: Path) -> t.Iterator[Host]:
    host = Host(tmp_path)
    host.start()
    yield host
    host.close()


def kept(host: Host, wanted: dict[str, t.Any]) -> None:
    result = host.ipsec(wanted)
    assert "pending" in result, result
    assert host.confirm(result["pending"])["changed"]


def expire(host: Host, token: str) -> None:
    """What the timer does when the time is over, at once."""
    done = host.run("/bin/sh", str(_ipsec.TIMER.script), "0", token, "/usr/sbin/swanctl")
    assert done.returncode == 0, done.stderr


def without_esp() -> bool:
    return bool(_nft.in_new_network(lambda: _xfrm.esp_missing([socket.AF_INET], compatible=False)))


def test_a_kernel_without_esp_is_told_before_anything_changes(host: Host) -> None:
    if not without_esp():
        pytest.skip("this kernel has ESP")
    before = host.footprint()
    result = host.module("ipsec", {"state": "required", "desired": EXACT})
    assert result["failed"]
    assert "the kernel of this host cannot do ESP with AES-GCM over IPv4: ENOSYS" in result["msg"]
    assert "Nothing was changed" in result["msg"]
    assert (host.footprint(), host.ours(), host.policies()) == (before, {}, "")


def test_what_is_demanded_is_in_the_kernel_with_its_masks(host: Host) -> None:
    result = host.ipsec(EXACT)
    assert result["changed"]
    assert len(result["pending"]) == 32
    assert not result["persistent"], "no systemd runs here"
    found = {(policy["direction"], policy["source_port"], policy["source_mask"], policy["target_port"], policy["target_mask"])
             for policy in host.info()["policies"]}
    assert found == {("in", 0, 0, 445, 65535), ("out", 445, 65535, 0, 0), ("out", 0, 0, 64, 0xFFC0), ("in", 64, 0xFFC0, 0, 0)}
    assert all(policy["protect"] for policy in host.info()["policies"])


def test_pairs_are_protected_whole_but_for_what_passes(host: Host) -> None:
    kept(host, WHOLE)
    policies = host.info(WHOLE)["policies"]
    assert host.info(WHOLE)["differences"] == []
    assert {policy["target"] for policy in policies if policy["protect"]} == {f"{PEER}/32", f"{OWN}/32", f"{PEER6}/128", f"{OWN6}/128"}
    assert {policy["protocol"] for policy in policies if policy["plain"]} == {1, 6, 58}


def test_files_are_for_root_only_and_the_key_is_in_one_of_them(host: Host) -> None:
    host.ipsec(EXACT)
    ours = host.ours()
    assert {name for name, (_mode, text) in ours.items() if PSK in text} == {_ipsec.SECRETS}
    assert {mode for mode, _text in ours.values()} == {0o600}
    for path in (_ipsec.DIRECTORY, _ipsec.TIMER.pending, _ipsec.TIMER.script, *_ipsec.TIMER.pending.glob("*")):
        assert host.path(path).stat().st_mode & 0o077 == 0, path


def test_no_answer_holds_a_key(host: Host) -> None:
    answers = [host.ipsec(EXACT), host.info(EXACT), host.ipsec({**EXACT, "text": "connections {\n"}), host.ipsec(EXACT, _ansible_check_mode=True)]
    assert PSK not in json.dumps([{key: value for key, value in answer.items() if key != "invocation"} for answer in answers])
    assert PSK not in json.dumps(answers), "no_log has to hide it from what was invoked as well"


def test_the_second_run_changes_and_writes_nothing(host: Host) -> None:
    kept(host, WHOLE)
    before = (host.footprint(), host.ours(), host.policies())
    result = host.ipsec(WHOLE)
    assert (result["changed"], result["differences"], result["diff"]) == (False, [], [])
    assert "pending" not in result
    assert (host.footprint(), host.ours(), host.policies()) == before


def test_check_mode_tells_and_does_nothing(host: Host) -> None:
    before = (host.footprint(), host.policies())
    result = host.ipsec(EXACT, _ansible_check_mode=True)
    assert result["changed"]
    assert "in-445-tcp" in result["diff"][0]["after"]
    assert result["diff"][0]["before"] == ""
    assert (host.footprint(), host.ours(), host.policies()) == (*before[:1], {}, before[1])


def test_an_unconfirmed_change_is_taken_back(host: Host) -> None:
    kept(host, EXACT)
    before = (host.ours(), host.policies())
    token = host.ipsec(WHOLE)["pending"]
    assert host.policies() != before[1]
    expire(host, token)
    assert host.ours() == before[0]
    assert len(host.policies().splitlines()) == len(before[1].splitlines())
    assert host.info(EXACT)["differences"] == []
    assert not host.path(_ipsec.DIRECTORY).exists()
    late = host.confirm(token)
    assert "the previous associations are back" in late["msg"]


def test_the_timer_takes_it_back_by_itself(host: Host) -> None:
    host.ipsec(EXACT, rollback_timeout=10)
    assert host.policies()
    assert host.eventually(lambda: not host.path(_ipsec.DIRECTORY).exists())
    assert (host.ours(), host.policies()) == ({}, "")


def test_a_change_of_a_killed_run_is_taken_over(host: Host) -> None:
    kept(host, EXACT)
    first = host.ipsec(WHOLE)["pending"]
    assert host.info()["pending"]
    second = host.ipsec(REQUESTED)
    assert second["taken_over"]
    assert "another run has taken this change over" in host.confirm(first)["msg"]
    expire(host, second["pending"])
    assert host.info(EXACT)["differences"] == []


def test_a_confirmation_of_other_files_is_refused(host: Host) -> None:
    token = host.ipsec(EXACT)["pending"]
    host.swanctl(_ipsec.SETTINGS).write_text("connections {\n}\n")
    result = host.confirm(token)
    assert result["failed"]
    assert result["restoring"]
    assert "something else has changed them" in result["msg"]


def test_absent_leaves_nothing(host: Host) -> None:
    clean = host.footprint()
    kept(host, WHOLE)
    result = host.ipsec({}, state="absent")
    assert result["changed"]
    assert host.confirm(result["pending"])["persistent"]
    assert (host.ours(), host.policies(), host.info()["connections"]) == ({}, "", [])
    assert host.footprint().keys() == clean.keys()
    again = host.ipsec({}, state="absent")
    assert (again["changed"], again["diff"]) == (False, [])


def test_absent_can_be_taken_back(host: Host) -> None:
    kept(host, EXACT)
    before = host.ours()
    expire(host, host.ipsec({}, state="absent")["pending"])
    assert host.ours() == before
    assert host.info(EXACT)["differences"] == []


def test_nothing_is_needed_where_nothing_is_wanted(tmp_path: Path) -> None:
    host = Host(tmp_path)
    try:
        result = host.module("ipsec", {"state": "required", "desired": {}})
        assert result["changed"] is False, result
        assert host.module("ipsec_info", {"desired": {}})["differences"] == []
        refused = host.ipsec(EXACT)
        assert "charon does not run, and this host has no systemd to start it" in refused["msg"]
        assert host.ours() == {}
    finally:
        host.close()


def test_the_kernel_changed_behind_the_daemons_back_is_mended(host: Host) -> None:
    kept(host, WHOLE)
    host.run("ip", "xfrm", "policy", "flush")
    told = host.info(WHOLE)["differences"]
    assert any("the kernel has no policy for out" in line for line in told)
    kept(host, WHOLE)
    assert host.info(WHOLE)["differences"] == []


def test_a_wider_policy_between_the_same_hosts_is_told(host: Host) -> None:
    kept(host, EXACT)
    host.run("ip", "xfrm", "policy", "add", "src", f"{OWN}/32", "dst", f"{PEER}/32", "dir", "out", "priority", "1")
    told = host.info(EXACT)["differences"]
    assert told == [f"the kernel has a policy that nobody asked for: out {OWN}/32 any any to {PEER}/32 any"]


def test_a_policy_of_others_that_lets_pass_in_clear_is_named(host: Host) -> None:
    kept(host, EXACT)
    host.run("ip", "xfrm", "policy", "add", "src", "192.0.2.0/24", "dst", "192.0.2.0/24", "dir", "out", "priority", "1")
    found = host.info(EXACT)
    assert found["differences"] == []
    assert found["bypasses"] == ["out 192.0.2.0/24 any any to 192.0.2.0/24 any"]


def test_a_restarted_daemon_without_its_connections_is_told(host: Host) -> None:
    kept(host, EXACT)
    host.kill()
    assert "charon does not run" in host.info(EXACT)["differences"]
    host.start()
    told = host.info(EXACT)["differences"]
    assert "the connection datapath-192-0-2-1-to-192-0-2-2 is not loaded" in told
    kept(host, EXACT)
    assert host.info(EXACT)["differences"] == []


def test_asking_and_demanding_change_into_each_other(host: Host) -> None:
    kept(host, EXACT)
    kept(host, REQUESTED)
    assert host.policies() == ""
    assert host.info(REQUESTED)["differences"] == []
    kept(host, EXACT)
    assert host.info(EXACT)["differences"] == []


def test_connections_of_others_stay(host: Host) -> None:
    foreign = ipsec_host.settings([connection(child("net", (OWN, "203.0.113.9")), ends=(OWN, "203.0.113.9"))]).replace("datapath-", "site-")
    host.swanctl("conf.d/site.conf").write_text(foreign)
    host.run("swanctl", "--load-all", "--noprompt")
    kept(host, EXACT)
    assert host.info(EXACT)["differences"] == []
    result = host.ipsec({}, state="absent")
    host.confirm(result["pending"])
    assert "203.0.113.9" in host.policies()
    assert host.swanctl("conf.d/site.conf").read_text() == foreign


@pytest.mark.parametrize(("change", "text"), [
    ({"connections": [connection(SMB, ends=(OTHER, PEER))]}, f"{OTHER} is not an address of this host"),
    ({"connections": [{"name": "x"}]}, "run this as a task"),
])
def test_what_is_refused_before_anything_changes(host: Host, change: dict[str, t.Any], text: str) -> None:
    before = host.footprint()
    result = host.ipsec({**EXACT, **change})
    assert result["failed"]
    assert text in result["msg"]
    assert (host.footprint(), host.ours()) == (before, {})


def test_a_main_file_that_does_not_read_ours_is_refused(host: Host) -> None:
    host.swanctl("swanctl.conf").write_text("# include conf.d/*.conf\n")
    assert "does not read the folder conf.d" in host.ipsec(EXACT)["msg"]
    assert host.ours() == {}


@pytest.mark.parametrize(("wanted", "text"), [
    ({**EXACT, "text": "connections {\n  datapath-x {\n"}, "strongSwan did not load datapath-192-0-2-1-to-192-0-2-2"),
    ({**EXACT, "text": ipsec_host.settings([connection(child("in-445-tcp", protocol=6))])}, "does not have the associations that it was given"),
    (desired(connection(SMB, auth="pubkey"), secrets="", authority="no certificate\n", certificate="none\n", key="none\n"), "did not take the credentials"),
])
def test_what_fails_on_the_way_is_taken_back_at_once(host: Host, wanted: dict[str, t.Any], text: str) -> None:
    kept(host, WHOLE)
    before = host.ours()
    result = host.ipsec(wanted)
    assert result["failed"], result
    assert text in result["msg"]
    assert (result["restored"], result["restoring"]) == (True, False)
    assert host.ours() == before
    assert host.info(WHOLE)["differences"] == []
    assert not host.path(_ipsec.DIRECTORY).exists()


def test_a_file_that_others_can_read_is_a_difference(host: Host) -> None:
    kept(host, EXACT)
    host.swanctl(_ipsec.SECRETS).chmod(0o644)
    assert host.info(EXACT)["differences"] == [f"the file {_ipsec.SECRETS} has another owner or mode"]
    kept(host, EXACT)
    assert host.ours()[_ipsec.SECRETS][0] == 0o600


def test_a_timer_that_cannot_be_set_leaves_everything_as_it_is(host: Host) -> None:
    host.path(_ipsec.TIMER.script).mkdir(parents=True)
    result = host.ipsec(EXACT)
    assert result["failed"]
    assert not result["restoring"]
    assert (host.ours(), host.policies()) == ({}, "")
    assert not host.path(_ipsec.TIMER.pending).exists()


def test_a_timeout_is_checked(host: Host) -> None:
    assert "rollback_timeout is 5: seconds from 10 to 3600 are expected" in host.ipsec(EXACT, rollback_timeout=5)["msg"]


def test_nothing_is_remembered_without_systemd(host: Host) -> None:
    kept(host, EXACT)
    assert not host.path(_boot.DIRECTORY).exists()
