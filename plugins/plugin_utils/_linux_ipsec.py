# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""IPsec of a Linux host on the controller: what its module is handed, and what its answer says about the hosts of the plan."""

from __future__ import annotations

import dataclasses
import typing as t
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.plugin_utils import _certificates
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import HostPlan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import swanctl
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions

_SECRETS = "\nsecrets {\n"
_STANDING = ("INSTALLED", "REKEYING", "REKEYED")
_FILES = (("authority", "ca"), ("certificate", "cert"), ("key", "key"))

Values = dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class Handed:
    """What a module is handed, and what the renderer said."""

    desired: Values
    text: swanctl.SwanctlText


def hand(plan: HostPlan, options: IpsecOptions, psk: str, files: t.Mapping[str, Path | None]) -> Handed:
    """What one host is to have. files: C(cert), C(key) and C(ca) on the controller.

    A host without associations is to have nothing, whatever the options are. Raises ValueError for options and files, and what the renderer raises.
    """
    if not plan.associations:
        return Handed({}, swanctl.SwanctlText())
    text = swanctl.render(plan, options)
    settings, _mark, secrets = text.text.partition(_SECRETS)
    versions = {connection.version for connection in text.connections}
    desired: Values = {
        "text": settings + "\n" if secrets else settings, "connections": [_plain(connection) for connection in text.connections],
        "compatible": options.profile != "current" or versions != {2},
    }
    if options.auth == "psk":
        desired["secrets"] = swanctl.fill(_SECRETS[1:] + secrets, psk)
    else:
        checked = _certificates.check(_given(files))
        desired.update((name, checked[option]) for name, option in _FILES)
    return Handed(desired, text)


def _given(files: t.Mapping[str, Path | None]) -> dict[str, Path]:
    missing = [name for name, path in files.items() if path is None]
    if missing:
        raise ValueError(f"auth certificate on Linux needs files of the controller: {' and '.join(missing)} not given (datapath_ipsec_cert, _key and _ca)")
    return {name: path for name, path in files.items() if path is not None}


def _plain(connection: t.Any) -> Values:
    sides = ("local", "remote")
    children = [{
        "name": child.name, "mode": child.mode, "start": child.start, **{side: list(dataclasses.astuple(getattr(child, side))) for side in sides},
    } for child in connection.children]
    return {**{name: getattr(connection, name) for name in ("name", "version", "local", "remote", "auth")}, "children": children}


def requires(plan: HostPlan) -> tuple[str, ...]:
    """Names of the managed hosts of which the plan demands IPsec."""
    return tuple(sorted({host for association in plan.associations if association.mode == "required" for host in association.hosts}))


def addresses(index: t.Mapping[str, t.Any], hosts: t.Iterable[str]) -> dict[str, frozenset[str]]:
    """Addresses by host, from the index of a plan."""
    return {host: frozenset((*index["hosts"][host]["v4"], *index["hosts"][host]["v6"])) for host in hosts}


def unprotected(owners: t.Mapping[str, frozenset[str]], associations: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Hosts with none of whose addresses anything has been negotiated. Not every own address need reach every address of a peer."""
    standing = {each["remote"] for each in associations if any(child["state"] in _STANDING for child in each["children"])}
    return sorted(host for host, own in owners.items() if not own & standing)


def translated(owners: t.Mapping[str, frozenset[str]], associations: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """Hosts on the way to which somebody translates addresses."""
    behind = {each["remote"] for each in associations if each["nat"]}
    return sorted(host for host, own in owners.items() if own & behind)


def idle(
    owners: t.Mapping[str, frozenset[str]], before: t.Sequence[t.Mapping[str, t.Any]], after: t.Sequence[t.Mapping[str, t.Any]],
) -> list[str]:
    """Hosts with whom nothing went both ways through IPsec between two answers. A renewed SA counts from nothing again, and is another one."""
    old = {child["id"]: child for each in before for child in each["children"]}
    busy = {each["remote"] for each in after if all(_rose(each["children"], old, name) for name in ("bytes_in", "bytes_out"))}
    return sorted(host for host, own in owners.items() if not own & busy)


def _rose(children: t.Iterable[t.Mapping[str, t.Any]], old: t.Mapping[str, t.Mapping[str, t.Any]], name: str) -> bool:
    return any(child[name] > old.get(child["id"], {}).get(name, 0) for child in children)


def plain_source(value: t.Any) -> str:
    """The inventory file in which a variable's value stands for everybody to read; empty when it is encrypted, computed, or its origin is not known.

    Before ansible-core 2.19 a value knows its position, later it has a tag that does.
    """
    if not isinstance(value, str) or "{{" in value or "{%" in value:
        return ""
    tags = getattr(value, "_ansible_tags_mapping", {})
    if any(type(tag).__name__ == "VaultedValue" for tag in tags.values()):
        return ""
    paths = [getattr(tag, "path", None) for tag in tags.values()] + [(getattr(value, "ansible_pos", None) or (None,))[0]]
    return next((str(path) for path in paths if path and _readable(Path(str(path)))), "")


def _readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return not file.read(14).startswith(b"$ANSIBLE_VAULT")
    except OSError:
        return False


def warnings(result: t.Mapping[str, t.Any]) -> list[str]:
    """Sentences for the user about what is true but perhaps not wanted."""
    found = []
    if result.get("waiting"):
        found.append(f"IPsec stays requested, not required, because these hosts are not ready: {', '.join(result['waiting'])}")
    if result.get("unmanaged"):
        found.append(f"the other end of IPsec is not configured by this plan for: {', '.join(result['unmanaged'])}")
    if result.get("bypasses"):
        found.append(f"policies of others let pass in clear what the plan protects: {'; '.join(result['bypasses'][:5])}")
    return found


__all__ = ("Handed", "addresses", "hand", "idle", "plain_source", "requires", "translated", "unprotected", "warnings")
