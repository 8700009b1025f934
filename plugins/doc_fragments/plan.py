# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option with which a task names a plan on the controller."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation that several modules share."""

    DOCUMENTATION = r"""
options:
  plan:
    type: dict
    suboptions:
      path:
        description: Directory of the plan on the controller.
        type: str
        required: true
      digest:
        description: Digest of the plan, so that a plan that was made of other inputs is noticed.
        type: str
        required: true
"""
