"""The setups of a config server that requests are sent to: which repositories there are, and how Spring is told."""

import os
from pathlib import Path

import repositories

HERE = Path(__file__).resolve().parent
SYMMETRIC_KEY = "foo"
GIT = "spring.cloud.config.server.git."
# Files that don't survive an editor or a checkout: written here.
BINARY = bytes(range(256))


def _tree(name):
    """The files below repository/NAME, by relative path."""
    top = HERE / "repository" / name
    return {str(file.relative_to(top)): file.read_bytes() for file in sorted(top.rglob("*")) if file.is_file()}


def make_repositories(folder):
    """Makes the two git repositories below `folder`, with the same commits each time. Returns their paths by name."""
    main = repositories.new_repository(folder / "main", {**_tree("main"), "blob.bin": BINARY})
    (main / "link-in.txt").symlink_to("utf8.txt")
    (folder / "outside.txt").write_text("outside the repository\n")
    (main / "link-out.txt").symlink_to("../outside.txt")
    repositories.commit(main, {}, "links")
    repositories.git(main, "tag", "v1")
    repositories.git(main, "checkout", "--quiet", "-b", "feature", "main")
    repositories.commit(main, _tree("feature"), "feature")
    # A branch can't be called feature/slash beside a branch feature.
    repositories.git(main, "checkout", "--quiet", "-b", "labels/slash", "main")
    repositories.commit(main, _tree("slash"), "slash")
    repositories.git(main, "checkout", "--quiet", "main")
    other = repositories.new_repository(folder / "other", _tree("other"))
    # A working tree's files have the time they were written; the answers name it (Last-Modified).
    for top in (main, other):
        for file in top.rglob("*"):
            if ".git" not in file.parts:
                os.utime(file, (1709208000, 1709208000), follow_symlinks=False)
    return {"main": main, "other": other}


def spring_options(setup, repos):
    """`setup` as Spring properties."""
    main, other = f"file://{repos['main']}", f"file://{repos['other']}"
    with_key = {GIT + "uri": main, "encrypt.key": SYMMETRIC_KEY}
    composite = "spring.cloud.config.server.composite"
    return {
        "git": with_key,
        "no-key": {GIT + "uri": main},
        "rsa": {GIT + "uri": main, "encrypt.key": (HERE / "test-only.pem").read_text()},
        "search-paths": {**with_key, GIT + "search-paths": "shared,{application},team-*"},
        "overrides": {
            **with_key,
            "spring.cloud.config.server.overrides.shared": "from overrides",
            "spring.cloud.config.server.overrides.added.by": "overrides",
        },
        "native": {
            "spring.profiles.active": "native",
            "spring.cloud.config.server.native.search-locations": main,
            "encrypt.key": SYMMETRIC_KEY,
        },
        "repositories": {
            **with_key,
            GIT + "repos.other.uri": other,
            GIT + "repos.patterned.uri": other,
            GIT + "repos.patterned.pattern": "pattern-*/dev*,local*",
        },
        "composite": {
            "spring.profiles.active": "composite",
            composite + "[0].type": "git",
            composite + "[0].uri": other,
            composite + "[1].type": "git",
            composite + "[1].uri": main,
            "encrypt.key": SYMMETRIC_KEY,
        },
        "not-empty": {**with_key, "spring.cloud.config.server.accept-empty": "false"},
        "prefix": {**with_key, "spring.cloud.config.server.prefix": "/config"},
    }[setup]
