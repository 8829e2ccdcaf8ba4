// Rules of AXI4 (IHI 0022) as assertions on the bus between the machine and its memory, both directions.

module axi_checks #(
    parameter int BUS_BITS = 128
) (
    input logic clk,
    input logic rst,
    input logic [41:0] ar,
    input logic ar_valid,
    input logic ar_ready,
    input logic [BUS_BITS+4:0] r,
    input logic r_valid,
    input logic r_ready,
    input logic [41:0] aw,
    input logic aw_valid,
    input logic aw_ready,
    input logic [BUS_BITS+BUS_BITS/8:0] w,
    input logic w_valid,
    input logic w_ready,
    input logic [3:0] b,
    input logic b_valid,
    input logic b_ready
);
  localparam int BEAT = BUS_BITS / 8;
  localparam int BOUNDARY = 4096;

  stable #(.BITS(42), .NAME("AR")) stable_ar (.clk, .rst, .valid(ar_valid), .ready(ar_ready), .payload(ar));
  stable #(.BITS(42), .NAME("AW")) stable_aw (.clk, .rst, .valid(aw_valid), .ready(aw_ready), .payload(aw));
  stable #(.BITS(BUS_BITS + 5), .NAME("R")) stable_r (.clk, .rst, .valid(r_valid), .ready(r_ready), .payload(r));
  stable #(
      .BITS(BUS_BITS + BEAT + 1),
      .NAME("W")
  ) stable_w (.clk, .rst, .valid(w_valid), .ready(w_ready), .payload(w));
  stable #(.BITS(4), .NAME("B")) stable_b (.clk, .rst, .valid(b_valid), .ready(b_ready), .payload(b));

  function automatic logic contained(input logic [41:0] address);
    return int'(address[11:0]) + (int'(address[39:32]) + 1) * BEAT <= BOUNDARY;
  endfunction

  function automatic logic aligned(input logic [41:0] address);
    return int'(address[11:0]) % BEAT == 0;
  endfunction

  int reads, answers;
  logic [7:0] lengths[256];
  byte unsigned head, tail;
  int beat;

  always_ff @(posedge clk) begin
    if (rst) begin
      reads = 0;
      answers = 0;
      head = 0;
      tail = 0;
      beat = 0;
    end else begin
      if (ar_valid) begin
        assert (contained(ar)) else $fatal(1, "AXI: read burst at %h, %0d beats, crosses 4 KB", ar[31:0], ar[39:32] + 9'd1);
        assert (aligned(ar)) else $fatal(1, "AXI: read address %h is not aligned to the bus", ar[31:0]);
      end
      if (aw_valid) begin
        assert (contained(aw)) else $fatal(1, "AXI: write burst at %h, %0d beats, crosses 4 KB", aw[31:0], aw[39:32] + 9'd1);
        assert (aligned(aw)) else $fatal(1, "AXI: write address %h is not aligned to the bus", aw[31:0]);
      end
      if (ar_valid && ar_ready) reads += 1;
      if (r_valid) assert (reads > 0) else $fatal(1, "AXI: data without a read");
      if (r_valid && r_ready && r[BUS_BITS+2]) reads -= 1;
      if (aw_valid && aw_ready) begin
        lengths[tail] = aw[39:32];
        tail += 1;
      end
      if (w_valid && w_ready) begin
        assert (head != tail) else $fatal(1, "AXI: the memory took data without an address");
        assert (w[BUS_BITS+BEAT] == (beat == int'(lengths[head])))
        else $fatal(1, "AXI: WLAST is %b on beat %0d of %0d", w[BUS_BITS+BEAT], beat, lengths[head] + 9'd1);
        beat += 1;
        if (w[BUS_BITS+BEAT]) begin
          head += 1;
          beat = 0;
          answers += 1;
        end
      end
      if (b_valid) assert (answers > 0) else $fatal(1, "AXI: an answer without a write");
      if (b_valid && b_ready) answers -= 1;
    end
  end
endmodule

// Once `valid` rises, it and the payload hold until the transfer.
module stable #(
    parameter int BITS = 1,
    parameter NAME = ""
) (
    input logic clk,
    input logic rst,
    input logic valid,
    input logic ready,
    input logic [BITS-1:0] payload
);
  logic waiting = 0;
  logic [BITS-1:0] offered;

  always_ff @(posedge clk) begin
    waiting <= valid && !ready && !rst;
    offered <= payload;
    if (waiting && !rst) assert (valid && payload == offered) else $fatal(1, "AXI: %s changed before it was taken", NAME);
  end
endmodule
