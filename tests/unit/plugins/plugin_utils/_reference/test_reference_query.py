# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters of the lookup, on values."""

from __future__ import annotations

import json
import re
import typing as t

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.query import BadQueryError, select, to_plain

REFERENCE = load("exchange_2007")


def ids(**filters: t.Any) -> list[str]:
    return [path.id for path in select(REFERENCE, **filters)]


def test_without_filters_exactly_the_rows_of_the_document() -> None:
    assert select(REFERENCE) == REFERENCE.paths[:52]


def test_origin_chooses_rows_of_the_document_or_what_they_imply_or_both() -> None:
    assert (*select(REFERENCE), *select(REFERENCE, origin="implied")) == select(REFERENCE, origin="all") == REFERENCE.paths


@pytest.mark.parametrize(("filters", "expected"), [
    ({"section": "unified_messaging"}, ["um-fax", "um-phone", "um-web-service", "um-to-hub-smtp-ssl", "um-to-mailbox"]),
    ({"section": "mailbox", "row": 22}, ["webdav-to-mailbox"]),
    ({"row": 14}, ["ad-topology-service", "outlook-oab-web"]),
    ({"role": "fax_device"}, ["um-fax"]),
    ({"role": "crl_host"}, ["edge-to-edge-smtp"]),
    ({"role": "edge_transport"}, ["hub-to-edge-smtp", "edge-to-hub-smtp", "edge-to-edge-smtp", "edgesync-ldaps", "edge-adam-local"]),
    ({"ids": ["pop3", "imap4"]}, ["pop3", "imap4"]),
    ({"ids": ["imap4", "pop3"], "section": "client_access"}, ["pop3", "imap4"]),
    ({"ids": ["pop3"], "section": "transport"}, []),
    ({"port": "993/tcp"}, ["imap4"]),
    ({"port": "445/tcp"}, ["ccr-scr-log-shipping", "vss-backup", "admin-remote-smb"]),
    ({"port": "smb"}, ["vss-backup"]),
    ({"port": "rpc"}, ["cas-to-mailbox-rpc"]),
    ({"port": "dynamic"}, ["cas-to-um-sip", "um-fax", "um-phone"]),
    ({"port": "random/tcp"}, ["ccr-scr-seeding", "legacy-streaming-backup"]),
    ({"port": "3343/udp"}, []),
    ({"port": "3343/udp", "origin": "all"}, ["mailbox-clustering"]),
    ({"port": "53/udp", "section": "transport"}, ["hub-to-directory"]),
    ({"port": "53/udp", "section": "transport", "origin": "all"}, ["edge-to-edge-smtp", "hub-to-directory"]),
    ({"port": "6001/tcp", "origin": "implied"}, ["outlook-anywhere-back-end"]),
    ({"section": "implied", "role": "open_proxy", "origin": "all"}, ["edge-open-proxy-test", "hub-open-proxy-test"]),
])
def test_filters_narrow_each_other_down(filters: dict[str, t.Any], expected: list[str]) -> None:
    assert ids(**filters) == expected


def test_endpoint_mapper_stands_in_21_rows() -> None:
    assert len(ids(port="135/tcp")) == 21  # 20 cells name it, and one says only RPC


@pytest.mark.parametrize(("filters", "message"), [
    ({"section": "post_office"}, "section 'post_office' is not known: use one of transport, mailbox, client_access, unified_messaging, implied"),
    ({"section": "implied"}, "section 'implied' has no documented rows: ask with origin implied or all"),
    ({"role": "mailbx"}, "role 'mailbx' is neither a role nor a peer kind: use one of hub_transport, "),
    ({"port": "25"}, "port '25' is not understood: write a number and a protocol such as 25/tcp, or one of any/any, icmp-echo/icmp, "),
    ({"port": "0/tcp"}, "port '0/tcp' is not understood"),
    ({"port": "65536/tcp"}, "port '65536/tcp' is not understood"),
    ({"port": "25/TCP"}, "port '25/TCP' is not understood"),
    ({"port": "25/tcp\n"}, "port '25/tcp\\n' is not understood"),
    ({"ids": ["pop"]}, "id 'pop' is not a path of exchange_2007: did you mean pop3?"),
    ({"section": "mailbox", "row": 23}, "row 23 is not in mailbox: rows count from 1 to 22"),
    ({"row": 23}, "row 23 is not in any section: rows count from 1 to 22"),
    ({"origin": "guessed"}, "origin 'guessed' is not known: use documented, implied or all"),
])
def test_what_is_not_known_is_an_error(filters: dict[str, t.Any], message: str) -> None:
    with pytest.raises(BadQueryError, match=re.escape(message)):
        select(REFERENCE, **filters)


@pytest.mark.parametrize("path", REFERENCE.paths, ids=lambda path: path.id)
def test_plain_row_keeps_everything_and_is_json(path: DataPath) -> None:
    plain = to_plain(path, REFERENCE)
    assert json.loads(json.dumps(plain)) == plain
    assert [port["port"] for port in plain["ports"]] == [port.token for port in path.ports]
    assert [note["id"] for note in plain["notes"]] == list(path.notes)
    assert [(item["field"], item["id"]) for item in plain["interpretations"]] == [(item.field, item.id) for item in path.interpretations]


def test_plain_row_has_the_documented_names() -> None:
    assert list(to_plain(REFERENCE.by_id["pop3"], REFERENCE)) == [
        "id", "reference", "section", "row", "title", "initiators", "responders", "direction", "scope", "relation", "documented_ports", "ports",
        "authentication", "encryption", "notes", "interpretations", "origin", "source", "when", "unless", "initiator_when", "platforms",
    ]
