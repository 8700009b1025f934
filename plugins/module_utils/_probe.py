# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release, use the module datapath.exchange.probe instead.
"""Try network paths from this host, many at once, and tell open, refused, filtered and unknown apart.

What an error means is read from the ICMP message behind it where the system shows it (Linux: ip(7), IP_RECVERR), since several
messages share one errno: a firewall that prohibits and a dead neighbour are both EHOSTUNREACH.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import os
import socket
import struct
import sys
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.datapath.exchange.plugins.module_utils import _probe_wire as wire

OPEN, REFUSED, FILTERED, UNKNOWN = VERDICTS = ("open", "refused", "filtered", "unknown")

ICMP_TOKEN_SECONDS = 1.1
"""A host sends one destination a burst of 6 ICMP errors and then one a second (Linux: icmp_ratelimit), so a second try must wait longer."""

DIALOGUE_FACTOR = 3
"""A greeting or a ServerHello may take this many times longer than a connection."""

_LINUX = sys.platform.startswith("linux")
_ERROR_QUEUE = 0x2000  # MSG_ERRQUEUE, which the socket module does not name everywhere
_RECEIVE_ERRORS = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}  # IP_RECVERR, IPV6_RECVERR
_ICMP_ORIGINS = (2, 3)
_PROHIBITED = {(4, 9), (4, 10), (4, 13), (6, 1), (6, 5), (6, 6)}  # RFC 1812 5.2.7.1 and RFC 4443 3.1: administratively prohibited
_PORT_UNREACHABLE = {(4, 3), (6, 4)}
_SILENT = ("", "silent")

_BY_ERRNO = {
    errno.ECONNREFUSED: (REFUSED, "reset"),
    errno.ECONNRESET: (REFUSED, "reset"),
    errno.ETIMEDOUT: (FILTERED, "no_answer"),
    errno.EPERM: (FILTERED, "own_firewall"),
    errno.ENETUNREACH: (UNKNOWN, "no_route"),
    errno.EHOSTUNREACH: (UNKNOWN, "host_unreachable"),
    errno.EADDRNOTAVAIL: (UNKNOWN, "no_source_address"),
}


@dataclass(frozen=True)
class Probe:
    """One path to try. protocol: ``tcp`` or ``udp``; tls: empty, ``tls`` or ``starttls-smtp``. Raises ValueError when it cannot be tried."""

    id: str
    address: str
    protocol: str
    port: int
    tls: str = ""

    def __post_init__(self) -> None:
        ipaddress.ip_address(self.address)
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not 1 to 65535")
        if self.protocol not in ("tcp", "udp") or self.tls not in ("", "tls", "starttls-smtp"):
            raise ValueError(f"protocol {self.protocol!r} or tls {self.tls!r} is not known")
        if self.tls and self.protocol != "tcp":
            raise ValueError("tls needs protocol tcp")

    @property
    def target(self) -> str:
        """The address in its canonical spelling."""
        return str(ipaddress.ip_address(self.address))

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


@dataclass(frozen=True)
class Limits:
    """timeout: seconds of one try; retries: further tries after silence; concurrency: probes at once; total_timeout: seconds of the whole run."""

    timeout: float = 2.0
    retries: int = 1
    concurrency: int = 64
    total_timeout: float = 300.0


class Finding(t.NamedTuple):
    """What one probe saw. encryption: ``offered``, ``not_offered``, or empty when not asked or not told."""

    verdict: str
    reason: str
    encryption: str = ""


class Icmp(t.NamedTuple):
    """An ICMP error: IP version 4 or 6, code of the destination-unreachable message, who sent it."""

    version: int
    code: int
    offender: str


def read_icmp(ancillary: t.Iterable[tuple[int, int, bytes]]) -> Icmp | None:
    """Return the destination-unreachable message among the ancillary data of an error queue (``struct sock_extended_err``), or None."""
    for level, kind, data in ancillary:
        if (level, kind) not in _RECEIVE_ERRORS.values() or len(data) < 24:
            continue
        origin, icmp_type, code = struct.unpack("=4x3B", data[:7])
        if origin in _ICMP_ORIGINS and icmp_type == {2: 3, 3: 1}[origin]:
            offender = data[20:24] if origin == 2 else data[24:40]
            return Icmp(4 if origin == 2 else 6, code, str(ipaddress.ip_address(offender)))
    return None


def explain_icmp(icmp: Icmp, probe: Probe) -> tuple[str, str]:
    """Return (verdict, reason) for an ICMP error.

    A closed TCP port answers with a reset (RFC 9293, 3.5.2); ICMP in its place is a firewall's. Port unreachable speaks for a closed UDP port
    only when the target itself says so, and a target that calls itself unreachable is there and rejects.
    """
    message = (icmp.version, icmp.code)
    from_target = icmp.offender == probe.target
    if message in _PROHIBITED:
        return FILTERED, "admin_prohibited"
    if message in _PORT_UNREACHABLE and probe.protocol == "udp" and from_target:
        return REFUSED, "port_unreachable"
    if message in _PORT_UNREACHABLE or from_target:
        return FILTERED, "rejected"
    return UNKNOWN, "host_unreachable"


def explain(code: int, probe: Probe, icmp: Icmp | None = None, *, arrived: bool = False) -> tuple[str, str]:
    """Return (verdict, reason) for an errno. icmp: the message behind it, when known; arrived: it came from the network, not from the call."""
    if icmp:
        return explain_icmp(icmp, probe)
    if code == errno.ECONNREFUSED and probe.protocol == "udp":
        return REFUSED, "port_unreachable"
    if code == errno.EHOSTUNREACH and not arrived:
        return UNKNOWN, "no_route"
    if code == errno.EACCES and arrived:
        return FILTERED, "admin_prohibited"  # how IPv6 reports it: https://www.rfc-editor.org/rfc/rfc4443#section-3.1
    return _BY_ERRNO.get(code, (UNKNOWN, f"local_{errno.errorcode.get(code, str(code)).lower()}"))


async def _ready(sock: socket.socket, timeout: float, *, writing: bool = False) -> bool:
    """Wait until the socket can be read (or written) or has an error; False when ``timeout`` seconds pass first."""
    loop = asyncio.get_running_loop()
    watch, unwatch = (loop.add_writer, loop.remove_writer) if writing else (loop.add_reader, loop.remove_reader)
    event = asyncio.Event()
    watch(sock.fileno(), event.set)
    try:
        await asyncio.wait_for(event.wait(), timeout)
    except asyncio.TimeoutError:
        return False
    finally:
        unwatch(sock.fileno())
    return True


def _socket(probe: Probe) -> socket.socket:
    sock = socket.socket(probe.family, socket.SOCK_STREAM if probe.protocol == "tcp" else socket.SOCK_DGRAM)
    sock.setblocking(False)
    if _LINUX:
        sock.setsockopt(*_RECEIVE_ERRORS[probe.family], 1)
    return sock


def _why(sock: socket.socket, code: int, probe: Probe, *, arrived: bool) -> Finding:
    icmp = None
    if _LINUX:
        with contextlib.suppress(OSError):  # an empty queue: the error is the system's own, or a reset
            icmp = read_icmp(sock.recvmsg(1, 512, _ERROR_QUEUE)[1])
    return Finding(*explain(code, probe, icmp, arrived=arrived))


async def _receive(sock: socket.socket, complete: t.Callable[[bytes], bool], timeout: float) -> bytes | None:
    """Read until ``complete`` or the end of the stream; None when ``timeout`` seconds pass first. A reset ends the stream."""
    data, deadline = b"", time.monotonic() + timeout
    while not complete(data) and len(data) < 65536:
        if not await _ready(sock, max(0.0, deadline - time.monotonic())):
            return None
        try:
            chunk = sock.recv(4096)
        except BlockingIOError:
            continue
        except OSError:
            return data
        if not chunk:
            return data
        data += chunk
    return data


def _say(sock: socket.socket, data: bytes) -> None:
    """Send a few hundred bytes into the empty buffer of a fresh connection; a peer that already left shows when we read."""
    with contextlib.suppress(OSError):
        sock.send(data)


async def _tls(sock: socket.socket, timeout: float) -> tuple[str, str]:
    _say(sock, wire.client_hello(os.urandom(32)))
    data = await _receive(sock, lambda seen: len(seen) >= 6, timeout)
    return ("not_offered", "no_tls_answer") if data is None else wire.read_tls(data)


async def _starttls_smtp(sock: socket.socket, timeout: float) -> tuple[str, str]:
    greeting = await _receive(sock, wire.smtp_reply_complete, timeout)
    if greeting is None:
        return "", "smtp_no_greeting"
    if not greeting.startswith(b"220"):
        return "", "smtp_refused"
    _say(sock, b"EHLO " + wire.QUESTION_NAME + b"\r\n")
    reply = await _receive(sock, wire.smtp_reply_complete, timeout)
    _say(sock, b"QUIT\r\n")
    return ("", "smtp_no_answer") if reply is None else wire.read_ehlo(reply)


async def _tcp_try(probe: Probe, limits: Limits) -> Finding:
    with _socket(probe) as sock:
        code = sock.connect_ex((probe.address, probe.port))
        arrived = code == errno.EINPROGRESS
        if arrived:
            if not await _ready(sock, limits.timeout, writing=True):
                return Finding(*_SILENT)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            return _why(sock, code, probe, arrived=arrived)
        if not probe.tls:
            return Finding(OPEN, "connected")
        ask = _tls if probe.tls == "tls" else _starttls_smtp
        encryption, reason = await ask(sock, limits.timeout * DIALOGUE_FACTOR)
        return Finding(OPEN, reason, encryption)


async def _tcp(probe: Probe, limits: Limits) -> Finding:
    for _number in range(limits.retries + 1):
        finding = await _tcp_try(probe, limits)
        if finding[:2] != _SILENT:
            return finding
    return Finding(FILTERED, "no_answer")


async def _udp_answer(sock: socket.socket, probe: Probe, timeout: float) -> Finding:
    deadline = time.monotonic() + timeout
    while await _ready(sock, max(0.0, deadline - time.monotonic())):
        try:
            sock.recv(1)
        except BlockingIOError:
            continue  # woken for a datagram that the system then threw away
        except OSError as error:
            return _why(sock, error.errno or 0, probe, arrived=True)
        return Finding(OPEN, "answered")
    return Finding(*_SILENT)


async def _udp(probe: Probe, limits: Limits) -> Finding:
    """One socket for all tries, so that a late answer to the first still counts. Silence is never concluded from one datagram."""
    with _socket(probe) as sock:
        sock.connect((probe.address, probe.port))
        question = wire.udp_question(probe.port, sock.getsockname()[:2], probe.address)
        for _number in range(max(1, limits.retries) + 1):
            try:
                sock.send(question)
            except OSError as error:
                return _why(sock, error.errno or 0, probe, arrived=False)
            finding = await _udp_answer(sock, probe, max(limits.timeout, ICMP_TOKEN_SECONDS))
            if finding[:2] != _SILENT:
                return finding
    return Finding(*_SILENT)


def settle(probe: Probe, finding: Finding, answering: t.Container[str]) -> Finding:
    """Say what UDP silence means. answering: the addresses that answered or refused another UDP probe of this run."""
    if finding[:2] != _SILENT:
        return finding
    if probe.target not in answering:
        return Finding(UNKNOWN, "silent_no_control")
    return Finding(FILTERED, "no_answer") if wire.answer_due(probe.port) else Finding(UNKNOWN, "silent_port")


class _Run:
    """The state of one run: what was seen so far, by position in the list."""

    def __init__(self, probes: t.Sequence[Probe], limits: Limits) -> None:
        self.probes = probes
        self.limits = limits
        self.seen: dict[int, tuple[Finding, int]] = {}
        self.gate = asyncio.Semaphore(limits.concurrency)

    async def one(self, position: int) -> None:
        probe = self.probes[position]
        async with self.gate:
            started = time.monotonic()
            try:
                finding = await (_tcp if probe.protocol == "tcp" else _udp)(probe, self.limits)
            except OSError as error:
                finding = Finding(*explain(error.errno or 0, probe))
            self.seen[position] = (finding, round((time.monotonic() - started) * 1000))

    async def address(self, positions: t.Sequence[int]) -> None:
        """TCP at once, then UDP one after the other: ICMP errors to us come out of one small bucket, which rejected TCP would empty."""
        await asyncio.gather(*(self.one(position) for position in positions if self.probes[position].protocol == "tcp"))
        for position in positions:
            if self.probes[position].protocol == "udp":
                await self.one(position)

    async def all(self) -> None:
        by_address: dict[str, list[int]] = {}
        for position, probe in enumerate(self.probes):
            by_address.setdefault(probe.target, []).append(position)
        tasks = [asyncio.ensure_future(self.address(positions)) for positions in by_address.values()]
        done, pending = await asyncio.wait(tasks, timeout=self.limits.total_timeout)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()

    def results(self) -> list[dict[str, t.Any]]:
        answering = {
            self.probes[position].target
            for position, (finding, took) in self.seen.items()
            if self.probes[position].protocol == "udp" and finding.verdict in (OPEN, REFUSED)
        }
        rows = []
        for position, probe in enumerate(self.probes):
            finding, took = self.seen.get(position, (Finding(UNKNOWN, "out_of_time"), 0))
            verdict, reason, encryption = settle(probe, finding, answering)
            rows.append({"id": probe.id, "verdict": verdict, "reason": reason, "ms": took, "encryption": encryption})
        return rows


async def _run(probes: t.Sequence[Probe], limits: Limits) -> list[dict[str, t.Any]]:
    run = _Run(probes, limits)
    if probes:
        await run.all()
    return run.results()


def run(probes: t.Sequence[Probe], limits: Limits = Limits()) -> list[dict[str, t.Any]]:
    """Try all probes and return one plain result each, in their order: ``id``, ``verdict``, ``reason``, ``ms``, ``encryption``.

    Raises nothing for what a network or a full system can do: that is a verdict. What is left at ``total_timeout`` is unknown, ``out_of_time``.
    """
    return asyncio.run(_run(probes, limits))


__all__ = ("VERDICTS", "Finding", "Icmp", "Limits", "Probe", "explain", "explain_icmp", "read_icmp", "run", "settle")
