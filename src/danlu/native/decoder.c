/* One step of a Transformer decoder on a processor: the token behind each of a few texts.

   Such a step does little but read the weights, once each, so it takes as long as memory takes to be read. The loops
   are plain C, of which the compiler makes the vectors of the machine. Vectors are float; matrices, keys and values are
   float or bfloat16, matrices also int8 with a scale for each output.

   Sizes: B texts, W width, H heads of queries, G of keys and values, D width of a head, S positions that are seen. */

#include "common.h"

typedef struct {
    const void *weight; /* (outputs, inputs); none at all where `weight` is 0 */
    const float *scale; /* (outputs,), of INT8 */
    const float *bias;  /* (outputs,) or 0 */
    int64_t outputs, inputs, kind;
} Matrix;

typedef struct {
    Norm attention_norm, cross_norm, mlp_norm;
    Matrix qkv, out, cross_q, cross_out, up, down;
    const float *q_norm, *k_norm; /* (D,) or 0 */
} Layer;

typedef struct {
    int64_t width, heads, key_heads, per_head, depth, window, activation, gated, before, rms, cache_kind, threads;
    double eps;
    Norm last; /* none where its weight is 0 */
    Matrix head;
    const Layer *layers;
} Decoder;

/* What one step is given. keys, values: per layer (B, G, capacity, D); those of sources (B, H, sources, D), float.
   turns: (capacity, D), the cosines of a position and then its sines, or 0. */
typedef struct {
    int64_t texts, length, capacity, sources;
    const int64_t *start, *source_length; /* (B,): first position of a text; positions of its source */
    void *const *keys, *const *values;
    const float *const *source_keys, *const *source_values;
    const float *turns;
} Texts;

#define MOST_TEXTS 64 /* of a step */
#define MANY 4        /* vectors at once */
#define BLOCK 1024    /* products of 14 and 7 bits whose sum fits 32 */
#define LARGEST 16383 /* 14 bits */

static float activated(float x, int64_t activation) {
    switch (activation) {
    case RELU: return relu(x);
    case GELU: return gelu(x);
    case GELU_TANH: return gelu_tanh(x);
    default: return silu(x);
    }
}

static float dot_float(const float *a, const float *b, int64_t n) {
    float sum = 0;
    SUMMED EACH(i, n) sum += a[i] * b[i];
    return sum;
}

static float dot_half(const uint16_t *a, const float *b, int64_t n) {
    float sum = 0;
    SUMMED EACH(i, n) sum += widened(a[i]) * b[i];
    return sum;
}

/* Of at most BLOCK numbers. What a compiler makes of the plain loop reads memory at two thirds of its speed. */
static int32_t dot_block(const int8_t *a, const int16_t *b, int64_t n) {
    int32_t sum = 0;
    int64_t done = 0;
#if defined(__AVX512VNNI__) && defined(__AVX512BW__)
    __m512i even = _mm512_setzero_si512(), odd = even;
    for (; done + 64 <= n; done += 64) {
        __m512i first = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)(a + done)));
        __m512i second = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)(a + done + 32)));
        even = _mm512_dpwssd_epi32(even, first, _mm512_loadu_si512(b + done));
        odd = _mm512_dpwssd_epi32(odd, second, _mm512_loadu_si512(b + done + 32));
    }
    sum = _mm512_reduce_add_epi32(_mm512_add_epi32(even, odd));
#endif
    SUMMED for (int64_t i = done; i < n; i++) sum += (int16_t)a[i] * b[i];
    return sum;
}

static float dot_int8(const int8_t *a, const int16_t *b, int64_t n) {
    float total = 0;
    for (int64_t i = 0; i < n; i += BLOCK) total += (float)dot_block(a + i, b + i, i + BLOCK < n ? BLOCK : n - i);
    return total;
}

/* The same with MANY vectors (MANY, n) at once, which read a row of the matrix once. */
static void dots_float(const float *a, const float *b, int64_t n, float *y) {
    float first = 0, second = 0, third = 0, fourth = 0;
    _Pragma("omp simd reduction(+ : first, second, third, fourth)") EACH(i, n) {
        first += a[i] * b[i];
        second += a[i] * b[i + n];
        third += a[i] * b[i + 2 * n];
        fourth += a[i] * b[i + 3 * n];
    }
    y[0] = first, y[1] = second, y[2] = third, y[3] = fourth;
}

static void dots_half(const uint16_t *a, const float *b, int64_t n, float *y) {
    float first = 0, second = 0, third = 0, fourth = 0;
    _Pragma("omp simd reduction(+ : first, second, third, fourth)") EACH(i, n) {
        float weight = widened(a[i]);
        first += weight * b[i];
        second += weight * b[i + n];
        third += weight * b[i + 2 * n];
        fourth += weight * b[i + 3 * n];
    }
    y[0] = first, y[1] = second, y[2] = third, y[3] = fourth;
}

/* Vectors (B, inputs) as a matrix wants them: as they are, or in 14 bits with a scale each. */
typedef struct {
    const float *exact;
    int16_t *rounded;
    float *scale;
} Given;

static Given given(const Matrix *m, const float *x, int64_t texts, int16_t *rounded, float *scale) {
    EACH(b, m->kind == INT8 ? texts : 0) {
        const float *from = x + b * m->inputs;
        int16_t *to = rounded + b * m->inputs;
        float most = 1e-30f;
        EACH(i, m->inputs) most = fmaxf(fabsf(from[i]), most);
        float steps = LARGEST / most;
        EACH(i, m->inputs) to[i] = (int16_t)floorf(from[i] * steps + 0.5f);
        scale[b] = most / LARGEST;
    }
    return (Given){x, rounded, scale};
}

/* y (texts,): output `row` for each vector. */
static void outputs(const Matrix *m, int64_t row, Given x, int64_t texts, float *y) {
    int64_t n = m->inputs, b = 0;
    const float *floats = (const float *)m->weight + row * n;
    const uint16_t *halves = (const uint16_t *)m->weight + row * n;
    const int8_t *bytes = (const int8_t *)m->weight + row * n;
    for (; m->kind != INT8 && b + MANY <= texts; b += MANY) {
        if (m->kind == FLOAT) dots_float(floats, x.exact + b * n, n, y + b);
        else dots_half(halves, x.exact + b * n, n, y + b);
    }
    for (; b < texts; b++) switch (m->kind) {
        case FLOAT: y[b] = dot_float(floats, x.exact + b * n, n); break;
        case BFLOAT16: y[b] = dot_half(halves, x.exact + b * n, n); break;
        default: y[b] = dot_int8(bytes, x.rounded + b * n, n) * m->scale[row] * x.scale[b];
        }
    if (m->bias) EACH(i, texts) y[i] += m->bias[row];
}

/* y (B, outputs) of x (B, inputs). */
static void product(const Matrix *m, Given x, float *y, int64_t texts, int64_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < m->outputs; row++) {
        float found[MOST_TEXTS];
        outputs(m, row, x, texts, found);
        EACH(b, texts) y[b * m->outputs + row] = found[b];
    }
}

/* Inside the feed-forward layer: y (B, inner) = activation(up x), gated: activation(gate x) · up x. */
static void inside(const Decoder *d, const Matrix *up, Given x, float *y, int64_t texts) {
    int64_t inner = up->outputs / (d->gated ? 2 : 1);
#pragma omp parallel for schedule(static) num_threads(d->threads) if (d->threads > 1)
    for (int64_t row = 0; row < inner; row++) {
        float gate[MOST_TEXTS], value[MOST_TEXTS];
        outputs(up, row, x, texts, gate);
        if (d->gated) outputs(up, row + inner, x, texts, value);
        EACH(b, texts) y[b * inner + row] = activated(gate[b], d->activation) * (d->gated ? value[b] : 1);
    }
}

static void normalise(const Decoder *d, const Norm *norm, const float *x, float *y, int64_t texts) {
    EACH(b, texts) normalised(norm, d->rms, d->eps, x + b * d->width, y + b * d->width, d->width);
}

/* A head's vector (D,), its halves as the coordinates of points, turned by the angles of its position. */
static void turn(float *x, const float *turns, int64_t width) {
    int64_t half = width / 2;
    EACH(i, half) {
        float left = x[i], right = x[i + half];
        x[i] = left * turns[i] - right * turns[i + half];
        x[i + half] = right * turns[i] + left * turns[i + half];
    }
}

/* out (D,): the values (S, D) that one query sees, each by the share of its key; `scores` has room for S. */
static void attend(const float *q, const void *keys, const void *values, int64_t kind, int64_t first, int64_t end,
                   int64_t width, float *scores, float *out) {
    float scale = 1 / sqrtf((float)width), most = -FLT_MAX, sum = 0;
    for (int64_t s = first; s < end; s++) {
        float score = kind == FLOAT ? dot_float((const float *)keys + s * width, q, width)
                                    : dot_half((const uint16_t *)keys + s * width, q, width);
        scores[s] = score * scale;
        most = fmaxf(scores[s], most);
    }
    SUMMED for (int64_t s = first; s < end; s++) {
        scores[s] = exponential(scores[s] - most);
        sum += scores[s];
    }
    memset(out, 0, (size_t)width * sizeof *out);
    for (int64_t s = first; s < end; s++) {
        float share = scores[s] / sum;
        if (kind == FLOAT) EACH(i, width) out[i] += share * ((const float *)values)[s * width + i];
        else EACH(i, width) out[i] += share * widened(((const uint16_t *)values)[s * width + i]);
    }
}

static void put(void *place, const float *x, int64_t kind, int64_t width) {
    if (kind == FLOAT) memcpy(place, x, (size_t)width * sizeof *x);
    else EACH(i, width) ((uint16_t *)place)[i] = halved(x[i]);
}

/* Attention of each text to itself: new keys and values are put behind the others; out (B, H · D). */
static void self_attention(const Decoder *d, const Layer *l, const Texts *t, int64_t layer, float *qkv, float *scores,
                           float *out) {
    int64_t size = d->cache_kind == FLOAT ? 4 : 2, share = d->heads / d->key_heads, width = d->per_head;
    int64_t end = t->length + 1, all = d->heads + 2 * d->key_heads;
#pragma omp parallel for schedule(static) collapse(2) num_threads(d->threads) if (d->threads > 1)
    for (int64_t b = 0; b < t->texts; b++)
        for (int64_t g = 0; g < d->key_heads; g++) {
            int64_t first = d->window && end - d->window > t->start[b] ? end - d->window : t->start[b];
            const float *turns = t->turns ? t->turns + (t->length - t->start[b]) * width : 0;
            float *q = qkv + (b * all + g * share) * width, *k = qkv + (b * all + d->heads + g) * width;
            char *keys = (char *)t->keys[layer] + (b * d->key_heads + g) * t->capacity * width * size;
            char *values = (char *)t->values[layer] + (b * d->key_heads + g) * t->capacity * width * size;
            Norm q_norm = {l->q_norm, 0}, k_norm = {l->k_norm, 0};
            if (l->k_norm) normalised(&k_norm, 1, d->eps, k, k, width);
            if (turns) turn(k, turns, width);
            put(keys + t->length * width * size, k, d->cache_kind, width);
            put(values + t->length * width * size, k + d->key_heads * width, d->cache_kind, width);
            EACH(h, share) {
                float *query = q + h * width;
                if (l->q_norm) normalised(&q_norm, 1, d->eps, query, query, width);
                if (turns) turn(query, turns, width);
                int64_t head = b * d->heads + g * share + h;
                attend(query, keys, values, d->cache_kind, first, end, width, scores + head * t->capacity,
                       out + head * width);
            }
        }
}

/* Attention of each text to its source; out (B, H · D). */
static void cross_attention(const Decoder *d, const Texts *t, int64_t layer, const float *q, float *scores, float *out) {
    int64_t room = t->sources * d->per_head;
#pragma omp parallel for schedule(static) num_threads(d->threads) if (d->threads > 1)
    for (int64_t head = 0; head < t->texts * d->heads; head++)
        attend(q + head * d->per_head, t->source_keys[layer] + head * room, t->source_values[layer] + head * room,
               FLOAT, 0, t->source_length[head / d->heads], d->per_head, scores + head * t->sources,
               out + head * d->per_head);
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* Room for what lies between the matrices of a layer; every part begins where a vector may. */
typedef struct {
    float *normed, *many, *mixed, *scores, *scale;
    int16_t *rounded;
} Room;

static void *room_of(const Decoder *d, const Texts *t, Room *room) {
    int64_t widest = larger(d->width, d->heads * d->per_head), most = (d->heads + 2 * d->key_heads) * d->per_head;
    most = larger(most, d->width);
    EACH(i, d->depth) widest = larger(widest, d->layers[i].down.inputs);
    int64_t sizes[] = {widest, most, widest, d->heads * larger(t->capacity, t->sources), 1, widest}, total = 0;
    int64_t begins[6];
    EACH(i, 6) {
        begins[i] = total;
        total += (t->texts * sizes[i] + 15) / 16 * 16;
    }
    float *all = malloc((size_t)total * sizeof *all);
    if (all)
        *room = (Room){all + begins[0], all + begins[1], all + begins[2],
                       all + begins[3], all + begins[4], (int16_t *)(all + begins[5])};
    return all;
}

/* x (B, W) += the matrix times y (B, inputs), normalised where norms come after sums. */
static void add(const Decoder *d, const Matrix *m, const Norm *norm, const float *y, float *x, Room *r, int64_t texts) {
    product(m, given(m, y, texts, r->rounded, r->scale), r->many, texts, d->threads);
    EACH(i, texts * d->width) x[i] += r->many[i];
    if (!d->before) normalise(d, norm, x, x, texts);
}

/* What a part of a layer reads: x (B, W), normalised where norms come before. */
static Given read_by(const Decoder *d, const Matrix *m, const Norm *norm, const float *x, Room *r, int64_t texts) {
    if (d->before) normalise(d, norm, x, r->normed, texts);
    return given(m, d->before ? r->normed : x, texts, r->rounded, r->scale);
}

/* x (B, W), embedded tokens behind `length` positions → scores (B, tokens) of those that follow. Changes x and writes
   keys and values; 1 where there is no memory, or more than MOST_TEXTS. */
int step(const Decoder *d, const Texts *t, float *x, float *scores) {
    if (t->texts > MOST_TEXTS) return 1;
    Room r;
    void *room = room_of(d, t, &r);
    if (!room) return 1;
    EACH(i, d->depth) {
        const Layer *l = d->layers + i;
        product(&l->qkv, read_by(d, &l->qkv, &l->attention_norm, x, &r, t->texts), r.many, t->texts, d->threads);
        self_attention(d, l, t, i, r.many, r.scores, r.mixed);
        add(d, &l->out, &l->attention_norm, r.mixed, x, &r, t->texts);
        if (l->cross_q.weight) {
            product(&l->cross_q, read_by(d, &l->cross_q, &l->cross_norm, x, &r, t->texts), r.many, t->texts,
                    d->threads);
            cross_attention(d, t, i, r.many, r.scores, r.mixed);
            add(d, &l->cross_out, &l->cross_norm, r.mixed, x, &r, t->texts);
        }
        inside(d, &l->up, read_by(d, &l->up, &l->mlp_norm, x, &r, t->texts), r.mixed, t->texts);
        add(d, &l->down, &l->mlp_norm, r.mixed, x, &r, t->texts);
    }
    if (d->last.weight) normalise(d, &d->last, x, x, t->texts);
    product(&d->head, given(&d->head, x, t->texts, r.rounded, r.scale), scores, t->texts, d->threads);
    free(room);
    return 0;
}
