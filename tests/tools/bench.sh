#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Measure ratios and write docs/performance.md; with the names of parts, measure only those and print them.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(newest test)
use "$venv"
export PYTHONPATH=$tree PYTHONDONTWRITEBYTECODE=1
step "benchmarks" python "$here/tests/benchmarks/run.py" "$@"
