# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(sc query|start|stop) and C(net start|stop): numbers are the same everywhere, words are not.

https://learn.microsoft.com/windows-server/administration/windows-commands/sc-query;
error numbers: https://learn.microsoft.com/windows/win32/debug/system-error-codes--1000-1299-
"""

from __future__ import annotations

import typing as t

from windows_double.facts import DISABLED, RUNNING, SERVICES, STOPPED
from windows_double.programs import Answer, Call
from windows_double.refusal import Refused

if t.TYPE_CHECKING:
    from windows_double.machine import Machine

DENIED, RUNS_ALREADY, IS_DISABLED, MISSING, NOT_STARTED = 5, 1056, 1058, 1060, 1062
STATES = {STOPPED: "STOPPED", RUNNING: "RUNNING"}
TEXTS = {
    DENIED: ("Access is denied.", "アクセスが拒否されました。"),
    RUNS_ALREADY: ("An instance of the service is already running.", "サービスのインスタンスは既に実行中です。"),
    IS_DISABLED: (
        "The service cannot be started, either because it is disabled or because it has no enabled devices associated with it.",
        "サービスを開始できません。原因は、サービスが無効か、または関連付けられている有効なデバイスがないことです。",
    ),
    MISSING: ("The specified service does not exist as an installed service.", "指定されたサービスはインストールされたサービスとして存在しません。"),
    NOT_STARTED: ("The service has not been started.", "サービスは開始されていません。"),
}


def run(call: Call) -> Answer:
    words = call.words
    if len(words) != 2 or words[0].lower() not in ("query", "start", "stop"):
        raise Refused(f"sc {call.text}: only query, start and stop of one service")
    verb, name = words[0].lower(), words[1]
    error = _error(call.machine, verb, name)
    if error:
        return Answer(error, f"[SC] {verb.capitalize()}Service {call.say('FAILED', '失敗')} {error}:\n\n{call.say(*TEXTS[error])}\n\n")
    if verb != "query":
        call.machine.set_service(name, RUNNING if verb == "start" else STOPPED)
    return Answer(0, _shown(call, name))


def _error(machine: Machine, verb: str, name: str) -> int:
    """The number of the Win32 error that stands against it, 0 for none."""
    state = machine.service_state(name)
    if not state:
        return MISSING
    if verb == "query":
        return 0
    if not machine.elevated:
        return DENIED
    if verb == "stop":
        return 0 if state == RUNNING else NOT_STARTED
    if state == RUNNING:
        return RUNS_ALREADY
    start = machine.registry.get(f"{SERVICES}\\{name}", "Start")
    blocked = (machine.faults.get("service_stopped") or "").lower() == name.lower()
    return IS_DISABLED if blocked or (start and start[1] == DISABLED) else 0


def _shown(call: Call, name: str) -> str:
    state = call.machine.service_state(name)
    rows = (
        (call.say("TYPE", "種類"), "20  WIN32_SHARE_PROCESS  "), (call.say("STATE", "状態"), f"{state}  {STATES[state]} "),
        (call.say("WIN32_EXIT_CODE", "WIN32_終了コード"), "0  (0x0)"), (call.say("SERVICE_EXIT_CODE", "サービス終了コード"), "0  (0x0)"),
        (call.say("CHECKPOINT", "チェックポイント"), "0x0"), (call.say("WAIT_HINT", "待機ヒント"), "0x0"),
    )
    body = "".join(f"        {label:<19}: {value}\n" for label, value in rows)
    return f"\n{call.say('SERVICE_NAME', 'サービス名')}: {call.machine.service_name(name)} \n{body}"


def net(call: Call) -> Answer:
    words = [word.lower() for word in call.words]
    if len(words) not in (2, 3) or words[0] not in ("start", "stop") or words[2:] not in ([], ["/y"]):
        raise Refused(f"net {call.text}: only start and stop of one service, with /y")
    verb, name = words[0], call.words[1]
    if verb == "stop" and not words[2:]:
        raise Refused("net stop without /y asks when other services depend on it")
    error = _error(call.machine, verb, name)
    if error:
        return Answer(2, "", f"{call.say('System error', 'システム エラー')} {error}\n\n{call.say(*TEXTS[error])}\n\n")
    call.machine.set_service(name, RUNNING if verb == "start" else STOPPED)
    done = {"start": ("was started successfully", "正常に開始されました"), "stop": ("was stopped successfully", "正常に停止されました")}[verb]
    return Answer(0, call.say(f"The {name} service {done[0]}.\n\n", f"{name} サービスは{done[1]}。\n\n"))
