// The logic of a netlist, simulated by events: what reads a net is looked at when the net changes.
//
// Look-up tables, carries and the bits that LUT memories read are elements with a table of up to five inputs. They are
// in an order in which each follows those that it depends on, so one pass through the bitmap of what is pending settles
// them. A flip-flop is an element, too, with a table of its data, enable, reset and old value, looked up at the clock.
// After the flip-flops are the LUT memories, as what is written, and the outputs. All is in the generated fabric.h.

#pragma GCC optimize("O3")  // simulators for the regression are compiled with less

#include <svdpi.h>

#include <cstdint>
#include <cstring>

namespace {

constexpr unsigned WORD = 64;
constexpr unsigned PIN_BITS = 3;  // of a reader: an element, and which of its inputs
constexpr unsigned OLD_VALUE = 3;

struct Memory {
    uint32_t data[4];
    uint32_t address[4];
    uint32_t enable;
    uint32_t reads[4];  // elements, one for each bit of an entry
};

#include "fabric.h"

uint8_t value[NETS];
uint8_t place[ENDS];  // the inputs of an element, as a place in its table
uint64_t pending[ENDS / WORD];
uint32_t inputs[(INPUTS + 31) / 32];
uint32_t outputs[(OUTPUTS + 31) / 32];
uint32_t changed[FLOPS + 1];
bool begun = false;

void call(uint32_t element) { pending[element / WORD] |= uint64_t{1} << element % WORD; }

void change(uint32_t net) {
    value[net] ^= 1;
    for (uint32_t k = READERS[net]; k < READERS[net + 1]; ++k) {
        const uint32_t element = READER[k] >> PIN_BITS;
        place[element] ^= 1 << (READER[k] & ((1 << PIN_BITS) - 1));
        call(element);
    }
}

// Takes what is pending from `begin` to `end`, which are multiples of a word, in rising order.
template <typename Take> void take(uint32_t begin, uint32_t end, Take one) {
    for (uint32_t word = begin / WORD; word < end / WORD; ++word)
        while (pending[word]) {
            const unsigned bit = __builtin_ctzll(pending[word]);
            pending[word] &= pending[word] - 1;
            one(word * WORD + bit);
        }
}

void begin() {
    begun = true;
    for (uint32_t k = 0; k < TABLES; ++k) call(k);
    for (uint32_t k = 0; k < FLOPS; ++k) call(FLOPS_BEGIN + k);
    for (uint32_t net : HIGH) change(net);
}

void write(const Memory &memory) {
    if (!value[memory.enable]) return;
    unsigned entry = 0;
    for (unsigned k = 0; k < 4; ++k) entry |= value[memory.address[k]] << k;
    for (unsigned k = 0; k < 4; ++k) {
        uint32_t &bits = table[memory.reads[k]];
        if ((bits >> entry & 1) == value[memory.data[k]]) continue;
        bits ^= 1u << entry;
        call(memory.reads[k]);
    }
}

}  // namespace

extern "C" {

void fabric_settle(svBit, const svBitVecVal *in, svBitVecVal *out) {
    if (!begun) begin();
    for (uint32_t word = 0; word < sizeof inputs / sizeof *inputs; ++word)
        for (uint32_t left = inputs[word] ^ in[word]; left; left &= left - 1)
            change(INPUT[word * 32 + __builtin_ctz(left)]);
    memcpy(inputs, in, sizeof inputs);
    take(0, FLOPS_BEGIN, [](uint32_t k) {
        if ((table[k] >> place[k] & 1) != value[DRIVEN[k]]) change(DRIVEN[k]);
    });
    take(OUTPUTS_BEGIN, ENDS, [](uint32_t k) {
        const uint32_t bit = k - OUTPUTS_BEGIN;
        outputs[bit / 32] = (outputs[bit / 32] & ~(1u << bit % 32)) | uint32_t{value[OUTPUT[bit]]} << bit % 32;
    });
    memcpy(out, outputs, sizeof outputs);
}

// What flip-flops and memories take is what they see before any of them changes.
void fabric_clock() {
    uint32_t count = 0;
    take(FLOPS_BEGIN, MEMORIES_BEGIN, [&](uint32_t k) {
        const uint32_t net = DRIVEN[k];
        if ((table[k] >> (place[k] | value[net] << OLD_VALUE) & 1) != value[net]) changed[count++] = net;
    });
    take(MEMORIES_BEGIN, OUTPUTS_BEGIN, [](uint32_t k) { write(memories[k - MEMORIES_BEGIN]); });
    for (uint32_t k = 0; k < count; ++k) change(changed[k]);
}
}
