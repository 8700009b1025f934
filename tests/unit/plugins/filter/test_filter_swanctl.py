# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter swanctl: the documented example, all documented choices, errors of Ansible's kind."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.filter import swanctl as plugin

FILTER = plugin.FilterModule().filters()["swanctl"]
PLAN: dict[str, t.Any] = yaml.safe_load(plugin.EXAMPLES)[0]["vars"]["host_plan"]


def test_the_documented_association_is_rendered() -> None:
    text = FILTER(PLAN, auth="certificate")
    assert "    datapath-192-0-2-21-to-192-0-2-22 {\n" in text
    assert "local_ts = 192.0.2.21/32[6/445]\n" in text and "remote_ts = 192.0.2.22/32[6]\n" in text and "start_action = trap\n" in text
    assert "secrets" not in text


def test_a_key_has_its_place_and_is_not_there() -> None:
    assert FILTER(PLAN).count("secret = {PSK}\n") == 1


def test_every_documented_choice_is_known() -> None:
    options = yaml.safe_load(plugin.DOCUMENTATION)["options"]
    for name in ("state", "auth", "profile"):
        for choice in options[name]["choices"]:
            assert FILTER(PLAN, **{name: choice})
        assert FILTER(PLAN, **{name: options[name]["default"]}) == FILTER(PLAN)


def test_hosts_that_are_not_ready_are_not_demanded_of() -> None:
    assert "start_action = trap" in FILTER(PLAN, ready=["mbx2"])
    assert "start_action = trap" not in FILTER(PLAN, ready=[])
    assert "start_action = trap" not in FILTER(PLAN, state="requested")


@pytest.mark.parametrize(("plan", "options", "words"), [
    ("a text", {}, "swanctl: host plan: is str"),
    ({**PLAN, "platform": "windows"}, {}, "refuses platform:windows: use datapath.exchange.netsh_consec"),
    (PLAN, {"auth": "kerberos"}, "strongSwan knows no Kerberos"),
    (PLAN, {"profile": "strong"}, "'strong' is not known"),
    (PLAN, {"state": "absent"}, "state 'absent' is not one of"),
])
def test_errors_are_ansible_s_and_name_the_cause(plan: t.Any, options: dict[str, str], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        FILTER(plan, **options)
