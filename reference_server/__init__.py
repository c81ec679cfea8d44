"""The reference telemetry server: it serves the configuration, takes records and stores them.

It does not depend on browsers or tests. `ReferenceServer` runs it inside a program,
`python -m reference_server` runs it as a process.
"""

from reference_server.app import ReferenceServer
from reference_server.errors import StoreUnavailableError
from reference_server.model.batch import SessionReport
from reference_server.model.losses import Totals
from reference_server.model.record import Record
from reference_server.storage.dead_letters import DeadLetter
from reference_server.storage.retention import Retention
from reference_server.storage.sqlite import SqliteStore
from reference_server.storage.store import Added, CommitObserver, Store

__all__ = [
    "Added",
    "CommitObserver",
    "DeadLetter",
    "Record",
    "ReferenceServer",
    "Retention",
    "SessionReport",
    "SqliteStore",
    "Store",
    "StoreUnavailableError",
    "Totals",
]
