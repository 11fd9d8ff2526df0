"""Bodies of Eureka requests, from a short notation: `@json id=h1:demo:8080 status=DOWN -hostName metadata.zone=z1`.

`@json` and `@xml` are one instance; `KEY=VALUE` changes or adds a field (dots go down), `-KEY` leaves one out. `@batch
ACTION APP/ID ...` is a list for peer replication. Anything else is sent as written.
"""

import json
from xml.sax.saxutils import escape

DIRTY = 1700000000000
NUMBERS = ("countryId", "leaseInfo.", "port.$", "securePort.$")


def _instance():
    return {
        "instanceId": "h1:demo:8080",
        "hostName": "h1",
        "app": "DEMO",
        "ipAddr": "10.0.0.1",
        "status": "UP",
        "overriddenStatus": "UNKNOWN",
        "port": {"$": 8080, "@enabled": "true"},
        "securePort": {"$": 443, "@enabled": "false"},
        "countryId": 1,
        "dataCenterInfo": {"@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", "name": "MyOwn"},
        "leaseInfo": {"renewalIntervalInSecs": 30, "durationInSecs": 90},
        "metadata": {"zone": "z1"},
        "homePageUrl": "http://h1:8080/",
        "statusPageUrl": "http://h1:8080/info",
        "healthCheckUrl": "http://h1:8080/health",
        "vipAddress": "demo",
        "secureVipAddress": "demo-s",
        "isCoordinatingDiscoveryServer": "false",
        "lastUpdatedTimestamp": str(DIRTY),
        "lastDirtyTimestamp": str(DIRTY),
    }


def _changed(instance, changes):
    for change in changes:
        if change.startswith("-"):
            *path, last = change[1:].split(".")
        else:
            key, value = change.split("=", 1)
            *path, last = key.replace("id", "instanceId", 1).split(".") if key == "id" else key.split(".")
            value = int(value) if value.lstrip("-").isdigit() and key.startswith(NUMBERS) else value
        place = instance
        for step in path:
            place = place.setdefault(step, {})
        if change.startswith("-"):
            place.pop(last, None)
        else:
            place[last] = value
    return instance


def _xml(name, value):
    if isinstance(value, dict):
        if "$" in value:
            return f'<{name} enabled="{value["@enabled"]}">{value["$"]}</{name}>'
        kind = f' class="{value["@class"]}"' if "@class" in value else ""
        inner = "".join(_xml(key, each) for key, each in value.items() if key != "@class")
        return f"<{name}{kind}>{inner}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"


def _batch(words):
    action, address, *changes = words
    app, identity = address.split("/", 1)
    item = {
        "appName": app, "id": identity, "lastDirtyTimestamp": DIRTY,
        "overriddenStatus": "UNKNOWN", "status": "UP", "action": action,
    }
    for change in [each for each in changes if each.startswith("item.")]:
        key, value = change[5:].split("=", 1)
        item[key] = int(value) if value.isdigit() else value
    if action == "Register":
        changes = [each for each in changes if not each.startswith("item.")]
        item["instanceInfo"] = _changed(_instance(), [f"app={app}", f"id={identity}", *changes])
    return item


def expand(text):
    """The body that `text` stands for."""
    kind, *words = text.split(" ")
    if kind == "@json":
        return json.dumps({"instance": _changed(_instance(), words)}, ensure_ascii=False)
    if kind == "@bare-json":
        return json.dumps(_changed(_instance(), words))
    if kind == "@xml":
        return _xml("instance", _changed(_instance(), words))
    if kind == "@batch":
        items = " ".join(words).split(" ; ")
        return json.dumps({"replicationList": [_batch(item.split(" ")) for item in items]})
    return text
