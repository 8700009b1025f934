# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


from __future__ import annotations

import multiprocessing
import threading
import typing as t
from pathlib import Path

import pytest
from windows_double.registry import Registry, full_name

KEY = r"HKLM\SOFTWARE\Datapath Test"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry.json")


def test_names_are_found_in_any_case_and_kept_as_written(registry: Registry) -> None:
    registry.set(KEY, "Value", "REG_SZ", "one")
    registry.set(KEY.upper().replace("HKLM", "HKEY_LOCAL_MACHINE"), "VALUE", "REG_SZ", "two")
    assert registry.values(KEY.lower()) == {"Value": ("REG_SZ", "two")}
    assert registry.path(KEY.upper()) == KEY


def test_values_stand_in_the_order_of_their_making_and_keys_in_that_of_their_names(registry: Registry) -> None:
    for name in ("zeta", "alpha", "mid"):
        registry.set(KEY, name, "REG_SZ", "")
        registry.set(f"{KEY}\\{name}\\below", "", "REG_DWORD", 1)
    assert list(registry.values(KEY)) == ["zeta", "alpha", "mid"]
    assert registry.subkeys(KEY) == ["alpha", "mid", "zeta"]


def test_deleting(registry: Registry) -> None:
    registry.set(KEY + r"\a\b", "x", "REG_SZ", "1")
    registry.set(KEY + r"\ab", "x", "REG_SZ", "1")
    assert registry.delete_value(KEY + r"\a\b", "X")
    assert not registry.delete_value(KEY + r"\a\b", "x")
    assert registry.delete_key(KEY + r"\A")
    assert not registry.delete_key(KEY + r"\a")
    assert not registry.exists(KEY + r"\a\b")
    assert registry.exists(KEY + r"\ab")


@pytest.mark.parametrize(("kind", "data"), [
    ("REG_DWORD", -1), ("REG_DWORD", 2**32), ("REG_DWORD", "1"), ("REG_MULTI_SZ", "text"), ("REG_SZ", 1), ("REG_BINARY", "0"), ("REG_NONE", ""),
])
def test_data_must_fit_its_type(registry: Registry, kind: str, data: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        registry.set(KEY, "x", kind, data)
    assert not registry.exists(KEY)


def test_a_key_needs_a_root() -> None:
    with pytest.raises(ValueError, match="no registry root"):
        full_name(r"HKXX\SOFTWARE")


def test_it_outlives_the_process(tmp_path: Path) -> None:
    Registry(tmp_path / "r.json").set(KEY, "list", "REG_MULTI_SZ", ["a", "b"])
    assert Registry(tmp_path / "r.json").get(KEY, "list") == ("REG_MULTI_SZ", ("a", "b"))


def test_the_digest_sees_every_change_but_no_order(registry: Registry) -> None:
    registry.set(KEY, "a", "REG_SZ", "1")
    registry.set(KEY, "b", "REG_SZ", "2")
    before = registry.digest()
    registry.delete_value(KEY, "a")
    assert registry.digest() != before
    registry.set(KEY, "a", "REG_SZ", "1")
    assert registry.digest() == before
    registry.set(KEY, "a", "REG_EXPAND_SZ", "1")
    assert registry.digest() != before


def test_snapshot_and_restore_of_a_part(registry: Registry) -> None:
    registry.set(KEY + r"\a", "x", "REG_SZ", "1")
    registry.set(KEY + r"\b", "x", "REG_SZ", "1")
    copied, before = registry.snapshot(KEY + r"\a"), registry.digest(KEY + r"\a")
    registry.set(KEY + r"\a\new", "x", "REG_SZ", "1")
    registry.set(KEY + r"\b", "x", "REG_SZ", "2")
    registry.restore(copied, KEY + r"\a")
    assert registry.digest(KEY + r"\a") == before
    assert registry.get(KEY + r"\b", "x") == ("REG_SZ", "2")


def _write(path: Path, name: str, together: threading.Barrier) -> None:
    registry = Registry(path)
    together.wait()
    for number in range(60):
        registry.set(KEY, f"{name}{number}", "REG_DWORD", number)


def test_processes_and_threads_lose_nothing_of_each_other(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(4)
    workers: list[t.Any] = [context.Process(target=_write, args=(path, name, together)) for name in ("a", "b")]
    workers += [threading.Thread(target=_write, args=(path, name, together)) for name in ("c", "d")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(Registry(path).values(KEY)) == 240
