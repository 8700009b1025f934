# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loader believes nothing: every file that is wrong is refused with the name of the file, the row and the field."""

from __future__ import annotations

import json
import re
import shutil
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference import loader
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import BrokenReferenceError, Port

EDITION = Path(loader.__file__).with_name("exchange_2007")
LATER = Path(__file__).parent / "editions" / "later"
ROW_FILES = ("transport", "mailbox", "client_access", "unified_messaging", "implied")
SCHEMA = jsonschema.Draft202012Validator(json.loads(Path(loader.__file__).with_name("schema.json").read_text(encoding="utf-8")))

Plain = t.Any
Break = t.Callable[[Plain], None]


def read(name: str) -> Plain:
    """A file as plain values, nothing shared between rows."""
    return json.loads(json.dumps(yaml.safe_load((EDITION / f"{name}.yml").read_text(encoding="utf-8"))))


FILES = {name: read(name) for name in (*ROW_FILES, "catalogue", "notes")}
EVERY_ROW = [(name, place) for name in ROW_FILES for place in range(len(FILES[name]["rows"]))]


@pytest.fixture(scope="module")
def edition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(EDITION, tmp_path_factory.mktemp("reference") / "exchange_2007")


def load_with(edition: Path, name: str, document: Plain) -> str:
    """What the loader says when one file is exchanged; empty when it loads."""
    file = edition / f"{name}.yml"
    before = file.read_bytes()
    file.write_text(json.dumps(document), encoding="utf-8")  # JSON is YAML, and quickly written
    try:
        loader.load_folder(edition)
    except BrokenReferenceError as exc:
        return str(exc)
    finally:
        file.write_bytes(before)
    return ""


def change(field: str, value: Plain) -> Break:
    return lambda row: row.__setitem__(field, value)


def drop(field: str) -> Break:
    return lambda row: row.pop(field)


def change_port(field: str, value: Plain) -> Break:
    return lambda row: row["ports"][0].__setitem__(field, value)


# A change of one row, the field that the message must name, and whether the schema sees it too.
ROW_BREAKS: dict[str, tuple[Break, str, bool]] = {
    **{f"without {field}": (drop(field), field, True) for field in ("title", "initiators", "responders", "scope", "relation", "ports")},
    **{f"{field} of the wrong type": (change(field, 7), field, True) for field in ("title", "initiators", "scope", "relation", "ports", "notes", "when")},
    **{f"{field} unknown": (change(field, "elsewhere"), field, True) for field in ("scope", "relation", "direction")},
    "an unknown key": (change("colour", "red"), "colour", True),
    "an empty title": (change("title", " "), "title", True),
    "no initiators": (change("initiators", []), "initiators", True),
    "an initiator twice": (change("initiators", ["mailbox", "mailbox"]), "initiators", True),
    "a stranger": (change("responders", ["postmaster"]), "postmaster", False),
    "an unknown switch": (change("when", ["weekend"]), "weekend", False),
    "an unknown platform": (change("platforms", ["solaris"]), "platforms", True),
    "an unknown note": (change("notes", ["R-XX-01"]), "R-XX-01", False),
    "an unknown reading": (change("readings", {"ports": ["A-99"]}), "A-99", False),
    "a reading of nothing": (change("readings", {"colour": ["A-01"]}), "colour", True),
    "a condition of a stranger": (change("initiator_when", {"postmaster": ["pop3"]}), "postmaster", False),
    "encryption half stated": (change("encryption", {"mechanism": "tls"}), "encryption: default", True),
    "encryption unquoted": (change("encryption", {"mechanism": "tls", "default": True}), "encryption: default", True),
    "encryption unknown": (change("encryption", {"mechanism": "rot13", "default": "yes"}), "encryption.mechanism", True),
    "encryption contradicting itself": (change("encryption", {"mechanism": "none", "default": "yes"}), "encryption.default", False),
    "ports that are no list of mappings": (change("ports", ["25/tcp"]), "ports[1]", True),
    "a port without purpose": (lambda row: row["ports"][0].pop("purpose"), "purpose", True),
    "a port that is none": (change_port("token", "25/sctp"), "25/sctp", True),
    "a port beyond 65535": (change_port("token", "70000/tcp"), "70000/tcp", False),
    "a port the wrong way round": (change_port("token", "30-20/tcp"), "30-20/tcp", False),
    "a port with an unknown key": (change_port("colour", "red"), "colour", True),
    "a port with an unknown mode": (change_port("security", "ipsec"), "", True),
    "a port with a twin that is not there": (change_port("twin", "9/tcp"), "twin", False),
    "a port of unknown origin": (change_port("origin", "guessed"), "guessed", True),
}


@settings(max_examples=120, deadline=None)
@given(where=st.sampled_from(EVERY_ROW), name=st.sampled_from(sorted(ROW_BREAKS)))
def test_broken_row_is_refused_with_file_row_and_field(edition: Path, where: tuple[str, int], name: str) -> None:
    file, place = where
    document = json.loads(json.dumps(FILES[file]))
    row = document["rows"][place]
    breaks, field, seen_by_schema = ROW_BREAKS[name]
    breaks(row)
    said = load_with(edition, file, document)
    assert said.startswith(f"{file}.yml: {row['id']}: "), f"{name}: {said}"
    assert field in said, name
    assert (not SCHEMA.is_valid(document)) == seen_by_schema, name


# The same for files that are not rows, and for rows that are broken together.
FILE_BREAKS: dict[str, tuple[str, t.Callable[[Plain], None], str]] = {
    "id missing": ("mailbox", lambda d: d["rows"][2].pop("id"), "mailbox.yml: rows[3]: id: is missing"),
    "id no text": ("mailbox", lambda d: d["rows"][2].update(id=3), "mailbox.yml: rows[3]: id: expected a text, not 3 (quote it)"),
    "id malformed": ("mailbox", lambda d: d["rows"][2].update(id="VSS Backup"), "mailbox.yml: VSS Backup: path 'VSS Backup': an id is lower case"),
    "id twice": ("mailbox", lambda d: d["rows"][2].update(id="hub-to-hub-smtp"), "path ids are not unique: ['hub-to-hub-smtp']"),
    "row no number": ("mailbox", lambda d: d["rows"][2].update(row="3"), "mailbox.yml: vss-backup: row: expected a number, not '3'"),
    "row true": ("transport", lambda d: d["rows"][0].update(row=True), "transport.yml: hub-to-hub-smtp: row: expected a number, not True"),
    "row out of order": ("mailbox", lambda d: d["rows"][2].update(row=4), "mailbox.yml: rows: rows count from 1 in document order"),
    "row that is no mapping": ("mailbox", lambda d: d["rows"].append("x"), "mailbox.yml: rows[23]: expected a mapping with names as keys, not 'x'"),
    "no rows": ("mailbox", lambda d: d.update(rows=[]), "mailbox.yml: rows: is empty"),
    "other section": ("mailbox", lambda d: d.update(section="transport"), "mailbox.yml: section: expected mailbox, the name of the file"),
    "unknown key of a file": ("mailbox", lambda d: d.update(colour="red"), "mailbox.yml: colour: is not a known key"),
    "cell that is none": (
        "mailbox", lambda d: d["rows"][0].update(documented_ports=["445"]), "mailbox.yml: ccr-scr-log-shipping: documented_ports: ['445'] is not a port"),
    "cell lost": (
        "mailbox", lambda d: d["rows"][0].update(documented_ports=["445/tcp", "25/tcp"]),
        "mailbox.yml: ccr-scr-log-shipping: documented ports ['445/tcp'] are not the cell's ['25/tcp', '445/tcp']"),
    "cell read without a source": (
        "mailbox", lambda d: d["rows"][2]["ports"][0].pop("source"), "mailbox.yml: vss-backup: 445/tcp: port '445/tcp': reads cell 'smb' differently"),
    "port narrowed without a source": (
        "transport", lambda d: d["rows"][7]["ports"][1].pop("source"), "transport.yml: edgesync-ldaps: 50389/tcp: source: a port that is read otherwise"),
    "implied port without a source": (
        "transport", lambda d: d["rows"][4]["ports"][1].pop("source"), "transport.yml: mailbox-to-hub-submission: rpc-dynamic/tcp: port"),
    "implied port with a cell": (
        "transport", lambda d: d["rows"][4]["ports"][1].update(cell="135/tcp"), "rpc-dynamic/tcp: cell: an implied port has no cell"),
    "documented port of an implied path": (
        "implied", lambda d: d["rows"][0]["ports"][0].update(origin="documented"), "464/tcp: origin: an implied path has implied ports only"),
    "implied path without a source": ("implied", lambda d: d["rows"][0].pop("source"), "implied.yml: directory-password-change: source: is missing"),
    "implied path with a row": ("implied", lambda d: d["rows"][0].update(row=1), "implied.yml: directory-password-change: row: is not a known key"),
    "source of a documented row": ("mailbox", lambda d: d["rows"][0].update(source="A-01"), "ccr-scr-log-shipping: source: is not a known key"),
    "source that nobody explains": ("implied", lambda d: d["rows"][0].update(source="X-99"), "X-99 is neither a reading nor a note of notes.yml"),
    "authentication missing": (
        "mailbox", lambda d: d["rows"][0].pop("authentication"), "mailbox.yml: ccr-scr-log-shipping: authentication is given exactly where"),
    "authentication half": (
        "mailbox", lambda d: d["rows"][0]["authentication"].pop("default"), "ccr-scr-log-shipping: default and supported authentication go together"),
    "encryption not stated": (
        "mailbox", lambda d: d["rows"][0].update(encryption={"mechanism": "unstated", "default": "unstated"}), "encryption is unstated exactly where"),
    "ipsec by default": (
        "mailbox", lambda d: d["rows"][0]["encryption"].update(default="yes"), "a path that IPsec protects is never encrypted by default"),
    "same host on the network": ("mailbox", lambda d: d["rows"][6].update(relation="any"), "scope same_host and relation same_host go together"),
    "switch of a server that is at neither end": (
        "mailbox", lambda d: d["rows"][0].update(when=["pop3"]), "feature pop3 belongs to client_access, which is at neither end of mailbox to mailbox"),
    "unknown fallback": ("catalogue", lambda d: d["peer_kinds"]["dns_server"].update(fallback="oracle"), "dns_server: fallback: oracle is not a peer kind"),
    "kind that is a role": ("catalogue", lambda d: d["peer_kinds"].update(mailbox={"title": "x"}), "peer_kinds: mailbox: is a role already"),
    "switch of nobody": ("catalogue", lambda d: d["features"]["pop3"].update(owner="nobody"), "features: pop3: owner: nobody is not a role"),
    "switch without default": ("catalogue", lambda d: d["features"]["pop3"].pop("default"), "catalogue.yml: features: pop3: default: is missing"),
    "switch with a text": ("catalogue", lambda d: d["features"]["pop3"].update(default="yes"), "features: pop3: default: expected true or false, not 'yes'"),
    "switch explained by nobody": ("catalogue", lambda d: d["features"]["pop3"].update(source="A-99"), "features: pop3: source: A-99 is neither"),
    "exclusive stranger": ("catalogue", lambda d: d.update(exclusive_roles=["oracle"]), "exclusive_roles ['oracle'] are not roles"),
    "date without quotes": ("catalogue", lambda d: d.update(revised=20090605), "catalogue.yml: revised: expected a text, not 20090605 (quote it)"),
    "catalogue with an unknown key": ("catalogue", lambda d: d.update(colour="red"), "catalogue.yml: colour: is not a known key"),
    "section without a file": ("catalogue", lambda d: d["sections"].append("voice"), "voice.yml: cannot be read: No such file or directory"),
    "note of unknown kind": ("notes", lambda d: d["notes"][0].update(kind="hint"), "notes.yml: R-TR-01: kind: 'hint' is not one of deny, warn"),
    "note twice": ("notes", lambda d: d["notes"].append(d["notes"][0]), "notes.yml: notes: ids are not unique: ['R-TR-01']"),
    "reading from an unknown source": ("notes", lambda d: d["readings"][0].update(source="S-ORACLE"), "notes.yml: A-01: source: S-ORACLE is not among"),
}


@pytest.mark.parametrize("name", FILE_BREAKS)
def test_broken_file_is_refused_with_its_place(edition: Path, name: str) -> None:
    file, breaks, expected = FILE_BREAKS[name]
    document = json.loads(json.dumps(FILES[file]))
    breaks(document)
    assert expected in load_with(edition, file, document)


@pytest.mark.parametrize("file", [*ROW_FILES, "catalogue", "notes"])
def test_file_written_back_unchanged_loads(edition: Path, file: str) -> None:
    assert load_with(edition, file, FILES[file]) == ""


@pytest.mark.parametrize("file", ROW_FILES)
def test_schema_accepts_every_row_file(file: str) -> None:
    SCHEMA.validate(FILES[file])


def test_schema_accepts_a_later_edition() -> None:
    for file in ("clients", "mail_flow", "implied"):
        SCHEMA.validate(yaml.safe_load((LATER / f"{file}.yml").read_text(encoding="utf-8")))


@pytest.mark.parametrize(("text", "expected"), [
    ("rows: [", "mailbox.yml: is not YAML: "),
    ("- a list", "mailbox.yml: expected a mapping with names as keys, not ['a list']"),
    ("", "mailbox.yml: expected a mapping with names as keys, not None"),
    ("section: mailbox\nsection: mailbox\n", "mailbox.yml: line 1: section is given twice"),
    ("rows:\n  - id: a\n    title: b\n    title: c\n", "mailbox.yml: line 2: title is given twice"),
    ("1: 2", "mailbox.yml: expected a mapping with names as keys, not {1: 2}"),
    ("section: !!python/object/apply:os.getcwd []", "mailbox.yml: is not YAML: could not determine a constructor"),
])
def test_text_that_is_no_row_file_is_refused(edition: Path, text: str, expected: str) -> None:
    file = edition / "mailbox.yml"
    before = file.read_bytes()
    file.write_text(text, encoding="utf-8")
    try:
        with pytest.raises(BrokenReferenceError, match=re.escape(expected)):
            loader.load_folder(edition)
    finally:
        file.write_bytes(before)


def test_later_edition_loads_without_columns_about_security() -> None:
    reference = loader.load_folder(LATER)
    assert (reference.name, reference.roles, reference.sections) == ("later", ("mailbox", "edge_transport"), ("clients", "mail_flow"))
    assert [(path.section, path.row, path.id) for path in reference.paths] == [
        ("clients", 1, "web-encrypted"), ("clients", 2, "pop3"), ("mail_flow", 1, "internet-to-edge"), ("mail_flow", 2, "name-resolution"),
        ("implied", 0, "replication"),
    ]
    assert {(path.auth_default, path.enc_mechanism, path.enc_default) for path in reference.paths[:4]} == {((), "unstated", "unstated")}


def test_later_edition_must_not_state_what_its_tables_lack(tmp_path: Path) -> None:
    edition = shutil.copytree(LATER, tmp_path / "later")
    text = (edition / "clients.yml").read_text(encoding="utf-8")
    (edition / "clients.yml").write_text(text + "    authentication: {default: [ntlm], supported: [ntlm]}\n", encoding="utf-8")
    with pytest.raises(BrokenReferenceError, match=re.escape("clients.yml: pop3: authentication is given exactly where")):
        loader.load_folder(edition)


def test_editions_are_read_once_and_named() -> None:
    assert loader.available() == ("exchange_2007",)
    assert loader.load() is loader.load()


@pytest.mark.parametrize("name", ["exchange_2003", "../exchange_2007", "", "later"])
def test_unknown_edition_is_refused(name: str) -> None:
    with pytest.raises(BrokenReferenceError, match=re.escape(f"reference {name!r} is not known: use one of exchange_2007")):
        loader.load(name)


def test_port_knows_its_own_rules() -> None:
    with pytest.raises(BrokenReferenceError, match="an implied port needs its source"):
        Port("25/tcp", "smtp", origin="implied")
    with pytest.raises(BrokenReferenceError, match="needs the token of its cell"):
        Port("25/tcp", "smtp")
