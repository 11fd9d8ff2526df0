"""Makes git repositories whose commits are the same on every machine."""

import os
import subprocess

WHEN = "2024-02-29T12:00:00Z"


def git(folder, *arguments):
    """Runs git in `folder` untouched by the user's own configuration; returns what it printed."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "test",
        "GIT_AUTHOR_EMAIL": "test@localhost",
        "GIT_AUTHOR_DATE": WHEN,
        "GIT_COMMITTER_NAME": "test",
        "GIT_COMMITTER_EMAIL": "test@localhost",
        "GIT_COMMITTER_DATE": WHEN,
    }
    done = subprocess.run(
        ["git", "-c", "core.autocrlf=false", "-c", "commit.gpgsign=false", *arguments],
        cwd=folder, env=env, check=True, capture_output=True, text=True,
    )
    return done.stdout.strip()


def write(folder, files):
    """Writes `files`, a map from relative path to text or bytes."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())


def new_repository(folder, files, message="first"):
    """A repository on branch `main` with one commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main", ".")
    commit(folder, files, message)
    return folder


def commit(folder, files, message):
    """Writes and commits `files` on the branch that is checked out; returns the commit's id."""
    write(folder, files)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")
