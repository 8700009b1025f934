# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab on this very machine: it must survive what people do to it, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

LAB = Path(__file__).parent / "lab"
HOSTS = ("cas1", "hub1", "mbx1")
OWN_KERNEL = Path(__file__).parent.parent / "molecule" / "ipsec" / "inventory.yml"
"""Here mbx1 has a kernel of its own and hub1 has not."""

ESP = (
    "ip xfrm state add src 10.77.1.41 dst 10.77.1.42 proto esp spi 0x100 mode transport"
    " aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128"
)


class Lab:
    """One lab of its own name, asked through its command like any user would."""

    def __init__(self, name: str) -> None:
        self.environment = {**os.environ, "DATAPATH_LAB": name}

    def __call__(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run([LAB, *arguments], env=self.environment, check=check, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([LAB, *arguments], env=self.environment, start_new_session=True, stdout=subprocess.DEVNULL)

    def ssh(self, host: str, command: str) -> str:
        config = self("path", "ssh_config").stdout.strip()
        return subprocess.run(["ssh", "-F", config, host, command], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()

    def reboot(self, host: str, seconds: float) -> None:
        def boot() -> str:
            try:
                return self.ssh(host, "cat /proc/sys/kernel/random/boot_id")
            except subprocess.CalledProcessError:
                return before

        before = self.ssh(host, "cat /proc/sys/kernel/random/boot_id")
        # What Ansible's reboot runs; its connection dies with the host.
        subprocess.run(["ssh", "-F", self("path", "ssh_config").stdout.strip(), host, "sudo shutdown -r 0"], check=False)
        self.until(lambda: boot() != before, f"{host} is back with another boot_id", seconds)

    def until(self, condition: t.Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.2)

    def is_up(self, host: str) -> bool:
        return f"{host} " in self("status", host).stdout and self("status", host).stdout.strip().endswith(" up")


@pytest.fixture
def make_lab() -> t.Iterator[t.Callable[[str], Lab]]:
    made: list[Lab] = []

    def make(name: str) -> Lab:
        made.append(Lab(name))
        return made[-1]

    yield make
    for lab in made:
        lab("down")
        assert lab("leaks", check=False).stdout == ""


@pytest.fixture
def lab(make_lab: t.Callable[[str], Lab]) -> Lab:
    return make_lab("self")


def test_a_host_is_a_machine(lab: Lab) -> None:
    lab("up", *HOSTS)
    assert lab.ssh("hub1", "systemctl is-system-running --wait") == "running"
    assert lab.ssh("hub1", "hostname") == "hub1"
    assert lab.ssh("hub1", "id --user --name; sudo id --user") == "ansible\n0"
    assert lab.ssh("hub1", "sudo nft list ruleset") == ""


def test_hosts_reach_each_other_over_both_families_and_the_cluster_has_a_cable_of_its_own(lab: Lab) -> None:
    lab("up", "hub2", "mbx1", "mbx2")
    for address in ("10.77.2.21", "fd77:0:0:2::21", "10.77.4.42"):
        lab.ssh("mbx1", f"ping -c 1 -W 2 {address}")
    assert lab.ssh("mbx1", "ip -json -4 route get 10.77.4.42 | grep -o eth1") == "eth1"


def test_ansible_comes_from_the_controller_address(lab: Lab) -> None:
    lab("up", "hub2")
    assert lab.ssh("hub2", "echo $SSH_CONNECTION").startswith("10.77.0.10 ")


def test_hangup_ends_the_connections_of_the_controller(lab: Lab) -> None:
    lab("up", "hub2")
    hanging = subprocess.Popen(["ssh", "-F", lab("path", "ssh_config").stdout.strip(), "hub2", "echo here; sleep 60"], stdout=subprocess.PIPE)
    assert hanging.stdout
    assert hanging.stdout.readline() == b"here\n"
    lab("hangup")
    assert hanging.wait(timeout=20) == 255


def test_up_again_leaves_a_running_lab_alone_and_fresh_does_not(lab: Lab) -> None:
    lab("up", *HOSTS)
    lab.ssh("hub1", "touch mark")
    assert "already up" in lab("up", *HOSTS).stdout
    assert lab.ssh("hub1", "ls") == "mark"
    lab("up", "--fresh", *HOSTS)
    assert lab.ssh("hub1", "ls") == ""


def test_a_reboot_keeps_the_disk_and_forgets_what_the_kernel_held(lab: Lab) -> None:
    lab("up", "hub1")
    lab.ssh("hub1", "touch mark; sudo touch /run/mark; sudo nft add table inet gone")
    lab.reboot("hub1", seconds=60)
    assert lab.ssh("hub1", "sudo nft list ruleset; ls; ls /run/mark 2>/dev/null || true") == "mark"


@pytest.mark.parametrize("moment", [0.2, 0.6, 1.2])
def test_up_survives_an_up_that_was_killed(lab: Lab, moment: float) -> None:
    victim = lab.start("up", "--fresh", *HOSTS)
    time.sleep(moment)
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    lab("up", *HOSTS)
    assert all(lab.is_up(host) for host in HOSTS)


def test_a_host_with_a_kernel_of_its_own_can_do_esp_and_reboots(lab: Lab) -> None:
    lab("up", "--inventory", str(OWN_KERNEL), "mbx1", "hub1")
    assert lab.ssh("mbx1", "systemctl is-system-running --wait") == "running"
    assert lab.ssh("mbx1", "uname --kernel-release") != os.uname().release
    for address in ("10.77.1.21", "fd77:0:0:1::21"):
        lab.ssh("mbx1", f"ping -c 1 -W 5 {address}")
    assert "10.77.4.41/24" in lab.ssh("mbx1", "ip -br -4 address show dev eth1")
    lab.ssh("mbx1", f"touch mark; sudo {ESP}; sudo nft add table inet gone; systemctl is-active strongswan")
    assert "aead rfc4106(gcm(aes))" in lab.ssh("mbx1", "sudo ip xfrm state")
    lab.reboot("mbx1", seconds=180)
    assert lab.ssh("mbx1", "sudo nft list ruleset; sudo ip xfrm state; ls") == "mark"


def test_a_host_with_a_kernel_of_its_own_survives_an_up_that_was_killed(lab: Lab) -> None:
    inventory = ("--inventory", str(OWN_KERNEL))
    victim = lab.start("up", "--fresh", *inventory, "mbx1")
    lab.until(lambda: Path("/run/netns/self-mbx1").exists(), "the guest has got its network")
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    lab("up", *inventory, "mbx1")
    assert "already up" in lab("up", *inventory, "mbx1").stdout
    lab("down")
    assert lab("leaks", check=False).stdout == ""


def test_down_ends_a_half_made_lab(lab: Lab) -> None:
    victim = lab.start("up", "--fresh", *HOSTS)
    lab.until(lambda: lab("leaks", check=False).stdout != "", "the lab begins")
    os.killpg(victim.pid, signal.SIGKILL)
    victim.wait()
    lab("down")
    assert lab("leaks", check=False).stdout == ""


def test_leaks_names_what_is_there(lab: Lab) -> None:
    lab("up", "hub1")
    left = lab("leaks", check=False)
    assert left.returncode == 1
    assert {"namespace self-ctl", "namespace self-hub1", "namespace self-router"} <= set(left.stdout.splitlines())
    assert "process " in left.stdout


def test_up_repairs_a_lab_that_lost_a_host(lab: Lab) -> None:
    lab("up", *HOSTS)
    subprocess.run(["ssh", "-F", lab("path", "ssh_config").stdout.strip(), "hub1", "sudo systemctl poweroff"], check=False)
    lab.until(lambda: not lab.is_up("hub1"), "hub1 is off")
    lab("up", *HOSTS)
    assert lab.is_up("hub1")


def test_two_ups_of_one_lab_at_once_end_with_one_lab(lab: Lab) -> None:
    both = [lab.start("up", *HOSTS) for _call in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert all(lab.is_up(host) for host in HOSTS)


def test_labs_of_different_names_do_not_touch_each_other(make_lab: t.Callable[[str], Lab]) -> None:
    one, two = make_lab("self"), make_lab("self2")
    both = [one.start("up", "hub1"), two.start("up", "hub1")]
    assert [process.wait() for process in both] == [0, 0]
    two.ssh("hub1", "touch mark")
    one("down")
    assert two.ssh("hub1", "ls") == "mark"


@pytest.mark.parametrize(("variables", "message"), [
    ({"datapath_addresses": ["192.0.2.1"]}, "host a1: 192.0.2.1 is outside 10.77.0.0/16 and fd77::/48, the only networks that the lab makes"),
    ({"datapath_addresses": ["10.77.1.1"]}, "host a1: 10.77.1.1 is taken by the lab's own router or beyond network 255"),
    ({"datapath_addresses": ["10.77.1"]}, "host a1: '10.77.1' does not appear to be an IPv4 or IPv6 address"),
    ({}, "host a1: give it datapath_addresses or ansible_host within 10.77.0.0/16 and fd77::/48"),
    ({"ansible_host": "10.77.1.5", "lab_packages": "exim"}, "host a1: lab_packages is 'exim': use samba"),
    ({"ansible_host": "10.77.1.5", "lab_packages": "samba", "lab_kernel": True},
     "host a1: lab_packages and lab_kernel exclude each other: virtual machines boot one image"),
    ({"ansible_host": "10.77.1.2", "lab_kernel": "yes"}, "host a1: lab_kernel is 'yes': use true or false"),
    (
        {"ansible_host": "10.77.1.2", "lab_kernel": True, "lab_windows": "2019"},
        "host a1: lab_kernel and lab_windows exclude each other: a double of Windows is a container",
    ),
])
def test_an_inventory_that_cannot_be_built_is_refused_before_anything_is_made(
    lab: Lab, tmp_path: Path, variables: dict[str, t.Any], message: str,
) -> None:
    inventory = tmp_path / "inventory.yml"
    inventory.write_text(json.dumps({"all": {"hosts": {"a1": variables}}}))
    refused = lab("up", "--inventory", str(inventory), check=False)
    assert (refused.returncode, refused.stdout) == (1, f"lab: {message}\n")
    assert lab("leaks", check=False).stdout == ""


@pytest.mark.parametrize("name", ["", "UPPER", "a-b", "toolong7", "../up"])
def test_a_name_that_could_touch_other_things_is_refused(name: str) -> None:
    refused = Lab(name)("status", check=False)
    assert refused.returncode == 1
    assert "DATAPATH_LAB" in refused.stdout


def test_an_accelerator_that_is_not_known_is_refused(lab: Lab) -> None:
    lab.environment["DATAPATH_LAB_ACCEL"] = "hvf"
    refused = lab("status", check=False)
    assert (refused.returncode, refused.stdout) == (1, "lab: DATAPATH_LAB_ACCEL='hvf': use tcg or kvm\n")
    del lab.environment["DATAPATH_LAB_ACCEL"]
