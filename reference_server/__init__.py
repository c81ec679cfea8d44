"""The reference server of UI telemetry: configuration, ingest, storage.

It knows nothing of browsers or tests. `ReferenceServer` runs it inside a program,
`python -m reference_server` runs it on its own.
"""

from reference_server.app import ReferenceServer
from reference_server.errors import StoreUnavailableError
from reference_server.model.batch import SessionReport
from reference_server.model.record import Record
from reference_server.storage.stats import Losses
from reference_server.storage.store import SqliteStore, Store

__all__ = [
    "Losses",
    "Record",
    "ReferenceServer",
    "SessionReport",
    "SqliteStore",
    "Store",
    "StoreUnavailableError",
]
