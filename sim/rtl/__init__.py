"""The RTL in simulation: building a simulator, its process, and the memory in it."""
