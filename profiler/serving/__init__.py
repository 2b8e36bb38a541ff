"""Bursts of requests at a model server: sending them, and what they and the meters saw."""
