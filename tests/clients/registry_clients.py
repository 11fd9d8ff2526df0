"""What is asked of each client of a registry, whatever its language: it prints what it sees, the checks are here."""

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request

from recording_proxy import RecordingProxy

WAIT_SECONDS = 60
STEPS = ("registers", "renews", "full fetch", "delta", "404, re-registers", "says goodbye")


def call(method, url, body=None):
    """Straight to the registry, past the proxy. Returns the status and the parsed answer."""
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    sent = urllib.request.Request(url, method=method, headers=headers, data=body and json.dumps(body).encode())
    try:
        with urllib.request.urlopen(sent, timeout=10) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code, None


def seed(registry, name):
    """Registers an instance for the client to find."""
    now = str(int(time.time() * 1000))
    instance = {
        "instanceId": name, "hostName": name, "app": "SEED", "ipAddr": "10.0.0.1", "status": "UP",
        "vipAddress": "seed", "port": {"$": 8080, "@enabled": "true"},
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "lastUpdatedTimestamp": now, "lastDirtyTimestamp": now,
    }  # fmt: skip
    status, _ = call("POST", f"{registry}/eureka/apps/SEED", {"instance": instance})
    assert status == 204, f"registering {name} answered {status}"


class Program:
    """A client as a child process that prints `SEES {json}` lines and says goodbye when its input ends."""

    def __init__(self, command, env, log):
        self.sees = {"apps": {}}
        self.process = subprocess.Popen(
            command, env={**os.environ, **env}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        self.log = log
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("SEES "):
                self.sees = json.loads(line[5:])
            else:
                self.log.write(line)

    def seeds(self):
        return self.sees["apps"].get("SEED", [])

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def until(condition, seconds=WAIT_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def run(client, registry, log):
    """Plays all steps with one client. Yields (step, error or None); a step that fails does not end the others."""
    app, identity = client.app, client.instance_id
    own = f"{registry}/eureka/apps/{app}/{identity}"
    seed(registry, "seed1")
    with RecordingProxy(registry) as proxy:
        prefix = client.prefix
        place = f"{prefix}/apps/{app}"
        program = Program(client.command(proxy.url + prefix), client.env(proxy.url + prefix), log)
        log_of = lambda: f"; the last requests: {proxy.log[-6:]}"  # noqa: E731

        def result(step, fine, otherwise):
            return step, None if fine else otherwise + log_of()

        def waited(condition):
            """A client that has ended is not waited for."""
            return until(lambda: condition() or program.process.poll() is not None) and condition()

        def up():
            status, answer = call("GET", own)
            return status == 200 and answer["instance"]["status"] == "UP"

        try:
            fine = waited(lambda: up() and proxy.count(f"POST {place}", 204))
            yield result("registers", fine, "it is not UP in the registry")
            fine = waited(lambda: proxy.count(f"PUT {place}", 200) >= 2)
            yield result("renews", fine, "two heartbeats were not answered 200")
            fine = waited(lambda: program.seeds() == ["seed1"])
            yield result("full fetch", fine, f"it sees {program.sees['apps']}")

            full = f"GET {prefix}/apps"
            deltas_before, start = proxy.count(f"{full}/delta", 200), len(proxy.log)
            seed(registry, "seed2")
            fine = waited(lambda: program.seeds() == ["seed1", "seed2"])
            call("DELETE", f"{registry}/eureka/apps/SEED/seed1")
            fine = waited(lambda: program.seeds() == ["seed2"]) and fine
            deltas = proxy.count(f"{full}/delta", 200) - deltas_before
            fulls = proxy.count(full, 200, start) - deltas
            yield result("delta", fine and deltas > 0 and fulls == 0,
                         f"it sees {program.sees['apps']} after {deltas} deltas and {fulls} full fetches")

            start = len(proxy.log)
            call("DELETE", own)
            fine = waited(lambda: proxy.count(f"PUT {place}", 404, start) and proxy.count(f"POST {place}", 204, start) and up())
            yield result("404, re-registers", fine, "it did not come back after a 404")
        finally:
            program.end()
        fine = until(lambda: call("GET", own)[0] == 404) and proxy.count(f"DELETE {place}", 200)
        yield result("says goodbye", fine, "it is still in the registry")
    call("DELETE", f"{registry}/eureka/apps/SEED/seed2")
    client.finally_sees = program.sees
