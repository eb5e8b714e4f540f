// Quantiles of non-negative numbers to 1/64, in fixed memory.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace tg::load {

class Histogram {
 public:
  void add(std::uint64_t value) {
    ++counts_[index_of(value)];
    ++size_;
    largest_ = std::max(largest_, value);
  }
  [[nodiscard]] double quantile(double share) const {
    const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(size_)));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; size_ > 0 && i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= std::max<std::uint64_t>(wanted, 1)) return std::min(middle_of(i), largest());
    }
    return 0;
  }
  [[nodiscard]] double largest() const { return static_cast<double>(largest_); }

 private:
  // The first 64 numbers have a place each, then each power of two has 64.
  static constexpr unsigned kBits = 6;

  static std::size_t index_of(std::uint64_t value) {
    if (value < (1U << kBits)) return static_cast<std::size_t>(value);
    const auto exponent = static_cast<unsigned>(std::bit_width(value)) - 1;
    const std::size_t row = exponent - kBits + 1;
    return row << kBits | (value >> (exponent - kBits) & ((1U << kBits) - 1));
  }
  static double middle_of(std::size_t index) {
    const std::size_t row = index >> kBits;
    const auto place = static_cast<double>(index & ((1U << kBits) - 1));
    if (row == 0) return place;
    return (place + (1U << kBits) + 0.5) * std::exp2(static_cast<double>(row) - 1);
  }

  std::array<std::uint64_t, (64 - kBits + 1) << kBits> counts_{};
  std::uint64_t size_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace tg::load
