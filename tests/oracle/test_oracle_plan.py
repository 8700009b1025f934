# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan against the oracle, on organisations of all kinds. No root and no network: what a kernel makes of it is test_oracle_wire.py."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, PortRange
from ansible_collections.datapath.exchange.tests.oracle import inventory, planned, random_organisations, sampling
from ansible_collections.datapath.exchange.tests.oracle.oracle import Oracle, Packet, span

SINGLE_SITE = inventory.read(inventory.HERE / "organisations" / "single_site.yml")


def test_the_oracle_knows_nothing_of_the_planner() -> None:
    tree = ast.parse(Path(inventory.HERE, "oracle.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"__future__", "dataclasses", "functools", "ipaddress", "itertools", "pathlib", "typing", "yaml"}


@pytest.mark.parametrize(("source", "host", "port", "path"), [
    ("192.0.2.11", "hub1", "135/tcp", "mailbox-to-hub-submission"),
    ("192.0.2.12", "hub1", "65535/tcp", "mailbox-to-hub-submission"),
    ("192.0.2.31", "hub1", "25/tcp", "um-to-hub-smtp"),
    ("198.51.100.192", "hub1", "587/tcp", "smtp-client-to-hub"),
    ("8.8.8.8", "hub1", "25/tcp", "internet-mail-hub"),
    ("198.51.100.133", "mbx1", "5002/tcp", "mapi-to-mailbox"),
    ("192.0.2.250", "mbx1", "22/tcp", "management"),
    ("8.8.8.8", "cas1", "443/tcp", "outlook-web-access"),
    ("203.0.113.128", "cas1", "995/tcp", "pop3"),
    ("203.0.113.10", "um1", "5061/tcp", "um-phone"),
    ("203.0.113.11", "um1", "32767/udp", "um-phone"),
])
def test_what_the_document_says_is_wanted(source: str, host: str, port: str, path: str) -> None:
    number, _slash, protocol = port.partition("/")
    oracle = Oracle(SINGLE_SITE.hosts, SINGLE_SITE.groups)
    reasons = oracle.inbound(host, Packet(source, str(oracle.hosts[host].addresses[0]), protocol, int(number)))
    assert path in {reason.partition(":")[0] for reason in reasons}


@pytest.mark.parametrize(("source", "host", "port"), [
    ("192.0.2.21", "hub1", "135/tcp"),  # client access to hub: S-MIX has no such path
    ("198.51.100.134", "mbx1", "135/tcp"),  # one address beside the range of MAPI clients
    ("198.51.100.10", "mbx1", "21000/tcp"),  # one port beside the RPC range
    ("203.0.113.10", "um1", "5060/tcp"),  # a gateway that speaks TLS
    ("203.0.113.40", "um2", "5060/tcp"),  # fax is off here
    ("203.0.113.128", "cas1", "993/tcp"),  # IMAP4 is off here
    ("8.8.8.8", "um1", "2000/udp"),
    ("192.0.2.251", "mbx1", "22/tcp"),
])
def test_what_the_document_does_not_say_is_refused(source: str, host: str, port: str) -> None:
    number, _slash, protocol = port.partition("/")
    oracle = Oracle(SINGLE_SITE.hosts, SINGLE_SITE.groups)
    assert oracle.inbound(host, Packet(source, str(oracle.hosts[host].addresses[0]), protocol, int(number))) == []


def _wrong(oracle: Oracle, plan: Plan, seed: str, count: int) -> list[str]:
    return [str(one) for name in plan.hosts for one in planned.disagreements(plan.host(name), planned.questions(oracle, name, count, seed))]


@pytest.mark.parametrize("path", inventory.organisations(), ids=lambda path: inventory.read(path).name)
def test_plan_and_rows_agree(path: Path) -> None:
    organisation = inventory.read(path)
    oracle, plan = Oracle(organisation.hosts, organisation.groups), planned.make_plan(organisation)
    assert not plan.errors
    assert {host.name for host in oracle.managed} == set(plan.hosts)
    found = _wrong(oracle, plan, organisation.name, 150)
    assert not found, "\n".join(found[:20])


@pytest.mark.parametrize("seed", range(20))
def test_plan_and_rows_agree_in_an_organisation_made_by_dice(seed: int) -> None:
    organisation = random_organisations.make(seed)
    oracle, plan = Oracle(organisation.hosts, organisation.groups), planned.make_plan(organisation)
    found = _wrong(oracle, plan, organisation.name, 30)
    assert not found, "\n".join(found[:20])


def _with_flow(plan: HostPlan, index: int, flow: Flow | None) -> HostPlan:
    return replace(plan, flows=(*plan.flows[:index], *((flow,) if flow else ()), *plan.flows[index + 1:]))


def _mutations(plan: HostPlan) -> list[HostPlan]:
    """The plan with one mistake each: a port too many, a port too few, other peers, a flow left out."""
    made = []
    names = sorted(plan.sets)
    for index, flow in enumerate(plan.flows):
        if flow.direction == "out":
            continue
        other = names[(names.index(flow.peers) + 1) % len(names)]
        made += [_with_flow(plan, index, None), _with_flow(plan, index, replace(flow, peers=other))]
        for low, high in ((-1, 0), (0, 1), (1, 0), (0, -1)):
            ports = [(port.low + low, port.high + high) for port in flow.ports[:1]]
            if ports and 1 <= ports[0][0] <= ports[0][1] <= 65535:
                made.append(_with_flow(plan, index, replace(flow, ports=(PortRange(*ports[0]), *flow.ports[1:]))))
    return made


def test_every_mistake_in_a_plan_is_caught() -> None:
    oracle, plan = Oracle(SINGLE_SITE.hosts, SINGLE_SITE.groups), planned.make_plan(SINGLE_SITE).host("um2")
    packets = [("in", packet) for packet in sampling.grid(sampling.pools(oracle, "um2"), 4)]
    asked = [(direction, packet, oracle.inbound("um2", packet)) for direction, packet in packets]
    assert not list(planned.disagreements(plan, asked))
    mutants = _mutations(plan)
    missed = [mutant for mutant in mutants if not any(planned.disagreements(mutant, asked))]
    # Where another flow opens the same, a mistake in one changes nothing: the kernel's answer to every packet stays the same.
    assert not [set(map(str, mutant.flows)) ^ set(map(str, plan.flows)) for mutant in missed if _differ(plan, mutant)]
    assert len(mutants) - len(missed) > 20


def _differ(plan: HostPlan, mutant: HostPlan) -> bool:
    """Whether two plans say different things at any end of any network and port range of the flows in which they differ."""
    changed = [flow for flow in {*plan.flows} ^ {*mutant.flows} if flow.protocol in ("tcp", "udp")]
    ends = {number for flow in changed for port in flow.ports for end in (port.low, port.high) for number in (end - 1, end, end + 1)}
    addresses = [*(str(end) for flow in changed for text in plan.sets[flow.peers].v4 for end in span(text)), "8.8.8.8"]
    packets = [Packet(address, address, flow.protocol, port) for flow in changed for address in addresses for port in ends]
    return any(bool(planned.admitted(plan, "in", packet)) != bool(planned.admitted(mutant, "in", packet)) for packet in packets)
