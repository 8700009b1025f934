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
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan

OTHER = {"in": "out", "out": "in"}


def own(plan: Plan, name: str) -> set[str]:
    """The addresses of a host."""
    host = plan.topology.hosts[name]
    return {*_networks.texts(4, ((n, n) for n in host.v4)), *_networks.texts(6, ((n, n) for n in host.v6))}


def plans(plan: Plan) -> list[HostPlan]:
    return [plan.host(name) for name in plan.hosts]


def assert_widening(*chain: Plan) -> None:
    """Each plan opens at least what the one before it opens, to and from every address."""
    for narrow, wide in itertools.pairwise(chain):
        for (small, large), address in itertools.product(zip(plans(narrow), plans(wide), strict=True), probes_of(narrow)):
            # Whoever asks for more encryption needs more key exchange.
            assert covered(openings(small, address, keys=False), openings(large, address, keys=False)), (small.host, address)


@given(organisations())
def test_plan_opens_exactly_what_the_rows_ask_for(organisation: Organisation) -> None:
    plan = organisation.plan()
    oracle = Oracle(plan.topology)
    for host, address in itertools.product(plans(plan), probes_of(plan)):
        if address not in own(plan, host.host):
            assert openings(host, address) == oracle.openings(plan.topology.hosts[host.host], address), (host.host, address)


@given(organisations(max_outsiders=0))
def test_every_opening_between_managed_hosts_exists_at_both_ends(organisation: Organisation) -> None:
    plan = organisation.plan()
    for one, other in itertools.permutations(plans(plan), 2):
        for there, here in itertools.product(own(plan, other.host), own(plan, one.host)):
            mine, theirs = openings(one, there, everyone=False), openings(other, here, everyone=False)
            assert mine == {(OTHER[way], protocol): ports for (way, protocol), ports in theirs.items()}, (one.host, other.host)


@given(organisations(max_servers=5))
def test_scope_supported_opens_no_less(organisation: Organisation) -> None:
    narrow, wide = organisation.plan(scope="documented"), organisation.plan(scope="supported")
    assert_widening(narrow, wide)


@given(organisations(max_servers=5))
def test_stricter_encryption_opens_no_more(organisation: Organisation) -> None:
    as_documented, prefer, require = (organisation.plan(encryption=name) for name in ("as_documented", "prefer_encrypted", "require_encrypted"))
    assert_widening(require, prefer, as_documented)


@given(organisations(max_servers=5))
def test_implied_ports_only_add(organisation: Organisation) -> None:
    bare, full = organisation.plan(implied=False, disabled_implied=[]), organisation.plan(implied=True, disabled_implied=[])
    assert_widening(bare, full)
