"""What is particular to Lattice's ECP5: its cells, its pads, its clocks, and the boards that carry one."""
