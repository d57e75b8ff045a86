"""An answer that its reader lets go of and takes up again."""

import asyncio

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import read_request, scripted
from tollway.kit.http1.client import Client
from tollway.kit.http1.wire import Inbound, Outbound

OK = b"HTTP/1.1 200 OK\r\n"


def test_an_answer_whose_pump_was_cancelled_can_be_heard_to_its_end(run: Run) -> None:
    async def go() -> None:
        heard: list[bytes] = []
        cancelled = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(OK + b"Content-Length: 10\r\n\r\nhello")
            await cancelled.wait()
            writer.write(b"world")
            await reader.read()
            writer.close()

        async def pump(answer: Inbound) -> None:
            await answer.pump(heard.append)

        client = Client()
        async with scripted(talk) as origin:
            answer = await client.send(Outbound(origin, b"/", (), b""))
            task = asyncio.ensure_future(pump(answer))
            while not heard:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))
            cancelled.set()
            await answer.pump(heard.append)
            answer.close()
            await client.close()
        assert b"".join(heard) == b"helloworld"

    run(go())
