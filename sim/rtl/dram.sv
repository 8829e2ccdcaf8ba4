// A memory behind an AXI4 slave, with a latency and a bandwidth that are set at run time.
//
// A read's first beat can be taken `latency` cycles after its address; a write's answer comes as long after its last
// beat, and only then do reads see the data. Beats of both directions draw on one budget of `bytes_per_cycle`, of which
// at most a beat is kept for later; when both want the last beat of the budget they take turns. Answers come in the
// order of the requests. With `stall`, out of 65536, each channel pauses at random. Contents, errors and settings are
// those of memory.cpp.

module dram #(
    parameter int BUS_BITS = 128,
    parameter int ADDRESS_BITS = 32,
    parameter int ID_BITS = 2,
    parameter int DEPTH = 64
) (
    input logic clk,
    input logic rst,

    input  logic                    ar_valid,
    output logic                    ar_ready,
    input  logic [ADDRESS_BITS-1:0] ar_addr,
    input  logic [             7:0] ar_len,
    input  logic [     ID_BITS-1:0] ar_id,

    output logic                r_valid,
    input  logic                r_ready,
    output logic [BUS_BITS-1:0] r_data,
    output logic [         1:0] r_resp,
    output logic                r_last,
    output logic [ ID_BITS-1:0] r_id,

    input  logic                    aw_valid,
    output logic                    aw_ready,
    input  logic [ADDRESS_BITS-1:0] aw_addr,
    input  logic [             7:0] aw_len,
    input  logic [     ID_BITS-1:0] aw_id,

    input  logic                  w_valid,
    output logic                  w_ready,
    input  logic [  BUS_BITS-1:0] w_data,
    input  logic [BUS_BITS/8-1:0] w_strb,
    input  logic                  w_last,

    output logic               b_valid,
    input  logic               b_ready,
    output logic [        1:0] b_resp,
    output logic [ID_BITS-1:0] b_id
);
  localparam int BEAT = BUS_BITS / 8;
  localparam int INDEX_BITS = $clog2(DEPTH);

  import "DPI-C" function void memory_settings(
    output int latency,
    output int bytes_per_cycle,
    output int stall,
    output longint seed
  );
  import "DPI-C" function byte memory_read(input longint address, output bit [BUS_BITS-1:0] data);
  import "DPI-C" function byte memory_write(
    input longint address,
    input bit [BUS_BITS-1:0] data,
    input bit [BEAT-1:0] strobe
  );
  import "DPI-C" function void memory_commit(input int beats);
  import "DPI-C" function void memory_reset();

  typedef logic [INDEX_BITS:0] pointer_t;

  int     latency;
  int     bytes_per_cycle;
  int     stall;
  int     budget;
  longint now;
  longint random;
  logic   turn;

  longint                  read_time[DEPTH];
  logic [ADDRESS_BITS-1:0] read_addr[DEPTH];
  logic [             7:0] read_len [DEPTH];
  logic [     ID_BITS-1:0] read_id  [DEPTH];
  pointer_t read_head, read_tail;
  logic [7:0] read_beat;

  logic [ADDRESS_BITS-1:0] write_addr[DEPTH];
  logic [     ID_BITS-1:0] write_id  [DEPTH];
  logic [             7:0] write_len [DEPTH];
  pointer_t write_head, write_tail;
  logic [7:0] write_beat;
  logic [1:0] write_resp;

  longint             answer_time[DEPTH];
  logic [        1:0] answer_resp[DEPTH];
  logic [        7:0] answer_len [DEPTH];
  logic [ID_BITS-1:0] answer_id  [DEPTH];
  pointer_t answer_head, answer_tail;

  function automatic logic stalls(input int channel);
    return int'(random[channel*12+:16]) < stall;
  endfunction

  // Blocking assignments carry the state from one step to the next within a cycle; outputs are registers.
  always_ff @(posedge clk) begin
    if (rst) begin
      memory_reset();
      memory_settings(latency, bytes_per_cycle, stall, random);
      budget = 0;
      now = 0;
      turn = 0;
      read_head = 0;
      read_tail = 0;
      read_beat = 0;
      write_head = 0;
      write_tail = 0;
      write_beat = 0;
      write_resp = 0;
      answer_head = 0;
      answer_tail = 0;
      ar_ready <= 0;
      r_valid <= 0;
      aw_ready <= 0;
      w_ready <= 0;
      b_valid <= 0;
    end else begin
      automatic logic read_free = !r_valid || r_ready;
      automatic logic credit = w_ready;
      automatic logic want_read;
      automatic logic want_write;

      now += 1;
      budget += bytes_per_cycle;
      if (budget > bytes_per_cycle + BEAT) budget = bytes_per_cycle + BEAT;
      if (stall != 0) begin
        random ^= random << 13;
        random ^= longint'($unsigned(random) >> 7);
        random ^= random << 17;
      end

      if (ar_valid && ar_ready) begin
        read_time[read_tail[INDEX_BITS-1:0]] = now + longint'(latency) - 1;
        read_addr[read_tail[INDEX_BITS-1:0]] = ar_addr;
        read_len[read_tail[INDEX_BITS-1:0]] = ar_len;
        read_id[read_tail[INDEX_BITS-1:0]] = ar_id;
        read_tail += 1;
      end
      if (aw_valid && aw_ready) begin
        write_addr[write_tail[INDEX_BITS-1:0]] = aw_addr;
        write_len[write_tail[INDEX_BITS-1:0]] = aw_len;
        write_id[write_tail[INDEX_BITS-1:0]] = aw_id;
        write_tail += 1;
      end

      if (w_valid && w_ready) begin
        write_resp |= 2'(memory_write(longint'(write_addr[write_head[INDEX_BITS-1:0]]), w_data, w_strb));
        write_addr[write_head[INDEX_BITS-1:0]] += BEAT;
        credit = 0;
        if (write_beat == write_len[write_head[INDEX_BITS-1:0]]) begin
          answer_time[answer_tail[INDEX_BITS-1:0]] = now + longint'(latency) - 1;
          answer_resp[answer_tail[INDEX_BITS-1:0]] = write_resp;
          answer_len[answer_tail[INDEX_BITS-1:0]] = write_beat;
          answer_id[answer_tail[INDEX_BITS-1:0]] = write_id[write_head[INDEX_BITS-1:0]];
          answer_tail += 1;
          write_head += 1;
          write_beat = 0;
          write_resp = 0;
        end else write_beat += 1;
      end

      if (read_free) r_valid <= 0;
      want_read = read_free && read_head != read_tail && read_time[read_head[INDEX_BITS-1:0]] <= now && !stalls(0);
      want_write = !credit && write_head != write_tail && pointer_t'(answer_tail - answer_head) != DEPTH && !stalls(1);
      if (want_read && want_write && budget < 2 * BEAT) begin
        want_read = turn;
        want_write = !turn;
        if (budget >= BEAT) turn = !turn;
      end
      if (want_read && budget >= BEAT) begin
        automatic bit [BUS_BITS-1:0] data;
        budget -= BEAT;
        r_resp <= 2'(memory_read(longint'(read_addr[read_head[INDEX_BITS-1:0]]), data));
        r_data <= data;
        r_last <= read_beat == read_len[read_head[INDEX_BITS-1:0]];
        r_id <= read_id[read_head[INDEX_BITS-1:0]];
        r_valid <= 1;
        if (read_beat == read_len[read_head[INDEX_BITS-1:0]]) begin
          read_head += 1;
          read_beat = 0;
        end else begin
          read_addr[read_head[INDEX_BITS-1:0]] += BEAT;
          read_beat += 1;
        end
      end
      if (want_write && budget >= BEAT) begin
        budget -= BEAT;
        credit = 1;
      end
      w_ready <= credit;

      if (!b_valid || b_ready) begin
        b_valid <= 0;
        if (answer_head != answer_tail && answer_time[answer_head[INDEX_BITS-1:0]] <= now && !stalls(2)) begin
          memory_commit(int'(answer_len[answer_head[INDEX_BITS-1:0]]) + 1);
          b_resp <= answer_resp[answer_head[INDEX_BITS-1:0]];
          b_id <= answer_id[answer_head[INDEX_BITS-1:0]];
          b_valid <= 1;
          answer_head += 1;
        end
      end

      ar_ready <= pointer_t'(read_tail - read_head) < DEPTH && !stalls(3);
      aw_ready <= pointer_t'(write_tail - write_head) < DEPTH && !stalls(4);
    end
  end
endmodule
