# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of Windows Firewall for tests: public samples, their addresses replaced by those for documentation, and random ones."""

from __future__ import annotations

import typing as t

from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.conditions import ADDRESS_KEYWORDS, PORT_KEYWORDS
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import ANY_ADDRESS, ANY_PORT, PROFILES, Match, Ports, Scope

SAMPLES: t.Final = {
    "documented": (
        r"v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|LPort=RPC|RPort=49000|LA4=192.0.2.128/255.255.255.128|LA4=192.0.2.0/255.255.255.128"
        r"|RA4=LocalSubnet|RA6=LocalSubnet|App=c:\path\foo.exe|Name=Firewall Rule Test|Security=Authenticate|Security2_9=An-NoEncap|"
    ),
    "application": "v2.32|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3241|LA4=192.0.2.1|RA4=192.0.2.0/255.255.255.0|Name=USBLink application session|",
    "outbound": (
        "v2.27|Action=Allow|Active=FALSE|Dir=Out|Protocol=17|Profile=Private|RPort=137|RA4=LocalSubnet|RA6=LocalSubnet|App=System|"
        "Name=@FirewallAPI.dll,-32773|Desc=@FirewallAPI.dll,-32776|EmbedCtxt=@FirewallAPI.dll,-32752|Security=AuthenticateEncrypt|"
    ),
    "service": (
        r"v2.0|Action=Allow|Dir=In|Protocol=6|LPort=RPC|App=%SystemRoot%\system32\svchost.exe|Svc=DHCPServer|"
        r"Name=@%SystemRoot%\system32\dhcpssvc.dll,-205|"
    ),
    "remote desktop": (
        "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=3389|App=System|Name=@FirewallAPI.dll,-28753|Desc=@FirewallAPI.dll,-28756|"
        "EmbedCtxt=@FirewallAPI.dll,-28752|"
    ),
    "block": "v2.31|Action=Block|Active=TRUE|Dir=In|Protocol=6|LPort2_10=1-66|LPort2_10=69-55554|LPort2_10=55556-65535|Name=TCP|EmbedCtxt=GSecurity|",
    "bypass": (
        "v2.28|Action=ByPass|Active=TRUE|Dir=In|Protocol=6|LPort=3389|Name=x|Desc=x|RMauth=O:LSD:(A;;CC;;;S-1-5-21-1)|RUAuth=O:LSD:(A;;CC;;;S-1-5-21-2)|"
        "Security=Authenticate|Security2_9=An-NoEncap|"
    ),
    "restricted in": "V2.0|Action=Block|Dir=In|LPort=1-553,555-8553,8555-65535|Protocol=6|",
    "restricted out": r"V2.0|Action=Allow|Dir=Out|Protocol=tcp|rport=3268,389|App=%SystemRoot%\System32\svchost.exe|",
    "explicit edge": r"v2.0|Action=Allow|Active=TRUE|Dir=In|Protocol=6|Profile=Public|App=c:\game.exe|Name=Effectopedia|Edge=FALSE|",
}
"""Published values of FirewallRules: MS-GPFAS 4.2, USBLink, Antignis, dissect.target's tests and registry exports."""

VERSIONS: t.Final = (
    "v2.0", "v2.1", "v2.10", "v2.20", "v2.22", "v2.24", "v2.25", "v2.26", "v2.27", "v2.28", "v2.29", "v2.30", "v2.31", "v2.32", "v2.33", "V2.0",
)

_plain = st.text(st.characters(codec="utf-8", exclude_characters="|", exclude_categories=("Cc", "Cs")), max_size=20)
words = st.one_of(_plain, st.sampled_from(("a=b", "=", "é", "メール サーバー", '"quoted"', "%SystemRoot%", "v2.10", "    REG_SZ    ", "all")))
names = st.text(st.characters(codec="ascii", exclude_characters="|=", exclude_categories=("Cc",)), min_size=1, max_size=12)


def intervals(highest: int) -> st.SearchStrategy[_networks.Interval | t.Any]:
    numbers = st.integers(0, highest)
    pairs = st.tuples(numbers, numbers).map(lambda pair: (min(pair), max(pair)))
    return st.lists(st.one_of(numbers.map(lambda number: (number, number)), pairs), max_size=4).map(_networks.merge)


def ports(prefix: str) -> st.SearchStrategy[Ports]:
    keywords = st.frozensets(st.sampled_from(sorted(PORT_KEYWORDS)), max_size=2) if prefix == "LPort" else st.just(frozenset())
    some = st.builds(Ports, st.just(False), intervals(65535), keywords).filter(lambda made: bool(made.numbers or made.keywords))
    return st.one_of(st.just(ANY_PORT), some)


scopes = st.one_of(st.just(ANY_ADDRESS), st.builds(
    Scope, st.just(False), intervals((1 << 32) - 1), intervals((1 << 128) - 1), st.frozensets(st.sampled_from(sorted(ADDRESS_KEYWORDS)), max_size=3),
).filter(lambda made: bool(made.v4 or made.v6 or made.keywords)))

_icmp = st.builds("{}:{}".format, st.integers(0, 255), st.one_of(st.just("*"), st.integers(0, 255)))
_others = st.tuples(st.sampled_from(("RMauth", "AppPkgId", "Platform", "Future9")), words.filter(bool))
_profiles = st.sets(st.sampled_from(PROFILES), min_size=1).map(lambda each: tuple(sorted(each)))


@st.composite
def matches(draw: st.DrawFn) -> Match:
    """Any rule that can be written down."""
    protocol = draw(st.sampled_from((None, 1, 6, 17, 47, 58, 255)))
    with_ports = protocol in {6, 17}
    remote = draw(scopes)
    lonely = draw(st.lists(st.sampled_from(sorted(remote.keywords)), max_size=1)) if remote.keywords else []
    other = set(draw(st.lists(_others, max_size=2))) | {(draw(st.sampled_from(("RA4", "RA6"))), each) for each in lonely}
    return Match(
        draw(st.sampled_from(("in", "out"))), draw(st.sampled_from(("allow", "block", "bypass"))), protocol, draw(ports("LPort")) if with_ports else ANY_PORT,
        draw(ports("RPort")) if with_ports else ANY_PORT, draw(scopes), remote, draw(_profiles),
        tuple(sorted(draw(st.sets(_icmp, max_size=3)))) if protocol in {1, 58} else (), draw(words).lower(), draw(words).lower(),
        tuple(sorted(draw(st.sets(st.sampled_from(("Lan", "Wireless", "RemoteAccess", "{212d4e36-db6e-4eae-a65f-1c4615ebfddb}")), max_size=2)))),
        draw(st.sampled_from(("none", "authenticate", "authenc", "authnoencap", "authdynenc"))), draw(st.sampled_from(("no", "yes", "deferapp", "deferuser"))),
        tuple(sorted(other)),
    )
