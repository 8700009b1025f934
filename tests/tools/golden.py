# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expected results, kept in git: what is planned and rendered for each inventory under tests/golden, and what is said about the bad ones.

Without an option it writes them again, for review with git diff. With --check it changes none, leaves what differs as NAME.actual, and fails.
"""

from __future__ import annotations

import argparse
import difflib
import sys
import tempfile
import typing as t
from pathlib import Path

from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager

from ansible_collections.datapath.exchange.plugins.plugin_utils import _summary
from ansible_collections.datapath.exchange.plugins.plugin_utils._inventory import Reader, compile_inventory, plain
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import Plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import swanctl
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_files import host_files, role_files
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import render
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import InputErrors, Inventory

GOLDEN = Path(__file__).resolve().parent.parent / "golden"
GENERATED = ("plan", "nftables", "swanctl", "netsh")
SWANCTL = IpsecOptions(auth="psk")

Texts = dict[Path, str]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", metavar="NAME", help="folders under tests/golden; all of them when omitted")
    arguments = parser.parse_args()
    wanted: Texts = {}
    present: set[Path] = set()
    for name in arguments.names or names():
        wanted.update(expected(name))
        present |= kept(name)
    return _compare(wanted, present) if arguments.check else _write(wanted, present)


def names() -> list[str]:
    """The folders with expected results: one for each organisation, and ``errors``."""
    return sorted([*(path.parent.name for path in GOLDEN.glob("*/inventory.yml")), "errors"])


def expected(name: str) -> Texts:
    """What a folder should hold now."""
    if name == "errors":
        return {inventory.with_suffix(".txt"): complaint(inventory) for inventory in sorted((GOLDEN / name).glob("*.yml"))}
    return _organisation(GOLDEN / name / "inventory.yml")


def kept(name: str) -> set[Path]:
    """The files of expected results that a folder does hold."""
    if name == "errors":
        return set((GOLDEN / name).glob("*.txt"))
    return {path for folder in GENERATED for path in (GOLDEN / name / folder).rglob("*") if path.is_file() and path.suffix != ".actual"}


def _organisation(inventory: Path) -> Texts:
    plan = _compile(inventory)
    if plan.errors:
        raise SystemExit(f"{inventory}: {_summary.error_text(plan.findings)}\nA plan that is forbidden belongs under errors.")
    folder = inventory.parent
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch, "plan")
        artefact.write(plan, made)
        texts = {folder / "plan" / path.relative_to(made): path.read_text(encoding="utf-8") for path in made.rglob("*.json")}
    hosts = [plan.host(name) for name in plan.hosts]
    texts.update({folder / "nftables" / f"{host.host}.nft": render(host) for host in hosts if host.platform == "linux"})
    secured = [host for host in hosts if host.platform == "linux" and host.associations]
    texts.update({folder / "swanctl" / f"{host.host}.conf": swanctl.render(host, SWANCTL).text for host in secured})
    windows = [host for host in hosts if host.platform == "windows"]
    for files in (*(host_files(host).files for host in windows), role_files(windows)):
        texts.update({folder / "netsh" / name: text for name, text in files.items()})
    return texts


def stored(path: Path) -> str:
    """A file with the line ends that it has."""
    return path.read_bytes().decode("utf-8")


def complaint(inventory: Path) -> str:
    """What the plan task says of a bad inventory."""
    try:
        plan = _compile(inventory)
    except InputErrors as error:
        return f"{error}\n"
    if not plan.errors:
        raise SystemExit(f"{inventory}: was planned without an error; it belongs into an organisation of its own")
    return f"{_summary.error_text(plan.findings)}\n"


def _compile(inventory: Path) -> Plan:
    loader = DataLoader()
    source = InventoryManager(loader=loader, sources=[str(inventory)])
    variables = VariableManager(loader=loader, inventory=source)
    reader = Reader(_no_template)
    hosts = {
        host.name: reader.read(host.name, variables.get_vars(host=host, include_hostvars=False))
        for host in source.get_hosts()
    }
    groups = {str(name): [str(host) for host in members] for name, members in source.get_groups_dict().items()}
    return compile_inventory(Inventory(hosts, plain(groups)), {}, reader.errors)


def _no_template(value: t.Any, _variables: t.Mapping[str, t.Any]) -> t.Any:
    raise ValueError(f"golden inventories hold no templates: {value!r}")


def _write(wanted: Texts, present: set[Path]) -> int:
    for path in present - set(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
    print(f"{len(wanted)} files written; git diff shows what changed")
    return 0


def _compare(wanted: Texts, present: set[Path]) -> int:
    wrong = sorted(present ^ set(wanted))
    for path in wrong:
        print(f"{path.relative_to(GOLDEN)}: {'is not there' if path in wanted else 'nothing makes it any more'}")
    for path in sorted(set(wanted) & present):
        have = stored(path)
        if have != wanted[path]:
            wrong.append(path)
            path.with_name(f"{path.name}.actual").write_bytes(wanted[path].encode("utf-8"))
            lines = difflib.unified_diff(have.splitlines(), wanted[path].splitlines(), str(path.relative_to(GOLDEN)), "actual", n=1, lineterm="")
            print(*list(lines)[:20], sep="\n")
    print(f"{len(wanted) - len(set(wrong) & set(wanted))} passed, {len(wrong)} failed")
    return int(bool(wrong) or not wanted)


if __name__ == "__main__":
    sys.exit(main())
