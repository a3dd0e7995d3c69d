// cuBLAS: products of matrices, summed in f64, column by column as cuBLAS has them.
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <vector>

namespace {

struct Handle {
    cudaStream_t stream;
    cublasPointerMode_t pointer_mode;
    cublasMath_t math_mode;
};

double number(float x) { return x; }
double number(double x) { return x; }
double number(__half x) { return __half2float(x); }
double number(__nv_bfloat16 x) { return __bfloat162float(x); }
void store(float &to, double x) { to = float(x); }
void store(double &to, double x) { to = x; }
void store(__half &to, double x) { to = __float2half_rn(float(x)); }
void store(__nv_bfloat16 &to, double x) { to = __float2bfloat16_rn(float(x)); }

// The `rows` by `columns` elements of op(matrix), in f64: each column after the other.
template <typename T> void unpack(std::vector<double> &to, const T *matrix, bool transposed, size_t rows, size_t columns, size_t stride) {
    to.resize(rows * columns);
    for (size_t column = 0; column < columns; column++)
        for (size_t row = 0; row < rows; row++)
            to[column * rows + row] = number(transposed ? matrix[row * stride + column] : matrix[column * stride + row]);
}

// C = alpha A B + beta C for unpacked A and B. Four columns at a time, so that A is read less often.
template <typename T>
void multiply(const double *a, const double *b, T *c, size_t m, size_t n, size_t k, size_t ldc, double alpha, double beta, std::vector<double> &sums) {
    sums.resize(4 * m);
    for (size_t column = 0; column < n; column += 4) {
        const size_t count = n - column < 4 ? n - column : 4;
        double *s0 = sums.data(), *s1 = s0 + m, *s2 = s1 + m, *s3 = s2 + m;
        for (size_t i = 0; i < 4 * m; i++) s0[i] = 0.0;
        for (size_t inner = 0; inner < k; inner++) {
            const double *__restrict from = a + inner * m;
            double factors[4] = {};
            for (size_t i = 0; i < count; i++) factors[i] = b[(column + i) * k + inner];
            if (count == 4) {
                for (size_t row = 0; row < m; row++) {
                    s0[row] += factors[0] * from[row];
                    s1[row] += factors[1] * from[row];
                    s2[row] += factors[2] * from[row];
                    s3[row] += factors[3] * from[row];
                }
            } else {
                for (size_t i = 0; i < count; i++)
                    for (size_t row = 0; row < m; row++) s0[i * m + row] += factors[i] * from[row];
            }
        }
        for (size_t i = 0; i < count; i++)
            for (size_t row = 0; row < m; row++) {
                T &to = c[(column + i) * ldc + row];
                // Where beta is 0, what is there isn't read.
                store(to, alpha * s0[i * m + row] + (beta == 0.0 ? 0.0 : beta * number(to)));
            }
    }
}

struct Shape {
    cublasOperation_t transa, transb;
    int m, n, k;
};

template <typename A, typename C>
cublasStatus_t batched(Shape shape, double alpha, const A *a, size_t lda, long long stride_a, const A *b, size_t ldb, long long stride_b,
                       double beta, C *c, size_t ldc, long long stride_c, int count) {
    if (shape.m < 0 || shape.n < 0 || shape.k < 0 || count < 0) return CUBLAS_STATUS_INVALID_VALUE;
    const bool ta = shape.transa != CUBLAS_OP_N, tb = shape.transb != CUBLAS_OP_N;
    const size_t m = shape.m, n = shape.n, k = shape.k;
    auto at_least = [](size_t rows) { return rows > 1 ? rows : 1; };
    if (lda < at_least(ta ? k : m) || ldb < at_least(tb ? n : k) || ldc < at_least(m)) return CUBLAS_STATUS_INVALID_VALUE;
    std::vector<double> left, right, sums;
    for (int i = 0; i < count; i++) {
        if (i == 0 || stride_a != 0) unpack(left, a + i * stride_a, ta, m, k, lda);
        if (i == 0 || stride_b != 0) unpack(right, b + i * stride_b, tb, k, n, ldb);
        multiply(left.data(), right.data(), c + i * stride_c, m, n, k, ldc, alpha, beta, sums);
    }
    return CUBLAS_STATUS_SUCCESS;
}

double scalar(const void *value, cublasComputeType_t compute) {
    if (compute == CUBLAS_COMPUTE_16F || compute == CUBLAS_COMPUTE_16F_PEDANTIC) return number(*static_cast<const __half *>(value));
    if (compute == CUBLAS_COMPUTE_64F || compute == CUBLAS_COMPUTE_64F_PEDANTIC) return *static_cast<const double *>(value);
    return *static_cast<const float *>(value);
}

} // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle) {
    *handle = reinterpret_cast<cublasHandle_t>(new Handle());
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) { return delete reinterpret_cast<Handle *>(handle), CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasGetVersion_v2(cublasHandle_t, int *version) { return *version = CUBLAS_VERSION, CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
    return reinterpret_cast<Handle *>(handle)->stream = stream, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t *stream) {
    return *stream = reinterpret_cast<Handle *>(handle)->stream, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t, void *, size_t) { return CUBLAS_STATUS_SUCCESS; }

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
    return reinterpret_cast<Handle *>(handle)->math_mode = mode, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t *mode) {
    return *mode = reinterpret_cast<Handle *>(handle)->math_mode, CUBLAS_STATUS_SUCCESS;
}

// Memory of the device is the host's, so that both modes are one.
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
    return reinterpret_cast<Handle *>(handle)->pointer_mode = mode, CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t *mode) {
    return *mode = reinterpret_cast<Handle *>(handle)->pointer_mode, CUBLAS_STATUS_SUCCESS;
}

#define GEMM(TYPE, PLAIN, BATCHED) \
    cublasStatus_t PLAIN(cublasHandle_t, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const TYPE *alpha, \
                         const TYPE *a, int lda, const TYPE *b, int ldb, const TYPE *beta, TYPE *c, int ldc) { \
        return batched<TYPE, TYPE>({transa, transb, m, n, k}, number(*alpha), a, lda, 0, b, ldb, 0, number(*beta), c, ldc, 0, 1); \
    } \
    cublasStatus_t BATCHED(cublasHandle_t, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const TYPE *alpha, \
                           const TYPE *a, int lda, long long stride_a, const TYPE *b, int ldb, long long stride_b, const TYPE *beta, \
                           TYPE *c, int ldc, long long stride_c, int count) { \
        return batched<TYPE, TYPE>({transa, transb, m, n, k}, number(*alpha), a, lda, stride_a, b, ldb, stride_b, number(*beta), c, ldc, \
                                   stride_c, count); \
    }
GEMM(float, cublasSgemm_v2, cublasSgemmStridedBatched)
GEMM(double, cublasDgemm_v2, cublasDgemmStridedBatched)
GEMM(__half, cublasHgemm, cublasHgemmStridedBatched)
#undef GEMM

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k,
                                          const void *alpha, const void *a, cudaDataType type_a, int lda, long long stride_a, const void *b,
                                          cudaDataType type_b, int ldb, long long stride_b, const void *beta, void *c, cudaDataType type_c,
                                          int ldc, long long stride_c, int count, cublasComputeType_t compute, cublasGemmAlgo_t) {
    if (type_a != type_b) return CUBLAS_STATUS_NOT_SUPPORTED;
    const Shape shape = {transa, transb, m, n, k};
    const double factor = scalar(alpha, compute), kept = scalar(beta, compute);
#define CASE(OF, TO, A, C) \
    if (type_a == OF && type_c == TO) \
        return batched(shape, factor, static_cast<const A *>(a), lda, stride_a, static_cast<const A *>(b), ldb, stride_b, kept, \
                       static_cast<C *>(c), ldc, stride_c, count);
    CASE(CUDA_R_32F, CUDA_R_32F, float, float)
    CASE(CUDA_R_64F, CUDA_R_64F, double, double)
    CASE(CUDA_R_16F, CUDA_R_16F, __half, __half)
    CASE(CUDA_R_16F, CUDA_R_32F, __half, float)
    CASE(CUDA_R_16BF, CUDA_R_16BF, __nv_bfloat16, __nv_bfloat16)
    CASE(CUDA_R_16BF, CUDA_R_32F, __nv_bfloat16, float)
#undef CASE
    return CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n, int k, const void *alpha,
                            const void *a, cudaDataType type_a, int lda, const void *b, cudaDataType type_b, int ldb, const void *beta,
                            void *c, cudaDataType type_c, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algorithm) {
    return cublasGemmStridedBatchedEx(handle, transa, transb, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0, beta, c, type_c, ldc, 0, 1,
                                      compute, algorithm);
}

} // extern "C"
