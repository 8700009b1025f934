# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of M(datapath.exchange.reachability): asks the plan on the controller. Its options are documented in the module."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.datapath.exchange.plugins.plugin_utils._observed import ObservedErrors
from ansible_collections.datapath.exchange.plugins.plugin_utils._reachability import Answer, Asker, QuestionErrors, read_questions

SPEC = {
    "plan": {"type": "dict", "required": True, "options": {"path": {"type": "path", "required": True}, "digest": {"type": "str", "required": True}}},
    "questions": {"type": "list", "elements": "dict", "required": True},
    "observed": {"type": "dict", "default": {}},
}


class ActionModule(ActionBase):
    """Answers questions, and fails where an answer is not the one that was expected."""

    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _validated, given = self.validate_argument_spec(SPEC)
        try:
            asker = Asker(given["plan"]["path"], given["plan"]["digest"], given["observed"])
            answers = asker.answer_all(read_questions(given["questions"]))
        except (QuestionErrors, ObservedErrors) as exc:
            return {**result, "failed": True, "msg": str(exc), "errors": list(exc.errors)}
        except (ValueError, OSError) as exc:
            raise AnsibleActionFail(str(exc)) from exc
        result.update(changed=False, answers=[answer.to_plain() for answer in answers], answer_lines=[str(answer) for answer in answers])
        return {**result, **_unmet(answers)}


def _unmet(answers: t.Sequence[Answer]) -> dict[str, t.Any]:
    unmet = [f"expected {answer.question.expect}, but {answer}" for answer in answers if not answer.as_expected]
    if not unmet:
        return {}
    return {"failed": True, "msg": "\n".join((*unmet, f"{len(unmet)} of {len(answers)} answers are not as expected."))}
