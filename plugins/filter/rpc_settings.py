# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rpc_settings
author: Contributors to the datapath.exchange collection (@datapath)
version_added: 0.2.0
short_description: RPC ports of a Windows host from its plan
description:
  - Turns the RPC ports in the plan of one Windows host into what M(datapath.exchange.rpc_ports) sets there, for review and for comparison in a pipeline.
  - The lines are commands of C(reg) and C(netsh), in the order to run them. There are none where the plan counts with a default of the platform and no service
    has a static port.
positional: _input
options:
  _input:
    description:
      - Plan of one host, as a dictionary. M(datapath.exchange.plan) writes one JSON file for each host, and beside them one for each peer set;
        the key C(sets) of this dictionary holds the peer sets that the host uses.
      - A missing, unknown or ill-typed key is an error.
    type: dict
    required: true
  release:
    description: Release of Windows Server to write for, instead of the one that the plan names.
    type: str
    choices: ['2003', '2008', 2008r2, '2012', 2012r2, '2016', '2019', '2022', '2025']
notes:
  - Windows Server 2003 has no command for dynamic ports, and gets the registry values only.
  - A range of fewer than 255 ports, or one that begins below 1025, is an error on later releases, because C(netsh) refuses it.
  - The range counts after a restart of the host, static ports after one of the services that have them.
seealso:
  - plugin: datapath.exchange.plan
    plugin_type: module
  - plugin: datapath.exchange.rpc_ports
    plugin_type: module
"""

EXAMPLES = r"""
- name: Show the RPC ports that a Windows host would get
  ansible.builtin.debug:
    msg: "{{ host_plan | datapath.exchange.rpc_settings }}"
  vars:
    host_plan:
      format: datapath.exchange/host
      version: 2
      host: mbx1
      roles: [mailbox]
      site: default
      platform: windows
      release: '2008'
      addresses: [192.0.2.21]
      families: [ipv4]
      scope: documented
      encryption: as_documented
      reference: exchange_2007
      egress: open
      management: {peers: "", ports: []}
      flows: []
      sets: {}
      associations: []
      rpc: {range: 50000-50999, source: datapath_rpc_range, static: {store: 6100}}
      digest: ""
"""

RETURN = r"""
_value:
  description: One command on each line. The same plan always gives the same bytes.
  type: str
"""

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.rpc_settings import render
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import release_of


def rpc_settings(plan: t.Any, release: str | None = None) -> str:
    """Read the plan strictly and render it."""
    try:
        host = host_from_plain(plan)
        settings = render(host, release_of(str(release or host.release)))
    except ValueError as error:
        raise AnsibleFilterError(f"datapath.exchange.rpc_settings: {error}") from error
    return "".join(f"{line}\n" for line in settings.lines())


class FilterModule:
    """What Ansible asks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"rpc_settings": rpc_settings}
