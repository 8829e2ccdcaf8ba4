# The processing system's pins and FCLK_CLK0 ({{ "%g" | format(mhz) }} MHz) are constrained by its own core. The design has one
# clock and no other pins, so nothing else needs a constraint.
set_property BITSTREAM.GENERAL.COMPRESS TRUE [current_design]
