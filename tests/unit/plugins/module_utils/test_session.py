# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection that must stay admitted."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils._session import Session, find, parse


@pytest.mark.parametrize(
    ("text", "session"),
    [
        ("192.0.2.10 50000 192.0.2.1 22", Session("192.0.2.10", 22)),
        ("2001:db8::10 50000 2001:db8::1 2222", Session("2001:db8::10", 2222)),
        ("2001:DB8:0:0::10 50000 2001:db8::1 22", Session("2001:db8::10", 22)),
        ("::ffff:192.0.2.10 50000 ::ffff:192.0.2.1 22", Session("192.0.2.10", 22)),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", Session("fe80::1", 22)),
        ("", None),
        ("192.0.2.10 50000 192.0.2.1", None),
        ("192.0.2.10 50000 192.0.2.1 0", None),
        ("192.0.2.10 50000 192.0.2.1 65536", None),
        ("192.0.2.10 50000 192.0.2.1 22}", None),
        ("192.0.2.10 50000 192.0.2.1 ²²", None),
        ("UNKNOWN 65535 UNKNOWN 65535", None),
    ],
)
def test_only_a_connection_is_read(text: str, session: Session | None) -> None:
    assert parse(text) == session


@pytest.mark.parametrize(("address", "name"), [("192.0.2.10", "session_v4"), ("2001:db8::10", "session_v6")])
def test_the_element_goes_into_the_set_of_its_family(address: str, name: str) -> None:
    assert Session(address, 22).element() == f"add element inet datapath {name} {{ {address} . 22 }}\n"


def process(proc: Path, number: int, parent: int, environment: bytes) -> None:
    folder = proc / str(number)
    folder.mkdir()
    folder.joinpath("stat").write_bytes(b"%d (a name) with (brackets) S %d 1 1 0\n" % (number, parent))
    folder.joinpath("environ").write_bytes(environment)


def test_the_nearest_ancestor_that_knows_is_asked(tmp_path: Path) -> None:
    process(tmp_path, 30, 20, b"HOME=/root\0")
    process(tmp_path, 20, 10, b"HOME=/\0SSH_CONNECTION=192.0.2.10 5 192.0.2.1 22\0")
    process(tmp_path, 10, 1, b"SSH_CONNECTION=192.0.2.99 5 192.0.2.1 22\0")
    assert find({}, 30, str(tmp_path)) == Session("192.0.2.10", 22)


def test_its_own_environment_comes_first(tmp_path: Path) -> None:
    process(tmp_path, 30, 1, b"SSH_CONNECTION=192.0.2.99 5 192.0.2.1 22\0")
    assert find({"SSH_CONNECTION": "192.0.2.10 5 192.0.2.1 22"}, 30, str(tmp_path)) == Session("192.0.2.10", 22)


def test_a_local_connection_has_none(tmp_path: Path) -> None:
    process(tmp_path, 30, 20, b"NOT_SSH_CONNECTION=192.0.2.10 5 192.0.2.1 22\0")
    process(tmp_path, 20, 1, b"")
    assert find({}, 30, str(tmp_path)) is None


def test_a_process_that_ended_meanwhile_ends_the_search(tmp_path: Path) -> None:
    process(tmp_path, 30, 29, b"")
    assert find({}, 30, str(tmp_path)) is None


def test_processes_that_are_each_others_parents_end_the_search(tmp_path: Path) -> None:
    process(tmp_path, 30, 20, b"")
    process(tmp_path, 20, 30, b"")
    assert find({}, 30, str(tmp_path)) is None
