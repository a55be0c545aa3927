"""One prompt as a browser submits it: a script for ComfyUI's own Python, which has aiohttp.

`python comfyui_client.py URL [SECONDS]` reads {"body": ..., "headers": ..., "listen": bool, "interrupt_after_s": float}
from its input and prints {"status", "answer", "messages": [[epoch seconds, message], ...]} once the prompt is over.
"""

import asyncio
import contextlib
import json
import sys
import time
import uuid

import aiohttp


async def listen(socket, messages):
    async for message in socket:
        if message.type == aiohttp.WSMsgType.TEXT:
            messages.append((time.time(), json.loads(message.data)))


async def over(session, url, prompt_id, within_s):
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        async with session.get(f"{url}/history/{prompt_id}") as response:
            if prompt_id in await response.json():
                return
        await asyncio.sleep(0.05)


async def submit(url, within_s, body, headers, listen_too, interrupt_after_s):
    messages, listening, interrupting = [], None, None
    async with aiohttp.ClientSession() as session:
        if listen_too:
            body["client_id"] = uuid.uuid4().hex
            socket = await session.ws_connect(f"{url}/ws?clientId={body['client_id']}", max_msg_size=0)
            listening = asyncio.create_task(listen(socket, messages))
        async with session.post(f"{url}/prompt", json=body, headers=headers) as response:
            status, answer = response.status, await response.json(content_type=None)
        if status == 200:

            async def interrupt():
                await asyncio.sleep(interrupt_after_s)
                await session.post(f"{url}/interrupt", json={})

            if interrupt_after_s:
                interrupting = asyncio.create_task(interrupt())
            with contextlib.suppress(aiohttp.ClientError):  # ComfyUI has died of the prompt
                await over(session, url, answer["prompt_id"], within_s)
            await asyncio.sleep(0.3 if listen_too else 0)  # messages follow the end of the run
        for task in (listening, interrupting):
            if task:
                task.cancel()
    print(json.dumps({"status": status, "answer": answer, "messages": messages}))


asked = json.load(sys.stdin)
asyncio.run(
    submit(
        sys.argv[1],
        float(sys.argv[2]) if len(sys.argv) > 2 else 60,
        asked["body"],
        asked.get("headers") or {},
        asked.get("listen", True),
        asked.get("interrupt_after_s"),
    )
)
