#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Scenarios on hosts of the lab. Arguments are scenario names: tests/tools/molecule.sh lockout reboot
# "MOLECULE=converge tests/tools/molecule.sh default" keeps the hosts up after that step; "tests/lab/lab down" of lab "mol" ends them.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(newest test)
use "$venv"
lab_packages
step "base tree of the hosts" lab base
command=${MOLECULE:-test}
with_lab mol
[ "$command" = test ] || trap - EXIT
export MOLECULE_GLOB='tests/molecule/*/molecule.yml' DATAPATH_WINDOWS=$work/windows
cd "$here"

scenarios=("$@")
[ "${#scenarios[@]}" -ne 0 ] || scenarios=(default alternative multi_role coexistence reboot lockout remove windows rpc ipsec)
if (cd tests/molecule && grep -qs "lab_kernel: true" "${scenarios[@]/%//inventory.yml}"); then
  kernel_packages
  step "image of the hosts with a kernel of their own" lab base --kernel
fi
if (cd tests/molecule && grep -qs "lab_packages: samba" "${scenarios[@]/%//inventory.yml}"); then
  step "tree of the hosts that have Samba" lab base --packages samba
fi
collect
for scenario in "${scenarios[@]}"; do
  # A run that was killed leaves word that its hosts are up.
  [ "$command" != test ] || molecule --base-config "$root/.config/molecule/config.yml" reset --scenario-name "$scenario" >/dev/null 2>&1
  step "molecule $scenario" molecule --base-config "$root/.config/molecule/config.yml" "$command" --scenario-name "$scenario"
done
verdict
