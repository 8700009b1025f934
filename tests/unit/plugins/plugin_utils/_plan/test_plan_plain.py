# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import re
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import (
    Association,
    Flow,
    HostPlan,
    Management,
    PeerSet,
    PlanError,
    PortRange,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain, host_to_plain

PLAN = HostPlan(
    "mbx1", ("mailbox", "hub_transport"), "Site A", "linux", ("ipv4", "ipv6"),
    (
        Flow("in", "tcp", (PortRange(135, 135), PortRange(49152, 65535)), "hub_transport", ("a-path", "b-path"), "rpc"),
        Flow("out", "any", (), "web_client", ("c-path",), origin="implied"),
    ),
    {
        "config_controller": PeerSet("config_controller", ("198.51.100.0/24",)),
        "hub_transport": PeerSet("hub_transport", ("192.0.2.1-192.0.2.3",), ("2001:db8::/64",)),
        "web_client": PeerSet("web_client", everyone=True),
    },
    Management("config_controller", (PortRange(22, 22),)), "restricted", "supported", "prefer_encrypted", "exchange_2007",
    (Association("hub_transport", "requested", whole=False, selectors=("in 445/tcp",), paths=("a-path",), hosts=("hub1", "hub2")),),
    {"range": "49152-65535"}, "0123abcd", "2008r2", ("192.0.2.7", "2001:db8::7"),
)


def test_the_plan_comes_back_through_json() -> None:
    assert host_from_plain(json.loads(json.dumps(host_to_plain(PLAN)))) == PLAN


def test_the_keys_are_those_of_the_format() -> None:
    assert list(host_to_plain(PLAN)) == [
        "format", "version", "host", "roles", "site", "platform", "release", "addresses", "families", "scope", "encryption", "reference", "egress",
        "management", "flows", "sets",
        "associations", "rpc", "digest",
    ]


def test_a_host_that_nobody_is_named_to_manage_has_no_set_for_it() -> None:
    plan = HostPlan(**{**vars(PLAN), "management": Management("", (PortRange(22, 22),))})
    assert host_from_plain(host_to_plain(plan)) == plan


def _at(plain: t.Any, where: tuple[str | int, ...]) -> t.Any:
    for step in where:
        plain = plain[step]
    return plain


def _places(plain: t.Any, where: tuple[str | int, ...] = ()) -> t.Iterator[tuple[str | int, ...]]:
    if isinstance(plain, dict):
        for key in plain:
            yield (*where, key)
            if key != "rpc":
                yield from _places(plain[key], (*where, key))
    elif isinstance(plain, list):
        for number, value in enumerate(plain):
            yield (*where, number)
            yield from _places(value, (*where, number))


PLACES = tuple(_places(host_to_plain(PLAN)))


@pytest.mark.parametrize("where", PLACES, ids=lambda where: ".".join(map(str, where)))
@pytest.mark.parametrize("value", [None, 1.5, object()], ids=("none", "float", "object"))
def test_another_type_is_an_error(where: tuple[str | int, ...], value: object) -> None:
    plain = host_to_plain(PLAN)
    _at(plain, where[:-1])[where[-1]] = value
    with pytest.raises(PlanError, match=r"(host plan|plan of mbx1)"):
        host_from_plain(plain)


KEYS = [where for where in PLACES if isinstance(where[-1], str) and where[:-1] != ("sets",)]


@pytest.mark.parametrize("where", KEYS, ids=lambda where: ".".join(map(str, where)))
def test_a_missing_key_is_named(where: tuple[str | int, ...]) -> None:
    plain = host_to_plain(PLAN)
    del _at(plain, where[:-1])[where[-1]]
    with pytest.raises(PlanError, match=f"{where[-1]}: missing: make the plan again"):
        host_from_plain(plain)


@pytest.mark.parametrize("where", [
    (), ("management",), ("flows", 0), ("sets", "hub_transport"), ("associations", 0),
], ids=lambda where: ".".join(map(str, where)) or "top")
def test_an_unknown_key_is_named(where: tuple[str | int, ...]) -> None:
    plain = host_to_plain(PLAN)
    _at(plain, where)["surprise"] = 1
    with pytest.raises(PlanError, match="surprise: not known: make the plan again"):
        host_from_plain(plain)


@pytest.mark.parametrize(("where", "value", "what"), [
    (("format",), "other", "host plan: format 'other' version 2 is not 'datapath.exchange/host' version 2"),
    (("version",), 1, "host plan: format 'datapath.exchange/host' version 1 is not"),
    (("version",), True, "host plan: version: is bool, not a number"),
    (("egress",), "closed", "plan of mbx1: egress: 'closed' is not one of open, restricted"),
    (("families",), ["ipv4", "ipv4"], "plan of mbx1: families: ipv4, ipv4 is not a choice of ipv4, ipv6, each at most once"),
    (("families",), ["ipx"], "plan of mbx1: families: ipx is not a choice of"),
    (("flows", 0, "peers"), "nobody", "plan of mbx1: flows[0]: peers: 'nobody' is not among the sets of this host"),
    (("flows", 0, "ports", 0), "0", "plan of mbx1: flows[0]: ports: port '0': numbers must be 1 to 65535"),
    (("flows", 0, "ports"), [], "and ports () do not fit"),
    (("flows", 0, "protocol"), "sctp", "is not known"),
    (("flows", 0, "paths"), [], "no path asks for it"),
    (("flows", 0, "paths", 0), 'x" accept', "plan of mbx1: flows[0]: paths: 'x\" accept' is not a path id"),
    (("flows", 0, "origin"), "guessed", "plan of mbx1: flows[0]: origin: 'guessed' is not one of documented, implied"),
    (("sets", "hub_transport", "v4", 0), "192.0.2.1 }", "plan of mbx1: sets.hub_transport: v4: '192.0.2.1 }' is not a network of this family"),
    (("sets", "hub_transport", "v6", 0), "fe80::1%eth0", "plan of mbx1: sets.hub_transport: v6: 'fe80::1%eth0' is not a network of this family"),
    (("sets", "hub_transport", "everyone"), 1, "plan of mbx1: sets.hub_transport: everyone: is int, not true or false"),
    (("sets", "hub_transport", "everyone"), True, "any and single networks exclude each other"),
    (("sets", "a; flush ruleset"), {}, "plan of mbx1: sets: 'a; flush ruleset' is not the name of a peer set"),
    (("management", "peers"), "nobody", "plan of mbx1: management: peers: 'nobody' is not among the sets"),
    (("addresses", 1), 'x" accept', "plan of mbx1: addresses: 'x\" accept' is not an address"),
    (("associations", 0, "ike"), 3, "plan of mbx1: associations[0]: ike: 3 is not a version of the key exchange"),
    (("associations", 0, "selectors", 0), "in 445/tcp drop", "plan of mbx1: associations[0]: selectors: 'in 445/tcp drop' is not IN-OR-OUT PORTS/PROTOCOL"),
    (("associations", 0, "mode"), "maybe", "plan of mbx1: associations[0]: mode: 'maybe' is not one of requested, required"),
])
def test_a_wrong_value_is_named_with_its_place(where: tuple[str | int, ...], value: object, what: str) -> None:
    plain = host_to_plain(PLAN)
    _at(plain, where[:-1])[where[-1]] = value
    with pytest.raises(PlanError, match=re.escape(what)):
        host_from_plain(plain)


LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.text())


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10))
@settings(max_examples=50)
def test_anything_else_is_a_plan_error(plain: object) -> None:
    with pytest.raises(PlanError):
        host_from_plain(plain)
