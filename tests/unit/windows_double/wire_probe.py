# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in a network namespace of its own: load a table in a second namespace, and say which TCP connections from here get there.

Standard input: JSON of (table, addresses to come from, ports). Output: for each pair in order, whether an answer came: nobody listens, so it is a reset.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import typing as t

TARGETS = ("192.0.2.10", "2001:db8::10")
PATIENCE = 1.5


def run(*words: str, text: str = "") -> None:
    subprocess.run(words, check=True, input=text.encode())


def connect(inside: tuple[str, ...], peers: t.Sequence[str]) -> None:
    """A cable between the two namespaces with all addresses on it."""
    run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", inside[2])
    for where, name, addresses in (((), "here", peers), (inside, "there", TARGETS)):
        for address in addresses:
            run(*where, "ip", "address", "add", address + ("/64" if ":" in address else "/24"), "dev", name, *(("nodad",) if ":" in address else ()))
        run(*where, "ip", "link", "set", name, "up")


async def answers(peer: str, port: int) -> bool:
    target = next(address for address in TARGETS if (":" in address) == (":" in peer))
    try:
        await asyncio.wait_for(asyncio.open_connection(target, port, local_addr=(peer, 0)), PATIENCE)
    except ConnectionRefusedError:
        return True
    except (OSError, asyncio.TimeoutError):
        return False
    return True


async def all_of(peers: t.Sequence[str], ports: t.Sequence[int]) -> list[bool]:
    return await asyncio.gather(*(answers(peer, port) for peer in peers for port in ports))


def main() -> None:
    table, peers, ports = json.load(sys.stdin)
    other = subprocess.Popen(["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
    try:
        t.cast("t.IO[bytes]", other.stdout).readline()
        inside = ("nsenter", "-t", str(other.pid), "-n")
        connect(inside, peers)
        run(*inside, "nft", "-f", "-", text=table)
        print(json.dumps(asyncio.run(all_of(peers, ports))))
    finally:
        other.kill()
        other.wait()


if __name__ == "__main__":
    main()
