#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What is on the wires of a server of the lab: capture.sh start HOST FILE FILTER..., capture.sh stop FILE
# The file is text, with the payload of each packet.
set -euo pipefail
lab=$DATAPATH_LAB_COMMAND
if [ "$1" = start ]; then
  host=$2 file=$3
  shift 3
  for wire in eth0 eth1; do
    # shellcheck disable=SC2016 # the shell in the lab expands it
    nohup "$lab" run --in "$host" -- sh -c 'echo $$ > "$0.pid"; exec tcpdump --immediate-mode -lnAi "$1" "$2" > "$0"' "$file.$wire" "$wire" "$*" \
      > "$file.$wire.log" 2>&1 &
  done
  for wire in eth0 eth1; do
    for _ in $(seq 100); do
      ! grep -q 'listening on' "$file.$wire.log" || break
      sleep 0.1
    done
    grep -q 'listening on' "$file.$wire.log"
  done
else
  for wire in eth0 eth1; do
    # shellcheck disable=SC2016
    "$lab" run -- sh -c 'kill "$(cat "$0.pid")"' "$2.$wire"
  done
  sleep 1
  cat "$2.eth0" "$2.eth1"
fi
