#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Windows hosts as they are played here: the double with the newest and the oldest ansible-core, then Wine's cmd.exe and registry. Arguments go to pytest.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

sshd() {
  [ -x /usr/sbin/sshd ] && return
  # Nobody who tests a collection wants port 22 open for it.
  [ ! -d /run/systemd/system ] || fail "This needs openssh-server, whose installation would start it: install it, \"systemctl disable --now ssh\", then try again."
  packages openssh-server
}

suite() { # VENV FILE ARGUMENTS...
  local file=$2
  use "$1"
  shift 2
  cd "$here"
  export PYTHONPATH=$tree PYTHONDONTWRITEBYTECODE=1
  python -m pytest "tests/windows/$file" "$@"
}

modern=$(newest test)
ancient=$(oldest)
step "Debian packages of the Windows hosts" packages mmdebstrap openssh-client util-linux
step "sshd of the Windows hosts" sshd
collect
# Half of the time they wait, so there are more of them than processors.
for file in test_endpoints.py test_double_plays.py test_site.py; do
  step "$file, $("$modern/bin/ansible-test" --version)" suite "$modern" "$file" -n 3 "$@"
  step "$file, $("$ancient/bin/ansible-test" --version)" suite "$ancient" "$file" -n 3 "$@"
done
step "test_wine.py, $("$modern/bin/ansible-test" --version)" suite "$modern" test_wine.py "$@"
verdict
