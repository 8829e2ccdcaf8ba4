"""Tuning on devices: what a trial does there, layers and networks as tasks, the search from a command."""
