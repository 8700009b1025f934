#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Install what lint, tests, lab and demo need: Debian packages and the Python environments. Running it again costs a second.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

step "Debian packages of the lab" lab_packages
step "Debian packages of the hosts with a kernel of their own" kernel_packages
step "Debian packages of the tests" packages git python3-venv shellcheck
step "Python environment with the newest ansible-core" newest test
step "Python environment with the oldest ansible-core" oldest
