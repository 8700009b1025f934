# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules rpc_ports and rpc_ports_info on this machine's real kernel, in a network of their own. Samba is a double here; the lab has the real one."""

from __future__ import annotations

import json
import shutil
import stat
import subprocess
import sys
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from ansible_collections.datapath.exchange.plugins.module_utils import _rpc_apply, _samba, _sysctl
from ansible_collections.datapath.exchange.plugins.module_utils._nft import EnforceError
from ansible_collections.datapath.exchange.plugins.module_utils._programs import Finished
from ansible_collections.datapath.exchange.plugins.modules import rpc_ports, rpc_ports_info
from ansible_collections.datapath.exchange.tests.unit.plugins.module_utils import epm_double
from ansible_collections.datapath.exchange.tests.unit.plugins.modules import testparm_double
from ansible_collections.datapath.exchange.tests.unit.plugins.modules.firewall_host import Host, skip_reason

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())

RANGE = {"range": "50000-50999", "source": "datapath_rpc_range", "enforced": True, "static": {"store": 6100, "address_book": 6101}}
BEFORE = ("32768\t60999", "8080")
CONF = "# kept\n[global]\n   workgroup = LAB\n\n[share]\n   path = /srv\n"


class RpcHost(Host):
    """A host with known ports. samba: whether there is one."""

    def __init__(self, scratch: Path, samba: str = "") -> None:
        super().__init__(scratch)
        self.scratch, self.servers = scratch, list[subprocess.Popen[str]]()
        self.shell("rm -rf /etc/samba /etc/datapath /etc/sysctl.d/*datapath*; mkdir -p /etc/sysctl.d")
        self.shell("echo 32768 60999 > /proc/sys/net/ipv4/ip_local_port_range; echo 8080 > /proc/sys/net/ipv4/ip_local_reserved_ports")
        if samba:
            self.shell("mount -t tmpfs tmpfs /usr/local/sbin; mkdir /etc/samba")
            self.path("/etc/samba/smb.conf").write_text(samba)
            for name, text in (("smbd", "exit 0"), ("testparm", f'exec {sys.executable} {testparm_double.__file__} "$@"')):
                program = self.path(f"/usr/local/sbin/{name}")
                program.write_text(f"#!/bin/sh\n{text}\n")
                program.chmod(0o755)

    def shell(self, command: str) -> str:
        done = self.run("/bin/sh", "-ec", command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str, **order: t.Any) -> None:
        """Run servers, as a program of this name."""
        program = self.scratch / name
        if not program.exists():
            shutil.copy(Path(sys.executable).resolve(), program)
        self.servers.append(subprocess.Popen(
            ["nsenter", "--target", str(self.holder.pid), "--net", "--", program, epm_double.__file__, json.dumps(order)], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={"PYTHONHOME": sys.base_prefix, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}))
        assert self.servers[-1].stdout and self.servers[-1].stdout.readline().startswith("ready")

    def stop(self) -> None:
        for server in self.servers:
            server.communicate()
        self.servers.clear()

    def close(self) -> None:
        self.stop()
        super().close()

    def ports(self) -> tuple[str, str]:
        return tuple(self.shell(f"cat /proc/sys/net/ipv4/{name}").strip() for name in ("ip_local_port_range", "ip_local_reserved_ports"))  # type: ignore[return-value]

    def set(self, settings: dict[str, t.Any] | None = None, **arguments: t.Any) -> dict[str, t.Any]:
        return self.module("rpc_ports", {"settings": settings or RANGE, "_ansible_diff": True, **arguments})

    def absent(self, **arguments: t.Any) -> dict[str, t.Any]:
        return self.module("rpc_ports", {"state": "absent", "_ansible_diff": True, **arguments})

    def files(self) -> dict[str, tuple[int, int, bytes]]:
        """Everything in the folders that could be touched: mode, owner, content."""
        roots = [self.path(f"/etc/{name}") for name in ("datapath", "samba", "sysctl.d")]
        found = [path for root in roots if root.exists() for path in (root, *root.rglob("*"))]
        return {str(path): (path.lstat().st_mode, path.lstat().st_uid, path.read_bytes() if path.is_file() else b"") for path in found}


@pytest.fixture(name="host")
def make_host(tmp_path: Path) -> t.Iterator[RpcHost]:
    host = RpcHost(tmp_path)
    yield host
    host.close()


@pytest.fixture(name="server")
def make_server(tmp_path: Path) -> t.Iterator[RpcHost]:
    host = RpcHost(tmp_path, CONF)
    yield host
    host.close()


def documented(module: t.Any) -> set[str]:
    return set(yaml.safe_load(module.RETURN)) | {"changed", "diff", "warnings", "invocation"}


def test_without_samba_the_kernel_gets_the_range_now_and_at_boot(host: RpcHost) -> None:
    result = host.set()
    assert result["changed"] and set(result) <= documented(rpc_ports)
    assert host.ports() == ("50000\t50999", "6100-6101,8080")
    assert result["diff"]["before"].splitlines()[:2] == ["net.ipv4.ip_local_port_range: 32768-60999", "net.ipv4.ip_local_reserved_ports: 8080"]
    assert "net.ipv4.ip_local_port_range: 50000-50999\n" in result["diff"]["after"]
    # What systemd-sysctl does at boot, with the program that every distribution has.
    host.shell("echo 1025 65535 > /proc/sys/net/ipv4/ip_local_port_range; echo > /proc/sys/net/ipv4/ip_local_reserved_ports")
    host.shell(f"sysctl -q -p {_sysctl.FILE}")
    assert host.ports() == ("50000\t50999", "6100-6101,8080")
    memory = host.path(_rpc_apply.MEMORY).stat()
    assert (stat.S_IMODE(memory.st_mode), memory.st_uid) == (0o600, 0)


def test_a_server_that_names_no_port_gets_one_of_the_range(host: RpcHost) -> None:
    host.set()
    code = "import socket; s = [socket.create_server(('', 0)) for _ in range(200)]; print(*(x.getsockname()[1] for x in s))"
    found = {int(port) for port in host.run(sys.executable, "-c", code).stdout.split()}
    assert len(found) == 200 and min(found) >= 50000 and max(found) <= 50999


def test_a_second_run_changes_nothing_and_writes_nothing(host: RpcHost) -> None:
    host.set()
    before = (host.files(), host.footprint())
    again = host.set()
    assert not again["changed"] and again["diff"]["before"] == again["diff"]["after"]
    assert (host.files(), host.footprint()) == before


def test_check_mode_tells_and_changes_nothing(server: RpcHost) -> None:
    before = (server.files(), server.footprint(), server.ports())
    planned = server.set(_ansible_check_mode=True)
    assert planned["changed"] and (server.files(), server.footprint(), server.ports()) == before
    assert server.set()["diff"] == planned["diff"]
    before = (server.files(), server.footprint(), server.ports())
    gone = server.absent(_ansible_check_mode=True)
    assert gone["changed"] and gone["diff"]["after"] == planned["diff"]["before"] and (server.files(), server.footprint(), server.ports()) == before


@pytest.mark.parametrize("conf", ["", CONF, "[global]", "[global]\r\n  workgroup = A\r\n[s]\r\n"])
def test_absent_leaves_the_host_as_it_was(tmp_path: Path, conf: str) -> None:
    host = RpcHost(tmp_path, conf)
    try:
        before = (host.files(), host.ports())
        assert not host.absent()["changed"]
        host.set()
        host.set({**RANGE, "range": "20000-20999", "static": {}})
        assert (host.files(), host.ports()) != before
        result = host.absent()
        assert result["changed"] and "range" not in result and result["static"] == {}
        assert (host.files(), host.ports()) == before
        assert not host.absent()["changed"]
    finally:
        host.close()


def test_a_range_that_the_inventory_takes_back_is_restored_too(host: RpcHost) -> None:
    before = (host.files(), host.ports())
    host.set()
    result = host.set({"range": "49152-65535", "source": "default of Samba", "enforced": False, "static": {}})
    assert result["changed"] and (host.files(), host.ports()) == before


def test_samba_is_told_and_the_kernel_keeps_away(server: RpcHost) -> None:
    result = server.set()
    assert server.ports() == ("32768\t60999", "6100-6101,8080,50000-50999")
    assert result["rpc_ports"] == ["50000-50999"] and result["static"] == {"store": 6100, "address_book": 6101}
    assert server.path(_samba.CONF).read_text() == CONF.replace("LAB\n", "LAB\ninclude = /etc/samba/datapath.conf\n")
    assert server.shell("testparm -s '--parameter-name=rpc server dynamic port range' /etc/samba/smb.conf") == "50000-50999\n"
    assert not server.set()["changed"]


def test_what_samba_would_not_take_is_refused_before_anything_changes(tmp_path: Path) -> None:
    host = RpcHost(tmp_path, CONF + "[global]\n")
    try:
        (host.path("/etc/samba") / "late.conf").write_text("rpc server dynamic port range = 9000-9100\n")
        host.path(_samba.CONF).write_text("include = /etc/samba/late.conf\n[global]\n# nothing follows\n")
        assert host.set(_ansible_check_mode=True)["changed"]
        host.path("/usr/local/sbin/testparm").write_text("#!/bin/sh\necho 9000-9100\n")
        before = (host.files(), host.ports())
        result = host.set()
        assert result["failed"] and "Samba would have rpc server dynamic port range = 9000-9100, not 50000-50999" in result["msg"]
        assert "Nothing was changed" in result["msg"] and (host.files(), host.ports()) == before
    finally:
        host.close()


def test_a_broken_samba_does_not_stop_a_host_that_sets_nothing_there(server: RpcHost) -> None:
    server.path("/usr/local/sbin/testparm").write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    result = server.set({"range": "49152-65535", "source": "default", "enforced": False, "static": {"store": 6100}})
    assert result["changed"] and result["findings"] == ["testparm does not accept the configuration of Samba: broken"]
    assert server.set()["failed"]


def test_listeners_in_the_way_are_an_error_before_anything_changes(host: RpcHost) -> None:
    host.start("database", listen=[50432])
    before = (host.files(), host.ports())
    result = host.set()
    assert result["failed"] and "50000-50999 contains ports that are listened on already: 50432 (database, process " in result["msg"]
    assert host.set(_ansible_check_mode=True)["failed"]
    assert (host.files(), host.ports()) == before
    host.stop()
    assert host.set()["changed"]
    host.start("database", listen=[50432])
    assert not host.set()["changed"], "who got a port of the range is no stranger any longer"


def test_what_the_endpoint_mapper_names_outside_is_reported(server: RpcHost) -> None:
    server.start("samba-dcerpcd", mapper=135, servers={"lsarpc": 50001, "samr": 49152, "store": 6100})
    result = server.set()
    assert result["findings"] == ["the RPC server samr answers on port 49152, outside 50000-50999: nobody reaches it through the firewalls of the plan"]
    assert [(entry["port"], entry["services"]) for entry in result["listeners_outside"]] == [(49152, "samr")]
    assert result["restart_services"] and "only after they were restarted" in json.dumps(result["warnings"])
    info = server.module("rpc_ports_info", {"settings": RANGE})
    assert set(info) <= documented(rpc_ports_info) and not info["changed"] and not info["differences"]
    assert sorted((entry["port"], entry["annotation"]) for entry in info["endpoints"]) == [(6100, "store"), (49152, "samr"), (50001, "lsarpc")]
    assert {135, 6100, 49152, 50001} == {entry["port"] for entry in info["listeners"]}
    assert info["listeners_outside"] == result["listeners_outside"] and info["findings"] == result["findings"]
    bare = server.module("rpc_ports_info", {})
    assert "differences" not in bare and "range" not in bare and bare["listeners_outside"] == [] and len(bare["endpoints"]) == 3


def test_rpc_servers_of_others_are_not_restarted(server: RpcHost) -> None:
    server.start("somebody", mapper=135, servers={"x": 49152})
    result = server.set()
    assert result["restart_services"] == [] and len(result["listeners_outside"]) == 1


def test_a_restart_without_a_unit_is_an_error_that_says_so(server: RpcHost) -> None:
    server.start("samba-dcerpcd", mapper=135, servers={"x": 49152})
    result = server.set(allow_restart=True)
    assert result["failed"] and "restart these by hand, the new ports are configured" in result["msg"]
    assert server.set(_ansible_check_mode=True, allow_restart=True)["restarted_services"] == []


def test_an_endpoint_mapper_that_does_not_answer_is_reported(host: RpcHost) -> None:
    host.start("something", listen=[135])
    info = host.module("rpc_ports_info", {"settings": RANGE})
    assert len(info["findings"]) == 1 and "the endpoint mapper does not tell which RPC servers are there" in info["findings"][0]
    assert len(info["differences"]) == 3


def test_a_host_without_a_mapper_and_a_later_file(host: RpcHost) -> None:
    host.path("/etc/sysctl.d/99-late.conf").write_text("net.ipv4.ip_local_port_range = 1025 65535\n")
    assert host.set()["findings"] == [
        "/etc/sysctl.d/99-late.conf will say otherwise at the next boot than /etc/sysctl.d/60-datapath.conf: take the lines out there"]


def test_a_read_only_kernel_is_an_error_before_anything_changes(host: RpcHost) -> None:
    host.shell("mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys")
    before = host.files()
    result = host.set()
    assert result["failed"] and "/proc/sys is read-only here" in result["msg"] and host.files() == before
    assert not host.set({**RANGE, "enforced": False, "static": {}})["changed"]


@pytest.mark.parametrize("broken", ["/etc/sysctl.d", "/etc/samba"])
def test_what_cannot_be_written_is_taken_back_as_a_whole(server: RpcHost, broken: str) -> None:
    server.shell(f"mount --bind {broken} {broken}; mount -o remount,ro,bind {broken}")
    before = (server.files(), server.ports())
    result = server.set()
    assert result["failed"] and "Read-only file system" in result["msg"] and "The host has back what it had before" in result["msg"]
    assert (server.files(), server.ports()) == before


def test_a_memory_that_says_nothing_stops_the_run(host: RpcHost) -> None:
    host.set()
    for text in ("{", "[]", '{"other": "1"}', '{"range": 5}'):
        host.path(_rpc_apply.MEMORY).write_text(text)
        result = host.absent()
        assert result["failed"] and "does not tell how the host was before" in result["msg"]


def test_files_of_others_are_an_error(host: RpcHost) -> None:
    host.path(_sysctl.FILE).write_text("net.ipv4.ip_local_port_range = 1025 65535\n")
    assert "is there and not from this collection" in host.set()["msg"]


def test_without_its_action_the_module_says_what_is_missing(host: RpcHost) -> None:
    assert "run this as a task" in host.module("rpc_ports", {})["msg"]


# -- restarting, with services that are not here -----------------------------------------------------------------------------


class Services:
    """systemd and the sockets of one service. moves: whether a restart takes it into the range."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, code: int = 0, moves: bool = True) -> None:
        self.calls: list[list[str]] = []
        self.code, self.moves, self.port, self.clock = code, moves, 49152, 0.0
        monkeypatch.setattr(_rpc_apply, "find_program", lambda name: f"/bin/{name}")
        monkeypatch.setattr(_rpc_apply, "sockets", self.sockets)
        monkeypatch.setattr(_rpc_apply._listeners, "unit", lambda _pid: "samba-dcerpcd.service")
        monkeypatch.setattr(_rpc_apply.time, "monotonic", lambda: self.clock)
        monkeypatch.setattr(_rpc_apply.time, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.clock += seconds
        if self.moves:
            self.port = 50000

    def sockets(self) -> _rpc_apply.Sockets:
        entry = _rpc_apply._epm.Endpoint(self.port, "127.0.0.1", "u", "1.0", "x")
        return _rpc_apply.Sockets((_rpc_apply._listeners.Listener(self.port, "::", 7, "samba-dcerpcd"),), (entry,))

    def run(self, argv: t.Sequence[str], _text: str) -> Finished:
        self.calls.append(list(argv))
        return Finished(self.code, "", "no such unit")


SAMBA = _rpc_apply.Samba("50000-50999", frozenset(range(50000, 51000)))


def test_a_restart_waits_until_the_servers_are_where_they_belong(monkeypatch: pytest.MonkeyPatch) -> None:
    services = Services(monkeypatch)
    names = _rpc_apply._services(SAMBA, services.sockets())
    assert names == ["samba-dcerpcd.service"]
    seen = _rpc_apply._restart(services.run, SAMBA, names)
    assert services.calls == [["/bin/systemctl", "restart", "samba-dcerpcd.service"]] and seen.endpoints[0].port == 50000


@pytest.mark.parametrize(("options", "words"), [({"code": 1}, "does not restart: no such unit"), ({"moves": False}, "not on ports of 50000-50999 after 60 s")])
def test_a_restart_that_does_not_help_is_an_error(monkeypatch: pytest.MonkeyPatch, options: dict[str, t.Any], words: str) -> None:
    services = Services(monkeypatch, **options)
    with pytest.raises(EnforceError, match=words):
        _rpc_apply._restart(services.run, SAMBA, ["samba-dcerpcd.service"])


def test_what_was_there_is_on_the_disk_before_it_is_lost_and_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, t.Any]] = []
    for owner, name in ((_rpc_apply, "_remember"), (_rpc_apply._sysctl, "set_range"), (_rpc_apply._sysctl, "set_reserved")):
        monkeypatch.setattr(owner, name, lambda value, name=name: done.append((name, value)))
    monkeypatch.setattr(_rpc_apply, "_put", lambda path, _text: done.append(("put", path)))
    before = _rpc_apply.State("32768-60999", frozenset())
    wish = _rpc_apply.Settings("50000-50999", "", enforced=True, static={"store": 6100})
    made = _rpc_apply._rpc_ports.wanted(wish, before)
    for start, end in ((before, made), (made, before), (made, _rpc_apply._rpc_ports.wanted(_rpc_apply.Settings("1-2", "", static={"store": 6100}), made))):
        done.clear()
        for change, _undo in _rpc_apply._steps(start, end):
            change()
        names = [name for name, _value in done]
        if start is before:
            assert done[0] == ("_remember", made.memory) and names[1:] == ["set_range", "set_reserved", "put"]
        else:
            assert done[-1] == ("_remember", end.memory) and names.count("_remember") == 1 and "set_range" in names


def test_taking_back_that_fails_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    before, half = _rpc_apply.State("32768-60999", frozenset()), _rpc_apply.State("50000-50999", frozenset())
    monkeypatch.setattr(_rpc_apply, "observe", lambda: half)
    assert "run the play again, or state: absent" in _rpc_apply._take_back(before, [])
    assert _rpc_apply._take_back(half, []) == "The host has back what it had before"


def test_the_lock_keeps_a_second_run_out(host: RpcHost) -> None:
    holder = subprocess.Popen(
        ["nsenter", "--target", str(host.holder.pid), "--net", "--mount", "--", sys.executable, "-c",
         "import fcntl, os, sys; fcntl.flock(os.open('/run', os.O_RDONLY), fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdin and holder.stdout.readline()
    assert host.set(_ansible_check_mode=True)["changed"], "check mode waits for nobody"
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(host.set)
        time.sleep(4)
        assert not second.done()
        holder.communicate()
        assert second.result()["changed"]
