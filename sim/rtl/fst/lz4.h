// Stands in for lz4 where Verilator writes FST waves, so that lz4 need not be installed: a greedy compressor for the
// LZ4 block format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md).
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

namespace lz4_block {

constexpr int HASH_BITS = 14;
constexpr int MIN_MATCH = 4;
constexpr int MAX_DISTANCE = 65535;
constexpr int LAST_LITERALS = 5;   // a block ends with at least so many literals
constexpr int LAST_MATCH = 12;     // and no match begins in its last so many bytes

inline uint32_t word(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

inline char *put_length(char *out, int length) {
    for (; length >= 255; length -= 255) *out++ = static_cast<char>(255);
    *out++ = static_cast<char>(length);
    return out;
}

// One sequence: literals, then `match` bytes from `distance` back; no match in the last sequence.
inline char *put_sequence(char *out, const char *literals, int count, int distance, int match) {
    const int rest = match - MIN_MATCH;
    const int high = count < 15 ? count : 15, low = match == 0 ? 0 : rest < 15 ? rest : 15;
    *out++ = static_cast<char>(high << 4 | low);
    if (high == 15) out = put_length(out, count - 15);
    memcpy(out, literals, static_cast<size_t>(count));
    out += count;
    if (match == 0) return out;
    *out++ = static_cast<char>(distance);
    *out++ = static_cast<char>(distance >> 8);
    return low == 15 ? put_length(out, rest - 15) : out;
}

}  // namespace lz4_block

inline int LZ4_compress_default(const char *source, char *target, int size, int) {
    using namespace lz4_block;
    std::vector<int> seen(1 << HASH_BITS, -1);
    char *out = target;
    int literals = 0;
    for (int at = 0; at < size - LAST_MATCH;) {
        const uint32_t key = word(source + at);
        int &place = seen[key * 2654435761u >> (32 - HASH_BITS)];
        const int candidate = place;
        place = at;
        if (candidate < 0 || at - candidate > MAX_DISTANCE || word(source + candidate) != key) {
            ++at;
            continue;
        }
        int match = MIN_MATCH;
        while (at + match < size - LAST_LITERALS && source[candidate + match] == source[at + match]) ++match;
        out = put_sequence(out, source + literals, at - literals, at - candidate, match);
        at += match;
        literals = at;
    }
    out = put_sequence(out, source + literals, size - literals, 0, 0);
    return static_cast<int>(out - target);
}
