"""The memories on the accelerator, as scopes of buffers."""

INP_BUFFER = "inp_buffer"
WGT_BUFFER = "wgt_buffer"
ACC_BUFFER = "acc_buffer"

ON_CHIP = frozenset({INP_BUFFER, WGT_BUFFER, ACC_BUFFER})
LANES = "lanes"
"""Pragma of the outermost loop over the elements of one vector."""
