# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of real sockets on loopback, and what each error and ICMP message means."""

from __future__ import annotations

import errno
import re
import socket
import struct
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.module_utils._probe import (
    VERDICTS,
    Finding,
    Icmp,
    Limits,
    Probe,
    explain,
    read_icmp,
    run,
    settle,
)
from ansible_collections.datapath.exchange.tests.unit.plugins.module_utils import probe_responder

QUICK = Limits(timeout=0.5, retries=0)


@pytest.fixture(name="certificate", scope="module")
def _certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=probe.invalid", "-keyout", path, "-out", f"{path}.crt"],
        check=True, capture_output=True,
    )
    path.write_text(path.read_text() + Path(str(path) + ".crt").read_text())
    return str(path)


@pytest.mark.parametrize(
    ("kind", "tls", "reason", "encryption"),
    [
        ("plain", "", "connected", ""),
        ("tls", "tls", "tls_server_hello", "offered"),
        ("tls13", "tls", "tls_alert", "offered"),
        ("clear_text", "tls", "clear_text", "not_offered"),
        ("plain", "tls", "closed", "not_offered"),
        ("mute", "tls", "no_tls_answer", "not_offered"),
        ("starttls", "starttls-smtp", "starttls", "offered"),
        ("no_starttls", "starttls-smtp", "no_starttls", "not_offered"),
        ("ehlo_refused", "starttls-smtp", "smtp_refused", ""),
        ("smtp_refused", "starttls-smtp", "smtp_refused", ""),
        ("mute", "starttls-smtp", "smtp_no_greeting", ""),
        ("plain", "starttls-smtp", "smtp_refused", ""),
    ],
)
def test_an_open_port_and_what_it_offers(certificate: str, kind: str, tls: str, reason: str, encryption: str) -> None:
    with probe_responder.start_tcp("127.0.0.1", 0, kind, certificate) as listener:
        [result] = run([Probe("p", "127.0.0.1", "tcp", listener.getsockname()[1], tls)], QUICK)
    assert (result["verdict"], result["reason"], result["encryption"]) == ("open", reason, encryption)
    assert list(result) == ["id", "verdict", "reason", "ms", "encryption"]


def _closed(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def test_closed_ports_of_loopback_are_refused() -> None:
    probes = [Probe("t", "127.0.0.1", "tcp", _closed(socket.SOCK_STREAM)), Probe("u", "127.0.0.1", "udp", _closed(socket.SOCK_DGRAM))]
    assert [(row["verdict"], row["reason"]) for row in run(probes, QUICK)] == [("refused", "reset"), ("refused", "port_unreachable")]


def test_results_keep_the_order_of_the_list() -> None:
    with probe_responder.start_tcp("127.0.0.1", 0, "plain") as opened, probe_responder.start_udp("127.0.0.1", 0, answers=True) as answering:
        kinds = {"tcp": opened.getsockname()[1], "udp": answering.getsockname()[1]}
        probes = [Probe(f"p{number}", "127.0.0.1", ("udp", "tcp", "tcp")[number % 3], kinds[("udp", "tcp", "tcp")[number % 3]]) for number in range(200)]
        results = run(probes, Limits(timeout=5, concurrency=3))
    assert [row["id"] for row in results] == [probe.id for probe in probes]
    assert {row["verdict"] for row in results} == {"open"}


def test_what_is_left_when_the_time_is_over_is_unknown() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        probes = [Probe("first", "127.0.0.1", "tcp", _closed(socket.SOCK_STREAM)), Probe("second", "127.0.0.1", "udp", silent.getsockname()[1])]
        results = run(probes, Limits(total_timeout=0.3))
    assert [(row["verdict"], row["reason"]) for row in results] == [("refused", "reset"), ("unknown", "out_of_time")]


def test_nothing_to_do() -> None:
    assert run([]) == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"address": "mail.invalid"}, "does not appear to be an IPv4 or IPv6 address"),
        ({"port": 0}, "port 0 is not 1 to 65535"),
        ({"port": 65536}, "port 65536 is not 1 to 65535"),
        ({"protocol": "icmp"}, "protocol 'icmp' or tls '' is not known"),
        ({"tls": "ssl"}, "protocol 'tcp' or tls 'ssl' is not known"),
        ({"protocol": "udp", "tls": "tls"}, "tls needs protocol tcp"),
    ],
)
def test_a_probe_that_cannot_be_tried_does_not_exist(fields: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Probe(**{"id": "p", "address": "192.0.2.1", "protocol": "tcp", "port": 25, **fields})


TCP, UDP, TCP6, UDP6 = (Probe("p", address, protocol, 25) for address in ("192.0.2.1", "2001:db8::1") for protocol in ("tcp", "udp"))


@pytest.mark.parametrize(
    ("code", "probe", "icmp", "arrived", "expected"),
    [
        (errno.ECONNREFUSED, TCP, None, True, ("refused", "reset")),
        (errno.ECONNREFUSED, UDP, None, True, ("refused", "port_unreachable")),
        (errno.EHOSTUNREACH, TCP, None, True, ("unknown", "host_unreachable")),
        (errno.EHOSTUNREACH, TCP, None, False, ("unknown", "no_route")),
        (errno.ENETUNREACH, TCP, None, False, ("unknown", "no_route")),
        (errno.EADDRNOTAVAIL, TCP6, None, False, ("unknown", "no_source_address")),
        (errno.EPERM, UDP, None, False, ("filtered", "own_firewall")),
        (errno.EACCES, TCP6, None, True, ("filtered", "admin_prohibited")),
        (errno.EACCES, TCP, None, False, ("unknown", "local_eacces")),
        (errno.ETIMEDOUT, TCP, None, True, ("filtered", "no_answer")),
        (errno.EMFILE, TCP, None, False, ("unknown", "local_emfile")),
        (errno.EAFNOSUPPORT, TCP6, None, False, ("unknown", "local_eafnosupport")),
        (99999, TCP, None, False, ("unknown", "local_99999")),
        (errno.ECONNREFUSED, UDP, Icmp(4, 3, "192.0.2.1"), True, ("refused", "port_unreachable")),
        (errno.ECONNREFUSED, UDP, Icmp(4, 3, "192.0.2.254"), True, ("filtered", "rejected")),
        (errno.ECONNREFUSED, TCP, Icmp(4, 3, "192.0.2.1"), True, ("filtered", "rejected")),
        (errno.ECONNREFUSED, UDP6, Icmp(6, 4, "2001:db8::1"), True, ("refused", "port_unreachable")),
        (errno.ECONNREFUSED, UDP6, Icmp(6, 3, "2001:db8::1"), True, ("filtered", "rejected")),
        (errno.EHOSTUNREACH, TCP, Icmp(4, 1, "192.0.2.254"), True, ("unknown", "host_unreachable")),
        (errno.EHOSTUNREACH, TCP, Icmp(4, 1, "192.0.2.1"), True, ("filtered", "rejected")),
        (errno.ENOPROTOOPT, TCP, Icmp(4, 2, "192.0.2.1"), True, ("filtered", "rejected")),
        *((errno.EHOSTUNREACH, TCP, Icmp(4, code, "192.0.2.254"), True, ("filtered", "admin_prohibited")) for code in (9, 10, 13)),
        *((errno.EACCES, UDP6, Icmp(6, code, "2001:db8::ff"), True, ("filtered", "admin_prohibited")) for code in (1, 5, 6)),
    ],
)
def test_explain(code: int, probe: Probe, icmp: Icmp | None, *, arrived: bool, expected: tuple[str, str]) -> None:
    assert explain(code, probe, icmp, arrived=arrived) == expected


@given(code=st.integers(0, 200), probe=st.sampled_from([TCP, UDP, TCP6, UDP6]), arrived=st.booleans())
def test_every_errno_has_one_verdict_and_an_ascii_word(code: int, probe: Probe, *, arrived: bool) -> None:
    verdict, reason = explain(code, probe, None, arrived=arrived)
    assert verdict in VERDICTS[1:]
    assert re.fullmatch("[a-z0-9_]+", reason)


def _queued(origin: int, kind: int, code: int, offender: bytes) -> bytes:
    return struct.pack("=I4BII", errno.EHOSTUNREACH, origin, kind, code, 0, 0, 0) + offender


V4 = struct.pack("=H2x4s8x", socket.AF_INET, socket.inet_aton("192.0.2.254"))
V6 = struct.pack("=H6x16s4x", socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "2001:db8::fe"))


@pytest.mark.parametrize(
    ("ancillary", "expected"),
    [
        ([(socket.IPPROTO_IP, 11, _queued(2, 3, 13, V4))], Icmp(4, 13, "192.0.2.254")),
        ([(socket.IPPROTO_IPV6, 25, _queued(3, 1, 1, V6))], Icmp(6, 1, "2001:db8::fe")),
        ([(socket.SOL_SOCKET, 29, bytes(16)), (socket.IPPROTO_IP, 11, _queued(2, 3, 1, V4))], Icmp(4, 1, "192.0.2.254")),
        ([(socket.IPPROTO_IP, 11, _queued(1, 0, 0, V4))], None),
        ([(socket.IPPROTO_IP, 11, _queued(2, 11, 0, V4))], None),
        ([(socket.IPPROTO_IP, 11, b"short")], None),
        ([], None),
    ],
)
def test_read_icmp(ancillary: list[tuple[int, int, bytes]], expected: Icmp | None) -> None:
    assert read_icmp(ancillary) == expected


@pytest.mark.parametrize(
    ("port", "answering", "expected"),
    [
        (53, {"192.0.2.1"}, ("filtered", "no_answer")),
        (53, set(), ("unknown", "silent_no_control")),
        (53, {"192.0.2.2"}, ("unknown", "silent_no_control")),
        (3343, {"192.0.2.1"}, ("unknown", "silent_port")),
        (3343, set(), ("unknown", "silent_no_control")),
    ],
)
def test_silence_means_something_only_beside_an_answer(port: int, answering: set[str], expected: tuple[str, str]) -> None:
    assert settle(Probe("p", "192.0.2.1", "udp", port), Finding("", "silent"), answering)[:2] == expected


def test_the_spelling_of_an_address_does_not_hide_its_control() -> None:
    assert settle(Probe("p", "2001:DB8:0::1", "udp", 53), Finding("", "silent"), {"2001:db8::1"}).verdict == "filtered"
