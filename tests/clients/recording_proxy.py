"""Stands between a client and a server, passes everything on, and remembers each request and its answer's status."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PER_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server")


class RecordingProxy:
    """`with RecordingProxy(server_url) as proxy:` listens on `proxy.url`; `proxy.log` is a list of (line, status)."""

    def __init__(self, server_url):
        self.log = []
        self.lock = threading.Lock()
        upstream = urlsplit(server_url)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self):
                answer, body = proxy.pass_on(upstream, self.command, self.path, self.headers, self.read_body())
                with proxy.lock:
                    proxy.log.append((f"{self.command} {self.path}", answer.status))
                self.send_response_only(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in PER_CONNECTION:
                        self.send_header(name, value)
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def read_body(self):
                if "chunked" in self.headers.get("Transfer-Encoding", ""):
                    parts = []
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        parts.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(parts)
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))

            do_GET = do_POST = do_PUT = do_DELETE = do_any

            def log_message(self, *_):
                """The log is kept, not printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    @staticmethod
    def pass_on(upstream, method, path, headers, body):
        connection = http.client.HTTPConnection(upstream.hostname, upstream.port, timeout=20)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in PER_CONNECTION}
            # The client sends its own Host, whichever way it spells the name.
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in kept.items():
                connection.putheader(name, value)
            if body or method in ("POST", "PUT"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def count(self, start, status, after=0):
        """How many requests whose line begins with `start` got `status`, from the `after`th on."""
        with self.lock:
            return sum(line.startswith(start) and got == status for line, got in self.log[after:])

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
