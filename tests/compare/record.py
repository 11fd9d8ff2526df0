#!/usr/bin/env python3
"""Records what Spring's own servers answer, as golden files: `record.py [config[:SETUP] | eureka]...`"""

import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import config  # noqa: E402
import eureka  # noqa: E402
import servers  # noqa: E402
import setups  # noqa: E402

WORK = servers.TARGET / "compare"


def config_answers(setup):
    """What Spring's Config Server answers in `setup`."""
    folder = WORK / f"spring-{setup}"
    shutil.rmtree(folder, ignore_errors=True)
    repos = setups.make_repositories(folder)
    (port,) = servers.free_ports(1)
    with servers.spring_config_server(port, setups.spring_options(setup, repos), folder):
        return config.record(setup, f"http://127.0.0.1:{port}", repos)


def eureka_answers():
    """What Spring's Eureka Server answers."""
    (port,) = servers.free_ports(1)
    with servers.spring_registry(port, eureka.SPRING_OPTIONS, WORK / "spring-eureka"):
        return eureka.record(f"http://127.0.0.1:{port}")


def write(name, answers):
    path = HERE / "golden" / f"{name}.json"
    path.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")
    print(f"{path.relative_to(servers.ROOT)}: {len(answers)} answers")


def main(wanted):
    for setup in config.REQUESTS:
        if not wanted or "config" in wanted or f"config:{setup}" in wanted:
            write(f"config-{setup}", config_answers(setup))
    if not wanted or "eureka" in wanted:
        write("eureka", eureka_answers())


if __name__ == "__main__":
    main(sys.argv[1:])
