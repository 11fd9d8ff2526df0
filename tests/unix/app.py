"""One service twice: it answers with what it was sent, and says who asked whom."""


def wsgi(environ, start_response):
    body = environ["wsgi.input"].read()
    told = [("x-host", environ.get("HTTP_HOST", "")), ("x-for", environ.get("HTTP_X_FORWARDED_FOR", ""))]
    start_response("200 OK", [("content-length", str(len(body))), ("x-server", "gunicorn"), *told])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    fields = dict(scope["headers"])
    told = [(b"x-host", fields.get(b"host", b"")), (b"x-for", fields.get(b"x-forwarded-for", b""))]
    headers = [(b"content-length", str(len(body)).encode()), (b"x-server", b"uvicorn"), *told]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
