"""Durability: the server keeps every record that it acknowledged with success.

The server is killed with SIGKILL (a crash), stopped with SIGTERM (an update), or its disk is full. Not
covered: a power failure, which also loses what the operating system has not written yet. The signals need
POSIX.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import Empty, SimpleQueue
from threading import Event

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_accepts_record, expect_each
from e2e.server.driver.http_client import CLOSED, Response
from e2e.server.driver.system import Record, Server, StartServer, encode_batch

BATCH_SIZE = 20
CONCURRENT_POSTERS = 4
RESPONSES_BEFORE_END = 10
MAX_BATCHES = 400
FILE_LIMIT_BYTES = 200_000
CLEAN_EXIT = 0
CRASHES = 20
BATCHES_PER_RUN = 25
CRASHES_TIMEOUT_SECONDS = 400
"""Allows twenty server starts on a busy machine."""


def post_until_server_ends(
    server: Server, end: Event, batches: list[list[Record]] | None = None
) -> list[tuple[list[Record], Response]]:
    """Post batches from several threads until the server is gone. Set `end` after some responses.

    Return each batch that got a response, or whose connection was closed before one.
    """
    sent: list[tuple[list[Record], Response]] = []
    if batches is None:
        batches = [server.new_records(BATCH_SIZE, Fate.OPTIONAL) for _ in range(MAX_BATCHES)]
    queue = SimpleQueue[list[Record]]()
    for each in batches:
        queue.put(each)

    def post_until_closed() -> None:
        while True:
            try:
                batch = queue.get_nowait()
            except Empty:
                return
            try:
                response = server.post(*batch)
            except OSError:  # The server no longer listens.
                return
            sent.append((batch, response))
            if len(sent) >= RESPONSES_BEFORE_END:
                end.set()
            if response.status == CLOSED:
                return

    try:
        with ThreadPoolExecutor(CONCURRENT_POSTERS) as workers:
            for running in [workers.submit(post_until_closed) for _ in range(CONCURRENT_POSTERS)]:
                running.result()
    finally:
        end.set()  # Do not let the caller wait forever if there were too few responses.
    return sent


def set_acknowledged_fates(server: Server, sent: list[tuple[list[Record], Response]]) -> None:
    """Expect every batch that got a success response to be stored."""
    for batch, response in sent:
        if response.is_success:
            server.set_fate(batch, Fate.STORED)


def expect_no_partial_batches(server: Server, sent: list[tuple[list[Record], Response]]) -> None:
    """Raise FindingError if only a part of a batch was stored: its worker sends all of it again."""
    stored = {str(record["params"]["componentViewId"]) for record in server.get_stored_records()}
    for batch, response in sent:
        count = sum(record["params"]["componentViewId"] in stored for record in batch)
        if count not in (0, len(batch)):
            raise FindingError(
                "all of a batch or nothing", f"{count} of {len(batch)} records; response: {response}"
            )


@case(
    "server/durability/1/1",
    Level.SHOULD,
    "The server stores a batch before it responds: a crash right after the response loses nothing.",
    expected="0 lost after SIGKILL at the last byte of the response",
    source="wire protocol, response: on success the worker deletes the batch",
)
def test_crash_after_response_loses_nothing(start_server: StartServer) -> None:
    server = start_server()
    response = server.post(*server.new_records(BATCH_SIZE))
    server.process.kill()
    if not response.is_success:
        raise FindingError('200 {"status": "success"}', str(response))
    server.account()


@case(
    "server/durability/1/2",
    Level.SHOULD,
    "A crash under load loses no acknowledged batch and leaves no batch partly stored.",
    expected="0 lost, 0 duplicated; each batch is stored completely or not at all",
    source="data safety: the worker sends a partly stored batch again, which duplicates records",
)
def test_crash_under_load_leaves_no_partial_batch(start_server: StartServer) -> None:
    server, end = start_server(), Event()
    with ThreadPoolExecutor(1) as executor:
        posting = executor.submit(post_until_server_ends, server, end)
        end.wait()
        server.process.kill()
        sent = posting.result()
    set_acknowledged_fates(server, sent)
    expect_no_partial_batches(server, sent)
    server.account()


@case(
    "server/durability/1/3",
    Level.SHOULD,
    "On SIGTERM the server finishes the requests it has begun and loses no acknowledged batch.",
    expected="0 lost, 0 duplicated after SIGTERM under load; exit status 0",
    source="data safety: every update of a server stops it",
)
def test_stop_under_load_loses_nothing(start_server: StartServer) -> None:
    server, end = start_server(), Event()
    with ThreadPoolExecutor(1) as executor:
        posting = executor.submit(post_until_server_ends, server, end)
        end.wait()
        status = server.process.stop()
        sent = posting.result()
    if status != CLEAN_EXIT:
        raise FindingError("exit status 0", f"exit status {status}")
    set_acknowledged_fates(server, sent)
    expect_no_partial_batches(server, sent)
    server.account()


@case(
    "server/durability/1/4",
    Level.SHOULD,
    "After a restart the server still has all records and accepts more.",
    expected="the records from before a stop, before a crash and after both: each stored once",
    source="data safety",
)
def test_restart_keeps_stored_records(start_server: StartServer) -> None:
    server = start_server()
    responses = {"before the stop": server.post(*server.new_records(BATCH_SIZE))}
    server.process.stop()
    server.restart()
    responses["after a stop"] = server.post(*server.new_records(BATCH_SIZE))
    server.process.kill()
    server.restart()
    responses["after a crash"] = server.post(*server.new_records(BATCH_SIZE))
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/durability/1/5",
    Level.SHOULD,
    "The server stores each record once if batches are sent again after crashes until they are acknowledged.",
    expected=f"{CRASHES} times SIGKILL under load, records with tab_id and seq: 0 lost, 0 duplicated",
    source="wire additions, identity: a pair (tab_id, seq) is stored once; data safety",
)
@pytest.mark.timeout(CRASHES_TIMEOUT_SECONDS)
def test_repeated_crashes_neither_lose_nor_duplicate_records(start_server: StartServer) -> None:
    server = start_server()
    batches = [
        [server.new_record(tab_id=f"tab-{number}", seq=seq) for seq in range(BATCH_SIZE)]
        for number in range(CRASHES * BATCHES_PER_RUN)
    ]
    for _ in range(CRASHES):
        end = Event()
        with ThreadPoolExecutor(1) as executor:
            posting = executor.submit(post_until_server_ends, server, end, batches)
            end.wait()
            server.process.kill()
            sent = posting.result()
        acknowledged = {id(batch) for batch, response in sent if response.is_success}
        batches = [batch for batch in batches if id(batch) not in acknowledged]
        server.restart()
    responses = {f"batch {number}": server.post(*batch) for number, batch in enumerate(batches)}
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/durability/2/1",
    Level.SHOULD,
    "If the disk is full, the server responds with an error instead of success, and keeps running.",
    expected="5xx once the disk is full; every batch with a success response is stored",
    source="wire protocol, failed POST: the worker keeps the batch",
)
def test_full_disk_is_reported_as_error(start_server: StartServer) -> None:
    server = start_server(file_limit_bytes=FILE_LIMIT_BYTES)
    failure = None
    for _ in range(MAX_BATCHES):
        batch = [server.new_record(Fate.OPTIONAL, params={"value": "x" * 1_000}) for _ in range(BATCH_SIZE)]
        response = server.post(*batch)
        server.set_fate(batch, Fate.STORED if response.is_success else Fate.FORBIDDEN)
        if not response.is_success:
            failure = response
            break
    if failure is None or failure.status < 500:
        raise FindingError("5xx for the batch that does not fit on the disk", str(failure))
    if server.get_config().status != 200:
        raise FindingError("GET still succeeds", str(server.get_config()))
    server.account()


@case(
    "server/durability/2/2",
    Level.SHOULD,
    "The server stores nothing of a batch whose sender disconnects before the end of the body.",
    expected="0 stored, wherever the body was cut off",
    source="wire protocol, failed POST: the worker sends it again",
)
def test_truncated_batch_is_not_stored(server: Server) -> None:
    server.require_store()
    body = encode_batch(*server.new_records(3, Fate.FORBIDDEN))
    head = server.client.build_head(body=body)
    chunked = server.client.build_head(
        body=body, headers={"Content-Length": None, "Transfer-Encoding": "chunked"}
    )
    cut_off = [
        *(head + body[:length] for length in (0, 1, len(body) // 2, len(body) - 1)),
        chunked + b"%x\r\n%b\r\n" % (len(body), body),
    ]
    with ExitStack() as connections:
        for sent in cut_off:
            connections.enter_context(server.client.connect()).sendall(sent)
        # By now the server has read the truncated bodies, while their connections are open.
        expect_accepts_record(server)
    expect_accepts_record(server)
    server.account()


@case(
    "server/durability/2/3",
    Level.SHOULD,
    "While the store is unavailable, the server defers batches, says when to retry, and rejects none.",
    expected="503 with Retry-After, nothing stored; the same batch is accepted later",
    source="RFC 9110 §15.6.4; wire additions, 503",
)
def test_batch_is_deferred_while_store_is_locked(start_server: StartServer) -> None:
    server = start_server(arguments=["--lock-wait", "0.1"])
    batch = server.new_records(BATCH_SIZE)
    with server.process.lock_store():
        response = server.post(*batch)
    if response.status != 503 or not response.headers.get("Retry-After", "").isdigit():
        raise FindingError(
            "503 with Retry-After in seconds", f"{response}, {response.headers.get('Retry-After')}"
        )
    if server.get_stored_records():
        raise FindingError("nothing stored", f"{len(server.get_stored_records())} records")
    response = server.post(*batch)
    if not response.is_success:
        raise FindingError("the same batch is accepted later", str(response))
    server.account()
