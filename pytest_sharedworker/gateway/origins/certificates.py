"""Certificates for any host, of an authority that lives in this process only.

Nothing is installed anywhere. Firefox accepts them by the context option `ignore_https_errors`, Chromium by
the hash of the authority's key on its command line, too.
"""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import tempfile
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import trustme

_ANY_NAME = "host.invalid"


class CertificateAuthority:
    """Issues the certificates of one test session."""

    def __init__(self) -> None:
        self._authority: trustme.CA | None = None
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = threading.Lock()

    @property
    def key_hash(self) -> str:
        """The hash of the authority's public key, as Chromium's command line takes it."""
        # Here, because they are a fifth of what the import of the plugin adds to that of its dependencies.
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
        from cryptography.x509 import load_pem_x509_certificate

        certificate = load_pem_x509_certificate(self._get_authority().cert_pem.bytes())
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(key).digest()).decode()

    def get_context(self, host: str) -> ssl.SSLContext:
        """Return what a TLS server of this host needs."""
        if host not in self._contexts:
            self._contexts[host] = self._make_context(host)
        return self._contexts[host]

    def _get_authority(self) -> trustme.CA:
        with self._lock:
            if self._authority is None:
                import trustme

                self._authority = trustme.CA()
            return self._authority

    def _make_context(self, host: str) -> ssl.SSLContext:
        authority = self._get_authority()
        try:
            leaf = authority.issue_cert(host)
        except ValueError:  # Such as a name with an underscore. Browsers do not compare names here.
            leaf = authority.issue_cert(_ANY_NAME)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Chromium looks for the authority's key among the certificates that the server sends.
        chain = [leaf.private_key_pem, *leaf.cert_chain_pems, authority.cert_pem]
        # ssl reads files only. This one holds one host's key, not the authority's, and exists for a moment.
        descriptor, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(b"".join(each.bytes() for each in chain))
            context.load_cert_chain(path)
        finally:
            os.unlink(path)
        return context
