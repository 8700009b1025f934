#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ipsec
short_description: Own the IPsec associations that a plan asks of a host
version_added: 0.2.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - "Makes the associations of a plan that concern one host true on this host, and owns nothing else there. On Windows they are connection security rules and,
    from Windows Server 2008 R2 on, main mode rules, whose names begin with C(datapath.exchange ipsec), C(datapath.exchange clear) and
    C(datapath.exchange main). On Linux they are connections of strongSwan whose names begin with C(datapath-)."
  - "Single ports are protected exactly. A pair of hosts with dynamic ports is protected whole, except for ICMP, the management connection, and what the plan
    opens for DNS, time, Kerberos and LDAP. Each address of a peer gets one answer, whichever peer sets it is in."
  - Algorithms are always named, so that the default of Windows, which offers null encryption first, never applies.
  - The change is applied while a timer of the host waits to restore what was there before. It stays only when the controller confirms it over a new
    connection.
  - What was made is read back and taken back at once unless it is what was meant, on Windows from the registry, on Linux from the daemon and from the kernel,
    whose policies are compared with the masks of their ports.
  - "On Linux everything is checked before anything is changed: that strongSwan is there, that the kernel can do ESP, that the addresses are those of the host,
    and that certificate, key and authority belong together and are in date."
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
      - V(requested) negotiates protection with every peer of an association, and falls back to clear text where that fails. Do this on all hosts first.
        On Linux it begins to negotiate at once, and the host protects what it can while it can.
      - V(required) demands protection where the plan requires it, and requests it elsewhere. See O(ready).
      - V(absent) takes everything away, and gives the host back the settings that it had.
    type: str
    choices: [requested, required, absent]
    default: requested
  auth:
    description:
      - How hosts prove to each other who they are. All hosts of a plan have to use the same.
      - V(kerberos) uses the computer accounts of the domain, and is for pairs of Windows hosts only. On Linux it is an error where the plan has associations.
      - V(certificate) uses a certificate that O(ca) has issued. On Windows it has to be in the computer's store. On Linux it is O(cert).
      - V(psk) uses O(psk). It is for tests, and for peers that can do nothing else, because every host that has it can pose as any other.
    type: str
    choices: [kerberos, certificate, psk]
    default: kerberos
  ca:
    description:
      - On Windows the distinguished name of the certificate authority, as in C(CN=Example Root, O=Example), of letters, digits, blanks and C(._()/@+-).
      - On Linux a file on the controller with the one certificate of the authority, in PEM form. It is found as M(ansible.builtin.copy) finds its files.
      - Required for O(auth=certificate).
    type: str
    default: ''
  cert:
    description:
      - A file on the controller with the one certificate of this host, in PEM form. Ignored on Windows.
      - Required for O(auth=certificate) on Linux.
    type: str
    default: ''
  key:
    description:
      - A file on the controller with the key of O(cert), in PEM form and without a passphrase. Encrypt it with C(ansible-vault). Ignored on Windows.
      - Required for O(auth=certificate) on Linux.
    type: str
    default: ''
  psk:
    description:
      - The pre-shared key, 12 to 127 letters, digits and C(._~+/=@:-). It must not begin with C(0x) or C(0s). Required for O(auth=psk). Give it from a vault.
      - It is never part of output, a difference or a command line. It is compared on the host. Windows itself stores it in clear text in its registry,
        readable by administrators; on Linux it is in a file of its own that only root can read.
    type: str
  profile:
    description:
      - The algorithms to offer. Both profiles offer AES-GCM and SHA-256 with a 2048 bit group (C(dhgroup14)) and perfect forward secrecy, which Windows Server
        2008 and later and strongSwan know. Linux always offers the algorithms of V(compatible) to peers with Windows.
      - V(compatible) also offers AES-CBC with SHA-1, after the others. Hosts of different profiles agree on the former.
    type: str
    choices: [current, compatible]
    default: current
  ready:
    description:
      - Names of the managed hosts that can do IPsec, usually those on which O(state=requested) has succeeded. Nothing is demanded of a peer set with a managed
        host that is not among them, and RV(waiting) names the host.
      - Without it, all managed hosts count as ready.
    type: list
    elements: str
  rollback_timeout:
    description: Seconds, from V(10) to V(3600), after which the host restores what it had before unless the change was confirmed.
    type: int
    default: 60
  desired:
    description: What this host is to have, rendered. Set by the action plugin.
    type: dict
    default: {}
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
    description: Can run in check mode and return what it would do. On Windows the script that reads the host is written to C(%SystemRoot%\datapath) and deleted
      again.
  diff_mode:
    support: full
    description: Returns the difference between what the host has and what it would have, without names of sets and without keys.
  idempotent:
    support: full
    description: When run twice in a row with the same options, the second run changes nothing.
  platform:
    support: full
    platforms: Linux, Windows
    description: Platforms that associations can be enforced on.
requirements:
  - On Linux, strongSwan 5.7 or later with C(swanctl) and its systemd daemon (Debian packages C(charon-systemd), C(strongswan-swanctl) and
    C(libstrongswan-standard-plugins)), none of which is needed where the plan has no association for the host.
  - On Linux, a kernel with ESP, and root privileges (O(ignore:become=true)).
  - On Windows, Windows Server 2008 or later with PowerShell 2.0 or later, reached over C(winrm), C(psrp) or C(ssh) by an administrator.
  - On Windows, the services C(MpsSvc) and C(BFE) running, and C(IKEEXT) not disabled.
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.firewall
  - module: datapath.exchange.ipsec_info
notes:
  - "Files on a Linux host, readable by root only, below C(/etc/swanctl) or C(/etc/strongswan/swanctl): C(conf.d/datapath.conf),
    C(conf.d/datapath-secrets.conf), and C(datapath.pem) in C(x509ca), C(x509) and C(private); while a change waits also C(/run/datapath-ipsec), which holds the
    files that were there before."
  - On Linux, strongSwan's unit is started and enabled where it is not. C(/etc/datapath/ipsec.json) remembers that, and O(state=absent) undoes it.
  - On Linux, the daemon's own files outside of these are read again with every change, as a reload of its unit would.
  - Hosts whose addresses are translated on the way cannot do IPsec in transport mode. M(datapath.exchange.ipsec_info) names them.
  - No test of this collection has run on a real Windows. They run against a strict model of its documented behaviour.
  - While a change waits for its confirmation, C(%SystemRoot%\datapath) holds the way back, readable by administrators and the system only. With O(auth=psk)
    the key is part of it until then.
  - Windows Server 2008 has no main mode rules. There the main mode settings of the whole host are set, remembered in
    C(HKLM\SOFTWARE\datapath.exchange\ipsec), and restored by O(state=absent).
  - Windows Server 2025 prefers IKEv2 where certificates are used. Peers that know only IKEv1 need a rule of their own for it.
  - Which of two overlapping rules Windows takes is not documented. Foreign connection security rules about the same addresses are named, and never changed.
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: compiled
  run_once: true

- name: Ask for protection on every host first
  datapath.exchange.ipsec:
    plan: "{{ compiled.plan }}"
    auth: certificate
    ca: CN=Example Root, O=Example

- name: Ask Linux hosts for protection, each with its own certificate
  datapath.exchange.ipsec:
    plan: "{{ compiled.plan }}"
    auth: certificate
    ca: pki/root.pem
    cert: "pki/{{ inventory_hostname }}.pem"
    key: "pki/{{ inventory_hostname }}.key"
  become: true

- name: Then demand it of the hosts that are still in the play
  datapath.exchange.ipsec:
    plan: "{{ compiled.plan }}"
    state: required
    auth: certificate
    ca: CN=Example Root, O=Example
    ready: "{{ ansible_play_batch }}"

- name: Take the associations away again
  datapath.exchange.ipsec:
    state: absent
"""

RETURN = r"""
state:
  description: The state that the host was brought to.
  returned: success
  type: str
  sample: requested
confirmed:
  description: Whether the change was confirmed over a new connection. False when there was nothing to confirm.
  returned: success
  type: bool
  sample: true
taken_over:
  description: Whether a change of an earlier run was waiting that nobody had confirmed. It was taken back first.
  returned: success
  type: bool
  sample: false
pending:
  description: The change that waits for its confirmation. The action plugin confirms it, so a task does not return it.
  returned: when the module was run without its action plugin and changed a Linux host
  type: str
  sample: 0b7e6d5c4a39428f9d6b1f0e2c3a4b5d
persistent:
  description: Whether the associations survive a reboot. False where a Linux host has no systemd.
  returned: success
  type: bool
  sample: true
rules:
  description: Number of rules that the host is to have. On Linux, children of connections.
  returned: success
  type: int
  sample: 4
waiting:
  description: Managed hosts for whose sake something stays requested although the plan requires it.
  returned: success
  type: list
  elements: str
  sample: [mbx2]
unmanaged:
  description: Peer sets whose other end this plan does not configure.
  returned: success
  type: list
  elements: str
  sample: [legacy_mailbox]
bypasses:
  description: Policies of others in the kernel of a Linux host that let pass in clear what the plan protects.
  returned: success, on Linux
  type: list
  elements: str
  sample: []
differences:
  description: What a Linux host lacked, had too much or otherwise before the run, one sentence for each.
  returned: success, on Linux
  type: list
  elements: str
  sample: [the file conf.d/datapath.conf is missing]
foreign_rules:
  description: Active rules of others about the same addresses.
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
      sample: Domain Isolation Rule
    store:
      description: Either V(local) or V(policy).
      type: str
      sample: policy
    action:
      description: What it does, in the words of netsh, or V(mainmode).
      type: str
      sample: requireinrequestout
unreadable:
  description: Rules of the host that were not understood, and why.
  returned: success, on Windows
  type: list
  elements: str
  sample: []
commands:
  description: Number of commands that changed the host.
  returned: success, on Windows
  type: int
  sample: 4
round_trips:
  description: How often the host was called before the confirmation.
  returned: success, on Windows
  type: int
  sample: 2
restored:
  description: Whether the host already has back what it had before a change that failed.
  returned: failure of a change
  type: bool
  sample: true
restoring:
  description: Whether the host restores what it had before by itself.
  returned: failure of a change
  type: bool
  sample: false
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
        "ready": {"type": "list", "elements": "str"}, "rollback_timeout": {"type": "int", "default": 60},
        "desired": {"type": "dict", "default": {}, "options": desired_spec()},
        "phase": {"type": "str", "choices": ["apply", "confirm"], "default": "apply"}, "token": {"type": "str", "no_log": False},
    }


def work(module: AnsibleModule) -> dict[str, t.Any]:
    if module.params["phase"] == "confirm":
        return _ipsec.confirm(runner(module), module.params["token"])
    if not 10 <= module.params["rollback_timeout"] <= 3600:
        raise EnforceError(f"rollback_timeout is {module.params['rollback_timeout']}: seconds from 10 to 3600 are expected")
    absent = module.params["state"] == "absent"
    desired = _ipsec.Desired() if absent else _ipsec.Desired.from_plain(module.params["desired"] or {})
    result = _ipsec.bring(runner(module), desired, module.params["rollback_timeout"], check=module.check_mode)
    if desired.connections and not result["persistent"]:
        module.warn("this host has no systemd: whatever starts charon here has to load its connections, too")
    return result


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True, required_if=[("phase", "confirm", ("token",))])
    try:
        result = work(module)
    except (EnforceError, OSError) as error:
        waiting = _ipsec.TIMER.token()
        module.fail_json(
            msg=str(error), restored=getattr(error, "restored", False),
            restoring=getattr(error, "restoring", bool(waiting) and waiting == module.params["token"]),
        )
    if not module._diff:  # noqa: SLF001 - AnsibleModule has no public name for it
        result.pop("diff", None)
    module.exit_json(state=module.params["state"], **result)


if __name__ == "__main__":
    main()
