# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""How a loaded table differs from the planned one, in words and by flow."""

from __future__ import annotations

import typing as t
from collections import Counter

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import FlowFact, ReadBackError, address_text, subtract
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_reader import read_back, read_loaded
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_table import ParsedChain, ParsedTable, Rule


def drift(desired_text: str, actual_text: str) -> list[str]:
    """Name each difference between the planned text and what a host lists; empty when both mean the same, however they are written.

    actual_text: the output of C(nft -s list table inet datapath), empty when there is no such table. What is not ours in it is named, not an error.
    The members of the session sets are the module's own and no difference. ReadBackError when the desired text is not one of ours.
    """
    desired = read_back(desired_text)
    if not actual_text.strip():
        return ["the table inet datapath is not loaded: nothing is enforced"]
    try:
        actual = read_loaded(actual_text if actual_text.endswith("\n") else actual_text + "\n")
    except ReadBackError as error:
        return [f"what is loaded as table inet datapath cannot be read: {error}"]
    found = [*_foreign(actual), *_flows(desired.flows, actual.flows), *_chains(desired, actual)]
    # Where something is missing or added, the order differs anyway.
    return found or [
        f"chain {name}: its rules are in another order, so that other rules decide"
        for name, chain in desired.chains.items() if _order(desired, chain) != _order(actual, actual.chains[name])
    ]


def _foreign(actual: ParsedTable) -> t.Iterator[str]:
    for text in actual.foreign:
        yield f"not written by this collection: {text}"


def _flows(desired: frozenset[FlowFact], actual: frozenset[FlowFact]) -> t.Iterator[str]:
    missing, extra = ({_key(fact): fact for fact in sorted(facts, key=str)} for facts in (desired - actual, actual - desired))
    for key, fact in missing.items():
        if key in extra:
            yield from _members(fact, extra[key])
        else:
            yield f"missing: {fact}"
    for key, fact in extra.items():
        if key not in missing:
            yield f"not planned: {fact}"


def _key(fact: FlowFact) -> tuple[t.Any, ...]:
    """What makes two facts the same flow with other peers."""
    return fact.direction, fact.family, fact.protocol, fact.ports, fact.paths, fact.protected, fact.peers


def _members(desired: FlowFact, actual: FlowFact) -> t.Iterator[str]:
    if not isinstance(desired.addresses, tuple) or not isinstance(actual.addresses, tuple):
        yield f"{desired}: admits {address_text(actual.family, actual.addresses)}, planned {address_text(desired.family, desired.addresses)}"
        return
    lost, gained = subtract(desired.addresses, actual.addresses), subtract(actual.addresses, desired.addresses)
    if lost:
        yield f"{desired}: does not admit {address_text(desired.family, lost)}"
    if gained:
        yield f"{desired}: also admits {address_text(desired.family, gained)}, which is not planned"


def _chains(desired: ParsedTable, actual: ParsedTable) -> t.Iterator[str]:
    for name in sorted({*desired.chains, *actual.chains}):
        if name not in actual.chains:
            yield f"chain {name} is missing"
        elif name not in desired.chains:
            yield f"chain {name} is not planned"
        else:
            yield from _chain(desired, desired.chains[name], actual, actual.chains[name])


def _chain(desired: ParsedTable, planned: ParsedChain, actual: ParsedTable, loaded: ParsedChain) -> t.Iterator[str]:
    if planned.policy != loaded.policy:
        yield f"chain {planned.name}: its policy is {loaded.policy}, planned {planned.policy}"
    wanted, found = Counter(desired.guards(planned)), Counter(actual.guards(loaded))
    yield from (f"chain {planned.name}: missing rule: {rule.text}" for rule in (wanted - found).elements())
    yield from (f"chain {planned.name}: not planned rule: {rule.text}" for rule in (found - wanted).elements())


def _order(table: ParsedTable, chain: ParsedChain) -> list[Rule | None]:
    """The guards in order and where the flows stand between them; the flows themselves only accept, so their own order decides nothing."""
    order: list[Rule | None] = []
    for rule in chain.rules:
        place = None if table.facts(chain, rule) else rule
        if place is not None or order[-1:] != [None]:
            order.append(place)
    return order


__all__ = ("drift",)
