#!/usr/bin/env python3
"""dnspython and dig, `haechi up` (HAECHI_BIN), dnsmasq and dnslib's server, with DNS between them: see README.md."""

import getpass
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "support"), str(HERE.parent / "tls"), str(HERE.parent / "compare")]

import haechi  # noqa: E402
import scan  # noqa: E402
import servers  # noqa: E402

VENV = servers.TARGET.resolve() / "udp"


def install():
    """dnslib and dnspython below the target folder, and goes on there."""
    listed = (HERE / "requirements.txt").read_text()
    mark, python = VENV / "installed", VENV / "bin/python"
    if not mark.exists() or mark.read_text() != listed:
        scan.must(sys.executable, "-m", "venv", VENV, timeout=scan.INSTALL)
        pip = (VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
        scan.must(*pip, timeout=scan.INSTALL)
        mark.write_text(listed)
    if Path(sys.prefix) != VENV:
        os.execv(python, [python, __file__])


install()

import dns.exception  # noqa: E402
import dns.message  # noqa: E402
import dns.query  # noqa: E402
import dns.rdatatype  # noqa: E402

WAIT = 60
# How often resolvers ask, and how long they wait each time: seconds.
TRIES, PATIENCE = 2, 1
WORKERS = 2
# Longer than all that is done while a server is dead: nothing asks it again in between.
LEFT_OUT = {"ejection": {"base": "10s"}}
# Who answers, by the address that it has for every name.
NAMES = {"192.0.2.1": "dnsmasq", "192.0.2.2": "dnslib"}
ADDRESSES = {name: address for address, name in NAMES.items()}
# Twelve strings, which make an answer of 3 kB.
LARGE = [f"{number:02}" + chr(ord("a") + number) * 248 for number in range(12)]


def until(what, true):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if true():
            return
        time.sleep(0.05)
    sys.exit(f"{what}: not within a minute")


class Server:
    """A server of DNS at a port until it is killed."""

    def __init__(self, name, port, command):
        self.name, self.port, self.command = name, port, [str(part) for part in command]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(f"{self.name} answers", lambda: all(who(self.port, way) == self.name for way in (by_udp, by_tcp)))

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=WAIT)


def dnsmasq(port):
    command = ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", f"--user={getpass.getuser()}"]
    command += ["--no-resolv", "--no-hosts", "--bind-interfaces", "--listen-address=127.0.0.1", f"--port={port}"]
    command += [f"--address=/app.example/{ADDRESSES['dnsmasq']}", "--edns-packet-max=4096"]
    return Server("dnsmasq", port, [*command, "--txt-record=large.app.example," + ",".join(LARGE)])


def dnslib(port, folder):
    quoted = " ".join(f'"{part}"' for part in LARGE)
    zone = folder / "zone"
    zone.write_text(f"*.app.example. 60 IN A {ADDRESSES['dnslib']}\nlarge.app.example. 60 IN TXT {quoted}\n")
    command = [sys.executable, "-m", "dnslib.zoneresolver", "--zone", zone, "--glob", "--tcp", "--log", "error"]
    return Server("dnslib", port, [*command, "--address", "127.0.0.1", "--port", port])


def by_udp(query, port, sock=None):
    """dnspython checks that the answer has the question and the number of the query."""
    more = {"sock": sock, "ignore_errors": True} if sock else {}
    return dns.query.udp(query, "127.0.0.1", timeout=PATIENCE, port=port, **more)


def by_tcp(query, port):
    return dns.query.tcp(query, "127.0.0.1", timeout=WAIT, port=port)


def said(answer):
    """Who gave this answer."""
    return NAMES[answer.answer[0][0].address]


def who(port, way=by_udp, name="who.app.example", **more):
    """Who answers; nothing when nobody does."""
    try:
        return said(way(dns.message.make_query(name, "A"), port, **more))
    except (dns.exception.DNSException, OSError, EOFError):
        return None


def tried(port, name, **more):
    """Asks as resolvers do. Answers who answered, and with which try."""
    for number in range(1, TRIES + 1):
        if name_of := who(port, name=name, **more):
            return name_of, number
    return None, TRIES


def metrics(admin):
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=WAIT) as answer:
        text = answer.read().decode()
    return {key: int(count) for key, count in re.findall(r"^(haechi_udp_\S+) (\d+)$", text, re.MULTILINE)}


def up(stack, folder, ports):
    """`haechi up` with DNS over UDP and TCP at the port that is returned first, and its admin port."""
    port, admin = servers.free_ports(2)
    listen = {"listen": f"127.0.0.1:{port}"}
    file = {
        "admin": {"listen": f"127.0.0.1:{admin}"},
        "gateway": {
            "workers": WORKERS,
            "listeners": [{"name": "dns", "protocol": "udp", **listen}, {"name": "dns-tcp", "protocol": "tcp", **listen}],
            "udp-routes": [{"name": "dns", "listener": "dns", "service": "dns", "timeouts": {"idle": "1s"}}],
            "tcp-routes": [{"name": "dns-tcp", "listener": "dns-tcp", "service": "dns"}],
            "access-log": {"path": "access.log"},
        },
        "services": {"dns": {"endpoints": [f"127.0.0.1:{each}" for each in ports], "balance": "round-robin", **LEFT_OUT}},
    }
    (folder / "haechi.yaml").write_text(json.dumps(file, indent=1))
    gateway = subprocess.Popen([haechi.binary(), "up", "-f", folder / "haechi.yaml"], stdout=subprocess.PIPE)
    stack.callback(gateway.wait)
    stack.callback(gateway.terminate)
    ready = gateway.stdout.readline().decode()
    both = all(f"gateway {name} on 127.0.0.1:{port}" in ready for name in ("dns", "dns-tcp"))
    scan.check("UDP and TCP have one port", both, ready)
    return gateway, port, admin


def many(port, way):
    count, seen, wrong = 200, Counter(), []
    for number in range(count):
        query = dns.message.make_query(f"n{number}.app.example", "A")
        answer = way(query, port)
        if answer.id != query.id or answer.question != query.question:
            wrong.append(answer.to_text())
        seen[said(answer)] += 1
    fair = len(seen) == 2 and min(seen.values()) > count // 10
    scan.check(f"dnspython: {count} queries, {way.__name__}: {dict(seen)}", fair and not wrong, str(wrong[:1]))


def large(port):
    query = dns.message.make_query("large.app.example", "TXT", use_edns=0, payload=4096)
    for _ in range(4):
        answer = by_udp(query, port)
        whole = [part.decode() for part in answer.answer[0][0].strings] == LARGE and not answer.flags & dns.flags.TC
        scan.check(f"dnspython: {len(answer.to_wire())} bytes in one datagram", whole, answer.to_text())


def by_dig(port):
    dig = ("dig", "@127.0.0.1", "-p", str(port), "+tries=1", f"+timeout={WAIT}")
    for way in ("+notcp", "+tcp"):
        code, out = scan.run(*dig, way, "+short", "who.app.example", "A")
        scan.check(f"dig {way}: {out.strip()}", code == 0 and out.strip() in NAMES, out)
    code, out = scan.run(*dig, "+notcp", "+ignore", "+bufsize=4096", "large.app.example", "TXT")
    size = int(re.search(r"MSG SIZE  rcvd: (\d+)", out)[1]) if code == 0 else 0
    scan.check(f"dig: {size} bytes in one datagram", size > 3000 and all(part in out for part in LARGE), out)


def a_server_dies(port, server):
    """Each worker loses the datagram that shows it that nobody is there, and no other."""
    other = next(name for name in ADDRESSES if name != server.name)
    server.kill()
    seen = [who(port, name=f"dead{number}.app.example") for number in range(100)]
    lost = [number for number, name in enumerate(seen) if name is None]
    fine = 0 < len(lost) <= WORKERS and set(seen) == {other, None}
    scan.check(f"{server.name} dies: of 100 queries {len(lost)} are lost ({lost}), {other} answers all others", fine, str(seen))
    by_other = all(who(port, by_tcp) == other for _ in range(20))
    scan.check(f"{server.name} dies: over TCP nothing fails", by_other)
    server.start()
    until(f"{server.name} is asked again", lambda: tried(port, "back.app.example")[0] == server.name)
    scan.check(f"{server.name} is back and asked", True)


def recorded(folder, admin):
    """Every session that ended has a line, and numbers that agree."""
    until("sessions end", lambda: metrics(admin).get('haechi_udp_sessions{route="dns"}') == 0)
    counts = metrics(admin)
    ended = {key.split('"')[3]: count for key, count in counts.items() if ",end=" in key and count}
    lines = lambda: [line for line in (folder / "access.log").read_text().splitlines() if '"udp dns"' in line]  # noqa: E731
    until("lines", lambda: len(lines()) >= sum(ended.values()))
    said = Counter(line.rsplit("end=", 1)[1] for line in lines())
    scan.check(f"the access log has a line for each session: {ended}", said == ended and ended["idle"] > 300, str(said))
    dropped = [key for key, count in counts.items() if "dropped" in key and count]
    scan.check("nothing was dropped", not dropped, str(dropped))
    for to, key in (("service", "received"), ("client", "sent")):
        count = counts[f'haechi_udp_datagrams_total{{route="dns",to="{to}"}}']
        logged = sum(int(re.search(rf"datagrams-{key}=(\d+)", line)[1]) for line in lines())
        scan.check(f"metrics and log agree: {count} datagrams to the {to}", count == logged > 300, str(logged))


class Load:
    """Queries without a pause, until stopped: a port for each, as resolvers do, or one for all, as some forwarders do."""

    def __init__(self, port, kept):
        self.port, self.kept, self.going, self.seen = port, kept, True, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            more = {"sock": sock} if self.kept else {}
            while self.going:
                self.seen.append(tried(self.port, f"load{len(self.seen)}.app.example", **more))

    def more(self):
        wanted = len(self.seen) + 200
        until("queries", lambda: len(self.seen) >= wanted)

    def stop(self):
        self.going = False
        self.thread.join()
        failed = sum(1 for name, _ in self.seen if name is None)
        again = sum(1 for name, tries in self.seen if name and tries > 1)
        ports = "one port" if self.kept else "a port for each"
        scan.check(f"upgrade: {len(self.seen)} queries from {ports}: {failed} failed, {again} had a second try", not failed)


def end(pid):
    """Ends a process that is no child of this one: those that began it are gone."""
    process = os.pidfd_open(pid)
    os.kill(pid, signal.SIGTERM)
    select.select([process], [], [], WAIT)
    os.close(process)


def an_upgrade(stack, folder, gateway, port):
    loads = [Load(port, kept) for kept in (False, False, True)]
    for load in loads:
        load.more()
    for _ in range(2):
        done = subprocess.run([haechi.binary(), "upgrade", "-f", folder / "haechi.yaml"], capture_output=True, timeout=WAIT)
        said = (done.stdout + done.stderr).decode()
        scan.check("upgrade: another process takes over", done.returncode == 0, said)
        last = int(re.search(r"pid (\d+) has taken over", said)[1])
        for load in loads:
            load.more()
    stack.callback(end, last)
    gateway.wait(timeout=WAIT)
    for load in loads:
        load.more()
        load.stop()


def main():
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        ports = servers.free_ports(2)
        both = [dnsmasq(ports[0]), dnslib(ports[1], folder)]
        for server in both:
            stack.callback(server.kill)
        gateway, port, admin = up(stack, folder, ports)
        for way in (by_udp, by_tcp):
            many(port, way)
        large(port)
        by_dig(port)
        for server in both:
            a_server_dies(port, server)
        recorded(folder, admin)
        an_upgrade(stack, folder, gateway, port)
    print(f"{len(scan.FAILED)} failed")
    return 1 if scan.FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
