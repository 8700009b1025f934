# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listening sockets from /proc: a real one of this process, and tables as kernels print them."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _listeners
from ansible_collections.datapath.exchange.plugins.module_utils._listeners import Listener

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
LINE = "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000000000000000 100 0 0 10 0\n"


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")])
def test_a_socket_of_this_process_is_found_with_its_owner(family: int, address: str) -> None:
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        found = [entry for entry in _listeners.listening() if entry.port == port]
        assert found == [Listener(port, address, os.getpid(), Path("/proc/self/exe").readlink().name)]
        assert found[0].reach == {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        assert found[0].local == (address in ("127.0.0.1", "::1"))
        assert found[0].to_plain() == {"port": port, "address": address, "pid": os.getpid()}
    assert port not in {entry.port for entry in _listeners.listening()}


def test_connections_and_clients_are_no_listeners() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getsockname()[1] not in {entry.port for entry in _listeners.listening()}


def test_only_listeners_of_a_table_count_and_odd_lines_do_no_harm() -> None:
    words = "0100007F" if sys.byteorder == "little" else "7F000001"
    text = HEADING + "".join(LINE.format(address=f"{words}:{port:04X}", state=state, inode=port) for port, state in ((25, "0A"), (26, "01")))
    assert _listeners.table(text + "\n" + "short line\n") == {"25": Listener(25, "127.0.0.1")}
    assert _listeners.table("") == {}


def test_a_socket_whose_process_is_not_to_be_seen_has_no_owner(tmp_path: Path) -> None:
    net = tmp_path / "self" / "net"
    net.mkdir(parents=True)
    (net / "tcp").write_text(HEADING + LINE.format(address="00000000:1F90", state="0A", inode=7))
    (tmp_path / "12").mkdir()
    assert _listeners.listening(tmp_path) == (Listener(8080, "0.0.0.0"),)


@pytest.mark.parametrize(("text", "unit"), [
    ("0::/system.slice/smbd.service\n", "smbd.service"), ("0::/system.slice/system-x.slice/x@1.service\n", "x@1.service"),
    ("12:pids:/user.slice\n1:name=systemd:/system.slice/samba-ad-dc.service\n", "samba-ad-dc.service"), ("0::/user.slice/user-0.slice/session-1.scope\n", ""),
    ("0::/\n", ""),
])
def test_the_unit_of_a_process_is_its_control_group(tmp_path: Path, text: str, unit: str) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "cgroup").write_text(text)
    assert _listeners.unit(5, tmp_path) == unit
    assert _listeners.unit(6, tmp_path) == ""


def test_a_program_that_was_replaced_keeps_its_name(tmp_path: Path) -> None:
    (tmp_path / "5").mkdir()
    (tmp_path / "5" / "exe").symlink_to("/usr/sbin/smbd (deleted)")
    assert _listeners.program(5, tmp_path) == "smbd"
    assert _listeners.program(6, tmp_path) == ""
