# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "windows"))

import pytest
from double_scripts import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """An English 2019 without anything in its firewall."""
    return Host.create(tmp_path / "host")
