// cuRAND: numbers of the right distributions, from a generator that isn't cuRAND's.
#include <curand.h>

#include <cmath>
#include <cstdint>

namespace {

struct Generator {
    uint64_t state = 0;

    uint64_t next() {
        uint64_t x = state += 0x9e3779b97f4a7c15;
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
        x = (x ^ x >> 27) * 0x94d049bb133111eb;
        return x ^ x >> 31;
    }

    // Above 0, at most 1, as cuRAND's.
    double uniform(int bits) { return std::ldexp(double((next() >> (64 - bits)) + 1), -bits); }

    template <typename T> void normal(T *to, size_t count, T mean, T deviation) {
        for (size_t i = 0; i + 1 < count; i += 2) {
            const double radius = std::sqrt(-2.0 * std::log(uniform(53))), angle = 2.0 * M_PI * uniform(53);
            to[i] = T(mean + deviation * radius * std::cos(angle));
            to[i + 1] = T(mean + deviation * radius * std::sin(angle));
        }
    }
};

Generator &of(curandGenerator_t generator) { return *reinterpret_cast<Generator *>(generator); }

template <typename T> curandStatus_t normal(curandGenerator_t generator, T *to, size_t count, T mean, T deviation) {
    // As cuRAND, which makes them in pairs.
    if (count % 2 != 0) return CURAND_STATUS_LENGTH_NOT_MULTIPLE;
    return of(generator).normal(to, count, mean, deviation), CURAND_STATUS_SUCCESS;
}

} // namespace

extern "C" {

curandStatus_t curandCreateGenerator(curandGenerator_t *generator, curandRngType_t) {
    return *generator = reinterpret_cast<curandGenerator_t>(new Generator()), CURAND_STATUS_SUCCESS;
}

curandStatus_t curandDestroyGenerator(curandGenerator_t generator) { return delete &of(generator), CURAND_STATUS_SUCCESS; }

curandStatus_t curandGetVersion(int *version) { return *version = CURAND_VERSION, CURAND_STATUS_SUCCESS; }

curandStatus_t curandSetStream(curandGenerator_t, cudaStream_t) { return CURAND_STATUS_SUCCESS; }

curandStatus_t curandSetPseudoRandomGeneratorSeed(curandGenerator_t generator, unsigned long long seed) {
    return of(generator).state = seed, CURAND_STATUS_SUCCESS;
}

curandStatus_t curandSetGeneratorOffset(curandGenerator_t, unsigned long long) { return CURAND_STATUS_SUCCESS; }

curandStatus_t curandGenerate(curandGenerator_t generator, unsigned int *to, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = unsigned(of(generator).next() >> 32);
    return CURAND_STATUS_SUCCESS;
}

curandStatus_t curandGenerateUniform(curandGenerator_t generator, float *to, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = float(of(generator).uniform(24));
    return CURAND_STATUS_SUCCESS;
}

curandStatus_t curandGenerateUniformDouble(curandGenerator_t generator, double *to, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = of(generator).uniform(53);
    return CURAND_STATUS_SUCCESS;
}

curandStatus_t curandGenerateNormal(curandGenerator_t generator, float *to, size_t count, float mean, float deviation) {
    return normal(generator, to, count, mean, deviation);
}

curandStatus_t curandGenerateNormalDouble(curandGenerator_t generator, double *to, size_t count, double mean, double deviation) {
    return normal(generator, to, count, mean, deviation);
}

} // extern "C"
