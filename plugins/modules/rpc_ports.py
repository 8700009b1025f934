#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rpc_ports
short_description: Give a host the RPC ports that its peers' firewalls count with
version_added: 0.2.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Sets the range of dynamic ports of a host, and the fixed ports of its Exchange services, to what the plan opens to its peers. One value of the inventory
    sets both.
  - "On Windows a range from C(datapath_rpc_range) becomes the values C(Ports), C(PortsInternetAvailable) and C(UseInternetPorts) of
    C(HKLM\\SOFTWARE\\Microsoft\\Rpc\\Internet) and the dynamic TCP ports of IPv4 and IPv6. Static ports from C(datapath_static_ports) become the values
    C(TCP/IP Port) and C(TCP/IP NSPI Port) of the information store and the system attendant."
  - "On Linux, a Samba server that is installed and configured gets the range, and fixed ports of C(ntds) and C(netlogon), by an include file of its own; the
    kernel is told to give none of these ports to anything else. Where there is no Samba, the range becomes C(net.ipv4.ip_local_port_range), from which an
    RPC server without a port of its own gets one. Static ports of other services become C(net.ipv4.ip_local_reserved_ports): nothing else gets them, and
    setting the services themselves is up to you."
  - A range that is a default of the platform is only checked, never set.
  - What was there before is remembered on the host, and restored once the inventory asks for nothing, or by O(state=absent).
extends_documentation_fragment: [datapath.exchange.plan]
options:
  plan:
    description:
      - The plan, as returned by M(datapath.exchange.plan).
      - Required unless O(state=absent).
  host:
    description: The name of this host in the plan. The default is C(inventory_hostname).
    type: str
  state:
    description:
      - V(present) gives the host the ports of the plan.
      - V(absent) gives the host back what it had before.
    type: str
    choices: [present, absent]
    default: present
  allow_restart:
    description:
      - Whether to restart what has to be restarted before the ports count.
      - On Windows, a changed range needs a restart of the host, changed static ports one of the services that have them. The host is restarted where it has
        to be, and its services with it. Services stop in the reverse of the order in which they start, and Exchange services that stop with them are started
        again.
      - On Linux, services of Samba are restarted whose RPC servers listen on ports that its configuration does not give them. The host never is.
      - When it is V(false), the need is only reported, by this run and by later ones until it was done.
    type: bool
    default: false
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
      - Can run in check mode and return what it would do. On Windows, the script that reads the host is written to C(%SystemRoot%\datapath) and deleted again.
  diff_mode:
    support: full
    description: Returns the values that the host has and those that it would have.
  idempotent:
    support: full
    description: When run twice in a row with the same plan, the second run changes nothing.
  platform:
    support: full
    platforms: Linux, Windows
    description: Platforms that RPC ports can be set on.
requirements:
  - On Linux, root privileges (O(ignore:become=true)) and a writable C(/proc/sys); where Samba is, C(testparm).
  - On Windows, Windows Server 2008 or later with PowerShell 2.0 or later, reached over C(winrm), C(psrp) or C(ssh) by an administrator.
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.firewall
  - module: datapath.exchange.rpc_ports_info
  - name: Configure RPC dynamic port allocation to work with firewalls
    description: The values, and why ranges should begin above 5000 and have 100 ports or more (KB154596).
    link: https://learn.microsoft.com/troubleshoot/windows-server/networking/configure-rpc-dynamic-port-allocation-with-firewalls
  - name: Switches of the kernel
    description: What C(ip_local_port_range) and C(ip_local_reserved_ports) do.
    link: https://docs.kernel.org/networking/ip-sysctl.html
notes:
  - "Files on a Linux host: C(/etc/sysctl.d/60-datapath.conf), C(/etc/samba/datapath.conf), one line C(include) at the end of C([global]) in
    C(/etc/samba/smb.conf), and C(/etc/datapath/rpc_ports.json) with what the host had before, readable by root only. O(state=absent) removes them, and leaves
    C(smb.conf) byte for byte as it was."
  - "On Linux, ports that others have reserved stay reserved. The configuration of Samba is checked with C(testparm) in a copy before it is put in place."
  - "On Linux, these are errors before anything is changed: a range within which something listens that others can reach and that is no RPC server, and one
    that would leave fewer than 100 ports for connections of the host itself."
  - "On Linux, the range of the kernel counts for IPv6 too, and for UDP."
  - No test of this collection has run on a real Windows. They run against a strict model of its documented behaviour.
  - On Windows, a restart of the host is noticed by C(ShutdownTime) of C(HKLM\SYSTEM\CurrentControlSet\Control\Windows). A host that lost power instead of
    shutting down still counts as not restarted.
  - When a value cannot be written, or reads back otherwise, all are taken back. On Windows they are written in one script.
  - On Windows, what the host had before lies in C(HKLM\SOFTWARE\datapath.exchange\rpc_ports).
  - Ports of domain controllers are facts of the plan, and not set on Windows.
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: compiled
  run_once: true

- name: Set the ports, and leave the restart for the maintenance window
  datapath.exchange.rpc_ports:
    plan: "{{ compiled.plan }}"

- name: Set the ports, and restart what has to be
  datapath.exchange.rpc_ports:
    plan: "{{ compiled.plan }}"
    allow_restart: true
  throttle: 1

- name: Set the ports of a Linux host
  datapath.exchange.rpc_ports:
    plan: "{{ compiled.plan }}"
    allow_restart: true
  become: true

- name: Give the host back what it had
  datapath.exchange.rpc_ports:
    state: absent
"""

RETURN = r"""
state:
  description: The state that the host was brought to.
  returned: success
  type: str
  sample: present
range:
  description: The ports that the plan counts with.
  returned: success, with a plan
  type: str
  sample: 50000-50999
source:
  description: Where the range comes from.
  returned: success, with a plan
  type: str
  sample: datapath_rpc_range
dynamic:
  description: The dynamic TCP ports of the host, by address family. Linux has one range for both.
  returned: success
  type: dict
  sample: {ipv4: 50000-50999, ipv6: 50000-50999}
rpc_ports:
  description: The ports that RPC is limited to; empty where it is not. On Linux those that Samba hands out.
  returned: success
  type: list
  elements: str
  sample: [50000-50999]
static:
  description:
    - The static ports of Exchange services, V(0) where there is none.
    - On Linux those of the plan, V(0) where the kernel may still give the port to something else; empty without a plan.
  returned: success
  type: dict
  sample: {store: 6100, referral: 0, address_book: 6101}
reserved:
  description: Ports that the kernel leaves out when it chooses one.
  returned: success, on Linux
  type: list
  elements: str
  sample: [6100-6101, 50000-50999]
findings:
  description: What is not as the plan counts with it, one sentence for each.
  returned: success
  type: list
  elements: str
  sample: []
listeners_outside:
  description:
    - "On Windows: listening TCP sockets above port 1024 that neither the range nor a static port nor a flow of the plan explains."
    - "On Linux: sockets of RPC servers that the endpoint mapper of the host names, outside the range and the static ports."
  returned: success
  type: list
  elements: dict
  contains:
    services:
      description: What answers there, as the endpoint mapper calls it. Only on Linux.
      type: str
      sample: lsarpc, samr
    port:
      description: The port.
      type: int
      sample: 49155
    address:
      description: The address that it listens on.
      type: str
      sample: 0.0.0.0
    pid:
      description: The process.
      type: int
      sample: 812
restart_needed:
  description: Whether the host has to be restarted before its ports count. Never on Linux.
  returned: success
  type: bool
  sample: true
restart_services:
  description:
    - Services that have to be restarted before their static ports count, in the order to start them.
    - On Linux the units of systemd, or the programs where there are none, whose RPC servers are not on the ports that Samba is configured for.
  returned: success
  type: list
  elements: str
  sample: [MSExchangeSA, MSExchangeIS]
restarted:
  description: Whether this run has restarted the host.
  returned: success
  type: bool
  sample: false
restarted_services:
  description: Services that this run has restarted.
  returned: success
  type: list
  elements: str
  sample: []
persistent:
  description: Whether the ports survive a reboot.
  returned: success
  type: bool
  sample: true
commands:
  description: Number of commands that changed the host.
  returned: success, on Windows
  type: int
  sample: 16
round_trips:
  description: How often the host was called.
  returned: success, on Windows
  type: int
  sample: 2
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
        "host": {"type": "str"}, "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "allow_restart": {"type": "bool", "default": False},
        "settings": {"type": "dict", "options": {
            "range": {"type": "str", "required": True}, "source": {"type": "str", "required": True}, "enforced": {"type": "bool", "required": True},
            "static": {"type": "dict", "required": True},
        }},
    }


def settings(module: AnsibleModule) -> Settings | None:
    if module.params["state"] == "absent":
        return None
    if not module.params["settings"]:
        raise EnforceError("there are no ports to set: run this as a task, so that the action plugin datapath.exchange.rpc_ports reads them from the plan")
    return Settings(**module.params["settings"])


def warn(module: AnsibleModule, result: dict[str, t.Any]) -> None:
    for finding in result["findings"]:
        module.warn(finding)
    if result["restart_services"]:
        module.warn(f"these services use their new RPC ports only after they were restarted: {', '.join(result['restart_services'])}")


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        wanted = settings(module)
        result = _rpc_apply.work(runner(module), wanted, check=module.check_mode, allow_restart=module.params["allow_restart"])
    except (EnforceError, OSError) as error:
        module.fail_json(msg=str(error))
    warn(module, result)
    if not module._diff:  # noqa: SLF001 - AnsibleModule has no public name for it
        result.pop("diff")
    module.exit_json(state=module.params["state"], **result)


if __name__ == "__main__":
    main()
