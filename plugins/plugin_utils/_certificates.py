# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""A certificate, its key and its authority, checked on the controller before a host is touched. Standard library only.

OpenSSL does the checking, through the ssl module: a context refuses a key that does not belong, and a handshake between two ends in memory refuses a
certificate that the authority did not issue or that is out of date. Only the times are read here, because the answer names them.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import datetime as dt
import re
import ssl
import typing as t
from pathlib import Path

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN (?:RSA |EC )?PRIVATE KEY-----")
_LOCKED = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED")
_INTEGER, _SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x02, 0x30, 0x17, 0x18, 0xA0
_NO_PURPOSE = 26
"""X509_V_ERR_INVALID_PURPOSE: a certificate for IKE need not be one for TLS. Said before signatures are looked at, so names stand in for them there."""
_MOST_BYTES = 1 << 20


class CertificateError(ValueError):
    """A certificate, key or authority that IPsec cannot use: says which file, why, and how to fix it. Never shows a key."""


def check(files: t.Mapping[str, Path], now: dt.datetime | None = None) -> dict[str, str]:
    """The texts of the files C(cert), C(key) and C(ca), when a host can prove with them who it is; raises CertificateError otherwise."""
    raw = {name: _read(name, files[name]) for name in ("cert", "key", "ca")}
    moment = now or dt.datetime.now(dt.timezone.utc)
    own, authority = (_Certificate(name, files[name], raw[name]) for name in ("cert", "ca"))
    for certificate in (authority, own):
        certificate.require_valid(moment)
    if _LOCKED.search(raw["key"]):
        raise CertificateError(f"key {files['key']}: it is locked with a passphrase, which nobody can type: unlock it, and encrypt the file with ansible-vault")
    if not _KEY.search(raw["key"]):
        raise CertificateError(f"key {files['key']}: it holds no private key in PEM form")
    _require_pair(files)
    _require_issued(files, own, authority)
    return {name: text.decode("ascii") for name, text in raw.items()}


def _read(name: str, path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{name} {path}: it cannot be read on the controller: {error.strerror}") from error
    if len(raw) > _MOST_BYTES or not raw.isascii():
        raise CertificateError(f"{name} {path}: it is no file in PEM form")
    return raw


class _Certificate:
    """One certificate in PEM form."""

    def __init__(self, name: str, path: Path, raw: bytes) -> None:
        self.title = f"{name} {path}"
        found = _PEM.findall(raw)
        if len(found) != 1:
            fix = "that of the authority that issues the hosts' certificates" if name == "ca" else "that of the host"
            raise CertificateError(f"{self.title}: it holds {len(found)} certificates in PEM form, and strongSwan reads one of each file: leave only {fix}")
        try:
            self.der = base64.b64decode(b"".join(found[0].split()), validate=True)
            self.issuer, validity, self.subject = _parts(self.der)
            self.begins, self.ends = (_moment(*each) for each in _elements(validity)[:2])
        except (binascii.Error, ValueError, IndexError) as error:
            raise CertificateError(f"{self.title}: its certificate cannot be read") from error

    def require_valid(self, moment: dt.datetime) -> None:
        """Raise CertificateError when it is not valid at that moment."""
        if moment > self.ends:
            raise CertificateError(f"{self.title}: it expired on {self.ends:%Y-%m-%d %H:%M} UTC: issue a new one")
        if moment < self.begins:
            raise CertificateError(f"{self.title}: it is not valid before {self.begins:%Y-%m-%d %H:%M} UTC: wait, or set the clock of the controller")


def _parts(der: bytes) -> tuple[bytes, bytes, bytes]:
    """Issuer, validity and subject of a certificate (RFC 5280, 4.1)."""
    ((kind, certificate),) = _elements(der)
    fields = _elements(_elements(certificate)[0][1])
    if kind != _SEQUENCE:
        raise ValueError("no certificate")
    if fields[0][0] == _VERSION:
        fields = fields[1:]
    if fields[0][0] != _INTEGER or any(tag != _SEQUENCE for tag, _value in fields[1:5]):
        raise ValueError("no certificate")
    return fields[2][1], fields[3][1], fields[4][1]


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    """Tags and values that follow each other; raises ValueError for what is cut off (X.690, 8.1)."""
    found, place = [], 0
    while place < len(der):
        tag, length, place = der[place], der[place + 1] if place + 1 < len(der) else 0x80, place + 2
        if length & 0x80:
            count = length & 0x7F
            if not 1 <= count <= 4:
                raise ValueError("length of an unknown form")
            length, place = int.from_bytes(der[place:place + count], "big"), place + count
        if place + length > len(der):
            raise ValueError("cut off")
        found.append((tag, der[place:place + length]))
        place += length
    return found


def _moment(tag: int, value: bytes) -> dt.datetime:
    """A time of a certificate (RFC 5280, 4.1.2.5): two digits of the year below 50 are of this century."""
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.timezone.utc)


def _require_pair(files: t.Mapping[str, Path]) -> None:
    try:
        _end(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files["cert"], files["key"], password="")
    except ssl.SSLError as error:
        why = "it does not belong to the certificate" if error.reason == "KEY_VALUES_MISMATCH" else f"OpenSSL cannot use it ({error.reason or 'no reason'})"
        raise CertificateError(f"key {files['key']}: {why}: name the key that {files['cert']} was issued for") from error


def _end(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    # How strong an algorithm has to be is strongSwan's business, not that of TLS.
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _require_issued(files: t.Mapping[str, Path], own: _Certificate, authority: _Certificate) -> None:
    if own.der == authority.der:
        raise CertificateError(f"{authority.title}: it is the certificate of the host: name that of the authority which issued it")
    server, client = _end(ssl.PROTOCOL_TLS_SERVER), _end(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(files["cert"], files["key"], password="")
    client.check_hostname = False
    client.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(files["ca"])
    try:
        _shake_hands(server, client)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _NO_PURPOSE and own.issuer == authority.subject:
            return
        raise CertificateError(f"{own.title}: it is not one of the authority in {files['ca']}: {error.verify_message}") from error
    except ssl.SSLError as error:
        raise CertificateError(f"{own.title}: OpenSSL cannot use it ({error.reason or 'no reason given'})") from error


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """A handshake in memory; raises the client's ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)]
    for _turn in range(8):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()


__all__ = ("CertificateError", "check")
