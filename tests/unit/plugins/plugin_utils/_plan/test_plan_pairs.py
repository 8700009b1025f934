# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan opens, checked pair by pair and address by address against a second, independent reading of the rows."""

from __future__ import annotations

import itertools

from hypothesis import given
from pairwise import Oracle, covered, openings, probes_of
from strategies import Organisation, organisations

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host

OTHER = {"in": "out", "out": "in"}


def addresses(host: Host) -> list[str]:
    return [*_networks.texts(4, ((n, n) for n in host.v4)), *_networks.texts(6, ((n, n) for n in host.v6))]


def own(plan: Plan, name: str) -> set[str]:
    return set(addresses(plan.topology.hosts[name]))


@given(organisations())
def test_plan_opens_exactly_what_the_rows_ask_for(organisation: Organisation) -> None:
    plan = organisation.plan()
    oracle = Oracle(plan.topology)
    for name, address in itertools.product(plan.hosts, probes_of(plan)):
        if address not in own(plan, name):
            assert openings(plan.host(name), address) == oracle.openings(plan.topology.hosts[name], address), (name, address)


@given(organisations(max_outsiders=0))
def test_every_opening_between_managed_hosts_exists_at_both_ends(organisation: Organisation) -> None:
    plan = organisation.plan()
    for one, other in itertools.permutations(plan.topology.hosts.values(), 2):
        for there, here in itertools.product(addresses(other), addresses(one)):
            mine, theirs = openings(plan.host(one.name), there, everyone=False), openings(plan.host(other.name), here, everyone=False)
            assert mine == {(OTHER[way], protocol): ports for (way, protocol), ports in theirs.items()}, (one.name, other.name)


@given(organisations(max_servers=5))
def test_scope_supported_opens_no_less(organisation: Organisation) -> None:
    narrow, wide = organisation.plan(scope="documented"), organisation.plan(scope="supported")
    for name, address in itertools.product(narrow.hosts, probes_of(narrow)):
        assert covered(openings(narrow.host(name), address), openings(wide.host(name), address))


@given(organisations(max_servers=5))
def test_stricter_encryption_opens_no_more(organisation: Organisation) -> None:
    as_documented, prefer, require = (organisation.plan(encryption=name) for name in ("as_documented", "prefer_encrypted", "require_encrypted"))
    for name, address in itertools.product(require.hosts, probes_of(require)):
        assert covered(openings(require.host(name), address), openings(prefer.host(name), address))
        assert covered(openings(prefer.host(name), address), openings(as_documented.host(name), address))


@given(organisations(max_servers=5))
def test_implied_ports_only_add(organisation: Organisation) -> None:
    bare, full = organisation.plan(implied=False, disabled_implied=[]), organisation.plan(implied=True, disabled_implied=[])
    for name, address in itertools.product(bare.hosts, probes_of(bare)):
        assert covered(openings(bare.host(name), address), openings(full.host(name), address))
