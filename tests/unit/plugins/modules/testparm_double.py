# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests need of testparm(1) 4.17: ``testparm -s [--parameter-name=NAME] FILE``, with sections, includes, and ranges that it refuses."""

from __future__ import annotations

import sys
from pathlib import Path

KNOWN = {"workgroup": "WORKGROUP", "rpc server dynamic port range": "49152-65535", "rpc server port": "0"}


def load(path: Path, found: dict[str, str], section: str = "global") -> str:
    """Read one file; gives the section that it ends in. A missing include is passed over, as Samba does."""
    for line in path.read_text(encoding="latin-1").splitlines():
        text = line.strip()
        name, _equals, value = (part.strip() for part in text.partition("="))
        if text.startswith("["):
            section = text.strip("[]").lower()
        elif text[:1] in ("", "#", ";") or section != "global":
            continue
        elif name == "include":
            section = load(Path(value), found, section) if Path(value).exists() else section
        elif name in KNOWN or ":" in name:
            found[name] = value
        else:
            print(f'Unknown parameter encountered: "{name}"', file=sys.stderr)
    return section


def main() -> int:
    options, path = sys.argv[1:-1], Path(sys.argv[-1])
    print(f"Load smb config files from {path}", file=sys.stderr)
    found: dict[str, str] = {}
    if not path.exists():
        print("Error loading services.", file=sys.stderr)
        return 1
    load(path, found)
    low, _dash, high = found.get("rpc server dynamic port range", "1-2").partition("-")
    if int(low) >= int(high):
        print("Error loading services.", file=sys.stderr)
        return 1
    asked = [option.partition("=")[2] for option in options if option.startswith("--parameter-name=")]
    if not asked:
        print("# Global parameters\n[global]\n" + "".join(f"\t{name} = {value}\n" for name, value in found.items()))
        return 0
    if asked[0] not in KNOWN and asked[0] not in found:
        print(f"Parameter {asked[0]} unknown for section global", file=sys.stderr)
        return 1
    print(found.get(asked[0], KNOWN.get(asked[0])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
