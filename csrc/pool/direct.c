/* direct.c: windows one by one: those that share little with their neighbours, those too long for a buffer, and all with
 * indices.
 *
 *   channels last:   fold the pixels of the window on one another
 *   channels first:  fold pieces of the window's rows, up to CK_POOL_BAND wide, on one another, then slide over the band once
 *   indices:         lanes are the outputs of a run (channels first) or channels (channels last)
 *
 * The band's width depends on the window alone, so that sums have the same bits for every instruction set. */
#include "pool.h"

static void finish(const ck_pool_line *line, const double *sums, char *dst, int64_t count) {
  line->call->root(&(ck_root){sums, dst, count, line->call->problem.power});
}

static void fold_pixels(const ck_pool_line *line, const ck_pool_alike *run, int64_t x, char *dst) {
  const ck_pool_call *call = line->call;
  const int64_t inner = call->tiling.inner;
  ck_fold fold = {.src = call->src + ck_pool_src_at(line, x) * call->src_size,
                  .dst = call->root ? line->workspace + call->tiling.row_at : dst,
                  .taps[2] = run->taps,
                  .strides[2] = ck_pool_step(&call->problem, 2, run->taps, inner),
                  .count = line->channels,
                  .divisor = ck_pool_divisor(line, run),
                  .power = call->problem.power};
  ck_pool_outer_taps(line, inner, fold.taps, fold.strides);
  call->fold(&fold);
  if (call->root) finish(line, fold.dst, dst, line->channels);
}

static void fold_band(const ck_pool_line *line, const ck_pool_alike *run, int64_t x, char *dst) {
  const ck_pool_call *call = line->call;
  const ck_pool_problem *problem = &call->problem;
  const int64_t width = ck_pool_band(problem, run->taps), bands = run->taps / width, rest = run->taps % width;
  const int64_t src_at = ck_pool_src_at(line, x);
  char *band = line->workspace + call->tiling.buffer_at;
  ck_fold fold = {.src = call->src + src_at * call->src_size,
                  .dst = band,
                  .taps[2] = bands,
                  .strides[2] = ck_pool_step(problem, 2, bands, width),
                  .count = width,
                  .divisor = 1,
                  .power = problem->power};
  ck_pool_outer_taps(line, 1, fold.taps, fold.strides);
  call->fold(&fold);
  if (rest > 0) {
    fold.src = call->src + (src_at + bands * width) * call->src_size;
    fold.taps[2] = 1;
    fold.count = rest;
    fold.resume = true;
    call->fold(&fold);
  }
  const ck_slide slide = {.src = band,
                          .dst = call->root ? line->workspace + call->tiling.row_at : dst,
                          .count = 1,
                          .taps = width,
                          .step = 1,
                          .readable = width,
                          .divisor = ck_pool_divisor(line, run)};
  call->slide(&slide);
  if (call->root) finish(line, slide.dst, dst, 1);
}

void ck_pool_direct(const ck_pool_line *line) {
  const ck_pool_call *call = line->call;
  for (int64_t i = 0; i < line->run_count; i++) {
    const ck_pool_alike *run = &line->runs[i];
    if (ck_pool_is_empty(line, run)) {
      ck_pool_fill(line, run);
      continue;
    }
    for (int64_t j = 0; j < run->count; j++) {
      const int64_t x = run->first + j * run->stride;
      char *dst = call->dst + ck_pool_dst_at(line, run->out + j) * call->dst_size;
      if (call->tiling.inner == 1)
        fold_band(line, run, x, dst);
      else
        fold_pixels(line, run, x, dst);
    }
  }
}

void ck_pool_indices(const ck_pool_line *line) {
  const ck_pool_call *call = line->call;
  const ck_pool_problem *problem = &call->problem;
  const int64_t inner = call->tiling.inner, *in = problem->window.in;
  for (int64_t i = 0; i < line->run_count; i++) {
    const ck_pool_alike *run = &line->runs[i];
    ck_argmax args = {.taps[2] = run->taps, .places[2] = ck_pool_step(problem, 2, run->taps, 1)};
    ck_pool_outer_taps(line, 1, args.taps, args.places);
    for (int axis = 0; axis < CK_AXES; axis++) args.strides[axis] = args.places[axis] * inner;
    args.count = inner == 1 ? run->count : line->channels;
    args.lane_stride = inner == 1 ? run->stride : 1;
    args.lane_index = inner == 1 ? run->stride : 0;
    for (int64_t j = 0; j < (inner == 1 ? 1 : run->count); j++) {
      const int64_t x = run->first + j * run->stride, src_at = ck_pool_src_at(line, x),
                    dst_at = ck_pool_dst_at(line, run->out + j);
      args.src = call->src + src_at * call->src_size;
      args.dst = call->dst + dst_at * call->dst_size;
      args.indices = call->indices + dst_at;
      args.index = (line->d.first * in[1] + line->h.first) * in[2] + x;
      args.readable = ck_pool_readable(call, src_at);
      call->argmax(&args);
    }
  }
}
