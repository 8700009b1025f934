# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ipaddress
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given, settings
from netsh_plans import SIX, edges, ends, wanted, windows, windows_plans
from render_plans import port

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, Management, PeerSet
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import netsh_legacy
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_legacy import SWITCH_ON, render


def plan_2003(*extra: Flow, **changes: t.Any) -> HostPlan:
    return windows(*extra, **{"release": "2003", "egress": "open", "families": ("ipv4",), **changes})


def _openings(lines: t.Sequence[str]) -> dict[tuple[int, int], list[tuple[int, int]] | None]:
    """Peers by protocol and port, None for everyone, read without the reader."""
    found: dict[tuple[int, int], list[tuple[int, int]] | None] = {}
    for line in lines:
        words = dict(word.split("=", 1) for word in line.split() if "=" in word)
        key = ({"TCP": 6, "UDP": 17}[words["protocol"]], int(words["port"]))
        assert key not in found
        found[key] = None if words["scope"] == "ALL" else [ends(text) for text in words["addresses"].split(",")]
    return found


def _open(found: t.Mapping[tuple[int, int], list[tuple[int, int]] | None], number: int, asked: int, address: int) -> bool:
    peers = found.get((number, asked), [])
    return peers is None or (address < SIX and any(low <= address <= high for low, high in peers))


@given(windows_plans("2003"))
@settings(max_examples=25, deadline=None)
def test_nothing_is_admitted_that_the_plan_does_not_admit_and_what_is_not_is_named(plan: HostPlan) -> None:
    plan = replace(plan, egress="open")
    made = render(plan)
    openings, texts = _openings(made.lines), " ".join(finding.text for finding in made.findings)
    for packet in edges(plan):
        direction, number, _protected, asked, address = packet
        if direction == "in":
            admitted, planned = _open(openings, number, asked, address), wanted(plan, (direction, number, False, asked, address))
            assert admitted <= planned, packet
            # Nobody has such an address: https://www.rfc-editor.org/rfc/rfc1122#section-3.2.1.3
            nobody = address < SIX and address >> 24 in (0, 127)
            assert admitted == planned or nobody or texts, packet


def test_peers_of_all_paths_of_a_port_are_merged() -> None:
    made = render(plan_2003(Flow("in", "tcp", port(25, 135), "config_controller", ("second-path",))))
    assert [line.partition("scope=")[2] for line in made.lines if "port=25 " in line] == [
        "CUSTOM addresses=192.0.2.1,192.0.2.8/31,192.0.2.10,198.51.100.0/24 profile=ALL",
    ]
    assert len([line for line in made.lines if "port=135 " in line]) == 1


def test_management_comes_first_and_the_firewall_is_switched_on_last() -> None:
    made = render(plan_2003())
    assert made.lines[0] == (
        'firewall add portopening protocol=TCP port=22 name="datapath.exchange management" mode=ENABLE scope=CUSTOM addresses=198.51.100.0/24 profile=ALL'
    )
    assert made.switch == (SWITCH_ON,)
    assert made.undo[0] == "firewall delete portopening protocol=TCP port=22 profile=ALL"
    assert len(made.undo) == len(made.lines)


@pytest.mark.parametrize("changes", [
    {"management": Management("", ())}, {"management": Management("nobody", port(22))}, {"management": Management("config_controller", port(22, (6000, 6999)))},
    {"families": ("ipv6",)},
])
def test_the_firewall_is_not_switched_on_where_that_would_lock_out(changes: dict[str, t.Any]) -> None:
    made = render(plan_2003(**changes))
    assert made.switch == ()
    assert (made.findings[0].severity, made.findings[0].id) == ("error", "windows-2003-management")


@pytest.mark.parametrize(("flow", "text"), [
    (Flow("in", "tcp", port((6000, 6100)), "hub_transport", ("a-path",)), "ports 6000-6100/tcp: a-path. It opens single ports, not ranges"),
    (Flow("in", "icmp", (), "hub_transport", ("a-path",)), "ICMP: cluster-ping, a-path. Its ICMP exceptions admit everybody"),
    (Flow("in", "esp", (), "hub_transport", ("a-path",)), "protocol esp: esp-in, a-path. It opens TCP and UDP ports only"),
    (Flow("in", "any", (), "hub_transport", ("a-path",)), "protocol any: same-site, a-path. It opens TCP and UDP ports only"),
    (Flow("in", "tcp", port(9), "hub_transport", ("a-path",), "ipsec_required"), "paths that only IPsec may carry: a-path. A port opening cannot ask for"),
])
def test_what_it_cannot_express_is_left_out_and_named(flow: Flow, text: str) -> None:
    made = render(plan_2003(flow))
    assert [finding for finding in made.findings if text in finding.text and finding.hosts == ("mbx1",) and finding.source]
    assert not [line for line in made.lines if "a-path" in line]


def test_outbound_paths_and_ipv6_peers_are_named() -> None:
    made = render(plan_2003(egress="restricted", families=("ipv4", "ipv6")))
    texts = [finding.text for finding in made.findings]
    assert [text for text in texts if "outbound paths: dns. Its firewall does not filter what goes out." in text]
    assert [text for text in texts if "IPv6 peers: hub-to-mailbox, mapi-to-mailbox, outlook-oab" in text]
    assert not [line for line in made.lines if "db8" in line]


def test_short_ranges_are_written_port_by_port() -> None:
    made = render(plan_2003(Flow("in", "udp", port((5065, 5068)), "hub_transport", ("media",))))
    assert [line.split()[4] for line in made.lines if "media" in line] == ["port=5065", "port=5066", "port=5067", "port=5068"]


def test_everyone_is_everyone_only_where_the_host_has_both_families() -> None:
    both = render(plan_2003(families=("ipv4", "ipv6"))).lines
    one = render(plan_2003()).lines
    assert [line for line in both if "port=443 " in line and line.endswith("scope=ALL profile=ALL")]
    (line,) = (line for line in one if "port=443 " in line)
    named = {str(ipaddress.ip_network(text)) for text in line.partition("addresses=")[2].split()[0].split(",")}
    missing = set(ipaddress.collapse_addresses(ipaddress.ip_network(text) for text in ("0.0.0.0/8", "127.0.0.0/8")))
    whole = ipaddress.ip_network("0.0.0.0/0")
    assert sum(ipaddress.ip_network(text).num_addresses for text in named) == whole.num_addresses - sum(network.num_addresses for network in missing)


def test_a_list_of_peers_that_is_too_long_is_left_out_and_named() -> None:
    many = PeerSet("many", tuple(str(ipaddress.IPv4Address(0x0A000000 + 2 * number)) for number in range(1000)))
    plan = plan_2003(Flow("in", "tcp", port(99), "many", ("crowded",)))
    made = render(replace(plan, sets={**plan.sets, "many": many}))
    assert [finding.text for finding in made.findings if "port 99/tcp: crowded. Its list of peers is longer" in finding.text]
    assert not [line for line in made.lines if "port=99 " in line]


def test_peers_whom_nobody_can_be_open_nothing() -> None:
    plan = plan_2003(Flow("in", "tcp", port(99), "loop", ("to-itself",)))
    made = render(replace(plan, sets={**plan.sets, "loop": PeerSet("loop", ("0.0.0.0", "127.0.0.1"))}))
    assert [finding.text for finding in made.findings if "port 99/tcp: to-itself. Nobody can have the addresses" in finding.text]
    assert not [line for line in made.lines if "port=99 " in line]


def test_it_cannot_watch() -> None:
    made = render(plan_2003(), "monitored")
    assert (made.lines, made.switch, made.undo) == ((), (), ())
    assert [finding.id for finding in made.findings] == ["windows-2003-monitored"]


@pytest.mark.parametrize(("name", "change"), [
    ("_networks_of", lambda original: lambda spans: (*original(spans), "203.0.113.0/24")),
    ("_networks_of", lambda original: lambda spans: list(original(spans))[1:] or ["203.0.113.1"]),
    ("_networks_of", lambda _original: lambda _spans: ("any",)),
])
def test_a_fault_of_the_renderer_never_leaves_it(monkeypatch: pytest.MonkeyPatch, name: str, change: t.Callable[[t.Any], t.Any]) -> None:
    render(plan_2003())
    monkeypatch.setattr(netsh_legacy, name, change(getattr(netsh_legacy, name)))
    with pytest.raises(ReadBackError, match="port 22/tcp"):
        render(plan_2003())
