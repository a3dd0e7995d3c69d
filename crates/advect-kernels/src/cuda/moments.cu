// Means and variances of large numbers.

// The unit that numbers are multiplied by where the sum of their squares overflows: 2^-100, or 2^-600 in f64. None of those that matter
// then has a square that vanishes.
#define SMALL_UNIT (sizeof(Real) == 8 ? Real(2.409919865102884e-181) : Real(7.888609052210118e-31))

// Of numbers times a unit: their mean and 1 / √(variance + ε). In their own size the mean and what is subtracted from it may overflow.
struct Moments {
  Real mean, inverse, unit;
  __device__ Real normal(Real x) const { return (x * unit - mean) * inverse; }
  // 1 / √(variance + ε) of the numbers themselves, by what gradients are multiplied.
  __device__ Real outer() const { return inverse * unit; }
};

// The moments, given the mean and the variance of numbers times a unit.
__device__ inline Moments moments(Real mean, Real variance, Real unit, Real epsilon) {
  // ε may vanish beside large numbers, but not beside those that are all alike, which are their own mean.
  if (variance == 0) return {mean / unit, 1 / sqrt(epsilon), 1};
  return {mean, 1 / sqrt(variance + epsilon * unit * unit), unit};
}
