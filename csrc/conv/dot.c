/* dot.c: a window that is the whole input, as in a fully connected layer or a squeeze-and-excitation block: one output pixel,
 * whose channels are dot products of the rows of the weights with the input.
 *
 *   for sample, group: for a range of output channels: dot
 *
 * Every weight is used once a sample. The loop nest of direct needs the weights packed, which costs more than to multiply them;
 * here they are read as they are given, at the speed of the cache that holds them. An output is 16 chains of multiply-adds,
 * over every sixteenth product, folded by halves: other bits than direct has, the same for any threads, batch and FMA
 * instruction set. Its error bound is the smaller for it: K / 16 + 5 roundings instead of K. */
#include "algorithm.h"
#include "cost.h"
#include "split.h"

#include "../base/cpu.h"

#define CYCLES_ROW 20.0           /* folding the sums */
#define CYCLES_ROW_VECTOR_FAR 3.0 /* weights from beyond L2 */

static const char *declines(const ck_conv_problem *p) {
  const ck_window *w = &p->window;
  bool whole = true;
  for (int axis = 0; axis < CK_AXES; axis++)
    whole = whole && w->in[axis] == w->kernel[axis] && w->before[axis] == 0 && w->after[axis] == 0;
  if (!ck_dtype_is_real(p->src_dtype)) return "integers are summed exactly by any other; it serves float32 and float64";
  if (!whole) return "it serves windows that are the whole input";
  if (p->layout == CK_LAYOUT_CHANNELS_LAST && ck_volume(w->in) > 1)
    return "channels last, it serves inputs of one pixel: in others the order is not that of the weights";
  return NULL;
}

static int64_t terms(const ck_conv_problem *p) { return p->ic / p->g * ck_volume(p->window.in); }

static ck_status plan(ck_conv_plan *plan) {
  const ck_conv_problem *p = &plan->problem;
  const double lanes = ck_isa_table(plan->isa)->of[p->src_dtype].lanes, rows = (double)p->oc, k = (double)terms(p);
  const bool far = rows * k * (double)ck_dtype_size(p->src_dtype) > (double)ck_cpu_caches().l2 / 2;
  plan->cost = rows * (k / lanes * (far ? CYCLES_ROW_VECTOR_FAR : 1) + CYCLES_ROW) / CYCLES_PER_US;
  return CK_STATUS_OK;
}

static void pack(const ck_conv_plan *plan, const void *weights, void *packed) { (void)plan, (void)weights, (void)packed; }

/* Parts of the output channels of a group. */
static ck_split split_for(const ck_conv_plan *plan, int64_t n, int num_threads) {
  const ck_conv_problem *p = &plan->problem;
  const int64_t images = n * p->g, rows = p->oc / p->g, units = ck_ceil_div(rows, 8);
  const ck_split_side side[2] = {{1, 1, 1, 0, 0}, {units, 1, units, 0, 0}};
  return ck_split_for(images, side, ck_threads_for((double)images * (double)rows * (double)terms(p), num_threads));
}

typedef struct {
  const ck_conv_plan *plan;
  const ck_conv_buffers *buffers;
  int64_t parts;
} dot_call;

static void run_task(const void *context, int64_t task, int slot) {
  const dot_call *call = context;
  const ck_conv_problem *p = &call->plan->problem;
  const ck_conv_buffers *b = call->buffers;
  const int64_t rows = p->oc / p->g, k = terms(p), size = ck_dtype_size(p->src_dtype);
  const int64_t part = task % call->parts, group = task / call->parts % p->g, sample = task / call->parts / p->g;
  const int64_t first = group * rows + ck_share(rows, call->parts, part);
  (void)slot;
  const ck_dot dot = {.a = (const char *)b->weights + first * k * size,
                      .x = (const char *)b->src + (sample * b->src_batch_stride + group * k) * size,
                      .bias = b->bias ? (const char *)b->bias + first * size : NULL,
                      .dst = (char *)b->dst + (sample * p->oc + first) * size,
                      .a_stride = k,
                      .k = k,
                      .rows = group * rows + ck_share(rows, call->parts, part + 1) - first,
                      .activation = p->activation};
  ck_isa_table(call->plan->isa)->of[p->src_dtype].dot(&dot);
}

static ck_status run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control) {
  const ck_split s = split_for(plan, buffers->n, control->num_threads);
  const dot_call call = {plan, buffers, s.parts[1]};
  ck_control narrowed = *control;
  narrowed.num_threads = s.num_threads;
  return ck_parallel_for(&narrowed, buffers->n * plan->problem.g * s.parts[1], run_task, &call);
}

static int64_t tasks(const ck_conv_plan *plan, int64_t n, int num_threads) {
  return split_for(plan, n, num_threads).num_threads;
}

static int64_t task_outputs(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task) {
  const int64_t parts = split_for(plan, n, num_threads).parts[1], rows = plan->problem.oc / plan->problem.g,
                part = task % parts;
  if (task >= n * plan->problem.g * parts) return -1;
  return ck_share(rows, parts, part + 1) - ck_share(rows, parts, part);
}

const ck_conv_algorithm ck_conv_dot = {"dot", false, declines, plan, pack, run, tasks, task_outputs};
