#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Random packets through the kernel's own rules, against code that knows the tables and shares nothing with the plan. Arguments go to pytest.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(newest test)
use "$venv"
cd "$here"
export PYTHONPATH=$tree PYTHONDONTWRITEBYTECODE=1
step "oracle" python -m pytest -n 2 tests/oracle "$@"
