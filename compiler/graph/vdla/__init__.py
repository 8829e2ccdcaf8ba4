"""Operators of a graph as programs for the accelerator."""
