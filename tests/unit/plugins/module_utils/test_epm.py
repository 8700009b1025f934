# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of the endpoint mapper: what a Samba 4.17 said, what a double says in every shape, and what nobody should say."""

from __future__ import annotations

import socket
import threading
import time
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.module_utils import _epm
from ansible_collections.datapath.exchange.plugins.module_utils import _epm_wire as wire
from ansible_collections.datapath.exchange.plugins.module_utils._epm_wire import Endpoint, EpmError
from ansible_collections.datapath.exchange.tests.unit.plugins.module_utils import epm_double as double

# Three entries of an answer of Samba 4.17.12 on Debian 12, asked by this client: a named pipe, winreg on TCP, a local socket.
SAMBA = bytes.fromhex(
    "00000000d61904c594cacf4d8c4b467fb7e1c24c030000000300000000000000030000000000000000000000000000000000000001000000000000000700000077696e7265670000"
    "0000000000000000000000000000000002000000000000000700000077696e72656700000000000000000000000000000000000003000000000000000700000077696e7265670000"
    "5300000053000000050013000d01d08c334422f131aaaa90003800100301000200000013000d045d888aeb1cc9119fe808002b10486002000200000001000b0200000001000f0d00"
    "5c706970655c77696e72656700010011010000004b0000004b000000050013000d01d08c334422f131aaaa90003800100301000200000013000d045d888aeb1cc9119fe808002b10"
    "486002000200000001000b02000000010007020017760100090400c0000201004c0000004c000000040013000d01d08c334422f131aaaa90003800100301000200000013000d045d"
    "888aeb1cc9119fe808002b10486002000200000001000c020000000100100c00727063645f77696e7265670000000000"
)


def talk(*answers: bytes, seconds: float = 5.0) -> tuple[Endpoint, ...]:
    """Ask a server that says this, one piece for each question, and then nothing more."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        peer = listener.accept()[0]
        for data in answers:
            double.request(peer)
            peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        double.request(peer)
        peer.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        return _epm.lookup("127.0.0.1", listener.getsockname()[1], seconds)
    finally:
        listener.close()


def server(entries: t.Sequence[tuple[bytes, str]], **options: t.Any) -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: double.converse(listener.accept()[0], entries, **options), daemon=True).start()
    return int(listener.getsockname()[1])


def test_samba_is_understood() -> None:
    handle, found, count = wire.answer(SAMBA, "<")
    assert count == 3 and handle != wire.NO_HANDLE
    assert found == (Endpoint(6006, "192.0.2.1", "338cd001-2244-31f1-aaaa-900038001003", "1.0", "winreg"),)


names = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=63)
servers = st.lists(st.tuples(names, st.integers(1, 65535)), max_size=130, unique=True)


@given(servers, st.sampled_from("<>"), st.integers(20, 5000))
def test_everything_that_is_registered_is_found(registered: list[tuple[str, int]], order: str, size: int) -> None:
    entries = [(double.tower(name, port), name) for name, port in registered]
    mixed = [entry for pair in zip(entries, [(double.pipe("x"), "")] * len(entries), strict=True) for entry in pair]
    found = _epm.lookup("127.0.0.1", server(mixed, order=order, size=size), 20)
    assert [(entry.annotation, entry.port) for entry in found] == [(name, port) for port, name in sorted(
        {(port, name) for name, port in registered}, key=lambda pair: (pair[0], str(double.interface(pair[1]))))]
    assert {entry.address for entry in found} <= {"192.0.2.1"} and {entry.version for entry in found} <= {"1.0"}
    assert {entry.interface for entry in found} == {str(double.interface(name)) for name, _port in registered}


def test_an_endpoint_mapper_without_a_handle_is_asked_once() -> None:
    last = double.responses(double.answer([(double.tower("a", 5000), "a")], handle=bytes(20)))
    assert [entry.port for entry in talk(double.bind_ack(), last)] == [5000]


def test_the_last_entries_may_come_with_the_word_that_there_are_no_more() -> None:
    stub = double.answer([(double.tower("a", 5000), "a")], handle=bytes(20), status=double.NOT_REGISTERED)
    assert [entry.port for entry in talk(double.bind_ack(), double.responses(stub))] == [5000]


def test_what_it_calls_an_interface_is_printable() -> None:
    _handle, found, _count = wire.answer(double.answer([(double.tower("a", 5000), "\x1b[2J\nboo")]), "<")
    assert found[0].annotation == "?[2J?boo"


ONE = double.answer([(double.tower("a", 5000), "a")])
FAULT = double.pdu(3, bytes(8) + (0x1C010003).to_bytes(4, "little") + bytes(4))


@pytest.mark.parametrize(("answers", "words"), [
    ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "does not speak DCE RPC 5"),
    ((double.pdu(13, bytes(4)),), "refuses the interface"), ((double.bind_ack(2),), "refuses the interface of an endpoint mapper, reason 4"),
    ((double.pdu(2, bytes(8)),), "kind 2 answers the bind"),
    ((double.bind_ack()[:10],), "ends the connection"), ((b"",), "ends the connection"),
    ((double.bind_ack(), FAULT), "fault 0x1c010003"), ((double.bind_ack(), double.bind_ack()), "kind 12 answers the lookup"),
    ((double.bind_ack(), double.responses(ONE)[:-7]), "ends the connection"),
    ((double.bind_ack(), double.responses(ONE[:-9])), "within a value"),
    ((double.bind_ack(), double.responses(double.answer([], status=0x16C9A0CB))), "status 0x16c9a0cb"),
    ((double.bind_ack(), double.responses(double.answer([(double.tower("a", 1), "a")], most=0))), "counts 1 entries"),
    ((double.bind_ack(), double.responses(double.HANDLE + b"\xff" * 16)), "counts 4294967295 entries"),
    ((double.bind_ack(), double.responses(double.answer([(b"\xff\xff", "a")]))), "65535 floors"),
    ((double.bind_ack(), double.responses(double.answer([(double.floors(*[(b"", b"")] * 3, (b"\x07", b"\0\1")), "a")]))), "without an interface"),
    ((double.bind_ack(), double.pdu(2, bytes(8), flags=1) * 2), "ends the connection"),
    ((double.bind_ack(), double.responses(double.answer([(double.tower("a", 1), "x" * 80)]))), "annotation of 81 bytes"),
])
def test_what_breaks_the_protocol_is_an_error_that_says_what(answers: tuple[bytes, ...], words: str) -> None:
    with pytest.raises(EpmError, match=words):
        talk(*answers)


def test_authentication_that_nobody_asked_for_is_refused() -> None:
    data = bytearray(double.bind_ack())
    data[10] = 8
    with pytest.raises(EpmError, match="8 bytes of authentication"):
        talk(bytes(data))


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EpmError, match=f"no answer on 127.0.0.1 port {port}: .*refused"):
        _epm.lookup("127.0.0.1", port)


def endless(make: t.Callable[[int], bytes], pause: float = 0.0) -> int:
    """A server that never ends to answer; gives its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        peer = listener.accept()[0]
        try:
            double.request(peer)
            peer.sendall(double.bind_ack())
            for number in range(1 << 20):
                peer.sendall(make(number))
                time.sleep(pause)
        except OSError:
            peer.close()

    threading.Thread(target=run, daemon=True).start()
    return int(listener.getsockname()[1])


def test_an_answer_without_end_is_cut_by_its_size() -> None:
    part = double.pdu(2, bytes(60000), flags=0)
    with pytest.raises(EpmError, match="more than 1048576 bytes"):
        _epm.lookup("127.0.0.1", endless(lambda _number: part), 60)


def test_answers_without_end_are_cut_by_their_number() -> None:
    with pytest.raises(EpmError, match="not listed all after 200 answers"):
        _epm.lookup("127.0.0.1", endless(lambda number: double.responses(double.answer([(double.tower("a", number % 60000 + 1), "a")]))), 60)


def test_bytes_that_trickle_are_cut_by_the_time() -> None:
    begun = time.monotonic()
    with pytest.raises(EpmError, match=r"too long|timed out"):
        _epm.lookup("127.0.0.1", endless(lambda _number: b"\x05" if _number % 2 else b"\0", pause=0.1), 0.5)
    assert time.monotonic() - begun < 5


# -- fuzzing ---------------------------------------------------------------------------------------------------------------


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good answer with some bytes changed, taken out or put in."""
    good = draw(st.sampled_from([SAMBA, ONE, double.answer([(double.tower("abc", 50000), "abc")] * 3, order=">")]))
    data = bytearray(good)
    for _time in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        data[at:at + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data)


@given(damaged() | st.binary(max_size=400), st.sampled_from("<>"))
def test_damaged_answers_end_in_an_error_or_in_bounds(data: bytes, order: str) -> None:
    try:
        _handle, found, count = wire.answer(data, order)
    except EpmError:
        return
    assert count <= wire.MOST_ENTRIES and len(found) <= count
    assert all(0 <= entry.port <= 65535 and entry.annotation.isprintable() for entry in found)


@given(st.binary(max_size=40), st.binary(max_size=80))
def test_damaged_pdus_end_in_an_error_or_in_bounds(first: bytes, body: bytes) -> None:
    for data in (first, double.bind_ack()[:16], b"\x05\0" + first):
        try:
            head = wire.header(data[:16])
        except EpmError:
            continue
        assert 16 <= head.length <= 65535 and head.order in "<>"
        for read in (wire.accepted, wire.fragment):
            try:
                read(head, body)
            except EpmError:
                continue
