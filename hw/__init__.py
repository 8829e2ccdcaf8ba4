"""The accelerator in Amaranth, a unit a file."""
