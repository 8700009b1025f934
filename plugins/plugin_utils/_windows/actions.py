# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What the action plugins for IPsec and RPC ports share."""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.connection import is_windows
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError


def require_windows(connection: t.Any, host: str, what: str) -> None:
    """Raise WindowsError on a host of another platform. what: the module."""
    if not is_windows(connection):
        raise WindowsError(f"{host}: this release enforces {what} on Windows only, and the connection leads elsewhere: leave the host out of the play")


def reconnect(connection: t.Any) -> None:
    """Open a new connection: one that was there before proves nothing, because established ones stay admitted."""
    if type(connection).reset.__module__ == "ansible.plugins.connection":
        connection.close()
        connection._connect()  # noqa: SLF001 - what Ansible itself calls
    else:
        connection.reset()


__all__ = ("reconnect", "require_windows")
