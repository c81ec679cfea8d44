"""The gateway: a reverse proxy that records, serves and breaks HTTP traffic. Knows no Playwright."""
