# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release, use the lookup plugin datapath.exchange.paths instead.
"""Reads an edition of the reference from its folder of YAML files into values; whatever is not understood is refused."""

from __future__ import annotations

import contextlib
import functools
import re
import typing as t
from pathlib import Path

import yaml

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import (
    NOTE_KINDS,
    BrokenReferenceError,
    DataPath,
    Feature,
    Interpretation,
    Note,
    PeerKind,
    Port,
    Reading,
    Reference,
)

_ROOT = Path(__file__).resolve().parent
_NAME = re.compile(r"[a-z0-9_]+\Z")
_PREFIX = re.compile(r"^(?:path \S+: )+")
READABLE_FIELDS = (
    "initiators", "responders", "direction", "scope", "relation", "documented_ports", "ports", "authentication", "encryption.mechanism",
    "encryption.default", "when",
)
"""Fields of a row that a reading may explain, in the order of the row."""

_KINDS = {str: "a text", int: "a number", bool: "true or false", list: "a list", dict: "a mapping"}
_BASE: t.Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _UniqueKeysLoader(_BASE):
    """YAML keeps the last of two equal keys without a word; a reference must not lose a line that way."""

    def construct_mapping(self, node: t.Any, *args: t.Any, **kwargs: t.Any) -> t.Any:
        keys = [key.value for key, _value in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise BrokenReferenceError(f"line {node.start_mark.line + 1}: {key} is given twice")
        return super().construct_mapping(node, *args, **kwargs)


class _Fields:
    """One mapping of a file, read field by field; knows where it stands and which of its keys nobody asked for."""

    def __init__(self, where: str, plain: t.Any) -> None:
        self.where = where
        if not isinstance(plain, dict) or not all(isinstance(key, str) for key in plain):
            raise BrokenReferenceError(f"{where}: expected a mapping with names as keys, not {plain!r}")
        self._rest = dict(plain)

    def fail(self, field: str, text: str) -> t.NoReturn:
        raise BrokenReferenceError(f"{self.where}: {field}: {text}")

    def _take(self, field: str, kind: type, default: t.Any) -> t.Any:
        if field not in self._rest:
            if default is None:
                self.fail(field, "is missing")
            return default
        value = self._rest.pop(field)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            hint = " (quote it)" if kind is str else ""
            self.fail(field, f"expected {_KINDS[kind]}, not {value!r}{hint}")
        if value in ("", [], {}) or (isinstance(value, str) and value.isspace()):
            self.fail(field, "is empty")
        return value

    def text(self, field: str, default: str | None = None) -> str:
        value: str = self._take(field, str, default)
        return value

    def number(self, field: str, default: int | None = None) -> int:
        value: int = self._take(field, int, default)
        return value

    def flag(self, field: str, *, default: bool | None = None) -> bool:
        value: bool = self._take(field, bool, default)
        return value

    def names(self, field: str, default: t.Sequence[str] | None = ()) -> tuple[str, ...]:
        value = self._take(field, list, None if default is None else list(default))
        if not all(isinstance(item, str) and item for item in value):
            self.fail(field, f"expected a list of names, not {value!r} (quote yes, no and numbers)")
        if len(set(value)) != len(value):
            self.fail(field, f"names something twice: {', '.join(value)}")
        return tuple(value)

    def mapping(self, field: str, default: dict[str, t.Any] | None = None) -> _Fields:
        return _Fields(f"{self.where}: {field}", self._take(field, dict, default))

    def items(self, field: str, key: str, default: list[t.Any] | None = None) -> list[_Fields]:
        """The mappings of a list, each named in messages by its own ``key``, or by its place where that is missing."""
        found = []
        for place, plain in enumerate(self._take(field, list, default), start=1):
            name = plain.get(key, "") if isinstance(plain, dict) else ""
            found.append(_Fields(f"{self.where}: {name if isinstance(name, str) and name else f'{field}[{place}]'}", plain))
        return found

    def entries(self) -> list[tuple[str, _Fields]]:
        """Every key with its own mapping: for tables whose keys are names."""
        found = [(key, _Fields(f"{self.where}: {key}", value)) for key, value in self._rest.items()]
        self._rest.clear()
        return found

    def given(self) -> tuple[str, ...]:
        """The keys that were not read yet."""
        return tuple(self._rest)

    def done(self) -> None:
        if self._rest:
            self.fail(min(self._rest), "is not a known key")


def _read(path: Path) -> _Fields:
    try:
        with path.open("rb") as stream:
            return _Fields(path.name, yaml.load(stream, Loader=_UniqueKeysLoader))  # noqa: S506 - made from the safe loader
    except OSError as exc:
        raise BrokenReferenceError(f"{path.name}: cannot be read: {exc.strerror}") from exc
    except yaml.YAMLError as exc:
        raise BrokenReferenceError(f"{path.name}: is not YAML: {' '.join(str(exc).split())}") from exc
    except BrokenReferenceError as exc:
        text = str(exc)
        raise BrokenReferenceError(text if text.startswith(path.name) else f"{path.name}: {text}") from exc


def _port(fields: _Fields, origin: str, source: str) -> Port:
    token, chosen, cell = fields.text("token"), fields.text("origin", origin), fields.text("cell", "")
    if chosen == "documented" and origin == "implied":
        fields.fail("origin", "an implied path has implied ports only")
    if chosen == "implied" and cell:
        fields.fail("cell", "an implied port has no cell")
    port = Port(
        token=token, purpose=fields.text("purpose"), origin=chosen, cell=cell or (token if chosen == "documented" else ""),
        source=fields.text("source", source), twin=fields.text("twin", ""), security=fields.text("security", ""),
        responders=fields.names("responders"), when=fields.names("when"), unless=fields.names("unless"),
    )
    fields.done()
    if not port.source and (cell or port.responders or port.when or port.unless or port.security):
        fields.fail("source", "a port that is read otherwise than its cell says needs one")
    return port


def _ports(fields: _Fields, origin: str, source: str) -> tuple[Port, ...]:
    found = []
    for item in fields.items("ports", "token"):
        with _named(item.where):
            found.append(_port(item, origin, source))
    return tuple(found)


@contextlib.contextmanager
def _named(where: str) -> t.Iterator[None]:
    """Put file and row before what the model says about them, unless they stand there already."""
    try:
        yield
    except BrokenReferenceError as exc:
        if str(exc).startswith(where.split(":", maxsplit=1)[0]):
            raise
        raise BrokenReferenceError(f"{where}: {_PREFIX.sub('', str(exc))}") from exc


def _interpretations(fields: _Fields, codes: t.Mapping[str, Reading]) -> tuple[Interpretation, ...]:
    found = []
    for field in fields.given():
        if field not in READABLE_FIELDS:
            fields.fail(field, f"is not one of {', '.join(READABLE_FIELDS)}")
        for code in fields.names(field, None):
            if code not in codes:
                fields.fail(field, f"{code} is neither a reading nor a note of notes.yml")
            found.append(Interpretation(field, code, codes[code].text, codes[code].source))
    return tuple(found)


def _security(fields: _Fields, default: tuple[str, str]) -> dict[str, t.Any]:
    authentication = fields.mapping("authentication", {})
    encryption = fields.mapping("encryption", {"mechanism": default[0], "default": default[1]})
    found = {
        "auth_default": authentication.names("default"), "auth_supported": authentication.names("supported"),
        "enc_mechanism": encryption.text("mechanism"), "enc_default": encryption.text("default"),
    }
    authentication.done()
    encryption.done()
    return found


def _path(fields: _Fields, section: str, name: str, codes: t.Mapping[str, Reading], encryption: tuple[str, str]) -> DataPath:
    origin = "implied" if section == "implied" else "documented"
    source = fields.text("source") if origin == "implied" else ""
    conditions = fields.mapping("initiator_when", {})
    path = DataPath(
        id=fields.text("id"), reference=name, section=section, title=fields.text("title"), origin=origin, source=source,
        row=0 if origin == "implied" else fields.number("row"), documented_ports=() if origin == "implied" else fields.names("documented_ports", None),
        initiators=fields.names("initiators", None), responders=fields.names("responders", None), direction=fields.text("direction", "one_way"),
        scope=fields.text("scope"), relation=fields.text("relation"), ports=_ports(fields, origin, source), seen=fields.text("seen", ""),
        when=fields.names("when"), unless=fields.names("unless"), platforms=fields.names("platforms"), notes=fields.names("notes"),
        initiator_when=tuple((kind, conditions.names(kind, None)) for kind in conditions.given()),
        interpretations=_interpretations(fields.mapping("readings", {}), codes),
        **_security(fields, encryption),
    )
    fields.done()
    for code in {path.source, *path.notes, *(port.source for port in path.ports)} - {""}:
        if code not in codes:
            fields.fail("source", f"{code} is neither a reading nor a note of notes.yml")
    return path


def _rows(folder: Path, section: str, codes: t.Mapping[str, Reading], encryption: tuple[str, str]) -> tuple[DataPath, ...]:
    document = _read(folder / f"{section}.yml")
    if document.text("section") != section:
        document.fail("section", f"expected {section}, the name of the file")
    document.text("title")
    paths = []
    for item in document.items("rows", "id"):
        with _named(item.where):
            paths.append(_path(item, section, folder.name, codes, encryption))
    document.done()
    if section != "implied" and [path.row for path in paths] != list(range(1, len(paths) + 1)):
        document.fail("rows", "rows count from 1 in document order")
    return tuple(paths)


def _notes(folder: Path) -> tuple[tuple[Note, ...], dict[str, Reading], dict[str, str]]:
    document = _read(folder / "notes.yml")
    notes = []
    for item in document.items("notes", "id"):
        notes.append(Note(item.text("id"), item.text("note"), item.text("kind"), item.text("text"), item.text("implemented_as")))
        if notes[-1].kind not in NOTE_KINDS:
            item.fail("kind", f"{notes[-1].kind!r} is not one of {', '.join(NOTE_KINDS)}")
        item.done()
    readings = []
    for item in document.items("readings", "id", []):
        readings.append(Reading(item.text("id"), item.text("text"), item.text("source")))
        item.done()
    listed = document.mapping("sources", {})
    sources = {code: listed.text(code) for code in listed.given()}
    document.done()
    ids = [*(note.id for note in notes), *(reading.id for reading in readings)]
    if len(set(ids)) != len(ids):
        document.fail("notes", f"ids are not unique: {sorted({i for i in ids if ids.count(i) > 1})}")
    return tuple(notes), {reading.id: reading for reading in readings}, sources


def _peer_kind(name: str, fields: _Fields) -> PeerKind:
    kind = PeerKind(name, fields.text("title"), fields.flag("allow_any", default=False), fields.text("fallback", ""))
    fields.done()
    return kind


def _feature(name: str, fields: _Fields) -> Feature:
    feature = Feature(name, fields.text("title"), fields.flag("default"), fields.text("owner", ""), fields.text("source", ""))
    fields.done()
    return feature


def _peer_kinds(catalogue: _Fields, roles: tuple[str, ...]) -> dict[str, PeerKind]:
    kinds = {name: _peer_kind(name, fields) for name, fields in catalogue.mapping("peer_kinds").entries()}
    for kind in kinds.values():
        if kind.fallback and kind.fallback not in kinds:
            catalogue.fail(f"peer_kinds: {kind.name}: fallback", f"{kind.fallback} is not a peer kind")
        if kind.name in roles:
            catalogue.fail(f"peer_kinds: {kind.name}", "is a role already")
    return kinds


def _features(catalogue: _Fields, roles: tuple[str, ...], codes: t.Mapping[str, Reading]) -> dict[str, Feature]:
    features = {name: _feature(name, fields) for name, fields in catalogue.mapping("features").entries()}
    for feature in features.values():
        if feature.owner and feature.owner not in roles:
            catalogue.fail(f"features: {feature.name}: owner", f"{feature.owner} is not a role")
        if feature.source and feature.source not in codes:
            catalogue.fail(f"features: {feature.name}: source", f"{feature.source} is neither a reading nor a note of notes.yml")
    return features


def _check_sources(reference: Reference, codes: t.Mapping[str, Reading]) -> None:
    for reading in codes.values():
        for code in re.findall(r"\bS-[A-Z0-9]+\b", reading.source):
            if code not in reference.sources:
                raise BrokenReferenceError(f"notes.yml: {reading.id}: source: {code} is not among sources")


def _placed(text: str, paths: t.Sequence[DataPath]) -> str:
    """Put the file before what the reference as a whole says about one path."""
    found = re.match(r"path (\S+): ", text)
    section = {path.id: path.section for path in paths}.get(found[1], "") if found else ""
    return f"{section}.yml: {found[1]}: {text[found.end():]}" if found and section else text


def load_folder(folder: Path) -> Reference:
    """Read the edition in ``folder``; raises BrokenReferenceError naming file, row and field."""
    catalogue = _read(folder / "catalogue.yml")
    notes, readings, sources = _notes(folder)
    codes = {**readings, **{note.id: Reading(note.id, note.text, note.note) for note in notes}}
    sections, secure = catalogue.names("sections", None), catalogue.flag("has_security_columns", default=True)
    documented = ("none", "no") if secure else ("unstated", "unstated")
    paths = tuple(path for section in sections for path in _rows(folder, section, codes, documented)) + _rows(folder, "implied", codes, ("none", "no"))
    roles = catalogue.names("roles", None)
    try:
        reference = Reference(
            name=folder.name, paths=paths, notes=notes, readings=readings, sources=sources, sections=sections, has_security_columns=secure,
            title=catalogue.text("title"), source=catalogue.text("source"), revised=catalogue.text("revised"), applies_to=catalogue.text("applies_to"),
            roles=roles, exclusive_roles=catalogue.names("exclusive_roles"), peer_kinds=_peer_kinds(catalogue, roles),
            features=_features(catalogue, roles, codes),
        )
    except BrokenReferenceError as exc:
        raise BrokenReferenceError(_placed(str(exc), paths)) from exc
    catalogue.done()
    _check_sources(reference, codes)
    return reference


def available() -> tuple[str, ...]:
    """Names of the editions that this collection carries, sorted."""
    return tuple(sorted(found.parent.name for found in _ROOT.glob("*/catalogue.yml")))


@functools.cache
def load(name: str = "exchange_2007") -> Reference:
    """Read an edition once per process; raises BrokenReferenceError for one that is unknown or broken."""
    if not _NAME.match(name) or name not in available():
        raise BrokenReferenceError(f"reference {name!r} is not known: use one of {', '.join(available())}")
    return load_folder(_ROOT / name)


__all__ = ("READABLE_FIELDS", "available", "load", "load_folder")
