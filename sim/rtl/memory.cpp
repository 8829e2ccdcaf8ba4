// The contents of the memory behind dram.sv.

#include <svdpi.h>

#include <algorithm>
#include <cstring>
#include <deque>

#include "shared.h"

namespace {

constexpr int BEAT = DOVETAIL_BUS_BYTES;
constexpr int8_t SLVERR = 2, DECERR = 3;
constexpr uint8_t POISON = 0xA5;

struct Beat {
    uint64_t address;
    uint32_t strobe;
    int8_t response;
    uint8_t data[BEAT];
};

std::deque<Beat> waiting;

int8_t response(uint64_t address) {
    const Control &control = *shared().control;
    if (address + BEAT > control.memory_bytes) return DECERR;
    if (address < control.error_end && address + BEAT > control.error_begin) return SLVERR;
    return 0;
}

}  // namespace

extern "C" {

void memory_settings(int *latency, int *bytes_per_cycle, int *stall, long long *seed) {
    const Control &control = *shared().control;
    *latency = static_cast<int>(control.latency);
    *bytes_per_cycle = static_cast<int>(control.bytes_per_cycle);
    *stall = static_cast<int>(control.stall);
    // The generator in dram.sv is a xorshift: its state must not be 0, and neighbouring seeds must differ in many bits.
    *seed = static_cast<long long>((control.seed + 1) * 0x9E3779B97F4A7C15ull) | 1;
}

char memory_read(long long address, svBitVecVal *data) {
    const int8_t answer = response(static_cast<uint64_t>(address));
    if (answer)
        memset(data, POISON, BEAT);
    else
        memcpy(data, shared().memory + address, BEAT);
    return answer;
}

char memory_write(long long address, const svBitVecVal *data, const svBitVecVal *strobe) {
    Beat &beat = waiting.emplace_back();
    beat.address = static_cast<uint64_t>(address);
    beat.strobe = *strobe;
    beat.response = response(beat.address);
    memcpy(beat.data, data, BEAT);
    return beat.response;
}

void memory_commit(int beats) {
    for (int i = 0; i < beats; ++i) {
        const Beat &beat = waiting.front();
        uint8_t *target = shared().memory + beat.address;
        if (beat.response == 0) {
            if (beat.strobe == (1u << BEAT) - 1)
                memcpy(target, beat.data, BEAT);
            else
                for (int byte = 0; byte < BEAT; ++byte)
                    if (beat.strobe >> byte & 1) target[byte] = beat.data[byte];
        }
        waiting.pop_front();
    }
}

void memory_reset() { waiting.clear(); }
}
