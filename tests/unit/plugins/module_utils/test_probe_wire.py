# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions are well formed, and answers are read for what they say."""

from __future__ import annotations

import ssl

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _probe_wire as wire


def test_a_real_tls_server_reads_the_client_hello() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(wire.client_hello(bytes(range(32))))
    with pytest.raises(ssl.SSLError) as caught:
        server.do_handshake()
    # Without a certificate no suite fits: the hello itself was understood, or the reason would be a length or a record.
    assert caught.value.reason == "NO_SHARED_CIPHER"
    assert wire.read_tls(outgoing.read()) == ("offered", "tls_alert")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x16\x03\x01\x00\x4a\x02", ("offered", "tls_server_hello")),
        (b"\x16\x03\x01\x00\x4a\x0b", ("not_offered", "clear_text")),
        (b"\x15\x03\x03\x00\x02\x02\x28", ("offered", "tls_alert")),
        (b"\x15\x03", ("not_offered", "clear_text")),
        (b"HTTP/1.1 400", ("not_offered", "clear_text")),
        (b"", ("not_offered", "closed")),
    ],
)
def test_read_tls(data: bytes, expected: tuple[str, str]) -> None:
    assert wire.read_tls(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"220 ready\r\n", True), (b"220-more\r\n220 ready\r\n", True), (b"250\r\n", True), (b"220 ready", False), (b"220-more\r\n", False),
        (b"220-more\r\n220 rea", False), (b"", False), (b"hello\r\n", False),
    ],
)
def test_smtp_reply_complete(data: bytes, *, expected: bool) -> None:
    assert wire.smtp_reply_complete(data) is expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"250-a\r\n250-STARTTLS\r\n250 HELP\r\n", ("offered", "starttls")),
        (b"250 starttls\r\n", ("offered", "starttls")),
        (b"250-STARTTLS now\r\n250 HELP\r\n", ("offered", "starttls")),
        (b"250-a\r\n250-XSTARTTLS\r\n250 HELP STARTTLS\r\n", ("not_offered", "no_starttls")),
        (b"502 what\r\n", ("", "smtp_refused")),
        (b"", ("", "smtp_refused")),
    ],
)
def test_read_ehlo(data: bytes, expected: tuple[str, str]) -> None:
    assert wire.read_ehlo(data) == expected


def _values(data: bytes) -> list[tuple[int, bytes]]:
    """Split DER into (tag, content), one level."""
    found = []
    while data:
        length, start = data[1], 2
        if length & 0x80:
            length, start = data[2], 3
        assert len(data) >= start + length, "truncated"
        found.append((data[0], data[start:start + length]))
        data = data[start + length:]
    return found


def test_the_kerberos_question_is_an_as_req_in_der() -> None:
    [(application, sequence)] = _values(wire.kerberos_question())
    assert application == 0x6A
    fields = dict(_values(_values(sequence)[0][1]))
    assert (fields[0xA1], fields[0xA2]) == (b"\x02\x01\x05", b"\x02\x01\x0a")
    body = dict(_values(_values(fields[0xA4])[0][1]))
    assert sorted(body) == [0xA0, 0xA1, 0xA2, 0xA3, 0xA5, 0xA7, 0xA8]
    assert body[0xA2] == b"\x1b\x0dPROBE.INVALID"


def test_the_ldap_question_is_a_root_dse_search_in_ber() -> None:
    [(sequence, content)] = _values(wire.ldap_question())
    (number, message_id), (search, fields) = _values(content)
    assert (sequence, number, message_id, search) == (0x30, 0x02, b"\x01", 0x63)
    assert [tag for tag, value in _values(fields)] == [0x04, 0x0A, 0x0A, 0x02, 0x02, 0x01, 0x87, 0x30]


def test_the_dns_question_asks_for_no_recursion() -> None:
    assert wire.dns_question().hex() == "64700000000100000000000000" + "0006" + "0001"


def test_the_ntp_question_is_a_client_request() -> None:
    question = wire.ntp_question()
    assert (len(question), question[0] & 7, question[0] >> 3 & 7) == (48, 3, 3)


def test_the_sip_question_brackets_ipv6_and_ends_with_an_empty_line() -> None:
    lines = wire.sip_question("2001:db8::1", 40000, "2001:db8::2", 5060).split(b"\r\n")
    assert lines[0] == b"OPTIONS sip:[2001:db8::2]:5060 SIP/2.0"
    assert lines[1].startswith(b"Via: SIP/2.0/UDP [2001:db8::1]:40000;")
    assert lines[-2:] == [b"", b""]
    assert {line.split(b":")[0] for line in lines[1:-2]} >= {b"Via", b"From", b"To", b"Call-ID", b"CSeq", b"Max-Forwards"}


def test_an_answer_is_due_from_asked_services_and_from_ports_without_a_usual_service() -> None:
    asked = [port for port in range(1, 65536) if wire.udp_question(port, ("192.0.2.1", 1), "192.0.2.2")]
    assert asked == [53, 88, 123, 389, 5060]
    assert all(wire.answer_due(port) for port in asked)
    assert wire.answer_due(40000)
    assert not wire.answer_due(3343)  # the cluster service hears a heartbeat that is none, and keeps silent
