# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Programs of a target: found, and run by their argument lists, never through a shell. Standard library only."""

from __future__ import annotations

import shutil
import typing as t
from dataclasses import dataclass

#: Ansible's non-login shells often lack the sbin directories.
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: Nothing here reads a translated text, but what nft and systemd-run say goes into our messages.
_ENVIRONMENT = {"LC_ALL": "C", "LANGUAGE": "C", "PATH": SEARCH_PATH}


@dataclass(frozen=True)
class Finished:
    """A program that ended: exit status, output, error output."""

    code: int
    out: str
    err: str


#: Runs a program: its argument list, and its standard input.
Run = t.Callable[[t.Sequence[str], str], Finished]


def runner(module: t.Any) -> Run:
    """How programs are run; module: an AnsibleModule."""

    def run(argv: t.Sequence[str], text: str) -> Finished:
        code, out, err = module.run_command(list(argv), data=text or None, environ_update=_ENVIRONMENT, expand_user_and_vars=False)
        return Finished(code, out, err.strip())

    return run


def find_program(name: str) -> str | None:
    """The absolute path of a program, or None."""
    return shutil.which(name, path=SEARCH_PATH)


__all__ = ("SEARCH_PATH", "Finished", "Run", "find_program", "runner")
