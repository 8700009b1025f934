# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Samba's RPC ports: an include file of our own, and one line at the end of [global] that reads it. Standard library only.

smb.conf(5) tells the form of the file; it is handled as bytes, because its character set is the administrator's.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import typing as t
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program

CONF = Path("/etc/samba/smb.conf")
INCLUDE = Path("/etc/samba/datapath.conf")
RANGE = "rpc server dynamic port range"
DIRECTORY = {"ntds": "rpc server port", "netlogon": "rpc server port:netlogon"}
"""Static ports of a domain controller that Samba can have, by the name that the plan gives them."""
_LINE = b"include = %s"
_HEADER = "# Managed by datapath.exchange: changes made here are lost. Included by /etc/samba/smb.conf.\n"
_SERVERS = ("smbd", "samba")
_GLOBAL = (b"global", b"globals")
_FIXED = re.compile(r"^\s*(rpc server port(?::\S+)?) = ([0-9]+)$", re.MULTILINE)


def installed() -> bool:
    """Whether this host has a Samba server that somebody has configured."""
    return CONF.is_file() and any(map(find_program, _SERVERS))


def serves(program: str) -> bool:
    """Whether a process that runs this file is one of Samba's servers."""
    return program in (*_SERVERS, "samba-dcerpcd") or program.startswith("rpcd_")


def parameters(port_range: str, static: t.Mapping[str, int]) -> dict[str, str]:
    """What Samba has to be told; nothing for no range and no static port of a domain controller."""
    found = {RANGE: port_range} if port_range else {}
    return {**found, **{DIRECTORY[name]: str(static[name]) for name in DIRECTORY if name in static}}


def include_text(values: t.Mapping[str, str]) -> str:
    """The include file; empty for none."""
    return _HEADER + "".join(f"{name} = {value}\n" for name, value in values.items()) if values else ""


def read_include(text: str) -> dict[str, str]:
    """The parameters of an include file of ours."""
    pairs = (line.partition(" = ") for line in text.splitlines() if line[:1] != "#")
    return {name: value for name, equals, value in pairs if equals}


def owned(text: str) -> bool:
    """Whether an include file is ours to change."""
    return not text or text.startswith(_HEADER)


def with_line(conf: bytes, include: Path = INCLUDE) -> bytes:
    """The configuration with our line behind the last parameter of its last [global]; raises EnforceError where there is no such section."""
    lines = _lines(without_line(conf))
    at = _end_of_global(lines)
    line = _LINE % os.fsencode(include)
    # A last line without an end stays one: taking ours away again has to give the same bytes.
    added = b"\n" + line
    if lines[at].endswith(b"\n"):
        added = line + (b"\r\n" if lines[at].endswith(b"\r\n") else b"\n")
    return b"".join((*lines[:at + 1], added, *lines[at + 1:]))


def without_line(conf: bytes) -> bytes:
    """The configuration as it was before C(with_line)."""
    line = _LINE % os.fsencode(INCLUDE)
    lines = _lines(conf)
    kept = [entry for entry in lines if entry.strip() != line]
    if lines and lines[-1].strip() == line and not lines[-1].endswith(b"\n") and kept:
        kept[-1] = kept[-1][:-1]
    return b"".join(kept)


def _lines(conf: bytes) -> list[bytes]:
    """Lines with their ends; a carriage return alone ends none."""
    return re.findall(rb"[^\n]*\n|[^\n]+", conf)


def _end_of_global(lines: t.Sequence[bytes]) -> int:
    """The number of the line behind which the last [global] takes another parameter."""
    found, inside, continued = -1, False, False
    for number, line in enumerate(lines):
        content = line.strip()
        comment = not continued and content[:1] in (b"", b"#", b";")
        if not continued and content[:1] == b"[":
            inside = b"".join(content[1:].partition(b"]")[0].split()).lower() in _GLOBAL
        if inside and not comment:
            found = number
        continued = not comment and content.endswith(b"\\")
    if found < 0:
        raise EnforceError(f"{CONF} has no section [global]: add one, because the RPC ports of Samba are set there")
    return found


def _ask(run: Run, conf: Path, *arguments: str) -> str:
    program = find_program("testparm")
    if not program:
        raise EnforceError("testparm is not installed, which checks the configuration of Samba: install samba-common-bin (samba-common-tools)")
    done = run([program, "-s", *arguments, str(conf)], "")
    if done.code:
        raise EnforceError(f"testparm does not accept the configuration of Samba: {' '.join(done.err.split()) or f'exit status {done.code}'}")
    return done.out


def evaluate(run: Run, conf: bytes, values: t.Mapping[str, str]) -> dict[str, str]:
    """What Samba would make of a configuration with our include file of these values: its range, and all static ports, by parameter.

    Nothing of its own is touched. Raises EnforceError when it cannot read that, or comes to other values.
    """
    with tempfile.TemporaryDirectory(prefix="datapath-") as folder:
        include, candidate = Path(folder) / "include.conf", Path(folder) / "smb.conf"
        include.write_text(include_text(values), encoding="ascii")
        candidate.write_bytes(with_line(conf, include) if values else without_line(conf))
        found = {name: _ask(run, candidate, f"--parameter-name={name}").strip() for name in (RANGE, *values)}
        found.update(_FIXED.findall(_ask(run, candidate)))
    wrong = [f"{name} = {found[name]}, not {value}" for name, value in values.items() if found[name] != value]
    if wrong:
        raise EnforceError(f"Samba would have {', '.join(wrong)}: something else in its configuration says so after {INCLUDE} is read. Remove that")
    return found


def write_conf(conf: bytes) -> None:
    """Replace the configuration with its owner, mode and extended attributes (a label of SELinux), where a link leads to if it is one."""
    path = CONF.resolve()
    facts = path.stat()
    descriptor, name = tempfile.mkstemp(prefix=path.name, dir=str(path.parent))
    aside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(conf)
            file.flush()
            os.fsync(file.fileno())
        os.chown(aside, facts.st_uid, facts.st_gid)
        shutil.copystat(path, aside)
        os.utime(aside)
        aside.replace(path)
    except BaseException:
        aside.unlink()
        raise


__all__ = (
    "CONF", "DIRECTORY", "INCLUDE", "RANGE", "evaluate", "include_text", "installed", "owned", "parameters", "read_include", "serves", "with_line",
    "without_line", "write_conf",
)
