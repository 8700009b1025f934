# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The topology: what the inventory says, read from variables alone, checked whole and reported all at once.

Nothing here asks a host or a name server. Every mistake of every host is collected, so that one run shows them all.
"""

from __future__ import annotations

import difflib
import re
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import PlanError, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import Reference

DEFAULT_SITE = "default"
ORGANISATION_DEFAULTS: dict[str, t.Any] = {
    "reference": "exchange_2007",
    "scope": "documented",
    "encryption": "as_documented",
    "role_groups": {},
    "peers": {},
    "enforce_site_scope": True,
    "implied": True,
    "disabled_implied": [],
    "waivers": {},
    "zone_boundaries": [],
    "outlook_min_version": 2007,
    "recipient_filter": "edge",
    "owa_certificate": "trusted",
    "legacy_auth": ["kerberos"],
    "legacy_eas_integrated_auth": False,
    "ntlm_blocked": False,
    "oab_public_folder_distribution": None,
}
"""Variables with one value for the whole organisation, without their ``datapath_`` prefix, and their defaults."""

HOST_VARIABLES = (
    "addresses", "site", "zone", "cluster", "cluster_networks", "file_share_witness", "scr_targets", "rpc_range", "static_ports",
    "media_range", "platform", "domain_member", "egress", "ipsec", "exchange_level", "probe", "gateway_mode", "gateway_fqdn",
    "gateway_dial_plan",
)
APPLY_VARIABLES = (
    "firewall_state", "rollback_timeout", "foreign_firewall", "plan_dir", "compare_with", "verify", "report_dir",
    "render_dir", "questions", "probe_timeout", "probe_concurrency", "windows_foreign_allow", "windows_foreign_keep", "windows_profiles",
    "windows_monitored_inbound", "allow_restart", "ipsec_auth", "ipsec_ca", "ipsec_cert", "ipsec_key", "ipsec_psk", "ipsec_profile",
    "ipsec_ready", "ipsec_state",
)
"""Variables that roles and playbooks use when they apply a plan. The plan itself does not depend on them and never reads their values: one is secret."""

FINDINGS = (
    "P-BAK-01", "P-DIR-01", "P-DNS-01", "P-ENC-01", "P-ENC-02", "P-IP-01", "P-IP-02", "P-IPS-01", "P-IPS-02", "P-IPS-03", "P-IPS-04", "P-IPS-05",
    "P-IPS-06", "P-ROLE-01", "P-ROLE-02", "P-RPC-01", "P-RPC-02", "P-RPC-03", "P-RPC-04", "P-RPC-05", "P-SITE-01", "P-SITE-02", "R-CAS-02",
    "R-CAS-03", "R-CAS-04", "R-CAS-05", "R-CAS-06", "R-CAS-07", "R-CAS-08", "R-CAS-09", "R-MB-01", "R-MB-07", "R-OAB-02", "R-TR-01", "R-TR-03",
    "R-TR-05", "R-TR-08", "R-UM-01", "R-UM-02", "R-UM-03", "R-UM-04", "R-UM-05",
)
"""Ids of what a plan can find wrong. A waiver for anything else would waive nothing, and its author would not know."""

CHOICES: dict[str, tuple[str, ...]] = {
    "scope": ("documented", "supported"),
    "encryption": ("as_documented", "prefer_encrypted", "require_encrypted"),
    "zone": ("internal", "perimeter"),
    "egress": ("open", "restricted"),
    "ipsec": ("absent", "requested", "required"),
    "exchange_level": ("rtm", "sp1", "sp2", "sp3"),
    "recipient_filter": ("edge", "hub", "none"),
    "owa_certificate": ("trusted", "self-signed"),
    "gateway_mode": ("tcp", "tls"),
}
BOOLEANS = frozenset((
    "enforce_site_scope", "implied", "domain_member", "probe", "legacy_eas_integrated_auth", "ntlm_blocked",
))
STATIC_PORT_NAMES = ("store", "referral", "address_book")
DIRECTORY_PORT_NAMES = ("ntds", "netlogon", "frs", "dfsr")
"""RPC services of a domain controller that can be given a fixed port (KB224196, KB319553)."""
DIRECTORY_KINDS = frozenset(("domain_controller", "global_catalog"))
WINDOWS_RELEASES = ("2003", "2008", "2008r2", "2012", "2012r2", "2016", "2019", "2022", "2025")
LEAST_RELEASE = "2008"
"""Taken where nothing names the release: what it can say, every later one understands."""
REMOTE_POWERSHELL = ("winrm", "psrp")
GATEWAY_KINDS = ("ip_gateway", "ip_pbx", "fax_device")
LEGACY_AUTHENTICATION = ("kerberos", "ntlm", "basic", "digest", "negotiate")
# A host's file is named after it, and file systems hold 255 bytes.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,248}\Z")
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}\Z")
_LABEL_RULE = "name of letters, digits, blanks, '.', '_' and '-' (at most 63)"


class InputErrors(ValueError):  # noqa: N818 - it holds many
    """Everything wrong with the inventory: ``errors`` holds one sentence per mistake, ``host: variable: what, how to fix``."""

    def __init__(self, errors: t.Sequence[str]) -> None:
        self.errors = tuple(dict.fromkeys(map(_one_line, errors)))
        super().__init__("\n".join((*self.errors, f"{len(self.errors)} error(s) in the inventory; nothing was planned and no host was touched.")))


@dataclass(frozen=True)
class Inventory:
    """What the planner may see of an inventory: C(datapath_*) and connection variables of each host, and the members of each group."""

    hosts: t.Mapping[str, t.Mapping[str, t.Any]]
    groups: t.Mapping[str, t.Sequence[str]]


@dataclass(frozen=True)
class Host:
    """One host of the inventory that matters: a server of ours (``roles``) or an unmanaged peer (``kinds``).

    v4, v6: addresses as integers, in inventory order. rpc_range: None where the platform's default applies. on: names of features that are on.
    """

    name: str
    roles: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    site: str = DEFAULT_SITE
    zone: str = "internal"
    v4: tuple[int, ...] = ()
    v6: tuple[int, ...] = ()
    cluster: str = ""
    cluster_networks: tuple[str, ...] = ()
    witness: str = ""
    scr_targets: tuple[str, ...] = ()
    rpc_range: PortRange | None = None
    static_ports: tuple[tuple[str, int], ...] = ()
    media_range: PortRange = PortRange(1024, 65535)
    platform: str = "linux"
    release: str = ""
    domain_member: bool = True
    egress: str = "open"
    ipsec: str = ""
    level: str = "sp3"
    probe: bool = True
    management_port: int = 0
    gateway_mode: str = ""
    gateway_fqdn: str = ""
    gateway_dial_plan: str = ""
    on: frozenset[str] = frozenset()

    @property
    def managed(self) -> bool:
        return bool(self.roles)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses as texts, IPv4 before IPv6."""
        return tuple(text for family, numbers in ((4, self.v4), (6, self.v6)) for number in numbers for text in _networks.texts(family, ((number, number),)))

    @property
    def families(self) -> tuple[str, ...]:
        return (("ipv4",) if self.v4 else ()) + (("ipv6",) if self.v6 else ())


@dataclass(frozen=True)
class Network:
    """One entry of ``datapath_peers``. site: where it applies, empty for everywhere; family 0 stands for any."""

    text: str
    family: int
    low: int = 0
    high: int = 0
    site: str = ""
    mode: str = ""
    fqdn: str = ""
    dial_plan: str = ""


@dataclass(frozen=True)
class Topology:
    """The organisation as read. hosts: managed hosts by name; outsiders: unmanaged hosts by name; given: peer kinds that the user named at all."""

    reference: Reference
    options: t.Mapping[str, t.Any]
    hosts: t.Mapping[str, Host]
    outsiders: t.Mapping[str, Host]
    networks: t.Mapping[str, tuple[Network, ...]]
    given: frozenset[str]
    on: frozenset[str]
    by_role: t.Mapping[str, tuple[Host, ...]] = field(default_factory=dict)
    by_kind: t.Mapping[str, tuple[Host, ...]] = field(default_factory=dict)

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(sorted({host.site for host in self.hosts.values()}))


def read_topology(reference: Reference, inventory: Inventory, options: t.Mapping[str, t.Any]) -> Topology:
    """Read an inventory against a reference.

    options: values of the C(plan) task for organisation-wide variables and features, without prefix; None means "take it from inventory".
    Raises InputErrors with every mistake found.
    """
    return _Reader(reference, inventory, options).read()


class _Reader:
    def __init__(self, reference: Reference, inventory: Inventory, options: t.Mapping[str, t.Any]) -> None:
        self.reference = reference
        self.inventory = inventory
        self.given_options = {name: value for name, value in options.items() if value is not None}
        self.errors: list[str] = []
        self.unknown: dict[str, list[str]] = {}
        self.host_features = {name for name, feature in reference.features.items() if feature.owner}
        self.organisation_features = {name for name, feature in reference.features.items() if not feature.owner}
        self.known = {*ORGANISATION_DEFAULTS, *HOST_VARIABLES, *APPLY_VARIABLES, *reference.features}

    def read(self) -> Topology:
        self._check_option_names()
        # Groups can only be mapped once this one option is known, and its hosts decide whose variables count.
        role_groups = self._role_groups()
        roles, kinds = self._members(role_groups)
        relevant = sorted({*roles, *kinds})
        organisation = self._organisation(relevant)
        hosts = _named_witnesses({name: self._host(name, tuple(roles.get(name, ())), tuple(kinds.get(name, ()))) for name in relevant})
        self._check_unknown()
        managed = {name: host for name, host in hosts.items() if host.managed}
        outsiders = {name: host for name, host in hosts.items() if not host.managed}
        sites = {host.site for host in managed.values()}
        networks = self._networks(organisation["peers"], sites)
        self._check_boundaries(organisation["zone_boundaries"], sites)
        self._check_addresses(hosts)
        self._check_references(managed, hosts)
        if not managed and not self.errors:
            self.errors.append(
                f"inventory: no host is in a group named {', '.join(self.reference.roles)}; name a group so or map one with datapath_role_groups")
        if self.errors:
            raise InputErrors(self.errors)
        given = frozenset(networks) | {kind for host in outsiders.values() for kind in host.kinds}
        return Topology(
            self.reference, organisation, managed, outsiders, networks, given, self._organisation_on(organisation, managed),
            _index(managed.values(), lambda host: host.roles), _index(outsiders.values(), lambda host: host.kinds),
        )

    # -- names ---------------------------------------------------------------------------------------------------------

    def _check_option_names(self) -> None:
        for name in sorted(set(self.given_options) - set(ORGANISATION_DEFAULTS) - set(self.reference.features)):
            self.errors.append(f"plan: option {name}: is not known{_suggest(name, self.known)}")

    def _role_groups(self) -> dict[str, list[str]]:
        value = self._organisation_value("role_groups", sorted(self.inventory.hosts))
        if not isinstance(value, t.Mapping):
            self.errors.append("organisation: datapath_role_groups: expected a mapping of role to list of groups, for example {hub_transport: [hubs]}")
            return {}
        result: dict[str, list[str]] = {}
        for role, groups in value.items():
            names = [groups] if isinstance(groups, str) else groups
            if role not in self.reference.roles and role not in self.reference.peer_kinds:
                self.errors.append(f"organisation: datapath_role_groups.{role}: is neither a role nor a peer kind{_suggest(str(role), self._kinds())}")
            elif not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
                self.errors.append(f"organisation: datapath_role_groups.{role}: expected a list of group names")
            else:
                for name in names:
                    if name not in self.inventory.groups:
                        hint = _suggest(name, self.inventory.groups)
                        self.errors.append(f"organisation: datapath_role_groups.{role}: group {name!r} is not in the inventory{hint}")
                result[role] = [name for name in names if name in self.inventory.groups]
        return result

    def _kinds(self) -> tuple[str, ...]:
        return (*self.reference.roles, *self.reference.peer_kinds)

    def _members(self, role_groups: t.Mapping[str, t.Sequence[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        roles: dict[str, list[str]] = {}
        kinds: dict[str, list[str]] = {}
        for names, result in ((self.reference.roles, roles), (tuple(self.reference.peer_kinds), kinds)):
            for kind in names:
                for group in dict.fromkeys((kind, *role_groups.get(kind, ()))):
                    for host in self.inventory.groups.get(group, ()):
                        if kind not in result.setdefault(host, []):
                            result[host].append(kind)
        for host in sorted(set(roles) & set(kinds) - self._may_be_both(kinds)):
            self.errors.append(
                f"{host}: groups: is a managed {', '.join(roles[host])} and an unmanaged {', '.join(kinds[host])}; a host is one or the other")
        self._near_misses(role_groups, {*roles, *kinds})
        return roles, {host: names for host, names in kinds.items() if host not in roles}

    def _may_be_both(self, kinds: t.Mapping[str, t.Sequence[str]]) -> set[str]:
        # The documented place for the file share witness is a hub transport server, so a managed host may carry that kind.
        return {host for host, names in kinds.items() if set(names) <= {"file_share_witness"}}

    def _near_misses(self, role_groups: t.Mapping[str, t.Sequence[str]], used: set[str]) -> None:
        mapped = {name for names in role_groups.values() for name in names}
        for group, hosts in sorted(self.inventory.groups.items()):
            if group in mapped or group in self._kinds() or not hosts or any(host in used for host in hosts):
                continue
            close = difflib.get_close_matches(group, self._kinds(), 1, 0.85)
            if close:
                self.errors.append(
                    f"inventory: group {group!r} looks like {close[0]!r} and its hosts have no role; rename it or map it with datapath_role_groups")

    # -- organisation ----------------------------------------------------------------------------------------------------

    def _organisation(self, relevant: t.Sequence[str]) -> dict[str, t.Any]:
        result = {name: self._organisation_value(name, relevant) for name in ORGANISATION_DEFAULTS}
        for name in sorted(self.organisation_features):
            value = self._organisation_value(name, relevant, default=None)
            result[name] = value if value is None else self._boolean("organisation", name, value)
        for name in ("scope", "encryption", "recipient_filter", "owa_certificate"):
            result[name] = self._choice("organisation", name, result[name])
        for name in sorted(BOOLEANS & set(ORGANISATION_DEFAULTS)):
            result[name] = self._boolean("organisation", name, result[name])
        if result["oab_public_folder_distribution"] is not None:
            result["oab_public_folder_distribution"] = self._boolean("organisation", "oab_public_folder_distribution", result["oab_public_folder_distribution"])
        result["legacy_auth"] = self._legacy_auth(result["legacy_auth"])
        self._check_disabled(result)
        self._check_waivers(result)
        if result["reference"] != self.reference.name:
            self.errors.append(f"organisation: datapath_reference: {result['reference']!r} is not {self.reference.name!r}, which was loaded")
        version = _number(result["outlook_min_version"])
        if version is None:
            self.errors.append(f"organisation: datapath_outlook_min_version: {_short(result['outlook_min_version'])} is not a year such as 2003 or 2007")
        result["outlook_min_version"] = version or ORGANISATION_DEFAULTS["outlook_min_version"]
        return result

    def _legacy_auth(self, value: t.Any) -> list[str]:
        names = [value] if isinstance(value, str) else value
        if isinstance(names, (list, tuple)) and all(name in LEGACY_AUTHENTICATION for name in names):
            return [str(name) for name in names]
        self.errors.append(f"organisation: datapath_legacy_auth: {_short(value)} is not a list of {', '.join(LEGACY_AUTHENTICATION)}")
        return []

    def _organisation_value(self, name: str, hosts: t.Iterable[str], default: t.Any = ...) -> t.Any:
        """One value for everybody: the plan task's option, else what the hosts say, who must agree."""
        key, found, where = f"datapath_{name}", ..., ""
        for host in hosts:
            value = self.inventory.hosts.get(host, {}).get(key, ...)
            if value is ... or value is found:
                continue
            if found is ...:
                found, where = value, host
            elif value != found:
                both = f"{_short(value)} differs from {_short(found)} of {where}"
                self.errors.append(f"{host}: {key}: {both}; it has one value for the whole organisation, set it in group all")
                break
        option = self.given_options.get(name, ...)
        fallback = ORGANISATION_DEFAULTS.get(name) if default is ... else default
        if option is not ... and found is not ... and option not in (found, fallback):
            self.errors.append(f"{where}: {key}: {_short(found)} in the inventory differs from {_short(option)} of the plan task; set it in one place")
        if found is not ...:
            return found
        return option if option is not ... else fallback

    def _check_disabled(self, result: dict[str, t.Any]) -> None:
        names = result["disabled_implied"]
        sources = {code for path in self.reference.paths for code in _codes(path)} | {path.id for path in self.reference.paths if path.origin == "implied"}
        if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
            self.errors.append("organisation: datapath_disabled_implied: expected a list of implied path ids or source codes")
            result["disabled_implied"] = []
            return
        for name in names:
            if name not in sources:
                what = f"{name!r} is no implied path or source of {self.reference.name}{_suggest(name, sources)}"
                self.errors.append(f"organisation: datapath_disabled_implied: {what}")

    def _check_waivers(self, result: dict[str, t.Any]) -> None:
        waivers = result["waivers"]
        if not isinstance(waivers, t.Mapping) or not all(isinstance(value, str) and value.strip() for value in waivers.values()):
            self.errors.append("organisation: datapath_waivers: expected a mapping of path or finding id to the reason for the waiver, never empty")
            result["waivers"] = {}
            return
        for name in waivers:
            if name not in self.reference.by_id and name not in FINDINGS:
                known = (*self.reference.by_id, *FINDINGS)
                self.errors.append(f"organisation: datapath_waivers.{name}: is no path or finding id{_suggest(str(name), known)}")

    def _organisation_on(self, organisation: dict[str, t.Any], hosts: t.Mapping[str, Host]) -> frozenset[str]:
        """Features of the whole organisation that are on; two of them follow from the topology where the user is silent."""
        edges = any("edge_transport" in host.roles for host in hosts.values())
        explicit = organisation["oab_public_folder_distribution"]
        web_oab = organisation["oab_web_distribution"] is not False
        derived = {
            "internet_mail_on_hub": not edges,
            "oab_public_folder": bool(explicit) if explicit is not None else organisation["outlook_min_version"] <= 2003 or not web_oab,
        }
        on = set()
        for name in self.organisation_features:
            value = organisation[name]
            if value if value is not None else derived.get(name, self.reference.features[name].default):
                on.add(name)
        return frozenset(on)

    # -- hosts -----------------------------------------------------------------------------------------------------------

    def _host(self, name: str, roles: tuple[str, ...], kinds: tuple[str, ...]) -> Host:
        variables = self.inventory.hosts.get(name, {})
        if not _NAME.match(name):
            self.errors.append(f"{name!r}: host name: has characters that no rule, file or log can carry safely; use letters, digits, '.', '_', '-'")
        for key in variables:
            if key.startswith("datapath_") and key[9:] not in self.known:
                self.unknown.setdefault(key, []).append(name)
        v4, v6 = self._addresses(name, variables)
        platform, release = self._platform(name, variables)
        unmanaged = not roles
        return Host(
            name, roles, kinds,
            self._label(name, "site", variables, "" if unmanaged else DEFAULT_SITE),
            self._host_choice(name, "zone", variables, "perimeter" if roles == ("edge_transport",) else "internal"),
            v4, v6,
            self._label(name, "cluster", variables, ""),
            self._cluster_networks(name, variables),
            self._witness(name, variables),
            self._strings(name, "scr_targets", variables),
            self._range(name, "rpc_range", variables, lowest=1025),
            self._static_ports(name, variables, _static_names(roles, kinds)),
            self._range(name, "media_range", variables) or PortRange(1024, 65535),
            platform, release,
            self._host_boolean(name, "domain_member", variables, True),
            self._host_choice(name, "egress", variables, "open"),
            self._host_choice(name, "ipsec", variables, ""),
            self._host_choice(name, "exchange_level", variables, "sp3"),
            self._host_boolean(name, "probe", variables, not unmanaged),
            self._management_port(name, variables, platform, release),
            self._host_choice(name, "gateway_mode", variables, ""),
            self._label(name, "gateway_fqdn", variables, ""),
            self._label(name, "gateway_dial_plan", variables, ""),
            self._features(name, roles, variables),
        )

    def _check_unknown(self) -> None:
        """A name that a group gives to all its hosts is one mistake."""
        for key, hosts in sorted(self.unknown.items()):
            where = hosts[0] if len(hosts) == 1 else f"{hosts[0]} and {len(hosts) - 1} more"
            close = difflib.get_close_matches(key[9:], sorted(self.known), 1, 0.6)
            hint = f"; did you mean 'datapath_{close[0]}'?" if close else "; remove it"
            self.errors.append(f"{where}: {key}: is not a variable of this collection{hint}")

    def _addresses(self, name: str, variables: t.Mapping[str, t.Any]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        value, where = variables.get("datapath_addresses"), "datapath_addresses"
        if value is None:
            value, where = variables.get("ansible_host"), "ansible_host"
            if value is None or not _is_address(value):
                self.errors.append(f"{name}: datapath_addresses: is not set and ansible_host is not an address; list the host's addresses")
                return (), ()
        numbers: dict[int, list[int]] = {4: [], 6: []}
        entries = [value] if isinstance(value, str) else value
        if not isinstance(entries, (list, tuple)) or not entries:
            self.errors.append(f"{name}: {where}: {_short(value)} is not a list of one address or more")
            return (), ()
        for index, entry in enumerate(entries):
            try:
                family, number = _networks.parse_host(entry if isinstance(entry, str) else repr(entry))
            except _networks.NetworkError as exc:
                self.errors.append(f"{name}: {where}[{index}]: {exc}")
                continue
            if number in numbers[family]:
                self.errors.append(f"{name}: {where}[{index}]: {entry} is listed twice")
            numbers[family].append(number)
        return tuple(numbers[4]), tuple(numbers[6])

    def _platform(self, name: str, variables: t.Mapping[str, t.Any]) -> tuple[str, str]:
        value = variables.get("datapath_platform")
        if value is None:
            windows = _plugin(variables, "ansible_connection") in REMOTE_POWERSHELL or _plugin(variables, "ansible_shell_type") in ("powershell", "cmd")
            return ("windows", LEAST_RELEASE) if windows else ("linux", "")
        entry = {"os": value} if isinstance(value, str) else value
        if not isinstance(entry, t.Mapping) or set(entry) - {"os", "release"} or entry.get("os") not in ("linux", "windows"):
            self.errors.append(f"{name}: datapath_platform: {_short(value)} is not linux, windows or {{os: windows, release: 2008r2}}")
            return "linux", ""
        if entry["os"] == "linux":
            return "linux", ""
        release = str(entry.get("release", LEAST_RELEASE)).lower().replace(" ", "")
        if release not in WINDOWS_RELEASES:
            self.errors.append(f"{name}: datapath_platform.release: {release!r} is not one of {', '.join(WINDOWS_RELEASES)}")
        return "windows", release

    def _cluster_networks(self, name: str, variables: t.Mapping[str, t.Any]) -> tuple[str, ...]:
        entries = self._strings(name, "cluster_networks", variables)
        for index, entry in enumerate(entries):
            try:
                family, low, high = _networks.parse(entry)
            except _networks.NetworkError as exc:
                self.errors.append(f"{name}: datapath_cluster_networks[{index}]: {exc}")
                continue
            if _networks.covers_family(family, ((low, high),)):
                self.errors.append(f"{name}: datapath_cluster_networks[{index}]: {entry!r} is every address; name the cluster network")
        return entries

    def _witness(self, name: str, variables: t.Mapping[str, t.Any]) -> str:
        value = variables.get("datapath_file_share_witness", "")
        if not isinstance(value, str):
            self.errors.append(f"{name}: datapath_file_share_witness: {_short(value)} is not a host name of the inventory or an address")
            return ""
        return value

    def _strings(self, host: str, name: str, variables: t.Mapping[str, t.Any]) -> tuple[str, ...]:
        value = variables.get(f"datapath_{name}", ())
        value = [value] if isinstance(value, str) else value
        if not isinstance(value, (list, tuple)) or not all(isinstance(entry, str) for entry in value):
            self.errors.append(f"{host}: datapath_{name}: {_short(value)} is not a list of texts")
            return ()
        return tuple(value)

    def _range(self, host: str, name: str, variables: t.Mapping[str, t.Any], lowest: int = 1024) -> PortRange | None:
        value = variables.get(f"datapath_{name}")
        if value is None:
            return None
        try:
            result = PortRange.parse(value if isinstance(value, str) else repr(value))
        except PlanError as exc:
            self.errors.append(f"{host}: datapath_{name}: {exc}")
            return None
        if result.low < lowest:
            self.errors.append(f"{host}: datapath_{name}: {value} begins below {lowest}, among the well-known ports")
        return result

    def _static_ports(self, host: str, variables: t.Mapping[str, t.Any], names: t.Sequence[str]) -> tuple[tuple[str, int], ...]:
        value = variables.get("datapath_static_ports", {})
        if not isinstance(value, t.Mapping) or set(value) - set(names):
            self.errors.append(f"{host}: datapath_static_ports: {_short(value)} is not a mapping with {', '.join(names)}")
            return ()
        result = []
        for name in sorted(value):
            port = value[name]
            number = _number(port)
            if number is None or not 1024 < number <= 65535:
                self.errors.append(f"{host}: datapath_static_ports.{name}: {_short(port)} is not a port from 1025 to 65535")
            else:
                result.append((str(name), number))
        if len({port for _name, port in result}) != len(result):
            self.errors.append(f"{host}: datapath_static_ports: two services share a port; give each its own")
        return tuple(result)

    def _management_port(self, host: str, variables: t.Mapping[str, t.Any], platform: str, release: str) -> int:
        """The port that Ansible comes in on; 0 where nothing tells more than the rows of the reference do."""
        connection = _plugin(variables, "ansible_connection")
        # Both plugins take the last of their variables that is set.
        named = ("ansible_port", f"ansible_{connection}_port") if connection in REMOTE_POWERSHELL else ("ansible_port",)
        found = [number for number in (self._port(host, name, variables) for name in named) if number]
        if found or platform != "windows" or release == "2003":
            return found[-1] if found else 0
        if connection in REMOTE_POWERSHELL:
            return 5985 if (connection, variables.get("ansible_psrp_protocol")) == ("psrp", "http") else 5986
        return 22 if connection in ("", "ssh", "smart") else 0

    def _port(self, host: str, name: str, variables: t.Mapping[str, t.Any]) -> int:
        value = variables.get(name)
        if value is None or value == "":
            return 0
        number = _number(value)
        if number is None or not 0 < number < 65536:
            self.errors.append(f"{host}: {name}: {_short(value)} is not a port from 1 to 65535")
            return 0
        return number

    def _label(self, host: str, name: str, variables: t.Mapping[str, t.Any], default: str) -> str:
        value = variables.get(f"datapath_{name}", default)
        if value == default or _is_label(value):
            return str(value)
        self.errors.append(f"{host}: datapath_{name}: {_short(value)} is not a {_LABEL_RULE}")
        return default

    def _host_choice(self, host: str, name: str, variables: t.Mapping[str, t.Any], default: str) -> str:
        value = variables.get(f"datapath_{name}", default)
        return default if value == default else self._choice(host, name, value)

    def _choice(self, where: str, name: str, value: t.Any) -> str:
        if value not in CHOICES[name]:
            self.errors.append(f"{where}: datapath_{name}: {_short(value)} is not one of {', '.join(CHOICES[name])}")
            return CHOICES[name][0]
        return str(value)

    def _host_boolean(self, host: str, name: str, variables: t.Mapping[str, t.Any], default: bool) -> bool:
        value = variables.get(f"datapath_{name}", default)
        return self._boolean(host, name, value)

    def _boolean(self, where: str, name: str, value: t.Any) -> bool:
        if isinstance(value, bool):
            return value
        # Extra vars given as key=value arrive as text; these spellings are YAML's own.
        text = value.strip().lower() if isinstance(value, str) else value
        if text in ("true", "yes", "on", "1", 1):
            return True
        if text in ("false", "no", "off", "0", 0):
            return False
        self.errors.append(f"{where}: datapath_{name}: {_short(value)} is neither true nor false")
        return False

    def _features(self, host: str, roles: tuple[str, ...], variables: t.Mapping[str, t.Any]) -> frozenset[str]:
        on = set()
        for name in self.host_features:
            feature, value = self.reference.features[name], variables.get(f"datapath_{name}")
            if value is None:
                value = self.given_options.get(name, feature.default)
            if self._boolean(host, name, value) and feature.owner in roles:
                on.add(name)
        return frozenset(on)

    # -- peers -----------------------------------------------------------------------------------------------------------

    def _networks(self, peers: t.Any, sites: set[str]) -> dict[str, tuple[Network, ...]]:
        if not isinstance(peers, t.Mapping):
            self.errors.append("organisation: datapath_peers: expected a mapping of peer kind to networks, for example {ip_gateway: [203.0.113.10]}")
            return {}
        result = {}
        for kind, value in peers.items():
            if kind in self.reference.roles:
                self.errors.append(f"organisation: datapath_peers.{kind}: is a server role; put its hosts into the inventory group {kind}")
            elif kind not in self.reference.peer_kinds:
                self.errors.append(f"organisation: datapath_peers.{kind}: is not a peer kind{_suggest(str(kind), self.reference.peer_kinds)}")
            else:
                result[str(kind)] = self._networks_of(str(kind), value, sites)
        return result

    def _networks_of(self, kind: str, value: t.Any, sites: set[str]) -> tuple[Network, ...]:
        where = f"organisation: datapath_peers.{kind}"
        if isinstance(value, t.Mapping):
            result: list[Network] = []
            # Sorted, because the order of a mapping's keys must not name a set otherwise.
            for site, entries in sorted(value.items(), key=lambda item: str(item[0])):
                if site not in sites:
                    self.errors.append(f"{where}.{site}: no managed host has datapath_site {str(site)!r}{_suggest(str(site), sites)}")
                result.extend(self._entries(kind, f"{where}.{site}", entries, str(site), sites))
        else:
            result = list(self._entries(kind, where, value, "", sites))
        self._check_disguise(kind, where, result)
        return tuple(result)

    def _check_disguise(self, kind: str, where: str, found: t.Sequence[Network]) -> None:
        """Two halves of the address space are C(any) just as well as the whole."""
        for family in (4, 6):
            merged = _networks.merge((network.low, network.high) for network in found if network.family == family)
            if _networks.covers_family(family, merged):
                self.errors.append(f"{where}: the networks together are every IPv{family} address; {self._any_hint(kind)}")

    def _any_hint(self, kind: str) -> str:
        return "write any if you mean it" if self.reference.peer_kinds[kind].allow_any else f"any is not allowed for {kind}; name its networks"

    def _entries(self, kind: str, where: str, entries: t.Any, site: str, sites: set[str]) -> t.Iterator[Network]:
        entries = [entries] if isinstance(entries, str) else entries
        if not isinstance(entries, (list, tuple)):
            self.errors.append(f"{where}: {_short(entries)} is not a list of networks")
            return
        for index, entry in enumerate(entries):
            try:
                yield self._entry(kind, entry, site, sites)
            except (_networks.NetworkError, PlanError) as exc:
                self.errors.append(f"{where}[{index}]: {exc}")

    def _gateway(self, kind: str, entry: t.Mapping[t.Any, t.Any], site: str, sites: set[str]) -> tuple[str, str, dict[str, str]]:
        """Read a mapping as address, site and the other values of a network; PlanError says what is wrong."""
        if kind not in GATEWAY_KINDS:
            raise PlanError(f"{_short(entry)}: only {', '.join(GATEWAY_KINDS)} take mappings; write the network as text")
        if set(entry) - {"address", "mode", "fqdn", "dial_plan", "site"} or not isinstance(entry.get("address"), str):
            raise PlanError(f"{_short(entry)}: expected address and optionally mode, fqdn, dial_plan, site")
        if entry.get("mode", "tcp") not in CHOICES["gateway_mode"]:
            raise PlanError(
                f"mode {_short(entry['mode'])} is not tcp or tls; gateways know no other authentication than certificate (tls) or address (tcp) [R-UM-01]")
        extra = {name: entry.get(name, "") for name in ("mode", "fqdn", "dial_plan")}
        for name in ("fqdn", "dial_plan"):
            if extra[name] and not _is_label(extra[name]):
                raise PlanError(f"{name} {_short(extra[name])} is not a {_LABEL_RULE}")
        chosen = entry.get("site", site)
        if chosen and chosen not in sites:
            raise PlanError(f"no managed host has datapath_site {_short(chosen)}{_suggest(str(chosen), sites)}")
        return entry["address"], str(chosen), {name: str(value or "") for name, value in extra.items()}

    def _entry(self, kind: str, entry: t.Any, site: str, sites: set[str]) -> Network:
        extra: dict[str, str] = {}
        if isinstance(entry, t.Mapping):
            entry, site, extra = self._gateway(kind, entry, site, sites)
        if not isinstance(entry, str):
            raise PlanError(f"{_short(entry)} is not text; write the network as text")
        if entry == "any":
            if not self.reference.peer_kinds[kind].allow_any:
                raise PlanError(f"any is not allowed for {kind}; name its networks")
            return Network("any", 0, site=site)
        family, low, high = _networks.parse(entry)
        if _networks.covers_family(family, ((low, high),)):
            raise PlanError(f"{entry!r} is every address; {self._any_hint(kind)}")
        if kind in GATEWAY_KINDS and high - low + 1 > (256 if family == 4 else 1 << 64):
            raise PlanError(f"{entry!r} is wider than /24 (IPv6: /64); a gateway's address is its only credential, list each one [R-UM-03]")
        return Network(entry, family, low, high, site, **extra)

    def _check_boundaries(self, entries: t.Any, sites: set[str]) -> None:
        good = isinstance(entries, (list, tuple)) and all(
            isinstance(entry, t.Mapping) and set(entry) == {"site", "between"} and isinstance(entry["between"], (list, tuple))
            and str(entry["site"]) in sites and all(role in self.reference.roles for role in entry["between"]) for entry in entries)
        if not good:
            self.errors.append(
                "organisation: datapath_zone_boundaries: expected a list of {site: SITE, between: [ROLE, ROLE]} with sites and roles of this organisation")

    # -- across hosts ----------------------------------------------------------------------------------------------------

    def _check_addresses(self, hosts: t.Mapping[str, Host]) -> None:
        for family, numbers in (("IPv4", "v4"), ("IPv6", "v6")):
            seen: dict[int, str] = {}
            for host in hosts.values():
                for number in getattr(host, numbers):
                    if seen.setdefault(number, host.name) != host.name:
                        text = _networks.texts(int(family[-1]), ((number, number),))[0]
                        self.errors.append(f"{host.name}: datapath_addresses: {text} is also an address of {seen[number]}; each address belongs to one host")

    def _check_references(self, managed: t.Mapping[str, Host], hosts: t.Mapping[str, Host]) -> None:
        for host in managed.values():
            for target in host.scr_targets:
                if target not in managed or "mailbox" not in managed[target].roles:
                    others = [name for name, other in managed.items() if "mailbox" in other.roles and other is not host]
                    self.errors.append(f"{host.name}: datapath_scr_targets: {target!r} is not a managed mailbox server{_suggest(target, others)}")
            self._check_witness(host, hosts)
            if host.cluster and "mailbox" not in host.roles:
                self.errors.append(f"{host.name}: datapath_cluster: only mailbox servers are cluster nodes; this one is {', '.join(host.roles)}")

    def _check_witness(self, host: Host, hosts: t.Mapping[str, Host]) -> None:
        holder = hosts.get(host.witness)
        where = f"{host.name}: datapath_file_share_witness"
        if holder is None:
            if host.witness and not _is_address(host.witness):
                self.errors.append(f"{where}: {host.witness!r} is neither a host of a role or peer kind nor an address{_suggest(host.witness, hosts)}")
        elif not set(holder.roles) - set(self.reference.exclusive_roles) and "file_share_witness" not in holder.kinds:
            # No path leads there, and a cluster without its witness loses its majority with the next node.
            what = ", ".join((*holder.roles, *holder.kinds))
            self.errors.append(f"{where}: {host.witness!r} is {what}; add it to group file_share_witness, or name another server")


def _named_witnesses(hosts: t.Mapping[str, Host]) -> dict[str, Host]:
    """Witnesses by name also where the inventory gives the address of one of its hosts, so that both ends of the path know each other."""
    names = {(family, number): host.name for host in hosts.values() for family, numbers in ((4, host.v4), (6, host.v6)) for number in numbers}
    return {
        name: replace(host, witness=names.get(_networks.parse_host(host.witness), host.witness)) if _is_address(host.witness) else host
        for name, host in hosts.items()
    }


def _index(hosts: t.Iterable[Host], keys: t.Callable[[Host], tuple[str, ...]]) -> dict[str, tuple[Host, ...]]:
    result: dict[str, list[Host]] = {}
    for host in hosts:
        for key in keys(host):
            result.setdefault(key, []).append(host)
    return {key: tuple(members) for key, members in result.items()}


def _codes(path: t.Any) -> tuple[str, ...]:
    implied = [port.source for port in path.ports if port.origin == "implied"]
    return (*implied, path.source) if path.origin == "implied" else tuple(implied)


def _static_names(roles: tuple[str, ...], kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Services of a host that may have a fixed port: Exchange's, a domain controller's, or both."""
    directory = DIRECTORY_PORT_NAMES if DIRECTORY_KINDS & set(kinds) else ()
    return (*(STATIC_PORT_NAMES if roles or set(kinds) - DIRECTORY_KINDS else ()), *directory)


def _plugin(variables: t.Mapping[str, t.Any], name: str) -> str:
    """The short name of one of Ansible's own connection or shell plugins."""
    value = variables.get(name)
    return value.removeprefix("ansible.builtin.").removeprefix("ansible.legacy.") if isinstance(value, str) else ""


def _one_line(text: str) -> str:
    """An error that quotes what it found, whatever that holds, as one printable line of bounded length."""
    printable = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return printable if len(printable) <= 480 else f"{printable[:240]}...{printable[-230:]}"


def _is_label(value: t.Any) -> bool:
    return isinstance(value, str) and bool(_LABEL.match(value))


def _number(value: t.Any) -> int | None:
    """A whole number as YAML or an extra variable gives it; None for everything else."""
    text = value if isinstance(value, str) else repr(value)
    return int(text) if re.match(r"[0-9]{1,9}\Z", text) else None


def _is_address(value: t.Any) -> bool:
    try:
        _networks.parse_host(value if isinstance(value, str) else "")
    except _networks.NetworkError:
        return False
    return True


def _short(value: t.Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _suggest(name: str, known: t.Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), sorted(known), 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


__all__ = (
    "APPLY_VARIABLES",
    "CHOICES",
    "DEFAULT_SITE",
    "DIRECTORY_KINDS",
    "DIRECTORY_PORT_NAMES",
    "FINDINGS",
    "GATEWAY_KINDS",
    "HOST_VARIABLES",
    "LEAST_RELEASE",
    "ORGANISATION_DEFAULTS",
    "STATIC_PORT_NAMES",
    "WINDOWS_RELEASES",
    "Host",
    "InputErrors",
    "Inventory",
    "Network",
    "Topology",
    "read_topology",
)
