/* separable.c: windows that overlap: rows first, columns second.
 *
 *   buffer = the rows under the windows of this output row, folded                       depth * height taps an element, contiguous
 *   for run of windows: for tap of the width: outputs = combine(outputs, buffer)         channels first: slide; channels last: fold
 *   lp: outputs = outputs**(1 / p)
 *
 * The buffer is the sum type's and holds the stretch of input under one block, 32 KB unless a single window is longer. Where there is
 * one row under the windows and the types agree, the input itself is the buffer. */
#include "pool.h"

typedef struct {
  const char *base;  /* the element of column line->from */
  int64_t readable;  /* elements from there on that may be read */
} ck_pool_buffer;

static ck_pool_buffer fold_rows(const ck_pool_line *line) {
  const ck_pool_call *call = line->call;
  const int64_t inner = call->tiling.inner, at = ck_pool_src_at(line, line->from), count = (line->to - line->from) * inner;
  const char *src = call->src + at * call->src_size;
  if (call->plain && line->d.taps * line->h.taps == 1) return (ck_pool_buffer){src, ck_pool_readable(call, at)};
  ck_fold fold = {
      .src = src, .dst = line->workspace + call->tiling.buffer_at, .count = count, .divisor = 1, .power = call->problem.power};
  fold.taps[0] = 1;
  ck_pool_outer_taps(line, inner, &fold.taps[1], &fold.strides[1]);
  call->fold(&fold);
  return (ck_pool_buffer){fold.dst, count + CK_POOL_SLACK / call->sum_size};
}

static void slide(const ck_pool_line *line, const ck_pool_alike *run, ck_pool_buffer buffer) {
  const ck_pool_call *call = line->call;
  const int64_t at = run->first - line->from;
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
    fold.src = buffer.base + (run->first + i * run->stride - line->from) * inner * call->sum_size;
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
    if (line->call->tiling.inner == 1) slide(line, run, buffer);
    else fold_pixels(line, run, buffer);
  }
}
