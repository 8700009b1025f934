# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Windows hosts whose cmd.exe, reg.exe and registry are those of Wine 10. Needs root."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from windows_double.endpoints import serve
from windows_double.facts import CODE_PAGES, RELEASES
from wine import host, tree


def main() -> int:
    """Read the command line and do one thing; 1 means that it says why not."""
    options = _options()
    try:
        return int(options.command(options) or 0)
    except (tree.WineError, serve.ServeError) as error:
        print(f"wine: {error}", file=sys.stderr)
    except subprocess.CalledProcessError as error:
        print(f"wine: {' '.join(map(str, error.cmd))} failed with {error.returncode}", file=sys.stderr)
    return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="wine", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="install hosts where they are missing, and start them in the background, each on free ports of loopback")
    up.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    up.add_argument("--release", choices=RELEASES, default="2019")
    up.add_argument("--language", choices=CODE_PAGES, default="en")
    up.add_argument("--exchange", metavar="VERSION", help="with Exchange of this version and its firewall rules, as 2007")
    up.add_argument("--ssh-shell", choices=serve.SHELLS, default="cmd")
    up.set_defaults(command=_up)
    for name, command, text in (("down", _down, "end hosts; what they are stays in their directories"), ("status", _status, "say where hosts can be reached")):
        parser_of = commands.add_parser(name, help=text)
        parser_of.add_argument("directories", nargs="+", type=Path, metavar="DIR")
        parser_of.set_defaults(command=command)
    commands.add_parser("base", help="only make what all hosts share").set_defaults(command=_base)
    keep = commands.add_parser("_keep", help=argparse.SUPPRESS)
    keep.add_argument("directory", type=Path)
    keep.add_argument("--ssh-shell", required=True)
    keep.set_defaults(command=_keep)
    return parser.parse_args()


def _up(options: argparse.Namespace) -> None:
    shared = tree.ensure(os.environ, _say)
    for directory in (given.resolve() for given in options.directories):
        host.create(directory, shared, options.release, options.language, options.exchange)
        command = [sys.executable, "-m", "wine", "_keep", str(directory), "--ssh-shell", options.ssh_shell]
        print(json.dumps(serve.start(command, directory, seconds=120)))


def _keep(options: argparse.Namespace) -> None:
    host.keep(options.directory, tree.ensure(os.environ, _say), serve.Wanted(winrm=0, psrp=0, ssh=0, ssh_shell=options.ssh_shell))


def _down(options: argparse.Namespace) -> None:
    for directory in options.directories:
        serve.stop(directory.resolve(), seconds=30)


def _status(options: argparse.Namespace) -> int:
    records = [serve.running(directory.resolve()) for directory in options.directories]
    for record in records:
        print(json.dumps(record))
    return int(None in records)


def _base(_options: argparse.Namespace) -> None:
    print(tree.ensure(os.environ, _say).prefix)


def _say(text: str) -> None:
    print(f"wine: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
