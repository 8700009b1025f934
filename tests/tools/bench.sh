#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Ratios of one run, written to docs/performance.md: about half an hour on two cores. With names of parts, only those, printed.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

packages nftables iptables iproute2 util-linux
venv=$(newest test)
use "$venv"
[ "$(id -u)" -eq 0 ] || fail "make bench makes network namespaces: run it as root."
export PYTHONPATH=$tree PYTHONDONTWRITEBYTECODE=1
step "benchmarks" python "$root/tests/benchmarks/run.py" "$@"
