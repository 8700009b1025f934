# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every rule of the document's notes and every finding of the planner, each in both directions: where it speaks and where it is silent."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from pairwise import openings
from strategies import REFERENCE, Organisation, small

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import findings, platforms
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import FINDINGS, Inventory

CLIENT, INTERNET, BACKUP, PROXY, CRL, ADMIN, LEGACY, WEB = (
    "203.0.113.1", "203.0.113.9", "203.0.113.16", "203.0.113.33", "203.0.113.41", "203.0.113.49", "203.0.113.57", "203.0.113.65")
HUB, EDGE, MBX1, MBX2, CAS, UM, DC, GATEWAY = "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6", "198.51.100.1", "198.51.100.2"
BASE = small()
CLUSTER = BASE.with_host("mbx1", cluster="ccr1").with_host("mbx2", cluster="ccr1")
LEGACY_ORG = BASE.with_peers(legacy_mailbox=["203.0.113.57"], eas_client=["203.0.113.66"])
ADMINISTERED = BASE.with_peers(admin_workstation=["203.0.113.49"])


def only(*names: str, base: Organisation = BASE) -> Organisation:
    """The organisation reduced to some hosts."""
    groups = {group: [host for host in hosts if host in names] for group, hosts in base.inventory.groups.items()}
    return Organisation(Inventory({name: base.inventory.hosts[name] for name in names}, {group: hosts for group, hosts in groups.items() if hosts}),
        base.options)


def with_release(release: str, *names: str) -> Organisation:
    """A cluster of which some hosts run Windows."""
    made = CLUSTER
    for name in names:
        made = made.with_host(name, platform={"os": "windows", "release": release})
    return made


def asking(mode: str, organisation: Organisation) -> Organisation:
    """The same with both mailbox servers asking for IPsec."""
    return organisation.with_host("mbx1", ipsec=mode).with_host("mbx2", ipsec=mode)


PINNED = with_release("2008", "mbx1").with_host("mbx1", static_ports={"store": 6100})
PRIVATE = asking("required", CLUSTER).with_host(
    "mbx1", cluster_networks=["198.51.100.128/28"], addresses=["192.0.2.3", "198.51.100.129"]).with_host("mbx2", cluster_networks=["198.51.100.128/28"])
SECURED = with_release("2012", "mbx1", "mbx2", "cas1", "hub1").with_options(encryption="prefer_encrypted")


# -- findings ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One finding: what it says of ``speaks``; it says nothing of any organisation in ``silent``."""

    id: str
    severity: str
    hosts: tuple[str, ...]
    text: str
    speaks: Organisation
    silent: tuple[Organisation, ...]
    source: str = ""


def case(id_: str, severity: str, hosts: str, text: str, speaks: Organisation, *silent: Organisation) -> Case:
    return Case(id_, severity, tuple(hosts.split()), text, speaks, silent)


BOUNDARY = BASE.with_options(zone_boundaries=[{"site": "default", "between": ["mailbox", "client_access"]}])
GATEWAYS = only("hub1", "mbx1", "um1", "dc1")
TLS = {"address": "203.0.113.80", "mode": "tls", "fqdn": "gw.example", "dial_plan": "plan"}
TCP = {"address": "203.0.113.81", "mode": "tcp", "dial_plan": "plan"}
RTM = BASE.with_host("um1", exchange_level="rtm").with_host("gw1", gateway_dial_plan="plan")
STRICT = BASE.with_options(encryption="require_encrypted", waivers={"system-attendant-listener": "agreed"})

CASES = (
    case("P-ROLE-01", "error", "edge1", "the edge role stands alone", BASE.with_groups(mailbox=["mbx1", "mbx2", "edge1"]), BASE),
    case("P-ROLE-02", "error", "mbx1", "cannot run on a cluster node", CLUSTER.with_groups(client_access=["cas1", "mbx1"]), CLUSTER,
         BASE.with_groups(client_access=["mbx1"])),
    case("P-SITE-01", "warning", "edge1", "subscribed to a site without a hub", BASE.with_host("edge1", site="other"), BASE,
         BASE.with_host("edge1", site="other", edge_subscription=False)),
    case("P-SITE-02", "warning", "mbx1 um1", "No hub transport server stands in the server's site",
         BASE.with_host("mbx1", site="other").with_host("um1", site="other"),
         BASE, BASE.with_host("mbx1", site="other").with_options(enforce_site_scope=False), BASE.with_host("cas1", site="other")),
    case("P-DIR-01", "error", "mbx1", "Exchange would lose its directory", only("mbx1", "hub1").with_host("mbx1", egress="restricted"),
         BASE.with_host("mbx1", egress="restricted"), only("mbx1", "hub1").with_host("mbx1",
             egress="restricted").with_peers(domain_controller=["203.0.113.90"])),
    case("P-DIR-01", "info", "", "directory paths are not planned", only("mbx1", "hub1"), BASE, only("edge1")),
    case("P-DNS-01", "error", "edge1", "could not find the Internet's mail servers", BASE.with_host("edge1", egress="restricted"),
         BASE, BASE.with_host("hub1", egress="restricted"), BASE.with_host("edge1", egress="restricted").with_peers(dns_server=["203.0.113.91"])),
    case("P-RPC-01", "warning", "old1", "Set datapath_rpc_range on them",
         BASE.with_host("old1", addresses=["198.51.100.9"]).with_groups(legacy_mailbox=["old1"]).with_host("cas1", egress="restricted"),
         BASE.with_host("old1", addresses=["198.51.100.9"]).with_groups(legacy_mailbox=["old1"]),
         BASE.with_host("old1", addresses=["198.51.100.9"], rpc_range="5001-5200").with_groups(legacy_mailbox=["old1"]).with_host("cas1", egress="restricted")),
    case("P-RPC-02", "warning", "mbx1 mbx2", "Outlook 2003 and older ship with RPC encryption off", BASE.with_options(outlook_min_version=2003),
         BASE, BASE.with_options(outlook_min_version=2003).with_peers(mapi_client=[])),
    case("P-IP-01", "warning", "cas1 edge1 hub1 mbx2 um1", "paths between them cannot work", BASE.with_host("mbx2", addresses=["2001:db8::4"]),
         BASE, BASE.with_host("mbx2", addresses=["192.0.2.4", "2001:db8::4"])),
    case("P-IP-02", "warning", "mbx2", "supports IPv6 only beside IPv4", BASE.with_host("mbx2", addresses=["2001:db8::4"]), BASE),
    case("P-BAK-01", "warning", "mbx1", "only between Windows Server 2003 hosts", BASE.with_host("mbx1", streaming_backup=True),
         BASE, BASE.with_host("mbx1", streaming_backup=True, platform={"os": "windows", "release": "2003"})),
    case("P-ENC-01", "error", "", "system-attendant-listener supports no encryption", BASE.with_options(encryption="require_encrypted"),
         STRICT, BASE, BASE.with_options(encryption="prefer_encrypted")),
    case("P-ENC-01", "error", "", "vss-backup supports no encryption", STRICT.with_host("mbx1", vss_network_backup=True),
         STRICT, STRICT.with_options(waivers={"system-attendant-listener": "agreed", "vss-backup": "agreed"}).with_host("mbx1", vss_network_backup=True)),
    case("P-ENC-02", "error", "mbx1", "ccr-scr-log-shipping is encrypted only by IPsec",
         CLUSTER.with_options(encryption="require_encrypted").with_host("mbx1", ipsec="absent"),
         CLUSTER.with_options(encryption="require_encrypted"), CLUSTER.with_host("mbx1",
             ipsec="absent"), BASE.with_options(encryption="require_encrypted").with_host("mbx1", ipsec="absent")),
    case("P-IPS-01", "warning", "mbx1 mbx2", "a pair gets the weaker of its two ends",
         CLUSTER.with_host("mbx1", ipsec="required").with_host("mbx2", ipsec="absent"),
         CLUSTER, CLUSTER.with_host("mbx1", ipsec="absent").with_host("mbx2", ipsec="absent"),
         BASE.with_host("mbx1", ipsec="required").with_host("mbx2", ipsec="absent")),
    case("P-IPS-01", "warning", "mbx1", "a pair gets the weaker of its two ends", CLUSTER.with_host("mbx1", ipsec="required"),
         CLUSTER.with_host("mbx1", ipsec="required").with_options(encryption="require_encrypted"), CLUSTER.with_host("mbx1", ipsec="absent")),
    case("P-IPS-02", "error", "mbx1", "which has no connection security rules", asking("required", with_release("2003", "mbx1")),
         asking("required", with_release("2008", "mbx1")), asking("requested", with_release("2003", "mbx1")), with_release("2003", "mbx1")),
    case("P-IPS-02", "warning", "mbx1 mbx2", "by hand before their peers are changed", asking("requested", with_release("2003", "mbx1", "mbx2")),
         asking("requested", with_release("2003", "hub1"))),
    case("P-IPS-03", "warning", "mbx2", "Set datapath_ipsec_auth to certificate or psk",
         SECURED.with_host("mbx2", domain_member=False), SECURED, SECURED.with_host("hub1", domain_member=False),
         CLUSTER.with_host("mbx2", domain_member=False)),
    case("P-IPS-04", "warning", "mbx1 mbx2", "IPsec is requested with peers that are not managed (203.0.113.49): until somebody prepares them by hand, the"
         " paths stay in clear.", SECURED.with_peers(admin_workstation=["203.0.113.49"]), SECURED, ADMINISTERED,
         CLUSTER.with_options(encryption="prefer_encrypted", remote_administration=False).with_peers(admin_workstation=["203.0.113.49"])),
    case("P-IPS-04", "warning", "mbx1 mbx2", "(203.0.113.49): until somebody prepares them by hand, the paths stay in clear.",
         CLUSTER.with_options(encryption="prefer_encrypted").with_peers(admin_workstation=["203.0.113.49"]), CLUSTER, ADMINISTERED),
    case("P-IPS-04", "warning", "mbx1 mbx2", "IPsec is required with peers that are not managed (adm1): until somebody prepares them by hand, nothing passes",
         SECURED.with_options(encryption="require_encrypted").with_host("adm1", addresses=["198.51.100.9"]).with_groups(admin_workstation=["adm1"]),
         SECURED.with_options(encryption="require_encrypted")),
    case("P-IPS-05", "error", "mbx1 mbx2", "more than 256 addresses of peers that are not managed (203.0.112.0/23)",
         asking("requested", CLUSTER).with_peers(admin_workstation=["203.0.112.0/23"]), CLUSTER.with_peers(admin_workstation=["203.0.112.0/23"]),
         asking("required", CLUSTER).with_peers(admin_workstation=["203.0.113.0/24"]), SECURED.with_peers(admin_workstation=["203.0.112.0/23"]),
         asking("required", CLUSTER).with_peers(admin_workstation=["203.0.112.0/23"]).with_options(
             waivers={"admin-remote-registry": "agreed", "admin-remote-smb": "agreed"})),
    case("P-IPS-06", "error", "mbx2", "no address of theirs on some of datapath_cluster_networks", PRIVATE,
         PRIVATE.with_host("mbx2", addresses=["192.0.2.4", "198.51.100.130"]), CLUSTER, PRIVATE.with_host("mbx1", ipsec="absent"),
         PRIVATE.with_host("mbx1", cluster="other")),
    case("P-IPS-06", "warning", "mbx2", "where it is required nothing does", asking("requested", PRIVATE), asking("required", PRIVATE)),
    case("P-RPC-03", "warning", "mbx1", "from which Windows hands out ports by itself", PINNED,
         PINNED.with_host("mbx1", static_ports={"store": 60100}), PINNED.with_host("mbx1", platform={"os": "windows", "release": "2003"}),
         PINNED.with_host("mbx1", rpc_range="7000-7999"), BASE.with_host("mbx1", static_ports={"store": 6100})),
    case("P-RPC-04", "warning", "dc1", "Only one of ntds and netlogon has a fixed port", BASE.with_host("dc1", static_ports={"ntds": 50100, "frs": 50102}),
         BASE, BASE.with_host("dc1", static_ports={"ntds": 50100, "netlogon": 50101}), BASE.with_host("dc1", static_ports={"dfsr": 50103})),
    case("P-RPC-05", "warning", "dc1", "lie within their datapath_rpc_range", BASE.with_host("dc1", static_ports={"dfsr": 50103}, rpc_range="50000-50999"),
         BASE.with_host("dc1", static_ports={"dfsr": 51000}, rpc_range="50000-50999"), BASE.with_host("dc1", static_ports={"dfsr": 50103})),
    case("not-enforced-windows-2003", "info", "mbx1", "datapath.exchange.render writes", with_release("2003", "mbx1"), BASE, with_release("2008", "mbx1")),
    case("R-TR-01", "warning", "", "there is nothing to waive", BASE.with_options(waivers={"hub-to-hub-smtp": "because"}), BASE,
         BASE.with_options(waivers={"um-phone": "because"})),
    case("R-TR-03", "error", "edge1", "directory and certificates grow stale", BASE.with_host("edge1", edgesync=False),
         BASE, BASE.with_host("edge1", edgesync=False, edge_subscription=False), only("edge1").with_host("edge1", edgesync=False)),
    case("R-TR-05", "info", "edge1", "opportunistic", BASE, BASE.with_host("edge1", domain_security=True), BASE.with_peers(internet_mta=[])),
    case("R-TR-08", "warning", "hub1", "the edge server is the recommended place", BASE.with_options(recipient_filter="hub"),
         BASE, BASE.with_options(recipient_filter="none"), only("mbx1", "dc1").with_options(recipient_filter="hub")),
    case("R-MB-01", "warning", "mbx1 mbx2", "use NTLM by default", BASE.with_options(ntlm_blocked=True), BASE,
         only("hub1", "dc1").with_options(ntlm_blocked=True)),
    case("R-MB-07", "warning", "mbx1", "random high TCP ports of the cluster service", CLUSTER.with_host("mbx1", rpc_range="50000-50300"), CLUSTER,
         BASE.with_host("mbx1", rpc_range="50000-50300")),
    case("R-CAS-02", "error", "cas1 mbx1 mbx2", "A zone boundary lies between", BASE.with_host("mbx2", zone="perimeter"), BASE,
         BASE.with_host("mbx2", zone="perimeter", site="other").with_host("mbx1", site="other")),
    case("R-CAS-02", "error", "cas1 mbx1 mbx2", "declares a filtering device", BOUNDARY, BASE,
         BASE.with_options(zone_boundaries=[{"site": "default", "between": ["mailbox", "hub_transport"]}]), BOUNDARY.with_host("cas1", site="other")),
    case("R-CAS-02", "info", "cas1 mbx1 mbx2", "trust each other fully", BASE, BASE.with_options(implied=False), BASE.with_host("cas1", site="other"),
         only("hub1", "mbx1", "dc1")),
    case("R-CAS-02", "warning", "cas1 mbx1 mbx2", "Ports stay closed between client access and mailbox servers",
         BASE.with_options(disabled_implied=["R-CAS-02"]),
         BASE, BASE.with_options(implied=False, scope="supported"), BASE.with_options(implied=False).with_host("cas1", site="other"),
         only("mbx1", "dc1").with_groups(client_access=["mbx1"]).with_options(implied=False)),
    case("R-CAS-03", "error", "cas1", "perimeter network", BASE.with_host("cas1", zone="perimeter"), BASE, BASE.with_host("hub1", zone="perimeter")),
    case("R-CAS-04", "error", "mbx1", "it has fewer than 100 ports", BASE.with_host("mbx1", rpc_range="50000-50098"), BASE,
         BASE.with_host("mbx1", rpc_range="50000-50099")),
    case("R-CAS-04", "error", "mbx1", "the static port of store 50001", BASE.with_host("mbx1", rpc_range="50000-50200", static_ports={"store": 50001}),
         BASE.with_host("mbx1", rpc_range="50000-50200", static_ports={"store": 49000})),
    case("R-CAS-04", "warning", "mbx1", "it begins at 5000 or below", BASE.with_host("mbx1", rpc_range="4950-5059"),
         BASE.with_host("mbx1", rpc_range="5100-5999")),
    case("R-CAS-04", "warning", "mbx1", "it contains 6001-6004", BASE.with_host("mbx1", rpc_range="6004-6999"), BASE.with_host("mbx1", rpc_range="6005-6999")),
    case("R-CAS-04", "error", "mbx1", "it has fewer than 255 ports", with_release("2008", "mbx1").with_host("mbx1", rpc_range="50000-50253"),
         with_release("2008", "mbx1").with_host("mbx1", rpc_range="50000-50254"), BASE.with_host("mbx1", rpc_range="50000-50253"),
         with_release("2003", "mbx1").with_host("mbx1", rpc_range="50000-50253")),
    case("R-CAS-05", "error", "cas1", "must be a member of the domain", BASE.with_host("cas1", domain_member=False), BASE,
         BASE.with_host("mbx1", domain_member=False)),
    case("R-CAS-06", "info", "cas1", "whoever takes one takes the organisation", BASE, only("hub1", "mbx1", "dc1")),
    case("R-CAS-07", "warning", "cas1", "allows basic, ntlm towards Exchange 2003", LEGACY_ORG.with_options(legacy_auth=["kerberos", "ntlm", "basic"]),
         LEGACY_ORG, BASE.with_options(legacy_auth=["ntlm"])),
    case("R-CAS-08", "warning", "cas1", "self-signed certificate beside Exchange 2003", LEGACY_ORG.with_options(owa_certificate="self-signed"),
         LEGACY_ORG, BASE.with_options(owa_certificate="self-signed")),
    case("R-CAS-09", "warning", "cas1", "KB937301, event 1036", LEGACY_ORG, LEGACY_ORG.with_options(legacy_eas_integrated_auth=True), BASE,
         LEGACY_ORG.with_peers(eas_client=[])),
    case("R-UM-01", "error", "um1", "Gateways speak SIP over clear TCP (203.0.113.81)",
         GATEWAYS.with_peers(ip_gateway=[TCP]).with_options(encryption="prefer_encrypted"),
         GATEWAYS.with_peers(ip_gateway=[TCP]), GATEWAYS.with_peers(ip_gateway=[TLS]).with_options(encryption="prefer_encrypted"),
         GATEWAYS.with_peers(ip_gateway=[TCP]).with_options(encryption="prefer_encrypted", waivers={"um-phone": "agreed"})),
    case("R-UM-02", "error", "um1", "every call is refused. Give datapath_peers.ip_gateway", GATEWAYS, BASE, GATEWAYS.with_peers(ip_pbx=["203.0.113.80"]),
         only("hub1", "mbx1", "dc1")),
    case("R-UM-02", "error", "um1", "for their sites", GATEWAYS.with_host("mbx1", site="other").with_peers(ip_gateway={"other": ["203.0.113.80"]}),
         GATEWAYS.with_peers(ip_gateway={"default": ["203.0.113.80"]})),
    case("R-UM-02", "warning", "um1", "explicitly empty", GATEWAYS.with_peers(ip_gateway=[]), BASE),
    case("R-UM-03", "warning", "", "fully qualified name for their certificate: 203.0.113.80",
         GATEWAYS.with_peers(ip_gateway=[{"address": "203.0.113.80", "mode": "tls"}]),
         GATEWAYS.with_peers(ip_gateway=[TLS]), GATEWAYS.with_peers(ip_gateway=[TCP])),
    case("R-UM-03", "warning", "", "certificate: gw1", BASE.with_host("gw1", gateway_mode="tls"),
         BASE.with_host("gw1", gateway_mode="tls", gateway_fqdn="gw1.example")),
    case("R-UM-04", "warning", "", "Gateways without a dial plan are not served: gw1", BASE, BASE.with_host("gw1", gateway_dial_plan="plan"),
         only("hub1", "gw1", "dc1")),
    case("R-UM-05", "error", "um1", "listens on 5060 or on 5061, never both", RTM.with_peers(ip_gateway=[TCP, TLS]),
         RTM.with_peers(ip_gateway=[TCP]), BASE.with_peers(ip_gateway=[TCP, TLS]), RTM.with_peers(ip_gateway=["203.0.113.81"])),
    case("R-OAB-02", "error", "mbx1 mbx2", "no Outlook can get one", BASE.with_options(oab_web_distribution=False, oab_public_folder_distribution=False),
         BASE, BASE.with_options(oab_web_distribution=False), BASE.with_options(oab_public_folder_distribution=False)),
)


def matching(plan: Plan, wanted: Case) -> list[Finding]:
    return [finding for finding in plan.findings if (finding.id, finding.severity) == (wanted.id, wanted.severity) and wanted.text in finding.text]


def number(cases: t.Sequence[Case]) -> list[str]:
    return [f"{entry.id}-{entry.severity}-{index}" for index, entry in enumerate(cases)]


@pytest.mark.parametrize("wanted", CASES, ids=number(CASES))
def test_finding_speaks_where_its_rule_is_broken(wanted: Case) -> None:
    found = matching(wanted.speaks.plan(), wanted)
    assert [finding.hosts for finding in found] == [wanted.hosts]
    assert found[0].source
    assert found[0].text.endswith(".")
    assert found[0].to_plain() == {"id": wanted.id, "severity": wanted.severity, "hosts": list(wanted.hosts), "text": found[0].text, "source": found[0].source}


@pytest.mark.parametrize(("wanted", "organisation"), [(entry, quiet) for entry in CASES for quiet in entry.silent],
                         ids=[f"{name}-{index}" for entry, name in zip(CASES, number(CASES), strict=True) for index, _quiet in enumerate(entry.silent)])
def test_finding_is_silent_where_its_rule_holds(wanted: Case, organisation: Organisation) -> None:
    assert not matching(organisation.plan(), wanted)


def test_every_finding_of_the_planner_has_a_case() -> None:
    texts = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (findings, platforms)]
    known = set(re.findall(r'"((?:R|P)-[A-Z]+-\d+|not-enforced-[a-z0-9-]+[a-z0-9])"', "\n".join(texts)))
    assert known == {entry.id for entry in CASES}
    assert set(FINDINGS) == {id_ for id_ in known if not id_.startswith("not-")}


def test_every_severity_of_a_finding_has_a_case() -> None:
    with_error = {entry.id for entry in CASES if entry.severity == "error"}
    assert {note.id for note in REFERENCE.notes if note.kind == "deny"} - with_error == {"R-UM-03"}  # wide gateways are input errors


WAIVABLE = sorted({entry.id: entry for entry in CASES if entry.severity == "error" and not entry.id.startswith("not-")}.items())


@pytest.mark.parametrize(("id_", "wanted"), WAIVABLE, ids=[id_ for id_, _wanted in WAIVABLE])
def test_waiver_turns_an_error_into_a_warning_that_quotes_it_and_the_edge_never_shares_a_host(id_: str, wanted: Case) -> None:
    waivers = {**wanted.speaks.options.get("waivers", {}), id_: "signed by the board"}
    found = [finding for finding in wanted.speaks.plan(waivers=waivers).findings if finding.id == id_ and wanted.text in finding.text]
    assert found
    for finding in found:
        waived = finding.severity == "warning" and finding.text.endswith(" Waived: signed by the board")
        assert waived is (id_ not in findings.UNWAIVABLE)
    assert {"P-ROLE-01", "P-IPS-05"} == findings.UNWAIVABLE


def test_findings_stand_errors_first_and_summary_counts_them() -> None:
    plan = BASE.with_host("mbx1", rpc_range="50000-50098", platform="windows").plan()
    severities = [finding.severity for finding in plan.findings]
    assert severities == sorted(severities, key=("error", "warning", "info").index)
    assert plan.summary()["findings"] == {severity: severities.count(severity) for severity in ("error", "warning", "info")}
    assert [finding.id for finding in plan.errors] == ["R-CAS-04"]


# -- rules that are paths or data ----------------------------------------------------------------------------------------


def ports(organisation: Organisation, host: str, way: str, address: str) -> set[str]:
    """What a host lets pass, as ``25/tcp``, ``1024-65535/udp`` or ``icmp``."""
    found = openings(organisation.plan().host(host), address)
    return {
        protocol if (low, high) == (0, 0) else f"{low}/{protocol}" if low == high else f"{low}-{high}/{protocol}"
        for (direction, protocol), ranges in found.items() if direction == way for low, high in ranges
    }


@dataclass(frozen=True)
class Rule:
    """A rule held by paths: with ``on`` these ports pass, with ``off`` none of them does."""

    id: str
    on: Organisation
    off: Organisation
    host: str
    way: str
    address: str
    ports: str


CRL_ORG = BASE.with_peers(crl_host=["203.0.113.41"])
OPEN_PROXY = BASE.with_peers(open_proxy=["203.0.113.33"])
EXTRA = "23/tcp 80/tcp 1080-1081/tcp 3128/tcp 6588/tcp"
WEBBED = BASE.with_peers(web_client=["203.0.113.65"])
TLS_ORG, TCP_ORG = GATEWAYS.with_peers(ip_gateway=[TLS]), GATEWAYS.with_peers(ip_gateway=[TCP])
NETS = CLUSTER.with_host("mbx1", cluster_networks=["198.51.100.128/28"])
OAB = only("mbx1", "hub1", "dc1").with_peers(mapi_client=["203.0.113.1"])

RULES = (
    Rule("R-TR-02", CRL_ORG.with_options(crl_checks=True), CRL_ORG, "hub1", "out", CRL, "80/tcp 443/tcp 389/tcp"),
    Rule("R-TR-03", BASE, BASE.with_host("edge1", edgesync=False), "edge1", "in", HUB, "50636/tcp"),
    Rule("R-TR-07", CRL_ORG.with_host("edge1", domain_security=True), CRL_ORG, "edge1", "out", CRL, "80/tcp 389/tcp 389/udp"),
    Rule("R-TR-09", OPEN_PROXY, OPEN_PROXY.with_host("edge1", open_proxy_test=False), "edge1", "out", PROXY, EXTRA),
    Rule("R-TR-09", OPEN_PROXY.with_host("hub1", anti_spam=True), OPEN_PROXY, "hub1", "out", PROXY, EXTRA),
    Rule("R-TR-09", OPEN_PROXY, BASE, "edge1", "out", PROXY, EXTRA),
    Rule("R-TR-10", BASE, BASE.with_host("edge1", edgesync=False), "hub1", "out", EDGE, "50636/tcp"),
    Rule("R-TR-11", BASE, only("hub1", "mbx1"), "hub1", "out", DC, "88/tcp 389/tcp"),
    Rule("R-MB-02", BASE.with_options(mapi_udp_notification=True), BASE, "mbx1", "out", CLIENT, "1024-65535/udp"),
    Rule("R-MB-05", CLUSTER, BASE, "mbx1", "in", MBX2, "3343/udp"),
    Rule("R-MB-05", CLUSTER, BASE, "mbx1", "out", MBX2, "3343/udp"),
    Rule("R-MB-05", NETS, CLUSTER, "mbx1", "in", "198.51.100.130", "3343/udp"),
    Rule("R-MB-06", BASE.with_host("cas1", webdav=True).with_host("cas1", site="other"), BASE.with_host("cas1", site="other"), "mbx1", "in", CAS,
        "80/tcp 443/tcp"),
    Rule("R-MB-07", CLUSTER, BASE, "mbx1", "in", MBX2, "32768-65535/tcp"),
    Rule("R-MB-07", CLUSTER.with_host("mbx1", rpc_range="20000-20200"), BASE.with_host("mbx1", rpc_range="20000-20200"), "mbx1", "in", MBX2, "32768-60999/tcp"),
    Rule("R-CAS-01", WEBBED, BASE, "cas1", "in", WEB, "80/tcp 443/tcp"),
    Rule("R-CAS-02", BASE, BASE.with_host("cas1", site="other"), "mbx1", "in", CAS, "any"),
    Rule("R-CAS-02", BASE, BASE.with_options(disabled_implied=["R-CAS-02"]), "cas1", "in", MBX1, "any"),
    Rule("R-CAS-04", BASE.with_host("mbx1", rpc_range="20000-20200"), BASE, "um1", "out", MBX1, "20000-20200/tcp"),
    Rule("R-CAS-04", BASE.with_host("mbx1", rpc_range="20000-20200"), BASE, "mbx1", "in", UM, "20000-20200/tcp"),
    Rule("R-CAS-05", BASE, only("cas1", "hub1"), "cas1", "out", DC, "88/tcp 389/tcp"),
    Rule("R-UM-01", TLS_ORG, TCP_ORG, "um1", "in", "203.0.113.80", "5061-5062/tcp 5066/tcp 5068/tcp"),
    Rule("R-UM-01", TCP_ORG, TLS_ORG, "um1", "in", "203.0.113.81", "5060/tcp 5062/tcp 5065/tcp 5067/tcp"),
    Rule("R-UM-02", BASE, GATEWAYS, "um1", "in", GATEWAY, "5060-5062/tcp"),
    Rule("R-UM-06", BASE, BASE.with_options(implied=False), "um1", "in", GATEWAY, "5065-5068/tcp"),
    Rule("R-UM-06", BASE, GATEWAYS, "um1", "in", GATEWAY, "1024-65535/udp"),
    Rule("R-OAB-02", only("cas1", "hub1", base=BASE), only("cas1", "hub1", base=BASE).with_peers(mapi_client=[]), "cas1", "in", CLIENT, "443/tcp"),
    Rule("R-OAB-02", BASE.with_host("cas1", site="other"), BASE.with_host("cas1", site="other").with_options(oab_web_distribution=False), "cas1", "out",
        MBX1, "445/tcp"),
    Rule("R-AD-01", BASE, BASE.with_options(implied=False), "hub1", "out", DC, "464/tcp 464/udp 123/udp 445/tcp 1025-5000/tcp 49152-65535/tcp icmp"),
    Rule("R-AD-01", BASE.with_options(ldaps_directory=True), BASE, "hub1", "out", DC, "636/tcp"),
)


@pytest.mark.parametrize("rule", RULES, ids=[f"{rule.id}-{index}" for index, rule in enumerate(RULES)])
def test_rule_opens_its_ports_and_only_where_it_applies(rule: Rule) -> None:
    assert set(rule.ports.split()) <= ports(rule.on, rule.host, rule.way, rule.address)
    assert not set(rule.ports.split()) & ports(rule.off, rule.host, rule.way, rule.address)


@pytest.mark.parametrize(("given", "expected"), [
    ({}, {"1025-5000/tcp", "49152-65535/tcp"}),
    ({"static_ports": {"ntds": 50100, "netlogon": 50101}}, {"50100-50101/tcp"}),
    ({"static_ports": {"ntds": 50100, "netlogon": 50101, "frs": 50102, "dfsr": 50103}}, {"50100-50101/tcp"}),
    ({"static_ports": {"ntds": 5050}}, {"5050/tcp", "1025-5000/tcp", "49152-65535/tcp"}),
    ({"static_ports": {"dfsr": 5050}}, {"1025-5000/tcp", "49152-65535/tcp"}),
    ({"static_ports": {"ntds": 50100, "netlogon": 50101}, "rpc_range": "51000-51999"}, {"50100-50101/tcp", "51000-51999/tcp"}),
])
def test_fixed_ports_of_a_domain_controller_stand_for_its_ranges(given: dict[str, t.Any], expected: set[str]) -> None:
    organisation = BASE.with_host("hub1", egress="restricted").with_host("dc1", **given)
    high = {port for port in ports(organisation, "hub1", "out", DC) if port.endswith("/tcp") and int(re.split("[-/]", port)[0]) > 1024}
    assert high - {"3268/tcp", "3268-3269/tcp"} == expected


def paths(organisation: Organisation, host: str) -> set[str]:
    return {path for flow in organisation.plan().host(host).flows for path in flow.paths}


def test_r_tr_01_hub_to_hub_is_tls_with_kerberos_and_asks_for_no_list() -> None:
    row = REFERENCE.by_id["hub-to-hub-smtp"]
    assert (row.enc_mechanism, row.enc_default, row.auth_default) == ("tls", "yes", ("kerberos",))
    assert [port.token for port in row.ports] == ["25/tcp"]


def test_r_tr_04_edge_opens_nothing_towards_the_directory_or_for_edgesync() -> None:
    assert ports(BASE, "edge1", "out", HUB) == {"25/tcp"}
    assert ports(BASE, "edge1", "out", DC) == ports(BASE, "edge1", "in", DC) == set()
    assert "50636/tcp" not in ports(BASE, "hub1", "in", EDGE)


def test_r_tr_06_roles_on_one_host_need_no_rule_and_on_two_they_do() -> None:
    both = only("hub1", "dc1").with_groups(mailbox=["hub1"])
    assert not {"hub-to-mailbox-mapi", "mailbox-to-hub-submission"} & paths(both, "hub1")
    assert {"hub-to-mailbox-mapi", "mailbox-to-hub-submission"} <= paths(BASE, "hub1")
    assert REFERENCE.by_id["hub-to-mailbox-mapi"].auth_default == ("ntlm", "kerberos-if-colocated")


def test_r_tr_08_where_recipients_are_filtered_changes_no_flow() -> None:
    plans = [BASE.plan(recipient_filter=where) for where in ("edge", "hub", "none")]
    assert {plan.host("hub1").flows for plan in plans} == {plans[0].host("hub1").flows}
    assert {plan.host("edge1").flows for plan in plans} == {plans[0].host("edge1").flows}


def test_r_mb_03_the_cells_win_over_the_preface() -> None:
    rows = [REFERENCE.by_id[name] for name in ("mailbox-clustering", "mailbox-assistants", "admin-remote-registry", "system-attendant-listener")]
    assert [row.enc_default for row in rows] == ["no"] * 4
    assert REFERENCE.by_id["mapi-to-mailbox"].enc_default == "yes"
    alone = {flow.protection for flow in only("mbx1", "hub1").plan().host("mbx1").flows if "system-attendant-listener" in flow.paths and flow.direction == "in"}
    assert alone == {"none"}
    assert {flow.protection for flow in BASE.plan().host("mbx1").flows if flow.paths == ("hub-to-mailbox-mapi",)} <= {"rpc"}


def test_r_mb_04_negotiate_is_kept_as_the_row_says_it() -> None:
    assert "negotiate" in REFERENCE.by_id["autodiscover"].auth_default
    assert "negotiate" not in REFERENCE.by_id["pop3"].auth_default


def test_r_cas_01_clients_reach_client_access_and_not_mailbox_servers() -> None:
    assert "443/tcp" in ports(WEBBED, "cas1", "in", WEB)
    assert ports(WEBBED, "mbx1", "in", WEB) == set()


@pytest.mark.parametrize(("options", "on"), [
    ({}, False), ({"outlook_min_version": 2003}, True), ({"oab_web_distribution": False}, True), ({"oab_public_folder_distribution": True}, True),
    ({"outlook_min_version": 2003, "oab_public_folder_distribution": False}, False), ({"oab_public_folder": True},
        True), ({"oab_public_folder": False, "outlook_min_version": 2003}, False),
])
def test_r_oab_01_public_folders_serve_old_outlook_and_what_the_web_does_not(options: dict[str, t.Any], on: bool) -> None:
    assert ("outlook-oab-public-folder" in paths(OAB.with_options(**options), "mbx1")) is on


def test_r_doc_01_the_edition_says_how_old_it_is() -> None:
    assert (REFERENCE.revised, REFERENCE.applies_to) == ("2009-06-05", "Exchange Server 2007 RTM, SP1, SP2 and SP3")


def test_every_rule_of_the_notes_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    own = {name.upper().replace("_", "-") for name in re.findall(r"^def test_(r_[a-z]+_\d+)_", text, re.MULTILINE)}
    assert {note.id for note in REFERENCE.notes} == {entry.id for entry in CASES if entry.id.startswith("R-")} | {rule.id for rule in RULES} | own
