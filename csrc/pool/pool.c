/* pool.c: the door to pooling: checks the problem, chooses a path and its blocks, shares the outputs among threads.
 *
 *   for unit = (plane, chunk of inner, block of output columns, output row), in parallel:
 *     cut the windows of the block to the input and join those that look alike to runs (axis.c)
 *     separable: fold the rows under the windows to one row, then slide along it       separable.c
 *     direct: fold each window on its own                                              direct.c
 *     indices: compare tap after tap, values and places together                       direct.c
 *
 * Every output belongs to one unit and is computed in an order that the problem alone decides, so no thread count changes a
 * bit.
 *
 * Averages of float32 are summed in float32 as long as no element passes through more than CK_FOLD_CHAIN additions; in larger
 * windows chains of that length are added up in double. Averages of integers and all powers (lp) are summed in double, which
 * keeps sums of integers exact up to 2**53. Maxima are compared in the dtype itself. */
#include "pool.h"

#include <math.h>

#include "../base/workspace.h"

enum {
  l1_bytes = 32 << 10,    /* what a buffer of the separable path should fit */
  buffer_bytes = 1 << 20, /* what it may take if one window is that long */
  most_columns = 512,     /* of a block: bounds the list of runs */
  direct_columns = 128,
  long_window = 16,   /* from here on a window's row fills vectors by itself */
  channel_chunk = 64, /* few outputs: channels are shared among the threads too */
  channel_chunk_max = 1024
};

/* ---- Check --------------------------------------------------------------------------------------------------------------- */

static ck_status check_windows(ck_pool_problem *problem) {
  ck_window *w = &problem->window;
  if (!problem->adaptive) return ck_window_check(w, problem->ceil_mode);
  for (int axis = 0; axis < CK_AXES; axis++)
    if (w->in[axis] < 1) return CK_STATUS_INPUT_SIZE;
  for (int axis = 0; axis < CK_AXES; axis++)
    if (w->out[axis] < 1) return CK_STATUS_TARGET_SIZE;
  return CK_STATUS_OK;
}

ck_status ck_pool_problem_check(ck_pool_problem *problem) {
  if (problem->n < 0) return CK_STATUS_BATCH;
  if (problem->c < 1) return CK_STATUS_INPUT_SIZE;
  ck_status status = check_windows(problem);
  if (status) return status;
  if ((unsigned)problem->src_dtype >= CK_DTYPE_COUNT) return CK_STATUS_DTYPE;
  if ((unsigned)problem->layout > CK_LAYOUT_CHANNELS_LAST) return CK_STATUS_LAYOUT;
  if ((unsigned)problem->kind > CK_POOL_LP) return CK_STATUS_POOL_KIND;
  if (problem->kind == CK_POOL_AVERAGE && isnan(problem->divisor)) return CK_STATUS_DIVISOR;
  if (problem->kind == CK_POOL_LP && !(problem->power > 0 && isfinite(problem->power))) return CK_STATUS_NORM_TYPE;
  const bool may_be_empty = problem->adaptive || (problem->kind == CK_POOL_AVERAGE && problem->count_include_pad);
  for (int axis = 0; axis < CK_AXES && !may_be_empty; axis++)
    if (ck_pool_has_empty_window(&problem->window, axis)) return CK_STATUS_WINDOW;
  /* At 16 bytes an element no later product of sizes can overflow. */
  status = ck_size_check(problem->n, problem->c, problem->window.in, 16);
  return status ? status : ck_size_check(problem->n, problem->c, problem->window.out, 16);
}

/* ---- Plan ---------------------------------------------------------------------------------------------------------------- */

static ck_dtype sum_dtype(const ck_pool_problem *problem, bool wide) {
  if (problem->kind == CK_POOL_MAX) return problem->src_dtype;
  return problem->kind == CK_POOL_AVERAGE && problem->src_dtype == CK_DTYPE_f32 && !wide ? CK_DTYPE_f32 : CK_DTYPE_f64;
}

static ck_dtype dst_dtype(const ck_pool_problem *problem) {
  if (problem->kind == CK_POOL_MAX) return problem->src_dtype;
  return problem->src_dtype == CK_DTYPE_f32 ? CK_DTYPE_f32 : CK_DTYPE_f64;
}

/* A single window over the whole plane is a window over one long row: global pooling. */
static ck_pool_problem merged(const ck_pool_problem *problem) {
  double counted = 1;
  for (int axis = 0; axis < CK_AXES; axis++) {
    const ck_pool_window window = ck_pool_window_at(problem, axis, 0);
    const bool dense = problem->adaptive || problem->window.dilation[axis] == 1 || problem->window.in[axis] == 1;
    if (problem->window.out[axis] != 1 || window.taps != problem->window.in[axis] || !dense) return *problem;
    counted *= window.counted;
  }
  ck_pool_problem whole = *problem;
  const int64_t length = ck_volume(problem->window.in);
  whole.window = (ck_window){.in = {1, 1, length}, .out = {1, 1, 1}};
  whole.adaptive = true;
  if (whole.divisor == 0) whole.divisor = counted;
  return whole;
}

/* Columns of a block whose stretch of input fits `elements`, or at least twice the reach of one window. */
static int64_t separable_block(const ck_pool_problem *p, int64_t elements) {
  int64_t block = ck_min(p->window.out[2], most_columns);
  const int64_t room = ck_max(elements, 2 * ck_pool_reach(p, 2, 1));
  while (block > 1 && ck_pool_reach(p, 2, block) > room) block = (block + 1) / 2;
  return block;
}

static double stride_of(const ck_pool_problem *p, int axis) {
  const ck_window *w = &p->window;
  return (double)(p->adaptive ? ck_max(1, w->in[axis] / w->out[axis]) : ck_min(w->in[axis], w->stride[axis]));
}

/* Whether rows folded once serve enough windows to be worth a buffer. In loads an output. */
static bool prefers_direct(const ck_pool_problem *p, int64_t inner) {
  const double taps = (double)ck_pool_most_taps(p, 2), stride = stride_of(p, 2);
  const double rows = (double)ck_pool_most_taps(p, 0) * (double)ck_pool_most_taps(p, 1);
  if (inner > 1) return rows * taps <= stride * (rows + 1) + taps;
  return taps >= long_window && 2 * stride >= taps && (p->adaptive || p->window.dilation[2] == 1);
}

static void set_path(const ck_pool_problem *p, ck_pool_tiling *t, bool wide) {
  const int64_t size = ck_dtype_size(sum_dtype(p, wide));
  t->wide = wide;
  t->in_place = sum_dtype(p, wide) == p->src_dtype && p->kind != CK_POOL_LP && ck_pool_most_taps(p, 0) == 1 &&
                ck_pool_most_taps(p, 1) == 1;
  const double taps = (double)ck_pool_most_taps(p, 2), stride = stride_of(p, 2);
  const double rows = (double)ck_pool_most_taps(p, 0) * (double)ck_pool_most_taps(p, 1);
  const bool fits = t->in_place || (double)ck_pool_reach(p, 2, 1) * (double)t->inner * (double)size <= buffer_bytes;
  double steps;
  if (p->kind == CK_POOL_MAX && p->with_indices) {
    t->path = CK_POOL_PATH_INDICES;
    steps = 2 * rows * taps;
  } else if (prefers_direct(p, t->inner) || !fits) {
    t->path = CK_POOL_PATH_DIRECT;
    steps = rows * taps;
  } else {
    t->path = CK_POOL_PATH_SEPARABLE;
    steps = rows * stride + taps;
  }
  if (p->kind == CK_POOL_LP) steps *= p->power == 1 || p->power == 2 ? 2 : 100;
  t->unit_steps = steps + 1;
}

/* The most additions that an element passes through on its way to a sum. */
static double longest_chain(const ck_pool_problem *p, const ck_pool_tiling *t) {
  const int64_t taps = ck_pool_most_taps(p, 2), band = t->inner > 1 ? 1 : ck_pool_band(p, taps);
  const double rows = (double)ck_pool_most_taps(p, 0) * (double)ck_pool_most_taps(p, 1);
  if (t->path == CK_POOL_PATH_SEPARABLE) return rows + (double)taps;
  return rows * (double)ck_ceil_div(taps, band) + (double)band;
}

static void set_blocks(const ck_pool_problem *p, ck_pool_tiling *t, int64_t size) {
  const int64_t ow = p->window.out[2];
  t->chunk = t->inner;
  if (t->path == CK_POOL_PATH_SEPARABLE) {
    t->block = t->in_place ? ck_min(ow, most_columns) : separable_block(p, l1_bytes / (t->inner * size));
  } else {
    t->block = ck_min(ow, direct_columns);
    const bool few = t->planes < channel_chunk && t->planes * ck_volume(p->window.out) < channel_chunk;
    t->chunk = ck_min(t->inner, few ? channel_chunk : channel_chunk_max);
  }
  t->blocks = ck_ceil_div(ow, t->block);
  t->block = ck_ceil_div(ow, t->blocks);
  t->chunks = ck_ceil_div(t->inner, t->chunk);
  t->unit_steps *= (double)t->block * (double)t->chunk;
}

static void set_tiling(const ck_pool_problem *p, ck_pool_tiling *t, ck_ledger *ledger) {
  const bool by_channels = p->layout == CK_LAYOUT_CHANNELS_LAST;
  *t = (ck_pool_tiling){.planes = by_channels ? p->n : p->n * p->c, .inner = by_channels ? p->c : 1};
  set_path(p, t, false);
  const bool single = p->kind == CK_POOL_AVERAGE && p->src_dtype == CK_DTYPE_f32;
  if (single && longest_chain(p, t) > CK_FOLD_CHAIN) set_path(p, t, true);
  const int64_t size = ck_dtype_size(sum_dtype(p, t->wide));
  set_blocks(p, t, size);
  t->runs_at = (int64_t)ck_ledger_book(ledger, t->block, sizeof(ck_pool_alike));
  if (t->path == CK_POOL_PATH_INDICES) return;
  t->row_at = (int64_t)ck_ledger_book(ledger, ck_max(t->block, t->chunk), sizeof(double));
  const bool buffered = t->path == CK_POOL_PATH_SEPARABLE && !t->in_place;
  const int64_t elements = buffered ? ck_pool_reach(p, 2, t->block) * t->inner + 2 * CK_POOL_PADDING : CK_POOL_BAND;
  t->buffer_at = (int64_t)ck_ledger_book(ledger, elements * size + CK_POOL_SLACK, 1);
}

_Static_assert(sizeof(ck_pool_tiling) <= sizeof(((ck_pool_plan *)0)->detail), "a tiling must fit the plan");

ck_status ck_pool_plan_init(ck_pool_plan *plan, const ck_pool_problem *problem) {
  *plan = (ck_pool_plan){.problem = *problem, .isa = ck_isa_current()};
  const ck_status status = ck_pool_problem_check(&plan->problem);
  if (status) return status;
  const ck_pool_problem whole = merged(&plan->problem);
  ck_pool_tiling tiling;
  ck_ledger ledger = {{0, false}};
  set_tiling(&whole, &tiling, &ledger);
  if (ledger.bytes.overflow) return CK_STATUS_TOO_LARGE;
  plan->thread_bytes = (size_t)ledger.bytes.value;
  memcpy(plan->detail, &tiling, sizeof tiling);
  return CK_STATUS_OK;
}

static ck_split split_units(const ck_pool_plan *plan, const ck_pool_tiling *t, int num_threads) {
  const int64_t *out = plan->problem.window.out;
  return ck_split_units(t->planes * t->chunks * t->blocks * out[0] * out[1], t->unit_steps, num_threads);
}

size_t ck_pool_workspace_bytes(const ck_pool_plan *plan, int num_threads) {
  ck_pool_tiling tiling;
  memcpy(&tiling, plan->detail, sizeof tiling);
  const ck_split split = split_units(plan, &tiling, num_threads);
  return plan->thread_bytes * (size_t)ck_parallel_width(split.num_threads, split.tasks);
}

/* ---- Run ----------------------------------------------------------------------------------------------------------------- */

static void choose_kernels(ck_pool_call *call, int isa) {
  const ck_pool_problem *p = &call->problem;
  const bool wide = call->tiling.wide;
  const ck_dtype sum = sum_dtype(p, wide), dst = dst_dtype(p);
  const ck_kernels *of = ck_isa_table(isa)->of, *src = &of[p->src_dtype];
  call->argmax = src->argmax;
  if (p->kind == CK_POOL_MAX) {
    call->fold = call->fold_sums = of[sum].fold_max;
    call->slide = of[sum].slide_max;
    call->fill_lowest = of[sum].fill_lowest;
  } else {
    call->fold = p->kind == CK_POOL_LP ? src->fold_power : wide ? src->fold_wide : src->fold_sum;
    call->fold_sums = of[sum].fold_sum;
    call->slide = of[sum].slide_sum;
    call->root = p->kind == CK_POOL_LP || wide ? of[dst].root : NULL;
  }
  call->src_size = ck_dtype_size(p->src_dtype);
  call->sum_size = ck_dtype_size(sum);
  call->dst_size = ck_dtype_size(dst);
}

/* Goes to the next unit: output rows first, then blocks, chunks, planes. */
static void next_unit(ck_pool_line *line, int64_t *block) {
  const ck_pool_tiling *t = &line->call->tiling;
  const int64_t *out = line->call->problem.window.out;
  if (++line->oh < out[1]) return;
  line->oh = 0;
  if (++line->od < out[0]) return;
  line->od = 0;
  if (++*block < t->blocks) return;
  *block = 0;
  line->channel += t->chunk;
  if (line->channel < t->inner) return;
  line->channel = 0;
  line->plane++;
}

static void begin_block(ck_pool_line *line, int64_t block) {
  const ck_pool_call *call = line->call;
  const int64_t from = block * call->tiling.block, to = ck_min(call->problem.window.out[2], from + call->tiling.block);
  line->run_count = ck_pool_runs(&call->problem, 2, &call->whole[2], from, to, line->runs);
  if (call->tiling.path == CK_POOL_PATH_SEPARABLE) ck_pool_prepare_buffer(line);
}

static void pool_task(const void *context, int64_t task, int slot) {
  static void (*const paths[])(const ck_pool_line *) = {
      [CK_POOL_PATH_SEPARABLE] = ck_pool_separable,
      [CK_POOL_PATH_DIRECT] = ck_pool_direct,
      [CK_POOL_PATH_INDICES] = ck_pool_indices,
  };
  const ck_pool_call *call = context;
  const ck_pool_tiling *t = &call->tiling;
  const int64_t *out = call->problem.window.out, rows = out[0] * out[1];
  const int64_t first = ck_split_from(&call->split, task), part = first / rows, group = part / t->blocks;
  ck_pool_line line = {.call = call, .workspace = call->workspace + call->thread_bytes * (size_t)slot};
  line.runs = (ck_pool_alike *)(line.workspace + t->runs_at);
  line.oh = first % out[1];
  line.od = first % rows / out[1];
  line.channel = group % t->chunks * t->chunk;
  line.plane = group / t->chunks;
  int64_t block = part % t->blocks, listed = -1;
  for (int64_t units = ck_split_to(&call->split, task) - first; units > 0; units--, next_unit(&line, &block)) {
    if (block != listed) begin_block(&line, block);
    listed = block;
    line.channels = ck_min(t->chunk, t->inner - line.channel);
    line.d = ck_pool_window_of(call, 0, line.od);
    line.h = ck_pool_window_of(call, 1, line.oh);
    paths[t->path](&line);
  }
}

ck_status ck_pool_run(const ck_pool_plan *plan, const void *src, void *dst, int64_t *indices, void *workspace,
                      const ck_control *control) {
  if (plan->problem.n == 0) return CK_STATUS_OK;
  ck_pool_call call = {.problem = merged(&plan->problem),
                       .src = src,
                       .dst = dst,
                       .indices = indices,
                       .workspace = workspace,
                       .thread_bytes = plan->thread_bytes};
  memcpy(&call.tiling, plan->detail, sizeof call.tiling);
  if (call.problem.kind == CK_POOL_AVERAGE) call.problem.power = 1; /* the root of a wide average is the average */
  for (int axis = 0; axis < CK_AXES; axis++) call.whole[axis] = ck_pool_whole_of(&call.problem, axis);
  call.split = split_units(plan, &call.tiling, control->num_threads);
  choose_kernels(&call, plan->isa);
  return ck_split_run(&call.split, control, pool_task, &call);
}
