/* algorithm.h: what an algorithm is to conv.c. One row in algorithms.def and one file give one. */
#ifndef CK_CONV_ALGORITHM_H
#define CK_CONV_ALGORITHM_H

#include "../base/checked.h"
#include "../base/parallel.h"
#include "../convkit.h"
#include "../dispatch.h"

typedef struct {
  const char *name;
  bool chains; /* an output is one chain of multiply-adds, in the order of loops.h: the same bits as any other with it */
  /* NULL: accepts; else the reason, in words. The problem has passed ck_conv_problem_check. */
  const char *(*declines)(const ck_conv_problem *problem);
  /* Fills tiling, packed_bytes, thread_bytes, shared_bytes and cost; problem, algorithm and isa are set. */
  ck_status (*plan)(ck_conv_plan *plan);
  void (*pack)(const ck_conv_plan *plan, const void *weights, void *packed);
  ck_status (*run)(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control);
  /* How many tasks a call with n >= 1 samples has: no more threads than that are of use. */
  int64_t (*tasks)(const ck_conv_plan *plan, int64_t n, int num_threads);
  /* The outputs of task `task` of a call; -1 after the last. Tasks are taken in the order of their numbers. */
  int64_t (*task_outputs)(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task);
} ck_conv_algorithm;

#define CK_ROW(name) extern const ck_conv_algorithm ck_conv_##name;
#include "algorithms.def"
#undef CK_ROW

/* Input places from the first that `count` neighbouring output places see along an axis to the last, padding included. */
CK_INLINE int64_t ck_span(const ck_window *w, int axis, int64_t count) {
  return (count - 1) * w->stride[axis] + (w->kernel[axis] - 1) * w->dilation[axis] + 1;
}

/* Behind the last sample of the input. */
CK_INLINE const char *ck_conv_src_end(const ck_conv_problem *p, const ck_conv_buffers *buffers) {
  const int64_t last_sample = ck_max(0, buffers->src_batch_stride * (buffers->n - 1));
  return (const char *)buffers->src + (last_sample + p->ic * ck_volume(p->window.in)) * ck_dtype_size(p->src_dtype);
}

/* Along an axis of stride s and dilation d the taps fall into so many phases, one for each residue of tap * d modulo s: those
 * of phase f are f, f + phases, ... Within one, neighbouring outputs see neighbours of an input of which each s-th place is
 * left. */
CK_INLINE int64_t ck_phases(const ck_window *w, int axis) {
  int64_t common = w->stride[axis], rest = w->dilation[axis];
  while (rest) {
    const int64_t next = common % rest;
    common = rest;
    rest = next;
  }
  return ck_min(w->kernel[axis], w->stride[axis] / common);
}

#endif
