# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host that plays Windows: its sshd leads to the double of tests/windows, and its network filters as that double's registry says."""

from __future__ import annotations

import shutil
from pathlib import Path

from organisation import Host

_SOURCE = Path(__file__).resolve().parent.parent / "windows"
_CODE = Path("opt") / "windows"
_MACHINE = Path("var") / "lib" / "windows"
_UNITS = Path("etc") / "systemd" / "system"

# The administrator has opened the port of OpenSSH, as its installer does from Windows Server 2019 on.
_SERVE = """\
[Unit]
Description=A Windows double behind sshd

[Service]
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStartPre=/bin/sh -c 'test -e /{machine}/machine.json || \
  {{ {double} create /{machine} --release {release} --exchange 2007 --hostname {name} --address {address} && \
  {double} add-rule /{machine} --id OpenSSH-Server-In-TCP Action=Allow Active=TRUE Dir=In Protocol=6 LPort=22 "Name=OpenSSH Server"; }}'
ExecStart={double} serve /{machine} --address 0.0.0.0 --ssh 22 --foreground

[Install]
WantedBy=multi-user.target
"""
_FOLLOW = """\
[Unit]
Description=Filters as the Windows double would
After=windows-double.service

[Service]
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart={double} follow /{machine}
Restart=always
RestartSec=200ms

[Install]
WantedBy=multi-user.target
"""


def prepare(files: Path, host: Host, authorized_key: str) -> None:
    """Write what makes a guest play Windows, beside what every guest has; C(files) is laid over its tree."""
    code = files / _CODE
    shutil.copytree(_SOURCE / "windows_double", code / "windows_double", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(_SOURCE / "double", code / "double")
    _units(files, host)
    keys = files / _MACHINE / "endpoints" / "sshd"
    keys.mkdir(parents=True)
    shutil.copy(files / "etc" / "ssh" / "ssh_host_ed25519_key", keys / "host_key")
    # The controller holds the private half; the double only looks whether there is a pair.
    (keys / "client_key").touch(mode=0o600)
    (keys / "client_key.pub").write_text(authorized_key)


def _units(files: Path, host: Host) -> None:
    units = files / _UNITS
    wants = units / "multi-user.target.wants"
    wants.mkdir(parents=True)
    values = {"double": f"/usr/bin/python3 /{_CODE}/double", "machine": _MACHINE, "release": host.windows, "name": host.name.upper(), "address": host.address}
    for name, text in (("windows-double", _SERVE), ("windows-filter", _FOLLOW)):
        (units / f"{name}.service").write_text(text.format(**values))
        (wants / f"{name}.service").symlink_to(f"../{name}.service")
    for unit in ("ssh.service", "ssh.socket"):
        (units / unit).symlink_to("/dev/null")


__all__ = ("prepare",)
