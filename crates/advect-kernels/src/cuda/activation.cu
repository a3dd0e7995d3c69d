// Activation functions with two derivatives, by their numbers in `activation.rs`.

// The logistic function, and 1 minus it, both to all digits.
__device__ inline void logistic(Real x, Real& value, Real& rest) {
  Real e = exp(-fabs(x)), larger = Real(1) / (Real(1) + e), smaller = e * larger;
  value = x >= 0 ? larger : smaller;
  rest = x >= 0 ? smaller : larger;
}

// The normal distribution's function and density.
__device__ inline void normal(Real x, Real& below, Real& density) {
  below = Real(0.5) * erfc(-x * Real(0.70710678118654752));
  density = exp(Real(-0.5) * x * x) * Real(0.39894228040143268);
}

// Within ±limit; NaN stays NaN.
__device__ inline Real within(Real x, Real limit) {
  x = x < -limit ? -limit : x;
  return x > limit ? limit : x;
}

// For x within ±20, beyond which the logistic function of 2u is 0 or 1: 2u = 2 √(2/π) (x + 0.044715 x³), and its derivatives.
struct Inner { Real x, u, du, ddu; };
__device__ inline Inner inner(Real x) {
  const Real factor = Real(1.5957691216057307), cubic = Real(0.044715);
  x = within(x, Real(20));
  Real square = x * x;
  return {x, factor * x * (1 + cubic * square), factor * (1 + 3 * cubic * square), factor * 6 * cubic * x};
}

enum Function { IDENTITY, RELU, SILU, GELU, GELU_TANH, ELU, SELU, TANH, SIGMOID, SOFTPLUS };

#define SELU_ALPHA Real(1.6732632423543772)
#define SELU_SCALE Real(1.0507009873554805)

__device__ inline Real activate(unsigned function, Real x) {
  Real a, b;
  switch (function) {
    case RELU: return x < 0 ? Real(0) : x;
    case SILU: logistic(x, a, b); return x * a;
    case GELU: normal(x, a, b); return x * a;
    case GELU_TANH: logistic(inner(x).u, a, b); return x * a;
    case ELU: return x > 0 ? x : expm1(x);
    case SELU: return SELU_SCALE * (x > 0 ? x : SELU_ALPHA * expm1(x));
    case TANH: return tanh(x);
    case SIGMOID: logistic(x, a, b); return a;
    case SOFTPLUS: return (x > 0 ? x : Real(0)) + log1p(exp(-fabs(x)));
    default: return x;
  }
}

__device__ inline Real slope(unsigned function, Real x) {
  Real a, b;
  Inner in;
  switch (function) {
    case RELU: return x > 0 ? Real(1) : Real(0);
    case SILU: logistic(x, a, b); return a * (1 + x * b);
    case GELU: normal(x, a, b); return a + x * b;
    case GELU_TANH: in = inner(x); logistic(in.u, a, b); return a + in.x * in.du * a * b;
    case ELU: return x > 0 ? Real(1) : exp(x);
    case SELU: return SELU_SCALE * (x > 0 ? Real(1) : SELU_ALPHA * exp(x));
    case TANH: logistic(2 * x, a, b); return 4 * a * b;
    case SIGMOID: logistic(x, a, b); return a * b;
    case SOFTPLUS: logistic(x, a, b); return a;
    default: return Real(1);
  }
}

__device__ inline Real curvature(unsigned function, Real x) {
  Real a, b;
  Inner in;
  switch (function) {
    case SILU: logistic(x, a, b); return a * b * (2 + x * (b - a));
    case GELU: x = within(x, Real(40)); normal(x, a, b); return b * (2 - x * x);
    case GELU_TANH:
      in = inner(x);
      logistic(in.u, a, b);
      return a * b * (2 * in.du + in.x * (in.ddu + in.du * in.du * (b - a)));
    case ELU: return x > 0 ? Real(0) : exp(x);
    case SELU: return x > 0 ? Real(0) : SELU_SCALE * SELU_ALPHA * exp(x);
    case TANH: logistic(2 * x, a, b); return 8 * a * b * (b - a);
    case SIGMOID: logistic(x, a, b); return a * b * (b - a);
    case SOFTPLUS: logistic(x, a, b); return a * b;
    default: return Real(0);
  }
}
