"""Operators of a graph as functions for the CPU."""
