// Means and variances of large numbers.

// The unit that numbers are multiplied by where the sum of their squares overflows: 2^-100, or 2^-600 in f64. None of those that matter
// then has a square that vanishes.
#define SMALL_UNIT (sizeof(Real) == 8 ? Real(2.409919865102884e-181) : Real(7.888609052210118e-31))

// 1 / √(variance + ε) of numbers, given the variance of their products with a unit.
__device__ inline Real inverse_deviation(Real variance, Real unit, Real epsilon) {
  // ε may vanish beside large numbers, but not beside those that are all alike.
  return variance == 0 ? 1 / sqrt(epsilon) : unit / sqrt(variance + epsilon * unit * unit);
}
