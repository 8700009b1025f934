# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.filter import netsh_firewall as plugin
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_firewall import profile_lines, render

EXAMPLE: dict[str, t.Any] = yaml.safe_load(plugin.EXAMPLES)[0]["vars"]["host_plan"]
OPTIONS: dict[str, t.Any] = yaml.safe_load(plugin.DOCUMENTATION)["options"]
FILTER = plugin.FilterModule().filters()["netsh_firewall"]


def test_the_documented_example_is_rendered_as_the_enforcer_renders_it() -> None:
    text = FILTER(EXAMPLE)
    assert text.splitlines() == [*(rule.line for rule in render(host_from_plain(EXAMPLE))), *profile_lines("enforced")]
    assert re.search(r'in hub-to-hub-smtp [0-9a-f]{8}" .* protocol=tcp localport=25 remoteip=192\.0\.2\.10-192\.0\.2\.11$', text, re.MULTILINE)


def test_the_state_is_passed_on() -> None:
    assert "blockinbound" in FILTER(EXAMPLE)
    assert "blockinbound" not in FILTER(EXAMPLE, state="monitored")


def test_the_release_decides_about_ranges() -> None:
    flow = {**EXAMPLE["flows"][0], "ports": ["5004-5006"]}
    assert "localport=5004-5006 " in FILTER({**EXAMPLE, "flows": [flow]})
    assert "localport=5004,5005,5006 " in FILTER({**EXAMPLE, "flows": [flow]}, release="2008")


def test_the_profiles_are_passed_on() -> None:
    text = FILTER(EXAMPLE, profiles=["domain"])
    assert " profile=domain " in text
    assert "publicprofile" not in text


@pytest.mark.parametrize("name", ["state", "release", "profiles"])
def test_the_choices_are_those_of_the_documentation(name: str) -> None:
    for choice in OPTIONS[name]["choices"]:
        assert FILTER(EXAMPLE, **{name: [choice] if name == "profiles" else choice})


@pytest.mark.parametrize(("plan", "options", "error"), [
    ("a text", {}, "host plan: is str, not a dictionary"),
    ({**EXAMPLE, "more": 1}, {}, "plan of hub1: more: not known"),
    ({**EXAMPLE, "platform": "linux"}, {}, "hub1: the host: the renderer netsh_firewall refuses platform:linux"),
    (EXAMPLE, {"state": "absent"}, "hub1: the host: the renderer netsh_firewall refuses state:absent"),
    (EXAMPLE, {"release": "2003"}, "hub1: the host: the renderer netsh_firewall refuses Windows Server 2003"),
    (EXAMPLE, {"release": "95"}, "'95' is not a supported release"),
    (EXAMPLE, {"profiles": ["home"]}, "hub1: the host: the renderer netsh_firewall refuses the profiles home"),
    (EXAMPLE, {"profiles": []}, "hub1: the host: the renderer netsh_firewall refuses the profiles none"),
])
def test_errors_are_ansible_s_and_name_the_cause(plan: object, options: dict[str, t.Any], error: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^{re.escape(f'datapath.exchange.netsh_firewall: {error}')}"):
        FILTER(plan, **options)
