# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random mail organisations for hypothesis: valid ones, and values that no inventory should hold.

Managed hosts have addresses of 192.0.2.0/24, unmanaged ones of 198.51.100.0/25, cluster networks lie in 198.51.100.128/25, and each peer kind has eight
addresses of 203.0.113.0/24 to itself, so that an address says who is meant.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan, compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import GATEWAY_KINDS, Inventory

REFERENCE = load("exchange_2007")
SITES = ("default", "Tokyo", "new york")
CLUSTERS = ("ccr1", "SCC 2")
MEMBER_ROLES = tuple(role for role in REFERENCE.roles if role not in REFERENCE.exclusive_roles)
KINDS = tuple(REFERENCE.peer_kinds)
ORGANISATION_FEATURES = tuple(name for name, feature in REFERENCE.features.items() if not feature.owner)
IMPLIED = tuple(path.id for path in REFERENCE.paths if path.origin == "implied")


@dataclass(frozen=True)
class Organisation:
    """An inventory and the options of the plan task."""

    inventory: Inventory
    options: t.Mapping[str, t.Any]

    def plan(self, **changed: t.Any) -> Plan:
        """Compile it, with some options otherwise."""
        return compile_plan(self.inventory, {**self.options, **changed})

    def with_host(self, name: str, **variables: t.Any) -> Organisation:
        """The same with further ``datapath_`` variables of one host, which may be new."""
        more = {f"datapath_{key}": value for key, value in variables.items()}
        hosts = {**self.inventory.hosts, name: {**self.inventory.hosts.get(name, {}), **more}}
        return Organisation(Inventory(hosts, self.inventory.groups), self.options)

    def with_groups(self, **groups: list[str]) -> Organisation:
        """The same with other members of some groups."""
        return Organisation(Inventory(self.inventory.hosts, {**self.inventory.groups, **groups}), self.options)

    def with_options(self, **changed: t.Any) -> Organisation:
        return Organisation(self.inventory, {**self.options, **changed})

    def with_peers(self, **kinds: t.Any) -> Organisation:
        """The same with other networks of some peer kinds."""
        return self.with_options(peers={**self.options.get("peers", {}), **kinds})


def small(**options: t.Any) -> Organisation:
    """Each role once, two mailbox servers, a domain controller and a gateway in one site; a few networks of peers."""
    hosts = {
        "hub1": ["192.0.2.1"], "edge1": ["192.0.2.2"], "mbx1": ["192.0.2.3", "2001:db8::3"], "mbx2": ["192.0.2.4"], "cas1": ["192.0.2.5"], "um1": ["192.0.2.6"],
        "dc1": ["198.51.100.1"], "gw1": ["198.51.100.2"],
    }
    groups = {
        "hub_transport": ["hub1"], "edge_transport": ["edge1"], "mailbox": ["mbx1", "mbx2"], "client_access": ["cas1"], "unified_messaging": ["um1"],
        "domain_controller": ["dc1"], "ip_gateway": ["gw1"],
    }
    peers = {"mapi_client": ["203.0.113.0/29"], "internet_mta": ["203.0.113.8/29"], "backup_server": ["203.0.113.16"]}
    variables = {name: {"datapath_addresses": value} for name, value in hosts.items()}
    return Organisation(Inventory(variables, groups), {"peers": peers, **options})


def maybe(strategy: st.SearchStrategy[t.Any]) -> st.SearchStrategy[t.Any]:
    """A value or, as often, None for a variable that is not set."""
    return st.one_of(st.none(), strategy)


def addresses(number: int, net: str = "192.0.2", v6: str = "2001:db8::") -> st.SearchStrategy[list[str]]:
    """IPv4, IPv6 or both, always the same for one number."""
    return st.sampled_from(([f"{net}.{number}"], [f"{net}.{number}", f"{v6}{number:x}"], [f"{v6}{number:x}"]))


@st.composite
def role_sets(draw: st.DrawFn) -> tuple[str, ...]:
    """Roles of one host: edge alone, or some of the others."""
    if draw(st.integers(0, 5)) == 0:
        return ("edge_transport",)
    return tuple(draw(st.lists(st.sampled_from(MEMBER_ROLES), min_size=1, max_size=3, unique=True)))


@st.composite
def server_variables(draw: st.DrawFn, number: int, roles: tuple[str, ...]) -> dict[str, t.Any]:
    """Variables of one managed host, without those that name other hosts."""
    found: dict[str, t.Any] = {
        "addresses": draw(addresses(number)), "site": draw(maybe(st.sampled_from(SITES))), "egress": draw(maybe(st.sampled_from(("open", "restricted")))),
        "platform": draw(st.sampled_from((None, None, "linux", "windows", {"os": "windows", "release": "2003"}))),
        "rpc_range": draw(st.sampled_from((None, None, "50000-50999", "20000-20999"))),
        "static_ports": draw(st.sampled_from((None, None, {"store": 6100}, {"store": 6100, "address_book": 6101}))),
        "ipsec": draw(st.sampled_from((None, None, "absent", "requested", "required"))),
    }
    if "unified_messaging" in roles:
        found["media_range"] = draw(st.sampled_from((None, "1024-65535", "30000-39999")))
    if "mailbox" in roles:
        found["cluster"] = draw(st.sampled_from((None, *CLUSTERS)))
        found["cluster_networks"] = draw(st.sampled_from((None, ["198.51.100.128/28"], ["198.51.100.144/28", "2001:db8:c::/64"]))) if found["cluster"] else None
    for name, feature in REFERENCE.features.items():
        if feature.owner in roles:
            found[name] = draw(st.sampled_from((None, None, True, False)))
    return found


def _networks(index: int) -> tuple[str, ...]:
    base = 8 * index
    return (f"203.0.113.{base}/30", f"203.0.113.{base + 4}", f"203.0.113.{base + 5}-203.0.113.{base + 7}", f"2001:db8:{index + 1:x}::/64")


@st.composite
def networks(draw: st.DrawFn, kind: str, sites: tuple[str, ...]) -> t.Any:
    """A value of one kind in ``datapath_peers``."""
    entries: list[t.Any] = draw(st.lists(st.sampled_from(_networks(KINDS.index(kind))), max_size=4, unique=True))
    if REFERENCE.peer_kinds[kind].allow_any and draw(st.integers(0, 3)) == 0:
        entries.append("any")
    if kind in GATEWAY_KINDS:
        shape = {"mode": st.sampled_from(("tcp", "tls")), "fqdn": st.just("gw.example"), "dial_plan": st.just("plan 1"), "site": st.sampled_from(sites)}
        entries = [draw(st.one_of(st.just(entry), st.fixed_dictionaries({"address": st.just(entry)}, optional=shape))) for entry in entries]
    if entries and draw(st.integers(0, 3)) == 0:
        cut = draw(st.integers(0, len(entries)))
        return {draw(st.sampled_from(sites)): entries[:cut], draw(st.sampled_from(sites)): entries[cut:]}
    return entries


@st.composite
def outsider_variables(draw: st.DrawFn, number: int, sites: tuple[str, ...]) -> dict[str, t.Any]:
    return {
        "addresses": draw(addresses(number, "198.51.100", "2001:db8:ff::")), "site": draw(maybe(st.sampled_from(sites))),
        "probe": draw(maybe(st.booleans())), "gateway_mode": draw(st.sampled_from((None, "tcp", "tls"))),
        "rpc_range": draw(st.sampled_from((None, "5000-5999"))),
    }


@st.composite
def organisation_options(draw: st.DrawFn, sites: tuple[str, ...]) -> dict[str, t.Any]:
    named = draw(st.lists(st.sampled_from(KINDS), max_size=8, unique=True))
    found = {
        "scope": draw(st.sampled_from((None, "documented", "supported"))),
        "encryption": draw(st.sampled_from((None, "as_documented", "prefer_encrypted", "require_encrypted"))),
        "enforce_site_scope": draw(maybe(st.booleans())), "implied": draw(st.sampled_from((None, None, True, False))),
        "disabled_implied": draw(maybe(st.lists(st.sampled_from((*IMPLIED, "A-02", "X-09", "R-MB-07")), max_size=4, unique=True))),
        "waivers": draw(maybe(st.dictionaries(st.sampled_from(("outlook-web-access", "um-phone", "ccr-scr-seeding", "P-DNS-01")), st.just("agreed"),
            max_size=3))),
        "outlook_min_version": draw(st.sampled_from((None, 2003, 2007))),
        "peers": {kind: draw(networks(kind, sites)) for kind in named},
    }
    found.update({name: draw(st.sampled_from((None, None, True, False))) for name in ORGANISATION_FEATURES})
    return found


@st.composite
def organisations(draw: st.DrawFn, max_servers: int = 7, max_outsiders: int = 4) -> Organisation:
    """A valid organisation; its findings may still be errors."""
    groups: dict[str, list[str]] = {}
    hosts: dict[str, dict[str, t.Any]] = {}
    for number in range(1, draw(st.integers(1, max_servers)) + 1):
        roles, name = draw(role_sets()), f"srv{number}"
        if hosts and draw(st.booleans()):
            # Hosts that are alike share their plan, so there must be some, and some that differ in one thing only.
            twin = draw(st.sampled_from(sorted(hosts)))
            roles = tuple(role for role in REFERENCE.roles if twin in groups.get(role, ()))
            changed = draw(st.sampled_from(("addresses", "site", "rpc_range", "egress", "cluster_networks" if hosts[twin].get("cluster") else "site")))
            fresh = draw(server_variables(number, roles))
            hosts[name] = {**hosts[twin], "addresses": draw(addresses(number)), changed: fresh[changed]}
        else:
            hosts[name] = draw(server_variables(number, roles))
        for role in roles:
            groups.setdefault(role, []).append(name)
    sites = tuple(dict.fromkeys(variables["site"] or "default" for variables in hosts.values()))
    servers = tuple(hosts)
    for number in range(1, draw(st.integers(0, max_outsiders)) + 1):
        name = f"out{number}"
        hosts[name] = draw(outsider_variables(number, sites))
        for kind in draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=2, unique=True)):
            groups.setdefault(kind, []).append(name)
    _tie(draw, hosts, groups, servers)
    plain = {name: {f"datapath_{key}": value for key, value in variables.items() if value is not None} for name, variables in hosts.items()}
    return Organisation(Inventory(plain, {**groups, "all": list(hosts)}), draw(organisation_options(sites)))


def _tie(draw: st.DrawFn, hosts: dict[str, dict[str, t.Any]], groups: t.Mapping[str, list[str]], servers: tuple[str, ...]) -> None:
    """Let mailbox servers name each other and their witnesses."""
    mailboxes = groups.get("mailbox", [])
    holders = [*(name for name in servers if name not in groups.get("edge_transport", ())), *groups.get("file_share_witness", ()), "198.51.100.99",
        "2001:db8:ee::1"]
    for name in mailboxes:
        hosts[name]["scr_targets"] = draw(maybe(st.lists(st.sampled_from(mailboxes), max_size=2, unique=True)))
        hosts[name]["file_share_witness"] = draw(maybe(st.sampled_from(holders)))


@st.composite
def shuffled(draw: st.DrawFn, organisation: Organisation) -> Organisation:
    """The same organisation with every mapping and group in another order."""
    def mixed(value: t.Any) -> t.Any:
        if isinstance(value, t.Mapping):
            return {key: mixed(value[key]) for key in draw(st.permutations(list(value)))}
        return value

    groups = {name: draw(st.permutations(members)) for name, members in organisation.inventory.groups.items()}
    return Organisation(Inventory(mixed(organisation.inventory.hosts), mixed(groups)), mixed(organisation.options))


_NASTY = (
    "", " ", "any", "ANY", "0.0.0.0/0", "::/0", "0.0.0.0", "192.0.2.0/33", "192.0.2.1/24", "all", "*", "true; rm",
    "$(id)", "`id`", "' or 1", '"', "\n", "\0", "\u2028",
    "²", "٣", "65536", "0", "-1", "1-", "-", "9" * 5000, "1e3", "0x10",
    "1024-70000", "2000-1000", "linux\n", "{ }", "ip saddr 0.0.0.0/0 accept", "\ud800", "a" * 300,
    "fe80::1%eth0", "mailbox", "tokyo", "192.0.2.1", "hub_transport",
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 70000), st.integers(), st.floats(), st.sampled_from(_NASTY), st.text(max_size=20), st.binary(max_size=4),
)
garbage = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=8),
        st.sampled_from(("os", "release", "address", "mode", "site",
        "between", "store", *KINDS[:3], *REFERENCE.roles)), st.integers(0, 3)), inner, max_size=3)),
    max_leaves=6,
)
"""Whatever YAML, JSON or an extra variable could put where a value is expected."""

__all__ = ("IMPLIED", "KINDS", "MEMBER_ROLES", "ORGANISATION_FEATURES", "REFERENCE", "SITES", "Organisation", "garbage", "maybe", "organisations",
    "shuffled", "small")
