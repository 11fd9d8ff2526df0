#!/usr/bin/env python3
"""curl, `haechi up` (HAECHI_BIN), gunicorn and uvicorn, with Unix sockets between them: see README.md."""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "support"), str(HERE.parent / "tls"), str(HERE.parent / "compare")]

import haechi  # noqa: E402
import scan  # noqa: E402
import servers  # noqa: E402

OUT = servers.TARGET.resolve() / "unix"
LARGE = 5 << 20


def install():
    """gunicorn and uvicorn below the target folder; nothing to do when they are there as listed."""
    listed, mark = (HERE / "requirements.txt").read_text(), OUT / "installed"
    if mark.exists() and mark.read_text() == listed:
        return
    OUT.mkdir(parents=True, exist_ok=True)
    scan.must(sys.executable, "-m", "venv", OUT / "python")
    scan.must(OUT / "python/bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
    mark.write_text(listed)


def until(what, true):
    for _ in range(1200):
        if true():
            return
        time.sleep(0.05)
    sys.exit(f"{what}: not within a minute")


class Child:
    """A program that listens at a path until it is stopped."""

    def __init__(self, path, *command):
        self.path, self.command = path, [str(part) for part in command]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(f"{self.path} listens", lambda: curl(self.path, "/")[0] is not None)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def curl(path, target, *more):
    """The status, the fields and the body of an answer; three times nothing without one."""
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "body"
        command = ["curl", "--silent", "--show-error", "--max-time", "60", "--unix-socket", path, "-D", "-", "-o", body, *more]
        done = subprocess.run([str(part) for part in [*command, f"http://app.example{target}"]], capture_output=True)
        if done.returncode != 0:
            return None, None, None
        lines = done.stdout.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        statuses = [int(line.split(" ")[1]) for line in lines if line.startswith("HTTP/")]
        return statuses[-1], fields, body.read_bytes() if body.exists() else b""


def bodies(web, folder):
    large = folder / "large"
    large.write_bytes(random.Random(1).randbytes(LARGE))
    seen = set()
    for protocol in ("--http1.1", "--http2-prior-knowledge"):
        for way in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
            if protocol != "--http1.1" and way:
                continue
            for _ in range(2):
                status, fields, body = curl(web, "/", protocol, "--data-binary", f"@{large}", *way)
                whole = status == 200 and body == large.read_bytes()
                server = fields and fields.get("x-server")
                scan.check(f"{LARGE} bytes both ways, {protocol} {' '.join(way)}: {server}", whole)
                seen.add(server)
    scan.check("both services were asked", seen == {"gunicorn", "uvicorn"})


def who_asks(web):
    status, fields, _ = curl(web, "/", "-H", "X-Forwarded-For: 192.0.2.9")
    scan.check("a service without a name is localhost", status == 200 and fields["x-host"] == "localhost")
    scan.check("the client without an address keeps its place", fields["x-for"] == "192.0.2.9, unknown")


def kept(web):
    command = ["curl", "--silent", "--unix-socket", str(web), "-o", "/dev/null", "-o", "/dev/null", "-w", "%{num_connects}"]
    done = subprocess.run([*command, "http://app.example/1", "http://app.example/2"], capture_output=True)
    scan.check("a second request takes the first one's connection", done.stdout == b"10")


class Load:
    """Requests without a pause, until stopped."""

    def __init__(self, web):
        self.web, self.going, self.answers = web, True, []
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while self.going:
            self.answers.append(curl(self.web, "/load")[0])

    def more(self):
        wanted = len(self.answers) + 20
        until("requests", lambda: len(self.answers) >= wanted)

    def stop(self):
        self.going = False
        self.thread.join()
        wrong = [status for status in self.answers if status != 200]
        return len(self.answers), wrong


def main():
    install()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, python = Path(name), OUT / "python/bin"
        web, one, two = folder / "web.sock", folder / "gunicorn.sock", folder / "uvicorn.sock"
        gunicorn = Child(one, python / "gunicorn", "--bind", f"unix:{one}", "--workers", "2", "--threads", "4", "app:wsgi")
        stack.callback(lambda: gunicorn.stop())
        uvicorn = Child(two, python / "uvicorn", "--uds", two, "app:asgi")
        stack.callback(uvicorn.stop)
        file = {
            "gateway": {
                "listeners": [{"name": "web", "listen": f"unix:{web}", "mode": "600"}],
                "routes": [{"name": "all", "match": {"path": "/**"}, "service": "app"}],
            },
            "services": {"app": {"endpoints": [f"unix:{one}", f"unix:{two}"], "balance": "round-robin"}},
        }
        (folder / "haechi.yaml").write_text(json.dumps(file, indent=1))
        command = [haechi.binary(), "up", "-f", str(folder / "haechi.yaml")]
        gateway = subprocess.Popen(command, stdout=subprocess.PIPE)
        stack.callback(gateway.wait)
        stack.callback(gateway.terminate)
        ready = gateway.stdout.readline().decode()
        scan.check("it says where it listens", f"gateway web on unix:{web}" in ready)
        scan.check("only its user may connect", web.stat().st_mode & 0o777 == 0o600)
        bodies(web, folder)
        who_asks(web)
        kept(web)
        load = Load(web)
        load.more()
        for _ in range(2):
            gunicorn.stop()
            load.more()
            gunicorn.start()
            load.more()
        count, wrong = load.stop()
        scan.check(f"{count} requests while gunicorn restarted twice: {len(wrong)} failed {wrong[:3]}", not wrong)
        load = Load(web)
        load.more()
        done = subprocess.run([*command[:1], "upgrade", *command[2:]], capture_output=True, text=True)
        scan.check("another process takes over", done.returncode == 0)
        load.more()
        count, wrong = load.stop()
        scan.check(f"{count} requests meanwhile: {len(wrong)} failed {wrong[:3]}", not wrong)
        gateway.wait(timeout=60)
        scan.check("the first process ended and left the socket", web.is_socket())
        pid = int(done.stdout.splitlines()[-1].split(" ")[1])
        os.kill(pid, 15)
        until("the socket's file is gone", lambda: not web.exists())
    return 1 if scan.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
