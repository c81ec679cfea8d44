"""The gateway's port: what becomes of connections that arrive while it closes."""

from __future__ import annotations

import asyncio
import gc
import socket
import warnings

from aiohttp import web

from pytest_sharedworker.gateway.listener import Listener

CLIENTS = 5


async def respond(request: web.Request) -> web.Response:
    return web.Response()


async def connect_while_the_port_closes(listener: Listener) -> list[bytes]:
    """Return what clients read whose connections are accepted in the very turn in which the port closes."""
    port = int((await listener.start(0)).rpartition(":")[2])
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CLIENTS)]
    # The loop accepts in the first turn, and would set the connections up in the second, behind this code.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await listener.stop()
    received = []
    for client in clients:
        client.settimeout(10)
        with client:
            try:
                received.append(client.recv(1))
            except ConnectionResetError:
                received.append(b"")
    return received


def test_connections_of_the_last_turn_are_closed() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert asyncio.run(connect_while_the_port_closes(Listener(respond))) == [b""] * CLIENTS
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
