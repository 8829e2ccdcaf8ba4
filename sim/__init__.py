"""Simulators of the machine."""
