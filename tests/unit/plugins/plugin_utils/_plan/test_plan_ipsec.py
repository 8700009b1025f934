# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom IPsec is planned with, how keys are agreed on, and that what IPsec needs passes between exactly these."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from pairwise import holds
from strategies import Organisation, organisations, small

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.ipsec import KEY_EXCHANGE, weaker
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan

CLUSTER = small().with_host("mbx1", cluster="ccr1", ipsec="required").with_host("mbx2", cluster="ccr1", ipsec="required")
WINDOWS = {"os": "windows", "release": "2019"}


def keys(plan: HostPlan) -> set[tuple[str, str, str, str]]:
    """Direction, protocol, ports and peers of what IPsec itself needs."""
    found = [flow for flow in plan.flows if KEY_EXCHANGE in flow.paths]
    assert all(flow.paths == (KEY_EXCHANGE,) and flow.origin == "implied" for flow in found)
    return {(flow.direction, flow.protocol, " ".join(map(str, flow.ports)), flow.peers) for flow in found}


def versions(plan: HostPlan) -> dict[tuple[str, ...], int]:
    """Version of the key exchange by managed peers."""
    return {association.hosts: association.ike for association in plan.associations}


def demands(plan: HostPlan, address: str) -> set[tuple[str, bool, tuple[str, ...], int]]:
    """What the associations of a host say about an address."""
    return {(each.mode, each.whole, each.selectors, each.ike) for each in plan.associations if holds(plan.sets[each.peers], address)}


def mirrored(found: set[tuple[str, bool, tuple[str, ...], int]]) -> set[tuple[str, bool, tuple[str, ...], int]]:
    other = {"in": "out", "out": "in"}
    return {
        (mode, whole, tuple(sorted(f"{other[selector.partition(' ')[0]]} {selector.partition(' ')[2]}" for selector in selectors)), ike)
        for mode, whole, selectors, ike in found
    }


def union(found: set[tuple[str, bool, tuple[str, ...], int]]) -> tuple[bool, frozenset[str], frozenset[str], frozenset[int]]:
    """What counts for an address: whole or the selectors of all, every mode, every version. A pair protected whole needs no selectors."""
    whole = any(each[1] for each in found)
    selectors = frozenset() if whole else frozenset(selector for each in found for selector in each[2])
    return whole, selectors, frozenset(each[0] for each in found), frozenset(each[3] for each in found)


def test_a_cluster_gets_its_key_exchange_both_ways_and_nobody_else_does() -> None:
    plan = CLUSTER.plan()
    assert keys(plan.host("mbx1")) == {(way, *what, "mailbox") for way in ("in", "out") for what in (("udp", "500 4500"), ("esp", ""))}
    assert {name for name in plan.hosts if keys(plan.host(name))} == {"mbx1", "mbx2"}
    assert KEY_EXCHANGE in plan.used and KEY_EXCHANGE not in small().plan().used


def test_ikev2_is_for_pairs_of_linux_hosts_alone() -> None:
    linux = CLUSTER.plan()
    assert versions(linux.host("mbx1")) == {("mbx2",): 2}
    mixed = CLUSTER.with_host("mbx2", platform=WINDOWS).plan()
    assert versions(mixed.host("mbx1")) == {("mbx2",): 1} == {("mbx2",): versions(mixed.host("mbx2"))[("mbx1",)]}


def test_peers_of_two_platforms_are_two_associations_over_one_flow() -> None:
    organisation = CLUSTER.with_host("mbx3", addresses=["192.0.2.7"], cluster="ccr1", ipsec="required", platform=WINDOWS).with_groups(
        mailbox=["mbx1", "mbx2", "mbx3"])
    plan = organisation.plan().host("mbx1")
    assert versions(plan) == {("mbx2",): 2, ("mbx3",): 1}
    assert {flow.peers for flow in plan.flows if "ccr-scr-log-shipping" in flow.paths} == {"mailbox"}
    assert {each.peers for each in plan.associations} <= set(plan.sets)
    windows = next(plan.sets[each.peers] for each in plan.associations if each.ike == 1)
    assert windows.v4 == ("192.0.2.7",)


@pytest.mark.parametrize(("given_as", "version"), [
    ({"peers": ["203.0.113.57"]}, 1),
    ({"host": {"addresses": ["203.0.113.57"]}}, 1),
])
def test_exchange_2003_speaks_ikev1_however_it_is_named(given_as: dict[str, t.Any], version: int) -> None:
    organisation = small().with_host("cas1", ipsec="requested")
    if "peers" in given_as:
        organisation = organisation.with_peers(legacy_mailbox=given_as["peers"])
    else:
        organisation = organisation.with_host("old1", **given_as["host"]).with_groups(legacy_mailbox=["old1"])
    plan = organisation.plan().host("cas1")
    assert [(each.peers, each.ike, each.whole, each.selectors) for each in plan.associations] == [
        ("legacy_mailbox", version, False, ("out 110/tcp", "out 143/tcp", "out 443/tcp", "out 80/tcp"))
    ]


def test_an_administrator_s_host_is_taken_for_what_the_inventory_says() -> None:
    organisation = CLUSTER.with_host("adm1", addresses=["203.0.113.49"]).with_groups(admin_workstation=["adm1"])
    for platform, version in ((None, 2), ("windows", 1)):
        plan = (organisation.with_host("adm1", platform=platform) if platform else organisation).plan().host("mbx1")
        assert demands(plan, "203.0.113.49") == {("required", True, (), version)}


def test_the_network_of_a_cluster_is_no_peer_but_the_nodes_on_it_are() -> None:
    organisation = CLUSTER.with_host("mbx1", cluster_networks=["198.51.100.128/28"], addresses=["192.0.2.3", "198.51.100.129"])
    organisation = organisation.with_host("mbx2", cluster_networks=["198.51.100.128/28"], addresses=["192.0.2.4", "198.51.100.130"])
    plan = organisation.plan().host("mbx1")
    assert demands(plan, "198.51.100.130") and not demands(plan, "198.51.100.131")
    flow = next(flow for flow in plan.flows if "mailbox-clustering" in flow.paths and flow.direction == "in")
    assert (flow.protection, holds(plan.sets[flow.peers], "198.51.100.131")) == ("ipsec_required", True), "the row still opens, but only inside IPsec"


def test_a_peer_that_does_less_weakens_its_own_pair_only() -> None:
    organisation = CLUSTER.with_host("mbx3", addresses=["192.0.2.7"], ipsec="absent").with_groups(mailbox=["mbx1", "mbx2", "mbx3"])
    organisation = organisation.with_host("mbx1", scr_targets=["mbx3"])
    plan = organisation.plan()
    first, third = plan.host("mbx1"), plan.host("mbx3")
    assert demands(first, "192.0.2.4") == {("required", True, (), 2)}
    assert not demands(first, "192.0.2.7") and not third.associations
    by_peers = {flow.peers: flow.protection for flow in first.flows if "ccr-scr-log-shipping" in flow.paths}
    assert {peers: holds(first.sets[peers], "192.0.2.7") for peers, protection in by_peers.items() if protection == "none"} == {"mailbox_absent": True}


def test_waived_paths_need_no_keys() -> None:
    paths = ("ccr-scr-log-shipping", "ccr-scr-seeding", "mailbox-clustering")
    assert not CLUSTER.with_options(waivers=dict.fromkeys(paths, "agreed")).plan().host("mbx1").associations
    plan = CLUSTER.with_options(waivers=dict.fromkeys(paths[1:], "agreed")).plan().host("mbx1")
    assert [(each.whole, each.selectors) for each in plan.associations] == [(False, ("in 445/tcp", "out 445/tcp"))]


def test_the_weakest_counts() -> None:
    assert [weaker("required", "absent"), weaker("requested", "required"), weaker("required", "required")] == ["absent", "requested", "required"]


def _own(plan: t.Any, name: str) -> list[str]:
    host = plan.topology.hosts[name]
    return [*_networks.texts(4, ((n, n) for n in host.v4)), *_networks.texts(6, ((n, n) for n in host.v6))]


@given(organisations(max_outsiders=0))
def test_both_ends_of_a_pair_plan_the_same(organisation: Organisation) -> None:
    plan = organisation.plan()
    for one in plan.hosts:
        for other in plan.hosts:
            for here, there in ((here, there) for here in _own(plan, one) for there in _own(plan, other)) if one < other else ():
                mine, theirs = demands(plan.host(one), there), demands(plan.host(other), here)
                assert union(mine) == union(mirrored(theirs)), (one, other)
                assert len({each[0] for each in mine}) <= 1 and len({each[3] for each in mine}) <= 1, "one mode and one version for a pair"


@given(organisations())
def test_keys_are_agreed_on_with_the_peers_of_associations_alone(organisation: Organisation) -> None:
    plan = organisation.plan()
    for host in map(plan.host, plan.hosts):
        wanted = {each.peers for each in host.associations if not host.sets[each.peers].everyone}
        assert {peers for _way, _protocol, _ports, peers in keys(host)} == wanted
        assert len(keys(host)) == 4 * len(wanted)
        protected: list[Flow] = [flow for flow in host.flows if flow.protection.startswith("ipsec_")]
        assert bool(protected) >= bool(host.associations)
        for each in host.associations:
            assert any(set(flow.paths) & set(each.paths) and flow.protection == f"ipsec_{each.mode}" for flow in protected)
