# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One truth about options: defaults, argument specifications, READMEs and the planner agree. And what the server roles refuse."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.datapath.exchange.plugins.action.plan import ORGANISATION_FEATURES
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.loader import load
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import (
    APPLY_VARIABLES,
    BOOLEANS,
    CHOICES,
    HOST_VARIABLES,
    ORGANISATION_DEFAULTS,
)
from ansible_collections.datapath.exchange.tests.tools import role_docs
from ansible_collections.datapath.exchange.tests.unit.plugins.action.playing import Stage

ROLES = Path(role_docs.__file__).resolve().parents[2] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir())
SERVERS = sorted(load().roles)
TYPES = {"str": str, "bool": bool, "int": int, "float": float, "list": list, "dict": dict}
OPTIONAL = {"oab_public_folder_distribution", *ORGANISATION_FEATURES}
# Of the variables about gateways, media and clusters each role has its own; these say something about hosts that are no servers.
ABOUT_OTHERS = {"gateway_mode", "gateway_fqdn", "gateway_dial_plan"}

# Not a key of anybody's: it must show nowhere.
KEY = "canary-3f9d-canary"

Options = dict[str, dict[str, t.Any]]


def read(role: str, part: str) -> dict[str, t.Any]:
    return yaml.safe_load((ROLES / role / part / "main.yml" if part != "specs" else ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))


def options(role: str, entry: str = "main") -> Options:
    found: Options = read(role, "specs")["argument_specs"][entry]["options"]
    return found


def test_there_is_a_role_for_each_server_role() -> None:
    assert {"datapath", *SERVERS} == set(NAMES)


@pytest.mark.parametrize("role", NAMES)
def test_defaults_are_those_of_the_specification(role: str) -> None:
    specified = {name: option["default"] for name, option in options(role).items() if "default" in option}
    assert read(role, "defaults") == specified


@pytest.mark.parametrize("role", NAMES)
def test_entry_points_agree_about_their_options(role: str) -> None:
    main = options(role)
    for entry, spec in read(role, "specs")["argument_specs"].items():
        assert {name: main[name] for name in spec["options"]} == spec["options"], entry


@pytest.mark.parametrize("role", NAMES)
def test_defaults_have_the_type_and_are_among_the_choices_that_are_said(role: str) -> None:
    for name, option in options(role).items():
        assert name.startswith("datapath_")
        assert option["description"]
        if "default" in option:
            assert type(option["default"]) is TYPES[option["type"]], name
            values = option["default"] if option["type"] == "list" else [option["default"]]
            assert set(map(str, values)) <= set(map(str, option.get("choices", values))), name


@pytest.mark.parametrize("role", NAMES)
def test_every_entry_point_has_its_tasks(role: str) -> None:
    for entry in read(role, "specs")["argument_specs"]:
        assert (ROLES / role / "tasks" / f"{entry}.yml").is_file(), entry


def test_the_shared_role_has_every_variable_of_the_organisation_with_the_planners_default() -> None:
    shared = options("datapath")
    for name, default in ORGANISATION_DEFAULTS.items():
        option = shared[f"datapath_{name}"]
        assert option.get("default") == default, name
        assert ("default" in option) is (name not in OPTIONAL), name
        assert option.get("choices", list(CHOICES.get(name, ()))) == list(CHOICES.get(name, ())), name
        assert (option["type"] == "bool") is (name in BOOLEANS or name in OPTIONAL), name
    for name in ORGANISATION_FEATURES:
        assert shared[f"datapath_{name}"]["type"] == "bool"
    rest = {name.removeprefix("datapath_") for name in shared} - set(ORGANISATION_DEFAULTS) - set(ORGANISATION_FEATURES)
    assert rest <= set(APPLY_VARIABLES)


def test_the_plan_task_is_given_every_variable_of_the_organisation() -> None:
    (task,) = yaml.safe_load((ROLES / "datapath" / "tasks" / "compile.yml").read_text(encoding="utf-8"))
    given = task["datapath.exchange.plan"]
    assert set(given) == {*ORGANISATION_DEFAULTS, *ORGANISATION_FEATURES, "dest", "compare_with", "reuse"}
    for name in (*ORGANISATION_DEFAULTS, *ORGANISATION_FEATURES):
        assert given[name] == (f"{{{{ datapath_{name} | default(omit) }}}}" if name in OPTIONAL else f"{{{{ datapath_{name} }}}}")


def test_every_variable_of_a_host_belongs_to_a_server_role() -> None:
    told = {name.removeprefix("datapath_"): option for role in SERVERS for name, option in options(role).items()}
    owned = {name for name, feature in load().features.items() if feature.owner}
    assert set(told) == {*HOST_VARIABLES, *owned} - ABOUT_OTHERS
    for name, choices in CHOICES.items():
        if name in told:
            assert told[name]["choices"] == list(choices)


@pytest.mark.parametrize("role", SERVERS)
def test_a_server_role_has_its_own_features_with_the_references_default(role: str) -> None:
    features = {f"datapath_{name}": feature for name, feature in load().features.items() if feature.owner == role}
    foreign = {f"datapath_{name}" for name, feature in load().features.items() if feature.owner not in (role, "")}
    assert set(features) <= set(options(role))
    assert not foreign & set(options(role))
    for name, feature in features.items():
        assert options(role)[name]["description"].endswith(f" {feature.default} when unset."), name


def test_readmes_hold_the_options_of_the_specifications() -> None:
    for role in NAMES:
        readme = ROLES / role / "README.md"
        assert readme.read_text(encoding="utf-8") == role_docs.wanted(readme), "run: python tests/tools/role_docs.py"


def tasks(role: str, name: str) -> list[dict[str, t.Any]]:
    found: list[dict[str, t.Any]] = yaml.safe_load((ROLES / role / "tasks" / f"{name}.yml").read_text(encoding="utf-8"))
    return found


def test_a_host_is_set_up_in_this_order_and_taken_down_in_the_reverse() -> None:
    steps = [(task["ansible.builtin.import_tasks"].removesuffix(".yml"), task.get("when")) for task in tasks("datapath", "main")]
    change, absent = "datapath_firewall_state != 'absent'", "datapath_firewall_state == 'absent'"
    assert steps == [
        ("preflight", None), ("plan", None), ("remove", absent), ("rpc_ports", change), ("ipsec_request", change), ("firewall", change), ("ipsec", change),
        ("verify", "datapath_verify | bool"),
    ]
    taken = [name for task in tasks("datapath", "remove") for name in task if name.startswith("datapath.exchange.")]
    assert taken == [f"datapath.exchange.{name}" for name in ("firewall", "ipsec", "rpc_ports")]


EVERY_TASK = [(path, task) for path in sorted(ROLES.glob("*/tasks/*.yml")) for task in tasks(path.parts[-3], path.stem)]


def test_ipsec_is_a_matter_of_every_platform() -> None:
    found = [task for _path, task in EVERY_TASK if {"datapath.exchange.ipsec", "datapath.exchange.ipsec_info"} & set(task)]
    assert len(found) == 8
    for task in found:
        # Only what Windows cannot tell is asked of Linux alone.
        assert "__datapath_is_windows | bool" not in task.get("when", ()), task["name"]


def test_rpc_ports_are_a_matter_of_every_platform() -> None:
    found = [task for _path, task in EVERY_TASK if {"datapath.exchange.rpc_ports", "datapath.exchange.rpc_ports_info"} & set(task)]
    assert len(found) == 4
    for task in found:
        assert "__datapath_is_windows" not in str(task.get("when", "")), task["name"]


def test_a_task_that_is_handed_a_key_shows_nothing() -> None:
    handed = [task for _path, task in EVERY_TASK if "datapath_ipsec_psk" in str(next((task[name] for name in task if name.startswith("datapath.")), ""))]
    assert len(handed) == 7
    for task in handed:
        assert task["no_log"] == "{{ datapath_ipsec_auth == 'psk' }}", task["name"]
    assert options("datapath")["datapath_ipsec_psk"]["no_log"] is True


def test_nobody_is_made_root_behind_the_users_back() -> None:
    books = [path.read_text(encoding="utf-8") for path in (ROLES.parent / "playbooks").glob("*.yml")]
    assert not [task["name"] for _path, task in EVERY_TASK if "become" in task]
    assert not [text for text in books if "become" in text]


# -- refusals ------------------------------------------------------------------------------------------------------------


def preflight(tmp_path: Path, role: str, groups: t.Sequence[str], **variables: t.Any) -> dict[str, t.Any]:
    """Run the preflight of a role on one host; returns whether it failed and with what text."""
    inventory = {"all": {"children": {group: {"hosts": {"host1": None}} for group in groups}, "hosts": {"host1": variables}}}
    stage = Stage(tmp_path, inventory)
    include = {"ansible.builtin.include_role": {"name": f"datapath.exchange.{role}", "tasks_from": "preflight"}}
    done = stage.plays([{"hosts": "all", "gather_facts": False, "tasks": [include]}], "-vvv")
    return {"failed": done.code != 0, "output": done.output}


@pytest.mark.parametrize(("role", "groups", "variables"), [
    ("hub_transport", ["hub_transport"], {}),
    ("edge_transport", ["edge_transport"], {}),
    ("edge_transport", ["edge_transport"], {"datapath_edgesync": False, "datapath_edge_subscription": False}),
    ("mailbox", ["mailbox", "hub_transport"], {"datapath_cluster": "ccr1", "datapath_cluster_networks": ["192.0.2.0/24"]}),
    ("mailbox", ["storage"], {"datapath_role_groups": {"mailbox": "storage"}}),
    ("client_access", ["client_access"], {"datapath_zone": "perimeter", "datapath_waivers": {"R-CAS-03": "a test network"}}),
    ("unified_messaging", ["unified_messaging"], {"datapath_peers": {"ip_gateway": []}}),
    ("unified_messaging", ["unified_messaging", "ip_pbx"], {}),
    ("datapath", ["mailbox"], {"datapath_platform": {"os": "linux"}}),
    ("datapath", ["mailbox"], {"ansible_shell_type": "powershell"}),
    ("datapath", ["mailbox"], {"ansible_connection": "ansible.builtin.psrp", "datapath_platform": "windows"}),
    ("datapath", ["mailbox"], {"ansible_connection": "winrm", "datapath_platform": {"os": "windows", "release": "2025"}}),
    ("datapath", ["mailbox"], {"ansible_shell_type": "cmd", "datapath_platform": {"os": "windows"}, "datapath_ipsec_auth": "psk", "datapath_ipsec_psk": KEY}),
    ("datapath", ["mailbox"], {"ansible_shell_type": "cmd", "datapath_ipsec_auth": "certificate", "datapath_ipsec_ca": "CN=Root"}),
    ("datapath", ["mailbox"], {"datapath_ipsec_auth": "psk"}),
])
def test_preflight_lets_pass(tmp_path: Path, role: str, groups: list[str], variables: dict[str, t.Any]) -> None:
    done = preflight(tmp_path, role, groups, **variables)
    assert not done["failed"], done["output"]
    assert KEY not in done["output"]


@pytest.mark.parametrize(("role", "groups", "variables", "text"), [
    ("hub_transport", ["mailbox"], {}, "host1: group_names is mailbox: the host is no hub transport server. Put it into the group hub_transport,"),
    ("hub_transport", ["hub_transport", "edge_transport"], {}, "Take the host out of edge_transport or out of hub_transport."),
    ("edge_transport", ["edge_transport", "mailbox"], {}, "an edge transport server carries no other role. Take the host out of mailbox."),
    ("edge_transport", ["edge_transport", "cas"], {"datapath_role_groups": {"client_access": ["cas"]}}, "Take the host out of cas."),
    ("edge_transport", ["edge_transport"], {"datapath_edgesync": False}, "host1: datapath_edgesync is False while datapath_edge_subscription is True:"),
    ("mailbox", ["mailbox", "edge_transport"], {}, "Take the host out of edge_transport or out of mailbox."),
    ("mailbox", ["mailbox"], {"datapath_cluster_networks": ["192.0.2.0/24"]}, "Name the cluster in datapath_cluster, or unset datapath_cluster_networks."),
    ("client_access", ["client_access"], {"datapath_zone": "perimeter"}, "host1: datapath_zone is perimeter: a client access server in the perimeter network"),
    ("client_access", ["client_access"], {"datapath_domain_member": False}, "host1: datapath_domain_member is False: a client access server must be"),
    ("client_access", ["client_access"], {"datapath_cluster": "ccr1"}, "host1: datapath_cluster is ccr1: the client access role cannot run on a cluster node."),
    ("unified_messaging", ["unified_messaging"], {}, "host1: datapath_peers names nobody, and the groups ip_gateway and ip_pbx have no hosts"),
    ("mailbox", ["mailbox"], {"datapath_zone": "outer_space"}, "value of datapath_zone must be one of: internal, perimeter, got: outer_space"),
    (
        "datapath", ["mailbox"], {"datapath_platform": "windows"},
        "host1: datapath_platform is windows, ansible_connection is local and ansible_shell_type is sh: they do not fit.",
    ),
    ("datapath", ["mailbox"], {"datapath_platform": {"os": "windows", "release": 2019}}, "For Windows set ansible_connection to winrm or psrp"),
    ("datapath", ["mailbox"], {"ansible_connection": "winrm", "datapath_platform": "linux"}, "ansible_connection is winrm and ansible_shell_type is sh: they"),
    (
        "datapath", ["mailbox"], {"ansible_connection": "psrp", "datapath_platform": {"os": "windows", "release": "2003"}},
        "host1: datapath_platform.release is 2003: Ansible cannot work there. Write what has to be done by hand with datapath.exchange.render,",
    ),
    (
        "datapath", ["mailbox"], {"ansible_connection": "psrp", "datapath_ipsec_auth": "psk", "datapath_ipsec_psk": ""},
        "host1: datapath_ipsec_auth is psk, and datapath_ipsec_psk is not set. Give the key from a vault.",
    ),
    (
        "datapath", ["mailbox"], {"ansible_connection": "psrp", "datapath_ipsec_auth": "certificate", "datapath_ipsec_psk": KEY},
        "host1: datapath_ipsec_auth is certificate, and datapath_ipsec_ca is not set. Name the authority.",
    ),
    ("datapath", ["mailbox"], {"datapath_rollback_timeout": 5}, "host1: datapath_rollback_timeout is 5: a new connection has to fit in."),
])
def test_preflight_refuses_and_says_what_to_do(tmp_path: Path, role: str, groups: list[str], variables: dict[str, t.Any], text: str) -> None:
    done = preflight(tmp_path, role, groups, **variables)
    assert done["failed"]
    assert text in done["output"], done["output"]
    assert KEY not in done["output"]
