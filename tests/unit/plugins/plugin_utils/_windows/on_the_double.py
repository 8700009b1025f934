# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Windows double behind a callable, as a connection of Ansible would be: what the orchestration is tested on in one process."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "windows"))

from windows_double.machine import Machine
from windows_double.refusal import ConnectionCut

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, Management, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import firewall, remote
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.firewall import Outcome, Wish
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.remote import CutError, Remote

LOCAL = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
RULES = rf"{LOCAL}\FirewallRules"
POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
MEMORY = r"HKLM\SOFTWARE\datapath.exchange"
FOLDER = r"C:\Windows\datapath"


def connect(machine: Machine, transport: str = "winrm") -> Remote:
    """A new connection; the one of winrm encodes what it is given, as Ansible's does."""

    def execute(text: str, stdin: bytes) -> dict[str, t.Any]:
        try:
            if transport == "psrp":
                rc, out, err = machine.run_powershell(text, stdin)
            else:
                rc, out, err = machine.run_command_line(remote.command("ssh", text) if transport == "winrm" else text, stdin, 65001)
        except ConnectionCut as error:
            raise CutError(str(error)) from error
        return {"rc": rc, "stdout": out.decode(), "stderr": err.decode()}

    return Remote(execute, transport)


def run(machine: Machine, plan: HostPlan | None, *, check: bool = False, transport: str = "winrm", confirm: bool = True, **wish: t.Any) -> Outcome:
    """A whole run as the action does it: apply over one connection, confirm over another."""
    outcome = firewall.enforce(connect(machine, transport), plan, Wish(**wish), check=check)
    if outcome.pending and confirm:
        firewall.confirm(connect(machine, transport), outcome.pending)
    return outcome


def plan(*flows: Flow, egress: str = "open", release: str = "2019", **peers: tuple[str, ...]) -> HostPlan:
    """The plan of a hub that SMTP and RPC come in to, or the flows given. peers: IPv4 networks by name of a set."""
    wanted = flows or (
        flow("smtp-hub-to-hub", "25", "hubs"), flow("mapi-clients", "135 1025-60000", "clients"), flow("ldap", "389", "dcs", direction="out"),
    )
    sets = {"admins": ("192.0.2.250",), "hubs": ("192.0.2.11", "192.0.2.12"), "clients": ("198.51.100.0/24",), "dcs": ("192.0.2.2",), **peers}
    return HostPlan(
        "hub1", ("hub_transport",), "", "windows", ("ipv4",), wanted, {name: PeerSet(name, v4) for name, v4 in sets.items()},
        Management("admins", (PortRange(5985, 5985),)), egress, release=release,
    )


def flow(path: str, ports: str, peers: str, direction: str = "in", **more: t.Any) -> Flow:
    return Flow(direction, "tcp", tuple(PortRange.parse(port) for port in ports.split()), peers, (path,), **more)


def own_rules(machine: Machine) -> list[str]:
    """The names of our rules in the registry."""
    texts = (str(value[1]) for value in machine.registry.values(RULES).values())
    return sorted(token[5:] for text in texts for token in text.split("|") if token.startswith("Name=datapath.exchange "))


def files(machine: Machine) -> list[str]:
    """What lies in our folder."""
    return list(machine.drive.list(FOLDER, "*")) if machine.drive.is_folder(FOLDER) else []
