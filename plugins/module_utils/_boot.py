# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What makes the rules survive a reboot: a file that only root reads, and a unit that loads it before the network is up. Standard library only."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError, Nft, replacement
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program

DIRECTORY = Path("/etc/datapath")
RULES = DIRECTORY / "firewall.nft"
STAGED = DIRECTORY / "firewall.nft.new"
SERVICE = "datapath-firewall.service"
UNITS = Path("/etc/systemd/system")
UNIT = UNITS / SERVICE
WANTS = UNITS / "sysinit.target.wants"
LINK = WANTS / SERVICE
_BOOTED = Path("/run/systemd/system")
_HEADER = "# Managed by datapath.exchange: changes made here are lost. Loaded by datapath-firewall.service.\n"
AS_PLANNED, ABSENT, DIFFERENT, LEFT_OVER, PRESENT = "as planned", "absent", "different", "left over", "present"

# Other services come first because some begin with "flush ruleset": Debian's nftables.service does, and it does so again on each restart and reload,
# hence PartOf and ReloadPropagatedFrom. No ExecStop: stopping a unit must never open a host.
_UNIT_TEXT = """\
# Managed by datapath.exchange: changes made here are lost.
[Unit]
Description=Firewall of datapath.exchange (table inet datapath)
DefaultDependencies=no
ConditionPathExists={rules}
Wants=network-pre.target
Before=network-pre.target shutdown.target
After=local-fs.target nftables.service firewalld.service ufw.service netfilter-persistent.service
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
StandardInput=null
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}

[Install]
WantedBy=sysinit.target
"""


def rules_text(listing: str) -> str:
    """The file that loads exactly ``listing``, a canonical listing of our table."""
    return _HEADER + replacement(listing)


def unit_text(nft: Nft) -> str:
    """The unit that loads the rules with this nft."""
    return _UNIT_TEXT.format(nft=nft.path, rules=RULES)


def supported() -> bool:
    """True when this host keeps systemd units; without them nothing loads the rules after a reboot."""
    return UNITS.is_dir()


def booted() -> bool:
    """True when systemd runs this host (sd_booted(3))."""
    return _BOOTED.is_dir()


def status(text: str, nft: Nft) -> dict[str, str]:
    """Each part that survives a reboot: ``as planned``, ``absent``, ``different`` or ``left over``; text: what the file of rules must hold."""
    parts = {str(STAGED): LEFT_OVER} if os.path.lexists(STAGED) else {}
    parts[str(RULES)] = _file_status(RULES, text, 0o600)
    if supported():
        parts[str(UNIT)] = _file_status(UNIT, unit_text(nft), 0o644)
        parts["enabled"] = AS_PLANNED if enabled() else ABSENT
    if supported() and booted():
        parts["loaded"] = AS_PLANNED if active(nft.run) else ABSENT
    return parts


def enabled() -> bool:
    """True when the unit is started at boot."""
    return LINK.is_symlink() and LINK.resolve() == UNIT.resolve()


def active(run: Run) -> bool:
    """True when systemd counts the unit as active, which makes it follow a restart of nftables.service."""
    return _systemctl(run, "is-active", "--quiet", SERVICE) == 0


def traces() -> dict[str, str]:
    """What of ours is on the disk, for a host that shall have nothing."""
    return {str(path): PRESENT for path in (RULES, STAGED, UNIT, LINK) if os.path.lexists(path)}


def stage(text: str) -> None:
    """Write the rules beside the ones that a reboot would load."""
    DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
    write(STAGED, text, 0o600)


def staged() -> str:
    """The text that waits for its confirmation; empty when there is none."""
    return read(STAGED)


def commit() -> None:
    """Make the staged rules the ones that a reboot loads."""
    STAGED.replace(RULES)


def unstage() -> None:
    """Forget staged rules, and the directory when nothing else is in it."""
    discard(STAGED)
    discard_directory(DIRECTORY)


def install_unit(nft: Nft) -> None:
    """Write, enable and start the unit; raises EnforceError when systemd cannot start it."""
    if not supported():
        return
    if _file_status(UNIT, unit_text(nft), 0o644) != AS_PLANNED:
        write(UNIT, unit_text(nft), 0o644)
    if not enabled():
        WANTS.mkdir(mode=0o755, exist_ok=True)
        discard(LINK)
        LINK.symlink_to(UNIT)
    if booted():
        _systemctl(nft.run, "daemon-reload")
        if _systemctl(nft.run, "start", SERVICE):
            raise EnforceError(f"{SERVICE} does not start, so a reboot would lose the rules: see journalctl -u {SERVICE}")


def remove(run: Run) -> None:
    """Take away all of it: unit, file, and directories that are empty then. The loaded table is not touched."""
    if booted():
        _systemctl(run, "stop", SERVICE)
    for path in (LINK, UNIT, STAGED, RULES):
        discard(path)
    for directory in (WANTS, DIRECTORY):
        discard_directory(directory)
    if booted():
        _systemctl(run, "daemon-reload")
        _systemctl(run, "reset-failed", SERVICE)


def write(path: Path, text: str, mode: int) -> None:
    """Write a file aside with exactly this mode, then put it in place: readers see the old one or the new one, also after a crash."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        discard(aside)
        raise


def read(path: Path) -> str:
    """A file's text; empty when there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _file_status(path: Path, text: str, mode: int) -> str:
    if not os.path.lexists(path):
        return ABSENT
    facts = path.lstat()
    same = stat.S_ISREG(facts.st_mode) and (stat.S_IMODE(facts.st_mode), facts.st_uid) == (mode, 0) and read(path) == text
    return AS_PLANNED if same else DIFFERENT


def _systemctl(run: Run, *arguments: str) -> int:
    program = find_program("systemctl")
    return run([program, *arguments], "").code if program else 127


def discard(path: Path) -> None:
    """Delete a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def discard_directory(path: Path) -> None:
    """Only an empty one: others may keep files there."""
    with contextlib.suppress(OSError):
        path.rmdir()


__all__ = (
    "ABSENT", "AS_PLANNED", "DIFFERENT", "DIRECTORY", "LEFT_OVER", "LINK", "PRESENT", "RULES", "SERVICE", "STAGED", "UNIT", "active", "booted", "commit",
    "discard", "discard_directory", "enabled", "install_unit", "read", "remove", "rules_text", "stage", "staged", "status", "supported", "traces", "unit_text",
    "unstage", "write",
)
