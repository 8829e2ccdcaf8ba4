// A register of the ECP5's fabric or of a pad, with the options that a top's own pads use.

module TRELLIS_FF #(
    parameter GSR = "ENABLED",
    parameter CEMUX = "1",
    parameter CLKMUX = "CLK",
    parameter LSRMUX = "LSR",
    parameter REGSET = "RESET",
    parameter SRMODE = "LSR_OVER_CE"
) (
    input CLK,
    input CE,
    input LSR,
    input DI,
    output reg Q
);
  wire clock = CLKMUX == "INV" ? ~CLK : CLK;
  wire enabled = CEMUX == "1" ? 1'b1 : CE;
  initial Q = REGSET == "SET";
  always @(posedge clock, posedge LSR)
    if (LSR) Q <= REGSET == "SET";
    else if (enabled) Q <= DI;
endmodule
