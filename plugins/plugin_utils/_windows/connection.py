# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""From a connection of Ansible to a Remote. Knows which members of Ansible's own classes are used, and imports none of them.

No module is uploaded and no temporary folder is made: C(_low_level_execute_command) does neither, and needs no other PowerShell than there is.
https://github.com/ansible/ansible/blob/v2.19.14/lib/ansible/plugins/action/__init__.py
"""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import CutError, Remote


def is_windows(connection: t.Any) -> bool:
    """Whether a connection leads to a Windows host: by its shell, C(powershell) or C(cmd), which needs no gathered facts."""
    shell = getattr(connection, "_shell", None)
    return bool(getattr(shell, "_IS_WINDOWS", False)) or getattr(shell, "SHELL_FAMILY", "") in ("powershell", "cmd")


def remote_of(action: t.Any, broken: type[Exception]) -> Remote:
    """The host of an action plugin. broken: what its connection raises when it breaks.

    The first command raises that itself, so that Ansible reports an unreachable host; later ones raise CutError, so that what was begun can be taken back.
    Nothing is elevated: become has no way to, and an account of administrators comes in with all its rights.
    """
    called = False

    def execute(command: str, stdin: bytes) -> t.Mapping[str, t.Any]:
        nonlocal called
        first, called = not called, True
        try:
            answer: t.Mapping[str, t.Any] = action._low_level_execute_command(command, in_data=stdin, sudoable=False)  # noqa: SLF001 - Ansible's name
        except broken as error:
            if first:
                raise
            raise CutError(f"the connection to the host broke: {error}") from error
        return answer

    return Remote(execute, transport_of(action._connection))  # noqa: SLF001


def transport_of(connection: t.Any) -> str:
    """The name of a connection plugin, without its collection."""
    return str(getattr(connection, "transport", "")).rpartition(".")[2]


__all__ = ("is_windows", "remote_of", "transport_of")
