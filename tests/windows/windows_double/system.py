# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C(netstat -ano) and C(shutdown /r /t N)."""

from __future__ import annotations

import datetime as dt
import re
import typing as t

from windows_double.programs import Answer, Call
from windows_double.refusal import Refused

LONGEST_DELAY = 315360000


def netstat(call: Call) -> Answer:
    if call.words != ["-ano"]:
        raise Refused(f"netstat {call.text}: only -ano")
    head = call.say(
        "\nActive Connections\n\n  Proto  Local Address          Foreign Address        State           PID\n",
        "\nアクティブな接続\n\n  プロトコル  ローカル アドレス      外部アドレス           状態            PID\n",
    )
    return Answer(0, head + "".join(_row(listener) for listener in call.machine.listeners))


def _row(listener: t.Mapping[str, t.Any]) -> str:
    version6 = ":" in listener["address"]
    local = f"[{listener['address']}]:{listener['port']}" if version6 else f"{listener['address']}:{listener['port']}"
    tcp = listener["protocol"].lower() == "tcp"
    foreign = ("[::]:0" if version6 else "0.0.0.0:0") if tcp else "*:*"
    return f"  {listener['protocol'].upper():<6} {local:<22} {foreign:<22} {'LISTENING' if tcp else '':<15} {listener['pid']}\n"


def shutdown(call: Call) -> Answer:
    found = re.fullmatch(r"/r /t ([0-9]+)", call.text)
    if not found or int(found[1]) > LONGEST_DELAY:
        raise Refused(f"shutdown {call.text}: only /r /t N")
    if not call.machine.elevated:
        return Answer(5, "", call.say("Access is denied.(5)\n", "アクセスが拒否されました。(5)\n"))
    with call.machine.changing() as state:
        if state["restart_at"] is not None:
            text = call.say("A system shutdown has already been scheduled.", "システムのシャットダウンは既に予定されています。")
            return Answer(1190, "", f"{text}(1190)\n")
        state["restart_at"] = (call.machine.now() + dt.timedelta(seconds=int(found[1]))).isoformat()
    return Answer()

