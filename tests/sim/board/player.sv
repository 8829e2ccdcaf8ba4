// Plays a script of clocks to the SDRAM's model and prints what the data pins show around each clock.
//
// A line is: how often it is repeated, ps from one clock's edge to the change of the inputs, {cke, cs_n, ras_n, cas_n,
// we_n}, bank, address, dqm, whether data is driven, and that data. All numbers are hexadecimal.

module player;
  import chip::*;

  longint period = 15_000;
  logic clk = 0, cke = 1, cs_n = 1, ras_n = 1, cas_n = 1, we_n = 1, driven = 0;
  logic [BANK_BITS-1:0] ba = 0;
  logic [ROW_BITS-1:0] a = 0;
  logic [DATA_BYTES-1:0] dqm = '1;
  logic [DATA_BITS-1:0] data = 0, at_edge, held, over, early, valid;
  wire [DATA_BITS-1:0] dq;
  int file, command, count, change;
  logic next_driven;
  logic [BANK_BITS-1:0] next_ba;
  logic [ROW_BITS-1:0] next_a;
  logic [DATA_BYTES-1:0] next_dqm;
  logic [DATA_BITS-1:0] next_data;
  string path;
  longint clocks, accessed;
  int unsigned activations, reads, writes, refreshes;

  assign dq = driven ? data : 'z;

  sdram sdram (
      .*,
      .round_trip(0)
  );

  always begin
    #(period - T_AC - 1);
    clk = 1;
    at_edge = dq;
    #(T_OH - 1) held = dq;
    #2 over = dq;
    clk = 0;
    #(T_AC - T_OH - 2) early = dq;
    #2 valid = dq;
    $display("%h %h %h %h %h", at_edge, held, over, early, valid);
  end

  initial begin
    void'($value$plusargs("period=%d", period));
    void'($value$plusargs("script=%s", path));
    file = $fopen(path, "r");
    @(posedge clk);
    while ($fscanf(
        file, "%h %h %h %h %h %h %h %h", count, change, command, next_ba, next_a, next_dqm, next_driven, next_data
    ) == 8) begin
      repeat (count) begin
        #(change);
        {cke, cs_n, ras_n, cas_n, we_n} = 5'(command);
        ba = next_ba;
        a = next_a;
        dqm = next_dqm;
        driven = next_driven;
        data = next_data;
        @(posedge clk);
      end
    end
    @(negedge clk);
    $display("over");
    $finish;
  end
endmodule
