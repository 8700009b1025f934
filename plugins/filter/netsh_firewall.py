# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: netsh_firewall
author: Contributors to the datapath.exchange collection (@datapath)
version_added: 0.2.0
short_description: Rules for netsh from the plan of a host
description:
  - Turns the plan of one Windows host into the allow rules that M(datapath.exchange.firewall) makes there, for review and for comparison in a pipeline.
    Each line is one that C(netsh -f) takes. The lines that set the profiles come last.
  - Every line is read back before it is returned, and it is an error when the rules together let through anything else than the plan.
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
      - V(enforced) ends with lines that block what no rule allows.
      - V(monitored) has the same rules, and ends with lines that only log. What a profile lets pass by default is left as it is.
    type: str
    choices: [enforced, monitored]
    default: enforced
  release:
    description: Release of Windows Server to write for, instead of the one that the plan names. It decides whether rules can have ranges of ports.
    type: str
    choices: ['2008', 2008r2, '2012', 2012r2, '2016', '2019', '2022', '2025']
  profiles:
    description: Profiles of the firewall in which the rules count, and that are set.
    type: list
    elements: str
    choices: [domain, private, public]
    default: [domain, private, public]
notes:
  - What a host needs to be reachable at all is not among the rules. DHCP, neighbour discovery and errors of ICMP are admitted by the rules of the group Core
    Networking, which Windows brings and M(datapath.exchange.firewall) keeps. Replies and loopback are never filtered by Windows.
  - Windows Server 2008 has no ranges of ports. They become lists of single ports, except that the range of RPC ports of the host itself becomes the keyword
    C(RPC) where only RPC servers answer in it. Windows Server 2003 is an error, M(datapath.exchange.render) writes what that can express.
  - A flow that only IPsec may carry gets C(security=authenc), and admits nothing until connection security rules exist.
  - A rule has at most 1000 ports, 1000 networks and 7900 characters. Flows that need more are cut into rules of about the same size. A host has at most 1000
    rules.
  - Descriptions show at most 250 bytes of path ids, followed by the number of those left out.
seealso:
  - plugin: datapath.exchange.plan
    plugin_type: module
  - plugin: datapath.exchange.firewall
    plugin_type: module
  - plugin: datapath.exchange.render
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show the rules that a Windows host would get
  ansible.builtin.debug:
    msg: "{{ host_plan | datapath.exchange.netsh_firewall }}"
  vars:
    host_plan:
      format: datapath.exchange/host
      version: 2
      host: hub1
      roles: [hub_transport]
      site: default
      platform: windows
      release: '2019'
      addresses: [192.0.2.11]
      families: [ipv4]
      scope: documented
      encryption: as_documented
      reference: exchange_2007
      egress: open
      management: {peers: config_controller, ports: ["5986"]}
      flows:
        - {direction: in, protocol: tcp, ports: ["25"], peers: hub_transport, paths: [hub-to-hub-smtp], protection: starttls, origin: documented}
      sets:
        config_controller: {everyone: false, v4: [198.51.100.7], v6: []}
        hub_transport: {everyone: false, v4: [192.0.2.10-192.0.2.11], v6: []}
      associations: []
      rpc: {}
      digest: ""

- name: Keep what the same host would get on Windows Server 2008 beside the plan
  ansible.builtin.copy:
    content: "{{ host_plan | datapath.exchange.netsh_firewall(release='2008', profiles=['domain']) }}"
    dest: "{{ playbook_dir }}/review/{{ inventory_hostname }}.netsh"
    mode: "0600"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The text for C(netsh -f). The same plan always gives the same bytes.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_firewall import profile_lines, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of


def netsh_firewall(plan: t.Any, state: str = "enforced", release: str | None = None, profiles: t.Sequence[str] = PROFILES) -> str:
    """Read the plan strictly and render it."""
    try:
        host = host_from_plain(plan)
        chosen = tuple(map(str, profiles))
        rules = render(host, state, release_of(str(release)) if release else None, chosen)
    except ValueError as error:
        raise AnsibleFilterError(f"datapath.exchange.netsh_firewall: {error}") from error
    return "".join(f"{line}\n" for line in (*(rule.line for rule in rules), *profile_lines(state, host.egress, chosen)))


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"netsh_firewall": netsh_firewall}
