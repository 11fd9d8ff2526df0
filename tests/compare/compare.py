#!/usr/bin/env python3
"""Compares answers with the originals' golden ones, field by field.

    compare.py --haechi [PART]...      Haechi (HAECHI_BIN), started here
    compare.py --originals [PART]...   the originals again: has what they answer changed?
    compare.py --at URL PART           one server that is up already

A PART is "eureka" or "config-SETUP"; all of them without any. The exit code is 1 when there is a difference that
decided.toml doesn't have, or an entry there that nothing needs.
"""

import argparse
import fnmatch
import json
import shutil
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "support"))

import config  # noqa: E402
import eureka  # noqa: E402
import fields  # noqa: E402
import record  # noqa: E402
import servers  # noqa: E402
import setups  # noqa: E402

PARTS = ["eureka", *(f"config-{setup}" for setup in config.REQUESTS)]


class Decided:
    """The differences that are wanted."""

    def __init__(self, path):
        self.entries = tomllib.loads(path.read_text()).get("difference", [])
        for entry in self.entries:
            if not entry.get("reason"):
                raise SystemExit(f"decided.toml: a difference without a reason: {entry}")
            entry["used"] = 0

    def covers(self, part, request, field, same_error):
        for entry in self.entries:
            if (
                (same_error or not entry.get("same-error"))
                and _matches(part, entry.get("where", "*"))
                and any(_matches(request, each) for each in entry["requests"])
                and any(_matches(field, each) for each in entry["fields"])
            ):
                entry["used"] += 1
                return True
        return False

    def unused(self, parts):
        """Entries that no answer of `parts` needed, though they are about them alone."""
        return [
            entry for entry in self.entries
            if not entry["used"] and all(each in parts for each in PARTS if _matches(each, entry.get("where", "*")))
        ]  # fmt: skip


def _matches(text, pattern):
    return fnmatch.fnmatchcase(text, pattern.replace("[", "[[]"))


def golden(part):
    return json.loads((HERE / "golden" / f"{part}.json").read_text())


def haechi_answers(part):
    """What Haechi answers to the requests of `part`."""
    import haechi

    folder = record.WORK / f"haechi-{part}"
    shutil.rmtree(folder, ignore_errors=True)
    (port,) = servers.free_ports(1)
    base = f"http://127.0.0.1:{port}"
    if part == "eureka":
        with haechi.server(None, folder, registry_port=port):
            return eureka.record(base)
    setup = part.removeprefix("config-")
    repos = setups.make_repositories(folder)
    with haechi.server(haechi.setup(setup, repos, port), folder):
        return config.record(setup, base, repos)


def original_answers(part):
    return record.eureka_answers() if part == "eureka" else record.config_answers(part.removeprefix("config-"))


def answers_at(url):
    """A server that is up: it has to be on the repository, or be empty, as the golden answers were."""
    return lambda part: eureka.record(url) if part == "eureka" else config.record(part.removeprefix("config-"), url, {})


def compare(part, answers, decided):
    """Prints the differences of one part; returns (same, decided, undecided) numbers of answers."""
    counts = [0, 0, 0]
    for want, got in zip(golden(part), answers, strict=True):
        if want["request"] != got["request"]:
            raise SystemExit(f"{part}: golden answers are of other requests; run record.py")
        differing = fields.differences(want["answer"], got["answer"])
        same_error = want["answer"]["status"] == got["answer"]["status"] >= 400
        undecided = [each for each in differing if not decided.covers(part, want["request"], each[0], same_error)]
        counts[0 if not differing else 2 if undecided else 1] += 1
        if undecided:
            print(f"{part}: {want['request']}")
            for field, wanted, value in undecided[:12]:
                print(f"    {field}: original {wanted!r}, here {value!r}"[:400])
            if len(undecided) > 12:
                print(f"    ... and {len(undecided) - 12} more")
    return counts


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--haechi", action="store_true")
    options.add_argument("--originals", action="store_true")
    options.add_argument("--at", metavar="URL")
    options.add_argument("parts", nargs="*", metavar="PART")
    chosen = options.parse_args()
    parts = chosen.parts or PARTS
    ask = haechi_answers if chosen.haechi else answers_at(chosen.at) if chosen.at else original_answers
    decided = Decided(HERE / "decided.toml") if not chosen.originals else Decided(Path("/dev/null"))
    total = [0, 0, 0]
    for part in parts:
        counts = compare(part, ask(part), decided)
        print(f"{part}: {counts[0]} the same, {counts[1]} with decided differences, {counts[2]} with others", flush=True)
        total = [one + two for one, two in zip(total, counts)]
    stale = decided.unused(parts)
    for entry in stale:
        print(f"decided.toml: nothing needs {entry['requests']} {entry['fields']}: {entry['reason']}")
    print(f"\n{total[0] + total[1]} passed, {total[2] + len(stale)} failed")
    return 1 if total[2] or stale else 0


if __name__ == "__main__":
    sys.exit(main())
