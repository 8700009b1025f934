# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The way back of the firewall: a timer of the host loads the previous table again unless a change is confirmed in time. Standard library only.

A reboot empties its directory, and loads the previous rules as well, so nothing is lost with it.
"""

from __future__ import annotations

from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _boot
from ansible_collections.datapath.exchange.plugins.module_utils._nft import Nft
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run
from ansible_collections.datapath.exchange.plugins.module_utils._timer import Timer

DIRECTORY = Path("/run/datapath-firewall")
UNIT = "datapath-rollback"
_RULES = "rollback.nft"
_TIMER = Timer(DIRECTORY, UNIT, "the previous rules", f"""\
"$3" -f expired/{_RULES} || exit 1
rm -f {_boot.STAGED}
rmdir {_boot.DIRECTORY} 2> /dev/null
""")
PENDING, SCRIPT = _TIMER.pending, _TIMER.script

token, left_over, claim, clear, disarm = _TIMER.token, _TIMER.left_over, _TIMER.claim, _TIMER.clear, _TIMER.disarm


def arm(name: str, restore: str, seconds: int, nft: Nft) -> None:
    """Start the timer: in ``seconds`` it loads ``restore``, unless the change ``name`` is confirmed or taken over."""
    _TIMER.arm(name, {_RULES: restore}, seconds, nft.path, nft.run)


def take_over(run: Run) -> str | None:
    """Take an unconfirmed change of an earlier run away from its timer; returns what its timer would have loaded, None when that has just been done."""
    kept = _TIMER.take_over(run)
    return _boot.read(kept / _RULES) or None if kept else None


__all__ = ("DIRECTORY", "PENDING", "SCRIPT", "UNIT", "arm", "claim", "clear", "disarm", "left_over", "take_over", "token")
