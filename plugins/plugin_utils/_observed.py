# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What hosts let pass beyond their plan, as the module firewall_info reports it. What a host says of itself is not trusted to be well formed."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, PeerSet, PlanError, PortRange

FOREIGN = "foreign"
"""Stands among the paths of an answer for a rule that no row asks for."""
_EVERY: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {"ipv4": (("0.0.0.0/0",), ()), "ipv6": ((), ("::/0",))}
_NEEDED = ("direction", "protocol", "ports", "v4", "v6", "everyone", "rule")
_SHOWN = 80


class ObservedErrors(ValueError):  # noqa: N818 - one exception, all errors
    """Everything wrong with what was observed: ``errors`` holds one sentence per mistake, ``observed.mbx1[2]: what, how to fix``."""

    def __init__(self, errors: t.Sequence[str]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join((*self.errors, f"{len(self.errors)} error(s) in what was observed; no question was answered.")))


@dataclass(frozen=True)
class Foreign:
    """One opening that the plan does not hold. text: the rule behind it, for a reader."""

    flow: Flow
    peers: PeerSet
    text: str


def read_observed(plain: t.Any, hosts: t.Container[str]) -> dict[str, tuple[Foreign, ...]]:
    """Read a mapping of host to RV(remaining); ObservedErrors names every mistake, and hosts that are not managed."""
    errors: list[str] = []
    if not isinstance(plain, t.Mapping):
        raise ObservedErrors(["observed: is not a mapping of host to what firewall_info returned as remaining"])
    result = {}
    for host, entries in plain.items():
        if host not in hosts:
            errors.append(f"observed.{_printable(host)}: is not a managed host of the plan; name one by its inventory name")
        elif not isinstance(entries, (list, tuple)):
            errors.append(f"observed.{host}: is not a list; give what firewall_info returned as remaining")
        else:
            result[str(host)] = tuple(_entries(str(host), entries, errors))
    if errors:
        raise ObservedErrors(errors)
    return result


def _entries(host: str, entries: t.Sequence[t.Any], errors: list[str]) -> t.Iterator[Foreign]:
    for index, entry in enumerate(entries):
        try:
            yield _foreign(f"{FOREIGN} {index}", entry)
        except ValueError as exc:
            errors.append(f"observed.{host}[{index}]: {exc}")


def _foreign(name: str, entry: t.Any) -> Foreign:
    if not isinstance(entry, t.Mapping) or not all(key in entry for key in _NEEDED):
        raise PlanError(f"is not a mapping with {', '.join(_NEEDED)}; give it as firewall_info returned it")
    ports = tuple(PortRange.parse(port) for port in _texts(entry, "ports"))
    protocol = entry["protocol"]
    if protocol in ("tcp", "udp") and not ports:
        ports = (PortRange(1, 65535),)
    flow = Flow(entry["direction"], protocol, ports if protocol in ("tcp", "udp") else (), name, (FOREIGN,))
    return Foreign(flow, _peers(name, entry), _text(entry))


def _texts(entry: t.Mapping[str, t.Any], key: str) -> tuple[str, ...]:
    values = entry[key]
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, str) for value in values):
        raise PlanError(f"{key} is not a list of texts")
    return tuple(map(str, values))


def _peers(name: str, entry: t.Mapping[str, t.Any]) -> PeerSet:
    if entry["everyone"] is True:
        every = _EVERY.get(entry.get("family", ""))
        return PeerSet(name, *every) if every else PeerSet(name, everyone=True)
    if entry["everyone"] is not False:
        raise PlanError("everyone is neither true nor false")
    found = {key: _texts(entry, key) for key in ("v4", "v6")}
    for key, texts in found.items():
        for text in texts:
            if _networks.parse(text)[0] != int(key[1:]):
                raise PlanError(f"{key}: {text!r} is of the other family")
    return PeerSet(name, found["v4"], found["v6"])


def _text(entry: t.Mapping[str, t.Any]) -> str:
    program = entry.get("program")
    narrowed = [f"program {_printable(program)}"] if program else ["only as far as its other conditions fit"] if entry.get("exactly") is False else []
    return f"{_printable(entry['rule'])!r}" + (f" ({narrowed[0]})" if narrowed else "")


def _printable(value: t.Any) -> str:
    text = "".join(char if char.isprintable() else "?" for char in str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


__all__ = ("FOREIGN", "Foreign", "ObservedErrors", "read_observed")
