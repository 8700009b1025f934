# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What a Windows host really lets through: all of its rules against the plan, not ours alone.

Windows adds allow rules up, whoever wrote them, and a block rule beats them all unless it meets an authenticated bypass.
https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-fasp/702e3c23-c9d8-43db-8380-b4c670dd7f7d

Where a foreign rule is narrowed by more than protocol, port and peer (a program, a profile, a group of computers...), it is taken for as wide as the rest of it
says: what is computed is never less than what passes.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from functools import lru_cache

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import boxes as _boxes
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.boxes import Area, Box
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import PROFILES, FirewallRule, Intervals, Match

CORE_NETWORKING = "@FirewallAPI.dll,-25000"
"""The group of Core Networking: without it a host has no DHCP, no neighbour discovery and no path MTU (its text is translated, this handle is not)."""
MOST_TEXTS = 8
MOST_ENTRIES = 6
"""Ports or addresses that messages name."""

_PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_STRONGER = {"authenticate": ("authenticate", "authenc", "authnoencap", "authdynenc"), "authenc": ("authenc",)}
"""What a rule may demand so that all it admits is also admitted by one of ours that demands this."""


@dataclass(frozen=True)
class Plan:
    """What is wanted of a host, as far as rules are judged by it.

    matches: of our rules. names: what messages call them, in the same order. directions: those in which nothing else may pass. management: ports that
    administrators and Ansible come in on. keep: ids and groups of rules that stay whatever they admit. profiles: in which the plan counts.
    """

    matches: tuple[Match, ...]
    names: tuple[str, ...] = ()
    directions: tuple[str, ...] = ("in",)
    management: Intervals = ()
    keep: tuple[str, ...] = ()
    profiles: tuple[str, ...] = PROFILES


@dataclass(frozen=True)
class Excess:
    """A foreign rule that admits what the plan does not. boxes: exactly that; kept: whether it is on the keep list, and why."""

    rule: FirewallRule
    boxes: tuple[Box, ...]
    kept: str = ""

    @property
    def admits(self) -> tuple[str, ...]:
        """In words, with what narrows the rule otherwise; at most MOST_TEXTS of them."""
        direction, narrowed = self.rule.match.direction, _narrowed(self.rule.match)
        texts = tuple(dict.fromkeys(f"{text}{narrowed}" for text in _box_texts(direction, self.boxes, MOST_ENTRIES)))
        return texts if len(texts) <= MOST_TEXTS else (*texts[: MOST_TEXTS - 1], f"and {len(texts) - MOST_TEXTS + 1} more")

    @property
    def why(self) -> str:
        if self.kept:
            return self.kept
        if self.rule.store == "policy":
            return "written by Group Policy, which a host cannot change"
        return "authenticated bypass: it passes block rules too" if self.rule.match.action == "bypass" else "not in the plan"

    def to_plain(self) -> dict[str, t.Any]:
        rule = self.rule
        return {
            "id": rule.id, "name": rule.name, "store": rule.store, "group": rule.group, "program": rule.match.program, "service": rule.match.service,
            "direction": rule.match.direction, "admits": list(self.admits), "kept": bool(self.kept), "why": self.why,
        }


@dataclass(frozen=True)
class Override:
    """Something of the host that beats our rules. kind: C(policy_merge), C(policy_rule), C(profile_disabled), C(service) or C(foreign_block)."""

    kind: str
    name: str
    profile: str
    why: str

    def to_plain(self) -> dict[str, str]:
        return {"kind": self.kind, "name": self.name, "profile": self.profile, "why": self.why}

    def __str__(self) -> str:
        return f"{self.name} ({self.profile}): {self.why}" if self.profile else f"{self.name}: {self.why}"


@dataclass(frozen=True)
class Judgement:
    """excesses: foreign rules that admit too much, in the order of the registry. blocks: foreign rules that block what the plan allows."""

    excesses: tuple[Excess, ...] = ()
    blocks: tuple[Override, ...] = ()

    def remaining(self, gone: t.Collection[str] = ()) -> list[dict[str, t.Any]]:
        """What passes beyond the plan, as C(reachability) takes it for a host; gone: ids of local rules that will not be there."""
        left = (excess for excess in self.excesses if excess.rule.store == "policy" or excess.rule.id not in gone)
        return [entry for excess in left for entry in _plain(excess)]


def judge(rules: t.Iterable[FirewallRule], plan: Plan, mine: t.Collection[str]) -> Judgement:
    """Hold the active rules of a host against its plan. mine: ids of the local rules that are ours, which are not judged."""
    foreign = [rule for rule in rules if _counts(rule, plan) and not (rule.store == "local" and rule.id in mine)]
    covers = {security: _cover(plan, security) for security in {rule.match.security for rule in foreign}}
    blocked = {direction: _blocked(foreign, plan, direction) for direction in plan.directions}
    excesses = (
        Excess(rule, _boxes.joined(passing), kept_because(rule, plan))
        for rule in foreign if rule.match.action != "block" and rule.match.direction in plan.directions
        if (passing := _passing(rule.match, covers[rule.match.security][rule.match.direction], blocked[rule.match.direction]))
    )
    planned = [(match, _boxes.boxes_of(match), name) for match, name in zip(plan.matches, plan.names or ("",) * len(plan.matches), strict=True)]
    blocks = (override for rule in foreign if rule.match.action == "block" for override in _block(rule, planned))
    return Judgement(tuple(excesses), tuple(blocks))


def _counts(rule: FirewallRule, plan: Plan) -> bool:
    return rule.active and bool(set(rule.match.profiles) & set(plan.profiles))


def _passing(match: Match, cover: Area, blocked: Area) -> tuple[Box, ...]:
    """What a rule lets through that the plan does not. A bypass is not held up by block rules."""
    beyond = cover.taken_from(_boxes.boxes_of(match))
    return beyond if match.action == "bypass" else blocked.taken_from(beyond)


def _cover(plan: Plan, security: str) -> dict[str, Area]:
    """What the plan admits by direction, for traffic that a rule with this demand lets through."""
    found: dict[str, list[Box]] = {"in": [], "out": []}
    for match in plan.matches:
        if _plain_match(match, plan) and (match.security == "none" or security in _STRONGER.get(match.security, (match.security,))):
            found[match.direction] += _boxes.boxes_of(match)
    return {direction: Area(_boxes.joined(each)) for direction, each in found.items()}


def _plain_match(match: Match, plan: Plan) -> bool:
    """Whether protocol, port, peer and protection are all that a rule asks of a packet, wherever the plan counts."""
    other_side = match.remote_ports if match.direction == "in" else match.local_ports
    return (
        other_side.everything and match.local.everything and set(match.profiles) >= set(plan.profiles)
        and not (match.program or match.service or match.interfaces or match.other)
    )


def _blocked(rules: t.Iterable[FirewallRule], plan: Plan, direction: str) -> Area:
    """What is blocked for certain: by rules that nothing narrows."""
    sure = (rule.match for rule in rules if rule.match.action == "block" and rule.match.direction == direction)
    return Area(box for match in sure if _plain_match(match, plan) and match.security == "none" for box in _boxes.boxes_of(match))


def kept_because(rule: FirewallRule, plan: Plan) -> str:
    """Why a foreign rule is never disabled; empty when it may be."""
    if rule.store == "local" and (rule.id in plan.keep or (rule.group and rule.group in plan.keep)):
        return "on the keep list"
    if rule.group == CORE_NETWORKING:
        return "Core Networking, which is kept"
    ports, match = rule.match.local_ports, rule.match
    # A rule for any port is no rule of the management: kept, it would undo the whole plan.
    if match.direction == "in" and match.protocol == _boxes.TCP and not ports.everything and _boxes.common(ports.numbers, plan.management):
        return "admits the management connection, which is kept"
    return ""


def _block(rule: FirewallRule, planned: t.Iterable[tuple[Match, tuple[Box, ...], str]]) -> t.Iterator[Override]:
    mine = _boxes.boxes_of(rule.match)
    hit: list[str] = []
    shared: list[Box] = []
    for match, boxes, name in planned:
        if match.direction == rule.match.direction and match.action == "allow":
            found = [box for one in mine for other in boxes if (box := _boxes.overlap(one, other))]
            hit += [name] if found else []
            shared += found
    if shared:
        texts = dict.fromkeys(_box_texts(rule.match.direction, _boxes.joined(shared), MOST_ENTRIES))
        what = "; ".join(list(texts)[:3]) + ("..." if len(texts) > 3 else "") + _narrowed(rule.match)
        of = f", {len(set(hit))} rule(s) of the plan" if any(hit) else ""
        kind = "policy_rule" if rule.store == "policy" else "foreign_block"
        profile = "" if set(rule.match.profiles) == set(PROFILES) else ", ".join(rule.match.profiles)
        yield Override(kind, rule.name or rule.id, profile, f"blocks what the plan allows: {what}{of}")


def rule_text(match: Match) -> str:
    """A rule in words, with every port and every address."""
    boxes = _boxes.boxes_of(match)
    most = max((len(side) for box in boxes for side in (box.ports, box.addresses)), default=1)
    texts = dict.fromkeys(_box_texts(match.direction, boxes, most + len(match.local_ports.keywords | match.remote_ports.keywords | match.remote.keywords)))
    return f"{match.action} {match.direction} {'; '.join(texts) or 'nobody'}{_narrowed(match)}"


def _box_texts(direction: str, boxes: t.Sequence[Box], most: int) -> t.Iterator[str]:
    """Boxes in words: C(tcp 25, 80-90 from 192.0.2.0/24). most: of the ports and of the addresses that are named."""
    preposition = "from" if direction == "in" else "to"
    everybody = {(box.family, box.protocols, box.ports) for box in boxes if box.addresses == _boxes.every_address(box.family)}
    for box in boxes:
        # Where the other family is not let through whole, everyone would be too much.
        both = (10 - box.family, box.protocols, box.ports) in everybody or box.protocols == ((_boxes.ICMP[box.family],) * 2,)
        yield f"{_service(box, most)} {preposition} {_peers(box, most, 'everyone' if both else f'every IPv{box.family} address')}"


def _service(box: Box, most: int) -> str:
    any_protocol = box.protocols == _boxes.EVERY_PROTOCOL
    name = "any protocol" if any_protocol else ", ".join(_protocol_text(low, high) for low, high in box.protocols)
    if box.ports == _boxes.EVERY_PORT:
        return name
    if box.protocols in (((1, 1),), ((58, 58),)):
        return f"{name} {_few((_icmp_text(*run) for run in box.ports), most)}"
    missing = _boxes.missing_ports(box.ports)
    if missing:
        return f"{name} on all ports but {_few((str(PortRange(*run)) for run in missing), most)}"
    numbers, words = _boxes.port_words(box.ports)
    return f"{name} {_few((*words, *(str(PortRange(*run)) for run in numbers)), most)}"


def _protocol_text(low: int, high: int) -> str:
    return _NAMES.get(low, f"protocol {low}") if low == high else f"protocols {low}-{high}"


def _icmp_text(low: int, high: int) -> str:
    """Types, with their codes where not all of them are meant."""
    whole = low & 255 == 0 and high & 255 == 255
    first, last = (str(low >> 8), str(high >> 8)) if whole else (f"{low >> 8}:{low & 255}", f"{high >> 8}:{high & 255}")
    return first if first == last else f"{first}-{last}"


def _peers(box: Box, most: int, everyone: str) -> str:
    missing = _boxes.missing_addresses(box.family, box.addresses)
    if missing is not None:
        return f"{everyone} but {_few(_network_texts(box.family, missing), most)}" if missing else everyone
    numbers, words = _boxes.address_words(box.family, box.addresses)
    return _few((*words, *_network_texts(box.family, numbers)), most)


def _few(texts: t.Iterable[str], most: int) -> str:
    listed = list(texts)
    return ", ".join(listed) if len(listed) <= most else f"{', '.join(listed[: most - 1])} and {len(listed) - most + 1} more"


def _narrowed(match: Match) -> str:
    """What else a packet must be for the rule, in words."""
    parts = [f"to program {match.program}" if match.program else "", f"to service {match.service}" if match.service else ""]
    parts.append("" if set(match.profiles) == set(PROFILES) else f"in profile {', '.join(match.profiles)}")
    other_side = match.remote_ports if match.direction == "in" else match.local_ports
    parts.append("" if other_side.everything else f"{'from' if match.direction == 'in' else 'on'} some ports only")
    parts.append("" if match.local.everything else "on some own addresses only")
    parts.append(f"on interfaces {', '.join(match.interfaces)}" if match.interfaces else "")
    parts.append("" if match.security == "none" else f"if protected ({match.security})")
    parts.append(f"if {', '.join(sorted({name for name, _value in match.other}))} fit" if match.other else "")
    said = "; ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def _plain(excess: Excess) -> t.Iterator[dict[str, t.Any]]:
    """Boxes as plain values. Where only the host knows which ports or addresses a keyword stands for, any of them may be meant."""
    match, exactly = excess.rule.match, _exactly(excess)
    services: dict[tuple[str, tuple[str, ...]], dict[int, Intervals]] = {}
    for box in excess.boxes:
        numbers, words = _boxes.address_words(box.family, box.addresses)
        for service in _services(box):
            peers = services.setdefault(service, {})
            whole = ((0, _boxes.last_address(box.family)),)
            peers[box.family] = _networks.merge((*peers.get(box.family, ()), *(whole if words else numbers)))
    for (protocol, ports), peers in services.items():
        everyone = all(_networks.covers_family(family, peers.get(family, ())) for family in (4, 6))
        v4, v6 = ([] if everyone else list(_network_texts(family, peers.get(family, ()))) for family in (4, 6))
        yield {
            "direction": match.direction, "protocol": protocol, "ports": list(ports), "v4": v4, "v6": v6, "everyone": everyone,
            "rule": excess.rule.name or excess.rule.id, "program": match.program, "exactly": exactly,
        }


@lru_cache(maxsize=4096)
def _network_texts(family: int, addresses: Intervals) -> tuple[str, ...]:
    """Many rules for anybody leave the same networks."""
    return _networks.texts(family, addresses)


def _exactly(excess: Excess) -> bool:
    """Whether the boxes are what passes, and not only at least that."""
    words = any(_boxes.address_words(box.family, box.addresses)[1] or _boxes.port_words(box.ports)[1] for box in excess.boxes)
    return not (words or _narrowed(excess.rule.match))


def _services(box: Box) -> t.Iterator[tuple[str, tuple[str, ...]]]:
    """Protocol and ports; protocols that the reference does not know are left out, unless every protocol passes."""
    if box.protocols == _boxes.EVERY_PROTOCOL and box.ports == _boxes.EVERY_PORT:
        yield "any", ()
        return
    numbers, words = _boxes.port_words(box.ports)
    runs = ((1, _boxes.LAST_PORT),) if words else tuple((max(low, 1), high) for low, high in numbers if high)
    for protocol in ("tcp", "udp"):
        if _networks.contains(box.protocols, _PROTOCOLS[protocol]) and runs:
            yield protocol, tuple(str(PortRange(*run)) for run in runs)
    if _networks.contains(box.protocols, _boxes.ICMP[box.family]):
        yield "icmp", ()


__all__ = ("CORE_NETWORKING", "Excess", "Judgement", "Override", "Plan", "judge", "kept_because", "rule_text")
