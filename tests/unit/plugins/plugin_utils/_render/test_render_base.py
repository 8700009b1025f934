# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render_plans import networks

from ansible_collections.datapath.exchange.plugins.plugin_utils._plan.model import Flow, PeerSet, PortRange
from ansible_collections.datapath.exchange.plugins.plugin_utils._render import base
from ansible_collections.datapath.exchange.plugins.plugin_utils._render.base import FlowFact, ReadBackError

RANGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=6)


@given(RANGES, RANGES)
def test_subtraction_is_that_of_sets(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    def numbers(ranges: base.Intervals) -> set[int]:
        return {number for low, high in ranges for number in range(low, high + 1)}

    one, two = base._networks.merge(first), base._networks.merge(second)
    rest = base.subtract(one, two)
    assert numbers(rest) == numbers(one) - numbers(two)
    assert rest == base._networks.merge(rest)


@given(st.sampled_from((4, 6)).flatmap(lambda version: st.tuples(st.just(version), networks(version))))
@settings(max_examples=50)
def test_intervals_are_those_of_the_network_texts(drawn: tuple[int, tuple[str, ...]]) -> None:
    version, texts = drawn
    assert base.intervals(f"ipv{version}", texts) == base._networks.merge(base._networks.parse(text)[1:] for text in texts)


def test_a_mapped_address_may_be_written_with_dots() -> None:
    assert base.interval("ipv6", "::ffff:192.0.2.1") == ((0xFFFF << 32) + 0xC0000201,) * 2


@given(st.lists(st.from_regex(r"[a-z0-9]{1,30}", fullmatch=True), min_size=1, max_size=20), st.integers(40, 130))
def test_shown_paths_fit_and_account_for_all(paths: list[str], most: int) -> None:
    shown = base.shown_paths(paths, most)
    assert len(" ".join(shown)) <= most
    hidden = int(shown[-1][1:]) if shown[-1].startswith("+") else 0
    kept = shown[:-1] if hidden else shown
    assert list(kept) == paths[:len(kept)]
    assert len(kept) + hidden == len(paths)
    if hidden:
        assert len(" ".join((*paths[:len(kept) + 1], *([f"+{hidden - 1}"] if hidden > 1 else [])))) > most


def _fact(**changes: object) -> FlowFact:
    values = {
        "direction": "in", "family": "ipv4", "protocol": "tcp", "ports": ((25, 25),), "addresses": ((3221225985, 3221225985),), "paths": ("a-path",),
    }
    return FlowFact(**{**values, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [
    {"direction": "out"}, {"family": "ipv6"}, {"protocol": "udp"}, {"ports": ((25, 26),)}, {"addresses": None}, {"addresses": ((0, 4294967295),)},
    {"paths": ("another",)}, {"protected": True},
])
def test_facts_that_differ_in_anything_are_not_equal(change: dict[str, object]) -> None:
    with pytest.raises(ReadBackError) as caught:
        base.compare("the text", {_fact()}, {_fact(**change)})
    assert caught.value.lost == (str(_fact()),)
    assert caught.value.gained == (str(_fact(**change)),)


def test_equal_facts_pass_and_names_do_not_count() -> None:
    base.compare("the text", {_fact(peers="x")}, {_fact(peers="y")})


def test_facts_in_words() -> None:
    assert str(_fact()) == "in ipv4 25/tcp from 192.0.2.1 [a-path]"
    assert str(_fact(peers="hub_transport", direction="out", protocol="any", ports=())) == "out ipv4 any to hub_transport [a-path]"
    assert str(_fact(addresses=None, ports=((1, 2), (5, 5)))) == "in ipv4 1-2,5/tcp from everyone [a-path]"


def test_the_error_of_a_read_back_names_host_gain_and_loss() -> None:
    error = ReadBackError("the text does not mean what was planned", ["this"], ["that", "those"]).on("mbx1")
    assert str(error) == "mbx1: the text does not mean what was planned: gained this; lost that; lost those"


def test_a_second_renderer_is_a_declaration_away() -> None:
    other = base.Renderer("other", frozenset(("platform:linux", "state:enforced", "egress:open", "family:ipv4")), {"protocol:tcp": "use udp"}, 10)
    flow = Flow("in", "tcp", (PortRange(1, 1),), "x", ("a-path",))
    assert base.features_of_flow(flow, PeerSet("x")) == {"direction:in", "protocol:tcp", "protection:none", "peers:networks"}
    assert str(other.refuse("h", base.RefusedError("a-path", "this", "do that"))) == "h: a-path: the renderer other refuses this: do that"
