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
  - Writes what M(datapath.exchange.firewall) would load into each host, one text for C(nft -f) per host, into a directory on the controller.
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
    description: The platforms of managed hosts do not matter, but only those with nftables can be rendered.
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
    description: Directory on the controller. It is made where it is missing. Each host's file is named C(HOST.nft).
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
errors:
  description: Hosts that cannot be rendered, and why.
  returned: when there are any
  type: list
  elements: str
"""
