# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import datetime as dt
import re
import typing as t

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._inventory import (
    NotPlainError,
    Reader,
    compile_inventory,
    has_template,
    misplaced,
    plain,
    role_groups,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import APPLY_VARIABLES, InputErrors, Inventory


class Wrapped(str):
    """What Ansible's tagged and unsafe texts are: text of another class."""

    __slots__ = ()


class Vaulted:
    _ciphertext = "$ANSIBLE_VAULT"


def upper(value: t.Any, variables: t.Mapping[str, t.Any]) -> t.Any:
    return str(value).replace("{{ base }}", variables["base"])


def refuse(value: t.Any, _variables: t.Mapping[str, t.Any]) -> t.Any:
    raise ValueError(f"cannot be templated: {value}")


@pytest.mark.parametrize(("value", "kinds"), [
    (Wrapped("hub"), [str]),
    ({Wrapped("ports"): [Wrapped("25"), 25, 2.5, True, None]}, [dict]),
    ((1, 2), [list]),
])
def test_only_pythons_own_types_leave(value: t.Any, kinds: list[type]) -> None:
    def types(entry: t.Any) -> t.Iterator[type]:
        yield type(entry)
        if isinstance(entry, dict):
            for key, inner in entry.items():
                yield type(key)
                yield from types(inner)
        if isinstance(entry, list):
            for inner in entry:
                yield from types(inner)

    result = plain(value)
    assert result == (list(value) if isinstance(value, tuple) else value)
    assert set(types(result)) - {str, int, float, bool, type(None), dict, list} == set()
    assert type(result) in kinds


@pytest.mark.parametrize(("value", "error"), [
    (dt.date(2009, 6, 5), "is a date; write it as text, number, boolean, list or mapping (quote a date)"),
    ([Vaulted()], "is encrypted; a plan can be read by everybody who may read the run, write it in plain text"),
    ({"x": {1, 2}}, "is a set; write it as text, number, boolean, list or mapping (quote a date)"),
])
def test_what_no_plan_can_hold_is_refused(value: t.Any, error: str) -> None:
    with pytest.raises(NotPlainError, match=f"^{re.escape(error)}$"):
        plain(value)


@pytest.mark.parametrize(("value", "expected"), [
    ("192.0.2.1", False), ("{{ base }}.1", True), ("{% if x %}1{% endif %}", True), (["a", {"b": "{{ c }}"}], True), ({"{{ k }}": 1}, True),
    ({"a": [1, None, "{ }"]}, False), (7, False),
])
def test_templates_are_found_wherever_they_are(value: t.Any, expected: t.Any) -> None:
    assert has_template(value) is expected


def test_only_the_plans_variables_are_read_and_only_templates_templated() -> None:
    reader = Reader(upper)
    variables = {
        "base": "192.0.2", "ansible_host": "{{ base }}.7", "datapath_site": "head", "ansible_password": "{{ undefined }}", "other": "{{ undefined }}",
    }
    assert reader.read("hub1", variables) == {"ansible_host": "192.0.2.7", "datapath_site": "head"}
    assert reader.errors == []


def test_a_value_that_hosts_share_stays_one_value() -> None:
    reader, shared = Reader(refuse), {"domain_controller": ["192.0.2.1"]}
    first, second = (reader.read(host, {"datapath_peers": shared})["datapath_peers"] for host in ("hub1", "hub2"))
    assert first is second
    assert first == shared
    assert first is not shared


def test_every_value_that_cannot_be_read_is_named() -> None:
    reader = Reader(refuse)
    assert reader.read("hub1", {"datapath_site": "{{ x }}", "datapath_zone": dt.date(2009, 6, 5), "datapath_probe": True}) == {"datapath_probe": True}
    assert reader.errors == [
        "hub1: datapath_site: cannot be templated: {{ x }}",
        "hub1: datapath_zone: is a date; write it as text, number, boolean, list or mapping (quote a date)",
    ]


def test_what_a_run_has_set_is_refused_and_not_read() -> None:
    reader = Reader(refuse)
    assert reader.read("hub1", {"datapath_site": "head", "ansible_host": "192.0.2.9"}, {"datapath_site", "ansible_host", "result"}) == {}
    assert reader.errors == [
        f"hub1: {name}: was set by set_fact, register, include_vars or a fact; set it in inventory" for name in ("ansible_host", "datapath_site")
    ]


def test_variables_of_applying_may_be_set_by_a_run() -> None:
    reader = Reader(refuse)
    reader.read("hub1", {"datapath_firewall_state": "monitored"}, {"datapath_firewall_state"})
    assert reader.errors == []


def test_how_a_plan_is_applied_is_never_read() -> None:
    """A pre-shared key is one of these: what is not read can be in no plan, digest or message, and may be encrypted."""
    variables = {f"datapath_{name}": "{{ undefined }}" for name in APPLY_VARIABLES}
    assert "datapath_ipsec_psk" in variables
    for value in (variables, {**variables, "datapath_ipsec_psk": Vaulted()}):
        reader = Reader(refuse)
        assert reader.read("hub1", {"datapath_site": "head", **value}) == {"datapath_site": "head"}
        assert reader.errors == []


@pytest.mark.parametrize(("task", "inventory", "options", "expected"), [
    ({"datapath_site": "head"}, {"datapath_site": "head"}, {}, []),
    ({"datapath_scope": "supported"}, {}, {"scope": "supported"}, []),
    ({"datapath_firewall_state": "monitored"}, {}, {}, []),
    ({"unrelated": 1}, {}, {}, []),
    (
        {"datapath_site": "head"}, {}, {},
        ["play: datapath_site: is set for a play, role or task, where the plan of the whole organisation cannot see it; set it in inventory"],
    ),
    (
        {"datapath_pop3": False}, {"datapath_pop3": True}, {},
        ["play: datapath_pop3: is set for a play, role or task, where the plan of the whole organisation cannot see it; set it in inventory"],
    ),
    (
        {"datapath_scope": "supported"}, {"datapath_scope": "documented"}, {},
        [
            "play: datapath_scope: is set for a play, role or task and not given to the plan; set it for group all, or as its option scope",
        ],
    ),
    ({"datapath_scpoe": "supported"}, {}, {}, ["play: datapath_scpoe: is not a variable of this collection; correct its name or remove it"]),
])
def test_variables_where_the_plan_cannot_see_them(
    task: dict[str, t.Any], inventory: dict[str, t.Any], options: dict[str, t.Any], expected: list[str],
) -> None:
    assert misplaced(task, inventory, options) == expected


def organisation(**variables: t.Any) -> Inventory:
    return Inventory({"hub1": {"datapath_addresses": ["192.0.2.11"], **variables}}, {"hub_transport": ["hub1"], "hubs": ["hub1"]})


def test_what_could_not_be_read_is_not_complained_about_twice() -> None:
    inventory = Inventory({"hub1": {"datapath_zone": "nowhere"}}, {"hub_transport": ["hub1"]})
    with pytest.raises(InputErrors) as caught:
        compile_inventory(inventory, {}, ["hub1: datapath_addresses: cannot be templated"])
    assert caught.value.errors == (
        "hub1: datapath_addresses: cannot be templated", "hub1: datapath_zone: 'nowhere' is not one of internal, perimeter",
    )


def test_what_could_not_be_read_stops_a_plan_that_is_otherwise_good() -> None:
    with pytest.raises(InputErrors, match="hub1: datapath_site: cannot be templated"):
        compile_inventory(organisation(), {}, ["hub1: datapath_site: cannot be templated"])


@pytest.mark.parametrize("groups", ["hubs", ["hubs"]])
def test_groups_of_a_role_are_its_own_and_those_mapped_to_it(groups: t.Any) -> None:
    plan = compile_inventory(organisation(), {"role_groups": {"hub_transport": groups}})
    assert role_groups(plan)["hub_transport"] == ["hub_transport", "hubs"]
    assert role_groups(plan)["mailbox"] == ["mailbox"]
