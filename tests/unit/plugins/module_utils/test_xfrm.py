# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPsec in the kernel: what it really lists, and what its messages can be."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.module_utils import _nft, _programs, _xfrm

IP = shutil.which("ip", path=_programs.SEARCH_PATH)
kernel = pytest.mark.skipif(os.geteuid() != 0 or not IP, reason="root and iproute2 are needed to make policies in a network namespace")


def in_kernel(*commands: str, read: t.Callable[[], t.Any] = _xfrm.policies) -> t.Any:
    """What is read in a network of its own in which these commands of ip were run."""
    def work() -> t.Any:
        for command in commands:
            subprocess.run([str(IP), *command.split()], check=True, capture_output=True)
        return read()

    return _nft.in_new_network(work)


@kernel
def test_an_empty_network_has_no_policies() -> None:
    assert in_kernel() == []
    assert in_kernel(read=_xfrm.states) == []


@kernel
def test_policies_are_listed_with_the_masks_of_their_ports() -> None:
    tmpl = "tmpl proto esp mode transport"
    found = in_kernel(
        f"xfrm policy add src 192.0.2.1/32 dst 192.0.2.2/32 proto tcp dport 445 dir out {tmpl}",
        f"xfrm policy add src 192.0.2.2/32 dst 192.0.2.1/32 dir in priority 7 {tmpl} level use",
        f"xfrm policy add src 192.0.2.2/32 dst 192.0.2.1/32 proto udp dir in {tmpl.replace('transport', 'tunnel')}",
        "xfrm policy add src 2001:db8::/32 dst 2001:db8::2/128 proto ipv6-icmp type 135 dir fwd action block",
        "xfrm policy add src 192.0.2.0/24 dst 198.51.100.0/24 dir fwd",
    )
    assert found == sorted([
        _xfrm.Policy("out", "192.0.2.1/32", "192.0.2.2/32", 6, 0, 0, 445, 65535, "allow", protect=True, plain=False),
        _xfrm.Policy("in", "192.0.2.2/32", "192.0.2.1/32", 0, 0, 0, 0, 0, "allow", protect=False, plain=True, priority=7),
        _xfrm.Policy("in", "192.0.2.2/32", "192.0.2.1/32", 17, 0, 0, 0, 0, "allow", protect=False, plain=False),
        _xfrm.Policy("fwd", "2001:db8::/32", "2001:db8::2/128", 58, 135, 65535, 0, 0, "block", protect=False, plain=False),
        _xfrm.Policy("fwd", "192.0.2.0/24", "198.51.100.0/24", 0, 0, 0, 0, 0, "allow", protect=False, plain=True),
    ])


@kernel
def test_policies_of_sockets_are_not_among_them() -> None:
    def with_socket() -> list[_xfrm.Policy]:
        template = struct.pack("=56s64s32sIIBBBB4x", bytes(40) + struct.pack("=H", socket.AF_INET) + bytes(14), b"\xff" * 32 + bytes(32), b"", 0, 0, 1, 0, 0, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
            held.setsockopt(socket.IPPROTO_IP, 17, template)
            return _xfrm.policies()

    assert in_kernel(read=with_socket) == []


@kernel
def test_many_policies_are_all_listed() -> None:
    def make() -> list[_xfrm.Policy]:
        batch = "".join(f"xfrm policy add src 192.0.2.1/32 dst 198.51.{number // 256}.{number % 256}/32 dir out\n" for number in range(3000))
        subprocess.run([str(IP), "-batch", "-"], input=batch, check=True, capture_output=True, text=True)
        return _xfrm.policies()

    assert len(in_kernel(read=make)) == 3000


@kernel
def test_whether_esp_can_be_done_is_what_ip_says() -> None:
    state = "xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode transport aead rfc4106(gcm(aes)) 0x" + "00" * 20 + " 128"
    try:
        in_kernel(state)
        can = True
    except subprocess.CalledProcessError:
        can = False
    missing = in_kernel(read=lambda: _xfrm.esp_missing([socket.AF_INET], compatible=False))
    assert (missing == "") is can
    if can:
        (found,) = in_kernel(state, read=_xfrm.states)
        assert (found.source, found.target, found.protocol, found.spi, found.mode) == ("192.0.2.1", "192.0.2.2", 50, "00000001", 0)
    else:
        assert missing.startswith("ESP with AES-GCM over IPv4: ")


def selector(family: int, port: int = 445, mask: int = 65535) -> bytes:
    ends = b"".join(socket.inet_pton(family, text).ljust(16, b"\0") for text in (
        ("192.0.2.2", "192.0.2.1") if family == socket.AF_INET else ("2001:db8::2", "2001:db8::1")))
    width = 32 if family == socket.AF_INET else 128
    return ends + struct.pack(">HHHH", port, mask, 0, 0) + struct.pack("=HBBB3xiI", family, width, width, 6, 0, 0)


def test_a_state_is_read() -> None:
    family = socket.AF_INET
    near, far = (socket.inet_pton(family, text).ljust(16, b"\0") for text in ("192.0.2.1", "192.0.2.2"))
    body = selector(family) + struct.pack("=16s4sB3x16s", far, b"\xc0\x01\x02\x03", 50, near) + bytes(64)
    body += struct.pack("=QQQQ", 51200, 120, 0, 0) + bytes(12) + struct.pack("=IIHBBB", 0, 7, family, 0, 32, 0) + bytes(7)
    assert _xfrm.parse_state(body) == _xfrm.State("192.0.2.1", "192.0.2.2", 50, "c0010203", 0, 7, 51200, 120)


@given(st.binary(max_size=600))
def test_no_bytes_do_anything_but_be_understood_or_refused(raw: bytes) -> None:
    for read in (_xfrm.parse_policy, _xfrm.parse_state, lambda data: list(_xfrm.attributes(data)), lambda data: list(_xfrm.messages(data))):
        try:
            read(raw)
        except _xfrm.XfrmError:
            continue


@given(st.sampled_from([socket.AF_INET, socket.AF_INET6]), st.integers(0, 65535), st.integers(0, 65535), st.binary(max_size=200))
def test_a_policy_with_any_attributes_is_understood_or_refused(family: int, port: int, mask: int, rest: bytes) -> None:
    body = selector(family, port, mask) + bytes(96) + struct.pack("=IIBBBB4x", 9, 8, 1, 0, 0, 0) + rest
    try:
        found = _xfrm.parse_policy(body)
    except _xfrm.XfrmError:
        return
    assert found
    assert (found.direction, found.protocol, found.target_port, found.target_mask, found.priority) == ("out", 6, port, mask, 9)


@pytest.mark.parametrize("raw", [b"\x03\x00\x05\x00", b"\x10\x00\x05\x00", b"\x01"])
def test_broken_attributes_are_refused(raw: bytes) -> None:
    with pytest.raises(_xfrm.XfrmError):
        list(_xfrm.attributes(raw))
