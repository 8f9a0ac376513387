/* tiling.c: chooses lane orientation, tile shape, blocks and the split of a call from the sizes of a problem.
 *
 * Time is estimated in cycles of one core from four constants: multiply-adds by register tile (two a cycle, four cycles of latency, so that
 * a tile of fewer than eight sums waits), lowered vectors, packed weights and staged sums. The choice looks at one sample only, so
 * that neither batch nor threads can change it. */
#include "lowering.h"

#include "../base/cpu.h"
#include "../base/workspace.h"

#define CYCLES_LOWER_VECTOR 3.0  /* load, store and their share of a move */
#define CYCLES_LOWER_ELEMENT 1.5 /* where elements are gathered one by one or widened */
#define CYCLES_PACK_WEIGHT 0.6   /* an element of the weights, transposed */
#define CYCLES_STAGE_VECTOR 6.0  /* store, load, transpose, store */
#define CYCLES_TILE 25.0         /* call of a micro-kernel and its stores */
/* In place, operands come from scattered lines and pages: measured against packed ones on the layers of bench/. */
#define SLOWER_IN_PLACE 1.12
#define SLOWER_IN_PLACE_CHANNELS_LAST 1.03
#define CYCLES_PER_US 3000.0

#define K_BLOCK_MOST 512
#define GROUP_PIXELS_MOST 4096
#define IN_PLACE_PIXELS 512
#define WORK_PER_THREAD 100000

static ck_dtype sum_of(const ck_conv_plan *plan) { return ck_dtype_sum(plan->problem.src_dtype); }

static const ck_kernels *kernels_of(const ck_conv_plan *plan) { return &ck_isa_table(plan->isa)->of[sum_of(plan)]; }

/* Axes whose neighbours lie side by side in input and output and have no window of their own become one axis. */
static ck_window merged(ck_window w) {
  for (int axis = 0; axis < CK_AXES - 1; axis++) {
    bool plain = true;
    for (int i = axis; i <= axis + 1; i++)
      plain = plain && w.kernel[i] == 1 && w.stride[i] == 1 && w.before[i] == 0 && w.after[i] == 0;
    if (!plain) continue;
    w.in[axis + 1] *= w.in[axis];
    w.out[axis + 1] *= w.out[axis];
    w.in[axis] = w.out[axis] = 1;
  }
  return w;
}

/* ---- Tiles -----------------------------------------------------------------------------------------------------------------
 * The side that runs along the lanes comes in whole vectors, the other in single rows. */

int64_t ck_tile_pixels(const ck_conv_plan *plan) {
  const ck_conv_tiling *t = &plan->tiling;
  return t->pixel_lanes ? (int64_t)t->vectors * kernels_of(plan)->lanes : t->rows;
}

int64_t ck_packed_elements(const ck_conv_plan *plan) {
  const ck_channel_tile last = ck_channel_tile_at(plan, ck_channel_tile_count(plan) - 1);
  return ck_round_up((last.first + last.width) * ck_reduction(plan), CK_PACK_SLACK);
}

int64_t ck_channel_tile_count(const ck_conv_plan *plan) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t unit = t->pixel_lanes ? 1 : kernels_of(plan)->lanes;
  return ck_ceil_div(ck_ceil_div(ck_out_channels(plan), unit), t->pixel_lanes ? t->rows : t->vectors);
}

ck_channel_tile ck_channel_tile_at(const ck_conv_plan *plan, int64_t index) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t channels = ck_out_channels(plan), unit = t->pixel_lanes ? 1 : kernels_of(plan)->lanes;
  const int64_t units = ck_ceil_div(channels, unit), tiles = ck_channel_tile_count(plan);
  const int64_t first = ck_share(units, tiles, index) * unit, last = ck_share(units, tiles, index + 1) * unit;
  return (ck_channel_tile){first, (int)(ck_min(last, channels) - first), (int)(last - first)};
}

/* ---- Blocks of K ----------------------------------------------------------------------------------------------------------- */

static void block_reduction(ck_conv_tiling *t) {
  const int64_t blocks_inner = ck_ceil_div(t->k_inner, K_BLOCK_MOST);
  t->block_inner = ck_ceil_div(t->k_inner, blocks_inner);
  t->block_outer = 1;
  if (blocks_inner > 1) return;
  const int64_t whole = ck_max(1, K_BLOCK_MOST / t->k_inner);
  /* One pass where the reduction is only a little longer than a block. */
  t->block_outer = t->k_outer * t->k_inner <= K_BLOCK_MOST * 5 / 4 ? t->k_outer
                                                                   : ck_ceil_div(t->k_outer, ck_ceil_div(t->k_outer, whole));
}

int64_t ck_k_block_count(const ck_conv_tiling *t) {
  return ck_ceil_div(t->k_outer, t->block_outer) * ck_ceil_div(t->k_inner, t->block_inner);
}

ck_k_block ck_k_block_at(const ck_conv_tiling *t, int64_t index) {
  const int64_t inner_blocks = ck_ceil_div(t->k_inner, t->block_inner);
  ck_k_block b;
  b.outer0 = index / inner_blocks * t->block_outer;
  b.outer1 = ck_min(b.outer0 + t->block_outer, t->k_outer);
  b.inner0 = index % inner_blocks * t->block_inner;
  b.inner1 = ck_min(b.inner0 + t->block_inner, t->k_inner);
  b.k0 = b.outer0 * t->k_inner + b.inner0;
  b.k = (b.outer1 - b.outer0) * (b.inner1 - b.inner0);
  return b;
}

/* ---- Estimates ------------------------------------------------------------------------------------------------------------- */

/* Cycles of one step of k in a register tile. */
static double step_cycles(int rows, int vectors) {
  const double adds = rows * vectors / 2.0, loads = (rows + vectors) / 2.2;
  return adds < 4.0 ? 4.0 : adds > loads ? adds : loads;
}

/* Steps of one side, cut evenly (rows) or filled up (lanes): the total of step_cycles over a grid of tiles. */
static double grid_cycles(int64_t row_units, int rows_most, int64_t lane_units, int vectors_most) {
  const int64_t row_tiles = ck_ceil_div(row_units, rows_most), lane_tiles = lane_units / vectors_most;
  const int rows_low = (int)(row_units / row_tiles), tail = (int)(lane_units % vectors_most);
  const int64_t high = row_units % row_tiles;
  double cycles = 0;
  for (int extra = 0; extra <= 1; extra++) {
    const double tiles = (double)(extra ? high : row_tiles - high);
    if (tiles == 0) continue;
    cycles += tiles * (double)lane_tiles * step_cycles(rows_low + extra, vectors_most);
    if (tail) cycles += tiles * step_cycles(rows_low + extra, tail);
  }
  return cycles;
}

static double estimate(const ck_conv_plan *plan, double lower_share) {
  const ck_conv_problem *p = &plan->problem;
  const ck_conv_tiling *t = &plan->tiling;
  const double k = (double)ck_reduction(plan), pixels = (double)ck_volume(p->window.out), lanes = kernels_of(plan)->lanes;
  const double channels = (double)ck_out_channels(plan);
  const int64_t pixel_units = ck_ceil_div((int64_t)pixels, t->pixel_lanes ? (int64_t)lanes : 1);
  const int64_t channel_units = ck_ceil_div(ck_out_channels(plan), t->pixel_lanes ? 1 : (int64_t)lanes);
  const double grid = t->pixel_lanes ? grid_cycles(channel_units, t->rows, pixel_units, t->vectors)
                                     : grid_cycles(pixel_units, t->rows, channel_units, t->vectors);
  const double tiles = (double)ck_channel_tile_count(plan) * pixels / (double)ck_tile_pixels(plan);
  const bool gathered = t->window.stride[2] > 2 || p->src_dtype != sum_of(plan);
  const double per_vector = gathered && p->layout == CK_LAYOUT_CHANNELS_FIRST ? CYCLES_LOWER_ELEMENT * lanes : CYCLES_LOWER_VECTOR;
  const double run = t->pixel_lanes ? lanes : p->layout == CK_LAYOUT_CHANNELS_LAST ? lanes : (double)ck_min(t->rows, (int64_t)lanes);
  const double slower = p->layout == CK_LAYOUT_CHANNELS_LAST ? SLOWER_IN_PLACE_CHANNELS_LAST : SLOWER_IN_PLACE;
  double cycles = k * grid * (t->in_place ? slower : 1.0) + CYCLES_TILE * tiles * (double)ck_k_block_count(t);
  cycles += lower_share * k * pixels / run * per_vector;
  if (plan->shared_bytes) cycles += k * channels * CYCLES_PACK_WEIGHT * (p->layout == CK_LAYOUT_CHANNELS_LAST ? 2 : 1);
  if (t->staged) cycles += pixels * channels / lanes * CYCLES_STAGE_VECTOR;
  return cycles * (double)p->g / CYCLES_PER_US;
}

/* ---- The plan -------------------------------------------------------------------------------------------------------------- */

static ck_status book(ck_conv_plan *plan) {
  ck_conv_tiling *t = &plan->tiling;
  const int64_t size = ck_dtype_size(sum_of(plan)), k = t->block_outer * t->block_inner;
  const int64_t lowered = t->in_place ? ck_tile_pixels(plan) : t->group_pixels;
  ck_ledger ledger = {0};
  t->tiles_at = ck_ledger_book(&ledger, ck_tiles_most(plan, t->group_pixels), sizeof(ck_tile));
  t->moves_at = ck_ledger_book(&ledger, ck_moves_most(plan, lowered), sizeof(ck_move));
  t->offsets_at = ck_ledger_book(&ledger, t->in_place ? k : 0, sizeof(ptrdiff_t));
  t->lowered_at = ck_ledger_book(&ledger, ck_lowered_elements(plan, lowered), size);
  t->sums_stride = ck_round_up(ck_out_channels(plan), 16) + 16;
  t->sums_at = ck_ledger_book(&ledger, t->staged ? t->group_pixels * t->sums_stride : 0, size);
  if (ledger.bytes.overflow) return CK_STATUS_TOO_LARGE;
  plan->thread_bytes = (size_t)ledger.bytes.value;
  return CK_STATUS_OK;
}

static void size_groups(ck_conv_plan *plan) {
  ck_conv_tiling *t = &plan->tiling;
  const int64_t size = ck_dtype_size(sum_of(plan)), pixels = ck_volume(plan->problem.window.out);
  const int64_t tile = ck_tile_pixels(plan);
  const int64_t l2 = ck_cpu_caches().l2 * 4 / 10, k = t->block_outer * t->block_inner;
  int64_t group = t->in_place ? IN_PLACE_PIXELS : ck_clamp(l2 / (k * size), tile, GROUP_PIXELS_MOST);
  t->pixel_unit = tile;
  /* Whole output rows where several fit: tiles read in place then keep clear of row ends. */
  if (t->in_place && t->window.out[2] * 2 <= group) t->pixel_unit = t->window.out[2];
  group = ck_max(group / t->pixel_unit, 1) * t->pixel_unit;
  t->group_pixels = ck_min(group, ck_round_up(pixels, t->pixel_unit));
}

static ck_status try_shape(ck_conv_plan *plan, ck_loops_choice choice, bool pixel_lanes, int shape) {
  const ck_conv_problem *p = &plan->problem;
  const ck_kernels *kernels = kernels_of(plan);
  ck_conv_tiling *t = &plan->tiling;
  const bool channels_last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  t->window = merged(p->window);
  t->pixel_lanes = pixel_lanes;
  t->vectors = kernels->shapes[shape].vectors;
  t->rows = kernels->shapes[shape].rows;
  t->in_place = choice.in_place && p->src_dtype == sum_of(plan) &&
                (!pixel_lanes || p->src_dtype == CK_DTYPE_f32 || p->src_dtype == CK_DTYPE_f64);
  t->staged = !pixel_lanes && !channels_last;
  t->weights_in_place = pixel_lanes && !p->prepared && !choice.in_place;
  t->k_outer = channels_last ? ck_volume(p->window.kernel) : p->ic / p->g;
  t->k_inner = channels_last ? p->ic / p->g : ck_volume(p->window.kernel);
  block_reduction(t);
  size_groups(plan);
  const int64_t factors[3] = {p->g, ck_packed_elements(plan), ck_dtype_size(sum_of(plan))};
  const ck_checked bytes = ck_checked_product(factors, 3);
  if (bytes.overflow) return CK_STATUS_TOO_LARGE;
  plan->packed_bytes = p->prepared ? (size_t)bytes.value : 0;
  plan->shared_bytes = p->prepared || t->weights_in_place ? 0 : (size_t)bytes.value;
  plan->cost = estimate(plan, choice.lower_share);
  return CK_STATUS_OK;
}

ck_status ck_loops_plan(ck_conv_plan *plan, ck_loops_choice choice) {
  const ck_conv_plan blank = *plan;
  const ck_kernels *kernels = kernels_of(plan);
  ck_status best = CK_STATUS_TOO_LARGE;
  for (int pixel_lanes = 0; pixel_lanes <= 1; pixel_lanes++) {
    if (pixel_lanes && plan->problem.layout == CK_LAYOUT_CHANNELS_LAST) continue;
    for (int shape = 0; shape < CK_TILE_SHAPES && kernels->shapes[shape].rows; shape++) {
      ck_conv_plan candidate = blank;
      if (try_shape(&candidate, choice, pixel_lanes, shape)) continue;
      if (best || candidate.cost < plan->cost) *plan = candidate;
      best = CK_STATUS_OK;
    }
  }
  return best ? best : book(plan);
}

/* ---- The split of a call --------------------------------------------------------------------------------------------------- */

/* Rounds of tasks that the busiest thread does, relative to a perfect split. */
static double imbalance(int64_t tasks, int threads) {
  return (double)(ck_ceil_div(tasks, threads) * threads) / (double)tasks;
}

ck_loops_split ck_loops_split_for(const ck_conv_plan *plan, int64_t n, int num_threads) {
  const ck_conv_problem *p = &plan->problem;
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t pixels = ck_volume(p->window.out), images = n * p->g, channels = ck_out_channels(plan);
  const double work = (double)ck_reduction(plan) * (double)channels * (double)pixels * (double)images;
  ck_loops_split split = {.pixel_parts = ck_ceil_div(pixels, t->group_pixels), .channel_parts = 1};
  split.num_threads = (int)ck_clamp((int64_t)(work / WORK_PER_THREAD < 1e6 ? work / WORK_PER_THREAD : 1e6) + 1, 1, num_threads);
  const int threads = split.num_threads;
  if (threads == 1) return split;
  const int64_t most_pixel_parts = ck_ceil_div(pixels, t->pixel_unit), most_channel_parts = ck_channel_tile_count(plan);
  int64_t *parts = channels > pixels ? &split.channel_parts : &split.pixel_parts;
  const int64_t most = channels > pixels ? most_channel_parts : most_pixel_parts;
  const int64_t fixed = images * split.pixel_parts * split.channel_parts / *parts, start = *parts;
  const int64_t enough = ck_clamp(ck_ceil_div(threads, fixed), start, most);
  *parts = enough;
  for (int64_t more = enough; more <= ck_min(most, enough + threads); more++)
    if (imbalance(fixed * more, threads) < imbalance(fixed * *parts, threads) - 0.02) *parts = more;
  return split;
}

int64_t ck_loops_tasks(const ck_conv_plan *plan, int64_t n, int num_threads) {
  return ck_loops_split_for(plan, n, num_threads).num_threads;
}
