#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The lab's own tests, on three hosts.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(newest test)
use "$venv"
lab_packages
kernel_packages
step "base tree of the hosts" lab base
step "image of the hosts with a kernel of their own" lab base --kernel
step "lab tests" python -B -m pytest "$root/tests/lab" "$@"
