# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""What has to be added and deleted so that a host has exactly the connection security rules that are wanted. Pure: it knows state and text, no connection.

Rules are compared by what they do. Missing ones are added before superfluous ones go, so that no pair is ever without its rule.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import ipsec_suites
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import PSK, NetshSecurityRule, SecurityText
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import RuleText
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import (
    AuthSuite,
    ConSecMatch,
    MainModeMatch,
    Ports,
    Scope,
    SecurityRule,
)
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.script import beside, netsh, program, reg_add, reg_delete, reg_key
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.security import MainCrypto
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.state import LOCAL, MEMORY, OWN
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.transaction import Change, Step

PART = "ipsec"
KEY = rf"{MEMORY}\{PART}"
ABSENT = "absent"
MISSING = "keys.missing"
RULE_KEYS = ("ConSecRules", "MainModeRules")
SET_KEYS = tuple(f"Phase{phase}{kind}Set{end}" for kind in ("Authentication", "Crypto") for phase in "12" for end in ("", "s"))
"""MS-GPFAS itself spells them with and without the last C(s)."""
_RULE_FILE = "rule.txt"
_PROTOCOLS = {None: "any", 1: "icmpv4", 6: "tcp", 17: "udp", 58: "icmpv6"}


@dataclass(frozen=True)
class Around:
    """What of a host is changed besides rules. main: the default set of main mode, for releases without main mode rules; key, version: of it in the registry,
    empty where it is not written there. there: keys for rules and sets that exist, with the ids of the sets in them. keep: whether some rule was not
    understood, and no key may be deleted.
    """

    main: MainCrypto
    key: str = ""
    version: str = ""
    there: t.Mapping[str, frozenset[str]] = field(default_factory=dict)
    keep: bool = False

    @property
    def missing(self) -> tuple[str, ...]:
        """Keys that may come with our first rule."""
        there = {key.lower() for key in self.there}
        return tuple(name for name in (*RULE_KEYS, *SET_KEYS) if name.lower() not in there)


@dataclass(frozen=True)
class Difference:
    """What has to be done. add: under names that are free; delete: by name; globals: settings of the whole host; remember: values by name, before everything
    else; forget: whether nothing is wanted any longer, and what was remembered is restored; drop: keys to delete then, because they were not there before.
    """

    add: tuple[NetshSecurityRule, ...] = ()
    delete: tuple[SecurityRule, ...] = ()
    globals: tuple[str, ...] = ()
    remember: t.Mapping[str, str] = field(default_factory=dict)
    forget: bool = False
    drop: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.add or self.delete or self.globals or self.forget)


def own(rules: t.Iterable[SecurityRule]) -> tuple[SecurityRule, ...]:
    """Our rules: the prefix of their names in the local store says so."""
    return tuple(rule for rule in rules if rule.store == "local" and rule.name.startswith(OWN))


def difference(
    wanted: SecurityText, rules: t.Sequence[SecurityRule], stale: t.AbstractSet[str], around: Around, memory: t.Mapping[str, str],
) -> Difference:
    """Compare the wanted rules with all rules of the host. stale: ids of our rules whose key is another one. memory: what earlier runs remembered."""
    mine = own(rules)
    usable = [rule for rule in mine if rule.active and rule.id not in stale]
    kept, missing = _pair((*wanted.main_mode, *wanted.rules), usable)
    superfluous = [rule for rule in mine if rule.id not in kept]
    # Names are all that netsh deletes by: a rule that shares its name with a superfluous one is made anew first.
    doomed = {rule.name.lower() for rule in superfluous}
    for rule in [rule for rule in mine if rule.id in kept and rule.name.lower() in doomed]:
        missing.append(kept.pop(rule.id))
        superfluous.append(rule)
    add = tuple(sorted(_named(missing, {rule.name.lower() for rule in rules if rule.store == "local"}), key=_order))
    delete_ = tuple(sorted(superfluous, key=_order, reverse=True))
    if not wanted.lines():
        return Difference((), delete_, _restored(memory), {}, bool(memory), _dropped(around, memory, rules, mine))
    lines = () if global_lines(around.main) == wanted.global_lines else wanted.global_lines
    return Difference(add, delete_, lines, _remembered(around, memory, lines, first=bool(add) and not mine))


def _pair(wanted: t.Iterable[NetshSecurityRule], usable: list[SecurityRule]) -> tuple[dict[str, NetshSecurityRule], list[NetshSecurityRule]]:
    """Rules of the host that do what is wanted, by id, and what is missing."""
    free: dict[t.Any, list[SecurityRule]] = {}
    for rule in usable:
        free.setdefault(plain(rule.match), []).append(rule)
    kept, missing = {}, []
    for desired in wanted:
        candidates = free.get(plain(desired.match))
        if candidates:
            kept[candidates.pop(0).id] = desired
        else:
            missing.append(desired)
    return kept, missing


def plain(match: ConSecMatch | MainModeMatch) -> ConSecMatch | MainModeMatch:
    """A match in which names of authorities are written in one way only."""
    return replace(match, auth1=tuple(replace(suite, ca=", ".join(part.strip() for part in suite.ca.split(","))) for suite in match.auth1))


def _named(missing: t.Iterable[NetshSecurityRule], taken: set[str]) -> t.Iterator[NetshSecurityRule]:
    for rule in missing:
        name, number = rule.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{rule.name} {number}"
        taken.add(name.lower())
        yield replace(rule, name=name, line=rule.line.replace(f'name="{rule.name}"', f'name="{name}"', 1))


def _order(rule: NetshSecurityRule | SecurityRule) -> tuple[int, str]:
    """Exemptions stand from before the first securing rule until after the last."""
    for place, word in enumerate(("main", "clear", "ipsec")):
        if rule.name.startswith(f"{OWN}{word} "):
            return place, rule.name
    return 3, rule.name


def _restored(memory: t.Mapping[str, str]) -> tuple[str, ...]:
    if "main.suites" not in memory:
        return ()
    setting = "advfirewall set global mainmode"
    return f"{setting} mmsecmethods {memory['main.suites']}", f"{setting} mmkeylifetime {memory.get('main.life', '480min,0sess')}"


def _dropped(
    around: Around, memory: t.Mapping[str, str], rules: t.Iterable[SecurityRule], mine: t.Collection[SecurityRule],
) -> tuple[str, ...]:
    """Keys that came with our first rule and hold nothing of anybody else's now."""
    if around.keep:
        return ()
    busy = {RULE_KEYS[isinstance(rule.match, MainModeMatch)] for rule in rules if rule.store == "local" and rule not in mine}
    ours = {RuleText.parse(rule.text).get(token).lower() for rule in mine for token in ("Auth1Set", "Auth2Set", "Crypto1Set", "Crypto2Set")}
    came = [name.lower() for name in memory.get(MISSING, "").split(",") if name in RULE_KEYS + SET_KEYS and name not in busy]
    return tuple(rf"{LOCAL}\{key}" for key, sets in around.there.items() if key.lower() in came and sets <= ours)


def _remembered(around: Around, memory: t.Mapping[str, str], lines: tuple[str, ...], *, first: bool) -> dict[str, str]:
    found = {}
    if first and around.missing and MISSING not in memory:
        found[MISSING] = ",".join(around.missing)
    if lines and "main.suites" not in memory:
        found["main.suites"] = ipsec_suites.netsh_main(around.main.suites)
        found["main.life"] = f"{around.main.minutes}min,{around.main.sessions}sess"
        found["main.version"] = around.version or ABSENT
    return found


def global_lines(crypto: MainCrypto) -> tuple[str, str]:
    """The settings that make a default set of main mode."""
    setting = "advfirewall set global mainmode"
    return f"{setting} mmsecmethods {ipsec_suites.netsh_main(crypto.suites)}", f"{setting} mmkeylifetime {crypto.minutes}min,{crypto.sessions}sess"


def change(found: Difference, around: Around, memory: t.Mapping[str, t.Mapping[str, str]], psk: str, read: t.Sequence[tuple[str, str]]) -> Change:
    """The transaction that does it. psk: in files that exist for one command only."""
    steps = [Step(reg_add(KEY, name, "REG_SZ", data), f"remember {name}") for name, data in found.remember.items()]
    steps += [*(_global_step(line) for line in found.globals), *(_add_step(rule, psk) for rule in found.add)]
    steps += [Step(delete(rule), f"delete the rule {rule.name}") for rule in _once(found.delete)]
    if found.forget:
        steps += _forget(found, around, memory)
    lines = (*(line for rule in found.delete for line in rebuilt(rule)), *(global_lines(around.main) if found.globals else ()))
    undo = tuple(delete(rule) for rule in found.add)
    return Change(tuple(steps), undo, tuple(map(netsh, lines)), _remember_again(found, memory), tuple(read))


def _forget(found: Difference, around: Around, memory: t.Mapping[str, t.Mapping[str, str]]) -> t.Iterator[Step]:
    version = memory[PART].get("main.version", "")
    if version == ABSENT and around.key:
        yield Step(reg_delete(around.key), "delete the default main mode set, which was not written before")
    elif version and version != ABSENT and around.key:
        # netsh writes a set anew with the version of its own schema, whatever is in it.
        yield Step(reg_add(around.key, "Version", "REG_SZ", version), "give the default main mode set the version that it had")
    for key in found.drop:
        # Whether a key goes with its last rule is documented nowhere, and deleting one that is gone fails.
        yield Step(program("reg", f'add "{reg_key(key)}" /f'), f"make sure that {key} can be deleted")
        yield Step(reg_delete(key), f"delete {key}, which was not there before and is empty")
    yield Step(reg_delete(memory_root(memory, PART)), "forget what the host had before")


def memory_root(memory: t.Mapping[str, t.Mapping[str, str]], part: str) -> str:
    """The key to delete when a part has nothing left to remember: the whole memory when no other part has."""
    return MEMORY if set(memory) <= {part} else rf"{MEMORY}\{part}"


def _remember_again(found: Difference, memory: t.Mapping[str, t.Mapping[str, str]]) -> tuple[str, ...]:
    """What puts the memory back as it was: it is not in the saved firewall."""
    mine = memory.get(PART, {})
    if found.forget:
        return tuple(reg_add(KEY, name, "REG_SZ", data) for name, data in mine.items())
    if found.remember and not mine:
        return (reg_delete(memory_root(memory, PART)),)
    return tuple(reg_delete(KEY, name) for name in found.remember)


def _global_step(line: str) -> Step:
    return Step(netsh(line), line.removeprefix("advfirewall "))


def _add_step(rule: NetshSecurityRule, psk: str) -> Step:
    shown = f"add the rule {rule.name}"
    if PSK not in rule.line:
        return Step(netsh(rule.line), shown)
    return Step(program("netsh", f"-f {beside(_RULE_FILE)}"), shown, ((_RULE_FILE, (rule.line.replace(PSK, psk),)),))


def _once(rules: t.Iterable[SecurityRule]) -> tuple[SecurityRule, ...]:
    """One of each name, because one deletion takes them all."""
    return tuple({(isinstance(rule.match, MainModeMatch), rule.name.lower()): rule for rule in rules}.values())


def delete(rule: NetshSecurityRule | SecurityRule) -> str:
    """Delete by name; the name is ours, so nobody else's rule bears it."""
    context = "mainmode" if isinstance(rule.match, MainModeMatch) else "consec"
    return netsh(f'advfirewall {context} delete rule name="{rule.name}"')


def rebuilt(rule: SecurityRule) -> tuple[str, ...]:
    """The line that would make a rule of ours again, or nothing: a key is not known here, and only the whole saved firewall brings it back."""
    match = rule.match
    if any(suite.method == "psk" for suite in match.auth1) or match.other:
        return ()
    head = f'name="{rule.name}" endpoint1={_addresses(match.endpoint1)} endpoint2={_addresses(match.endpoint2)}'
    if isinstance(match, MainModeMatch):
        life = f"{match.minutes}min,{match.sessions}sess"
        tail = f"profile=any mmsecmethods={ipsec_suites.netsh_main(match.suites)} mmkeylifetime={life}{_auth(match.auth1)}"
        return (f"advfirewall mainmode add rule {head} {tail}",)
    ports = f" port1={_ports(match.port1)} port2={_ports(match.port2)}" if match.protocol in (6, 17) else ""
    crypto = f" qmpfs={match.pfs} qmsecmethods={ipsec_suites.netsh_quick(match.quick)}" if match.quick else ""
    tail = f"action={match.action} mode=transport profile=any protocol={_PROTOCOLS.get(match.protocol, match.protocol)}{ports}{_auth(match.auth1)}{crypto}"
    return (f"advfirewall consec add rule {head} {tail}",)


def _auth(suites: tuple[AuthSuite, ...]) -> str:
    if not suites:
        return ""
    return f' auth1=computercert auth1ca="{suites[0].ca}"' if suites[0].method == "certificate" else " auth1=computerkerb"


def _addresses(scope: Scope) -> str:
    return ",".join((*_networks.texts(4, scope.v4), *_networks.texts(6, scope.v6))) or "any"


def _ports(ports: Ports) -> str:
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in ports.numbers) or "any"


def shown(rules: t.Iterable[NetshSecurityRule | SecurityRule]) -> str:
    """Rules as sorted text for a difference, without names of sets and without any key."""
    return "".join(f"{line}\n" for line in sorted(_shown(rule.match) for rule in rules))


def _shown(match: ConSecMatch | MainModeMatch) -> str:
    ends = f"{_addresses(match.endpoint1)} <-> {_addresses(match.endpoint2)}"
    auth = ",".join(suite.method + (f" ({suite.ca})" if suite.ca else "") for suite in match.auth1)
    if isinstance(match, MainModeMatch):
        return f"main mode {ends} {auth} {ipsec_suites.netsh_main(match.suites)} {match.minutes}min,{match.sessions}sess"
    what = f"{_PROTOCOLS.get(match.protocol, match.protocol)} {_ports(match.port1)} <-> {_ports(match.port2)}"
    return f"{match.action} {ends} {what} {auth} {ipsec_suites.netsh_quick(match.quick)} pfs {match.pfs}" if match.quick else f"{match.action} {ends} {what}"


__all__ = (
    "KEY", "PART", "RULE_KEYS", "SET_KEYS", "Around", "Difference", "change", "delete", "difference", "global_lines", "memory_root", "own", "plain", "rebuilt",
    "shown",
)
