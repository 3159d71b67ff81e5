/* What the loops share. All is float; functions that stand in a loop can be made into vectors. */

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __AVX512VNNI__
#include <immintrin.h>
#endif

#define EACH(i, n) for (int64_t i = 0; i < (n); i++)
#define SUMMED _Pragma("omp simd reduction(+ : sum)")

typedef enum { FLOAT, BFLOAT16, INT8 } Kind;
typedef enum { RELU, GELU, GELU_TANH, SILU } Activation;

typedef struct {
    const float *weight, *bias; /* no bias: by the root of the mean square */
} Norm;

static inline float widened(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint16_t halved(float value) { /* to the nearest, ties to even */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/* e^x with a relative error below 3e-7, as 2^n times a polynomial. */
static inline float exponential(float x) {
    x = fminf(fmaxf(x, -87.0f), 88.0f);
    float n = floorf(x * 1.44269504f + 0.5f), r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float sum = 1.0f / 5040;
    sum = sum * r + 1.0f / 720;
    sum = sum * r + 1.0f / 120;
    sum = sum * r + 1.0f / 24;
    sum = sum * r + 1.0f / 6;
    sum = sum * r + 0.5f;
    sum = sum * r + 1.0f;
    sum = sum * r + 1.0f;
    int32_t bits = ((int32_t)n + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

/* The chance that a normal number is beyond |x|, of z = |x| / √2 and bell = e^(-z²); its error is below 2e-7
   (Abramowitz & Stegun 7.1.26). */
static inline float normal_tail(float z, float bell) {
    float t = 1 / (1 + 0.3275911f * z), sum = 1.061405429f;
    sum = sum * t - 1.453152027f;
    sum = sum * t + 1.421413741f;
    sum = sum * t - 0.284496736f;
    sum = sum * t + 0.254829592f;
    return 0.5f * sum * t * bell;
}

/* x times the chance that a normal number is below x. */
static inline float gelu(float x) {
    float z = fabsf(x) * 0.70710678f, tail = normal_tail(z, exponential(-z * z));
    return x * (x < 0 ? tail : 1 - tail);
}

/* What x is multiplied by; 0 or 1 beyond ±10, to the last bit. */
static inline float gelu_tanh_share(float x) {
    float z = fminf(fmaxf(x, -10.0f), 10.0f);
    return z > -10.0f ? 1 / (1 + exponential(-1.59576912f * (z + 0.044715f * z * z * z))) : 0;
}

static inline float gelu_tanh(float x) { return x * gelu_tanh_share(x); }

static inline float silu(float x) { return x / (1 + exponential(-x)); }

static inline float relu(float x) { return fmaxf(x, 0); }

/* y (width,), may be x itself. */
static void normalised(const Norm *norm, int64_t rms, double eps, const float *x, float *y, int64_t width) {
    float sum = 0;
    SUMMED EACH(i, rms ? 0 : width) sum += x[i];
    float mean = sum / (float)width;
    sum = 0;
    SUMMED EACH(i, width) sum += (x[i] - mean) * (x[i] - mean);
    float scale = 1 / sqrtf(sum / (float)width + (float)eps);
    EACH(i, width) y[i] = (x[i] - mean) * scale * norm->weight[i] + (norm->bias ? norm->bias[i] : 0);
}
