# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan on disk: what is written and how, what is refused, how two of them compare, and that its probes ask for what it opens."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest
from hypothesis import example, given
from pairwise import covered, holds, openings
from strategies import Organisation, organisations, small

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compare import Comparison, compare
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PlanError
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.probes import Catalogue, Source
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import UnsupportedFlowError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import render
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host, InputErrors, Inventory

PLAN = small().plan()


# -- on disk -------------------------------------------------------------------------------------------------------------


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def test_only_the_owner_may_read_a_plan(tmp_path: Path) -> None:
    artefact.write(PLAN, tmp_path / "plan")
    for path in (tmp_path / "plan").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE((tmp_path / "plan").stat().st_mode) == 0o700


def test_writing_again_leaves_the_same_bytes_and_nothing_beside_them(tmp_path: Path) -> None:
    artefact.write(PLAN, tmp_path / "plan")
    before = files(tmp_path)
    artefact.write(small().plan(), tmp_path / "plan")
    assert files(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


def test_another_plan_takes_the_place_of_an_earlier_one_whole(tmp_path: Path) -> None:
    artefact.write(PLAN, tmp_path / "plan")
    fewer = small().with_groups(unified_messaging=[]).plan()
    artefact.write(fewer, tmp_path / "plan")
    assert not (tmp_path / "plan" / "hosts" / "um1.json").exists()
    assert artefact.read_index(tmp_path / "plan", fewer.digest)["digest"] == fewer.digest


def test_plan_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artefact.write(PLAN, tmp_path / "plan")
    before = files(tmp_path)
    monkeypatch.setattr(artefact, "_index_text", lambda *_args: (_ for _ in ()).throw(OSError("no space left on device")))
    with pytest.raises(OSError, match="no space"):
        artefact.write(small(scope="supported").plan(), tmp_path / "plan")
    assert files(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["plan"]


@pytest.mark.parametrize("name", ["notes.txt", "index.json"])
def test_directory_with_something_else_in_it_is_refused(tmp_path: Path, name: str) -> None:
    mine = tmp_path / "plan"
    mine.mkdir()
    (mine / name).write_text("{}", encoding="utf-8")
    with pytest.raises(PlanError, match="plan"):
        artefact.write(PLAN, mine)
    assert files(mine) == {name: b"{}"}


def test_file_and_link_in_the_way_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for name in ("file", "link"):
        with pytest.raises(PlanError, match="is not a directory"):
            artefact.write(PLAN, tmp_path / name)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_empty_directory_may_become_a_plan(tmp_path: Path) -> None:
    (tmp_path / "plan").mkdir()
    assert artefact.write(PLAN, tmp_path / "plan") == PLAN.digest


@pytest.mark.parametrize("host", ["", ".", "..", "../index", "a/b", ".hidden", "a\0b"])
def test_name_that_leads_elsewhere_is_refused(tmp_path: Path, host: str) -> None:
    artefact.write(PLAN, tmp_path / "plan")
    with pytest.raises(PlanError):
        artefact.read_host(tmp_path / "plan", host, PLAN.digest)


def test_reading_names_what_is_missing_or_foreign(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    with pytest.raises(PlanError, match=r"there is no plan; run the datapath\.exchange\.plan task"):
        artefact.read_host(path, "mbx1", PLAN.digest)
    with pytest.raises(PlanError, match="there is no plan"):
        artefact.read_index(path)
    artefact.write(PLAN, path)
    with pytest.raises(PlanError, match="printer: is not in the plan"):
        artefact.read_host(path, "printer", PLAN.digest)
    with pytest.raises(PlanError, match="printer: is not in the plan"):
        artefact.read_probes(path, "printer", PLAN.digest)
    for read in (lambda: artefact.read_host(path, "mbx1", "0" * 64), lambda: artefact.read_index(path, "0" * 64),
        lambda: artefact.read_probes(path, "mbx1", "0" * 64)):
        with pytest.raises(PlanError, match="000000000000"):
            read()


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x80", '{"format": "other"}', '{"format": "datapath.exchange/host", "version": 99}'])
def test_broken_file_is_an_error_of_its_own(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan"
    artefact.write(PLAN, path)
    for name in ("hosts/mbx1.json", "index.json"):
        (path / name).write_text(text, encoding="latin-1")
    with pytest.raises(PlanError):
        artefact.read_host(path, "mbx1", PLAN.digest)
    with pytest.raises(PlanError):
        artefact.read_index(path, PLAN.digest)


def test_another_hosts_file_under_this_name_is_foreign(tmp_path: Path) -> None:
    path = tmp_path / "plan"
    artefact.write(PLAN, path)
    (path / "hosts" / "mbx1.json").write_bytes((path / "hosts" / "mbx2.json").read_bytes())
    with pytest.raises(PlanError, match="mbx1"):
        artefact.read_host(path, "mbx1", PLAN.digest)


def test_index_says_what_the_plan_says(tmp_path: Path) -> None:
    artefact.write(PLAN, tmp_path / "plan")
    index = artefact.read_index(tmp_path / "plan", PLAN.digest)
    assert index["summary"] == json.loads(json.dumps(PLAN.summary()))
    assert index["findings"] == [finding.to_plain() for finding in PLAN.findings]
    assert set(index["hosts"]) == set(PLAN.hosts)
    assert set(index["outsiders"]) == {"dc1", "gw1"}


def test_each_host_reads_back_what_was_planned_for_it(tmp_path: Path) -> None:
    for organisation in (small(), small(encryption="prefer_encrypted").with_host("mbx1", cluster="ccr1").with_host("mbx2", cluster="ccr1")):
        plan = organisation.with_host("mbx1", platform={"os": "windows", "release": "2012 R2"}).plan()
        artefact.write(plan, tmp_path / "plan")
        for name in plan.hosts:
            assert artefact.read_host(tmp_path / "plan", name, plan.digest) == plan.host(name)
    assert (plan.host("mbx1").release, plan.host("mbx1").addresses, plan.host("mbx2").release) == ("2012r2", ("192.0.2.3", "2001:db8::3"), "")


def test_an_association_names_its_managed_peers_and_never_the_host_itself(tmp_path: Path) -> None:
    alike = {"datapath_cluster": "ccr1", "datapath_platform": "windows"}
    nodes = {f"node{number}": {"datapath_addresses": [f"192.0.2.{number}"], **alike} for number in (31, 32, 33)}
    options = {"encryption": "prefer_encrypted", "peers": {"admin_workstation": ["203.0.113.49"]}}
    organisation = Organisation(Inventory(nodes, {"mailbox": list(nodes)}), options)
    plan = organisation.plan()
    assert [len(made.hosts) for made in plan.classes] == [3], "hosts that are alike have to share their work for this test to mean anything"
    artefact.write(plan, tmp_path / "plan")
    for name in nodes:
        read = artefact.read_host(tmp_path / "plan", name, plan.digest)
        assert read == plan.host(name)
        found = {association.peers: association.hosts for association in read.associations}
        assert found == {"admin_workstation": (), "mailbox": tuple(sorted(set(nodes) - {name}))}


# -- comparison ----------------------------------------------------------------------------------------------------------


def compared(tmp_path: Path, old: Organisation, new: Organisation) -> Comparison:
    artefact.write(old.plan(), tmp_path / "old")
    artefact.write(new.plan(), tmp_path / "new")
    back, there = compare(tmp_path / "new", tmp_path / "old"), compare(tmp_path / "old", tmp_path / "new")
    assert (there.gained, there.hosts_added) == (back.lost, back.hosts_removed)
    assert (there.lost, there.hosts_removed) == (back.gained, back.hosts_added)
    return there


@pytest.mark.parametrize(("new", "gained", "lost"), [
    (small().with_host("hub1", exchange_level="sp1"), (), ()),
    (small().with_peers(backup_server=["203.0.113.16", "203.0.113.20"]), (), ()),  # nobody uses the set while backup over the network is off
    (small().with_peers(mapi_client=["203.0.113.0/28"]), ("peer set mapi_client: 203.0.113.8/29",), ()),
    (small().with_peers(mapi_client=["203.0.113.4/30", "203.0.113.9"]), ("peer set mapi_client: 203.0.113.9",), ("peer set mapi_client: 203.0.113.0/30",)),
    (small().with_peers(mapi_client=["any"]), ("peer set mapi_client: any",), ()),
    (small().with_host("hub1", egress="restricted"), (), ("hub1 out anything to anyone [datapath_egress open]",)),
    (small().with_host("edge1", edgesync=False), (), (
        "edge1 in 50636/tcp from hub_transport [edgesync-ldaps]", "hub1 out 50636/tcp to edge_transport [edgesync-ldaps]")),
    (small().with_host("mbx1", vss_network_backup=True), ("mbx1 in 445/tcp from backup_server [vss-backup]",), ()),
])
def test_comparison_names_what_opens_and_closes(tmp_path: Path, new: Organisation, gained: tuple[str, ...], lost: tuple[str, ...]) -> None:
    found = compared(tmp_path, small(), new)
    assert (found.gained, found.lost) == (gained, lost)
    assert found.same is not bool(gained or lost)
    assert found.to_plain() == {"gained": list(gained), "lost": list(lost), "hosts_added": [], "hosts_removed": []}


def test_comparison_names_hosts_that_come_and_go(tmp_path: Path) -> None:
    found = compared(tmp_path, small().with_groups(unified_messaging=[]), small())
    assert (found.hosts_added, found.hosts_removed) == (("um1",), ())
    assert "um1 in 5060/tcp from client_access [cas-to-um-sip]" in found.gained
    assert not found.lost
    assert not found.same


def test_comparison_needs_two_plans(tmp_path: Path) -> None:
    artefact.write(PLAN, tmp_path / "plan")
    for pair in ((tmp_path / "plan", tmp_path / "none"), (tmp_path / "none", tmp_path / "plan")):
        with pytest.raises(PlanError, match="there is no plan"):
            compare(*pair)


# -- probes --------------------------------------------------------------------------------------------------------------


def addresses(host: Host, family: int) -> tuple[str, ...]:
    return _networks.texts(family, ((number, number) for number in (host.v4 if family == 4 else host.v6)))


def passes(plan: Plan, source: Host, target: Host, probe: t.Mapping[str, t.Any], among: t.Callable[[t.Iterable[bool]], bool]) -> bool:
    """Whether a probe goes through at both ends, from any or from all of the addresses that the source could use."""
    wanted, family = (int(probe["port"]), int(probe["port"])), 6 if ":" in probe["address"] else 4

    def at(host: Host, way: str, other: str) -> bool:
        if not host.managed:
            return True
        found = openings(plan.host(host.name), other)
        return covered({(way, probe["protocol"]): (wanted,)}, found) or covered({(way, "any"): ((0, 0),)}, found)

    return at(source, "out", probe["address"]) and among(at(target, "in", own) for own in addresses(source, family))


OVERLAPPING = small().with_host("client1", addresses=["203.0.113.1", "2001:db8:cc::1"], probe=True).with_groups(backup_server=["client1"])


@given(organisations(max_servers=5))
@example(OVERLAPPING)
@example(OVERLAPPING.with_host("client1", addresses=["203.0.113.1", "198.51.100.77"]))
@example(small().with_peers(web_client=["192.0.2.0/28"]))
def test_probes_expect_what_the_plan_opens_at_both_ends_and_nothing_else(organisation: Organisation) -> None:
    plan = organisation.plan()
    everybody = {**plan.topology.hosts, **plan.topology.outsiders}
    catalogue = Catalogue(plan)
    for source in catalogue.sources():
        for probe, host in ((probe, host) for probe in catalogue.probes(source) for host in source.hosts if host.name != probe["to"]):
            target = everybody[probe["to"]]
            assert probe["address"] in addresses(target, 6 if ":" in probe["address"] else 4)
            if probe["expect"] == "allowed":
                assert passes(plan, host, target, probe, all), (host.name, probe)
                assert probe["paths"]
            else:
                assert target.managed
                assert not probe["paths"]
                assert not any(passes(plan, Host(host.name, kinds=("monitoring",), v4=host.v4, v6=host.v6), target, probe, any)
                    for host in source.hosts), (host.name, probe)


@given(organisations(max_servers=5))
def test_every_managed_host_asks_every_flow_that_it_may_open_to_a_host(organisation: Organisation) -> None:
    plan = organisation.plan()
    catalogue = Catalogue(plan)
    for source in (source for source in catalogue.sources() if source.made):
        asked = {(probe["to"], probe["protocol"], probe["port"]) for probe in catalogue.probes(source) if probe["expect"] == "allowed"}
        flows = [flow for flow in source.made.flows if "ipsec-key-exchange" not in flow.paths]  # type: ignore[union-attr]
        for flow in (flow for flow in flows if flow.direction == "out" and flow.protocol in ("tcp", "udp")):
            for name in plan.members[flow.peers]:
                target = {**plan.topology.hosts, **plan.topology.outsiders}[name]
                if set(target.families) & set(source.hosts[0].families):
                    assert {(name, flow.protocol, port.low) for port in flow.ports} <= asked


def test_outsider_is_asked_only_where_it_may_be_logged_into() -> None:
    sources = [source.key for source in Catalogue(small().with_host("dc1", probe=True).plan()).sources()]
    assert "dc1" in sources
    assert "gw1" not in sources


def test_probes_of_a_large_organisation_stay_few() -> None:
    plan = crowd(250, 40).plan()
    catalogue = Catalogue(plan)
    most = max(len(catalogue.probes(Source(source.hosts, source.made))) for source in catalogue.sources())
    assert most < 500


# -- size ----------------------------------------------------------------------------------------------------------------


def crowd(servers: int, networks: int) -> Organisation:
    """Many mailbox servers at many sites, and peers that no two of which touch."""
    hosts = {f"mbx{n}": {"datapath_addresses": [f"10.1.{n // 250}.{n % 250 + 1}"], "datapath_site": f"{'s' * 60}{n % 7}"} for n in range(servers)}
    peers = [f"10.{2 + n // 32000}.{n // 128 % 250}.{n % 128 * 2}" for n in range(networks)]
    return Organisation(Inventory(hosts, {"mailbox": list(hosts)}),
        {"peers": {"mapi_client": peers, "web_client": [f"2001:db8:{n:x}::/64" for n in range(networks)]}})


def test_thousands_of_peers_are_planned_and_rendered() -> None:
    plan = crowd(20, 5000).plan()
    assert len(plan.sets["mapi_client"].v4) == 5000
    text = render(plan.host("mbx0"))
    assert all(name in text for name in ("10.2.0.0", "10.2.38.126"))
    assert holds(plan.sets["mapi_client"], "10.2.38.126")
    assert not holds(plan.sets["mapi_client"], "10.2.38.127")


def test_set_beyond_what_nftables_was_seen_to_hold_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.datapath.exchange.plugins.plugin_utils._render import nftables

    monkeypatch.setattr(nftables, "SET_ELEMENTS", 300)
    plan = crowd(1, 301).plan()
    with pytest.raises(UnsupportedFlowError, match=r"mbx0.*mapi_client.*301 members"):
        render(plan.host("mbx0"))


def test_names_of_sites_and_hosts_may_be_as_long_as_a_file_system_holds(tmp_path: Path) -> None:
    name = "m" * 249
    organisation = small().with_host(name, addresses=["192.0.2.99"], site="S" * 63, cluster="C" * 63, rpc_range="20000-20999",
        static_ports={"store": 6100}).with_groups(
        mailbox=["mbx1", "mbx2", name])
    plan = organisation.plan()
    artefact.write(plan, tmp_path / "plan")
    assert artefact.read_host(tmp_path / "plan", name, plan.digest) == plan.host(name)
    assert render(plan.host(name))
    with pytest.raises(InputErrors, match="host name"):
        small().with_host(f"{name}m", addresses=["192.0.2.99"]).with_groups(mailbox=["mbx1", f"{name}m"]).plan()
