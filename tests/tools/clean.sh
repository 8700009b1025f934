#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# End the labs of the tools and delete what belongs to this checkout. Environments and base trees stay: other checkouts use them too.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

for name in demo mol old self; do
  [ ! -d "${XDG_STATE_HOME:-$HOME/.local/state}/datapath-exchange/lab/$name" ] || DATAPATH_LAB=$name lab down
done
rm -rf "$work" "$root"/tests/output "$root"/.ansible "$root"/.cache "$root"/.hypothesis "$root"/.mypy_cache "$root"/.pytest_cache "$root"/.ruff_cache
find "$root" -name __pycache__ -not -path '*/.git/*' -prune -exec rm -rf {} +
