#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Documentation that is made from the code.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(newest test)
use "$venv"
export PYTHONPATH=$tree PYTHONDONTWRITEBYTECODE=1
cd "$here"
step "docs/reference.md" python tests/tools/reference_doc.py
step "roles/*/README.md" python tests/tools/role_docs.py
