"""Operators of a graph, a family a file."""
