# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What strongSwan on one of two mailbox servers is given when the other runs Windows: windows_peer.py HOST KEY."""

from __future__ import annotations

import sys
from typing import Any

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import swanctl
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Inventory

ADDRESSES = {"mbx1": "10.77.1.41", "mbx2": "10.77.1.42"}


def main(own: str, key: str) -> None:
    """Print the text."""
    hosts: dict[str, dict[str, Any]] = {}
    for name, address in ADDRESSES.items():
        hosts[name] = {"datapath_addresses": [address], "datapath_cluster": "ccr1", "datapath_ipsec": "required", "datapath_peers": {"config_controller": []}}
        hosts[name]["datapath_platform"] = {"os": "linux"} if name == own else {"os": "windows", "release": "2008"}
    plan = compile_plan(Inventory(hosts, {"mailbox": list(hosts)}), {}).host(own)
    sys.stdout.write(swanctl.fill(swanctl.render(plan, IpsecOptions("psk", "", "current", None, "required")).text, key))


if __name__ == "__main__":
    main(*sys.argv[1:])
