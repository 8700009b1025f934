#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity on the built artefact, unpacked where ansible-test wants a collection: a real path, under git.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

unpacked=$work/sanity/ansible_collections/datapath/exchange
home=$work/home

unpack() {
  rm -rf "$work/sanity"
  mkdir -p "$unpacked"
  tar -C "$unpacked" -xzf "$1"
  git -C "$unpacked" init --quiet
  git -C "$unpacked" add --all
}

# ansible-test makes environments of its own and downloads the script that puts pip into them. A stand-in under each name that the supported
# releases look for does the same from the interpreter's own wheels. In a home apart: the user's cache stays as it is.
prepare_home() {
  local release
  mkdir -p "$home/.ansible/test/cache" "$home/.config"
  for release in 23_1_2 24_2 25_2; do # ansible-core 2.17; 2.18 and 2.19; 2.20 and 2.21
    cp "$root/tests/tools/get_pip.py" "$home/.ansible/test/cache/get_pip_$release.py"
  done
  # pip's own settings, so the package index, still count.
  ln -sfn "${XDG_CONFIG_HOME:-$HOME/.config}/pip" "$home/.config/pip"
}

sanity() { # VENV
  local venv=$1 version
  version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  cd "$unpacked"
  env --unset=ANSIBLE_HOME --unset=ANSIBLE_CONFIG HOME="$home" "$venv/bin/ansible-test" sanity --local --python "$version" --color no "${@:2}"
}

modern=$(newest test)
ancient=$(oldest)
use "$modern"
archive=$(artefact)
unpack "$archive"
prepare_home
collect
step "sanity, $(ansible-test --version)" sanity "$modern" "$@"
use "$ancient"
step "sanity, $(ansible-test --version)" sanity "$ancient" "$@"
verdict
