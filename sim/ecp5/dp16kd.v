// The block memory DP16KD of the ECP5, as Lattice FPGA-TN-02204 describes it, in the modes that synthesis uses.
//
// What is not modelled has no port or no parameter here, or is a module that does not exist, with a name that says why:
// no option of a simulator makes it go on. Where the ports meet in a bit that one of them writes, what is read there,
// and what is stored when both write, is unknown: here it is random.
//
// The contents are 512 words of 36 bits, each of four bytes of 9 bits. A port of 1, 2 or 4 bits does not reach the
// ninth bit of a byte. A port of 18 or 36 bits has its byte enables in the address bits that it does not need. With 36
// bits port A writes and port B reads, and each takes the data pins of the other for the upper half.

module DP16KD #(
    parameter DATA_WIDTH_A = 18,
    parameter DATA_WIDTH_B = 18,
    parameter REGMODE_A = "NOREG",
    parameter REGMODE_B = "NOREG",
    parameter RESETMODE = "SYNC",
    parameter ASYNC_RESET_RELEASE = "SYNC",
    parameter CSDECODE_A = "0b000",
    parameter CSDECODE_B = "0b000",
    parameter WRITEMODE_A = "NORMAL",
    parameter WRITEMODE_B = "NORMAL",
    parameter CLKAMUX = "CLKA",
    parameter CLKBMUX = "CLKB",
    parameter GSR = "ENABLED",
    parameter [319:0]
    INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0, INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0,
    INITVAL_07 = 0, INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0, INITVAL_0C = 0, INITVAL_0D = 0,
    INITVAL_0E = 0, INITVAL_0F = 0, INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0, INITVAL_14 = 0,
    INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0, INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0,
    INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0, INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0,
    INITVAL_23 = 0, INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0, INITVAL_28 = 0, INITVAL_29 = 0,
    INITVAL_2A = 0, INITVAL_2B = 0, INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0, INITVAL_30 = 0,
    INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0, INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0,
    INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0, INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0,
    INITVAL_3F = 0
) (
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2,
    DIA1, DIA0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2,
    DIB1, DIB0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2,
    DOA1, DOA0, DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4,
    DOB3, DOB2, DOB1, DOB0
);
  localparam [64*320-1:0] INITIAL = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38, INITVAL_37,
    INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30, INITVAL_2F, INITVAL_2E,
    INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28, INITVAL_27, INITVAL_26, INITVAL_25,
    INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20, INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C,
    INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18, INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13,
    INITVAL_12, INITVAL_11, INITVAL_10, INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A,
    INITVAL_09, INITVAL_08, INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01,
    INITVAL_00
  };

  wire [13:0] ad_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire [13:0] ad_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire [17:0] di_a, di_b;
  wire [35:0] do_a, do_b;

  assign di_a = {
    DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1,
    DIA0
  };
  assign di_b = {
    DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1,
    DIB0
  };
  assign {
    DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
    DOA0
  } = DATA_WIDTH_B == 36 ? do_b[17:0] : do_a[17:0];
  assign {
    DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
    DOB0
  } = DATA_WIDTH_B == 36 ? do_b[35:18] : do_b[17:0];

  function automatic [2:0] decoded(input [39:0] text);
    return {text[16], text[8], text[0]};
  endfunction

  function automatic known_width(input integer width);
    return width == 1 || width == 2 || width == 4 || width == 9 || width == 18 || width == 36;
  endfunction

  function automatic known_mode(input [127:0] mode);
    return mode == "NORMAL" || mode == "WRITETHROUGH" || mode == "READBEFOREWRITE";
  endfunction

  function automatic known_output(input [127:0] mode);
    return mode == "NOREG" || mode == "OUTREG";
  endfunction

  generate
    if (!known_width(DATA_WIDTH_A)) DP16KD_DATA_WIDTH_A_is_not_known stop ();
    if (!known_width(DATA_WIDTH_B)) DP16KD_DATA_WIDTH_B_is_not_known stop ();
    if (!known_mode(WRITEMODE_A)) DP16KD_WRITEMODE_A_is_not_known stop ();
    if (!known_mode(WRITEMODE_B)) DP16KD_WRITEMODE_B_is_not_known stop ();
    if (!known_output(REGMODE_A)) DP16KD_REGMODE_A_is_not_known stop ();
    if (!known_output(REGMODE_B)) DP16KD_REGMODE_B_is_not_known stop ();
    if (RESETMODE != "SYNC" && RESETMODE != "ASYNC") DP16KD_RESETMODE_is_not_known stop ();
    if (CLKAMUX != "CLKA" || CLKBMUX != "CLKB") DP16KD_inverted_clocks_are_not_modelled stop ();
    if (GSR != "ENABLED" && GSR != "DISABLED" && GSR != "AUTO") DP16KD_GSR_is_not_known stop ();
    if (CSDECODE_A[39:24] != "0b" || CSDECODE_B[39:24] != "0b") DP16KD_CSDECODE_is_not_known stop ();
  endgenerate

  function automatic [5:0] first_bit(input integer width, input [13:0] ad);
    reg [5:0] in_byte;
    in_byte = width == 4 ? {3'b0, ad[2], 2'b0} : width == 2 ? {3'b0, ad[2:1], 1'b0} : width == 1 ? {3'b0, ad[2:0]} : 0;
    return (width < 36 && ad[4] ? 18 : 0) + (width < 18 && ad[3] ? 9 : 0) + in_byte;
  endfunction

  function automatic [35:0] lowest(input integer width);
    return ~(~36'b0 << width);
  endfunction

  function automatic [35:0] enabled(input integer width, input [13:0] ad);
    case (width)
      36: return {{9{ad[3]}}, {9{ad[2]}}, {9{ad[1]}}, {9{ad[0]}}};
      18: return {18'b0, {9{ad[1]}}, {9{ad[0]}}};
      default: return lowest(width);
    endcase
  endfunction

  function automatic [35:0] blend(input [35:0] mask, input [35:0] set, input [35:0] unset);
    return set & mask | unset & ~mask;
  endfunction

  localparam [2:0] CS_A = decoded(CSDECODE_A), CS_B = decoded(CSDECODE_B);

  wire en_a = CEA && {CSA2, CSA1, CSA0} == CS_A;
  wire en_b = CEB && {CSB2, CSB1, CSB0} == CS_B;
  wire [5:0] at_a = first_bit(DATA_WIDTH_A, ad_a);
  wire [5:0] at_b = first_bit(DATA_WIDTH_B, ad_b);
  wire [35:0] change_a = en_a && WEA ? enabled(DATA_WIDTH_A, ad_a) << at_a : 0;
  wire [35:0] change_b = en_b && WEB ? enabled(DATA_WIDTH_B, ad_b) << at_b : 0;
  wire [35:0] data_a = {DATA_WIDTH_A == 36 ? di_b : 18'b0, di_a} << at_a;
  wire [35:0] data_b = {18'b0, di_b} << at_b;
  wire meet = en_a && en_b && ad_a[13:5] == ad_b[13:5];
  wire [35:0] other_a = meet ? change_a : 0, other_b = meet ? change_b : 0;

  reg [35:0] words[0:511];
  reg [35:0] latch_a = 0, latch_b = 0, out_a = 0, out_b = 0;

  initial
    for (integer k = 0; k < 512; k = k + 1) words[k] = {INITIAL[40*k+20+:18], INITIAL[40*k+:18]};

  function automatic [35:0] unknown(input [35:0] mask);
    return mask == 0 ? 0 : mask & {4'($urandom), 32'($urandom)};
  endfunction

  always @(posedge CLKA) begin : port_a
    reg [35:0] old, updated;
    old = words[ad_a[13:5]];
    updated = blend(change_a, data_a ^ unknown(change_a & other_b), blend(other_b, data_b, old));
    if (change_a != 0) words[ad_a[13:5]] <= updated;
    if (en_a && (!WEA || WRITEMODE_A == "READBEFOREWRITE"))
      latch_a <= (old ^ unknown(other_b)) >> at_a & lowest(DATA_WIDTH_A);
    else if (en_a && WRITEMODE_A == "WRITETHROUGH")
      latch_a <= (updated ^ unknown(other_b)) >> at_a & lowest(DATA_WIDTH_A);
    if (OCEA) out_a <= latch_a;
    if (RSTA) begin
      latch_a <= 0;
      out_a <= 0;
    end
    if (RSTA && change_a != 0) $fatal(1, "DP16KD %m: port A writes while it is reset");
    if (en_a && en_b && !CLKB) $fatal(1, "DP16KD %m: two clocks are not modelled");
  end

  always @(posedge CLKB) begin : port_b
    reg [35:0] old, updated;
    old = words[ad_b[13:5]];
    updated = blend(change_b, data_b ^ unknown(change_b & other_a), blend(other_a, data_a, old));
    if (change_b != 0) words[ad_b[13:5]] <= updated;
    if (en_b && (!WEB || WRITEMODE_B == "READBEFOREWRITE"))
      latch_b <= (old ^ unknown(other_a)) >> at_b & lowest(DATA_WIDTH_B);
    else if (en_b && WRITEMODE_B == "WRITETHROUGH")
      latch_b <= (updated ^ unknown(other_a)) >> at_b & lowest(DATA_WIDTH_B);
    if (OCEB) out_b <= latch_b;
    if (RSTB) begin
      latch_b <= 0;
      out_b <= 0;
    end
    if (RSTB && change_b != 0) $fatal(1, "DP16KD %m: port B writes while it is reset");
    if (en_b && en_a && !CLKA) $fatal(1, "DP16KD %m: two clocks are not modelled");
  end

  assign do_a = REGMODE_A == "OUTREG" ? out_a : latch_a;
  assign do_b = REGMODE_B == "OUTREG" ? out_b : latch_b;

  always @* if (RESETMODE == "ASYNC" && (RSTA || RSTB)) $fatal(1, "DP16KD %m: an asynchronous reset is not modelled");
  always @* if (DATA_WIDTH_B == 36 && WEB) $fatal(1, "DP16KD %m: port B of 36 bits cannot write");
endmodule
