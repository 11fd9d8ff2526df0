#!/usr/bin/env python3
"""Scans a TLS listener of `haechi up` (HAECHI_BIN) with SSLyze, OpenSSL and curl, and fails on anything weak.

Everything runs on 127.0.0.1, with certificates made by OpenSSL for this run.
"""

import http.server
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "support"), str(HERE.parent / "compare")]

import haechi  # noqa: E402
import servers  # noqa: E402

VENV = servers.TARGET / "tls-scan"
# Seconds that installing may take where other programs run.
INSTALL = 600


def run(*command, stdin=b"", timeout=60):
    done = subprocess.run([str(part) for part in command], input=stdin, capture_output=True, timeout=timeout)
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def must(*command, timeout=60):
    code, out = run(*command, timeout=timeout)
    if code != 0:
        sys.exit(f"{command} failed:\n{out}")
    return out


def certificates(folder, more=()):
    """A CA, a server's certificate with an OCSP response, a client's, one that is revoked, and one for each of `more`."""
    must("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
         "-subj", "/CN=test ca", "-keyout", folder / "ca.key", "-out", folder / "ca.pem")  # fmt: skip
    index = []
    for serial, name in enumerate(("localhost", "client", "revoked", *more), start=16):
        key, request, chain = folder / f"{name}.key", folder / f"{name}.csr", folder / f"{name}.pem"
        must("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", request)  # fmt: skip
        must("openssl", "x509", "-req", "-in", request, "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
             "-set_serial", serial, "-days", "30", "-copy_extensions", "copy", "-out", chain)  # fmt: skip
        state = "R\t360101000000Z\t260101000000Z" if name == "revoked" else "V\t360101000000Z\t"
        index.append(f"{state}\t{serial:X}\tunknown\t/CN={name}\n")
    (folder / "index.txt").write_text("".join(index))
    (folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index.txt\ndefault_md=sha256\ndefault_crl_days=30\ncrlnumber={folder}/crlnumber\n"
    )
    (folder / "crlnumber").write_text("01\n")
    must("openssl", "ca", "-config", folder / "ca.cnf", "-gencrl", "-keyfile", folder / "ca.key", "-cert", folder / "ca.pem",
         "-out", folder / "crl.pem")  # fmt: skip
    must("openssl", "ocsp", "-index", folder / "index.txt", "-CA", folder / "ca.pem", "-rsigner", folder / "ca.pem",
         "-rkey", folder / "ca.key", "-issuer", folder / "ca.pem", "-cert", folder / "localhost.pem", "-ndays", "7",
         "-respout", folder / "localhost.ocsp")  # fmt: skip


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        told = self.headers.get("X-Forwarded-Client-Cert", "nobody").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_):
        pass


def up(folder, port, mtls, service):
    pair = {"chain": "localhost.pem", "key": "localhost.key", "ocsp": "localhost.ocsp"}
    asked = {"ca": ["ca.pem"], "crl": ["crl.pem"], "forward": True}
    listeners = [
        {"name": "open", "listen": f"127.0.0.1:{port}", "tls": {"certificates": [pair]}},
        {"name": "mtls", "listen": f"127.0.0.1:{mtls}", "tls": {"certificates": [pair], "client-certificates": asked}},
    ]
    file = {
        "gateway": {"listeners": listeners, "routes": [{"name": "all", "match": {"path": "/**"}, "service": "app"}]},
        "services": {"app": {"endpoints": [f"127.0.0.1:{service}"]}},
    }
    (folder / "haechi.yaml").write_text(json.dumps(file, indent=1))
    return subprocess.Popen([haechi.binary(), "up", "-f", str(folder / "haechi.yaml")], stdout=subprocess.DEVNULL)


def wait_for(port):
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit("the gateway does not listen")


FAILED = []


def check(what, holds, seen=""):
    print(f"{'ok    ' if holds else 'FAILED'} {what}")
    if not holds:
        FAILED.append(what)
        print("\n".join(f"       {line}" for line in seen.splitlines()[-25:]))


def sslyze(folder, port):
    if not (VENV / "bin/sslyze").exists():
        must(sys.executable, "-m", "venv", VENV, timeout=INSTALL)
        pip = (VENV / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")
        must(*pip, timeout=INSTALL)
    out = folder / "sslyze.json"
    _, seen = run(VENV / "bin/python", "-m", "sslyze", "--json_out", out, f"localhost:{port}")
    result = json.loads(out.read_text())["server_scan_results"][0]["scan_result"]
    for old in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
        accepted = result[f"{old}_cipher_suites"]["result"]["accepted_cipher_suites"]
        check(f"sslyze: nothing of {old}", accepted == [], str(accepted))
    for version in ("tls_1_2", "tls_1_3"):
        accepted = [s["cipher_suite"]["name"] for s in result[f"{version}_cipher_suites"]["result"]["accepted_cipher_suites"]]
        weak = [n for n in accepted if not ("GCM" in n or "CHACHA20" in n) or (version == "tls_1_2" and "ECDHE" not in n)]
        check(f"sslyze: {version} has {len(accepted)} suites, all with forward secrecy and AEAD", accepted and not weak, str(accepted))
    for name, part, key, good in (
        ("heartbleed", "heartbleed", "is_vulnerable_to_heartbleed", False),
        ("CCS injection", "openssl_ccs_injection", "is_vulnerable_to_ccs_injection", False),
        ("TLS compression", "tls_compression", "supports_compression", False),
        ("client renegotiation", "session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", False),
        ("extended master secret", "tls_extended_master_secret", "supports_ems_extension", True),
        ("fallback SCSV", "tls_fallback_scsv", "supports_fallback_scsv", None),
    ):  # fmt: skip
        found = (result[part].get("result") or {}).get(key)
        if good is None:
            print(f"info   sslyze: {name}: {found}")
        else:
            check(f"sslyze: {name}: {found}", found == good, seen)
    robot = (result["robot"].get("result") or {}).get("robot_result", "")
    check(f"sslyze: ROBOT: {robot}", robot.startswith("NOT_VULNERABLE"), seen)


def openssl(folder, port, mtls):
    client = ("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-CAfile", folder / "ca.pem")
    _, seen = run(*client, "-status")
    check("openssl: verified", "Verify return code: 0 (ok)" in seen, seen)
    check("openssl: OCSP response stapled", "OCSP Response Status: successful" in seen and "Cert Status: good" in seen, seen)
    for version in ("-tls1_2", "-tls1_3"):
        session = folder / "session.pem"
        get = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        run(*client, version, "-ign_eof", "-sess_out", session, stdin=get)
        _, seen = run(*client, version, "-ign_eof", "-sess_in", session, stdin=get)
        check(f"openssl: {version} session resumed", "Reused, TLSv1" in seen, seen)
    check("openssl: no early data", "Max Early Data: 0" in seen, seen)
    for version in ("-tls1", "-tls1_1"):
        _, seen = run(*client, version, "-cipher", "ALL:@SECLEVEL=0")
        check(f"openssl: {version} refused", "Cipher is (NONE)" in seen or "no protocols available" in seen, seen)
    secure = f"https://localhost:{mtls}/"
    curl = ("curl", "-sS", "--cacert", folder / "ca.pem", "--resolve", f"localhost:{mtls}:127.0.0.1", secure)
    own = lambda name: ("--cert", folder / f"{name}.pem", "--key", folder / f"{name}.key")  # noqa: E731
    code, seen = run(*curl, *own("client"))
    check("curl: a client certificate is taken and told", code == 0 and 'Subject="CN=client"' in seen, seen)
    code, seen = run(*curl)
    check("curl: no client certificate is refused", code != 0, seen)
    code, seen = run(*curl, *own("revoked"))
    check("curl: a revoked client certificate is refused", code != 0, seen)
    at = ("curl", "-sS", "--cacert", folder / "ca.pem", "-o", "/dev/null", "-w", "%{http_version} %{http_code}")
    code, seen = run(*at, "--resolve", f"localhost:{port}:127.0.0.1", f"https://localhost:{port}/")
    check("curl: HTTP/2 by ALPN", seen.startswith("2 200"), seen)
    code, seen = run(*at, "--http1.1", "--resolve", f"localhost:{port}:127.0.0.1", f"https://localhost:{port}/")
    check("curl: HTTP/1.1 by ALPN", seen.startswith("1.1 200"), seen)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
        threading.Thread(target=service.serve_forever, daemon=True).start()
        port, mtls = servers.free_ports(2)
        gateway = up(folder, port, mtls, service.server_address[1])
        try:
            wait_for(port)
            openssl(folder, port, mtls)
            sslyze(folder, port)
        finally:
            gateway.terminate()
            gateway.wait(timeout=60)
    print(f"{len(FAILED)} failed")
    return 1 if FAILED else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    sys.exit(main())
