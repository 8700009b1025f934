# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ends of a pair, as texts: what one offers is what the other accepts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.datapath.exchange.plugins.plugin_utils._render import ipsec_suites as suites

PROFILES = tuple(suites.PROFILES.values())


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_windows_and_strongswan_offer_the_same_in_the_same_order(profile: suites.Profile) -> None:
    main = suites.read_netsh_main(suites.netsh_main(profile.main))
    assert main == profile.main == suites.read_swan_proposals(suites.swan_proposals(profile))
    quick = suites.read_netsh_quick(suites.netsh_quick(profile.quick))
    assert quick == profile.quick
    offered, pfs = suites.read_swan_esp_proposals(suites.swan_esp_proposals(profile))
    assert (offered, pfs) == (tuple(replace(suite, minutes=0, kilobytes=0) for suite in quick), profile.pfs)


@pytest.mark.parametrize("windows", PROFILES, ids=lambda profile: profile.name)
@pytest.mark.parametrize("linux", PROFILES, ids=lambda profile: profile.name)
def test_hosts_of_different_profiles_still_agree(windows: suites.Profile, linux: suites.Profile) -> None:
    first = suites.read_netsh_main(suites.netsh_main(windows.main))[0]
    assert first in suites.read_swan_proposals(suites.swan_proposals(linux))
    offered, pfs = suites.read_swan_esp_proposals(suites.swan_esp_proposals(linux))
    assert replace(suites.read_netsh_quick(suites.netsh_quick(windows.quick))[0], minutes=0, kilobytes=0) in offered
    assert pfs == windows.pfs


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_one_side_renews_before_the_other_ends(profile: suites.Profile) -> None:
    times = profile.linux
    assert times.ike_rekey + times.ike_over < profile.minutes * 60
    for suite in profile.quick:
        assert times.child_rekey < times.child_life < suite.minutes * 60
        assert times.child_rekey_bytes < times.child_life_bytes < suite.kilobytes * 1024
        assert 5 <= suite.minutes <= 2880 and 20480 <= suite.kilobytes <= 2_147_483_647


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_suite_is_known_to_windows_server_2008(profile: suites.Profile) -> None:
    assert {suite.exchange for suite in profile.main} == {profile.exchange}
    assert profile.exchange in ("dhgroup1", "dhgroup2", "dhgroup14", "ecdhp256", "ecdhp384")
    assert profile.pfs in ("dhgroup1", "dhgroup2", "dhgroup14", "ecdhp256", "ecdhp384", "mainmode", "none")
    assert not any(suite.integrity == "sha256" for suite in profile.quick)


@pytest.mark.parametrize("text", [
    "esp:sha1-none+60min+100000kb", "esp:sha1", "ah:sha1", "ah:sha1+esp:sha1-aes128", "esp:sha1-aesgcm128", "esp:aesgcm128-aesgcm256", "esp:sha1-des",
    "default", "", "esp:sha1-aes128+60min+100000kb,",
])
def test_what_does_not_encrypt_is_no_quick_mode(text: str) -> None:
    with pytest.raises(suites.SuiteError):
        suites.read_netsh_quick(text)


@pytest.mark.parametrize("text", ["dhgroup24:aes256-sha256", "dhgroup14-aes256-sha256", "dhgroup14:des-sha1", "dhgroup14:aes256-md5", "default", ""])
def test_words_outside_the_list_are_no_main_mode(text: str) -> None:
    with pytest.raises(suites.SuiteError):
        suites.read_netsh_main(text)


@pytest.mark.parametrize("text", ["aes256-sha256", "aes256-aes128-sha256-modp2048", "default", "aes256-sha256-modp1536", ""])
def test_a_proposal_has_one_algorithm_of_each_kind(text: str) -> None:
    with pytest.raises(suites.SuiteError):
        suites.read_swan_proposals(text)


@pytest.mark.parametrize("text", ["null-sha1", "aes128gcm16-sha1", "aes128", "aes128-sha1-modp2048,aes128gcm16", "aes128gcm8", ""])
def test_esp_proposals_encrypt_and_share_one_exchange(text: str) -> None:
    with pytest.raises(suites.SuiteError):
        suites.read_swan_esp_proposals(text)


def test_an_unknown_profile_says_which_there_are() -> None:
    with pytest.raises(suites.SuiteError, match="use one of current, compatible"):
        suites.profile("strong")
