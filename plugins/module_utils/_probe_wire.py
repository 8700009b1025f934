# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What a probe says on the wire, and how it reads the answers. Bytes in, words out: no socket is touched here."""

from __future__ import annotations

import struct
import typing as t

QUESTION_NAME = b"probe.invalid"
"""Our name where a protocol wants one; ``invalid`` never resolves (RFC 2606)."""

# Suites of every age: the question is whether the service speaks TLS at all, so servers that know only TLS 1.0 with RC4 must find
# a suite too. Nothing is ever sent under them. https://www.iana.org/assignments/tls-parameters
_SUITES = (
    0xC02B, 0xC02F, 0xC02C, 0xC030, 0xC009, 0xC013, 0xC00A, 0xC014, 0x009E, 0x009F, 0x0033, 0x0039,
    0x009C, 0x009D, 0x002F, 0x0035, 0x003C, 0x003D, 0x000A, 0x0005, 0x0004, 0x00FF,
)
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)


def _vector(size: int, content: bytes) -> bytes:
    """A TLS vector: its length in ``size`` bytes, then the content."""
    return len(content).to_bytes(size, "big") + content


def _numbers(values: t.Iterable[int]) -> bytes:
    return b"".join(struct.pack("!H", value) for value in values)


def client_hello(random: bytes) -> bytes:
    """Return a TLS 1.2 ClientHello record (RFC 5246, 7.4.1.2). ``random``: 32 bytes."""
    extensions = b"".join(
        struct.pack("!H", kind) + _vector(2, content)
        for kind, content in (
            (0x000A, _vector(2, _numbers(_GROUPS))),
            (0x000B, _vector(1, b"\x00")),
            (0x000D, _vector(2, _numbers(_SIGNATURES))),
        )
    )
    hello = b"\x03\x03" + random + _vector(1, b"") + _vector(2, _numbers(_SUITES)) + _vector(1, b"\x00") + _vector(2, extensions)
    return b"\x16\x03\x01" + _vector(2, b"\x01" + _vector(3, hello))


def read_tls(data: bytes) -> tuple[str, str]:
    """Return (encryption, reason) for the first bytes that answered a ClientHello.

    An alert counts as offered: who sends one speaks TLS and nothing else, it only refused this hello (TLS 1.3 alone, for example).
    """
    if len(data) >= 6 and data[0] == 0x16 and data[1] == 3 and data[5] == 2:
        return "offered", "tls_server_hello"
    if len(data) >= 6 and data[0] == 0x15 and data[1] == 3:
        return "offered", "tls_alert"
    return "not_offered", "clear_text" if data else "closed"


def smtp_reply_complete(data: bytes) -> bool:
    """Tell whether ``data`` ends with the last line of an SMTP reply: three digits and a blank (RFC 5321, 4.2.1)."""
    last = data.rsplit(b"\n", 2)[-2] if data.endswith(b"\n") and b"\n" in data else b""
    return last[:3].isdigit() and last[3:4] in (b" ", b"\r", b"")


def read_ehlo(data: bytes) -> tuple[str, str]:
    """Return (encryption, reason) for the reply to EHLO; STARTTLS is a keyword of its own line (RFC 3207)."""
    lines = data.splitlines()
    if not lines or not lines[-1].startswith(b"250"):
        return "", "smtp_refused"
    keywords = [line[4:].split(b" ")[0].strip().upper() for line in lines]
    return ("offered", "starttls") if b"STARTTLS" in keywords else ("not_offered", "no_starttls")


def _der(tag: int, *parts: bytes) -> bytes:
    """Encode one DER value of at most 255 bytes of content."""
    content = b"".join(parts)
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def _principal(kind: int, *names: bytes) -> bytes:
    strings = (_der(0x1B, name) for name in names)
    return _der(0x30, _der(0xA0, _der(0x02, bytes([kind]))), _der(0xA1, _der(0x30, *strings)))


def kerberos_question() -> bytes:
    """Return an AS-REQ (RFC 4120, 5.4.1) for a realm that cannot exist: every KDC must answer it with an error."""
    realm = b"PROBE.INVALID"
    body = _der(
        0x30,
        _der(0xA0, _der(0x03, b"\x00\x00\x00\x00\x00")),
        _der(0xA1, _principal(1, b"probe")),
        _der(0xA2, _der(0x1B, realm)),
        _der(0xA3, _principal(2, b"krbtgt", realm)),
        _der(0xA5, _der(0x18, b"20370913024805Z")),
        _der(0xA7, _der(0x02, b"\x2a")),
        _der(0xA8, _der(0x30, *(_der(0x02, bytes([etype])) for etype in (18, 17, 23)))),
    )
    return _der(0x6A, _der(0x30, _der(0xA1, _der(0x02, b"\x05")), _der(0xA2, _der(0x02, b"\x0a")), _der(0xA4, body)))


def dns_question() -> bytes:
    """Return a query for the SOA of the root without recursion: it makes no server ask another."""
    return struct.pack("!6H", 0x6470, 0, 1, 0, 0, 0) + b"\x00" + struct.pack("!2H", 6, 1)


def ldap_question() -> bytes:
    """Return a search of the root DSE over UDP (MS-ADTS 3.1.1.3.1.3): base scope, ``(objectClass=*)``, one attribute."""
    search = _der(
        0x63, _der(0x04), _der(0x0A, b"\x00"), _der(0x0A, b"\x00"), _der(0x02, b"\x00"), _der(0x02, b"\x00"), _der(0x01, b"\x00"),
        _der(0x87, b"objectClass"), _der(0x30, _der(0x04, b"currentTime")),
    )
    return _der(0x30, _der(0x02, b"\x01"), search)


def ntp_question() -> bytes:
    """Return a client request, version 3 (RFC 5905, 7.3)."""
    return b"\x1b" + bytes(47)


def sip_question(local: str, local_port: int, remote: str, remote_port: int) -> bytes:
    """Return OPTIONS (RFC 3261, 11), which every SIP user agent answers and which calls nobody."""
    here, there = (f"[{address}]" if ":" in address else address for address in (local, remote))
    name = QUESTION_NAME.decode()
    lines = (
        f"OPTIONS sip:{there}:{remote_port} SIP/2.0",
        f"Via: SIP/2.0/UDP {here}:{local_port};rport;branch=z9hG4bK{local_port}",
        "Max-Forwards: 1",
        f"From: <sip:probe@{name}>;tag={local_port}",
        f"To: <sip:{there}:{remote_port}>",
        f"Call-ID: {local_port}@{name}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:probe@{here}:{local_port}>",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


def udp_question(port: int, local: tuple[str, int], remote: str) -> bytes:
    """Return the datagram that the usual service of ``port`` must answer; empty where there is none (a listener may then stay silent)."""
    if port == 5060:
        return sip_question(local[0], local[1], remote, port)
    fixed = {53: dns_question, 88: kerberos_question, 123: ntp_question, 389: ldap_question}
    return fixed[port]() if port in fixed else b""


MUTE_PORTS = frozenset((67, 68, 69, 111, 137, 138, 161, 162, 464, 500, 514, 1434, 1812, 1813, 1900, 3343, 4500, 5353, 5355))
"""UDP ports whose usual service keeps silent when the datagram makes no sense to it, and for which we have no better one."""


def answer_due(port: int) -> bool:
    """Tell whether an unfiltered UDP port must answer us: its service has a question it knows, or no service is usual and the system refuses."""
    return port not in MUTE_PORTS


__all__ = (
    "MUTE_PORTS", "QUESTION_NAME", "answer_due", "client_hello", "dns_question", "kerberos_question", "ldap_question", "ntp_question", "read_ehlo", "read_tls",
    "sip_question", "smtp_reply_complete", "udp_question",
)
