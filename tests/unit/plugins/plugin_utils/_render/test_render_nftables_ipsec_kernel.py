# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel makes of the guards: how it lists them, and what becomes of packets in clear, in network namespaces that end with the test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipsec_plans import PORTS, SETS, WHOLE, associations, plan

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, HostPlan, Management, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import plan_facts
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import COMMENT_BYTES, drift, read_back, render

TOOLS = ("ip", "nft", "nsenter", "unshare")
HOST, PEER = "10.77.0.1", "10.77.0.2"

SERVE = """
import socket, sys
with socket.create_server(("0.0.0.0", int(sys.argv[1]))) as server:
    print("up", flush=True)
    while True:
        connection, _peer = server.accept()
        while data := connection.recv(99):
            connection.sendall(data)
"""
TALK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1.5) as connection:
    for line in sys.stdin:
        connection.sendall(line.encode())
        try:
            print(connection.recv(99).decode().strip(), flush=True)
        except TimeoutError:
            print("silence", flush=True)
"""


def _why_not() -> str:
    if os.geteuid() != 0:
        return "needs root to make a network namespace"
    if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
        return f"needs the programs {', '.join(missing)}"
    made = subprocess.run(["unshare", "--net", "nft", "list", "ruleset"], capture_output=True, text=True, check=False)
    return f"cannot use nftables in a network namespace: {made.stderr.strip()}" if made.returncode else ""


WHY_NOT = _why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)


@given(st.lists(associations(), max_size=3), st.sampled_from(("enforced", "monitored")), st.sampled_from(("-s", "-n", "-a", "")),
       st.sampled_from(("open", "restricted")))
@settings(max_examples=30, deadline=None)
def test_the_kernel_lists_the_guards_as_planned(wanted: list[Association], state: str, options: str, egress: str) -> None:
    host = plan(*wanted, egress=egress)
    text = render(host, state)
    script = f'text=$(mktemp); cat >"$text"; nft -c -f "$text"; nft -f "$text"; rm "$text"; nft {options} list table inet datapath'
    listed = subprocess.run(["unshare", "--net", "sh", "-ec", script], input=text, capture_output=True, text=True, check=True).stdout
    assert read_back(listed).flows == plan_facts(host, COMMENT_BYTES)
    assert drift(text, listed) == []


class Pair:
    """Two namespaces and a wire between them: the host that has the rules, and its peer."""

    def __init__(self) -> None:
        self.ends = {name: subprocess.Popen(["unshare", "--net", "--", "sleep", "120"]) for name in (HOST, PEER)}
        self.running: list[subprocess.Popen[str]] = []
        pids = {name: str(end.pid) for name, end in self.ends.items()}
        self._wait()
        self.run(HOST, "ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", pids[PEER])
        for name in (HOST, PEER):
            self.run(name, "ip", "address", "add", f"{name}/24", "dev", "wire")
            self.run(name, "ip", "link", "set", "lo", "up")
            self.run(name, "ip", "link", "set", "wire", "up")

    def _wait(self) -> None:
        """Until both have left the namespace of this process."""
        own = Path("/proc/self/ns/net").readlink()
        while any(Path(f"/proc/{end.pid}/ns/net").readlink() == own for end in self.ends.values()):
            time.sleep(0.01)

    def _inside(self, name: str, *command: str) -> list[str]:
        return ["nsenter", "-t", str(self.ends[name].pid), "--net", "--", *command]

    def run(self, name: str, *command: str, text: str = "") -> str:
        return subprocess.run(self._inside(name, *command), input=text, capture_output=True, text=True, check=True, timeout=20).stdout

    def start(self, name: str, *command: str) -> subprocess.Popen[str]:
        made = subprocess.Popen(self._inside(name, *command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.running.append(made)
        return made

    def serve(self, name: str, port: int) -> None:
        made = self.start(name, sys.executable, "-c", SERVE, str(port))
        assert made.stdout
        assert made.stdout.readline() == "up\n"

    def connect(self, name: str, to: str, port: int) -> subprocess.Popen[str]:
        return self.start(name, sys.executable, "-c", TALK, to, str(port))

    def load(self, host: HostPlan, state: str) -> None:
        self.run(HOST, "nft", "-f", "-", text=render(host, state))

    def caught(self) -> dict[str, int]:
        """Packets that met a guard, by chain."""
        chains = read_back(self.run(HOST, "nft", "list", "table", "inet", "datapath")).chains
        return {name: sum(rule.counter[0] for rule in chains[name].rules if rule.comment == "ipsec" and rule.counter) for name in ("ipsec_in", "ipsec_out")}

    def end(self) -> None:
        for process in (*self.running, *self.ends.values()):
            process.kill()
            process.communicate()


@pytest.fixture
def pair() -> t.Iterator[Pair]:
    made = Pair()
    yield made
    made.end()


def say(connection: subprocess.Popen[str], word: str) -> str:
    assert connection.stdin
    assert connection.stdout
    connection.stdin.write(f"{word}\n")
    connection.stdin.flush()
    return connection.stdout.readline().strip()


def answers(pair: Pair, name: str, to: str, port: int) -> bool:
    connection = pair.connect(name, to, port)
    out, _nothing = connection.communicate("word\n", timeout=20)
    return out.strip() == "word"


def between(*wanted: Association, **changes: t.Any) -> HostPlan:
    sets = {**SETS, "mailbox": PeerSet("mailbox", (f"{HOST}-{PEER}",)), "backup": PeerSet("backup", (PEER,)),
            "config_controller": PeerSet("config_controller", (PEER,))}
    values: dict[str, t.Any] = {"sets": sets, "addresses": (HOST,), "families": ("ipv4",), "management": Management("config_controller", (PortRange(22, 22),))}
    return plan(*wanted, **{**values, **changes})


def test_a_connection_that_stood_before_is_cut_when_ipsec_is_required(pair: Pair) -> None:
    pair.serve(HOST, 445)
    pair.load(between(flows=tuple(replace(flow, protection="none") for flow in between().flows)), "enforced")
    connection = pair.connect(PEER, HOST, 445)
    assert say(connection, "before") == "before"
    pair.load(between(), "enforced")
    assert say(connection, "established") == "established", "the flow demands IPsec now, but no guard stands before what is established"
    pair.load(between(PORTS), "monitored")
    assert say(connection, "watched") == "watched"
    assert min(pair.caught().values()) > 0
    pair.load(between(PORTS), "enforced")
    assert say(connection, "clear") == "silence"
    assert pair.caught()["ipsec_in"] > 0


def test_nothing_leaves_in_clear_though_egress_is_open(pair: Pair) -> None:
    for port in (445, 446):
        pair.serve(PEER, port)
        assert answers(pair, HOST, PEER, port)
    pair.load(between(PORTS), "enforced")
    assert not answers(pair, HOST, PEER, 445)
    assert answers(pair, HOST, PEER, 446), "only the selectors are guarded"
    caught = pair.caught()
    assert caught["ipsec_out"] > 0 == caught["ipsec_in"], "nothing came in because nothing went out"
    pair.load(between(WHOLE), "enforced")
    assert not answers(pair, HOST, PEER, 446)


def test_management_works_though_the_whole_pair_is_guarded(pair: Pair) -> None:
    pair.serve(HOST, 22)
    pair.serve(HOST, 445)
    pair.load(between(WHOLE), "enforced")
    assert answers(pair, PEER, HOST, 22)
    assert not answers(pair, PEER, HOST, 445)
    pair.load(between(WHOLE, management=Management("", ())), "enforced")
    assert not answers(pair, PEER, HOST, 22)
    pair.run(HOST, "nft", "add", "element", "inet", "datapath", "session_v4", f"{{ {PEER} . 22 }}")
    assert answers(pair, PEER, HOST, 22), "the connection that Ansible came in on"


def test_the_host_still_speaks_with_itself(pair: Pair) -> None:
    pair.serve(HOST, 445)
    pair.load(between(WHOLE, replace(PORTS, peers="mailbox")), "enforced")
    assert answers(pair, HOST, HOST, 445)
