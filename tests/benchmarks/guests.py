# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What IPsec costs on two guests with kernels of their own: to load connections, and to send through them.

The processors of the guests are emulated where the machine has no KVM, so only what is compared on the same guests in the same run means anything.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.compile import compile_plan
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import nftables, swanctl
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._topology import Inventory

LAB = Path(__file__).resolve().parents[1] / "lab" / "lab"
ADDRESSES = {"mbx1": "10.77.1.41", "mbx2": "10.77.1.42"}
CONTROLLER = "10.77.0.10"
"""Where the lab has the controller, which the rules must go on to let in."""
KEY = "only-for-this-benchmark"
PORT = 445
MEGABYTES = 4
SETTINGS = "/etc/swanctl/conf.d/datapath.conf"
OTHERS = Path("/etc/swanctl/conf.d")

SERVE = """
import socket
listener = socket.create_server(("0.0.0.0", {port}))
while True:
    connection, _peer = listener.accept()
    with connection:
        while connection.recv(1 << 20):
            pass
"""
SEND = """
import socket, time
block = bytes(1 << 20)
with socket.create_connection(("{server}", {port}), 60) as connection:
    connection.sendall(block)
    start = time.monotonic()
    for _ in range({megabytes}):
        connection.sendall(block)
    connection.shutdown(socket.SHUT_WR)
    connection.recv(1)
    print(time.monotonic() - start)
"""
TIMED = """
start=$(date +%s.%N)
swanctl --load-all --noprompt > /dev/null
end=$(date +%s.%N)
swanctl --list-conns | grep -c '^datapath-' || true
echo "$start $end"
"""


def partners(count: int) -> tuple[Inventory, IpsecOptions]:
    """A mailbox server with so many others that it ships logs to."""
    names = [f"mbx{number}" for number in range(3, count + 2)]
    hosts: dict[str, dict[str, Any]] = {
        **{name: {"datapath_addresses": [address]} for name, address in ADDRESSES.items()},
        **{name: {"datapath_addresses": [f"10.78.{number // 200}.{number % 200 + 1}"]} for number, name in enumerate(names)},
    }
    for host in hosts.values():
        host.update(datapath_ipsec="required", datapath_peers={"config_controller": [CONTROLLER]})
    hosts["mbx1"]["datapath_scr_targets"] = ["mbx2", *names]
    return Inventory(hosts, {"mailbox": list(hosts)}), IpsecOptions("psk", "", "current", None, "required")


def settings(count: int, host: str = "mbx1") -> str:
    """The text for strongSwan, with the key in it."""
    inventory, options = partners(count)
    return swanctl.fill(swanctl.render(compile_plan(inventory, {}).host(host), options).text, KEY)


class Guests:
    """Two mailbox servers. A context manager: they end with it."""

    def __init__(self, work: Path) -> None:
        self.inventory = work / "guests.json"
        hosts = {name: {"ansible_host": address, "datapath_addresses": [address], "lab_kernel": True} for name, address in ADDRESSES.items()}
        self.inventory.write_text(json.dumps({"all": {"children": {"mailbox": {"hosts": hosts}}}}), encoding="utf-8")
        self.environment = {**os.environ, "DATAPATH_LAB": "bench"}

    def __enter__(self) -> Guests:
        self._lab("base", "--kernel")
        self._lab("up", "--fresh", "--inventory", str(self.inventory))
        self.ssh = ["ssh", "-F", self._lab("path", "ssh_config").strip()]
        return self

    def __exit__(self, *_exc: object) -> None:
        self._lab("down")

    def _lab(self, *words: str) -> str:
        return subprocess.run([str(LAB), *words], check=True, capture_output=True, text=True, env=self.environment).stdout

    def run(self, host: str, script: str, text: str = "") -> str:
        """What a script of the shell says, which has the text as its input; SystemExit when it fails."""
        command = [*self.ssh, host, f"sudo sh -c 'script=$(head -c {len(script.encode())}); eval \"$script\"'"]
        done = subprocess.run(command, input=script + text, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"on {host}: {script}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return done.stdout

    # -- connections ----------------------------------------------------------------------------------------------------

    def load(self, count: int, times: int = 3) -> float:
        """Seconds that one load of so many connections takes where none were before."""
        text = settings(count)
        self.run("mbx1", "systemctl start strongswan; mkdir -p /etc/swanctl/conf.d")
        return statistics.median(self._loaded(text, count) for _ in range(times))

    def _loaded(self, text: str, count: int) -> float:
        self.run("mbx1", f"rm -f {SETTINGS}; swanctl --load-all --noprompt > /dev/null")
        self.run("mbx1", f"cat > {SETTINGS}", text)
        loaded, times = self.run("mbx1", TIMED).splitlines()
        if int(loaded) != count:
            raise SystemExit(f"{loaded} connections are loaded instead of {count}")
        start, end = map(float, times.split())
        return end - start

    def load_each(self, count: int) -> float:
        """Seconds that it takes when each connection is written and loaded by itself, as a task for each would do."""
        self.run("mbx1", f"rm -f {SETTINGS}; swanctl --load-all --noprompt > /dev/null")
        total = 0.0
        whole = settings(count)
        head, rest = whole.split("\nconnections {\n")
        body, tail = rest.split("\n}\nsecrets {")
        each = ["    datapath-" + part for part in body.split("    datapath-") if part]
        # A name of a connection is four blanks deep, and so begins each part.
        self.run("mbx1", f"cat > {SETTINGS}", f"{head}\nsecrets {{{tail}")
        for number, part in enumerate(each):
            self.run("mbx1", f"cat > {OTHERS}/each-{number}.conf", f"connections {{\n{part.rstrip()}\n}}\n")
            start, end = map(float, self.run("mbx1", TIMED).splitlines()[1].split())
            total += end - start
        self.run("mbx1", f"rm -f {OTHERS}/each-*.conf {SETTINGS}; swanctl --load-all --noprompt > /dev/null")
        return total

    # -- bytes ----------------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Have mbx2 take whatever comes."""
        self.run("mbx2", "cat > /root/serve.py", SERVE.format(port=PORT))
        self.run("mbx1", "cat > /root/send.py", SEND.format(server=ADDRESSES["mbx2"], port=PORT, megabytes=MEGABYTES))
        self.run("mbx2", "systemd-run --quiet --unit=serve python3 /root/serve.py")

    def send(self) -> float:
        """Seconds for the same bytes each time."""
        return float(self.run("mbx1", "python3 /root/send.py"))

    def protect(self, *, rules: bool) -> None:
        """IPsec between the two, with our rules on both or without."""
        inventory, _options = partners(1)
        for host in ADDRESSES:
            self.run(host, f"mkdir -p /etc/swanctl/conf.d; cat > {SETTINGS}", settings(1, host))
            self.run(host, "systemctl start strongswan; swanctl --load-all --noprompt > /dev/null")
            if rules:
                self.run(host, "nft -f -", nftables.render(compile_plan(inventory, {}).host(host)))
            else:
                self.run(host, "nft delete table inet datapath 2> /dev/null || true")

    def expose(self) -> None:
        """Neither IPsec nor rules."""
        for host in ADDRESSES:
            self.run(host, f"nft delete table inet datapath 2> /dev/null; rm -f {SETTINGS}; swanctl --load-all --noprompt > /dev/null; "
                           "swanctl --terminate --force --timeout 1 --ike datapath-* > /dev/null 2>&1; systemctl stop strongswan")
