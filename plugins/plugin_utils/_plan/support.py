# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What the vendor's support statement adds to the rows, as paths of the scope C(supported).

From Exchange 2007 on, devices that block ports between Exchange servers of one organisation, or between them and domain controllers,
are not supported; any/any must pass. Source: Exchange team, "Exchange, Firewalls, and Support... Oh, my!", 18 February 2013
(https://techcommunity.microsoft.com/t5/exchange-team-blog/exchange-firewalls-and-support-8230-oh-my/ba-p/595710).
"""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath, Port, Reference

STATEMENT = (
    "Microsoft does not support a network device that blocks ports between Exchange servers of one organisation, or between them and domain"
    " controllers (Exchange 2007 and later). The scope 'supported' leaves those open; the scope 'documented' closes what the tables do not list."
)
STATEMENT_SOURCE = "https://techcommunity.microsoft.com/t5/exchange-team-blog/exchange-firewalls-and-support-8230-oh-my/ba-p/595710"


def support_paths(reference: Reference) -> tuple[DataPath, ...]:
    """Any/any between the organisation's servers (edge apart) and with its directory, both ways."""
    members = tuple(role for role in reference.roles if role not in reference.exclusive_roles)
    directory = tuple(kind for kind in ("domain_controller", "global_catalog") if kind in reference.peer_kinds)
    common: dict[str, t.Any] = {
        "reference": reference.name, "section": "implied", "row": 0, "scope": "organisation", "relation": "any", "documented_ports": (),
        "ports": (Port("any/any", "support statement", "implied", source="S-FW"),), "direction": "both", "origin": "implied", "source": "S-FW",
    }
    paths = [DataPath(id="supported-between-members", title="Any traffic between Exchange servers", initiators=members, responders=members, **common)]
    if directory:
        paths.append(DataPath(id="supported-with-directory", title="Any traffic with domain controllers", initiators=members, responders=directory, **common))
    return tuple(paths)


__all__ = ("STATEMENT", "STATEMENT_SOURCE", "support_paths")
