#!/usr/bin/env python3
"""The cases of Autobahn|Testsuite, run by kosoku from PyPI through `haechi up`. HAECHI_BIN names the program.

kosoku as the client breaks the protocol against a service of ws (npm), and as the server against a client of ws. The
way is one gateway, or two with each kind of connection between them. First without a gateway: what passes there has
to pass through every way. HAECHI_WEBSOCKET_ALL=1 runs the slow cases too, which takes an hour.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from fnmatch import fnmatchcase
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "support"), str(HERE.parent / "tls")]

import servers  # noqa: E402
import scan  # noqa: E402

OUT = servers.TARGET.resolve() / "websocket"
KOSOKU = OUT / "python/bin/kosoku"

# Of 12.* and 13.* (permessage-deflate, 1,000 messages each) one small size, and one that is sent in fragments. They take
# nine tenths of the time, in both ends and not in a gateway: the longest way of each side has all of them, any other
# one of each group.
DEFLATE = [f"{kind}.{size}" for kind in [f"12.{n}" for n in range(1, 6)] + [f"13.{n}" for n in range(1, 8)] for size in (5, 13)]
QUICK = [f"{group}.*" for group in (1, 2, 3, 4, 5, 6, 7, 9, 10)] + ["12.1.5", "13.7.5"]
ALONE = "without a gateway"
LONGEST = ("h1, h2 over TLS", "h1 over TLS, h2 over TLS")


def install():
    """kosoku and ws below the target folder; nothing to do when they are there as listed."""
    listed = (HERE / "requirements.txt").read_text() + (HERE / "package.json").read_text()
    mark = OUT / "installed"
    if mark.exists() and mark.read_text() == listed:
        return
    OUT.mkdir(parents=True, exist_ok=True)
    scan.must(sys.executable, "-m", "venv", OUT / "python", timeout=scan.INSTALL)
    pip = (OUT / "python/bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
    scan.must(*pip, timeout=scan.INSTALL)
    (OUT / "package.json").write_text((HERE / "package.json").read_text())
    scan.must("npm", "install", "--prefix", OUT, "--no-audit", "--no-fund", "--loglevel=error", timeout=scan.INSTALL)
    mark.write_text(listed)


def cases(way):
    """The patterns of the cases of this way."""
    if os.environ.get("HAECHI_WEBSOCKET_ALL"):
        return ["*"]
    return QUICK + DEFLATE if way == ALONE or way in LONGEST else QUICK


def selection(way):
    return [word for case in cases(way) if case != "*" for word in ("-i", case)]


def start(stack, *command):
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, env=environment())
    stack.callback(child.wait)
    stack.callback(child.terminate)
    return child


def environment(**more):
    return {**os.environ, "NODE_PATH": str(OUT / "node_modules"), **more}


def gateways(stack, folder, echo, fuzzer):
    """Two gateways: the inner one sends to the service, the edge to the service or, by the path, to the inner one.

    Returns the edge's port in the clear and the one with TLS.
    """
    pair = {"chain": "localhost.pem", "key": "localhost.key"}
    clear, tls, inner_clear, inner_tls = servers.free_ports(4)
    inner = {
        "gateway": {
            "listeners": [
                {"name": "clear", "listen": f"127.0.0.1:{inner_clear}"},
                {"name": "tls", "listen": f"127.0.0.1:{inner_tls}", "tls": {"certificates": [pair]}},
            ],
            "routes": [
                {"name": "echo", "match": {"path": "/echo"}, "service": "echo"},
                {"name": "fuzzer", "match": {"path": "/**"}, "service": "fuzzer"},
            ],
        },
        "services": {
            "echo": {"endpoints": [f"127.0.0.1:{echo}"]},
            "fuzzer": {"endpoints": [f"127.0.0.1:{fuzzer}"]},
        },
    }
    verified = {"ca": ["ca.pem"], "server-name": "localhost"}
    services = {
        "h1": {"endpoints": [f"127.0.0.1:{inner_clear}"]},
        "h1-tls": {"endpoints": [f"127.0.0.1:{inner_tls}"], "tls": verified},
        "h2": {"endpoints": [f"127.0.0.1:{inner_clear}"], "protocol": "h2"},
        "h2-tls": {"endpoints": [f"127.0.0.1:{inner_tls}"], "protocol": "h2", "tls": verified},
    }
    ways = [
        {"name": way, "match": {"path": f"/{way}/**"}, "strip-prefix": f"/{way}", "service": way} for way in services
    ]
    services |= inner["services"]
    edge = {
        "gateway": {
            "listeners": [
                {"name": "clear", "listen": f"127.0.0.1:{clear}"},
                {"name": "tls", "listen": f"127.0.0.1:{tls}", "tls": {"certificates": [pair]}},
            ],
            "routes": [*ways, *inner["gateway"]["routes"]],
        },
        "services": services,
    }
    for name, file in (("inner", inner), ("edge", edge)):
        home = folder / name
        home.mkdir()
        for part in ("ca.pem", *pair.values()):
            (home / part).write_bytes((folder / part).read_bytes())
        (home / "haechi.yaml").write_text(json.dumps(file, indent=1))
        start(stack, os.environ["HAECHI_BIN"], "up", "-f", home / "haechi.yaml")
    for port in (clear, inner_clear):
        scan.wait_for(port)
    return clear, tls


def report(folder):
    """What kosoku wrote: for each case the verdicts on what was said and on how it was closed."""
    (agent,) = json.loads((folder / "index.json").read_text()).values()
    return {case: (seen["behavior"], seen["behaviorClose"]) for case, seen in agent.items()}


def ask_service(folder, way, url):
    """kosoku as the client of the service at `url`."""
    subprocess.run([KOSOKU, url, "-p", "4", "-o", folder, *selection(way)], capture_output=True, timeout=7200)
    return report(folder)


def ask_client(folder, way, url, port, ca):
    """kosoku as the server at `port`, asked at `url` by the client."""
    with ExitStack() as stack:
        fuzzer = start(stack, KOSOKU, "-m", "fuzzingserver", f"127.0.0.1:{port}", "-o", folder, *selection(way))
        scan.wait_for(port)
        client = ["node", HERE / "client.js", url]
        subprocess.run(client, env=environment(CA=str(ca)), check=True, timeout=7200)
        fuzzer.wait(timeout=60)
    return report(folder)


FINE = ("OK", "NON-STRICT", "INFORMATIONAL")


def is_fine(verdict):
    return all(part in FINE for part in verdict)


def run_side(side, ways, ask):
    """Asks by each way; the first one is without a gateway. Returns how many cases passed and failed."""
    passed = failed = 0
    alone = None
    for way, url in ways.items():
        began = time.monotonic()
        seen = ask(way, url)
        bad = {case: verdict for case, verdict in seen.items() if not is_fine(verdict)}
        print(f"{side:7} {way:26} {len(seen) - len(bad)} of {len(seen)} in {time.monotonic() - began:.0f} s", flush=True)
        if alone is None:
            alone = seen
            for case, verdict in bad.items():
                print(f"        {case:9} {verdict}, without a gateway too", flush=True)
            continue
        due = {case for case in alone if any(fnmatchcase(case, pattern) for pattern in cases(way))}
        worse = {case: verdict for case, verdict in bad.items() if is_fine(alone.get(case, FINE))}
        missing = due - seen.keys()
        for case, verdict in [*worse.items(), *((case, "was not run") for case in sorted(missing))]:
            print(f"        {case:9} {verdict}, without a gateway {alone[case]}", flush=True)
        wrong = len(worse) + len(missing)
        passed, failed = passed + len(due) - wrong, failed + wrong
    return passed, failed


def main():
    install()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        scan.certificates(folder)
        echo, fuzzer = servers.free_ports(2)
        start(stack, "node", HERE / "echo.js", echo)
        scan.wait_for(echo)
        clear, tls = gateways(stack, folder, echo, fuzzer)
        at = f"127.0.0.1:{clear}"
        service = {
            ALONE: f"ws://127.0.0.1:{echo}/echo",
            "h1": f"ws://{at}/echo",
            "h1, h1": f"ws://{at}/h1/echo",
            "h1, h1 over TLS": f"ws://{at}/h1-tls/echo",
            "h1, h2": f"ws://{at}/h2/echo",
            "h1, h2 over TLS": f"ws://{at}/h2-tls/echo",
        }
        client = {
            ALONE: f"ws://127.0.0.1:{fuzzer}",
            "h1 over TLS": f"wss://127.0.0.1:{tls}",
            "h1, h2": f"ws://{at}/h2",
            "h1 over TLS, h2 over TLS": f"wss://127.0.0.1:{tls}/h2-tls",
        }

        def by_service(way, url):
            return ask_service(folder / f"service-{way}", way, url)

        def by_client(way, url):
            return ask_client(folder / f"client-{way}", way, url, fuzzer, folder / "ca.pem")

        # Side by side: the client opens one connection after another and leaves a core to the other side.
        with ThreadPoolExecutor() as both:
            sides = [
                both.submit(run_side, "service", service, by_service),
                both.submit(run_side, "client", client, by_client),
            ]
            passed, failed = (sum(counts) for counts in zip(*(side.result() for side in sides)))
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
