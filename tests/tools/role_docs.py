# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the table of options in each role's README.md from its meta/argument_specs.yml, between two markers.

With --check it writes nothing, names the files that are out of date, and fails.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import typing as t
from pathlib import Path

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
BEGIN = "<!-- BEGIN OPTIONS: made by tests/tools/role_docs.py from meta/argument_specs.yml -->"
END = "<!-- END OPTIONS -->"
_CODE = re.compile(r"\b[COVRE]\(([^()]*)\)")
_REFERENCE = re.compile(r"\b[MP]\(([^()#]*)(?:#[^()]*)?\)")

Specs = t.Mapping[str, t.Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path in sorted(ROLES.glob("*/README.md")) if path.read_text(encoding="utf-8") != wanted(path)]
    for path in stale:
        print(f"{path.relative_to(ROLES.parent)}: {'is out of date' if check else 'written'}")
        if not check:
            path.write_text(wanted(path), encoding="utf-8")
    return int(check and bool(stale))


def wanted(readme: Path) -> str:
    """The text that a README should have: its own, with the options between the markers."""
    specs = yaml.safe_load((readme.parent / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    head, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{readme}: has no markers for the options")
    return f"{head}{BEGIN}\n\n{options(specs)}\n{END}{tail}"


def options(specs: Specs) -> str:
    """All entry points: the options of C(main) as a table, those of the others by name."""
    lines = ["### `main`", "", plain(specs["main"]["short_description"]) + ".", "", *_table(specs["main"]["options"])]
    for name, spec in specs.items():
        if name != "main":
            same = spec["options"] == specs["main"]["options"]
            taken = "the same as of `main`" if same else ", ".join(f"`{option}`" for option in spec["options"]) or "none"
            about = " ".join(map(plain, (f"{spec['short_description']}.", *spec.get("description", ()))))
            lines += ["", f"### `{name}`", "", about, "", f"Options: {taken}."]
    return "\n".join(lines) + "\n"


def _table(rows: Specs) -> t.Iterator[str]:
    yield "| Option | Type | Default | Meaning |"
    yield "|---|---|---|---|"
    for name, option in rows.items():
        kind = f"{option['type']} of {option['elements']}" if "elements" in option else option["type"]
        default = f"`{json.dumps(option['default'])}`" if "default" in option else "unset"
        choices = f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}." if "choices" in option else ""
        yield f"| `{name}` | {kind} | {default} | {plain(option['description'])}{choices} |"


def plain(text: str) -> str:
    """Ansible's markup as Markdown."""
    return _REFERENCE.sub(r"`\1`", _CODE.sub(r"`\1`", text)).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
