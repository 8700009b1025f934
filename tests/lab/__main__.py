# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small mail organisation on one machine: systemd-nspawn hosts, or QEMU ones where a host needs a kernel, that Ansible reaches by plain SSH."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import base
import guest
import kernel
import lab
import network
import organisation
from settings import LabError, Settings

INVENTORY = Path(__file__).resolve().parent.parent / "golden" / "lab" / "inventory.yml"


def main() -> int:
    """Read the command line and do one thing; 1 means that the lab says why not."""
    os.umask(0o022)  # what is written here becomes files of the guests
    options = _options()
    try:
        settings = Settings.from_environment(os.environ)
        return int(options.run(settings, options) or 0)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"lab: {' '.join(map(str, error.cmd))} failed with {error.returncode}", file=sys.stderr)
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__, epilog="DATAPATH_LAB names the lab; labs of different names run side by side.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("up", _up, "boot the hosts, or some of them, and wait for their sshd"),
        ("down", _down, "end the lab, also a half-made one"),
        ("status", _status, "say which hosts take a login"),
        ("leaks", _leaks, "name what is left of the lab; fails if there is anything"),
        ("path", _path, "print where ssh_config, connection (inventory) or state is"),
        ("run", _run, "run a command where the controller is, or on the router or in a host's network: run [--in HOST] -- tcpdump -ni eth0"),
        ("hangup", _hangup, "end every connection of the controller, also those that still try"),
        ("base", _base, "only make what hosts share: the tree, also one with further packages, or the image of those that have a kernel of their own"),
        ("_keep", _keep, argparse.SUPPRESS),
        ("_wait", _wait, argparse.SUPPRESS),
    ):
        command = commands.add_parser(name, help=text)
        command.set_defaults(run=run)
        if name in ("up", "status"):
            command.add_argument("--inventory", type=Path, default=INVENTORY, help="describes the organisation (default: %(default)s)")
            command.add_argument("hosts", nargs="*", help="only these hosts")
        if name == "up":
            command.add_argument("--fresh", action="store_true", help="boot again even if the lab runs already")
        if name == "base":
            command.add_argument("--kernel", action="store_true")
            command.add_argument("--packages", choices=[name for name in base.ADDED if name], default="")
        if name == "run":
            command.add_argument("--in", dest="place", default=network.CONTROLLER)
            command.add_argument("command", nargs=argparse.REMAINDER)
        if name == "path":
            command.add_argument("what", choices=("connection", "ssh_config", "state"))
        if name in ("_keep", "_wait"):
            command.add_argument("order", type=json.loads)
    return parser.parse_args()


def _up(settings: Settings, options: argparse.Namespace) -> None:
    lab.up(settings, organisation.read(options.inventory, options.hosts), _say, fresh=options.fresh)


def _down(settings: Settings, _options: argparse.Namespace) -> None:
    lab.down(settings, _say)


def _status(settings: Settings, options: argparse.Namespace) -> None:
    print(*lab.status(settings, organisation.read(options.inventory, options.hosts)), sep="\n")


def _leaks(settings: Settings, _options: argparse.Namespace) -> int:
    left = lab.leaks(settings)
    print(*left, sep="\n", end="\n" if left else "")
    return int(bool(left))


def _path(settings: Settings, options: argparse.Namespace) -> None:
    print(getattr(settings, options.what))


def _run(settings: Settings, options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    return subprocess.run(["nsenter", f"--net=/run/netns/{settings.namespace(options.place)}", "--", *command], check=False).returncode


def _hangup(settings: Settings, _options: argparse.Namespace) -> None:
    network.hang_up(settings.namespace(network.CONTROLLER))


def _base(settings: Settings, options: argparse.Namespace) -> None:
    print(kernel.ensure(settings, _say) if options.kernel else base.ensure(settings, _say, options.packages))


def _keep(settings: Settings, options: argparse.Namespace) -> int:
    return guest.keep(settings, organisation.Host.from_plain(options.order["host"]), Path(options.order["tree"]))


def _wait(_settings: Settings, options: argparse.Namespace) -> None:
    print(json.dumps(lab.wait(**options.order)))


def _say(text: str) -> None:
    print(f"lab: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
