"""Tuning: a learned cost model chooses which schedules to measure."""
