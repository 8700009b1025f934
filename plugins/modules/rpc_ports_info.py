#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rpc_ports_info
short_description: Read the RPC ports and the listeners of a host
version_added: 0.2.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Reads the range of dynamic ports, the ports that RPC is limited to, the static ports of Exchange services, and all listening TCP sockets of a host.
  - On Linux also asks the endpoint mapper of the host, where there is one, which RPC servers are there.
  - Given a plan, tells how the host differs, and names listeners that nobody can reach through the firewall of the plan.
extends_documentation_fragment: [datapath.exchange.plan]
options:
  plan:
    description: The plan to compare with, as returned by M(datapath.exchange.plan). Without it, nothing is compared.
  host:
    description: The name of this host in the plan. The default is C(inventory_hostname).
    type: str
  settings:
    description: What the plan wants of this host. Set by the action plugin.
    type: dict
    suboptions:
      range:
        description: The ports that the plan counts with.
        type: str
        required: true
      source:
        description: Where they come from.
        type: str
        required: true
      enforced:
        description: Whether they are set on the host.
        type: bool
        required: true
      static:
        description: Static ports by service.
        type: dict
        required: true
attributes:
  action:
    support: full
    description: Has a corresponding action plugin, so some parts of it run on the controller.
  async:
    support: none
    description: Supports being used with the C(async) keyword.
  check_mode:
    support: full
    description:
      - Changes nothing. On Windows, the script that reads the host is written to C(%SystemRoot%\datapath) and deleted again.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Never changes anything.
  platform:
    support: full
    platforms: Linux, Windows
    description: Platforms that RPC ports can be read on.
requirements:
  - On Linux, root privileges (O(ignore:become=true)); where Samba is, C(testparm).
  - On Windows, Windows Server 2008 or later with PowerShell 2.0 or later, reached over C(winrm), C(psrp) or C(ssh) by an administrator.
seealso:
  - module: datapath.exchange.rpc_ports
  - module: datapath.exchange.plan
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: compiled
  run_once: true

- name: Find listeners that the plan does not know
  datapath.exchange.rpc_ports_info:
    plan: "{{ compiled.plan }}"
  register: ports
  failed_when: ports.listeners_outside | length > 0
"""

RETURN = r"""
dynamic:
  description: As RV(datapath.exchange.rpc_ports#module:dynamic).
  returned: success
  type: dict
  sample: {ipv4: 50000-50999, ipv6: 50000-50999}
rpc_ports:
  description: As RV(datapath.exchange.rpc_ports#module:rpc_ports).
  returned: success
  type: list
  elements: str
  sample: [50000-50999]
static:
  description: As RV(datapath.exchange.rpc_ports#module:static).
  returned: success
  type: dict
  sample: {store: 6100, referral: 0, address_book: 6101}
reserved:
  description: As RV(datapath.exchange.rpc_ports#module:reserved).
  returned: success, on Linux
  type: list
  elements: str
  sample: [6100-6101, 50000-50999]
endpoints:
  description: RPC servers on TCP ports that the endpoint mapper of the host names. Empty where nothing listens on port 135.
  returned: success, on Linux
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      type: int
      sample: 50001
    address:
      description: The address as the endpoint mapper tells it.
      type: str
      sample: 127.0.0.1
    interface:
      description: The UUID of the interface.
      type: str
      sample: 12345778-1234-abcd-ef00-0123456789ab
    version:
      description: The version of the interface.
      type: str
      sample: "0.0"
    annotation:
      description: What the server calls it; possibly empty.
      type: str
      sample: lsarpc
listeners:
  description: All listening TCP sockets.
  returned: success
  type: list
  elements: dict
  contains:
    port:
      description: The port.
      type: int
      sample: 135
    address:
      description: The address that it listens on.
      type: str
      sample: 0.0.0.0
    pid:
      description: The process; V(0) where it cannot be told.
      type: int
      sample: 812
listeners_outside:
  description: As RV(datapath.exchange.rpc_ports#module:listeners_outside). Empty without a plan.
  returned: success
  type: list
  elements: dict
  sample: []
findings:
  description: What is not as the plan counts with it, one sentence for each. Without a plan, what could not be read.
  returned: success
  type: list
  elements: str
  sample: []
differences:
  description: Values that are not as the plan wants them, one sentence for each.
  returned: when there is a plan
  type: list
  elements: str
  sample: []
range:
  description: The ports that the plan counts with.
  returned: when there is a plan
  type: str
  sample: 50000-50999
source:
  description: Where the range comes from.
  returned: when there is a plan
  type: str
  sample: datapath_rpc_range
restart_needed:
  description: As RV(datapath.exchange.rpc_ports#module:restart_needed).
  returned: success
  type: bool
  sample: false
restart_services:
  description: As RV(datapath.exchange.rpc_ports#module:restart_services).
  returned: success
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.datapath.exchange.plugins.module_utils import _rpc_apply
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import runner
from ansible_collections.datapath.exchange.plugins.module_utils._rpc_ports import Settings


def argument_spec() -> dict[str, t.Any]:
    return {
        "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
        "host": {"type": "str"},
        "settings": {"type": "dict", "options": {
            "range": {"type": "str", "required": True}, "source": {"type": "str", "required": True}, "enforced": {"type": "bool", "required": True},
            "static": {"type": "dict", "required": True},
        }},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    settings = Settings(**module.params["settings"]) if module.params["settings"] else None
    try:
        result = _rpc_apply.information(runner(module), settings)
    except (EnforceError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
