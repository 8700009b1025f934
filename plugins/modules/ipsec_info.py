#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipsec_info
short_description: Read the IPsec associations of a host
version_added: 0.2.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - On Windows, reads the connection security rules and main mode rules of a host from its registry, ours and those of others.
  - On Linux, reads what strongSwan has loaded and negotiated under the names of this collection, and the policies that the kernel has for it, with the masks
    of their ports, which C(ip xfrm policy) does not show.
  - Given a plan, tells what is missing and what is superfluous. Give the same options as for M(datapath.exchange.ipsec).
extends_documentation_fragment: [datapath.exchange.plan]
options:
  plan:
    description: The plan to compare with, as returned by M(datapath.exchange.plan). Without it, nothing is compared.
  host:
    description: The name of this host in the plan. The default is C(inventory_hostname).
    type: str
  state:
    description: The state that the associations should be in. V(absent) needs no plan.
    type: str
    choices: [requested, required, absent]
    default: requested
  auth:
    description: As in M(datapath.exchange.ipsec).
    type: str
    choices: [kerberos, certificate, psk]
    default: kerberos
  ca:
    description: As in M(datapath.exchange.ipsec).
    type: str
    default: ''
  cert:
    description: As in M(datapath.exchange.ipsec).
    type: str
    default: ''
  key:
    description: As in M(datapath.exchange.ipsec).
    type: str
    default: ''
  psk:
    description: As in M(datapath.exchange.ipsec). Required with O(plan) for O(auth=psk); the host compares it with what it has.
    type: str
  profile:
    description: As in M(datapath.exchange.ipsec).
    type: str
    choices: [current, compatible]
    default: current
  ready:
    description: As in M(datapath.exchange.ipsec).
    type: list
    elements: str
  since:
    description:
      - RV(associations) of an earlier run for the same host. RV(idle) then names the hosts with whom nothing has been protected since.
      - Ignored on Windows.
    type: list
    elements: dict
  desired:
    description: What the host is to have, rendered. Set by the action plugin.
    type: dict
    suboptions:
      text:
        description: Settings for strongSwan, without keys.
        type: str
        default: ''
      connections:
        description: What the settings mean.
        type: list
        elements: dict
        default: []
      secrets:
        description: Settings for strongSwan that hold a key.
        type: str
        default: ''
      authority:
        description: The certificate of the authority, in PEM form.
        type: str
        default: ''
      certificate:
        description: The certificate of the host, in PEM form.
        type: str
        default: ''
      key:
        description: Its key, in PEM form.
        type: str
        default: ''
      compatible:
        description: Whether algorithms are offered that only the profile V(compatible) has.
        type: bool
        default: false
attributes:
  action:
    support: full
    description: Has a corresponding action plugin, so some parts of it run on the controller.
  async:
    support: none
    description: Supports being used with the C(async) keyword.
  check_mode:
    support: full
    description: Changes nothing. On Windows the script that reads the host is written to C(%SystemRoot%\datapath) and deleted again.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Never changes anything.
  platform:
    support: full
    platforms: Linux, Windows
    description: Platforms that associations can be read on.
requirements:
  - On Linux, root privileges (O(ignore:become=true)).
  - On Windows, Windows Server 2008 or later with PowerShell 2.0 or later, reached over C(winrm), C(psrp) or C(ssh) by an administrator.
seealso:
  - module: datapath.exchange.ipsec
  - module: datapath.exchange.plan
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: compiled
  run_once: true

- name: See whether the host demands what the plan requires
  datapath.exchange.ipsec_info:
    plan: "{{ compiled.plan }}"
    state: required
  register: associations
  failed_when: associations.differences | length > 0
"""

RETURN = r"""
connections:
  description: Our connections as strongSwan has them loaded.
  returned: success, on Linux
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      sample: datapath-192-0-2-4-to-192-0-2-3
    local:
      description: The host's address.
      type: str
      sample: 192.0.2.4
    remote:
      description: The peer's address.
      type: str
      sample: 192.0.2.3
    version:
      description: Version of the key exchange.
      type: int
      sample: 2
    auth:
      description: Either V(psk) or V(pubkey).
      type: str
      sample: pubkey
    children:
      description: What is protected or let pass, by name, mode (V(transport) or V(pass)) and whether it is enforced without anything negotiated.
      type: list
      elements: dict
      sample: [{name: whole, mode: transport, enforced: true}]
associations:
  description: What has been negotiated with peers.
  returned: success, on Linux
  type: list
  elements: dict
  contains:
    id:
      description: Its number, unique while the daemon runs.
      type: str
      sample: "3"
    connection:
      description: The connection that it belongs to.
      type: str
      sample: datapath-192-0-2-4-to-192-0-2-3
    local:
      description: The host's address.
      type: str
      sample: 192.0.2.4
    remote:
      description: The peer's address.
      type: str
      sample: 192.0.2.3
    state:
      description: The daemon's word for its state.
      type: str
      sample: ESTABLISHED
    version:
      description: Version of the key exchange.
      type: int
      sample: 2
    seconds:
      description: How long ago it was established.
      type: int
      sample: 610
    nat:
      description: Whether somebody on the way translates addresses.
      type: bool
      sample: false
    children:
      description: What is protected by it, with what has gone through since the last key.
      type: list
      elements: dict
      sample: [{id: "7", child: whole, state: INSTALLED, bytes_in: 51200, bytes_out: 40960, packets_in: 120, packets_out: 98}]
policies:
  description: The policies that the kernel has for our addresses, whoever made them, at most 1000 of them.
  returned: success, on Linux
  type: list
  elements: dict
  contains:
    direction:
      description: One of V(in), V(out) and V(fwd).
      type: str
      sample: in
    source:
      description: Where packets come from.
      type: str
      sample: 192.0.2.3/32
    target:
      description: Where they go.
      type: str
      sample: 192.0.2.4/32
    protocol:
      description: The number of the protocol, 0 for any.
      type: int
      sample: 6
    source_port:
      description: The port, as far as the mask says.
      type: int
      sample: 0
    source_mask:
      description: Its mask, 0 for any port and 65535 for one.
      type: int
      sample: 0
    target_port:
      description: The port, as far as the mask says.
      type: int
      sample: 445
    target_mask:
      description: Its mask, 0 for any port and 65535 for one.
      type: int
      sample: 65535
    action:
      description: Either V(allow) or V(block).
      type: str
      sample: allow
    protect:
      description: Whether only ESP in transport mode passes.
      type: bool
      sample: true
    plain:
      description: Whether anything passes in clear.
      type: bool
      sample: false
    priority:
      description: The lower, the earlier it counts.
      type: int
      sample: 367232
running:
  description: Whether strongSwan's daemon runs.
  returned: success, on Linux
  type: bool
  sample: true
bypasses:
  description: As RV(datapath.exchange.ipsec#module:bypasses).
  returned: on Linux, when there is a plan, or for O(state=absent)
  type: list
  elements: str
requires:
  description: Managed hosts of which the plan demands IPsec.
  returned: when there is a plan
  type: list
  elements: str
  sample: [mbx2]
unprotected:
  description: Those of RV(requires) with which nothing is negotiated right now.
  returned: on Linux, when there is a plan
  type: list
  elements: str
  sample: []
translated:
  description: Those of RV(requires) on the way to which addresses are translated.
  returned: on Linux, when there is a plan
  type: list
  elements: str
  sample: []
idle:
  description: Those of RV(requires) with which nothing has gone both ways through IPsec since O(since).
  returned: on Linux, when there is a plan and O(since)
  type: list
  elements: str
  sample: []
rules:
  description: Our rules.
  returned: success, on Windows
  type: list
  elements: dict
  contains:
    id:
      description: The name of its registry value.
      type: str
      sample: "{0F4A9C7E-7C0B-4C53-9B0A-52B0F0B2A9C1}"
    name:
      description: The name that it shows.
      type: str
      sample: datapath.exchange ipsec ccr-scr-seeding 1ddb0f58
    active:
      description: Whether it counts.
      type: bool
      sample: true
    description:
      description: Ids of the paths that asked for it.
      type: str
      sample: ccr-scr-log-shipping ccr-scr-seeding
    does:
      description: What it does, without keys.
      type: str
      sample: requestinrequestout 192.0.2.4 <-> 192.0.2.3 any any <-> any kerberos esp:aesgcm256-aesgcm256+60min+10000000kb pfs dhgroup14
differences:
  description: What is missing, superfluous or set otherwise, one sentence for each.
  returned: when there is a plan, or for O(state=absent)
  type: list
  elements: str
  sample: []
foreign_rules:
  description: Active rules of others, with a plan only those about the same addresses. As RV(datapath.exchange.ipsec#module:foreign_rules).
  returned: success, on Windows
  type: list
  elements: dict
waiting:
  description: As RV(datapath.exchange.ipsec#module:waiting).
  returned: when there is a plan, or for O(state=absent)
  type: list
  elements: str
unmanaged:
  description: As RV(datapath.exchange.ipsec#module:unmanaged).
  returned: when there is a plan, or for O(state=absent)
  type: list
  elements: str
pending:
  description: Whether a change waits for its confirmation.
  returned: success
  type: bool
  sample: false
services:
  description: Whether the services that IPsec needs are running, by name.
  returned: success, on Windows
  type: dict
  sample: {MpsSvc: true, BFE: true, IKEEXT: true}
unreadable:
  description: Rules of the host that were not understood, and why.
  returned: success, on Windows
  type: list
  elements: str
  sample: []
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.datapath.exchange.plugins.module_utils import _ipsec
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import runner


def desired_spec() -> dict[str, t.Any]:
    texts = {name: {"type": "str", "default": ""} for name in ("text", "authority", "certificate")}
    keys = {name: {"type": "str", "default": "", "no_log": True} for name in ("secrets", "key")}
    return {**texts, **keys, "connections": {"type": "list", "elements": "dict", "default": []}, "compatible": {"type": "bool", "default": False}}


def argument_spec() -> dict[str, t.Any]:
    return {
        "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
        "host": {"type": "str"}, "state": {"type": "str", "choices": ["requested", "required", "absent"], "default": "requested"},
        "auth": {"type": "str", "choices": ["kerberos", "certificate", "psk"], "default": "kerberos"}, "ca": {"type": "str", "default": ""},
        "cert": {"type": "str", "default": ""}, "key": {"type": "str", "default": "", "no_log": False}, "psk": {"type": "str", "no_log": True},
        "profile": {"type": "str", "choices": ["current", "compatible"], "default": "current"},
        "ready": {"type": "list", "elements": "str"}, "since": {"type": "list", "elements": "dict"},
        "desired": {"type": "dict", "options": desired_spec()},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    given = module.params["desired"]
    try:
        absent = module.params["state"] == "absent"
        desired = _ipsec.Desired() if absent else _ipsec.Desired.from_plain(given) if given is not None else None
        result = _ipsec.information(runner(module), desired)
    except (EnforceError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
