"""How a case drives a server: its process, requests and checks."""
