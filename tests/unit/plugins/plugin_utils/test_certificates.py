# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates that cannot prove anything are found on the controller, before a host is touched."""

from __future__ import annotations

import contextlib
import datetime as dt
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils import _certificates

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(not OPENSSL, reason="openssl is needed to issue certificates")
IKE_ONLY = "extendedKeyUsage = 1.3.6.1.5.5.7.3.17\n"
NOW = dt.datetime.now(dt.timezone.utc)


def openssl(folder: Path, *words: str) -> None:
    subprocess.run([str(OPENSSL), *words], check=True, capture_output=True, cwd=folder)


@pytest.fixture(name="pki", scope="module")
def make_pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two authorities, and one that only has the name of the first; hosts of the first with RSA and elliptic keys."""
    folder = tmp_path_factory.mktemp("pki")
    (folder / "ike.cnf").write_text(IKE_ONLY)
    for file, name in (("root", "Root"), ("other", "Other"), ("namesake", "Root")):
        openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{file}.key", "-out", f"{file}.pem", "-subj", f"/CN={name}", "-days", "9")
    for file, kind in (("host", "rsa:2048"), ("elliptic", "ec")):
        options = ("-pkeyopt", "ec_paramgen_curve:P-256") if kind == "ec" else ()
        openssl(folder, "req", "-newkey", kind, *options, "-nodes", "-keyout", f"{file}.key", "-out", f"{file}.csr", "-subj", f"/CN={file}")
        openssl(folder, "x509", "-req", "-in", f"{file}.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "8", "-out", f"{file}.pem")
    openssl(folder, "x509", "-req", "-in", "host.csr", "-CA", "root.pem", "-CAkey", "root.key", "-days", "8", "-extfile", "ike.cnf", "-out", "ike.pem")
    openssl(folder, "pkey", "-aes256", "-passout", "pass:canary", "-in", "host.key", "-out", "locked.key")
    (folder / "both.pem").write_bytes((folder / "host.pem").read_bytes() + (folder / "root.pem").read_bytes())
    (folder / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n")
    (folder / "binary.pem").write_bytes(b"\x30\x82\xff")
    return folder


def check(pki: Path, cert: str = "host.pem", key: str = "host.key", ca: str = "root.pem", now: dt.datetime | None = None) -> dict[str, str]:
    return _certificates.check({"cert": pki / cert, "key": pki / key, "ca": pki / ca}, now)


@pytest.mark.parametrize(("cert", "key"), [("host.pem", "host.key"), ("elliptic.pem", "elliptic.key"), ("ike.pem", "host.key")])
def test_what_belongs_together_is_taken(pki: Path, cert: str, key: str) -> None:
    found = check(pki, cert, key)
    assert found == {"cert": (pki / cert).read_text(), "key": (pki / key).read_text(), "ca": (pki / "root.pem").read_text()}


@pytest.mark.parametrize(("files", "text"), [
    ({"key": "other.key"}, "other.key: it does not belong to the certificate"),
    ({"key": "elliptic.key"}, "elliptic.key: "),
    ({"key": "locked.key"}, "locked.key: it is locked with a passphrase"),
    ({"key": "host.pem"}, "host.pem: it holds no private key in PEM form"),
    ({"ca": "other.pem"}, "host.pem: it is not one of the authority in .*other.pem: unable to get local issuer certificate"),
    ({"ca": "namesake.pem"}, "host.pem: it is not one of the authority in .*namesake.pem: certificate signature failure"),
    ({"cert": "ike.pem", "ca": "other.pem"}, "ike.pem: it is not one of the authority in"),
    ({"ca": "host.pem"}, "ca .*host.pem: it is the certificate of the host"),
    ({"ca": "elliptic.pem"}, "host.pem: it is not one of the authority in"),
    ({"cert": "both.pem"}, "both.pem: it holds 2 certificates in PEM form, .*: leave only that of the host"),
    ({"ca": "both.pem"}, "both.pem: it holds 2 certificates in PEM form, .*: leave only that of the authority"),
    ({"cert": "host.key"}, "host.key: it holds 0 certificates"),
    ({"cert": "broken.pem"}, "broken.pem: its certificate cannot be read"),
    ({"cert": "binary.pem"}, "binary.pem: it is no file in PEM form"),
    ({"cert": "none.pem"}, "none.pem: it cannot be read on the controller: No such file or directory"),
])
def test_what_does_not_is_named(pki: Path, files: dict[str, str], text: str) -> None:
    with pytest.raises(_certificates.CertificateError, match=text) as caught:
        check(pki, **files)
    assert "PRIVATE KEY" not in str(caught.value)


@pytest.mark.parametrize(("days", "text"), [(8.5, "host.pem: it expired on "), (20, "root.pem: it expired on "), (-2, "root.pem: it is not valid before ")])
def test_times_are_named(pki: Path, days: float, text: str) -> None:
    with pytest.raises(_certificates.CertificateError, match=text):
        check(pki, now=NOW + dt.timedelta(days=days))


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_be_read_or_refused(raw: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        _certificates._parts(raw)


@pytest.mark.parametrize(("kind", "text", "year"), [(0x17, b"491231235959Z", 2049), (0x17, b"500101000000Z", 1950), (0x18, b"20500101000000Z", 2050)])
def test_years_of_two_digits_are_of_the_right_century(kind: int, text: bytes, year: int) -> None:
    moment: t.Callable[[int, bytes], dt.datetime] = _certificates._moment
    assert moment(kind, text).year == year
