"""One HTTP request exactly as written, and what came back, in a form that can be kept and compared."""

import base64
import http.client
import re
from urllib.parse import urlsplit

# Headers that say something about the contract; the rest is the server's own business.
HEADERS_THAT_MATTER = ("content-type", "content-encoding", "last-modified", "location", "allow", "www-authenticate")
TIMEOUT_SECONDS = 20
LINE = re.compile(r"^(?P<method>[A-Z]+) (?P<target>\S+)(?P<headers>( \| [^|]+?)*)(?P<body> << .*)?$")


def parse_line(line):
    """`METHOD TARGET [| Header: value]... [<< body]` as a request."""
    found = LINE.match(line)
    if not found:
        raise ValueError(f"not a request: {line}")
    headers = dict(pair.split(": ", 1) for pair in found["headers"].split(" | ")[1:])
    return {
        "line": line,
        "method": found["method"],
        "target": found["target"],
        "headers": headers,
        "body": (found["body"] or "")[4:],
    }


def parse_file(path):
    """The requests of a file, by section."""
    sections = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            section.append(parse_line(line))
    return sections


def send(base_url, request):
    """Sends `request` on a connection of its own; redirects are not followed. Returns the answer."""
    address = urlsplit(base_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.putrequest(request["method"], request["target"], skip_accept_encoding=True)
        for name, value in request["headers"].items():
            connection.putheader(name, value)
        body = request["body"].encode()
        if body or request["method"] in ("POST", "PUT"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        content = response.read()
        headers = {
            name: response.headers[name] for name in HEADERS_THAT_MATTER if response.headers[name] is not None
        }
        return {"status": response.status, "headers": headers, **_body(content)}
    except (OSError, http.client.HTTPException) as error:
        return {"status": 0, "headers": {}, "body": f"no answer: {type(error).__name__}"}
    finally:
        connection.close()


def _body(content):
    try:
        return {"body": content.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(content).decode()}
