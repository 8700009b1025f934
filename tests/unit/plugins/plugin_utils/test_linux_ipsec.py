# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Linux host's module is handed, and what its answer means for the hosts of the plan."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils import _linux_ipsec
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, HostPlan, Management, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions

KEY = "canary-only-for-tests"
NO_FILES: dict[str, Path | None] = {"cert": None, "key": None, "ca": None}


def plan(*associations: Association) -> HostPlan:
    sets = {"peers": PeerSet("peers", ("192.0.2.2",)), "rest": PeerSet("rest", ("192.0.2.3",)), "admin": PeerSet("admin", ("192.0.2.9",))}
    return HostPlan(
        "mbx1", ("mailbox",), "head", "linux", ("ipv4",), (), sets, Management("admin", (PortRange(22, 22),)), associations=associations,
        addresses=("192.0.2.1",),
    )


EXACT = Association("peers", "required", False, ("in 445/tcp",), ("log-shipping",), ("mbx2",))
WHOLE = Association("rest", "requested", True, (), ("seeding",), ("mbx3",))


def test_a_host_without_associations_is_to_have_nothing_whatever_the_options_are() -> None:
    assert _linux_ipsec.hand(plan(), IpsecOptions("kerberos"), "", NO_FILES).desired == {}


def test_the_key_is_in_one_text_only() -> None:
    handed = _linux_ipsec.hand(plan(EXACT, WHOLE), IpsecOptions("psk"), KEY, NO_FILES)
    desired = handed.desired
    assert "secrets" not in desired["text"]
    assert desired["text"].endswith("}\n")
    assert desired["secrets"].startswith("secrets {\n")
    assert "0sY2FuYXJ5" in desired["secrets"]
    assert KEY not in str(handed)
    assert desired["text"] + desired["secrets"].replace("0sY2FuYXJ5LW9ubHktZm9yLXRlc3Rz", "{PSK}") == handed.text.text


def test_what_is_meant_is_sent_beside_the_text() -> None:
    desired = _linux_ipsec.hand(plan(EXACT), IpsecOptions("psk"), KEY, NO_FILES).desired
    (connection,) = desired["connections"]
    assert (connection["version"], connection["local"], connection["remote"], connection["auth"]) == (2, "192.0.2.1", "192.0.2.2", "psk")
    (child,) = connection["children"]
    assert (child["mode"], child["start"], child["local"], child["remote"]) == ("transport", "trap", ["192.0.2.1", 6, 445, 445], ["192.0.2.2", 6, 0, 65535])


@pytest.mark.parametrize(("profile", "ike", "compatible"), [("current", 2, False), ("compatible", 2, True), ("current", 1, True)])
def test_what_the_kernel_has_to_know_follows_from_profile_and_peers(profile: str, ike: int, compatible: bool) -> None:
    association = Association("peers", "required", True, (), ("x",), ("mbx2",), ike)
    assert _linux_ipsec.hand(plan(association), IpsecOptions("psk", profile=profile), KEY, NO_FILES).desired["compatible"] is compatible


@pytest.mark.parametrize(("options", "key", "text"), [
    (IpsecOptions("kerberos"), "", "auth 'kerberos' is not possible on Linux"),
    (IpsecOptions("psk"), "", "psk is missing"),
    (IpsecOptions("psk"), "short", "psk has 5 characters"),
    (IpsecOptions("certificate"), "", "needs files of the controller: cert and key and ca not given"),
])
def test_options_that_do_not_fit_are_named(options: IpsecOptions, key: str, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        _linux_ipsec.hand(plan(EXACT), options, key, NO_FILES)


def test_what_the_plan_demands_is_demanded_of_managed_hosts() -> None:
    more = Association("rest", "required", True, (), ("x",), ("mbx4", "mbx3"))
    assert _linux_ipsec.requires(plan(EXACT, WHOLE)) == ("mbx2",)
    assert _linux_ipsec.requires(plan(EXACT, WHOLE, more)) == ("mbx2", "mbx3", "mbx4")


OWNERS = {"mbx2": frozenset(("192.0.2.2", "2001:db8::2")), "mbx3": frozenset(("192.0.2.3",))}


def answer(remote: str, *children: dict[str, t.Any], nat: bool = False) -> dict[str, t.Any]:
    return {"remote": remote, "nat": nat, "children": list(children)}


def child(number: str, count: int, state: str = "INSTALLED", back: int | None = None) -> dict[str, t.Any]:
    return {"id": number, "state": state, "bytes_in": count, "bytes_out": count if back is None else back}


@pytest.mark.parametrize(("found", "left"), [
    ([], ["mbx2", "mbx3"]),
    ([answer("192.0.2.2", child("1", 0))], ["mbx3"]),
    ([answer("2001:db8::2", child("1", 0, "REKEYING")), answer("192.0.2.3", child("2", 0))], []),
    ([answer("192.0.2.2"), answer("192.0.2.3", child("1", 0, "CREATED"))], ["mbx2", "mbx3"]),
])
def test_with_whom_nothing_is_agreed_on(found: list[dict[str, t.Any]], left: list[str]) -> None:
    assert _linux_ipsec.unprotected(OWNERS, found) == left


def test_translated_addresses_are_noticed() -> None:
    assert _linux_ipsec.translated(OWNERS, [answer("192.0.2.2"), answer("192.0.2.3", nat=True)]) == ["mbx3"]


@pytest.mark.parametrize(("before", "after", "left"), [
    ([child("1", 10)], [child("1", 11)], []),
    ([child("1", 10)], [child("1", 10)], ["mbx2"]),
    ([child("1", 10)], [child("1", 11, back=10)], ["mbx2"]),
    ([child("1", 10)], [child("2", 5)], []),
    ([child("1", 10)], [child("2", 0)], ["mbx2"]),
    ([], [child("1", 1)], []),
])
def test_with_whom_nothing_was_exchanged(before: list[dict[str, t.Any]], after: list[dict[str, t.Any]], left: list[str]) -> None:
    owners = {"mbx2": OWNERS["mbx2"]}
    assert _linux_ipsec.idle(owners, [answer("192.0.2.2", *before)], [answer("2001:db8::2"), answer("192.0.2.2", *after)]) == left


class Tagged(str):  # noqa: SLOT000 - so are they
    """A value as ansible-core 2.19 and later hand it out."""

    _ansible_tags_mapping: t.ClassVar[dict[t.Any, t.Any]] = {}


class Placed(str):  # noqa: SLOT000 - so are they
    """A value as earlier ones do."""

    ansible_pos: t.ClassVar[tuple[t.Any, ...]] = ()


@pytest.fixture(name="files")
def make_files(tmp_path: Path) -> dict[str, Path]:
    texts = {"plain": "datapath_ipsec_psk: x\n", "vault": "$ANSIBLE_VAULT;1.1;AES256\n3132\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in (*texts, "gone")}


@pytest.mark.parametrize(("file", "told"), [("plain", True), ("vault", False), ("gone", False)])
def test_a_key_in_plain_text_is_found(files: dict[str, Path], file: str, told: bool) -> None:
    tag = type("Origin", (), {"path": str(files[file])})()
    tagged = type("T", (Tagged,), {"_ansible_tags_mapping": {type(tag): tag}})(KEY)
    placed = type("P", (Placed,), {"ansible_pos": (str(files[file]), 1, 1)})(KEY)
    for value in (tagged, placed):
        assert _linux_ipsec.plain_source(value) == (str(files[file]) if told else "")


def test_other_keys_are_not_suspected(files: dict[str, Path]) -> None:
    vaulted = type("VaultedValue", (), {})()
    tag = type("Origin", (), {"path": str(files["plain"])})()
    encrypted = type("T", (Tagged,), {"_ansible_tags_mapping": {type(vaulted): vaulted, type(tag): tag}})(KEY)
    computed = type("P", (Placed,), {"ansible_pos": (str(files["plain"]), 1, 1)})("{{ lookup('vault') }}")
    for value in (encrypted, computed, KEY, None, 3):
        assert _linux_ipsec.plain_source(value) == ""


def test_what_is_worth_a_warning() -> None:
    assert _linux_ipsec.warnings({"waiting": [], "unmanaged": [], "bypasses": []}) == []
    found = _linux_ipsec.warnings({"waiting": ["mbx2"], "unmanaged": ["legacy"], "bypasses": ["out x to y"]})
    assert [text.rpartition(": ")[2] for text in found] == ["mbx2", "legacy", "out x to y"]
