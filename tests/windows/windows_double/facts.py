# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is the same on every double: places, numbers of services, and what each release says of itself."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

SYSTEM_ROOT = "C:\\Windows"
SYSTEM32 = SYSTEM_ROOT + "\\System32"
FOLDER = SYSTEM_ROOT + "\\datapath"
CURRENT_VERSION = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"
SERVICES = r"HKLM\SYSTEM\CurrentControlSet\Services"
RUNNING, STOPPED = 4, 1
AUTOMATIC, MANUAL, DISABLED = 2, 3, 4
LINE_LIMIT = 8191
"""Characters of a command line (KB830473)."""


@dataclass(frozen=True)
class ReleaseFacts:
    """What a release says of itself in its registry. major: C(CurrentMajorVersionNumber), which came with Windows 10."""

    version: str
    build: int
    product: str
    major: int | None = None


RELEASES: t.Mapping[str, ReleaseFacts] = {
    "2008": ReleaseFacts("6.0", 6002, "Windows Server (R) 2008 Standard"),
    "2008r2": ReleaseFacts("6.1", 7601, "Windows Server 2008 R2 Standard"),
    "2012r2": ReleaseFacts("6.3", 9600, "Windows Server 2012 R2 Standard"),
    "2019": ReleaseFacts("6.3", 17763, "Windows Server 2019 Standard", 10),
    "2025": ReleaseFacts("6.3", 26100, "Windows Server 2025 Standard", 10),
}
ORDER = tuple(RELEASES)
CODE_PAGES: t.Mapping[str, int] = {"en": 437, "ja": 932}

__all__ = (
    "AUTOMATIC", "CODE_PAGES", "CURRENT_VERSION", "DISABLED", "FOLDER", "LINE_LIMIT", "MANUAL", "ORDER", "RELEASES", "RUNNING", "SERVICES", "STOPPED",
    "SYSTEM32", "SYSTEM_ROOT", "ReleaseFacts",
)
