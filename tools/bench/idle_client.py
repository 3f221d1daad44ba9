# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens connections, asks for one page on each, says "ready", and holds them until it is ended.

usage: idle_client.py ADDRESS PORT COUNT TLS(0|1) TARGET SOURCE-ADDRESS...
"""

import signal
import socket
import ssl
import sys

PER_SOURCE = 20_000  # connections from one address to one port
BIND_ADDRESS_NO_PORT = 24  # <linux/in.h>: the port is chosen by connect(), so only whole address pairs must differ


def connect(source, address, port):
    connection = socket.socket()
    connection.settimeout(10)
    connection.setsockopt(socket.IPPROTO_IP, BIND_ADDRESS_NO_PORT, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.bind((source, 0))
    connection.connect((address, port))
    return connection


def converse(connection, request):
    connection.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise ConnectionError("ended before an answer")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(f"answered {head[:40]!r}")
    length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(65536)


def main():
    address, port, count, tls, target, *sources = sys.argv[1:]
    port, count = int(port), int(count)
    request = f"GET {target} HTTP/1.1\r\nHost: {address}:{port}\r\n\r\n".encode()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    held = []
    for number in range(count):
        source = sources[number // PER_SOURCE % len(sources)]
        connection = connect(source, address, port)
        if tls == "1":
            connection = context.wrap_socket(connection)
        converse(connection, request)
        held.append(connection)
    print("ready", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
