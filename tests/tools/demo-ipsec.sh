#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# One path between two virtual machines that this script boots: on the wire in clear before, in ESP after, and nothing when IPsec fails.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

started=$SECONDS
scenario=$root/tests/molecule/ipsec
wire="host 10.77.1.41 and host 10.77.1.42 and (esp or tcp port 445)"

prepare() {
  "$scenario/files/pki.sh" "$MOLECULE_EPHEMERAL_DIRECTORY/pki"
  ansible-playbook "$scenario/prepare.yml" --inventory "$DATAPATH_LAB_INVENTORY" --inventory "$DATAPATH_LAB_CONNECTION"
}

# see WHAT: six lines of what mbx1 and mbx2 say to each other, with what can be read in them, which has to be WHAT.
see() {
  lab run --in mbx1 -- timeout 60 tcpdump --immediate-mode -lnAi eth0 -c 6 "$wire" 2> /dev/null | tr -cd '\11\12\40-\176' | cut -c 1-120 > "$work/seen"
  grep -v "^$" "$work/seen" | head -n 14
  if [ "$1" = clear ]; then
    grep -q datapath-canary-in-clear "$work/seen"
  else
    ! grep -q 'datapath-canary-in-clear\|[.]445' "$work/seen" && grep -q 'ESP(spi=' "$work/seen"
  fi
}

broken() {
  ssh -F "$(lab path ssh_config)" mbx2 'sudo systemctl stop strongswan; sudo ip xfrm state flush; sudo ip xfrm policy flush'
  lab run --in mbx1 -- timeout 20 tcpdump --immediate-mode -lnAi eth0 "$wire and not esp" 2> /dev/null > "$work/seen" || [ "$?" -eq 124 ]
  # tcpdump that is ended writes an empty line.
  if grep . "$work/seen"; then return 1; fi
  ssh -F "$(lab path ssh_config)" mbx2 'sudo nft list table inet datapath' | grep 'packets [1-9].* drop comment "ipsec"'
}

reach() {
  cat <<TEXT

Both stay up. To look around:
  export DATAPATH_LAB=$DATAPATH_LAB
  ssh -F $(lab path ssh_config) mbx1 sudo swanctl --list-sas
  tests/lab/lab run --in mbx1 -- tcpdump -ni eth0
To end it:
  DATAPATH_LAB=$DATAPATH_LAB tests/lab/lab down
TEXT
}

step "Debian packages" lab_packages
packages python3-venv
kernel_packages
step "Python environment" newest run
use "$(newest run)"
export ANSIBLE_COLLECTIONS_PATH=$work/demo/collections MOLECULE_EPHEMERAL_DIRECTORY=$work/demo/ipsec
rm -rf "$MOLECULE_EPHEMERAL_DIRECTORY"
mkdir -p "$MOLECULE_EPHEMERAL_DIRECTORY"

with_lab "${DATAPATH_LAB:-ipsec}" "$scenario/inventory.yml"
step "build and install the collection" install_artefact
step "image of the hosts with a kernel of their own" lab base --kernel
step "boot them" lab up --fresh --inventory "$DATAPATH_LAB_INVENTORY"
step "let them talk" prepare
step "before: log shipping on the wire, which everybody can read" see clear
step "require IPsec: ansible-playbook datapath.exchange.site" play site
step "after: the same on the wire" see protected
step "prove it: ansible-playbook datapath.exchange.verify" play verify
step "break it: nothing passes, and nothing is said in clear" broken
if [ -n "${KEEP:-}" ]; then
  trap - EXIT
  reach
fi
printf '\nDone in %d s.\n' "$((SECONDS - started))"
