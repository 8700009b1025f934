# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Private to datapath.exchange: it may change in any release.
"""One host's associations brought to their desired state: compare, arm the way back, load, read back, wait for the confirmation. Standard library only."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import socket
import stat
import time
import typing as t
import uuid
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.datapath.exchange.plugins.module_utils import _boot, _policies, _swanctl, _vici, _xfrm
from ansible_collections.datapath.exchange.plugins.module_utils._firewall import locked
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError, in_new_network, require_privilege
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Run, find_program
from ansible_collections.datapath.exchange.plugins.module_utils._swanctl import Connection, Swanctl
from ansible_collections.datapath.exchange.plugins.module_utils._timer import Timer

DIRECTORY = Path("/run/datapath-ipsec")
MOST_SHOWN = 1000
"""So many policies travel to the controller; all are compared."""
MEMORY = _boot.DIRECTORY / "ipsec.json"
SETTINGS, SECRETS, AUTHORITY, CERTIFICATE, KEY = (
    "conf.d/datapath.conf", "conf.d/datapath-secrets.conf", "x509ca/datapath.pem", "x509/datapath.pem", "private/datapath.pem",
)
FILES = (SETTINGS, SECRETS, AUTHORITY, CERTIFICATE, KEY)
_CREDENTIALS = (SECRETS, AUTHORITY, CERTIFICATE, KEY)
_STORES = (AUTHORITY, CERTIFICATE, KEY)
_MODE = 0o600
_HEADER = "# Managed by datapath.exchange: changes made here are lost.\n"
_DAEMON_SECONDS = 15.0
_SETTLE_SECONDS = 10.0
_LIST, _NAMES, _AGAIN, _STARTED, _COMMIT = "list", "names", "again", "started", "commit.json"
_SECRET_LINE = re.compile(r"(?m)^(\s*secret\w*\s*=).*$")

# Files first: whatever the daemon does, what it reads when it starts again is what was there before.
TIMER = Timer(DIRECTORY, "datapath-ipsec-rollback", "the previous associations", f"""\
while read -r kept mode path; do
  if [ "$kept" = none ]; then
    rm -f "$path"
  else
    rm -f "$path.datapath"
    (umask 077 && cat "expired/$kept" > "$path.datapath") && chmod "$mode" "$path.datapath" && mv -f "$path.datapath" "$path"
  fi
done < expired/{_LIST}
"$3" --load-creds --noprompt --clear > /dev/null 2>&1
while read -r name; do
  "$3" --terminate --ike "$name" --force --timeout -1 > /dev/null 2>&1
done < expired/{_NAMES}
"$3" --load-conns > /dev/null 2>&1
while read -r name child; do
  "$3" --initiate --ike "$name" --child "$child" --timeout -1 > /dev/null 2>&1
done < expired/{_AGAIN}
while read -r unit; do
  systemctl stop "$unit" > /dev/null 2>&1
done < expired/{_STARTED}
""")


@dataclass(frozen=True)
class Desired:
    """What a host is to have; nothing by default. Texts are those of files, certificates and key in PEM form.

    compatible: AES-CBC with HMAC-SHA-1 is offered as well.
    """

    text: str = ""
    connections: tuple[Connection, ...] = ()
    secrets: str = ""
    authority: str = ""
    certificate: str = ""
    key: str = ""
    compatible: bool = False

    @classmethod
    def from_plain(cls, plain: t.Mapping[str, t.Any]) -> Desired:
        """What the action plugin sends; raises EnforceError for anything else."""
        try:
            connections = tuple(Connection.from_plain(each) for each in plain.get("connections") or ())
            texts = {name: plain.get(name) or "" for name in ("text", "secrets", "authority", "certificate", "key")}
        except (KeyError, TypeError, ValueError) as error:
            raise EnforceError("what the host is to have is not understood: run this as a task, so that the action plugin renders it from the plan") from error
        return cls(connections=connections, compatible=bool(plain.get("compatible")), **texts)

    def files(self) -> dict[str, str]:
        """The text of each file, by its name below strongSwan's folder; empty where there must be none."""
        if not self.connections:
            return dict.fromkeys(FILES, "")
        settings = {SETTINGS: _HEADER + self.text, SECRETS: self.secrets and _HEADER + self.secrets}
        return {**settings, AUTHORITY: self.authority, CERTIFICATE: self.certificate, KEY: self.key}


@dataclass(frozen=True)
class Seen:
    """What a host has. files: their text, empty for none. strange: files with another owner or mode. loaded: None where no daemon runs."""

    files: t.Mapping[str, str]
    strange: frozenset[str] = frozenset()
    loaded: t.Mapping[str, Connection] | None = None
    trapped: frozenset[tuple[str, str]] = frozenset()
    associations: tuple[_swanctl.Association, ...] = ()
    policies: tuple[_xfrm.Policy, ...] = ()
    unit: _swanctl.Unit | None = None


def look(run: Run, folder: Path | None) -> Seen:
    """Read the host. Raises EnforceError or OSError when it cannot be read."""
    files = {name: _boot.read(folder / name) if folder else "" for name in FILES}
    strange = frozenset(name for name in FILES if folder and _strange(folder / name))
    with _as_enforce_error():
        policies = tuple(_xfrm.policies())
        unit = _swanctl.unit(run) if folder and find_program("swanctl") else None
        vici = _swanctl.daemon()
        if vici is None:
            return Seen(files, strange, policies=policies, unit=unit)
        with vici:
            loaded, trapped = _swanctl.connections(vici), frozenset(_swanctl.trapped(vici))
            return Seen(files, strange, loaded, trapped, tuple(_swanctl.associations(vici)), policies, unit)


def _strange(path: Path) -> bool:
    if not os.path.lexists(path):
        return False
    facts = path.lstat()
    return not stat.S_ISREG(facts.st_mode) or (stat.S_IMODE(facts.st_mode), facts.st_uid) != (_MODE, 0)


@contextlib.contextmanager
def _as_enforce_error() -> t.Iterator[None]:
    try:
        yield
    except (_vici.ViciError, _xfrm.XfrmError) as error:
        raise EnforceError(str(error)) from error


def preflight(run: Run, desired: Desired) -> Swanctl | None:
    """Raise EnforceError unless this host can have what is desired; None where it has no strongSwan and needs none."""
    require_privilege(Path("/proc/self/status").read_text(encoding="ascii", errors="replace"), os.geteuid(), "IPsec")
    if not desired.connections:
        try:
            return Swanctl.find(run)
        except _swanctl.SwanctlMissingError:
            return None
    swanctl = Swanctl.find(run)
    swanctl.require_include()
    if not _swanctl.unit(run) and _swanctl.daemon() is None:
        raise EnforceError("charon does not run, and this host has no systemd to start it: start it first")
    for address in sorted({connection.local for connection in desired.connections}):
        _require_own(address)
    _require_esp(desired)
    return swanctl


def _require_own(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError as error:
        raise EnforceError(
            f"{address} is not an address of this host ({error.strerror}): correct datapath_addresses. Behind address translation hosts cannot do IPsec in "
            "transport mode"
        ) from error


def _require_esp(desired: Desired) -> None:
    families = sorted({socket.AF_INET6 if ":" in connection.local else socket.AF_INET for connection in desired.connections})
    with _as_enforce_error():
        missing = in_new_network(lambda: _xfrm.esp_missing(families, compatible=desired.compatible))
    if missing:
        raise EnforceError(f"the kernel of this host cannot do {missing}. Boot one with CONFIG_INET_ESP and CONFIG_INET6_ESP. Nothing was changed")


def differences(desired: Desired, seen: Seen) -> list[str]:
    """How a host differs from what is desired, one sentence for each."""
    files = desired.files()
    told = [f"the file {name} is {_state(seen.files[name], files[name])}" for name in FILES if seen.files[name] != files[name]]
    told += [f"the file {name} has another owner or mode" for name in FILES if name in seen.strange and seen.files[name] == files[name]]
    return told + runtime_differences(desired, seen) + unit_differences(desired, seen)


def _state(found: str, wanted: str) -> str:
    return "missing" if not found else "different" if wanted else "left over"


def unit_differences(desired: Desired, seen: Seen) -> list[str]:
    """How the daemon's unit differs, where something needs it."""
    if not desired.connections or seen.unit is None or seen.unit.enabled:
        return []
    return [f"{seen.unit.name} does not start at boot"]


def runtime_differences(desired: Desired, seen: Seen) -> list[str]:
    """How what is loaded differs."""
    if seen.loaded is None:
        return ["charon does not run"] if desired.connections else []
    wanted = {connection.name: connection for connection in desired.connections}
    told = [f"the connection {name} is not loaded" for name in wanted if name not in seen.loaded]
    told += [f"the connection {name} is left over" for name in sorted(seen.loaded) if name not in wanted]
    told += [f"the connection {name} is loaded otherwise" for name in sorted(changed(wanted, seen.loaded))]
    traps = {(connection.name, child.name) for connection in desired.connections for child in connection.children if child.start == "trap"}
    told += [f"the child {child} of {name} is not enforced" for name, child in sorted(traps - seen.trapped)]
    told += [f"the child {child} of {name} is enforced and should not be" for name, child in sorted(seen.trapped - traps)]
    told += [f"an association of {each.connection} is left over" for each in seen.associations if each.connection not in wanted]
    return told + _policies.differences(desired.connections, seen.policies)


def changed(wanted: t.Mapping[str, Connection], loaded: t.Mapping[str, Connection]) -> set[str]:
    """Names of connections that are loaded otherwise than wanted."""
    return {name for name, connection in wanted.items() if name in loaded and loaded[name] != connection.without_start()}


def bring(run: Run, desired: Desired, seconds: int, *, check: bool) -> dict[str, t.Any]:
    """Make ``desired`` true.

    Returns ``changed``, ``diff``, ``taken_over`` and, when the change has to be confirmed within ``seconds``, its token as ``pending``.
    Raises EnforceError or OSError with nothing changed, or ChangeError.
    """
    swanctl = preflight(run, desired)
    folder = swanctl.folder if swanctl else _swanctl.find_folder()
    with contextlib.nullcontext() if check else locked():
        taken_over = TIMER.left_over()
        kept = TIMER.take_over(run) if taken_over and not check else None
        seen = look(run, folder)
        told = differences(desired, seen) + ([] if desired.connections else _memory_left())
        result: dict[str, t.Any] = {
            "changed": bool(told) or taken_over, "taken_over": taken_over, "differences": told, "diff": _diff(desired, seen, told),
            "bypasses": _policies.bypasses(desired.connections, seen.policies), "persistent": seen.unit is not None or not desired.connections,
        }
        if result["changed"] and not check:
            way = _Change(run, swanctl, folder, desired, seen, _kept(kept) if kept else None)
            result["pending"] = way.make(seconds)
        return result


class ChangeError(EnforceError):
    """A change failed after it had begun. restored: the host has back what it had before. restoring: it does that by itself."""

    def __init__(self, message: str, *, restored: bool) -> None:
        super().__init__(message)
        self.restored, self.restoring = restored, not restored


def _kept(folder: Path) -> dict[str, str]:
    """What the timer of an unconfirmed change would have restored."""
    return {path.name: _boot.read(path) for path in sorted(folder.iterdir()) if path.name not in ("token", _COMMIT)}


class _Change:
    """One change: the way back, then the way there."""

    def __init__(self, run: Run, swanctl: Swanctl | None, folder: Path | None, desired: Desired, seen: Seen, kept: dict[str, str] | None) -> None:
        self.run, self.swanctl, self.folder, self.desired, self.seen, self.kept = run, swanctl, folder, desired, seen, kept
        self.files = desired.files()
        self.program = swanctl.path if swanctl else "true"
        self.wanted = {connection.name: connection for connection in desired.connections}
        self.stale = changed(self.wanted, seen.loaded or {})
        self.other_files = [name for name in FILES if seen.files[name] != self.files[name]]
        self.renewed = kept is not None or any(name in _CREDENTIALS for name in self.other_files)

    def make(self, seconds: int) -> str:
        """Returns the token of the change that waits; raises ChangeError."""
        token = uuid.uuid4().hex
        try:
            TIMER.arm(token, self._way_back(), seconds, self.program, self.run)
        except (EnforceError, OSError):
            TIMER.clear(self.run)
            raise
        try:
            with _as_enforce_error():
                self._load()
        except (EnforceError, OSError) as error:
            restored = TIMER.fire(token, self.program, self.run)
            text = "The host has back what it had before" if restored else "The host restores what it had before by itself"
            raise ChangeError(f"{error}. {text}", restored=restored) from error
        return token

    def _way_back(self) -> dict[str, str]:
        kept = self.kept or {}
        other, start, unit = self._other(), self._starts(), self.seen.unit
        loaded = self.seen.loaded or {}
        again = [
            (name, child.name) for name in sorted(other & set(loaded) & set(self.wanted) - self.stale) for child in loaded[name].children
            if child.mode == "transport" and (name, child.name) not in self.seen.trapped
        ]
        commit = {"digest": _digest(self.files), "unit": dict(vars(unit)) if unit else None, "absent": not self.desired.connections}
        return {
            **(kept or self._snapshot()), _NAMES: _lines({*other, *kept.get(_NAMES, "").split()}), _COMMIT: json.dumps(commit),
            _AGAIN: kept.get(_AGAIN, "") or _lines(f"{name} {child}" for name, child in again),
            _STARTED: kept.get(_STARTED, "") or _lines([start] if start else []),
        }

    def _other(self) -> set[str]:
        """Names of connections under which something else may be negotiated after the change than before."""
        loaded = set(self.seen.loaded or ())
        return loaded | set(self.wanted) if self.renewed else self.stale | (loaded ^ set(self.wanted))

    def _starts(self) -> str:
        return self.seen.unit.name if self.seen.unit and self.seen.loaded is None and self.desired.connections else ""

    def _snapshot(self) -> dict[str, str]:
        found, lines = {}, []
        for number, name in enumerate(FILES if self.folder else ()):
            path = t.cast("Path", self.folder) / name
            if os.path.lexists(path):
                found[f"file-{number}"] = self.seen.files[name]
                lines.append(f"file-{number} {stat.S_IMODE(path.lstat().st_mode):o} {path}\n")
            else:
                lines.append(f"none 0 {path}\n")
        return {**found, _LIST: "".join(lines)}

    def _load(self) -> None:
        if self._starts():
            _swanctl.systemctl(self.run, "start", self._starts())
        self._write()
        if self.swanctl is None or (self.seen.loaded is None and not self.desired.connections):
            return
        vici = _wait_for_daemon()
        with vici:
            self._reload(vici)
        self._read_back()

    def _read_back(self) -> None:
        """What ends without waiting for its peer ends a little later."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while True:
            left = runtime_differences(self.desired, look(self.run, self.folder))
            if not left:
                return
            if time.monotonic() > deadline:
                raise EnforceError(f"the host does not have the associations that it was given: {'; '.join(left[:5])}")
            time.sleep(0.3)

    def _write(self) -> None:
        for name, text in self.files.items() if self.folder else ():
            path = t.cast("Path", self.folder) / name
            if text and (text != self.seen.files[name] or name in self.seen.strange):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _boot.write(path, text, _MODE)
            elif not text and os.path.lexists(path):
                path.unlink()

    def _reload(self, vici: _vici.Vici) -> None:
        swanctl = t.cast("Swanctl", self.swanctl)
        swanctl.load_credentials(clear=any(name in _STORES for name in self.other_files))
        if self.desired.certificate:
            fault = _swanctl.has_credentials(vici, der(self.desired.certificate), der(self.desired.authority))
            if fault:
                raise EnforceError(fault)
        _swanctl.unload(vici, self._broken())
        said = swanctl.load_connections()
        loaded = _swanctl.connections(vici)
        missing = [name for name in self.wanted if name not in loaded]
        if missing:
            raise EnforceError(f"strongSwan did not load {', '.join(missing[:5])}: {said or 'no reason given'}")
        self._renew(vici)

    def _broken(self) -> list[str]:
        """Loaded as wanted and yet not enforced: somebody has changed the kernel behind the daemon's back, and it would not look."""
        loaded = self.seen.loaded or {}
        by_pair: dict[frozenset[str], list[_xfrm.Policy]] = {}
        for policy in self.seen.policies:
            by_pair.setdefault(frozenset(text.partition("/")[0] for text in (policy.source, policy.target)), []).append(policy)
        same = [each for each in self.desired.connections if loaded.get(each.name) == each.without_start()]
        return [each.name for each in same if _policies.differences([each], by_pair.get(frozenset((each.local, each.remote)), []))]

    def _renew(self, vici: _vici.Vici) -> None:
        """End what was negotiated under other settings, and begin again what stood before, so that nobody has to wait for it.

        What changes between asking and demanding is ended by the daemon itself, and begun by it where it is only asked for.
        """
        old = [each for each in self.seen.associations if self.renewed or each.connection in self.stale or each.connection not in self.wanted]
        standing = {each.id for each in _swanctl.associations(vici)}
        _swanctl.terminate(vici, [each.id for each in old if each.id in standing])
        stood = {(each.connection, child.child) for each in self.seen.associations for child in each.children}
        ended = {each.connection for each in old}
        _swanctl.initiate(vici, [
            (name, child.name) for name in sorted(self.wanted) for child in self.wanted[name].children
            if child.mode == "transport" and self._lost(name, child, ended, stood)
        ])

    def _lost(self, name: str, child: _swanctl.Child, ended: t.AbstractSet[str], stood: t.AbstractSet[tuple[str, str]]) -> bool:
        if child.start == "start":
            return name in ended and name not in self.stale
        return (name, child.name) in stood and (name in ended or (name, child.name) not in self.seen.trapped)


def _lines(words: t.Iterable[str]) -> str:
    return "".join(f"{word}\n" for word in sorted(words))


def _wait_for_daemon() -> _vici.Vici:
    deadline = time.monotonic() + _DAEMON_SECONDS
    while True:
        vici = _swanctl.daemon()
        if vici is not None:
            return vici
        if time.monotonic() > deadline:
            raise EnforceError("charon was started and does not answer: see journalctl -u strongswan")
        time.sleep(0.2)


def der(pem: str) -> bytes:
    """The first certificate of a PEM text; raises EnforceError when there is none."""
    found = re.search(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", pem)
    try:
        return base64.b64decode("".join(found[1].split()), validate=True) if found else b""
    except binascii.Error as error:
        raise EnforceError("a certificate is no PEM text") from error


def confirm(run: Run, token: str) -> dict[str, t.Any]:
    """Keep the change with this token. Raises EnforceError when it no longer waits or its files are not what is there."""
    with locked():
        commit = json.loads(_boot.read(TIMER.pending / _COMMIT) or "{}") if TIMER.token() == token else {}
        folder = _swanctl.find_folder()
        if commit and commit["digest"] != _digest({name: _boot.read(folder / name) if folder else "" for name in FILES}):
            raise EnforceError("the files of strongSwan are not those that wait for their confirmation: something else has changed them")
        TIMER.claim(token)
        if not commit:
            raise EnforceError("nothing says what the change was that waited for its confirmation: something else has removed it")
        TIMER.clear(run)
        if commit["absent"]:
            _forget(run)
        elif commit["unit"]:
            _remember(run, _swanctl.Unit(**commit["unit"]))
        return {"changed": True, "persistent": commit["unit"] is not None or commit["absent"]}


def _digest(files: t.Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps([files[name] for name in FILES]).encode("utf-8")).hexdigest()


def _memory_left() -> list[str]:
    return [f"the file {MEMORY} is left over"] if os.path.lexists(MEMORY) else []


def _remember(run: Run, unit: _swanctl.Unit) -> None:
    """Have the unit start at boot, and keep what it was like before."""
    if unit.active and unit.enabled:
        return
    if not os.path.lexists(MEMORY):
        _boot.DIRECTORY.mkdir(mode=0o700, parents=True, exist_ok=True)
        _boot.write(MEMORY, json.dumps(dict(vars(unit))) + "\n", 0o600)
    if not unit.enabled:
        _swanctl.systemctl(run, "enable", unit.name)


def _forget(run: Run) -> None:
    """Give the unit back the state that it had before us."""
    memory = json.loads(_boot.read(MEMORY) or "{}")
    if memory.get("enabled") is False:
        _swanctl.systemctl(run, "disable", memory["name"])
    if memory.get("active") is False:
        _swanctl.systemctl(run, "stop", memory["name"])
    with contextlib.suppress(FileNotFoundError):
        MEMORY.unlink()
    with contextlib.suppress(OSError):
        _boot.DIRECTORY.rmdir()


def _diff(desired: Desired, seen: Seen, told: t.Sequence[str]) -> list[dict[str, str]]:
    """The settings, which hold no key, and every other difference in a sentence."""
    before, after = (_SECRET_LINE.sub(r"\1 (hidden)", text) for text in (seen.files[SETTINGS], desired.files()[SETTINGS]))
    found = [{"before_header": SETTINGS, "after_header": SETTINGS, "before": before, "after": after}] if before != after else []
    rest = [line for line in told if SETTINGS not in line]
    return found + ([{"before_header": "state", "after_header": "state", "before": "".join(f"{line}\n" for line in rest), "after": ""}] if rest else [])


def information(run: Run, desired: Desired | None) -> dict[str, t.Any]:
    """What the host has, and how it differs where something is desired. Changes nothing."""
    require_privilege(Path("/proc/self/status").read_text(encoding="ascii", errors="replace"), os.geteuid(), "IPsec")
    seen = look(run, _swanctl.find_folder())
    loaded = seen.loaded or {}
    pairs = {frozenset((connection.local, connection.remote)) for connection in (*loaded.values(), *(desired.connections if desired else ()))}
    between = [policy for policy in seen.policies if frozenset(text.partition("/")[0] for text in (policy.source, policy.target)) in pairs]
    result: dict[str, t.Any] = {
        "pending": TIMER.left_over(), "running": seen.loaded is not None, "associations": [each.to_plain() for each in seen.associations],
        "connections": [_shown(connection, seen.trapped) for _name, connection in sorted(loaded.items())],
        "policies": [dict(vars(policy)) for policy in between[:MOST_SHOWN]],
    }
    if desired is None:
        return result
    told = differences(desired, seen) + ([] if desired.connections else _memory_left())
    return {**result, "differences": told, "bypasses": _policies.bypasses(desired.connections, seen.policies)}


def _shown(connection: Connection, trapped: t.AbstractSet[tuple[str, str]]) -> dict[str, t.Any]:
    children = [
        {"name": child.name, "mode": child.mode, "enforced": (connection.name, child.name) in trapped} for child in connection.children
    ]
    return {"name": connection.name, "local": connection.local, "remote": connection.remote, "version": connection.version, "auth": connection.auth,
            "children": children}


__all__ = (
    "AUTHORITY", "CERTIFICATE", "DIRECTORY", "FILES", "KEY", "MEMORY", "SECRETS", "SETTINGS", "TIMER", "ChangeError", "Desired", "Seen", "bring", "changed",
    "confirm", "der", "differences", "information", "look", "preflight", "runtime_differences", "unit_differences",
)
