# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/reference.md from the reference: every row and every implied path, with sources and switches.

Run it from the collection's own folder, with the folder that holds ``ansible_collections`` on PYTHONPATH::

    python tests/tools/reference_doc.py
"""

from __future__ import annotations

import itertools
import typing as t
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath, Port, Reference

TARGET = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
HEADER = """\
<!--
Copyright: Contributors to the datapath.exchange collection
GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later

Written by tests/tools/reference_doc.py from plugins/plugin_utils/_reference; change it there.
-->
"""
INTRODUCTION = """\
# The reference: {title}

Edition of {revised}, for {applies_to}. The document itself is at <{source}>; this page restates its tables in the collection's
own words, as the lookup plugin `datapath.exchange.paths` returns them, and adds what they leave out.

- A row's **ports** are those of its cell. `smb` as `445/tcp` shows a word of the cell and the port that it was read as. What a note or a
  reading adds follows after **+**, with its code; `datapath_implied: false` drops all of that, `datapath_disabled_implied` single ids or codes.
- **if** names a switch: `datapath_NAME` in the inventory, see [Switches](#switches).
- **Codes** name the [rules](#rules-of-the-notes) and [readings](#readings) that bear on a row.
- `rpc-dynamic` is the RPC range of the answering host, `random` its ephemeral range, `rtp` its media range.
"""


def table(heads: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *(f"| {' | '.join(row)} |" for row in rows), ""]


def code(names: t.Iterable[str], joint: str = ", ") -> str:
    return joint.join(f"`{name}`" for name in names)


def heading(name: str) -> str:
    return name.replace("_", " ").capitalize()


def conditions(when: t.Sequence[str], unless: t.Sequence[str]) -> str:
    return " and ".join([*(f"`{name}`" for name in when), *(f"not `{name}`" for name in unless)])


def qualifier(port: Port, path: DataPath) -> str:
    text = f" of {code(port.responders)}" if port.responders and set(port.responders) != set(path.responders) else ""
    text += f" if {conditions(port.when, port.unless)}" if port.when or port.unless else ""
    return text + (f" ({port.source})" if port.source and port.source != path.source else "")


def port_texts(ports: t.Iterable[Port], path: DataPath) -> str:
    """Ports in the order of the row; neighbours that are read alike share what is said about them."""
    groups = itertools.groupby(ports, lambda port: (port.cell if port.cell not in ("", port.token) else "", qualifier(port, path)))
    return ", ".join(f"`{cell}` as " * bool(cell) + code((port.token for port in group), " ") + text for (cell, text), group in groups)


def ports_text(path: DataPath) -> str:
    added = port_texts((port for port in path.ports if port.origin != path.origin), path)
    return port_texts((port for port in path.ports if port.origin == path.origin), path) + (f" **+** {added}" if added else "")


def ends_text(path: DataPath) -> str:
    arrow = "to" if path.direction == "one_way" else "to and from"
    return f"{code(path.initiators)} {arrow} {code(path.responders)}"


def switches_text(path: DataPath) -> str:
    texts = [conditions(path.when, path.unless)] if path.when or path.unless else []
    texts += [f"{conditions(features, ())} for `{kind}`" for kind, features in path.initiator_when]
    texts += [f"{' and '.join(path.platforms)} only"] if path.platforms else []
    return "; ".join(texts)


def joins_text(path: DataPath) -> str:
    scope = heading(path.scope).replace(" ad ", " AD ")
    return scope if path.relation in ("any", "same_site", "same_host") else f"{scope}: {path.relation.replace('_', ' ')}"


def codes_text(path: DataPath) -> str:
    return " ".join(dict.fromkeys([*path.notes, *(item.id for item in path.interpretations)]))


def security_text(path: DataPath) -> tuple[str, str]:
    same = path.auth_default == path.auth_supported
    authentication = ", ".join(path.auth_default) + ("" if same else f"; supported {', '.join(path.auth_supported)}")
    return authentication, f"{path.enc_mechanism}, by default {path.enc_default}" if path.enc_mechanism != "none" else "none"


def section(reference: Reference, name: str) -> list[str]:
    rows = (
        (str(path.row), f"`{path.id}`<br>{path.title}", ends_text(path), joins_text(path), ports_text(path), *security_text(path), switches_text(path),
         codes_text(path))
        for path in reference.paths if path.section == name
    )
    heads = ("Row", "Path", "Who", "Scope", "Ports", "Authentication by default", "Encryption", "If", "Codes")
    return [f"## {heading(name)}", "", *table(heads, rows)]


def implied(reference: Reference) -> list[str]:
    rows = (
        (f"`{path.id}`<br>{path.title}", ends_text(path), joins_text(path), ports_text(path), switches_text(path), path.source)
        for path in reference.paths if path.origin == "implied"
    )
    return ["## Implied paths", "", "What the tables leave out.", "", *table(("Path", "Who", "Scope", "Ports", "If", "Source"), rows)]


def switches(reference: Reference) -> list[str]:
    rows = (
        (f"`datapath_{feature.name}`", feature.title, "on" if feature.default else "off", f"hosts with `{feature.owner}`" if feature.owner else "organisation",
         feature.source)
        for feature in reference.features.values()
    )
    return ["## Switches", "", *table(("Variable", "Meaning", "Default", "Set for", "Source"), rows)]


def peer_kinds(reference: Reference) -> list[str]:
    rows = ((f"`{kind.name}`", kind.title, "yes" if kind.allow_any else "", code([kind.fallback] if kind.fallback else []))
            for kind in reference.peer_kinds.values())
    return ["## Peer kinds", "", *table(("Name", "Meaning", "`any` allowed", "Where not given"), rows)]


def explanations(reference: Reference) -> list[str]:
    rules = ((note.id, note.note, note.kind, note.text, note.implemented_as) for note in reference.notes)
    readings = ((reading.id, reading.text, reading.source) for reading in reference.readings.values())
    return [
        "## Rules of the notes", "", *table(("Rule", "Note", "Kind", "What it says", "Held by"), rules),
        "## Readings", "", *table(("Code", "What was read, and why", "Sources"), readings),
        "## Sources", "", *table(("Code", "Source"), reference.sources.items()),
    ]


def render(reference: Reference) -> str:
    introduction = INTRODUCTION.format(title=reference.title, revised=reference.revised, applies_to=reference.applies_to, source=reference.source)
    parts = [line for name in reference.sections for line in section(reference, name)]
    parts += [*implied(reference), *switches(reference), *peer_kinds(reference), *explanations(reference)]
    return f"{HEADER}\n{introduction}\n" + "\n".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(load()), encoding="utf-8")
