"""Limits of what generated code is asked to do."""

MAX_THREADS = 256
"""More are a mistake: each takes a stack and spins while it waits."""
