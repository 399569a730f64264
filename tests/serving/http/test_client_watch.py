import asyncio

import pytest

from encas.serving.http import client_watch
from encas.serving.http.body import ClientGone
from encas.serving.http.client_watch import WhileClientListens

GONE = {"type": "http.disconnect"}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(client_watch, "PATIENCE_S", 0.0)


def run(work):
    return asyncio.run(asyncio.wait_for(work(), 10))


class Client:
    """What an ASGI application can receive: `hang_up` ends it."""

    def __init__(self):
        self.is_asked, self.messages = asyncio.Event(), asyncio.Queue()

    async def receive(self):
        self.is_asked.set()
        return await self.messages.get()

    def hang_up(self):
        self.messages.put_nowait(GONE)


def test_work_of_a_client_that_waits_is_done_and_nobody_listens_afterwards():
    async def work():
        client, before = Client(), asyncio.all_tasks()
        with WhileClientListens(client.receive):
            await client.is_asked.wait()
        await asyncio.sleep(0)
        return asyncio.all_tasks() - before

    assert run(work) == set()


def test_work_of_a_client_that_hangs_up_is_given_up():
    async def work():
        client = Client()
        client.messages.put_nowait({"type": "http.request", "body": b""})
        client.hang_up()
        with pytest.raises(ClientGone), WhileClientListens(client.receive):
            await asyncio.Event().wait()
        return asyncio.current_task().cancelling()

    assert run(work) == 0


def test_work_that_is_cancelled_by_others_stays_cancelled():
    async def work():
        client, begun = Client(), asyncio.Event()

        async def answer():
            with WhileClientListens(client.receive):
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(answer())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(work)


def test_work_that_fails_fails_as_it_does_though_the_client_hangs_up_then():
    async def work():
        client = Client()
        client.hang_up()
        with pytest.raises(KeyError, match="broken"), WhileClientListens(client.receive):
            raise KeyError("broken")

    run(work)


def test_nobody_listens_in_the_first_moments(monkeypatch):
    monkeypatch.setattr(client_watch, "PATIENCE_S", 60.0)

    async def work():
        client = Client()
        client.hang_up()
        with WhileClientListens(client.receive):
            await asyncio.sleep(0)
        return client.is_asked.is_set()

    assert not run(work)
