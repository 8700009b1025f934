# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks on two doubles that are a pair for IPsec, from nothing to enforced, looked at, verified and taken away again."""

from __future__ import annotations

import json
import re
import typing as t

from reach import Ansible, variables

if t.TYPE_CHECKING:
    from conftest import Double

KEY = "canary-3f9d-canary"
ADDRESSES = {"mbx1": "192.0.2.21", "mbx2": "192.0.2.22"}


def with_rpc(double: Double) -> Double:
    """The same with what RPC and the information store of a real host have in the keys that are written to (KB154596 and the analyzer of Exchange 2007)."""
    double.machine.registry.set(r"HKLM\SOFTWARE\Microsoft\Rpc", "DCOM Protocols", "REG_SZ", "ncacn_ip_tcp")
    double.machine.registry.set(r"HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem", "Rpc/HTTP Port", "REG_DWORD", 6001)
    return double


class Site:
    """Runs playbooks of the collection over two mailbox servers with Windows and a hub that nobody reaches."""

    def __init__(self, ansible: Ansible, doubles: t.Mapping[str, Double], ways: t.Mapping[str, str]) -> None:
        self._ansible, self.doubles = ansible, doubles
        hosts = {
            name: {
                **variables(double.directory, double.serve(), ways[name]), "datapath_addresses": [ADDRESSES[name]], "datapath_cluster": "ccr1",
                "datapath_platform": {"os": "windows", "release": "2012r2"},
            }
            for name, double in doubles.items()
        }
        hosts["mbx1"].update(datapath_rpc_range="20000-20999", datapath_static_ports={"store": 21000})
        shared = {
            "datapath_peers": {"config_controller": ["192.0.2.250"], "domain_controller": ["192.0.2.53"]}, "datapath_ipsec_auth": "psk",
            "datapath_ipsec_psk": KEY, "datapath_ipsec": "required",
        }
        inventory = {"all": {"vars": shared, "children": {"mailbox": {"hosts": hosts}}}}
        (ansible.folder / "site.json").write_text(json.dumps(inventory))

    def __call__(self, name: str, *arguments: str) -> tuple[int, str, dict[str, dict[str, int]]]:
        done = self._ansible("ansible-playbook", "-i", "site.json", f"datapath.exchange.{name}", "-vv", *arguments, seconds=400)
        assert KEY not in done.stdout
        recap = {
            match[1]: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", match[2])}
            for match in re.finditer(r"^(\w+) +: (ok=.*)$", done.stdout, re.MULTILINE)
        }
        return done.returncode, done.stdout, recap

    def changed(self, name: str, *arguments: str) -> dict[str, int]:
        """Run a playbook that has to succeed; returns by host how many tasks changed it."""
        code, said, recap = self(name, *arguments)
        assert code == 0, said
        return {host: recap[host]["changed"] for host in self.doubles}


def actions(double: Double) -> set[str]:
    """What our connection security rules of a host demand."""
    key = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\ConSecRules"
    texts = [str(data) for _kind, data in double.machine.registry.values(key).values()]
    return {match[1] for text in texts if "|Name=datapath.exchange ipsec" in text and (match := re.search(r"\|Action=(\w+)\|", text))}


def test_a_pair_is_closed_and_opened_again(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    doubles = {name: with_rpc(make_double(release="2012r2", exchange="2007")) for name in ADDRESSES}
    site = Site(ansible, doubles, {"mbx1": "winrm", "mbx2": "psrp"})
    before = {name: double.machine.digest() for name, double in doubles.items()}
    assert all(site.changed("site", "--check").values())
    assert {name: double.machine.digest() for name, double in doubles.items()} == before

    assert site.changed("site") == {"mbx1": 4, "mbx2": 3}
    demanded = {name: actions(double) for name, double in doubles.items()}
    assert demanded["mbx1"] == demanded["mbx2"] != set()
    assert site.changed("site") == {"mbx1": 0, "mbx2": 0}

    code, said, _recap = site("report")
    assert code == 0, said
    assert "enforced, as planned" in said

    code, said, _recap = site("verify")
    assert code != 0
    assert "nothing was tested" in said
    assert "this host runs Windows, from where nothing can be tried" in said

    assert site.changed("site", "-e", "datapath_ipsec=absent") == {"mbx1": 2, "mbx2": 2}
    assert {name: actions(double) for name, double in doubles.items()} == {"mbx1": set(), "mbx2": set()}
    assert all(site.changed("remove").values())
    assert {name: double.machine.digest() for name, double in doubles.items()} == before
    assert not any(site.changed("remove").values())
    assert [double.machine.violations for double in doubles.values()] == [[], []]


def test_a_host_whose_peer_is_not_in_the_run_demands_nothing_of_it(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    doubles = {name: make_double(release="2012r2", exchange="2007") for name in ADDRESSES}
    site = Site(ansible, doubles, {"mbx1": "ssh", "mbx2": "ssh"})
    code, said, _recap = site("site", "--limit", "mbx1")
    assert code != 0
    assert "mbx1: the plan demands IPsec with mbx2, and nothing in this run has seen to it that they ask for it" in " ".join(said.split())
    assert {name: actions(double) for name, double in doubles.items()} == {"mbx1": set(), "mbx2": set()}

    code, said, _recap = site("site", "--limit", "mbx1", "-e", "datapath_firewall_state=monitored")
    assert code == 0, said
    asked = actions(doubles["mbx1"])
    assert asked

    site.changed("site")
    demanded = actions(doubles["mbx1"])
    assert demanded != asked
    code, said, recap = site("site", "--limit", "mbx1")
    assert (code, recap["mbx1"]["changed"]) == (0, 0), said
    assert actions(doubles["mbx1"]) == demanded, "a run without the peer must not lower what both agreed on"


def test_a_peer_that_is_said_to_be_ready_is_counted_with(make_double: t.Callable[..., Double], ansible: Ansible) -> None:
    doubles = {name: make_double(release="2012r2", exchange="2007") for name in ADDRESSES}
    site = Site(ansible, doubles, {"mbx1": "ssh", "mbx2": "ssh"})
    code, said, _recap = site("site", "--limit", "mbx1", "-e", '{"datapath_ipsec_ready": ["mbx2"]}')
    assert code == 0, said
    assert actions(doubles["mbx1"])
    assert actions(doubles["mbx2"]) == set()
