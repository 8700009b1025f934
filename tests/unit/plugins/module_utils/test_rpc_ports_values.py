# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux host is to have for its RPC ports, as values: any state of a host, any plan."""

from __future__ import annotations

import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.module_utils import _rpc_ports, _samba, _sysctl
from ansible_collections.datapath.exchange.plugins.module_utils._epm import Endpoint
from ansible_collections.datapath.exchange.plugins.module_utils._listeners import Listener
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._rpc_ports import Settings, State

CONF = b"[global]\n workgroup = A\n"
PLAIN = State("32768-60999", frozenset())
SERVER = State("32768-60999", frozenset({8080}), conf=CONF, samba=True)
WISH = Settings("50000-50999", "datapath_rpc_range", enforced=True, static={"store": 6100})
DEFAULT = Settings("49152-65535", "default of Samba (rpc server dynamic port range)")
IDS = {"lsarpc": "12345778-1234-abcd-ef00-0123456789ab"}


def endpoint(port: int, name: str = "lsarpc") -> Endpoint:
    return Endpoint(port, "127.0.0.1", IDS.get(name, IDS["lsarpc"]), "0.0", name)


def test_without_samba_the_range_is_the_kernels() -> None:
    target = _rpc_ports.wanted(WISH, PLAIN)
    assert (target.range, target.reserved) == ("50000-50999", {6100})
    assert target.file.splitlines()[1:] == ["net.ipv4.ip_local_port_range = 50000 50999", "net.ipv4.ip_local_reserved_ports = 6100"]
    assert target.memory == {"range": "32768-60999", "reserved": "6100"}


def test_samba_gets_the_range_and_the_kernel_keeps_away() -> None:
    target = _rpc_ports.wanted(WISH, SERVER)
    assert target.range == "32768-60999" and target.reserved == {6100, 8080, *range(50000, 51000)}
    assert target.file.splitlines()[1:] == ["net.ipv4.ip_local_reserved_ports = 6100,8080,50000-50999"]
    assert _samba.read_include(target.include) == {_samba.RANGE: "50000-50999"} and target.conf == CONF + b"include = /etc/samba/datapath.conf\n"
    assert target.memory == {"reserved": "6100,50000-50999"}


def test_a_range_that_the_kernel_does_not_use_is_not_reserved() -> None:
    target = _rpc_ports.wanted(replace(WISH, range="20000-20999"), SERVER)
    assert target.reserved == {6100, 8080}


def test_static_ports_of_a_domain_controller_are_told_to_samba() -> None:
    target = _rpc_ports.wanted(Settings("49152-65535", "default", static={"ntds": 7000, "netlogon": 7001}), SERVER)
    assert _samba.read_include(target.include) == {"rpc server port": "7000", "rpc server port:netlogon": "7001"}
    assert target.reserved == {7000, 7001, 8080}


@pytest.mark.parametrize("found", [PLAIN, SERVER, State("50000-50999", frozenset())])
def test_a_default_of_the_platform_sets_nothing(found: State) -> None:
    assert _rpc_ports.wanted(DEFAULT, found) == found


def test_a_host_that_has_its_range_already_is_left_alone() -> None:
    found = State("50000-50999", frozenset({6100}))
    assert _rpc_ports.wanted(WISH, found) == found


ports = st.frozensets(st.integers(1025, 65535), max_size=5)
ranges = st.integers(1025, 65000).flatmap(lambda low: st.integers(low + 99, 65535).map(lambda high: f"{low}-{high}"))
wishes = st.builds(
    Settings, ranges, st.just("datapath_rpc_range"), st.booleans(), st.dictionaries(st.sampled_from(["store", "referral", "ntds"]), st.integers(1025, 65535)))
hosts = st.builds(State, ranges, ports) | st.builds(State, ranges, ports, conf=st.just(CONF), samba=st.just(True))


@given(hosts, st.lists(wishes, min_size=1, max_size=4))
def test_whatever_was_wanted_in_between_absent_gives_back_what_was_there(before: State, wanted: list[Settings]) -> None:
    found = before
    for settings in wanted:
        found = _rpc_ports.wanted(settings, found)
        assert _rpc_ports.wanted(settings, found) == found, "a second run changes nothing"
        assert set(settings.static.values()) <= found.reserved and before.reserved <= found.reserved
        assert not settings.enforced or found.samba or found.range == settings.range
    assert _rpc_ports.wanted(None, found) == before


@given(hosts, wishes, ports)
def test_what_others_reserve_meanwhile_stays(before: State, settings: Settings, others: frozenset[int]) -> None:
    made = _rpc_ports.wanted(settings, before)
    assume(not others & made.reserved)
    later = replace(made, reserved=made.reserved | others)
    again = _rpc_ports.wanted(settings, later)
    assert others <= again.reserved and ("reserved" not in again.memory or _sysctl.text(again.reserved) in again.file)
    assert _rpc_ports.wanted(None, again).reserved == before.reserved | others


@given(hosts, wishes)
def test_a_samba_that_goes_leaves_nothing_of_ours(before: State, settings: Settings) -> None:
    made = _rpc_ports.wanted(settings, before)
    after = _rpc_ports.wanted(settings, replace(made, samba=False))
    assert not after.include and after.conf == before.conf


def judge(settings: Settings | None, found: State, listeners: t.Sequence[Listener] = (), endpoints: t.Sequence[Endpoint] = ()) -> None:
    _rpc_ports.refuse(settings, found, _rpc_ports.wanted(settings, found), listeners, endpoints)


def test_listeners_within_a_new_range_are_an_error() -> None:
    listeners = [Listener(50123, "0.0.0.0", 7, "mysqld"), Listener(50124, "192.0.2.1", 8, ""), Listener(6100, "0.0.0.0", 9, "store")]
    for found in (PLAIN, SERVER):
        with pytest.raises(EnforceError, match=r"50000-50999 contains ports that are listened on already: 50123 \(mysqld, process 7\), 50124 \(unknown"):
            judge(WISH, found, listeners)


@pytest.mark.parametrize(("listener", "endpoints"), [
    (Listener(50123, "127.0.0.1", 7, "mysqld"), ()), (Listener(50123, "::1", 7, "mysqld"), ()), (Listener(50123, "::", 7, "samba-dcerpcd"), ()),
    (Listener(50123, "0.0.0.0", 7, "rpcd"), (endpoint(50123),)), (Listener(49999, "0.0.0.0", 7, "x"), ()), (Listener(51000, "0.0.0.0", 7, "x"), ()),
])
def test_rpc_servers_and_listeners_that_nobody_reaches_are_not(listener: Listener, endpoints: tuple[Endpoint, ...]) -> None:
    judge(WISH, PLAIN, [listener], endpoints)
    judge(WISH, SERVER, [listener], endpoints)


def test_a_range_that_is_set_is_not_refused_for_who_got_a_port_from_it() -> None:
    stranger = [Listener(50123, "0.0.0.0", 7, "mysqld")]
    for found in (PLAIN, SERVER):
        judge(WISH, _rpc_ports.wanted(WISH, found), stranger)
    made = _rpc_ports.wanted(WISH, SERVER)
    assert _rpc_ports.findings(WISH, made, "50000-50999", stranger, []) == [
        "the range 50000-50999 contains ports that are listened on by others: 50123 (mysqld, process 7)"]
    assert not _rpc_ports.findings(WISH, _rpc_ports.wanted(WISH, PLAIN), "", stranger, [])


def test_many_listeners_are_named_in_part() -> None:
    with pytest.raises(EnforceError, match=r"50009 \(a, process 1\) and 2 more"):
        judge(WISH, PLAIN, [Listener(50000 + number, "0.0.0.0", 1, "a") for number in range(12)])


def test_the_host_keeps_ports_for_its_own_connections() -> None:
    with pytest.raises(EnforceError, match="with 0 ports left that are not reserved, and 100 are needed"):
        judge(replace(WISH, range="32768-60999"), SERVER)
    with pytest.raises(EnforceError, match="would be 50000-50999 with 0 ports left"):
        judge(WISH, State("32768-60999", frozenset(range(50000, 51000))))
    judge(replace(WISH, range="32868-60999"), SERVER)
    judge(DEFAULT, State("50000-50050", frozenset()))


@pytest.mark.parametrize("found", [replace(PLAIN, file="net.ipv4.x = 1\n"), replace(SERVER, include="workgroup = B\n")])
@pytest.mark.parametrize("settings", [WISH, DEFAULT, None])
def test_files_of_others_under_our_names_are_an_error(found: State, settings: Settings | None) -> None:
    with pytest.raises(EnforceError, match="is there and not from this collection: move it away"):
        judge(settings, found)


def test_rpc_servers_outside_the_range_are_named() -> None:
    endpoints = [endpoint(135, "epmapper"), endpoint(50001), endpoint(6100, "store"), endpoint(49152, "samr"), endpoint(49152, "")]
    assert _rpc_ports.outside(WISH, endpoints) == endpoints[3:]
    assert _rpc_ports.findings(WISH, PLAIN, "", [], endpoints) == [
        f"the RPC server {IDS['lsarpc']}, samr answers on port 49152, outside 50000-50999: nobody reaches it through the firewalls of the plan"]


def test_a_samba_that_hands_out_other_ports_than_the_default_is_named() -> None:
    found = _rpc_ports.findings(DEFAULT, SERVER, "6005-6104", [], [])
    assert found == ["Samba hands out 6005-6104, but the plan opens 49152-65535 (default of Samba (rpc server dynamic port range)): set datapath_rpc_range on"
                     " the host"]
    assert not _rpc_ports.findings(DEFAULT, SERVER, "49152-65535", [], [])
    assert not _rpc_ports.findings(WISH, SERVER, "6005-6104", [], [])


def test_only_sockets_of_samba_that_serve_rpc_are_stale() -> None:
    listeners = [Listener(port, "::", 7, program) for port, program in
                 ((135, "samba-dcerpcd"), (49152, "samba-dcerpcd"), (49153, "other"), (50000, "smbd"), (3268, "samba"), (49154, "samba"))]
    stale = _rpc_ports.stale(frozenset(range(50000, 51000)), listeners, [endpoint(port) for port in (135, 49152, 49153, 50000, 49154)])
    assert [entry.port for entry in stale] == [49152, 49154]


def test_differences_are_said_slot_by_slot() -> None:
    assert _rpc_ports.differences(SERVER, _rpc_ports.wanted(WISH, SERVER)) == [
        "net.ipv4.ip_local_reserved_ports is 8080, not 6100,8080,50000-50999",
        "/etc/sysctl.d/60-datapath.conf is absent, not net.ipv4.ip_local_reserved_ports = 6100,8080,50000-50999",
        "/etc/samba/datapath.conf is absent, not rpc server dynamic port range = 50000-50999", "include in /etc/samba/smb.conf is absent, not present"]
    assert not _rpc_ports.differences(SERVER, SERVER)


@given(st.frozensets(st.integers(1, 65535), max_size=30))
def test_ports_are_written_as_the_kernel_lists_them(found: frozenset[int]) -> None:
    text = _sysctl.text(found)
    assert _sysctl.parse(text) == found and _sysctl.parse(text + "\n") == found
    assert text == ",".join(sorted(text.split(","), key=lambda part: int(part.partition("-")[0] or 0)))


def test_a_later_file_wins_at_boot_and_is_named(tmp_path: Path) -> None:
    etc, usr = tmp_path / "etc", tmp_path / "usr"
    for folder in (etc, usr):
        folder.mkdir()
    (etc / "10-early.conf").write_text("net.ipv4.ip_local_port_range = 1 2\n")
    (etc / "60-datapath.conf").write_text("net.ipv4.ip_local_port_range = 1 2\n")
    (etc / "99-late.conf").write_text("# net.ipv4.ip_local_port_range = 1 2\n-net/ipv4/ip_local_reserved_ports = 5\nbroken\n")
    (usr / "70-vendor.conf").write_text("net.ipv4.ip_local_port_range=1 2\n")
    (usr / "99-late.conf").write_text("net.ipv4.ip_local_port_range=1 2\n")
    folders = (etc, tmp_path / "missing", usr)
    assert _sysctl.overriding([_sysctl.RANGE], folders) == [str(usr / "70-vendor.conf")]
    assert _sysctl.overriding([_sysctl.RANGE, _sysctl.RESERVED], folders) == [str(usr / "70-vendor.conf"), str(etc / "99-late.conf")]
    assert _sysctl.overriding([], folders) == []
