// The symbols of a deflate block → bytes: one by one, or many in a loop while both ends are far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "inflate_tables.h"

enum class SymbolsEnd {
  kMore,         // the input does not hold another symbol, or the output is full
  kBlock,        // the block has ended
  kBadLiteral,   // no symbol has such a code
  kBadDistance,  // the same
  kTooFarBack,   // a copy of what would lie before the output's start
};

// A match may be so long.
constexpr size_t kMatchMax = 258;
// Copies are made in words: so far can bytes be written beyond the place at which no further symbol is begun.
constexpr size_t kOvershootMax = 4 + kMatchMax + 32;

namespace fast_inflate {

#define FAST_INFLATE_INLINE inline __attribute__((always_inline))

// Bytes before `out` again; up to 16 more are written than asked for.
FAST_INFLATE_INLINE void CopyMatch(uint8_t* out, size_t distance, size_t length) {
  const uint8_t* from = out - distance;
  uint8_t* const end = out + length;
  if (distance >= 16) {
    do {
      std::memcpy(out, from, 16);
      out += 16;
      from += 16;
    } while (out < end);
  } else if (distance == 1) {
    std::memset(out, *from, length);
  } else {
    // A word is written whole and is right up to the distance: the next one begins there, or behind its end.
    const size_t step = distance < 8 ? distance : 8;
    do {
      uint64_t word;
      std::memcpy(&word, from, sizeof word);
      std::memcpy(out, &word, sizeof word);
      out += step;
      from += step;
    } while (out < end);
  }
}

FAST_INFLATE_INLINE uint64_t Load(const uint8_t* in) {
  uint64_t word;
  std::memcpy(&word, in, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

// Both at once: what an entry leads to, and that the bits of the first table are used.
FAST_INFLATE_INLINE Entry InSubtable(const Entry* table, Entry entry, uint64_t stream) {
  return table[entry.value() + (stream & ((1u << entry.code_bits()) - 1))];
}

// The least input at the start of a round: two words, the second of them up to seven bytes further on.
constexpr size_t kInputMin = 16;

FAST_INFLATE_INLINE SymbolsEnd Loop(const InflateTables& tables, Bits& rest, const uint8_t*& input,
                                    const uint8_t* in_end, uint8_t*& output, uint8_t* out_limit,
                                    const uint8_t* window) {
  constexpr uint64_t kLiteralMask = (1 << InflateTables::kLiteralBits) - 1;
  constexpr uint64_t kDistanceMask = (1 << InflateTables::kDistanceBits) - 1;
  const Entry* const literals = tables.literals();
  const Entry* const distances = tables.distances();
  const uint8_t* in = input;
  uint8_t* out = output;
  uint64_t bits = rest.value;
  unsigned count = rest.count;
  SymbolsEnd end = SymbolsEnd::kMore;

  // At least 56 bits afterwards. Bits beyond `count` may be there already: they are those of the next bytes.
  const auto refill = [&]() __attribute__((always_inline)) {
    bits |= Load(in) << count;
    in += (63 - count) >> 3;
    count |= 56;
  };
  const auto drop = [&](Entry entry) __attribute__((always_inline)) {
    bits >>= entry.bits();
    count -= entry.bits();
  };

  while (out < out_limit && static_cast<size_t>(in_end - in) >= kInputMin) {
    refill();
    Entry entry = literals[bits & kLiteralMask];
    // Up to three literals of at most 11 bits, a length of at most 20: 53.
    if (entry.is(Entry::kLiteral)) {
      drop(entry);
      *out++ = static_cast<uint8_t>(entry.value());
      entry = literals[bits & kLiteralMask];
      if (entry.is(Entry::kLiteral)) {
        drop(entry);
        *out++ = static_cast<uint8_t>(entry.value());
        entry = literals[bits & kLiteralMask];
        if (entry.is(Entry::kLiteral)) {
          drop(entry);
          *out++ = static_cast<uint8_t>(entry.value());
          entry = literals[bits & kLiteralMask];
        }
      }
    }
    if (entry.is(Entry::kSpecial | Entry::kLiteral)) {
      if (entry.is(Entry::kSubtable)) {
        drop(entry);
        entry = InSubtable(literals, entry, bits);
      }
      if (entry.is(Entry::kLiteral)) {
        drop(entry);
        *out++ = static_cast<uint8_t>(entry.value());
        continue;
      }
      if (entry.is(Entry::kSpecial)) {
        if (entry.is(Entry::kEnd)) drop(entry);
        end = entry.is(Entry::kEnd) ? SymbolsEnd::kBlock : SymbolsEnd::kBadLiteral;
        break;
      }
    }
    const size_t length = entry.With(bits);
    drop(entry);
    refill();
    entry = distances[bits & kDistanceMask];
    if (entry.is(Entry::kSpecial)) {
      if (entry.is(Entry::kSubtable)) {
        drop(entry);
        entry = InSubtable(distances, entry, bits);
      }
      if (entry.is(Entry::kSpecial)) {
        end = SymbolsEnd::kBadDistance;
        break;
      }
    }
    const size_t distance = entry.With(bits);
    drop(entry);
    if (distance > static_cast<size_t>(out - window)) {
      end = SymbolsEnd::kTooFarBack;
      break;
    }
    CopyMatch(out, distance, length);
    out += length;
  }
  input = in;
  output = out;
  rest = {bits & ((uint64_t{1} << count) - 1), count};
  return end;
}

#if defined(__x86_64__)
// The same with instructions for shifts and masks that not every processor has.
__attribute__((target("bmi,bmi2"))) inline SymbolsEnd LoopBmi2(const InflateTables& tables, Bits& rest,
                                                               const uint8_t*& input, const uint8_t* in_end,
                                                               uint8_t*& output, uint8_t* out_limit,
                                                               const uint8_t* window) {
  return Loop(tables, rest, input, in_end, output, out_limit, window);
}
#endif

}  // namespace fast_inflate

// Takes symbols while whatever comes next fits: into `output`, up to `out_limit` and kOvershootMax beyond; what was
// put out before begins at `window`.
inline SymbolsEnd FastInflate(const InflateTables& tables, Bits& bits, const uint8_t*& input, const uint8_t* in_end,
                              uint8_t*& output, uint8_t* out_limit, const uint8_t* window) {
#if defined(__x86_64__)
  static const bool has_bmi2 = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  if (has_bmi2) return fast_inflate::LoopBmi2(tables, bits, input, in_end, output, out_limit, window);
#endif
  return fast_inflate::Loop(tables, bits, input, in_end, output, out_limit, window);
}

// One symbol, with its distance; nothing is taken where the bits do not hold all of it. Returns false then, and when
// `end` says something.
inline bool TakeSymbol(const InflateTables& tables, Bits& bits, uint8_t*& output, const uint8_t* window,
                       SymbolsEnd* end) {
  const auto look_up = [](const Entry* table, unsigned table_bits, uint64_t stream, unsigned* used) {
    Entry entry = table[stream & ((1u << table_bits) - 1)];
    if (!entry.is(Entry::kSubtable)) return entry;
    *used += table_bits;
    return fast_inflate::InSubtable(table, entry, stream >> table_bits);
  };
  unsigned used = 0;
  Entry entry = look_up(tables.literals(), InflateTables::kLiteralBits, bits.value, &used);
  if (used + entry.bits() > bits.count) return false;
  if (entry.is(Entry::kLiteral)) {
    bits.Drop(used + entry.bits());
    *output++ = static_cast<uint8_t>(entry.value());
    return true;
  }
  if (entry.is(Entry::kSpecial)) {
    if (entry.is(Entry::kEnd)) bits.Drop(used + entry.bits());
    *end = entry.is(Entry::kEnd) ? SymbolsEnd::kBlock : SymbolsEnd::kBadLiteral;
    return false;
  }
  const size_t length = entry.With(bits.value >> used);
  used += entry.bits();
  entry = look_up(tables.distances(), InflateTables::kDistanceBits, bits.value >> used, &used);
  if (used + entry.bits() > bits.count) return false;
  const size_t distance = entry.With(bits.value >> used);
  if (entry.is(Entry::kSpecial)) *end = SymbolsEnd::kBadDistance;
  else if (distance > static_cast<size_t>(output - window)) *end = SymbolsEnd::kTooFarBack;
  if (*end != SymbolsEnd::kMore) return false;
  bits.Drop(used + entry.bits());
  fast_inflate::CopyMatch(output, distance, length);
  output += length;
  return true;
}
