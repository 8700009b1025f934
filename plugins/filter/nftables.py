# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: nftables
author: Contributors to the datapath.exchange collection (@datapath)
version_added: 0.1.0
short_description: Rules for nft from the plan of a host
description:
  - Turns the plan of one Linux host into the text that M(datapath.exchange.firewall) loads there, for review and for comparison in a pipeline.
  - The text replaces the table C(inet datapath) in one transaction. Before it is returned, it is read back, and it is an error when it lets through
    anything else than the plan.
positional: _input
options:
  _input:
    description:
      - Plan of one host, as a dictionary. M(datapath.exchange.plan) writes one JSON file for each host, and beside them one for each peer set;
        the key C(sets) of this dictionary holds the peer sets that the host uses.
      - A missing, unknown or ill-typed key is an error.
    type: dict
    required: true
  state:
    description:
      - V(enforced) drops what no flow of the plan allows.
      - V(monitored) drops nothing, but counts and logs what V(enforced) would drop.
    type: str
    choices: [enforced, monitored]
    default: enforced
notes:
  - Whatever the plan says, the text also admits what a host needs to be reachable at all. These are replies, loopback, errors and neighbour discovery of
    ICMP and ICMPv6, echo requests at a limited rate, DHCP of the host itself, and the sets C(session_v4) and C(session_v6), to which
    M(datapath.exchange.firewall) adds the connection that Ansible came in on.
  - A flow that IPsec is required for is admitted only when it came out of IPsec. Two more chains, C(ipsec_in) and C(ipsec_out), refuse in clear what the plan
    requires IPsec for, whatever state a connection is in, and also where outbound traffic is open. They never refuse key exchange, neighbour discovery,
    management or the connection that Ansible came in on.
  - Names of peer sets have at most 252 bytes, and sets at most 1,000,000 members in each address family.
  - Comments show at most 120 bytes of path ids, followed by the number of those left out.
seealso:
  - plugin: datapath.exchange.plan
    plugin_type: module
  - plugin: datapath.exchange.firewall
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show the rules that a host would get
  ansible.builtin.debug:
    msg: "{{ host_plan | datapath.exchange.nftables }}"
  vars:
    host_plan:
      format: datapath.exchange/host
      version: 2
      host: hub1
      roles: [hub_transport]
      site: default
      platform: linux
      release: ""
      addresses: [192.0.2.11]
      families: [ipv4]
      scope: documented
      encryption: as_documented
      reference: exchange_2007
      egress: open
      management: {peers: config_controller, ports: ["22"]}
      flows:
        - {direction: in, protocol: tcp, ports: ["25"], peers: hub_transport, paths: [hub-to-hub-smtp], protection: starttls, origin: documented}
      sets:
        config_controller: {everyone: false, v4: [198.51.100.7], v6: []}
        hub_transport: {everyone: false, v4: [192.0.2.10-192.0.2.11], v6: []}
      associations: []
      rpc: {}
      digest: ""

- name: Keep the rules that would only log beside the plan
  ansible.builtin.copy:
    content: "{{ host_plan | datapath.exchange.nftables(state='monitored') }}"
    dest: "{{ playbook_dir }}/review/{{ inventory_hostname }}.nft"
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text for C(nft -f). The same plan always gives the same bytes.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import render


def nftables(plan: t.Any, state: str = "enforced") -> str:
    """Read the plan strictly and render it."""
    try:
        return render(host_from_plain(plan), state)
    except ValueError as error:
        raise AnsibleFilterError(f"datapath.exchange.nftables: {error}") from error


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"nftables": nftables}
