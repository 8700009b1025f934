# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""aerleon given the same work: one inbound policy per managed host, made from the flows that our plan has for it. ``peer.py HOSTS DIRECTORY``."""

from __future__ import annotations

import sys
from pathlib import Path

from organisation import organisation

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan, compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Inventory


def main() -> None:
    hosts, groups = organisation(int(sys.argv[1]))
    plan, top = compile_plan(Inventory(hosts, groups), {}), Path(sys.argv[2])
    (top / "def").mkdir(parents=True)
    (top / "policies" / "pol").mkdir(parents=True)
    (top / "out").mkdir()
    services: set[Flow] = set()
    for name in plan.hosts:
        flows = [flow for flow in plan.host(name).flows if flow.direction == "in" and flow.protocol != "icmp"]
        services.update(flow for flow in flows if flow.ports)
        terms = "".join(_term(index, flow, name) for index, flow in enumerate(flows))
        text = f"filters:\n  - header:\n      comment: {name}\n      targets:\n        nftables: inet input\n    terms:\n{terms}"
        (top / "policies" / "pol" / f"{name}.yaml").write_text(text, encoding="utf-8")
    (top / "def" / "net.yaml").write_text(_definitions(plan, services), encoding="utf-8")


def _service(flow: Flow) -> str:
    return f"{flow.protocol}_{'_'.join(str(port).replace('-', 'to') for port in flow.ports)}".upper()


def _host(name: str) -> str:
    return f"HOST_{name.replace('-', '_')}".upper()


def _term(index: int, flow: Flow, host: str) -> str:
    protocol = f"        protocol: {flow.protocol}\n" if flow.ports else "        protocol: tcp udp\n"
    ports = f"        destination-port: {_service(flow)}\n" if flow.ports else ""
    return (
        f"      - name: t{index}-{flow.paths[0]}\n{protocol}        source-address: {flow.peers.upper()}\n"
        f"        destination-address: {_host(host)}\n{ports}        action: accept\n"
    )


def _definitions(plan: Plan, services: set[Flow]) -> str:
    lines = ["networks:"]
    for name, peers in sorted(plan.sets.items()):
        lines += [f"  {name.upper()}:", "    values:", *(f"      - address: {text if '/' in text else text + '/32'}" for text in peers.v4)]
    for name in plan.hosts:
        text = organisation_address(plan, name)
        lines += [f"  {_host(name)}:", "    values:", f"      - address: {text}/32"]
    lines.append("services:")
    for name, flow in sorted({_service(flow): flow for flow in services}.items()):
        lines.append(f"  {name}:")
        lines += [line for port in flow.ports for line in (f"    - protocol: {flow.protocol}", f"      port: {port}")]
    return "\n".join(lines) + "\n"


def organisation_address(plan: Plan, name: str) -> str:
    number = plan.topology.hosts[name].v4[0]
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


if __name__ == "__main__":
    main()
