# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions ipsec and ipsec_info on Linux as a user runs them. What they negotiate and confirm is seen on guests whose kernel has ESP."""

from __future__ import annotations

import base64
import json
import re
import socket
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.datapath.exchange.plugins.module_utils import _nft, _xfrm
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.firewall_host import SEARCH
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.ipsec_host import OWN, PEER, Host, skip_reason

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

KEY = "canary-only-for-tests"
HIDDEN = (KEY, base64.b64encode(KEY.encode()).decode())
INVENTORY: dict[str, t.Any] = {
    "all": {
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "datapath_peers": {"config_controller": ["192.0.2.9"]}},
        "children": {
            "mailbox": {
                "vars": {"datapath_cluster": "ccr1", "datapath_ipsec": "required"},
                "hosts": {"mbx1": {"datapath_addresses": [OWN]}, "mbx2": {"datapath_addresses": [PEER]}},
            },
            "hub_transport": {"hosts": {"hub1": {"datapath_addresses": ["192.0.2.21"]}}},
            "domain_controller": {"hosts": {"dc1": {"datapath_addresses": ["192.0.2.31"]}}},
        },
    },
}
PSK = {"auth": "psk", "psk": KEY}


class Play:
    """Runs one task of ours in a host."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self.folder, self.said = host, folder, ""

    def __call__(self, module: str, *arguments: str, on: str = "mbx1", no_log: bool = False, **options: t.Any) -> dict[str, t.Any]:
        outcome = self.folder / "outcome.json"
        tasks = [
            {"datapath.exchange.plan": {}, "register": "compiled"},
            {f"datapath.exchange.{module}": {"plan": "{{ compiled.plan }}", **options}, "register": "outcome", "ignore_errors": True, "no_log": no_log},
            {"ansible.builtin.copy": {"content": "{{ outcome | to_json }}", "dest": str(outcome), "mode": "0600"}, "check_mode": False, "diff": False,
             "no_log": True},
        ]
        # In YAML, and not the part of it that is JSON: before 2.19 only that tells where a value stands.
        (self.folder / "inventory.yml").write_text(yaml.safe_dump(INVENTORY))
        (self.folder / "play.json").write_text(json.dumps([{"hosts": on, "gather_facts": False, "tasks": tasks}]))
        command = [sys.executable, "-m", "ansible", "playbook", "-i", str(self.folder / "inventory.yml"), str(self.folder / "play.json"), *arguments]
        done = self.host.run(*command, environment={"ANSIBLE_COLLECTIONS_PATH": SEARCH[0], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"})
        assert done.returncode == 0, done.stdout + done.stderr
        self.said = done.stdout + done.stderr
        result: dict[str, t.Any] = json.loads(outcome.read_text())
        return result


@pytest.fixture(name="host")
def make_host(tmp_path: Path) -> t.Iterator[Host]:
    tmp_path.joinpath("host").mkdir()
    host = Host(tmp_path / "host")
    yield host
    host.close()


@pytest.fixture(name="play")
def make_play(host: Host, tmp_path: Path) -> Play:
    return Play(host, tmp_path)


def test_a_kernel_without_esp_is_told_before_anything_changes(host: Host, play: Play) -> None:
    if not _nft.in_new_network(lambda: _xfrm.esp_missing([socket.AF_INET], compatible=False)):
        pytest.skip("this kernel has ESP")
    host.start()
    result = play("ipsec", "-vvvv", "--diff", **PSK)
    assert result["failed"]
    assert "the kernel of this host cannot do ESP with AES-GCM" in result["msg"]
    assert (host.ours(), host.policies()) == ({}, "")
    assert not [key for key in HIDDEN if key in play.said]


def test_what_is_missing_is_told_and_shows_no_key(host: Host, play: Play) -> None:
    host.start()
    result = play("ipsec_info", "-vvvv", state="required", **PSK)
    assert result["changed"] is False
    assert result["requires"] == result["unprotected"] == ["mbx2"]
    assert (result["waiting"], result["running"], result["connections"], result["translated"]) == ([], True, [], [])
    assert "the file conf.d/datapath.conf is missing" in result["differences"]
    assert any("is not loaded" in line for line in result["differences"])
    assert any("the kernel has no policy for out 192.0.2.1/32 any" in line for line in result["differences"])
    assert not [key for key in HIDDEN if key in play.said + json.dumps(result)]


def test_peers_that_are_not_ready_are_named(host: Host, play: Play) -> None:
    host.start()
    result = play("ipsec_info", state="required", ready=["mbx1"], **PSK)
    assert result["waiting"] == ["mbx2"]
    assert not any("the kernel has no policy" in line for line in result["differences"])


def test_a_host_without_associations_needs_no_strongswan_and_no_options(host: Host, play: Play) -> None:
    for module in ("ipsec", "ipsec_info"):
        result = play(module, on="hub1", state="required")
        assert result["changed"] is False, result
        assert result["differences"] == []
    assert host.ours() == {}


def test_absent_needs_nothing_either(play: Play) -> None:
    result = play("ipsec", state="absent")
    assert (result["changed"], result["confirmed"], result["rules"]) == (False, False, 0)


@pytest.mark.parametrize(("options", "text"), [
    ({}, "auth 'kerberos' is not possible on Linux"),
    ({"auth": "psk"}, "psk is missing"),
    ({"auth": "certificate", "ca": "CN=Example Root"}, "CN=Example Root"),
    ({"auth": "certificate", "ca": ""}, "needs files of the controller: cert and key and ca not given"),
])
def test_options_that_do_not_fit_are_refused_on_the_controller(host: Host, play: Play, options: dict[str, t.Any], text: str) -> None:
    for module in ("ipsec", "ipsec_info"):
        result = play(module, state="required", **options)
        assert result["failed"]
        assert text in result["msg"], result["msg"]
    assert host.ours() == {}


@pytest.mark.parametrize("no_log", [False, True])
def test_a_key_in_plain_text_is_warned_about_even_where_everything_else_is_hidden(
    host: Host, play: Play, monkeypatch: pytest.MonkeyPatch, no_log: bool,
) -> None:
    monkeypatch.setitem(INVENTORY["all"]["vars"], "datapath_ipsec_psk", KEY)
    host.start()
    play("ipsec", "--check", auth="psk", psk="{{ datapath_ipsec_psk }}", no_log=no_log)
    # Lines are folded where they are full.
    said = "".join(play.said.split())
    assert re.search(r"WARNING\]:datapath_ipsec_pskstandsinplaintextin\S+/inventory\.yml:encryptitwithansible-vault", said), play.said
    assert KEY not in said
