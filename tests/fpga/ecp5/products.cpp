// Runs through all factors of pairs of products and compares them with the processor's own multiplication. The first weight
// counts as 128 more.

#include <cstdint>
#include <cstdio>

#include "Vpairs.h"

namespace {
struct Factors {
  int8_t x, lower, upper;
};

Factors factors(uint32_t number) {
  return {static_cast<int8_t>(number), static_cast<int8_t>(number >> 8), static_cast<int8_t>(number >> 16)};
}

bool right(const char* pair, uint32_t number, uint32_t latency, int16_t first, int16_t second) {
  if (number + 1 < latency) return true;
  const Factors f = factors(number + 1 - latency);
  if (first == f.x * (f.lower + 128) && second == f.x * f.upper) return true;
  std::printf("%s: x=%d lower=%d upper=%d gave %d and %d\n", pair, f.x, f.lower, f.upper, first, second);
  return false;
}
}  // namespace

int main() {
  const uint32_t count = 1u << 24;
  Vpairs pairs;
  for (uint32_t number = 0; number < count + 4; ++number) {
    const Factors next = factors(number);
    pairs.x = next.x;
    pairs.lower = next.lower;
    pairs.upper = next.upper;
    pairs.clk = 0;
    pairs.eval();
    pairs.clk = 1;
    pairs.eval();
    if (!right("one stage", number, 1, pairs.first_1, pairs.second_1)) return 1;
    if (!right("two stages", number, 2, pairs.first_2, pairs.second_2)) return 1;
    if (!right("three stages", number, 3, pairs.first_3, pairs.second_3)) return 1;
    if (!right("logic", number, 1, pairs.first_logic, pairs.second_logic)) return 1;
  }
  return 0;
}
