# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windows_rules import SAMPLES, VERSIONS, names, words

from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.grammar import GrammarError, RuleText, shown
from ansible_collections.datapath.exchange.plugins.plugin_utils._windows.model import WindowsError

texts = st.builds(
    lambda version, tokens: "|".join((version, *("=".join(token) for token in tokens), "")), st.sampled_from(VERSIONS),
    st.lists(st.tuples(names, words), max_size=6),
)


@given(texts)
def test_every_rule_is_written_as_it_was_read(text: str) -> None:
    assert str(RuleText.parse(text)) == text


@given(st.text(max_size=60))
def test_any_text_is_a_rule_that_is_written_as_it_was_read_or_an_error(text: str) -> None:
    try:
        assert str(RuleText.parse(text)) == text
    except GrammarError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("name", SAMPLES)
def test_public_samples_are_written_as_they_were_read(name: str) -> None:
    assert str(RuleText.parse(SAMPLES[name])) == SAMPLES[name]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_kept_and_means_nothing(version: str) -> None:
    rule = RuleText.parse(f"{version}|Dir=In|")
    assert (rule.version, rule.get("Dir")) == (version, "In")


def test_tokens_are_found_whatever_their_case_and_values_end_at_the_bar_alone() -> None:
    rule = RuleText.parse("v2.10|rport=1|RPORT=2|Desc=|Name=a=b=c|新=値|")
    assert rule.all("RPort") == ("1", "2")
    assert (rule.get("NAME"), rule.get("Desc", "no"), rule.get("新"), rule.get("gone", "default")) == ("a=b=c", "", "値", "default")


def test_a_token_with_two_values_has_none() -> None:
    assert RuleText.parse("v2.10|Active=TRUE|Active=TRUE|").get("Active") == "TRUE"
    with pytest.raises(GrammarError, match=r"Action is there 2 times: 'Allow', 'Block'"):
        RuleText.parse("v2.10|Action=Allow|Action=Block|").get("Action")


@pytest.mark.parametrize("text", [
    "", "v2.10", "v2|Dir=In|", "2.10|Dir=In|", "v2.10 |Dir=In|", "v2.10|Dir=In", "v2.10|Dir|", "v2.10|=In|", "v2.10||", "v2.10|Dir=In||", "x\nv2.10|Dir=In|",
    "v٢.10|Dir=In|", "v2.10|Desc=cut\n", "v2.1000|Dir=In|",
])
def test_what_is_no_rule_is_an_error(text: str) -> None:
    with pytest.raises(WindowsError):
        RuleText.parse(text)


def test_a_token_is_set_once_and_where_it_was() -> None:
    rule = RuleText.parse("v2.10|LPort=1|Name=x|lport=2|")
    assert str(rule.with_token("LPort", "3")) == "v2.10|LPort=3|Name=x|"
    assert str(rule.with_token("Desc", "")) == "v2.10|LPort=1|Name=x|lport=2|Desc=|"


@pytest.mark.parametrize(("name", "value"), [("Name", "a|Action=Allow"), ("Na|me", "x"), ("Na=me", "x"), ("", "x")])
def test_a_value_cannot_bring_a_token_of_its_own(name: str, value: str) -> None:
    with pytest.raises(GrammarError):
        RuleText.parse("v2.10|Dir=In|").with_token(name, value)


def test_foreign_texts_are_shown_short_and_escaped() -> None:
    assert shown("a\r\nb") == r"'a\r\nb'"
    assert len(shown("x" * 5000)) < 100
