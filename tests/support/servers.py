"""Starts real servers as child processes, waits until they answer, and stops each by its own process id."""

import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
JAVA = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
START_SECONDS = 90
STOP_SECONDS = 30
LOWEST_PORT = 10_000


def free_ports(count):
    """Ports that nobody has now, neither for TCP nor for UDP.

    They are below those that the kernel gives to outgoing connections, of which one could take a port before its
    server starts.
    """
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    # Where they have nearly all ports, there is nothing better than luck.
    below = outgoing if outgoing > 2 * LOWEST_PORT else 2 * LOWEST_PORT
    ports = []
    while len(ports) < count:
        port = random.randrange(LOWEST_PORT, below)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def is_free(port):
    """Whether a server could listen on this port."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(url, timeout=2):
    """Whether an HTTP server answers at `url`, whatever the status."""
    try:
        urllib.request.urlopen(url, timeout=timeout).close()
    except urllib.error.HTTPError as refusal:
        refusal.close()
    except OSError:
        return False
    return True


class Server:
    """One child process. `with Server(...)` waits until it answers and stops it at the end."""

    def __init__(self, name, command, ready_url, log_folder, env=None):
        self.name = name
        self.command = [str(part) for part in command]
        self.ready_url = ready_url
        self.log = Path(log_folder) / f"{name}.log"
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def start(self):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, start_new_session=True
            )
        return self

    def wait_until_ready(self):
        deadline = time.monotonic() + START_SECONDS
        while not answers(self.ready_url):
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not answer at {self.ready_url}:\n{self.last_lines()}")
            time.sleep(0.1)
        return self

    def last_lines(self, count=30):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Asks politely (SIGTERM), then insists. Returns the exit code."""
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode if self.process else None

    def kill(self):
        """SIGKILL: no goodbye to anyone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def __enter__(self):
        try:
            return self.start().wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()


def spring_config_server(port, options, log_folder):
    """Spring's own Config Server, with `options` as Spring properties."""
    return _original("config-server", port, options, log_folder, f"http://localhost:{port}/actuator/health/liveness")


def spring_registry(port, options, log_folder):
    """Spring's own Eureka Server, with `options` as Spring properties."""
    return _original("registry", port, options, log_folder, f"http://localhost:{port}/eureka/apps")


def _original(name, port, options, log_folder, ready_url):
    jar = TARGET / "originals" / f"{name}.jar"
    if not jar.exists():
        subprocess.run([ROOT / "tests/originals/build.sh"], check=True)
    settings = [f"--{key}={value}" for key, value in {"server.port": port, **options}.items()]
    return Server(f"spring-{name}", [*JAVA, "-jar", jar, *settings], ready_url, log_folder)
