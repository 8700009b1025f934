#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What Galaxy runs on an upload, on the built artefact.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(newest test)
use "$venv"
archive=$(artefact)
mkdir -p "$work/importer"
cd "$work/importer" # it writes its result here
export GALAXY_IMPORTER_CONFIG=$root/tests/tools/galaxy-importer.cfg

import_collection() {
  python -m galaxy_importer.main "$archive" 2>&1 | tee log
  # It ends well also when its linter complains, so its own words count.
  ! grep -E '^(WARNING|ERROR)' log
}

step "galaxy-importer" import_collection
