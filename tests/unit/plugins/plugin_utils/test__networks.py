# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks as intervals: what is read, what is refused with which advice, and that merging keeps exactly the same addresses."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.datapath.exchange.plugins.plugin_utils import _networks
from ansible_collections.datapath.exchange.plugins.plugin_utils._networks import NetworkError

SMALL = st.integers(0, 600)
INTERVALS = st.lists(st.tuples(SMALL, SMALL).map(lambda pair: (min(pair), max(pair))), max_size=8)


@pytest.mark.parametrize(("text", "expected"), [
    ("192.0.2.1", (4, 0xC0000201, 0xC0000201)),
    ("192.0.2.0/24", (4, 0xC0000200, 0xC00002FF)),
    ("192.0.2.0/255.255.255.0", (4, 0xC0000200, 0xC00002FF)),
    ("192.0.2.1-192.0.2.9", (4, 0xC0000201, 0xC0000209)),
    ("192.0.2.1 - 192.0.2.9", (4, 0xC0000201, 0xC0000209)),
    ("2001:db8::/64", (6, 0x20010DB8 << 96, (0x20010DB8 << 96) + (1 << 64) - 1)),
    ("2001:db8::1-2001:db8::2", (6, (0x20010DB8 << 96) + 1, (0x20010DB8 << 96) + 2)),
])
def test_network_is_read_as_family_and_interval(text: str, expected: tuple[int, int, int]) -> None:
    assert _networks.parse(text) == expected


@pytest.mark.parametrize(("text", "advice"), [
    ("", "is not an address or network"),
    ("mail.example", "host names are not resolved"),
    ("my-gateway", "host names are not resolved"),
    ("192.0.2.1/24", "has host bits set; write 192.0.2.1 for the host or 192.0.2.0/24 for the network"),
    ("192.0.2.0/33", "is not an address or network"),
    ("192.0.2.256", "is not an address or network"),
    ("192.0.02.1", "is not an address or network"),
    ("192.0.2.9-192.0.2.1", "the lower one first"),
    ("192.0.2.1-2001:db8::1", "of one family"),
    ("192.0.2.1-9", "write it as 192.0.2.1-192.0.2.9"),
    ("192.0.2.0/24-192.0.3.0/24", "write it as 192.0.2.1-192.0.2.9"),
    ("fe80::1%eth0", "zone"),
    ("2001:db8::1%eth0-2001:db8::9", "zone"),
    ("192.0.2.1; flush ruleset", "is not an address or network"),
    ("192.0.2.1\n", "is not an address or network"),
])
def test_malformed_network_is_refused_with_advice(text: str, advice: str) -> None:
    with pytest.raises(NetworkError) as caught:
        _networks.parse(text)
    assert advice in str(caught.value)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", [
    "0.0.0.0", "::", "127.0.0.1", "::1", "224.0.0.1", "ff02::1", "169.254.1.1", "fe80::1", "fe80::1%eth0", "2001:db8::1%eth0", "255.255.255.255",
    "::ffff:192.0.2.1", "192.0.2.0/24", "192.0.2.1 ", "host", "", "192.0.2.1-192.0.2.2", "any",
])
def test_address_that_no_peer_could_use_is_refused(text: str) -> None:
    with pytest.raises(NetworkError):
        _networks.parse_host(text)


@pytest.mark.parametrize(("text", "expected"), [("192.0.2.1", (4, 0xC0000201)), ("2001:db8::1", (6, (0x20010DB8 << 96) + 1)), ("10.0.0.1", (4, 0x0A000001))])
def test_host_address_is_read(text: str, expected: tuple[int, int]) -> None:
    assert _networks.parse_host(text) == expected


@given(INTERVALS)
def test_merging_keeps_exactly_the_same_addresses(intervals: list[tuple[int, int]]) -> None:
    merged = _networks.merge(intervals)
    assert {n for low, high in merged for n in range(low, high + 1)} == {n for low, high in intervals for n in range(low, high + 1)}
    assert all(first[1] + 1 < second[0] for first, second in itertools.pairwise(merged))


@given(INTERVALS, st.sampled_from((4, 6)), SMALL)
def test_texts_say_the_same_intervals_again(intervals: list[tuple[int, int]], family: int, number: int) -> None:
    merged = _networks.merge(intervals)
    parsed = [_networks.parse(text) for text in _networks.texts(family, merged)]
    assert [(low, high) for _family, low, high in parsed] == list(merged)
    assert {found for found, _low, _high in parsed} <= {family}
    assert _networks.contains(merged, number) is any(low <= number <= high for low, high in intervals)


@given(st.integers(0, (1 << 128) - 1), st.integers(1, 128))
def test_prefix_survives_reading_and_writing(address: int, length: int) -> None:
    network = ipaddress.IPv6Network((address >> (128 - length) << (128 - length), length))
    family, low, high = _networks.parse(str(network))
    assert (family, high - low + 1) == (6, network.num_addresses)
    assert _networks.texts(6, ((low, high),)) == (str(network.network_address) if length == 128 else str(network),)


@pytest.mark.parametrize(("family", "intervals", "whole"), [
    (4, ((0, (1 << 32) - 1),), True), (6, ((0, (1 << 128) - 1),), True), (6, ((0, (1 << 32) - 1),), False), (4, ((0, 5),), False), (4, (), False),
])
def test_whole_address_space_is_told_apart(family: int, intervals: tuple[tuple[int, int], ...], whole: bool) -> None:
    assert _networks.covers_family(family, intervals) is whole
