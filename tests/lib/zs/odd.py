# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that send what no decent client does, and read whatever comes back."""

import socket

from zs.client import Broken, Http1, Http2


class OddHttp1(Http1):
    """Sends bytes as they are, on a connection of their own."""

    def raw(self, data, patience=0.3):
        """What came back until the server closed, or was silent for `patience` seconds."""
        self.close()
        self.send(data)
        self.tls.settimeout(patience)
        seen = b""
        try:
            while more := self.tls.recv(65536):
                seen += more
        except (socket.timeout, OSError):
            pass
        self.close()
        return seen


class OddHttp2(Http2):
    """Sends header lists as they are: nothing is checked, nothing put in lower case."""

    def __init__(self, caddy, timeout=5):
        super().__init__(caddy, timeout)
        self.h2.config.validate_outbound_headers = False
        self.h2.config.normalize_outbound_headers = False

    def raw(self, head, body=None):
        """The response's status and body; (0, reason) if the server refused the stream or the connection."""
        try:
            response = self.exchange_head(head, None if body is None else [body])
        except (Broken, OSError) as error:
            return 0, repr(error).encode()
        return response.status, response.body
