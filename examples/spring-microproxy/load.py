"""A steady stream of GETs, and what came of each."""

import http.client
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

WORKERS = 8
TIMEOUT_SECONDS = 10


class Load:
    """Sends `rate` GETs a second to `url` while the `with` block runs. A request fails unless it answers 200."""

    def __init__(self, url, rate):
        self.address = urlsplit(url)
        self.interval = WORKERS / rate
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.sent = 0
        self.bodies = Counter()
        self.failures = []
        self.threads = [threading.Thread(target=self._work, args=(number,)) for number in range(WORKERS)]

    def _work(self, number):
        connection = None
        due = time.monotonic() + number * self.interval / WORKERS
        while not self.ending.wait(max(0.0, due - time.monotonic())):
            # A late worker doesn't hurry to catch up by more than one request.
            due = max(due + self.interval, time.monotonic())
            try:
                if connection is None:
                    connection = http.client.HTTPConnection(
                        self.address.hostname, self.address.port, timeout=TIMEOUT_SECONDS
                    )
                connection.request("GET", self.address.path)
                response = connection.getresponse()
                body = response.read().decode(errors="replace")
                failure = None if response.status == 200 else f"{response.status} {body[:200]}"
            except (OSError, http.client.HTTPException) as error:
                body, failure = "", repr(error)
                connection.close()
                connection = None
            with self.lock:
                self.sent += 1
                if failure:
                    self.failures.append(failure)
                else:
                    self.bodies[body] += 1
        if connection:
            connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        for thread in self.threads:
            thread.join()

    def summary(self):
        spread = ", ".join(f"{count} from {body}" for body, count in sorted(self.bodies.items()))
        return f"{self.sent} GETs, {len(self.failures)} failed ({spread})"
