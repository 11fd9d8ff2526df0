#!/usr/bin/env python3
"""gRPC's own server and client (grpcio), with `haechi up` between them. HAECHI_BIN names the program.

Every kind of call, the statuses and metadata that must arrive as they were sent, deadlines and cancellation.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent import futures
from pathlib import Path

import grpc

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "support"))

import servers  # noqa: E402

cancelled = threading.Event()


def unary(request, context):
    metadata = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-first", metadata.get("x-sent", "")),))
    context.set_trailing_metadata((("x-last", "last"), ("x-raw-bin", b"\x00\xff")))
    if request == b"fail":
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nicht \u2713 bereit")
    return request


def down(request, _context):
    for i in range(int(request)):
        yield str(i).encode()


def up(requests, _context):
    return str(sum(len(request) for request in requests)).encode()


def both(requests, _context):
    for request in requests:
        yield request


def hang(_request, context):
    context.add_callback(cancelled.set)
    while context.is_active():
        time.sleep(0.01)
    return b""


def service():
    server = grpc.server(futures.ThreadPoolExecutor(32), options=[("grpc.max_receive_message_length", 64 << 20)])
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Both": grpc.stream_stream_rpc_method_handler(both),
        "Hang": grpc.unary_unary_rpc_method_handler(hang),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))
    return server, server.add_insecure_port("127.0.0.1:0")


def status_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def check_unary(channel):
    answer, call = channel.unary_unary("/t.T/Unary").with_call(b"hello", metadata=(("x-sent", "sent"),), timeout=20)
    last = dict(call.trailing_metadata())
    assert answer == b"hello" and dict(call.initial_metadata())["x-first"] == "sent", answer
    assert last["x-last"] == "last" and last["x-raw-bin"] == b"\x00\xff", last


def check_empty(channel):
    assert channel.unary_unary("/t.T/Unary")(b"", timeout=20) == b""


def check_large(channel):
    message = os.urandom(8 << 20)
    assert channel.unary_unary("/t.T/Unary")(message, timeout=60) == message


def check_server_streaming(channel):
    answers = list(channel.unary_stream("/t.T/Down")(b"500", timeout=30))
    assert answers == [str(i).encode() for i in range(500)]


def check_client_streaming(channel):
    assert channel.stream_unary("/t.T/Up")(iter([b"x" * 10_000] * 100), timeout=30) == b"1000000"


def check_ping_pong(channel):
    turn = threading.Semaphore(1)

    def messages():
        for i in range(100):
            turn.acquire()
            yield str(i).encode()

    seen = []
    for answer in channel.stream_stream("/t.T/Both")(messages(), timeout=30):
        seen.append(answer)
        turn.release()
    assert seen == [str(i).encode() for i in range(100)]


def check_empty_stream(channel):
    assert list(channel.stream_stream("/t.T/Both")(iter([]), timeout=20)) == []


def check_status_and_message(channel):
    seen = status_of(lambda: channel.unary_unary("/t.T/Unary")(b"fail", timeout=20))
    assert seen == (grpc.StatusCode.FAILED_PRECONDITION, "nicht \u2713 bereit"), seen


def check_unknown_method(channel):
    assert status_of(lambda: channel.unary_unary("/t.T/Nope")(b"", timeout=20))[0] == grpc.StatusCode.UNIMPLEMENTED


def check_deadline(channel):
    cancelled.clear()
    assert status_of(lambda: channel.unary_unary("/t.T/Hang")(b"", timeout=0.3))[0] == grpc.StatusCode.DEADLINE_EXCEEDED
    assert cancelled.wait(20), "the service was not told"


def check_cancel(channel):
    cancelled.clear()
    call = channel.unary_unary("/t.T/Hang").future(b"", timeout=30)
    call.cancel()
    assert call.cancelled()


def check_concurrent(channel):
    unary = channel.unary_unary("/t.T/Unary")
    calls = [unary.future(str(i).encode(), timeout=60) for i in range(500)]
    assert [call.result() for call in calls] == [str(i).encode() for i in range(500)]


def check_dead_service(channel, server):
    server.stop(0).wait()
    code = status_of(lambda: channel.unary_unary("/t.T/Unary")(b"", timeout=20))[0]
    assert code == grpc.StatusCode.UNAVAILABLE, code


def main():
    server, port = service()
    server.start()
    (listen,) = servers.free_ports(1)
    file = {
        "gateway": {
            "listeners": [{"name": "web", "listen": f"127.0.0.1:{listen}"}],
            "routes": [{"name": "all", "match": {"path": "/**"}, "service": "app"}],
        },
        "services": {"app": {"endpoints": [f"127.0.0.1:{port}"], "protocol": "h2"}},
    }
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "haechi.yaml"
        path.write_text(json.dumps(file))
        gateway = subprocess.Popen([os.environ["HAECHI_BIN"], "up", "-f", path], stderr=subprocess.DEVNULL)
        try:
            options = [("grpc.max_receive_message_length", 64 << 20)]
            channel = grpc.insecure_channel(f"127.0.0.1:{listen}", options=options)
            grpc.channel_ready_future(channel).result(timeout=60)
            checks = [(name, check) for name, check in globals().items() if name.startswith("check_")]
            for name, check in checks:
                try:
                    check(channel, server) if check is check_dead_service else check(channel)
                    print(f"{name[6:]:20} ok", flush=True)
                except Exception as error:  # whatever it is, the next one is tried
                    failed += 1
                    print(f"{name[6:]:20} FAILED  {error!r}", flush=True)
        finally:
            gateway.terminate()
            gateway.wait()
    print(f"\n{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
