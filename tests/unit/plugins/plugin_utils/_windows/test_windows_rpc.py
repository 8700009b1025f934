# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RPC ports on the Windows double: set, remembered, restored; what has to be restarted, and when it no longer has to."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import rpc, rpc_change
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.tests.unit import strategies
from ansible_collections.datapath.exchange.tests.unit.plugins.plugin_utils._windows.on_the_double import MEMORY, Machine, connect, files

RELEASES = ("2008", "2008r2", "2019", "2025")
INTERNET = r"HKLM\SOFTWARE\Microsoft\Rpc\Internet"
STORE = r"HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem"
ATTENDANT = r"HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeSA\Parameters"


def plan(range_: str | None = "50000-50999", **static: int) -> HostPlan:
    org = strategies.small().with_host("mbx1", platform="windows", rpc_range=range_, static_ports=static)
    found: HostPlan = org.with_peers(config_controller=["198.51.100.77"]).plan().host("mbx1")
    return found


def boot(machine: Machine, number: int) -> None:
    """What Windows writes when it shuts down."""
    machine.registry.set(rpc_change.CONTROL, "ShutdownTime", "REG_BINARY", f"{number:016X}")


@pytest.fixture(name="make")
def _make(tmp_path: Path) -> t.Iterator[t.Callable[..., Machine]]:
    made: list[Machine] = []

    def make(release: str = "2008", language: str = "en") -> Machine:
        machine = Machine.create(tmp_path / f"m{len(made)}", release, language, exchange="2007")
        for key in (STORE, ATTENDANT, INTERNET.rpartition("\\")[0]):
            machine.registry.set(key, "Kept", "REG_SZ", "as it was")
        boot(machine, 1)
        made.append(machine)
        return machine

    yield make
    for machine in made:
        assert machine.violations == []


def run(machine: Machine, wanted: HostPlan | None = None, *, check: bool = False, allow: bool = False) -> dict[str, t.Any]:
    def wait(seconds: float) -> None:
        machine.advance(seconds)
        if machine.restart_at:
            boot(machine, machine.boots + 100)
        machine.tick()

    return rpc.work(connect(machine), rpc.Wish(wanted, allow), check=check, sleep=wait)


def dynamic(machine: Machine) -> dict[str, t.Any]:
    return {name: tuple(value) for name, value in machine.settings["dynamicport"].items()}


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_ports_are_set_once_and_taken_back_without_a_trace(make: t.Callable[..., Machine], release: str, language: str) -> None:
    machine = make(release, language)
    registry, ports = machine.registry.digest(), dynamic(machine)
    wanted = plan(store=6100, address_book=6101)
    first = run(machine, wanted)
    assert first["changed"] and first["restart_needed"] and first["restart_services"] == ["MSExchangeSA", "MSExchangeIS"]
    assert list(machine.registry.get(INTERNET, "Ports")[1]) == ["50000-50999"]
    assert {str(machine.registry.get(INTERNET, name)[1]) for name in ("PortsInternetAvailable", "UseInternetPorts")} == {"Y"}
    assert machine.registry.get(STORE, "TCP/IP Port")[1] == 6100 and machine.registry.get(ATTENDANT, "TCP/IP NSPI Port")[1] == 6101
    assert dynamic(machine) == {"ipv4 tcp": (50000, 1000), "ipv6 tcp": (50000, 1000)}
    again = run(machine, wanted)
    assert not again["changed"] and again["commands"] == 0 and again["restart_needed"]
    assert run(machine)["changed"] and not run(machine)["changed"]
    assert machine.registry.digest() == registry and dynamic(machine) == ports and not files(machine)


def test_a_default_range_is_only_checked(make: t.Callable[..., Machine]) -> None:
    machine = make()
    before = machine.registry.digest()
    result = run(machine, plan(None))
    assert not result["changed"] and result["findings"] == [] and result["range"] == "1025-60000"
    machine.set_setting("dynamicport", {"ipv4 tcp": [49152, 16384], "ipv6 tcp": [1025, 58976]})
    result = run(machine, plan(None))
    assert not result["changed"] and len(result["findings"]) == 1 and "ipv4 are 49152-65535, but the plan opens 1025-60000" in result["findings"][0]
    assert machine.registry.digest() == before


def test_check_mode_writes_nothing(make: t.Callable[..., Machine]) -> None:
    machine = make()
    before = machine.registry.digest(), dynamic(machine)
    result = run(machine, plan(store=6100), check=True, allow=True)
    assert result["changed"] and result["restart_needed"] and not result["restarted"]
    assert "static.store: REG_DWORD 6100" in result["diff"]["after"] and "static.store: absent" in result["diff"]["before"]
    assert (machine.registry.digest(), dynamic(machine)) == before and not machine.restart_at


def test_what_was_there_before_comes_back(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.registry.set(INTERNET, "Ports", "REG_MULTI_SZ", ["5000-5100", "6000"])
    machine.registry.set(INTERNET, "UseInternetPorts", "REG_SZ", "N")
    machine.registry.set(STORE, "TCP/IP Port", "REG_DWORD", 7000)
    before = machine.registry.digest()
    run(machine, plan(store=6100))
    run(machine, plan("51000-51999", store=6102))
    assert run(machine)["changed"]
    assert machine.registry.digest() == before


def test_a_range_that_the_inventory_drops_is_taken_back_and_static_ports_stay(make: t.Callable[..., Machine]) -> None:
    machine = make()
    ports = dynamic(machine)
    run(machine, plan(store=6100))
    assert run(machine, plan(None, store=6100))["changed"]
    assert not machine.registry.exists(INTERNET) and dynamic(machine) == ports
    assert machine.registry.get(STORE, "TCP/IP Port")[1] == 6100
    assert set(machine.registry.values(rf"{MEMORY}\rpc_ports")) >= {"static.store"}
    assert not run(machine, plan(None, store=6100))["changed"]


def test_the_need_to_restart_is_told_until_it_was_done(make: t.Callable[..., Machine]) -> None:
    machine = make()
    run(machine, plan())
    assert run(machine, plan())["restart_needed"]
    boot(machine, 2)
    assert not run(machine, plan())["restart_needed"]


def test_the_host_is_restarted_once_where_that_is_allowed(make: t.Callable[..., Machine]) -> None:
    machine = make()
    result = run(machine, plan(store=6100), allow=True)
    assert result["restarted"] and not result["restart_needed"] and machine.boots == 2 and not result["restart_services"]
    again = run(machine, plan(store=6100), allow=True)
    assert not again["changed"] and not again["restarted"] and machine.boots == 2


def test_services_restart_in_order_and_only_once(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.add_service("MSExchangeSearch")
    machine.clear_log()
    result = run(machine, plan(None, store=60100, referral=60101), allow=True)
    assert result["restarted_services"] == ["MSExchangeSA", "MSExchangeIS"] and not result["restarted"]
    assert machine.service_log == [("MSExchangeIS", 1), ("MSExchangeSA", 1), ("MSExchangeSA", 4), ("MSExchangeIS", 4)]
    assert [finding for finding in result["findings"] if "60100" in finding], "nothing listens in the double"
    machine.clear_log()
    again = run(machine, plan(None, store=60100, referral=60101), allow=True)
    assert not again["changed"] and machine.service_log == []


def test_what_stops_with_a_service_is_started_again(make: t.Callable[..., Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    machine = make()
    machine.add_service("MSExchangeSearch")
    change = Machine.set_service

    def stop_dependents(self: Machine, name: str, state: int) -> None:
        change(self, name, state)
        if (name, state) == ("MSExchangeIS", 1):
            change(self, "MSExchangeSearch", 1)

    monkeypatch.setattr(Machine, "set_service", stop_dependents)
    run(machine, plan(None, store=60100), allow=True)
    assert machine.service_running("MSExchangeSearch") and machine.service_log[-1] == ("MSExchangeSearch", 4)


def test_a_stopped_service_is_not_started(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.set_service("MSExchangeIS", 1)
    result = run(machine, plan(None, store=60100), allow=True)
    assert result["changed"] and not result["restarted_services"] and not machine.service_running("MSExchangeIS")


def test_a_static_port_that_is_taken_is_an_error_before_any_change(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.add_listener("tcp", "0.0.0.0", 6100, 4711)
    before = machine.registry.digest()
    with pytest.raises(WindowsError, match=r"static port 6100 of store is already listened on \(process 4711\)"):
        run(machine, plan(store=6100))
    assert machine.registry.digest() == before


def test_listeners_that_nothing_explains_are_named(make: t.Callable[..., Machine]) -> None:
    machine = make(language="ja")
    for port, address in ((135, "0.0.0.0"), (5985, "::"), (1026, "0.0.0.0"), (50100, "::"), (6100, "0.0.0.0"), (61000, "::")):
        machine.add_listener("tcp", address, port, 800 + port % 100)
    machine.add_listener("udp", "0.0.0.0", 1027, 900)
    machine.registry.set(STORE, "TCP/IP Port", "REG_DWORD", 6100)
    result = run(machine, plan(store=6100))
    assert [(entry["port"], entry["address"], entry["pid"]) for entry in result["listeners_outside"]] == [(1026, "0.0.0.0", 826), (61000, "::", 800)]
    information = rpc.information(connect(machine), rpc.Wish(plan(store=6100)))
    assert len(information["listeners"]) == 6 and information["differences"] == []


def test_a_fixed_listener_within_the_range_is_a_finding(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.set_setting("dynamicport", {"ipv4 tcp": [49152, 500], "ipv6 tcp": [49152, 500]})
    machine.add_listener("tcp", "0.0.0.0", 50500, 1)
    result = run(machine, plan(), check=True)
    assert any("contains ports that are listened on already: 50500" in finding for finding in result["findings"])


@pytest.mark.parametrize("step", [1, 2])
def test_a_failing_command_takes_everything_back(make: t.Callable[..., Machine], step: int) -> None:
    machine = make()
    before = machine.registry.digest(), dynamic(machine)
    machine.faults["netsh_fail"] = step
    with pytest.raises(WindowsError, match=r"failed: set dynamic\.ipv[46] .*has back what it had before"):
        run(machine, plan(store=6100))
    assert (machine.registry.digest(), dynamic(machine)) == before


def test_an_answer_that_is_lost_takes_everything_back(make: t.Callable[..., Machine]) -> None:
    machine = make()
    before = machine.registry.digest(), dynamic(machine)
    remote = connect(machine)
    rpc.observe(remote)
    observed = rpc.observe
    try:
        rpc.observe = lambda asked: (observed(asked), machine.faults.update(lose_output=True))[0]  # type: ignore[assignment]
        with pytest.raises(WindowsError, match="has back what it had before"):
            run(machine, plan(store=6100))
    finally:
        rpc.observe = observed
    assert (machine.registry.digest(), dynamic(machine)) == before


def test_a_service_that_is_not_there_gets_no_port(make: t.Callable[..., Machine]) -> None:
    machine = make()
    with machine.changing() as state:
        del state["services"]["MSExchangeIS"]
    result = run(machine, plan(None, store=60100))
    assert not result["changed"] and any("MSExchangeIS is not installed" in finding for finding in result["findings"])


def test_a_host_without_rights_is_an_error_before_any_change(make: t.Callable[..., Machine]) -> None:
    machine = make()
    machine.faults["no_elevation"] = True
    with pytest.raises(WindowsError, match="administrator"):
        run(machine, plan())


SLOTS = st.dictionaries(st.sampled_from((*rpc_change.REGISTRY_SLOTS,)), st.sampled_from(("REG_SZ Y", "REG_SZ N", "REG_DWORD 6100")))
FULL = {**dict.fromkeys(rpc_change.REGISTRY_SLOTS, rpc_change.ABSENT), "dynamic.ipv4": "1025 58976", "dynamic.ipv6": "1025 58976"}


@given(SLOTS, st.lists(SLOTS, min_size=1, max_size=4))
def test_whatever_is_wanted_in_whatever_order_absent_gives_back_what_was_there(before: dict[str, str], wishes: list[dict[str, str]]) -> None:
    """A host that obeys, in two dictionaries."""
    host = {**FULL, **before}
    memory: dict[str, str] = {}
    for wanted in (*wishes, {}):
        current = rpc_change.Current(dict(host), internet_exists=any(host[slot] != rpc_change.ABSENT for slot in host if slot.startswith("internet.")))
        found = rpc_change.difference(wanted, current, memory)
        memory.update(found.remember)
        host.update(found.set)
        for name in found.forget:
            memory.pop(name, None)
        assert {slot: host[slot] for slot in wanted} == wanted
        assert not rpc_change.difference(wanted, rpc_change.Current(dict(host)), memory).set
    assert host == {**FULL, **before} and not memory


def test_columns_of_netstat_are_read_in_any_language() -> None:
    lines = (
        "  Proto  Lokale Adresse         Remoteadresse          Status           PID",
        "  TCP    0.0.0.0:135            0.0.0.0:0              ABHÖREN         936",
        "  TCP    [::]:6001              [::]:0                 ABHÖREN         1200",
        "  TCP    192.0.2.1:5985         192.0.2.9:50000        HERGESTELLT     4",
        "  UDP    0.0.0.0:500            *:*                                    900",
    )
    assert [entry.to_plain() for entry in rpc_change.listeners(lines)] == [
        {"port": 135, "address": "0.0.0.0", "pid": 936}, {"port": 6001, "address": "::", "pid": 1200},
    ]
