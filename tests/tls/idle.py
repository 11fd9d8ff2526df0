#!/usr/bin/env python3
"""Memory of TLS connections to `haechi up` (HAECHI_BIN) that had an answer and now wait: fails above 16 KiB each."""

import http.server
import ssl
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import scan
import servers

COUNT = 500
MOST = 16 * 1024


def resident(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    sys.exit("no VmRSS")


def connect(context, port):
    stream = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
    stream.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"nobody"):
        answer += stream.recv(4096)
    return stream


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scan.certificates(folder)
        service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), scan.Service)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        port, mtls = servers.free_ports(2)
        gateway = scan.up(folder, port, mtls, service.server_address[1])
        try:
            scan.wait_for(port)
            for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                context = ssl.create_default_context(cafile=folder / "ca.pem")
                context.minimum_version = context.maximum_version = version
                # What the first ones need is there for all.
                early = [connect(context, port) for _ in range(100)]
                before = resident(gateway.pid)
                waiting = [connect(context, port) for _ in range(COUNT)]
                time.sleep(1)
                each = (resident(gateway.pid) - before) / COUNT
                scan.check(f"{version.name}: {each:.0f} bytes of resident memory for each idle connection", each <= MOST)
                for stream in early + waiting:
                    stream.close()
        finally:
            gateway.terminate()
            gateway.wait(timeout=60)
    return 1 if scan.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
