# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: swanctl
author: Contributors to the datapath.exchange collection (@datapath)
version_added: 0.2.0
short_description: Connections for strongSwan from the plan of a host
description:
  - Turns the associations in the plan of one Linux host into the connections that M(datapath.exchange.ipsec) gives to C(swanctl) there, for review and for
    comparison in a pipeline.
  - The text is read back before it is returned, and it is an error when it protects, or lets pass in clear, anything else than the plan wants.
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
      - V(required) traps what the plan requires protection for, so that it never passes in clear.
      - V(requested) only starts the connections. What they protect passes in clear while they do not stand.
    type: str
    choices: [requested, required]
    default: required
  auth:
    description:
      - V(psk) is a pre-shared key. C({PSK}) stands where it belongs, and C(swanctl) refuses a text in which nobody replaced it.
      - V(certificate) is the file C(datapath.pem) in the folders C(x509), C(private) and, for the authority, C(x509ca) of C(/etc/swanctl).
    type: str
    choices: [psk, certificate]
    default: psk
  profile:
    description: As in M(datapath.exchange.ipsec). Peers with Windows are always offered V(compatible), which the other is part of.
    type: str
    choices: [current, compatible]
    default: current
  ready:
    description: As in M(datapath.exchange.ipsec).
    type: list
    elements: str
notes:
  - Each own address has a connection with each peer address of its family. Networks of peers that are not managed have at most 256 addresses.
  - Two hosts with Linux use IKEv2. Pairs with a host that runs Windows use IKEv1.
  - A range of ports is an error unless a mask can say it, because the kernel would protect more. The plan protects such pairs whole.
  - In pairs that are protected whole these pass in clear. Management, names, time, Kerberos and LDAP with domain controllers, ICMP with hosts that run Windows,
    and neighbour discovery of IPv6.
  - The text is empty when the plan has no association.
seealso:
  - plugin: datapath.exchange.plan
    plugin_type: module
  - plugin: datapath.exchange.ipsec
    plugin_type: module
  - plugin: datapath.exchange.nftables
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the connections that a host would get
  ansible.builtin.debug:
    msg: "{{ host_plan | datapath.exchange.swanctl(auth='certificate') }}"
  vars:
    host_plan:
      format: datapath.exchange/host
      version: 2
      host: mbx1
      roles: [mailbox]
      site: default
      platform: linux
      release: ""
      addresses: [192.0.2.21]
      families: [ipv4]
      scope: documented
      encryption: as_documented
      reference: exchange_2007
      egress: open
      management: {peers: config_controller, ports: ["22"]}
      flows:
        - {direction: in, protocol: tcp, ports: ["445"], peers: mailbox, paths: [ccr-scr-log-shipping], protection: ipsec_required, origin: documented}
      sets:
        config_controller: {everyone: false, v4: [198.51.100.7], v6: []}
        mailbox: {everyone: false, v4: [192.0.2.21-192.0.2.22], v6: []}
      associations:
        - {peers: mailbox, mode: required, whole: false, selectors: [in 445/tcp], paths: [ccr-scr-log-shipping], hosts: [mbx2], ike: 2}
      rpc: {}
      digest: ""

- name: Keep what the same host would only ask for beside the plan
  ansible.builtin.copy:
    content: "{{ host_plan | datapath.exchange.swanctl(state='requested') }}"
    dest: "{{ playbook_dir }}/review/{{ inventory_hostname }}.conf"
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text for C(swanctl). The same plan and options always give the same bytes.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.swanctl import render


def swanctl(plan: t.Any, state: str = "required", auth: str = "psk", profile: str = "current", ready: t.Sequence[str] | None = None) -> str:
    """Read the plan strictly and render it."""
    options = IpsecOptions(str(auth), "", str(profile), None if ready is None else frozenset(map(str, ready)), str(state))
    try:
        return render(host_from_plain(plan), options).text
    except ValueError as error:
        raise AnsibleFilterError(f"datapath.exchange.swanctl: {error}") from error


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"swanctl": swanctl}
