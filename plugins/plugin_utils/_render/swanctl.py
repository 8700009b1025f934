# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The associations of a Linux host as one text for strongSwan's swanctl. What was written is read back and compared with the plan.

Each own address has a connection with each peer address of its family, because in transport mode the ends of a key exchange are the ends of the traffic. A
child protects one selector: IKEv1 uses only the first pair of selectors of a child, and kernels match masks of ports, not ranges, so a range would protect more
than was asked for (swanctl.conf, local_ts). Protocols are numbers, because names need a file that small systems lack.
"""

from __future__ import annotations

import base64
import ipaddress
import typing as t
from collections import defaultdict
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.ipsec import MOST_ADDRESSES
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import ipsec_pairs, ipsec_suites
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import Intervals, ReadBackError, RefusedError, UnsupportedFlowError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import Facts, IpsecOptions, check_psk, plan_facts
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.swanctl_reader import Child, Connection, Side, aligned, read_back

RENDERER = "swanctl"
PSK = "{PSK}"
"""Stands for the pre-shared key in a rendered text: swanctl refuses a text in which nobody replaced it."""
CERTIFICATE_FILE = "datapath.pem"
"""The name of the files under x509ca, x509 and private."""
AUTHENTICATIONS = {"psk": "psk", "certificate": "pubkey"}
STATES = ("requested", "required")
WINDOWS_PROFILE = "compatible"
"""What is offered to Windows, whichever profile the peer has: every other profile is part of it."""
PREFIX = "datapath-"
"""Names of our connections begin with it."""

_PROTOCOLS = {"tcp": 6, "udp": 17}
_NAMES = {number: name for name, number in _PROTOCOLS.items()}
_ICMP = {"ipv4": 1, "ipv6": 58}
_NEIGHBOUR_TYPES = (135, 136)
_START = {"required": "trap", "requested": "start"}
_MODES = {start: mode for mode, start in _START.items()}


@dataclass(frozen=True)
class SwanctlText:
    """Everything that makes the associations of one host true.

    text: for C(/etc/swanctl/conf.d/datapath.conf), empty without associations; a key in it is only the placeholder. connections: what it was read back as.
    waiting: managed peers for whose sake something stays requested. unmanaged: peer sets whose other end nobody configures here.
    """

    text: str = ""
    connections: tuple[Connection, ...] = ()
    waiting: tuple[str, ...] = ()
    unmanaged: tuple[str, ...] = ()


def check_options(options: IpsecOptions) -> None:
    """Raise ValueError for what cannot be rendered on Linux, before any plan is looked at."""
    if options.auth not in AUTHENTICATIONS:
        raise ValueError(f"auth {options.auth!r} is not possible on Linux, where strongSwan knows no Kerberos: use one of {', '.join(AUTHENTICATIONS)}")
    if options.state not in STATES:
        raise ValueError(f"state {options.state!r} is not one of {', '.join(STATES)}")
    ipsec_suites.profile(options.profile)


def fill(text: str, psk: str | None) -> str:
    """The text with the key in it, encoded so that no character of it means anything; ValueError that never shows it. For the host alone, never shown."""
    if PSK not in text:
        return text
    return text.replace(PSK, "0s" + base64.b64encode(check_psk(psk).encode("ascii")).decode("ascii"))


def render(plan: HostPlan, options: IpsecOptions) -> SwanctlText:
    """The connections of one Linux host.

    Raises UnsupportedFlowError for a plan that cannot be expressed, ValueError for options, ReadBackError for a fault of this renderer.
    """
    check_options(options)
    if plan.platform != "linux":
        raise UnsupportedFlowError(plan.host, "the host", f"platform:{plan.platform}", RENDERER, "use datapath.exchange.netsh_consec for hosts with Windows")
    try:
        wanted = ipsec_pairs.needs(plan, options.state, options.ready)
        for need in wanted:
            _check_size(need)
        made = ipsec_pairs.bundles(plan, wanted)
        clear = ipsec_pairs.exemptions_on_linux(plan, made)
        text = _Writer(plan, options, made, clear).write()
    except RefusedError as refusal:
        raise UnsupportedFlowError(plan.host, refusal.path, refusal.feature, RENDERER, refusal.fix) from None
    try:
        connections = read_back(text) if text else ()
        _Proof(plan, options, made).check(connections, plan_facts(plan, wanted), clear)
    except ReadBackError as error:
        raise error.on(plan.host) from None
    waiting = tuple(sorted({host for need in wanted for host in need.waiting}))
    return SwanctlText(text, connections, waiting, tuple(need.association.peers for need in wanted if not need.association.hosts))


def _check_size(need: ipsec_pairs.Need) -> None:
    """Refuse what would be more connections than anybody meant: the plan counts exactly, and says so first (finding P-IPS-05)."""
    association = need.association
    # Managed hosts count apart: nobody gives one of them more than a handful of addresses.
    most = MOST_ADDRESSES + 16 * (len(association.hosts) + 1)
    for family in ("ipv4", "ipv6"):
        count = sum(high - low + 1 for low, high in ipsec_pairs.members(need.peers, family))
        if count > most:
            raise RefusedError(
                association.paths[0] if association.paths else association.peers, f"IPsec with the {count} addresses of the peer set {association.peers}",
                f"name single hosts, or networks of at most {MOST_ADDRESSES} addresses, in datapath_peers",
            )


def _own(plan: HostPlan, family: str) -> tuple[str, ...]:
    return tuple(text for text in plan.addresses if (":" in text) is (family == "ipv6"))


def _each(peers: Intervals) -> t.Iterator[int]:
    for low, high in peers:
        yield from range(low, high + 1)


def _text(family: str, number: int) -> str:
    return str(ipaddress.IPv4Address(number) if family == "ipv4" else ipaddress.IPv6Address(number))


def blocks(low: int, high: int) -> t.Iterator[tuple[int, int]]:
    """A range of ports as the fewest blocks that a mask can say."""
    while low <= high:
        size = low & -low or 65536
        while low + size - 1 > high:
            size //= 2
        yield low, low + size - 1
        low += size


class _Writer:
    """Writes for one host. Every line but the first has its place in a section, four blanks deeper than what it is in."""

    def __init__(self, plan: HostPlan, options: IpsecOptions, made: t.Sequence[ipsec_pairs.Bundle], clear: t.Sequence[ipsec_pairs.Exemption]) -> None:
        self.plan, self.options, self.made, self.clear = plan, options, made, clear
        self.profiles = {2: ipsec_suites.profile(options.profile), 1: ipsec_suites.profile(WINDOWS_PROFILE)}
        self.lines: list[str] = []
        self.depth = 0

    def write(self) -> str:
        if not self.made:
            return ""
        pairs = [(own, peer) for bundle in self.made for peer in self._peers(bundle) for own in self._own(bundle)]
        self.lines.append(f"# datapath.exchange: scope {self.plan.scope}, encryption {self.plan.encryption}")
        self._open("connections")
        for bundle in self.made:
            passing = self._passing(bundle)
            for peer in _each(bundle.peers):
                for own in self._own(bundle):
                    self._connection(bundle, own, _text(bundle.family, peer), passing.get(peer, ()))
        self._close()
        if self.options.auth == "psk":
            self._secret(sorted({address for pair in pairs for address in pair}, key=lambda text: (":" in text, int(ipaddress.ip_address(text)))))
        return "\n".join((*self.lines, ""))

    def _own(self, bundle: ipsec_pairs.Bundle) -> tuple[str, ...]:
        own = _own(self.plan, bundle.family)
        if not own:
            fix = "give datapath_addresses an address of that family, or leave such peers out"
            raise RefusedError(bundle.paths[0], f"IPsec without an own {bundle.family} address", fix)
        return own

    @staticmethod
    def _peers(bundle: ipsec_pairs.Bundle) -> t.Iterator[str]:
        return (_text(bundle.family, number) for number in _each(bundle.peers))

    def _passing(self, bundle: ipsec_pairs.Bundle) -> dict[int, list[str]]:
        """Selectors that pass in clear, by peer."""
        found: dict[int, list[str]] = defaultdict(list)
        for entry in self.clear if bundle.modes[0][0] == ipsec_pairs.WHOLE else ():
            for peer in _each(ipsec_pairs.intersect(entry.peers, bundle.peers)) if entry.family == bundle.family else ():
                if entry.selector not in found[peer]:
                    found[peer].append(entry.selector)
        return found

    def _open(self, name: str) -> None:
        self.lines.append(f"{'    ' * self.depth}{name} {{")
        self.depth += 1

    def _close(self) -> None:
        self.depth -= 1
        self.lines.append(f"{'    ' * self.depth}}}")

    def _set(self, **values: object) -> None:
        self.lines.extend(f"{'    ' * self.depth}{key} = {value}" for key, value in values.items())

    def _connection(self, bundle: ipsec_pairs.Bundle, own: str, peer: str, passing: t.Sequence[str]) -> None:
        profile = self.profiles[bundle.ike]
        starts = any(mode == "requested" for _selector, mode in bundle.modes)
        self._open(f"{PREFIX}{_word(own)}-to-{_word(peer)}")
        self._set(version=bundle.ike, local_addrs=own, remote_addrs=peer, proposals=ipsec_suites.swan_proposals(profile), encap="no")
        self._set(**{"aggressive": "no"} if bundle.ike == 1 else {"mobike": "no"})
        self._set(rekey_time=f"{profile.linux.ike_rekey}s", over_time=f"{profile.linux.ike_over}s", reauth_time="0s", dpd_delay="30s")
        self._set(**{"dpd_timeout": "150s"} if bundle.ike == 1 else {})
        self._set(keyingtries=0 if starts else 1)
        # All connections of a host show the one name in its certificate, and a first contact through one of them would end what the others agreed on.
        self._set(**{"unique": "never"} if self.options.auth == "certificate" else {})
        self._authentication("local", own, "certs")
        self._authentication("remote", peer, "cacerts")
        self._open("children")
        for selector, mode in bundle.modes:
            self._protect(bundle, own, peer, selector, mode)
        for selector in passing:
            self._pass(bundle.family, own, peer, selector)
        self._close()
        self._close()

    def _authentication(self, side: str, address: str, file: str) -> None:
        self._open(side)
        self._set(auth=AUTHENTICATIONS[self.options.auth], **{"id": address} if self.options.auth == "psk" else {file: CERTIFICATE_FILE})
        self._close()

    def _protect(self, bundle: ipsec_pairs.Bundle, own: str, peer: str, selector: str, mode: str) -> None:
        profile, times = self.profiles[bundle.ike], self.profiles[bundle.ike].linux
        near = far = ""
        if selector != ipsec_pairs.WHOLE:
            direction, port, protocol = ipsec_pairs.parts(selector)
            if not aligned(port.low, port.high):
                raise RefusedError(bundle.paths[0], f"IPsec for the range {selector}", "make the plan again: such a pair is protected whole")
            near, far = _ends(direction, _PROTOCOLS[protocol], port.low, port.high)
        self._child(_word(selector), "transport", (own, near), (peer, far), esp_proposals=ipsec_suites.swan_esp_proposals(profile),
                    rekey_time=f"{times.child_rekey}s", life_time=f"{times.child_life}s", rekey_bytes=times.child_rekey_bytes,
                    life_bytes=times.child_life_bytes, dpd_action="clear" if mode == "required" else "restart", start_action=_START[mode])

    def _pass(self, family: str, own: str, peer: str, selector: str) -> None:
        for name, near, far in _clear_selectors(family, selector):
            self._child(f"pass-{name}", "pass", (own, near), (peer, far), start_action="trap")

    def _child(self, name: str, mode: str, near: tuple[str, str], far: tuple[str, str], **more: object) -> None:
        width = 128 if ":" in near[0] else 32
        self._open(name)
        self._set(mode=mode, local_ts=f"{near[0]}/{width}{near[1]}", remote_ts=f"{far[0]}/{width}{far[1]}", **more)
        self._close()

    def _secret(self, owners: t.Sequence[str]) -> None:
        self._open("secrets")
        self._open("ike-datapath")
        self._set(**{f"id-{number}": owner for number, owner in enumerate(owners, 1)})
        self._set(secret=PSK)
        self._close()
        self._close()


def _word(text: str) -> str:
    """An address or selector as part of a name, which may hold no dot, colon, blank or slash; different ones stay different."""
    return text.replace(".", "-").replace(":", "-").replace(" ", "-").replace("/", "-")


def _ends(direction: str, protocol: int, low: int, high: int) -> tuple[str, str]:
    """What follows the own and the peer's address of a selector."""
    ports = f"[{protocol}/{low}]" if low == high else f"[{protocol}/{low}-{high}]"
    return (ports, f"[{protocol}]") if direction == "in" else (f"[{protocol}]", ports)


def _clear_selectors(family: str, selector: str) -> t.Iterator[tuple[str, str, str]]:
    if selector == "icmp":
        yield "icmp", f"[{_ICMP[family]}]", f"[{_ICMP[family]}]"
    elif selector == ipsec_pairs.NEIGHBOURS:
        for number in _NEIGHBOUR_TYPES:
            yield f"neighbours-{number}", f"[58/{number << 8}]", f"[58/{number << 8}]"
    else:
        direction, port, protocol = ipsec_pairs.parts(selector)
        for low, high in blocks(port.low, port.high):
            yield (_word(f"{direction} {PortRange(low, high)}/{protocol}"), *_ends(direction, _PROTOCOLS[protocol], low, high))


Ranges = dict[str, Intervals]
"""Ports by direction and protocol, C(in tcp)."""


class _Proof:
    """That the connections read back mean the plan, seen from every own address."""

    def __init__(self, plan: HostPlan, options: IpsecOptions, made: t.Sequence[ipsec_pairs.Bundle]) -> None:
        self.plan, self.options = plan, options
        self.versions = {(bundle.family, peer): bundle.ike for bundle in made for peer in _each(bundle.peers)}

    def check(self, connections: t.Sequence[Connection], planned: Facts, clear: t.Sequence[ipsec_pairs.Exemption]) -> None:
        """Raise ReadBackError for the first difference."""
        pairs = [(each.local, each.remote) for each in connections]
        wanted = {(own, _text(family, peer)) for family, peer in self.versions for own in _own(self.plan, family)}
        if len(pairs) != len(set(pairs)) or set(pairs) != wanted or len({each.name for each in connections}) != len(pairs):
            raise ReadBackError("the connections are not with the peers of the plan, one with each")
        for own in {each.local for each in connections}:
            family = "ipv6" if ":" in own else "ipv4"
            read = facts([each for each in connections if each.local == own])
            expected = {key: peers for key, peers in planned.items() if key[0] == family}
            if read != expected:
                raise ReadBackError(f"the connections of {own}", _differing(read, expected), _differing(expected, read))
        passing = _passing(clear)
        for each in connections:
            self._prove_keys(each)
            key = ("ipv6" if ":" in each.remote else "ipv4", int(ipaddress.ip_address(each.remote)))
            if passes(each) != passing.get(key, {}):
                raise ReadBackError(f"{each.name}: what passes in clear is not what was planned")

    def _prove_keys(self, each: Connection) -> None:
        version = self.versions["ipv6" if ":" in each.remote else "ipv4", int(ipaddress.ip_address(each.remote))]
        profile = ipsec_suites.profile(self.options.profile if version == 2 else WINDOWS_PROFILE)
        times = profile.linux
        planned = (version, AUTHENTICATIONS[self.options.auth], profile.main, (times.ike_rekey, times.ike_over))
        if (each.version, each.auth, each.suites, each.times) != planned:
            raise ReadBackError(f"{each.name}: how keys are agreed on is not what was planned")
        quick = {(suite.encryption, suite.integrity) for suite in profile.quick}
        life = (times.child_rekey, times.child_life, times.child_rekey_bytes, times.child_life_bytes)
        for child in each.children:
            offered = {(suite.encryption, suite.integrity) for suite in child.suites}
            if child.mode == "transport" and (offered, child.exchange, child.times) != (quick, profile.pfs, life):
                raise ReadBackError(f"{each.name}: {child.name}: its keys are not what was planned")


def facts(connections: t.Iterable[Connection]) -> Facts:
    """What connections protect, whoever wrote them: peers by family, mode and selector."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for each in connections:
        number = int(ipaddress.ip_address(each.remote))
        for child in each.children:
            if child.mode == "transport":
                for selector in _selectors(each, child):
                    found[("ipv6" if ":" in each.remote else "ipv4", _MODES[child.start], selector)].append((number, number))
    return {key: _networks.merge(pairs) for key, pairs in found.items()}


def _selectors(each: Connection, child: Child) -> t.Iterator[str]:
    if not child.local.protocol and not child.remote.protocol:
        yield ipsec_pairs.WHOLE
    else:
        direction, protocol, low, high = _opened(each, child)
        yield f"{direction} {PortRange(low, high)}/{protocol}"


def _opened(each: Connection, child: Child) -> tuple[str, str, int, int]:
    """Direction, protocol and ports of a child; ReadBackError for one that is about anything but the ports of one side."""
    every, local, remote = Side("").ports, child.local, child.remote
    if local.protocol != remote.protocol or local.protocol not in _NAMES or (local.ports == every) is (remote.ports == every):
        raise ReadBackError(f"{each.name}: {child.name}: is not about the ports of one side")
    return ("in", _NAMES[local.protocol], *local.ports) if remote.ports == every else ("out", _NAMES[local.protocol], *remote.ports)


def passes(each: Connection) -> Ranges:
    """What a connection lets through in clear: ports by direction and protocol, whole ICMP as port 0, neighbour discovery as its types."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for child in each.children:
        protocols = {child.local.protocol, child.remote.protocol}
        if child.mode != "pass":
            continue
        if protocols == {_ICMP["ipv6" if ":" in each.local else "ipv4"]}:
            if child.local.ports != child.remote.ports:
                raise ReadBackError(f"{each.name}: {child.name}: its ends differ")
            whole = child.local.ports == Side("").ports
            found["icmp" if whole else ipsec_pairs.NEIGHBOURS].append((0, 0) if whole else child.local.ports)
        else:
            direction, protocol, low, high = _opened(each, child)
            found[f"{direction} {protocol}"].append((low, high))
    return {key: _networks.merge(ranges) for key, ranges in found.items()}


def _passing(clear: t.Iterable[ipsec_pairs.Exemption]) -> dict[tuple[str, int], Ranges]:
    """The same as planned, by peer."""
    found: dict[tuple[str, int], dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
    for entry in clear:
        key, ranges = entry.selector, [(0, 0)]
        if key == ipsec_pairs.NEIGHBOURS:
            ranges = [(kind * 256, kind * 256) for kind in (135, 136)]
        elif key != "icmp":
            direction, port, protocol = ipsec_pairs.parts(key)
            key, ranges = f"{direction} {protocol}", [(port.low, port.high)]
        for peer in _each(entry.peers):
            found[(entry.family, peer)][key].extend(ranges)
    return {peer: {key: _networks.merge(ranges) for key, ranges in each.items()} for peer, each in found.items()}


def _differing(first: Facts, second: Facts) -> list[str]:
    return sorted(f"{mode} {selector} ({family})" for (family, mode, selector), peers in first.items() if second.get((family, mode, selector)) != peers)


__all__ = (
    "AUTHENTICATIONS", "CERTIFICATE_FILE", "PREFIX", "PSK", "RENDERER", "Facts", "SwanctlText", "blocks", "check_options", "facts", "fill", "passes", "render",
)
