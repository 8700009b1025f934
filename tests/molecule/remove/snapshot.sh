#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Write down what a firewall could change on a host: rules, units, and files with their modes and contents.
set -euo pipefail
{
  nft --stateless list ruleset
  systemctl list-unit-files --no-legend --no-pager
  systemctl list-units --all --plain --no-legend --no-pager 'datapath*'
  find /etc /usr/local /var/lib -xdev -printf '%p %m %u %g %l\n' | sort
  find /etc /usr/local -xdev -type f -exec sha256sum {} + | sort
  find /run -maxdepth 2 -name '*datapath*'
} > "$1"
