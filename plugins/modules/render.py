#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: render
short_description: Write the rules of every managed host into files for review
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Writes what M(datapath.exchange.firewall) would load into each host into a directory on the controller. For Linux, that is one text for C(nft -f).
  - For Windows, it is scripts by which a host that Ansible cannot reach is configured by hand. C(HOST.cmd) applies the rules, connection security rules and
    RPC ports of the plan, and C(HOST-undo.cmd) takes that back. C(HOST-gpo.cmd) fills a Group Policy object with the same rules, and so does
    C(role-ROLE-gpo.cmd) where all Windows hosts of a role are rendered and have equal rules.
  - The scripts for Windows check the exit code of every line and end with another code than 0 when one fails. Their comments say what they save and how they
    are run. They hold no secret. A pre-shared key is asked for on the host, and for it there is no script for Group Policy, where everybody could read it.
  - For Windows Server 2003, the two scripts use C(netsh firewall). It has no ranges of ports, no IPv6, no ICMP scopes, no IPsec and no outbound rules. What it
    cannot express is left out, never widened, and named in RV(findings) and in the script.
  - The rules that keep the connection of a run open are not among them, because they are known only to the run. No host is contacted.
  - Files of hosts that are no longer managed are left alone.
attributes:
  check_mode:
    support: full
    description: Renders everything and writes nothing.
  diff_mode:
    support: full
    description: Shows the difference of every file.
  idempotent:
    support: full
    description: The same plan gives the same bytes.
  action:
    support: full
    description: Runs on the controller.
  platform:
    support: full
    platforms: all
    description: The platforms of managed hosts do not matter.
options:
  plan:
    description: The plan, as RV(datapath.exchange.plan#module:plan) returns it.
    type: dict
    required: true
    suboptions:
      path:
        description: Directory on the controller.
        type: path
        required: true
      digest:
        description: Digest of the plan.
        type: str
        required: true
  dest:
    description: Directory on the controller. It is made where it is missing. Files are named C(HOST.nft) for Linux, else as described above.
    type: path
    required: true
  hosts:
    description: Hosts to render. All managed hosts when omitted; names of other hosts are ignored.
    type: list
    elements: str
  state:
    description: Whether the rules drop what the plan does not allow, or only log it.
    type: str
    choices: [enforced, monitored]
    default: enforced
  windows_profiles:
    description: Profiles of the Windows Firewall in which the rules count, and that are switched on.
    type: list
    elements: str
    choices: [domain, private, public]
    default: [domain, private, public]
    version_added: 0.2.0
  ipsec:
    description: How Windows hosts prove themselves to each other where the plan wants IPsec.
    type: dict
    version_added: 0.2.0
    suboptions:
      auth:
        description: By Kerberos, computer certificates or one pre-shared key.
        type: str
        choices: [kerberos, certificate, psk]
        default: kerberos
      ca:
        description: Distinguished name of the authority of the certificates, for V(certificate).
        type: str
        default: ''
      profile:
        description: Suites of algorithms, as M(datapath.exchange.ipsec) describes them.
        type: str
        choices: [compatible, current]
        default: current
      state:
        description:
          - With V(requested), pairs protect each other as soon as both have run their scripts, and speak in clear until then.
          - With V(required), as the plan has it. A host that has run its script cannot speak to one that has not, where the plan requires IPsec.
        type: str
        choices: [requested, required]
        default: requested
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.firewall
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: plan
  run_once: true
  delegate_to: localhost

- name: Write the rules of the hosts of this play
  datapath.exchange.render:
    plan: "{{ plan.plan }}"
    dest: rules
    hosts: "{{ ansible_play_hosts_all }}"
  run_once: true

- name: Write scripts for all hosts, for connection security rules with certificates
  datapath.exchange.render:
    plan: "{{ plan.plan }}"
    dest: rules
    ipsec:
      auth: certificate
      ca: CN=Example Root, O=Example
  run_once: true
"""

RETURN = r"""
dest:
  description: The directory.
  returned: success, and when some hosts cannot be rendered
  type: str
rendered:
  description: Number of hosts that were rendered.
  returned: success, and when some hosts cannot be rendered
  type: int
written:
  description: Number of files that were new or different.
  returned: success, and when some hosts cannot be rendered
  type: int
findings:
  description: What of the plan the scripts for Windows hosts cannot bring about.
  returned: success, and when some hosts cannot be rendered
  type: list
  elements: dict
  contains:
    id: {type: str, description: Its name.}
    severity: {type: str, description: "V(error), V(warning) or V(info)."}
    hosts: {type: list, elements: str, description: The host.}
    text: {type: str, description: What is left out and why.}
    source: {type: str, description: Where that can be read.}
errors:
  description: Hosts that cannot be rendered, and why.
  returned: when there are any
  type: list
  elements: str
"""
