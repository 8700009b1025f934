# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring commands: processor seconds of a command and its children, and medians of ratios of paired runs."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cost:
    """One run. cpu: user and system seconds, children included; wall: seconds; out: what it printed."""

    cpu: float
    wall: float
    out: str


def run(command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Cost:
    """Run a command to its end; CalledProcessError with its output when it fails."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False)
    after, end = os.times(), time.perf_counter()
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return Cost(cpu, end - start, done.stdout)


def median_cost(command: Sequence[str], times: int, **options: object) -> Cost:
    """Run a command several times; medians of each figure."""
    costs = [run(command, **options) for _ in range(times)]  # type: ignore[arg-type]
    return Cost(statistics.median(cost.cpu for cost in costs), statistics.median(cost.wall for cost in costs), costs[-1].out)


def paired(first: Callable[[], float], second: Callable[[], float], times: int) -> tuple[float, float, float]:
    """Measure two things in turn; median, smallest and largest ratio first / second, so that a drifting machine does not decide."""
    first(), second()
    ratios = []
    for index in range(times):
        if index % 2:
            b = second()
            a = first()
        else:
            a = first()
            b = second()
        ratios.append(a / b)
    return statistics.median(ratios), min(ratios), max(ratios)
