# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a kernel of its own: a QEMU guest of Debian's cloud kernel, which can do IPsec whatever this machine's kernel can.

All guests boot the same image. What one writes goes to a scratch file that QEMU deletes as soon as it has opened it, so a reboot keeps the
disk and an end of QEMU, however it ends, leaves nothing.
"""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import tarfile
import typing as t
from pathlib import Path

import base
import cgroups
import network
from organisation import Host
from settings import LabError, Settings

MEMORY = 192
"""Megabytes that a guest sees; QEMU takes some 80 more, most of it for translated code."""

_SIZE = 1 << 30

_PACKAGES = (*base.PACKAGES, "busybox-static", "cpio", "openssl", "charon-systemd", "libstrongswan-standard-plugins", "strongswan-swanctl")

_DRIVERS = (
    "virtio_pci", "virtio_blk", "virtio_net", "ext4", "xfrm_user", "esp4", "esp6", "seqiv", "echainiv", "gcm", "ghash_generic", "ctr", "authenc", "drbg",
    "sha512_generic",
)
"""To boot, and for the usual ESP: the kernel would look for each part of that when the first association is set up, seconds here."""

_MASKED = (
    "dev-hugepages.mount", "dev-mqueue.mount", "e2scrub_reap.service", "modprobe@.service", "serial-getty@ttyS0.service", "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount", "systemd-journal-flush.service",
)
"""A console login waits for a device unit, which only udev would announce, and there is no udev; the others take seconds of an emulated processor."""

_KERNEL = """\
set -e
cd "$1/boot"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
apt-get -q download "$(apt-cache depends linux-image-cloud-amd64 | sed -n "s/.*Depends: //p" | head -n 1)"
dpkg-deb --extract ./*.deb unpacked
mv unpacked/boot/vmlinuz-* vmlinuz
mv unpacked/lib/modules "$1/usr/lib/modules"
rm -r unpacked ./*.deb
"""
"""The package is unpacked, not installed: it would bring udev and an initial disk that looks for everything that a machine can have."""

_INITIAL = """\
set -e
mkdir -p /boot/disk/bin /boot/disk/dev /boot/disk/mnt
cd /boot/disk
cp /bin/busybox bin/
release=$(ls /lib/modules)
depmod "$release"
modprobe --set-version "$release" --show-depends --all {modules} | while read -r how path _; do
  [ "$how" = insmod ] || continue
  cp --no-clobber "$path" .
  echo "/${{path##*/}}" >> modules
done
cat > init <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "$module" 2>/dev/null; done < /modules
until $b mount -t ext4 /dev/vda /mnt 2>/dev/null; do $b sleep 0.1; done
[ -e /mnt/etc/ssh/ssh_host_ed25519_key ] || $b tar -x -f /dev/vdb -C /mnt
exec $b switch_root /mnt /lib/systemd/systemd
INIT
chmod +x init
find . | cpio --create --format=newc --quiet | gzip -1 > /boot/initrd
rm -r /boot/disk
"""
"""An initial disk with what these guests have and nothing else. The second drive is an archive of the files that make a host itself."""

_UNIT = """\
[Unit]
Description=The addresses of this host
DefaultDependencies=no
Wants=network.target
After=network-pre.target
Before=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip -batch /etc/lab-network

[Install]
WantedBy=multi-user.target
"""

_BOOT = "console=ttyS0 quiet root=/dev/vda rw net.ifnames=0 systemd.show_status=0 mitigations=off cryptomgr.notests no5lvl"


def ensure(settings: Settings, say: t.Callable[[str], None]) -> Path:
    """Return the folder with kernel, initial disk and disk image, making it first where needed; safe as base.ensure is."""
    if platform.machine() != "x86_64":
        raise LabError(f"lab_kernel: the guests are amd64 and this machine is {platform.machine()}: leave such hosts out")
    initial = _INITIAL.format(modules=" ".join(_DRIVERS)).strip()
    hooks = (_KERNEL.strip(), f'chroot "$1" sh -c {shlex.quote(initial)}')
    masks = (f'ln -sf /dev/null "$1/etc/systemd/system/{unit}"' for unit in _MASKED)
    return base.made(settings, "kernel", base.recipe(settings, _PACKAGES, (*hooks, *masks)), _image, say)


def _image(archive: Path, folder: Path) -> None:
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    tree = part / "tree"
    base.unpack(archive, tree)
    for name in ("vmlinuz", "initrd"):
        (tree / "boot" / name).rename(part / name)
    disk = part / "disk"
    with disk.open("wb") as handle:
        handle.truncate(_SIZE)
    # Inode tables are written now, or each guest would spend its first minutes on it.
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d", tree, disk], check=True)
    shutil.rmtree(tree)
    part.replace(folder)


def prepare(files: Path, host: Host) -> None:
    """Complete the files of a host with its network and pack them beside their folder."""
    units = files / "etc" / "systemd" / "system"
    (units / "multi-user.target.wants").mkdir(parents=True)
    (units / "lab-network.service").write_text(_UNIT)
    (units / "multi-user.target.wants" / "lab-network.service").symlink_to("../lab-network.service")
    lines = [line for position, interface in enumerate(host.interfaces) for line in network.configuration(position, interface)]
    (files / "etc" / "lab-network").write_text("\n".join(lines) + "\n")
    with tarfile.open(files.with_suffix(".tar"), "w") as archive:
        archive.add(files, ".")


def keep(settings: Settings, host: Host, image: Path) -> int:
    """Carry one guest until it powers off or is killed. QEMU outlives a reboot, so disk and cables do."""
    cgroups.enter(settings, host.name, "guest")
    network.bridge(settings, host)
    stage = settings.hosts / host.name
    return subprocess.run(
        ["nsenter", f"--net=/run/netns/{settings.namespace(host.name)}", "--", *_command(settings, host, image, stage / "files.tar")],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(stage)}, stdin=subprocess.DEVNULL, check=False,
    ).returncode


def _command(settings: Settings, host: Host, image: Path, files: Path) -> list[str]:
    how = ["-accel", "kvm", "-cpu", "host"] if settings.accelerator == "kvm" else ["-accel", "tcg,tb-size=64", "-cpu", "max"]
    command = [
        "qemu-system-x86_64", "-name", settings.namespace(host.name), "-machine", "q35", *how, "-m", str(MEMORY), "-smp", "1",
        "-nodefaults", "-display", "none", "-serial", "stdio", "-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd"), "-append", _BOOT,
        "-drive", f"file={image / 'disk'},format=raw,if=virtio,snapshot=on,cache=unsafe", "-drive", f"file={files},format=raw,if=virtio,readonly=on",
    ]
    for position in range(len(host.interfaces)):
        command += [
            "-netdev", f"tap,id=net{position},ifname=tap{position},script=no,downscript=no",
            "-device", f"virtio-net-pci,netdev=net{position},romfile=,mac={network.hardware_address(host.number, position)}",
        ]
    return command


__all__ = ("MEMORY", "ensure", "keep", "prepare")
