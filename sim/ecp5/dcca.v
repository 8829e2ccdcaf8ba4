// The gate of a global clock, Lattice FPGA-TN-02200: enabled and disabled while the clock is low, so that no pulse is cut.
module DCCA (
    input  CLKI,
    input  CE,
    output CLKO
);
  reg enabled = 1'b0;
  always @(negedge CLKI) enabled <= CE;
  assign CLKO = CLKI & enabled;
endmodule
