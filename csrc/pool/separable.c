/* separable.c: windows that overlap: rows first, columns second.
 *
 *   buffer = the rows under the windows of this output row, folded              depth * height taps an element, contiguous
 *   for run of windows: for tap of the width: outputs = combine(outputs, buffer)
 *                                               channels first: a vector of outputs (slide); last: of channels (fold)
 *   lp: outputs = outputs**(1 / p)
 *
 * The buffer is the sum type's and holds the stretch of input under one block, 32 KB unless a single window is longer. Where
 * there is one row under the windows and the types agree, the input itself is the buffer.
 *
 * A short padding becomes elements of the buffer that do not count (the lowest value, or zero), written once for all rows of
 * a block: then no window is cut, and one run serves the whole block. */
#include "pool.h"

/* The stretch of input under the runs. */
static void set_stretch(ck_pool_line *line) {
  const ck_pool_problem *p = &line->call->problem;
  line->from = INT64_MAX;
  line->to = 0;
  for (int64_t i = 0; i < line->run_count; i++) {
    const ck_pool_alike *run = &line->runs[i];
    if (run->taps == 0) continue;
    line->from = ck_min(line->from, run->first);
    line->to = ck_max(line->to, run->first + (run->count - 1) * run->stride + ck_pool_step(p, 2, run->taps, run->taps - 1) + 1);
  }
  line->origin = line->from;
}

/* Makes one run of the block if padding in the buffer can. An average must have one divisor for that. */
static void pad_buffer(ck_pool_line *line) {
  const ck_pool_call *call = line->call;
  const ck_window *w = &call->problem.window;
  const ck_pool_alike *first = &line->runs[0], *last = &line->runs[line->run_count - 1];
  const int64_t reach = w->dilation[2] * (w->kernel[2] - 1);
  if (line->run_count == 1 || call->problem.adaptive || reach >= w->in[2] + 2 * CK_POOL_PADDING) return;
  const bool one_divisor = call->problem.kind != CK_POOL_AVERAGE || call->problem.divisor != 0;
  for (int64_t i = 1; i < line->run_count && !one_divisor; i++)
    if (line->runs[i].counted != first->counted) return;
  const int64_t from = first->out * w->stride[2] - w->before[2], count = last->out + last->count - first->out;
  const int64_t to = from + (count - 1) * w->stride[2] + reach + 1;
  if (from < -CK_POOL_PADDING || to > w->in[2] + CK_POOL_PADDING) return;
  line->origin = from;
  line->from = ck_max(from, 0);
  line->to = ck_min(to, w->in[2]);
  line->runs[0] = (ck_pool_alike){first->out, count, from, w->stride[2], w->kernel[2], first->counted};
  line->run_count = 1;
  char *buffer = line->workspace + call->tiling.buffer_at;
  const int64_t sides[2][2] = {{0, line->from - from}, {line->to - from, to - line->to}};
  for (int side = 0; side < 2; side++) {
    char *padding = buffer + sides[side][0] * call->sum_size;
    if (sides[side][1] <= 0) continue;
    if (call->fill_lowest)
      call->fill_lowest(padding, sides[side][1]);
    else
      memset(padding, 0, (size_t)(sides[side][1] * call->sum_size));
  }
}

void ck_pool_prepare_buffer(ck_pool_line *line) {
  set_stretch(line);
  if (line->call->tiling.inner == 1 && !line->call->tiling.in_place) pad_buffer(line);
}

typedef struct {
  const char *base; /* the element of column line->origin */
  int64_t readable; /* elements from there on that may be read */
} ck_pool_buffer;

/* Rows whose length is a large power of two fall on the same lines of L1. Few rows at a time, each of them is a stream. */
static void fold_in_passes(const ck_pool_line *line, ck_fold *fold) {
  const ck_pool_call *call = line->call;
  const char *src = fold->src;
  int64_t taps[2];
  ptrdiff_t strides[2];
  ck_pool_outer_taps(line, call->tiling.inner, taps, strides);
  fold->taps[0] = fold->taps[1] = 1;
  fold->strides[2] = strides[1];
  for (int64_t d = 0; d < taps[0]; d++) {
    for (int64_t h = 0; h < taps[1]; h += CK_POOL_PASS_ROWS) {
      fold->src = src + (d * strides[0] + h * strides[1]) * call->src_size;
      fold->taps[2] = ck_min(CK_POOL_PASS_ROWS, taps[1] - h);
      fold->resume = d + h > 0;
      call->fold(fold);
    }
  }
}

static ck_pool_buffer fold_rows(const ck_pool_line *line) {
  const ck_pool_call *call = line->call;
  const int64_t inner = call->tiling.inner, at = ck_pool_src_at(line, line->from);
  const char *src = call->src + at * call->src_size;
  if (call->tiling.in_place) return (ck_pool_buffer){src, ck_pool_readable(call, at)};
  char *buffer = line->workspace + call->tiling.buffer_at;
  const int64_t before = (line->from - line->origin) * inner, count = (line->to - line->from) * inner;
  ck_fold fold = {
      .src = src, .dst = buffer + before * call->sum_size, .count = count, .divisor = 1, .power = call->problem.power};
  fold_in_passes(line, &fold);
  return (ck_pool_buffer){buffer, before + count + CK_POOL_SLACK / call->sum_size};
}

static void slide(const ck_pool_line *line, const ck_pool_alike *run, ck_pool_buffer buffer) {
  const ck_pool_call *call = line->call;
  const int64_t at = run->first - line->origin;
  char *dst = call->dst + ck_pool_dst_at(line, run->out) * call->dst_size;
  const ck_slide args = {.src = buffer.base + at * call->sum_size,
                         .dst = call->root ? line->workspace + call->tiling.row_at : dst,
                         .count = run->count,
                         .taps = run->taps,
                         .stride = run->stride,
                         .step = ck_pool_step(&call->problem, 2, run->taps, 1),
                         .readable = buffer.readable - at,
                         .divisor = ck_pool_divisor(line, run)};
  call->slide(&args);
  if (call->root) call->root(&(ck_root){args.dst, dst, run->count, call->problem.power});
}

static void fold_pixels(const ck_pool_line *line, const ck_pool_alike *run, ck_pool_buffer buffer) {
  const ck_pool_call *call = line->call;
  const int64_t inner = call->tiling.inner;
  ck_fold fold = {.taps = {1, 1, run->taps},
                  .strides = {0, 0, ck_pool_step(&call->problem, 2, run->taps, inner)},
                  .count = inner,
                  .divisor = ck_pool_divisor(line, run)};
  for (int64_t i = 0; i < run->count; i++) {
    char *dst = call->dst + ck_pool_dst_at(line, run->out + i) * call->dst_size;
    fold.src = buffer.base + (run->first + i * run->stride - line->origin) * inner * call->sum_size;
    fold.dst = call->root ? line->workspace + call->tiling.row_at : dst;
    call->fold_sums(&fold);
    if (call->root) call->root(&(ck_root){fold.dst, dst, inner, call->problem.power});
  }
}

void ck_pool_separable(const ck_pool_line *line) {
  ck_pool_buffer buffer = {0};
  for (int64_t i = 0; i < line->run_count; i++) {
    const ck_pool_alike *run = &line->runs[i];
    if (ck_pool_is_empty(line, run)) {
      ck_pool_fill(line, run);
      continue;
    }
    if (!buffer.base) buffer = fold_rows(line);
    if (line->call->tiling.inner == 1)
      slide(line, run, buffer);
    else
      fold_pixels(line, run, buffer);
  }
}
