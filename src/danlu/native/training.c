/* What a training step in bfloat16 does number by number, between its products: read once, computed in float, written
   once. torch's own operations for it take three to six times as long. */

#include "common.h"

#define AT_ONCE 16384 /* numbers of a thread's turn */

static inline float gelu_tanh_slope(float x) {
    float share = gelu_tanh_share(x), z = fminf(fmaxf(x, -10.0f), 10.0f);
    return share + z * share * (1 - share) * 1.59576912f * (1 + 0.134145f * z * z);
}

#define EVERY(value)                                                                                                   \
    _Pragma("omp parallel for schedule(static) num_threads(threads) if (threads > 1)") for (int64_t first = 0;         \
                                                                                            first < count;             \
                                                                                            first += AT_ONCE) {        \
        int64_t end = first + AT_ONCE < count ? first + AT_ONCE : count;                                               \
        _Pragma("omp simd") for (int64_t i = first; i < end; i++) y[i] = halved(value);                                \
    }

/* y (count,) of x (count,): the activation. */
void gelu_tanh_forward(const uint16_t *x, uint16_t *y, int64_t count, int64_t threads) {
    EVERY(gelu_tanh(widened(x[i])))
}

/* y (count,): what changes x, of what changes the activation. */
void gelu_tanh_backward(const uint16_t *change, const uint16_t *x, uint16_t *y, int64_t count, int64_t threads) {
    EVERY(widened(change[i]) * gelu_tanh_slope(widened(x[i])))
}

/* scores (rows, tokens) → their gradient, in place; nats (rows,) of the true token, 0 of rows that are `ignored`.
   Cross-entropy against 1 - smoothing for the true token and smoothing / tokens for each. */
void token_nats(uint16_t *scores, const int64_t *wanted, float *nats, int64_t rows, int64_t tokens, double smoothing,
                int64_t ignored, int64_t threads) {
    float each = (float)(smoothing / (double)tokens), rest = (float)(1 - smoothing);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *powers = malloc((size_t)tokens * sizeof *powers);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            uint16_t *own = scores + row * tokens;
            int64_t place = wanted[row];
            float most = -FLT_MAX, sum = 0;
            if (place == ignored) {
                memset(own, 0, (size_t)tokens * sizeof *own);
                nats[row] = 0;
                continue;
            }
            _Pragma("omp simd reduction(max : most)") EACH(i, tokens) most = fmaxf(widened(own[i]), most);
            SUMMED EACH(i, tokens) sum += widened(own[i]);
            float mean = sum / (float)tokens, truth = widened(own[place]);
            sum = 0;
            SUMMED EACH(i, tokens) {
                powers[i] = exponential(widened(own[i]) - most);
                sum += powers[i];
            }
            nats[row] = most + logf(sum) - rest * truth - (float)smoothing * mean;
            float share = 1 / sum;
            _Pragma("omp simd") EACH(i, tokens) own[i] = halved(powers[i] * share - each);
            own[place] = halved(powers[place] * share - each - rest);
        }
        free(powers);
    }
}
