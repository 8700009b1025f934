# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes across real kernels: a client, a router and a server in network namespaces of their own, with real nftables rules between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _probe as _probe_module

ROOT = str(Path(_probe_module.__file__).parents[5])
TOOLS = ("ip", "nft", "unshare")
CLIENT, ROUTER, SERVER = (f"dxp{os.getpid()}{side}" for side in "crs")

LINKS = f"""
netns add {CLIENT}
netns add {ROUTER}
netns add {SERVER}
link add dxpc netns {CLIENT} type veth peer name dxpc netns {ROUTER}
link add dxps netns {SERVER} type veth peer name dxps netns {ROUTER}
"""
CLIENT_SETUP = """
link set lo up
link set dxpc up
addr add 192.0.2.1/24 dev dxpc
addr add 2001:db8:1::1/64 dev dxpc nodad
route add 198.51.100.0/24 via 192.0.2.254
route add prohibit 203.0.113.64/26
route add blackhole 203.0.113.128/26
-6 route add 2001:db8:2::/64 via 2001:db8:1::fe
"""
ROUTER_SETUP = """
link set lo up
link set dxpc up
link set dxps up
addr add 192.0.2.254/24 dev dxpc
addr add 198.51.100.254/24 dev dxps
addr add 2001:db8:1::fe/64 dev dxpc nodad
addr add 2001:db8:2::fe/64 dev dxps nodad
"""
SERVER_SETUP = """
link set lo up
link set dxps up
addr add 198.51.100.2/24 dev dxps
addr add 198.51.100.3/24 dev dxps
addr add 2001:db8:2::2/64 dev dxps nodad
route add default via 198.51.100.254
-6 route add default via 2001:db8:2::fe
"""
SERVER_RULES = """
table inet t {
  chain input {
    type filter hook input priority filter;
    ip daddr 198.51.100.3 drop
    meta l4proto { tcp, udp } th dport { 82, 88, 3343 } drop
    meta l4proto { tcp, udp } th dport 83 reject
    tcp dport 84 reject with tcp reset
    meta l4proto { tcp, udp } th dport 85 reject with icmpx admin-prohibited
    ip protocol tcp tcp dport 86 reject with icmp host-prohibited
    meta l4proto { tcp, udp } th dport 87 reject with icmpx host-unreachable
  }
}
"""
ROUTER_RULES = """
table inet t {
  chain forward {
    type filter hook forward priority filter;
    meta l4proto { tcp, udp } th dport 188 reject with icmpx admin-prohibited
    meta l4proto { tcp, udp } th dport 189 reject with icmpx host-unreachable
    meta l4proto { tcp, udp } th dport 190 reject with icmpx port-unreachable
    meta l4proto { tcp, udp } th dport 191 drop
  }
}
"""
CLIENT_RULES = """
table inet t {
  chain output {
    type filter hook output priority filter;
    meta l4proto { tcp, udp } th dport 199 drop
  }
}
"""

MAIN, DARK, MAIN6 = "198.51.100.2", "198.51.100.3", "2001:db8:2::2"
CASES = [
    ("tcp", MAIN, 80, "open", "connected"),
    ("tcp", MAIN, 81, "refused", "reset"),
    ("tcp", MAIN, 82, "filtered", "no_answer"),
    ("tcp", MAIN, 83, "filtered", "rejected"),
    ("tcp", MAIN, 84, "refused", "reset"),
    ("tcp", MAIN, 85, "filtered", "admin_prohibited"),
    ("tcp", MAIN, 86, "filtered", "admin_prohibited"),
    ("tcp", MAIN, 87, "filtered", "rejected"),
    ("tcp", MAIN, 188, "filtered", "admin_prohibited"),
    ("tcp", MAIN, 191, "filtered", "no_answer"),
    ("tcp", MAIN, 199, "filtered", "no_answer"),
    ("tcp", DARK, 80, "filtered", "no_answer"),
    ("udp", MAIN, 53, "open", "answered"),
    ("udp", MAIN, 88, "filtered", "no_answer"),
    ("udp", MAIN, 3343, "unknown", "silent_port"),
    ("udp", MAIN, 191, "filtered", "no_answer"),
    ("udp", MAIN, 83, "refused", "port_unreachable"),
    ("udp", MAIN, 85, "filtered", "admin_prohibited"),
    ("udp", MAIN, 188, "filtered", "admin_prohibited"),
    ("udp", MAIN, 190, "filtered", "rejected"),
    ("udp", MAIN, 199, "filtered", "own_firewall"),
    ("udp", DARK, 53, "unknown", "silent_no_control"),
    ("tcp", "203.0.113.1", 80, "unknown", "no_route"),
    ("udp", "203.0.113.1", 53, "unknown", "no_route"),
    ("tcp", "203.0.113.65", 80, "unknown", "local_eacces"),
    ("tcp", "203.0.113.129", 80, "unknown", "local_einval"),
    ("tcp", MAIN6, 80, "open", "connected"),
    ("tcp", MAIN6, 81, "refused", "reset"),
    ("tcp", MAIN6, 82, "filtered", "no_answer"),
    ("tcp", MAIN6, 83, "filtered", "rejected"),
    ("tcp", MAIN6, 85, "filtered", "admin_prohibited"),
    ("udp", MAIN6, 53, "open", "answered"),
    ("udp", MAIN6, 83, "refused", "port_unreachable"),
    ("udp", MAIN6, 88, "filtered", "no_answer"),
    ("udp", MAIN6, 188, "filtered", "admin_prohibited"),
    ("tcp", "2001:db8:3::1", 80, "unknown", "no_route"),
]

SCRIPT = """
import json, resource, sys
from ansible_collections.datapath.exchange.plugins.module_utils._probe import Limits, Probe, run
given = json.load(sys.stdin)
if given["files"]:
    resource.setrlimit(resource.RLIMIT_NOFILE, (given["files"], given["files"]))
print(json.dumps(run([Probe(**probe) for probe in given["probes"]], Limits(**given["limits"]))))
"""


def _unable() -> str:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        return f"needs {', '.join(missing)}"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "needs root and the right to make network namespaces"
    return ""


def _batch(text: str, namespace: str = "") -> None:
    prefix = ["ip", "-n", namespace] if namespace else ["ip"]
    for line in text.strip().splitlines():
        subprocess.run([*prefix, *line.split()], check=True)


def _nft(namespace: str, text: str) -> None:
    subprocess.run(["ip", "netns", "exec", namespace, "nft", "-f", "-"], input=text, text=True, check=True)


def _build() -> None:
    _batch(LINKS)
    for namespace, setup, rules in ((CLIENT, CLIENT_SETUP, CLIENT_RULES), (ROUTER, ROUTER_SETUP, ROUTER_RULES), (SERVER, SERVER_SETUP, SERVER_RULES)):
        _batch(setup, namespace)
        _nft(namespace, rules)
    forward = ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
    subprocess.run(["ip", "netns", "exec", ROUTER, "sysctl", "-q", "-w", *forward], check=True)


@pytest.fixture(name="network", scope="module")
def _network() -> t.Iterator[None]:
    if _unable():
        pytest.skip(_unable())
    wanted = {"tcp": {"80": "plain"}, "udp": {"53": True, "3343": False, "88": True}, "udp_hosts": [MAIN, DARK, MAIN6]}
    responder = None
    try:
        _build()
        command = ["ip", "netns", "exec", SERVER, sys.executable, str(Path(__file__).with_name("probe_responder.py")), json.dumps(wanted)]
        responder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert responder.stdout
        assert responder.stdout.readline().startswith("ready")
        yield
    finally:
        if responder:
            responder.communicate()
        for namespace in (CLIENT, ROUTER, SERVER):
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)


def _probe(
    probes: t.Sequence[tuple[t.Any, ...]], files: int = 0, prefix: t.Sequence[str] = ("ip", "netns", "exec", CLIENT), **limits: float,
) -> list[tuple[str, str]]:
    given = {
        "files": files,
        "limits": limits,
        "probes": [{"id": str(number), "protocol": probe[0], "address": probe[1], "port": probe[2]} for number, probe in enumerate(probes)],
    }
    done = subprocess.run(
        [*prefix, os.environ.get("DATAPATH_TEST_PYTHON", sys.executable), "-c", SCRIPT],
        input=json.dumps(given), text=True, capture_output=True, check=True, env={**os.environ, "PYTHONPATH": ROOT},
    )
    return [(row["verdict"], row["reason"]) for row in json.loads(done.stdout)]


@pytest.fixture(name="observed", scope="module")
def _observed(network: None) -> list[tuple[str, str]]:  # noqa: ARG001 - a fixture cannot be marked to use another
    return _probe(CASES, timeout=1.2)


@pytest.mark.parametrize("number", range(len(CASES)), ids=["-".join(map(str, case[:3])) for case in CASES])
def test_a_real_network(observed: list[tuple[str, str]], number: int) -> None:
    assert observed[number] == CASES[number][3:]


@pytest.mark.usefixtures("network")
def test_a_neighbour_that_is_not_there_is_unknown() -> None:
    dead = [("tcp", "192.0.2.99", 80), ("tcp", "198.51.100.99", 80), ("udp", "192.0.2.99", 53), ("tcp", "2001:db8:1::99", 80)]
    # Address resolution gives up after three tries a second apart: the first try of the probe is silent, the second is told.
    assert _probe(dead, timeout=2.5) == [("unknown", "host_unreachable")] * 4


@pytest.mark.usefixtures("network")
def test_a_router_that_knows_no_host_is_unknown_whatever_the_protocol() -> None:
    assert _probe([("tcp", MAIN, 189), ("udp", MAIN, 189), ("tcp", MAIN6, 189)], timeout=1.2) == [("unknown", "host_unreachable")] * 3


@pytest.mark.usefixtures("network")
def test_the_limit_of_icmp_errors_hides_no_closed_port() -> None:
    # The server's bucket holds six errors; nine closed ports are all refused because silence is asked again a second later.
    assert _probe([("udp", MAIN, port) for port in range(300, 309)], timeout=0.5) == [("refused", "port_unreachable")] * 9


@pytest.mark.usefixtures("network")
def test_rejected_tcp_ports_leave_errors_for_udp() -> None:
    probes = [("tcp", MAIN, 85)] * 20 + [("udp", MAIN, 301)]
    observed = _probe(probes, timeout=0.5)
    assert {verdict for verdict, reason in observed[:-1]} == {"filtered"}
    assert observed[-1] == ("refused", "port_unreachable")


@pytest.mark.usefixtures("network")
def test_no_file_descriptors_left_is_unknown_not_filtered() -> None:
    observed = _probe([("tcp", MAIN, 82)] * 40, files=20, timeout=0.5, retries=0)
    assert set(observed) == {("filtered", "no_answer"), ("unknown", "local_emfile")}


@pytest.mark.usefixtures("network")
def test_no_source_address() -> None:
    links = [f"link set {link} {what}" for link in ("v0", "v1") for what in ("addrgenmode none", "up")]
    bare = " && ".join(f"ip {command}" for command in ("link add v0 type veth peer name v1", *links, "-6 route add default dev v0"))
    observed = _probe([("tcp", MAIN6, 80), ("udp", MAIN6, 53)], prefix=["unshare", "--net", "sh", "-c", bare + ' && exec "$@"', "sh"])
    assert observed == [("unknown", "no_source_address")] * 2
