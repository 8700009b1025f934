#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall
short_description: Own the table of nftables that enforces the data paths of a host
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Makes the part of a plan that concerns one host true on this host, as the one nftables table C(inet datapath). Other tables are never touched.
  - "The rules are rehearsed in a throw-away network namespace of the host first: rules that its kernel or C(nft) does not accept change nothing."
  - The rules are loaded in one transaction, while a timer of the host waits to restore the previous ones. They stay only when the controller
    confirms them over a new connection, and only then they also survive a reboot. The timer does not depend on Ansible.
  - The address and port of the SSH connection that Ansible came in on are always admitted, whatever the plan says.
    A run that comes from another address replaces them, and reports a change.
  - State is compared in canonical form, which is what the kernel lists. A run that changes nothing writes nothing.
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
      - V(absent) takes table, files and unit away, and leaves the host as it was.
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
    platforms: Linux
    description: Platforms that the rules can be enforced on.
requirements:
  - nftables 0.9.3 or later, with JSON support, on the host.
  - A kernel with nf_tables and network namespaces on the host.
  - Root privileges on the host (O(ignore:become=true)).
  - systemd on the host, for rules that survive a reboot.
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.firewall_info
notes:
  - "Files on the host, readable by root only: C(/etc/datapath/firewall.nft); while a change waits also C(/etc/datapath/firewall.nft.new) and
    C(/run/datapath-firewall)."
  - The unit C(datapath-firewall.service) loads the rules at boot, before the network is up. Stopping it does not remove them.
  - The timer is C(datapath-rollback.timer) where systemd runs the host, and a detached process elsewhere.
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
  description: Whether the rules survive a reboot. False where the host has no systemd.
  returned: success, unless O(state=absent)
  type: bool
  sample: true
session:
  description: The connection that stays admitted whatever the plan says. Empty for a local connection.
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
  description: Other firewalls that can drop what the plan allows.
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


def argument_spec() -> dict[str, t.Any]:
    return {
        "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
        "host": {"type": "str"},
        "state": {"type": "str", "choices": ["enforced", "monitored", "absent"], "default": "enforced"},
        "rollback_timeout": {"type": "int", "default": 60},
        "foreign_firewall": {"type": "str", "choices": ["warn", "fail"], "default": "warn"},
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
