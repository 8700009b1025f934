# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The way back: a timer of the host restores the previous table unless a change is confirmed in time. Standard library only.

Everything is below /run/datapath-firewall, which a reboot empties; a reboot also loads the previous rules, so nothing is lost with it.
``pending`` holds a change that waits. To confirm it, to take it over and to restore it all begin with a rename of that directory, so only one
of them can happen. The timer needs /bin/sh, nft and these files, nothing of Ansible.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _boot
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError, Nft
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program

DIRECTORY = Path("/run/datapath-firewall")
PENDING = DIRECTORY / "pending"
SCRIPT = DIRECTORY / "rollback.sh"
UNIT = "datapath-rollback"
_CLAIMED = DIRECTORY / "claimed"
_EXPIRED = DIRECTORY / "expired"
_NEXT = DIRECTORY / "next"
_PROCESS = DIRECTORY / "process"
_SETTLE_SECONDS = 5.0

# A constant: seconds, token and program come as arguments, never as text of the script.
_SCRIPT_TEXT = f"""\
#!/bin/sh
# Managed by datapath.exchange: restores the previous firewall, unless the change was confirmed in time.
# Arguments: seconds to wait, token of the change, path of nft.
sleep "$1"
cd {DIRECTORY} || exit 0
read -r token < pending/token || exit 0
[ "$token" = "$2" ] || exit 0
mv pending expired || exit 0
"$3" -f expired/rollback.nft || exit 1
rm -f {_boot.STAGED}
rmdir {_boot.DIRECTORY} 2> /dev/null
cd / && rm -rf {DIRECTORY}
"""


def token() -> str:
    """The token of the change that waits for its confirmation; empty when none does."""
    return _boot.read(PENDING / "token").strip()


def left_over() -> bool:
    """True when a change waits that was not confirmed: its run was killed, or is still under way."""
    return any(path.is_dir() for path in (PENDING, _CLAIMED, _EXPIRED))


def arm(name: str, restore: str, seconds: int, nft: Nft) -> None:
    """Start the timer: in ``seconds`` it loads ``restore``, unless the change ``name`` is confirmed or taken over."""
    DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
    _boot.write(SCRIPT, _SCRIPT_TEXT, 0o600)
    shutil.rmtree(_NEXT, ignore_errors=True)
    _NEXT.mkdir(mode=0o700)
    _boot.write(_NEXT / "token", f"{name}\n", 0o600)
    _boot.write(_NEXT / "rollback.nft", restore, 0o600)
    _NEXT.rename(PENDING)
    for path in (_CLAIMED, _EXPIRED):
        shutil.rmtree(path, ignore_errors=True)
    if _boot.booted():
        _arm_systemd(name, seconds, nft)
    else:
        _arm_process("/bin/sh", str(SCRIPT), str(seconds), name, nft.path)


def claim(name: str) -> None:
    """Take the change ``name`` away from its timer; raises EnforceError when it no longer waits or another run has taken it over."""
    waiting = token()
    if waiting and waiting != name:
        raise EnforceError("another run has taken this change over, and decides about it now")
    if not waiting or not _claim():
        raise EnforceError("the change no longer waits: the time to confirm it is over and the previous rules are back")


def take_over(run: Run) -> str | None:
    """Take an unconfirmed change of an earlier run away from its timer; returns what its timer would have loaded, None when that has just been done."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while _EXPIRED.is_dir() and time.monotonic() < deadline:
        time.sleep(0.1)
    _claim()
    disarm(run)
    for path in (_CLAIMED, _EXPIRED):
        restore = _boot.read(path / "rollback.nft")
        if restore:
            return restore
    return None


def clear(run: Run) -> None:
    """Stop the timer and forget the change."""
    disarm(run)
    shutil.rmtree(DIRECTORY, ignore_errors=True)


def disarm(run: Run) -> None:
    """Stop the timer, of either kind. A timer that fires all the same finds no change with its token and does nothing."""
    systemctl = find_program("systemctl")
    if _boot.booted() and systemctl:
        run([systemctl, "stop", f"{UNIT}.timer"], "")
        run([systemctl, "reset-failed", f"{UNIT}.timer", f"{UNIT}.service"], "")
    process = _boot.read(_PROCESS).strip()
    if process.isdigit() and _is_ours(int(process)):
        os.killpg(int(process), signal.SIGTERM)


def _claim() -> bool:
    """What a killed run has left beside ``pending`` is the same restore text (see ``arm``), so it may go."""
    if PENDING.is_dir():
        shutil.rmtree(_CLAIMED, ignore_errors=True)
    try:
        PENDING.rename(_CLAIMED)
    except FileNotFoundError:
        return False
    return True


def _arm_systemd(name: str, seconds: int, nft: Nft) -> None:
    program = find_program("systemd-run")
    if not program:
        raise EnforceError("systemd runs this host, but systemd-run is not installed: the timer that restores the previous rules cannot be set")
    done = nft.run([
        program, "--quiet", "--collect", f"--unit={UNIT}", "--description=Restores the previous firewall unless datapath.exchange confirms the change",
        f"--on-active={seconds}s", "--timer-property=AccuracySec=100ms", "--", "/bin/sh", str(SCRIPT), "0", name, nft.path,
    ], "")
    if done.code:
        raise EnforceError(f"the timer that restores the previous rules cannot be set, so nothing was changed: systemd-run: {done.err[:300]}")


def _arm_process(*argv: str) -> None:
    """A session of its own and no inherited file: neither the end of Ansible nor of its connection ends it."""
    process = os.fork()
    if not process:
        try:
            os.setsid()
            os.chdir("/")
            nothing = os.open(os.devnull, os.O_RDWR)
            for standard in (0, 1, 2):
                os.dup2(nothing, standard)
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            os.execv(argv[0], argv)  # noqa: S606 - no shell is what is wanted
        finally:
            os._exit(127)
    _boot.write(_PROCESS, f"{process}\n", 0o600)


def _is_ours(process: int) -> bool:
    """A number alone may have been given to another process since."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return str(SCRIPT).encode() in words


__all__ = ("DIRECTORY", "PENDING", "SCRIPT", "UNIT", "arm", "claim", "clear", "disarm", "left_over", "take_over", "token")
