"""What an answer is worth: a record that was answered with success is there after whatever comes.

The end comes by SIGKILL (a crash), by SIGTERM (a new version), or by a disk that is full. A loss of power,
which takes what the operating system still holds, cannot be tried here. Signals are those of POSIX.
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
WORKERS_AT_ONCE = 4
ANSWERS_BEFORE_THE_END = 10
MOST_BATCHES = 400
FILE_LIMIT_BYTES = 200_000
CLEAN_EXIT = 0
CRASHES = 20
BATCHES_A_LIFE = 25
CRASHES_TIMEOUT_SECONDS = 400
"""Twenty starts, on a machine that has other things to do as well."""


def post_while_it_ends(
    server: Server, end: Event, batches: list[list[Record]] | None = None
) -> list[tuple[list[Record], Response]]:
    """Post batches from several workers until the server is gone; `end` is set after some answers.

    Returns the batches that were answered, or cut off before their answer.
    """
    sent: list[tuple[list[Record], Response]] = []
    if batches is None:
        batches = [server.new_records(BATCH_SIZE, Fate.OPTIONAL) for _ in range(MOST_BATCHES)]
    waiting = SimpleQueue[list[Record]]()
    for each in batches:
        waiting.put(each)

    def post_until_closed() -> None:
        while True:
            try:
                batch = waiting.get_nowait()
            except Empty:
                return
            try:
                response = server.post(*batch)
            except OSError:  # Nobody listens any more.
                return
            sent.append((batch, response))
            if len(sent) >= ANSWERS_BEFORE_THE_END:
                end.set()
            if response.status == CLOSED:
                return

    try:
        with ThreadPoolExecutor(WORKERS_AT_ONCE) as workers:
            for running in [workers.submit(post_until_closed) for _ in range(WORKERS_AT_ONCE)]:
                running.result()
    finally:
        end.set()  # Whoever waits for the answers is not left waiting where there are none.
    return sent


def settle(server: Server, sent: list[tuple[list[Record], Response]]) -> None:
    """Enter into the books what the answers promised."""
    for batch, response in sent:
        if response.is_success:
            server.set_fate(batch, Fate.STORED)


def expect_whole_batches(server: Server, sent: list[tuple[list[Record], Response]]) -> None:
    """Raise a FindingError where a part of a batch was stored: its worker will send all of it again."""
    there = {str(record["params"]["componentViewId"]) for record in server.get_stored_records()}
    for batch, response in sent:
        kept = sum(record["params"]["componentViewId"] in there for record in batch)
        if kept not in (0, len(batch)):
            raise FindingError("all of a batch or nothing", f"{kept} of {len(batch)} records of: {response}")


@case(
    "server/durability/1/1",
    Level.SHOULD,
    "A batch is stored before it is answered: a crash right after the answer loses nothing.",
    expected="0 lost after SIGKILL at the last byte of the answer",
    source="wire protocol, answer: on success the worker forgets the batch",
)
def test_a_crash_after_the_answer_loses_nothing(start_server: StartServer) -> None:
    server = start_server()
    response = server.post(*server.new_records(BATCH_SIZE))
    server.process.kill()
    if not response.is_success:
        raise FindingError('200 {"status": "success"}', str(response))
    server.account()


@case(
    "server/durability/1/2",
    Level.SHOULD,
    "A crash among many batches loses none that was answered, and leaves none in part.",
    expected="0 lost, 0 duplicated; of each batch all or nothing",
    source="data safety: a batch that is stored in part is sent again, and doubled",
)
def test_a_crash_among_many_batches_leaves_whole_ones(start_server: StartServer) -> None:
    server, end = start_server(), Event()
    with ThreadPoolExecutor(1) as bystander:
        posting = bystander.submit(post_while_it_ends, server, end)
        end.wait()
        server.process.kill()
        sent = posting.result()
    settle(server, sent)
    expect_whole_batches(server, sent)
    server.account()


@case(
    "server/durability/1/3",
    Level.SHOULD,
    "A server that is asked to stop ends what it has begun: nothing answered is lost.",
    expected="0 lost, 0 duplicated after SIGTERM among many batches; exit status 0",
    source="data safety: every update of a server stops it",
)
def test_a_stop_among_many_batches_loses_nothing(start_server: StartServer) -> None:
    server, end = start_server(), Event()
    with ThreadPoolExecutor(1) as bystander:
        posting = bystander.submit(post_while_it_ends, server, end)
        end.wait()
        status = server.process.stop()
        sent = posting.result()
    if status != CLEAN_EXIT:
        raise FindingError("exit status 0", f"exit status {status}")
    settle(server, sent)
    expect_whole_batches(server, sent)
    server.account()


@case(
    "server/durability/1/4",
    Level.SHOULD,
    "A server that starts again keeps what it had, and takes more.",
    expected="the records from before a stop, from before a crash and from after them: each stored once",
    source="data safety",
)
def test_a_restart_keeps_what_was_there(start_server: StartServer) -> None:
    server = start_server()
    responses = {"at first": server.post(*server.new_records(BATCH_SIZE))}
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
    "Crash after crash, batches that are sent until they are answered are stored: each record once.",
    expected=f"{CRASHES} times SIGKILL among many batches, records with tab_id and seq: 0 lost, 0 duplicated",
    source="wire additions, record: a pair (tab_id, seq) is stored once; data safety",
)
@pytest.mark.timeout(CRASHES_TIMEOUT_SECONDS)
def test_crash_after_crash_loses_and_doubles_nothing(start_server: StartServer) -> None:
    server = start_server()
    batches = [
        [server.new_record(tab_id=f"tab-{number}", seq=seq) for seq in range(BATCH_SIZE)]
        for number in range(CRASHES * BATCHES_A_LIFE)
    ]
    for _ in range(CRASHES):
        end = Event()
        with ThreadPoolExecutor(1) as bystander:
            posting = bystander.submit(post_while_it_ends, server, end, batches)
            end.wait()
            server.process.kill()
            sent = posting.result()
        forgotten = {id(batch) for batch, response in sent if response.is_success}
        batches = [batch for batch in batches if id(batch) not in forgotten]
        server.restart()
    responses = {f"batch {number}": server.post(*batch) for number, batch in enumerate(batches)}
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/durability/2/1",
    Level.SHOULD,
    "What cannot be stored is not answered with success: a full disk is told, and the server lives on.",
    expected="5xx from the moment on at which the disk is full; what was answered with success is stored",
    source="wire protocol, failed POST: the worker keeps the batch",
)
def test_a_full_disk_is_told(start_server: StartServer) -> None:
    server = start_server(file_limit_bytes=FILE_LIMIT_BYTES)
    refused = None
    for _ in range(MOST_BATCHES):
        batch = [server.new_record(Fate.OPTIONAL, params={"value": "x" * 1_000}) for _ in range(BATCH_SIZE)]
        response = server.post(*batch)
        server.set_fate(batch, Fate.STORED if response.is_success else Fate.DROPPED)
        if not response.is_success:
            refused = response
            break
    if refused is None or refused.status < 500:
        raise FindingError("5xx for the batch that has no room", str(refused))
    if server.get_config().status != 200:
        raise FindingError("it answers all the same", str(server.get_config()))
    server.account()


@case(
    "server/durability/2/2",
    Level.SHOULD,
    "A batch whose sender goes away before its end is not stored.",
    expected="0 stored of it, for every point at which the body was cut",
    source="wire protocol, failed POST: the worker sends it again",
)
def test_a_batch_that_is_cut_off_is_not_stored(server: Server) -> None:
    server.require_store()
    body = encode_batch(*server.new_records(3, Fate.DROPPED))
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
        expect_accepts_record(
            server
        )  # It has read now what came before, while their senders are still there.
    expect_accepts_record(server)
    server.account()


@case(
    "server/durability/2/3",
    Level.SHOULD,
    "While the store is out of reach a batch is put off, not refused: its worker hears when to come back.",
    expected="503 with Retry-After, nothing stored; the same batch is taken later",
    source="RFC 9110 §15.6.4; wire additions, 503",
)
def test_a_batch_is_put_off_while_the_store_is_out_of_reach(start_server: StartServer) -> None:
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
        raise FindingError("the same batch is taken later", str(response))
    server.account()
