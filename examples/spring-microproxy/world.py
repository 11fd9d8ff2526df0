"""Everything the story runs on: the config repository, the servers, two copies of the application, and requests."""

import json
import os
import re
import shutil
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "support"))

import repositories  # noqa: E402
import servers  # noqa: E402

WORK = servers.TARGET / "spring-microproxy"
JAR = WORK / "helloworld-service.jar"
# The story's own ports, as they stand in haechi.yaml and config-repo; each run moves them to free ones.
STORY_PORTS = (8888, 8761, 9999, 9900, 8000, 8989)


def request(url, method="GET", accept="application/json"):
    """(status, body) of one request; (0, why) when there is no answer."""
    try:
        sent = urllib.request.Request(url, method=method, headers={"Accept": accept})
        with urllib.request.urlopen(sent, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def until(condition, seconds):
    """Waits until `condition()` is truthy. Returns how many seconds that took, or None when it never was."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.05)
    return None


class World:
    """Starts all of it on free ports; the end of the `with` block stops all of it."""

    def __init__(self, originals):
        self.originals = originals
        self.ports = dict(zip(STORY_PORTS, servers.free_ports(len(STORY_PORTS)), strict=True))
        self.config, self.registry, self.edge, self.admin, self.first, self.second = (
            f"http://127.0.0.1:{port}" for port in self.ports.values()
        )
        self.repo = WORK / "run" / "config-repo"
        self.logs = WORK / "run" / "logs"
        self.running = []

    def __enter__(self):
        try:
            shutil.rmtree(WORK / "run", ignore_errors=True)
            files = {file.name: self.moved(file.read_text()) for file in (HERE / "config-repo").iterdir()}
            repositories.new_repository(self.repo, files)
            for server in self._infrastructure():
                self.running.append(server)
                server.start()
            for server in self.running:
                server.wait_until_ready()
            self.copies = {port: self.start_copy(port) for port in (8000, 8989)}
            for copy in self.copies.values():
                copy.wait_until_ready()
            return self
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        # The applications first: they say goodbye to the registry.
        for server in reversed(self.running):
            server.stop()

    def moved(self, text):
        """`text` with the story's ports replaced by this run's."""
        return re.sub(r":(\d{4})\b", lambda found: f":{self.ports.get(int(found[1]), found[1])}", text)

    def _infrastructure(self):
        if self.originals:
            uri = {"spring.cloud.config.server.git.uri": self.repo.as_uri()}
            # Reads follow writes at once, rather than up to 30 s later.
            fresh = {"eureka.server.use-read-only-response-cache": "false"}
            return [
                servers.spring_config_server(self.ports[8888], uri, self.logs),
                servers.spring_registry(self.ports[8761], fresh, self.logs),
            ]
        file = WORK / "run" / "haechi.yaml"
        file.write_text(self.moved((HERE / "haechi.yaml").read_text()))
        command = [os.environ["HAECHI_BIN"], "up", "-f", file]
        return [servers.Server("haechi", command, f"{self.config}/helloworld-service/default", self.logs)]

    def start_copy(self, port):
        """One copy of the application, on this run's port for the story's `port`. It is not waited for."""
        options = [f"--server.port={self.ports[port]}", f"--spring.cloud.config.uri={self.config}"]
        name = f"helloworld-service-{port}"
        ready = f"http://127.0.0.1:{self.ports[port]}/health"
        copy = servers.Server(name, [*servers.JAVA, "-jar", JAR, *options], ready, self.logs)
        self.running.append(copy)
        return copy.start()

    def commit(self, file, text):
        """Edits one file of the config repository."""
        repositories.commit(self.repo, {file: text}, f"edit {file}")

    def registered(self):
        """Ports of the copies that the registry calls UP."""
        status, body = request(f"{self.registry}/eureka/apps/HELLOWORLD-SERVICE")
        instances = json.loads(body)["application"]["instance"] if status == 200 else []
        return sorted(each["port"]["$"] for each in instances if each["status"] == "UP")

    def failed_attempts(self, port):
        """When the edge proxy sent a request to the copy in vain, by its access log: seconds since the epoch."""
        log, times = WORK / "run" / "access.log", []
        for line in log.read_text().splitlines():
            for attempt in json.loads(line).get("failed", []):
                if attempt["endpoint"].endswith(f":{self.ports[port]}"):
                    times.append(datetime.fromisoformat(attempt["time"]).timestamp())
        return times

    def copy_ports(self):
        return sorted(self.ports[port] for port in self.copies)
