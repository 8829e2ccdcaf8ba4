"""Passes: each takes a loop program and gives one that computes the same."""
