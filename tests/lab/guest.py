# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host: an overlay over the base tree in a private mount namespace, and systemd-nspawn started again after every reboot."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import typing as t
import uuid
from dataclasses import asdict
from pathlib import Path

import cgroups
import kernel
import network
import windows
from organisation import Host
from settings import Settings

REBOOT = 133
"""What systemd-nspawn returns when its guest asked for a reboot and the unit is kept (systemd-nspawn(1), --keep-unit)."""

_STAGE = """
set -e
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
mount -t tmpfs -o size=512m,mode=0755 tmpfs {stage}
mkdir {stage}/upper {stage}/work {stage}/root
mount -t overlay overlay -o lowerdir={tree},upperdir={stage}/upper,workdir={stage}/work {stage}/root
cp -a {files}/. {stage}/root/
echo ready
exec sleep infinity
"""
"""An empty /run/systemd hides the machine's own service manager, so a lab behaves the same with and without one."""


def prepare(settings: Settings, host: Host, others: t.Iterable[Host], authorized_key: str) -> str:
    """Write what makes this host itself (name, keys, hosts file) and give its public key."""
    files = settings.hosts / host.name / "files"
    (settings.hosts / host.name / "root").mkdir(parents=True)
    ssh = files / "etc" / "ssh"
    ssh.mkdir(parents=True)
    key = ssh / "ssh_host_ed25519_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", host.name, "-f", key], check=True)
    etc = files / "etc"
    (etc / "hostname").write_text(f"{host.name}\n")
    (etc / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
    (etc / "hosts").write_text(_hosts_file(host, others))
    # A file that only root writes: the account of the lab cannot lock itself out of the next test.
    keys = ssh / "authorized_keys"
    keys.write_text(authorized_key)
    keys.chmod(0o644)
    if host.windows:
        windows.prepare(files, host, authorized_key)
    if host.kernel:
        kernel.prepare(files, host)
    return (key.with_suffix(".pub")).read_text()


def start(settings: Settings, host: Host, tree: Path) -> subprocess.Popen[bytes]:
    """Let a keeper of its own carry the host, so that it lives on when the caller ends; a keeper that ends has lost its host."""
    order = {"host": asdict(host), "tree": str(tree)}
    with (settings.hosts / host.name / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-E", str(Path(__file__).parent), "_keep", json.dumps(order)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )


def keep(settings: Settings, host: Host, tree: Path) -> int:
    """Carry one host until it powers off or is killed. The overlay outlives a reboot, the network namespace does not."""
    if host.kernel:
        return kernel.keep(settings, host, tree)
    cgroups.enter(settings, host.name, "keeper")
    stage = settings.hosts / host.name
    script = _STAGE.format(
        stage=shlex.quote(str(stage / "root")), tree=shlex.quote(str(tree)), files=shlex.quote(str(stage / "files")),
    )
    with subprocess.Popen(["unshare", "--mount", "--propagation", "slave", "sh", "-c", script], stdout=subprocess.PIPE, text=True) as holder:
        try:
            if not holder.stdout or holder.stdout.readline() != "ready\n":
                return 1
            status = REBOOT
            while status == REBOOT:
                network.attach(settings, host)
                status = _boot(settings, host, stage / "root" / "root", holder.pid)
            return status
        finally:
            holder.kill()


def _boot(settings: Settings, host: Host, root: Path, holder: int) -> int:
    """Run the guest once, in a control group beside the keeper's, since nspawn makes groups below its own."""
    cgroups.enter(settings, host.name, "guest")
    guest = subprocess.Popen(
        [
            "nsenter", f"--mount=/proc/{holder}/ns/mnt", "--", "systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
            f"--machine={settings.namespace(host.name)}", f"--directory={root}",
            f"--network-namespace-path=/run/netns/{settings.namespace(host.name)}",
            "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_ADMIN", "--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe",
        ],
        # The guest may write its own network switches, as a machine may; nothing else of /proc and /sys.
        env={**os.environ, "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"},
        stdin=subprocess.DEVNULL,
    )
    cgroups.enter(settings, host.name, "keeper")
    return guest.wait()


def _hosts_file(host: Host, others: t.Iterable[Host]) -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost", f"127.0.1.1 {host.name}.lab.example {host.name}"]
    lines += [f"{address} {other.name}.lab.example {other.name}" for other in others for address in other.addresses if other != host]
    return "\n".join(lines) + "\n"


__all__ = ("REBOOT", "keep", "prepare", "start")
