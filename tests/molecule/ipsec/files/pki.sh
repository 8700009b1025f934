#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Authorities and certificates for two mailbox servers that end with the lab: pki.sh FOLDER
set -euo pipefail
mkdir -p "$1"
cd "$1"
[ ! -e foreign.pem ] || exit 0
for name in root other; do
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$name.key" -out "$name.pem" -subj "/CN=Lab $name" -days 2 2> /dev/null
done
cat > ca.cnf << 'END'
[ca]
default_ca = lab
[lab]
database = index
rand_serial = yes
policy = any
new_certs_dir = .
unique_subject = no
default_md = sha256
[any]
commonName = supplied
END
: > index
issue() { # AUTHORITY, NAME, FILE, END
  openssl req -newkey rsa:2048 -nodes -keyout "$3.key" -out request -subj "/CN=$2" 2> /dev/null
  openssl ca -batch -notext -config ca.cnf -cert "$1.pem" -keyfile "$1.key" -in request -out "$3.pem" -startdate 20200101000000Z -enddate "$4" 2> /dev/null
}
later=$(date -u -d '+2 days' +%Y%m%d%H%M%SZ)
issue root mbx1 mbx1 "$later"
issue root mbx2 mbx2 "$later"
# With keys of their own: a key whose good certificate a peer remembers would prove who it is, whatever comes with it.
issue root mbx2 expired 20210101000000Z
issue other mbx2 foreign "$later"
rm -f -- request index* ca.cnf [0-9A-F][0-9A-F]*.pem
