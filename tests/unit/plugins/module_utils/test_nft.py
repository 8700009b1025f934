# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module firewall needs of a host, and what it says when that is missing."""

from __future__ import annotations

import pytest

from ansible_collections.datapath.exchange.plugins.module_utils import _nft


@pytest.mark.parametrize(
    ("text", "version"),
    [("nftables v1.0.6 (Lester Gooch #5)\n", (1, 0, 6)), ("nftables v0.9.3 (Topsy)\n", (0, 9, 3)), ("nftables v1.1 (Commodore Bullmoose)", (1, 1, 0))],
)
def test_versions_are_read(text: str, version: tuple[int, int, int]) -> None:
    assert _nft.parse_version(text) == version


def test_an_unreadable_version_is_quoted() -> None:
    with pytest.raises(_nft.EnforceError, match=r"^nft --version says 'usage: nft': no version found in it$"):
        _nft.parse_version("usage: nft\n")


def test_an_old_nft_is_refused_by_number() -> None:
    _nft.require_version(_nft.MINIMUM)
    with pytest.raises(_nft.EnforceError, match=r"^nft 0\.9\.2 is too old: 0\.9\.3 or later is needed; update the package nftables$"):
        _nft.require_version((0, 9, 2))


def test_without_root_the_fix_is_named() -> None:
    with pytest.raises(_nft.EnforceError, match=r"^root is needed to read and change the firewall: set become: true"):
        _nft.require_privilege("CapEff:\t000001ffffffffff\n", 1000)


def test_root_without_the_capability_is_refused() -> None:
    _nft.require_privilege("CapEff:\t0000000000001000\n", 0)
    with pytest.raises(_nft.EnforceError, match=r"^root lacks CAP_NET_ADMIN here"):
        _nft.require_privilege("CapEff:\t000001ffffffefff\n", 0)


def test_a_replacement_never_fails_for_want_of_a_table() -> None:
    assert _nft.replacement("table inet datapath {\n}\n") == "table inet datapath\ndelete table inet datapath\ntable inet datapath {\n}\n"


def test_errors_are_cut_to_what_can_be_read() -> None:
    excerpt = _nft._excerpt("\n".join(["x" * 1000] * 1000))
    assert excerpt.count("\n") == 5
    assert len(excerpt) < 2000
