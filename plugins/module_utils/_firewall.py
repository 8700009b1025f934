# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""One host's firewall brought to its desired state: rehearse, compare, arm the way back, load, wait for the confirmation. Standard library only."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
import typing as t
import uuid

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _rollback
from ansible_collections.datapath.exchange.plugins.module_utils._nft import FAMILY, TABLE, EnforceError, Nft, NftMissingError, replacement
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run
from ansible_collections.datapath.exchange.plugins.module_utils._session import Session

_LOCKED_DIRECTORY = "/run"
_LOCK_SECONDS = 20.0
_TABLE_HEADER = f"table {FAMILY} {TABLE}"
_BOOT_HEADER = "after a reboot"


def desired(nft: Nft, ruleset: str, sessions: t.Iterable[Session]) -> str:
    """The canonical listing of ``ruleset`` with the connections that must stay admitted; raises EnforceError when nft refuses it."""
    text = ruleset if ruleset.endswith("\n") else ruleset + "\n"
    return nft.canonical(text + "".join(session.element() for session in sessions))


def enforce(nft: Nft, listing: str, seconds: int, *, check: bool) -> dict[str, t.Any]:
    """Make ``listing``, a canonical listing, the table of this host.

    Returns ``changed``, ``diff``, ``taken_over`` (an earlier run was never confirmed) and, when the change has to be confirmed within
    ``seconds``, its token as ``pending``. Raises EnforceError or OSError with nothing changed.
    """
    with contextlib.nullcontext() if check else locked():
        taken_over = _rollback.left_over()
        restore = None if check or not taken_over else _rollback.take_over(nft.run)
        live = nft.live()
        boot = _boot.status(_boot.rules_text(listing), nft)
        result = {
            "changed": taken_over or live != listing or set(boot.values()) != {_boot.AS_PLANNED}, "taken_over": taken_over,
            "diff": _diff(live, listing, boot, _boot.AS_PLANNED),
        }
        if result["changed"] and not check:
            if live == listing and restore is None:
                _persist(nft, listing)
            else:
                result["pending"] = _try(nft, listing, restore, replacement(live), seconds)
        return result


def confirm(nft: Nft, token: str) -> dict[str, t.Any]:
    """Keep the change with this token: stop its timer and make it survive a reboot. Raises EnforceError when it no longer waits or is not what is loaded."""
    with locked():
        if _rollback.token() == token and _boot.rules_text(nft.live()) != _boot.staged():
            raise EnforceError("the table that is loaded is not the one that waits for its confirmation: something else has changed it")
        _rollback.claim(token)
        _boot.commit()
        _rollback.clear(nft.run)
        _boot.install_unit(nft)
        return {"changed": True, "persistent": _boot.supported()}


def remove(run: Run, *, check: bool) -> dict[str, t.Any]:
    """Take our table, files and unit away, and a change that waits with them. Needs no way back: less of our table never closes anything."""
    nft = _nft_if_needed(run)
    with contextlib.nullcontext() if check else locked():
        left_over = _rollback.left_over()
        if left_over and not check:
            _rollback.take_over(run)
        live = nft.live() if nft else ""
        traces = _boot.traces()
        changed = bool(live or traces or left_over)
        if changed and not check:
            _rollback.clear(run)
            if nft and live:
                nft.apply(replacement(""))
            _boot.remove(run)
        return {"changed": changed, "taken_over": left_over, "diff": _diff(live, "", traces, _boot.ABSENT)}


@contextlib.contextmanager
def locked() -> t.Iterator[None]:
    """One change of this host at a time. The lock is on a directory that exists anyway: a run that changes nothing writes nothing."""
    directory = os.open(_LOCKED_DIRECTORY, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _try_lock(directory):
            if time.monotonic() > deadline:
                raise EnforceError("another run is changing the firewall of this host: try again when it has ended")
            time.sleep(0.2)
        yield
    finally:
        os.close(directory)


def _try_lock(directory: int) -> bool:
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _try(nft: Nft, listing: str, restore: str | None, previous: str, seconds: int) -> str:
    """Load ``listing`` with the timer running; returns the token. After a failure the host has what the timer would have restored."""
    token = uuid.uuid4().hex
    try:
        _boot.stage(_boot.rules_text(listing))
        _rollback.arm(token, previous if restore is None else restore, seconds, nft)
        nft.apply(replacement(listing))
    except (EnforceError, OSError):
        if restore is not None:
            nft.apply(restore)
        _rollback.clear(nft.run)
        _boot.unstage()
        raise
    return token


def _persist(nft: Nft, listing: str) -> None:
    """The table is loaded already: only what a reboot would load is not."""
    _boot.stage(_boot.rules_text(listing))
    _boot.commit()
    _boot.install_unit(nft)


def _nft_if_needed(run: Run) -> Nft | None:
    """A host without nft and without our files never had our table."""
    try:
        return Nft.find(run)
    except NftMissingError:
        if _boot.traces():
            raise
        return None


def _diff(before: str, after: str, boot: t.Mapping[str, str], wanted: str) -> list[dict[str, str]]:
    """What ``--diff`` shows: the table in canonical form, and each part that survives a reboot."""
    diffs = []
    if before != after:
        diffs.append({"before_header": _TABLE_HEADER, "after_header": _TABLE_HEADER, "before": before, "after": after})
    if set(boot.values()) - {wanted}:
        diffs.append({
            "before_header": _BOOT_HEADER, "after_header": _BOOT_HEADER, "before": "".join(f"{part}: {boot[part]}\n" for part in boot),
            "after": "".join(f"{part}: {wanted}\n" for part in boot if boot[part] != _boot.LEFT_OVER),
        })
    return diffs


__all__ = ("confirm", "desired", "enforce", "locked", "remove")
