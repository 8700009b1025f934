# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The plan of a Linux host as one nftables table, C(inet datapath), and the proof that the text means the plan.

The text is made of blocks (a set, the rules of a flow, the frame around them). Each distinct block is rendered, read back with the independent
reader and compared with the plan once; a host is then a sequence of proved blocks, whose order and nesting is proved for each host.
"""

from __future__ import annotations

import itertools
import re
import typing as t
from functools import lru_cache

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, HostPlan, PeerSet
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import base, nftables_ipsec
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError, RefusedError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_drift import drift
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_guards import ESSENTIAL, GUARDS, POLICY, last_guards, last_texts
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_reader import Event, assemble, events, read_back, read_loaded
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables_table import ParsedChain, ParsedSet, ParsedTable, Rule, facts

COMMENT_BYTES = 120
"""NFTNL_UDATA_COMMENT_MAXLEN allows 127 bytes: https://git.netfilter.org/nftables/tree/include/rule.h. The rest is room to spare."""
SET_NAME_BYTES = 255
"""NFT_NAME_MAXLEN less its NUL, in linux/netfilter/nf_tables.h."""
SET_ELEMENTS = 1_000_000
"""The largest set that was loaded and listed in a test (nft 1.0.6: 6 s, 760 MB); the kernel has no limit of its own below 2^32."""

RENDERER = base.Renderer(
    "nftables",
    frozenset((
        "platform:linux", "state:enforced", "state:monitored", "egress:open", "egress:restricted", "family:ipv4", "family:ipv6",
        "direction:in", "direction:out", "protocol:tcp", "protocol:udp", "protocol:icmp", "protocol:esp", "protocol:any",
        "peers:networks", "peers:everyone",
        "protection:none", "protection:tls", "protection:starttls", "protection:rpc", "protection:kerberos", "protection:ipsec_requested",
        "protection:ipsec_required",
    )),
    {
        "platform:windows": "this release enforces Linux only: set datapath_platform to linux, or leave the host out of the play",
        "family:none": "give the host an address in datapath_addresses",
        "everything:everyone": "any protocol from anybody switches the firewall off: name the networks of the peer kind in datapath_peers instead of any",
    },
    COMMENT_BYTES,
)
"""C(protection:ipsec_requested) changes nothing here: what is only requested passes in clear where the other end cannot do it."""

_KEYWORDS = {"ipv4": "ip", "ipv6": "ip6"}
_SUFFIX = {"ipv4": "v4", "ipv6": "v6"}
_SIDE = {"in": "saddr", "out": "daddr"}
_IPSEC = {"in": " meta secpath exists", "out": " rt ipsec exists"}
_ECHO = {"ipv4": "icmp type echo-request", "ipv6": "icmpv6 type echo-request"}
_CHAIN = {"in": "input", "out": "output"}
_SET_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_PATH = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_WORD = re.compile(r"[a-z0-9_]+\Z")
_RESERVED_SET = "session"
_RESERVED_PATHS = frozenset(("dhcp", "echo", "invalid", nftables_ipsec.COMMENT, "multicast", "session"))
"""Comments of rules that are no path, so that counters by path stay true."""

_PRELUDE = "table inet datapath\ndelete table inet datapath\ntable inet datapath {\n"
_SESSION_SETS = "\n".join(f"\tset session_{_SUFFIX[family]} {{\n\t\ttype {family}_addr . inet_service\n\t}}\n" for family in base.FAMILIES)


class _Block(t.NamedTuple):
    """A text that was proved, and the statements that the reader found in it."""

    text: str
    events: tuple[Event, ...]


class _Reach(t.NamedTuple):
    """The families in which a set has members on a host, and whether it is everyone: all that the rules of a flow depend on."""

    families: tuple[str, ...]
    everyone: bool


_Admitted = t.Sequence[tuple[Flow, _Block]]


def render(plan: HostPlan, state: str = "enforced") -> str:
    """The whole text for C(nft -f), replacing the table in one transaction. state: ``enforced`` or ``monitored``.

    Raises UnsupportedFlowError for what nftables cannot express or a text cannot safely hold, ReadBackError when the text would not mean the plan.
    """
    RENDERER.require(plan, state)
    flows = base.effective_flows(plan)
    used = {flow.peers: base.peers_of(plan, flow) for flow in flows}
    reach = {name: _reach(peers, plan.families) for name, peers in used.items()}
    try:
        admitted = [(flow, _flow_block(flow, reach[flow.peers])) for flow in flows]
        guards = nftables_ipsec.guards_of(plan)
        blocks = [_head(plan.scope, plan.encryption), *_set_blocks(used, plan.families), *_guard_sets(plan, guards, used), _sessions()]
        blocks += _guard_chains(plan, guards, state)
        for direction in _directions(plan):
            blocks += _chain_blocks(admitted, direction, state)
        blocks.append(_tail())
        _prove_structure(plan, state, admitted, guards, blocks)
    except RefusedError as refusal:
        raise RENDERER.refuse(plan.host, refusal) from None
    except ReadBackError as error:
        raise error.on(plan.host) from None
    return "".join(block.text for block in blocks)


def _directions(plan: HostPlan) -> tuple[str, ...]:
    return ("in", "out") if plan.egress == "restricted" else ("in",)


def _reach(peers: PeerSet, families: tuple[str, ...]) -> _Reach:
    if peers.everyone:
        return _Reach(families, everyone=True)
    members = {"ipv4": peers.v4, "ipv6": peers.v6}
    return _Reach(tuple(family for family in families if members[family]), everyone=False)


def _set_blocks(used: t.Mapping[str, PeerSet], families: tuple[str, ...]) -> list[_Block]:
    return [
        _set_block(name, family, members)
        for name, peers in sorted(used.items()) for family, members in (("ipv4", peers.v4), ("ipv6", peers.v6)) if members and family in families
    ]


def _guard_sets(plan: HostPlan, guards: nftables_ipsec.Guards | None, used: t.Mapping[str, PeerSet]) -> list[_Block]:
    """The peers that something is required of; proved to be those of the plan."""
    if guards is None:
        return []
    for name in used:
        if name.startswith(nftables_ipsec.PREFIX):
            raise RefusedError(f"peer set {name}", "its name", f"names that begin with {nftables_ipsec.PREFIX} are those of guards: rename the site or cluster")
    required = {key: peers for key, peers in guards.sets.items() if not key[0].startswith(f"{nftables_ipsec.PREFIX}clear_")}
    if required != nftables_ipsec.planned(plan):
        raise ReadBackError("the guards are not about the peers of whom the plan requires IPsec")
    return _set_blocks({peers.name: peers for peers in guards.peer_sets}, plan.families)


def _guard_chains(plan: HostPlan, guards: nftables_ipsec.Guards | None, state: str) -> list[_Block]:
    made: list[_Block] = []
    if guards is None:
        return made
    for direction, chain in nftables_ipsec.CHAIN.items():
        opening = f"\n\tchain {chain} {{\n\t\ttype filter hook {_CHAIN[direction]} priority filter - 1; policy accept;\n"
        text = f"{opening}{_lines(nftables_ipsec.lines(plan, guards, direction, state))}\t}}\n"
        made.append(_Block(text, events(text)))
    return made


def _chain_blocks(admitted: _Admitted, direction: str, state: str) -> list[_Block]:
    before, between, after = _frame(direction, state)
    here = [(flow.paths == base.MANAGEMENT, block) for flow, block in admitted if flow.direction == direction]
    return [before, *(block for first, block in here if first), between, *(block for first, block in here if not first), after]


@lru_cache(maxsize=64)
def _head(scope: str, encryption: str) -> _Block:
    """A comment of the text, not of the table: what does not change a rule must not change the host, and nft before 0.9.7 knows no table comments."""
    for word in (scope, encryption):
        if not _WORD.match(word):
            raise RefusedError("the host", f"the scope or encryption {word!r}", "make the plan again with datapath.exchange.plan")
    text = f"# datapath.exchange: scope {scope}, encryption {encryption}\n{_PRELUDE}"
    return _Block(text, events(text))


@lru_cache(maxsize=1)
def _sessions() -> _Block:
    found = events(_SESSION_SETS)
    if found != (ParsedSet("session_v4", "ipv4", concatenated=True), ParsedSet("session_v6", "ipv6", concatenated=True)):
        raise ReadBackError("the sets of sessions are not two empty sets")
    return _Block(_SESSION_SETS, found)


@lru_cache(maxsize=1)
def _tail() -> _Block:
    return _Block("}\n", events("}\n"))


@lru_cache(maxsize=4096)
def _set_block(name: str, family: str, members: tuple[str, ...]) -> _Block:
    """One set, one member a line so that a change of one is a difference of one; proved to hold exactly the members."""
    planned = _checked_members(name, family, members)
    full_name = f"{name}_{_SUFFIX[family]}"
    lines = ",\n\t\t\t".join(members)
    text = f"\tset {full_name} {{\n\t\ttype {family}_addr\n\t\tflags interval\n\t\telements = {{\n\t\t\t{lines}\n\t\t}}\n\t}}\n\n"
    found = events(text)
    if found != (ParsedSet(full_name, family, members=planned),):
        read = found[0].members if len(found) == 1 and isinstance(found[0], ParsedSet) else ()
        gained, lost = ([base.address_text(family, rest)] if rest else [] for rest in (base.subtract(read, planned), base.subtract(planned, read)))
        raise ReadBackError(f"the set {full_name} does not hold what was planned", gained, lost)
    # The members are proved and would only fill memory: from here on the set is its name.
    return _Block(text, (ParsedSet(full_name, family),))


def _checked_members(name: str, family: str, members: tuple[str, ...]) -> base.Intervals:
    where = f"peer set {name}"
    if not _SET_NAME.match(name) or len(name) + 3 > SET_NAME_BYTES or name == _RESERVED_SET:
        limits = f"names are lower case letters, digits and _, begin with a letter, have at most {SET_NAME_BYTES - 3} bytes and are not {_RESERVED_SET}"
        raise RefusedError(where, "its name", f"{limits}: rename the site or cluster that it is named after")
    if len(members) > SET_ELEMENTS:
        raise RefusedError(where, f"{len(members)} members", f"a set has at most {SET_ELEMENTS}: name larger networks in datapath_peers")
    try:
        planned = base.intervals(family, members)
        apart = sum(high - low + 1 for low, high in (base.interval(family, text) for text in members))
    except ValueError as error:
        raise RefusedError(where, f"a member: {error}", "write it as 192.0.2.1, 192.0.2.0/24 or 192.0.2.1-192.0.2.9 in lower case") from None
    if planned == ((0, (1 << base.WIDTH[family]) - 1),):
        raise RefusedError(where, f"the whole of {family}", "any is only ever explicit: write any in datapath_peers, or narrower networks")
    if apart != sum(high - low + 1 for low, high in planned):
        raise RefusedError(where, "members that overlap", "make the plan again with datapath.exchange.plan")
    return planned


@lru_cache(maxsize=16384)
def _flow_block(flow: Flow, reach: _Reach) -> _Block:
    """The rules of one flow, proved to let through exactly it; the members of its set are proved with the set."""
    _check_flow(flow)
    addresses: dict[str, base.Addresses] = {family: None if reach.everyone else f"{flow.peers}_{_SUFFIX[family]}" for family in reach.families}
    protected = _IPSEC[flow.direction] if flow.protection == "ipsec_required" else ""
    text = _lines(f'{rule}{protected} counter accept comment "{_comment(flow)}"' for rule in _matches(flow, reach))
    found = events(text)
    read = [fact for rule in found if isinstance(rule, Rule) for fact in facts(rule, flow.direction, lambda name: name)]
    base.compare(f"the text for {flow.paths[0]}", base.flow_facts(flow, reach.families, addresses, COMMENT_BYTES), set(read))
    if len(found) != len(text.splitlines()) or len(read) != len(reach.families):
        raise ReadBackError(f"the text for {flow.paths[0]} says more than the flow")
    return _Block(text, found)


def _check_flow(flow: Flow) -> None:
    fix = "make the plan again with datapath.exchange.plan"
    for path in flow.paths:
        if not _PATH.match(path) or len(path) > COMMENT_BYTES - 10 or path in _RESERVED_PATHS:
            others = ", ".join(sorted(_RESERVED_PATHS))
            limits = f"ids are lower case letters and digits joined by -, at most {COMMENT_BYTES - 10} bytes, and not one of {others}"
            raise RefusedError(repr(path), "this path id", limits)
    if not _SET_NAME.match(flow.peers):
        raise RefusedError(flow.paths[0], f"the peer set {flow.peers!r}", fix)
    ends = [number for port in flow.ports for number in (port.low, port.high)]
    if any(not isinstance(number, int) or not 1 <= number <= 65535 for number in ends):
        raise RefusedError(flow.paths[0], "a port outside 1 to 65535", fix)
    if ends != sorted(ends) or any(last.high >= port.low for last, port in itertools.pairwise(flow.ports)):
        raise RefusedError(flow.paths[0], "ports that are not sorted and apart", fix)


def _comment(flow: Flow) -> str:
    return " ".join(base.shown_paths(flow.paths, COMMENT_BYTES))


def _matches(flow: Flow, reach: _Reach) -> t.Iterator[str]:
    """What the rules of a flow match, without verdict: one a family, or one for both where nothing in it depends on the family."""
    if reach.everyone and flow.protocol != "icmp" and len(reach.families) == len(base.FAMILIES):
        yield _protocol(flow, "")
        return
    for family in reach.families:
        peers = f"{_KEYWORDS[family]} {_SIDE[flow.direction]} @{flow.peers}_{_SUFFIX[family]}"
        if reach.everyone:
            peers = "" if flow.protocol == "icmp" else f"meta nfproto {family}"
        yield " ".join(filter(None, (peers, _protocol(flow, family))))


def _protocol(flow: Flow, family: str) -> str:
    if flow.protocol in ("tcp", "udp"):
        ports = ", ".join(map(str, flow.ports))
        return f"{flow.protocol} dport {ports if len(flow.ports) == 1 else '{ ' + ports + ' }'}"
    return {"icmp": _ECHO.get(family, ""), "esp": "meta l4proto esp", "any": ""}[flow.protocol]


@lru_cache(maxsize=8)
def _frame(direction: str, state: str) -> tuple[_Block, _Block, _Block]:
    """What surrounds the flows of a chain: before management, before the other flows, and after all."""
    chain = _CHAIN[direction]
    opening = f"\n\tchain {chain} {{\n\t\ttype filter hook {chain} priority filter; policy {POLICY[state]};\n"
    between, *closing = last_texts(direction, state)
    texts = (opening + _lines(ESSENTIAL[direction]), _lines((between,)), _lines(closing) + "\t}\n")
    before, middle, after = (_Block(text, events(text)) for text in texts)
    _prove_frame(direction, state, before, middle, after)
    return before, middle, after


def _lines(rules: t.Iterable[str]) -> str:
    return "".join(f"\t\t{rule}\n" for rule in rules)


def _prove_frame(direction: str, state: str, *frame: _Block) -> None:
    table = assemble(itertools.chain(_head("x", "x").events, _sessions().events, *(block.events for block in frame), _tail().events))
    planned = ParsedChain(_CHAIN[direction], _CHAIN[direction], POLICY[state], (*GUARDS[direction], *last_guards(direction, state)))
    read = table.chains[_CHAIN[direction]]
    if read != planned:
        wrong = sorted({rule.text or str(rule) for rule in set(read.rules) ^ set(planned.rules)})
        raise ReadBackError(f"what surrounds the flows of chain {_CHAIN[direction]} is not what it must be: {'; '.join(wrong) or 'the order'}")


def _prove_structure(
    plan: HostPlan, state: str, admitted: _Admitted, guards: nftables_ipsec.Guards | None, blocks: t.Sequence[_Block],
) -> None:
    """Prove that the blocks of a host make one table: every set once, every flow in the chain of its direction, in order, between its guards."""
    table = assemble(event for block in blocks for event in block.events)
    directions = _directions(plan)
    if not table.replaces or list(table.chains) != [*(nftables_ipsec.CHAIN.values() if guards else ()), *(_CHAIN[direction] for direction in directions)]:
        raise ReadBackError(f"the table has the chains {', '.join(table.chains)}")
    if guards:
        _prove_guards(plan, state, guards, table)
    for direction in directions:
        chain = table.chains[_CHAIN[direction]]
        management: list[Event] = []
        others: list[Event] = []
        for flow, block in admitted:
            if flow.direction == direction:
                (management if flow.paths == base.MANAGEMENT else others).extend(block.events)
        invalid, *last = last_guards(direction, state)
        if list(chain.rules) != [*GUARDS[direction], *management, invalid, *others, *last] or chain.policy != POLICY[state]:
            raise ReadBackError(f"the rules of chain {chain.name} are not those that were planned, in that order")


def _prove_guards(plan: HostPlan, state: str, guards: nftables_ipsec.Guards, table: ParsedTable) -> None:
    for direction, name in nftables_ipsec.CHAIN.items():
        planned = ParsedChain(name, _CHAIN[direction], "accept", nftables_ipsec.rules(plan, guards, direction, state))
        if table.chains[name] != planned:
            raise ReadBackError(f"the rules of chain {name} are not those that were planned, in that order")


__all__ = ("COMMENT_BYTES", "RENDERER", "SET_ELEMENTS", "SET_NAME_BYTES", "ParsedTable", "drift", "read_back", "read_loaded", "render")
