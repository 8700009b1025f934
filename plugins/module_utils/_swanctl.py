# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""strongSwan on a target: its folder, its unit, how it is told to load, and what it says it has loaded. Standard library only."""

from __future__ import annotations

import re
import socket
import typing as t
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _vici
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program

FOLDERS = (Path("/etc/swanctl"), Path("/etc/strongswan/swanctl"))
"""Of Debian and strongSwan itself, and of the enterprise Linuxes."""
UNITS = ("strongswan.service", "strongswan-swanctl.service")
PREFIX = "datapath-"
_INCLUDE = re.compile(r"^\s*include\s+(?:\S*/)?conf\.d/\*\.conf\s*$", re.MULTILINE)
_INSTALL = "install strongSwan with swanctl and its systemd daemon (Debian: charon-systemd and strongswan-swanctl; enterprise Linux: strongswan)"
_SELECTOR = re.compile(r"(?P<address>[0-9a-f.:]+)/(?P<length>[0-9]{1,3})(?:\[(?P<protocol>[a-z0-9-]+)(?:/(?P<ports>[A-Za-z0-9_.+()-]+))?\])?\Z")
_CLASSES = {"psk": "pre-shared key", "pubkey": "public key"}


class SwanctlMissingError(EnforceError):
    """swanctl is not installed."""


@dataclass(frozen=True)
class Side:
    """One end of a child. protocol: 0 for any. low to high: ports; of ICMP 256 times the type plus the code."""

    address: str
    protocol: int = 0
    low: int = 0
    high: int = 65535

    @classmethod
    def parse(cls, text: str) -> Side:
        """Read a selector as the daemon prints it; raises EnforceError for what is no single address with at most one protocol and range."""
        match = _SELECTOR.match(text)
        if not match or int(match["length"]) != (128 if ":" in match["address"] else 32):
            raise EnforceError(f"the selector {text[:80]!r} is not understood")
        if not match["protocol"]:
            return cls(match["address"])
        protocol = _protocol(match["protocol"])
        low, high = _ports(match["ports"], protocol) if match["ports"] else (0, 65535)
        return cls(match["address"], protocol, low, high)

    def mask(self) -> tuple[int, int]:
        """Port and mask as the kernel has them, for a range that a mask can say."""
        return self.low, 0xFFFF ^ (self.high - self.low)


@dataclass(frozen=True)
class Child:
    """What one child protects. mode: ``transport`` or ``pass``. start: ``trap``, ``start`` or ``none``, empty where the daemon does not say."""

    name: str
    local: Side
    remote: Side
    mode: str
    start: str = ""


@dataclass(frozen=True)
class Connection:
    """One connection between one own address and one of a peer. version: of IKE. auth: ``psk`` or ``pubkey``."""

    name: str
    version: int
    local: str
    remote: str
    auth: str
    children: tuple[Child, ...] = ()

    @classmethod
    def from_plain(cls, plain: t.Mapping[str, t.Any]) -> Connection:
        """What the action plugin sends."""
        children = tuple(
            Child(child["name"], Side(*child["local"]), Side(*child["remote"]), child["mode"], child["start"]) for child in plain["children"]
        )
        return cls(plain["name"], int(plain["version"]), plain["local"], plain["remote"], plain["auth"], children)

    def without_start(self) -> Connection:
        """As the daemon lists it: when children start is told elsewhere."""
        children = sorted((Child(child.name, child.local, child.remote, child.mode) for child in self.children), key=lambda child: child.name)
        return Connection(self.name, self.version, self.local, self.remote, self.auth, tuple(children))


def _protocol(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return socket.getprotobyname(text)
    except OSError as error:
        raise EnforceError(f"the protocol {text!r} is not in /etc/protocols of this host") from error


def _ports(text: str, protocol: int) -> tuple[int, int]:
    if protocol in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
        return _icmp(text)
    low, dash, high = text.partition("-")
    if dash and low.isdigit() and high.isdigit():
        return int(low), int(high)
    number = int(text) if text.isdigit() else _service(text, protocol)
    return number, number


def _icmp(text: str) -> tuple[int, int]:
    """A type, or a type with its code in brackets. A single type is printed as one without a code, so it stands for code 0."""
    match = re.match(r"([0-9]{1,3})(?:\(([0-9]{1,3})\))?\Z", text)
    if not match:
        raise EnforceError(f"the ICMP type {text!r} is not understood")
    number = int(match[1]) * 256 + int(match[2] or 0)
    return number, number


def _service(name: str, protocol: int) -> int:
    words = {socket.IPPROTO_TCP: "tcp", socket.IPPROTO_UDP: "udp"}
    try:
        return socket.getservbyname(name, words[protocol])
    except (OSError, KeyError) as error:
        raise EnforceError(f"the service {name!r} of protocol {protocol} is not in /etc/services of this host") from error


@dataclass(frozen=True)
class Swanctl:
    """The swanctl of this host. folder: where it reads its settings."""

    path: str
    folder: Path
    run: Run

    @classmethod
    def find(cls, run: Run) -> Swanctl:
        """The installed swanctl; raises EnforceError when it is missing or would not read our file."""
        path, folder = find_program("swanctl"), find_folder()
        if not path or not folder:
            raise SwanctlMissingError(f"swanctl or its folder is missing: {_INSTALL}")
        return cls(path, folder, run)

    def require_include(self) -> None:
        """Raise EnforceError unless swanctl.conf has our folder read."""
        main = self.folder / "swanctl.conf"
        if not _INCLUDE.search(_boot.read(main)):
            raise EnforceError(f"{main} does not read the folder conf.d: add the line 'include conf.d/*.conf', which strongSwan ships with")

    def load_credentials(self, *, clear: bool) -> None:
        """Have certificates and keys loaded; clear: forget those before. Raises EnforceError when one of ours is not taken."""
        done = self.run([self.path, "--load-creds", "--noprompt", *(["--clear"] if clear else [])], "")
        faults = [line for line in _said(done.err) if "datapath" in line and "failed" in line]
        if faults or done.code:
            raise EnforceError(f"strongSwan did not take the credentials: {'; '.join(faults or _said(done.err))[:500]}")

    def load_connections(self) -> str:
        """Have all connections loaded, once; returns what was said about ours. That others fail is nothing of ours, so what was loaded is asked for."""
        done = self.run([self.path, "--load-conns"], "")
        return "; ".join(line for line in _said(done.err) if "datapath" in line)[:500]


def _said(err: str) -> list[str]:
    """Without the plugins that swanctl does not find, which it lists on every call."""
    return [line for line in err.splitlines() if line and not line.startswith("plugin '")]


def find_folder() -> Path | None:
    """Where swanctl reads its settings on this host; None without strongSwan."""
    return next((folder for folder in FOLDERS if (folder / "conf.d").is_dir()), None)


@dataclass(frozen=True)
class Unit:
    """The unit that runs the daemon, which also loads our file when it starts."""

    name: str
    active: bool
    enabled: bool


def unit(run: Run) -> Unit | None:
    """The daemon's unit; None where systemd does not run the host. Raises EnforceError when there is none."""
    systemctl = find_program("systemctl")
    if not _boot.booted() or not systemctl:
        return None
    for name in UNITS:
        done = run([systemctl, "show", "--property=LoadState,ActiveState,UnitFileState", name], "")
        facts = dict(line.partition("=")[::2] for line in done.out.splitlines())
        if facts.get("LoadState") == "loaded":
            return Unit(name, facts.get("ActiveState") in ("active", "reloading"), facts.get("UnitFileState", "").startswith("enabled"))
    raise EnforceError(f"there is no unit {' or '.join(UNITS)}, so nothing would load the connections after a reboot: {_INSTALL}")


def systemctl(run: Run, verb: str, name: str) -> None:
    """Raises EnforceError with systemd's words when it fails."""
    done = run([find_program("systemctl") or "systemctl", verb, name], "")
    if done.code:
        raise EnforceError(f"systemctl {verb} {name} failed: {done.err[:300] or 'no reason given'}; see journalctl -u {name}")


def daemon() -> _vici.Vici | None:
    """The running daemon; None when there is none."""
    try:
        return _vici.Vici.connect(_vici.find_socket())
    except _vici.NoDaemonError:
        return None


def connections(vici: _vici.Vici) -> dict[str, Connection]:
    """Our connections as they are loaded; what is not understood of them is another connection than any that we write."""
    entries = (entry for event in vici.stream("list-conns", "list-conn") for entry in event.items())
    return {name: _connection(name, facts) for name, facts in entries if name.startswith(PREFIX)}


def _connection(name: str, facts: t.Mapping[str, t.Any]) -> Connection:
    try:
        (local,), (remote,) = facts["local_addrs"], facts["remote_addrs"]
        (auth,) = (word for word, text in _CLASSES.items() if text == facts["local-1"]["class"] == facts["remote-1"]["class"])
        children = tuple(sorted((_child(key, child) for key, child in facts["children"].items()), key=lambda child: child.name))
        return Connection(name, {"IKEv1": 1, "IKEv2": 2}[facts["version"]], local, remote, auth, children)
    except (AttributeError, KeyError, ValueError, TypeError, EnforceError):
        return Connection(name, 0, "", "", "")


def _child(name: str, facts: t.Mapping[str, t.Any]) -> Child:
    (local,), (remote,) = facts["local-ts"], facts["remote-ts"]
    return Child(name, Side.parse(local), Side.parse(remote), {"TRANSPORT": "transport", "PASS": "pass"}[facts["mode"]])


def trapped(vici: _vici.Vici) -> set[tuple[str, str]]:
    """Connection and child of each of our policies that are there without an SA."""
    events = vici.stream("list-policies", "list-policy", {"trap": "yes", "pass": "yes", "drop": "yes"})
    found = {(facts.get("ike", ""), facts.get("child", "")) for event in events for facts in event.values()}
    return {pair for pair in found if pair[0].startswith(PREFIX)}


@dataclass(frozen=True)
class Protected:
    """One child SA. id: unique while the daemon runs."""

    id: str
    child: str
    state: str
    bytes_in: int
    bytes_out: int
    packets_in: int
    packets_out: int


@dataclass(frozen=True)
class Association:
    """One IKE SA of ours. nat: somebody between the two translates addresses."""

    id: str
    connection: str
    local: str
    remote: str
    state: str
    version: int
    seconds: int
    nat: bool
    children: tuple[Protected, ...] = ()

    def to_plain(self) -> dict[str, t.Any]:
        plain = {key: value for key, value in vars(self).items() if key != "children"}
        return {**plain, "children": [dict(vars(child)) for child in self.children]}


def associations(vici: _vici.Vici) -> list[Association]:
    """Our IKE SAs with their child SAs, sorted."""
    entries = (entry for event in vici.stream("list-sas", "list-sa") for entry in event.items())
    return sorted((_association(name, facts) for name, facts in entries if name.startswith(PREFIX)), key=lambda found: (found.connection, found.id))


def _association(name: str, facts: t.Mapping[str, t.Any]) -> Association:
    children = tuple(
        Protected(
            str(child.get("uniqueid", "")), str(child.get("name", "")), str(child.get("state", "")), _number(child, "bytes-in"), _number(child, "bytes-out"),
            _number(child, "packets-in"), _number(child, "packets-out"),
        ) for child in facts.get("child-sas", {}).values()
    )
    return Association(
        str(facts.get("uniqueid", "")), name, str(facts.get("local-host", "")), str(facts.get("remote-host", "")), str(facts.get("state", "")),
        _number(facts, "version"), _number(facts, "established"), "yes" in (facts.get("nat-local"), facts.get("nat-remote")), children,
    )


def _number(facts: t.Mapping[str, t.Any], key: str) -> int:
    text = facts.get(key, "0")
    return int(text) if isinstance(text, str) and text.isdigit() and len(text) < 21 else 0


def terminate(vici: _vici.Vici, ids: t.Iterable[str]) -> None:
    """End IKE SAs with all their child SAs, without waiting for their peers. One that has ended by itself is no fault."""
    for number in ids:
        try:
            vici.request("terminate", {"ike-id": number, "force": "yes", "timeout": "-1"})
        except _vici.NoDaemonError:
            raise
        except _vici.ViciError:
            continue


def initiate(vici: _vici.Vici, wanted: t.Iterable[tuple[str, str]]) -> None:
    """Begin to negotiate children, by connection and name, without waiting."""
    for connection, child in wanted:
        vici.request("initiate", {"ike": connection, "child": child, "timeout": "-1"})


def unload(vici: _vici.Vici, names: t.Iterable[str]) -> None:
    """Forget connections, so that loading them makes all their policies anew."""
    for name in names:
        vici.request("unload-conn", {"name": name})


def has_credentials(vici: _vici.Vici, certificate: bytes, authority: bytes) -> str:
    """What is wrong with the loaded credentials, given both certificates in DER form; empty when nothing is."""
    found = {str(facts.get("data", "")).encode("utf-8", errors="surrogateescape"): facts for facts in vici.stream("list-certs", "list-cert")}
    if authority not in found or found[authority].get("flag") != "CA":
        return "strongSwan does not take the certificate of the authority for one of an authority (basicConstraints CA)"
    if certificate not in found:
        return "strongSwan did not load the certificate of this host"
    return "" if found[certificate].get("has_privkey") == "yes" else "the key does not belong to the certificate of this host, or strongSwan cannot use it"


__all__ = (
    "FOLDERS", "PREFIX", "UNITS", "Association", "Child", "Connection", "Protected", "Side", "Swanctl", "SwanctlMissingError", "Unit", "associations",
    "connections", "daemon", "find_folder", "has_credentials", "initiate", "systemctl", "terminate", "trapped", "unit", "unload",
)
