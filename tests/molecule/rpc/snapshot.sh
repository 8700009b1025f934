#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Write down what RPC ports could change on a host: the kernel's switches, and files with their modes and contents.
set -euo pipefail
{
  head /proc/sys/net/ipv4/ip_local_port_range /proc/sys/net/ipv4/ip_local_reserved_ports
  find /etc -xdev -printf '%p %m %u %g %l\n' | sort
  find /etc -xdev -type f -exec sha256sum {} + | sort
} > "$1"
