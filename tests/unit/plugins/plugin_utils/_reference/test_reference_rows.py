# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 rows against the cells of the document, transcribed apart from them, and against what the document's tables add up to."""

from __future__ import annotations

import collections
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath

REFERENCE = load("exchange_2007")
ROWS = tuple(path for path in REFERENCE.paths if path.origin == "documented")
CELLS = {(section, row): rest for section, row, *rest in yaml.safe_load(Path(__file__).with_name("cells_exchange_2007.yml").read_text(encoding="utf-8"))}

PORT_WORDS = {
    "random port": ["random/tcp"], "Local Message Block (SMB)": ["smb"], "RPC, see the notes": ["rpc"], "135/TCP (RPC), see the notes": ["135/tcp"],
    "25/TCP (TLS), 587 (TLS)": ["25/tcp", "587/tcp"],
}
AUTHENTICATION = {
    "Kerberos": ["kerberos"], "NTLM/Kerberos": ["ntlm", "kerberos"], "NTLM, Kerberos": ["ntlm", "kerberos"], "direct trust": ["direct-trust"],
    "anonymous, certificate": ["anonymous", "certificate"], "NTLM, Kerberos if on one server": ["ntlm", "kerberos-if-colocated"], "basic": ["basic"],
    "basic, NTLM, negotiate": ["basic", "ntlm", "negotiate"], "basic/integrated Windows (negotiate)": ["basic", "negotiate"],
    "basic, digest, NTLM, negotiate (Kerberos)": ["basic", "digest", "ntlm", "negotiate"], "forms": ["forms-based"],
    "basic, digest, forms, NTLM (v2 only), Kerberos, certificate": ["basic", "digest", "forms-based", "ntlmv2", "kerberos", "certificate"],
    "basic, NTLM, Kerberos": ["basic", "ntlm", "kerberos"], "basic or NTLM": ["basic", "ntlm"], "basic, certificate": ["basic", "certificate"],
    "by IP address": ["ip-address"], "Kerberos, certificate": ["kerberos", "certificate"], "basic or forms": ["basic", "forms-based"],
    "negotiate (Kerberos with fallback to NTLM or optionally basic), POP/IMAP text": ["negotiate", "basic", "pop-imap-plain-text"],
    "basic, forms": ["basic", "forms-based"], "integrated Windows (negotiate)": ["negotiate"],
}
MECHANISM = {
    "yes (TLS)": "tls", "yes (RPC)": "rpc", "yes (LDAPS)": "ldaps", "yes (Kerberos)": "kerberos", "yes (IPsec)": "ipsec", "yes (HTTPS)": "https",
    "yes (SSL)": "ssl", "yes (SSL, TLS)": "ssl,tls", "yes (SIP over TLS)": "sip-tls", "SIP over TLS, media not encrypted": "sip-tls", "no": "none",
}
BY_DEFAULT = {None: "yes", "no": "no", "yes, with a self-signed certificate": "self-signed", "yes for SIP": "sip-only"}

NATURAL_RELATION = {
    "organisation": "any", "same_ad_site": "same_site", "perimeter": "subscribed", "cross_organisation": "any", "same_host": "same_host",
}
NAMES_BOTH_ENDS = {
    "hub-to-hub-smtp", "hub-to-edge-smtp", "edge-to-hub-smtp", "edge-to-edge-smtp", "mailbox-to-hub-submission", "hub-to-mailbox-mapi", "um-to-hub-smtp",
    "hub-to-directory", "smtp-client-to-hub", "availability-cas-to-mailbox", "cas-to-um-sip", "cas-to-legacy-mailbox", "cas-to-mailbox-rpc",
    "cas-to-cas-activesync", "cas-to-cas-owa", "um-to-hub-smtp-ssl", "um-to-mailbox",
}
READ_FROM_WORDS = {
    "vss-backup": ["445/tcp"], "cas-to-mailbox-rpc": ["135/tcp"], "um-fax": ["rtp/udp"], "um-phone": ["rtp/udp"],
    "cas-to-um-sip": ["5065/tcp", "5066/tcp", "5067/tcp", "5068/tcp"],
}


def read_ports(cell: str) -> list[str]:
    if cell in PORT_WORDS:
        return PORT_WORDS[cell]
    found = []
    for part in cell.replace("and ", "").split(", "):
        number, *protocols = part.partition(" (")[0].split("/")
        found += [f"{number}/{protocol.lower()}" for protocol in protocols] or {"dynamic port": ["dynamic"]}[number]
    return found


def by_id(path: DataPath) -> str:
    return path.id


def codes(path: DataPath, *fields: str) -> set[str]:
    return {item.id for item in path.interpretations if item.field in fields}


def test_tables_have_their_52_rows_in_document_order() -> None:
    assert [(path.section, path.row) for path in ROWS] == list(CELLS)
    assert collections.Counter(path.section for path in ROWS) == {"transport": 11, "mailbox": 22, "client_access": 14, "unified_messaging": 5}
    assert REFERENCE.paths[:52] == ROWS


def test_encryption_adds_up_to_what_the_document_shows() -> None:
    assert collections.Counter(path.enc_default for path in ROWS) == {"yes": 36, "no": 12, "self-signed": 2, "sip-only": 2}
    assert collections.Counter(path.enc_mechanism for path in ROWS) == {
        "rpc": 12, "https": 10, "tls": 7, "ipsec": 7, "kerberos": 5, "none": 4, "sip-tls": 3, "ssl,tls": 2, "ldaps": 1, "ssl": 1,
    }


def test_ipsec_rows_are_the_seven_and_none_ends_at_a_domain_controller() -> None:
    found = [path for path in ROWS if path.enc_mechanism == "ipsec"]
    assert [path.id for path in found] == [
        "ccr-scr-log-shipping", "ccr-scr-seeding", "legacy-streaming-backup", "mailbox-clustering", "admin-remote-registry", "admin-remote-smb",
        "cas-to-legacy-mailbox",
    ]
    assert not {"domain_controller", "global_catalog"} & {kind for path in found for kind in (*path.initiators, *path.responders)}


@pytest.mark.parametrize("path", ROWS, ids=by_id)
def test_row_says_what_its_cells_say(path: DataPath) -> None:
    ports, default, supported, mechanism, by_default = CELLS[path.section, path.row]
    assert list(path.documented_ports) == read_ports(ports)
    assert list(path.auth_default) == AUTHENTICATION[default]
    assert list(path.auth_supported) == AUTHENTICATION[supported]
    assert path.enc_mechanism == MECHANISM[mechanism]
    assert path.enc_default == BY_DEFAULT[by_default]


@pytest.mark.parametrize("path", ROWS, ids=by_id)
def test_dropping_what_is_implied_leaves_exactly_the_cell(path: DataPath) -> None:
    left = list(dict.fromkeys(port.cell for port in path.ports if port.origin == "documented"))
    assert left == list(path.documented_ports)
    assert [port.token for port in path.ports if port.origin == "documented" and port.token not in left] == READ_FROM_WORDS.get(path.id, [])


@pytest.mark.parametrize("path", ROWS, ids=by_id)
def test_lost_cell_is_read_as_yes_and_says_so(path: DataPath) -> None:
    lost = CELLS[path.section, path.row][-1] is None
    assert lost == (path.seen in ("en", "der"))
    assert lost == ("A-01" in codes(path, "encryption.default"))
    assert (path.seen == "en") == (path.section == "transport" and path.row <= 7)


@pytest.mark.parametrize("path", ROWS, ids=by_id)
def test_every_port_that_goes_beyond_its_cell_is_a_reading_of_the_row(path: DataPath) -> None:
    for port in path.ports:
        read = port.origin == "implied" or port.cell != port.token or port.responders or port.when or port.unless or port.security
        assert bool(port.source) or not read
        if port.source:
            assert port.source in codes(path, "ports", "documented_ports"), port


@pytest.mark.parametrize("path", ROWS, ids=by_id)
def test_every_other_decision_is_a_reading_of_the_row(path: DataPath) -> None:
    assert path.relation == NATURAL_RELATION[path.scope] or codes(path, "relation", "scope")
    assert not (path.when or path.unless or path.initiator_when) or codes(path, "when")
    assert path.direction == "one_way" or codes(path, "direction")
    if path.id not in NAMES_BOTH_ENDS:
        assert codes(path, "initiators") >= {"A-31"}
        assert codes(path, "responders") >= {"A-31"}


@pytest.mark.parametrize("path", ROWS, ids=by_id)
def test_endpoint_mapper_never_works_alone(path: DataPath) -> None:
    tokens = {port.token for port in path.ports}
    assert ("135/tcp" in tokens) == ("rpc-dynamic/tcp" in tokens)


@pytest.mark.parametrize(("group", "what"), [
    (("mailbox-to-directory", "system-attendant-to-directory", "recipient-update-to-directory", "dsaccess-to-directory"), "directory rows"),
    (("um-to-hub-smtp", "um-to-hub-smtp-ssl"), "submission rows"),
])
def test_rows_that_are_one_flow_are_equal(group: tuple[str, ...], what: str) -> None:
    found = {(p.initiators, p.responders, p.ports, p.scope, p.relation) for p in map(REFERENCE.by_id.__getitem__, group)}
    assert len(found) == 1, what


def test_directory_row_asks_each_server_only_for_what_it_answers() -> None:
    asked = collections.defaultdict(set)
    for port in REFERENCE.by_id["hub-to-directory"].ports:
        for kind in port.responders:
            asked[kind].add(port.token)
    assert asked["dns_server"] == {"53/tcp", "53/udp"}
    assert asked["global_catalog"] - asked["domain_controller"] == {"3268/tcp"}
    assert asked["domain_controller"] == {"389/tcp", "389/udp", "88/tcp", "88/udp", "135/tcp", "rpc-dynamic/tcp"}


@pytest.mark.parametrize(("name", "token", "expected"), [
    ("edgesync-ldaps", "50389/tcp", {"when": ("edgesync_clear_text",), "twin": "50636/tcp"}),
    ("edge-to-edge-smtp", "80/tcp", {"when": ("domain_security",), "responders": ("crl_host",)}),
    ("edge-to-edge-smtp", "389/udp", {"when": ("domain_security",), "responders": ("crl_host",)}),
    ("edge-to-edge-smtp", "25/tcp", {"when": (), "responders": ()}),
    ("mailbox-clustering", "3343/udp", {"origin": "implied", "source": "R-MB-05"}),
    ("mailbox-clustering", "random/tcp", {"origin": "implied", "source": "R-MB-07"}),
    ("admin-remote-registry", "445/tcp", {"origin": "implied", "source": "A-15"}),
    ("cas-to-legacy-mailbox", "110/tcp", {"origin": "implied", "when": ("pop3",)}),
    ("um-phone", "5060/tcp", {"security": "tcp", "twin": "5061/tcp"}),
    ("um-phone", "5061/tcp", {"security": "tls", "twin": ""}),
    ("um-phone", "5062/tcp", {"security": ""}),
    ("um-fax", "5067/tcp", {"security": "tcp", "twin": "5068/tcp", "origin": "implied"}),
    ("outlook-web-access", "80/tcp", {"twin": "443/tcp"}),
    ("imap4", "143/tcp", {"twin": "993/tcp"}),
])
def test_port_is_read_as_decided(name: str, token: str, expected: dict[str, t.Any]) -> None:
    (port,) = (port for port in REFERENCE.by_id[name].ports if port.token == token)
    assert {field: getattr(port, field) for field in expected} == expected


@pytest.mark.parametrize(("relation", "ids"), [
    ("same_cluster", {"mailbox-clustering", "cluster-ping", "cluster-windows-extras"}),
    ("replication", {"ccr-scr-log-shipping", "ccr-scr-seeding"}),
    ("other_site", {"cas-to-cas-activesync", "cas-to-cas-owa"}),
    ("subscribed", {"hub-to-edge-smtp", "edge-to-hub-smtp", "edgesync-ldaps"}),
    ("same_host", {"edge-adam-local", "mailbox-assistants", "content-indexing", "ad-topology-service"}),
    ("witness", {"cluster-file-share-witness"}),
    ("same_site", {
        "mailbox-to-hub-submission", "hub-to-mailbox-mapi", "um-to-hub-smtp", "um-to-hub-smtp-ssl", "availability-cas-to-mailbox", "cas-to-um-sip",
        "cas-to-mailbox-rpc", "client-access-mailbox-same-site",
    }),
])
def test_relation_joins_exactly_these_paths(relation: str, ids: set[str]) -> None:
    assert {path.id for path in REFERENCE.paths if path.relation == relation} == ids


def test_webdav_switches_belong_to_the_server_that_answers_them() -> None:
    path = REFERENCE.by_id["webdav-to-mailbox"]
    assert dict(path.initiator_when) == {"client_access": ("webdav",), "web_client": ("webdav_direct",)}
    assert path.when == ()
