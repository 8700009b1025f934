# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a double says no: to what no documentation promises, and to a client whose connection is cut."""

from __future__ import annotations

from windows_double.endpoints.host import Cut

REFUSAL = "WINDOWS-DOUBLE REFUSES: "
ConnectionCut = Cut
"""The client loses its connection and everything that the command has said; what the command had done stays done."""


class Refused(Exception):  # noqa: N818 - the word that every part of the double uses
    """Something was asked that the documentation does not promise. The machine puts it down as a violation and ends everything with rc 255.

    recorded: it has been put down already.
    """

    def __init__(self, why: str, *, recorded: bool = False) -> None:
        super().__init__(why)
        self.recorded = recorded


__all__ = ("REFUSAL", "ConnectionCut", "Refused")
