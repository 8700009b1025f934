# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.releases import NAMES, release_of, release_of_build

# MS-FASP 2.2.42, note 12.
SCHEMAS = {
    "2003": "", "2008": "2.1", "2008r2": "2.10", "2012": "2.20", "2012r2": "2.22", "2016": "2.26", "2019": "2.29", "2022": "2.31", "2025": "2.33",
}
# First and later builds, and what the registry of each says: https://learn.microsoft.com/windows/release-health/windows-server-release-info
BUILDS = [
    ("6.0", 6001, 0, "2008"), ("6.0", 6002, 0, "2008"), ("6.0", 6003, 0, "2008"), ("6.1", 7600, 0, "2008r2"), ("6.1", 7601, 0, "2008r2"),
    ("6.2", 9200, 0, "2012"), ("6.3", 9600, 0, "2012r2"), ("6.3", 14393, 10, "2016"), ("6.3", 17763, 10, "2019"), ("6.3", 20348, 10, "2022"),
    ("6.3", 25398, 10, "2022"), ("6.3", 26100, 10, "2025"), ("6.3", 29000, 10, "2025"), ("6.3", 17763, 0, "2019"),
]


@pytest.mark.parametrize("name", NAMES)
def test_every_release_has_its_schema_and_build(name: str) -> None:
    release = release_of(name, 4711)
    assert (release.name, release.schema, release.build) == (name, SCHEMAS[name], 4711)


def test_what_the_tools_of_each_release_can_say() -> None:
    able = {name: release_of(name) for name in NAMES}
    assert [name for name in NAMES if not able[name].advfirewall] == ["2003"]
    assert [name for name in NAMES if not able[name].port_ranges] == ["2003", "2008"]
    assert [name for name in NAMES if not able[name].securing_lists] == ["2003", "2008"]
    assert [name for name in NAMES if not able[name].main_mode_rules] == ["2003", "2008"]
    assert [name for name in NAMES if not able[name].rules_by_id] == ["2003", "2008", "2008r2"]


@pytest.mark.parametrize("name", ["2008 R2", "Windows Server 2008 R2", "microsoft_windows_server_2008_r2", "2008R2"])
def test_names_as_people_write_them(name: str) -> None:
    assert release_of(name).name == "2008r2"


@pytest.mark.parametrize("name", ["", "2000", "nt4", "10", "2008r3", "2025\n"])
def test_other_names_are_an_error_that_lists_the_known_ones(name: str) -> None:
    with pytest.raises(WindowsError, match=r"2003, 2008, 2008r2, 2012, 2012r2, 2016, 2019, 2022, 2025"):
        release_of(name)


@pytest.mark.parametrize(("version", "build", "major", "name"), BUILDS)
def test_releases_by_what_the_registry_says(version: str, build: int, major: int, name: str) -> None:
    assert release_of_build(version, build, major) == release_of(name, build)


@pytest.mark.parametrize(("version", "build", "major"), [
    ("6.0", 6000, 0), ("6.4", 9841, 0), ("6.3", 10240, 10), ("4.0", 1381, 0), ("", 0, 0), ("6.1", 7000, 0),
])
def test_other_builds_are_an_error_that_says_what_to_do(version: str, build: int, major: int) -> None:
    with pytest.raises(WindowsError, match=r"not a supported release .*: upgrade the host, or .* render"):
        release_of_build(version, build, major)


def test_windows_server_2003_is_sent_to_the_renderer() -> None:
    with pytest.raises(WindowsError, match=r"2003 .* render its plan with datapath.exchange.render"):
        release_of_build("5.2", 3790)
