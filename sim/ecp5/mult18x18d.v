// The multiplier MULT18X18D of the ECP5, as Lattice FPGA-TN-02205 describes it: P = A * B.
//
// Each register is used when its clock is named; it is cleared, or else enabled, by the lines that its parameters name.
// Modelled are the modes that synthesis and this project's own instances use. What is not modelled has no port or no
// parameter here, or is a module that does not exist, with a name that says why: no option of a simulator makes it go
// on. An operand's sign travels through the registers with the operand.

module MULT18X18D #(
    parameter REG_INPUTA_CLK = "NONE",
    parameter REG_INPUTA_CE = "CE0",
    parameter REG_INPUTA_RST = "RST0",
    parameter REG_INPUTB_CLK = "NONE",
    parameter REG_INPUTB_CE = "CE0",
    parameter REG_INPUTB_RST = "RST0",
    parameter REG_PIPELINE_CLK = "NONE",
    parameter REG_PIPELINE_CE = "CE0",
    parameter REG_PIPELINE_RST = "RST0",
    parameter REG_OUTPUT_CLK = "NONE",
    parameter REG_OUTPUT_CE = "CE0",
    parameter REG_OUTPUT_RST = "RST0",
    parameter GSR = "ENABLED",
    parameter RESETMODE = "SYNC",
    parameter MULT_BYPASS = "DISABLED"
) (
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
    input CLK3, CLK2, CLK1, CLK0,
    input CE3, CE2, CE1, CE0,
    input RST3, RST2, RST1, RST0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15,
    P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
);
  wire [3:0] ce = {CE3, CE2, CE1, CE0}, rst = {RST3, RST2, RST1, RST0};
  wire [17:0] a_pins, b_pins;
  wire signed [18:0] a, b;
  wire signed [35:0] product, piped, result;

  assign a_pins = {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0};
  assign b_pins = {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0};
  assign product = a * b;
  assign {
    P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16, P15, P14,
    P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0
  } = result;

  mult18x18d_stage #(
      .BITS(19),
      .CLK(REG_INPUTA_CLK),
      .CE(REG_INPUTA_CE),
      .RST(REG_INPUTA_RST)
  ) input_a (.CLK0, .CLK1, .CLK2, .CLK3, .ce, .rst, .d({SIGNEDA & A17, a_pins}), .q(a));
  mult18x18d_stage #(
      .BITS(19),
      .CLK(REG_INPUTB_CLK),
      .CE(REG_INPUTB_CE),
      .RST(REG_INPUTB_RST)
  ) input_b (.CLK0, .CLK1, .CLK2, .CLK3, .ce, .rst, .d({SIGNEDB & B17, b_pins}), .q(b));
  mult18x18d_stage #(
      .BITS(36),
      .CLK(REG_PIPELINE_CLK),
      .CE(REG_PIPELINE_CE),
      .RST(REG_PIPELINE_RST)
  ) pipeline (.CLK0, .CLK1, .CLK2, .CLK3, .ce, .rst, .d(product), .q(piped));
  mult18x18d_stage #(
      .BITS(36),
      .CLK(REG_OUTPUT_CLK),
      .CE(REG_OUTPUT_CE),
      .RST(REG_OUTPUT_RST)
  ) output_register (.CLK0, .CLK1, .CLK2, .CLK3, .ce, .rst, .d(piped), .q(result));

  generate
    if (GSR != "ENABLED" && GSR != "DISABLED") MULT18X18D_GSR_is_not_known stop ();
    if (RESETMODE != "SYNC") MULT18X18D_RESETMODE_is_not_modelled stop ();
    if (MULT_BYPASS != "DISABLED") MULT18X18D_MULT_BYPASS_is_not_modelled stop ();
  endgenerate

  always @* if (SOURCEA || SOURCEB) $fatal(1, "MULT18X18D %m: operands from the cascade are not modelled");
endmodule

// A register of the multiplier, or a wire where CLK is NONE.
module mult18x18d_stage #(
    parameter BITS = 1,
    parameter CLK = "NONE",
    parameter CE = "CE0",
    parameter RST = "RST0"
) (
    input CLK0, CLK1, CLK2, CLK3,
    input [3:0] ce,
    input [3:0] rst,
    input [BITS-1:0] d,
    output [BITS-1:0] q
);
  localparam ENABLE = CE == "CE0" ? 0 : CE == "CE1" ? 1 : CE == "CE2" ? 2 : CE == "CE3" ? 3 : -1;
  localparam RESET = RST == "RST0" ? 0 : RST == "RST1" ? 1 : RST == "RST2" ? 2 : RST == "RST3" ? 3 : -1;

  generate
    if (CLK == "NONE") begin : absent
      assign q = d;
    end else if (ENABLE < 0 || RESET < 0 || CLK != "CLK0" && CLK != "CLK1" && CLK != "CLK2" && CLK != "CLK3") begin
      MULT18X18D_REG_CLK_CE_or_RST_is_not_known stop ();
    end else begin : present
      wire clk = CLK == "CLK0" ? CLK0 : CLK == "CLK1" ? CLK1 : CLK == "CLK2" ? CLK2 : CLK3;
      reg [BITS-1:0] held = 0;
      always @(posedge clk)
        if (rst[RESET]) held <= 0;
        else if (ce[ENABLE]) held <= d;
      assign q = held;
    end
  endgenerate
endmodule
