// Appends the changes that observer.sv sees to the timeline's file, in pieces.

#include <svdpi.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "shared.h"
#include "simulator.h"

namespace {

constexpr size_t PIECE = 1 << 16;
std::vector<TimelineRecord> records;

}  // namespace

void observe_flush() {
    const char *data = reinterpret_cast<const char *>(records.data());
    size_t left = records.size() * sizeof(TimelineRecord);
    while (left) {
        const ssize_t written = write(shared().timeline, data, left);
        if (written <= 0) break;
        data += written;
        left -= static_cast<size_t>(written);
    }
    records.clear();
}

extern "C" {

char observe_wanted() { return shared().control->timeline != 0; }

void observe_change(long long cycle, const svBitVecVal *state) {
    TimelineRecord record{};
    record.cycle = static_cast<uint64_t>(cycle);
    memcpy(record.levels, state, sizeof record.levels);
    memcpy(record.words, state + 2, sizeof record.words);
    records.push_back(record);
    if (records.size() == PIECE) observe_flush();
}
}
