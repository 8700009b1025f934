# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup plugin, through Ansible's own handling of options."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml
from ansible import constants
from ansible.errors import AnsibleError, AnsibleLookupError

from ansible_collections.datapath.exchange.plugins.lookup import paths
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load

DOCUMENTATION = yaml.safe_load(paths.DOCUMENTATION)
RETURN = yaml.safe_load(paths.RETURN)


def lookup(**options: t.Any) -> list[dict[str, t.Any]]:
    constants.config.initialize_plugin_configuration_definitions("lookup", paths.__name__, DOCUMENTATION["options"])
    plugin = paths.LookupModule()
    plugin._load_name = paths.__name__
    return plugin.run([], variables={}, **options)


def test_default_is_the_52_rows_in_document_order() -> None:
    found = lookup()
    assert len(found) == 52
    assert [(row["section"], row["row"]) for row in found] == [
        (section, row)
        for section, last in (("transport", 11), ("mailbox", 22), ("client_access", 14), ("unified_messaging", 5)) for row in range(1, last + 1)
    ]
    assert {row["reference"] for row in found} == {"exchange_2007"}


@pytest.mark.parametrize(("options", "expected"), [
    ({"section": "mailbox", "row": "3"}, ["vss-backup"]),
    ({"role": "ip_pbx"}, ["um-fax", "um-phone"]),
    ({"port": "995/tcp"}, ["pop3"]),
    ({"id": "pop3"}, ["pop3"]),
    ({"id": "imap4,pop3"}, ["pop3", "imap4"]),
    ({"id": ["imap4", "pop3"]}, ["pop3", "imap4"]),
    ({"origin": "implied", "role": "file_server"}, ["document-access"]),
    ({"reference": "exchange_2007", "section": "transport", "row": 11}, ["smtp-client-to-hub"]),
])
def test_options_are_filters(options: dict[str, t.Any], expected: list[str]) -> None:
    assert [row["id"] for row in lookup(**options)] == expected


def test_row_carries_cells_ports_security_and_readings() -> None:
    (row,) = lookup(id="edgesync-ldaps")
    assert row["documented_ports"] == ["50636/tcp", "50389/tcp"]
    assert [(port["port"], port["when"], port["twin"]) for port in row["ports"]] == [
        ("50636/tcp", [], ""), ("50389/tcp", ["edgesync_clear_text"], "50636/tcp"),
    ]
    assert row["authentication"] == {"default": ["basic"], "supported": ["basic"]}
    assert row["encryption"] == {"mechanism": "ldaps", "default": "yes"}
    assert "A-05" in {item["id"] for item in row["interpretations"]}


@pytest.mark.parametrize(("options", "message"), [
    ({"section": "post_office"}, "datapath.exchange.paths: section 'post_office' is not known: use one of transport, "),
    ({"role": "mailbx"}, "datapath.exchange.paths: role 'mailbx' is neither a role nor a peer kind"),
    ({"port": 25}, "datapath.exchange.paths: port '25' is not understood: write a number and a protocol such as 25/tcp"),
    ({"row": 0}, "datapath.exchange.paths: row 0 is not known: rows count from 1"),
    ({"row": 40}, "datapath.exchange.paths: row 40 is not in any section"),
    ({"id": "pop"}, "datapath.exchange.paths: id 'pop' is not a path of exchange_2007: did you mean pop3?"),
    ({"reference": "exchange_5_5"}, "datapath.exchange.paths: reference 'exchange_5_5' is not known: use one of exchange_2007"),
    ({"sections": "mailbox"}, "datapath.exchange.paths: sections is not understood: use reference, section, row, role, port, id, origin"),
])
def test_what_is_not_known_is_an_error_of_the_lookup(options: dict[str, t.Any], message: str) -> None:
    with pytest.raises(AnsibleLookupError, match=re.escape(message)):
        lookup(**options)


@pytest.mark.parametrize("options", [{"row": "first"}, {"origin": "guessed"}])
def test_value_of_the_wrong_type_is_refused_by_ansible(options: dict[str, t.Any]) -> None:
    with pytest.raises(AnsibleError, match=re.escape(next(iter(options)))):
        lookup(**options)


def test_terms_are_refused() -> None:
    with pytest.raises(AnsibleLookupError, match=re.escape("datapath.exchange.paths: pop3 is not understood")):
        paths.LookupModule().run(["pop3"], variables={})


def test_documentation_names_every_option_and_every_key() -> None:
    assert set(DOCUMENTATION["options"]) == set(paths.OPTIONS)
    assert list(RETURN["_raw"]["contains"]) == list(lookup(id="pop3")[0])


def test_answer_is_the_callers_own() -> None:
    lookup(id="pop3")[0]["ports"].clear()
    assert lookup(id="pop3")[0]["ports"]
    assert load().by_id["pop3"].ports
