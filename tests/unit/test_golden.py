# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories under tests/golden: each gives the expected bytes, and each bad one the expected words. ``make golden`` writes them again."""

from __future__ import annotations

import ipaddress
import itertools
import json
import sys
import typing as t
from pathlib import Path

import pytest
from strategies import REFERENCE

from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import HOST_VARIABLES, ORGANISATION_DEFAULTS

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tools"))

import golden

ORGANISATIONS = [name for name in golden.names() if name != "errors"]
MISTAKES = sorted((golden.GOLDEN / "errors").glob("*.yml"))


def compare(path: Path, text: str) -> None:
    """Compare with the file; what differs is left beside it as NAME.actual."""
    actual = path.with_name(f"{path.name}.actual")
    if path.is_file() and golden.stored(path) == text:
        actual.unlink(missing_ok=True)
        return
    actual.parent.mkdir(parents=True, exist_ok=True)
    actual.write_bytes(text.encode("utf-8"))
    pytest.fail(f"{path.relative_to(golden.GOLDEN)} is not what was planned, see {actual.name} beside it; 'make golden' takes it over")


@pytest.mark.parametrize("name", ORGANISATIONS)
def test_organisation_gives_the_same_bytes(name: str) -> None:
    wanted = golden.expected(name)
    assert {str(path.relative_to(golden.GOLDEN)) for path in golden.kept(name)} == {str(path.relative_to(golden.GOLDEN)) for path in wanted}
    for path, text in wanted.items():
        compare(path, text)


@pytest.mark.parametrize("inventory", MISTAKES, ids=lambda path: path.stem)
def test_mistake_is_answered_in_these_words(inventory: Path) -> None:
    compare(inventory.with_suffix(".txt"), golden.complaint(inventory))


def test_every_expected_complaint_has_its_inventory() -> None:
    assert {path.stem for path in golden.kept("errors")} == {path.stem for path in MISTAKES}


def test_inventory_that_is_not_utf8_plans_nothing(tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_bytes(b"hub_transport:\n  hosts:\n    hub1: {ansible_host: 192.0.2.1, datapath_site: M\xfcnchen}\n")
    assert golden.complaint(inventory).startswith("inventory: no host is in a group named hub_transport, edge_transport, ")


def test_everything_sets_every_variable_and_names_every_kind() -> None:
    text = (golden.GOLDEN / "everything" / "inventory.yml").read_text(encoding="utf-8")
    unset = {name for name in (*HOST_VARIABLES, *ORGANISATION_DEFAULTS, *REFERENCE.features) if f"datapath_{name}:" not in text}
    # Addresses of gateways come as mappings here, and another group stands for the two named after their role.
    assert unset == {"gateway_mode", "gateway_fqdn", "gateway_dial_plan"}
    assert {kind for kind in REFERENCE.peer_kinds if f"{kind}:" not in text} == set()


def test_everything_uses_every_path_that_hosts_on_linux_can_have() -> None:
    index = json.loads((golden.GOLDEN / "everything" / "plan" / "index.json").read_text(encoding="utf-8"))
    reasons = {entry["path"]: entry["reason"] for entry in index["skipped"]}
    assert {path for path, reason in reasons.items() if not reason.startswith("same host")} == {"directory-ping", "cluster-ping", "um-prompt-publishing"}


def _intervals(texts: t.Iterable[str]) -> list[tuple[int, int]]:
    found = []
    for text in texts:
        low, dash, high = text.partition("-")
        net = ipaddress.ip_network(low) if not dash else None
        found.append((int(net[0]), int(net[-1])) if net else (int(ipaddress.ip_address(low)), int(ipaddress.ip_address(high))))
    return found


@pytest.mark.parametrize("path", sorted(golden.GOLDEN.glob("*/plan/sets/*.json")), ids=lambda path: f"{path.parts[-4]}-{path.stem}")
def test_every_expected_set_says_each_address_once_in_order(path: Path) -> None:
    plain = json.loads(path.read_text(encoding="utf-8"))
    for family in ("v4", "v6"):
        for first, second in itertools.pairwise(_intervals(plain[family])):
            assert first[1] + 1 < second[0]
    assert plain["everyone"] or plain["v4"] or plain["v6"]
