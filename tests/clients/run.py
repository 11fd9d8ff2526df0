#!/usr/bin/env python3
"""Runs real, unmodified clients against a registry and a config server, and prints what each could do.

    run.py --originals                     Spring's own servers, started here
    run.py --haechi                        `haechi up` (HAECHI_BIN), started here
    run.py --registry URL --config URL     servers that are up already, on the repository of tests/compare
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "support"), str(HERE.parent / "compare")]

import registry_clients  # noqa: E402
import servers  # noqa: E402
import setups  # noqa: E402

OUT = servers.TARGET / "clients"
WORK = OUT / "run"


class Client:
    """One real client of a registry, as a program of this folder."""

    def __init__(self, name, command, prefix="/eureka", options=()):
        self.name = name
        self.app = name.upper().replace(" ", "-").replace("'", "")
        self.instance_id = f"localhost:{self.app.lower()}:9000"
        self.prefix = prefix
        self.base = command
        self.options = options
        self.finally_sees = {}

    def command(self, url):
        return [*self.base, *(option.format(url=url, app=self.app, id=self.instance_id) for option in self.options)]

    def env(self, url):
        return {"EUREKA_URL": url, "APP": self.app, "INSTANCE_ID": self.instance_id, "PORT": "9000"}


def registry_programs(config):
    """The clients of a registry. Spring's two also fetch their configuration from `config` when they start."""
    python = [str(OUT / "python/bin/python")]
    java = [*servers.JAVA, "-jar", str(OUT / "java/target/java-client.jar")]
    common = (
        "--spring.application.name={app}", "--eureka.instance.instance-id={id}",
        "--eureka.client.service-url.defaultZone={url}/", f"--spring.cloud.config.uri={config}",
        "--spring.cloud.config.name=myapp", "--spring.cloud.config.fail-fast=true",
    )  # fmt: skip
    dev = ("--eureka.client.jersey.enabled=true", "--spring.profiles.active=dev,db", "--spring.cloud.config.label=labels/slash")
    return [
        Client("Spring RestClient", java, options=(*common, "--eureka.client.jersey.enabled=false")),
        Client("Netflix Jersey", java, prefix="/eureka/v2", options=(*common, *dev)),
        Client("py-eureka-client", [*python, str(HERE / "programs/py_eureka.py")]),
        Client("eureka-js-client", ["node", str(HERE / "programs/eureka_js.js")], prefix="/eureka/v2"),
    ]


# What a client has to find in the repository of tests/compare, form by form.
JAVA_CONFIG = {
    "Spring RestClient": {
        "order.winner": "myapp.properties", "myapp.text": "plain", "myapp.list[0]": "uno",
    },
    "Netflix Jersey": {
        "order.winner": "myapp-db.yaml", "myapp.list[0]": "only", "myapp.db": "postgres",
    },
}  # fmt: skip
PROGRAM_CONFIG = {
    "cloud-config-client": {
        "plain": "myapp.properties",
        "profiles": ["myapp-db.yaml", "only", True],
        "label": ["myapp-dev.yml", None, "labels/slash"],
        "secret": "mysecret",
        "context": "from context",
        "list": [{"name": "one", "tags": ["x", "y"]}, {"name": "two"}],
        "missing": "Invalid response: 404",
    },
    "config-client": {
        "plain": "myapp.properties",
        "profiles": ["myapp-db.yaml", True],
        "label": ["myapp-dev.yml", "absent"],
        "secret": "mysecret",
        "file": "server {\n  listen 8080;\n  name myapp.properties fallback ${absent} ${kept};\n}\n",
        "decrypted": "a secret text",
        "missing": "fail_fast enabled. Terminating process.",
        "missing file": "refused",
    },
}


# What a client can't do with the originals themselves: Spring's server puts an error page into its 404, Netflix's
# client takes it for an instance, fails to read it, and never registers again.
NOT_ON_ORIGINALS = {("Netflix Jersey", "404, re-registers")}


def check_config(name, seen, expected):
    """Compares form by form; returns rows of (client, step, error or None)."""
    return [
        (name, f"config: {form}", None if seen.get(form) == value else f"got {seen.get(form)!r}, not {value!r}")
        for form, value in expected.items()
    ]


def config_program(name, command, config):
    done = subprocess.run(
        command, env={**os.environ, "CONFIG_URL": config, "NODE_PATH": str(OUT / "node_modules")},
        capture_output=True, text=True, timeout=60,
    )
    if done.returncode != 0:
        return [(name, "config", done.stderr.strip()[-500:])]
    return check_config(name, json.loads(done.stdout), PROGRAM_CONFIG[name])


def run_all(registry, config, only):
    """All clients; returns rows of (client, step, error or None)."""
    rows = []
    os.environ["NODE_PATH"] = str(OUT / "node_modules")
    for client in registry_programs(config):
        if only not in client.name:
            continue
        with open(WORK / f"{client.app}.log", "w") as log:
            for step, error in registry_clients.run(client, registry, log):
                rows.append((client.name, step, error))
                show(rows[-1])
        if client.name in JAVA_CONFIG:
            found = check_config(client.name, client.finally_sees.get("config", {}), JAVA_CONFIG[client.name])
            rows += found
            for row in found:
                show(row)
    for name, command in (
        ("cloud-config-client", ["node", str(HERE / "programs/cloud_config.js")]),
        ("config-client", [str(OUT / "python/bin/python"), str(HERE / "programs/config_client.py")]),
    ):
        if only not in name:
            continue
        found = config_program(name, command, config)
        rows += found
        for row in found:
            show(row)
    return rows


def show(row):
    client, step, error = row
    print(f"{client:20} {step:22} {'ok' if error is None else 'FAILED  ' + error}", flush=True)


def start_originals(stack):
    repos = setups.make_repositories(WORK / "repositories")
    registry, config = servers.free_ports(2)
    fresh = {"eureka.server.use-read-only-response-cache": "false"}
    stack.enter_context(servers.spring_registry(registry, fresh, WORK))
    stack.enter_context(servers.spring_config_server(config, setups.spring_options("git", repos), WORK))
    return f"http://127.0.0.1:{registry}", f"http://127.0.0.1:{config}"


def start_haechi(stack):
    import haechi

    repos = setups.make_repositories(WORK / "repositories")
    registry, config = servers.free_ports(2)
    stack.enter_context(haechi.server(haechi.setup("git", repos, config), WORK, registry_port=registry))
    return f"http://127.0.0.1:{registry}", f"http://127.0.0.1:{config}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--originals", action="store_true")
    options.add_argument("--haechi", action="store_true")
    options.add_argument("--only", default="", help="clients whose name contains this")
    options.add_argument("--registry")
    options.add_argument("--config")
    chosen = options.parse_args()
    subprocess.run([HERE / "install.sh"], check=True)
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    with ExitStack() as stack:
        if chosen.originals:
            where = start_originals(stack)
        elif chosen.haechi:
            where = start_haechi(stack)
        else:
            where = (chosen.registry, chosen.config)
        rows = run_all(*where, chosen.only)
    known = NOT_ON_ORIGINALS if chosen.originals else set()
    surprises = [row[:2] for row in rows if row[:2] in known and row[2] is None]
    failed = sum(error is not None and (client, step) not in known for client, step, error in rows) + len(surprises)
    for client, step in sorted(known):
        print(f"{client}, {step}: known not to work with the originals")
    print(f"\n{len(rows) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
