# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules read by dissect.target, a forensic tool of other people, and by us. It keeps one value of each token, so lists are not compared.

https://github.com/fox-it/dissect.target
"""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.release import __version__
from hypothesis import given, settings
from windows_rules import SAMPLES, matches

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Match
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.rules import firewall_rule, to_text

if __version__.startswith("2.17."):
    pytest.importorskip("dissect.target", reason="not in the environment of the oldest ansible-core")
from dissect.target.plugins.os.windows.firewall import WindowsFirewallPlugin

PROTOCOLS = {"ICMP": 1, "TCP": 6, "UDP": 17, "GRE": 47, "IPV6_ICMP": 58, "RESERVED": 255}


def _opinion(text: str) -> dict[str, t.Any]:
    """What the plugin makes of one value, without a disk image around it."""
    plugin = object.__new__(WindowsFirewallPlugin)
    entry = types.SimpleNamespace(name="{id}", value=text)
    plugin.keys = [types.SimpleNamespace(values=lambda: [entry], path="HKLM")]
    plugin.target = types.SimpleNamespace(resolve=lambda path: path, hostname="host", domain="example.com", name="host", path="host", _config=None)
    (record,) = list(plugin.rules.__wrapped__(plugin) if hasattr(plugin.rules, "__wrapped__") else plugin.rules())
    return record._asdict()


def _protocol(name: str | None) -> int | None:
    if name is None:
        return None
    return PROTOCOLS[name.replace("-", "_").upper()]


def _compare(text: str) -> None:
    ours, theirs = firewall_rule("{id}", text), _opinion(text)
    assert theirs["key"] == ours.id
    assert theirs["version"] == text.partition("|")[0]
    assert (theirs["action"].lower(), theirs["dir"].lower()) == (ours.match.action, ours.match.direction)
    assert bool(theirs.get("active")) == ours.active
    assert _protocol(theirs.get("protocol")) == ours.match.protocol
    assert (theirs.get("name") or "", theirs.get("desc") or "", theirs.get("embedctxt") or "") == (ours.name, ours.description, ours.group)
    assert str(theirs.get("app") or "").lower().replace("\\", "/") == ours.match.program.replace("\\", "/")
    assert (theirs.get("svc") or "").lower() == ours.match.service
    protection = {"": "none", "authenticate": "authenticate", "authenticateencrypt": "authenc"}[(theirs.get("security") or "").lower()]
    if theirs.get("security2_9") or theirs.get("security2"):
        protection = {"authenticate": "authnoencap", "authenc": "authdynenc"}[protection]
    assert protection == ours.match.security


@pytest.mark.parametrize("name", SAMPLES)
def test_public_samples_are_read_alike(name: str) -> None:
    _compare(SAMPLES[name])


@given(matches())
@settings(max_examples=25)
def test_rules_that_we_write_are_read_alike(match: Match) -> None:
    _compare(to_text(match, name="datapath.exchange in x 12345678", schema="2.33", description="x"))
