# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's own action on one Windows host of a small organisation, as a playbook uses it."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from reach import Ansible

_ORGANISATION: dict[str, dict[str, t.Any]] = {
    "vars": {
        "datapath_peers": {
            "config_controller": ["192.0.2.250"], "mapi_client": ["198.51.100.0/24"], "web_client": ["any"], "internet_mta": ["any"],
        },
    },
    "children": {
        "edge_transport": {"hosts": {"edge1": {"datapath_addresses": ["203.0.113.11"]}}},
        "mailbox": {"hosts": {"mbx1": {"datapath_addresses": ["192.0.2.21"]}}},
        "domain_controller": {"hosts": {"dc1": {"datapath_addresses": ["192.0.2.53"]}}},
    },
}


class Collection:
    """Runs C(datapath.exchange.firewall) on a hub that is reached as the variables say."""

    def __init__(self, ansible: Ansible, variables: t.Mapping[str, t.Any], release: str = "2019") -> None:
        self._ansible, self._folder = ansible, ansible.folder
        hub = {**variables, "datapath_addresses": ["192.0.2.11"], "datapath_platform": {"os": "windows", "release": release}}
        hosts = {**_ORGANISATION["children"], "hub_transport": {"hosts": {"hub1": hub}}}
        self._inventory = self._folder / "organisation.json"
        self._inventory.write_text(json.dumps({"all": {**_ORGANISATION, "children": hosts}}))
        self.said = ""

    def firewall(self, state: str = "enforced", *, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """Give what the action returned."""
        answer = self._folder / "answer.json"
        answer.unlink(missing_ok=True)
        arguments = {"state": state, "plan": "{{ plan.plan }}" if state != "absent" else "{{ omit }}", **options}
        play = [{"hosts": "hub1", "gather_facts": False, "tasks": [
            {"name": "Plan", "datapath.exchange.plan": {"peers": "{{ datapath_peers }}"}, "register": "plan", "delegate_to": "localhost"},
            {
                "name": "Do it", "datapath.exchange.firewall": arguments, "register": "result", "check_mode": check, "diff": True,
                "ignore_errors": True, "ignore_unreachable": True,
            },
            {"name": "Tell", "ansible.builtin.copy": {"content": "{{ result | to_json }}", "dest": str(answer)}, "delegate_to": "localhost"},
        ]}]
        book = self._folder / "play.json"
        book.write_text(json.dumps(play))
        self.said = self._ansible("ansible-playbook", "-i", self._inventory, book).stdout
        assert answer.exists(), self.said
        result: dict[str, t.Any] = json.loads(Path(answer).read_text())
        return result


def life(collection: Collection, digest: t.Callable[[], str], count: t.Callable[[], int]) -> None:
    """Take a host through everything a user does with it, and back. digest: of its registry; count: of our rules in it."""
    before = digest()
    rehearsed = collection.firewall(check=True)
    assert (rehearsed.get("failed", False), rehearsed["changed"]) == (False, True), collection.said
    assert digest() == before
    done = collection.firewall()
    assert (done.get("failed", False), done["changed"], done["confirmed"], done["persistent"]) == (False, True, True, True), collection.said
    assert rehearsed["diff"] == done["diff"]
    assert count() > 3
    again = collection.firewall()
    assert (again.get("failed", False), again["changed"]) == (False, False), collection.said
    gone = collection.firewall("absent")
    assert (gone.get("failed", False), gone["changed"]) == (False, True), collection.said
    assert digest() == before
    assert collection.firewall("absent")["changed"] is False, collection.said


__all__ = ("Collection", "life")
