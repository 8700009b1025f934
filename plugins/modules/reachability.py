#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: reachability
short_description: Ask a plan who may reach whom on which port, and why
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Answers from the plan whether one end may open a connection to the other, by which rows of the tables, and how it is protected.
  - "A connection is allowed when the inbound flows of its target admit its source and, where the source restricts its outbound traffic, the outbound
    flows of the source lead to the target. Where the target is not managed only the source decides."
  - With O(observed) the answer is what really passes, plan and foreign rules together.
  - With O(questions[].expect) it is a test for a pipeline. No host is contacted.
attributes:
  check_mode:
    support: full
    description: Never changes anything.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: The same plan gives the same answers.
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
  questions:
    description: What to ask.
    type: list
    elements: dict
    required: true
    suboptions:
      from:
        description:
          - Who opens the connection, a host of the plan by its inventory name, a peer kind, or one address.
          - A peer kind stands for each of its addresses that the plan uses anywhere, and all of them have to be admitted.
          - An address of a managed host stands for that host.
        type: str
        required: true
      to:
        description: Who answers, in the same terms.
        type: str
        required: true
      port:
        description: Port of the answering end and protocol, V(25/tcp) or V(49152-65535/tcp). All ports of a range have to be open.
        type: str
        required: true
      expect:
        description: The answer that is expected. The task fails when it is another one.
        type: str
        choices: [allowed, denied]
  observed:
    description:
      - What hosts let pass beyond their plan. A mapping of managed hosts, by inventory name, to what M(datapath.exchange.firewall_info) returns for each as
        RV(datapath.exchange.firewall_info#module:remaining).
      - A connection that only a foreign rule opens is allowed, and RV(answers[].reason) names the rule. Rules that block what the plan allows are not counted.
    type: dict
    default: {}
    version_added: 0.2.0
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.firewall_info
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: plan
  run_once: true
  delegate_to: localhost

- name: Hold the plan to what the security policy says
  datapath.exchange.reachability:
    plan: "{{ plan.plan }}"
    questions:
      - {from: hub1, to: mbx1, port: 135/tcp, expect: allowed}
      - {from: web_client, to: mbx1, port: 445/tcp, expect: denied}
      - {from: 198.51.100.7, to: edge1, port: 25/tcp}
  run_once: true

- name: Look at what each host with Windows enforces
  datapath.exchange.firewall_info:
    plan: "{{ plan.plan }}"
  register: enforced

- name: Hold what really passes to the same policy
  datapath.exchange.reachability:
    plan: "{{ plan.plan }}"
    observed: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, ['enforced', 'remaining']))) }}"
    questions:
      - {from: web_client, to: mbx1, port: 445/tcp, expect: denied}
  run_once: true
"""

RETURN = r"""
answers:
  description: One answer for each question, in the same order.
  returned: when all questions can be answered
  type: list
  elements: dict
  contains:
    allowed:
      description: Whether the plan allows it.
      type: bool
    paths:
      description:
        - Rows that open it, V(management) for the way Ansible comes in, V(foreign) for rules beyond the plan.
        - Empty where an end is not restricted, or speaks to itself.
      type: list
      elements: str
    protection:
      description: What keeps it secret, the weakest where several rows open it.
      type: str
    reason:
      description: Why, naming the peer sets that may use the port.
      type: str
  sample:
    - {from: hub1, to: mbx1, port: 135/tcp, allowed: true, paths: [hub-to-mailbox-mapi], protection: rpc, reason: inbound flows of mbx1 admit hub_transport}
answer_lines:
  description: The same for a reader.
  returned: when all questions can be answered
  type: list
  elements: str
errors:
  description: Everything wrong with the questions, one sentence per mistake.
  returned: when questions cannot be answered
  type: list
  elements: str
"""
