"""Any origin: a forward proxy, with TLS, brings the requests of a browser to all origins to the gateway."""
