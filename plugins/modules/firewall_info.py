#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_info
short_description: Read what the firewall of a host really enforces
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Reads the nftables table C(inet datapath) of a Linux host, its counters by data path, and other firewalls that can drop what a plan allows.
  - Reads all rules and profiles of the Windows Firewall from the registry, and computes what the host lets pass beyond a plan, whoever wrote the rules.
  - Given a plan, tells whether what is loaded is what the plan asks for, and shows the difference in canonical form.
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
  log:
    description:
      - Whether to count what the log of the Windows Firewall has, by data path. Ignored on Linux, where the kernel counts.
      - The log may have some megabytes, all of which are read.
    type: bool
    default: false
    version_added: 0.2.0
  windows_foreign_keep:
    description: As in M(datapath.exchange.firewall), for RV(foreign_allows[].kept). Ignored on Linux.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  windows_profiles:
    description: As in M(datapath.exchange.firewall). Ignored on Linux.
    type: list
    elements: str
    choices: [domain, private, public]
    default: [domain, private, public]
    version_added: 0.2.0
  windows_monitored_inbound:
    description: As in M(datapath.exchange.firewall). Ignored on Linux.
    type: str
    choices: [keep, allow]
    default: keep
    version_added: 0.2.0
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
    platforms: Linux, Windows
    description: Platforms that the rules can be enforced on.
requirements:
  - On Linux, nftables 0.9.3 or later, with JSON support, and root privileges (O(ignore:become=true)).
  - On Windows, Windows Server 2008 or later with PowerShell 2.0 or later, reached over C(winrm), C(psrp) or C(ssh) by an administrator.
seealso:
  - module: datapath.exchange.firewall
notes:
  - The connection that M(datapath.exchange.firewall) keeps admitted is not a drift.
  - Loading rules sets the counters of a Linux host to zero. On Windows a counter is the number of lines in the log, one for each connection or dropped packet.
"""

EXAMPLES = r"""
- name: See which data paths a monitored Windows host has used, and what would be dropped
  datapath.exchange.firewall_info:
    plan: "{{ compiled.plan }}"
    state: monitored
    log: true
  register: firewall

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
  description: Packets and bytes by path id. A rule that several paths share counts for each of them. Empty on Windows without O(log).
  returned: always
  type: dict
  sample: {smtp-hub-to-hub: {packets: 12, bytes: 720}}
guards:
  description:
    - Packets and bytes of rules that are no path. V(management) is how administrators reach the host, V(session) the connection of Ansible,
      V(dhcp) the host's own, V(invalid) what connection tracking could make nothing of, V(ipsec) what was in clear and should have been in IPsec.
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
  description: Whether the rules are loaded at boot. Always so on a Windows host that has any.
  returned: always
  type: bool
  sample: true
foreign_allows:
  description: Foreign rules of a Windows host that admit what the plan does not.
  returned: on Windows
  type: list
  elements: dict
  version_added: 0.2.0
  contains:
    id:
      description: The name of its value in the registry.
      type: str
      sample: RemoteDesktop-UserMode-In-TCP
    name:
      description: Its name as the registry has it, which may stand for a translated text.
      type: str
      sample: "@FirewallAPI.dll,-28775"
    store:
      description: V(local), or V(policy) for a rule of Group Policy.
      type: str
      sample: local
    group:
      description: Its group as the registry has it.
      type: str
      sample: "@FirewallAPI.dll,-28752"
    program:
      description: The program that it is bound to, in lower case; empty for any.
      type: str
      sample: ""
    service:
      description: The service that it is bound to; empty for any.
      type: str
      sample: termservice
    direction:
      description: V(in) or V(out).
      type: str
      sample: in
    admits:
      description: What it admits beyond the plan, in words.
      type: list
      elements: str
      sample: [tcp 3389 from everyone]
    kept:
      description: Whether it is never disabled.
      type: bool
      sample: false
    why:
      description: Why it is kept, or why it is too much.
      type: str
      sample: not in the plan
overrides:
  description: What beats the rules of the plan on a Windows host.
  returned: on Windows
  type: list
  elements: dict
  version_added: 0.2.0
  contains:
    kind:
      description: One of V(policy_merge), V(policy_rule), V(profile_disabled), V(service), V(foreign_block).
      type: str
      sample: foreign_block
    name:
      description: The rule, the value of Group Policy or the service.
      type: str
      sample: Block SMTP
    profile:
      description: The profile; empty for all of them.
      type: str
      sample: domain
    why:
      description: What it does to the plan.
      type: str
      sample: "blocks what the plan allows: tcp 25 from 192.0.2.12"
disabled:
  description: Ids of the foreign rules of a Windows host that are disabled for the plan.
  returned: on Windows
  type: list
  elements: str
  version_added: 0.2.0
  sample: [RemoteDesktop-UserMode-In-TCP]
remaining:
  description:
    - What a Windows host lets pass beyond its plan, as M(datapath.exchange.reachability) takes it.
    - Where a rule has conditions that are not computed, at most this passes.
  returned: on Windows
  type: list
  elements: dict
  version_added: 0.2.0
  sample: [{direction: in, protocol: tcp, ports: ["3389"], v4: [], v6: [], everyone: true, rule: "Remote Desktop", program: "", exactly: true}]
unreadable:
  description: Rules of a Windows host that could not be understood, and why.
  returned: on Windows
  type: list
  elements: str
  version_added: 0.2.0
  sample: []
persistent:
  description: Whether the rules survive a reboot, which they do on Windows.
  returned: on Windows
  type: bool
  version_added: 0.2.0
  sample: true
lost:
  description: What the plan allows and the log says was dropped, as packets and bytes. See RV(overrides) for why.
  returned: on Windows, with O(log)
  type: dict
  version_added: 0.2.0
  sample: {packets: 0, bytes: 0}
beside:
  description:
    - Traffic of the log that no rule of the plan allows, by kind, the most frequent first, at most 50 of them. C(action) tells what became of it.
    - On a monitored host, what is V(allowed) here would be dropped.
  returned: on Windows, with O(log)
  type: list
  elements: dict
  version_added: 0.2.0
  sample: [{direction: in, protocol: tcp, port: "3389", peer: 192.0.2.77, packets: 12, action: allowed}]
"""

import difflib
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _counters, _firewall, _foreign, _rollback
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError, Nft
from ansible_collections.datapath.exchange.plugins.module_utils._programs import runner
from ansible_collections.datapath.exchange.plugins.module_utils._session import Session

PROFILES = ("domain", "private", "public")


def argument_spec() -> dict[str, t.Any]:
    return {
        "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
        "host": {"type": "str"},
        "state": {"type": "str", "choices": ["enforced", "monitored"], "default": "enforced"},
        "ruleset": {"type": "str"},
        "log": {"type": "bool", "default": False},
        "windows_foreign_keep": {"type": "list", "elements": "str", "default": []},
        "windows_profiles": {"type": "list", "elements": "str", "choices": list(PROFILES), "default": list(PROFILES)},
        "windows_monitored_inbound": {"type": "str", "choices": ["keep", "allow"], "default": "keep"},
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
