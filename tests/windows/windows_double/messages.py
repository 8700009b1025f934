# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the double's netsh says, in English and Japanese. Nobody may depend on a word of it: that is why there are two."""

from __future__ import annotations

TEXTS = {
    "ok": ("Ok.", "OK"),
    "deleted": ("Deleted {0} rule(s).", "{0} 規則を削除しました。"),
    "updated": ("Updated {0} rule(s).", "{0} 規則を更新しました。"),
    "no_rules": ("No rules match the specified criteria.", "指定された条件に一致する規則はありません。"),
    "elevation": (
        "The requested operation requires elevation (Run as administrator).",
        "要求された操作には管理者特権が必要です (管理者として実行してください)。",
    ),
    "service": (
        "The Windows Firewall service could not be contacted. See that it is running, then try again.",
        "Windows ファイアウォール サービスに接続できません。サービスが実行されていることを確認してから、再試行してください。",
    ),
    "arguments": (
        "The number of arguments provided is not valid. Check help for the correct syntax.",
        "指定された引数の数が有効ではありません。ヘルプを参照して、正しい構文を確認してください。",
    ),
    "syntax": (
        "The syntax supplied for this command is not valid. Check help for the correct syntax.",
        "このコマンドに指定された構文は正しくありません。ヘルプを参照して、正しい構文を確認してください。",
    ),
    "value": ("A specified value is not valid.", "指定された値は無効です。"),
    "tag": ("{0} is not a valid argument for this command.", "{0} はこのコマンドの有効な引数ではありません。"),
    "command": ("The following command was not found: {0}.", "次のコマンドは見つかりませんでした: {0}。"),
    "ports_protocol": (
        "A port can be specified only if the protocol is TCP or UDP.",
        "ポートは、プロトコルが TCP または UDP の場合にのみ指定できます。",
    ),
    "all_name": ("'all' is not a valid name for rules.", "'all' は規則の有効な名前ではありません。"),
    "group_only": (
        "Group cannot be specified with other identification conditions.",
        "グループは、他の識別条件と同時に指定できません。",
    ),
    "file": ("The system cannot find the file specified.", "指定されたファイルが見つかりません。"),
    "file_content": ("The file is not a policy of this program.", "このファイルはポリシー ファイルではありません。"),
    "failed": ("An unrecoverable Windows Firewall error occurred.", "Windows ファイアウォールで回復不可能なエラーが発生しました。"),
    "range": ("The range of ports cannot be used in this rule.", "このルールではポートの範囲を使用できません。"),
    "usage": ("Usage: {0}", "使用法: {0}"),
    "rule_name": ("Rule Name:", "規則名:"),
    "enabled": ("Enabled:", "有効:"),
    "direction": ("Direction:", "方向:"),
    "yes": ("Yes", "はい"),
    "no": ("No", "いいえ"),
    "in": ("In", "入力"),
    "out": ("Out", "出力"),
    "dynamic_title": ("Protocol {0} Dynamic Port Range", "プロトコル {0} の動的ポートの範囲"),
    "dynamic_start": ("Start Port      :", "開始ポート      :"),
    "dynamic_number": ("Number of Ports :", "ポート数        :"),
    "dynamic_bad": (
        "The start port number or number of ports supplied is not valid.",
        "指定された開始ポート番号またはポート数は無効です。",
    ),
}
"""By key: English, Japanese. In our own words where no public sample of the Japanese text was found."""

_LANGUAGES = ("en", "ja")

DISPLAY_NAMES = {
    "@firewallapi.dll,-25000": ("Core Networking", "コア ネットワーク"),
    "@firewallapi.dll,-25001": ("Core Networking - Destination Unreachable (ICMPv6-In)", "コア ネットワーク - 宛先到達不可能 (ICMPv6 受信)"),
    "@firewallapi.dll,-25026": ("Core Networking - Router Advertisement (ICMPv6-Out)", "コア ネットワーク - ルーター アドバタイズ (ICMPv6 送信)"),
    "@firewallapi.dll,-25251": (
        "Core Networking - Destination Unreachable Fragmentation Needed (ICMPv4-In)",
        "コア ネットワーク - 宛先到達不可能 フラグメンテーションが必要 (ICMPv4 受信)",
    ),
    "@firewallapi.dll,-25301": ("Core Networking - Dynamic Host Configuration Protocol (DHCP-In)", "コア ネットワーク - 動的ホスト構成プロトコル (DHCP 受信)"),
    "@firewallapi.dll,-28502": ("File and Printer Sharing", "ファイルとプリンターの共有"),
    "@firewallapi.dll,-28503": ("File and Printer Sharing (NB-Session-In)", "ファイルとプリンターの共有 (NB セッション受信)"),
    "@firewallapi.dll,-28511": ("File and Printer Sharing (SMB-In)", "ファイルとプリンターの共有 (SMB 受信)"),
    "@firewallapi.dll,-28543": ("File and Printer Sharing (Echo Request - ICMPv4-In)", "ファイルとプリンターの共有 (エコー要求 - ICMPv4 受信)"),
    "@firewallapi.dll,-28752": ("Remote Desktop", "リモート デスクトップ"),
    "@firewallapi.dll,-28753": ("Remote Desktop (TCP-In)", "リモート デスクトップ (TCP 受信)"),
    "@firewallapi.dll,-28775": ("Remote Desktop - User Mode (TCP-In)", "リモート デスクトップ - ユーザー モード (TCP 受信)"),
    "@firewallapi.dll,-30252": ("Windows Remote Management (Compatibility)", "Windows リモート管理 (互換性)"),
    "@firewallapi.dll,-30253": ("Windows Remote Management (HTTP-In)", "Windows リモート管理 (HTTP 受信)"),
    "@firewallapi.dll,-30267": ("Windows Remote Management", "Windows リモート管理"),
    "@firewallapi.dll,-32752": ("Network Discovery", "ネットワーク探索"),
    "@firewallapi.dll,-32773": ("Network Discovery (NB-Name-Out)", "ネットワーク探索 (NB 名送信)"),
    "@firewallapi.dll,-37302": ("mDNS", "mDNS"),
    "@firewallapi.dll,-37303": ("mDNS (UDP-In)", "mDNS (UDP 受信)"),
}
"""What an indirect string of a rule is shown as, by its lower-case text: English, Japanese."""


def text(language: str, key: str, *values: object) -> str:
    """The words for key in a language. KeyError for a key that does not exist, ValueError for a language that the double does not speak."""
    return TEXTS[key][_LANGUAGES.index(language)].format(*values)


def display(language: str, stored: str) -> str:
    """What Windows shows for a name as it is stored: itself, or what its indirect string stands for."""
    names = DISPLAY_NAMES.get(stored.lower())
    return names[_LANGUAGES.index(language)] if names else stored


__all__ = ("DISPLAY_NAMES", "TEXTS", "display", "text")
