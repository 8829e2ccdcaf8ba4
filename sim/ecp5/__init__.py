"""The ECP5 in simulation: models of its cells, and netlists of them."""
