#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Unit tests on the newest and on the oldest ansible-core. Arguments go to pytest: tests/tools/unit.sh -k nftables
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

suite() { # TITLE VENV ARGUMENTS...
  local title=$1 venv=$2
  shift 2
  (
    use "$venv"
    cd "$here"
    export PYTHONPATH=$tree PYTHONDONTWRITEBYTECODE=1
    step "$title, $("$venv/bin/ansible-test" --version)" "$venv/bin/python" -m pytest -n 2 tests/unit "$@"
  )
}

# On a machine that systemd runs, its installation would start a daemon for keys: there the tests that need it are skipped.
[ -x /usr/sbin/charon-systemd ] || [ -d /run/systemd/system ] || packages charon-systemd libstrongswan-standard-plugins strongswan-swanctl
packages openssl
modern=$(newest test)
ancient=$(oldest)
suite "unit tests" "$modern" "$@"
# The pure core and what concerns Windows alone have no line of ansible-core in them, and take most of the time; "oldest" runs the core as a whole.
pure=(tests/unit/windows_double)
for name in _plan _reference _render _report _windows; do pure+=("tests/unit/plugins/plugin_utils/$name"); done
suite "unit tests" "$ancient" "${pure[@]/#/--ignore=}" "$@"
