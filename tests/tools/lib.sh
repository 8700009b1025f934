# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# Sourced by the tools beside it: where things are, which Python to take, and how a step tells what it does.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/datapath-exchange
# What belongs to this checkout and no other; the collection must sit in a path that ends with its name.
work=$cache/checkout-$(printf %s "$root" | sha256sum | cut -c1-12)
tree=$work/tree
here=$tree/ansible_collections/datapath/exchange

fail() { printf '\n%s\n' "$*" >&2; exit 1; }

# step TITLE COMMAND...: a header, the command, how long it took. A quiet command still shows that it lives.
# After "collect", a failed step does not end the script; "verdict" does, at its end.
step() {
  local title=$1 started=$SECONDS status ticker
  shift
  printf '\n== %s\n' "$title"
  { while sleep 30; do printf '   ... %s: %d s\n' "$title" "$((SECONDS - started))"; done; } &
  ticker=$!
  # Not "|| status=$?": that would switch "set -e" off inside the command.
  set +e
  (set -e; "$@")
  status=$?
  set -e
  { kill "$ticker" && wait "$ticker"; } 2>/dev/null || true
  if [ "$status" -eq 0 ]; then
    printf '== %s: passed, %d s\n' "$title" "$((SECONDS - started))"
    return
  fi
  printf '== %s: failed with %d after %d s\n' "$title" "$status" "$((SECONDS - started))"
  [ -n "${collecting:-}" ] || exit "$status"
  failed_steps+=("$title")
}

collect() { collecting=yes failed_steps=(); }

verdict() {
  [ "${#failed_steps[@]}" -eq 0 ] || fail "failed: $(printf '%s; ' "${failed_steps[@]}")"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi
}

# packages NAME...: install the Debian packages that are missing.
packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query --show --showformat '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
  done
  [ "${#missing[@]}" -ne 0 ] || return 0
  command -v apt-get >/dev/null || fail "This needs ${missing[*]} and knows only Debian's apt-get: install them, then try again."
  echo "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update >/dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null
}

# find_python MINOR...: the first of these Python 3 versions that is here and works (a pyenv shim without a chosen version does not).
find_python() {
  local minor candidate
  for minor in "$@"; do
    for candidate in "$(command -v "python3.$minor" || true)" "/usr/bin/python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor."*/bin/python; do
      if [ -x "$candidate" ] && "$candidate" -c 'import ensurepip, venv, sys; sys.exit(sys.prefix != sys.base_prefix)' 2>/dev/null; then
        echo "$candidate"
        return
      fi
    done
  done
  return 1
}

# environment NAME PYTHON: the virtual environment of tests/requirements/NAME.txt, made when that file or the interpreter changes.
environment() {
  local name=$1 interpreter=$2 requirements=$root/tests/requirements key venv
  key=$({ "$interpreter" -VV; echo "$interpreter"; cat "$requirements/run.txt" "$requirements/$name.txt"; } | sha256sum | cut -c1-12)
  venv=$cache/venv/$name-$key
  mkdir -p "$cache/venv"
  # "set -e" is off wherever a caller tests the outcome, so each line says itself that the next one needs it.
  (
    flock 9 &&
      { [ ! -e "$venv/complete" ] || exit 0; } &&
      echo "making the Python environment $name with $("$interpreter" -V 2>&1)" >&2 &&
      rm -rf "$venv" &&
      "$interpreter" -m venv "$venv" &&
      "$venv/bin/python" -m pip install --quiet --quiet --disable-pip-version-check --requirement "$requirements/$name.txt" >&2 &&
      touch "$venv/complete"
  ) 9>"$cache/venv/$name.lock" || return
  echo "$venv"
}

newest() { # NAME: the environment with the newest ansible-core that this machine can have
  local interpreter
  interpreter=$(find_python 12 13 14 11) || fail "No Python 3.11 to 3.14 with venv is here: install python3-venv."
  environment "$1" "$interpreter"
}

oldest() {
  local interpreter
  interpreter=$(find_python 10 11 12) || fail "ansible-core 2.17 needs Python 3.10, 3.11 or 3.12, and none is here: install one, with pyenv for example."
  environment oldest "$interpreter"
}

# use VENV: what follows runs with its programs (Molecule and ansible-lint look for ansible-config on the PATH), apart from the user's own settings.
use() {
  export PATH=$1/bin:$PATH VIRTUAL_ENV=$1
  export ANSIBLE_HOME=$work/ansible ANSIBLE_CONFIG=$root/tests/tools/ansible.cfg ANSIBLE_COLLECTIONS_PATH=$tree ANSIBLE_NOCOLOR=1 NO_COLOR=1
  unset ANSIBLE_INVENTORY ANSIBLE_ROLES_PATH ANSIBLE_VAULT_PASSWORD_FILE
  mkdir -p "$(dirname "$here")" "$ANSIBLE_HOME"
  [ "$(readlink "$here" || true)" = "$root" ] || ln -sfn "$root" "$here"
}

# artefact: build the collection as a user would get it; prints the archive.
artefact() {
  local output=$work/artefact
  rm -rf "$output"
  ansible-galaxy collection build --force --output-path "$output" "$root" >&2
  echo "$output"/*.tar.gz
}

# install_artefact: build the collection and install it where ANSIBLE_COLLECTIONS_PATH says, as a user would.
install_artefact() {
  local archive
  archive=$(artefact)
  rm -rf "$ANSIBLE_COLLECTIONS_PATH"
  ansible-galaxy collection install --offline --force -p "$ANSIBLE_COLLECTIONS_PATH" "$archive"
}

# play NAME [OPTION...]: a playbook of the collection on the hosts of the lab.
play() { ansible-playbook "datapath.exchange.$1" --inventory "$DATAPATH_LAB_INVENTORY" --inventory "$DATAPATH_LAB_CONNECTION" "${@:2}"; }

# unchanged NAME: the same, and nothing may change.
unchanged() {
  play "$1" | tee "$work/recap"
  if grep -E 'changed=[1-9]' "$work/recap"; then
    echo "the second run of $1 changed something" >&2
    return 1
  fi
}

lab() { "$root/tests/lab/lab" "$@"; }

# with_lab NAME [INVENTORY]: take that lab, and end it when the script ends, however it ends.
with_lab() {
  export DATAPATH_LAB=$1 DATAPATH_LAB_INVENTORY=${2:-} DATAPATH_LAB_COMMAND=$root/tests/lab/lab
  DATAPATH_LAB_CONNECTION=$(lab path connection)
  # Hosts of all labs have the same names and addresses: a shared connection must not lead to those of another lab. Short, as sockets want it.
  ANSIBLE_SSH_CONTROL_PATH_DIR=$(mktemp -d "${TMPDIR:-/tmp}/lab-XXXXXX")
  export DATAPATH_LAB_CONNECTION ANSIBLE_SSH_CONTROL_PATH_DIR
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap end_lab EXIT
}

end_lab() {
  lab down
  rm -rf "$ANSIBLE_SSH_CONTROL_PATH_DIR"
}

lab_packages() {
  packages conntrack iproute2 mmdebstrap netcat-openbsd nftables openssh-client python3 python3-yaml systemd-container tcpdump util-linux zstd
}

# For hosts of the lab that have a kernel of their own.
kernel_packages() { packages e2fsprogs openssl qemu-system-x86; }
