# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A timer of the host that takes a change back unless it is confirmed in time. Standard library only.

Everything is below one directory of /run, which a reboot empties. ``pending`` holds a change that waits. To confirm it, to take it over and to take it back
all begin with a rename of that directory, so only one of them can happen. The timer needs /bin/sh and these files, nothing of Ansible.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _boot
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program

_SETTLE_SECONDS = 5.0

# A constant of each timer: seconds, token and program come as arguments, never as text of the script.
_SCRIPT_TEXT = """\
#!/bin/sh
# Managed by datapath.exchange: restores {what}, unless the change was confirmed in time.
# Arguments: seconds to wait, token of the change, path of the program.
sleep "$1"
cd {directory} || exit 0
read -r token < pending/token || exit 0
[ "$token" = "$2" ] || exit 0
mv pending expired || exit 0
{body}cd / && rm -rf {directory}
"""


@dataclass(frozen=True)
class Timer:
    """One kind of change that can be taken back.

    unit: of systemd, without its kind. what: it restores, in words. body: shell lines that restore it from the files in C(expired), with C($3) the program.
    """

    directory: Path
    unit: str
    what: str
    body: str

    @property
    def pending(self) -> Path:
        return self.directory / "pending"

    @property
    def script(self) -> Path:
        return self.directory / "rollback.sh"

    @property
    def _claimed(self) -> Path:
        return self.directory / "claimed"

    @property
    def _expired(self) -> Path:
        return self.directory / "expired"

    @property
    def _process(self) -> Path:
        return self.directory / "process"

    def token(self) -> str:
        """The token of the change that waits for its confirmation; empty when none does."""
        return _boot.read(self.pending / "token").strip()

    def left_over(self) -> bool:
        """True when a change waits that was not confirmed: its run was killed, or is still under way."""
        return any(path.is_dir() for path in (self.pending, self._claimed, self._expired))

    def arm(self, name: str, files: t.Mapping[str, str], seconds: int, program: str, run: Run) -> None:
        """Start the timer: in ``seconds`` it restores from ``files``, unless the change ``name`` is confirmed or taken over."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _boot.write(self.script, _SCRIPT_TEXT.format(what=self.what, directory=self.directory, body=self.body), 0o600)
        aside = self.directory / "next"
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=0o700)
        for file, text in {"token": f"{name}\n", **files}.items():
            _boot.write(aside / file, text, 0o600)
        aside.rename(self.pending)
        for path in (self._claimed, self._expired):
            shutil.rmtree(path, ignore_errors=True)
        if _boot.booted():
            self._arm_systemd(name, seconds, program, run)
        else:
            self._arm_process("/bin/sh", str(self.script), str(seconds), name, program)

    def claim(self, name: str) -> None:
        """Take the change ``name`` away from its timer; raises EnforceError when it no longer waits or another run has taken it over."""
        waiting = self.token()
        if waiting and waiting != name:
            raise EnforceError("another run has taken this change over, and decides about it now")
        if not waiting or not self._claim():
            raise EnforceError(f"the change no longer waits: the time to confirm it is over and {self.what} are back")

    def take_over(self, run: Run) -> Path | None:
        """Take an unconfirmed change of an earlier run away from its timer; returns where its files are, None when it has just been taken back."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while self._expired.is_dir() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._claim()
        self.disarm(run)
        return next((path for path in (self._claimed, self._expired) if path.is_dir()), None)

    def clear(self, run: Run) -> None:
        """Stop the timer and forget the change."""
        self.disarm(run)
        shutil.rmtree(self.directory, ignore_errors=True)

    def fire(self, name: str, program: str, run: Run) -> bool:
        """Do now what the timer would do later; returns whether it was done."""
        done = run(["/bin/sh", str(self.script), "0", name, program], "")
        self.disarm(run)
        return done.code == 0 and not self.left_over()

    def disarm(self, run: Run) -> None:
        """Stop the timer, of either kind. A timer that fires all the same finds no change with its token and does nothing."""
        systemctl = find_program("systemctl")
        if _boot.booted() and systemctl:
            run([systemctl, "stop", f"{self.unit}.timer"], "")
            run([systemctl, "reset-failed", f"{self.unit}.timer", f"{self.unit}.service"], "")
        process = _boot.read(self._process).strip()
        if process.isdigit() and self._is_ours(int(process)):
            os.killpg(int(process), signal.SIGTERM)

    def _claim(self) -> bool:
        """What a killed run has left beside ``pending`` restores the same (see ``arm``), so it may go."""
        if self.pending.is_dir():
            shutil.rmtree(self._claimed, ignore_errors=True)
        try:
            self.pending.rename(self._claimed)
        except FileNotFoundError:
            return False
        return True

    def _arm_systemd(self, name: str, seconds: int, program: str, run: Run) -> None:
        systemd_run = find_program("systemd-run")
        if not systemd_run:
            raise EnforceError(f"systemd runs this host, but systemd-run is not installed: the timer that restores {self.what} cannot be set")
        done = run([
            systemd_run, "--quiet", "--collect", f"--unit={self.unit}", f"--description=Restores {self.what} unless datapath.exchange confirms the change",
            f"--on-active={seconds}s", "--timer-property=AccuracySec=100ms", "--", "/bin/sh", str(self.script), "0", name, program,
        ], "")
        if done.code:
            raise EnforceError(f"the timer that restores {self.what} cannot be set, so nothing was changed: systemd-run: {done.err[:300]}")

    def _arm_process(self, *argv: str) -> None:
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
        _boot.write(self._process, f"{process}\n", 0o600)

    def _is_ours(self, process: int) -> bool:
        """A number alone may have been given to another process since."""
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return False
        return str(self.script).encode() in words


__all__ = ("Timer",)
