# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._observed import ObservedErrors
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PlanError
from ansible_collections.datapath.exchange.plugins.plugin_utils._reachability import Answer, Asker, QuestionErrors, read_questions
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Inventory

HOSTS: dict[str, dict[str, t.Any]] = {
    "hub1": {"datapath_addresses": ["192.0.2.11", "2001:db8::11"]},
    "hub2": {"datapath_addresses": ["192.0.2.12"], "datapath_egress": "restricted"},
    "mbx1": {"datapath_addresses": ["192.0.2.21", "2001:db8::21"]},
    "mbx2": {"datapath_addresses": ["192.0.2.22"], "datapath_site": "branch"},
    "v6only": {"datapath_addresses": ["2001:db8::31"]},
    "cas1": {"datapath_addresses": ["192.0.2.41"]},
    "um1": {"datapath_addresses": ["192.0.2.51"]},
    "um2": {"datapath_addresses": ["192.0.2.52"], "datapath_site": "branch"},
    "dc1": {"datapath_addresses": ["192.0.2.2"]},
    "bystander": {"ansible_host": "192.0.2.99"},
}
GROUPS = {
    "hub_transport": ["hub1", "hub2"], "mailbox": ["mbx1", "mbx2", "v6only"], "client_access": ["cas1"], "unified_messaging": ["um1", "um2"],
    "domain_controller": ["dc1"],
}
PEERS: dict[str, t.Any] = {
    "web_client": ["any"], "mapi_client": ["198.51.100.0/25", "198.51.100.128-198.51.100.199"], "config_controller": ["203.0.113.5"],
    "ip_gateway": {"default": [{"address": "203.0.113.10", "dial_plan": "dp"}], "branch": [{"address": "203.0.113.11", "dial_plan": "dp"}]},
}


@pytest.fixture(scope="module", name="asker")
def make_asker(tmp_path_factory: pytest.TempPathFactory) -> Asker:
    directory = tmp_path_factory.mktemp("plans") / "plan"
    plan = compile_plan(Inventory(HOSTS, GROUPS), {"peers": PEERS})
    return Asker(directory, artefact.write(plan, directory))


def ask(asker: Asker, source: str, target: str, port: str) -> Answer:
    (answer,) = asker.answer_all(read_questions([{"from": source, "to": target, "port": port}]))
    return answer


@pytest.mark.parametrize(("source", "target", "port"), [
    ("hub1", "mbx1", "135/tcp"),
    ("hub1", "mbx1", "49152-65535/tcp"),
    ("hub1", "mbx1", "50000-50010/tcp"),
    ("192.0.2.11", "192.0.2.21", "135/tcp"),
    ("2001:db8:0:0::11", "mbx1", "135/tcp"),
    ("mapi_client", "mbx1", "135/tcp"),
    ("198.51.100.199", "mbx1", "135/tcp"),
    ("web_client", "cas1", "443/tcp"),
    ("198.51.100.250", "cas1", "443/tcp"),
    ("cas1", "mbx1", "12345/udp"),
    ("config_controller", "mbx1", "22/tcp"),
    ("hub2", "dc1", "88/udp"),
    ("hub2", "domain_controller", "389/tcp"),
    ("hub2", "global_catalog", "3268/tcp"),
    ("hub1", "bystander_address", "9/tcp"),
    ("mbx1", "mbx1", "1/tcp"),
])
def test_allowed(asker: Asker, source: str, target: str, port: str) -> None:
    answer = ask(asker, source, target.replace("bystander_address", "192.0.2.99"), port)
    assert answer.allowed, answer.reason


@pytest.mark.parametrize(("source", "target", "port", "reason"), [
    ("hub1", "mbx1", "3389/tcp", "no inbound flow of mbx1 for 3389/tcp admits hub1"),
    ("hub1", "mbx1", "134-135/tcp", "no inbound flow of mbx1 for 134-135/tcp admits hub1"),
    ("hub1", "mbx1", "135-136/tcp", "no inbound flow of mbx1 for 135-136/tcp admits hub1"),
    ("hub1", "mbx1", "135/udp", "no inbound flow of mbx1 for 135/udp admits hub1; it is open from client_access"),
    ("192.0.2.200", "mbx1", "135/tcp", "no inbound flow of mbx1 for 135/tcp admits 192.0.2.200; it is open from"),
    ("198.51.100.200", "mbx1", "135/tcp", "no inbound flow of mbx1 for 135/tcp admits 198.51.100.200; it is open from"),
    ("web_client", "mbx1", "135/tcp", "no inbound flow of mbx1 for 135/tcp admits any address (web_client)"),
    ("ip_gateway", "um1", "5060/tcp", "no inbound flow of um1 for 5060/tcp admits ip_gateway (203.0.113.11)"),
    ("hub2", "dc1", "25/tcp", "dc1 is not managed, so only hub2 decides: no outbound flow of hub2 for 25/tcp leads to dc1"),
    ("fax_device", "um1", "5060/tcp", "the plan names no address of fax_device, so nothing is open for it"),
    ("hub2", "v6only", "135/tcp", "hub2 and v6only have no address family in common"),
    ("web_client", "mbx1", "22/tcp", "the address and port that Ansible comes in on stay open by themselves"),
])
def test_denied_and_why(asker: Asker, source: str, target: str, port: str, reason: str) -> None:
    answer = ask(asker, source, target, port)
    assert not answer.allowed
    assert reason in answer.reason
    assert (answer.paths, answer.protection) == ((), "")


def test_a_restricted_source_must_be_allowed_out_too(asker: Asker) -> None:
    """The same question with and without the outbound flow that answers it, so that only the source's side can make the difference."""
    question = {"from": "hub2", "to": "mbx1", "port": "135/tcp"}
    assert ask(asker, *question.values()).allowed
    plan = asker._plan("hub2")
    closed = Asker(asker.directory, asker.digest)
    closed._plans["hub2"] = type(plan)(**{**vars(plan), "flows": tuple(flow for flow in plan.flows if flow.direction == "in")})
    answer = ask(closed, *question.values())
    assert not answer.allowed
    assert answer.reason == "no outbound flow of hub2 for 135/tcp leads to mbx1; nobody may use it"


def test_an_answer_names_its_rows_and_the_weakest_protection(asker: Asker) -> None:
    answer = ask(asker, "web_client", "cas1", "80/tcp")
    assert "outlook-web-access" in answer.paths
    assert answer.protection == "none"
    assert ask(asker, "hub1", "hub2", "25/tcp").protection == "starttls"


def test_the_way_in_of_ansible_is_named_and_has_no_protection_of_a_row(asker: Asker) -> None:
    answer = ask(asker, "config_controller", "mbx1", "22/tcp")
    assert (answer.paths, answer.protection) == (("management",), "")


def test_answers_come_in_the_order_of_the_questions(asker: Asker) -> None:
    questions = [{"from": source, "to": "mbx1", "port": "135/tcp"} for source in ("hub1", "192.0.2.200", "hub2")]
    answers = asker.answer_all(read_questions(questions))
    assert [answer.to_plain()["from"] for answer in answers] == ["hub1", "192.0.2.200", "hub2"]
    assert [answer.allowed for answer in answers] == [True, False, True]


@pytest.mark.parametrize(("expect", "met"), [("allowed", True), ("denied", False), ("", True)])
def test_an_expectation_is_held_against_the_answer(asker: Asker, expect: str, met: t.Any) -> None:
    (answer,) = asker.answer_all(read_questions([{"from": "hub1", "to": "mbx1", "port": "135/tcp", "expect": expect}]))
    assert answer.as_expected is met


@pytest.mark.parametrize(("question", "error"), [
    (
        {"from": "hub3", "to": "mbx1", "port": "135/tcp"},
        "questions[0].from: 'hub3' is neither a host of the plan, a peer kind nor an address; did you mean 'hub2'?",
    ),
    ({"from": "hub1", "to": "mailbox", "port": "135/tcp"}, "questions[0].to: 'mailbox' is a server role; name one of its hosts"),
    ({"from": "hub1", "to": "127.0.0.1", "port": "135/tcp"}, "questions[0].to: '127.0.0.1' is neither a host of the plan, a peer kind nor an address"),
    ({"from": "dc1", "to": "192.0.2.99", "port": "135/tcp"}, "questions[0]: neither dc1 nor 192.0.2.99 is a managed host, so the plan says nothing about them"),
])
def test_ends_that_the_plan_does_not_know(asker: Asker, question: dict[str, str], error: str) -> None:
    with pytest.raises(QuestionErrors) as caught:
        asker.answer_all(read_questions([question]))
    assert caught.value.errors == (error,)


def test_every_mistake_of_the_questions_is_named() -> None:
    wrong = [
        {"from": "hub1", "to": "mbx1", "port": "135"}, {"from": "", "port": "0/tcp", "to": "x"}, "hub1",
        {"from": "a", "to": "b", "port": "9-8/udp", "proto": "udp", "expect": "yes"},
    ]
    with pytest.raises(QuestionErrors) as caught:
        read_questions(wrong)
    assert caught.value.errors == (
        "questions[0].port: '135': expected NUMBER/tcp or LOW-HIGH/udp",
        "questions[1].from: is missing; name a host, a peer kind or an address",
        "questions[1].port: '0/tcp': port '0': numbers must be 1 to 65535, low before high",
        "questions[2]: is not a mapping; write {from: hub1, to: mbx1, port: 25/tcp}",
        "questions[3].proto: is not known; use from, to, port and expect",
        "questions[3].port: '9-8/udp': port '9-8': numbers must be 1 to 65535, low before high",
        "questions[3].expect: 'yes' is not one of allowed, denied",
    )
    with pytest.raises(QuestionErrors, match=re.escape("questions: there are none; give from, to and port")):
        read_questions([])


def test_another_plan_than_the_one_named_is_refused(asker: Asker) -> None:
    with pytest.raises(PlanError, match="not 000000000000 that was asked for"):
        Asker(asker.directory, "0" * 64)


# -- what hosts let pass beyond their plan -------------------------------------------------------------------------------


def beyond(**changed: t.Any) -> dict[str, t.Any]:
    """One entry of what firewall_info returns as remaining."""
    return {
        "direction": "in", "protocol": "tcp", "ports": ["3389"], "v4": ["192.0.2.0/24"], "v6": [], "everyone": False, "family": "ipv4",
        "rule": "Remote Desktop", "program": "", "exactly": True, **changed,
    }


def observing(asker: Asker, *entries: dict[str, t.Any], host: str = "mbx1") -> Asker:
    return Asker(asker.directory, asker.digest, {host: list(entries)})


@pytest.mark.parametrize(("source", "target", "port", "entries"), [
    ("um1", "mbx1", "3389/tcp", [beyond()]),
    ("192.0.2.99", "mbx1", "3389/tcp", [beyond()]),
    ("hub1", "mbx1", "3389/tcp", [beyond(), beyond(v4=[], v6=["2001:db8::/64"], family="ipv6")]),
    ("um1", "mbx1", "134-136/tcp", [beyond(ports=["134", "136"])]),  # the plan opens 135
    ("um1", "mbx1", "9/udp", [beyond(protocol="any", ports=[])]),
    ("um1", "mbx1", "9/tcp", [beyond(ports=[])]),
    ("198.51.100.250", "mbx1", "3389/tcp", [beyond(v4=[], everyone=True)]),
    ("web_client", "mbx1", "3389/tcp", [beyond(v4=[], everyone=True), beyond(v4=[], everyone=True, family="ipv6")]),
    ("web_client", "mbx2", "3389/tcp", [beyond(v4=[], everyone=True)]),  # it has no IPv6 address
    ("web_client", "mbx1", "3389/tcp", [{key: value for key, value in beyond(v4=[], everyone=True).items() if key not in ("family", "exactly", "program")}]),
    ("192.0.2.1", "mbx1", "3389/tcp", [beyond(v4=["192.0.2.0-192.0.2.9"])]),
])
def test_what_a_foreign_rule_opens_is_allowed_and_the_rule_is_named(asker: Asker, source: str, target: str, port: str, entries: list[dict[str, t.Any]]) -> None:
    assert not ask(asker, source, target, port).allowed
    answer = ask(observing(asker, *entries, host=target), source, target, port)
    assert answer.allowed, answer.reason
    assert answer.reason.startswith(f"not the plan but foreign rules of {target} admit ")
    assert "'Remote Desktop'" in answer.reason
    assert "foreign" in answer.paths
    assert answer.protection == "none"


@pytest.mark.parametrize(("source", "port", "entries"), [
    ("um1", "3389/udp", [beyond()]),
    ("um1", "3388-3389/tcp", [beyond()]),
    ("hub1", "3389/tcp", [beyond()]),  # its IPv6 address is not admitted
    ("192.0.3.1", "3389/tcp", [beyond()]),
    ("um1", "3389/tcp", [beyond(direction="out")]),
    ("um1", "3389/tcp", [beyond(protocol="icmp", ports=[])]),
    ("web_client", "3389/tcp", [beyond(v4=[], everyone=True)]),  # IPv4 alone is not everybody
])
def test_what_a_foreign_rule_does_not_open_stays_denied(asker: Asker, source: str, port: str, entries: list[dict[str, t.Any]]) -> None:
    with_rule, without = (ask(each, source, "mbx1", port) for each in (observing(asker, *entries), asker))
    assert with_rule == without
    assert not with_rule.allowed


def test_what_the_plan_allows_is_answered_as_without_foreign_rules(asker: Asker) -> None:
    assert ask(observing(asker, beyond(protocol="any", ports=[])), "um1", "mbx1", "135/tcp") == ask(asker, "um1", "mbx1", "135/tcp")
    assert not ask(observing(asker, beyond()), "um1", "mbx2", "3389/tcp").allowed, "the rule is one of another host"


def test_a_restricted_source_gets_out_by_a_foreign_rule_too(asker: Asker) -> None:
    question = ("hub2", "dc1", "25/tcp")
    assert not ask(asker, *question).allowed
    answer = ask(observing(asker, beyond(direction="out", ports=["25"]), host="hub2"), *question)
    assert answer.allowed
    assert answer.reason == (
        "dc1 is not managed, so only hub2 decides: not the plan but foreign rules of hub2 lead to dc1 (192.0.2.2): 'Remote Desktop'")
    assert not ask(observing(asker, beyond(ports=["25"]), host="hub2"), *question).allowed


@pytest.mark.parametrize(("entry", "text"), [
    (beyond(program="c:\\exchange\\store.exe", exactly=False), "'Remote Desktop' (program c:\\exchange\\store.exe)"),
    (beyond(exactly=False), "'Remote Desktop' (only as far as its other conditions fit)"),
    (beyond(rule="\x1b[2Jnice\nrule"), "'?[2Jnice?rule'"),
    (beyond(rule="x" * 500), f"'{'x' * 80}...'"),
])
def test_a_rule_is_named_with_what_narrows_it_and_steers_no_terminal(asker: Asker, entry: dict[str, t.Any], text: str) -> None:
    assert text in ask(observing(asker, entry), "um1", "mbx1", "3389/tcp").reason


@pytest.mark.parametrize(("observed", "error"), [
    ([], "observed: is not a mapping of host to what firewall_info returned as remaining"),
    ({"dc1": []}, "observed.dc1: is not a managed host of the plan; name one by its inventory name"),
    ({"mbx\n1": []}, "observed.mbx?1: is not a managed host of the plan; name one by its inventory name"),
    ({"mbx1": "all"}, "observed.mbx1: is not a list; give what firewall_info returned as remaining"),
    ({"mbx1": ["tcp"]}, "observed.mbx1[0]: is not a mapping with direction, protocol, ports, v4, v6, everyone, rule; give it as firewall_info returned it"),
    ({"mbx1": [beyond(), {"direction": "in"}]}, "observed.mbx1[1]: is not a mapping with direction, protocol"),
    ({"mbx1": [beyond(ports=["http"])]}, "observed.mbx1[0]: port 'http': expected a number or LOW-HIGH"),
    ({"mbx1": [beyond(ports="3389")]}, "observed.mbx1[0]: ports is not a list of texts"),
    ({"mbx1": [beyond(protocol="gre", ports=[])]}, "gre or none is not known"),
    ({"mbx1": [beyond(direction="sideways")]}, "sideways, tcp or none is not known"),
    ({"mbx1": [beyond(everyone="no")]}, "observed.mbx1[0]: everyone is neither true nor false"),
    ({"mbx1": [beyond(v4=["mbx2"])]}, "observed.mbx1[0]: 'mbx2' is not an address or network"),
    ({"mbx1": [beyond(v4=["2001:db8::1"])]}, "observed.mbx1[0]: v4: '2001:db8::1' is of the other family"),
])
def test_what_was_not_observed_like_this_is_refused(asker: Asker, observed: t.Any, error: str) -> None:
    with pytest.raises(ObservedErrors, match=re.escape(error)) as caught:
        Asker(asker.directory, asker.digest, observed or [])
    assert str(caught.value).endswith("1 error(s) in what was observed; no question was answered.")
