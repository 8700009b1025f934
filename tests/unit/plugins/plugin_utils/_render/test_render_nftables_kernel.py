# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel makes of a rendered text, in network namespaces that end with the command."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_plans import example, host_plans

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PeerSet
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import plan_facts
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import COMMENT_BYTES, drift, read_back, render


def _why_not() -> str:
    if os.geteuid() != 0:
        return "needs root to make a network namespace"
    if not shutil.which("nft") or not shutil.which("unshare"):
        return "needs the programs nft and unshare"
    made = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, text=True, check=False)
    return f"cannot use nftables in a network namespace: {made.stderr.strip()}" if made.returncode else ""


WHY_NOT = _why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


def _in_kernel(script: str, text: str) -> str:
    return subprocess.run(["unshare", "--net", "sh", "-ec", script], input=text, capture_output=True, text=True, check=True).stdout


@given(host_plans(), st.sampled_from(("enforced", "monitored")), st.sampled_from(("-s", "-n", "-s -n", "-a", "")))
@settings(max_examples=40, deadline=None)
def test_the_kernel_lists_the_flows_of_the_plan(plan: HostPlan, state: str, options: str) -> None:
    text = render(plan, state)
    listed = _in_kernel(f"nft -f -; nft {options} list table inet datapath", text)
    assert read_back(listed).flows == plan_facts(plan, COMMENT_BYTES)
    assert drift(text, listed) == []


def test_loading_twice_gives_the_same_table() -> None:
    text = render(example())
    once = _in_kernel("nft -f -; nft -s list ruleset", text)
    assert _in_kernel('text=$(cat); for _ in 1 2; do echo "$text" | nft -f -; done; nft -s list ruleset', text) == once
    assert once.count("table ") == 1


def test_what_others_do_to_the_table_is_drift() -> None:
    text = render(example())
    widened = _in_kernel("nft -f -; nft add element inet datapath hub_transport_v4 '{ 192.0.2.99 }'; nft -s list table inet datapath", text)
    assert len(drift(text, widened)) == 6
    assert all(each.endswith("also admits 192.0.2.99, which is not planned") for each in drift(text, widened))
    opened = _in_kernel("nft -f -; nft insert rule inet datapath input tcp dport 8080 accept; nft -s list table inet datapath", text)
    assert drift(text, opened) == ["not planned: in ipv4 8080/tcp from everyone []", "not planned: in ipv6 8080/tcp from everyone []"]
    ipsec = _in_kernel("nft -f -; nft add rule inet datapath input meta ipsec exists tcp dport 8080 accept; nft -s list table inet datapath", text)
    assert len(drift(text, ipsec)) == 2
    session = _in_kernel("nft -f -; nft add element inet datapath session_v4 '{ 192.0.2.99 . 22 }'; nft -s list table inet datapath", text)
    assert drift(text, session) == []
    assert read_back(session).sessions == {("ipv4", "192.0.2.99", 22)}


def test_the_longest_names_and_comments_are_within_nft_s_limits() -> None:
    plan = example()
    name, path = "a" * 252, "p" * 110
    flows = tuple(flow.from_plain({**flow.to_plain(), "peers": name, "paths": [path, "q" * 110]}) for flow in plan.flows[:1])
    plan = HostPlan(**{**vars(plan), "flows": flows, "sets": {**plan.sets, name: PeerSet(name, ("192.0.2.1",))}})
    listed = _in_kernel("nft -f -; nft -s list table inet datapath", render(plan))
    assert next(fact.paths for fact in read_back(listed).flows if fact.peers == name) == (path, "+1")
