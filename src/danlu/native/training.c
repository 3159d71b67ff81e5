/* What a training step in bfloat16 does number by number, between its products: read once, computed in float, written
   once. torch's own operations for it take three to six times as long. And attention and the gradients of weights,
   products and all. */

#include "common.h"

#define AT_ONCE 16384 /* numbers of a thread's turn */

/* e^x, x ≤ 87, with a relative error below 1e-5: a thousandth of what bfloat16 can tell apart. */
static inline float power(float x) {
    const float whole = 12582912; /* what is added to it is rounded, and stands in its last bits */
    float z = fmaxf(x, -87.0f) * 1.44269504f, shifted = z + whole, r = z - (shifted - whole);
    float sum = 0.00133336f;
    sum = sum * r + 0.00961813f;
    sum = sum * r + 0.05550411f;
    sum = sum * r + 0.24022651f;
    sum = sum * r + 0.69314718f;
    sum = sum * r + 1;
    uint32_t bits, exponent;
    memcpy(&bits, &sum, sizeof bits), memcpy(&exponent, &shifted, sizeof exponent);
    bits += exponent << 23;
    memcpy(&sum, &bits, sizeof sum);
    return sum;
}

/* What x is multiplied by in GELU; 0 or 1 beyond ±10, to the last bit. */
static inline float share(float x) {
    float z = fminf(fmaxf(x, -10.0f), 10.0f);
    return z > -10.0f ? 1 / (1 + power(z * (-1.59576912f - 0.07135481f * z * z))) : 0;
}

static inline float gelu_tanh_slope(float x) {
    float part = share(x), z = fminf(fmaxf(x, -10.0f), 10.0f);
    return part + z * part * (1 - part) * 1.59576912f * (1 + 0.134145f * z * z);
}

/* The chance that a normal number is below x, GELU's share of it, and its slope. */
static inline float normal_share(float x, float *slope) {
    float z = fminf(fmaxf(x, -10.0f), 10.0f), bell = power(-0.5f * z * z);
    float tail = normal_tail(fabsf(z) * 0.70710678f, bell);
    *slope = 0.39894228f * bell;
    return z < 0 ? tail : 1 - tail;
}

static inline float gelu_slope(float x) {
    float slope, part = normal_share(x, &slope);
    return part + fminf(fmaxf(x, -10.0f), 10.0f) * slope;
}

static inline float gelu_value(float x) {
    float slope;
    return x * (x > -10.0f ? normal_share(x, &slope) : 0);
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
    EVERY(widened(x[i]) * share(widened(x[i])))
}

/* y (count,): what changes x, of what changes the activation. */
void gelu_tanh_backward(const uint16_t *change, const uint16_t *x, uint16_t *y, int64_t count, int64_t threads) {
    EVERY(widened(change[i]) * gelu_tanh_slope(widened(x[i])))
}

void gelu_forward(const uint16_t *x, uint16_t *y, int64_t count, int64_t threads) { EVERY(gelu_value(widened(x[i]))) }

void gelu_backward(const uint16_t *change, const uint16_t *x, uint16_t *y, int64_t count, int64_t threads) {
    EVERY(widened(change[i]) * gelu_slope(widened(x[i])))
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
                powers[i] = power(widened(own[i]) - most);
                sum += powers[i];
            }
            nats[row] = most + logf(sum) - rest * truth - (float)smoothing * mean;
            float by = 1 / sum;
            _Pragma("omp simd") EACH(i, tokens) own[i] = halved(powers[i] * by - each);
            own[place] = halved(powers[place] * by - each - rest);
        }
        free(powers);
    }
}

#define BY_THREAD                                                                                                      \
    _Pragma("omp parallel for schedule(static) num_threads(threads) if (threads > 1)") for (int64_t thread = 0;        \
                                                                                            thread < threads;          \
                                                                                            thread++)
#define ITS(row, rows) for (int64_t row = thread * (rows) / threads; row < (thread + 1) * (rows) / threads; row++)

/* sums (threads, width) of x (rows, width): each thread's rows; they begin as 0. */
void column_sums(const uint16_t *x, float *sums, int64_t rows, int64_t width, int64_t threads) {
    BY_THREAD ITS(row, rows) _Pragma("omp simd") EACH(i, width) sums[thread * width + i] += widened(x[row * width + i]);
}

/* Vectors (rows, width) to which a part of a Transformer's layer adds, and their norm. NULL: there is none, or nobody
   asks for it. */
typedef struct {
    const float *x;    /* forward: x, to which y is added; they are the sum. Backward: the sum */
    const uint16_t *y;
    const float *weight, *bias;
    float *sum, *normed; /* backward: their gradients */
    uint16_t *halves;    /* normed, rounded; backward: its gradient */
    float *norms;        /* (rows, 2): the mean, and what is multiplied by */
    float *d_x;
    uint16_t *d_y;  /* d_x, rounded */
    float *weights; /* (threads, 2, width): the gradients of weight and bias; they begin as 0 */
    int64_t rows, width, rms;
    double eps;
} Stream;

static void stream_row(const Stream *own, int64_t row) {
    int64_t width = own->width, at = row * width;
    const float *x = own->x + at, *weight = own->weight, *bias = own->bias;
    float *norms = own->norms + 2 * row, sum = 0;
    if (own->y) {
        const uint16_t *y = own->y + at;
        float *both = own->sum + at;
        _Pragma("omp simd") EACH(i, width) both[i] = x[i] + widened(y[i]);
        x = both;
    }
    SUMMED EACH(i, own->rms ? 0 : width) sum += x[i];
    float mean = sum / (float)width;
    sum = 0;
    SUMMED EACH(i, width) sum += (x[i] - mean) * (x[i] - mean);
    float scale = 1 / sqrtf(sum / (float)width + (float)own->eps);
    norms[0] = mean, norms[1] = scale;
#define NORMED ((x[i] - mean) * scale * weight[i] + (bias ? bias[i] : 0))
    if (own->normed) _Pragma("omp simd") EACH(i, width) own->normed[at + i] = NORMED;
    if (own->halves) _Pragma("omp simd") EACH(i, width) own->halves[at + i] = halved(NORMED);
#undef NORMED
}

void stream(const Stream *own, int64_t threads) {
    BY_THREAD ITS(row, own->rows) stream_row(own, row);
}

/* g (width,): what changes the norm. */
static void stream_row_back(const Stream *own, int64_t row, float *g, float *d_weight, float *d_bias) {
    int64_t width = own->width, at = row * width;
    const float *x = own->x + at, *weight = own->weight;
    float *d_x = own->d_x + at, mean = own->norms[2 * row], scale = own->norms[2 * row + 1], sum = 0;
    EACH(i, width) g[i] = own->normed ? own->normed[at + i] : 0;
    if (own->halves) _Pragma("omp simd") EACH(i, width) g[i] += widened(own->halves[at + i]);
    SUMMED EACH(i, width) sum += g[i] * weight[i] * (x[i] - mean);
    float along = sum * scale * scale / (float)width;
    sum = 0;
    SUMMED EACH(i, own->rms ? 0 : width) sum += g[i] * weight[i];
    float shift = sum / (float)width;
    _Pragma("omp simd") EACH(i, width) {
        d_weight[i] += g[i] * (x[i] - mean) * scale;
        d_bias[i] += g[i];
        d_x[i] = (g[i] * weight[i] - shift - (x[i] - mean) * along) * scale + (own->sum ? own->sum[at + i] : 0);
    }
    if (own->d_y) _Pragma("omp simd") EACH(i, width) own->d_y[at + i] = halved(d_x[i]);
}

void stream_back(const Stream *own, int64_t threads) {
    BY_THREAD {
        float *g = malloc((size_t)own->width * sizeof *g), *weights = own->weights + thread * 2 * own->width;
        ITS(row, own->rows) stream_row_back(own, row, g, weights, weights + own->width);
        free(g);
    }
}

/* Attention: softmax(q kᵀ · scale + added) v. A block of rows of scores at a time, and none is kept: the way back
   computes them again from each row's `norms` (Dao et al. 2022). Scores and sums are float. */

typedef struct {
    uint16_t *values; /* (rows, heads, steps, width), which lie so far apart; what is of one step lies together */
    int64_t row, head, step;
} Heads;

typedef struct {
    Heads q, k, v, out, d_q, d_k, d_v; /* forward writes `out`; backward reads its gradient there and writes the last */
    const uint16_t *added;             /* (1 or rows, 1 or steps, seen), or none */
    int64_t added_row, added_step;
    float *norms; /* (rows, heads, steps, 2): the largest score, and 1 / the sum of powers */
    int64_t rows, heads, key_heads, steps, seen, width;
    int64_t ordered; /* no step sees a later one */
    double scale;
} Attention;

#if defined __AVX512BF16__ && !defined __AMX_BF16__
#include <immintrin.h>

#define BLOCK 32 /* rows of scores at a time */
#define LANES 16
#define TILE 4 /* rows, and vectors of LANES columns, whose sums stay in registers */
#define UNROLLED _Pragma("GCC unroll 16")
#define INLINE __attribute__((always_inline)) static inline

/* Pairs of bfloat16 are one number of 32 bits: on the left of a product neighbours in a row, on the right in a column. */
typedef struct {
    uint32_t *k_turned, *v_turned; /* (width / 2, seen): kᵀ, vᵀ */
    uint32_t *k_paired, *v_paired; /* (seen / 2, width) */
    uint32_t *q_paired, *out_paired, *shares_paired, *d_scores_paired; /* (BLOCK / 2, …) */
    uint16_t *q, *out, *shares, *d_scores;                             /* (BLOCK, …) */
    float *scores, *d_shares, *sums;                                   /* (BLOCK, …) */
    float *d_k, *d_v;                                                  /* (seen, width) */
} Room;

static inline int64_t whole(int64_t count, int64_t of) { return (count + of - 1) / of * of; }

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static inline uint16_t *heads_at(const Heads *heads, int64_t row, int64_t head) {
    return heads->values + row * heads->row + head * heads->head;
}

/* c (TILE, vectors · LANES) = or += a b, of so many pairs. */
INLINE void tile(const uint32_t *a, int64_t a_row, int64_t a_pair, const uint32_t *b, int64_t b_pair, float *c,
                 int64_t c_row, int64_t pairs, int64_t adds, const int vectors) {
    __m512 sums[TILE][TILE];
    UNROLLED for (int r = 0; r < TILE; r++) UNROLLED for (int n = 0; n < vectors; n++) sums[r][n] =
        adds ? _mm512_loadu_ps(c + r * c_row + n * LANES) : _mm512_setzero_ps();
    EACH(p, pairs) UNROLLED for (int r = 0; r < TILE; r++) {
        __m512bh left = (__m512bh)_mm512_set1_epi32((int)a[r * a_row + p * a_pair]);
        UNROLLED for (int n = 0; n < vectors; n++) sums[r][n] =
            _mm512_dpbf16_ps(sums[r][n], left, (__m512bh)_mm512_loadu_si512(b + p * b_pair + n * LANES));
    }
    UNROLLED for (int r = 0; r < TILE; r++) UNROLLED for (int n = 0; n < vectors; n++)
        _mm512_storeu_ps(c + r * c_row + n * LANES, sums[r][n]);
}

/* c (rows, columns) = or += a b; rows a multiple of TILE, columns of LANES. */
static void product(const uint32_t *a, int64_t a_row, int64_t a_pair, const uint32_t *b, int64_t b_pair, float *c,
                    int64_t c_row, int64_t rows, int64_t columns, int64_t pairs, int64_t adds) {
#define OF(vectors) tile(a + r * a_row, a_row, a_pair, b + n, b_pair, c + r * c_row + n, c_row, pairs, adds, vectors)
    for (int64_t n = 0; n < columns; n += TILE * LANES)
        for (int64_t r = 0; r < rows; r += TILE) switch ((columns - n) / LANES) {
            case 1: OF(1); break;
            case 2: OF(2); break;
            case 3: OF(3); break;
            default: OF(4);
            }
#undef OF
}

/* Of each two of LANES vectors that are `by` apart: the second half of one ↔ the first half of the other. */
INLINE void exchanged(__m512i *part, const int by) {
    __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __mmask16 second = _mm512_test_epi32_mask(lane, _mm512_set1_epi32(by));
    __m512i low = _mm512_mask_add_epi32(lane, second, lane, _mm512_set1_epi32(LANES - by));
    __m512i high = _mm512_add_epi32(lane, _mm512_set1_epi32(by));
    high = _mm512_mask_add_epi32(high, second, lane, _mm512_set1_epi32(LANES));
    UNROLLED for (int i = 0; i < LANES; i++) if (!(i & by)) {
        __m512i one = part[i], other = part[i + by];
        part[i] = _mm512_permutex2var_epi32(one, low, other);
        part[i + by] = _mm512_permutex2var_epi32(one, high, other);
    }
}

/* y (width / 2, whole blocks of steps) = xᵀ, 0 beyond the steps. */
static void turned(const uint16_t *x, int64_t apart, int64_t steps, int64_t width, uint32_t *y) {
    int64_t columns = whole(steps, BLOCK);
    for (int64_t first = 0; first < columns; first += LANES)
        for (int64_t pair = 0; pair < width / 2; pair += LANES) {
            __m512i part[LANES];
            UNROLLED for (int i = 0; i < LANES; i++) part[i] =
                first + i < steps ? _mm512_loadu_si512(x + (first + i) * apart + 2 * pair) : _mm512_setzero_si512();
            exchanged(part, 1), exchanged(part, 2), exchanged(part, 4), exchanged(part, 8);
            UNROLLED for (int i = 0; i < LANES; i++) _mm512_storeu_si512(y + (pair + i) * columns + first, part[i]);
        }
}

/* y (steps / 2, width): each two steps side by side, 0 beyond them. */
static void paired(const uint16_t *x, int64_t apart, int64_t steps, int64_t width, uint32_t *y) {
    for (int64_t step = 0; step < steps; step += 2, y += width) {
        const uint16_t *even = x + step * apart, *odd = even + apart;
        if (step + 1 < steps)
            _Pragma("omp simd") EACH(i, width) y[i] = even[i] | (uint32_t)odd[i] << 16;
        else
            _Pragma("omp simd") EACH(i, width) y[i] = even[i];
    }
}

/* y (BLOCK, width) of x (count, width), 0 beyond them. */
static void copied(const uint16_t *x, int64_t apart, int64_t count, int64_t width, uint16_t *y) {
    EACH(i, count) memcpy(y + i * width, x + i * apart, (size_t)width * sizeof *y);
    memset(y + count * width, 0, (size_t)((BLOCK - count) * width) * sizeof *y);
}

static void rounded(const float *x, int64_t count, int64_t width, uint16_t *y, int64_t apart) {
    EACH(i, count) _Pragma("omp simd") EACH(j, width) y[i * apart + j] = halved(x[i * width + j]);
}

/* scores (blocks · BLOCK) of a step, scaled, with what is added to them, and next to nothing from `open` on. */
static void scaled(const Attention *own, int64_t row, int64_t step, float *scores, int64_t open, int64_t blocks) {
    const uint16_t *added = own->added ? own->added + row * own->added_row + step * own->added_step : NULL;
    float scale = (float)own->scale;
    _Pragma("omp simd") EACH(i, blocks * BLOCK) scores[i] *= scale;
    if (added) _Pragma("omp simd") EACH(i, open) scores[i] += widened(added[i]);
    for (int64_t i = open; i < blocks * BLOCK; i++) scores[i] = -FLT_MAX;
}

/* scores (blocks · BLOCK) → shares, which sum to 1; a score that is no number makes all of them none. */
static void softmax(float *scores, int64_t blocks, uint16_t *shares, float *norms) {
    float most = -FLT_MAX, sum = 0;
    uint32_t largest = 0, none = 0x7fc00000;
    _Pragma("omp simd reduction(max : most, largest)") EACH(i, blocks * BLOCK) {
        uint32_t bits;
        memcpy(&bits, scores + i, sizeof bits);
        bits &= 0x7fffffff;
        largest = bits > largest ? bits : largest;
        most = fmaxf(scores[i], most);
    }
    SUMMED EACH(i, blocks * BLOCK) {
        scores[i] = power(scores[i] - most);
        sum += scores[i];
    }
    float by = 1 / sum;
    if (largest >= 0x7f800000) memcpy(&by, &none, sizeof by);
    _Pragma("omp simd") EACH(i, blocks * BLOCK) shares[i] = halved(scores[i] * by);
    norms[0] = most, norms[1] = by;
}

/* The steps from `first` on of a head: out, and norms. */
static void looked(const Attention *own, const Room *room, int64_t row, int64_t head, int64_t first) {
    int64_t count = least(BLOCK, own->steps - first), seen = own->ordered ? first + count : own->seen;
    int64_t width = own->width, columns = whole(own->seen, BLOCK), reach = whole(seen, BLOCK);
    float *norms = own->norms + 2 * ((row * own->heads + head) * own->steps + first);
    copied(heads_at(&own->q, row, head) + first * own->q.step, own->q.step, count, width, room->q);
    product((uint32_t *)room->q, width / 2, 1, room->k_turned, columns, room->scores, columns, whole(count, TILE), reach,
            width / 2, 0);
    EACH(i, count) {
        float *scores = room->scores + i * columns;
        scaled(own, row, first + i, scores, own->ordered ? first + i + 1 : own->seen, reach / BLOCK);
        softmax(scores, reach / BLOCK, room->shares + i * columns, norms + 2 * i);
    }
    product((uint32_t *)room->shares, columns / 2, 1, room->v_paired, width, room->sums, width, whole(count, TILE),
            width, whole(seen, 2) / 2, 0);
    rounded(room->sums, count, width, heads_at(&own->out, row, head) + first * own->out.step, own->out.step);
}

/* scores (blocks · BLOCK) → shares; what changes them → what changes the products. */
static void softmax_back(const float *norms, float scale, float *scores, const float *d_shares, int64_t blocks,
                         uint16_t *shares, uint16_t *d_scores) {
    float sum = 0;
    SUMMED EACH(i, blocks * BLOCK) {
        scores[i] = power(scores[i] - norms[0]) * norms[1];
        sum += scores[i] * d_shares[i];
    }
    _Pragma("omp simd") EACH(i, blocks * BLOCK) {
        shares[i] = halved(scores[i]);
        d_scores[i] = halved(scores[i] * (d_shares[i] - sum) * scale);
    }
}

/* The steps from `first` on of a head: d_q, and what is added to d_k and d_v of all that they see. */
static void looked_back(const Attention *own, const Room *room, int64_t row, int64_t head, int64_t first) {
    int64_t count = least(BLOCK, own->steps - first), seen = own->ordered ? first + count : own->seen;
    int64_t width = own->width, columns = whole(own->seen, BLOCK), reach = whole(seen, BLOCK);
    int64_t rows = whole(count, TILE), pairs = whole(count, 2) / 2;
    const float *norms = own->norms + 2 * ((row * own->heads + head) * own->steps + first);
    copied(heads_at(&own->q, row, head) + first * own->q.step, own->q.step, count, width, room->q);
    copied(heads_at(&own->out, row, head) + first * own->out.step, own->out.step, count, width, room->out);
    product((uint32_t *)room->q, width / 2, 1, room->k_turned, columns, room->scores, columns, rows, reach, width / 2,
            0);
    product((uint32_t *)room->out, width / 2, 1, room->v_turned, columns, room->d_shares, columns, rows, reach,
            width / 2, 0);
    EACH(i, count) {
        int64_t at = i * columns;
        scaled(own, row, first + i, room->scores + at, own->ordered ? first + i + 1 : own->seen, reach / BLOCK);
        softmax_back(norms + 2 * i, (float)own->scale, room->scores + at, room->d_shares + at, reach / BLOCK,
                     room->shares + at, room->d_scores + at);
    }
    product((uint32_t *)room->d_scores, columns / 2, 1, room->k_paired, width, room->sums, width, rows, width,
            whole(seen, 2) / 2, 0);
    rounded(room->sums, count, width, heads_at(&own->d_q, row, head) + first * own->d_q.step, own->d_q.step);
    paired(room->q, width, count, width, room->q_paired);
    paired(room->out, width, count, width, room->out_paired);
    paired(room->shares, columns, count, reach, room->shares_paired);
    paired(room->d_scores, columns, count, reach, room->d_scores_paired);
    product(room->shares_paired, 1, reach, room->out_paired, width, room->d_v, width, reach, width, pairs, 1);
    product(room->d_scores_paired, 1, reach, room->q_paired, width, room->d_k, width, reach, width, pairs, 1);
}

static Room room_for(const Attention *own) {
    size_t width = (size_t)own->width, columns = (size_t)whole(own->seen, BLOCK);
    Room room;
#define SOME(name, count) room.name = aligned_alloc(64, (size_t)whole((int64_t)((count) * sizeof *room.name), 64))
    SOME(k_turned, width / 2 * columns), SOME(v_turned, width / 2 * columns);
    SOME(k_paired, columns / 2 * width), SOME(v_paired, columns / 2 * width);
    SOME(q_paired, BLOCK / 2 * width), SOME(out_paired, BLOCK / 2 * width);
    SOME(shares_paired, BLOCK / 2 * columns), SOME(d_scores_paired, BLOCK / 2 * columns);
    SOME(q, BLOCK * width), SOME(out, BLOCK * width), SOME(shares, BLOCK * columns), SOME(d_scores, BLOCK * columns);
    SOME(scores, BLOCK * columns), SOME(d_shares, BLOCK * columns), SOME(sums, BLOCK * width);
    SOME(d_k, columns * width), SOME(d_v, columns * width);
#undef SOME
    return room;
}

static void leave(Room room) {
    void *all[] = {room.k_turned, room.v_turned, room.k_paired, room.v_paired, room.q_paired, room.out_paired,
                   room.shares_paired, room.d_scores_paired, room.q, room.out, room.shares, room.d_scores, room.scores,
                   room.d_shares, room.sums, room.d_k, room.d_v};
    EACH(i, (int64_t)(sizeof all / sizeof *all)) free(all[i]);
}

/* What all heads of queries that share a head of keys do. */
static void attend(const Attention *own, const Room *room, int64_t row, int64_t shared, int64_t back) {
    int64_t group = own->heads / own->key_heads, seen = own->seen, width = own->width;
    size_t sums = (size_t)(whole(seen, BLOCK) * width) * sizeof(float);
    const uint16_t *k = heads_at(&own->k, row, shared), *v = heads_at(&own->v, row, shared);
    turned(k, own->k.step, seen, width, room->k_turned);
    if (back) {
        turned(v, own->v.step, seen, width, room->v_turned);
        paired(k, own->k.step, seen, width, room->k_paired);
        memset(room->d_k, 0, sums), memset(room->d_v, 0, sums);
    } else
        paired(v, own->v.step, seen, width, room->v_paired);
    for (int64_t head = shared * group; head < (shared + 1) * group; head++)
        for (int64_t first = 0; first < own->steps; first += BLOCK)
            (back ? looked_back : looked)(own, room, row, head, first);
    if (back) {
        rounded(room->d_k, seen, width, heads_at(&own->d_k, row, shared), own->d_k.step);
        rounded(room->d_v, seen, width, heads_at(&own->d_v, row, shared), own->d_v.step);
    }
}

void attention(const Attention *own, int64_t back, int64_t threads) {
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        Room room = room_for(own);
#pragma omp for schedule(dynamic) collapse(2)
        for (int64_t row = 0; row < own->rows; row++)
            for (int64_t shared = 0; shared < own->key_heads; shared++) attend(own, &room, row, shared, back);
        leave(room);
    }
}

#define PANEL (TILE * LANES)
#define DEEP 128 /* pairs of rows whose products are summed before others, of */
#define TALL 192 /* outputs and */
#define WIDE 384 /* inputs, whose sums stay in cache with what they are made of */

/* changeᵀ x of change (rows, outputs) and x (rows, inputs): how a linear layer's weight changes; outputs and inputs are
   multiples of LANES. */
typedef struct {
    const uint16_t *change, *x;
    uint32_t *change_panels, *x_panels; /* of each 2 DEEP rows: (width / PANEL, DEEP, PANEL), the last panel narrower */
    float *weight;                      /* (outputs, inputs) */
    float *bias;                        /* (rows / 2 DEEP, outputs): sums of change, which begin as 0 */
    int64_t rows, outputs, inputs;
} Changes;

static inline int64_t rows_of(const Changes *own, int64_t part) {
    return least(2 * DEEP, own->rows - part * 2 * DEEP);
}

static void in_panels(const uint16_t *x, int64_t rows, int64_t width, uint32_t *y) {
    for (int64_t first = 0; first < width; first += PANEL)
        paired(x + first, width, rows, least(PANEL, width - first), y + first * DEEP);
}

static void prepared(const Changes *own, int64_t part) {
    int64_t rows = rows_of(own, part), outputs = own->outputs, inputs = own->inputs;
    const uint16_t *change = own->change + part * 2 * DEEP * outputs;
    float *sums = own->bias + part * outputs;
    in_panels(change, rows, outputs, own->change_panels + part * DEEP * outputs);
    in_panels(own->x + part * 2 * DEEP * inputs, rows, inputs, own->x_panels + part * DEEP * inputs);
    EACH(row, rows) _Pragma("omp simd") EACH(i, outputs) sums[i] += widened(change[row * outputs + i]);
}

/* The weight's outputs from `top` to `bottom`, inputs from `first` to `end`. */
static void weight_part(const Changes *own, int64_t top, int64_t bottom, int64_t first, int64_t end) {
    int64_t outputs = own->outputs, inputs = own->inputs;
    for (int64_t part = 0; part * 2 * DEEP < own->rows; part++)
        for (int64_t n = first; n < end; n += PANEL)
            for (int64_t m = top; m < bottom; m += PANEL) {
                int64_t rows = least(PANEL, outputs - m), columns = least(PANEL, inputs - n);
                product(own->change_panels + (part * outputs + m) * DEEP, 1, rows,
                        own->x_panels + (part * inputs + n) * DEEP, columns, own->weight + m * inputs + n, inputs, rows,
                        columns, whole(rows_of(own, part), 2) / 2, part);
            }
}

void changes(const Changes *own, int64_t threads) {
    int64_t tall = least(TALL, whole((own->outputs + threads - 1) / threads, PANEL)); /* every thread has some */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for schedule(dynamic)
        for (int64_t part = 0; part < whole(own->rows, 2 * DEEP) / (2 * DEEP); part++) prepared(own, part);
#pragma omp for schedule(dynamic) collapse(2)
        for (int64_t top = 0; top < own->outputs; top += tall)
            for (int64_t first = 0; first < own->inputs; first += WIDE)
                weight_part(own, top, least(top + tall, own->outputs), first, least(first + WIDE, own->inputs));
    }
}

/* Of which the sizes of products must be multiples. */
int64_t lanes(void) { return LANES; }
#else
/* None: this processor multiplies no bfloat16, or torch does it faster, in tiles. */
int64_t lanes(void) { return 0; }
#endif
