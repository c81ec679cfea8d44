"""The gateway: a reverse proxy that records, serves, routes and breaks HTTP traffic; without Playwright."""
