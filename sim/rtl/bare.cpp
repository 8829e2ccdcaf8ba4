// The same machine, host and memory without cocotb: a loop that toggles the clock. What cocotb's speed is compared with.
//
// It shares memory and a socket with its client as a simulator under cocotb does, and runs a script for every byte.

#include <unistd.h>

#include "Vtop.h"
#include "shared.h"
#include "simulator.h"

double sc_time_stamp() { return 0; }

bool record_waves(bool) { return false; }

int main(int argc, char **argv) {
    Verilated::commandArgs(argc, argv);
    Vtop top;
    const int client = shared().lifeline;
    char byte = 0;
    top.go = 0;
    if (write(client, &byte, 1) != 1) return 1;
    while (read(client, &byte, 1) == 1) {
        top.go = !top.go;
        do {
            top.clk = 0;
            top.eval();
            top.clk = 1;
            top.eval();
        } while (top.done != top.go);
        if (write(client, &byte, 1) != 1) return 1;
    }
    top.final();
    return 0;
}
