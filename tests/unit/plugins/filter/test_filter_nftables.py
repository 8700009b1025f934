# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.filter import nftables as plugin
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import render

EXAMPLE: dict[str, t.Any] = yaml.safe_load(plugin.EXAMPLES)[0]["vars"]["host_plan"]
FILTER = plugin.FilterModule().filters()["nftables"]


def test_the_documented_example_is_rendered_as_the_enforcer_renders_it() -> None:
    text = FILTER(EXAMPLE)
    assert 'ip saddr @hub_transport_v4 tcp dport 25 counter accept comment "hub-to-hub-smtp"' in text
    assert text == render(host_from_plain(EXAMPLE))


def test_the_state_is_passed_on() -> None:
    assert "policy accept" in FILTER(EXAMPLE, state="monitored")
    assert "policy accept" not in FILTER(EXAMPLE, state="enforced")


def test_the_states_are_those_of_the_documentation() -> None:
    for state in yaml.safe_load(plugin.DOCUMENTATION)["options"]["state"]["choices"]:
        assert FILTER(EXAMPLE, state)


@pytest.mark.parametrize(("plan", "state", "error"), [
    ("a text", "enforced", "datapath.exchange.nftables: host plan: is str, not a dictionary"),
    ({**EXAMPLE, "more": 1}, "enforced", "datapath.exchange.nftables: plan of hub1: more: not known"),
    ({**EXAMPLE, "platform": "windows"}, "enforced", "datapath.exchange.nftables: hub1: the host: the renderer nftables refuses platform:windows"),
    (EXAMPLE, "absent", "datapath.exchange.nftables: hub1: the host: the renderer nftables refuses state:absent"),
])
def test_errors_are_ansible_s_and_name_the_cause(plan: object, state: str, error: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^{re.escape(error)}"):
        FILTER(plan, state)
