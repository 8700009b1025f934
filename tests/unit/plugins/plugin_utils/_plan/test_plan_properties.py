# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the plan of every organisation: nothing opens by accident, everything names its reason, the same input gives the same bytes."""

from __future__ import annotations

import itertools
import re
import tempfile
import typing as t
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pairwise import Openings, holds, merged, openings, probes_of
from strategies import IMPLIED, KINDS, MEMBER_ROLES, REFERENCE, Organisation, organisations, shuffled

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact, both_ends, sets
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compare import compare
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.expand import ClassPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PlanError
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import HOST_VARIABLES, ORGANISATION_DEFAULTS, Inventory

DIRECTORY = ("domain_controller", "global_catalog")


def tree(plan: Plan) -> dict[str, bytes]:
    """Every file of a plan with its bytes."""
    with tempfile.TemporaryDirectory() as directory:
        artefact.write(plan, Path(directory, "plan"))
        return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(Path(directory).rglob("*.json"))}


def kinds_behind(plan: Plan, name: str) -> set[str]:
    """Peer kinds and roles of the hosts in a peer set."""
    everybody = {**plan.topology.hosts, **plan.topology.outsiders}
    return {kind for member in plan.members[name] for kind in (*everybody[member].roles, *everybody[member].kinds)}


def plans(plan: Plan) -> list[HostPlan]:
    return [plan.host(name) for name in plan.hosts]


# -- nothing by accident -------------------------------------------------------------------------------------------------


@given(organisations())
def test_flows_name_paths_of_the_reference_that_cross_the_network(organisation: Organisation) -> None:
    plan = organisation.plan()
    known = {path.id for path in REFERENCE.paths if path.relation != "same_host"} | {"supported-between-members", "supported-with-directory"}
    known.add("ipsec-key-exchange")
    for flow in (flow for host in plans(plan) for flow in host.flows):
        assert flow.paths
        assert set(flow.paths) <= known & plan.used
        assert len(set(flow.paths)) == len(flow.paths)


@given(organisations())
def test_everyone_is_only_whom_the_inventory_calls_any(organisation: Organisation) -> None:
    plan = organisation.plan()
    for peers in plan.sets.values():
        said = any(network.text == "any" for network in plan.networks[peers.name])
        assert peers.everyone is said
        assert not peers.empty
    named_any = {kind for kind, networks in plan.topology.networks.items() if any(network.text == "any" for network in networks)}
    for flow in (flow for host in plans(plan) for flow in host.flows if host.sets[flow.peers].everyone):
        ends = {kind for path in flow.paths for port in REFERENCE.by_id[path].ports
            for kind in (*REFERENCE.by_id[path].initiators, *REFERENCE.by_id[path].responders, *port.responders)}
        assert ends & named_any


@given(organisations())
def test_edge_meets_no_domain_controller_that_it_was_not_told_to_ask(organisation: Organisation) -> None:
    plan = organisation.plan()
    directory = set(DIRECTORY)
    for host in plans(plan):
        if host.roles == ("edge_transport",):
            for flow in host.flows:
                for member in plan.members[flow.peers]:
                    # A domain controller that is also in group dns_server, say, is asked for names, and for nothing else.
                    kinds = set(plan.topology.outsiders[member].kinds) if member in plan.topology.outsiders else set()
                    assert not kinds or kinds - directory, flow
            for kind, index in ((kind, KINDS.index(kind)) for kind in DIRECTORY):
                for flow in host.flows:
                    assert host.sets[flow.peers].everyone or not holds(host.sets[flow.peers], f"203.0.113.{8 * index}"), (kind, flow)


@given(organisations())
def test_peer_kind_without_anybody_opens_nothing(organisation: Organisation) -> None:
    plan = organisation.plan()
    topology = plan.topology
    for kind in KINDS:
        if topology.by_kind.get(kind) or topology.networks.get(kind) or REFERENCE.peer_kinds[kind].fallback:
            continue
        alone = {path.id for path in REFERENCE.paths if path.initiators == (kind,) or path.responders == (kind,)} - {"ansible-ssh", "ansible-winrm"}
        pairs = {path for path in alone if all(not port.responders for port in REFERENCE.by_id[path].ports)}
        assert not plan.used & pairs, kind
        assert pairs <= {entry.path for entry in plan.skipped}


@given(organisations())
def test_path_is_used_or_skipped_with_a_reason_and_never_both(organisation: Organisation) -> None:
    plan = organisation.plan()
    skipped = {entry.path for entry in plan.skipped}
    assert {path.id for path in REFERENCE.paths} <= skipped | plan.used
    assert not skipped & plan.used
    assert all(entry.reason for entry in plan.skipped)
    ran = {flow_path for host in plans(plan) for flow in host.flows for flow_path in flow.paths}
    assert ran <= plan.used
    same_host = {path.id for path in REFERENCE.paths if path.relation == "same_host"}
    assert same_host <= skipped


@given(organisations())
def test_sets_have_short_safe_names_and_disjoint_sorted_members(organisation: Organisation) -> None:
    plan = organisation.plan()
    for host in plans(plan):
        assert set(host.sets) == {flow.peers for flow in host.flows} | ({host.management.peers} - {""})
    for name, peers in plan.sets.items():
        assert name == peers.name
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name), name
        for family in (peers.v4, peers.v6):
            texts = [text.partition("-")[0].partition("/")[0] for text in family]
            assert len(set(texts)) == len(texts)


# -- documented cells ----------------------------------------------------------------------------------------------------


def full(**options: t.Any) -> Organisation:
    """Every role twice and in two sites, every peer kind, every switch on."""
    hosts: dict[str, dict[str, t.Any]] = {}
    groups: dict[str, list[str]] = {}
    features = {name: feature.owner for name, feature in REFERENCE.features.items()}
    for index, (role, site) in enumerate(itertools.product(REFERENCE.roles, ("head", "head", "branch")), start=1):
        name = f"{role.replace('_', '-')}-{index}"
        groups.setdefault(role, []).append(name)
        hosts[name] = {"datapath_addresses": [f"192.0.2.{index}"], "datapath_site": site, "datapath_rpc_range": "50000-50999"}
        hosts[name].update({f"datapath_{feature}": True for feature, owner in features.items() if owner == role})
    first, second, third = groups["mailbox"]
    for name in (first, second):
        hosts[name].update({"datapath_cluster": "ccr1", "datapath_file_share_witness": groups["hub_transport"][0]})
    hosts[first]["datapath_scr_targets"] = [third]
    peers = {kind: [f"203.0.113.{8 * index}/29"] for index, kind in enumerate(KINDS)}
    on = {feature: True for feature, owner in features.items() if not owner}
    return Organisation(Inventory(hosts, groups), {"peers": peers, **on, **options})


DOCUMENTED = tuple(path for path in REFERENCE.paths if path.origin == "documented" and path.relation != "same_host")


@pytest.fixture(scope="module")
def literal() -> Plan:
    return full(implied=False).plan()


def test_full_organisation_without_implied_ports_uses_exactly_the_rows_that_cross_the_network(literal: Plan) -> None:
    assert literal.used == {path.id for path in DOCUMENTED}
    assert {entry.path for entry in literal.skipped} == {path.id for path in REFERENCE.paths} - literal.used


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: path.id)
def test_without_implied_ports_a_row_opens_exactly_its_cells(literal: Plan, path: t.Any) -> None:
    named = {"random/tcp": "32768-60999/tcp", "rtp/udp": "1024-65535/udp"}
    wanted: dict[str, list[tuple[int, int]]] = {}
    for port in path.ports:
        if port.origin == "documented":
            text, _slash, protocol = named.get(port.token, port.token).partition("/")
            low, _dash, high = text.partition("-")
            wanted.setdefault(protocol, []).append((int(low), int(high or low)))
    found: dict[str, list[tuple[int, int]]] = {}
    for flow in (flow for host in plans(literal) for flow in host.flows if path.id in flow.paths):
        ports = [(port.low, port.high) for port in flow.ports]
        found.setdefault(flow.protocol, []).extend(ports)
        assert flow.origin == "documented"
    assert {protocol: merged(ports) for protocol, ports in found.items()} == {protocol: merged(ports) for protocol, ports in wanted.items()}


def test_with_everything_on_every_path_is_used_on_one_platform_or_the_other() -> None:
    linux = full().plan()
    windows = full()
    hosts = {name: {**variables, "datapath_platform": "windows"} for name, variables in windows.inventory.hosts.items()}
    both = linux.used | Organisation(Inventory(hosts, windows.inventory.groups), windows.options).plan().used
    assert {path.id for path in REFERENCE.paths} - both == {path.id for path in REFERENCE.paths if path.relation == "same_host"}


@pytest.mark.parametrize("name", IMPLIED)
def test_each_implied_path_has_its_switch(name: str) -> None:
    plan = full(disabled_implied=[name]).plan()
    assert name not in plan.used
    assert "dropped by datapath_disabled_implied" in {entry.path: entry.reason for entry in plan.skipped}[name]


def test_implied_port_is_dropped_by_its_source_and_the_documented_stays() -> None:
    plan = full(disabled_implied=["A-02"]).plan()
    ports = {str(port) for flow in plan.host("hub-transport-1").flows if "mailbox-to-hub-submission" in flow.paths for port in flow.ports}
    assert ports == {"135"}


# -- several roles -------------------------------------------------------------------------------------------------------


def _united(parts: t.Iterable[Openings]) -> Openings:
    found: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for part in parts:
        for key, ports in part.items():
            found.setdefault(key, []).extend(ports)
    return {key: merged(ports) for key, ports in found.items()}


@given(organisations(max_servers=5), st.lists(st.sampled_from(MEMBER_ROLES), min_size=2, max_size=4, unique=True))
def test_host_with_several_roles_has_the_union_of_what_each_needs(organisation: Organisation, roles: list[str]) -> None:
    name = "srv1"
    ties = {"datapath_cluster", "datapath_cluster_networks", "datapath_file_share_witness", "datapath_scr_targets"}
    hosts = {host: {key: value for key, value in variables.items() if key not in ties} for host, variables in organisation.inventory.hosts.items()}

    def with_roles(*chosen: str) -> Plan:
        groups = {group: [host for host in members if host != name or group == "all"] for group, members in organisation.inventory.groups.items()}
        for role in chosen:
            groups[role] = [*groups.get(role, ()), name]
        # Whether there is an edge server decides about Internet mail, so that must not change with the host.
        return Organisation(Inventory(hosts, groups), {**organisation.options, "internet_mail_on_hub": True}).plan()

    whole = with_roles(*roles)
    together, apart = whole.host(name), [with_roles(role).host(name) for role in roles]
    for address in set(probes_of(whole)) - {"192.0.2.1", "2001:db8::1"}:  # its own
        assert openings(together, address) == _united(openings(plan, address) for plan in apart), address


# -- same input, same bytes ----------------------------------------------------------------------------------------------


@given(st.data(), organisations(max_servers=5))
def test_order_of_hosts_groups_and_keys_changes_no_byte(data: st.DataObject, organisation: Organisation) -> None:
    other = data.draw(shuffled(organisation))
    assert tree(organisation.plan()) == tree(other.plan())


@given(organisations(max_servers=4))
def test_plan_on_disk_reads_back_as_it_was(organisation: Organisation) -> None:
    plan = organisation.plan()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "plan")
        digest = artefact.write(plan, path)
        assert digest == plan.digest
        for name in plan.hosts:
            assert artefact.read_host(path, name, digest) == plan.host(name)
            assert artefact.read_probes(path, name, digest) == [probe for probe in artefact.read_probes(path, name, digest) if probe["to"] != name]
        assert compare(path, path).same


CHANGED: dict[str, t.Any] = {
    "addresses": ["192.0.2.200"], "site": "head", "zone": "perimeter", "cluster": "ccr9", "cluster_networks": ["198.51.100.0/28"],
    "file_share_witness": "198.51.100.9",
    "scr_targets": ["mailbox-8"], "rpc_range": "51000-51999", "static_ports": {"store": 6100}, "media_range": "20000-20999", "platform": "windows",
    "domain_member": False, "egress": "restricted", "ipsec": "requested", "exchange_level": "rtm", "probe": False, "gateway_mode": "tls",
    "gateway_fqdn": "gw.example", "gateway_dial_plan": "plan",
}
CHANGED_OPTIONS: dict[str, t.Any] = {
    "scope": "supported", "encryption": "prefer_encrypted", "role_groups": {"mailbox": ["stores"]}, "peers": {}, "enforce_site_scope": False, "implied": False,
    "disabled_implied": ["A-02"], "waivers": {"vss-backup": "agreed"}, "zone_boundaries": [{"site": "head", "between": ["mailbox", "hub_transport"]}],
    "outlook_min_version": 2003, "recipient_filter": "hub", "owa_certificate": "self-signed", "legacy_auth": ["ntlm"], "legacy_eas_integrated_auth": True,
    "ntlm_blocked": True, "oab_public_folder_distribution": True,
}


@pytest.mark.parametrize("name", HOST_VARIABLES)
def test_digest_changes_with_every_host_variable(name: str) -> None:
    host = "mailbox-9"
    assert full().plan().digest != full().with_host(host, **{name: CHANGED[name]}).plan().digest


@pytest.mark.parametrize("name", [name for name in ORGANISATION_DEFAULTS if name != "reference"])
def test_digest_changes_with_every_organisation_variable(name: str) -> None:
    organisation = full()
    changed = Organisation(Inventory(organisation.inventory.hosts, {**organisation.inventory.groups, "stores": []}), organisation.options)
    assert organisation.plan().digest != changed.plan(**{name: CHANGED_OPTIONS[name]}).digest


@pytest.mark.parametrize("name", REFERENCE.features)
def test_digest_changes_with_every_feature(name: str) -> None:
    organisation = full()
    owner = REFERENCE.features[name].owner
    if owner:
        assert organisation.plan().digest != organisation.with_host(organisation.inventory.groups[owner][0], **{name: False}).plan().digest
    assert organisation.plan().digest != organisation.plan(**{name: False}).digest or owner
    bare = Organisation(Inventory(
        {host: {key: value for key, value in variables.items() if key != f"datapath_{name}"} for host, variables in organisation.inventory.hosts.items()},
        organisation.inventory.groups), organisation.options)
    assert bare.plan(**{name: True}).digest != bare.plan(**{name: False}).digest


def test_digest_changes_with_who_is_in_which_group_and_when_a_host_comes() -> None:
    organisation = full()
    groups = organisation.inventory.groups
    moved = {**groups, "client_access": [*groups["client_access"], "hub-transport-1"]}
    seen = {organisation.plan().digest, Organisation(Inventory(organisation.inventory.hosts, moved), organisation.options).plan().digest}
    more = {**organisation.inventory.hosts, "dc1": {"datapath_addresses": ["192.0.2.250"]}}
    seen.add(Organisation(Inventory(more, {**groups, "domain_controller": ["dc1"]}), organisation.options).plan().digest)
    assert len(seen) == 3


def test_digest_ignores_who_has_no_part_in_the_plan_and_how_it_is_applied() -> None:
    organisation = full()
    more = {**organisation.inventory.hosts, "printer": {"datapath_addresses": ["192.0.2.251"]}}
    assert Organisation(Inventory(more, {**organisation.inventory.groups, "printers": ["printer"]}),
        organisation.options).plan().digest == organisation.plan().digest
    assert organisation.with_host("mailbox-7", rollback_timeout=90, firewall_state="monitored").plan().digest == organisation.plan().digest


# -- the check that the planner runs on itself ---------------------------------------------------------------------------


@given(st.data(), organisations(max_outsiders=0))
def test_one_end_taken_away_is_noticed(data: st.DataObject, organisation: Organisation) -> None:
    plan = organisation.plan()
    # A set that holds managed hosts besides the host itself has another end; a twin flow over the same ports would make up for the loss.
    candidates = [
        (index, flow) for index, made in enumerate(plan.classes) for flow in made.flows
        if plan.members[flow.peers] - {host.name for host in made.hosts} and not plan.sets[flow.peers].everyone and not _made_up(plan, made, flow)
    ]
    assume(candidates)
    index, lost = data.draw(st.sampled_from(candidates))
    broken = list(plan.classes)
    made = plan.classes[index]
    broken[index] = ClassPlan(made.hosts, tuple(flow for flow in made.flows if flow != lost), made.management, made.associations, made.rpc)
    both_ends.check(plan.classes, plan.members)
    with pytest.raises(PlanError, match="not the same at both ends"):
        both_ends.check(tuple(broken), plan.members)


def _made_up(plan: Plan, made: ClassPlan, lost: t.Any) -> bool:
    rest = [flow for flow in made.flows if flow != lost and (flow.direction, flow.protocol) == (lost.direction, lost.protocol)]
    return any(plan.members[flow.peers] & plan.members[lost.peers] for flow in rest)


def test_sets_that_would_share_a_name_stay_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = {f"mbx{number}": {"datapath_addresses": [f"192.0.2.{number}"], "datapath_site": f"site {number}"} for number in range(1, 6)}
    hubs = {f"hub{number}": {"datapath_addresses": [f"192.0.2.{number + 10}"], "datapath_site": f"site {number}"} for number in range(1, 6)}
    real = sets._digest
    # However short a digest is, a set must never replace another of the same name.
    monkeypatch.setattr(sets, "slug", lambda _label: "x")
    monkeypatch.setattr(sets, "_digest", lambda text: real(text) if text.endswith("++") else "same")
    plan = Organisation(Inventory({**hosts, **hubs}, {"mailbox": list(hosts), "hub_transport": list(hubs)}), {}).plan()
    in_one_site = sorted(sorted(plan.members[name]) for name in plan.sets if name.startswith("mailbox_in_x"))
    assert in_one_site == [[name] for name in hosts]
