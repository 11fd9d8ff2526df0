"""The microproxy story, step by step, each step checked. Run by run.sh; exits with the number of failed steps."""

import argparse
import json
import sys
import time

from load import Load
from world import World, request, until

GREETING = "Hello World!"
# How soon a change that was announced has to be seen through the edge proxy.
SOON_SECONDS = 15
OUTAGE_SECONDS = 5
# How long after a death the last request may still be sent to the dead.
DEATH_NOTICE_SECONDS = 0.1


class Failed(Exception):
    """A step did not show what it must."""


def must(condition, otherwise):
    if not condition:
        raise Failed(otherwise)


def get(url):
    status, body = request(url)
    must(status == 200, f"GET {url} answered {status}: {body[:200]}")
    return body


def both_registered(world, _rate):
    """Both copies read the registry's address from the config server and register."""
    took = until(lambda: world.registered() == world.copy_ports(), 30)
    must(took is not None, f"the registry has {world.registered()}, not {world.copy_ports()}")
    return f"UP: {world.registered()}"


def message(world, _rate):
    """The message comes from the config repository."""
    for copy in (world.first, world.second):
        must(get(copy + "/") == GREETING, f"{copy} answers {get(copy + '/')!r}")
    return repr(GREETING)


def through_the_edge(world, _rate):
    """GET /hello/ reaches the service through zuul.routes.helloworld-service=/hello/**."""
    took = until(lambda: request(world.edge + "/hello/") == (200, GREETING), SOON_SECONDS)
    must(took is not None, f"GET /hello/ answers {request(world.edge + '/hello/')}")
    return f"{GREETING!r}; routes {get(world.admin + '/routes')}"


def ignored(world, _rate):
    """zuul.ignored-services='*' and zuul.ignoredPatterns=/**/api/** keep their paths from being routed."""
    for path in ("/helloworld-service/id", "/hello/api/id"):
        status, body = request(world.edge + path)
        must(status == 404, f"GET {path} answered {status}: {body[:200]}")
    return "404 for /helloworld-service/id and /hello/api/id"


def alternation(world, _rate):
    """Requests alternate between the two copies."""
    want = {str(port) for port in world.copy_ports()}
    took = until(lambda: {get(world.edge + "/hello/id") for _ in range(4)} == want, SOON_SECONDS)
    must(took is not None, f"only {get(world.edge + '/hello/id')} answers")
    answered = [get(world.edge + "/hello/id") for _ in range(20)]
    repeats = sum(one == next for one, next in zip(answered, answered[1:]))
    must(repeats == 0, f"the same copy answered twice in a row {repeats} times: {answered}")
    return " ".join(answered[:6]) + " ..."


def live_message(world, rate):
    """Edit in git, POST /refresh answers ["message"], and the new text is served with no restart."""
    world.commit("helloworld-service.properties", "message=Hello Haechi!\n")
    must(get(world.first + "/") == GREETING, "the text changed before the refresh")
    status, body = request(world.first + "/refresh", "POST")
    must((status, body) == (200, '["message"]'), f"POST /refresh answered {status}: {body[:200]}")
    must(get(world.first + "/") == "Hello Haechi!", f"the first copy still answers {get(world.first + '/')!r}")
    must(get(world.second + "/") == GREETING, "the second copy changed without a refresh")
    # The second by Spring Boot's own path: its client also counts the commit that it read among the changes.
    status, body = request(world.second + "/actuator/refresh", "POST")
    changed = sorted(json.loads(body)) if status == 200 else body
    must(changed == ["config.client.version", "message"], f"/actuator/refresh answered {status}: {body[:200]}")
    must(get(world.second + "/") == "Hello Haechi!", f"the second copy still answers {get(world.second + '/')!r}")
    must(until(lambda: world.registered() == world.copy_ports(), SOON_SECONDS) is not None, "a copy is not UP again")
    return 'POST /refresh answered ["message"]; both copies say "Hello Haechi!"'


def refresh_under_load(world, rate):
    """A refresh makes Spring's client leave the registry and come back; no request may notice."""
    settle(world)
    with Load(world.edge + "/hello/id", rate) as load:
        for number, copy in enumerate((world.first, world.second)):
            world.commit("helloworld-service.properties", f"message=Hello again {number}!\n")
            must(request(copy + "/refresh", "POST") == (200, '["message"]'), "POST /refresh failed")
            took = until(lambda: world.registered() == world.copy_ports(), SOON_SECONDS)
            must(took is not None, "a refreshed copy is not UP again")
            time.sleep(1)
    must(not load.failures, f"{load.summary()}: {load.failures[:3]}")
    return load.summary()


def live_routes(world, rate):
    """A route edited in git takes effect on POST /refresh of the edge proxy: new path works, old one is 404."""
    settle(world)
    file = "helloworld-client.properties"
    before = (world.repo / file).read_text()
    with Load(world.edge + "/hello/id", rate) as load:
        time.sleep(1)
        # Both paths first: nobody who uses the old one may notice.
        world.commit(file, before + "zuul.routes.greeting.path=/greet/**\nzuul.routes.greeting.serviceId=helloworld-service\n")
        status, added = request(world.admin + "/refresh", "POST")
        must(status == 200, f"POST /refresh on the admin port answered {status}: {added[:200]}")
        took = until(lambda: request(world.edge + "/greet/id")[0] == 200, SOON_SECONDS)
        must(took is not None, f"GET /greet/id answers {request(world.edge + '/greet/id')}")
        time.sleep(1)
    must(not load.failures, f"{load.summary()}: {load.failures[:3]}")
    must(sorted(json.loads(added)) == ["zuul.routes.greeting.path", "zuul.routes.greeting.serviceId"], f"changed: {added}")
    world.commit(file, before.replace("/hello/**", "/greet/**"))
    status, changed = request(world.admin + "/actuator/refresh", "POST")
    must(status == 200, f"POST /actuator/refresh on the admin port answered {status}: {changed[:200]}")
    gone = until(lambda: request(world.edge + "/hello/id")[0] == 404, SOON_SECONDS)
    must(gone is not None, f"GET /hello/id still answers {request(world.edge + '/hello/id')}")
    must(request(world.edge + "/greet/id")[0] == 200, "GET /greet/id does not work")
    world.commit(file, before)
    request(world.admin + "/refresh", "POST")
    back = until(lambda: request(world.edge + "/hello/id")[0] == 200, SOON_SECONDS)
    must(back is not None, "the old route did not come back")
    return f"answered {added}; {load.summary()}"


def clean_stop(world, rate):
    """One copy is stopped with SIGTERM under load: no request fails, and it leaves the rotation."""
    return outage(world, rate, 8989, lambda copy: copy.stop())


def sigkill(world, rate):
    """One copy is killed with SIGKILL under load: no GET fails, and within 100 ms none is sent to it any more."""

    def last_attempt(died):
        late = [at - died for at in world.failed_attempts(8989) if at >= died]
        must(late and max(late) <= DEATH_NOTICE_SECONDS, f"attempts after its death, in seconds: {late[:10]}")
        return f"{len(late)} attempts met the dead copy, the last after {max(late) * 1000:.0f} ms"

    return outage(world, rate, 8989, lambda copy: copy.kill(), last_attempt)


def outage(world, rate, port, end, witness=None):
    settle(world)
    with Load(world.edge + "/hello/id", rate) as load:
        time.sleep(1)
        ended = time.time()
        end(world.copies[port])
        time.sleep(OUTAGE_SECONDS)
    must(not load.failures, f"{load.summary()}: {load.failures[:3]}")
    must(len(load.bodies) == 2, f"the load did not reach both copies: {load.summary()}")
    seen = f"; {witness(ended)}" if witness else ""
    # Out of the rotation: everything from now on is the other's.
    answered = {get(world.edge + "/hello/id") for _ in range(20)}
    must(answered == {str(world.ports[8000])}, f"after the end, {answered} answered")
    world.copies[port] = world.start_copy(port).wait_until_ready()
    back = until(lambda: get(world.edge + "/hello/id") == str(world.ports[port]), SOON_SECONDS)
    must(back is not None, "the copy that was started again gets no requests")
    return f"{load.summary()}{seen}; started again, it was back in rotation after {back:.1f} s"


def settle(world):
    """Waits until both copies are in rotation."""
    want = {str(port) for port in world.copy_ports()}
    took = until(lambda: {request(world.edge + "/hello/id")[1] for _ in range(8)} == want, SOON_SECONDS)
    must(took is not None, "the two copies are not both in rotation before the step")


def registry_after_stop(world, _rate):
    """A copy that is stopped cleanly leaves the registry."""
    world.copies[8989].stop()
    took = until(lambda: world.registered() == [world.ports[8000]], SOON_SECONDS)
    must(took is not None, f"the registry still has {world.registered()}")
    world.copies[8989] = world.start_copy(8989).wait_until_ready()
    must(until(lambda: world.registered() == world.copy_ports(), 30) is not None, "it did not come back")
    return f"gone after {took:.1f} s, and back when started again"


# The story on Spring's own servers ends where its edge proxy, which Spring Boot 3 no longer has, would begin.
WITHOUT_EDGE = [both_registered, message, live_message, registry_after_stop]
STORY = [
    both_registered, message, through_the_edge, ignored, alternation, live_message,
    refresh_under_load, live_routes, clean_stop, sigkill,
]  # fmt: skip


def play(world, steps, rate):
    failed = 0
    for step in steps:
        start = time.monotonic()
        print(f"\n{step.__doc__.strip()}", flush=True)
        try:
            proof = step(world, rate)
            print(f"  ok      {proof}  [{time.monotonic() - start:.1f} s]", flush=True)
        except Failed as why:
            failed += 1
            print(f"  FAILED  {why}", flush=True)
    print(f"\n{len(steps) - failed} passed, {failed} failed")
    return failed


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--originals", action="store_true", help="on Spring's own config server and registry")
    options.add_argument("--rate", type=int, default=500, help="GETs a second while something is stopped or changed")
    chosen = options.parse_args()
    print("starting the servers and two copies of helloworld-service ...", flush=True)
    with World(chosen.originals) as world:
        print(f"config {world.config}  registry {world.registry}  copies {world.copy_ports()}  logs {world.logs}")
        return play(world, WITHOUT_EDGE if chosen.originals else STORY, chosen.rate)


if __name__ == "__main__":
    sys.exit(main())
