#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Own the firewall rules that enforce the data paths of a host
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Makes the part of a plan that concerns one host true on this host. On Linux as the one nftables table C(inet datapath), other tables are never touched.
    On Windows as rules of the Windows Firewall whose names begin with C(datapath.exchange), with the default actions and the logging of its profiles.
  - "On Linux the rules are rehearsed in a throw-away network namespace of the host first: rules that its kernel or C(nft) does not accept change nothing.
    On Windows what was made is read back from the registry, and taken back at once unless it is what was meant."
  - The rules are loaded while a timer of the host waits to restore the previous ones, on Linux in one transaction. They stay only when the controller
    confirms them over a new connection, and only then they also survive a reboot. The timer does not depend on Ansible.
  - On Linux the address and port of the SSH connection that Ansible came in on are always admitted, whatever the plan says.
    A run that comes from another address replaces them, and reports a change. On Windows the management rule of the plan is what admits it, and a plan
    without one is refused.
  - State is compared in canonical form, which is what the kernel lists or what the registry means. A run that changes nothing writes nothing.
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
      - V(enforced) drops what the plan does not allow.
      - V(monitored) logs and counts what would be dropped, and drops nothing.
      - V(absent) takes table, files and unit away, on Windows our rules, and leaves the host as it was.
    type: str
    choices: [enforced, monitored, absent]
    default: enforced
  rollback_timeout:
    description: Seconds, from V(10) to V(3600), after which the host restores its previous rules unless the change was confirmed.
    type: int
    default: 60
  foreign_firewall:
    description:
      - What to do about other firewalls of the host that can drop what the plan allows. They are named, and never changed.
      - V(warn) warns, V(fail) stops before anything is changed.
    type: str
    choices: [warn, fail]
    default: warn
  windows_foreign_allow:
    description:
      - What to do about foreign allow rules of a Windows host that admit what the plan does not. Windows adds allow rules up, so that one such rule undoes the
        plan. Ignored on Linux.
      - V(report) names them in RV(foreign_allows). V(disable) also disables those that O(windows_foreign_keep) does not keep, where O(state=enforced).
      - They are remembered on the host. O(state=absent) and O(state=monitored) enable them again. Rules of Group Policy are only reported.
    type: str
    choices: [report, disable]
    default: report
    version_added: 0.2.0
  windows_foreign_keep:
    description:
      - Rules that O(windows_foreign_allow=disable) leaves alone, by id (the name of the registry value) or by group (as the registry has it). Ignored on Linux.
      - Core Networking, group C(@FirewallAPI.dll,-25000), and rules for the management port are always kept.
    type: list
    elements: str
    default: []
    version_added: 0.2.0
  windows_profiles:
    description: The profiles of the Windows Firewall in which the plan counts. The others are left as they are. Ignored on Linux.
    type: list
    elements: str
    choices: [domain, private, public]
    default: [domain, private, public]
    version_added: 0.2.0
  windows_monitored_inbound:
    description:
      - What O(state=monitored) does about the inbound default of a profile that was on. Ignored on Linux.
      - V(keep) leaves it as it was, so that a host that blocked still does. V(allow) lets everything in that no rule blocks.
    type: str
    choices: [keep, allow]
    default: keep
    version_added: 0.2.0
  ruleset:
    description: The rules of this host, rendered. Set by the action plugin.
    type: str
  phase:
    description: Which of the two steps to do. Set by the action plugin.
    type: str
    choices: [apply, confirm]
    default: apply
  token:
    description: The change to confirm. Set by the action plugin.
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
    support: full
    description: Returns the difference between what the kernel has and what it would have, in the kernel's own canonical form.
  idempotent:
    support: full
    description: When run twice in a row with the same plan from the same controller, the second run changes nothing.
  platform:
    support: full
    platforms: Linux, Windows
    description: Platforms that the rules can be enforced on. On Windows nothing is uploaded, and facts need not be gathered.
requirements:
  - On Linux, nftables 0.9.3 or later, with JSON support.
  - On Linux, a kernel with nf_tables and network namespaces.
  - On Linux, root privileges (O(ignore:become=true)), and systemd for rules that survive a reboot.
  - On Windows, Windows Server 2008 or later with PowerShell 2.0 or later, reached over C(winrm), C(psrp) or C(ssh) by an administrator.
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.firewall_info
notes:
  - "On Windows, everything that runs is one C(cmd) script in C(%SystemRoot%\\datapath), a folder that only administrators and the system can open. It comes
    and goes with every run, in check mode too; while a change waits, the script, the saved firewall and the scheduled task C(datapath-rollback) stay."
  - "On Windows, settings that were there before are remembered in the registry under C(HKLM\\SOFTWARE\\datapath.exchange), which O(state=absent) removes."
  - "On Windows, a timer that fires loads the firewall back that was saved before: changes that others made in the meantime go too."
  - "Files on a Linux host, readable by root only: C(/etc/datapath/firewall.nft); while a change waits also C(/etc/datapath/firewall.nft.new) and
    C(/run/datapath-firewall)."
  - On Linux, the unit C(datapath-firewall.service) loads the rules at boot, before the network is up. Stopping it does not remove them.
  - On Linux, the timer is C(datapath-rollback.timer) where systemd runs the host, and a detached process elsewhere.
  - A change of an earlier run that was never confirmed is taken over. When this run is not confirmed either, the host gets back what it had before both.
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: compiled
  run_once: true

- name: Log what would be dropped, and drop nothing
  datapath.exchange.firewall:
    plan: "{{ compiled.plan }}"
    state: monitored
  become: true

- name: Close everything that the plan does not allow
  datapath.exchange.firewall:
    plan: "{{ compiled.plan }}"
    rollback_timeout: 120
    foreign_firewall: fail
  become: true

- name: Also disable what else a Windows host lets in, but for its backup agent
  datapath.exchange.firewall:
    plan: "{{ compiled.plan }}"
    windows_foreign_allow: disable
    windows_foreign_keep: ["{5D0E1B5C-7C5F-4D0B-9E2A-7B0C4C0E1F22}"]

- name: Take the rules away again
  datapath.exchange.firewall:
    state: absent
  become: true
"""

RETURN = r"""
state:
  description: The state that the host was brought to.
  returned: success
  type: str
  sample: enforced
confirmed:
  description: Whether the change was confirmed over a new connection. False when there was nothing to confirm.
  returned: success, not in check mode
  type: bool
  sample: true
taken_over:
  description: Whether a change of an earlier run was waiting that nobody had confirmed.
  returned: success
  type: bool
  sample: false
persistent:
  description: Whether the rules survive a reboot. False where a Linux host has no systemd.
  returned: success, unless O(state=absent)
  type: bool
  sample: true
session:
  description: The connection that stays admitted whatever the plan says. Empty for a local connection and on Windows.
  returned: success, unless O(state=absent)
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
  description: Other firewalls that can drop what the plan allows. Empty on Windows, which has one only; see RV(overrides).
  returned: success, unless O(state=absent)
  type: list
  elements: dict
  contains:
    kind:
      description: One of V(nftables), V(iptables), V(firewalld), V(ufw).
      type: str
      sample: nftables
    name:
      description: Family and table, or the service.
      type: str
      sample: inet filter
    chain:
      description: The chain; empty for a service.
      type: str
      sample: input
    why:
      description: What in it can drop.
      type: str
      sample: policy drop
foreign_allows:
  description: Foreign rules of a Windows host that admit what the plan does not, and that are still there after the run.
  returned: success, on Windows
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
  description: What beats the rules of the plan on a Windows host. Where nothing of them would be left, O(state=enforced) fails before anything is changed.
  returned: success, on Windows
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
  returned: success, on Windows
  type: list
  elements: str
  version_added: 0.2.0
  sample: [RemoteDesktop-UserMode-In-TCP]
remaining:
  description:
    - What a Windows host lets pass beyond its plan, as M(datapath.exchange.reachability) takes it.
    - Where a rule has conditions that are not computed, at most this passes.
  returned: success, on Windows
  type: list
  elements: dict
  version_added: 0.2.0
  sample: [{direction: in, protocol: tcp, ports: ["3389"], v4: [], v6: [], everyone: true, rule: "Remote Desktop", program: "", exactly: true}]
unreadable:
  description: Rules of a Windows host that could not be understood, and why.
  returned: success, on Windows
  type: list
  elements: str
  version_added: 0.2.0
  sample: []
commands:
  description: Number of commands that changed the Windows host, or would.
  returned: success, on Windows
  type: int
  version_added: 0.2.0
  sample: 10
round_trips:
  description: How often the Windows host was called until the change was applied.
  returned: success, on Windows
  type: int
  version_added: 0.2.0
  sample: 2
pending:
  description: The change that waits for its confirmation. The action plugin confirms it, so a task does not return it.
  returned: when the module was run without its action plugin and changed the table
  type: str
  sample: 0b7e6d5c4a39428f9d6b1f0e2c3a4b5d
restoring:
  description: Whether the host restores its previous rules by itself.
  returned: failure
  type: bool
  sample: true
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _firewall, _foreign, _rollback, _session
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError, Nft
from ansible_collections.datapath.exchange.plugins.module_utils._programs import runner

PROFILES = ("domain", "private", "public")


def argument_spec() -> dict[str, t.Any]:
    return {
        "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
        "host": {"type": "str"},
        "state": {"type": "str", "choices": ["enforced", "monitored", "absent"], "default": "enforced"},
        "rollback_timeout": {"type": "int", "default": 60},
        "foreign_firewall": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
        "windows_foreign_allow": {"type": "str", "choices": ["report", "disable"], "default": "report"},
        "windows_foreign_keep": {"type": "list", "elements": "str", "default": []},
        "windows_profiles": {"type": "list", "elements": "str", "choices": list(PROFILES), "default": list(PROFILES)},
        "windows_monitored_inbound": {"type": "str", "choices": ["keep", "allow"], "default": "keep"},
        "ruleset": {"type": "str"},
        "phase": {"type": "str", "choices": ["apply", "confirm"], "default": "apply"},
        "token": {"type": "str", "no_log": False},
    }


def judge_foreign(module: AnsibleModule, nft: Nft) -> list[dict[str, str]]:
    """Name the foreign firewalls; raises EnforceError when they are to stop the run."""
    found = _foreign.find(nft)
    if found and module.params["foreign_firewall"] == "fail":
        raise EnforceError(
            f"other firewalls of this host can drop what the plan allows: {', '.join(map(str, found))}. "
            "Remove or open them, or set foreign_firewall: warn. Nothing was changed"
        )
    for foreign in found:
        module.warn(f"another firewall of this host can drop what the plan allows: {foreign}")
    return [foreign.to_plain() for foreign in found]


def apply(module: AnsibleModule) -> dict[str, t.Any]:
    if not module.params["ruleset"]:
        raise EnforceError("there are no rules to apply: run this as a task, so that the action plugin datapath.exchange.firewall renders them from the plan")
    if not 10 <= module.params["rollback_timeout"] <= 3600:
        raise EnforceError(f"rollback_timeout is {module.params['rollback_timeout']}: seconds from 10 to 3600 are expected")
    nft = Nft.find(runner(module))
    sessions = _session.current()
    listing = _firewall.desired(nft, module.params["ruleset"], sessions)
    foreign = judge_foreign(module, nft)
    result = _firewall.enforce(nft, listing, module.params["rollback_timeout"], check=module.check_mode)
    if not _boot.supported():
        module.warn("this host has no systemd: the rules do not survive a reboot")
    session = [{"address": peer.address, "port": peer.port} for peer in sessions]
    return dict(result, session=session, foreign_firewalls=foreign, persistent=_boot.supported())


def work(module: AnsibleModule) -> dict[str, t.Any]:
    if module.params["phase"] == "confirm":
        return _firewall.confirm(Nft.find(runner(module)), module.params["token"])
    return _firewall.remove(runner(module), check=module.check_mode) if module.params["state"] == "absent" else apply(module)


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True, required_if=[("phase", "confirm", ("token",))])
    try:
        result = work(module)
    except (EnforceError, OSError) as error:
        waiting = _rollback.token()
        module.fail_json(msg=str(error), restoring=bool(waiting) and waiting == module.params["token"])
    if not module._diff:  # noqa: SLF001 - AnsibleModule has no public name for it
        result.pop("diff", None)
    module.exit_json(state=module.params["state"], **result)


if __name__ == "__main__":
    main()
