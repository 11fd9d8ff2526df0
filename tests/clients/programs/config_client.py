"""config-client: fetches in every form that it has and prints one JSON document."""

import asyncio
import json
import os

from config.exceptions import RequestFailedException
from config.spring import ConfigClient

ADDRESS = os.environ["CONFIG_URL"]


def client(name, profile, label):
    return ConfigClient(address=ADDRESS, app_name=name, profile=profile, label=label)


def missing():
    try:
        client("myapp", "default", "nosuchlabel").get_config()
    except SystemExit as error:
        return str(error)
    return "loaded"


def missing_file():
    try:
        client("myapp", "default", "main").get_file("nosuchfile.txt")
    except RequestFailedException:
        return "refused"
    return "loaded"


def main():
    plain = client("myapp", "default", "main")
    plain.get_config()
    profiles = client("myapp", "dev,db", "main")
    asyncio.run(profiles.get_config_async())
    label = client("myapp", "dev", "labels(_)slash")
    label.get_config()
    secrets = client("secrets", "default", "main")
    secrets.get_config()
    print(json.dumps({
        "plain": plain.get("order.winner"),
        "profiles": [profiles.get("order.winner"), profiles.get("shared.dev")],
        "label": [label.get("order.winner"), label.get("myapp.text", "absent")],
        "secret": secrets.get("password"),
        "file": plain.get_file("nginx.conf"),
        "decrypted": plain.decrypt(plain.encrypt("a secret text")),
        "missing": missing(),
        "missing file": missing_file(),
    }))


main()
