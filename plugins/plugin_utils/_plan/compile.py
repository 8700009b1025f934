# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Reference crossed with topology: the plan of the whole organisation, from inventory variables alone."""

from __future__ import annotations

import hashlib
import json
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import both_ends, findings
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.checker import Checker
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.expand import ClassPlan, Expander
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, Finding, HostPlan, PeerSet, PlanError, Skipped
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.support import STATEMENT, STATEMENT_SOURCE
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference import loader
from ansible_collections.datapath.exchange.plugins.plugin_utils._reference.model import Reference
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import (
    APPLY_VARIABLES,
    ORGANISATION_DEFAULTS,
    InputErrors,
    Inventory,
    Network,
    Topology,
    read_topology,
)

FORMAT_VERSION = 2


@dataclass(frozen=True)
class Plan:
    """The finished plan. classes: hosts that share one result; members: managed and unmanaged hosts behind each peer set; networks: what else
    is in it; used: paths opened somewhere.
    """

    topology: Topology
    classes: tuple[ClassPlan, ...]
    class_of: t.Mapping[str, int]
    sets: t.Mapping[str, PeerSet]
    members: t.Mapping[str, frozenset[str]]
    networks: t.Mapping[str, tuple[Network, ...]]
    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    used: frozenset[str]
    digest: str

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self.topology.hosts)

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")

    def host(self, name: str) -> HostPlan:
        """The plan of one host; PlanError when it is not a managed host of this organisation."""
        if name not in self.class_of:
            raise PlanError(f"{name}: is not a managed host of this plan; it has no server role in the inventory")
        host, made = self.topology.hosts[name], self.classes[self.class_of[name]]
        options = self.topology.options
        return HostPlan(
            name, host.roles, host.site, host.platform, host.families, made.flows, self.class_sets(self.class_of[name]), made.management, host.egress,
            options["scope"], options["encryption"], self.topology.reference.name, self._associations(name, made), made.rpc, self.digest,
            host.release, host.addresses,
        )

    def _associations(self, name: str, made: ClassPlan) -> tuple[Association, ...]:
        """Those of a class as one of its hosts sees them: nobody is a peer of itself."""
        return tuple(replace(entry, hosts=tuple(sorted((self.members[entry.peers] & self.topology.hosts.keys()) - {name}))) for entry in made.associations)

    def class_sets(self, index: int) -> dict[str, PeerSet]:
        """Exactly the peer sets that a class of hosts uses."""
        made = self.classes[index]
        names = {flow.peers for flow in made.flows} | ({made.management.peers} if made.management.peers else set())
        return {name: self.sets[name] for name in sorted(names)}

    def summary(self) -> dict[str, t.Any]:
        """What the plan is in numbers, and the support statement that its scope has to be read against."""
        options = self.topology.options
        flows = sum(len(made.flows) * len(made.hosts) for made in self.classes)
        severities = [finding.severity for finding in self.findings]
        return {
            "reference": self.topology.reference.name, "scope": options["scope"], "encryption": options["encryption"], "digest": self.digest,
            "hosts": len(self.topology.hosts), "classes": len(self.classes), "sites": list(self.topology.sites), "flows": flows,
            "paths_used": len(self.used), "paths_skipped": len(self.skipped), "statement": STATEMENT, "statement_source": STATEMENT_SOURCE,
            "findings": {severity: severities.count(severity) for severity in ("error", "warning", "info")},
        }


def compile_plan(inventory: Inventory, options: t.Mapping[str, t.Any], reference: Reference | None = None) -> Plan:
    """Plan a whole organisation.

    options: organisation-wide values by name without C(datapath_), None for "as the inventory says".
    Raises InputErrors for what is wrong with the inventory, BrokenReferenceError for the reference, PlanError for a plan that contradicts itself.
    Findings of severity error do not raise: the caller shows them all, then stops.
    """
    chosen = reference or loader.load(_reference_name(inventory, options))
    topology = read_topology(chosen, inventory, options)
    expander = Expander(topology)
    classes = tuple(expander.expand())
    both_ends.check(classes, expander.sets.members)
    used = frozenset(expander.used)
    skipped = tuple(sorted(
        Skipped(path, "; ".join(sorted(reasons))) for path, reasons in expander.reasons.items() if path not in used and reasons
    ))
    return Plan(
        topology, classes, {host.name: index for index, made in enumerate(classes) for host in made.hosts},
        expander.sets.sets, expander.sets.members, expander.sets.networks,
        findings.check(Checker(topology, used, classes, expander.sets.members, expander.sets.networks)), skipped, used, _digest(inventory, topology),
    )


def _reference_name(inventory: Inventory, options: t.Mapping[str, t.Any]) -> str:
    """The edition that the inventory names, else the task; whether all hosts agree is checked with the other variables."""
    named = [inventory.hosts[host]["datapath_reference"] for host in sorted(inventory.hosts) if "datapath_reference" in inventory.hosts[host]]
    name = named[0] if named else options.get("reference") or ORGANISATION_DEFAULTS["reference"]
    if name not in loader.available():
        raise InputErrors([f"organisation: datapath_reference: {str(name)[:60]!r} is not one of {', '.join(loader.available())}"])
    return str(name)


def _digest(inventory: Inventory, topology: Topology) -> str:
    """Name the inputs: what every relevant host says, who is in which group, the options, and the rows themselves."""
    # Organisation-wide values are in the options, once.
    features = topology.reference.features
    elsewhere = {f"datapath_{name}" for name in (*APPLY_VARIABLES, *ORGANISATION_DEFAULTS, *(name for name in features if not features[name].owner))}
    hosts = {
        name: {key: _canonical(value) for key, value in inventory.hosts.get(name, {}).items() if key not in elsewhere}
        for name in sorted((*topology.hosts, *topology.outsiders))
    }
    roles = {host.name: [*host.roles, *host.kinds] for host in (*topology.hosts.values(), *topology.outsiders.values())}
    inputs = {
        "version": FORMAT_VERSION, "hosts": hosts, "roles": roles, "options": dict(topology.options), "on": sorted(topology.on),
        "features": {host.name: sorted(host.on) for host in topology.hosts.values()}, "reference": repr(topology.reference),
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True, default=str).encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: t.Any) -> t.Any:
    """A value whose mappings can be sorted, whatever their keys are."""
    if isinstance(value, t.Mapping):
        return {key if isinstance(key, str) else repr(key): _canonical(entry) for key, entry in value.items()}
    return [_canonical(entry) for entry in value] if isinstance(value, (list, tuple)) else value


__all__ = ("FORMAT_VERSION", "Plan", "compile_plan")
