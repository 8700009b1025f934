# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The plan of a Windows host as allow rules of C(netsh advfirewall firewall), and the proof that together they mean the plan.

The proof has three links: each line is read back and gives the rule that was meant; the rules of each flow together admit exactly the flow; the rules of
a host are those of its flows. Windows adds up what rules allow, so nothing else has to be proved; what blocks is the profile's default.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import typing as t
from dataclasses import dataclass, replace
from functools import lru_cache

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference import loader
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import base
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import FlowFact, ReadBackError, RefusedError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_reader import LIST_ENTRIES, read_firewall
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows import releases
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import (
    ANY_ADDRESS,
    ANY_PORT,
    PROFILES,
    Intervals,
    Match,
    Ports,
    Profile,
    Release,
    Scope,
)

OWN = "datapath.exchange "
"""How the names of our rules begin, and of nobody else's."""

DESCRIPTION_BYTES = 250
LINE_BYTES = 7900
"""Longest line: cmd takes 8191 characters, of which C(netsh.exe) with its folder and what follows need some."""
RULES = 1000
"""More rules than this are refused: each is a process of netsh on the host, and none of them could be reviewed."""

RENDERER = base.Renderer(
    "netsh_firewall",
    frozenset((
        "platform:windows", "state:enforced", "state:monitored", "egress:open", "egress:restricted", "family:ipv4", "family:ipv6",
        "direction:in", "direction:out", "protocol:tcp", "protocol:udp", "protocol:icmp", "protocol:esp", "protocol:any",
        "peers:networks", "peers:everyone",
        "protection:none", "protection:tls", "protection:starttls", "protection:rpc", "protection:kerberos", "protection:ipsec_requested",
        "protection:ipsec_required",
    )),
    {
        "platform:linux": "render it with datapath.exchange.nftables",
        "family:none": "give the host an address in datapath_addresses",
        "everything:everyone": "any protocol from anybody switches the firewall off: name the networks of the peer kind in datapath_peers instead of any",
    },
    DESCRIPTION_BYTES,
)
"""C(protection:ipsec_required) becomes C(security=authenc): packets that did not come encrypted out of IPsec do not match the rule."""

_PATH = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_PATH_BYTES = 100
_BODY_BYTES = LINE_BYTES - 600
"""Room for the words that make a rule: what is left beside the longest name, the longest description and the words around them."""
_ADDRESS_BYTES = 100
"""Even the longest list of ports leaves room for the longest range of addresses."""

_PROTOCOLS: dict[str, int | None] = {"tcp": 6, "udp": 17, "esp": 50, "any": None}
_PROTOCOL_NAMES = {6: "tcp", 17: "udp", 50: "esp", 1: "icmp", 58: "icmp", None: "any"}
_ECHO = {"ipv4": ("icmpv4:8,any", 1, ("8:*",)), "ipv6": ("icmpv6:128,any", 58, ("128:*",))}
_WHOLE = {"ipv4": ("0.0.0.0-255.255.255.255",), "ipv6": ("::/1", "8000::/1")}
"""Everybody of one family. C(any) would be both families, and a mask of no bits is refused (MS-FASP 2.2.4)."""
_ALL_PORTS: Intervals = ((0, 65535),)


@dataclass(frozen=True)
class NetshRule:
    """One rule. line: for netsh, without C(netsh) in front. match: what the line makes, proved by reading it. paths: all that ask for it."""

    name: str
    description: str
    match: Match
    paths: tuple[str, ...]
    line: str


class Offer(t.NamedTuple):
    """What decides how a flow is written: ranges of ports or not, the RPC range that the keyword stands for where not, the profiles."""

    port_ranges: bool
    rpc: tuple[int, int] | None
    profiles: tuple[str, ...]
    streams: frozenset[str]


class _Part(t.NamedTuple):
    """A rule without name and description: the words after C(description=), and what they mean."""

    body: str
    match: Match


def render(
    plan: HostPlan, state: str = "enforced", release: Release | None = None, profiles: tuple[str, ...] = PROFILES,
) -> tuple[NetshRule, ...]:
    """The rules of a host, those of management first; each match once.

    state: ``enforced`` or ``monitored`` make the same rules. release: of the host, else as the plan names it. profiles: in which the rules count.
    Raises UnsupportedFlowError for what netsh of the release cannot express, ReadBackError when the rules would not mean the plan, WindowsError for a
    release that is not known.
    """
    RENDERER.require(plan, state)
    known = release or releases.release_of(plan.release)
    try:
        _require_release(known)
        offer = _offer(plan, known, profiles)
        found = [(flow, _flow_parts(flow, base.peers_of(plan, flow), plan.families, offer)) for flow in base.effective_flows(plan)]
        rules = _rules(found)
    except RefusedError as refusal:
        raise RENDERER.refuse(plan.host, refusal) from None
    except ReadBackError as error:
        raise error.on(plan.host) from None
    return rules


def _require_release(release: Release) -> None:
    if not release.advfirewall:
        fix = "it has no netsh advfirewall: datapath.exchange.render writes what its tools can express, with findings for the rest"
        raise RefusedError("the host", f"Windows Server {release.name}", fix)


def _offer(plan: HostPlan, release: Release, profiles: tuple[str, ...]) -> Offer:
    if not profiles or not set(profiles) <= set(PROFILES):
        raise RefusedError("the host", f"the profiles {', '.join(profiles) or 'none'}", f"name some of {', '.join(PROFILES)} in datapath_windows_profiles")
    ordered = tuple(profile for profile in PROFILES if profile in profiles)
    if release.port_ranges:
        return Offer(port_ranges=True, rpc=None, profiles=ordered, streams=frozenset())
    return Offer(port_ranges=False, rpc=rpc_range(plan), profiles=ordered, streams=_streams(plan.reference))


def rpc_range(plan: HostPlan) -> tuple[int, int] | None:
    """The ports of RPC on the host itself; None where the plan does not say."""
    text = plan.rpc.get("range", "")
    span = PortRange.parse(text) if text else None
    return (span.low, span.high) if span else None


@lru_cache(maxsize=8)
def _streams(reference: str) -> frozenset[str]:
    """Paths with random ports that no RPC server registers, though they lie in the same range: the keyword would leave them out."""
    return frozenset(path.id for path in loader.load(reference).paths if "random/tcp" in {port.token for port in path.ports})


@lru_cache(maxsize=8192)
def _flow_parts(flow: Flow, peers: PeerSet, families: tuple[str, ...], offer: Offer) -> tuple[_Part, ...]:
    """The rules of one flow, proved to admit exactly it together."""
    _check_flow(flow)
    members = _members(peers, families)
    parts = tuple(part for family in _variants(flow, families) for part in _family_parts(flow, family, members, peers.everyone, offer))
    _prove_flow(flow, peers, families, offer, parts)
    return parts


def _check_flow(flow: Flow) -> None:
    for path in flow.paths:
        if not _PATH.match(path) or len(path) > _PATH_BYTES:
            raise RefusedError(repr(path), "this path id", f"ids are lower case letters and digits joined by -, at most {_PATH_BYTES} bytes")
    ends = [number for port in flow.ports for number in (port.low, port.high)]
    fix = "make the plan again with datapath.exchange.plan"
    if any(not isinstance(number, int) or not 1 <= number <= 65535 for number in ends):
        raise RefusedError(flow.paths[0], "a port outside 1 to 65535", fix)
    if ends != sorted(ends) or any(last.high >= port.low for last, port in itertools.pairwise(flow.ports)):
        raise RefusedError(flow.paths[0], "ports that are not sorted and apart", fix)


def _members(peers: PeerSet, families: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The members of a set by family of the host, as texts that netsh takes; families that have none are left out."""
    if peers.everyone:
        return {family: _WHOLE[family] for family in families}
    given = {"ipv4": peers.v4, "ipv6": peers.v6}
    for family in families:
        _check_members(peers.name, family, given[family])
    return {family: given[family] for family in families if given[family]}


def _check_members(name: str, family: str, texts: tuple[str, ...]) -> None:
    where = f"peer set {name!r}"
    try:
        ranges = [base.interval(family, text) for text in texts]
    except ValueError as error:
        raise RefusedError(where, f"a member: {error}", "write it as 192.0.2.1, 192.0.2.0/24 or 192.0.2.1-192.0.2.9 in lower case") from None
    whole = _networks.merge(ranges)
    if whole == _whole(family):
        raise RefusedError(where, f"the whole of {family}", "any is only ever explicit: write any in datapath_peers, or narrower networks")
    if any(text.endswith("/0") for text in texts) or sum(high - low for low, high in ranges) + len(ranges) != sum(high - low + 1 for low, high in whole):
        raise RefusedError(where, "members that overlap", "make the plan again with datapath.exchange.plan")


def _whole(family: str) -> Intervals:
    return ((0, (1 << base.WIDTH[family]) - 1),)


def _variants(flow: Flow, families: tuple[str, ...]) -> tuple[str, ...]:
    """One set of rules for both families, but one each where the protocol itself names the family."""
    return families if flow.protocol == "icmp" else ("",)


def _family_parts(flow: Flow, family: str, members: t.Mapping[str, tuple[str, ...]], everyone: bool, offer: Offer) -> t.Iterator[_Part]:
    wanted = {family: members[family]} if family in members else {} if family else dict(members)
    if not wanted:
        return
    word, number, icmp = _ECHO[family] if family else (flow.protocol if flow.protocol != "esp" else "50", _PROTOCOLS[flow.protocol], ())
    addresses = () if everyone and len(wanted) == len(base.FAMILIES) else tuple(itertools.chain(*wanted.values()))
    security = "authenc" if flow.protection == "ipsec_required" else "none"
    for ports, peers in _chunks(_port_entries(flow, offer), addresses):
        local, remote = (_ports(ports), ANY_PORT) if flow.direction == "in" else (ANY_PORT, _ports(ports))
        match = Match(flow.direction, "allow", number, local, remote, remote=_scope(peers), profiles=offer.profiles, icmp=icmp, security=security)
        yield _Part(_body(match, word, ports, peers), match)


def _body(match: Match, protocol: str, ports: tuple[str, ...], peers: tuple[str, ...]) -> str:
    """The words of a rule from C(profile=) on."""
    words = [f"profile={'any' if match.profiles == PROFILES else ','.join(match.profiles)} protocol={protocol}"]
    if ports:
        words.append(f"{'localport' if match.direction == 'in' else 'remoteport'}={','.join(ports)}")
    words.append(f"remoteip={','.join(peers) or 'any'}")
    if match.security != "none":
        words.append(f"security={match.security}")
    return " ".join(words)


def _port_entries(flow: Flow, offer: Offer) -> tuple[str, ...]:
    """The ports of a flow as netsh of the release takes them: ranges, or the keyword and single numbers."""
    spans = _networks.merge((port.low, port.high) for port in flow.ports)
    if offer.port_ranges:
        return tuple(str(PortRange(*span)) for span in spans)
    keyword = (flow.direction, flow.protocol) == ("in", "tcp") and offer.rpc in spans and not offer.streams & set(flow.paths)
    singles = (str(number) for span in spans if not (keyword and span == offer.rpc) for number in range(span[0], span[1] + 1))
    return (("RPC",) if keyword else ()) + tuple(singles)


def _chunks(ports: tuple[str, ...], peers: tuple[str, ...]) -> t.Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Every port with every peer, in as few lines as the limits of lists and lines allow, all of about the same size."""
    splits = _cheapest(ports, peers)
    for port_chunk in _balanced(ports, splits[0]):
        for peer_chunk in _balanced(peers, splits[1]):
            yield port_chunk, peer_chunk


def _cheapest(ports: tuple[str, ...], peers: tuple[str, ...]) -> tuple[int, int]:
    """Into how many pieces to cut ports and peers: their lists share one line, so fewer pieces of one can mean more of the other."""
    fewest = _least(ports, _BODY_BYTES - _ADDRESS_BYTES)
    tries = {fewest + fewest * quarters // 4 for quarters in range(9)}
    return min(((pieces, _least(peers, _BODY_BYTES - _longest(ports, pieces))) for pieces in sorted(tries)), key=lambda cut: cut[0] * cut[1])


def _least(entries: tuple[str, ...], room: int) -> int:
    """The smallest number of balanced pieces that keep within the limits."""
    pieces = max(1, -(-len(entries) // LIST_ENTRIES), -(-_longest(entries, 1) // room))
    while _longest(entries, pieces) > room:
        pieces += 1
    return pieces


@lru_cache(maxsize=1024)
def _longest(entries: tuple[str, ...], pieces: int) -> int:
    return max(map(_bytes, _balanced(entries, pieces)))


def _bytes(entries: tuple[str, ...]) -> int:
    return sum(map(len, entries)) + len(entries)


def _balanced(entries: tuple[str, ...], pieces: int) -> list[tuple[str, ...]]:
    size, more = divmod(len(entries), pieces)
    starts = [number * size + min(number, more) for number in range(pieces + 1)]
    return [entries[start:end] for start, end in itertools.pairwise(starts)]


def _ports(entries: tuple[str, ...]) -> Ports:
    if not entries:
        return ANY_PORT
    numbers = [PortRange.parse(entry) for entry in entries if entry != "RPC"]
    return Ports(numbers=_networks.merge((port.low, port.high) for port in numbers), keywords=frozenset(entries) & {"RPC"})


def _scope(entries: tuple[str, ...]) -> Scope:
    if not entries:
        return ANY_ADDRESS
    v6 = tuple(entry for entry in entries if ":" in entry)
    return Scope(v4=base.intervals("ipv4", (entry for entry in entries if ":" not in entry)), v6=base.intervals("ipv6", v6))


def _prove_flow(flow: Flow, peers: PeerSet, families: tuple[str, ...], offer: Offer, parts: tuple[_Part, ...]) -> None:
    protected = flow.protection == "ipsec_required"
    planned = base.flow_facts(flow, families, base.set_addresses(peers), DESCRIPTION_BYTES)
    rules = [part.match for part in parts]
    if any(rule.profiles != offer.profiles for rule in rules):
        raise ReadBackError(f"the rules for {flow.paths[0]} count in other profiles than asked for")
    read = admitted(rules, flow.paths, None if offer.streams & set(flow.paths) else offer.rpc)
    base.compare(f"what the rules for {flow.paths[0]} admit", {replace(fact, protected=protected) for fact in planned}, read)


def admitted(matches: t.Iterable[Match], paths: tuple[str, ...], rpc: tuple[int, int] | None = None) -> frozenset[FlowFact]:
    """What allow rules of ours let through together, in words that do not depend on how they are cut into rules.

    rpc: what the keyword RPC stands for. ReadBackError for a rule that says anything else than who, what protocol, which ports and whether protected.
    """
    groups: dict[tuple[str, str, str, bool], list[tuple[Intervals, Intervals]]] = {}
    for match in matches:
        for family, addresses in _sides(match):
            key = (match.direction, family, _PROTOCOL_NAMES[match.protocol], match.security == "authenc")
            groups.setdefault(key, []).append((_spans(match, rpc), addresses))
    return frozenset(
        FlowFact(direction, family, protocol, () if ports == _ALL_PORTS else ports, None if who == _whole(family) else who,
                 base.shown_paths(paths, DESCRIPTION_BYTES), protected)
        for (direction, family, protocol, protected), rectangles in groups.items() for who, ports in _area(rectangles)
    )


def _sides(match: Match) -> t.Iterator[tuple[str, Intervals]]:
    """The families that a rule admits somebody of, and whom."""
    plain = replace(match, protocol=None, local_ports=ANY_PORT, remote_ports=ANY_PORT, remote=ANY_ADDRESS, profiles=PROFILES, icmp=(), security="none")
    echo = {1: ("8:*",), 58: ("128:*",)}.get(match.protocol or 0, ())
    if plain != Match(match.direction) or match.protocol not in _PROTOCOL_NAMES or match.icmp != echo or match.security not in ("none", "authenc"):
        raise ReadBackError(f"a rule says what no rule of ours says: {match}")
    if match.remote.keywords:
        raise ReadBackError(f"a rule admits {', '.join(sorted(match.remote.keywords))}, whoever that is")
    for family, given in (("ipv4", match.remote.v4), ("ipv6", match.remote.v6)):
        addresses = _whole(family) if match.remote.everything else given
        if addresses and match.protocol != {"ipv4": 58, "ipv6": 1}[family]:
            yield family, addresses


def _spans(match: Match, rpc: tuple[int, int] | None) -> Intervals:
    ours, other = (match.local_ports, match.remote_ports) if match.direction == "in" else (match.remote_ports, match.local_ports)
    if not other.everything or (ours.everything and match.protocol in (6, 17)):
        raise ReadBackError(f"a rule restricts the ports of the wrong side, or none: {match}")
    if ours.everything:
        return _ALL_PORTS
    if ours.keywords and (ours.keywords != {"RPC"} or rpc is None):
        raise ReadBackError(f"a rule admits {', '.join(sorted(ours.keywords))}, which stands for no ports here")
    return _networks.merge((*ours.numbers, *((rpc,) if ours.keywords and rpc else ())))


def _area(rectangles: t.Sequence[tuple[Intervals, Intervals]]) -> t.Iterator[tuple[Intervals, Intervals]]:
    """The union of rectangles of ports and addresses, as (addresses, ports) with each set of addresses once."""
    changes: dict[int, list[tuple[Intervals, int]]] = {}
    for ports, who in rectangles:
        for low, high in ports:
            changes.setdefault(low, []).append((who, 1))
            changes.setdefault(high + 1, []).append((who, -1))
    found: dict[frozenset[Intervals], list[tuple[int, int]]] = {}
    here: dict[Intervals, int] = {}
    for low, after in itertools.pairwise(sorted(changes)):
        for who, step in changes[low]:
            here[who] = here.get(who, 0) + step
        present = frozenset(who for who, times in here.items() if times)
        if present:
            found.setdefault(present, []).append((low, after - 1))
    merged: dict[Intervals, list[tuple[int, int]]] = {}
    for present, spans in found.items():
        merged.setdefault(_networks.merge(itertools.chain(*present)), []).extend(spans)
    return ((who, _networks.merge(spans)) for who, spans in merged.items())


def _rules(found: t.Sequence[tuple[Flow, tuple[_Part, ...]]]) -> tuple[NetshRule, ...]:
    """The rules of all flows, each match once, named and described; proved to be those of the flows."""
    paths: dict[_Part, dict[str, None]] = {}
    for flow, parts in found:
        for part in parts:
            paths.setdefault(part, {}).update(dict.fromkeys(flow.paths))
    if len(paths) > RULES:
        widest = max(found, key=lambda entry: len(entry[1]))[0]
        fix = (f"{RULES} is the most: give the host a narrow datapath_rpc_range where its release has no ranges of ports, and name larger networks in"
               f" datapath_peers; {widest.paths[0]} needs the most")
        raise RefusedError("the host", f"{len(paths)} rules", fix)
    rules = tuple(_named([(part, tuple(asking)) for part, asking in paths.items()]))
    wanted = [part.match for _flow, parts in found for part in parts]
    if {rule.match for rule in rules} != set(wanted) or len(rules) != len(set(wanted)) or len({rule.name for rule in rules}) != len(rules):
        raise ReadBackError("the rules of the host are not those of its flows")
    return rules


def _named(parts: t.Sequence[tuple[_Part, tuple[str, ...]]]) -> t.Iterator[NetshRule]:
    taken: set[str] = set()
    for part, paths in parts:
        name = wanted = rule_name(part.match, paths[0])
        for number in itertools.count(2):
            if name not in taken:
                break
            name = f"{wanted} {number}"
        taken.add(name)
        yield _rule(part, paths, name)


def rule_name(match: Match, path: str) -> str:
    """The name of a rule of ours: direction, first path id, and what tells rules of one path apart."""
    return f"{OWN}{match.direction} {path} {match_digest(match)}"


@lru_cache(maxsize=8192)
def match_digest(match: Match) -> str:
    """Eight hexadecimal digits that name what a rule does."""
    sides = [f"{side.everything};{side.numbers};{sorted(side.keywords)}" for side in (match.local_ports, match.remote_ports)]
    sides += [f"{side.everything};{side.v4};{side.v6};{sorted(side.keywords)}" for side in (match.local, match.remote)]
    rest = (match.direction, match.action, match.protocol, match.profiles, match.icmp, match.program, match.service, match.interfaces, match.security,
            match.edge, match.other)
    return hashlib.sha256("|".join((*sides, repr(rest))).encode()).hexdigest()[:8]


@lru_cache(maxsize=8192)
def _rule(part: _Part, paths: tuple[str, ...], name: str) -> NetshRule:
    """The rule with its line, proved by reading the line."""
    description = " ".join(base.shown_paths(paths, DESCRIPTION_BYTES))
    line = f'advfirewall firewall add rule name="{name}" dir={part.match.direction} action=allow description="{description}" {part.body}'
    try:
        read = read_firewall(line)
    except ValueError as error:
        raise ReadBackError(f"the line of {name} cannot be read: {error}") from None
    if read != (name, description, part.match) or len(line) > LINE_BYTES:
        raise ReadBackError(f"the line of {name} does not make the rule that was meant, or is longer than {LINE_BYTES} characters")
    return NetshRule(name, description, part.match, paths, line)


def wanted_profiles(
    state: str, egress: str, profiles: t.Sequence[str] = PROFILES, current: t.Mapping[str, Profile] | None = None, monitored_inbound: str = "keep",
) -> dict[str, Profile]:
    """How the profiles must be; a field is None where it stays as it is.

    current: the profiles of the local store, None where no host was asked. monitored_inbound: ``keep`` leaves the default of a profile that was on, ``allow``
    does not. Source: the defaults of absent values are those of MS-FASP, note 32: on, block in, allow out.
    """
    if state == "enforced":
        outbound = "block" if egress == "restricted" else "allow"
        return {name: Profile(enabled=True, inbound="block", outbound=outbound, log_dropped=True) for name in profiles}
    was_off = {name for name, profile in (current or {}).items() if profile.enabled is False}
    watched = Profile(enabled=True, log_dropped=True, log_allowed=True)
    # A firewall that was off let everything pass: switched on to watch, it must not begin to drop.
    opened = replace(watched, inbound="allow", outbound="allow")
    return {name: opened if name in was_off else replace(watched, inbound="allow" if monitored_inbound == "allow" else None) for name in profiles}


def profile_lines(
    state: str, egress: str = "open", profiles: t.Sequence[str] = PROFILES, current: t.Mapping[str, Profile] | None = None,
    monitored_inbound: str = "keep",
) -> tuple[str, ...]:
    """The lines that make the profiles so, without C(netsh); with C(current) only those that change something. Arguments as C(wanted_profiles)."""
    lines: list[str] = []
    for name, wanted in wanted_profiles(state, egress, profiles, current, monitored_inbound).items():
        lines += setting_lines(name, wanted, (current or {}).get(name), offline=current is None)
    return tuple(lines)


def setting_lines(name: str, wanted: Profile, current: Profile | None = None, *, offline: bool = False) -> list[str]:
    """The lines for one profile, in an order that never drops more than before or after. offline: nothing is known of the host, so all are written."""
    have = Profile() if current is None else current
    effective = replace(
        have, enabled=have.enabled is not False, inbound=have.inbound or "block", outbound=have.outbound or "allow", log_dropped=bool(have.log_dropped),
        log_allowed=bool(have.log_allowed),
    )
    prefix = f"advfirewall set {name}profile "
    lines = []
    policy = (wanted.inbound or effective.inbound, wanted.outbound or effective.outbound)
    # netsh sets both or none: where one of the two is to stay as it is, it has to be known.
    if (wanted.inbound and wanted.outbound) if offline else policy != (effective.inbound, effective.outbound):
        lines.append(f"{prefix}firewallpolicy {policy[0]}inbound,{policy[1]}outbound")
    for word, value, old in (
        ("droppedconnections", wanted.log_dropped, effective.log_dropped), ("allowedconnections", wanted.log_allowed, effective.log_allowed),
    ):
        if value is not None and (offline or value != old):
            lines.append(f"{prefix}logging {word} {'enable' if value else 'disable'}")
    if wanted.enabled is not None and (offline or wanted.enabled != effective.enabled):
        lines.append(f"{prefix}state {'on' if wanted.enabled else 'off'}")
    return lines


__all__ = (
    "DESCRIPTION_BYTES",
    "LINE_BYTES",
    "OWN",
    "RENDERER",
    "RULES",
    "NetshRule",
    "admitted",
    "match_digest",
    "profile_lines",
    "render",
    "rpc_range",
    "rule_name",
    "setting_lines",
    "wanted_profiles",
)
