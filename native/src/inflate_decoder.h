// Deflate, decoded from input in pieces of any size into output in pieces of any size. Input is what somebody else has
// written: whatever it says, nothing outside the buffers is touched. No system call, no allocation.
//
// See RFC 1951. A symbol is looked up by the next bits of the input in a table; codes longer than its index lead to a
// second one. Most symbols are taken in a loop that asks for room once for several of them (fast_inflate.h); near the
// ends of input and output they are taken one by one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fast_inflate.h"

class InflateDecoder {
 public:
  enum class Status {
    kInput,   // all of the input is taken, and all that came of it is given
    kOutput,  // the output is full
    kEnd,     // the stream has ended, and all of it is given
    kFailed,  // failure() says why; what came before it is given
  };

  // Takes from `in` and gives to `out`; both are moved on. After the end of a stream the next one is begun.
  Status Run(const uint8_t*& in, const uint8_t* in_end, uint8_t*& out, uint8_t* out_end) {
    if (state_ == State::kEnd && given_ == filled_) Reset();
    const uint8_t* const in_start = in;
    for (;;) {
      const size_t bytes = std::min<size_t>(filled_ - given_, out_end - out);
      std::memcpy(out, buffer_ + given_, bytes);
      out += bytes;
      given_ += bytes;
      if (given_ < filled_) return Status::kOutput;
      if (state_ == State::kEnd) return Status::kEnd;
      if (state_ == State::kFailed) return Status::kFailed;
      if (out == out_end) return Status::kOutput;
      if (filled_ >= kLimit) KeepWindow();
      while (Advance(in, in_end)) {
      }
      if (state_ == State::kEnd) bits_.GiveBack(in, in_start);
      if (filled_ == given_ && state_ != State::kEnd && state_ != State::kFailed) return Status::kInput;
    }
  }

  const char* failure() const { return failure_; }

  // At the end: whole bytes that were taken ahead and belong to what follows the stream, in their order.
  size_t TakenAhead(uint8_t bytes[sizeof(uint64_t)]) const {
    const size_t count = bits_.count / 8;
    for (size_t i = 0; i < count; i++) bytes[i] = static_cast<uint8_t>(bits_.value >> (bits_.count % 8 + 8 * i));
    return count;
  }

 private:
  enum class State {
    kBlock,
    kStoredLength,
    kStored,
    kCounts,         // of a block with codes of its own: how many lengths follow
    kCodeLengths,    // of the code in which they are written
    kLengths,        // of the codes
    kSymbols,
    kEnd,
    kFailed,
  };

  static constexpr size_t kWindow = 32768;
  // The window and what is decoded between two moves of it; small enough for a processor's own cache.
  static constexpr size_t kLimit = kWindow + 128 * 1024;
  static constexpr unsigned kLengthsMax = kLiteralSymbols + kDistanceSymbols;

  void Reset() {
    bits_ = Bits{};
    state_ = State::kBlock;
    is_last_ = false;
    given_ = filled_ = 0;
  }

  void Fail(const char* what) {
    failure_ = what;
    state_ = State::kFailed;
  }

  void KeepWindow() {
    std::memmove(buffer_, buffer_ + filled_ - kWindow, kWindow);
    given_ = filled_ = kWindow;
  }

  // Whether so many bits are there, at most 32.
  bool Need(unsigned count, const uint8_t*& in, const uint8_t* in_end) {
    bits_.Refill(in, in_end);
    return bits_.count >= count;
  }

  // A step. Returns false when there cannot be another: the input is used up, the buffer is full, the stream has ended.
  bool Advance(const uint8_t*& in, const uint8_t* in_end) {
    switch (state_) {
      case State::kBlock:
        return BeginBlock(in, in_end);
      case State::kStoredLength:
        return TakeStoredLength(in, in_end);
      case State::kStored:
        return TakeStored(in, in_end);
      case State::kCounts:
        return TakeCounts(in, in_end);
      case State::kCodeLengths:
        return TakeCodeLengths(in, in_end);
      case State::kLengths:
        return TakeLengths(in, in_end);
      case State::kSymbols:
        return TakeSymbols(in, in_end);
      case State::kEnd:
      case State::kFailed:
        break;
    }
    return false;
  }

  bool BeginBlock(const uint8_t*& in, const uint8_t* in_end) {
    if (is_last_) {
      state_ = State::kEnd;
      return false;
    }
    if (!Need(3, in, in_end)) return false;
    is_last_ = bits_.Take(1) == 1;
    switch (bits_.Take(2)) {
      case 0:
        bits_.Take(bits_.count % 8);
        state_ = State::kStoredLength;
        return true;
      case 1:
        UseFixedCodes();
        return true;
      case 2:
        state_ = State::kCounts;
        return true;
    }
    Fail("invalid block type");
    return false;
  }

  bool TakeStoredLength(const uint8_t*& in, const uint8_t* in_end) {
    if (!Need(32, in, in_end)) return false;
    stored_ = bits_.Take(16);
    if (bits_.Take(16) != (stored_ ^ 0xffff)) Fail("invalid stored block lengths");
    else state_ = State::kStored;
    return state_ == State::kStored;
  }

  bool TakeStored(const uint8_t*& in, const uint8_t* in_end) {
    // The bits are whole bytes: the block's length is.
    for (; stored_ > 0 && bits_.count >= 8 && filled_ < kLimit; stored_--)
      buffer_[filled_++] = static_cast<uint8_t>(bits_.Take(8));
    if (bits_.count == 0 && filled_ < kLimit) {
      const size_t bytes = std::min({static_cast<size_t>(stored_), static_cast<size_t>(in_end - in), kLimit - filled_});
      if (bytes > 0) std::memcpy(buffer_ + filled_, in, bytes);
      in += bytes;
      filled_ += bytes;
      stored_ -= static_cast<uint32_t>(bytes);
    }
    if (stored_ == 0) state_ = State::kBlock;
    return stored_ == 0;
  }

  bool TakeCounts(const uint8_t*& in, const uint8_t* in_end) {
    if (!Need(14, in, in_end)) return false;
    literals_ = bits_.Take(5) + 257;
    distances_ = bits_.Take(5) + 1;
    code_lengths_ = bits_.Take(4) + 4;
    if (literals_ > 286 || distances_ > 30) {
      Fail("too many length or distance symbols");
      return false;
    }
    std::memset(lengths_, 0, kCodeLengthSymbols);
    index_ = 0;
    state_ = State::kCodeLengths;
    return true;
  }

  bool TakeCodeLengths(const uint8_t*& in, const uint8_t* in_end) {
    static constexpr uint8_t kOrder[kCodeLengthSymbols] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                          11, 4,  12, 3, 13, 2, 14, 1, 15};
    for (; index_ < code_lengths_; index_++) {
      if (!Need(3, in, in_end)) return false;
      lengths_[kOrder[index_]] = static_cast<uint8_t>(bits_.Take(3));
    }
    if (!tables_.BuildCodeLengths(lengths_)) {
      Fail("invalid code lengths set");
      return false;
    }
    index_ = 0;
    state_ = State::kLengths;
    return true;
  }

  bool TakeLengths(const uint8_t*& in, const uint8_t* in_end) {
    while (index_ < literals_ + distances_) {
      bits_.Refill(in, in_end);
      const Entry entry = tables_.CodeLengthAt(bits_.value);
      const unsigned symbol = entry.value(), code_bits = entry.bits();
      const unsigned more = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
      if (code_bits + more > bits_.count) return false;
      bits_.Take(code_bits);
      if (symbol < 16) {
        lengths_[index_++] = static_cast<uint8_t>(symbol);
        continue;
      }
      const unsigned times = bits_.Take(more) + (symbol == 18 ? 11 : 3);
      if ((symbol == 16 && index_ == 0) || index_ + times > literals_ + distances_) {
        Fail("invalid bit length repeat");
        return false;
      }
      std::memset(lengths_ + index_, symbol == 16 ? lengths_[index_ - 1] : 0, times);
      index_ += times;
    }
    return UseCodes();
  }

  bool UseCodes() {
    if (lengths_[kEndOfBlock] == 0) Fail("invalid code -- missing end-of-block");
    else if (!tables_.BuildLiterals(lengths_, literals_)) Fail("invalid literal/lengths set");
    else if (!tables_.BuildDistances(lengths_ + literals_, distances_)) Fail("invalid distances set");
    else state_ = State::kSymbols;
    return state_ == State::kSymbols;
  }

  void UseFixedCodes() {
    std::memset(lengths_, 8, 144);
    std::memset(lengths_ + 144, 9, 256 - 144);
    std::memset(lengths_ + 256, 7, 280 - 256);
    std::memset(lengths_ + 280, 8, kLiteralSymbols - 280);
    std::memset(lengths_ + kLiteralSymbols, 5, kDistanceSymbols);
    tables_.BuildLiterals(lengths_, kLiteralSymbols);
    tables_.BuildDistances(lengths_ + kLiteralSymbols, kDistanceSymbols);
    state_ = State::kSymbols;
  }

  bool TakeSymbols(const uint8_t*& in, const uint8_t* in_end) {
    uint8_t* out = buffer_ + filled_;
    SymbolsEnd end = FastInflate(tables_, bits_, in, in_end, out, buffer_ + kLimit, buffer_);
    while (end == SymbolsEnd::kMore && out < buffer_ + kLimit) {
      bits_.Refill(in, in_end);
      if (!TakeSymbol(tables_, bits_, out, buffer_, &end)) break;
    }
    filled_ = out - buffer_;
    switch (end) {
      case SymbolsEnd::kMore:
        break;
      case SymbolsEnd::kBlock:
        state_ = State::kBlock;
        return true;
      case SymbolsEnd::kBadLiteral:
        Fail("invalid literal/length code");
        break;
      case SymbolsEnd::kBadDistance:
        Fail("invalid distance code");
        break;
      case SymbolsEnd::kTooFarBack:
        Fail("invalid distance too far back");
        break;
    }
    return false;
  }

  Bits bits_;
  State state_ = State::kBlock;
  bool is_last_ = false;
  uint32_t stored_ = 0;
  unsigned literals_ = 0, distances_ = 0, code_lengths_ = 0, index_ = 0;
  const char* failure_ = nullptr;
  uint8_t lengths_[kLengthsMax];
  InflateTables tables_;
  // What came out last, up to `filled_`; of it everything up to `given_` was given.
  size_t given_ = 0, filled_ = 0;
  uint8_t buffer_[kLimit + kOvershootMax];
};
