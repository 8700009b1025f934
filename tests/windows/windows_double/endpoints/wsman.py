# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WS-Management over plain HTTP with basic authentication: the part that the command shell and PowerShell's own protocol share.

Sources: MS-WSMV (messages), DSP0226 (WS-Management), as spoken by pywinrm and pypsrp.
"""

from __future__ import annotations

import base64
import hmac
import http.server
import socket
import socketserver
import sys
import typing as t
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from xml.sax.saxutils import escape

from windows_double.endpoints.host import Account, Cut, Host

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "ps": "http://schemas.microsoft.com/powershell",
}
SHELL = NAMESPACES["rsp"]
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
TIMED_OUT = 2150858793
NO_SHELL = 2150858843
NOT_SUPPORTED = 2150858752
LARGEST = 4 * 1024 * 1024
"""Bytes of one request; Windows allows 500 KB by default, and the clients split at less."""


class FaultError(Exception):
    """A request that is answered by a fault: its number is what the clients look at."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Request:
    """One message of a client. action: the last word of its action. shell: the shell it speaks to, or empty."""

    action: str
    uri: str
    message: str
    shell: str
    root: ET.Element

    @classmethod
    def read(cls, data: bytes) -> Request:
        """Read an envelope; raises FaultError for what is none."""
        if b"<!DOCTYPE" in data:
            raise FaultError(NOT_SUPPORTED, "a document type is not allowed in a message")
        try:
            root = ET.fromstring(data)  # noqa: S314 - no document type, so no entities
        except ET.ParseError as error:
            raise FaultError(NOT_SUPPORTED, f"not XML: {error}") from error
        uri = root.findtext("s:Header/a:Action", "", NAMESPACES)
        selectors = {item.get("Name"): item.text or "" for item in root.iterfind("s:Header/w:SelectorSet/w:Selector", NAMESPACES)}
        return cls(uri.rsplit("/", 1)[-1], uri, root.findtext("s:Header/a:MessageID", "", NAMESPACES), selectors.get("ShellId", ""), root)

    def options(self) -> dict[str, str]:
        return {item.get("Name", ""): item.text or "" for item in self.root.iterfind("s:Header/w:OptionSet/w:Option", NAMESPACES)}

    def find(self, path: str) -> ET.Element:
        """Give the one element that this message must have; raises FaultError."""
        found = self.root.find(f"s:Body//{path}", NAMESPACES)
        if found is None:
            raise FaultError(NOT_SUPPORTED, f"{self.action} without {path}")
        return found

    def all(self, path: str) -> list[ET.Element]:
        return self.root.findall(f"s:Body//{path}", NAMESPACES)


class Service(t.Protocol):
    """What happens behind the messages."""

    def answer(self, request: Request) -> str:
        """Give the body of the answer; raises FaultError, and Cut where the connection shall end."""

    def close(self) -> None:
        """End what still runs."""


def envelope(action: str, relates_to: str, body: str) -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())
    head = f"<a:Action>{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID><a:RelatesTo>{escape(relates_to)}</a:RelatesTo>"
    return f"<s:Envelope {spaces}><s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>".encode()


def fault_body(fault: FaultError) -> str:
    text = escape(str(fault))
    return (
        '<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode><s:Value>w:InternalError</s:Value></s:Subcode></s:Code>'
        f'<s:Reason><s:Text xml:lang="en-US">{text}</s:Text></s:Reason>'
        f'<s:Detail><f:WSManFault xmlns:f="{FAULT}" Code="{fault.code}" Machine="double"><f:Message>{text}</f:Message></f:WSManFault></s:Detail></s:Fault>'
    )


def created(shell: str) -> str:
    """Say which shell was made, once as a reference and once as a resource: pypsrp reads one, pywinrm the other."""
    reference = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>'
    return (
        f"<x:ResourceCreated><a:ReferenceParameters>{reference}</a:ReferenceParameters></x:ResourceCreated>"
        f"<rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId></rsp:Shell>"
    )


class _Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client, which may carry many messages."""

    server: Endpoint
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet for head and body, or every answer waits for a delayed acknowledgement

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        pass

    def do_POST(self) -> None:
        data = self._body()
        if not self._may_log_in():
            self._send(401, b"", (("WWW-Authenticate", 'Basic realm="WSMAN"'),))
            return
        message = ""
        try:
            request = Request.read(data)
            message = request.message
            body = self.server.service.answer(request)
        except FaultError as fault:
            self._send(500, envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", message, fault_body(fault)))
        except Cut:
            self._cut()
        else:
            self._send(200, envelope(f"{request.uri}Response", message, body))

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(min(length, LARGEST))

    def _may_log_in(self) -> bool:
        account = self.server.account
        wanted = b"Basic " + base64.b64encode(f"{account.user}:{account.password}".encode())
        return hmac.compare_digest(self.headers.get("Authorization", "").encode(), wanted)

    def _send(self, status: int, body: bytes, headers: t.Iterable[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Type", "application/soap+xml;charset=UTF-8"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class Endpoint(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A listener. Every new connection is shown to the host's firewall first."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, port: int, host: Host, service: Service, account: Account) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.host, self.service, self.account = host, service, account
        super().__init__((address, port), _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's own, which asks the name service for the address.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def verify_request(self, _request: t.Any, client_address: t.Any) -> bool:
        return self.host.management_open(str(client_address[0]), self.server_port)

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):  # a client that went away
            super().handle_error(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        self.service.close()


__all__ = (
    "NOT_SUPPORTED",
    "NO_SHELL",
    "SHELL",
    "TIMED_OUT",
    "Endpoint",
    "FaultError",
    "Request",
    "Service",
    "created",
    "envelope",
)
