# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""Results of probes on the controller: one small file per host, tied to the plan by its digest. Written aside and renamed into place, mode 0600."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import typing as t
from dataclasses import dataclass
from pathlib import Path

FORMAT = "datapath.exchange/results"
VERSION = 1


class ResultsError(ValueError):
    """A results file that cannot be read for what it claims to be: says which and how to fix it."""


@dataclass(frozen=True)
class HostResults:
    """What one host saw. rows: as the module probe returns them; reason: one word saying why there are none, else empty."""

    rows: tuple[t.Mapping[str, t.Any], ...] = ()
    reason: str = ""


def file_name(host: str) -> str:
    """Return the file name of a host: readable, safe whatever the host is called, and never the same for two hosts."""
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", host)[:60]
    return f"{readable}.{hashlib.sha256(host.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}.json"


def replace_file(path: Path, text: str, *, only_compare: bool = False) -> bool:
    """Write a text file in one step and tell whether that changes it. Missing directories are made, mode 0700; raises OSError."""
    if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
        return False
    if only_compare:
        return True
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(aside).replace(path)
    except BaseException:
        Path(aside).unlink()
        raise
    return True


def write(directory: Path, host: str, digest: str, results: HostResults) -> Path:
    """Write the results of a host and return the path of the file; raises OSError."""
    plain = {"format": FORMAT, "version": VERSION, "host": host, "digest": digest, "reason": results.reason}
    rows = ",\n".join(json.dumps(row, sort_keys=True) for row in results.rows)
    path = directory / file_name(host)
    replace_file(path, json.dumps(plain, sort_keys=True)[:-1] + f', "results": [\n{rows}\n]}}\n')
    return path


def discard(directory: Path, host: str) -> None:
    """Remove what an earlier run left for a host, so that a run that dies cannot pass with old results; raises OSError."""
    (directory / file_name(host)).unlink(missing_ok=True)


def read(directory: Path, host: str, digest: str) -> HostResults:
    """Read the results of a host. Missing ones and those of another plan are a reason, not an error; raises ResultsError for a broken file."""
    path = directory / file_name(host)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return HostResults(reason="no_results")
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error}); run datapath.exchange.probe again on {host}") from error
    if not isinstance(plain, dict) or (plain.get("format"), plain.get("version"), plain.get("host")) != (FORMAT, VERSION, host):
        raise ResultsError(f"{path}: is not a results file of {host}; empty the directory and run datapath.exchange.probe again")
    if plain["digest"] != digest:
        return HostResults(reason="other_plan")
    return HostResults(tuple(plain["results"]), plain["reason"])


__all__ = ("FORMAT", "VERSION", "HostResults", "ResultsError", "discard", "file_name", "read", "replace_file", "write")
