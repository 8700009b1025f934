# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Organisations that nobody would think of: every variable that changes a plan, set by dice."""

from __future__ import annotations

import random
import typing as t

from ansible_collections.datapath.exchange.tests.oracle import sampling
from ansible_collections.datapath.exchange.tests.oracle.inventory import Organisation
from ansible_collections.datapath.exchange.tests.oracle.oracle import GATEWAYS, Oracle

ROLES = ("hub_transport", "mailbox", "client_access", "unified_messaging")
PEERS_V4 = ("198.51.100.0/24", "198.51.100.64/26", "203.0.113.8/29", "203.0.113.7", "192.0.2.200-192.0.2.205", "192.0.2.0/28", "203.0.113.200-203.0.113.255")
PEERS_V6 = ("2001:db8:a::/48", "2001:db8:a:1::7", "2001:db8::1-2001:db8::9", "fd77::/64")
SITES = ("a", "b")


def make(seed: int) -> Organisation:
    dice = sampling.dice(f"organisation {seed}")
    organisation = Organisation(f"random {seed}")
    catalogue = Oracle({}, {})
    shared = _shared(catalogue, dice)
    owners = {name: feature.get("owner", "") for name, feature in catalogue.features.items()}
    for index in range(dice.randint(3, 8)):
        roles = dice.sample(ROLES, dice.choice((1, 1, 1, 2, 3))) if dice.random() < 0.85 else ["edge_transport"]
        name = f"server{index}"
        organisation.hosts[name] = {**_server(index, roles, dice), **{
            f"datapath_{feature}": dice.random() < 0.5 for feature, owner in sorted(owners.items()) if owner in roles and dice.random() < 0.4
        }}
        for role in roles:
            organisation.groups.setdefault(role, []).append(name)
    _partners(organisation, dice)
    for index in range(dice.randint(0, 5)):
        name, kind = f"peer{index}", dice.choice(sorted(set(catalogue.kinds) - {"config_controller"}))
        organisation.hosts[name] = {"datapath_addresses": _addresses(index, "192.0.2.1%02d", "2001:db8::2%02x", dice)}
        if dice.random() < 0.3:
            organisation.hosts[name]["datapath_rpc_range"] = "6000-6100"
        if kind in GATEWAYS and dice.random() < 0.5:
            organisation.hosts[name]["datapath_gateway_mode"] = dice.choice(("tcp", "tls"))
        organisation.groups.setdefault(kind, []).append(name)
    shared["datapath_peers"] = _peers(catalogue, {host.get("datapath_site", "default") for host in organisation.hosts.values()}, dice)
    for variables in organisation.hosts.values():
        variables.update(shared)
    return organisation


def _server(index: int, roles: t.Sequence[str], dice: random.Random) -> dict[str, t.Any]:
    variables: dict[str, t.Any] = {"datapath_addresses": _addresses(index, "192.0.2.%d", "2001:db8::%x", dice), "datapath_site": dice.choice(SITES)}
    choices = {
        "datapath_rpc_range": ("49152-65535", "5000-5999", "1025-60000"),
        "datapath_static_ports": ({"store": 7001}, {"store": 7001, "referral": 7002, "address_book": 49152}),
        "datapath_media_range": ("16384-32767", "1024-65535", "50000-50010"),
        "datapath_platform": ("linux", "windows", {"os": "windows", "release": "2003"}),
        "ansible_port": (22, 2222),
    }
    variables.update({name: dice.choice(values) for name, values in choices.items() if dice.random() < 0.25})
    if "mailbox" in roles and dice.random() < 0.5:
        # All nodes of a cluster are in one site and know the same networks.
        variables.update(datapath_site="a", datapath_cluster="one", datapath_cluster_networks=["10.77.0.0/29", "fd77:1::/126"])
    return variables


def _partners(organisation: Organisation, dice: random.Random) -> None:
    mailboxes = organisation.groups.get("mailbox", [])
    for name in mailboxes:
        others = [other for other in mailboxes if other != name]
        if others and dice.random() < 0.3:
            organisation.hosts[name]["datapath_scr_targets"] = [dice.choice(others)]
        if dice.random() < 0.3:
            holders = [other for role in ROLES for other in organisation.groups.get(role, ()) if other != name]
            addresses = [organisation.hosts[other]["datapath_addresses"][0] for other in holders]
            organisation.hosts[name]["datapath_file_share_witness"] = dice.choice([*holders, *addresses, "192.0.2.240"])


def _shared(catalogue: Oracle, dice: random.Random) -> dict[str, t.Any]:
    codes = sorted({code for row in catalogue.rows if row["section"] == "implied" for code in (row["id"], row["source"])} | {"A-02", "A-21", "X-09"})
    shared: dict[str, t.Any] = {
        "datapath_scope": dice.choice(("documented", "documented", "supported")),
        "datapath_encryption": dice.choice(("as_documented", "as_documented", "prefer_encrypted")),
        "datapath_enforce_site_scope": dice.random() < 0.8,
        "datapath_implied": dice.random() < 0.85,
        "datapath_disabled_implied": dice.sample(codes, dice.choice((0, 0, 1, 4))),
        "datapath_outlook_min_version": dice.choice((2003, 2007)),
        "datapath_waivers": {row["id"]: "dice" for row in dice.sample(catalogue.rows, dice.choice((0, 0, 3)))},
    }
    for name, feature in sorted(catalogue.features.items()):
        if not feature.get("owner") and dice.random() < 0.3:
            shared[f"datapath_{name}"] = dice.random() < 0.6
    return shared


def _peers(catalogue: Oracle, sites: set[str], dice: random.Random) -> dict[str, t.Any]:
    peers: dict[str, t.Any] = {}
    for kind, about in catalogue.kinds.items():
        if dice.random() < 0.4:
            continue
        if about.get("allow_any") and dice.random() < 0.4:
            peers[kind] = ["any"]
        elif kind in GATEWAYS:
            peers[kind] = [_gateway(text, sites, dice) for text in dice.sample(("203.0.113.7", "203.0.113.8/29", "203.0.113.40", "2001:db8:a::7"), 2)]
        elif dice.random() < 0.3:
            peers[kind] = {site: [dice.choice((*PEERS_V4, *PEERS_V6))] for site in sorted(sites & set(SITES))}
        else:
            peers[kind] = dice.sample((*PEERS_V4, *PEERS_V6), dice.randint(0, 3))
    return peers


def _gateway(address: str, sites: set[str], dice: random.Random) -> t.Any:
    more = {"mode": dice.choice(("tcp", "tls")), "fqdn": "gw.example.com", "dial_plan": "main", "site": dice.choice(sorted(sites & set(SITES)))}
    return {"address": address, **{key: value for key, value in more.items() if dice.random() < 0.5}} if dice.random() < 0.7 else address


def _addresses(index: int, v4: str, v6: str, dice: random.Random) -> list[str]:
    both = [v4 % (index + 1), v6 % (index + 1)]
    return dice.choice((both, both, both[:1], both[1:]))
