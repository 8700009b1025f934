# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user asks of the lab: up, down, status, leaks. One lock per lab, so that two calls never work on it at once."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import base
import cgroups
import guest
import kernel
import network
from organisation import Host
from settings import LabError, Settings

_SSH = """\
Host *
  User ansible
  IdentityFile {state}/key
  IdentitiesOnly yes
  UserKnownHostsFile {state}/known_hosts
  StrictHostKeyChecking yes
  LogLevel ERROR
  ProxyCommand {proxy}
  # A host that vanished must not hold a test for ever.
  ConnectTimeout 30
  ServerAliveInterval 5
  ServerAliveCountMax 6
"""

_CONNECTION = """\
---
# Written by the lab: how to reach its hosts. Give it to Ansible as a second inventory.
all:
  vars:
    ansible_user: ansible
    ansible_become: true
    ansible_python_interpreter: /usr/bin/python3
    ansible_ssh_common_args: -F {ssh_config}
"""


def up(settings: Settings, hosts: t.Sequence[Host], say: t.Callable[[str], None], *, fresh: bool = False) -> None:
    """Boot the hosts and wait until each takes a login; a lab that already runs just so is left alone unless ``fresh``."""
    started = time.monotonic()
    trees = _trees(settings, hosts, say)
    with base.locked(_lock(settings)):
        if not fresh and _described(settings) == _description(hosts, trees) and not _silent(settings, hosts, seconds=1):
            say(f"{len(hosts)} hosts of lab {settings.name} are already up")
            return
        _clear(settings)
        _prepare(settings, hosts)
        with base.locked(settings.cache / "netns.lock"):  # the first "ip netns add" of a machine mounts /run/netns
            network.lay(settings, hosts)
        keepers = {host.name: guest.start(settings, host, trees[host.kernel, host.packages]) for host in hosts}
        _expect(settings, hosts, keepers, seconds=300 if any(host.kernel for host in hosts) else 120)
        (settings.state / "description.json").write_text(_description(hosts, trees))
    say(f"{len(hosts)} hosts of lab {settings.name} are up after {time.monotonic() - started:.1f} s")


def _trees(settings: Settings, hosts: t.Sequence[Host], say: t.Callable[[str], None]) -> dict[tuple[bool, str], Path]:
    """Give what the hosts boot from, by whether they have a kernel of their own and by what is installed beyond what all have."""
    kinds = sorted({(host.kernel, host.packages) for host in hosts})
    return {(own, added): kernel.ensure(settings, say) if own else base.ensure(settings, say, added) for own, added in kinds}


def _expect(settings: Settings, hosts: t.Sequence[Host], keepers: t.Mapping[str, subprocess.Popen[bytes]], seconds: float) -> None:
    """Wait until every host takes a login; raises LabError when one takes too long, and at once when its keeper has ended."""
    deadline = time.monotonic() + seconds
    while silent := _silent(settings, hosts, seconds=3):
        lost = [name for name in silent if keepers[name].poll() is not None]
        if lost or time.monotonic() > deadline:
            name = (lost or silent)[0]
            raise LabError(f"no login on {', '.join(lost or silent)}; logs are {settings.hosts}/HOST/log, that of {name} ends:\n{_log(settings, name)}")


def down(settings: Settings, say: t.Callable[[str], None]) -> None:
    """End the lab and whatever a killed run left of it; asking twice is fine."""
    with base.locked(_lock(settings)):
        _clear(settings)
        shutil.rmtree(settings.state, ignore_errors=True)
    say(f"lab {settings.name} is down")


def leaks(settings: Settings) -> list[str]:
    """Name what is left of a lab: nothing after down."""
    left = [f"namespace {name}" for name in network.namespaces(settings)]
    left += [f"control group {root}" for root in cgroups.roots(settings) if root.exists()]
    left += [f"process {pid}" for pid in sorted(cgroups.processes(settings))]
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    left += [f"mount {fields[1]}" for fields in map(str.split, mounts) if fields[1].startswith(str(settings.state))]
    return left + [f"directory {path}" for path in (settings.state,) if path.exists()]


def status(settings: Settings, hosts: t.Sequence[Host]) -> list[str]:
    """Say of each host whether it takes a login now."""
    silent = _silent(settings, hosts, seconds=1) if network.namespaces(settings) else [host.name for host in hosts]
    return [f"{host.name} {host.address} {'down' if host.name in silent else 'up'}" for host in hosts]


def wait(hosts: t.Mapping[str, str], seconds: float, patience: float) -> list[str]:
    """Give the hosts whose sshd did not greet within the time. Runs inside the controller's namespace."""
    deadline = time.monotonic() + seconds
    silent = dict(hosts)
    while silent:
        silent = {name: address for name, address in silent.items() if not _greets(address, patience)}
        if not silent or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    return sorted(silent)


def _greets(address: str, seconds: float) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=seconds) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _lock(settings: Settings) -> Path:
    """Beside the state, since down removes the state."""
    return settings.state.parent / f"{settings.name}.lock"


def _clear(settings: Settings) -> None:
    cgroups.remove(settings)
    for namespace in network.namespaces(settings):
        network.remove(namespace)
    shutil.rmtree(settings.state, ignore_errors=True)


def _prepare(settings: Settings, hosts: t.Sequence[Host]) -> None:
    """Write keys, logins and the second inventory, for the user who called sudo where it was called."""
    settings.hosts.mkdir(parents=True)
    key = settings.state / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{settings.name}", "-f", key], check=True)
    authorized = key.with_suffix(".pub").read_text()
    known = [f"{','.join((host.name, *host.addresses))} {guest.prepare(settings, host, hosts, authorized)}" for host in hosts]
    (settings.state / "known_hosts").write_text("".join(known))
    user = int(os.environ.get("SUDO_UID", "0"))
    enter = ["nsenter", f"--net=/run/netns/{settings.namespace(network.CONTROLLER)}", "nc", "%h", "%p"]
    aliases = "".join(f"Host {host.name}\n  HostName {host.address}\n" for host in hosts)
    settings.ssh_config.write_text(
        aliases + _SSH.format(state=settings.state, proxy=shlex.join((["sudo", "-n"] if user else []) + enter)),
    )
    settings.connection.write_text(_CONNECTION.format(ssh_config=settings.ssh_config))
    for path in (settings.state, key, settings.ssh_config, settings.connection, settings.state / "known_hosts"):
        os.chown(path, user, int(os.environ.get("SUDO_GID", "0")))


def _silent(settings: Settings, hosts: t.Sequence[Host], *, seconds: float) -> list[str]:
    """Ask from where the controller is, in a process of its own, since only a process can change its namespace."""
    if settings.namespace(network.CONTROLLER) not in network.namespaces(settings):
        return [host.name for host in hosts]
    # An emulated processor can take seconds to start the sshd that greets.
    patience = 5 if any(host.kernel for host in hosts) else 1
    order = json.dumps({"seconds": seconds * patience, "patience": patience, "hosts": {host.name: host.address for host in hosts}})
    answer = network.within(
        settings.namespace(network.CONTROLLER), sys.executable, "-E", str(Path(__file__).parent), "_wait", order,
    )
    return list(json.loads(answer))


def _description(hosts: t.Sequence[Host], trees: t.Mapping[tuple[bool, str], Path]) -> str:
    return json.dumps({"trees": [tree.name for tree in trees.values()], "hosts": [repr(host) for host in hosts]})


def _described(settings: Settings) -> str:
    path = settings.state / "description.json"
    return path.read_text() if path.exists() else ""


def _log(settings: Settings, host: str) -> str:
    return "\n".join((settings.hosts / host / "log").read_text(errors="replace").splitlines()[-15:])


__all__ = ("down", "leaks", "status", "up", "wait")
