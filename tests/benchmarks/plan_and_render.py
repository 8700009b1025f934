# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan, keep and render a whole organisation in one process, and say what each step cost: ``plan_and_render.py HOSTS [clusters]``."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from organisation import organisation

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan import artefact
from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.nftables import render
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Inventory


def main() -> None:
    hosts, groups = organisation(int(sys.argv[1]), clusters="clusters" in sys.argv)
    marks = [time.process_time()]
    plan = compile_plan(Inventory(hosts, groups), {})
    marks.append(time.process_time())
    size = sum(len(render(plan.host(name))) for name in plan.hosts)
    marks.append(time.process_time())
    with tempfile.TemporaryDirectory() as directory:
        artefact.write(plan, Path(directory) / "plan")
        marks.append(time.process_time())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({
        "managed": len(plan.hosts), "classes": len(plan.classes), "plan": marks[1] - marks[0], "render": marks[2] - marks[1],
        "write": marks[3] - marks[2], "bytes": size, "memory_mb": memory,
    }))


if __name__ == "__main__":
    main()
