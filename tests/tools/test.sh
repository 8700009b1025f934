#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything, in the order in which it tells soonest. Every part runs even if one before it failed, and the end says which failed.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

"$root/tests/tools/setup.sh"
passed=0
failed=()
for part in lint unit oracle golden sanity importer windows lab molecule oldest; do
  printf '\n######## %s\n' "$part"
  arguments=()
  [ "$part" != golden ] || arguments=(--check)
  if "$root/tests/tools/$part.sh" "${arguments[@]}"; then passed=$((passed + 1)); else failed+=("$part"); fi
done
printf '\n%d s' "$SECONDS"
[ "${#failed[@]}" -eq 0 ] || printf ', failed: %s' "${failed[*]}"
printf '\n%d passed, %d failed\n' "$passed" "${#failed[@]}"
[ "${#failed[@]}" -eq 0 ]
