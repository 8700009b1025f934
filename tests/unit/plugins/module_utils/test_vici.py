# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vici as a client: nothing is half understood, whatever a daemon sends."""

from __future__ import annotations

import socket
import struct
import threading
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.module_utils import _vici

KEYS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60).filter(lambda text: len(text.encode()) < 256)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
MESSAGES = st.dictionaries(KEYS, st.recursive(
    TEXTS | st.lists(TEXTS, max_size=5), lambda inner: st.dictionaries(KEYS, inner, max_size=4), max_leaves=12), max_size=6)


@given(MESSAGES)
def test_what_is_written_is_read_back(message: dict[str, t.Any]) -> None:
    assert _vici.decode(_vici.encode(message)) == message


@given(st.binary(max_size=400))
def test_no_bytes_do_anything_but_be_understood_or_refused(raw: bytes) -> None:
    try:
        found = _vici.decode(raw)
    except _vici.ViciError:
        return
    assert _vici.encode(found) == raw


@given(MESSAGES.filter(bool), st.data())
def test_a_message_that_is_cut_off_is_refused(message: dict[str, t.Any], data: st.DataObject) -> None:
    raw = _vici.encode(message)
    cut = raw[:data.draw(st.integers(1, len(raw) - 1))]
    try:
        found = _vici.decode(cut)
    except _vici.ViciError:
        return
    assert len(found) < len(message), "only whole elements may be left"


def test_bytes_that_are_no_text_survive() -> None:
    raw = b"\x03\x04data\x00\x03\xff\x00\x30"
    assert _vici.decode(raw)["data"].encode("utf-8", errors="surrogateescape") == b"\xff\x00\x30"
    assert _vici.encode(_vici.decode(raw)) == raw


@pytest.mark.parametrize(("raw", "text"), [
    (b"\x02", "of kind 2 where none may be"),
    (b"\x05\x00\x01a", "of kind 5"),
    (b"\x01\x01a", "cut off"),
    (b"\x04\x01a\x03", "in a list"),
    (b"\x03\x01a\x00\x01b\x03\x01a\x00\x01c", "the key 'a' twice"),
    (b"\x03\x00\x00\x01b", "without a name"),
    (b"\x01\x01a" * 40, "sections deep"),
])
def test_what_is_no_message_is_named(raw: bytes, text: str) -> None:
    with pytest.raises(_vici.ViciError, match=text):
        _vici.decode(raw)


@pytest.mark.parametrize("message", [{"": "x"}, {"k" * 256: "x"}, {"k": "x" * 65536}])
def test_what_does_not_fit_is_not_sent(message: dict[str, str]) -> None:
    with pytest.raises(_vici.ViciError, match="does not fit"):
        _vici.encode(message)


def packet(kind: int, body: bytes = b"") -> bytes:
    return struct.pack(">IB", len(body) + 1, kind) + body


def named(kind: int, name: str, message: dict[str, t.Any]) -> bytes:
    return packet(kind, bytes((len(name),)) + name.encode() + _vici.encode(message))


def talk(answers: bytes, work: t.Callable[[_vici.Vici], t.Any]) -> t.Any:
    """Let a daemon say this, whatever it is asked."""
    near, far = socket.socketpair()
    thread = threading.Thread(target=lambda: (far.sendall(answers), far.shutdown(socket.SHUT_WR)))
    thread.start()
    try:
        with _vici.Vici(near) as vici:
            return work(vici)
    finally:
        thread.join()
        far.close()


def test_a_command_is_answered() -> None:
    assert talk(packet(1, _vici.encode({"version": "5.9.8"})), lambda vici: vici.request("version")) == {"version": "5.9.8"}


def test_events_come_before_the_answer() -> None:
    said = packet(5) + named(7, "list-sa", {"a": {}}) + named(7, "list-sa", {"b": {}}) + packet(1) + packet(5)
    assert talk(said, lambda vici: vici.stream("list-sas", "list-sa")) == [{"a": {}}, {"b": {}}]


@pytest.mark.parametrize(("answers", "text"), [
    (packet(1, _vici.encode({"success": "no", "errmsg": "no such thing"})), "refused version: no such thing"),
    (packet(2), "knows no command version"),
    (packet(5), "a packet of kind 5"),
    (named(7, "list-sa", {}), "a packet of kind 7"),
    (struct.pack(">I", 0), "a packet of 0 bytes"),
    (struct.pack(">I", _vici.MOST_BYTES + 1), "a packet of 524289 bytes"),
    (struct.pack(">I", 10) + b"\x01", "closed the connection"),
    (b"", "closed the connection"),
    (packet(1, b"\x03"), "cut off"),
])
def test_other_answers_are_refused(answers: bytes, text: str) -> None:
    with pytest.raises(_vici.ViciError, match=text):
        talk(answers, lambda vici: vici.request("version"))


@pytest.mark.parametrize(("answers", "text"), [
    (packet(6), "knows no event list-sa"), (packet(5) + named(7, "log", {}) + packet(1), "another event than list-sa"),
])
def test_other_events_are_refused(answers: bytes, text: str) -> None:
    with pytest.raises(_vici.ViciError, match=text):
        talk(answers, lambda vici: vici.stream("list-sas", "list-sa"))


def test_a_daemon_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(_vici.NoDaemonError, match="does not run"):
        _vici.find_socket([tmp_path / "charon.vici"])
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "charon.vici"))
    left.close()
    assert _vici.find_socket([tmp_path / "other", tmp_path / "charon.vici"]) == tmp_path / "charon.vici"
    with pytest.raises(_vici.NoDaemonError, match="does not answer"):
        _vici.Vici.connect(tmp_path / "charon.vici")
