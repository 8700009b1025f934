# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tables leave out, the rules of the notes, and the codes that explain both."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import findings
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath, Note

REFERENCE = load("exchange_2007")
IMPLIED = tuple(path for path in REFERENCE.paths if path.origin == "implied")
MEMBERS = "hub_transport mailbox client_access unified_messaging"
DIRECTORY = "389/tcp 389/udp 3268/tcp 88/tcp 88/udp 53/tcp 53/udp 135/tcp rpc-dynamic/tcp"
DIRECTORY_SERVERS = "domain_controller global_catalog dns_server"
EVERY_ROLE = "hub_transport edge_transport mailbox client_access unified_messaging"
PROXY_TEST = "23/tcp 80/tcp 1080/tcp 1081/tcp 3128/tcp 6588/tcp"

BEYOND = {
    "directory-password-change": ("X-01", MEMBERS, "domain_controller", "464/tcp 464/udp", ""),
    "directory-time": ("X-02", MEMBERS, "time_server", "123/udp", ""),
    "edge-time": ("X-02", "edge_transport", "time_server", "123/udp", ""),
    "directory-group-policy": ("X-03", MEMBERS, "domain_controller", "445/tcp", ""),
    "directory-ldaps": ("X-04", MEMBERS, "domain_controller global_catalog", "636/tcp 3269/tcp", "ldaps_directory"),
    "directory-ping": ("X-05", MEMBERS, "domain_controller global_catalog", "icmp-echo/icmp", ""),
    "directory-rpc": ("X-06", MEMBERS, "domain_controller", "135/tcp rpc-dynamic/tcp", ""),
    "client-access-to-directory": ("X-07", "client_access", DIRECTORY_SERVERS, DIRECTORY, ""),
    "unified-messaging-to-directory": ("X-07", "unified_messaging", DIRECTORY_SERVERS, DIRECTORY, ""),
    "management-tools-to-forest-root": ("X-08", MEMBERS, "domain_controller", "389/tcp 389/udp", ""),
    "name-resolution": ("X-09", MEMBERS, "dns_server", "53/tcp 53/udp", ""),
    "edge-name-resolution": ("X-09", "edge_transport", "dns_server", "53/tcp 53/udp", ""),
    "internet-mail-edge": ("X-10", "edge_transport", "internet_mta", "25/tcp", ""),
    "internet-mail-hub": ("X-10", "hub_transport", "internet_mta", "25/tcp", "internet_mail_on_hub"),
    "legacy-routing-group-mail": ("X-11", "hub_transport", "legacy_bridgehead", "25/tcp", ""),
    "certificate-revocation": (
        "X-12", "hub_transport edge_transport client_access unified_messaging", "crl_host web_proxy", "80/tcp 443/tcp 389/tcp", "crl_checks"),
    "anti-spam-updates": ("X-13", "hub_transport edge_transport", "web_proxy update_host", "80/tcp 443/tcp", "updates"),
    "edge-open-proxy-test": ("R-TR-09", "edge_transport", "open_proxy", PROXY_TEST, "open_proxy_test"),
    "hub-open-proxy-test": ("R-TR-09", "hub_transport", "open_proxy", PROXY_TEST, "anti_spam"),
    "cluster-file-share-witness": ("X-14", "mailbox", f"{MEMBERS} file_share_witness", "445/tcp", ""),
    "cluster-ping": ("X-30", "mailbox", "mailbox", "icmp-echo/icmp", ""),
    "cluster-windows-extras": ("A-11", "mailbox", "mailbox", "3343/tcp 137/udp random/udp 445/tcp", "cluster_windows_extras"),
    "oab-share-pull": ("X-15", "client_access", "mailbox", "445/tcp", "oab_web_distribution"),
    "um-prompt-publishing": ("X-16", "unified_messaging", "unified_messaging", "445/tcp", ""),
    "outlook-anywhere-back-end": ("X-17", "client_access", "mailbox", "6001/tcp 6002/tcp 6004/tcp", "outlook_anywhere"),
    "document-access": ("X-18", "client_access", "file_server", "445/tcp 80/tcp 443/tcp", "document_access"),
    "um-media": ("X-20", "unified_messaging", "ip_gateway ip_pbx fax_device", "rtp/udp", ""),
    "um-outbound-call": ("X-21", "unified_messaging", "ip_gateway ip_pbx", "5060/tcp 5061/tcp", ""),
    "um-communications-server": ("X-22", "unified_messaging", "ocs_server", "5061/tcp rtp/udp", "ocs"),
    "new-mail-notification": ("X-23", "mailbox", "mapi_client", "random/udp", "mapi_udp_notification"),
    "remote-desktop": ("X-25", "admin_workstation config_controller", EVERY_ROLE, "3389/tcp", "rdp"),
    "ansible-winrm": ("X-26", "config_controller", EVERY_ROLE, "5985/tcp 5986/tcp", ""),
    "ansible-ssh": ("X-27", "config_controller", EVERY_ROLE, "22/tcp", ""),
    "management-tools": ("X-28", "admin_workstation", MEMBERS, "135/tcp rpc-dynamic/tcp 445/tcp", "remote_administration"),
    "client-access-mailbox-same-site": ("R-CAS-02", "client_access", "mailbox", "any/any", ""),
}
ELSEWHERE = {
    "X-19": ("um-fax", "um-phone", "cas-to-um-sip"),  # worker ports are ports of the rows
    "X-24": (),  # static ports are values of a host
    "X-29": (),  # the planner adds IPsec's own flows
}
RULES = {
    "policy": "R-TR-01 R-TR-02 R-TR-04 R-TR-06 R-MB-04 R-CAS-04 R-UM-01 R-OAB-01 R-OAB-02",
    "deny": "R-TR-03 R-CAS-02 R-CAS-03 R-CAS-05 R-UM-02 R-UM-03 R-UM-05",
    "warn": "R-TR-05 R-TR-08 R-MB-03 R-CAS-06 R-CAS-07 R-CAS-08 R-CAS-09 R-UM-04",
    "port": "R-TR-07 R-TR-09 R-MB-05 R-MB-06 R-MB-07 R-UM-06 R-AD-01",
    "info": "R-TR-10 R-TR-11 R-MB-01 R-MB-02 R-CAS-01 R-DOC-01",
}


def pairs(path: DataPath) -> set[tuple[str, str]]:
    """Who speaks with whom, either way round."""
    ends = {(initiator, kind) for port in path.ports for initiator in path.initiators for kind in (port.responders or path.responders)}
    return ends | {(kind, initiator) for initiator, kind in ends}


def test_implied_paths_are_exactly_these() -> None:
    assert {path.id for path in IMPLIED} == set(BEYOND)


@pytest.mark.parametrize("path", IMPLIED, ids=lambda path: path.id)
def test_implied_path_adds_what_its_source_says(path: DataPath) -> None:
    source, initiators, responders, ports, when = BEYOND[path.id]
    assert path.source == source
    assert path.initiators == tuple(initiators.split())
    assert path.responders == tuple(responders.split())
    assert [port.token for port in path.ports] == ports.split()
    assert path.when == tuple(when.split())
    assert {port.origin for port in path.ports} == {"implied"}
    assert (path.section, path.row, path.documented_ports) == ("implied", 0, ())


def test_every_addition_up_to_30_has_its_path() -> None:
    found = {path.source for path in IMPLIED}
    wanted = {f"X-{number:02}" for number in range(1, 31)}
    assert wanted - found == set(ELSEWHERE)
    for name in ELSEWHERE["X-19"]:
        assert {"5065/tcp", "5066/tcp", "5067/tcp", "5068/tcp"} <= {port.token for port in REFERENCE.by_id[name].ports}


@pytest.mark.parametrize("path", REFERENCE.paths, ids=lambda path: path.id)
def test_edge_never_speaks_with_the_directory(path: DataPath) -> None:
    assert not {("edge_transport", "domain_controller"), ("edge_transport", "global_catalog")} & pairs(path)


def test_edge_shares_no_path_with_members_where_a_name_server_or_clock_falls_back_to_the_directory() -> None:
    falls_back = {kind.name for kind in REFERENCE.peer_kinds.values() if kind.fallback}
    for path in REFERENCE.paths:
        if "edge_transport" in path.initiators and falls_back & {kind for _end, kind in pairs(path)}:
            assert path.initiators == ("edge_transport",), path.id


@pytest.mark.parametrize("client", ["client_access", "mapi_client", "web_client", "eas_client", "pop_imap_client"])
def test_hub_answers_no_client_but_smtp(client: str) -> None:
    assert not [path.id for path in REFERENCE.paths if (client, "hub_transport") in pairs(path) and path.relation != "witness"]


def test_replication_to_edge_is_one_way() -> None:
    found = [path for path in REFERENCE.paths if any(port.token in ("50636/tcp", "50389/tcp") for port in path.ports) and path.relation != "same_host"]
    assert [(path.id, path.initiators, path.direction) for path in found] == [("edgesync-ldaps", ("hub_transport",), "one_way")]


def test_rules_of_the_notes_are_all_there_with_their_kind() -> None:
    found: dict[str, set[str]] = {kind: set() for kind in RULES}
    for note in REFERENCE.notes:
        found[note.kind].add(note.id)
    assert found == {kind: set(ids.split()) for kind, ids in RULES.items()}


@pytest.mark.parametrize("note", REFERENCE.notes, ids=lambda note: note.id)
def test_rule_is_held_by_something_that_exists(note: Note) -> None:
    for part in note.implemented_as.split("; "):
        how, *names = part.split()
        known = {
            "path": REFERENCE.by_id.keys(), "data": {*REFERENCE.by_id, "catalogue"}, "default": REFERENCE.features.keys(), "finding": {note.id},
        }[how]
        assert names
        assert set(names) <= set(known), part
    if note.kind == "port":
        assert note.implemented_as.startswith("path ")
    if note.kind == "deny":
        assert "finding " in note.implemented_as


def test_findings_that_rules_name_are_made_by_the_plan() -> None:
    made = set(re.findall(r'"(R-[A-Z]+-[0-9]+)"', Path(findings.__file__).read_text(encoding="utf-8")))
    assert {note.id for note in REFERENCE.notes if f"finding {note.id}" in note.implemented_as} == made


def test_rule_and_the_paths_that_hold_it_name_each_other() -> None:
    named = {(code, path.id) for path in REFERENCE.paths for code in path.notes}
    for note in REFERENCE.notes:
        for part in note.implemented_as.split("; "):
            how, *names = part.split()
            if how in ("path", "data") and names != ["catalogue"]:
                assert not [name for name in names if (note.id, name) not in named], note.id


def test_every_switch_switches_something() -> None:
    used = set(itertools.chain.from_iterable(
        (*path.when, *path.unless, *itertools.chain.from_iterable(features for _kind, features in path.initiator_when),
         *itertools.chain.from_iterable((*port.when, *port.unless) for port in path.ports))
        for path in REFERENCE.paths
    ))
    assert used == set(REFERENCE.features)


def test_every_source_is_used() -> None:
    named = " ".join(reading.source for reading in REFERENCE.readings.values()).replace(",", " ").split()
    assert set(REFERENCE.sources) == {code for code in named if code.startswith("S-")}


def test_any_is_allowed_only_for_outsiders_without_a_list() -> None:
    assert {kind.name for kind in REFERENCE.peer_kinds.values() if kind.allow_any} == {
        "smtp_client", "mapi_client", "web_client", "pop_imap_client", "eas_client", "internet_mta", "crl_host", "open_proxy", "update_host",
    }
