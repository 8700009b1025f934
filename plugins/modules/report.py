#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Judge what probes saw against the plan and show it in one screen
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Compares what every host was to show, by the plan, with what M(datapath.exchange.probe) saw from it, and gives each probe one verdict.
  - "V(passed): as planned. V(failed): the wire disagrees with the plan. V(error): could not be tested. V(skipped): there is no telling test, with the
    reason. V(not_run): was not tried. They are never merged and sum to the number of probes."
  - Fails when the wire disagrees with the plan, when something could not be tested, and when nothing was tested at all.
  - A blocked path must be silent, but so is a machine that is off. Silence passes only where the target gave a sign of life in the same
    run, by running probes itself or by answering anybody; else it is V(skipped).
  - Runs on the controller and contacts no host. Use it once per play with C(run_once).
attributes:
  action:
    support: full
    description: Runs on the controller.
  check_mode:
    support: full
    description: Judges the results that there are, writes no file and never fails for what they show.
  diff_mode:
    support: none
    description: The report is itself a comparison.
  idempotent:
    support: full
    description: The same plan and results give the same bytes; a file that holds them already is left alone.
  platform:
    support: full
    platforms: all
    description: The platforms of managed hosts do not matter.
extends_documentation_fragment: [datapath.exchange.plan]
options:
  plan:
    description: The plan, as returned by M(datapath.exchange.plan).
    required: true
  results_dir:
    description: The directory that M(datapath.exchange.probe) wrote to. Results that belong to another plan count as not run.
    type: str
    required: true
  json:
    description: File on the controller for the report as JSON, with every single verdict.
    type: str
  junit:
    description:
      - File on the controller for the report as JUnit XML, with a test suite per source host and a test case per probe.
      - JUnit knows no probes that were not run. They are skipped there, with a message that says so; the properties of each suite keep them apart.
    type: str
  markdown:
    description: File on the controller for the report as Markdown.
    type: str
  fail_on_disagreement:
    description: Whether to fail when the wire disagrees with the plan.
    type: bool
    default: true
  allow_errors:
    description: Whether to pass although something could not be tested.
    type: bool
    default: false
  require_encryption:
    description:
      - Whether an open port that is to speak TLS or offer STARTTLS, and does not, disagrees with the plan. When that cannot be found out it is an error.
      - When V(false) the report still says what was offered.
    type: bool
    default: true
  state:
    description: What the hosts were brought to. With V(monitored) nothing is blocked, so probes that should be blocked are skipped with that reason.
    type: str
    choices: [enforced, monitored]
    default: enforced
  width:
    description: Columns of the terminal, from V(60) to V(500).
    type: int
    default: 100
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.probe
"""

EXAMPLES = r"""
- name: Judge what the probes saw
  datapath.exchange.report:
    plan: "{{ compiled.plan }}"
    results_dir: "{{ playbook_dir }}/results"
    junit: "{{ playbook_dir }}/reports/datapath.xml"
    json: "{{ playbook_dir }}/reports/datapath.json"
  run_once: true
"""

RETURN = r"""
matrix:
  description: The report as text, the sources down and the targets across, with what disagrees and what could not be tested below it.
  returned: success or failure
  type: str
matrix_lines:
  description: The same, line by line, which is how it is best shown.
  returned: success or failure
  type: list
  elements: str
totals:
  description: How many probes have which verdict.
  returned: success or failure
  type: dict
  contains:
    passed:
      description: The wire is as planned.
      type: int
      sample: 412
    failed:
      description: The wire disagrees with the plan.
      type: int
      sample: 0
    error:
      description: It could not be tested.
      type: int
      sample: 0
    skipped:
      description: There is no telling test.
      type: int
      sample: 3
    not_run:
      description: It was not tried.
      type: int
      sample: 0
    total:
      description: The sum of the others.
      type: int
      sample: 415
disagreements:
  description: What disagrees with the plan, at most 200 of them; the file of O(json) holds all.
  returned: success or failure
  type: list
  elements: dict
  contains: &verdict
    source:
      description: The host that tried.
      type: str
      sample: hub1
    source_group:
      description: Its server roles in short, or its peer kinds.
      type: str
      sample: cas+hub
    target:
      description: The host that was tried.
      type: str
      sample: mbx1
    target_group:
      description: Its server roles in short, or its peer kinds.
      type: str
      sample: mbx
    id:
      description: The name of the probe, unique for its source.
      type: str
      sample: mbx1 445/tcp 192.0.2.31
    address:
      description: The address that was tried.
      type: str
      sample: 192.0.2.31
    protocol:
      description: V(tcp) or V(udp).
      type: str
      sample: tcp
    port:
      description: The port that was tried.
      type: int
      sample: 445
    expected:
      description: V(allowed) or V(denied), by the plan.
      type: str
      sample: allowed
    outcome:
      description: The verdict.
      type: str
      sample: failed
    observed:
      description: V(open), V(refused), V(filtered), V(unknown), or empty.
      type: str
      sample: filtered
    reason:
      description: A stable word that says why, see M(datapath.exchange.probe).
      type: str
      sample: no_answer
    encryption:
      description: V(offered), V(not_offered) or empty.
      type: str
      sample: ''
    paths:
      description: The data paths that ask for it.
      type: list
      elements: str
      sample: [hub-to-mailbox-rpc]
    milliseconds:
      description: How long it took.
      type: int
      sample: 4012
errors:
  description: What could not be tested, at most 200 of them.
  returned: success or failure
  type: list
  elements: dict
  contains: *verdict
"""
