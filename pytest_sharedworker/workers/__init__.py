"""Handles to SharedWorkers: find, inspect, end and crash them."""
