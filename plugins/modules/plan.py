#!/usr/bin/python
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Compile what every Exchange server of an organisation must allow, protect and refuse
version_added: 0.1.0
author: Contributors to the datapath.exchange collection (@datapath)
description:
  - Crosses the published tables of data paths with the inventory and gives a plan for every host of the organisation, also for hosts outside the play
    or the limit, together with findings where the inventory contradicts what the tables' notes allow.
  - Reads inventory variables alone. Variables that C(set_fact), C(register), C(include_vars) or facts set are not seen and are errors where their
    names start with C(datapath_). Per-host variables are read from inventory; variables of the whole organisation can be given here too.
  - Writes the plan into a directory on the controller, one small file per host, and returns where it is. No host is contacted.
  - Use it once per play with C(run_once). The role P(datapath.exchange.datapath#role) does so.
attributes:
  check_mode:
    support: full
    description: Compiles and compares everything; O(dest) is not written, the plan is kept until the run ends.
  diff_mode:
    support: none
    description: Use O(compare_with), which names the flows that a change opens and closes.
  idempotent:
    support: full
    description: The same inventory and the same options give the same bytes.
  action:
    support: full
    description: Runs on the controller.
  platform:
    support: full
    platforms: all
    description: The platforms of managed hosts do not matter.
options:
  reference:
    description:
      - The edition of the tables.
      - Taken from C(datapath_reference) of the inventory when omitted, V(exchange_2007) where that is not set either. The same holds for every other
        option that is named like a variable.
    type: str
  scope:
    description:
      - V(documented) allows what the tables list and what that implies, and closes all else.
      - V(supported) also leaves everything open between the Exchange servers of the organisation, edge servers apart, and between them and domain
        controllers, as the vendor's support statement wants.
    type: str
    choices: [documented, supported]
  encryption:
    description:
      - How strictly encryption is asked for.
      - V(as_documented) opens clear-text ports as the tables do, V(prefer_encrypted) and V(require_encrypted) close those that have an encrypted twin.
    type: str
    choices: [as_documented, prefer_encrypted, require_encrypted]
  role_groups:
    description: Inventory groups that carry a role or peer kind beside the group of the same name, as lists of group names.
    type: dict
  peers:
    description:
      - Networks of peers that are not hosts of the inventory, by peer kind. Each is a list of networks, or a mapping of site to such a list.
      - A network is an address, a prefix, a range V(192.0.2.1-192.0.2.9), or V(any) for kinds that allow it. Gateways may be mappings with
        C(address), C(mode), C(fqdn), C(dial_plan) and C(site).
    type: dict
  enforce_site_scope:
    description: Whether paths that stay within an Active Directory site are opened within sites only.
    type: bool
  implied:
    description: Whether paths and ports that the tables' notes imply are opened. Without them exactly the cells of the tables are.
    type: bool
  disabled_implied:
    description: Implied paths or sources of implied ports that are not opened.
    type: list
    elements: str
  waivers:
    description: Reasons for what is knowingly left as it is, by path or finding.
    type: dict
  zone_boundaries:
    description: Filtering devices between zones or sites.
    type: list
    elements: dict
  outlook_min_version:
    description: The oldest Outlook in use, as a year.
    type: int
  recipient_filter:
    description: Where recipients are filtered.
    type: str
    choices: [edge, hub, none]
  owa_certificate:
    description: What kind of certificate Outlook Web Access has.
    type: str
    choices: [trusted, self-signed]
  legacy_auth:
    description: Authentication towards Exchange 2003 behind Client Access servers.
    type: list
    elements: str
  legacy_eas_integrated_auth:
    description: Whether the virtual directory of ActiveSync on Exchange 2003 has Integrated Windows authentication.
    type: bool
  ntlm_blocked:
    description: Whether NTLM is blocked in the domain.
    type: bool
  oab_public_folder_distribution:
    description: Whether offline address books are distributed in public folders. Follows from O(outlook_min_version) and O(oab_web_distribution) when omitted.
    type: bool
  crl_checks:
    description: Whether servers fetch certificate revocation lists.
    type: bool
  internet_mail_on_hub:
    description: Whether hub transport servers exchange mail with the Internet themselves. Follows from the presence of edge servers when omitted.
    type: bool
  ldaps_directory:
    description: Whether the directory is also read by LDAP over SSL.
    type: bool
  mapi_udp_notification:
    description: Whether mailbox servers announce new mail by UDP.
    type: bool
  oab_public_folder:
    description: Feature of O(oab_public_folder_distribution) by its name in the reference.
    type: bool
  oab_web_distribution:
    description: Whether offline address books are distributed over the web.
    type: bool
  ocs:
    description: Whether Office Communications Server works with Unified Messaging.
    type: bool
  rdp:
    description: Whether administration hosts use Remote Desktop.
    type: bool
  remote_administration:
    description: Whether hosts with the management tools administer the servers.
    type: bool
  updates:
    description: Whether servers fetch anti-spam and antivirus updates.
    type: bool
  dest:
    description:
      - Directory on the controller in which the plan is kept. An earlier plan there is replaced.
      - Ansible's own temporary directory when omitted, which vanishes when the run ends.
    type: path
  compare_with:
    description: Directory with an earlier plan. RV(comparison) then names every flow that was gained and lost. It may be O(dest).
    type: path
  reuse:
    description:
      - What this action returned earlier. It is returned again when it was made in the same play for the same options and its directory is intact;
        the organisation is planned anew otherwise.
    type: dict
seealso:
  - module: datapath.exchange.reachability
  - module: datapath.exchange.firewall
  - plugin: datapath.exchange.paths
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Compile the plan of the whole organisation
  datapath.exchange.plan:
  register: plan
  run_once: true
  delegate_to: localhost

- name: Keep the plan for review and say what it opens and closes
  datapath.exchange.plan:
    scope: documented
    dest: plan
    compare_with: plan
  register: plan
  run_once: true
  delegate_to: localhost

- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ plan.report_lines }}"
  run_once: true
"""

RETURN = r"""
plan:
  description: Where the plan is. Other actions of this collection take this value as it is.
  returned: success
  type: dict
  contains:
    path:
      description: Directory on the controller.
      type: str
    digest:
      description: Names the inputs of the plan. A directory with another plan is refused.
      type: str
results_dir:
  description: An empty place on the controller for what probes of this play see. It vanishes when the run ends.
  returned: success
  type: str
groups:
  description: Inventory groups whose hosts carry a server role, by role.
  returned: success, and when findings forbid the plan
  type: dict
  sample: {mailbox: [mailbox, storage]}
findings:
  description: Rules of the tables' notes checked against the inventory, errors first. C(hosts) holds at most 100 names, C(hosts_total) their number.
  returned: success, and when findings forbid the plan
  type: list
  elements: dict
  sample: [{id: R-TR-08, severity: warning, hosts: [hub1], hosts_total: 1, text: Recipient filtering runs on hub transport servers., source: N-T6}]
skipped_paths:
  description: Paths that open nothing in this organisation, with the reason.
  returned: success, and when findings forbid the plan
  type: list
  elements: dict
  sample: [{path: um-fax, reason: the inventory names no fax_device}]
summary:
  description: Scope, encryption, counts, and the vendor's support statement with its source.
  returned: success, and when findings forbid the plan
  type: dict
comparison:
  description: Flows that the plan gained and lost, and managed hosts, at most 500 of each, with their numbers in C(gained_total) and so on.
  returned: when O(compare_with) is given
  type: dict
  sample: {gained: [mbx1 in 445/tcp from client_access], lost: [], hosts_added: [], hosts_removed: [], gained_total: 1, lost_total: 0}
report_lines:
  description: All of this for a reader.
  returned: success, and when findings forbid the plan
  type: list
  elements: str
errors:
  description: Everything wrong with the inventory, one sentence per mistake.
  returned: when the inventory has errors
  type: list
  elements: str
key:
  description: Names the play and the options, for O(reuse).
  returned: success
  type: str
reused:
  description: Whether an earlier result was returned again.
  returned: success
  type: bool
"""
