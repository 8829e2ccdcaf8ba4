"""The instruction set and the configuration: the one definition that everything else is derived from."""
