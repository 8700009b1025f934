# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which other firewalls can drop what a plan allows."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils._foreign import Foreign, iptables, nftables, ufw_enabled


def chain(name: str, hook: str | None = None, policy: str = "accept", table: str = "site") -> dict[str, t.Any]:
    base = {"type": "filter", "hook": hook, "prio": 0, "policy": policy} if hook else {}
    return {"chain": {"family": "inet", "table": table, "name": name, **base}}


def rule(name: str, *expression: t.Any, table: str = "site") -> dict[str, t.Any]:
    return {"rule": {"family": "inet", "table": table, "chain": name, "handle": 1, "expr": list(expression)}}


def why(*items: dict[str, t.Any]) -> list[tuple[str, str]]:
    return [(found.chain, found.why) for found in nftables(items)]


@pytest.mark.parametrize("hook", ["input", "output"])
def test_a_policy_of_drop_is_named(hook: str) -> None:
    assert nftables([chain("guard", hook, "drop")]) == (Foreign("nftables", "inet site", "guard", "policy drop"),)


def test_a_chain_that_only_accepts_is_not() -> None:
    assert why(chain("guard", "input"), rule("guard", {"match": {}}, {"counter": None}, {"accept": None})) == []


def test_other_hooks_do_not_concern_this_host() -> None:
    assert why(chain("docker", "forward", "drop"), rule("docker", {"drop": None})) == []


def test_our_own_table_is_not_foreign() -> None:
    assert why(chain("input", "input", "drop", table="datapath")) == []


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ({"drop": None}, "drop"),
        ({"reject": {"type": "icmpx", "expr": "admin-prohibited"}}, "reject"),
        ({"vmap": {"key": {"meta": {"key": "iif"}}, "data": {"set": [[1, {"accept": None}], [2, {"drop": None}]]}}}, "drop"),
        ({"xt": {"type": "target", "name": "REJECT"}}, "reject"),
    ],
)
def test_every_way_to_drop_is_seen(expression: dict[str, t.Any], verdict: str) -> None:
    assert why(chain("guard", "input"), rule("guard", {"counter": None}, expression)) == [("guard", f"a rule with {verdict}")]


def test_a_drop_behind_jumps_is_seen() -> None:
    items = (
        chain("guard", "input"), rule("guard", {"jump": {"target": "zones"}}), chain("zones"), rule("zones", {"goto": {"target": "public"}}),
        chain("public"), rule("public", {"drop": None}),
    )
    assert why(*items) == [("guard", "a rule with drop in chain public")]


def test_a_drop_that_nothing_jumps_to_is_harmless() -> None:
    assert why(chain("guard", "input"), chain("unused"), rule("unused", {"drop": None})) == []


def test_a_chain_of_the_same_name_in_another_table_is_another_chain() -> None:
    assert why(chain("guard", "input"), rule("guard", {"jump": {"target": "zones"}}), rule("zones", {"drop": None}, table="other")) == []


def test_jumps_in_a_circle_end() -> None:
    assert why(chain("guard", "input"), rule("guard", {"jump": {"target": "a"}}), rule("a", {"jump": {"target": "a"}})) == []


def test_legacy_iptables_is_judged_the_same_way() -> None:
    rules = "-P INPUT DROP\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-N bans\n-A OUTPUT -p tcp -m tcp --dport 25 -j bans\n-A bans -j REJECT --reject-with x\n"
    assert iptables("ip", rules) == (
        Foreign("iptables", "ip filter", "INPUT", "policy drop"),
        Foreign("iptables", "ip filter", "OUTPUT", "a rule with reject in chain bans"),
    )


def test_legacy_iptables_that_only_forwards_is_harmless() -> None:
    assert iptables("ip", "-P INPUT ACCEPT\n-P FORWARD DROP\n-P OUTPUT ACCEPT\n-A FORWARD -j DROP\n") == ()


@pytest.mark.parametrize(
    ("text", "enabled"),
    [("# a\nENABLED=yes\n", True), ('ENABLED="yes"\n', True), ("ENABLED=no\n", False), ("#ENABLED=yes\n", False), ("", False)],
)
def test_ufw_is_active_only_when_it_is_enabled(text: str, enabled: bool) -> None:
    assert ufw_enabled(text) is enabled


def test_a_foreign_firewall_reads_as_one_line() -> None:
    assert str(Foreign("nftables", "inet site", "guard", "policy drop")) == "nftables inet site guard (policy drop)"
    assert str(Foreign("ufw", "ufw.service", "", "the service is active")) == "ufw ufw.service (the service is active)"
