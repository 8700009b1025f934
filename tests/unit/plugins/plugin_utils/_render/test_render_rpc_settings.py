# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RPC ports as registry values and netsh lines: one range everywhere, and nothing set that nobody asked for."""

from __future__ import annotations

import typing as t
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, Management, PlanError, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import rpc_settings
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, UnsupportedFlowError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.rpc_settings import INTERNET, read_lines, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of


def plan(range_: str = "50000-50999", source: str = "datapath_rpc_range", **static: int) -> HostPlan:
    rpc = {"range": range_, "source": source, "static": static}
    return HostPlan("mbx1", ("mailbox",), "default", "windows", ("ipv4",), (), {}, Management("", ()), rpc=rpc)


@given(st.integers(1025, 65281), st.integers(255, 64511), st.sampled_from(("2008", "2008r2", "2019", "2025")))
def test_one_range_is_set_for_rpc_and_for_both_families(start: int, size: int, release: str) -> None:
    end = min(65535, start + size - 1)
    values, dynamic = read_lines(render(plan(f"{start}-{end}"), release_of(release)).lines())
    assert values == {(INTERNET, "Ports"): ("REG_MULTI_SZ", f"{start}-{end}"), (INTERNET, "PortsInternetAvailable"): ("REG_SZ", "Y"),
                      (INTERNET, "UseInternetPorts"): ("REG_SZ", "Y")}
    assert dynamic == dict.fromkeys(("ipv4", "ipv6"), PortRange(start, end))


def test_a_range_from_the_inventory_needs_a_restart_of_the_host() -> None:
    settings = render(plan(), release_of("2008"))
    assert settings.reboot and not settings.services and settings.range == PortRange(50000, 50999)


def test_a_default_range_is_only_checked() -> None:
    settings = render(plan("1025-60000", "Exchange 2007 on Windows Server 2008 and later, KB929851"), release_of("2008"))
    assert settings.lines() == () and not settings.reboot and settings.range == PortRange(1025, 60000)


def test_static_ports_are_set_whatever_the_range() -> None:
    settings = render(plan("1025-60000", "default", store=60100, referral=60101, address_book=60102), release_of("2008"))
    values, dynamic = read_lines(settings.lines())
    services = r"HKLM\SYSTEM\CurrentControlSet\Services"
    assert values == {
        (rf"{services}\MSExchangeIS\ParametersSystem", "TCP/IP Port"): ("REG_DWORD", "60100"),
        (rf"{services}\MSExchangeSA\Parameters", "TCP/IP Port"): ("REG_DWORD", "60101"),
        (rf"{services}\MSExchangeSA\Parameters", "TCP/IP NSPI Port"): ("REG_DWORD", "60102"),
    }
    assert not dynamic and settings.services == ("MSExchangeSA", "MSExchangeIS") and not settings.reboot
    assert render(plan(address_book=6101), release_of("2019")).services == ("MSExchangeSA",)


def test_ports_of_a_domain_controller_are_facts_and_not_set() -> None:
    assert render(plan("1025-60000", "default", ntds=50100, netlogon=50101), release_of("2008")).lines() == ()


def test_windows_server_2003_has_the_registry_values_only() -> None:
    settings = render(plan("50000-50200"), release_of("2003"))
    assert not settings.dynamic and len(settings.values) == 3


@pytest.mark.parametrize(("given_plan", "words"), [
    (plan("50000-50050"), "fewer than 100 ports"), (plan("50000-50200"), "for dynamicport"), (plan("1024-5000"), "for dynamicport"),
    (plan(store=50500), "static port 50500 of store within"), (plan(store=6100, referral=6100), "one static port for two"),
])
def test_what_windows_refuses_is_refused_first(given_plan: HostPlan, words: str) -> None:
    with pytest.raises(UnsupportedFlowError, match=words):
        render(given_plan, release_of("2019"))


@pytest.mark.parametrize("rpc", [{}, {"range": "1-"}, {"range": "50000-50999", "static": {"calc": 1}}, {"range": "50000-50999", "static": [1]}])
def test_a_plan_without_sense_is_refused(rpc: dict[str, t.Any]) -> None:
    with pytest.raises(PlanError):
        render(replace(plan(), rpc=rpc), release_of("2019"))


@pytest.mark.parametrize("line", [
    "reg delete x", "netsh int ipv4 set dynamicport udp start=1025 num=300", 'reg add "HKLM\\X" /v "Y" /t REG_SZ /d "a" b" /f', "",
])
def test_the_reader_takes_no_other_line(line: str) -> None:
    with pytest.raises(ReadBackError):
        read_lines([line])


def test_a_writer_of_two_ranges_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc_settings.DynamicPorts, "line", lambda self: f"int {self.family} set dynamicport tcp start={self.start} num={self.number + 1}")
    with pytest.raises(ReadBackError, match="gained 50000-51000"):
        render(plan(), release_of("2019"))


# -- Linux -------------------------------------------------------------------------------------------------------------------


@given(st.integers(1025, 65436), st.integers(100, 64511))
def test_a_linux_host_is_handed_its_range(start: int, size: int) -> None:
    text = f"{start}-{min(65535, start + size - 1)}"
    assert rpc_settings.linux(plan(text)) == {"range": text, "source": "datapath_rpc_range", "enforced": True, "static": {}}


def test_a_default_is_handed_over_and_not_set() -> None:
    settings = rpc_settings.linux(plan("49152-65535", "default of Samba", store=60000, netlogon=7001))
    assert settings == {"range": "49152-65535", "source": "default of Samba", "enforced": False, "static": {"store": 60000, "netlogon": 7001}}


@pytest.mark.parametrize(("range_", "static", "words"), [
    ("50000-50098", {}, "refuses the range 50000-50098 of fewer than 100 ports"),
    ("1024-2023", {}, "refuses the range 1024-2023: begin datapath_rpc_range at 1025"),
    ("50000-50999", {"store": 50999}, "refuses the static port 50999 of store within the range"),
    ("50000-50999", {"frs": 50000}, "refuses the static port 50000 of frs within the range"),
    ("50000-50999", {"store": 6100, "ntds": 6100}, "refuses one static port for two services"),
])
def test_what_linux_does_not_take_is_refused(range_: str, static: dict[str, int], words: str) -> None:
    with pytest.raises(UnsupportedFlowError, match=words):
        rpc_settings.linux(plan(range_, **static))


def test_plans_without_a_range_or_with_strange_services_are_refused() -> None:
    with pytest.raises(PlanError, match="names no range"):
        rpc_settings.linux(replace(plan(), rpc={}))
    with pytest.raises(PlanError, match="static ports"):
        rpc_settings.linux(plan(shop=6100))
