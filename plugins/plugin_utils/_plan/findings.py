# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The rules of the document's notes, checked against the topology. Each function holds one rule and is named after it in ``RULES``.

Rules that are paths or defaults live in the reference itself; ``notes.yml`` says for every rule where it is held.
"""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import platforms
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.checker import Checker, found
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host

# R-CAS-04: ports that a restricted RPC range must leave free, because something fixed listens there (KB154596 and the rows themselves).
RESERVED_PORTS = (
    PortRange(3343, 3343), PortRange(3389, 3389), PortRange(5060, 5068), PortRange(5985, 5986), PortRange(6001, 6004),
    PortRange(50389, 50389), PortRange(50636, 50636), PortRange(64327, 64327),
)
SMALLEST_RPC_RANGE = 100
SMALLEST_DYNAMIC_RANGE = 255
LOWEST_RPC_PORT = 5001


def check(c: Checker) -> tuple[Finding, ...]:
    """All findings, errors first; a waived error becomes a warning that quotes its reason."""
    waived = [_waive(c, finding) for rule in RULES for finding in rule(c)]
    return tuple(sorted(waived, key=lambda f: (("error", "warning", "info").index(f.severity), f)))


def _waive(c: Checker, finding: Finding) -> Finding:
    reason = c.options["waivers"].get(finding.id)
    if finding.severity != "error" or not reason or finding.id in UNWAIVABLE:
        return finding
    return Finding(finding.id, "warning", finding.hosts, f"{finding.text} Waived: {reason}", finding.source)


def edge_alone(c: Checker) -> t.Iterator[Finding]:
    hosts = c.names(lambda h: len(h.roles) > 1, "edge_transport")
    yield from found(
        "P-ROLE-01", "error", hosts,
        "An edge transport server carries another role too; the edge role stands alone, outside the forest. Take the host out of the other role's group.",
        "https://technet.microsoft.com/library/aa996562(EXCHG.80).aspx")


def client_access_on_cluster(c: Checker) -> t.Iterator[Finding]:
    hosts = c.names(lambda h: bool(h.cluster), "client_access")
    yield from found(
        "P-ROLE-02", "error", hosts,
        "The client access role cannot run on a cluster node; take the host out of one of the two groups or unset datapath_cluster.",
        "http://technet.microsoft.com/nl-nl/library/bb232184(v=exchg.80).aspx")


def r_tr_01(c: Checker) -> t.Iterator[Finding]:
    if "hub-to-hub-smtp" in c.options["waivers"]:
        yield Finding(
            "R-TR-01", "warning", (), "A waiver names hub-to-hub-smtp: traffic between hub transport servers is TLS with Kerberos by default,"
            " there is nothing to waive.",
            "N-T1")


def r_tr_03(c: Checker) -> t.Iterator[Finding]:
    hosts = c.names(lambda h: "edge_subscription" in h.on and "edgesync" not in h.on, "edge_transport")
    if c.hosts("hub_transport"):
        yield from found(
            "R-TR-03", "error", hosts,
            "The edge server is subscribed but EdgeSync (50636/tcp from its hub transport servers) is off, so its directory and certificates grow stale."
            " Set datapath_edgesync to true, or datapath_edge_subscription to false.", "N-T2")


def r_tr_05(c: Checker) -> t.Iterator[Finding]:
    hosts = c.names(lambda h: "domain_security" not in h.on, "edge_transport")
    if "edge-to-edge-smtp" in c.used:
        yield from found(
            "R-TR-05", "info", hosts,
            "TLS towards other organisations is opportunistic: it is tried, never guaranteed. Only Domain Security (datapath_domain_security)"
            " makes it certain.", "N-T3")


def r_tr_08(c: Checker) -> t.Iterator[Finding]:
    if c.options["recipient_filter"] == "hub":
        yield from found(
            "R-TR-08", "warning", c.names(role="hub_transport"),
            "Recipient filtering runs on hub transport servers and asks Active Directory for every recipient; the edge server is the recommended"
            " place.", "N-T6")


def edge_without_hub(c: Checker) -> t.Iterator[Finding]:
    hub_sites = {host.site for host in c.hosts("hub_transport")}
    hosts = c.names(lambda h: "edge_subscription" in h.on and h.site not in hub_sites, "edge_transport")
    yield from found(
        "P-SITE-01", "warning", hosts,
        "The edge server is subscribed to a site without a hub transport server, so no mail path leads to it. Set datapath_site to the subscribed"
        " site.", "A-27")


def site_without_hub(c: Checker) -> t.Iterator[Finding]:
    hub_sites = {host.site for host in c.hosts("hub_transport")}
    if not c.options["enforce_site_scope"]:
        return
    hosts = sorted({*c.names(lambda h: h.site not in hub_sites, "mailbox"), *c.names(lambda h: h.site not in hub_sites, "unified_messaging")})
    yield from found(
        "P-SITE-02", "warning", hosts,
        "No hub transport server stands in the server's site, so what it submits has nowhere to go. Correct datapath_site, or set"
        " datapath_enforce_site_scope to false.", "A-27")


def no_directory(c: Checker) -> t.Iterator[Finding]:
    members = c.names(lambda h: h.roles != ("edge_transport",))
    if members and not c.has("domain_controller"):
        hosts = c.names(lambda h: h.name in members and h.egress == "restricted")
        if hosts:
            yield Finding(
                "P-DIR-01", "error", hosts,
                "Outbound traffic is restricted and the inventory names no domain_controller: Exchange would lose its directory."
                " Add the group domain_controller or datapath_peers.domain_controller.", "N-X1")
        else:
            yield Finding(
                "P-DIR-01", "info", (), "The inventory names no domain_controller; directory paths are not planned (outbound traffic is open, so"
                " nothing breaks).", "N-X1")


def edge_names(c: Checker) -> t.Iterator[Finding]:
    if not c.has("dns_server"):
        yield from found(
            "P-DNS-01", "error", c.names(lambda h: h.egress == "restricted", "edge_transport"),
            "Outbound traffic of the edge server is restricted and the inventory names no dns_server: it could not find the Internet's mail servers."
            " Give datapath_peers.dns_server (an edge server never asks a domain controller).", "X-09")


def unknown_ranges(c: Checker) -> t.Iterator[Finding]:
    if not any(host.egress == "restricted" for host in c.hosts()):
        return
    unknown = [host.name for host in c.topology.outsiders.values() if host.rpc_range is None and set(host.kinds) & {"legacy_mailbox", "file_server"}]
    yield from found(
        "P-RPC-01", "warning", sorted(unknown),
        "The RPC range of these peers is not known, so outbound rules open 1024-65535 towards them. Set datapath_rpc_range on them.", "A-03")


def families(c: Checker) -> t.Iterator[Finding]:
    for family in ("ipv4", "ipv6"):
        alone = c.names(lambda h, family=family: h.families == (family,))  # type: ignore[misc]
        others = c.names(lambda h, family=family: bool(h.families) and family not in h.families)  # type: ignore[misc]
        if alone and others and family == "ipv4":
            yield Finding(
                "P-IP-01", "warning", tuple(sorted((*alone, *others))),
                "Some servers have only IPv4 and some only IPv6 addresses: paths between them cannot work. Give one side the other family.", "X-32")
    yield from found(
        "P-IP-02", "warning", c.names(lambda h: h.families == ("ipv6",)),
        "Exchange 2007 supports IPv6 only beside IPv4; these servers have no IPv4 address.", "http://technet.microsoft.com/en-us/library/bb629624.aspx")


def r_mb_01(c: Checker) -> t.Iterator[Finding]:
    if c.options["ntlm_blocked"]:
        yield from found(
            "R-MB-01", "warning", c.names(role="mailbox"),
            "datapath_ntlm_blocked is declared, but the mailbox rows use NTLM by default whenever the caller is not Local System.", "N-M0")


def r_mb_07(c: Checker) -> t.Iterator[Finding]:
    yield from found(
        "R-MB-07", "warning", c.names(lambda h: bool(h.cluster) and h.rpc_range is not None),
        "A restricted RPC range does not shrink the random high TCP ports of the cluster service; those stay open between the nodes.", "N-M4")


def r_cas_02(c: Checker) -> t.Iterator[Finding]:
    zones: dict[str, set[str]] = {}
    both = {host.site for host in c.hosts("client_access")} & {host.site for host in c.hosts("mailbox")}
    concerned = [host for role in ("client_access", "mailbox") for host in c.hosts(role) if host.site in both]
    for host in concerned:
        zones.setdefault(host.site, set()).add(host.zone)
    yield from found(
        "R-CAS-02", "error", sorted({host.name for host in concerned if len(zones[host.site]) > 1}),
        "A zone boundary lies between client access and mailbox servers of one site; a firewall between them is not supported. Put them into one"
        " datapath_zone.", "N-C2")
    for entry in c.options["zone_boundaries"]:
        if entry["site"] in both and {"client_access", "mailbox"} <= set(entry["between"]):
            hosts = sorted({h.name for h in concerned if h.site == entry["site"]})
            yield Finding(
                "R-CAS-02", "error", tuple(hosts), f"datapath_zone_boundaries declares a filtering device between client access and mailbox servers of site"
                f" {entry['site']}; that is not supported. Remove the device and the entry.", "N-C2")


def same_site_trust(c: Checker) -> t.Iterator[Finding]:
    sites: dict[str, list[set[str]]] = {}
    for column, role in enumerate(("client_access", "mailbox")):
        for host in c.hosts(role):
            sites.setdefault(host.site, [set(), set()])[column].add(host.name)
    pairs = [names[0] | names[1] for names in sites.values() if names[0] and names[1] and len(names[0] | names[1]) > 1]
    hosts = sorted(set().union(*pairs))
    if c.used & {"client-access-mailbox-same-site", "supported-between-members"}:
        yield from found(
            "R-CAS-02", "info", hosts,
            "Client access and mailbox servers of one site trust each other fully: every port is open between them, because a firewall there is"
            " not supported.", "N-C2")
    else:
        yield from found(
            "R-CAS-02", "warning", hosts,
            "Ports stay closed between client access and mailbox servers of one site, and a firewall there is not supported."
            " Set datapath_implied to true, and take R-CAS-02 and client-access-mailbox-same-site out of datapath_disabled_implied.", "N-C2")


def r_cas_03(c: Checker) -> t.Iterator[Finding]:
    yield from found(
        "R-CAS-03", "error", c.names(lambda h: h.zone == "perimeter", "client_access"),
        "A client access server stands in the perimeter network; that is not supported. Set datapath_zone to internal, or move the server.", "N-C3")


def r_cas_04(c: Checker) -> t.Iterator[Finding]:
    def bad(host: Host) -> str:
        span = host.rpc_range
        if span is None:
            return ""
        flaws = []
        # Windows also takes the range for all its dynamic ports, of which there have to be more (KB929851).
        least = SMALLEST_DYNAMIC_RANGE if host.platform == "windows" and not platforms.windows_2003(host) else SMALLEST_RPC_RANGE
        if span.high - span.low + 1 < least:
            flaws.append(f"it has fewer than {least} ports")
        if span.low < LOWEST_RPC_PORT:
            flaws.append("it begins at 5000 or below")
        hit = [str(port) for port in RESERVED_PORTS if port.low <= span.high and span.low <= port.high]
        if hit:
            flaws.append(f"it contains {', '.join(hit)}")
        static = [f"{name} {port}" for name, port in host.static_ports if span.low <= port <= span.high]
        if static:
            flaws.append(f"it contains the static port of {', '.join(static)}")
        return " and ".join(flaws)

    for host in c.hosts():
        why = bad(host)
        if why:
            # KB154596: too small, too low or malformed ranges keep services from starting; wide default ranges of the platform are not ours to judge.
            severity = "error" if "fewer" in why or "static port" in why else "warning"
            text = f"datapath_rpc_range {host.rpc_range} will not do: {why}."
            yield Finding("R-CAS-04", severity, (host.name,), text, "https://support.microsoft.com/help/154596")


def r_cas_05(c: Checker) -> t.Iterator[Finding]:
    yield from found(
        "R-CAS-05", "error", c.names(lambda h: not h.domain_member, "client_access"),
        "A client access server must be a member of the domain; datapath_domain_member is false.", "N-C3")


def r_cas_06(c: Checker) -> t.Iterator[Finding]:
    yield from found(
        "R-CAS-06", "info", c.names(role="client_access"),
        "The computer account of a client access server is in the Exchange Servers group, which may read and write every Exchange server:"
        " whoever takes one takes the organisation. Keep its client-facing networks narrow.", "N-C3")


def r_cas_07(c: Checker) -> t.Iterator[Finding]:
    weak = sorted({"ntlm", "basic"} & set(c.options["legacy_auth"]))
    if c.has("legacy_mailbox") and weak:
        yield from found(
            "R-CAS-07", "warning", c.names(role="client_access"),
            f"datapath_legacy_auth allows {', '.join(weak)} towards Exchange 2003; use Kerberos and turn NTLM and Basic off.", "N-C5")


def r_cas_08(c: Checker) -> t.Iterator[Finding]:
    if c.has("legacy_mailbox") and c.options["owa_certificate"] == "self-signed":
        yield from found(
            "R-CAS-08", "warning", c.names(role="client_access"),
            "Outlook Web Access uses a self-signed certificate beside Exchange 2003; use forms-based authentication with a trusted certificate.", "N-C5")


def r_cas_09(c: Checker) -> t.Iterator[Finding]:
    if c.has("legacy_mailbox") and c.has("eas_client") and not c.options["legacy_eas_integrated_auth"]:
        yield from found(
            "R-CAS-09", "warning", c.names(role="client_access"),
            "ActiveSync through to Exchange 2003 needs Integrated Windows authentication on its Microsoft-Server-ActiveSync directory (KB937301, event 1036)."
            " Set datapath_legacy_eas_integrated_auth to true when it is on.", "N-C5")


def r_um_02(c: Checker) -> t.Iterator[Finding]:
    kinds = ("ip_gateway", "ip_pbx")
    if any(c.topology.by_kind.get(kind) for kind in kinds):
        return
    sites = {network.site for kind in kinds for network in c.topology.networks.get(kind, ())}
    hosts = c.names(lambda h: not sites & {"", h.site}, "unified_messaging")
    explicit = not sites and any(kind in c.topology.networks for kind in kinds)
    yield from found(
        "R-UM-02", "warning" if explicit else "error", hosts,
        "Unified messaging without an IP gateway or IP PBX: every call is refused. " + (
            "datapath_peers.ip_gateway is explicitly empty." if explicit else
            "Give datapath_peers.ip_gateway for their sites, or hosts in the group ip_gateway."), "N-U1")


def _gateways(c: Checker) -> t.Iterator[tuple[str, str, str, str]]:
    for kind in ("ip_gateway", "ip_pbx"):
        for network in c.topology.networks.get(kind, ()):
            yield network.text, network.mode, network.fqdn, network.dial_plan
        for host in c.topology.by_kind.get(kind, ()):
            yield host.name, host.gateway_mode, host.gateway_fqdn, host.gateway_dial_plan


def r_um_03(c: Checker) -> t.Iterator[Finding]:
    nameless = [name for name, mode, fqdn, _plan in _gateways(c) if mode == "tls" and not fqdn]
    if nameless and c.hosts("unified_messaging"):
        yield Finding(
            "R-UM-03", "warning", (), f"Gateways in TLS mode need a fully qualified name for their certificate: {', '.join(sorted(nameless))}. Set fqdn.",
            "http://technet.microsoft.com/en-us/library/bb124092(d=printer,v=exchg.80).aspx")


def r_um_04(c: Checker) -> t.Iterator[Finding]:
    homeless = [name for name, _mode, _fqdn, plan in _gateways(c) if not plan]
    if homeless and c.hosts("unified_messaging"):
        yield Finding(
            "R-UM-04", "warning", (), f"Gateways without a dial plan are not served: {', '.join(sorted(homeless))}. Set dial_plan"
            " (datapath_gateway_dial_plan on a host).", "N-U1")


def r_um_05(c: Checker) -> t.Iterator[Finding]:
    modes = {mode for _name, mode, _fqdn, _plan in _gateways(c) if mode}
    if modes >= {"tcp", "tls"}:
        yield from found(
            "R-UM-05", "error", c.names(lambda h: h.level == "rtm", "unified_messaging"),
            "Exchange 2007 RTM listens on 5060 or on 5061, never both, but gateways in TCP and in TLS mode are declared."
            " Give all gateways one mode, or set datapath_exchange_level to sp1 or later.", "N-U2")


def r_oab_02(c: Checker) -> t.Iterator[Finding]:
    web = c.options["oab_web_distribution"] is not False
    if not web and c.options["oab_public_folder_distribution"] is False:
        yield from found(
            "R-OAB-02", "error", c.names(role="mailbox"),
            "Neither web nor public folder distribution of the offline address book is on, so no Outlook can get one."
            " Set datapath_oab_web_distribution or datapath_oab_public_folder_distribution to true.", "N-R2")


def streaming_backup(c: Checker) -> t.Iterator[Finding]:
    yield from found(
        "P-BAK-01", "warning", c.names(lambda h: "streaming_backup" in h.on and not platforms.windows_2003(h), "mailbox"),
        "Remote streaming backup is supported only between Windows Server 2003 hosts.", "A-09")


def encryption(c: Checker) -> t.Iterator[Finding]:
    if c.options["encryption"] != "require_encrypted":
        return
    for path in c.topology.reference.paths:
        if path.origin != "documented" or path.id not in c.used or path.id in c.options["waivers"]:
            continue
        if path.enc_mechanism == "none":
            yield Finding(
                "P-ENC-01", "error", (), f"{path.id} supports no encryption, and datapath_encryption is require_encrypted. Turn the path off, or name it in"
                " datapath_waivers with a reason.", f"{path.reference} {path.section} row {path.row}")
        if path.enc_mechanism == "ipsec":
            roles = {*path.initiators, *path.responders}
            weak = c.names(lambda h, roles=roles: bool(set(h.roles) & roles) and h.ipsec in ("absent", "requested"))  # type: ignore[misc]
            yield from found(
                "P-ENC-02", "error", weak, f"{path.id} is encrypted only by IPsec, and datapath_ipsec on these hosts is weaker than required. Unset"
                " it, or name the"
                " path in datapath_waivers with a reason.", f"{path.reference} {path.section} row {path.row}")


def clear_gateways(c: Checker) -> t.Iterator[Finding]:
    clear = [name for name, mode, _fqdn, _plan in _gateways(c) if mode == "tcp"]
    if c.options["encryption"] != "as_documented" and clear and c.hosts("unified_messaging") and "um-phone" not in c.options["waivers"]:
        yield Finding(
            "R-UM-01", "error", c.names(role="unified_messaging"),
            f"Gateways speak SIP over clear TCP ({', '.join(sorted(clear))}), and datapath_encryption is {c.options['encryption']}. Move them to"
            " TLS, or name um-phone in"
            " datapath_waivers with a reason.", "N-U0")


def old_outlook(c: Checker) -> t.Iterator[Finding]:
    if c.options["outlook_min_version"] <= 2003 and c.has("mapi_client"):
        yield from found(
            "P-RPC-02", "warning", c.names(role="mailbox"),
            "Outlook 2003 and older ship with RPC encryption off: mapi-to-mailbox is not encrypted for them unless the server demands it.",
            "https://technet.microsoft.com/en-us/library/dd439391(v=EXCHG.80).aspx")


UNWAIVABLE = frozenset(("P-ROLE-01", "P-IPS-05"))
RULES: tuple[t.Callable[[Checker], t.Iterator[Finding]], ...] = (
    edge_alone, client_access_on_cluster, r_tr_01, r_tr_03, r_tr_05, r_tr_08, edge_without_hub, site_without_hub, no_directory, edge_names, unknown_ranges,
    families, r_mb_01, r_mb_07, r_cas_02, same_site_trust, r_cas_03, r_cas_04, r_cas_05, r_cas_06, r_cas_07, r_cas_08, r_cas_09,
    r_um_02, r_um_03, r_um_04, r_um_05,
    r_oab_02, streaming_backup, encryption, clear_gateways, old_outlook, *platforms.RULES,
)

__all__ = ("RESERVED_PORTS", "RULES", "UNWAIVABLE", "check")
