# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Which Windows a host runs, and what the tools of that release can say (schema versions: MS-FASP 2.2.42, note 12)."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import Release, WindowsError

_OLDEST = Release("2003", advfirewall=False, port_ranges=False, securing_lists=False, main_mode_rules=False, rules_by_id=False, schema="")
_FIRST = Release("2008", port_ranges=False, securing_lists=False, main_mode_rules=False, rules_by_id=False, schema="2.1")

_RELEASES: t.Final[dict[str, Release]] = {
    release.name: release
    for release in (
        _OLDEST, _FIRST, Release("2008r2", rules_by_id=False, schema="2.10"), Release("2012", schema="2.20"), Release("2012r2", schema="2.22"),
        Release("2016", schema="2.26"), Release("2019", schema="2.29"), Release("2022", schema="2.31"), Release("2025", schema="2.33"),
    )
}
NAMES: t.Final = tuple(_RELEASES)
"""Names of releases, the oldest first."""

# First builds of the servers that call themselves 10.0: https://learn.microsoft.com/windows/release-health/windows-server-release-info
_BUILDS: t.Final = ((26100, "2025"), (20348, "2022"), (17763, "2019"), (14393, "2016"))
_VERSIONS: t.Final = {"6.0": (6001, "2008"), "6.1": (7600, "2008r2"), "6.2": (9200, "2012"), "6.3": (9600, "2012r2")}
_WORDS: t.Final = ("microsoft", "windows", "server", "_", "-", " ")


def release_of(name: str, build: int = 0) -> Release:
    """The release of a name as C(datapath_platform.release) has it (C(2008 R2) is C(2008r2)); WindowsError for others."""
    plain = name.lower()
    for word in _WORDS:
        plain = plain.replace(word, "")
    if plain not in _RELEASES:
        raise WindowsError(f"{name!r} is not a supported release of Windows Server: write one of {', '.join(NAMES)}")
    return replace(_RELEASES[plain], build=build)


def release_of_build(current_version: str, build: int, major: int = 0) -> Release:
    """The release that the registry tells of: C(CurrentVersion), C(CurrentBuildNumber), and C(CurrentMajorVersionNumber) where there is one.

    The latter two decide from 10.0 on, where C(CurrentVersion) still says 6.3. WindowsError for what cannot be enforced, with what to do instead.
    """
    if major >= 10 or build >= _BUILDS[-1][0]:
        for first, name in _BUILDS:
            if build >= first:
                return release_of(name, build)
    elif current_version in _VERSIONS:
        first, name = _VERSIONS[current_version]
        if build >= first:
            return release_of(name, build)
    elif current_version in {"5.1", "5.2"}:
        raise WindowsError(
            "Windows Server 2003 has no firewall that can be read back: render its plan with datapath.exchange.render and carry it out by hand"
        )
    raise WindowsError(
        f"Windows {current_version or major} build {build} is not a supported release of Windows Server ({', '.join(NAMES[1:])}):"
        " upgrade the host, or take it out of the play and render its plan with datapath.exchange.render"
    )


__all__ = ("NAMES", "release_of", "release_of_build")
