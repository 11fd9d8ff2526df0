"""py-eureka-client: registers, fetches, and prints what it sees until its standard input ends."""

import asyncio
import json
import os
import sys
import threading

from py_eureka_client.eureka_client import EurekaClient


async def main():
    client = EurekaClient(
        eureka_server=os.environ["EUREKA_URL"],
        app_name=os.environ["APP"],
        instance_id=os.environ["INSTANCE_ID"],
        instance_host="localhost",
        instance_ip="127.0.0.1",
        instance_port=int(os.environ["PORT"]),
        renewal_interval_in_secs=1,
        metadata={"colour": "blue"},
    )
    await client.start()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        apps = {app.name: sorted(each.instanceId for each in app.instances) for app in client.applications.applications}
        print("SEES", json.dumps({"apps": apps}), flush=True)
        await asyncio.sleep(0.2)
    await client.stop()


asyncio.run(main())
