# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory variables of every shape: a plan or named errors come out, nothing else, and no broken value opens more than its absence would."""

from __future__ import annotations

import itertools
import re
import typing as t

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pairwise import covered, openings, probes_of
from strategies import KINDS, REFERENCE, Organisation, garbage, small

from ansible_collections.datapath.exchange.plugins.plugin_utils._inventory import CONNECTION_VARIABLES
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import (
    APPLY_VARIABLES,
    CHOICES,
    HOST_VARIABLES,
    ORGANISATION_DEFAULTS,
    WINDOWS_RELEASES,
    InputErrors,
    Inventory,
    read_topology,
)

FEATURES = tuple(REFERENCE.features)
ALL_NAMES = (*HOST_VARIABLES, *ORGANISATION_DEFAULTS, *FEATURES)
HOSTS = tuple(small().inventory.hosts)
GROUPS = small().inventory.groups
PEERS = small().options["peers"]


def set_on(organisation: Organisation, hosts: t.Iterable[str], key: str, value: t.Any) -> Organisation:
    changed = {name: {**variables, key: value} if name in hosts else variables for name, variables in organisation.inventory.hosts.items()}
    return Organisation(Inventory(changed, organisation.inventory.groups), organisation.options)


def errors_of(organisation: Organisation, **options: t.Any) -> tuple[str, ...]:
    with pytest.raises(InputErrors) as caught:
        organisation.plan(**options)
    return caught.value.errors


BOOLEAN_TEXT = {"true", "yes", "on", "1", "false", "no", "off", "0"}
PORTS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}")


def meant(name: str, value: t.Any) -> bool:
    """Whether a value is one that somebody could mean: such a value may open something."""
    text = value.strip().lower() if isinstance(value, str) else value
    if name in CHOICES:
        return bool(value in CHOICES[name])
    if name in FEATURES or name in ("enforce_site_scope", "implied", "oab_public_folder_distribution", "domain_member", "probe"):
        return text in [True, False, *BOOLEAN_TEXT]
    if name in ("rpc_range", "media_range"):
        return bool(PORTS.fullmatch(str(value)))
    if name in ("site", "cluster"):
        return isinstance(value, str) and bool(NAME.fullmatch(value))
    if name == "addresses":
        return value in ("192.0.2.1", ["192.0.2.1"])
    return name in ("peers", "waivers", "role_groups", "static_ports", "platform", "outlook_min_version", "cluster_networks", "file_share_witness",
        "scr_targets") and bool(value)


def wider(plan: Plan, base: Plan) -> list[tuple[str, str]]:
    """Hosts and addresses for which a plan opens more than another."""
    addresses = sorted({*probes_of(base), *probes_of(plan), "203.0.113.200"})
    hosts = {host: (plan.host(host), base.host(host)) for host in plan.hosts if host in base.hosts}
    return [
        (host, address) for host, address in itertools.product(plan.hosts, addresses)
        if host not in hosts or not covered(openings(hosts[host][0], address), openings(hosts[host][1], address))
    ]


BASE = small().plan()


def check_lines(errors: t.Iterable[str]) -> None:
    for line in errors:
        assert re.match(r"\S+.*: \S+", line), line
        assert line.isprintable()
        assert len(line) < 500


def judge(organisation: Organisation, *, harmless: bool, base: Plan = BASE) -> None:
    try:
        plan = organisation.plan()
    except InputErrors as error:
        assert str(error).endswith("error(s) in the inventory; nothing was planned and no host was touched.")
        assert error.errors
        check_lines(error.errors)
    else:
        if harmless:
            assert not wider(plan, base)


@given(st.sampled_from(ALL_NAMES), garbage, st.one_of(st.just(HOSTS), st.sampled_from([(name,) for name in HOSTS])))
@example("oab_public_folder_distribution", "no", HOSTS)
@example("zone_boundaries", [{"site": ["x"], "between": 5}], HOSTS)
@example("zone_boundaries", 5, HOSTS)
@example("legacy_auth", [["ntlm"]], HOSTS)
@example("outlook_min_version", "²", HOSTS)
@example("rpc_range", "9" * 5000, ("mbx1",))
@example("static_ports", {"store": "²"}, ("mbx1",))
@example("gateway_fqdn", {1: 2, "x": 3}, ("gw1",))
@example("reference", ["x"], ("hub1",))
def test_any_value_of_a_variable_gives_a_plan_or_errors_and_opens_nothing_by_itself(name: str, value: t.Any, hosts: tuple[str, ...]) -> None:
    # The peers of the organisation come from the task here, so that a broken value of a host cannot replace them unseen.
    judge(set_on(small(), hosts, f"datapath_{name}", value), harmless=not meant(name, value))


@given(st.sampled_from((*ORGANISATION_DEFAULTS, *FEATURES)), garbage)
def test_any_value_of_an_option_gives_a_plan_or_errors_and_opens_nothing_by_itself(name: str, value: t.Any) -> None:
    base = small(peers=None).plan() if name == "peers" else BASE
    judge(small(**{name: value}), harmless=not meant(name, value), base=base)


@given(st.sampled_from(CONNECTION_VARIABLES), garbage, st.sampled_from(HOSTS))
@example("ansible_port", "²", "hub1")
@example("ansible_connection", {1: 2, "x": 3}, "hub1")
def test_any_value_of_a_connection_variable_gives_a_plan_or_errors(name: str, value: t.Any, host: str) -> None:
    judge(set_on(small(), (host,), name, value), harmless=name == "ansible_host")


@given(st.sampled_from(KINDS), garbage)
@example("internet_mta", ["0.0.0.0/1", "128.0.0.0/1"])
@example("ip_gateway", [{"address": "192.0.2.7", "site": "nowhere"}])
@example("ip_gateway", [{"address": "192.0.2.7", "mode": ["tls"]}])
@example("dns_server", {"default": "x", 1: 2})
def test_any_value_of_a_peer_kind_gives_a_plan_or_errors_and_everyone_only_for_any(kind: str, value: t.Any) -> None:
    organisation = small(peers={**PEERS, kind: value})
    judge(organisation, harmless=False)
    try:
        plan = organisation.plan()
    except InputErrors:
        return
    said = "any" in str(value) and REFERENCE.peer_kinds[kind].allow_any
    assert said or not any(peers.everyone for peers in plan.sets.values())


@given(st.dictionaries(st.text(max_size=12), st.lists(st.sampled_from((*HOSTS, "nobody", "a\nb", "x;y", "ü")), max_size=3), max_size=3))
def test_any_group_gives_a_plan_or_errors(groups: dict[str, list[str]]) -> None:
    organisation = small()
    judge(Organisation(Inventory(organisation.inventory.hosts, {**groups, **GROUPS}), organisation.options), harmless=True)


@given(st.text(max_size=20), garbage)
def test_variable_that_does_not_exist_is_an_error_naming_it(name: str, value: t.Any) -> None:
    assume(name not in {*ALL_NAMES, *APPLY_VARIABLES})
    found = errors_of(set_on(small(), ("mbx1",), f"datapath_{name}", value))
    check_lines(found)
    assert any("is not a variable of this collection" in error for error in found)


@pytest.mark.parametrize(("wrong", "right"), [
    ("adresses", "datapath_addresses"), ("sites", "datapath_site"), ("rpc_ranges", "datapath_rpc_range"), ("egres", "datapath_egress"),
    ("outlook_anywere", "datapath_outlook_anywhere"), ("rollback_timeot", "datapath_rollback_timeout"),
])
def test_misspelt_variable_is_answered_with_the_right_spelling(wrong: str, right: str) -> None:
    assert errors_of(set_on(small(), ("mbx1",), f"datapath_{wrong}",
        1)) == (f"mbx1: datapath_{wrong}: is not a variable of this collection; did you mean '{right}'?",)


def test_option_of_the_task_that_does_not_exist_is_an_error() -> None:
    assert errors_of(small(), scop="documented") == ("plan: option scop: is not known; did you mean 'scope'?",)


@pytest.mark.parametrize("text", ["yes", "TRUE", "On", 1, "1", True])
def test_yaml_spellings_of_true_are_true(text: t.Any) -> None:
    assert "outlook_anywhere" in set_on(small(), ("cas1",), "datapath_outlook_anywhere", text).plan().topology.hosts["cas1"].on


@pytest.mark.parametrize("text", ["no", "FALSE", "Off", 0, "0", False])
def test_yaml_spellings_of_false_are_false(text: t.Any) -> None:
    assert "pop3" not in set_on(small(), ("cas1",), "datapath_pop3", text).plan().topology.hosts["cas1"].on
    assert set_on(small(), HOSTS, "datapath_implied", text).plan().topology.options["implied"] is False


@pytest.mark.parametrize(("variables", "expected"), [
    ({}, ("linux", "")), ({"datapath_platform": "windows"}, ("windows", "2008")), ({"ansible_connection": "winrm"}, ("windows", "2008")),
    ({"ansible_connection": "psrp"}, ("windows", "2008")), ({"ansible_shell_type": "powershell"}, ("windows", "2008")),
    ({"ansible_connection": "winrm", "datapath_platform": "linux"}, ("linux", "")),
    ({"datapath_platform": {"os": "windows", "release": "2008 R2"}}, ("windows", "2008r2")), ({"datapath_platform": {"os": "linux"}}, ("linux", "")),
    ({"ansible_connection": "ansible.builtin.psrp"}, ("windows", "2008")), ({"ansible_connection": "ansible.legacy.winrm"}, ("windows", "2008")),
    ({"ansible_shell_type": "cmd"}, ("windows", "2008")), ({"ansible_shell_type": "ansible.builtin.cmd"}, ("windows", "2008")),
    ({"ansible_connection": "ssh", "ansible_shell_type": "sh"}, ("linux", "")),
    ({"datapath_platform": {"os": "linux", "release": 'bookworm" accept'}}, ("linux", "")),
])
def test_platform_is_what_the_inventory_says(variables: dict[str, t.Any], expected: tuple[str, str]) -> None:
    organisation = small()
    for key, value in variables.items():
        organisation = set_on(organisation, ("mbx1",), key, value)
    host = organisation.plan().topology.hosts["mbx1"]
    assert (host.platform, host.release) == expected
    assert host.release in ("", *WINDOWS_RELEASES)


WINDOWS = {"datapath_platform": {"os": "windows", "release": "2016"}}


@pytest.mark.parametrize(("variables", "port"), [
    ({}, 0), ({"ansible_port": 2222}, 2222), ({**WINDOWS}, 22), ({**WINDOWS, "ansible_connection": "ssh"}, 22), ({**WINDOWS, "ansible_connection": "local"}, 0),
    ({"datapath_platform": {"os": "windows", "release": "2003"}}, 0), ({"ansible_connection": "winrm"}, 5986), ({"ansible_connection": "psrp"}, 5986),
    ({"ansible_connection": "winrm", "ansible_port": 5985}, 5985), ({"ansible_connection": "winrm", "ansible_port": 5985, "ansible_winrm_port": 8443}, 8443),
    ({"ansible_connection": "psrp", "ansible_psrp_port": "15986", "ansible_winrm_port": 8443}, 15986), ({**WINDOWS, "ansible_port": 2222}, 2222),
    ({"ansible_connection": "ansible.builtin.psrp", "ansible_psrp_protocol": "http"}, 5985), ({**WINDOWS, "ansible_psrp_protocol": "http"}, 22),
    ({"ansible_connection": "winrm", "ansible_psrp_protocol": "http", "ansible_psrp_port": 1}, 5986),
])
def test_the_port_of_the_connection_in_use_is_a_port_of_management(variables: dict[str, t.Any], port: int) -> None:
    organisation = small().with_peers(config_controller=["203.0.113.250"])
    for key, value in variables.items():
        organisation = set_on(organisation, ("mbx1",), key, value)
    plan = organisation.plan()
    assert plan.topology.hosts["mbx1"].management_port == port
    assert port == 0 or any(span.low <= port <= span.high for span in plan.host("mbx1").management.ports)


def test_port_of_the_connection_that_is_none_is_named() -> None:
    organisation = set_on(set_on(small(), ("mbx1",), "ansible_connection", "winrm"), ("mbx1",), "ansible_winrm_port", "5985/tcp")
    assert errors_of(organisation) == ("mbx1: ansible_winrm_port: '5985/tcp' is not a port from 1 to 65535",)


EXCHANGE, DIRECTORY = "store, referral, address_book", "ntds, netlogon, frs, dfsr"


@pytest.mark.parametrize(("host", "groups", "names"), [
    ("mbx1", {}, EXCHANGE), ("dc1", {}, DIRECTORY), ("dc1", {"legacy_mailbox": ["dc1"]}, f"{EXCHANGE}, {DIRECTORY}"), ("gw1", {}, EXCHANGE),
    ("gw1", {"global_catalog": ["gw1"]}, f"{EXCHANGE}, {DIRECTORY}"),
])
def test_services_with_a_fixed_port_are_those_that_a_host_can_have(host: str, groups: dict[str, list[str]], names: str) -> None:
    organisation = small().with_groups(**groups)
    for name in names.split(", "):
        assert organisation.with_host(host, static_ports={name: 6100}).plan()
    for name in {*EXCHANGE.split(", "), *DIRECTORY.split(", "), "spooler"} - set(names.split(", ")):
        error = f"{host}: datapath_static_ports: {{'{name}': 6100}} is not a mapping with {names}"
        assert errors_of(organisation.with_host(host, static_ports={name: 6100})) == (error,)


@pytest.mark.parametrize("host", ["mbx1", "dc1"])
def test_fixed_ports_are_single_distinct_and_above_1024(host: str) -> None:
    one, two = ("store", "referral") if host == "mbx1" else ("ntds", "netlogon")
    assert errors_of(small().with_host(host, static_ports={one: 50001, two: 50001})) == (
        f"{host}: datapath_static_ports: two services share a port; give each its own",)
    for port in (1024, 0, 65536, "6001-6002", None):
        assert errors_of(small().with_host(host, static_ports={one: port})) == (
            f"{host}: datapath_static_ports.{one}: {port!r} is not a port from 1025 to 65535",)


def test_addresses_fall_back_to_ansible_host_when_that_is_an_address() -> None:
    organisation = Organisation(Inventory({"hub1": {"ansible_host": "192.0.2.9"}}, {"hub_transport": ["hub1"]}), {})
    assert organisation.plan().topology.hosts["hub1"].v4 == (0xC0000209,)
    named = Organisation(Inventory({"hub1": {"ansible_host": "hub1.example"}}, {"hub_transport": ["hub1"]}), {})
    assert errors_of(named) == ("hub1: datapath_addresses: is not set and ansible_host is not an address; list the host's addresses",)


def test_role_groups_map_other_groups_and_a_host_keeps_each_role_once() -> None:
    organisation = Organisation(
        Inventory({"a": {"datapath_addresses": ["192.0.2.1"]}, "b": {"datapath_addresses": ["192.0.2.2"]}},
            {"stores": ["a"], "mailbox": ["a"], "gates": ["b"]}),
        {"role_groups": {"mailbox": ["stores"], "hub_transport": "stores", "ip_gateway": ["gates"]}})
    topology = organisation.plan().topology
    assert topology.hosts["a"].roles == ("hub_transport", "mailbox")
    assert topology.outsiders["b"].kinds == ("ip_gateway",)


def test_managed_host_may_hold_a_file_share_witness() -> None:
    organisation = small()
    plan = Organisation(Inventory(organisation.inventory.hosts, {**GROUPS, "file_share_witness": ["hub1"]}), organisation.options).plan()
    assert plan.topology.hosts["hub1"].roles == ("hub_transport",)


def test_value_of_the_task_and_default_of_the_role_may_differ_from_each_other_but_not_from_the_inventory() -> None:
    everywhere = set_on(small(), HOSTS, "datapath_scope", "supported")
    assert everywhere.plan(scope="documented").topology.options["scope"] == "supported"  # a role passes its default on
    assert everywhere.plan(scope=None).topology.options["scope"] == "supported"
    prefer = set_on(small(), HOSTS, "datapath_encryption", "prefer_encrypted")
    assert errors_of(prefer, encryption="require_encrypted") == (
        "cas1: datapath_encryption: 'prefer_encrypted' in the inventory differs from 'require_encrypted' of the plan task; set it in one place",)


def test_variable_of_the_organisation_need_not_be_on_every_host() -> None:
    assert set_on(small(), ("um1",), "datapath_scope", "supported").plan().topology.options["scope"] == "supported"


def test_all_errors_of_all_hosts_come_together_and_each_once() -> None:
    organisation = set_on(set_on(small(), ("mbx1",), "datapath_egress", "shut"), ("cas1",), "datapath_zone", "dmz")
    organisation = set_on(set_on(organisation, ("hub1",), "datapath_role_groups", {}), ("mbx1",), "datapath_role_groups", {"mailbox": ["x"]})
    found = errors_of(organisation, peers={"ip_gateway": ["0.0.0.0/0"], "nobody": []})
    assert len(found) == len(set(found)) == 5


@pytest.mark.parametrize(("value", "on"), [(None, False), (True, True), (False, False)])
def test_internet_mail_goes_through_hub_where_no_edge_is_unless_said_otherwise(value: bool | None, on: bool) -> None:
    assert ("internet_mail_on_hub" in small(internet_mail_on_hub=value).plan().topology.on) is on
    bare = Organisation(Inventory({"hub1": {"datapath_addresses": ["192.0.2.1"]}}, {"hub_transport": ["hub1"]}), {"internet_mail_on_hub": value})
    assert ("internet_mail_on_hub" in bare.plan().topology.on) is (value is not False)


def test_topology_indexes_hosts_by_role_and_kind() -> None:
    organisation = small()
    topology = read_topology(REFERENCE, organisation.inventory, organisation.options)
    assert [host.name for host in topology.by_role["mailbox"]] == ["mbx1", "mbx2"]
    assert [host.name for host in topology.by_kind["domain_controller"]] == ["dc1"]
    assert topology.given == {"domain_controller", "ip_gateway", *PEERS}
    assert topology.sites == ("default",)
