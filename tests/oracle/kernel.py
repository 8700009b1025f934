# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask this machine's kernel what a table lets pass: run as root, in a network namespace of its own, which ends with the process.

Two namespaces, a wire between them. Packets with any source come in by the wire; packets of the host's own go out by it. Chains before and after the
rules in question note each packet's first two bytes behind the IP header, in which its number stands (the source port of TCP and UDP). So thousands of
packets are judged in one go, one by one. Reads a question as JSON from standard input, writes the answer as JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
import typing as t

FIRST, MOST = 1024, 60_000
"""Numbers below FIRST are not given: the frame of every table knows the client ports of DHCP."""

HOST, NOBODY = "02:00:00:00:00:01", "02:00:00:00:00:99"
PROTOCOLS = {"tcp": 6, "udp": 17}
CLONE_NEWNET = 0x40000000
IPV6_HDRINCL = 36

WATCH = """
table inet watch {
    set arrived { typeof th sport; flags dynamic; size 65535; }
    set accepted { typeof th sport; flags dynamic; size 65535; }
    set sent { typeof th sport; flags dynamic; size 65535; }
    set left { typeof th sport; flags dynamic; size 65535; }
    chain arrived { type filter hook prerouting priority raw; iifname "host0" meta l4proto != { icmp, icmpv6 } add @arrived { th sport }; }
    chain accepted { type filter hook input priority filter + 10; iifname "host0" meta l4proto != { icmp, icmpv6 } add @accepted { th sport }; }
    chain sent { type filter hook output priority raw; oifname "host0" meta l4proto != { icmp, icmpv6 } add @sent { th sport }; }
    chain left { type filter hook output priority filter + 10; oifname "host0" meta l4proto != { icmp, icmpv6 } add @left { th sport }; }
}
"""


def main() -> None:
    question = json.load(sys.stdin)
    outside = _outside()
    ends = bytes.fromhex((HOST + NOBODY).replace(":", ""))
    _inside(question["addresses"])
    for rules in (question["rules"], WATCH):
        _run("nft", "-f", "-", text=rules)
    for index, packet in enumerate(question["outgoing"]):
        _send_out(FIRST + index, *packet)
    answer = {"sent": _noted("sent"), "left": _noted("left")}
    for index, (source, destination, protocol, port) in enumerate(question["incoming"]):
        ethertype = b"\x08\x00" if ":" not in source else b"\x86\xdd"
        outside.send(ends + ethertype + packet_bytes(FIRST + index, source, destination, protocol, port))
    answer.update(arrived=_noted("arrived"), accepted=_noted("accepted"))
    json.dump(answer, sys.stdout)


def _outside() -> socket.socket:
    """The wire, and a socket at its outer end: a socket stays in the namespace that it was made in."""
    _run("ip", "link", "add", "host0", "address", HOST, "type", "veth", "peer", "name", "outside0")
    _run("ip", "link", "set", "outside0", "up")
    outside = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    outside.bind(("outside0", 0))
    return outside


def _inside(addresses: t.Sequence[str]) -> None:
    """Step into the namespace of the host and give it its end of the wire, its addresses, and a way to everywhere that nobody answers on."""
    old = os.open("/proc/self/ns/net", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    pid = os.getpid()
    _run("nsenter", f"--net=/proc/{pid}/fd/{old}", "ip", "link", "set", "host0", "netns", str(pid))
    for setting in ("ipv4.conf.all.rp_filter", "ipv4.conf.host0.rp_filter", "ipv6.conf.host0.accept_ra", "ipv6.conf.host0.accept_dad"):
        _run("sysctl", "-qw", f"net.{setting}=0")
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "set", "host0", "up")
    for address in addresses:
        _run("ip", "address", "add", address, "dev", "host0", *(["nodad"] if ":" in address else []))
    for gateway in ("169.254.9.9", "fe80::9"):
        _run("ip", "neighbour", "add", gateway, "lladdr", NOBODY, "dev", "host0", "nud", "permanent")
        _run("ip", "route", "add", "default", "via", gateway, "dev", "host0", "onlink")


def _send_out(number: int, source: str, destination: str, protocol: str, port: int) -> None:
    content = packet_bytes(number, source, destination, protocol, port)
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    with socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw, contextlib.suppress(PermissionError):
        if family == socket.AF_INET6:
            raw.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
        # The kernel answers "not permitted" when a rule drops the packet; what counts is what the chains noted.
        raw.sendto(content, (destination, 0))


def packet_bytes(number: int, source: str, destination: str, protocol: str, port: int) -> bytes:
    """A packet that opens a connection: TCP with SYN, UDP with four bytes, anything else with its number alone."""
    kind = PROTOCOLS.get(protocol) or int(protocol)
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
    if protocol == "tcp":
        content, at = struct.pack("!HHIIBBHHH", number, port, 1, 0, 5 << 4, 2, 64240, 0, 0), 16
    elif protocol == "udp":
        content, at = struct.pack("!HHHH4s", number, port, 12, 0, b"ping"), 6
    else:
        content, at = struct.pack("!H6x", number), 0
    if at:
        # Without a correct sum connection tracking calls the packet invalid, and no rule of a flow would see it.
        checksum = _sum(ends + struct.pack("!II", len(content), kind) + content) or 0xFFFF
        content = content[:at] + struct.pack("!H", checksum) + content[at + 2:]
    if ":" in source:
        return struct.pack("!IHBB", 6 << 28, len(content), kind, 64) + ends + content
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(content), number, 0, 64, kind, 0)
    return header[:10] + struct.pack("!H", _sum(header + ends)) + ends + content


def _sum(content: bytes) -> int:
    """RFC 1071."""
    content += b"\0" * (len(content) % 2)
    total: int = sum(struct.unpack(f"!{len(content) // 2}H", content))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _noted(name: str) -> list[int]:
    listed = json.loads(_run("nft", "-j", "list", "set", "inet", "watch", name))
    found = next(entry["set"] for entry in listed["nftables"] if "set" in entry).get("elem", [])
    return sorted(number - FIRST for number in found if FIRST <= number < FIRST + MOST)


def _run(*command: str, text: str = "") -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
