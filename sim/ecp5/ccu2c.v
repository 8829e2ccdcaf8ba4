// Two bits of a carry chain, as Yosys models it: the table of all four inputs says whether a carry passes, and its first
// four places, of A and B, give it otherwise.
module CCU2C #(
    parameter [15:0] INIT0 = 16'h0000,
    parameter [15:0] INIT1 = 16'h0000,
    parameter INJECT1_0 = "YES",
    parameter INJECT1_1 = "YES"
) (
    input CIN,
    input A0, B0, C0, D0, A1, B1, C1, D1,
    output S0, S1, COUT
);
    wire passes0 = INIT0[{D0, C0, B0, A0}];
    wire passes1 = INIT1[{D1, C1, B1, A1}];
    wire gives0 = INJECT1_0 == "NO" && INIT0[{2'b00, B0, A0}];
    wire gives1 = INJECT1_1 == "NO" && INIT1[{2'b00, B1, A1}];
    wire carry = passes0 ? CIN : gives0;

    assign S0 = passes0 ^ (INJECT1_0 == "NO" && CIN);
    assign S1 = passes1 ^ (INJECT1_1 == "NO" && carry);
    assign COUT = passes1 ? carry : gives1;
endmodule
