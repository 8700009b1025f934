# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of texts for swanctl takes what this collection writes, and nothing else; and strongSwan itself takes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ipsec_plans import LEGACY, PORTS, WHOLE, plan

from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import ReadBackError
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.netsh_consec import IpsecOptions
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.swanctl import fill, render
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.swanctl_reader import aligned, read_back

TEXT = render(plan(WHOLE, PORTS, LEGACY), IpsecOptions("psk")).text


@pytest.mark.parametrize(("old", "new"), [
    ("connections {", "connections{"),
    ("connections {", "connections {\n    include /etc/other.conf"),
    ("connections {", "include /etc/other.conf\nconnections {"),
    ("version = 2", "version=2"),
    ("version = 2", "version = 2 # newest"),
    ("version = 2", 'version = "2"'),
    ("version = 2", "version = 2\n        version = 2"),
    ("version = 2", "version ="),
    ("mobike = no", "mobike = yes"),
    ("encap = no\n", ""),
    ("local_addrs = 192.0.2.1", "local_addrs = %any"),
    ("local_addrs = 192.0.2.1", "local_addrs = 192.0.2.1,192.0.2.9"),
    ("local_addrs = 192.0.2.1", "local_addrs = 192.0.2.01"),
    ("local_addrs = 192.0.2.1", "local_addrs = 2001:db8::1"),
    ("remote_addrs = 192.0.2.2", "remote_addrs = 192.0.2.1"),
    ("local_addrs = 2001:db8::1", "local_addrs = 2001:DB8::1"),
    ("local_addrs = 2001:db8::1", "local_addrs = 2001:db8:0::1"),
    ("local_ts = 192.0.2.1/32\n", "local_ts = dynamic\n"),
    ("local_ts = 192.0.2.1/32\n", "local_ts = 192.0.2.0/24\n"),
    ("local_ts = 192.0.2.1/32\n", "local_ts = 192.0.2.1/31\n"),
    ("local_ts = 192.0.2.1/32\n", "local_ts = 192.0.2.1/32,10.77.0.0/16\n"),
    ("[6/445]", "[tcp/445]"),
    ("[6/445]", "[6/445-446]"),
    ("[6/445]", "[6/446-445]"),
    ("[6/445]", "[6/70000]"),
    ("[6/445]", "[256/445]"),
    ("mode = pass", "mode = drop"),
    ("start_action = trap", "start_action = none"),
    ("start_action = trap", "start_action = trap|start"),
    ("mode = pass", "mode = pass\n                updown = /bin/sh"),
    ("start_action = trap\n            }\n            pass", "start_action = trap\n                updown = /bin/sh\n            }\n            pass"),
    ("rekey_time = 3000s", "rekey_time = 50m"),
    ("rekey_time = 3000s", "rekey_time = 0s"),
    ("rekey_bytes = 8000000000", "rekey_bytes = 0"),
    ("dpd_delay = 30s", "dpd_delay = 0s"),
    ("esp_proposals = aes256gcm16-modp2048,aes128gcm16-modp2048", "esp_proposals = default"),
    ("esp_proposals = aes256gcm16-modp2048,aes128gcm16-modp2048", "esp_proposals = aes256gcm16-modp2048,aes128gcm16"),
    ("proposals = aes256-sha256-modp2048,", "proposals = aes256-sha256-sha384-modp2048,"),
    ("        remote {\n            auth = psk", "        remote {\n            auth = any"),
    ("secret = {PSK}", "secret = 0s"),
    ("secret = {PSK}", 'secret = "a b"'),
    ("id-1 = 192.0.2.1\n", "id-1 = 192.0.2.1\n        file = /etc/shadow\n"),
    ("ike-datapath {", "ike-other {"),
    ("secrets {", "secret {"),
    ("        }\n    }\n", "        }\n"),
    ("secrets {", "}\nsecrets {"),
    ("# datapath.exchange", "#datapath.exchange"),
    ("aggressive = no", "aggressive = yes"),
    ("dpd_timeout = 150s\n", ""),
])
def test_another_text_is_an_error(old: str, new: str) -> None:
    read_back(TEXT)
    assert old in TEXT
    with pytest.raises(ReadBackError):
        read_back(TEXT.replace(old, new, 1))


@pytest.mark.parametrize("text", ["", "\n", "connections {\n}", "connections {\n", "nonsense\n", "connections {\n}\nconnections {\n}\n", "\0\n"])
def test_no_text_is_an_error(text: str) -> None:
    with pytest.raises(ReadBackError):
        read_back(text)


@pytest.mark.parametrize(("low", "high", "yes"), [
    (0, 65535, True), (445, 445, True), (49152, 65535, True), (2, 3, True), (1, 2, False), (1025, 60000, False), (50000, 50999, False), (4096, 8191, True),
    (2048, 6143, False),
])
def test_what_a_mask_can_say(low: int, high: int, yes: bool) -> None:
    assert aligned(low, high) is yes


# -- strongSwan's own opinion -------------------------------------------------------------------------------------------

DAEMON = shutil.which("charon-systemd") or "/usr/sbin/charon-systemd"
SCRIPT = """
mount -t tmpfs none /run
ip link set lo up
ip link add wire type veth peer name far
ip link set far up
ip link set wire up
ip address add 192.0.2.1/24 dev wire
ip address add 2001:db8::1/64 dev wire nodad
ip route add default dev wire
"$1" >"$2/charon.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do [ -S /run/charon.vici ] && break; sleep 0.1; done
swanctl --load-conns --file "$2/$3" >"$2/conns.out" 2>&1
swanctl --load-creds --noprompt --file "$2/$3" >"$2/creds.out" 2>&1
ip xfrm policy >"$2/policies"
kill $daemon
wait $daemon
"""


def _why_not() -> str:
    if os.geteuid() != 0:
        return "needs root to make namespaces"
    if not shutil.which("swanctl") or not Path(DAEMON).exists():
        return "needs strongSwan (charon-systemd, swanctl)"
    tried = subprocess.run(["unshare", "--net", "--mount", "ip", "xfrm", "policy"], capture_output=True, text=True, check=False)
    return f"cannot use IPsec policies in a namespace: {tried.stderr.strip()}" if tried.returncode else ""


WHY_NOT = _why_not()


def load(folder: Path, text: str) -> tuple[str, str, str]:
    """What swanctl says of connections and of keys, and the policies that the kernel has then."""
    (folder / "ours.conf").write_text(text, encoding="utf-8")
    subprocess.run(["unshare", "--net", "--mount", "sh", "-c", SCRIPT, "sh", DAEMON, str(folder), "ours.conf"], check=False, timeout=60)
    return t.cast("tuple[str, str, str]", tuple((folder / name).read_text(encoding="utf-8") for name in ("conns.out", "creds.out", "policies")))


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_strongswan_loads_every_connection_and_traps_what_is_required(tmp_path: Path) -> None:
    text = render(plan(WHOLE, PORTS, LEGACY), IpsecOptions("psk"))
    connections, keys, policies = load(tmp_path, fill(text.text, "correct.horse-battery"))
    assert f"successfully loaded {len(text.connections)} connections" in connections
    assert "loaded ike secret 'ike-datapath'" in keys
    assert "src 192.0.2.1/32 dst 192.0.2.2/32 \n\tdir out" in policies, "the whole pair"
    assert "src 192.0.2.2/32 dst 192.0.2.1/32 proto tcp dport 22 \n\tdir in" in policies
    assert "src 198.51.100.8/32 dst 192.0.2.1/32 proto tcp dport 445 \n\tdir in" in policies
    assert "src 2001:db8::2/128 dst 2001:db8::1/128 proto ipv6-icmp type 135 \n\tdir in" in policies
    assert "198.51.100.20" not in policies, "what is only requested blocks nothing"


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_strongswan_refuses_a_text_in_which_nobody_put_the_key(tmp_path: Path) -> None:
    connections, keys, policies = load(tmp_path, render(plan(WHOLE), IpsecOptions("psk")).text)
    assert "syntax error" in connections and "loaded ike secret" not in keys and "proto esp" not in policies
