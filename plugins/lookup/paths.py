# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: paths
author: Contributors to the datapath.exchange collection (@datapath)
version_added: 0.1.0
short_description: Data paths of a published reference
description:
  - Returns rows of a published data path reference, such as the one of Exchange Server 2007 with its 52 rows, in document order.
  - Filters narrow each other down. Without any, exactly the documented rows are returned.
  - A name that the reference does not know is an error, so that a misspelt filter never looks like an empty answer.
options:
  reference:
    description: Edition of the reference.
    type: str
    default: exchange_2007
  section:
    description:
      - Section of the document, for example V(transport), V(mailbox), V(client_access) or V(unified_messaging).
      - V(implied) holds the paths that the document leaves out, and needs O(origin=implied) or O(origin=all).
    type: str
  row:
    description: Number of the row in its section, counted from 1.
    type: int
  role:
    description: Server role or peer kind that opens or answers connections of the path, for example V(hub_transport) or V(ip_gateway).
    type: str
  port:
    description:
      - A number and a protocol such as V(25/tcp), a symbolic port such as V(rpc-dynamic/tcp), or a word that stands in a ports cell,
        V(dynamic), V(smb) or V(rpc).
      - With O(origin=documented) it counts among the ports of the document's own cells, otherwise among all ports that must be open.
    type: str
  id:
    description: Ids of paths.
    type: list
    elements: str
  origin:
    description: Whether to return rows of the document, paths that its notes and readings imply, or both.
    type: str
    choices: [documented, implied, all]
    default: documented
seealso:
  - plugin: datapath.exchange.plan
    plugin_type: module
notes:
  - Nothing is read from hosts. The answer is the same on every controller.
"""

EXAMPLES = r"""
- name: Show which rows of the document name SMTP
  ansible.builtin.debug:
    msg: "{{ item.section }} {{ item.row }}: {{ item.title }} ({{ item.encryption.default }})"
  loop: "{{ query('datapath.exchange.paths', port='25/tcp') }}"
  loop_control:
    label: "{{ item.id }}"

- name: Show what a Client Access server needs beyond the document
  ansible.builtin.debug:
    msg: "{{ query('datapath.exchange.paths', role='client_access', origin='implied') | map(attribute='title') }}"

- name: Show how the cell of one row was read
  ansible.builtin.debug:
    msg: "{{ lookup('datapath.exchange.paths', section='client_access', row=8).interpretations }}"
"""

RETURN = r"""
_raw:
  description: The rows, in document order; implied paths follow.
  type: list
  elements: dict
  contains:
    id:
      description: Stable name of the path.
      type: str
      sample: hub-to-hub-smtp
    reference:
      description: Edition that the path belongs to.
      type: str
      sample: exchange_2007
    section:
      description: Section of the document, or V(implied).
      type: str
      sample: transport
    row:
      description: Number of the row in its section, from 1; 0 for implied paths.
      type: int
      sample: 1
    title:
      description: What the path is for.
      type: str
      sample: Hub to Hub mail relay
    initiators:
      description: Roles and peer kinds that open connections.
      type: list
      elements: str
    responders:
      description: Roles and peer kinds that answer.
      type: list
      elements: str
    direction:
      description: V(one_way), or V(both) where responders open connections too.
      type: str
    scope:
      description: How far the path reaches, V(organisation), V(same_ad_site), V(perimeter), V(cross_organisation) or V(same_host).
      type: str
    relation:
      description: Which pairs of hosts it joins, for example V(any), V(same_site), V(subscribed) or V(same_cluster).
      type: str
    documented_ports:
      description: Exactly what the ports cell says; empty for implied paths.
      type: list
      elements: str
      sample: [25/tcp]
    ports:
      description:
        - What must be open, each as a mapping with C(port), C(purpose), C(origin), the C(cell) it was read from, the C(source) of that reading,
          the C(responders) that answer on it where not all do, the switches C(when) and C(unless), the encrypted C(twin) of a clear text port,
          and the C(security) mode of a gateway that chooses it.
      type: list
      elements: dict
    authentication:
      description: C(default) and C(supported) methods; empty where the edition has no such columns.
      type: dict
      sample: {default: [kerberos], supported: [kerberos]}
    encryption:
      description: The supported C(mechanism), and whether it is used by C(default), V(yes), V(no), V(self-signed) or V(sip-only).
      type: dict
      sample: {mechanism: tls, default: "yes"}
    notes:
      description: Rules of the document's notes that bear on the path, with C(id), C(note), C(kind) and C(text).
      type: list
      elements: dict
    interpretations:
      description: Where the document is silent, ambiguous or lost a cell, the C(field), the C(id), the C(text) and the C(source) of the reading.
      type: list
      elements: dict
    origin:
      description: V(documented) or V(implied).
      type: str
    source:
      description: For an implied path, what added it.
      type: str
    when:
      description: Switches that must be on, without their C(datapath_) prefix.
      type: list
      elements: str
    unless:
      description: Switches that must be off.
      type: list
      elements: str
    initiator_when:
      description: Further switches for single initiators.
      type: dict
    platforms:
      description: Platforms that have the path; empty means all.
      type: list
      elements: str
"""

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.query import select, to_plain

OPTIONS = ("reference", "section", "row", "role", "port", "id", "origin")


class LookupModule(LookupBase):
    def run(self, terms: t.Sequence[t.Any], variables: t.Mapping[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        unknown = sorted(set(kwargs) - set(OPTIONS))
        if terms or unknown:
            raise AnsibleLookupError(f"datapath.exchange.paths: {', '.join(map(str, [*terms, *unknown]))} is not understood: use {', '.join(OPTIONS)}")
        self.set_options(var_options=variables, direct=kwargs)
        try:
            reference = load(self.get_option("reference"))
            paths = select(
                reference, section=self.get_option("section") or "", row=self._row(), role=self.get_option("role") or "",
                port=self.get_option("port") or "", ids=self.get_option("id") or (), origin=self.get_option("origin"),
            )
        except ValueError as exc:
            raise AnsibleLookupError(f"datapath.exchange.paths: {exc}") from exc
        return [to_plain(path, reference) for path in paths]

    def _row(self) -> int:
        row = self.get_option("row")
        if row is not None and row < 1:
            raise ValueError(f"row {row} is not known: rows count from 1")
        return row or 0
