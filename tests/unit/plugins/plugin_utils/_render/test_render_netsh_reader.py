# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_reader import ReadPort, read_firewall, read_portopening
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import ANY_ADDRESS, Match, Ports, Scope, WindowsError

START = 'advfirewall firewall add rule name="x y" dir=in action=allow description="a b"'
TCP = f"{START} profile=any protocol=tcp"
PORT = 'firewall add portopening protocol=TCP port=25 name="x" mode=ENABLE'


def test_what_a_line_means() -> None:
    line = f"{START} profile=private,domain protocol=tcp localport=RPC,25,135-140,141 remoteip=192.0.2.0/24,192.0.3.0,2001:db8::1-2001:db8::5 security=authenc"
    assert read_firewall(line) == ("x y", "a b", Match(
        "in", "allow", 6, Ports(numbers=((25, 25), (135, 141)), keywords=frozenset({"RPC"})), profiles=("domain", "private"), security="authenc",
        remote=Scope(v4=((0xC0000200, 0xC0000300),), v6=((0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 5),)),
    ))


@pytest.mark.parametrize(("words", "match"), [
    ("profile=any protocol=any", Match("in")),
    ("profile=any protocol=any remoteip=any", Match("in")),
    ("profile=any protocol=50", Match("in", protocol=50)),
    ("profile=any protocol=icmpv4:8,any", Match("in", protocol=1, icmp=("8:*",))),
    ("profile=any protocol=icmpv6:128,any", Match("in", protocol=58, icmp=("128:*",))),
    ("profile=public protocol=udp remoteport=1 security=authenticate",
     Match("in", protocol=17, remote_ports=Ports(numbers=((1, 1),)), profiles=("public",), security="authenticate")),
])
def test_words_that_rules_of_ours_have(words: str, match: Match) -> None:
    assert read_firewall(f"{START} {words}").match == match


@pytest.mark.parametrize("line", [
    "", "advfirewall firewall delete rule name=all", f"netsh {TCP}", f"{TCP} ", f"{TCP}  localport=1", START, f"{START} profile=any",
    f"{START} protocol=tcp", TCP.replace("dir=in", "dir=both"), TCP.replace("=allow", "=block"), TCP.replace("=allow", "=bypass"),
    f"{TCP} profile=any", f"{TCP} enable=no", f"{TCP} edge=yes", f"{TCP} program=c:/x.exe", f"{TCP} localip=192.0.2.1", f"{TCP} service=any",
    f"{TCP} security=notrequired", f"{TCP} security=authdynenc", TCP.replace("any", "home"), TCP.replace("any", "domain,domain"), TCP.replace("any", ""),
    f"{TCP} localport=", f"{TCP} localport=0", f"{TCP} localport=65536", f"{TCP} localport=9-1", f"{TCP} localport=1,1", f"{TCP} localport=1-5,5",
    f"{TCP} localport=01", f"{TCP} localport=RPC-EPMap", f"{TCP} localport=rpc", f"{TCP} remoteport=RPC", f"{TCP} localport=1,", f"{TCP} localport=http",
    f"{TCP.replace('dir=in', 'dir=out')} localport=RPC", f"{START} profile=any protocol=udp localport=RPC", f"{START} profile=any protocol=any localport=1",
    f"{START} profile=any protocol=256", f"{START} profile=any protocol=icmpv4:8", f"{START} profile=any protocol=icmpv4", f"{START} profile=any protocol=-1",
    f"{TCP} remoteip=localsubnet", f"{TCP} remoteip=192.0.2.1,", f"{TCP} remoteip=192.0.2.1/24", f"{TCP} remoteip=0.0.0.0/0", f"{TCP} remoteip=::/0",
    f"{TCP} remoteip=192.0.2.9-192.0.2.1", f"{TCP} remoteip=192.0.2.1,192.0.2.1", f"{TCP} remoteip=192.0.2.0/24,192.0.2.5", f"{TCP} remoteip=host1",
    f"{TCP} remoteip=192.0.2.1-2001:db8::1", f"{TCP} remoteip=192.0.2.1 & calc", f"{TCP} remoteip=%X%", TCP.replace("a b", "a%b"), TCP.replace("a b", "a|b"),
    TCP.replace('"a b"', '"a" b"'), TCP.replace('"a b"', '"a b'), f"{TCP}\n", f"{TCP}\r\nx", TCP.replace("a b", "a ü"), TCP.replace("a b", "a" * 8200),
    f"{TCP} localport={','.join(map(str, range(1, 2003, 2)))}", f"{TCP} remoteip={','.join(f'2.{number // 250}.{number % 250}.0' for number in range(1001))}",
])
def test_what_is_not_our_language_is_an_error(line: str) -> None:
    with pytest.raises(WindowsError):
        read_firewall(line)


def test_lists_of_a_thousand_are_read() -> None:
    assert len(read_firewall(f"{TCP} localport={','.join(map(str, range(1, 2001, 2)))}").match.local_ports.numbers) == 1000


def test_port_openings() -> None:
    custom = read_portopening(f"{PORT} scope=CUSTOM addresses=192.0.2.1,192.0.2.8/31 profile=ALL")
    assert custom == ReadPort("x", "tcp", 25, Scope(v4=((0xC0000201, 0xC0000201), (0xC0000208, 0xC0000209))), "ALL")
    assert read_portopening(f"{PORT} scope=ALL profile=ALL").remote == ANY_ADDRESS


@pytest.mark.parametrize("line", [
    f"{PORT} profile=ALL", f"{PORT} scope=ALL", f"{PORT} scope=SUBNET profile=ALL", f"{PORT} scope=CUSTOM profile=ALL",
    f"{PORT} scope=ALL addresses=192.0.2.1 profile=ALL", f"{PORT} scope=CUSTOM addresses=any profile=ALL",
    f"{PORT} scope=CUSTOM addresses=2001:db8::1 profile=ALL", f"{PORT.replace('ENABLE', 'DISABLE')} scope=ALL profile=ALL",
    f"{PORT.replace('TCP', 'ALL')} scope=ALL profile=ALL", f"{PORT.replace('25', '25-26')} scope=ALL profile=ALL", f"{PORT} scope=ALL profile=ALL interface=x",
])
def test_other_port_openings_are_errors(line: str) -> None:
    with pytest.raises(WindowsError):
        read_portopening(line)


def test_the_error_names_the_word() -> None:
    with pytest.raises(WindowsError, match=re.escape("'edge=yes' is not a word of our rules")):
        read_firewall(f"{TCP} edge=yes")
