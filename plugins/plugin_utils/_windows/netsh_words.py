# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Lines of netsh for rules that are on a host already, whoever wrote them: to delete, to put back, to enable and to disable them.

netsh knows rules by name only, and acts on all that fit. https://learn.microsoft.com/windows-server/administration/windows-commands/netsh-advfirewall
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES, FirewallRule, Match, Ports, Scope

_NAME = re.compile(r"[A-Za-z0-9 ._@,\\()+-]+\Z")
_PROTOCOLS = {None: "any", 6: "tcp", 17: "udp", 1: "icmpv4", 58: "icmpv6"}


def carriable(name: str) -> bool:
    """Whether netsh can be given a name as it is, and takes it for the name of one rule."""
    return bool(_NAME.match(name)) and name == name.strip() and name.lower() != "all" and not name.endswith("\\")


def delete_line(name: str) -> str:
    return f'advfirewall firewall delete rule name="{name}"'


def add_line(rule: FirewallRule) -> str | None:
    """The line that makes a rule of ours once more, None for one that ours never are."""
    match = rule.match
    plain = Match(match.direction, match.action, match.protocol, match.local_ports, match.remote_ports, match.local, match.remote, match.profiles,
                  match.icmp, security=match.security)
    if match != plain or not carriable(rule.name) or match.action == "bypass":
        return None
    description = rule.description if carriable(rule.description) else ""
    words = [f'advfirewall firewall add rule name="{rule.name}" dir={match.direction} action={match.action}']
    words += [f'description="{description}"'] if description else []
    words += [] if rule.active else ["enable=no"]
    words += [f"profile={_profiles(match)}", f"protocol={_protocol(match)}"]
    words += [f"{side}={_ports(ports)}" for side, ports in (("localport", match.local_ports), ("remoteport", match.remote_ports)) if not ports.everything]
    words += [f"{side}={_scope(scope)}" for side, scope in (("localip", match.local), ("remoteip", match.remote)) if not scope.everything]
    return " ".join([*words, *([] if match.security == "none" else [f"security={match.security}"])])


def toggle_line(rule: FirewallRule, rules: t.Iterable[FirewallRule], *, enabled: bool) -> str | None:
    """The line that enables or disables exactly this local rule, None when netsh cannot tell it from others."""
    if not carriable(rule.name):
        return None
    match = rule.match
    alike = [each for each in rules if each.store == "local" and each.name.lower() == rule.name.lower() and each.match.direction == match.direction]
    selectors = f"dir={match.direction}"
    # As a selector, any may mean all rules or only those that are not restricted: only what is restricted can tell rules apart.
    if len(alike) > 1 and match.protocol in (6, 17):
        alike = [each for each in alike if each.match.protocol in (match.protocol, None)]
        selectors += f" protocol={_protocol(match)}"
    if len(alike) > 1 and len(match.profiles) == 1:
        alike = [each for each in alike if set(each.match.profiles) & set(match.profiles)]
        selectors += f" profile={_profiles(match)}"
    if len(alike) != 1:
        return None
    return f'advfirewall firewall set rule name="{rule.name}" {selectors} new enable={"yes" if enabled else "no"}'


def _profiles(match: Match) -> str:
    return "any" if set(match.profiles) == set(PROFILES) else ",".join(match.profiles)


def _protocol(match: Match) -> str:
    word = _PROTOCOLS.get(match.protocol, str(match.protocol))
    return f"{word}:{match.icmp[0].replace('*', 'any').replace(':', ',')}" if match.icmp else word


def _ports(ports: Ports) -> str:
    return ",".join((*sorted(ports.keywords), *(str(PortRange(*run)) for run in ports.numbers)))


def _scope(scope: Scope) -> str:
    texts = (*_networks.texts(4, scope.v4), *_networks.texts(6, scope.v6))
    # netsh refuses a mask of no bits (MS-FASP 2.2.4).
    plain = ("0.0.0.0-255.255.255.255" if text == "0.0.0.0/0" else "::/1,8000::/1" if text == "::/0" else text for text in texts)
    return ",".join((*sorted(word.lower() for word in scope.keywords), *plain))


__all__ = ("add_line", "carriable", "delete_line", "toggle_line")
