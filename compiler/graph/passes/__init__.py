"""Passes: from graph to graph, a pass a file."""
