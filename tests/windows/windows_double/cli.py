# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tests/windows/double: make a Windows double, look into it, and do to it what other administrators and bad days do."""

from __future__ import annotations

import argparse
import json
import re
import typing as t
import uuid
from pathlib import Path

from windows_double import wire
from windows_double.endpoints import serve as endpoints
from windows_double.facts import CODE_PAGES, RELEASES, SERVICES
from windows_double.machine import FAULTS, Machine
from windows_double.registry import TYPES, Value

LOCAL = SERVICES + r"\SharedAccess\Parameters\FirewallPolicy"
POLICY = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall"
STORES = {"local": LOCAL, "policy": POLICY}
SCHEMA = {"2008": "v2.1", "2008r2": "v2.10", "2012r2": "v2.22", "2019": "v2.29", "2025": "v2.33"}
"""With which version a rule of somebody else is written (MS-FASP 2.2.42, note 12)."""
PROFILES = {"domain": "DomainProfile", "private": "StandardProfile", "public": "PublicProfile"}
POLICY_PROFILES = {**PROFILES, "private": "PrivateProfile"}
Command = t.Callable[[argparse.Namespace], int]


def main(arguments: t.Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    command: Command = options.command
    return command(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="double", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    create = _command(commands, "create", _create, "install a machine")
    create.add_argument("--release", choices=RELEASES, default="2019")
    create.add_argument("--language", choices=CODE_PAGES, default="en")
    create.add_argument("--exchange", metavar="VERSION", help="with Exchange of this version and its firewall rules, as 2007")
    create.add_argument("--hostname", default="EX1")
    create.add_argument("--address", action="append", default=[])
    create.add_argument("--utc-offset", type=int, default=0)
    _command(commands, "show", _show, "print its state as JSON")
    digest = _command(commands, "digest", _digest, "print a fingerprint of its registry")
    digest.add_argument("key", nargs="?", default="")
    _registry_commands(commands)
    _rule_commands(commands)
    _state_commands(commands)
    return parser


def _command(commands: t.Any, name: str, command: Command, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("directory")
    parser.set_defaults(command=command)
    return parser


def _registry_commands(commands: t.Any) -> None:
    verbs = (("get", _get, "print a registry value"), ("set", _set, "set a registry value"), ("delete", _delete, "delete a registry value"))
    for name, command, text in verbs:
        parser = _command(commands, name, command, text)
        parser.add_argument("key")
        parser.add_argument("name", nargs="?" if name == "delete" else None, help="without it, delete the whole key" if name == "delete" else None)
        if name == "set":
            parser.add_argument("type", choices=TYPES)
            parser.add_argument("data", nargs="*")


def _rule_commands(commands: t.Any) -> None:
    add = _command(commands, "add-rule", _add_rule, "add a firewall rule, as another administrator or Group Policy does; prints its id")
    add.add_argument("--id", default="")
    add.add_argument("--store", choices=STORES, default="local")
    add.add_argument("tokens", nargs="+", metavar="TOKEN=VALUE", help="as MS-GPFAS has them: Action=Allow Dir=In Protocol=6 LPort=25 Name=...")
    for name, command, text in (
        ("edit-rule", _edit_rule, "change tokens of a rule"), ("delete-rule", _delete_rule, "delete a rule"),
        ("copy-rule", _copy_rule, "add the same rule again"),
    ):
        parser = _command(commands, name, command, text)
        parser.add_argument("rule", help="its id, or its name, or how its name begins and a *")
        if name == "edit-rule":
            parser.add_argument("tokens", nargs="+", metavar="TOKEN=VALUE", help="an empty value takes the token away")
    _command(commands, "rules", _rules, "print the firewall rules of the local store")
    policy = _command(commands, "policy", _policy, "set a value of Group Policy for a profile")
    policy.add_argument("profile", choices=POLICY_PROFILES)
    policy.add_argument("name", help="AllowLocalPolicyMerge, EnableFirewall, ...")
    policy.add_argument("number", type=int)


def _state_commands(commands: t.Any) -> None:
    fault = _command(commands, "fault", _fault, "break something: " + "; ".join(f"{name}: {text}" for name, text in FAULTS.items()))
    fault.add_argument("faults", nargs="+", metavar="NAME=VALUE", help="true and numbers are read as such; an empty value heals")
    service = _command(commands, "service", _service, "set the state of a service (4 runs, 1 is stopped)")
    service.add_argument("name")
    service.add_argument("state", type=int)
    clock = _command(commands, "advance", _advance, "let time pass, and what is due happen")
    clock.add_argument("seconds", type=float)
    _command(commands, "tick", _tick, "let happen what is due")
    _command(commands, "reboot", _reboot, "restart the machine")
    _command(commands, "follow", _follow, "filter this network namespace as the machine would, for as long as this runs")
    endpoints.add_commands(commands, _load)


def _create(options: argparse.Namespace) -> int:
    addresses = options.address or ["192.0.2.10"]
    Machine.create(
        options.directory, options.release, options.language, exchange=options.exchange, hostname=options.hostname, addresses=addresses,
        utc_offset=options.utc_offset,
    )
    return 0


def _show(options: argparse.Namespace) -> int:
    machine = Machine(options.directory)
    state = {
        "release": machine.release, "language": machine.language, "hostname": machine.hostname, "addresses": machine.addresses,
        "now": machine.now().isoformat(), "boots": machine.boots, "restart_at": machine.restart_at, "faults": dict(machine.faults),
        "tasks": machine.tasks, "task_log": machine.task_log,
        "files": machine.drive.list(r"C:\Windows\datapath"), "commands": len(machine.commands), "scripts": machine.scripts,
        "service_log": machine.service_log, "violations": machine.violations,
    }
    print(json.dumps(state, indent=2, ensure_ascii=False))
    return 0


def _digest(options: argparse.Namespace) -> int:
    print(Machine(options.directory).registry.digest(options.key))
    return 0


def _get(options: argparse.Namespace) -> int:
    value = Machine(options.directory).registry.get(options.key, options.name)
    print(json.dumps(value, ensure_ascii=False))
    return 0 if value else 1


def _set(options: argparse.Namespace) -> int:
    data = _data(options.type, options.data)
    Machine(options.directory).registry.set(options.key, options.name, options.type, data)
    return 0


def _data(kind: str, words: t.Sequence[str]) -> t.Any:
    if kind == "REG_MULTI_SZ":
        return tuple(words)
    text = " ".join(words)
    return int(text, 0) if kind in ("REG_DWORD", "REG_QWORD") else text


def _delete(options: argparse.Namespace) -> int:
    registry = Machine(options.directory).registry
    found = registry.delete_key(options.key) if options.name is None else registry.delete_value(options.key, options.name)
    return 0 if found else 1


# Rules


def rules_key(store: str = "local") -> str:
    return STORES[store] + r"\FirewallRules"


def find_rule(machine: Machine, rule: str) -> str:
    """The id of a rule of the local store by its id or its name, which may end in C(*); LookupError when there is none or more than one."""
    values = machine.registry.values(rules_key())
    named = f"|Name={rule.removesuffix('*')}{'' if rule.endswith('*') else '|'}".lower()
    found = [identifier for identifier, value in values.items() if rule.lower() == identifier.lower() or named in value[1].lower()]
    if len(found) != 1:
        raise LookupError(f"{len(found)} rules with the id or name {rule!r}")
    return found[0]


def add_rule(machine: Machine, tokens: t.Iterable[str], identifier: str = "", store: str = "local") -> str:
    """Add a rule with these C(TOKEN=VALUE); active unless they say otherwise. Returns its id."""
    identifier = identifier or "{" + str(uuid.uuid4()).upper() + "}"
    parts = list(tokens)
    if not any(part.startswith("Active=") for part in parts):
        parts.insert(1, "Active=TRUE")
    text = "|".join([SCHEMA[machine.release], *parts]) + "|"
    machine.registry.set(rules_key(store), identifier, "REG_SZ", text)
    return identifier


def edit_rule(machine: Machine, identifier: str, tokens: t.Iterable[str]) -> None:
    """Replace tokens of a rule, all of a name by one; an empty value takes them away."""
    text = _text(machine.registry.get(rules_key(), identifier))
    for token in tokens:
        name, _, value = token.partition("=")
        text = re.sub(rf"(?<=\|){re.escape(name)}=[^|]*\|", "", text)
        text += f"{name}={value}|" if value else ""
    machine.registry.set(rules_key(), identifier, "REG_SZ", text)


def _text(value: Value | None) -> str:
    return "" if value is None else str(value[1])


def _add_rule(options: argparse.Namespace) -> int:
    print(add_rule(Machine(options.directory), options.tokens, options.id, options.store))
    return 0


def _edit_rule(options: argparse.Namespace) -> int:
    machine = Machine(options.directory)
    edit_rule(machine, find_rule(machine, options.rule), options.tokens)
    return 0


def _delete_rule(options: argparse.Namespace) -> int:
    machine = Machine(options.directory)
    machine.registry.delete_value(rules_key(), find_rule(machine, options.rule))
    return 0


def copy_rule(machine: Machine, identifier: str) -> str:
    """Add a rule that says the same under a new id. Returns the id."""
    copied = "{" + str(uuid.uuid4()).upper() + "}"
    machine.registry.set(rules_key(), copied, "REG_SZ", _text(machine.registry.get(rules_key(), identifier)))
    return copied


def _copy_rule(options: argparse.Namespace) -> int:
    machine = Machine(options.directory)
    print(copy_rule(machine, find_rule(machine, options.rule)))
    return 0


def _rules(options: argparse.Namespace) -> int:
    for identifier, value in Machine(options.directory).registry.values(rules_key()).items():
        print(identifier, _text(value))
    return 0


def _policy(options: argparse.Namespace) -> int:
    set_policy(Machine(options.directory), options.profile, options.name, options.number)
    return 0


def set_policy(machine: Machine, profile: str, name: str, number: int) -> None:
    """What Group Policy writes for a profile: C(AllowLocalPolicyMerge), C(EnableFirewall)..."""
    machine.registry.set(f"{POLICY}\\{POLICY_PROFILES[profile]}", name, "REG_DWORD", number)


# State


def _fault(options: argparse.Namespace) -> int:
    machine = Machine(options.directory)
    for word in options.faults:
        name, _, value = word.partition("=")
        if value:
            machine.faults[name] = _fault_value(value)
        else:
            machine.faults.pop(name, None)
    return 0


def _fault_value(text: str) -> t.Any:
    return True if text.lower() == "true" else int(text) if text.isdigit() else text


def _service(options: argparse.Namespace) -> int:
    Machine(options.directory).set_service(options.name, options.state)
    return 0


def _advance(options: argparse.Namespace) -> int:
    machine = Machine(options.directory)
    machine.advance(options.seconds)
    print(*machine.tick())
    return 0


def _tick(options: argparse.Namespace) -> int:
    print(*Machine(options.directory).tick())
    return 0


def _reboot(options: argparse.Namespace) -> int:
    print(*Machine(options.directory).reboot())
    return 0


def _follow(options: argparse.Namespace) -> int:
    wire.follow(Machine(options.directory))


def _load(directory: Path) -> Machine:
    """A machine to be served: its tasks fire by themselves."""
    machine = Machine(directory)
    machine.start_timer()
    return machine
