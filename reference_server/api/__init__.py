"""The HTTP interface: handlers, routes and the application that holds them."""
