# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Findings about what the platform of a host can hold of its plan, and what this release makes true there."""

from __future__ import annotations

import typing as t

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.checker import Checker, Secured, found
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.ipsec import MOST_ADDRESSES
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Finding
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.ports import rpc_ranges
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import DataPath
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import DIRECTORY_KINDS, Host

SHOWN = 8


def windows_2003(host: Host) -> bool:
    return (host.platform, host.release) == ("windows", "2003")


def not_enforced(c: Checker) -> t.Iterator[Finding]:
    """What the plan holds and this release does not make true on a host."""
    yield from found(
        "not-enforced-windows-2003", "info", c.names(windows_2003),
        "Nothing is enforced on Windows Server 2003, which Ansible cannot reach: the playbook datapath.exchange.render writes what has to be done there by"
        " hand. Leave these hosts out of plays that enforce.", "docs/windows.md")


def _candidates(c: Checker) -> list[DataPath]:
    """Paths that only IPsec can protect, where they are used and not waived."""
    return [path for path in c.topology.reference.paths if path.enc_mechanism == "ipsec" and path.id in c.used and path.id not in c.options["waivers"]]


def _roles(paths: t.Iterable[DataPath]) -> set[str]:
    return {role for path in paths for role in (*path.initiators, *path.responders)}


def _mode(c: Checker, host: Host) -> str:
    """What a host asks of IPsec, whatever its peers ask."""
    return host.ipsec or {"as_documented": "absent", "prefer_encrypted": "requested", "require_encrypted": "required"}[c.options["encryption"]]


def _by_severity(c: Checker, test: t.Callable[[Secured], t.Iterable[Host]]) -> t.Iterator[tuple[str, tuple[str, ...]]]:
    """Hosts that a test finds among the associations: first those of whom IPsec is required, then the others."""
    told: set[str] = set()
    for mode, severity in (("required", "error"), ("requested", "warning")):
        names = {host.name for pair in c.secured if pair.association.mode == mode for host in test(pair)} - told
        told |= names
        yield severity, tuple(sorted(names))


def ipsec_with_2003(c: Checker) -> t.Iterator[Finding]:
    for severity, hosts in _by_severity(c, lambda pair: filter(windows_2003, pair.ends)):
        yield from found(
            "P-IPS-02", severity, hosts,
            "IPsec is planned with Windows Server 2003, which has no connection security rules, so this collection cannot set it up there. Set"
            " datapath_ipsec to absent on these hosts, or give them an IPsec policy by hand before their peers are changed.",
            "http://support.microsoft.com/kb/947709")


def ipsec_without_domain(c: Checker) -> t.Iterator[Finding]:
    hosts = sorted({host.name for pair in c.secured for host in pair.ends if not host.domain_member})
    yield from found(
        "P-IPS-03", "warning", hosts,
        "IPsec is planned with hosts that are in no domain, where Kerberos, the default of datapath_ipsec_auth, proves nothing. Set datapath_ipsec_auth to"
        " certificate or psk.", "https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-fasp/")


def ipsec_with_others(c: Checker) -> t.Iterator[Finding]:
    pairs = [pair for pair in c.secured if pair.outside]
    for mode, effect in (("required", "nothing passes between them"), ("requested", "the paths stay in clear")):
        concerned = [pair for pair in pairs if pair.association.mode == mode]
        outside = sorted({name for pair in concerned for name in pair.outside})
        yield from found(
            "P-IPS-04", "warning", sorted({host.name for pair in concerned for host in pair.near}),
            f"IPsec is {mode} with peers that are not managed ({_shown(outside)}): until somebody prepares them by hand, {effect}.", "docs/ipsec.md")


def ipsec_with_many(c: Checker) -> t.Iterator[Finding]:
    """Windows takes networks in its rules, strongSwan has a connection with each address; neither shares a key with everyone."""
    pairs = [pair for pair in c.secured if pair.anyone or (pair.addresses > MOST_ADDRESSES and any(host.platform == "linux" for host in pair.near))]
    names = sorted({name for pair in pairs for name in pair.outside})
    yield from found(
        "P-IPS-05", "error", sorted({host.name for pair in pairs for host in pair.near}),
        f"IPsec is planned with more than {MOST_ADDRESSES} addresses of peers that are not managed ({_shown(names)}), each of which is a connection of its own"
        " on Linux. Name single hosts or smaller networks in datapath_peers, or name the paths in datapath_waivers with a reason.", "docs/ipsec.md")


def ipsec_on_cluster_networks(c: Checker) -> t.Iterator[Finding]:
    """The nodes meet on a network of their own, and keys are agreed on between addresses, which have to be known."""
    def missing(pair: Secured) -> t.Iterator[Host]:
        nodes = [host for host in pair.near if host.cluster_networks and any(end.cluster == host.cluster for end in pair.far if end.name != host.name)]
        return (host for host in nodes if not all(_has_address_on(host, text) for text in host.cluster_networks))

    for severity, hosts in _by_severity(c, missing):
        yield from found(
            "P-IPS-06", severity, hosts,
            "IPsec is planned between nodes of a cluster, and datapath_addresses holds no address of theirs on some of datapath_cluster_networks: IPsec cannot"
            " protect what passes there, and where it is required nothing does. Add these addresses, or set datapath_ipsec to absent.", "docs/ipsec.md")


def _has_address_on(host: Host, text: str) -> bool:
    family, low, high = _networks.parse(text)
    return any(low <= number <= high for number in (host.v4 if family == 4 else host.v6))


def _shown(names: t.Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def mixed_ipsec(c: Checker) -> t.Iterator[Finding]:
    roles = _roles(_candidates(c))
    concerned = [host for host in c.hosts() if not roles.isdisjoint(host.roles)]
    if len({_mode(c, host) for host in concerned}) > 1:
        yield from found(
            "P-IPS-01", "warning", sorted(host.name for host in concerned if host.ipsec), "Servers disagree about datapath_ipsec; a pair gets the"
            " weaker of its two ends.", "N-M0")


def static_in_default_range(c: Checker) -> t.Iterator[Finding]:
    def inside(host: Host) -> bool:
        span = rpc_ranges(host)[0]
        return host.platform == "windows" and host.rpc_range is None and any(span.low <= port <= span.high for _name, port in host.static_ports)

    yield from found(
        "P-RPC-03", "warning", c.names(inside),
        "datapath_static_ports lie in the range from which Windows hands out ports by itself, so another program may have one of them before Exchange asks."
        " Set datapath_rpc_range to a range without them, or choose ports outside.", "https://support.microsoft.com/kb/929851")


def directory_ports(c: Checker) -> t.Iterator[Finding]:
    """Fixed ports of domain controllers are facts: nobody here sets them, but outbound rules follow them."""
    controllers = [host for host in c.topology.outsiders.values() if DIRECTORY_KINDS & set(host.kinds)]
    half = [host.name for host in controllers if len({"ntds", "netlogon"} & {name for name, _port in host.static_ports}) == 1]
    yield from found(
        "P-RPC-04", "warning", sorted(half),
        "Only one of ntds and netlogon has a fixed port (datapath_static_ports); the other service answers anywhere in its range, which stays open towards"
        " these domain controllers. Give both one.", "http://support.microsoft.com/kb/224196")
    within = [host.name for host in controllers if host.rpc_range and any(host.rpc_range.low <= port <= host.rpc_range.high for _n, port in host.static_ports)]
    yield from found(
        "P-RPC-05", "warning", sorted(within),
        "datapath_static_ports of these domain controllers lie within their datapath_rpc_range, where another service may take them first."
        " Choose ports outside.", "http://support.microsoft.com/kb/154596")


RULES: tuple[t.Callable[[Checker], t.Iterator[Finding]], ...] = (
    not_enforced, ipsec_with_2003, ipsec_without_domain, ipsec_with_others, ipsec_with_many, ipsec_on_cluster_networks, mixed_ipsec,
    static_in_default_range, directory_ports,
)

__all__ = ("RULES", "windows_2003")
