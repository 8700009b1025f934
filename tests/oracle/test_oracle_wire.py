# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel against the oracle: thousands of random packets meet the rendered rules of each host, and each must fare as the rows want it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import nftables
from ansible_collections.datapath.exchange.tests.oracle import inventory, kernel, planned, sampling
from ansible_collections.datapath.exchange.tests.oracle.oracle import Oracle, Packet

COUNT = 1200
"""Packets for each host, direction and address family."""

TOOLS = ("ip", "nft", "nsenter", "sysctl", "unshare")
FOREIGN = {4: "192.0.2.77", 6: "2001:db8:77::77"}
"""An address for a host whose inventory has none of the family: nothing may come in there."""

Verdicts = list[tuple[str, Packet, bool]]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="root is needed to make network namespaces"),
    pytest.mark.skipif(any(shutil.which(tool) is None for tool in TOOLS), reason=f"needs {', '.join(TOOLS)}"),
]


def judge(oracle: Oracle, host: str, rules: str, seed: str, *, egress: bool) -> Verdicts:
    """Send random packets to and, where egress is filtered, from a host that has these rules: what the kernel did with each."""
    pool = sampling.pools(oracle, host)
    pool = replace(pool, own={family: own or [FOREIGN[family]] for family, own in pool.own.items()})
    incoming, outgoing = (
        [packet for family in (4, 6) for packet in sampling.packets(pool, direction, family, count, sampling.dice(f"wire {seed} {host} {direction} {family}"))]
        for direction, count in (("in", COUNT), ("out", COUNT if egress else 0))
    )
    seen = ask_kernel(rules, [*pool.own[4], *pool.own[6]], incoming, outgoing)
    # A packet that never came to the rules has not been judged.
    assert seen["arrived"] == list(range(len(incoming))), "lost on the wire"
    assert seen["sent"] == list(range(len(outgoing))), "never sent"
    passed = {"in": set(seen["accepted"]), "out": set(seen["left"])}
    return [(way, packet, number in passed[way]) for way, packets in (("in", incoming), ("out", outgoing)) for number, packet in enumerate(packets)]


def ask_kernel(rules: str, addresses: t.Sequence[str], incoming: t.Sequence[Packet], outgoing: t.Sequence[Packet]) -> dict[str, list[int]]:
    wanted = {"rules": rules, "addresses": addresses, "incoming": [_plain(packet) for packet in incoming], "outgoing": [_plain(packet) for packet in outgoing]}
    command = ["unshare", "--net", "--", sys.executable, str(Path(kernel.__file__))]
    done = subprocess.run(command, input=json.dumps(wanted), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    answer: dict[str, list[int]] = json.loads(done.stdout)
    return answer


def _plain(packet: Packet) -> list[t.Any]:
    return [packet.source, packet.destination, packet.protocol, packet.port]


def wrong(oracle: Oracle, plan: HostPlan, rules: str, verdicts: Verdicts) -> list[str]:
    """The packets that fared otherwise than the rows want, each with the rows, the flows and the rules that speak for it."""
    known = {"in": oracle.inbound, "out": oracle.outbound}
    found = []
    for direction, packet, passed in verdicts:
        own = packet.destination if direction == "in" else packet.source
        wanted = known[direction](plan.host, packet) if own not in FOREIGN.values() else []
        # These packets are sent in clear: what IPsec is required for must not pass.
        if (bool(wanted) and oracle.clear(plan.host, direction, packet)) != passed:
            flows = planned.admitted(plan, direction, packet)
            ids = {word for reason in (*wanted, *flows) for word in reason.replace(":", " ").split()}
            lines = [line.strip() for line in rules.splitlines() if "counter accept" in line and ids & set(line.replace('"', " ").split())]
            about = planned.Disagreement(plan.host, direction, packet, wanted, flows)
            found.append(f"{about}\n    kernel: {'passed' if passed else 'dropped'}\n    rules: " + "\n           ".join(lines or ["none"]))
    return found


@pytest.mark.parametrize("path", inventory.organisations(), ids=lambda path: inventory.read(path).name)
def test_the_kernel_does_what_the_rows_want(path: Path) -> None:
    organisation = inventory.read(path)
    oracle, plan = Oracle(organisation.hosts, organisation.groups), planned.make_plan(organisation)
    passed, asked, found = 0, 0, []
    for name in plan.hosts:
        host = plan.host(name)
        if host.platform == "linux":
            rules = nftables.render(host)
            verdicts = judge(oracle, name, rules, organisation.name, egress=host.egress == "restricted")
            asked += 1
            passed += sum(fate for _direction, _packet, fate in verdicts)
            found += wrong(oracle, host, rules, verdicts)
    assert not found, f"{len(found)} packets:\n" + "\n".join(found[:10])
    assert passed > 5 * asked > 0  # or nothing was asked that matters


@pytest.mark.parametrize(("now", "then"), [
    ("tcp dport 25 ", "tcp dport 25-26 "),
    ("49152-65535", "49151-65535"),
    ("ip saddr @mailbox_v4 tcp dport", "tcp dport"),
    ("tcp dport { 25, 587 }", "tcp dport 25"),
    ("policy drop", "policy accept"),
])
def test_a_wrong_rule_is_caught(now: str, then: str) -> None:
    organisation = inventory.read(inventory.HERE / "organisations" / "single_site.yml")
    oracle, host = Oracle(organisation.hosts, organisation.groups), planned.make_plan(organisation).host("hub1")
    rules = nftables.render(host)
    assert now in rules
    changed = rules.replace(now, then)
    if now.startswith("policy"):
        changed = changed.replace('counter drop comment "datapath dropped"', "counter")
    assert wrong(oracle, host, changed, judge(oracle, "hub1", changed, "mutation", egress=True))


@pytest.mark.parametrize(("now", "then"), [
    ('counter drop comment "ipsec"', 'counter comment "ipsec"'),
    ("ip saddr @ipsec_whole_v4", "ip saddr @ipsec_in_tcp_445_v4"),
    ("udp dport { 500, 4500 } accept\n", ""),
    (" meta secpath exists counter", " counter"),
])
def test_a_wrong_guard_is_caught(now: str, then: str) -> None:
    organisation = inventory.read(inventory.GOLDEN / "ipsec" / "inventory.yml")
    oracle, host = Oracle(organisation.hosts, organisation.groups), planned.make_plan(organisation).host("mbx1")
    rules = nftables.render(host)
    assert now in rules
    changed = rules.replace(now, then)
    assert wrong(oracle, host, changed, judge(oracle, "mbx1", changed, "mutation", egress=True))
