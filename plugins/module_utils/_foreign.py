# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Other firewalls of the host that can drop what the plan allows: named, never touched. Standard library only."""

from __future__ import annotations

import re
import typing as t
from dataclasses import asdict, dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils._nft import FAMILY, TABLE, Nft
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program

_HOOKS = ("input", "output")
_LEGACY = (("ip", "/proc/net/ip_tables_names", "iptables-legacy"), ("ip6", "/proc/net/ip6_tables_names", "ip6tables-legacy"))

Rule = t.Tuple[str, str, str]


@dataclass(frozen=True, order=True)
class Foreign:
    """A firewall that is not ours. kind: ``nftables``, ``iptables``, ``firewalld`` or ``ufw``; chain: empty for a service.

    name: family and table, or the service; why: what in it can drop our flows.
    """

    kind: str
    name: str
    chain: str
    why: str

    def to_plain(self) -> dict[str, str]:
        return asdict(self)

    def __str__(self) -> str:
        return " ".join(word for word in (self.kind, self.name, self.chain) if word) + f" ({self.why})"


def nftables(ruleset: t.Iterable[t.Mapping[str, t.Any]]) -> tuple[Foreign, ...]:
    """The base chains of other tables on input and output that drop or reject anything, themselves or in a chain that they jump to.

    ruleset: the items of ``nft -j list ruleset``.
    """
    verdicts: dict[Rule, set[str]] = {}
    bases: dict[Rule, str] = {}
    for item in ruleset:
        for kind, value in item.items():
            if kind == "chain" and value.get("hook") in _HOOKS:
                bases[_chain(value, value["name"])] = value.get("policy", "accept")
            elif kind == "rule":
                verdicts.setdefault(_chain(value, value["chain"]), set()).update(_verdicts(value.get("expr", [])))
    return _judge("nftables", {base: policy for base, policy in bases.items() if base[:2] != (FAMILY, TABLE)}, verdicts)


def iptables(family: str, rules: str) -> tuple[Foreign, ...]:
    """As ``nftables``, of a legacy iptables filter table; rules: the output of ``iptables-legacy -S``."""
    verdicts: dict[Rule, set[str]] = {}
    bases: dict[Rule, str] = {}
    for line in rules.splitlines():
        policy = re.match(r"-P (INPUT|OUTPUT) (\S+)$", line)
        rule = re.match(r"-A (\S+) (?:.* )?-[jg] (\S+)", line)
        if policy:
            bases[(family, "filter", policy.group(1))] = policy.group(2).lower()
        elif rule:
            target = rule.group(2)
            verdict = target.lower() if target in ("DROP", "REJECT") else f">{target}"
            verdicts.setdefault((family, "filter", rule.group(1)), set()).add(verdict)
    return _judge("iptables", bases, verdicts)


def ufw_enabled(configuration: str) -> bool:
    """True when ufw.conf says so: its service counts as active on every Ubuntu, enabled or not."""
    return re.search(r"^\s*ENABLED=[\"']?yes\b", configuration, re.MULTILINE | re.IGNORECASE) is not None


def find(nft: Nft) -> tuple[Foreign, ...]:
    """Every foreign firewall of this host."""
    legacy = [item for family, names, program in _LEGACY for item in _legacy(nft.run, family, names, program)]
    return nftables(nft.ruleset()) + tuple(legacy) + _services(nft.run)


def _chain(value: t.Mapping[str, t.Any], chain: str) -> Rule:
    return value["family"], value["table"], chain


def _judge(kind: str, bases: t.Mapping[Rule, str], verdicts: t.Mapping[Rule, set[str]]) -> tuple[Foreign, ...]:
    return tuple(
        Foreign(kind, f"{base[0]} {base[1]}", base[2], why) for base in sorted(bases) for why in _why(base, bases[base], verdicts)
    )


def _why(base: Rule, policy: str, verdicts: t.Mapping[Rule, set[str]]) -> tuple[str, ...]:
    if policy == "drop":
        return ("policy drop",)
    todo, seen = [base], {base}
    while todo:
        chain = todo.pop()
        for verdict in sorted(verdicts.get(chain, ())):
            if verdict in ("drop", "reject"):
                return (f"a rule with {verdict}" + ("" if chain == base else f" in chain {chain[2]}"),)
            target = (base[0], base[1], verdict[1:])
            if verdict.startswith(">") and target not in seen:
                seen.add(target)
                todo.append(target)
    return ()


def _verdicts(expression: t.Any) -> t.Iterator[str]:
    """``drop``, ``reject`` and ``>chain`` for each jump, wherever they stand in a rule: verdict maps hold them deep inside."""
    if isinstance(expression, list):
        for part in expression:
            yield from _verdicts(part)
    elif isinstance(expression, dict):
        for key, value in expression.items():
            if key in ("drop", "reject"):
                yield key
            elif key in ("jump", "goto"):
                yield ">" + value["target"]
            elif key == "xt" and isinstance(value, dict) and value.get("name") in ("DROP", "REJECT"):
                yield value["name"].lower()
            else:
                yield from _verdicts(value)


def _legacy(run: Run, family: str, names: str, program: str) -> tuple[Foreign, ...]:
    """Only a table that is loaded is asked for: the program would load it."""
    if "filter" not in _read(names).split():
        return ()
    path = find_program(program)
    if not path:
        return (Foreign("iptables", f"{family} filter", "", f"the table is loaded, and without {program} its rules cannot be read"),)
    return iptables(family, run([path, "-S"], "").out)


def _services(run: Run) -> tuple[Foreign, ...]:
    active = [name for name in ("firewalld", "ufw") if _active(run, name)]
    if "ufw" in active and not ufw_enabled(_read("/etc/ufw/ufw.conf")):
        active.remove("ufw")
    return tuple(Foreign(name, f"{name}.service", "", "the service is active") for name in active)


def _active(run: Run, service: str) -> bool:
    systemctl = find_program("systemctl")
    return bool(systemctl) and run([str(systemctl), "is-active", "--quiet", f"{service}.service"], "").code == 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


__all__ = ("Foreign", "find", "iptables", "nftables", "ufw_enabled")
