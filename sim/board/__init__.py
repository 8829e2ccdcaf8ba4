"""A board in simulation down to the FPGA's pins: the SDRAM, the USB-serial chip and the oscillator around its top."""
