/* pool.h: what the files of this folder share.
 *
 * A pooling sees the input as [planes][depth][height][width][inner], inner contiguous: channels first it is n * c planes of
 * inner 1, channels last n planes of inner c. Padding is never materialised: each axis is cut to the taps that lie on the
 * input (axis.c), and neighbouring windows that look alike form a run. */
#ifndef CK_POOL_POOL_H
#define CK_POOL_POOL_H

#include <string.h>

#include "../convkit.h"
#include "../dispatch.h"
#include "split.h"

/* One window on one axis. */
typedef struct {
  int64_t first, taps; /* input position of the first tap that lies on the input, and how many do */
  double counted;      /* how many taps an average divides by */
} ck_pool_window;

/* Windows from .. to - 1 of an axis have all their taps on the input; window o has the first of them at first + o * stride. */
typedef struct {
  int64_t from, to, first, stride, taps;
} ck_pool_whole;

/* Windows out .. out + count - 1 have the same taps and counted; their first positions are `stride` apart (0 if there is
 * one). */
typedef struct {
  int64_t out, count, first, stride, taps;
  double counted;
} ck_pool_alike;

ck_pool_window ck_pool_window_at(const ck_pool_problem *problem, int axis, int64_t out);
ck_pool_whole ck_pool_whole_of(const ck_pool_problem *problem, int axis);
/* Fills at most to - from runs; answers how many. */
int64_t ck_pool_runs(const ck_pool_problem *problem, int axis, const ck_pool_whole *whole, int64_t from, int64_t to,
                     ck_pool_alike *runs);
/* Whether a window lies wholly in the padding, or between two taps that step over the input. */
bool ck_pool_has_empty_window(const ck_window *window, int axis);
/* The most taps that a window has on the input, the longest stretch of input under one, and a stretch that holds `count`
 * neighbours. */
int64_t ck_pool_most_taps(const ck_pool_problem *problem, int axis);
int64_t ck_pool_reach(const ck_pool_problem *problem, int axis, int64_t count);

typedef enum { CK_POOL_PATH_SEPARABLE, CK_POOL_PATH_DIRECT, CK_POOL_PATH_INDICES } ck_pool_path;

/* How the loops are blocked; kept in ck_pool_plan.detail. A unit is a block of outputs of one row, and a chunk of inner. */
typedef struct {
  int64_t planes, inner;
  int64_t block, blocks, chunk, chunks;
  int64_t path;                       /* ck_pool_path */
  int64_t wide;                       /* an average of float whose sums are kept in double */
  int64_t in_place;                   /* separable: every window has one row, of the sum type: the input is the buffer */
  int64_t runs_at, buffer_at, row_at; /* in a thread's workspace */
  double unit_steps;
} ck_pool_tiling;

#define CK_POOL_SLACK 128  /* bytes behind the buffer that slide kernels may read: two vectors */
#define CK_POOL_PADDING 64 /* elements of padding that a buffer can have on each side */
#define CK_POOL_BAND 32 /* elements of the row that long windows are folded to: enough chains of sums to hide their latency */
#define CK_POOL_PASS_ROWS 8 /* rows that are folded in one pass: the ways of a first-level cache */

/* One call. The kernels are those of the kind of pooling: `fold` goes from elements to the sum type, the others stay in it. */
typedef struct {
  ck_pool_problem problem; /* with axes merged */
  ck_pool_whole whole[CK_AXES];
  ck_pool_tiling tiling;
  ck_split split;
  void (*fold)(const ck_fold *);
  void (*fold_sums)(const ck_fold *);
  void (*slide)(const ck_slide *);
  void (*argmax)(const ck_argmax *);
  void (*root)(const ck_root *);        /* lp, wide averages: from the sum type (double) to that of dst; else NULL */
  void (*fill_lowest)(void *, int64_t); /* max: what never wins; else NULL */
  int64_t src_size, sum_size, dst_size;
  const char *src;
  char *dst, *workspace;
  int64_t *indices;
  size_t thread_bytes;
} ck_pool_call;

/* The outputs of one unit. */
typedef struct {
  const ck_pool_call *call;
  char *workspace; /* of the thread */
  ck_pool_alike *runs;
  int64_t run_count;
  int64_t from, to; /* input positions under the runs: from .. to - 1 */
  int64_t origin;   /* input position of the buffer's first element; in the padding if the buffer has some */
  ck_pool_window d, h;
  int64_t plane, od, oh, channel, channels;
} ck_pool_line;

void ck_pool_separable(const ck_pool_line *line);
void ck_pool_prepare_buffer(ck_pool_line *line); /* before, once for each block: sets from, to, origin; may join the runs */
void ck_pool_direct(const ck_pool_line *line);
void ck_pool_indices(const ck_pool_line *line);

CK_INLINE ck_pool_window ck_pool_window_of(const ck_pool_call *call, int axis, int64_t out) {
  const ck_pool_whole *whole = &call->whole[axis];
  if (out < whole->from || out >= whole->to) return ck_pool_window_at(&call->problem, axis, out);
  return (ck_pool_window){whole->first + out * whole->stride, whole->taps, (double)whole->taps};
}

/* Offset of element (line's window, x, line's first channel) in src, and of output ow in dst. */
CK_INLINE int64_t ck_pool_src_at(const ck_pool_line *line, int64_t x) {
  const ck_pool_call *call = line->call;
  const int64_t *in = call->problem.window.in;
  return (((line->plane * in[0] + line->d.first) * in[1] + line->h.first) * in[2] + x) * call->tiling.inner + line->channel;
}

CK_INLINE int64_t ck_pool_dst_at(const ck_pool_line *line, int64_t ow) {
  const ck_pool_call *call = line->call;
  const int64_t *out = call->problem.window.out;
  return (((line->plane * out[0] + line->od) * out[1] + line->oh) * out[2] + ow) * call->tiling.inner + line->channel;
}

/* direct, channels first: elements of the row that a window with so many taps on its width is folded to. */
CK_INLINE int64_t ck_pool_band(const ck_pool_problem *problem, int64_t taps) {
  if (!problem->adaptive && problem->window.dilation[2] > 1) return 1;
  return ck_min(taps, taps < 4 * CK_POOL_BAND ? CK_POOL_BAND / 2 : CK_POOL_BAND);
}

/* Elements of src from offset `at` to its end. */
CK_INLINE int64_t ck_pool_readable(const ck_pool_call *call, int64_t at) {
  return call->tiling.planes * ck_volume(call->problem.window.in) * call->tiling.inner - at;
}

/* Distance of two taps; a lone tap needs none, and its dilation may be too large to be multiplied. */
CK_INLINE ptrdiff_t ck_pool_step(const ck_pool_problem *problem, int axis, int64_t taps, int64_t elements) {
  if (taps <= 1) return 0;
  return (problem->adaptive ? 1 : problem->window.dilation[axis]) * elements;
}

/* Taps and their distances on the axes depth and height, in elements of a plane with this much inner. */
CK_INLINE void ck_pool_outer_taps(const ck_pool_line *line, int64_t inner, int64_t taps[2], ptrdiff_t strides[2]) {
  const ck_pool_problem *problem = &line->call->problem;
  const int64_t *in = problem->window.in;
  taps[0] = line->d.taps;
  taps[1] = line->h.taps;
  strides[0] = ck_pool_step(problem, 0, taps[0], in[1] * in[2] * inner);
  strides[1] = ck_pool_step(problem, 1, taps[1], in[2] * inner);
}

CK_INLINE double ck_pool_divisor(const ck_pool_line *line, const ck_pool_alike *run) {
  const ck_pool_problem *problem = &line->call->problem;
  if (problem->kind != CK_POOL_AVERAGE) return 1;
  return problem->divisor != 0 ? problem->divisor : line->d.counted * line->h.counted * run->counted;
}

CK_INLINE bool ck_pool_is_empty(const ck_pool_line *line, const ck_pool_alike *run) {
  return line->d.taps == 0 || line->h.taps == 0 || run->taps == 0;
}

/* Windows without an element: averages that count padding, and give zero. */
CK_INLINE void ck_pool_fill(const ck_pool_line *line, const ck_pool_alike *run) {
  const ck_pool_call *call = line->call;
  for (int64_t i = 0; i < run->count; i++)
    memset(call->dst + ck_pool_dst_at(line, run->out + i) * call->dst_size, 0, (size_t)(line->channels * call->dst_size));
}

#endif
