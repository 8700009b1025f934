# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release, use the lookup plugin datapath.exchange.paths instead.
"""The reference as values: frozen, and refusing to exist when they contradict themselves."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

SECTIONS = ("transport", "mailbox", "client_access", "unified_messaging")
SCOPES = ("organisation", "same_ad_site", "perimeter", "cross_organisation", "same_host")
"""The scope column of a row, in the document's own terms."""

RELATIONS = ("any", "same_site", "other_site", "subscribed", "same_cluster", "replication", "witness", "same_host")
"""Which pairs of hosts a path joins: what the planner computes from the topology."""

DIRECTIONS = ("one_way", "both")
ORIGINS = ("documented", "implied")
MECHANISMS = ("tls", "rpc", "ldaps", "kerberos", "ipsec", "https", "ssl", "ssl,tls", "sip-tls", "none", "unstated")
ENCRYPTED = ("yes", "no", "self-signed", "sip-only", "unstated")
"""``unstated`` is for editions whose tables have no columns about security (2013 and later)."""

SEEN = ("ja", "en", "der", "")
"""Where the cell on encryption by default was read: the Japanese edition, the English one, derived from its loss; empty for editions without."""

PLATFORMS = ("linux", "windows")
NOTE_KINDS = ("deny", "warn", "port", "policy", "info")
SYMBOLIC_PORTS = ("rpc-dynamic", "random", "rtp")
"""Port names whose numbers belong to the responding host: its RPC range, its ephemeral range, its media range."""

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_PORT = re.compile(r"(?:([0-9]{1,5})(?:-([0-9]{1,5}))?|rpc-dynamic|random|rtp)/(?:tcp|udp)\Z")
_PORTLESS = re.compile(r"(?:icmp-echo|any|esp)/(?:icmp|any|esp)\Z")
_CELL = re.compile(r"(?:(?:[0-9]{1,5}(?:-[0-9]{1,5})?|random)/(?:tcp|udp)|dynamic|smb|rpc)\Z")


class BrokenReferenceError(ValueError):
    """A reference file that cannot be true: names the file or row, the field and what is wrong with it."""


@dataclass(frozen=True)
class Port:
    """One thing that a path needs open on its responder.

    token: ``25/tcp``, ``5065-5068/tcp``, ``rpc-dynamic/tcp``, ``random/tcp``, ``rtp/udp``, ``icmp-echo/icmp`` or ``any/any``.
    cell: for a documented port the token of the row's own cell that this comes from (``rpc`` for ``135/tcp`` of C10).
    source: the note, ambiguity or source code that added or interpreted it; empty where the cell speaks for itself.
    responders: kinds that answer on this port where these are not all responders of the path.
    when, unless: features that must all be on, and of which none may be on.
    twin: the token of the encrypted twin, another port of the path, where this port carries clear text.
    security: ``tcp`` or ``tls`` where a SIP gateway's mode chooses the port; empty otherwise.
    """

    token: str
    purpose: str
    origin: str = "documented"
    cell: str = ""
    source: str = ""
    responders: tuple[str, ...] = ()
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    twin: str = ""
    security: str = ""

    def __post_init__(self) -> None:
        if not (_PORT.match(self.token) or _PORTLESS.match(self.token)):
            raise BrokenReferenceError(
                f"port {self.token!r}: expected NUMBER/tcp, LOW-HIGH/udp, one of {SYMBOLIC_PORTS} with /tcp or /udp, icmp-echo/icmp or any/any")
        numbers = [int(number) for number in re.findall(r"\d+", self.token)]
        if any(not 0 < number < 65536 for number in numbers) or numbers != sorted(numbers):
            raise BrokenReferenceError(f"port {self.token!r}: numbers must be 1 to 65535, low before high")
        if self.origin not in ORIGINS:
            raise BrokenReferenceError(f"port {self.token!r}: origin {self.origin!r} is not one of {ORIGINS}")
        if self.origin == "implied" and not self.source:
            raise BrokenReferenceError(f"port {self.token!r}: an implied port needs its source")
        if self.origin == "documented" and not self.cell:
            raise BrokenReferenceError(f"port {self.token!r}: a documented port needs the token of its cell")
        if self.origin == "documented" and self.cell != self.token and not self.source:
            raise BrokenReferenceError(f"port {self.token!r}: reads cell {self.cell!r} differently and needs its source")
        if self.security not in ("", "tcp", "tls"):
            raise BrokenReferenceError(f"port {self.token!r}: security {self.security!r} is not tcp or tls")


@dataclass(frozen=True)
class Interpretation:
    """One reading that goes beyond the cell: which field, under which code, what was decided and from which source."""

    field: str
    id: str
    text: str
    source: str = ""


@dataclass(frozen=True)
class DataPath:
    """One path of a reference: a row of the document, or a path that its notes imply (``section`` is then ``implied``).

    direction: ``both`` lets the responders open the ports too, except those that have responders of their own.
    source: for an implied path the code that added it; C(datapath_disabled_implied) takes it or the id.
    platforms: ``linux`` or ``windows`` where only hosts of that platform have the path; empty means all.
    initiator_when: further features that must be on for single initiators, as pairs of kind and features.
    """

    id: str
    reference: str
    section: str
    row: int
    title: str
    initiators: tuple[str, ...]
    responders: tuple[str, ...]
    scope: str
    relation: str
    documented_ports: tuple[str, ...]
    ports: tuple[Port, ...]
    auth_default: tuple[str, ...] = ()
    auth_supported: tuple[str, ...] = ()
    enc_mechanism: str = "none"
    enc_default: str = "no"
    direction: str = "one_way"
    origin: str = "documented"
    source: str = ""
    when: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    seen: str = ""
    notes: tuple[str, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()
    initiator_when: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        if not _ID.match(self.id):
            raise BrokenReferenceError(f"path {self.id!r}: an id is lower case words joined by '-'")
        try:
            self._check()
        except BrokenReferenceError as exc:
            raise BrokenReferenceError(f"path {self.id}: {exc}") from exc

    def _check(self) -> None:
        for name, value, allowed in (
            ("scope", self.scope, SCOPES), ("relation", self.relation, RELATIONS), ("direction", self.direction, DIRECTIONS),
            ("origin", self.origin, ORIGINS), ("encryption.mechanism", self.enc_mechanism, MECHANISMS),
            ("encryption.default", self.enc_default, ENCRYPTED), ("seen", self.seen, SEEN),
            *(("platforms", platform, PLATFORMS) for platform in self.platforms),
        ):
            if value not in allowed:
                raise BrokenReferenceError(f"{name} {value!r} is not one of {', '.join(allowed)}")
        if not self.initiators or not self.responders or not self.ports:
            raise BrokenReferenceError("needs at least one initiator, responder and port")
        if (self.scope == "same_host") != (self.relation == "same_host"):
            raise BrokenReferenceError("scope same_host and relation same_host go together")
        if (self.enc_mechanism == "unstated") != (self.enc_default == "unstated"):
            raise BrokenReferenceError("encryption.mechanism unstated and encryption.default unstated go together")
        tokens = {port.token for port in self.ports}
        lost = {port.twin for port in self.ports if port.twin} - tokens
        if lost:
            raise BrokenReferenceError(f"twin {sorted(lost)} is not a port of the path")
        strangers = {kind for kind, features in self.initiator_when} - set(self.initiators)
        if strangers:
            raise BrokenReferenceError(f"initiator_when: {sorted(strangers)} is not an initiator")
        if self.enc_mechanism == "none" and self.enc_default != "no":
            raise BrokenReferenceError(f"encryption.default {self.enc_default!r} contradicts encryption.mechanism none")
        if self.enc_mechanism == "ipsec" and self.enc_default != "no":
            raise BrokenReferenceError("a path that IPsec protects is never encrypted by default in this reference")
        if self.origin == "documented":
            self._check_documented()
        elif not self.source:
            raise BrokenReferenceError("an implied path needs its source")

    def _check_documented(self) -> None:
        bad = [cell for cell in self.documented_ports if not _CELL.match(cell)]
        if bad:
            raise BrokenReferenceError(f"documented_ports: {bad} is not a port, random/tcp, dynamic, smb or rpc")
        cells = {port.cell for port in self.ports if port.origin == "documented"}
        if cells != set(self.documented_ports):
            raise BrokenReferenceError(f"documented ports {sorted(cells)} are not the cell's {sorted(self.documented_ports)}")
        if self.row < 1:
            raise BrokenReferenceError("row counts from 1")
        if self.section == "implied":
            raise BrokenReferenceError("section implied is for implied paths")
        if bool(self.auth_default) != bool(self.auth_supported):
            raise BrokenReferenceError("default and supported authentication go together")


@dataclass(frozen=True)
class PeerKind:
    """Something that is not one of our servers. allow_any: C(any) is a permitted network. fallback: kind used where this one is not given."""

    name: str
    title: str
    allow_any: bool = False
    fallback: str = ""


@dataclass(frozen=True)
class Feature:
    """A switch of the topology, set in inventory as C(datapath_NAME).

    owner: the server role whose hosts carry it; empty: one value for the whole organisation.
    """

    name: str
    title: str
    default: bool
    owner: str = ""
    source: str = ""


@dataclass(frozen=True)
class Note:
    """A rule of the document's notes: id such as R-TR-03, kind deny|warn|port|policy|info, and how the collection holds it."""

    id: str
    note: str
    kind: str
    text: str
    implemented_as: str


@dataclass(frozen=True)
class Reading:
    """What an ambiguity (A-01...) or an addition (X-01...) was read as, and from which sources."""

    id: str
    text: str
    source: str


@dataclass(frozen=True)
class Reference:
    """A published edition of the tables. paths: documented rows in document order, then implied paths.

    sections: the tables, in document order. has_security_columns: the tables state authentication and encryption of each row.
    readings, sources: what the codes stand for that ports, paths and interpretations name.
    """

    name: str
    title: str
    source: str
    revised: str
    applies_to: str
    roles: tuple[str, ...]
    exclusive_roles: tuple[str, ...]
    peer_kinds: t.Mapping[str, PeerKind]
    features: t.Mapping[str, Feature]
    paths: tuple[DataPath, ...]
    notes: tuple[Note, ...]
    by_id: t.Mapping[str, DataPath] = field(default_factory=dict, compare=False)
    sections: tuple[str, ...] = SECTIONS
    has_security_columns: bool = True
    readings: t.Mapping[str, Reading] = field(default_factory=dict)
    sources: t.Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ids = [path.id for path in self.paths]
        if len(set(ids)) != len(ids):
            raise BrokenReferenceError(f"reference {self.name}: path ids are not unique: {sorted({i for i in ids if ids.count(i) > 1})}")
        if set(self.exclusive_roles) - set(self.roles):
            raise BrokenReferenceError(f"reference {self.name}: exclusive_roles {sorted(set(self.exclusive_roles) - set(self.roles))} are not roles")
        for path in self.paths:
            try:
                self._check_names(path)
                self._check_conditions(path)
                self._check_columns(path)
            except BrokenReferenceError as exc:
                raise BrokenReferenceError(f"path {path.id}: {exc}") from exc
        object.__setattr__(self, "by_id", {path.id: path for path in self.paths})

    def _check_names(self, path: DataPath) -> None:
        if path.section not in (*self.sections, "implied"):
            raise BrokenReferenceError(f"section {path.section!r} is not one of {', '.join(self.sections)}")
        named = {*path.initiators, *path.responders, *(kind for port in path.ports for kind in port.responders)}
        unknown = named - set(self.roles) - set(self.peer_kinds)
        if unknown:
            raise BrokenReferenceError(f"{sorted(unknown)} is neither a role nor a peer kind of reference {self.name}")

    def _check_conditions(self, path: DataPath) -> None:
        """A feature counts for the hosts of its owner, so its owner must be at one end of every pair that it decides about."""
        for initiator in path.initiators:
            extra = dict(path.initiator_when).get(initiator, ())
            for feature in sorted({*path.when, *path.unless, *extra, *(f for port in path.ports for f in (*port.when, *port.unless))}):
                if feature not in self.features:
                    raise BrokenReferenceError(f"{feature!r} is not a feature of reference {self.name}")
                owner = self.features[feature].owner
                if owner and owner != initiator and owner not in path.responders:
                    raise BrokenReferenceError(f"feature {feature} belongs to {owner}, which is at neither end of {initiator} to {', '.join(path.responders)}")

    def _check_columns(self, path: DataPath) -> None:
        if path.origin != "documented":
            return
        if self.has_security_columns != bool(path.auth_default):
            raise BrokenReferenceError("authentication is given exactly where the catalogue says has_security_columns")
        if self.has_security_columns == (path.enc_mechanism == "unstated"):
            raise BrokenReferenceError("encryption is unstated exactly where the catalogue denies has_security_columns")


__all__ = (
    "DIRECTIONS", "ENCRYPTED", "MECHANISMS", "NOTE_KINDS", "ORIGINS", "PLATFORMS", "RELATIONS", "SCOPES", "SECTIONS", "SEEN", "SYMBOLIC_PORTS",
    "BrokenReferenceError", "DataPath", "Feature", "Interpretation", "Note", "PeerKind", "Port", "Reading", "Reference",
)
