#!/usr/bin/env python3
"""Clients of HTTP/3 from PyPI speak to `haechi up`. HAECHI_BIN names the program.

aioquic and curl_cffi (curl with ngtcp2 and nghttp3) share nothing with the gateway. The service behind it is Python's.
"""

import asyncio
import hashlib
import http.server
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "support"), str(HERE.parent / "tls")]

import scan  # noqa: E402
import servers  # noqa: E402

VENV = servers.TARGET.resolve() / "http3"


def install():
    """The clients below the target folder, and goes on there."""
    listed = (HERE / "requirements.txt").read_text()
    mark, python = VENV / "installed", VENV / "bin/python"
    if not mark.exists() or mark.read_text() != listed:
        scan.must(sys.executable, "-m", "venv", VENV)
        scan.must(VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
        mark.write_text(listed)
    if Path(sys.prefix) != VENV:
        os.execv(python, [python, __file__])


install()

import pylsqpack  # noqa: E402
from aioquic.asyncio.client import connect  # noqa: E402
from aioquic.asyncio.protocol import QuicConnectionProtocol  # noqa: E402
from aioquic.h3.connection import H3_ALPN, FrameType, H3Connection, encode_frame  # noqa: E402
from aioquic.h3.events import DataReceived, HeadersReceived  # noqa: E402
from aioquic.quic.configuration import QuicConfiguration  # noqa: E402
from aioquic.quic.events import ConnectionTerminated, StreamReset  # noqa: E402
from curl_cffi import CurlHttpVersion, CurlOpt, requests  # noqa: E402

BIG = bytes(range(251)) * (16 * 1024 * 1024 // 251)
WAIT = 60


class Service(http.server.BaseHTTPRequestHandler):
    """Echoes what is posted; has something big, something with trailers, and answers that end when they are told to."""

    protocol_version = "HTTP/1.1"
    arrived = threading.Semaphore(0)
    go_on = threading.Semaphore(0)
    left = threading.Event()

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/nothing":
            self.answer(b"")
        elif self.path == "/big":
            self.answer(BIG)
        elif self.path == "/trailers":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n")
        elif self.path == "/wait":
            self.arrived.release()
            self.go_on.acquire(timeout=WAIT)
            self.answer(b"late")
        elif self.path == "/endless":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while True:
                    self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
            except OSError:
                self.left.set()
                self.close_connection = True
        else:
            told = {name.lower(): value for name, value in self.headers.items()}
            self.answer(json.dumps({"path": self.path, "fields": told}).encode())

    do_HEAD = do_GET

    def do_POST(self):
        self.answer(self.body())

    def body(self):
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class Answer:
    def __init__(self):
        self.heads, self.body, self.reset = [], bytearray(), None
        self.head, self.done = asyncio.Event(), asyncio.Event()

    def fields(self):
        return {name.decode(): value.decode() for name, value in self.heads[0]}

    def status(self):
        return int(self.fields()[":status"]) if self.heads else None


class Client(QuicConnectionProtocol):
    """aioquic's own connection of HTTP/3 with an answer for each stream."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.http = H3Connection(self._quic)
        self.answers, self.ended = {}, asyncio.Event()

    def quic_event_received(self, event):
        if isinstance(event, ConnectionTerminated):
            self.why = event
            self.ended.set()
            for answer in self.answers.values():
                answer.head.set()
                answer.done.set()
        if isinstance(event, StreamReset) and event.stream_id in self.answers:
            answer = self.answers[event.stream_id]
            answer.reset = event.error_code
            answer.head.set()
            answer.done.set()
        for said in self.http.handle_event(event):
            answer = self.answers.get(getattr(said, "stream_id", None))
            if answer is None:
                continue
            if isinstance(said, HeadersReceived):
                answer.heads.append(said.headers)
                answer.head.set()
            elif isinstance(said, DataReceived):
                answer.body += said.data
            if said.stream_ended:
                answer.done.set()

    def send(self, method, path, body=None, fields=(), trailers=None):
        stream = self._quic.get_next_available_stream_id()
        answer = self.answers[stream] = Answer()
        head = [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path), *fields]
        head = [(name.encode(), value.encode()) for name, value in head]
        self.http.send_headers(stream, head, end_stream=body is None and trailers is None)
        if body is not None:
            self.http.send_data(stream, body, end_stream=trailers is None)
        if trailers is not None:
            self.http.send_headers(stream, trailers, end_stream=True)
        # aioquic sends nothing by itself.
        self.transmit()
        return stream, answer

    async def ask(self, *arguments, **named):
        _, answer = self.send(*arguments, **named)
        await asyncio.wait_for(answer.done.wait(), WAIT)
        return answer

    def certificate(self):
        return self._quic.tls._peer_certificate.serial_number


def speaking(folder, **named):
    return QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, cafile=str(folder / "ca.pem"), server_name="localhost", **named
    )


def up(stack, folder, service):
    """`haechi up` with HTTP/3 at the port that is returned first, and its admin port."""
    port, admin = servers.free_ports(2)
    pair = {"chain": "localhost.pem", "key": "localhost.key"}
    listener = {"name": "web", "listen": f"127.0.0.1:{port}", "tls": {"certificates": [pair]}, "http3": True}
    file = {
        "admin": {"listen": f"127.0.0.1:{admin}"},
        "gateway": {
            "listeners": [listener],
            "routes": [{"name": "all", "match": {"path": "/**"}, "service": "app"}],
            "access-log": {"path": "access.log"},
        },
        "services": {"app": {"endpoints": [f"127.0.0.1:{service}"]}},
    }
    (folder / "haechi.yaml").write_text(json.dumps(file, indent=1))
    log = stack.enter_context(open(folder / "haechi.log", "wb"))
    command = [os.environ["HAECHI_BIN"], "up", "-f", folder / "haechi.yaml"]
    child = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(child.wait)
    stack.callback(child.terminate)
    scan.wait_for(port)
    return port, admin


def by_curl(folder, port):
    session = requests.Session(verify=str(folder / "ca.pem"), timeout=WAIT)
    session.curl_options = {CurlOpt.RESOLVE: [f"localhost:{port}:127.0.0.1"]}
    url = f"https://localhost:{port}"
    tcp = session.get(f"{url}/a", http_version=CurlHttpVersion.V1_1)
    announced = tcp.headers.get("alt-svc")
    scan.check(f"curl: TCP announces it: {announced}", announced == f'h3=":{port}"; ma=86400')
    only = {"http_version": CurlHttpVersion.V3ONLY}
    got = session.get(f"{url}/a?b=c", **only)
    seen = got.json()
    fine = got.http_version == CurlHttpVersion.V3 and seen["path"] == "/a?b=c"
    scan.check("curl: GET", fine and seen["fields"]["via"] == "3.0 haechi", str(seen))
    scan.check("curl: no body is no body", not {"transfer-encoding", "content-length"} & seen["fields"].keys(), str(seen))
    head = session.head(f"{url}/big", **only)
    scan.check("curl: HEAD", head.status_code == 200 and head.headers["content-length"] == str(len(BIG)) and not head.content)
    posted = session.post(f"{url}/post", data=BIG[: 1 << 20], **only)
    scan.check("curl: POST of 1 MiB", posted.content == BIG[: 1 << 20], f"{posted.status_code} {len(posted.content)}")
    began = time.monotonic()
    big = session.get(f"{url}/big", **only)
    scan.check(f"curl: 16 MiB in {time.monotonic() - began:.1f} s", hashlib.sha256(big.content).digest() == hashlib.sha256(BIG).digest())
    session.close()


def tables():
    """The gateway's tables mean to ls-qpack what they mean to the gateway."""
    text = (servers.ROOT / "crates/speak/http/src/h3/table.rs").read_text()
    rows = [(name.encode(), value.encode()) for name, value in re.findall(r'^    \("(.*?)", "(.*?)"\),$', text, re.MULTILINE)]
    read = lambda section: pylsqpack.Decoder(0, 0).feed_header(0, b"\0\0" + section)[1]  # noqa: E731
    indexed = [bytes([0xC0 | row]) if row < 63 else bytes([0xFF, row - 63]) for row in range(99)]
    wrong = [row for row, section in enumerate(indexed) if read(section) != [rows[row]]]
    scan.check("ls-qpack: 99 rows of the static table", len(rows) == 99 and not wrong, str(wrong))
    lengths = [int(bits) for bits in re.findall(r"\d+", re.search(r"CODE_BITS: .*? = \[(.*?)\];", text, re.DOTALL)[1])]
    codes, code, before = {}, 0, 0
    for bits, byte in sorted((bits, byte) for byte, bits in enumerate(lengths)):
        code <<= bits - before
        codes[byte], before = f"{code:0{bits}b}", bits
        code += 1
    wrong = []
    for byte, bits in codes.items():
        bits += "1" * (-len(bits) % 8)
        value = int(bits, 2).to_bytes(len(bits) // 8, "big")
        if read(b"\x21x" + bytes([0x80 | len(value)]) + value) != [(b"x", bytes([byte]))]:
            wrong.append(byte)
    scan.check("ls-qpack: 256 codes of the Huffman code", len(codes) == 256 and not wrong, str(wrong))


async def by_aioquic(folder, port):
    at = ("127.0.0.1", port)
    async with connect(*at, configuration=speaking(folder), create_protocol=Client) as client:
        got = await client.ask("GET", "/a?b=c")
        scan.check("aioquic: GET", got.status() == 200 and json.loads(got.body)["path"] == "/a?b=c", str(got.heads))
        # Not /big: aioquic takes an answer to HEAD whose length is not 0 for malformed, and closes the connection.
        head = await client.ask("HEAD", "/nothing")
        scan.check("aioquic: HEAD", head.status() == 200 and not head.body, str(head.heads))
        posted = await client.ask("POST", "/post", body=BIG[: 1 << 20])
        scan.check("aioquic: POST of 1 MiB in chunks", posted.body == BIG[: 1 << 20], str(posted.heads))
        sized = await client.ask("POST", "/post", body=b"abc", fields=[("content-length", "3")])
        scan.check("aioquic: POST with a length", sized.body == b"abc", str(sized.heads))
        sent = await client.ask("POST", "/post", body=b"abc", trailers=[(b"x-sum", b"1")])
        scan.check("aioquic: trailers to the service", sent.body == b"abc", str(sent.heads))
        got = await client.ask("GET", "/trailers", fields=[("te", "trailers")])
        scan.check("aioquic: trailers from the service", got.body == b"body" and (b"x-sum", b"42") in got.heads[-1], str(got.heads))
        many = await asyncio.gather(*(client.ask("GET", f"/{number}") for number in range(100)))
        paths = [json.loads(each.body)["path"] if each.status() == 200 else each.heads for each in many]
        scan.check("aioquic: 100 requests at once", paths == [f"/{number}" for number in range(100)], str(paths))
        odd = "".join(map(chr, range(0x21, 0x7F))) + " \t."
        fields = [(f"x-{number}", odd * number) for number in range(1, 20)]
        got = json.loads((await client.ask("GET", "/", fields=fields)).body)["fields"]
        scan.check("aioquic: every printable byte in fields", all(got[name] == value for name, value in fields), str(got))
        stream, endless = client.send("GET", "/endless")
        await asyncio.wait_for(endless.head.wait(), WAIT)
        client._quic.stop_stream(stream, 0x10C)
        client.transmit()
        scan.check("aioquic: an answer that is stopped stops the service", await asyncio.to_thread(Service.left.wait, WAIT))
        got = await client.ask("GET", "/after")
        scan.check("aioquic: others go on", got.status() == 200)
    Service.left.clear()
    small = speaking(folder, max_data=128 << 10, max_stream_data=64 << 10)
    async with connect(*at, configuration=small, create_protocol=Client) as client:
        got = await client.ask("GET", "/big")
        scan.check("aioquic: 16 MiB through windows of 64 KiB", got.body == BIG, f"{len(got.body)}")
        _, endless = client.send("GET", "/endless")
        await asyncio.wait_for(endless.head.wait(), WAIT)
    scan.check("aioquic: a client that goes stops the service", await asyncio.to_thread(Service.left.wait, WAIT))
    async with connect(*at, configuration=speaking(folder), create_protocol=Client) as client:
        stream = client._quic.get_next_available_stream_id()
        client._quic.send_stream_data(stream, encode_frame(FrameType.HEADERS, b"\x02\x00\x80"), end_stream=True)
        client.transmit()
        await asyncio.wait_for(client.ended.wait(), WAIT)
        scan.check("aioquic: a dynamic table that nobody offered ends the connection", client.why.error_code == 0x200, str(client.why))


async def a_changed_certificate(folder, port):
    async def serial():
        async with connect("127.0.0.1", port, configuration=speaking(folder), create_protocol=Client) as client:
            await client.ask("GET", "/")
            return client.certificate()

    before = await serial()
    for part in ("key", "pem"):
        (folder / f"newer.{part}").replace(folder / f"localhost.{part}")
    after, until = before, time.monotonic() + WAIT
    while after == before and time.monotonic() < until:
        after = await serial()
    scan.check("a certificate that changed on disk is used without a reload", after != before, f"{before} {after}")


def newer_certificate(folder):
    key, request, chain = folder / "newer.key", folder / "newer.csr", folder / "newer.pem"
    scan.must("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
              "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", request)  # fmt: skip
    scan.must("openssl", "x509", "-req", "-in", request, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
              "-set_serial", "99", "-days", "30", "-copy_extensions", "copy", "-out", chain)  # fmt: skip


def by_tcp(folder, port):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    with urllib.request.urlopen(f"https://localhost:{port}/tcp", context=context, timeout=WAIT) as answer:
        return answer.status


async def an_upgrade(stack, folder, port):
    """The old process ends what is in flight and then the connection; the new one serves QUIC as soon as the port is free."""
    async with connect("127.0.0.1", port, configuration=speaking(folder), create_protocol=Client) as client:
        _, waiting = client.send("GET", "/wait")
        await asyncio.to_thread(Service.arrived.acquire, timeout=WAIT)
        command = [os.environ["HAECHI_BIN"], "upgrade", "-f", folder / "haechi.yaml"]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=WAIT)
        said = (done.stdout + done.stderr).decode()
        scan.check("upgrade: is done", done.returncode == 0, said)
        # It is a child of the first process, which is gone once it has drained.
        stack.callback(os.kill, int(re.search(r"pid (\d+) has taken over", said)[1]), signal.SIGTERM)
        late = await client.ask("GET", "/late")
        scan.check(f"upgrade: a new request is rejected unseen: {late.reset:#x}", late.reset == 0x10B)
        scan.check("upgrade: TCP is served", await asyncio.to_thread(by_tcp, folder, port) == 200)
        Service.go_on.release()
        await asyncio.wait_for(waiting.done.wait(), WAIT)
        scan.check("upgrade: what was in flight is answered", waiting.body == b"late", str(waiting.heads))
        await asyncio.wait_for(client.ended.wait(), WAIT)
        scan.check("upgrade: then the connection is closed without an error", client.why.error_code == 0x100, str(client.why))
    until = time.monotonic() + WAIT
    while time.monotonic() < until:
        try:
            async with connect("127.0.0.1", port, configuration=speaking(folder), create_protocol=Client) as client:
                got = await client.ask("GET", "/anew")
                break
        except ConnectionError:
            got = None
    scan.check("upgrade: the new process speaks HTTP/3", got is not None and got.status() == 200)


def recorded(folder, admin):
    wanted = ('"GET /a?b=c HTTP/3.0" localhost', '"GET /a HTTP/1.1" localhost')
    until = time.monotonic() + WAIT
    while not all(part in (log := (folder / "access.log").read_text()) for part in wanted) and time.monotonic() < until:
        time.sleep(0.1)
    scan.check("the access log says HTTP/3.0", all(part in log for part in wanted), log)
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=WAIT) as answer:
        metrics = answer.read().decode()
    counts = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if line.startswith("haechi_http3_"))
    scan.check(f"metrics: {counts}", int(counts["haechi_http3_requests_total"]) > 100)


def main():
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        scan.certificates(folder)
        newer_certificate(folder)
        service = Server(("127.0.0.1", 0), Service)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        port, admin = up(stack, folder, service.server_address[1])
        tables()
        by_curl(folder, port)
        asyncio.run(by_aioquic(folder, port))
        recorded(folder, admin)
        asyncio.run(a_changed_certificate(folder, port))
        asyncio.run(an_upgrade(stack, folder, port))
    print(f"{len(scan.FAILED)} failed")
    return 1 if scan.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
