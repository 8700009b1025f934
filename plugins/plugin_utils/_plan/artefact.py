# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""The plan on disk: an index, each peer set once, one small file per host, the probe catalogue. Plain sorted JSON without secrets.

Written aside and renamed into place, mode 0700, named by the digest of its inputs: a reader asks for a digest and never takes "a directory is there" for
"it is current".
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import FORMAT_VERSION, Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.expand import ClassPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Association, HostPlan, PlanError
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.plain import host_from_plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.probes import Catalogue
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Host

INDEX_FORMAT = "datapath.exchange/plan"
HOST_FORMAT = "datapath.exchange/host"
_MADE_BY = "run the datapath.exchange.plan task of this play first, on the same controller"


def write(plan: Plan, directory: str | os.PathLike[str]) -> str:
    """Write a plan to a directory, replacing what an earlier plan left there; returns the plan's digest.

    A directory that holds anything but a plan is refused with PlanError: nothing of the user's is ever deleted.
    """
    target = Path(directory)
    _check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        _fill(plan, aside)
        _swap(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return plan.digest


def _check_replaceable(target: Path) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise PlanError(f"{target}: is not a directory; name one that does not exist yet, or an earlier plan")
    if target.is_dir() and any(target.iterdir()):
        read_index(target)


def _swap(aside: Path, target: Path) -> None:
    if not target.exists():
        aside.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old.", dir=target.parent))
    target.rename(old / "plan")
    aside.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _fill(plan: Plan, directory: Path) -> None:
    for name in ("hosts", "sets", "probes"):
        (directory / name).mkdir(mode=0o700)
    for name, peers in plan.sets.items():
        _store(directory / "sets" / f"{name}.json", _dump({**peers.to_plain(), "name": name, "hosts": sorted(plan.members[name])}))
    for index, made in enumerate(plan.classes):
        shared = _class_text(plan, index, made)
        for host in made.hosts:
            _store(directory / "hosts" / f"{host.name}.json", _host_text(plan, host, made.hosts[0].name, shared))
    catalogue = Catalogue(plan)
    sources = {}
    for source in catalogue.sources():
        probes = catalogue.probes(source)
        _store(directory / "probes" / f"{source.key}.json", _lines("probes", probes))
        sources.update(dict.fromkeys((host.name for host in source.hosts), source.key))
    _store(directory / "index.json", _index_text(plan, sources))


def _index_text(plan: Plan, sources: t.Mapping[str, str]) -> str:
    topology = plan.topology
    index = {
        "format": INDEX_FORMAT, "version": FORMAT_VERSION, "digest": plan.digest, "summary": plan.summary(),
        "findings": [finding.to_plain() for finding in plan.findings],
        "skipped": [{"path": entry.path, "reason": entry.reason} for entry in plan.skipped],
        "hosts": {host.name: _host_entry(host, sources) for host in topology.hosts.values()},
        "outsiders": {host.name: {**_host_entry(host, sources), "kinds": list(host.kinds)} for host in topology.outsiders.values()},
    }
    return _dump(index)


def _host_entry(host: Host, sources: t.Mapping[str, str]) -> dict[str, t.Any]:
    return {
        "roles": list(host.roles), "site": host.site, "zone": host.zone, "platform": host.platform, "egress": host.egress,
        "v4": list(_networks.texts(4, ((n, n) for n in host.v4))), "v6": list(_networks.texts(6, ((n, n) for n in host.v6))),
        "probes": sources.get(host.name, ""),
    }


def _class_text(plan: Plan, index: int, made: ClassPlan) -> str:
    """What all hosts of a class share, already as text: the larger part of each file is then written by copying."""
    flows = ",\n".join(_dump(flow.to_plain()) for flow in made.flows)
    return (
        f'"associations": {_dump([_shared(association) for association in made.associations])},\n"flows": [\n{flows}\n],\n'
        f'"management": {_dump({"peers": made.management.peers, "ports": [str(port) for port in made.management.ports]})},\n'
        f'"rpc": {_dump(made.rpc)},\n"sets": {_dump(list(plan.class_sets(index)))}'
    )


def _shared(association: Association) -> dict[str, t.Any]:
    """The peers' names stand once in the file of their set, not again with each of hundreds of hosts."""
    return {key: value for key, value in association.to_plain().items() if key != "hosts"}


def _host_text(plan: Plan, host: Host, probes: str, shared: str) -> str:
    options = plan.topology.options
    head = {
        "format": HOST_FORMAT, "version": FORMAT_VERSION, "host": host.name, "roles": list(host.roles), "site": host.site, "platform": host.platform,
        "release": host.release, "addresses": list(host.addresses), "families": list(host.families), "scope": options["scope"],
        "encryption": options["encryption"], "reference": plan.topology.reference.name, "egress": host.egress, "digest": plan.digest, "probes": probes,
    }
    return f"{_dump(head)[:-1]},\n{shared}\n}}\n"


def _lines(name: str, rows: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    body = ",\n".join(_dump(row) for row in rows)
    return f'{{"{name}": [\n{body}\n]}}\n'


def _dump(value: t.Any) -> str:
    return json.dumps(value, sort_keys=True)


def _store(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def read_index(directory: str | os.PathLike[str], digest: str | None = None) -> dict[str, t.Any]:
    """Read the index of a plan; PlanError when there is none, when it is not ours, or when it is another plan than C(digest)."""
    path = Path(directory) / "index.json"
    index = _load(path)
    if index.get("format") != INDEX_FORMAT or index.get("version") != FORMAT_VERSION:
        raise PlanError(f"{path}: is not a plan of this version of datapath.exchange (format {INDEX_FORMAT} {FORMAT_VERSION}); {_MADE_BY}")
    if digest is not None and index.get("digest") != digest:
        raise PlanError(f"{path}: is plan {str(index.get('digest'))[:12]}, not {digest[:12]} that was asked for; {_MADE_BY}")
    return index


def read_host(directory: str | os.PathLike[str], host: str, digest: str | None = None) -> HostPlan:
    """Read one host's plan with exactly the peer sets that it uses; PlanError as C(read_index)."""
    plain = _load_host(Path(directory), host, digest)
    if plain is None:
        read_index(directory, digest)
        raise PlanError(f"{host}: is not in the plan {directory}; it is in no group of a server role, or that plan was made before it joined")
    del plain["probes"]
    plain["sets"] = {name: read_set(directory, name) for name in plain["sets"]}
    for association in plain["associations"]:
        association["hosts"] = _managed(Path(directory), association["peers"], host)
    return host_from_plain(plain)


def _managed(directory: Path, peers: str, host: str) -> list[str]:
    """Names of the managed hosts in a peer set, without the one that asks: those that have a plan of their own."""
    members = _load(directory / "sets" / f"{_safe(peers)}.json")["hosts"]
    return sorted(name for name in members if name != host and (directory / "hosts" / f"{_safe(name)}.json").exists())


def _load_host(directory: Path, host: str, digest: str | None) -> dict[str, t.Any] | None:
    """The file of a managed host, or None where the plan has none. Reads nothing else: in a large organisation the index is large."""
    path = directory / "hosts" / f"{_safe(host)}.json"
    if not path.exists():
        return None
    plain = _load(path)
    if plain.get("format") != HOST_FORMAT or plain.get("host") != host or (digest is not None and plain.get("digest") != digest):
        raise PlanError(f"{path}: is not the plan {str(digest)[:12]} of {host}; {_MADE_BY}")
    return plain


def read_set(directory: str | os.PathLike[str], name: str) -> dict[str, t.Any]:
    """Read one peer set as C({everyone, v4, v6})."""
    plain = _load(Path(directory) / "sets" / f"{_safe(name)}.json")
    return {"everyone": plain["everyone"], "v4": plain["v4"], "v6": plain["v6"]}


def read_probes(directory: str | os.PathLike[str], host: str, digest: str | None = None) -> list[dict[str, t.Any]]:
    """The probes that C(host) has to try, without those towards itself; empty for an outsider that may not be logged into."""
    plain = _load_host(Path(directory), host, digest)
    if plain is None:
        plain = read_index(directory, digest)["outsiders"].get(host)
    if plain is None:
        raise PlanError(f"{host}: is not in the plan {directory}")
    if not plain["probes"]:
        return []
    probes: list[dict[str, t.Any]] = _load(Path(directory) / "probes" / f"{_safe(plain['probes'])}.json")["probes"]
    return [probe for probe in probes if probe["to"] != host]


def _safe(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise PlanError(f"{name!r}: is not a name that a plan can hold")
    return name


def _load(path: Path) -> dict[str, t.Any]:
    try:
        with path.open(encoding="utf-8") as stream:
            plain = json.load(stream)
    except FileNotFoundError:
        raise PlanError(f"{path}: there is no plan; {_MADE_BY}") from None
    except (OSError, ValueError) as exc:
        raise PlanError(f"{path}: cannot be read as a plan ({exc}); {_MADE_BY}") from exc
    if not isinstance(plain, dict):
        raise PlanError(f"{path}: is not a plan; {_MADE_BY}")
    return plain


__all__ = ("HOST_FORMAT", "INDEX_FORMAT", "read_host", "read_index", "read_probes", "read_set", "write")
