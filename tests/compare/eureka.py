"""What Eureka servers answer to eureka_requests.txt, with everything that differs between two runs made the same."""

import re
from pathlib import Path

import eureka_bodies
import exchange

REQUESTS = exchange.parse_file(Path(__file__).with_name("eureka_requests.txt"))
# Milliseconds of a server's own clock: the requests themselves name only times of 2023.
NOW = re.compile(r"\b(1[89]\d{11}|17[5-9]\d{10})\b")
SOME_TIME = "9999999999999"
# Pages and documents that describe the server itself.
ABOUT_ITSELF = ("/", "/lastn", "/eureka/status", "/eureka/lastn")
ERROR_PAGE_TIME = re.compile(r'"timestamp":\s*"[^"]+"')
ERROR_PAGE_DATE = re.compile(r"\w{3} \w{3} \d{2} \d{2}:\d{2}:\d{2} UTC \d{4}")
# Spring's settings under which a reader sees what was written; the defaults answer up to 30 s late.
SPRING_OPTIONS = {"eureka.server.use-read-only-response-cache": "false"}


def record(base_url):
    """Sends all requests in order. Returns a list of {section, request, answer}."""
    answers = []
    for section, requests in REQUESTS.items():
        for request in requests:
            sent = {**request, "body": eureka_bodies.expand(request["body"])}
            answer = normal(request, exchange.send(base_url, sent))
            answers.append({"section": section, "request": request["line"], "answer": answer})
    return answers


def normal(request, answer):
    """`answer` without times of day."""
    if request["target"] in ABOUT_ITSELF and answer["status"] == 200:
        answer["body"] = "<about the server itself>"
    elif "wadl" in answer["headers"].get("content-type", ""):
        answer["body"] = "<a description of the paths>"
        answer["headers"].pop("last-modified", None)
    elif "body" in answer:
        answer["body"] = ERROR_PAGE_DATE.sub("<time>", answer["body"])
        answer["body"] = ERROR_PAGE_TIME.sub('"timestamp":"<time>"', NOW.sub(SOME_TIME, answer["body"]))
    return answer
