# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters by path, and the state of a table."""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.module_utils import _counters
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_guards import GUARDS, last_texts


def rule(comment: str, packets: int, *more: t.Any) -> dict[str, t.Any]:
    return {"rule": {"chain": "input", "comment": comment, "expr": [{"counter": {"packets": packets, "bytes": packets * 10}}, *more]}}


def chain(name: str, policy: str) -> dict[str, t.Any]:
    return {"chain": {"name": name, "hook": name, "policy": policy}}


def test_rules_add_up_by_path() -> None:
    table = [rule("a b", 1, {"accept": None}), rule("b +3", 2), {"rule": {"expr": [{"accept": None}]}}]
    assert _counters.by_path(table) == {"a": {"packets": 1, "bytes": 10}, "b": {"packets": 3, "bytes": 30}}


def test_rules_that_are_no_path_are_apart() -> None:
    table = [rule("management", 4), rule("management", 1), rule("session", 2), rule("a", 1)]
    assert _counters.by_path(table) == {"a": {"packets": 1, "bytes": 10}}
    assert _counters.by_guard(table) == {"management": {"packets": 5, "bytes": 50}, "session": {"packets": 2, "bytes": 20}}


def test_what_was_dropped_is_no_path() -> None:
    table = [rule("datapath dropped", 5), rule("datapath would drop", 6), rule("a", 1)]
    assert _counters.dropped(table) == {"packets": 11, "bytes": 110}
    assert set(_counters.by_path(table)) == {"a"}
    assert _counters.dropped([]) == {"packets": 0, "bytes": 0}


def test_the_guards_of_the_renderer_are_no_paths() -> None:
    rendered = {guard.comment for guards in GUARDS.values() for guard in guards if " " not in guard.comment} - {"", "echo", "multicast"}
    assert rendered <= set(_counters.GUARDS)
    last = [text.rpartition("comment ")[2].strip('"') for state in ("enforced", "monitored") for text in last_texts("in", state) if "comment" in text]
    assert set(last) == {"invalid", *_counters.DROPPED}


def test_a_rule_without_a_counter_counts_nothing() -> None:
    assert _counters.by_path([{"rule": {"comment": "a", "expr": [{"accept": None}]}}]) == {}


def test_the_state_is_the_policy_of_the_input_chain() -> None:
    assert _counters.state([]) == "absent"
    assert _counters.state([chain("output", "accept"), chain("input", "drop")]) == "enforced"
    assert _counters.state([chain("output", "drop"), chain("input", "accept")]) == "monitored"


def test_sessions_are_read_back() -> None:
    names = {"session_v4": [{"concat": ["192.0.2.10", 22]}], "session_v6": [], "hubs_v4": ["192.0.2.1"]}
    sets = [{"set": {"name": name, "elem": elements}} for name, elements in names.items()]
    assert _counters.sessions(sets) == [("192.0.2.10", 22)]
