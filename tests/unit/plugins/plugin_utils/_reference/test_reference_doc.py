# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The committed page is the one that the reference gives."""

from __future__ import annotations

import importlib.util
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load

ROOT = Path(__file__).resolve().parents[5]


@pytest.fixture(scope="module")
def tool() -> t.Any:
    spec = importlib.util.spec_from_file_location("reference_doc", ROOT / "tests" / "tools" / "reference_doc.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_committed_page_is_up_to_date(tool: t.Any) -> None:
    assert tool.TARGET.read_text(encoding="utf-8") == tool.render(load()), "run: python tests/tools/reference_doc.py"


def test_page_names_every_path_switch_rule_and_source(tool: t.Any) -> None:
    page, reference = tool.render(load()), load()
    assert re.findall(r"^\| (?:\d+ \| )?`([a-z0-9-]+)`<br>", page, re.MULTILINE) == [path.id for path in reference.paths]
    for name in (*(f"`datapath_{name}`" for name in reference.features), *reference.peer_kinds, *reference.readings, *reference.sources):
        assert name in page
    assert {len(re.split(r"(?<!\\)\|", line)) for line in page.splitlines() if line.startswith("|")} == {11, 8, 7, 6, 5, 4}
