# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release, use the lookup plugin datapath.exchange.paths instead.
"""Picks rows of a reference and shows them as plain values: what the lookup plugin C(datapath.exchange.paths) returns."""

from __future__ import annotations

import difflib
import re
import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import ORIGINS, DataPath, Port, Reference

_NUMBER = re.compile(r"([0-9]{1,5})/(tcp|udp)\Z")
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?/(tcp|udp)\Z")
CELL_WORDS = ("dynamic", "smb", "rpc")
"""What a ports cell may say instead of a number and a protocol."""


class BadQueryError(ValueError):
    """A filter that can match nothing because its value is not known: says which, and what is."""


def select(
    reference: Reference, *, section: str = "", row: int = 0, role: str = "", port: str = "", ids: t.Sequence[str] = (), origin: str = "documented",
) -> tuple[DataPath, ...]:
    """The paths that pass every given filter, in document order, implied paths last.

    role: a server role or peer kind at either end. port: ``25/tcp``, a symbolic token such as ``rpc-dynamic/tcp``, or a word of a cell;
    it counts among the documented ports, or with another origin among all. row: 1-based, in whichever sections are left.
    Raises BadQueryError for a section, row, role, port, id or origin that the reference does not know.
    """
    if origin not in (*ORIGINS, "all"):
        raise BadQueryError(f"origin {origin!r} is not known: use documented, implied or all")
    if section == "implied" and origin == "documented":
        raise BadQueryError("section 'implied' has no documented rows: ask with origin implied or all")
    _check(reference, section, role, port, ids)
    paths = tuple(path for path in reference.paths if origin in (path.origin, "all") and section in (path.section, ""))
    if row and row not in {path.row for path in paths}:
        raise BadQueryError(f"row {row} is not in {section or 'any section'}: rows count from 1 to {max((path.row for path in paths), default=0)}")
    return tuple(
        path for path in paths
        if (not row or path.row == row) and (not ids or path.id in ids)
        and (not role or role in _ends(path)) and (not port or _opens(path, port, origin))
    )


def _check(reference: Reference, section: str, role: str, port: str, ids: t.Sequence[str]) -> None:
    if section and section not in (*reference.sections, "implied"):
        raise BadQueryError(f"section {section!r} is not known: use one of {', '.join((*reference.sections, 'implied'))}")
    if role and role not in reference.roles and role not in reference.peer_kinds:
        raise BadQueryError(f"role {role!r} is neither a role nor a peer kind: use one of {', '.join((*reference.roles, *reference.peer_kinds))}")
    for name in ids:
        if name not in reference.by_id:
            close = difflib.get_close_matches(name, reference.by_id, 1)
            raise BadQueryError(f"id {name!r} is not a path of {reference.name}" + (f": did you mean {close[0]}?" if close else ""))
    number = _NUMBER.match(port)
    if port and not (number and 0 < int(number[1]) < 65536) and port not in _symbols(reference):
        raise BadQueryError(f"port {port!r} is not understood: write a number and a protocol such as 25/tcp, or one of {', '.join(_symbols(reference))}")


def _symbols(reference: Reference) -> tuple[str, ...]:
    tokens = {port.token for path in reference.paths for port in path.ports if not _RANGE.match(port.token)}
    return (*sorted(tokens), *CELL_WORDS)


def _ends(path: DataPath) -> set[str]:
    return {*path.initiators, *path.responders, *(kind for port in path.ports for kind in port.responders)}


def _opens(path: DataPath, wanted: str, origin: str) -> bool:
    return wanted in path.documented_ports or any(_covers(port, wanted) for port in path.ports if origin != "documented" or port.origin == "documented")


def _covers(port: Port, wanted: str) -> bool:
    number, found = _NUMBER.match(wanted), _RANGE.match(port.token)
    if number and found:
        return found[3] == number[2] and int(found[1]) <= int(number[1]) <= int(found[2] or found[1])
    return wanted == port.token


def to_plain(path: DataPath, reference: Reference) -> dict[str, t.Any]:
    """One path as JSON-plain values, with the texts of its notes and readings beside their codes."""
    notes = {note.id: note for note in reference.notes}
    return {
        "id": path.id, "reference": path.reference, "section": path.section, "row": path.row, "title": path.title,
        "initiators": list(path.initiators), "responders": list(path.responders), "direction": path.direction,
        "scope": path.scope, "relation": path.relation, "documented_ports": list(path.documented_ports), "ports": [_port(port) for port in path.ports],
        "authentication": {"default": list(path.auth_default), "supported": list(path.auth_supported)},
        "encryption": {"mechanism": path.enc_mechanism, "default": path.enc_default},
        "notes": [{"id": code, "note": notes[code].note, "kind": notes[code].kind, "text": notes[code].text} for code in path.notes if code in notes],
        "interpretations": [{"field": item.field, "id": item.id, "text": item.text, "source": item.source} for item in path.interpretations],
        "origin": path.origin, "source": path.source, "when": list(path.when), "unless": list(path.unless),
        "initiator_when": {kind: list(features) for kind, features in path.initiator_when}, "platforms": list(path.platforms),
    }


def _port(port: Port) -> dict[str, t.Any]:
    return {
        "port": port.token, "purpose": port.purpose, "origin": port.origin, "cell": port.cell, "source": port.source, "responders": list(port.responders),
        "when": list(port.when), "unless": list(port.unless), "twin": port.twin, "security": port.security,
    }


__all__ = ("CELL_WORDS", "BadQueryError", "select", "to_plain")
