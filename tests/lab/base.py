# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian tree that all hosts share: made once, kept as an archive, never written to by a host."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
import typing as t
from contextlib import contextmanager
from pathlib import Path

from settings import LabError, Settings

PACKAGES = (
    "systemd-sysv", "dbus", "kmod", "netbase", "openssh-server", "sudo", "python3", "nftables", "iproute2", "iputils-ping", "netcat-openbsd",
)

ADDED: t.Mapping[str, tuple[str, ...]] = {"": (), "samba": ("samba", "samba-common-bin", "smbclient")}
"""What the tree of a host has beyond the packages of all hosts, by what its inventory calls it."""

_ADDED_UNITS: t.Mapping[str, tuple[str, ...]] = {"": (), "samba": ("nmbd.service", "samba-ad-dc.service", "smbd.service")}
"""What these packages would start by themselves: a test decides what its hosts serve."""

_MASKED = (
    "apt-daily-upgrade.timer", "apt-daily.timer", "console-getty.service", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer",
    "getty@tty1.service", "systemd-binfmt.service", "systemd-networkd.service", "systemd-resolved.service", "systemd-timesyncd.service",
)
"""Units that slow the boot down or fight the lab's own addresses. Not logind: ``shutdown -r``, so Ansible's reboot, needs it."""

_UNWANTED = ("doc", "info", "locale", "man")

_SSHD = r"UseDNS no\nUsePAM no\nMaxStartups 100\nPasswordAuthentication no\nAuthorizedKeysFile /etc/ssh/authorized_keys\n"

_CUSTOMIZE = (
    # A login without a password, but not a locked one: sshd without PAM refuses accounts whose password starts with "!".
    'chroot "$1" useradd --create-home --shell /bin/bash --password "*" ansible',
    'printf "ansible ALL=(ALL) NOPASSWD: ALL\\n" > "$1/etc/sudoers.d/ansible"',
    f'printf "{_SSHD}" > "$1/etc/ssh/sshd_config.d/lab.conf"',
    'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/hostname" "$1/etc/resolv.conf"',
    *(f'ln -sf /dev/null "$1/etc/systemd/system/{unit}"' for unit in _MASKED),
)


def recipe(settings: Settings, packages: t.Iterable[str] = PACKAGES, hooks: t.Iterable[str] = ()) -> tuple[str, ...]:
    """Give the arguments of mmdebstrap; the same recipe always means the same tree. Hooks run after those that every tree needs."""
    return (
        "--quiet", "--variant=minbase", f"--include={','.join(packages)}",
        '--aptopt=Acquire::Languages "none"', '--aptopt=APT::Install-Recommends "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _UNWANTED),
        *(f"--customize-hook={hook}" for hook in (*_CUSTOMIZE, *hooks)),
        settings.suite, "-", *filter(None, (settings.mirror,)),
    )


def ensure(settings: Settings, say: t.Callable[[str], None], added: str = "") -> Path:
    """Return a tree, making it first where needed; safe when several labs ask at once, and after being killed half-way."""
    hooks = tuple(f'chroot "$1" systemctl --quiet disable {unit}' for unit in _ADDED_UNITS[added])
    return made(settings, added or "base", recipe(settings, (*PACKAGES, *ADDED[added]), hooks), unpack, say)


def made(settings: Settings, kind: str, steps: tuple[str, ...], finish: t.Callable[[Path, Path], None], say: t.Callable[[str], None]) -> Path:
    """Return what ``finish(archive, folder)`` makes of the archive that mmdebstrap makes by these steps; both are kept under their digest."""
    digest = hashlib.sha256("\0".join(steps).encode()).hexdigest()[:12]
    archive = settings.cache / f"{kind}-{digest}.tar.zst"
    folder = settings.cache / f"{kind}-{digest}"
    with locked(settings.cache / "lock") as lock:
        if not archive.exists():
            say(f"making the {kind} tree of the hosts (Debian {settings.suite}, once; about a minute)")
            _build(steps, archive, say, lock)
        if not folder.exists():
            finish(archive, folder)
    return folder


def _build(steps: tuple[str, ...], archive: Path, say: t.Callable[[str], None], lock: int) -> None:
    """Let mmdebstrap write the archive. Its processes share the lock: after ``kill -9`` the next lab waits until they are gone."""
    part, log, scratch = (archive.with_suffix(suffix) for suffix in (".part", ".log", ".tmp"))
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(mode=0o711)
    with part.open("wb") as target, log.open("wb") as errors:
        make = subprocess.Popen(
            ["mmdebstrap", *steps], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
            env={**os.environ, "TMPDIR": str(scratch)}, pass_fds=[lock],
        )
        pack = subprocess.Popen(["zstd", "-q", "-3", "-T0", "-c"], stdin=make.stdout, stdout=target)
        _watch(make, say)
        packed = pack.wait()
    shutil.rmtree(scratch, ignore_errors=True)
    if make.returncode or packed:
        raise LabError(f"mmdebstrap failed ({make.returncode}), its log is {log}:\n{_tail(log)}")
    part.replace(archive)


def _watch(process: subprocess.Popen[bytes], say: t.Callable[[str], None]) -> None:
    started = time.monotonic()
    while process.returncode is None:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            say(f"  mmdebstrap: {time.monotonic() - started:.0f} s")


def unpack(archive: Path, tree: Path) -> None:
    part = tree.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    subprocess.run(["tar", "--zstd", "--xattrs", "--xattrs-include=*", "-C", part, "-xf", archive], check=True)
    part.replace(tree)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


@contextmanager
def locked(path: Path) -> t.Iterator[int]:
    """Hold a lock that the kernel drops when its last holder dies; gives the descriptor, for children that shall hold it too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle.fileno()


__all__ = ("ADDED", "PACKAGES", "ensure", "locked", "made", "recipe", "unpack")
