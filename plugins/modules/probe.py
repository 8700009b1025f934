#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe
short_description: Try network paths from a host and tell open, refused, filtered and unknown apart
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Tries many addresses and ports from the host that it runs on, concurrently, in one module execution, and says what each of them showed.
  - With O(plan) it tries what the plan lists for this host and keeps the results in O(results_dir) on the controller, where
    M(datapath.exchange.report) judges them. The results of a large organisation never travel through variables.
  - With O(probes) it tries a list of your own and returns what it saw.
  - Nothing is sent but a connection, a TLS ClientHello or an EHLO for TCP, and for UDP a question of the usual service of the port that changes nothing.
attributes:
  action:
    support: full
    description: Has a corresponding action plugin, so some parts of it run on the controller.
  async:
    support: none
    description: Supports being used with the C(async) keyword.
  check_mode:
    support: full
    description: Counts what would be tried and sends nothing. Results of an earlier run are left alone.
  diff_mode:
    support: none
    description: There is no state to compare.
  idempotent:
    support: full
    description: Never changes the host.
  platform:
    support: full
    platforms: posix
    description: Probes can be sent from hosts with a POSIX shell. From Windows nothing is tried, and its probes count as skipped. Targets may be any system.
extends_documentation_fragment: [datapath.exchange.plan]
options:
  plan:
    description:
      - The plan, as returned by M(datapath.exchange.plan). Its probe catalogue says what this host has to try.
      - Either this or O(probes) is required.
  host:
    description: The name of this host in the plan. The default is C(inventory_hostname).
    type: str
  results_dir:
    description:
      - Directory on the controller for the results, one file per host. It is made when it is missing. Required with O(plan).
      - The results of an earlier run of this host are removed before anything is tried. Use a directory per run, so that hosts that
        a later run does not reach have none.
    type: str
  probes:
    description: What to try, instead of O(plan).
    type: list
    elements: dict
    suboptions:
      id:
        description: A name for the result, unique in the list.
        type: str
        required: true
      address:
        description: IPv4 or IPv6 address of the target. Names are not resolved.
        type: str
        required: true
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      port:
        description: The port of the target.
        type: int
        required: true
      tls:
        description:
          - Whether to find out if the service offers encryption. V(tls) sends a ClientHello, V(starttls-smtp) an EHLO. Certificates are not looked at.
          - An empty string asks nothing.
        type: str
        choices: ['', tls, starttls-smtp]
        default: ''
  timeout:
    description:
      - Seconds that one try may take. The dialogue that finds out about encryption may take three times as long.
      - UDP waits at least V(1.1) seconds, since a host sends only one ICMP error a second when a few have gone out.
    type: float
    default: 2.0
  retries:
    description: Further tries after silence. UDP always has one at least.
    type: int
    default: 1
  concurrency:
    description: Probes at once, from V(1) to V(1024). UDP probes of the same address follow each other whatever this is.
    type: int
    default: 64
  total_timeout:
    description: Seconds for all probes of this host. What is left then is V(unknown) with the reason V(out_of_time).
    type: float
    default: 300.0
notes:
  - A firewall that answers with a TCP reset, or from the address of the target with port unreachable on UDP, looks like a port without a service. It
    counts as V(refused), as no observer can tell them apart.
  - ICMP errors are told apart where the host runs Linux; TCP needs Linux 5.8 for that. Elsewhere the error code of the system decides.
seealso:
  - module: datapath.exchange.plan
  - module: datapath.exchange.report
"""

EXAMPLES = r"""
- name: Try what the plan lists for each host
  datapath.exchange.probe:
    plan: "{{ compiled.plan }}"
    results_dir: "{{ playbook_dir }}/results"

- name: Try two ports of a hub transport server
  datapath.exchange.probe:
    probes:
      - id: smtp
        address: 192.0.2.25
        port: 25
        tls: starttls-smtp
      - id: name-service
        address: 192.0.2.53
        protocol: udp
        port: 53
  register: seen
"""

RETURN = r"""
planned:
  description: How many probes there are for this host.
  returned: success
  type: int
  sample: 71
counts:
  description: How many probes showed what.
  returned: success, not in check mode
  type: dict
  contains:
    open:
      description: A connection or an answer came.
      type: int
      sample: 40
    refused:
      description: The path is open and no service listens. A TCP reset, or ICMP port unreachable from the target for UDP.
      type: int
      sample: 2
    filtered:
      description:
        - No answer of any kind, or the word of a firewall that it blocks.
        - UDP silence counts only when another UDP port of the same address answered or refused in the same run.
      type: int
      sample: 29
    unknown:
      description: Could not be tested, or silence that proves nothing.
      type: int
      sample: 0
results_file:
  description: Where the results are on the controller.
  returned: success with O(plan), not in check mode
  type: str
  sample: /srv/mail/results/hub1.3a1a30ba4a35.json
results:
  description: One result per probe, in the order of O(probes).
  returned: success with O(probes), not in check mode
  type: list
  elements: dict
  contains:
    id:
      description: The name of the probe.
      type: str
      sample: smtp
    verdict:
      description: One of V(open), V(refused), V(filtered), V(unknown).
      type: str
      sample: open
    reason:
      description:
        - A stable word. V(connected), V(answered), V(reset), V(port_unreachable), V(no_answer), V(rejected), V(admin_prohibited), V(own_firewall),
          V(no_route), V(no_source_address), V(host_unreachable), V(silent_no_control), V(silent_port), V(out_of_time), or V(local_) and an error of the
          system such as V(local_emfile).
        - For open ports that were asked about encryption V(tls_server_hello), V(tls_alert), V(clear_text), V(closed), V(no_tls_answer), V(starttls),
          V(no_starttls), V(smtp_no_greeting), V(smtp_no_answer), V(smtp_refused).
      type: str
      sample: starttls
    ms:
      description: Milliseconds that it took.
      type: int
      sample: 3
    encryption:
      description: V(offered) or V(not_offered), or empty when it was not asked for or could not be found out.
      type: str
      sample: offered
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.datapath.exchange.plugins.module_utils._probe import VERDICTS, Limits, Probe, run


def argument_spec() -> dict[str, t.Any]:
    return {
        "plan": {"type": "dict", "options": {"path": {"type": "str", "required": True}, "digest": {"type": "str", "required": True}}},
        "host": {"type": "str"},
        "results_dir": {"type": "str"},
        "probes": {
            "type": "list",
            "elements": "dict",
            "options": {
                "id": {"type": "str", "required": True},
                "address": {"type": "str", "required": True},
                "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
                "port": {"type": "int", "required": True},
                "tls": {"type": "str", "choices": ["", "tls", "starttls-smtp"], "default": ""},
            },
        },
        "timeout": {"type": "float", "default": 2.0},
        "retries": {"type": "int", "default": 1},
        "concurrency": {"type": "int", "default": 64},
        "total_timeout": {"type": "float", "default": 300.0},
    }


def read_probes(given: list[dict[str, t.Any]]) -> list[Probe]:
    """Return all probes; raises ValueError that names every one that cannot be tried."""
    probes, wrong = [], []
    for plain in given:
        try:
            probes.append(Probe(**plain))
        except ValueError as error:
            wrong.append(f"{plain['id']}: {error}")
    if len({plain["id"] for plain in given}) != len(given):
        wrong.append("ids must be unique")
    if wrong:
        raise ValueError("probes: " + "; ".join(wrong))
    return probes


def read_limits(params: dict[str, t.Any]) -> Limits:
    """Return the limits; raises ValueError for what could never end or never start."""
    for name, low, high in (("timeout", 0.1, 60), ("retries", 0, 10), ("concurrency", 1, 1024), ("total_timeout", 1, 86400)):
        if not low <= params[name] <= high:
            raise ValueError(f"{name}: {params[name]} is not {low} to {high}")
    return Limits(params["timeout"], params["retries"], params["concurrency"], params["total_timeout"])


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        probes, limits = read_probes(module.params["probes"] or []), read_limits(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    if module.check_mode:
        module.exit_json(changed=False, planned=len(probes))
    results = run(probes, limits)
    counts = {verdict: sum(result["verdict"] == verdict for result in results) for verdict in VERDICTS}
    module.exit_json(changed=False, planned=len(probes), counts=counts, results=results)


if __name__ == "__main__":
    main()
