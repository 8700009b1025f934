# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The plan of one host as plain data, for files and filters, and back. Reading trusts nothing: a missing, unknown or ill-typed key is an error."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import (
    Association,
    Flow,
    HostPlan,
    Management,
    PeerSet,
    PlanError,
    PortRange,
)

FORMAT = "datapath.exchange/host"
VERSION = 2
EGRESS = ("open", "restricted")
FAMILIES = ("ipv4", "ipv6")
IKE = (1, 2)
MODES = ("requested", "required")
ORIGINS = ("documented", "implied")

_FIX = "make the plan again with datapath.exchange.plan of the same release of the collection"
_NAME = re.compile(r"[a-z0-9_]{1,128}\Z")
_PATH = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_ADDRESS = re.compile(r"[0-9.]+\Z|[0-9a-f.]*:[0-9a-f:.]+\Z")
_SELECTOR = re.compile(r"(?:in|out) [0-9]{1,5}(?:-[0-9]{1,5})?/(?:tcp|udp)\Z")
_NETWORKS = {"v4": re.compile(r"[0-9./-]+\Z"), "v6": re.compile(r"[0-9a-f:./-]+\Z")}


def host_to_plain(plan: HostPlan) -> dict[str, t.Any]:
    """The plan as dicts, lists, texts and numbers, ready for JSON; C(host_from_plain) gives an equal plan back."""
    return {
        "format": FORMAT, "version": VERSION, "host": plan.host, "roles": list(plan.roles), "site": plan.site, "platform": plan.platform,
        "release": plan.release, "addresses": list(plan.addresses), "families": list(plan.families), "scope": plan.scope,
        "encryption": plan.encryption, "reference": plan.reference, "egress": plan.egress,
        "management": {"peers": plan.management.peers, "ports": [str(port) for port in plan.management.ports]},
        "flows": [flow.to_plain() for flow in plan.flows],
        "sets": {name: plan.sets[name].to_plain() for name in sorted(plan.sets)},
        "associations": [association.to_plain() for association in plan.associations],
        "rpc": dict(plan.rpc), "digest": plan.digest,
    }


def host_from_plain(plain: t.Any) -> HostPlan:
    """Read what C(host_to_plain) wrote; PlanError names the key that is missing, unknown or not what it must be."""
    top = _Reader(plain, "host plan")
    if top.text("format") != FORMAT or top.number("version") != VERSION:
        raise PlanError(f"host plan: format {top.text('format')!r} version {top.number('version')} is not {FORMAT!r} version {VERSION}: {_FIX}")
    host = top.text("host")
    top.where = f"plan of {host}"
    sets = {name: _peer_set(name, child) for name, child in top.children("sets")}
    plan = HostPlan(
        host, top.texts("roles"), top.text("site"), top.text("platform"), top.choices("families", FAMILIES),
        tuple(_flow(entry, sets) for entry in top.entries("flows")), sets, _management(top.child("management"), sets), top.choice("egress", EGRESS),
        top.text("scope"), top.text("encryption"), top.text("reference"), tuple(_association(entry, sets) for entry in top.entries("associations")),
        top.mapping("rpc"), top.text("digest"), top.text("release"), top.addresses(),
    )
    top.finish()
    return plan


class _Reader:
    """One mapping being read: C(finish) refuses the keys that nobody asked for."""

    def __init__(self, plain: t.Any, where: str) -> None:
        self.where = where
        if not isinstance(plain, t.Mapping):
            raise self.error("", f"is {type(plain).__name__}, not a dictionary")
        self.plain = plain
        self.seen: set[t.Any] = set()

    def error(self, key: str, what: str) -> PlanError:
        return PlanError(f"{self.where}{': ' + key if key else ''}: {what}: {_FIX}")

    def finish(self) -> None:
        unknown = sorted(str(key) for key in self.plain if key not in self.seen)
        if unknown:
            raise self.error(", ".join(unknown), "not known")

    def _get(self, key: str, kind: type, name: str) -> t.Any:
        self.seen.add(key)
        if key not in self.plain:
            raise self.error(key, "missing")
        value = self.plain[key]
        # bool is an int in Python, and 1 is no answer to a yes-or-no question.
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"is {type(value).__name__}, not {name}")
        return value

    def text(self, key: str) -> str:
        # str() also turns Ansible's tagged and trusted subclasses of str into plain ones.
        return str(self._get(key, str, "a text"))

    def number(self, key: str) -> int:
        return int(self._get(key, int, "a number"))

    def flag(self, key: str) -> bool:
        return bool(self._get(key, bool, "true or false"))

    def mapping(self, key: str) -> dict[str, t.Any]:
        return dict(self._get(key, t.Mapping, "a dictionary"))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list")
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "holds something that is not a text")
        return tuple(map(str, values))

    def choice(self, key: str, known: t.Sequence[str]) -> str:
        value = self.text(key)
        if value not in known:
            raise self.error(key, f"{value!r} is not one of {', '.join(known)}")
        return value

    def choices(self, key: str, known: t.Sequence[str]) -> tuple[str, ...]:
        values = self.texts(key)
        if not set(values) <= set(known) or len(set(values)) != len(values):
            raise self.error(key, f"{', '.join(values)} is not a choice of {', '.join(known)}, each at most once")
        return values

    def ports(self, key: str) -> tuple[PortRange, ...]:
        try:
            return tuple(PortRange.parse(port) for port in self.texts(key))
        except PlanError as error:
            raise self.error(key, str(error)) from error

    def peers(self, sets: t.Mapping[str, PeerSet]) -> str:
        name = self.text("peers")
        if name not in sets:
            raise self.error("peers", f"{name!r} is not among the sets of this host")
        return name

    def paths(self) -> tuple[str, ...]:
        ids = self.texts("paths")
        for each in ids:
            if not _PATH.match(each):
                raise self.error("paths", f"{each!r} is not a path id")
        return ids

    def addresses(self) -> tuple[str, ...]:
        values = self.texts("addresses")
        for each in values:
            if not _ADDRESS.match(each):
                raise self.error("addresses", f"{each!r} is not an address")
        return values

    def child(self, key: str) -> _Reader:
        return _Reader(self._get(key, t.Mapping, "a dictionary"), f"{self.where}: {key}")

    def children(self, key: str) -> t.Iterator[tuple[str, _Reader]]:
        for name, value in self.mapping(key).items():
            if not isinstance(name, str) or not _NAME.match(name):
                raise self.error(key, f"{name!r} is not the name of a peer set")
            yield str(name), _Reader(value, f"{self.where}: {key}.{name}")

    def entries(self, key: str) -> t.Iterator[_Reader]:
        for number, value in enumerate(self._get(key, list, "a list")):
            yield _Reader(value, f"{self.where}: {key}[{number}]")


def _peer_set(name: str, entry: _Reader) -> PeerSet:
    networks = {family: entry.texts(family) for family in _NETWORKS}
    for family, pattern in _NETWORKS.items():
        for network in networks[family]:
            if not pattern.match(network):
                raise entry.error(family, f"{network!r} is not a network of this family")
    everyone = entry.flag("everyone")
    entry.finish()
    return PeerSet(name, networks["v4"], networks["v6"], everyone)


def _flow(entry: _Reader, sets: t.Mapping[str, PeerSet]) -> Flow:
    flow = Flow(
        entry.text("direction"), entry.text("protocol"), entry.ports("ports"), entry.peers(sets), entry.paths(), entry.text("protection"),
        entry.choice("origin", ORIGINS),
    )
    entry.finish()
    return flow


def _management(entry: _Reader, sets: t.Mapping[str, PeerSet]) -> Management:
    """A host that nobody is named to manage has no set for it."""
    peers = entry.peers(sets) if entry.text("peers") else ""
    made = Management(peers, entry.ports("ports"))
    entry.finish()
    return made


def _association(entry: _Reader, sets: t.Mapping[str, PeerSet]) -> Association:
    made = Association(
        entry.peers(sets), entry.choice("mode", MODES), entry.flag("whole"), entry.texts("selectors"), entry.paths(), entry.texts("hosts"),
        entry.number("ike"),
    )
    for selector in made.selectors:
        if not _SELECTOR.match(selector):
            raise entry.error("selectors", f"{selector!r} is not IN-OR-OUT PORTS/PROTOCOL")
    if made.ike not in IKE:
        raise entry.error("ike", f"{made.ike} is not a version of the key exchange")
    entry.finish()
    return made


__all__ = ("FORMAT", "VERSION", "host_from_plain", "host_to_plain")
