/* What lies between the products of a Transformer encoder, on a processor.

   Each function reads what a product gave once, does all that is to be done in float, and leaves what the next product
   reads: numbers in float or bfloat16, or vectors rounded to 8 bits, each with a scale of its own, which are multiplied
   as whole numbers. Positions of all texts lie behind each other, without padding.

   Sizes: N positions, W width, H heads, D width of a head, I inner width, O outputs of a product. */

#include "common.h"

#define LANES 16 /* numbers at once */
#define QUERIES 4 /* queries at once, which read keys and values once */
#define AHEAD 6 /* rows: those of one head lie too far apart for the processor to see what comes next */

typedef float Lanes __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* What a product gives (N, O), without its bias; of 8 bits: sums of whole numbers, scales of vectors and outputs. */
typedef struct {
    const void *values;
    const float *vector_scale, *scale, *bias; /* (N,), (O,), (O,) */
    int64_t outputs, kind;
} Product;

/* What a product reads (N, width); of 8 bits with scales (N,). */
typedef struct {
    void *values;
    float *scale;
    int64_t kind;
} Vectors;

static inline void exact(const Product *p, int64_t row, int64_t first, int64_t count, float *restrict y) {
    int64_t begin = row * p->outputs + first;
    const float *bias = p->bias + first;
    if (p->kind == INT8) {
        const int32_t *sums = (const int32_t *)p->values + begin;
        const float *scale = p->scale + first;
        float own = p->vector_scale[row];
        EACH(i, count) y[i] = (float)sums[i] * (own * scale[i]) + bias[i];
    } else if (p->kind == BFLOAT16) {
        const uint16_t *halves = (const uint16_t *)p->values + begin;
        EACH(i, count) y[i] = widened(halves[i]) + bias[i];
    } else {
        const float *values = (const float *)p->values + begin;
        EACH(i, count) y[i] = values[i] + bias[i];
    }
}

/* Have these numbers come into the cache; what lies beyond the end does no harm. */
static void fetch(const Product *p, int64_t row, int64_t first, int64_t count) {
    int64_t size = p->kind == BFLOAT16 ? 2 : 4;
    const char *begin = (const char *)p->values + (row * p->outputs + first) * size;
    for (int64_t byte = 0; byte < count * size; byte += 64) __builtin_prefetch(begin + byte);
}

static void rounded(const float *x, int64_t width, const Vectors *to, int64_t row) {
    float most = 1e-12f;
    _Pragma("omp simd reduction(max : most)") EACH(i, width) most = fmaxf(fabsf(x[i]), most);
    float steps = 127 / most;
    int8_t *values = (int8_t *)to->values + row * width;
    EACH(i, width) values[i] = (int8_t)(int32_t)floorf(x[i] * steps + 0.5f);
    to->scale[row] = most / 127;
}

static void stored(const float *x, int64_t width, const Vectors *to, int64_t row) {
    if (to->kind == INT8) rounded(x, width, to, row);
    else if (to->kind == BFLOAT16) EACH(i, width) ((uint16_t *)to->values)[row * width + i] = halved(x[i]);
    else memcpy((float *)to->values + row * width, x, (size_t)width * sizeof *x);
}

/* x (N, width) as products read it. */
void store_rows(const float *x, int64_t rows, int64_t width, const Vectors *to, int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) stored(x + row * width, width, to, row);
}

/* x (N, W) += the product; where `after`, x is normalised itself; what is stored is x normalised. */
void add_rows(const Product *p, float *x, int64_t rows, const Norm *norm, int64_t rms, int64_t after, double eps,
              const Vectors *to, int64_t threads) {
    int64_t width = p->outputs;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *room = malloc((size_t)width * sizeof *room);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            float *own = x + row * width;
            exact(p, row, 0, width, room);
            EACH(i, width) own[i] += room[i];
            float *normed = after ? own : room;
            if (norm->weight) normalised(norm, rms, eps, own, normed, width);
            stored(norm->weight ? normed : own, width, to, row);
        }
        free(room);
    }
}

#define EVERY(function) _Pragma("omp simd") EACH(i, inner) room[i] = function(room[i])

/* The activation of the product (N, I), gated: of its first half, times the second; stored. */
void activate_rows(const Product *p, int64_t rows, int64_t activation, int64_t gated, const Vectors *to,
                   int64_t threads) {
    int64_t inner = p->outputs / (gated ? 2 : 1);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        float *room = malloc((size_t)p->outputs * sizeof *room);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < rows; row++) {
            exact(p, row, 0, p->outputs, room);
            switch (activation) {
            case RELU: EVERY(relu); break;
            case GELU: EVERY(gelu); break;
            case GELU_TANH: EVERY(gelu_tanh); break;
            default: EVERY(silu);
            }
            if (gated) EACH(i, inner) room[i] *= room[inner + i];
            stored(room, inner, to, row);
        }
        free(room);
    }
}

/* shares (QUERIES, room): the exponents of scores of queries (QUERIES, padded) and keys (D, room); to their sums. */
static void share(const float *q, const float *keys, int64_t steps, int64_t room, int64_t width, int64_t padded,
                  float *shares, float *sums) {
    for (int64_t begin = 0; begin < room; begin += LANES) {
        Lanes scores[QUERIES] = {0};
        EACH(d, width) {
            Lanes key = *(const Lanes *)(keys + d * room + begin);
            for (int n = 0; n < QUERIES; n++) scores[n] += q[n * padded + d] * key;
        }
        for (int n = 0; n < QUERIES; n++) *(Lanes *)(shares + n * room + begin) = scores[n];
    }
    for (int n = 0; n < QUERIES; n++) {
        float *own = shares + n * room, most = -FLT_MAX, sum = 0;
        EACH(i, room - steps) own[steps + i] = -FLT_MAX;
        Lanes highest = *(Lanes *)own, total = {0};
        for (int64_t begin = LANES; begin < room; begin += LANES)
            for (int i = 0; i < LANES; i++) highest[i] = fmaxf(highest[i], own[begin + i]);
        _Pragma("omp simd reduction(max : most)") for (int i = 0; i < LANES; i++) most = fmaxf(most, highest[i]);
        for (int64_t begin = 0; begin < room; begin += LANES) {
            _Pragma("omp simd") for (int i = 0; i < LANES; i++) own[begin + i] = exponential(own[begin + i] - most);
            total += *(Lanes *)(own + begin);
        }
        SUMMED for (int i = 0; i < LANES; i++) sum += total[i];
        sums[n] = sum;
    }
}

/* One head of one text: out (steps, stride), of queries (steps, padded), keys (D, room), values (steps, padded). */
static void attend(const float *q, const float *keys, const float *values, int64_t steps, int64_t room, int64_t width,
                   int64_t padded, float *shares, float *out, int64_t stride) {
    for (int64_t first = 0; first < steps; first += QUERIES) {
        float sums[QUERIES];
        int64_t queries = first + QUERIES <= steps ? QUERIES : steps - first;
        share(q + first * padded, keys, steps, room, width, padded, shares, sums);
        for (int64_t begin = 0; begin < padded; begin += LANES) {
            Lanes mixed[QUERIES] = {0};
            EACH(s, steps) {
                Lanes value = *(const Lanes *)(values + s * padded + begin);
                for (int n = 0; n < QUERIES; n++) mixed[n] += shares[n * room + s] * value;
            }
            int64_t count = begin + LANES <= width ? LANES : width - begin;
            EACH(n, queries) {
                float *to = out + (first + n) * stride + begin;
                mixed[n] *= 1 / sums[n];
                if (count == LANES) *(Lanes *)to = mixed[n];
                else memcpy(to, mixed + n, (size_t)count * sizeof *out);
            }
        }
    }
}

static int64_t whole(int64_t n) { return (n + LANES - 1) / LANES * LANES; }

/* Attention of each text to itself: queries, keys and values from one product (N, 3 H D); out (N, H D). `begins`
   (texts + 1,): where texts begin, and the end. */
void attend_rows(const Product *p, const int64_t *begins, int64_t texts, int64_t heads, int64_t width, float *out,
                 int64_t threads) {
    int64_t longest = 0, padded = whole(width), stride = heads * width;
    EACH(t, texts) longest = begins[t + 1] - begins[t] > longest ? begins[t + 1] - begins[t] : longest;
    float scale = 1 / sqrtf((float)width);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t room = whole(longest);
        float *q = calloc((size_t)(room * (3 * padded + QUERIES) + padded), sizeof *q);
        float *keys = q + room * padded, *values = keys + room * padded, *shares = values + room * padded;
        float *key = shares + QUERIES * room;
#pragma omp for schedule(dynamic, 4) collapse(2)
        for (int64_t t = 0; t < texts; t++)
            for (int64_t head = 0; head < heads; head++) {
                int64_t steps = begins[t + 1] - begins[t], own = whole(steps);
                EACH(s, steps) {
                    int64_t row = begins[t] + s;
                    EACH(part, 3) fetch(p, row + AHEAD, part * stride + head * width, width);
                    exact(p, row, head * width, width, q + s * padded);
                    exact(p, row, stride + head * width, width, key);
                    exact(p, row, 2 * stride + head * width, width, values + s * padded);
                    EACH(d, width) q[s * padded + d] *= scale;
                    EACH(d, width) keys[d * own + s] = key[d];
                }
                attend(q, keys, values, steps, own, width, padded, shares, out + begins[t] * stride + head * width,
                       stride);
            }
        free(q);
    }
}
