# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a daemon of strongSwan of its own, on the machine's real kernel, for whatever needs no ESP of that kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import typing as t
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _programs
from ansible_collections.datapath.exchange.tests.unit.plugins.modules import firewall_host

OWN, PEER, OTHER = "192.0.2.1", "192.0.2.2", "192.0.2.3"
OWN6, PEER6 = "2001:db8::1", "2001:db8::2"
PSK = "canary-7c1e-canary"
NETWORK = f"""\
ip link add near type veth peer name far
ip link set near up
ip link set far up
ip address add {OWN}/24 dev near
ip address add {OWN6}/64 dev near nodad
"""
# Everything but the one thing that the machine's kernel may lack.
WITH_ESP = "from ansible_collections.datapath.exchange.plugins.module_utils import _xfrm\n_xfrm.esp_missing = lambda *families, **wanted: ''\n"


def skip_reason() -> str:
    """Why there can be no such host here; empty when there can."""
    missing = [tool for tool in ("swanctl", "charon-systemd") if not shutil.which(tool, path=_programs.SEARCH_PATH)]
    return firewall_host.skip_reason() or (f"not installed: {', '.join(missing)}" if missing else "")


class Host(firewall_host.Host):
    """A host whose daemon can be started and killed. Its /etc/swanctl is that of the machine, without what others keep in it."""

    def __init__(self, scratch: Path) -> None:
        super().__init__(scratch)
        self.daemon: subprocess.Popen[bytes] | None = None
        done = self.run("/bin/sh", "-ec", NETWORK)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        enter = ["nsenter", "--target", str(self.holder.pid), "--net", "--mount", "--", "charon-systemd"]
        self.daemon = subprocess.Popen(enter, env={"PATH": _programs.SEARCH_PATH}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert self.eventually(lambda: self.run("swanctl", "--stats").returncode == 0)

    def kill(self) -> None:
        """As a crash would: its policies stay in the kernel."""
        assert self.daemon
        self.daemon.kill()
        self.daemon.wait()
        self.run("rm", "-f", "/run/charon.vici")

    def close(self) -> None:
        if self.daemon and self.daemon.poll() is None:
            self.daemon.terminate()
            self.daemon.wait(10)
        super().close()

    def with_esp(self, name: str, arguments: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """Run a module as on a kernel with ESP."""
        done = self.run(sys.executable, "-c", WITH_ESP + firewall_host.RUN_MODULE, name, text=json.dumps(arguments))
        assert done.stdout.strip().startswith("{"), done.stderr
        result: dict[str, t.Any] = json.loads(done.stdout)
        return result

    def ipsec(self, desired: t.Mapping[str, t.Any], **arguments: t.Any) -> dict[str, t.Any]:
        return self.with_esp("ipsec", {"state": "required", "desired": desired, "_ansible_diff": True, **arguments})

    def confirm(self, token: str) -> dict[str, t.Any]:
        return self.with_esp("ipsec", {"phase": "confirm", "token": token})

    def info(self, desired: t.Mapping[str, t.Any] | None = None, **arguments: t.Any) -> dict[str, t.Any]:
        return self.with_esp("ipsec_info", {**({} if desired is None else {"desired": desired}), **arguments})

    def policies(self) -> str:
        """Those that are not of sockets."""
        blocks = self.run("ip", "-o", "xfrm", "policy").stdout.splitlines()
        return "\n".join(line for line in blocks if "socket" not in line)

    def swanctl(self, name: str) -> Path:
        return self.path(Path("/etc/swanctl") / name)

    def ours(self) -> dict[str, tuple[int, str]]:
        """Mode and text of each of our files below /etc/swanctl."""
        found = [path for path in self.swanctl("").rglob("datapath*") if path.is_file()]
        return {str(path.relative_to(self.swanctl(""))): (path.stat().st_mode & 0o7777, path.read_text()) for path in found}

    def outlived(self, process: int, seconds: float = 10) -> bool:
        """Whether a process still runs after that time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and Path(f"/proc/{process}").exists():
            time.sleep(0.1)
        return Path(f"/proc/{process}").exists() and os.getpgid(process) > 0


def selector(address: str, protocol: int, ports: tuple[int, int]) -> str:
    width = 128 if ":" in address else 32
    if not protocol:
        return f"{address}/{width}"
    low, high = ports
    return f"{address}/{width}[{protocol}{'' if ports == (0, 65535) else f'/{low}' if low == high else f'/{low}-{high}'}]"


def child(name: str, ends: tuple[str, str] = (OWN, PEER), protocol: int = 0, near: tuple[int, int] = (0, 65535), far: tuple[int, int] = (0, 65535),
          mode: str = "transport", start: str = "trap") -> dict[str, t.Any]:
    return {"name": name, "mode": mode, "start": start, "local": [ends[0], protocol, *near], "remote": [ends[1], protocol, *far]}


def connection(*children: dict[str, t.Any], ends: tuple[str, str] = (OWN, PEER), auth: str = "psk", version: int = 2) -> dict[str, t.Any]:
    name = "datapath-" + "-to-".join(ends).replace(".", "-").replace(":", "-")
    return {"name": name, "version": version, "local": ends[0], "remote": ends[1], "auth": auth, "children": list(children)}


def settings(connections: t.Sequence[t.Mapping[str, t.Any]]) -> str:
    """The same as strongSwan reads it, one setting in each line."""
    lines = ["connections {"]
    for each in connections:
        lines += [f"  {each['name']} {{", f"    version = {each['version']}", f"    local_addrs = {each['local']}", f"    remote_addrs = {each['remote']}"]
        lines += ["    keyingtries = 1", "    proposals = aes256-sha256-modp2048"]
        lines += ["    local {", f"      auth = {each['auth']}", *(["      certs = datapath.pem"] if each["auth"] == "pubkey" else []), "    }"]
        lines += ["    remote {", f"      auth = {each['auth']}", *(["      cacerts = datapath.pem"] if each["auth"] == "pubkey" else []), "    }"]
        lines += ["    children {"]
        for one in each["children"]:
            (near, protocol, *near_ports), (far, _same, *far_ports) = one["local"], one["remote"]
            lines += [f"      {one['name']} {{", f"        mode = {one['mode']}", f"        local_ts = {selector(near, protocol, tuple(near_ports))}"]
            lines += [f"        remote_ts = {selector(far, protocol, tuple(far_ports))}", f"        start_action = {one['start']}", "      }"]
        lines += ["    }", "  }"]
    return "\n".join((*lines, "}", ""))


def desired(*connections: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    secrets = {"secrets": f"secrets {{\n  ike-datapath {{\n    id-1 = {OWN}\n    id-2 = {PEER}\n    secret = {PSK}\n  }}\n}}\n"}
    return {"text": settings(connections), "connections": list(connections), **secrets, **more}
