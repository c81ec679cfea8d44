"""How a case drives a worker: the system under test, its tabs, batches and checks."""
