# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters netsh_consec and rpc_settings: the documented examples, all documented choices, errors of Ansible's kind."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.datapath.exchange.plugins.filter import netsh_consec, rpc_settings

CONSEC = netsh_consec.FilterModule().filters()["netsh_consec"]
RPC = rpc_settings.FilterModule().filters()["rpc_settings"]
CONSEC_PLAN: dict[str, t.Any] = yaml.safe_load(netsh_consec.EXAMPLES)[0]["vars"]["host_plan"]
RPC_PLAN: dict[str, t.Any] = yaml.safe_load(rpc_settings.EXAMPLES)[0]["vars"]["host_plan"]


def test_the_documented_associations_are_rendered() -> None:
    text = CONSEC(CONSEC_PLAN, auth="certificate", ca="CN=Example Root")
    main, rule = text.splitlines()
    assert main.startswith('advfirewall mainmode add rule name="datapath.exchange main ')
    assert " endpoint1=192.0.2.21 endpoint2=192.0.2.22 action=requireinrequireout mode=transport profile=any protocol=tcp port1=445 port2=any " in rule
    assert ' auth1=computercert auth1ca="CN=Example Root" ' in rule


def test_a_key_has_its_place_and_is_not_there() -> None:
    text = CONSEC(CONSEC_PLAN, auth="psk")
    assert text.count('auth1psk="<psk>"') == 2
    assert "\0" not in text


def test_every_documented_choice_is_known() -> None:
    options = yaml.safe_load(netsh_consec.DOCUMENTATION)["options"]
    for name in ("state", "auth", "profile", "release"):
        for choice in options[name]["choices"]:
            assert CONSEC(CONSEC_PLAN, **{"ca": "CN=x", name: choice})
    for release in yaml.safe_load(rpc_settings.DOCUMENTATION)["options"]["release"]["choices"]:
        assert RPC({**RPC_PLAN, "rpc": {**RPC_PLAN["rpc"]}}, release=release)


def test_hosts_that_are_not_ready_are_not_demanded_of() -> None:
    assert "requireinrequireout" in CONSEC(CONSEC_PLAN, ready=["mbx2"])
    assert "requireinrequireout" not in CONSEC(CONSEC_PLAN, ready=[])
    assert "requireinrequireout" not in CONSEC(CONSEC_PLAN, state="requested")


def test_the_documented_ports_are_rendered() -> None:
    assert RPC(RPC_PLAN).splitlines() == [
        r'reg add "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "Ports" /t REG_MULTI_SZ /d "50000-50999" /f',
        r'reg add "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "PortsInternetAvailable" /t REG_SZ /d "Y" /f',
        r'reg add "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "UseInternetPorts" /t REG_SZ /d "Y" /f',
        r'reg add "HKLM\SYSTEM\CurrentControlSet\Services\MSExchangeIS\ParametersSystem" /v "TCP/IP Port" /t REG_DWORD /d "6100" /f',
        "netsh int ipv4 set dynamicport tcp start=50000 num=1000",
        "netsh int ipv6 set dynamicport tcp start=50000 num=1000",
    ]


@pytest.mark.parametrize(("call", "words"), [
    (lambda: CONSEC("a text"), "netsh_consec: host plan: is str"), (lambda: RPC("a text"), "rpc_settings: host plan: is str"),
    (lambda: CONSEC(CONSEC_PLAN, auth="ntlm"), "auth 'ntlm' is not one of"), (lambda: CONSEC(CONSEC_PLAN, profile="strong"), "'strong' is not known"),
    (lambda: CONSEC(CONSEC_PLAN, state="absent"), "state 'absent' is not one of"),
    (lambda: CONSEC(CONSEC_PLAN, release="95"), "'95' is not a supported release"),
    (lambda: CONSEC(CONSEC_PLAN, release="2003"), "refuses release 2003"), (lambda: RPC(RPC_PLAN, release="nt4"), "'nt4' is not a supported release"),
])
def test_errors_are_ansible_s_and_name_the_cause(call: t.Callable[[], str], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        call()
