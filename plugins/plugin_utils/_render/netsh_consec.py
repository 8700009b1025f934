# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Connection security rules of Windows from the plan of one host, as lines for C(netsh -f). What was written is read back and compared with the plan."""

from __future__ import annotations

import hashlib
import re
import typing as t
from collections import defaultdict
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import ipsec_pairs, ipsec_suites
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import (
    Intervals,
    ReadBackError,
    RefusedError,
    UnsupportedFlowError,
    shown_paths,
    subtract,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec_reader import CONSEC, MAIN_MODE, read_consec, read_main_mode
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import ConSecMatch, MainModeMatch, Release

RENDERER = "netsh_consec"
PSK = "\0PSK\0"
"""Stands for the pre-shared key until a script is built for a host: the key itself is never in a rule, a plan or a text for review."""
AUTHENTICATIONS = ("kerberos", "certificate", "psk")
MAX_LINE = 7700
"""Under cmd's 8191 characters with room for the key, which is longer than its placeholder, and for what a script puts around a line (KB830473)."""
MAX_ENTRIES = 1000
MAX_RULES = 1000
DESCRIPTION_BYTES = 250
_ACTION = {"requested": "requestinrequestout", "required": "requireinrequireout"}
_FAMILY = {"ipv4": 4, "ipv6": 6}
_ICMP = {"ipv4": "icmpv4", "ipv6": "icmpv6"}
_RDN = r"(?:CN|OU|O|C|ST|S|L|DC|E)=[A-Za-z0-9](?:[A-Za-z0-9 ._()/@+-]{0,126}[A-Za-z0-9._()])?"
_CA = re.compile(rf"{_RDN}(?:, ?{_RDN}){{0,19}}\Z")
_PSK = re.compile(r"[A-Za-z0-9._~+/=@:-]{12,127}\Z")


@dataclass(frozen=True)
class IpsecOptions:
    """What the user chose. ca: distinguished name of the authority, for ``certificate``. ready: hosts that can do IPsec already, None for all.

    state: ``requested`` demands protection of nobody yet, ``required`` of those of whom the plan does.
    """

    auth: str = "kerberos"
    ca: str = ""
    profile: str = ipsec_suites.DEFAULT
    ready: frozenset[str] | None = None
    state: str = "required"


@dataclass(frozen=True)
class NetshSecurityRule:
    """One rule. line: for C(netsh) or C(netsh -f), without C(netsh); a key in it is only the placeholder."""

    name: str
    description: str
    match: ConSecMatch | MainModeMatch
    paths: tuple[str, ...]
    line: str


@dataclass(frozen=True)
class SecurityText:
    """Everything that makes the associations of one host true. main_mode, rules: in the order to add them, exemptions first.

    global_lines: settings of the whole host, only where rules for main mode do not exist. waiting: managed peers for whose sake something stays requested.
    unmanaged: peer sets whose other end nobody configures here.
    """

    main_mode: tuple[NetshSecurityRule, ...] = ()
    rules: tuple[NetshSecurityRule, ...] = ()
    global_lines: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    unmanaged: tuple[str, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """All lines in order."""
        return (*self.global_lines, *(rule.line for rule in (*self.main_mode, *self.rules)))


def check_psk(text: str | None) -> str:
    """The key when netsh, cmd and strongSwan all carry it unchanged, else ValueError that never shows it."""
    if not text:
        raise ValueError("psk is missing: give it from a vault")
    if not _PSK.match(text):
        raise ValueError(f"psk has {len(text)} characters, or some that netsh and cmd cannot carry: use 12 to 127 letters, digits and ._~+/=@:-")
    if text[:2] in ("0x", "0s"):
        raise ValueError("psk begins with 0x or 0s, which strongSwan takes for an encoding (swanctl.conf) and Windows does not: begin it otherwise")
    return text


def check_options(options: IpsecOptions) -> None:
    """Raise ValueError for what cannot be rendered, before any plan is looked at."""
    if options.auth not in AUTHENTICATIONS:
        raise ValueError(f"auth {options.auth!r} is not one of {', '.join(AUTHENTICATIONS)}")
    if options.state not in _ACTION:
        raise ValueError(f"state {options.state!r} is not one of {', '.join(_ACTION)}")
    ipsec_suites.profile(options.profile)
    if options.auth == "certificate" and not _CA.match(options.ca):
        raise ValueError(
            f"ca {options.ca[:80]!r} is not a name that netsh can carry: write it as CN=Example Root, O=Example, with letters, digits, blanks and ._()/@+- only"
        )


def render(plan: HostPlan, options: IpsecOptions, release: Release) -> SecurityText:
    """The connection security rules of one Windows host.

    Raises UnsupportedFlowError for a plan that cannot be expressed on this release, ValueError for options, ReadBackError for a fault of this renderer.
    """
    check_options(options)
    if not plan.associations:
        return SecurityText()
    if not release.advfirewall:
        raise UnsupportedFlowError(plan.host, "the host", f"release {release.name}", RENDERER, "set datapath_ipsec: absent on it, or replace it")
    try:
        wanted = ipsec_pairs.needs(plan, options.state, options.ready)
    except RefusedError as refusal:
        raise UnsupportedFlowError(plan.host, refusal.path, refusal.feature, RENDERER, refusal.fix) from None
    text = _Writer(plan, options, release).write(wanted)
    _prove(plan, wanted, text, release)
    return text


class _Writer:
    """Writes for one host."""

    def __init__(self, plan: HostPlan, options: IpsecOptions, release: Release) -> None:
        self.plan, self.options, self.release = plan, options, release
        self.profile = ipsec_suites.profile(options.profile)
        self.rules: list[NetshSecurityRule] = []
        self.own = {family: ipsec_pairs.own_addresses(plan, family) for family in plan.families}

    def write(self, wanted: t.Sequence[ipsec_pairs.Need]) -> SecurityText:
        made = tuple(bundle for bundle in ipsec_pairs.bundles(self.plan, wanted) if self._has_own(bundle))
        for exemption in ipsec_pairs.exemptions(self.plan, made):
            self._exempt(exemption)
        for bundle in made:
            self._secure(bundle)
        if len(self.rules) > MAX_RULES:
            raise UnsupportedFlowError(
                self.plan.host, "the host", f"{len(self.rules)} connection security rules", RENDERER, "name fewer and larger networks as peers",
            )
        waiting = tuple(sorted({host for need in wanted for host in need.waiting}))
        unmanaged = tuple(need.association.peers for need in wanted if not need.association.hosts)
        main = self._main_mode(made) if self.release.main_mode_rules else ()
        return SecurityText(main, tuple(self.rules), () if self.release.main_mode_rules or not made else self._global(), waiting, unmanaged)

    def _has_own(self, bundle: ipsec_pairs.Bundle) -> bool:
        if self.own.get(bundle.family):
            return True
        fix = "give datapath_addresses an address of that family, or leave such peers out"
        raise UnsupportedFlowError(self.plan.host, bundle.paths[0], f"IPsec without an own {bundle.family} address", RENDERER, fix)

    def _exempt(self, exemption: ipsec_pairs.Exemption) -> None:
        if exemption.selector == "icmp":
            selectors = [f"protocol={_ICMP[exemption.family]}"]
        else:
            direction, port, protocol = _parts(exemption.selector)
            numbers = range(port.low, port.high + 1) if not self.release.securing_lists else (port,)
            selectors = [_selector(direction, protocol, str(number)) for number in numbers]
        for selector in selectors:
            self._add("clear", exemption.family, exemption.peers, "noauthentication", selector, (exemption.why,))

    def _secure(self, bundle: ipsec_pairs.Bundle) -> None:
        grouped: dict[tuple[str, str, str], list[PortRange]] = defaultdict(list)
        for selector, mode in bundle.modes:
            if selector == ipsec_pairs.WHOLE:
                self._add("ipsec", bundle.family, bundle.peers, _ACTION[mode], "protocol=any", bundle.paths)
                return
            direction, port, protocol = _parts(selector)
            if port.low != port.high:
                raise UnsupportedFlowError(
                    self.plan.host, bundle.paths[0], f"IPsec for the range {selector}", RENDERER, "make the plan again: such a pair is protected whole")
            grouped[(mode, direction, protocol)].append(port)
        for (mode, direction, protocol), ports in grouped.items():
            numbers = [str(port) for port in sorted(ports)]
            for text in [",".join(numbers)] if self.release.securing_lists else numbers:
                self._add("ipsec", bundle.family, bundle.peers, _ACTION[mode], _selector(direction, protocol, text), bundle.paths)

    def _add(self, kind: str, family: str, peers: Intervals, action: str, selector: str, paths: tuple[str, ...]) -> None:
        tail = f"action={action} mode=transport profile=any {selector}"
        if action != "noauthentication":
            tail += f" {self._auth()} qmpfs={self.profile.pfs} qmsecmethods={ipsec_suites.netsh_quick(self.profile.quick)}"
        for ends in self._ends(family, peers, len(tail)):
            word = "management" if kind == "clear" and paths == ("management",) else paths[0].replace(" ", "-")
            self.rules.append(_rule(CONSEC, f"{kind} {word.lower()}", f"{ends} {tail}", paths, read_consec))

    def _ends(self, family: str, peers: Intervals, used: int) -> list[str]:
        own = ",".join(_networks.texts(_FAMILY[family], self.own[family]))
        room = MAX_LINE - used - len(own) - len(CONSEC) - DESCRIPTION_BYTES - 200
        if room < 100:
            raise UnsupportedFlowError(self.plan.host, "the host", "so many own addresses", RENDERER, "name those in datapath_addresses that peers use")
        return [f"endpoint1={own} endpoint2={chunk}" for chunk in _chunks(_networks.texts(_FAMILY[family], peers), room)]

    def _auth(self) -> str:
        if self.options.auth == "psk":
            return f'auth1=computerpsk auth1psk="{PSK}"'
        return f'auth1=computercert auth1ca="{self.options.ca}"' if self.options.auth == "certificate" else "auth1=computerkerb"

    def _main_mode(self, made: t.Sequence[ipsec_pairs.Bundle]) -> tuple[NetshSecurityRule, ...]:
        life = f"{self.profile.minutes}min,{self.profile.sessions}sess"
        tail = f"profile=any mmsecmethods={ipsec_suites.netsh_main(self.profile.main)} mmkeylifetime={life} {self._auth()}"
        rules = []
        for family in self.plan.families:
            peers = _networks.merge(pair for bundle in made if bundle.family == family for pair in bundle.peers)
            ends = self._ends(family, peers, len(tail)) if peers else []
            rules += [_rule(MAIN_MODE, "main", f"{each} {tail}", ("key exchange with these peers",), read_main_mode) for each in ends]
        return tuple(rules)

    def _global(self) -> tuple[str, ...]:
        return global_lines(self.profile)


def global_lines(chosen: ipsec_suites.Profile) -> tuple[str, ...]:
    """Main mode of the whole host, for releases without rules for it."""
    setting = "advfirewall set global mainmode"
    return f"{setting} mmsecmethods {ipsec_suites.netsh_main(chosen.main)}", f"{setting} mmkeylifetime {chosen.minutes}min,{chosen.sessions}sess"


def _rule(verb: str, words: str, text: str, paths: tuple[str, ...], reader: t.Callable[[str], tuple[str, t.Any]]) -> NetshSecurityRule:
    name = f"datapath.exchange {words} {hashlib.sha256(text.encode('ascii')).hexdigest()[:8]}"
    description = " ".join(shown_paths(paths, DESCRIPTION_BYTES))
    line = f'{verb}name="{name}" description="{description}" {text}'
    read_name, match = reader(line)
    if read_name != name:
        raise ReadBackError(f"{line!r} reads back as the rule {read_name!r}")
    return NetshSecurityRule(name, description, match, paths, line)


def _parts(selector: str) -> tuple[str, PortRange, str]:
    direction, _blank, rest = selector.partition(" ")
    port, _slash, protocol = rest.partition("/")
    return direction, PortRange.parse(port), protocol


def _selector(direction: str, protocol: str, ports: str) -> str:
    near, far = (ports, "any") if direction == "in" else ("any", ports)
    return f"protocol={protocol} port1={near} port2={far}"


def _chunks(texts: t.Sequence[str], room: int) -> t.Iterator[str]:
    """Comma lists of at most MAX_ENTRIES entries and C(room) characters."""
    held: list[str] = []
    length = 0
    for text in texts:
        if held and (length + len(text) + 1 > room or len(held) == MAX_ENTRIES):
            yield ",".join(held)
            held, length = [], 0
        held.append(text)
        length += len(text) + 1
    if held:
        yield ",".join(held)


Facts = dict[tuple[str, str, str], Intervals]
"""Peers by family, mode (``clear`` for exemptions) and selector."""


def rule_facts(rules: t.Iterable[NetshSecurityRule]) -> Facts:
    """What rules mean, whoever wrote them."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    words = {"noauthentication": "clear", "requestinrequestout": "requested", "requireinrequireout": "required"}
    for rule in rules:
        if isinstance(rule.match, ConSecMatch):
            for family, peers in (("ipv4", rule.match.endpoint2.v4), ("ipv6", rule.match.endpoint2.v6)):
                for selector in _selectors_of(rule.match) if peers else ():
                    found[(family, words[rule.match.action], selector)].extend(peers)
    return {key: _networks.merge(pairs) for key, pairs in found.items()}


def _selectors_of(match: ConSecMatch) -> t.Iterator[str]:
    if match.protocol in (1, 58):
        yield "icmp"
    elif match.protocol is None:
        yield ipsec_pairs.WHOLE
    else:
        protocol = {6: "tcp", 17: "udp"}[match.protocol]
        direction, numbers = ("in", match.port1.numbers) if match.port2.everything else ("out", match.port2.numbers)
        for low, high in numbers:
            yield from (f"{direction} {port}/{protocol}" for port in range(low, high + 1))


def plan_facts(plan: HostPlan, wanted: t.Sequence[ipsec_pairs.Need]) -> Facts:
    """What the plan wants, computed by subtraction instead of by cutting the address space: a second way to the same answer."""
    facts: Facts = {}
    for family in plan.families:
        own = ipsec_pairs.own_addresses(plan, family)
        union = _Union(wanted, family, own)
        whole, strict = union.of(lambda need: need.association.whole), union.of(lambda need: need.mode == "required")
        facts[(family, "required", ipsec_pairs.WHOLE)] = ipsec_pairs.intersect(whole, strict)
        facts[(family, "requested", ipsec_pairs.WHOLE)] = subtract(whole, strict)
        for selector in {selector for need in wanted for selector in need.association.selectors}:
            required = union.of(lambda need, selector=selector: selector in need.association.selectors and need.mode == "required")  # type: ignore[misc]
            either = union.of(lambda need, selector=selector: selector in need.association.selectors)  # type: ignore[misc]
            facts[(family, "required", selector)] = subtract(required, whole)
            facts[(family, "requested", selector)] = subtract(subtract(either, required), whole)
    return {key: peers for key, peers in facts.items() if peers}


class _Union:
    """Peers of the needs that pass a test, without the host itself."""

    def __init__(self, wanted: t.Sequence[ipsec_pairs.Need], family: str, own: Intervals) -> None:
        self.wanted, self.family, self.own = wanted, family, own

    def of(self, test: t.Callable[[ipsec_pairs.Need], bool]) -> Intervals:
        pairs = _networks.merge(pair for need in self.wanted if test(need) for pair in ipsec_pairs.members(need.peers, self.family))
        return subtract(pairs, self.own)


def _prove(plan: HostPlan, wanted: t.Sequence[ipsec_pairs.Need], text: SecurityText, release: Release) -> None:
    """Raise ReadBackError unless the rules protect exactly what the plan wants, and clear nothing outside the pairs protected whole."""
    facts = rule_facts(text.rules)
    protected = {key: peers for key, peers in facts.items() if key[1] != "clear"}
    planned = plan_facts(plan, wanted)
    if protected != planned:
        raise ReadBackError(f"{plan.host}: the connection security rules", _differing(protected, planned), _differing(planned, protected))
    for (family, mode, selector), peers in facts.items():
        whole = _networks.merge(pair for key, pairs in planned.items() if key[0] == family and key[2] == ipsec_pairs.WHOLE for pair in pairs)
        if mode == "clear" and subtract(peers, whole):
            raise ReadBackError(f"{plan.host}: the exemption {selector} reaches peers that are not protected whole")
    _prove_own(plan, text)
    if not release.securing_lists and any("," in part for rule in text.rules for part in rule.line.split() if part.startswith(("port1=", "port2="))):
        raise ReadBackError(f"{plan.host}: a rule has several ports on {release.name}")


def _prove_own(plan: HostPlan, text: SecurityText) -> None:
    for rule in (*text.main_mode, *text.rules):
        families = {"ipv4": rule.match.endpoint1.v4, "ipv6": rule.match.endpoint1.v6}
        if any(peers and peers != ipsec_pairs.own_addresses(plan, family) for family, peers in families.items()):
            raise ReadBackError(f"{plan.host}: {rule.name}: its near end is not this host")


def _differing(first: Facts, second: Facts) -> list[str]:
    return sorted(f"{mode} {selector} ({family})" for (family, mode, selector), peers in first.items() if second.get((family, mode, selector)) != peers)


__all__ = (
    "AUTHENTICATIONS", "PSK", "RENDERER", "Facts", "IpsecOptions", "NetshSecurityRule", "SecurityText", "check_options", "check_psk", "global_lines",
    "plan_facts", "render", "rule_facts",
)
