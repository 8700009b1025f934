# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: netsh_consec
author: Contributors to the datapath.exchange collection (@datapath)
version_added: 0.2.0
short_description: Connection security rules for netsh from the plan of a host
description:
  - Turns the associations in the plan of one Windows host into the rules that M(datapath.exchange.ipsec) makes there, for review and for comparison in a
    pipeline. Each line is one that C(netsh -f) takes.
  - Every line is read back before it is returned, and it is an error when the rules together protect anything else than the plan wants.
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
      - V(required) demands protection where the plan requires it.
      - V(requested) negotiates it everywhere, and demands it nowhere.
    type: str
    choices: [requested, required]
    default: required
  auth:
    description: As in M(datapath.exchange.ipsec). With V(psk), C(<psk>) stands where the key belongs.
    type: str
    choices: [kerberos, certificate, psk]
    default: kerberos
  ca:
    description: As in M(datapath.exchange.ipsec).
    type: str
    default: ''
  profile:
    description: As in M(datapath.exchange.ipsec).
    type: str
    choices: [current, compatible]
    default: current
  ready:
    description: As in M(datapath.exchange.ipsec).
    type: list
    elements: str
  release:
    description: Release of Windows Server to write for, instead of the one that the plan names.
    type: str
    choices: ['2008', 2008r2, '2012', 2012r2, '2016', '2019', '2022', '2025']
notes:
  - Windows Server 2008 takes one port in each rule, and has the main mode settings of the whole host instead of main mode rules. Windows Server 2003 is an
    error.
  - IPsec with everyone is an error, because no rule can say so without catching what the plan does not name.
  - A rule has at most 1000 networks and 7700 characters. A host has at most 1000 rules.
  - The text is empty when the plan has no association.
seealso:
  - plugin: datapath.exchange.plan
    plugin_type: module
  - plugin: datapath.exchange.ipsec
    plugin_type: module
  - plugin: datapath.exchange.netsh_firewall
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the connection security rules that a Windows host would get
  ansible.builtin.debug:
    msg: "{{ host_plan | datapath.exchange.netsh_consec(auth='certificate', ca='CN=Example Root') }}"
  vars:
    host_plan:
      format: datapath.exchange/host
      version: 2
      host: mbx1
      roles: [mailbox]
      site: default
      platform: windows
      release: '2019'
      addresses: [192.0.2.21]
      families: [ipv4]
      scope: documented
      encryption: as_documented
      reference: exchange_2007
      egress: open
      management: {peers: config_controller, ports: ["5986"]}
      flows:
        - {direction: in, protocol: tcp, ports: ["445"], peers: mailbox, paths: [ccr-scr-log-shipping], protection: ipsec_required, origin: documented}
      sets:
        config_controller: {everyone: false, v4: [198.51.100.7], v6: []}
        mailbox: {everyone: false, v4: [192.0.2.21-192.0.2.22], v6: []}
      associations:
        - {peers: mailbox, mode: required, whole: false, selectors: [in 445/tcp], paths: [ccr-scr-log-shipping], hosts: [mbx2], ike: 1}
      rpc: {}
      digest: ""

- name: Keep what the same host would get on Windows Server 2008 beside the plan
  ansible.builtin.copy:
    content: "{{ host_plan | datapath.exchange.netsh_consec(release='2008', state='requested') }}"
    dest: "{{ playbook_dir }}/review/{{ inventory_hostname }}.consec"
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text for C(netsh -f). The same plan and options always give the same bytes.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import PSK, IpsecOptions, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of


def netsh_consec(
    plan: t.Any, state: str = "required", auth: str = "kerberos", ca: str = "", profile: str = "current", ready: t.Sequence[str] | None = None,
    release: str | None = None,
) -> str:
    """Read the plan strictly and render it."""
    options = IpsecOptions(str(auth), str(ca), str(profile), None if ready is None else frozenset(map(str, ready)), str(state))
    try:
        host = host_from_plain(plan)
        text = render(host, options, release_of(str(release or host.release)))
    except ValueError as error:
        raise AnsibleFilterError(f"datapath.exchange.netsh_consec: {error}") from error
    return "".join(f"{line.replace(PSK, '<psk>')}\n" for line in text.lines())


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"netsh_consec": netsh_consec}
