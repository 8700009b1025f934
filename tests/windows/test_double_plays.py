# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection against the double, over every connection that Ansible has to Windows: apply, again, rehearse, lose the way in, take away."""

from __future__ import annotations

import time
import typing as t

import pytest
from collection import Collection, life
from reach import Ansible, variables

if t.TYPE_CHECKING:
    from conftest import Double
    from windows_double.machine import Machine

RULES = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
WAYS = (("winrm", "cmd"), ("psrp", "cmd"), ("ssh", "cmd"), ("ssh", "powershell"))


def own(machine: Machine) -> int:
    return sum("|Name=datapath.exchange " in str(data) for _kind, data in machine.registry.values(RULES).values())


@pytest.mark.parametrize(("transport", "shell"), WAYS)
def test_host_lives_and_gets_everything_back(make_double: t.Callable[..., Double], ansible: Ansible, transport: str, shell: str) -> None:
    double = make_double(exchange="2007", language="ja" if shell == "powershell" else "en")
    collection = Collection(ansible, variables(double.directory, double.serve(ssh_shell=shell), transport))
    life(collection, double.machine.digest, lambda: own(double.machine))
    assert double.machine.violations == []
    assert double.machine.tasks == {}
    assert double.machine.drive.list(r"C:\Windows\datapath") == []


@pytest.mark.parametrize("transport", ["winrm", "psrp", "ssh"])
def test_host_that_shuts_us_out_comes_back_by_itself(make_double: t.Callable[..., Double], ansible: Ansible, transport: str) -> None:
    double = make_double(exchange="2007")
    collection = Collection(ansible, variables(double.directory, double.serve(), transport))
    before = double.machine.digest()
    double.machine.faults["lockout"] = True
    result = collection.firewall(rollback_timeout=10)
    assert (result["failed"], result["restoring"]) == (True, True), collection.said
    assert "The host restores its previous rules by itself" in result["msg"]
    _until(lambda: double.machine.digest() == before and not double.machine.tasks)
    del double.machine.faults["lockout"]
    assert collection.firewall()["confirmed"] is True, collection.said
    assert double.machine.violations == []


def _until(condition: t.Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
