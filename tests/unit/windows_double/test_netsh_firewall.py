# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The double's netsh, firewall rules: the samples of public documents, what each release refuses, and what nobody may send."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from netsh_host import ADD, RELEASES, Host
from windows_double import rulestring
from windows_double.refusal import Refused

TCP = f'{ADD} name="x" dir=in action=allow protocol=tcp'


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, fresh=False)


@pytest.mark.parametrize(
    ("line", "tokens"),
    [
        (
            'name="Firewall Rule Test" dir=in action=allow protocol=tcp profile=public localport=25 remoteport=49000 localip=192.168.1.0/24,192.168.0.0/24 '
            r'remoteip=localsubnet program=c:\path\foo.exe security=authnoencap',
            "Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=25|RPort=49000|LA4=192.168.0.0/255.255.255.0|LA4=192.168.1.0/255.255.255.0|"
            r"RA4=LocalSubnet|RA6=LocalSubnet|App=c:\path\foo.exe|Name=Firewall Rule Test|Security=Authenticate|Security2_9=An-NoEncap|",
        ),
        (
            'name="USBLink application session" dir=in action=allow protocol=TCP localport=3241 localip=10.0.0.1 remoteip=10.0.0.0/24',
            "Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3241|LA4=10.0.0.1|RA4=10.0.0.0/255.255.255.0|Name=USBLink application session|",
        ),
        (
            "name=TCP dir=in action=block protocol=tcp localport=1-66,69-55554,55556-65535",
            "Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort2_10=1-66|LPort2_10=69-55554|LPort2_10=55556-65535|Name=TCP|",
        ),
        ("name=a dir=in action=allow protocol=tcp localport=RPC", "Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=RPC|Name=a|"),
        ("name=a dir=in action=allow protocol=tcp localport=rpc-epmap", "Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=RPC-EPMap|Name=a|"),
        (
            "name=a dir=in action=allow protocol=tcp localport=IPHTTPS",
            "Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort2_10=IPTLSIn|LPort2_10=IPHTTPSIn|Name=a|",
        ),
        ("name=a dir=in action=allow protocol=icmpv4:8,any", "Action=Allow|Active=TRUE|Dir=In|Protocol=1|ICMP4=8:*|Name=a|"),
        ("name=a dir=in action=allow protocol=icmpv6:2,0", "Action=Allow|Active=TRUE|Dir=In|Protocol=58|ICMP6=2:0|Name=a|"),
        ("name=a dir=in action=allow protocol=icmpv4:any,any", "Action=Allow|Active=TRUE|Dir=In|Protocol=1|Name=a|"),
        ("name=a dir=out action=allow service=any enable=no", "Action=Allow|Active=FALSE|Dir=Out|Svc=*|Name=a|"),
        ("name=a dir=in action=allow edge=deferuser interfacetype=ras", "Action=Allow|Active=TRUE|Dir=In|IFType=RemoteAccess|Name=a|Edge=TRUE|Defer=User|"),
        (
            "name=a dir=in action=allow security=authdynenc description=d profile=private,domain",
            "Action=Allow|Active=TRUE|Dir=In|Profile=Domain|Profile=Private|Name=a|Desc=d|Security=AuthenticateEncrypt|Security2=AnE-Nego|",
        ),
        (
            "name=a dir=in action=allow remoteip=2001:db8::/32,2001:DB8:1::1-2001:db8:1::9,192.0.2.1-192.0.2.9,198.51.100.7/32",
            "Action=Allow|Active=TRUE|Dir=In|RA4=198.51.100.7|RA4=192.0.2.1-192.0.2.9|RA6=2001:db8::/32|RA6=2001:db8:1::1-2001:db8:1::9|Name=a|",
        ),
        (
            "name=a dir=in action=allow remoteip=192.0.2.9,192.0.2.1,dns,LocalSubnet",
            "Action=Allow|Active=TRUE|Dir=In|RA4=DNS|RA4=LocalSubnet|RA4=192.0.2.1|RA4=192.0.2.9|RA6=DNS|RA6=LocalSubnet|Name=a|",
        ),
    ],
)
def test_writes_what_the_service_writes(host: Host, line: str, tokens: str) -> None:
    host.ok(f"{ADD} {line}")
    assert host.last() == f"v2.29|{tokens}"


@pytest.mark.parametrize(("release", "version"), [("2008", "v2.0"), ("2008r2", "v2.10"), ("2012r2", "v2.22"), ("2019", "v2.29"), ("2025", "v2.33")])
def test_versions_differ_by_release(tmp_path: Path, release: str, version: str) -> None:
    host = Host(tmp_path, release, fresh=False)
    host.ok(f"{TCP} localport=25,80", f"{ADD} name=o dir=out action=block")
    first, second = host.texts()
    assert first == f"{version}|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=25|LPort=80|Name=x|{'Edge=FALSE|' if release == '2008' else ''}"
    assert second == f"{version}|Action=Block|Active=TRUE|Dir=Out|Name=o|"


@pytest.mark.parametrize(
    "more",
    [
        *("localport=80-90", "localport=25,80-90", "localport=IPHTTPS", "edge=deferapp", "edge=deferuser", "security=authnoencap", "security=authdynenc"),
    ],
)
def test_2008_knows_less(tmp_path: Path, more: str) -> None:
    assert Host(tmp_path, "2008", fresh=False).refuses(f"{TCP} {more}")
    Host(tmp_path, "2008r2", fresh=False).ok(f"{TCP} {more}")


def test_2008_takes_a_keyword_in_a_list_of_ports(tmp_path: Path) -> None:
    host = Host(tmp_path, "2008", fresh=False)
    host.ok(f"{TCP} localport=RPC,135")
    assert "|LPort=RPC|LPort=135|" in host.last()


@pytest.mark.parametrize(
    "line",
    [
        "",
        "name=a dir=in",
        "dir=in action=allow",
        "name=a action=allow",
        "name=all dir=in action=allow",
        "name=ALL dir=in action=allow",
        "name=a|b dir=in action=allow",
        "name=a dir=sideways action=allow",
        "name=a dir=in action=deny",
        "name=a dir=in action=allow group=g",
        "name=a dir=in action=allow colour=red",
        "name=a dir=in action=allow verbose",
        "name=a name=b dir=in action=allow",
        "name=a dir=in action=allow enable=maybe",
        "name=a dir=in action=allow profile=home",
        "name=a dir=in action=allow profile=any,domain",
        "name=a dir=in action=allow protocol=256",
        "name=a dir=in action=allow protocol=06",
        "name=a dir=in action=allow protocol=sctp",
        "name=a dir=in action=allow protocol=tcp:1,1",
        "name=a dir=in action=allow protocol=icmpv4:8",
        "name=a dir=in action=allow protocol=icmpv4:256,any",
        "name=a dir=in action=allow protocol=icmpv4:any,3",
        "name=a dir=in action=allow localport=25",
        "name=a dir=in action=allow protocol=any remoteport=25",
        "name=a dir=in action=allow protocol=47 localport=25",
        "name=a dir=in action=allow protocol=tcp localport=0",
        "name=a dir=in action=allow protocol=tcp localport=65536",
        "name=a dir=in action=allow protocol=tcp localport=90-80",
        "name=a dir=in action=allow protocol=tcp localport=80,",
        "name=a dir=in action=allow protocol=tcp localport=80-",
        'name=a dir=in action=allow protocol=tcp "localport=80, 81"',
        "name=a dir=in action=allow protocol=tcp localport=http",
        "name=a dir=in action=allow protocol=tcp localport=any,80",
        "name=a dir=in action=allow protocol=tcp remoteport=RPC",
        "name=a dir=in action=allow protocol=udp localport=RPC",
        "name=a dir=out action=allow protocol=tcp localport=RPC-EPMap",
        "name=a dir=in action=allow localip=localsubnet",
        "name=a dir=in action=allow localip=dns",
        "name=a dir=in action=allow remoteip=any,192.0.2.1",
        "name=a dir=in action=allow remoteip=192.0.2.256",
        "name=a dir=in action=allow remoteip=192.0.2.9-192.0.2.1",
        "name=a dir=in action=allow remoteip=192.0.2.9-2001:db8::1",
        "name=a dir=in action=allow remoteip=0.0.0.0/0",
        "name=a dir=in action=allow remoteip=::/0",
        "name=a dir=in action=allow remoteip=192.0.2.0/255.0.255.0",
        "name=a dir=in action=allow remoteip=mail.example.com",
        "name=a dir=in action=allow edge=maybe",
        "name=a dir=out action=allow edge=yes",
        "name=a dir=out action=allow security=authdynenc",
        "name=a dir=in action=allow security=encrypt",
        "name=a dir=in action=allow interfacetype=wifi",
        f"name=a dir=in action=allow program=C:\\{'p' * 257}",
        "name=a dir=in action=allow program=C:/x.exe",
        f"name=a dir=in action=allow service={'s' * 260}",
    ],
)
def test_refuses_what_the_service_refuses(host: Host, line: str) -> None:
    assert host.refuses(f"{ADD} {line}")
    assert host.texts() == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("name=a dir=in action=bypass security=authenticate", "bypass"),
        ("name=a dir=in action=allow rmtcomputergrp=O:LSD: security=authenticate", "groups"),
        ("name=a dir=in action=allow description=", "without a value"),
        ('name=a dir=in action=allow description=""', "without a value"),
        ("name=@FirewallAPI.dll,-28753 dir=in action=allow", "indirect"),
        ("name=a dir=in action=allow remoteip=192.0.2.1/24", "outside its mask"),
        ("name=a dir=in action=allow remoteip=192.0.2.1,192.0.2.1", "twice"),
        ("name=a dir=in action=allow localip=192.0.2.1 remoteip=2001:db8::1", "family"),
        ("name=a dir=in action=allow protocol=tcp localport=RPC,135", "2008 only"),
        ("name=a dir=in action=block security=authenc", "block rule"),
        ('name="a dir=in action=allow', "never closed"),
        (r'name="a\"b" dir=in action=allow description="d\"e"', "quotation mark"),
        ("name=\u30ea dir=in action=allow", "code page"),
        ("name=a\tdir=in action=allow", "code page"),
    ],
)
def test_what_nobody_may_send(host: Host, line: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        host.netsh(f"{ADD} {line}")
    assert host.texts() == []


def test_refusals_become_violations_of_the_machine(host: Host) -> None:
    code, _out, _err = host.machine.run_program("netsh.exe", "advfirewall show allprofiles")
    assert code == 255
    assert len(host.machine.violations) == 1


def test_lists_have_a_thousand_entries_at_most(host: Host) -> None:
    hosts = [f"10.0.{place // 250}.{place % 250}" for place in range(1001)]
    code, _said = host.in_file(f"{ADD} name=a dir=in action=allow remoteip={','.join(f'10.{n}' for n in range(3))}")
    assert code == 1
    with pytest.raises(Refused, match="a command line of"):
        host.netsh(f"{ADD} name=a dir=in action=allow remoteip={','.join(hosts)}")
    ports = [str(port) for port in range(1, 1001)]
    host.ok(f"{TCP} localport={','.join(ports)}")
    assert host.refuses(f"{TCP} localport={','.join([*ports, '1001'])}")


def test_a_name_may_be_there_many_times_and_goes_at_once(host: Host) -> None:
    host.ok(*[f'{ADD} name="Twin {number // 2}" dir=in action=allow protocol=tcp localport={25 + number}' for number in range(4)])
    assert len(host.texts()) == 4
    code, said = host.netsh('advfirewall firewall delete rule name="twin 0"')
    assert code == 0 and "Deleted 2 rule(s)." in said
    assert [rulestring.read(text).get("Name") for text in host.texts()] == ["Twin 1", "Twin 1"]


@pytest.mark.parametrize(
    ("selectors", "left"),
    [
        ("dir=out", 4),
        ("dir=in", 1),
        ("protocol=udp", 4),
        ("protocol=tcp localport=25", 4),
        ("localport=25,80", 4),
        ("localport=80,25", 4),
        ("localport=80", 5),
        ("remoteip=192.0.2.0/24", 4),
        ("remoteip=192.0.2.0/255.255.255.0", 4),
        ("profile=domain", 4),
        ("program=C:\\A.EXE", 4),
        ("service=any", 4),
    ],
)
def test_selectors_narrow_what_is_deleted(host: Host, selectors: str, left: int) -> None:
    host.ok(
        f"{ADD} name=n dir=out action=allow service=any",
        f"{ADD} name=n dir=in action=allow protocol=udp",
        f"{ADD} name=n dir=in action=allow protocol=tcp localport=25 profile=domain",
        f"{ADD} name=n dir=in action=allow protocol=tcp localport=25,80",
        rf"{ADD} name=n dir=in action=allow remoteip=192.0.2.0/24 program=c:\a.exe",
    )
    code, _said = host.netsh(f"advfirewall firewall delete rule name=n {selectors}")
    assert (code, len(host.texts())) == (0 if left < 5 else 1, left)


@pytest.mark.parametrize("what", ["delete rule name=nobody", "set rule name=nobody new enable=no", "set rule group=nobody new enable=no"])
@pytest.mark.parametrize(("language", "text"), [("en", "No rules match the specified criteria."), ("ja", "指定された条件に一致する規則はありません。")])
def test_no_match_is_an_error_in_the_host_s_language(tmp_path: Path, what: str, language: str, text: str) -> None:
    assert Host(tmp_path, "2019", language).netsh(f"advfirewall firewall {what}") == (1, text + "\r\n\r\n")


@pytest.mark.parametrize("language", ["en", "ja"])
def test_success_in_the_host_s_language(tmp_path: Path, language: str) -> None:
    assert Host(tmp_path, "2019", language).netsh(f"{TCP} localport=25") == (0, {"en": "Ok.", "ja": "OK"}[language] + "\r\n\r\n")


def test_set_changes_every_match_and_keeps_what_it_does_not_know(host: Host) -> None:
    key = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy\FirewallRules"
    strange = "v2.25|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=25|Name=n|TTK2_22=Foo|LPort2_99=x|"
    host.registry.set(key, "odd", "REG_SZ", strange)
    host.ok(f"{ADD} name=N dir=in action=allow protocol=tcp localport=80")
    host.ok("advfirewall firewall set rule name=n new enable=no")
    assert host.texts()[0] == strange.replace("Active=TRUE", "Active=FALSE")
    assert "|Active=FALSE|" in host.texts()[1]
    host.ok("advfirewall firewall set rule name=n localport=80 new localport=81 remoteip=192.0.2.1 name=m")
    host.ok("advfirewall firewall set rule name=n new enable=yes")
    assert host.texts()[0] == strange
    assert host.texts()[1] == "v2.29|Action=Allow|Active=FALSE|Dir=In|Protocol=6|LPort=81|RA4=192.0.2.1|Name=m|"


def test_set_refuses_a_contradiction_and_changes_nothing(host: Host) -> None:
    host.ok(f"{TCP} localport=25")
    assert host.refuses("advfirewall firewall set rule name=x new protocol=any")
    assert host.refuses("advfirewall firewall set rule name=x new")
    assert host.refuses("advfirewall firewall set rule group=x new dir=out")
    assert host.refuses("advfirewall firewall set rule group=x dir=in new enable=no")
    assert host.refuses("advfirewall firewall set rule dir=in new enable=no")


@pytest.mark.parametrize(
    "line",
    [
        *("delete rule name=all", "set rule name=all new enable=no", "set rule name=x enable=no", "show rule name=nobody", "delete rule name=x remoteip=any"),
        *("delete rule name=x profile=any", "delete rule name=x protocol=any"),
    ],
)
def test_commands_that_nobody_may_send(host: Host, line: str) -> None:
    host.ok(f"{TCP} localport=25")
    with pytest.raises(Refused):
        host.netsh(f"advfirewall firewall {line}")
    assert len(host.texts()) == 1


@pytest.mark.parametrize(("language", "shown"), [("en", "Remote Desktop (TCP-In)"), ("ja", "@FirewallAPI.dll,-28753")])
def test_built_in_rules_are_found_as_stored_and_as_shown(tmp_path: Path, language: str, shown: str) -> None:
    host = Host(tmp_path, "2008r2", language)
    host.ok(f'advfirewall firewall set rule name="{shown}" dir=in protocol=tcp localport=3389 new enable=no')
    desktop = [text for text in host.texts() if "-28753|" in text]
    assert [rulestring.read(text).get("Active") for text in desktop] == ["FALSE"]


def test_the_english_name_is_nobody_on_a_japanese_host(tmp_path: Path) -> None:
    assert Host(tmp_path, "2008r2", "ja").refuses('advfirewall firewall set rule name="Remote Desktop (TCP-In)" new enable=no')


def test_a_group_is_switched_as_a_whole(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.ok('advfirewall firewall set rule group="File and Printer Sharing" new enable=yes')
    sharing = [rulestring.read(text) for text in host.texts() if "|EmbedCtxt=@FirewallAPI.dll,-28502|" in text]
    assert len(sharing) == 3 and {rule.get("Active") for rule in sharing} == {"TRUE"}


def test_show_speaks_the_host_s_language(tmp_path: Path) -> None:
    host = Host(tmp_path, "2019", "ja")
    host.ok(f"{TCP} localport=25")
    code, said = host.netsh("advfirewall firewall show rule name=x")
    assert code == 0 and re.search(r"^規則名: +x\r$", said, re.MULTILINE) and "Rule Name" not in said


@pytest.mark.parametrize("release", RELEASES)
def test_without_rights_nothing_changes(tmp_path: Path, release: str) -> None:
    host = Host(tmp_path, release, "ja")
    host.machine.faults["no_elevation"] = True
    assert host.refuses(f"{TCP} localport=25")
    assert "管理者" in host.netsh("advfirewall set allprofiles state off")[1]


def test_without_the_service_nothing_changes(host: Host) -> None:
    host.machine.faults["service_stopped"] = "MpsSvc"
    assert host.refuses(f"{TCP} localport=25")


def test_the_change_that_shall_fail_fails(host: Host) -> None:
    host.machine.faults["netsh_fail"] = 2
    codes = [host.netsh(f"{ADD} name=n{number} dir=in action=allow")[0] for number in range(3)]
    assert codes == [0, 1, 0]
    assert [rulestring.read(text).get("Name") for text in host.texts()] == ["n0", "n2"]


# netsh -f


def test_every_line_of_a_file_is_run(host: Host) -> None:
    lines = [f'{ADD} name="n {number}" dir=in action=allow protocol=tcp localport={number}' for number in (25, 0, 80)]
    code, said = host.in_file("# rules", "", *lines)
    assert code == 1 and said.count("Ok.") == 2
    assert [rulestring.read(text).get("Name") for text in host.texts()] == ["n 25", "n 80"]
    assert host.in_file(lines[0])[0] == 0


def test_a_file_that_is_not_there(host: Host) -> None:
    assert host.netsh(r'-f "C:\Windows\nothing.txt"')[0] == 1


@pytest.mark.parametrize("line", ["netsh advfirewall reset", "x" * 8001, 'advfirewall firewall add rule name="x'])
def test_lines_that_no_file_may_have(host: Host, line: str) -> None:
    with pytest.raises(Refused):
        host.in_file(line)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_a_file_holds_ascii_only(tmp_path: Path, language: str) -> None:
    host = Host(tmp_path, "2019", language)
    host.machine.write_file(r"C:\Windows\x.txt", f"{ADD} name=".encode() + b"\x83\x8a dir=in action=allow\r\n")
    with pytest.raises(Refused, match="code page"):
        host.netsh(r"-f C:\Windows\x.txt")
