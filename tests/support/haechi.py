"""Starts `haechi up` with one of the setups that the originals are asked in."""

import json
import os
import subprocess
from pathlib import Path

import servers
import setups


def binary():
    """The program: HAECHI_BIN, or built here."""
    if "HAECHI_BIN" not in os.environ:
        build = ["cargo", "build", "--quiet", "--release", "-p", "haechi"]
        subprocess.run(build, cwd=servers.ROOT, check=True)
        os.environ["HAECHI_BIN"] = str(servers.TARGET / "release" / "haechi")
    return os.environ["HAECHI_BIN"]


def setup(name, repos, port):
    """The `config` section that says the same as setups.spring_options(name, ...)."""
    main, other = f"file://{repos['main']}", f"file://{repos['other']}"
    git = {"uri": main, "label": "main"}
    key = {"encrypt": {"key": setups.SYMMETRIC_KEY}}
    differing = {
        "git": {"git": git, **key},
        "no-key": {"git": git},
        "rsa": {"git": git, "encrypt": {"key": (setups.HERE / "test-only.pem").read_text()}},
        "search-paths": {"git": {**git, "search-paths": ["shared", "{application}", "team-*"]}, **key},
        "overrides": {"git": git, "overrides": {"shared": "from overrides", "added.by": "overrides"}, **key},
        "native": {"native": {"locations": [str(repos["main"])]}, **key},
        "repositories": {
            "git": {
                **git,
                "repos": {
                    "other": {"uri": other},
                    "patterned": {"uri": other, "pattern": ["pattern-*/dev*", "local*"]},
                },
            },
            **key,
        },
        "composite": {"composite": [{"git": {"uri": other}}, {"git": git}], **key},
        "not-empty": {"git": git, "accept-empty": False, **key},
        "prefix": {"git": git, "prefix": "/config", **key},
    }[name]
    return {"listen": f"127.0.0.1:{port}", **differing}


def server(config, folder, registry_port=None):
    """`haechi up` with this `config` section and, where a port is given, a registry."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = {"config": config} if config else {}
    if registry_port:
        file["registry"] = {"listen": f"127.0.0.1:{registry_port}"}
    # JSON is YAML.
    (folder / "haechi.yaml").write_text(json.dumps(file, indent=1, ensure_ascii=False) + "\n")
    ready = f"http://127.0.0.1:{registry_port}/eureka/apps" if registry_port else f"http://{config['listen']}/ready/default"
    return servers.Server("haechi", [binary(), "up", "-f", folder / "haechi.yaml"], ready, folder)
