#!/usr/bin/env python3
"""gRPC's interop client and server, as published for Go, with `haechi up` between them. HAECHI_BIN names the program.

Every case that needs no cloud, three times: all in the clear, TLS to the gateway, and TLS on both sides of it.
What the cases are is told in the `doc/interop-test-descriptions.md` of gRPC's own repository.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "support"), str(HERE.parent / "tls")]

import servers  # noqa: E402
import scan  # noqa: E402

# The newest that the Go of Debian 12 builds.
VERSION = os.environ.get("GRPC_INTEROP_VERSION", "v1.64.1")
PROGRAMS = servers.TARGET.resolve() / f"grpc-interop-{VERSION}"

ORCA = '--service_config_json={"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}'

# Left out: those that need a cloud's credentials, and pick_first_unary, which this server fails when asked directly.
CASES = {
    "empty_unary": (),
    "large_unary": (),
    "client_streaming": (),
    "server_streaming": (),
    "ping_pong": (),
    "empty_stream": (),
    "timeout_on_sleeping_server": (),
    "cancel_after_begin": (),
    "cancel_after_first_response": (),
    "status_code_and_message": (),
    "special_status_message": (),
    "custom_metadata": (),
    "unimplemented_method": (),
    "unimplemented_service": (),
    # Load reports in trailers and in a stream of their own: only with this balancer does the client read them.
    "orca_per_rpc": (ORCA,),
    "orca_oob": (ORCA,),
    # 271,828 bytes go and 314,159 come back each time; no call may take longer than a busy machine's debug build.
    "rpc_soak": ("--soak_iterations=200", "--soak_per_iteration_max_acceptable_latency_ms=10000",
                 "--soak_overall_timeout_seconds=100"),
    # The same with a connection for each call.
    "channel_soak": ("--soak_iterations=50", "--soak_per_iteration_max_acceptable_latency_ms=10000",
                     "--soak_overall_timeout_seconds=100"),
}  # fmt: skip


def install():
    for program in ("client", "server"):
        if not (PROGRAMS / program).exists():
            module = f"google.golang.org/grpc/interop/{program}@{VERSION}"
            subprocess.run(["go", "install", module], env={**os.environ, "GOBIN": str(PROGRAMS)}, check=True)


@contextmanager
def running(port, *command):
    """A child that listens on `port`, until the end of the block."""
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        scan.wait_for(port)
        yield
    finally:
        child.terminate()
        child.wait(timeout=60)


def gateway(folder, clear, tls, plain_service, tls_service):
    """Listeners with and without TLS; by the host, calls go to the service in the clear or to the one with TLS."""
    certificates = [{"chain": f"{host}.pem", "key": f"{host}.key"} for host in ("localhost", "secure.localhost")]
    listeners = [
        {"name": "clear", "listen": f"127.0.0.1:{clear}"},
        {"name": "tls", "listen": f"127.0.0.1:{tls}", "tls": {"certificates": certificates}},
    ]
    routes = [
        {"name": "plain", "match": {"path": "/**"}, "service": "plain"},
        {"name": "secure", "match": {"host": "secure.localhost", "path": "/**"}, "service": "secure"},
    ]
    services = {
        "plain": {"endpoints": [f"127.0.0.1:{plain_service}"], "protocol": "h2"},
        "secure": {
            "endpoints": [f"127.0.0.1:{tls_service}"],
            "protocol": "h2",
            "tls": {"ca": ["ca.pem"], "server-name": "localhost"},
        },
    }
    file = folder / "haechi.yaml"
    file.write_text(json.dumps({"gateway": {"listeners": listeners, "routes": routes}, "services": services}, indent=1))
    return file


def call(case, port, options):
    """What went wrong with one case, or nothing."""
    command = [PROGRAMS / "client", f"--test_case={case}", "--server_host=127.0.0.1", f"--server_port={port}", *options]
    began = time.monotonic()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "no end within 120 s", time.monotonic() - began
    said = (done.stderr.strip() or f"ended with {done.returncode}")[-500:]
    return said if done.returncode else None, time.monotonic() - began


def main():
    install()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        scan.certificates(folder, ["secure.localhost"])
        own = (f"--tls_cert_file={folder}/localhost.pem", f"--tls_key_file={folder}/localhost.key")
        clear, tls, plain, secure = servers.free_ports(4)
        stack.enter_context(running(plain, PROGRAMS / "server", f"--port={plain}"))
        stack.enter_context(running(secure, PROGRAMS / "server", f"--port={secure}", "--use_tls", *own))
        file = gateway(folder, clear, tls, plain, secure)
        stack.enter_context(running(clear, os.environ["HAECHI_BIN"], "up", "-f", file))
        verify = ("--use_tls", "--use_test_ca", f"--ca_file={folder}/ca.pem")
        ways = (
            ("clear", clear, ()),
            ("tls", tls, (*verify, "--server_host_override=localhost")),
            ("tls, tls", tls, (*verify, "--server_host_override=secure.localhost")),
        )
        for way, port, options in ways:
            for case, more in CASES.items():
                error, seconds = call(case, port, (*options, *more))
                passed, failed = passed + (error is None), failed + (error is not None)
                came = "ok" if error is None else f"FAILED  {error}"
                print(f"{way:9} {case:28} {seconds:6.2f} s  {came}", flush=True)
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
