# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real listeners for the probe tests, also as a process of its own: ``probe_responder.py '{"tcp": {"80": "plain"}, "udp": {"53": true}}' [CERTIFICATE]``.

It prints a line when everything listens, and ends when its standard input does.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import threading
import typing as t

SMTP = {
    "starttls": b"250-mail.invalid\r\n250-SIZE\r\n250-starttls\r\n250 HELP\r\n",
    "no_starttls": b"250-mail.invalid\r\n250-XSTARTTLS STARTTLS\r\n250 HELP\r\n",
    "ehlo_refused": b"502 not here\r\n",
}


def _smtp(peer: socket.socket, kind: str) -> None:
    if kind == "smtp_refused":
        peer.sendall(b"554 no\r\n")
        return
    peer.sendall(b"220-mail.invalid\r\n")
    peer.sendall(b"220 ready\r\n")
    if peer.recv(1024).startswith(b"EHLO "):
        reply = SMTP[kind]
        peer.sendall(reply[:20])
        peer.sendall(reply[20:])
    peer.recv(1024)


def _tls(peer: socket.socket, kind: str, certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if kind == "tls13":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    with contextlib.suppress(OSError):
        context.wrap_socket(peer, server_side=True).close()


def _serve(peer: socket.socket, kind: str, certificate: str) -> None:
    with peer:
        if kind in ("tls", "tls13"):
            _tls(peer, kind, certificate)
        elif kind in SMTP or kind == "smtp_refused":
            _smtp(peer, kind)
        elif kind == "clear_text":
            peer.recv(1024)
            peer.sendall(b"-ERR what?\r\n")
        elif kind == "mute":
            peer.recv(1024)
            peer.recv(1024)


def _accept(listener: socket.socket, kind: str, certificate: str) -> None:
    while True:
        try:
            peer = listener.accept()[0]
        except OSError:
            return
        threading.Thread(target=_serve, args=(peer, kind, certificate), daemon=True).start()


def _answer(listener: socket.socket, *, answers: bool) -> None:
    while True:
        try:
            sender = listener.recvfrom(2048)[1]
        except OSError:
            return
        if answers:
            listener.sendto(b"yes", sender)


def _bind(kind: int, host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((host, port))
    return sock


def start_tcp(host: str, port: int, kind: str, certificate: str = "") -> socket.socket:
    """Listen and answer as ``kind`` says; close the returned socket to end it."""
    listener = _bind(socket.SOCK_STREAM, host, port)
    listener.listen(64)
    threading.Thread(target=_accept, args=(listener, kind, certificate), daemon=True).start()
    return listener


def start_udp(host: str, port: int, *, answers: bool) -> socket.socket:
    """Listen, and answer every datagram or none."""
    listener = _bind(socket.SOCK_DGRAM, host, port)
    threading.Thread(target=_answer, args=(listener,), kwargs={"answers": answers}, daemon=True).start()
    return listener


def main(arguments: t.Sequence[str]) -> None:
    wanted = json.loads(arguments[0])
    certificate = arguments[1] if len(arguments) > 1 else ""
    listeners = [start_tcp("::", int(port), kind, certificate) for port, kind in wanted.get("tcp", {}).items()]
    for port, answers in wanted.get("udp", {}).items():
        listeners += [start_udp(host, int(port), answers=answers) for host in wanted["udp_hosts"]]
    print("ready", len(listeners), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
