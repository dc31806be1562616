// Tables of deflate's codes: what the next bits of the input stand for. See RFC 1951, 3.2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

constexpr unsigned kLiteralSymbols = 288, kDistanceSymbols = 32, kCodeLengthSymbols = 19;
constexpr unsigned kEndOfBlock = 256;
constexpr unsigned kCodeBitsMax = 15;

// What a code stands for, in 32 bits.
struct Entry {
  static constexpr uint32_t kLiteral = 1 << 12;
  // One of the three below.
  static constexpr uint32_t kSpecial = 1 << 13;
  static constexpr uint32_t kSubtable = 1 << 14;  // value: where it begins; code_bits: how many bits index it
  static constexpr uint32_t kEnd = 1 << 15;       // of the block
  static constexpr uint32_t kNone = kSpecial;     // no symbol has this code

  uint32_t word;

  // Bits of the code and of the number behind it.
  unsigned bits() const { return word & 63; }
  // Of the code alone.
  unsigned code_bits() const { return word >> 8 & 15; }
  // A literal; the least length or distance of a code; a symbol.
  unsigned value() const { return word >> 16; }
  bool is(uint32_t flag) const { return (word & flag) != 0; }
  // The least length or distance and the number behind the code, which `stream` begins with.
  unsigned With(uint64_t stream) const {
    return value() + static_cast<unsigned>((stream & ((uint64_t{1} << bits()) - 1)) >> code_bits());
  }
};

// Bits of the input that are not used yet: the next one is the lowest. Those beyond `count` are zero.
struct Bits {
  uint64_t value = 0;
  unsigned count = 0;

  // Whole bytes, until there are at least 56 bits; never 64, by which nothing can be shifted.
  void Refill(const uint8_t*& in, const uint8_t* in_end) {
    for (; count < 56 && in < in_end; count += 8) value |= static_cast<uint64_t>(*in++) << count;
  }

  // At most 32 that are there.
  uint32_t Take(unsigned bits) {
    const uint32_t taken = static_cast<uint32_t>(value & ((uint64_t{1} << bits) - 1));
    Drop(bits);
    return taken;
  }

  void Drop(unsigned bits) {
    value >>= bits;
    count -= bits;
  }

  // Whole bytes that are not used go back, but no others than those of this input.
  void GiveBack(const uint8_t*& in, const uint8_t* in_start) {
    for (; count >= 8 && in > in_start; in--) count -= 8;
    value &= (uint64_t{1} << count) - 1;
  }
};

template <unsigned kCount>
struct SymbolEntries {
  Entry of[kCount];
};

// Without their codes, which each block has for itself.
constexpr SymbolEntries<kLiteralSymbols> MakeLiteralEntries() {
  SymbolEntries<kLiteralSymbols> made{};
  for (unsigned symbol = 0; symbol < kEndOfBlock; symbol++) made.of[symbol] = {symbol << 16 | Entry::kLiteral};
  made.of[kEndOfBlock] = {Entry::kSpecial | Entry::kEnd};
  // Four lengths for each number of bits behind the code from one on; the greatest has a code of its own.
  unsigned least = 3;
  for (unsigned index = 0; index < 28; index++) {
    const unsigned more = index < 8 ? 0 : index / 4 - 1;
    made.of[257 + index] = {least << 16 | more};
    least += 1u << more;
  }
  made.of[285] = {258u << 16};
  made.of[286] = made.of[287] = {Entry::kNone};
  return made;
}

constexpr SymbolEntries<kDistanceSymbols> MakeDistanceEntries() {
  SymbolEntries<kDistanceSymbols> made{};
  unsigned least = 1;
  for (unsigned index = 0; index < 30; index++) {
    const unsigned more = index < 4 ? 0 : index / 2 - 1;
    made.of[index] = {least << 16 | more};
    least += 1u << more;
  }
  made.of[30] = made.of[31] = {Entry::kNone};
  return made;
}

inline constexpr auto kLiteralEntries = MakeLiteralEntries();
inline constexpr auto kDistanceEntries = MakeDistanceEntries();

class InflateTables {
 public:
  static constexpr unsigned kLiteralBits = 11, kDistanceBits = 8, kCodeLengthBits = 7;

  bool BuildCodeLengths(const uint8_t* lengths) {
    Entry symbols[kCodeLengthSymbols];
    for (unsigned symbol = 0; symbol < kCodeLengthSymbols; symbol++) symbols[symbol] = {symbol << 16};
    return Build({lengths, symbols, kCodeLengthSymbols}, {code_lengths_, kCodeLengthSize, kCodeLengthBits}, false);
  }

  bool BuildLiterals(const uint8_t* lengths, unsigned count) {
    return Build({lengths, kLiteralEntries.of, count}, {literals_, kLiteralSize, kLiteralBits}, true);
  }

  bool BuildDistances(const uint8_t* lengths, unsigned count) {
    return Build({lengths, kDistanceEntries.of, count}, {distances_, kDistanceSize, kDistanceBits}, true);
  }

  Entry CodeLengthAt(uint64_t stream) const { return code_lengths_[stream & ((1 << kCodeLengthBits) - 1)]; }
  const Entry* literals() const { return literals_; }
  const Entry* distances() const { return distances_; }

 private:
  // No complete code of so many symbols needs more, whatever its lengths: 2342 and 402 entries.
  static constexpr size_t kLiteralSize = 2400, kDistanceSize = 416, kCodeLengthSize = 1 << kCodeLengthBits;

  struct Codes {
    const uint8_t* lengths;
    const Entry* symbols;
    unsigned count;
  };

  struct Table {
    Entry* entries;
    size_t size;
    unsigned bits;
  };

  // The first bit of a code is the lowest in the stream.
  static unsigned Reversed(unsigned code, unsigned bits) {
    code = (code & 0x5555) << 1 | (code >> 1 & 0x5555);
    code = (code & 0x3333) << 2 | (code >> 2 & 0x3333);
    code = (code & 0x0f0f) << 4 | (code >> 4 & 0x0f0f);
    code = (code & 0x00ff) << 8 | (code >> 8 & 0x00ff);
    return code >> (16 - bits);
  }

  static Entry Coded(Entry symbol, unsigned code_bits) { return {symbol.word + code_bits + (code_bits << 8)}; }

  // Returns false where the lengths make no code: more codes than there can be, or fewer. zlib's exceptions are ours:
  // `lone`, a single code of one bit or none at all, and what is open then is no symbol; else none at all, and what is
  // open is the first symbol.
  static bool Build(const Codes& codes, const Table& table, bool lone) {
    unsigned count[kCodeBitsMax + 1] = {};
    for (unsigned symbol = 0; symbol < codes.count; symbol++) count[codes.lengths[symbol]]++;
    unsigned next[kCodeBitsMax + 1];
    unsigned code = 0, longest = 0;
    int left = 1;
    for (unsigned bits = 1; bits <= kCodeBitsMax; bits++) {
      next[bits] = code;
      code = (code + count[bits]) << 1;
      left = left * 2 - static_cast<int>(count[bits]);
      if (left < 0) return false;
      if (count[bits] > 0) longest = bits;
    }
    if (left > 0) {
      if (longest > (lone ? 1u : 0u)) return false;
      const Entry open = Coded({lone ? Entry::kNone : 0}, 1);
      for (size_t i = 0; i < size_t{1} << table.bits; i++) table.entries[i] = open;
    }
    if (longest > table.bits && !PlaceSubtables(codes, table, next)) return false;
    for (unsigned symbol = 0; symbol < codes.count; symbol++) {
      const unsigned bits = codes.lengths[symbol];
      if (bits > 0) Place(table, Reversed(next[bits]++, bits), bits, codes.symbols[symbol]);
    }
    return true;
  }

  // For each beginning that longer codes have in common: a table as large as the longest of them needs.
  static bool PlaceSubtables(const Codes& codes, const Table& table, const unsigned* first) {
    const size_t root_size = size_t{1} << table.bits;
    uint8_t longest[size_t{1} << kLiteralBits] = {};
    unsigned next[kCodeBitsMax + 1];
    std::memcpy(next, first, sizeof next);
    for (unsigned symbol = 0; symbol < codes.count; symbol++) {
      const unsigned bits = codes.lengths[symbol];
      if (bits == 0) continue;
      const unsigned code = next[bits]++;
      if (bits <= table.bits) continue;
      const unsigned root = Reversed(code, bits) & static_cast<unsigned>(root_size - 1);
      if (bits > longest[root]) longest[root] = static_cast<uint8_t>(bits);
    }
    size_t start = root_size;
    for (size_t root = 0; root < root_size; root++) {
      if (longest[root] == 0) continue;
      const unsigned bits = longest[root] - table.bits;
      if (start + (size_t{1} << bits) > table.size) return false;
      table.entries[root] = {static_cast<uint32_t>(start) << 16 | bits << 8 | Entry::kSpecial | Entry::kSubtable |
                             table.bits};
      start += size_t{1} << bits;
    }
    return true;
  }

  // At every index that begins with the code.
  static void Place(const Table& table, unsigned code, unsigned bits, Entry symbol) {
    if (bits <= table.bits) {
      for (size_t at = code; at < size_t{1} << table.bits; at += size_t{1} << bits)
        table.entries[at] = Coded(symbol, bits);
      return;
    }
    const Entry root = table.entries[code & ((1u << table.bits) - 1)];
    const unsigned rest = bits - table.bits;
    for (size_t at = code >> table.bits; at < size_t{1} << root.code_bits(); at += size_t{1} << rest)
      table.entries[root.value() + at] = Coded(symbol, rest);
  }

  Entry literals_[kLiteralSize];
  Entry distances_[kDistanceSize];
  Entry code_lengths_[kCodeLengthSize];
};
