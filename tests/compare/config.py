"""What config servers answer to config_requests.txt, with everything that differs between two runs made the same."""

import re
from pathlib import Path

import exchange

REQUESTS = exchange.parse_file(Path(__file__).with_name("config_requests.txt"))
ABOUT_ITSELF = ("/actuator", "/actuator/health")
# The time that setups.py gives to every file. Others are those of files that git wrote while answering.
FILE_TIME = "Thu, 29 Feb 2024 12:00:00 GMT"
TIME = re.compile(r'"timestamp":\s*"[^"]+"')


def record(setup, base_url, repos):
    """Sends the requests of `setup` in order. Returns a list of {request, answer}."""
    return [
        {"request": request["line"], "answer": normal(request, exchange.send(base_url, request), repos)}
        for request in REQUESTS[setup]
    ]


def normal(request, answer, repos):
    """`answer` without places on this disk, times of day and random ciphertext."""
    if answer["headers"].get("last-modified", FILE_TIME) != FILE_TIME:
        answer["headers"]["last-modified"] = "<another time>"
    if request["target"] in ABOUT_ITSELF and answer["status"] == 200:
        answer["body"] = "<about the server itself>"
    elif "body" in answer:
        body = answer["body"]
        for name, path in repos.items():
            body = body.replace(str(path), f"/repo/{name}")
        body = TIME.sub('"timestamp":"<time>"', body)
        if request["method"] == "POST" and request["target"].startswith("/encrypt") and answer["status"] == 200:
            body = _ciphertext_shape(body)
        answer["body"] = body
    return answer


def _ciphertext_shape(text):
    if re.fullmatch("[0-9a-f]+", text):
        return f"<{len(text)} hexadecimal digits>"
    if re.fullmatch("[A-Za-z0-9+/]+=*", text):
        return f"<base64 of {len(text)} characters>"
    return text
