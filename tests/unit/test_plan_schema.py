# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schema describes every file of a plan, and nothing looser."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Inventory

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "plan.schema.json").read_text(encoding="utf-8"))
KINDS = {"hosts": "host", "sets": "set", "probes": "probes"}
INVENTORY = Inventory(
    hosts={
        "hub1": {"datapath_addresses": ["192.0.2.1", "2001:db8::1"]},
        "edge1": {"datapath_addresses": ["203.0.113.1"]},
        "mbx1": {"datapath_addresses": ["192.0.2.11"], "datapath_cluster": "ccr1", "datapath_file_share_witness": "hub1", "datapath_ipsec": "requested"},
        "mbx2": {"datapath_addresses": ["192.0.2.12"], "datapath_cluster": "ccr1", "datapath_static_ports": {"store": 59531}},
        "client1": {"datapath_addresses": ["198.51.100.10"], "datapath_probe": True},
    },
    groups={"hub_transport": ["hub1"], "edge_transport": ["edge1"], "mailbox": ["mbx1", "mbx2"], "mapi_client": ["client1"]},
)


def kind_of(path: Path) -> str:
    return KINDS.get(path.parent.name, "index")


def validate(kind: str, content: Any) -> None:
    jsonschema.Draft202012Validator({**SCHEMA, "oneOf": [{"$ref": f"#/$defs/{kind}"}]}).validate(content)


@pytest.fixture(name="files", scope="module")
def fixture_files(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Any]:
    directory = tmp_path_factory.mktemp("plan") / "plan"
    artefact.write(compile_plan(INVENTORY, {"peers": {"internet_mta": ["any"]}}), directory)
    return {path: json.loads(path.read_text(encoding="utf-8")) for path in sorted(directory.rglob("*.json"))}


def test_every_file_fits_the_schema(files: dict[Path, Any]) -> None:
    assert {kind_of(path) for path in files} == {"index", "host", "set", "probes"}
    for path, content in files.items():
        validate(kind_of(path), content)


def test_unknown_and_missing_keys_do_not_fit(files: dict[Path, Any]) -> None:
    for path, content in files.items():
        for key in content:
            without = copy.deepcopy(content)
            del without[key]
            with pytest.raises(jsonschema.ValidationError):
                validate(kind_of(path), without)
        with pytest.raises(jsonschema.ValidationError):
            validate(kind_of(path), {**content, "unknown": 1})
