"""SDR SDRAM: the chips as data, and the controller between them and AXI4."""
