#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The whole story on this machine: build the collection, install it as a user would, close a mail organisation, prove it, clean up.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

started=$SECONDS

reach() {
  cat <<TEXT

The organisation stays up. To look around:
  export DATAPATH_LAB=$DATAPATH_LAB ANSIBLE_CONFIG=$ANSIBLE_CONFIG ANSIBLE_COLLECTIONS_PATH=$ANSIBLE_COLLECTIONS_PATH
  export PATH=$VIRTUAL_ENV/bin:\$PATH
  ssh -F $ssh_config mbx1 sudo nft list table inet datapath
  ansible-playbook datapath.exchange.verify -i $DATAPATH_LAB_INVENTORY -i $DATAPATH_LAB_CONNECTION
  tests/lab/lab run --in mbx1 -- tcpdump -ni eth0
To end it:
  DATAPATH_LAB=$DATAPATH_LAB tests/lab/lab down
TEXT
}

step "Debian packages" lab_packages
packages python3-venv
step "Python environment" newest run
venv=$(newest run)
use "$venv"
export ANSIBLE_COLLECTIONS_PATH=$work/demo/collections

with_lab "${DATAPATH_LAB:-demo}" "$root/tests/golden/lab/inventory.yml"
step "build and install the collection" install_artefact
step "boot the organisation" lab up --fresh --inventory "$DATAPATH_LAB_INVENTORY"
ssh_config=$(lab path ssh_config)
step "close every host: ansible-playbook datapath.exchange.site" play site
step "do it again: nothing may change" unchanged site
step "prove it: ansible-playbook datapath.exchange.verify" play verify
if [ -n "${KEEP:-}" ]; then
  trap - EXIT
  reach
fi
printf '\nDone in %d s.\n' "$((SECONDS - started))"
