#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_info
short_description: Read what the table of nftables really enforces on a host
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Reads the nftables table C(inet datapath) of a host, its counters by data path, and other firewalls that can drop what a plan allows.
  - Given a plan, tells whether the loaded table is what the plan asks for, and shows the difference in the kernel's own canonical form.
extends_documentation_fragment: [datapath.exchange.plan]
options:
  plan:
    description: The plan to compare with, as returned by M(datapath.exchange.plan). Without it, nothing is compared.
  host:
    description: The name of this host in the plan. The default is C(inventory_hostname).
    type: str
  state:
    description: The state that the plan should be in.
    type: str
    choices: [enforced, monitored]
    default: enforced
  ruleset:
    description: The rules to compare with, rendered. Set by the action plugin.
    type: str
attributes:
  action:
    support: full
    description: Has a corresponding action plugin, so some parts of it run on the controller.
  async:
    support: none
    description: Supports being used with the C(async) keyword.
  check_mode:
    support: full
    description: Can run in check mode and return what it would do, without changing the host.
  diff_mode:
    support: none
    description: Returns the difference as RV(drift_diff).
  idempotent:
    support: full
    description: Never changes anything.
  platform:
    support: full
    platforms: Linux
    description: Platforms that the rules can be enforced on.
requirements:
  - nftables 0.9.3 or later, with JSON support, on the host.
  - Root privileges on the host (O(ignore:become=true)).
seealso:
  - module: datapath.exchange.firewall
notes:
  - The connection that M(datapath.exchange.firewall) keeps admitted is not a drift.
  - Loading rules sets their counters to zero.
"""

EXAMPLES = r"""
- name: Read the counters of the data paths
  datapath.exchange.firewall_info:
  become: true
  register: firewall

- name: Find out whether a host still enforces its plan
  datapath.exchange.firewall_info:
    plan: "{{ compiled.plan }}"
  become: true
  register: firewall
  failed_when: firewall.drift
"""

RETURN = r"""
listing:
  description: The loaded table in canonical form. The action plugin puts it in words, so a task that is given a plan does not return it.
  returned: when the module is given O(ruleset)
  type: str
  sample: ""
state:
  description: V(absent), V(enforced), V(monitored), or V(pending) while a change waits for its confirmation.
  returned: always
  type: str
  sample: enforced
loaded:
  description: The state of the loaded table, also while a change is pending.
  returned: always
  type: str
  sample: enforced
drift:
  description: Whether the loaded table differs from the plan.
  returned: when a plan is given
  type: bool
  sample: false
drift_diff:
  description: Unified difference from the loaded table to the plan; empty without drift.
  returned: when a plan is given
  type: str
  sample: ""
differences:
  description: The same in words, flow by flow.
  returned: when O(plan) is given
  type: list
  elements: str
  sample: []
counters:
  description: Packets and bytes by path id. A rule that several paths share counts for each of them.
  returned: always
  type: dict
  sample: {smtp-hub-to-hub: {packets: 12, bytes: 720}}
guards:
  description:
    - Packets and bytes of rules that are no path. V(management) is how administrators reach the host, V(session) the connection of Ansible,
      V(dhcp) the host's own, V(invalid) what connection tracking could make nothing of.
  returned: always
  type: dict
  sample: {management: {packets: 40, bytes: 2400}}
dropped:
  description: What no rule allowed. Dropped when enforced, let through when monitored.
  returned: always
  type: dict
  contains:
    packets:
      description: Number of packets.
      type: int
      sample: 3
    bytes:
      description: Number of bytes.
      type: int
      sample: 180
session:
  description: The connections that stay admitted whatever the plan says.
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: The address that the host sees.
      type: str
      sample: 192.0.2.10
    port:
      description: The port of the host.
      type: int
      sample: 22
foreign_firewalls:
  description: Other firewalls that can drop what the plan allows, each with C(kind), C(name), C(chain) and C(why).
  returned: always
  type: list
  elements: dict
  sample: [{kind: nftables, name: inet filter, chain: input, why: policy drop}]
unit_enabled:
  description: Whether the rules are loaded at boot.
  returned: always
  type: bool
  sample: true
"""

import difflib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _counters, _firewall, _foreign, _rollback
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError, Nft
from ansible_collections.datapath.exchange.plugins.module_utils._programs import runner
from ansible_collections.datapath.exchange.plugins.module_utils._session import Session


def argument_spec() -> dict[str, t.Any]:
    return {
        "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
        "host": {"type": "str"},
        "state": {"type": "str", "choices": ["enforced", "monitored"], "default": "enforced"},
        "ruleset": {"type": "str"},
    }


def drift(nft: Nft, ruleset: str | None, sessions: list[Session]) -> dict[str, t.Any]:
    """Compare with the plan as if this run had come in on the same connections as the table keeps admitted."""
    if not ruleset:
        return {}
    live, planned = nft.live(), _firewall.desired(nft, ruleset, sessions)
    lines = difflib.unified_diff(live.splitlines(True), planned.splitlines(True), "loaded", "planned")
    return {"drift": live != planned, "drift_diff": "".join(lines), "listing": live}


def read(nft: Nft, ruleset: str | None) -> dict[str, t.Any]:
    table = nft.table()
    sessions = [Session(address, port) for address, port in _counters.sessions(table)]
    loaded = _counters.state(table)
    return {
        "state": "pending" if _rollback.left_over() else loaded, "loaded": loaded, "counters": _counters.by_path(table),
        "guards": _counters.by_guard(table), "dropped": _counters.dropped(table),
        "session": [{"address": session.address, "port": session.port} for session in sessions],
        "foreign_firewalls": [foreign.to_plain() for foreign in _foreign.find(nft)], "unit_enabled": _boot.enabled(),
        **drift(nft, ruleset, sessions),
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = read(Nft.find(runner(module)), module.params["ruleset"])
    except (EnforceError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
