# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""IPsec in the kernel, asked through netlink: policies with the masks of their ports, states, and whether ESP can be done at all. Standard library only.

C(ip xfrm policy) prints the port of a policy and not its mask, so a policy that covers a range looks like one that covers a port. Layouts are those of
C(linux/xfrm.h) and C(linux/netlink.h), which are the same on every architecture with natural alignment of 64 bit numbers.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import typing as t
from dataclasses import dataclass

DIRECTIONS = ("in", "out", "fwd")
MOST_MESSAGES = 1_000_000
_NETLINK_XFRM = 6
_NEWSA, _GETSA, _NEWPOLICY, _GETPOLICY = 0x10, 0x12, 0x13, 0x15
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_CREATE, _EXCL = 0x400, 0x200
_ALG_AUTH, _ALG_CRYPT, _TMPL, _ALG_AEAD = 1, 2, 5, 18
_ESP, _TRANSPORT = 50, 0
_HEADER = struct.Struct("=IHHII")
_SELECTOR = struct.Struct("=16s16s2s2s2s2sHBBB3xiI")
_POLICY_REST = struct.Struct("=64x32xIIBBBB")
_TEMPLATE = struct.Struct("=16s4sB3xH2x16sIBBBxIII")
_STATE_REST = struct.Struct("=16s4sB3x16s64xQQQQ12xIIHBBB")
_STATE_BYTES, _POLICY_BYTES = 224, 168
_NO_LIMITS = struct.pack("=QQQQQQQQ", *(2 ** 64 - 1,) * 4, 0, 0, 0, 0)
_SECONDS = 30.0

#: Name in words, in the kernel's words, bytes of its key; integrity the same way, none for combined modes.
_SUITES = (("AES-GCM", "rfc4106(gcm(aes))", 20, "", 0), ("AES-CBC with HMAC-SHA-1", "cbc(aes)", 16, "hmac(sha1)", 20))


class XfrmError(Exception):
    """The kernel does not answer about IPsec, or not as documented."""


class NoXfrmError(XfrmError):
    """A kernel that knows nothing of IPsec."""


@dataclass(frozen=True, order=True)
class Policy:
    """One policy. Ports with their masks: 0/0 is any. protocol: 0 is any. protect: everything it lets pass has to be ESP in transport mode.

    source, target: as ``192.0.2.1/32``. action: ``allow`` or ``block``. plain: it lets pass in clear.
    """

    direction: str
    source: str
    target: str
    protocol: int
    source_port: int
    source_mask: int
    target_port: int
    target_mask: int
    action: str
    protect: bool
    plain: bool
    priority: int = 0


@dataclass(frozen=True, order=True)
class State:
    """One state: which way, its SPI as hexadecimal digits, the algorithms do not matter here."""

    source: str
    target: str
    protocol: int
    spi: str
    mode: int
    reqid: int
    bytes: int
    packets: int


def policies() -> list[Policy]:
    """All policies of this network namespace but those of sockets; none where the kernel knows no IPsec."""
    try:
        found = [parse_policy(body) for kind, body in _dump(_GETPOLICY) if kind == _NEWPOLICY]
    except NoXfrmError:
        return []
    return sorted(policy for policy in found if policy is not None)


def states() -> list[State]:
    """All states of this network namespace."""
    return sorted(parse_state(body) for kind, body in _dump(_GETSA) if kind == _NEWSA)


def parse_policy(body: bytes) -> Policy | None:
    """Read the body of a message about a policy; None for one of a socket. Raises XfrmError for what is cut off."""
    if len(body) < _POLICY_BYTES:
        raise XfrmError(f"the kernel's message about a policy has {len(body)} bytes")
    selector = _SELECTOR.unpack_from(body)
    priority, _index, direction, action, _flags, _share = _POLICY_REST.unpack_from(body, _SELECTOR.size)
    if direction >= len(DIRECTIONS):
        return None
    target, source, target_port, target_mask, source_port, source_mask, family, target_length, source_length, protocol = selector[:10]
    templates = [template for kind, data in attributes(body[_POLICY_BYTES:]) if kind == _TMPL for template in _templates(data)]
    number = int.from_bytes
    return Policy(
        DIRECTIONS[direction], _network(source, family, source_length), _network(target, family, target_length), protocol,
        number(source_port, "big"), number(source_mask, "big"), number(target_port, "big"), number(target_mask, "big"),
        action="block" if action else "allow", protect=bool(templates) and all(template == (_ESP, _TRANSPORT, 0) for template in templates),
        plain=not action and all(template[2] for template in templates), priority=priority,
    )


def _templates(data: bytes) -> t.Iterator[tuple[int, int, int]]:
    """Protocol, mode and whether it is optional, of each."""
    if len(data) % _TEMPLATE.size:
        raise XfrmError("the kernel's message about a policy has templates of another size")
    for values in _TEMPLATE.iter_unpack(data):
        yield values[2], values[6], values[8]


def parse_state(body: bytes) -> State:
    """Read the body of a message about a state. Raises XfrmError for what is cut off."""
    if len(body) < _STATE_BYTES:
        raise XfrmError(f"the kernel's message about a state has {len(body)} bytes")
    values = _STATE_REST.unpack_from(body, _SELECTOR.size)
    target, spi, protocol, source, count, packets = values[:6]
    reqid, family, mode = values[9], values[10], values[11]
    return State(_address(source, family), _address(target, family), protocol, spi.hex(), mode, reqid, count, packets)


def attributes(data: bytes) -> t.Iterator[tuple[int, bytes]]:
    """The attributes of a message. Raises XfrmError for what is cut off."""
    place = 0
    while place < len(data):
        if place + 4 > len(data):
            raise XfrmError("the kernel's message ends within an attribute")
        length, kind = struct.unpack_from("=HH", data, place)
        if length < 4 or place + length > len(data):
            raise XfrmError(f"the kernel's message has an attribute of {length} bytes")
        yield kind & 0x3FFF, data[place + 4:place + length]
        place += (length + 3) & ~3


def messages(datagram: bytes) -> t.Iterator[tuple[int, int, bytes]]:
    """Kind, sequence number and body of the messages in a datagram. Raises XfrmError for what is cut off."""
    place = 0
    while place < len(datagram):
        if place + _HEADER.size > len(datagram):
            raise XfrmError("the kernel's datagram ends within a message")
        length, kind, _flags, number, _port = _HEADER.unpack_from(datagram, place)
        if length < _HEADER.size or place + length > len(datagram):
            raise XfrmError(f"the kernel's datagram has a message of {length} bytes")
        yield kind, number, datagram[place + _HEADER.size:place + length]
        place += (length + 3) & ~3


def _address(raw: bytes, family: int) -> str:
    return str(ipaddress.IPv6Address(raw) if family == socket.AF_INET6 else ipaddress.IPv4Address(raw[:4]))


def _network(raw: bytes, family: int, length: int) -> str:
    return f"{_address(raw, family)}/{length}"


def _open() -> socket.socket:
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_XFRM)
    except OSError as error:
        raise NoXfrmError(f"this kernel has no IPsec (CONFIG_XFRM_USER): {error.strerror}") from error
    netlink.settimeout(_SECONDS)
    netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return netlink


def _dump(command: int) -> list[tuple[int, bytes]]:
    """Every message of a listing."""
    with _open() as netlink:
        netlink.send(_HEADER.pack(_HEADER.size, command, _REQUEST | _DUMP, 1, 0))
        found: list[tuple[int, bytes]] = []
        while len(found) < MOST_MESSAGES:
            for kind, _number, body in messages(_receive(netlink)):
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    raise XfrmError(f"the kernel does not list IPsec: {os.strerror(_code(body))}")
                found.append((kind, body))
    raise XfrmError(f"the kernel lists more than {MOST_MESSAGES} entries of IPsec")


def _receive(netlink: socket.socket) -> bytes:
    try:
        return netlink.recv(1 << 20)
    except OSError as error:
        raise XfrmError(f"the kernel does not list IPsec: {error.strerror or error}") from error


def _code(body: bytes) -> int:
    if len(body) < 4:
        raise XfrmError("the kernel's error has no number")
    return -int(struct.unpack_from("=i", body)[0])


def esp_missing(families: t.Iterable[int], *, compatible: bool) -> str:
    """What of ESP in transport mode this kernel cannot do for these address families; empty when it can do all.

    Makes states, so call it in a network namespace that ends with the call. compatible: AES-CBC with HMAC-SHA-1 is wanted as well.
    """
    for family in families:
        for words, cipher, length, integrity, strength in _SUITES[:2 if compatible else 1]:
            code = _try_state(family, cipher, length, integrity, strength)
            if code:
                name = "IPv6" if family == socket.AF_INET6 else "IPv4"
                return f"ESP with {words} over {name}: {errno.errorcode.get(code, str(code))}, {os.strerror(code)}"
    return ""


def _try_state(family: int, cipher: str, length: int, integrity: str, strength: int) -> int:
    """Make one state between documentation addresses; returns 0 or the number of the error."""
    with _open() as netlink:
        body = _state(family) + _algorithms(cipher, length, integrity, strength)
        netlink.send(_HEADER.pack(_HEADER.size + len(body), _NEWSA, _REQUEST | _ACK | _CREATE | _EXCL, 1, 0) + body)
        for kind, _number, answer in messages(_receive(netlink)):
            if kind == _ERROR:
                return _code(answer)
    raise XfrmError("the kernel does not say whether it made a state of IPsec")


def _state(family: int) -> bytes:
    near, far = (socket.inet_pton(family, text).ljust(16, b"\0") for text in (("2001:db8::1", "2001:db8::2") if family == socket.AF_INET6
                                                                              else ("192.0.2.1", "192.0.2.2")))
    selector = _SELECTOR.pack(b"", b"", b"", b"", b"", b"", family, 0, 0, 0, 0, 0)
    rest = struct.pack("=16s4sB3x16s", far, b"\0\0\x12\x34", _ESP, near) + _NO_LIMITS + bytes(32 + 12)
    return (selector + rest + struct.pack("=IIHBBB", 0, 1, family, _TRANSPORT, 0, 0)).ljust(_STATE_BYTES, b"\0")


def _algorithms(cipher: str, length: int, integrity: str, strength: int) -> bytes:
    if not integrity:
        return _attribute(_ALG_AEAD, cipher.encode("ascii").ljust(64, b"\0") + struct.pack("=II", length * 8, 128) + bytes(length))
    return b"".join(
        _attribute(kind, name.encode("ascii").ljust(64, b"\0") + struct.pack("=I", size * 8) + bytes(size))
        for kind, name, size in ((_ALG_CRYPT, cipher, length), (_ALG_AUTH, integrity, strength))
    )


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + bytes(-len(data) % 4)


__all__ = (
    "DIRECTIONS", "NoXfrmError", "Policy", "State", "XfrmError", "attributes", "esp_missing", "messages", "parse_policy", "parse_state", "policies", "states",
)
