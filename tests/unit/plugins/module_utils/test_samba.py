# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""smb.conf as bytes: our line goes in and comes out, whatever else is there."""

from __future__ import annotations

import os
import stat
import typing as t
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.module_utils import _samba
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Finished

LINE = b"include = /etc/samba/datapath.conf"


@pytest.mark.parametrize(("before", "after"), [
    (b"[global]\n workgroup = A\n\n# shares\n[s]\n path = /\n", b"[global]\n workgroup = A\n%s\n\n# shares\n[s]\n path = /\n"),
    (b"[global]\n", b"[global]\n%s\n"), (b"[global]", b"[global]\n%s"), (b"[ GLObal ]\n[s]\n", b"[ GLObal ]\n%s\n[s]\n"), (b"[globals]\n", b"[globals]\n%s\n"),
    (b"[global]\r\n a = b\r\n[s]\r\n", b"[global]\r\n a = b\r\n%s\r\n[s]\r\n"), (b"[global]\n a = b \\\n [s]\n[t]\n", b"[global]\n a = b \\\n [s]\n%s\n[t]\n"),
    (b"[global]\n# a \\\n[s]\n", b"[global]\n%s\n# a \\\n[s]\n"), (b"[s]\n path = /\n[global]\n a = b", b"[s]\n path = /\n[global]\n a = b\n%s"),
    (b"[global]\n a = b\n[s]\n p = q\n[global]\n c = d\n[t]\n", b"[global]\n a = b\n[s]\n p = q\n[global]\n c = d\n%s\n[t]\n"),
    (b"[global]\n;[s]\n a = b\n", b"[global]\n;[s]\n a = b\n%s\n"), (b"[global]\n a = \xe9\xff\n", b"[global]\n a = \xe9\xff\n%s\n"),
    (b"[s]\n include = /etc/samba/datapath.conf\n[global]\n", b"[s]\n[global]\n%s\n"),
])
def test_our_line_stands_at_the_end_of_global(before: bytes, after: bytes) -> None:
    assert _samba.with_line(before) == after % LINE
    assert _samba.without_line(after % LINE) == _samba.without_line(before) and (LINE in before or _samba.without_line(before) == before)


@pytest.mark.parametrize("conf", [b"", b"[s]\n path = /\n", b"# [global]\n", b"workgroup = A\n[globe]\n"])
def test_a_configuration_without_global_is_refused(conf: bytes) -> None:
    with pytest.raises(EnforceError, match="has no section"):
        _samba.with_line(conf)


pieces = st.sampled_from([
    b"[global]", b"[s]", b" a = b", b"# c", b"; [global]", b"", b" \\", b" a = b \\", b"\xff", b"[", b"]", b"=", b"\r", b"include = x", b"[glob al]", b"\t",
])
confs = st.lists(st.tuples(pieces, st.sampled_from([b"\n", b"\r\n"])), max_size=12).flatmap(
    lambda lines: st.sampled_from([b"".join(map(b"".join, lines)), b"".join(map(b"".join, lines)).rstrip(b"\n")]))


@given(confs | st.binary(max_size=60))
def test_taking_our_line_away_gives_the_same_bytes(conf: bytes) -> None:
    assume(LINE not in conf)
    try:
        changed = _samba.with_line(conf)
    except EnforceError:
        assert _samba.without_line(conf) == conf
        return
    assert changed.count(LINE) == 1 and _samba.without_line(changed) == conf and _samba.with_line(changed) == changed
    assert len(changed) - len(conf) - len(LINE) in (1, 2)


@given(st.integers(1025, 60000), st.dictionaries(st.sampled_from(["ntds", "netlogon", "store"]), st.integers(1025, 65535)))
def test_the_include_file_is_read_back(low: int, static: dict[str, int]) -> None:
    values = _samba.parameters(f"{low}-{low + 99}", static)
    assert set(values) == {_samba.RANGE, *(_samba.DIRECTORY[name] for name in static if name in _samba.DIRECTORY)}
    text = _samba.include_text(values)
    assert _samba.read_include(text) == values and _samba.owned(text)
    assert not _samba.owned(text[1:]) and _samba.owned("")


def test_nothing_to_say_is_no_file() -> None:
    assert _samba.include_text(_samba.parameters("", {"store": 6100})) == ""


def answers(monkeypatch: pytest.MonkeyPatch, *, code: int = 0, listing: str = "", **values: str) -> t.Callable[..., Finished]:
    monkeypatch.setattr(_samba, "find_program", lambda name: f"/usr/bin/{name}")

    def run(argv: t.Sequence[str], _text: str) -> Finished:
        asked = [entry.partition("=")[2] for entry in argv if entry.startswith("--parameter-name")]
        return Finished(code, values.get(asked[0].replace(" ", "_"), "") + "\n" if asked else listing, "words of testparm\n")

    return run


def test_samba_is_asked_for_its_range_and_for_all_static_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    run = answers(monkeypatch, rpc_server_dynamic_port_range="50000-50999", listing="[global]\n\trpc server port = 7000\n\trpc server port:drsuapi = 7001\n")
    found = _samba.evaluate(run, b"[global]\n", {_samba.RANGE: "50000-50999"})
    assert found == {_samba.RANGE: "50000-50999", "rpc server port": "7000", "rpc server port:drsuapi": "7001"}


def test_a_value_that_does_not_come_through_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnforceError, match="Samba would have rpc server dynamic port range = 6000-6999, not 50000-50999: something else"):
        _samba.evaluate(answers(monkeypatch, rpc_server_dynamic_port_range="6000-6999"), b"[global]\n", {_samba.RANGE: "50000-50999"})


def test_a_configuration_that_testparm_refuses_is_an_error_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EnforceError, match="does not accept the configuration of Samba: words of testparm"):
        _samba.evaluate(answers(monkeypatch, code=1), b"[global]\n", {})
    monkeypatch.setattr(_samba, "find_program", lambda _name: None)
    with pytest.raises(EnforceError, match="testparm is not installed"):
        _samba.evaluate(answers, b"[global]\n", {})  # type: ignore[arg-type] - nothing is run


def test_replacing_keeps_owner_mode_attributes_and_the_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, link = tmp_path / "real.conf", tmp_path / "smb.conf"
    real.write_bytes(b"[global]\n")
    real.chmod(0o640)
    owner = (12, 34) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown(real, *owner)
    link.symlink_to(real)
    monkeypatch.setattr(_samba, "CONF", link)
    _samba.write_conf(b"[global]\n a = b\n")
    facts = real.stat()
    assert link.is_symlink() and real.read_bytes() == b"[global]\n a = b\n" and (stat.S_IMODE(facts.st_mode), facts.st_uid, facts.st_gid) == (0o640, *owner)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["real.conf", "smb.conf"]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conf = tmp_path / "smb.conf"
    conf.write_bytes(b"[global]\n")
    monkeypatch.setattr(_samba, "CONF", conf)
    monkeypatch.setattr(_samba.shutil, "copystat", lambda *_paths: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        _samba.write_conf(b"")
    assert [path.name for path in tmp_path.iterdir()] == ["smb.conf"] and conf.read_bytes() == b"[global]\n"
