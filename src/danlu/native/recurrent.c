/* A step of a recurrent layer between its products, and the same step backwards, on a processor.

   Sizes: N steps of all rows, H width. A step takes `rows` of them from `first` on; the first `known` of these have a
   state before, those from `before` on. Gates lie beside each other in torch's order: input, forget, candidate, output of
   an LSTM; reset, update, candidate of a GRU. */

#include "common.h"

#define LEAST 8192 /* numbers of a step that are worth a second thread */

typedef struct {
    float *gates;           /* (N, gates · H): sums → activations; backwards: → gradients of the sums */
    float *hidden;          /* GRU: (N, 3 H), what states add to the gates → gradients of that */
    float *kept;            /* GRU: (N, H), what states add to the candidate */
    float *state, *cell;    /* (N, H) */
    const float *change;    /* (N, H): gradient of the states, of what reads them outside of the layer */
    float *d_state, *d_cell; /* (rows, H): gradients from the step behind → of the states before */
    int64_t width;
} Layer;

#define STEP const Layer *l, int64_t first, int64_t rows, int64_t before, int64_t known, int64_t threads
#define ROWS                                                                                                           \
    int64_t width = l->width;                                                                                          \
    _Pragma("omp parallel for schedule(static) num_threads(threads) if (threads > 1 && rows * width >= LEAST)")        \
        for (int64_t row = 0; row < rows; row++)
#define OWN(values) (l->values + (first + row) * width)
#define BEFORE(values) (l->values + (before + row) * width)
#define GATES(values, count) (l->values + (count) * (first + row) * width)
#define SIMD _Pragma("omp simd") EACH(i, width)

/* y, or x where that is no number: the bounds of `exponential` would make one of it, and hide a run that diverges. */
static inline float unless_none(float x, float y) {
    uint32_t bits, others;
    memcpy(&bits, &x, sizeof bits), memcpy(&others, &y, sizeof others);
    others = (bits & 0x7fffffff) > 0x7f800000 ? bits : others;
    memcpy(&y, &others, sizeof y);
    return y;
}

static inline float sigmoid(float x) { return unless_none(x, 1 / (1 + exponential(-x))); }
static inline float tangent(float x) { return unless_none(x, 1 - 2 / (1 + exponential(2 * x))); }

void rnn_step(STEP) {
    (void)before, (void)known;
    ROWS {
        float *gates = OWN(gates), *state = OWN(state);
        SIMD state[i] = tangent(gates[i]);
    }
}

void rnn_back(STEP) {
    (void)before, (void)known;
    ROWS {
        const float *state = OWN(state), *change = OWN(change);
        float *gates = OWN(gates), *d_state = l->d_state + row * width;
        SIMD {
            gates[i] = (change[i] + d_state[i]) * (1 - state[i] * state[i]);
            d_state[i] = 0;
        }
    }
}

void lstm_step(STEP) {
    ROWS {
        float *in = GATES(gates, 4), *forget = in + width, *new = forget + width, *out = new + width;
        float *state = OWN(state), *cell = OWN(cell);
        const float *cell_before = BEFORE(cell);
        SIMD {
            in[i] = sigmoid(in[i]);
            forget[i] = sigmoid(forget[i]);
            new[i] = tangent(new[i]);
            out[i] = sigmoid(out[i]);
            cell[i] = in[i] * new[i];
        }
        if (row < known) EACH(i, width) cell[i] += forget[i] * cell_before[i];
        SIMD state[i] = out[i] * tangent(cell[i]);
    }
}

void lstm_back(STEP) {
    ROWS {
        float *in = GATES(gates, 4), *forget = in + width, *new = forget + width, *out = new + width;
        float *d_state = l->d_state + row * width, *d_cell = l->d_cell + row * width;
        const float *cell = OWN(cell), *change = OWN(change), *cell_before = BEFORE(cell);
        SIMD {
            float shown = tangent(cell[i]), d = change[i] + d_state[i], share = in[i], kept = forget[i];
            float d_own = d_cell[i] + d * out[i] * (1 - shown * shown);
            out[i] = d * shown * out[i] * (1 - out[i]);
            in[i] = d_own * new[i] * share * (1 - share);
            new[i] = d_own * share * (1 - new[i] * new[i]);
            forget[i] = d_own * kept * (1 - kept);
            d_cell[i] = d_own * kept;
            d_state[i] = 0;
        }
        EACH(i, width) forget[i] *= row < known ? cell_before[i] : 0;
    }
}

void gru_step(STEP) {
    ROWS {
        float *reset = GATES(gates, 3), *update = reset + width, *new = update + width;
        float *h_reset = GATES(hidden, 3), *h_update = h_reset + width, *h_new = h_update + width;
        float *state = OWN(state), *kept = OWN(kept);
        const float *state_before = BEFORE(state);
        SIMD {
            reset[i] = sigmoid(reset[i] + h_reset[i]);
            update[i] = sigmoid(update[i] + h_update[i]);
            kept[i] = h_new[i];
            new[i] = tangent(new[i] + reset[i] * h_new[i]);
            state[i] = (1 - update[i]) * new[i];
        }
        if (row < known) EACH(i, width) state[i] += update[i] * state_before[i];
    }
}

void gru_back(STEP) {
    ROWS {
        float *reset = GATES(gates, 3), *update = reset + width, *new = update + width;
        float *h_reset = GATES(hidden, 3), *h_update = h_reset + width, *h_new = h_update + width;
        float *d_state = l->d_state + row * width;
        const float *state_before = BEFORE(state), *change = OWN(change), *kept = OWN(kept);
        EACH(i, width) d_state[i] += change[i];
        EACH(i, width) h_update[i] = -d_state[i] * new[i];
        if (row < known) EACH(i, width) h_update[i] += d_state[i] * state_before[i];
        SIMD {
            float d_new = d_state[i] * (1 - update[i]) * (1 - new[i] * new[i]);
            d_state[i] *= update[i];
            h_new[i] = d_new * reset[i];
            h_reset[i] = d_new * kept[i] * reset[i] * (1 - reset[i]);
            h_update[i] *= update[i] * (1 - update[i]);
            reset[i] = h_reset[i];
            update[i] = h_update[i];
            new[i] = d_new;
        }
    }
}
