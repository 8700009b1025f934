#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The main playbooks with the oldest ansible-core, from the built artefact, on some hosts of the lab's organisation.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(oldest)
use "$venv"
lab_packages
export ANSIBLE_COLLECTIONS_PATH=$work/oldest/collections

step "install the collection" install_artefact
step "base tree of the hosts" lab base
with_lab old "$root/tests/molecule/default/inventory.yml"
step "boot" lab up --fresh --inventory "$DATAPATH_LAB_INVENTORY"
step "rehearse, $(ansible-test --version)" play site --check --diff
step "close every host" play site
step "do it again: nothing may change" unchanged site
step "prove it" play verify
step "take it away" play remove
