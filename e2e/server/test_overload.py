"""More than a server can store for now: it says so early, and goes on telling workers their configuration.

The store is kept waiting by a lock on its file, as a slow disk would. Bodies that never come to their end are
here too: they keep room from others.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from concurrent.futures import (
    TimeoutError as FutureTimeoutError,  # Python 3.10 does not know it by the other name.
)

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_accepts_record, expect_each
from e2e.server.driver.http_client import CLOSED, RESPONSE_TIMEOUT_SECONDS, Response
from e2e.server.driver.system import StartServer, encode_batch

MOST_RECORDS = 20
BATCH_SIZE = 5
BATCHES = 12
PATIENT = ["--lock-wait", "60", "--max-waiting-records", str(MOST_RECORDS)]
"""A server whose store waits for longer than the case takes, and before which few records may wait."""

BODY_TIMEOUT_SECONDS = 0.5


@case(
    "server/limits/3/2",
    Level.SHOULD,
    "A body that does not come to its end is given up, and nothing of it is stored.",
    expected="408, or the connection closed, after the time that a body may take",
    source="RFC 9110 §15.5.9; slow clients must not keep a server's memory",
)
def test_a_body_that_does_not_come_is_given_up(start_server: StartServer) -> None:
    server = start_server(arguments=["--body-timeout", str(BODY_TIMEOUT_SECONDS)])
    body = encode_batch(server.new_record(Fate.DROPPED))
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked", "Connection": None}
    responses = {
        "with a length": server.client.send(server.client.build_head(body=body) + body[:-1]),
        "in chunks": server.client.send(
            server.client.build_head(body=body, headers=chunked), b'5\r\n{"rec\r\n'
        ),
    }
    expect_each("408", responses, lambda response: response.status in (408, CLOSED))
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/3/3",
    Level.SHOULD,
    "A batch that finds too much waiting is put off at once, and none that was let in is lost.",
    expected="503 with Retry-After while the others still wait; each batch answered with success is stored",
    source="wire additions, 503; a queue without a bound ends in a crash that loses all of it",
)
def test_a_batch_that_finds_too_much_waiting_is_put_off(start_server: StartServer) -> None:
    server = start_server(arguments=PATIENT)
    batches = [server.new_records(BATCH_SIZE, Fate.OPTIONAL) for _ in range(BATCHES)]
    with ThreadPoolExecutor(BATCHES) as workers:
        with server.process.lock_store():
            posting = [workers.submit(server.post, *batch) for batch in batches]
            # None is stored while the lock is held: what is answered now was not let in.
            early = _answers_of_first(posting, BATCHES - MOST_RECORDS // BATCH_SIZE)
        responses = [each.result() for each in posting]
    put_off = [response for response in responses if not response.is_success]
    if len(early) != len(put_off):
        raise FindingError(f"{len(early)} batches put off, the others taken", f"{len(put_off)} put off")
    expect_each(
        "503 with Retry-After",
        {f"batch {number}": response for number, response in enumerate(put_off)},
        lambda response: response.status == 503 and response.headers.get("Retry-After", "").isdigit(),
    )
    for batch, response in zip(batches, responses, strict=True):
        server.set_fate(batch, Fate.STORED if response.is_success else Fate.DROPPED)
    expect_accepts_record(server)
    server.account()


@case(
    "server/limits/3/4",
    Level.SHOULD,
    "Workers are told their configuration while batches wait for the store.",
    expected="200 for GET while the store is out of reach",
    source="wire protocol, GET: a worker without it drops every event",
)
def test_the_configuration_is_told_while_batches_wait(start_server: StartServer) -> None:
    server = start_server(arguments=PATIENT)
    batch = server.new_records(MOST_RECORDS)
    with ThreadPoolExecutor(1) as worker:
        with server.process.lock_store():
            posting = worker.submit(server.post, *batch)
            responses = {f"GET {number}": server.get_config() for number in range(BATCHES)}
            answered = posting.done()
        taken = posting.result()
    if answered or not taken.is_success:
        raise FindingError("the batch waits, and is taken then", str(taken))
    expect_each("200", responses, lambda response: response.status == 200)
    server.account()


def _answers_of_first(posting: list[Future[Response]], count: int) -> list[Response]:
    """The answers that come first. Raises FindingError where there are fewer in time."""
    responses: list[Response] = []
    try:
        for done in as_completed(posting, RESPONSE_TIMEOUT_SECONDS / 2):
            responses.append(done.result())
            if len(responses) == count:
                break
    except FutureTimeoutError:
        raise FindingError(f"{count} batches put off at once", f"{len(responses)} answered") from None
    return responses
