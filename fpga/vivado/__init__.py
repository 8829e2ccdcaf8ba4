"""A Vivado project for the boards of family ``zynq``: Verilog, block design, constraints and a build script."""
