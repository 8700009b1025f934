#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# unconfirmed.sh cut|kill HOST: change the rules of a host in a way that cannot be confirmed, and see the host take it back by itself.
#   cut   the host takes no new connection once the rules are loaded; Ansible finds out
#   kill  the same, and Ansible is killed before it finds out
set -euo pipefail
how=$1 host=$2
scratch=$(mktemp -d)
export ANSIBLE_TIMEOUT=10 # for the connection that cannot be
export ANSIBLE_SSH_CONTROL_PATH_DIR=$scratch/cp # no connection of earlier runs

lab() { "$DATAPATH_LAB_COMMAND" run --in "$host" -- "$@"; }
rules() { lab nft --stateless list table inet datapath 2>/dev/null || echo "no rules"; }
fail() { echo "$*" >&2; [ ! -e "$scratch/log" ] || cat "$scratch/log" >&2; exit 1; }

finish() {
  lab nft delete table inet cut 2>/dev/null || true
  rm -rf "$scratch"
}
trap finish EXIT

# A connection of an earlier run that still tries to get in would take the place of the one below.
"$DATAPATH_LAB_COMMAND" hangup

# The first new connection gets in, no other does for an hour; what is established goes on.
lab nft -f - <<'RULES'
table inet cut {
	chain input {
		type filter hook input priority filter - 50; policy accept;
		tcp dport 22 ct state new limit rate 1/hour burst 1 packets accept
		tcp dport 22 ct state new drop
	}
}
RULES

before=$(rules)
setsid ansible-playbook datapath.exchange.site --limit "$host" \
  --inventory "$MOLECULE_SCENARIO_DIRECTORY/inventory.yml" --inventory "$DATAPATH_LAB_CONNECTION" \
  --extra-vars datapath_scope=supported --extra-vars datapath_rollback_timeout=10 >"$scratch/log" 2>&1 &
controller=$!

deadline=$((SECONDS + 60))
until [ "$(rules)" != "$before" ]; do
  kill -0 "$controller" 2>/dev/null || fail "the run ended and the rules never changed"
  [ "$SECONDS" -lt "$deadline" ] || fail "the rules did not change within a minute"
  sleep 0.1
done

if [ "$how" = kill ]; then
  kill -KILL -- "-$controller"
  wait "$controller" || true
elif wait "$controller"; then
  fail "the run claims success though no new connection was possible"
elif ! grep -q 'was not confirmed' "$scratch/log"; then
  fail "the run failed for another reason"
fi

deadline=$((SECONDS + 40))
until [ "$(rules)" = "$before" ]; do
  [ "$SECONDS" -lt "$deadline" ] || fail "the host did not go back to its earlier rules: $(diff <(echo "$before") <(rules))"
  sleep 0.5
done

lab nft delete table inet cut
ansible "$host" --inventory "$MOLECULE_SCENARIO_DIRECTORY/inventory.yml" --inventory "$DATAPATH_LAB_CONNECTION" \
  --module-name ansible.builtin.ping >"$scratch/log" 2>&1 || fail "the host has its rules back and takes no login"
