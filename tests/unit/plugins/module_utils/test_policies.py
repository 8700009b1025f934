# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What connections must have in the kernel, and how strongSwan's words for it are read."""

from __future__ import annotations

import socket
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.module_utils import _policies, _swanctl
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._swanctl import Association, Child, Connection, Protected, Side
from ansible_collections.datapath.exchange.plugins.module_utils._xfrm import Policy

OWN, PEER = "192.0.2.1", "192.0.2.2"


def connection(*children: Child) -> Connection:
    return Connection("datapath-a", 2, OWN, PEER, "psk", children)


def exact(low: int = 445, high: int = 445, start: str = "trap") -> Child:
    return Child("in-445-tcp", Side(OWN, 6, low, high), Side(PEER, 6), "transport", start)


def in_kernel(child: Child, *, protect: bool = True) -> list[Policy]:
    """The policies that the kernel has when everything is right."""
    return [Policy(*key, action="allow", protect=protect, plain=not protect, priority=100) for key in _policies.keys(child)]


BLOCKS = st.integers(0, 16).flatmap(lambda bits: st.integers(0, (1 << 16 - bits) - 1).map(lambda start: (start << bits, (start << bits) + (1 << bits) - 1)))


@given(BLOCKS, BLOCKS)
def test_a_mask_means_exactly_its_ports(near: tuple[int, int], far: tuple[int, int]) -> None:
    child = Child("x", Side(OWN, 6, *near), Side(PEER, 6, *far), "transport", "trap")
    out, back = _policies.keys(child)
    assert out[:4] == ("out", f"{OWN}/32", f"{PEER}/32", 6)
    assert (back[1:3], back[4:6], back[6:8]) == (out[2:0:-1], out[6:8], out[4:6])
    for (port, mask), (low, high) in ((out[4:6], near), (out[6:8], far)):
        covered = [number for number in {low, high, max(low - 1, 0), min(high + 1, 65535), (low + high) // 2} if number & mask == port]
        assert all(low <= number <= high for number in covered)
        assert {low, high} <= set(covered)


@pytest.mark.parametrize(("child", "keys"), [
    (Child("whole", Side(OWN), Side(PEER), "transport"), {("out", 0, 0, 0, 0, 0), ("in", 0, 0, 0, 0, 0)}),
    (Child("pass", Side(OWN, 17), Side(PEER, 17, 88, 88), "pass"), {("out", 17, 0, 0, 88, 65535), ("in", 17, 88, 65535, 0, 0), ("fwd", 17, 88, 65535, 0, 0)}),
    (Child("icmp", Side(OWN, 1), Side(PEER, 1), "pass"), {(way, 1, 0, 0, 0, 0) for way in ("out", "in", "fwd")}),
    (Child("type", Side(OWN, 58, 34560, 34560), Side(PEER, 58, 34560, 34560), "pass"), {(way, 58, 135, 65535, 0, 0) for way in ("out", "in", "fwd")}),
    (Child("code", Side(OWN, 1, 772, 772), Side(PEER, 1, 772, 772), "pass"), {(way, 1, 3, 65535, 4, 65535) for way in ("out", "in", "fwd")}),
])
def test_what_a_child_has_in_the_kernel(child: Child, keys: set[tuple[t.Any, ...]]) -> None:
    assert {(key[0], *key[3:]) for key in _policies.keys(child)} == keys


def test_nothing_differs_where_everything_is_there() -> None:
    passing = Child("pass", Side(OWN, 1), Side(PEER, 1), "pass", "trap")
    found = [*in_kernel(exact()), *in_kernel(passing, protect=False), Policy("in", "198.51.100.0/24", "0.0.0.0/0", 0, 0, 0, 0, 0, "allow", False, True)]
    assert _policies.differences([connection(exact(), passing)], found) == []
    assert _policies.bypasses([connection(exact(), passing)], found) == []


def test_what_is_missing_and_what_nobody_asked_for() -> None:
    found = in_kernel(exact(440, 447))
    assert _policies.differences([connection(exact())], found) == [
        "the kernel has no policy for out 192.0.2.1/32 tcp 445 to 192.0.2.2/32 any",
        "the kernel has no policy for in 192.0.2.2/32 tcp any to 192.0.2.1/32 445",
        "the kernel has a policy that nobody asked for: out 192.0.2.1/32 tcp 440 mask 0xfff8 to 192.0.2.2/32 any",
        "the kernel has a policy that nobody asked for: in 192.0.2.2/32 tcp any to 192.0.2.1/32 440 mask 0xfff8",
    ]


def test_what_only_starts_may_be_there_and_need_not() -> None:
    assert _policies.differences([connection(exact(start="start"))], []) == []
    assert _policies.differences([connection(exact(start="start"))], in_kernel(exact())) == []


@pytest.mark.parametrize("wrong", [{"action": "block", "plain": False}, {"protect": False, "plain": True}, {"protect": False}])
def test_a_policy_that_does_something_else_is_told(wrong: dict[str, t.Any]) -> None:
    out, back = in_kernel(exact())
    (told,) = _policies.differences([connection(exact())], [replace(out, **wrong), back])
    assert "protect: out 192.0.2.1/32 tcp 445 to 192.0.2.2/32 any" in told


@pytest.mark.parametrize(("source", "priority", "found"), [("192.0.2.0/24", 1, 1), ("0.0.0.0/0", 100, 1), ("192.0.2.0/24", 101, 0), ("198.51.100.0/24", 1, 0)])
def test_what_lets_pass_in_clear_before_ours_is_named(source: str, priority: int, found: int) -> None:
    wide = Policy("out", source, "0.0.0.0/0", 0, 0, 0, 0, 0, "allow", protect=False, plain=True, priority=priority)
    assert len(_policies.bypasses([connection(exact())], [*in_kernel(exact()), wide])) == found


@pytest.mark.parametrize(("text", "side"), [
    ("192.0.2.1/32", Side(OWN)),
    ("2001:db8::1/128", Side("2001:db8::1")),
    ("192.0.2.1/32[tcp]", Side(OWN, 6)),
    ("192.0.2.1/32[6/445]", Side(OWN, 6, 445, 445)),
    ("192.0.2.1/32[tcp/microsoft-ds]", Side(OWN, 6, 445, 445)),
    ("192.0.2.1/32[udp/kerberos]", Side(OWN, 17, 88, 88)),
    ("192.0.2.1/32[udp/64-127]", Side(OWN, 17, 64, 127)),
    ("2001:db8::1/128[ipv6-icmp/135]", Side("2001:db8::1", 58, 34560, 34560)),
    ("192.0.2.1/32[icmp/3(4)]", Side(OWN, 1, 772, 772)),
])
def test_strongswans_selectors_are_read(text: str, side: Side) -> None:
    try:
        socket.getservbyname("microsoft-ds", "tcp")
    except OSError:
        pytest.skip("this system has no /etc/services")
    assert Side.parse(text) == side


@pytest.mark.parametrize("text", [
    "", "192.0.2.0/24", "2001:db8::/32", "dynamic", "192.0.2.1..192.0.2.9", "192.0.2.1/32[tcp/no-such-service]", "192.0.2.1/32[no-such-protocol]",
    "192.0.2.1/32[icmp/x]", "192.0.2.1/32[tcp/OPAQUE]", "192.0.2.1/32[gre/ftp]", "192.0.2.1/32[tcp", "192.0.2.1/32]",
])
def test_other_selectors_are_refused(text: str) -> None:
    with pytest.raises(EnforceError):
        Side.parse(text)


@given(st.text(alphabet="0123456789./[]-tcpudim:()", max_size=40))
def test_no_selector_does_anything_but_be_read_or_refused(text: str) -> None:
    try:
        side = Side.parse(text)
    except EnforceError:
        return
    assert text.startswith(side.address)


class Daemon:
    """Answers as charon would."""

    def __init__(self, *events: dict[str, t.Any]) -> None:
        self.events = list(events)
        self.asked: list[tuple[str, t.Any]] = []

    def stream(self, command: str, _event: str, message: t.Any = None) -> list[dict[str, t.Any]]:
        self.asked.append((command, message))
        return self.events

    def request(self, command: str, message: t.Any = None) -> dict[str, t.Any]:
        self.asked.append((command, message))
        return {}


LOADED: dict[str, t.Any] = {
    "local_addrs": [OWN], "remote_addrs": [PEER], "version": "IKEv2", "local-1": {"class": "pre-shared key"}, "remote-1": {"class": "pre-shared key"},
    "children": {"in-445-tcp": {"mode": "TRANSPORT", "local-ts": [f"{OWN}/32[6/445]"], "remote-ts": [f"{PEER}/32[6]"]}},
}


def test_connections_are_read_as_they_were_meant() -> None:
    found = _swanctl.connections(t.cast("t.Any", Daemon({"datapath-a": LOADED}, {"site": {}})))
    assert found == {"datapath-a": connection(exact()).without_start()}


@pytest.mark.parametrize("other", [
    {"local_addrs": [OWN, PEER]}, {"version": "IKEv1/2"}, {"remote-1": {"class": "public key"}}, {"children": {"x": {"mode": "TUNNEL"}}}, {"children": 3},
    {"children": {"in-445-tcp": {"mode": "TRANSPORT", "local-ts": ["dynamic"], "remote-ts": [f"{PEER}/32[6]"]}}},
])
def test_a_connection_that_is_not_understood_is_none_of_ours(other: dict[str, t.Any]) -> None:
    found = _swanctl.connections(t.cast("t.Any", Daemon({"datapath-a": {**LOADED, **other}})))
    assert found["datapath-a"] != connection(exact()).without_start()


def test_associations_are_read_with_what_they_carried() -> None:
    facts = {
        "uniqueid": "3", "version": "2", "state": "ESTABLISHED", "local-host": OWN, "remote-host": PEER, "established": "610", "nat-remote": "yes",
        "child-sas": {"whole-7": {"name": "whole", "uniqueid": "7", "state": "INSTALLED", "bytes-in": "10", "packets-in": "1", "bytes-out": "x"}},
    }
    child = Protected("7", "whole", "INSTALLED", 10, 0, 1, 0)
    (found,) = _swanctl.associations(t.cast("t.Any", Daemon({"datapath-a": facts}, {"site": facts})))
    assert found == Association("3", "datapath-a", OWN, PEER, "ESTABLISHED", 2, 610, True, (child,))
    assert found.to_plain()["children"] == [vars(child)]


def test_ending_and_beginning_wait_for_nobody() -> None:
    daemon = Daemon()
    _swanctl.terminate(t.cast("t.Any", daemon), ["3"])
    _swanctl.initiate(t.cast("t.Any", daemon), [("datapath-a", "whole")])
    assert daemon.asked == [
        ("terminate", {"ike-id": "3", "force": "yes", "timeout": "-1"}), ("initiate", {"ike": "datapath-a", "child": "whole", "timeout": "-1"}),
    ]


@pytest.mark.parametrize(("facts", "text"), [
    ({b"own": {"has_privkey": "yes"}, b"ca": {"flag": "CA"}}, ""),
    ({b"own": {"has_privkey": "yes"}, b"ca": {"flag": "NONE"}}, "certificate of the authority"),
    ({b"ca": {"flag": "CA"}}, "did not load the certificate"),
    ({b"own": {}, b"ca": {"flag": "CA"}}, "the key does not belong"),
])
def test_loaded_credentials_are_judged(facts: dict[bytes, dict[str, str]], text: str) -> None:
    daemon = Daemon(*({"data": data.decode(), **fact} for data, fact in facts.items()))
    assert text in _swanctl.has_credentials(t.cast("t.Any", daemon), b"own", b"ca")
