# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one thing that the collection asks of a connection: to run a text with an input. For tests of the endpoints alone."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """Arguments: C(command), C(input) in base64 or nothing, C(answer): the file that gets C(rc), C(stdout) and C(stderr)."""

    _requires_connection = True

    def run(self, tmp: t.Any = None, task_vars: t.Any = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        data = base64.b64decode(self._task.args.get("input") or "") or None
        answer = self._low_level_execute_command(self._task.args["command"], sudoable=False, in_data=data)
        kept = {name: answer[name] for name in ("rc", "stdout", "stderr")}
        Path(self._task.args["answer"]).write_text(json.dumps(kept))
        return result
