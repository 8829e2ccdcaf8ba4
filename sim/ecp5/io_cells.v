// Cells at the ECP5's pins, without their delays.
//
// Written from Lattice's documents: FPGA-TN-02032 (ECP5 and ECP5-5G High-Speed I/O Interface) for ODDRX1F and IDDRX1F,
// FPGA-TN-02262 (sysI/O Usage Guide) for the buffers, and the FPGA Libraries Reference Guide for registers.
// Registers begin as configuration leaves them; the global reset is not modelled.

module IB (
    input  I,
    output O
);
  assign O = I;
endmodule

module OB (
    input  I,
    output O
);
  assign O = I;
endmodule

module OBZ (
    input  I,
    input  T,
    output O
);
  assign O = T ? 1'bz : I;
endmodule

module BB (
    input  I,
    input  T,
    output O,
    inout  B
);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule

module OFS1P3DX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input SP,
    input SCLK,
    input CD,
    output reg Q
);
  initial Q = 1'b0;
  always @(posedge SCLK, posedge CD)
    if (CD) Q <= 1'b0;
    else if (SP) Q <= D;
endmodule

module OFS1P3BX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input SP,
    input SCLK,
    input PD,
    output reg Q
);
  initial Q = 1'b1;
  always @(posedge SCLK, posedge PD)
    if (PD) Q <= 1'b1;
    else if (SP) Q <= D;
endmodule

module IFS1P3DX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input SP,
    input SCLK,
    input CD,
    output reg Q
);
  initial Q = 1'b0;
  always @(posedge SCLK, posedge CD)
    if (CD) Q <= 1'b0;
    else if (SP) Q <= D;
endmodule

module FD1S3AX #(
    parameter GSR = "ENABLED"
) (
    input D,
    input CK,
    output reg Q
);
  initial Q = 1'b0;
  always @(posedge CK) Q <= D;
endmodule

// D0 leaves while the clock is high, D1 while it is low; both are taken at the rising edge before the one before.
module ODDRX1F #(
    parameter GSR = "ENABLED"
) (
    input  SCLK,
    input  RST,
    input  D0,
    input  D1,
    output Q
);
  reg [1:0] first = 2'b00;
  reg [1:0] second = 2'b00;
  always @(posedge SCLK, posedge RST)
    if (RST) {first, second} <= 4'b0000;
    else {first, second} <= {D1, D0, first};
  assign Q = SCLK ? second[0] : second[1];
endmodule

// Q0 is what the pin showed at the rising edge, Q1 at the falling edge after it; both change together.
module IDDRX1F #(
    parameter GSR = "ENABLED"
) (
    input SCLK,
    input RST,
    input D,
    output reg Q0,
    output reg Q1
);
  reg rising = 1'b0;
  reg falling = 1'b0;
  initial {Q0, Q1} = 2'b00;
  always @(negedge SCLK, posedge RST)
    if (RST) falling <= 1'b0;
    else falling <= D;
  always @(posedge SCLK, posedge RST)
    if (RST) {rising, Q0, Q1} <= 3'b000;
    else {rising, Q0, Q1} <= {D, rising, falling};
endmodule
