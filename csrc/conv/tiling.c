/* tiling.c: chooses lane orientation, tile shape, blocks and the split of a call from the sizes of a problem.
 * Every way and shape is tried, and that of the lowest estimate (estimate.c) kept. The choice looks at one sample only, so that
 * neither batch nor threads can change it. */
#include "tiling.h"
#include "cost.h"
#include "split.h"

#include "../base/cpu.h"
#include "../base/workspace.h"

#define K_BLOCK_MOST 1152
#define GROUP_PIXELS_MOST 4096
#define APART_BYTES (2 << 20)  /* of a copy and its sums, where taps are far apart */
#define KEPT_BYTES (5 << 20)   /* of packed weights that a thread keeps during a call, at most */
#define THREAD_BYTES (8 << 20) /* of workspace, at most with the weights that a thread keeps */
#define IN_PLACE_PIXELS 512    /* outputs of so many pixels are written channel tile by channel tile */
/* What one more part of a split repeats, as a share of the work times the pixels (weights are read, and packed) or the output
 * channels (pixels are read, copied to a panel or lowered). */
#define READ_AGAIN 8.0
#define PACK_AGAIN 8.0
#define COPY_AGAIN 3.0
#define LOWER_AGAIN 12.0

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
  return t->pixel_lanes ? (int64_t)t->vectors * ck_kernels_of(plan)->lanes : t->rows;
}

static int64_t packed_lanes(const ck_conv_plan *plan) {
  const ck_channel_tile last = ck_channel_tile_at(plan, ck_channel_tile_count(plan) - 1);
  return last.first + last.width;
}

int64_t ck_packed_rows(const ck_conv_plan *plan) {
  const ck_k_block last = ck_k_block_at(&plan->tiling, ck_k_block_count(&plan->tiling) - 1);
  return last.row0 + last.rows;
}

int64_t ck_packed_elements(const ck_conv_plan *plan) {
  return ck_round_up(packed_lanes(plan) * ck_packed_rows(plan), CK_PACK_SLACK);
}

int64_t ck_channel_tile_count(const ck_conv_plan *plan) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t unit = t->pixel_lanes ? 1 : ck_kernels_of(plan)->lanes;
  return ck_ceil_div(ck_ceil_div(ck_out_channels(plan), unit), t->pixel_lanes ? t->rows : t->vectors);
}

ck_channel_tile ck_channel_tile_at(const ck_conv_plan *plan, int64_t index) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t channels = ck_out_channels(plan), unit = t->pixel_lanes ? 1 : ck_kernels_of(plan)->lanes;
  const int64_t units = ck_ceil_div(channels, unit), tiles = ck_channel_tile_count(plan);
  const int64_t first = ck_share(units, tiles, index) * unit, last = ck_share(units, tiles, index + 1) * unit;
  return (ck_channel_tile){first, (int)(ck_min(last, channels) - first), (int)(last - first)};
}

ck_checked ck_packed_bytes(const ck_conv_plan *plan) {
  ck_ledger ledger = {0};
  ck_ledger_book(&ledger, plan->problem.g * ck_channel_tile_count(plan), 1);
  /* Where the elements of a group overflow, their number cannot tell. */
  const int64_t group[2] = {packed_lanes(plan), ck_packed_rows(plan)};
  const ck_checked elements = ck_checked_add(ck_checked_product(group, 2), ck_checked_of(CK_PACK_SLACK));
  const int64_t factors[3] = {plan->problem.g, ck_packed_elements(plan), ck_dtype_size(ck_sum_of(plan))};
  ck_checked bytes = ck_checked_add(ck_checked_product(factors, 3), ledger.bytes);
  bytes.overflow |= elements.overflow;
  return bytes;
}

/* ---- Blocks of K --------------------------------------------------------------------------------------------------------- */

_Static_assert(K_BLOCK_MOST * 5 / 4 / 2 <= CK_TURNS_MOST, "the taps of two channels are dealt out at most");

/* All taps of some channels, or some taps of one channel: either way their weights lie side by side as they are given. */
static void block_reduction(ck_conv_tiling *t) {
  const int64_t taps = t->k_outer, channels = t->k_inner;
  int64_t block_taps = taps, block_channels = 1;
  if (taps > K_BLOCK_MOST) {
    block_taps = ck_ceil_div(taps, ck_ceil_div(taps, K_BLOCK_MOST));
  } else {
    /* One pass where the reduction is only a little longer than a block. */
    const int64_t most = taps * channels <= K_BLOCK_MOST * 5 / 4 ? channels : K_BLOCK_MOST / taps;
    block_channels = ck_ceil_div(channels, ck_ceil_div(channels, most));
    if (block_channels > 16) block_channels = ck_min(ck_round_up(block_channels, 16), channels);
  }
  t->block_outer = block_taps;
  t->block_inner = block_channels;
}

int64_t ck_row_gap(const ck_conv_tiling *t) {
  return ck_loops_viewed(t) && t->block_inner > 1 && t->k_outer > t->window.kernel[2] ? 1 : 0;
}

int64_t ck_k_block_count(const ck_conv_tiling *t) {
  return ck_ceil_div(t->k_outer, t->block_outer) * ck_ceil_div(t->k_inner, t->block_inner);
}

ck_k_block ck_k_block_at(const ck_conv_tiling *t, int64_t index) {
  const int64_t inner_blocks = ck_ceil_div(t->k_inner, t->block_inner);
  ck_k_block b = {.index = index};
  b.outer0 = index / inner_blocks * t->block_outer;
  b.outer1 = ck_min(b.outer0 + t->block_outer, t->k_outer);
  b.inner0 = index % inner_blocks * t->block_inner;
  b.inner1 = ck_min(b.inner0 + t->block_inner, t->k_inner);
  b.k0 = b.outer0 * t->k_inner + (b.outer1 - b.outer0) * b.inner0;
  b.k = (b.outer1 - b.outer0) * (b.inner1 - b.inner0);
  const int64_t gaps = ck_row_gap(t) * (t->k_outer / t->window.kernel[2]);
  b.row0 = b.k0 + index * gaps;
  b.rows = b.k + gaps;
  return b;
}

int64_t ck_packed_blocks(const ck_conv_plan *plan) {
  return plan->problem.g * ck_channel_tile_count(plan) * ck_k_block_count(&plan->tiling);
}

/* Each thread packs and keeps them for itself: what one core has packed reaches another at a tenth of the speed at which it
 * packs them, on some machines. */
bool ck_keeps_weights(const ck_conv_plan *plan, int64_t n) {
  const int64_t uses = n * ck_ceil_div(ck_volume(plan->problem.window.out), plan->tiling.group_pixels);
  return ck_packs_weights(plan) && uses > 2 && ck_packed_bytes(plan).value <= KEPT_BYTES;
}

/* ---- The plan ------------------------------------------------------------------------------------------------------------ */

static ck_status book(ck_conv_plan *plan) {
  ck_conv_tiling *t = &plan->tiling;
  const int64_t size = ck_dtype_size(ck_sum_of(plan)), k = t->block_outer * t->block_inner, pixels = t->group_pixels;
  const bool viewed = ck_loops_viewed(t), whole = t->pixels == CK_PIXELS_PANEL;
  const int64_t spare = CK_PACK_SLACK + ck_tile_pixels(plan),
                width = t->pixel_lanes ? t->rows : t->vectors * ck_kernels_of(plan)->lanes;
  const int64_t runs = viewed ? ck_view_runs_most(t) : 0;
  const ck_panel panel = ck_panel_of(t, pixels);
  ck_ledger ledger = {0};
  t->tiles_at = ck_ledger_book(&ledger, viewed ? pixels : ck_tiles_most(plan, pixels), sizeof(ck_tile));
  if (viewed) {
    const ck_checked copy = t->pixels == CK_PIXELS_TRANSPOSED ? ck_view_elements_most(t) : ck_checked_of(0);
    ledger.bytes.overflow |= copy.overflow;
    t->offsets_at = ck_ledger_book(&ledger, runs, sizeof(ck_gemm_run));
    t->taps_at = ck_ledger_book(&ledger, runs / t->block_outer, sizeof(ck_view_taps));
    t->lowered_at = ck_ledger_book(&ledger, copy.value, size);
  } else {
    t->moves_at = ck_ledger_book(&ledger, whole ? ck_panel_moves_most(&panel) : ck_moves_most(plan, pixels), sizeof(ck_move));
    t->offsets_at = ck_ledger_book(&ledger, t->pixels == CK_PIXELS_LOWERED ? 0 : k + CK_OFFSETS_AHEAD, sizeof(ptrdiff_t));
    t->lowered_at =
        ck_ledger_book(&ledger, whole ? panel.channel * t->block_inner + spare : ck_lowered_elements(plan, pixels), size);
  }
  t->sums_stride = ck_round_up(ck_out_channels(plan), 16) + 16;
  t->sums_at = ck_ledger_book(&ledger, t->staged ? pixels * t->sums_stride : 0, size);
  t->zeros_at = ck_ledger_book(&ledger, t->skips ? t->block_inner : 0, size);
  const int64_t kept = ck_keeps_weights(plan, plan->problem.n) ? plan->problem.g * ck_packed_elements(plan) : 0;
  t->weights_kept = kept > 0 && ledger.bytes.value <= THREAD_BYTES - kept * size;
  t->weights_by_tile = ck_packs_weights(plan) && !t->weights_kept;
  const int64_t of_tile = t->weights_by_tile ? ck_k_block_at(t, 0).rows * width : 0;
  t->weights_at = ck_ledger_book(&ledger, t->weights_kept ? kept : of_tile, size);
  t->known_at = ck_ledger_book(&ledger, t->weights_kept ? ck_packed_blocks(plan) : 0, 1);
  if (ledger.bytes.overflow) return CK_STATUS_TOO_LARGE;
  plan->thread_bytes = (size_t)ledger.bytes.value;
  return CK_STATUS_OK;
}

/* The share of L2 for what a group of pixels keeps there; more where weights come from afar and are packed for each group. */
static int64_t group_elements(const ck_conv_plan *plan) {
  return ck_cpu_caches().l2 / 100 * (plan->problem.prepared ? 40 : 55) / ck_dtype_size(ck_sum_of(plan));
}

/* Pixels whose block of K, at so many elements a pixel, keeps to that share. */
static int64_t pixels_in_cache(const ck_conv_plan *plan, int64_t elements) {
  return ck_max(group_elements(plan) / elements, 1);
}

/* Whole output rows, as many as fit, or a part of one. */
static ck_status size_panel(ck_conv_plan *plan) {
  ck_conv_tiling *t = &plan->tiling;
  const int64_t width = t->window.out[2], height = t->window.out[1], tile = ck_tile_pixels(plan);
  const ck_panel row = ck_panel_of(t, width);
  if (row.channel == 0) return CK_STATUS_TOO_LARGE;
  const int64_t halo = row.length[1] - 1, one_row = row.channel / row.length[1] * t->block_inner;
  const int64_t fit = group_elements(plan) / one_row - halo;
  const int64_t rows = ck_clamp(ck_min(fit, GROUP_PIXELS_MOST / width), 1, height);
  t->group_pixels = rows * width;
  t->pixel_unit = width;
  if (fit < 1 || width > GROUP_PIXELS_MOST) {
    /* In double: a product may leave int64, the quotient is at most the elements that fit. */
    const double part = (double)width * (double)group_elements(plan) / ((double)one_row * (double)(halo + 1));
    t->group_pixels = ck_min(ck_round_up(ck_clamp((int64_t)part, tile, GROUP_PIXELS_MOST), tile), width);
    t->pixel_unit = t->group_pixels < width ? tile : width;
  }
  return CK_STATUS_OK;
}

/* Whole planes or output rows whose copied input and staged sums fit, or a part of a row. */
static void size_copy(ck_conv_plan *plan) {
  ck_conv_tiling *t = &plan->tiling;
  const ck_window *w = &t->window;
  const int64_t row = w->out[2], height = w->out[1], tile = ck_tile_pixels(plan), channels = t->block_inner;
  int64_t span[2];
  for (int axis = 0; axis < 2; axis++) span[axis] = ck_min(ck_span(w, axis, 1), w->in[axis]);
  const int64_t share = group_elements(plan), line = span[0] * w->in[2] * channels, sums = ck_out_channels(plan);
  const int64_t one_row = row * sums + ck_min(w->stride[1], w->in[1]) * line, halo = ck_max(span[1] - w->stride[1], 0);
  /* More, even beyond L2, where the rows that groups have in common, and copy each for itself, would be the most of them. */
  const bool apart = halo > 0 && (share - halo * line) / one_row * w->stride[1] < halo;
  const int64_t budget = apart ? ck_max(share / 2 * 3, APART_BYTES / ck_dtype_size(ck_sum_of(plan))) : share;
  const int64_t rows = ck_min((budget - halo * line) / one_row, GROUP_PIXELS_MOST / row);
  if (rows >= 1) {
    t->group_pixels = ck_min(rows >= height ? rows / height * height : rows, w->out[0] * height) * row;
    t->pixel_unit = w->out[0] * height > 1 ? row : ck_min(tile, row);
    return;
  }
  const int64_t one = sums + span[0] * span[1] * ck_min(w->stride[2], w->in[2]) * channels;
  const int64_t fit =
      ck_clamp((budget - span[0] * span[1] * ck_min((w->kernel[2] - 1) * w->dilation[2], w->in[2]) * channels) / one, tile,
               GROUP_PIXELS_MOST);
  t->group_pixels = ck_min(ck_round_up(fit, tile), row);
  t->pixel_unit = ck_min(tile, row);
}

static void size_groups(ck_conv_plan *plan) {
  ck_conv_tiling *t = &plan->tiling;
  const int64_t pixels = ck_volume(plan->problem.window.out), tile = ck_tile_pixels(plan);
  const int64_t staged = t->staged ? ck_out_channels(plan) : 0;
  const bool in_place = t->pixels == CK_PIXELS_IN_PLACE;
  const int64_t taps = in_place ? 1 : t->block_outer;
  const int64_t fit = pixels_in_cache(plan, taps * t->block_inner + staged);
  const bool apart = ck_loops_viewed(t) && ck_channel_tile_count(plan) > 1;
  int64_t group = ck_clamp(fit, tile, apart ? IN_PLACE_PIXELS : GROUP_PIXELS_MOST);
  /* Groups and shares of lowered pixels may end anywhere, or after any vector. In place: whole output rows where several fit,
   * so that tiles keep clear of row ends. */
  t->pixel_unit = ck_loops_one_run(t) ? ck_kernels_of(plan)->lanes : in_place ? tile : 1;
  if (in_place && t->window.out[2] * 2 <= group && t->window.out[2] < pixels) t->pixel_unit = t->window.out[2];
  const int64_t whole = ck_max(t->pixel_unit, tile);
  group = ck_max(group / whole, 1) * whole;
  t->group_pixels = ck_min(group, ck_round_up(pixels, t->pixel_unit));
}

/* Where the micro-kernels of the dtype can read pixels, if not where the algorithm wants them. */
static ck_conv_pixels readable(const ck_conv_plan *plan, ck_conv_pixels wanted, bool pixel_lanes) {
  if (wanted == CK_PIXELS_LOWERED) return wanted;
  if (!pixel_lanes) wanted = plan->problem.layout == CK_LAYOUT_CHANNELS_LAST ? CK_PIXELS_IN_PLACE : CK_PIXELS_TRANSPOSED;
  if (!ck_dtype_is_real(plan->problem.src_dtype) && pixel_lanes) return CK_PIXELS_LOWERED;
  return wanted != CK_PIXELS_PANEL && plan->problem.src_dtype != ck_sum_of(plan) ? CK_PIXELS_LOWERED : wanted;
}

int64_t ck_seen_by_part(const ck_conv_tiling *t) {
  const ck_window *w = &t->window;
  int64_t places = 1;
  for (int axis = 0; axis < CK_AXES; axis++) {
    places *= ck_min(ck_span(w, axis, axis == 2 ? t->group_pixels : 1), w->in[axis]);
  }
  return places;
}

/* Whether groups are parts of rows so wide, and their taps so far apart, that to copy all that lies between would be more than
 * to copy what each tap sees. */
static bool copies_too_much(const ck_conv_plan *plan) {
  const ck_conv_tiling *t = &plan->tiling;
  /* Rows of a kernel, too: a panel holds all that lie between. */
  const int64_t most = APART_BYTES / ck_dtype_size(ck_sum_of(plan));
  if (t->pixels == CK_PIXELS_PANEL && ck_panel_of(t, t->group_pixels).channel * t->block_inner > most) return true;
  const bool copies = t->pixels == CK_PIXELS_TRANSPOSED || t->pixels == CK_PIXELS_PANEL;
  const double needed = (double)ck_volume(t->window.kernel) * (double)t->group_pixels * (double)t->window.stride[2];
  return copies && t->group_pixels < t->window.out[2] && (double)ck_seen_by_part(t) > 2 * needed;
}

static bool has_padding(const ck_window *w) {
  bool any = false;
  for (int axis = 0; axis < CK_AXES; axis++) any = any || w->before[axis] > 0 || w->after[axis] > 0;
  return any;
}

static ck_status try_shape(ck_conv_plan *plan, ck_conv_pixels pixels, bool pixel_lanes, bool run_on, int shape) {
  const ck_conv_problem *p = &plan->problem;
  const ck_kernels *kernels = ck_kernels_of(plan);
  ck_conv_tiling *t = &plan->tiling;
  const bool channels_last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  t->window = merged(p->window);
  t->pixel_lanes = pixel_lanes;
  t->vectors = kernels->shapes[shape].vectors;
  t->rows = kernels->shapes[shape].rows;
  t->pixels = readable(plan, pixels, pixel_lanes);
  t->run_on = run_on;
  t->staged = !pixel_lanes && !channels_last;
  t->k_outer = ck_volume(p->window.kernel);
  t->k_inner = p->ic / p->g;
  block_reduction(t);
  if (ck_loops_viewed(t) && ck_view_runs_most(t) < 0) t->pixels = CK_PIXELS_LOWERED;
  if (t->pixels == CK_PIXELS_TRANSPOSED) size_copy(plan);
  if (t->pixels == CK_PIXELS_PANEL && size_panel(plan)) return CK_STATUS_TOO_LARGE;
  if (copies_too_much(plan)) {
    if (run_on) return CK_STATUS_TOO_LARGE; /* the other way with lanes of pixels is the same then */
    t->pixels = CK_PIXELS_LOWERED;
  }
  if (t->pixels == CK_PIXELS_LOWERED || t->pixels == CK_PIXELS_IN_PLACE) size_groups(plan);
  t->skips = ck_loops_viewed(t) && has_padding(&t->window);
  t->weights_in_place = pixel_lanes && !p->prepared && t->pixels == CK_PIXELS_LOWERED && (t->k_outer == 1 || t->k_inner == 1);
  const ck_checked bytes = ck_packed_bytes(plan);
  if (bytes.overflow) return CK_STATUS_TOO_LARGE;
  plan->packed_bytes = p->prepared ? (size_t)bytes.value : 0;
  plan->cost = ck_loops_estimate(plan);
  return CK_STATUS_OK;
}

ck_status ck_loops_plan(ck_conv_plan *plan, ck_conv_pixels pixels) {
  const ck_conv_plan blank = *plan;
  const ck_kernels *kernels = ck_kernels_of(plan);
  ck_status best = CK_STATUS_TOO_LARGE;
  for (int way = 0; way < 3; way++) {
    /* Lanes are channels; pixels; pixels that run on over the ends of the panel's rows. */
    const bool pixel_lanes = way > 0, run_on = way == 2, panel = readable(plan, pixels, pixel_lanes) == CK_PIXELS_PANEL;
    if (pixel_lanes && plan->problem.layout == CK_LAYOUT_CHANNELS_LAST) continue;
    if (!panel && run_on) continue;
    for (int shape = 0; shape < CK_TILE_SHAPES && kernels->shapes[shape].rows; shape++) {
      ck_conv_plan candidate = blank;
      if (try_shape(&candidate, pixels, pixel_lanes, run_on, shape)) continue;
      if (best || candidate.cost < plan->cost) *plan = candidate;
      best = CK_STATUS_OK;
    }
  }
  return best ? best : book(plan);
}

/* ---- The split of a call ------------------------------------------------------------------------------------------------- */

ck_loops_split ck_loops_split_for(const ck_conv_plan *plan, int64_t n, int num_threads) {
  const ck_conv_problem *p = &plan->problem;
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t pixels = ck_volume(p->window.out), images = n * p->g, channels = ck_out_channels(plan);
  const double work = (double)ck_reduction(plan) * (double)channels * (double)pixels * (double)images;
  const double pixels_again = READ_AGAIN + (ck_packs_weights(plan) ? PACK_AGAIN : 0);
  const double channels_again = t->pixels == CK_PIXELS_LOWERED    ? LOWER_AGAIN
                                : t->pixels == CK_PIXELS_IN_PLACE ? READ_AGAIN
                                                                  : COPY_AGAIN;
  const int64_t units = ck_ceil_div(pixels, t->pixel_unit), tiles = ck_channel_tile_count(plan);
  const double missing = (double)units - (double)pixels / (double)t->pixel_unit;
  const ck_split_side side[2] = {{units, ck_ceil_div(pixels, t->group_pixels), units, pixels_again / (double)pixels, missing},
                                 {tiles, 1, tiles, channels_again / (double)channels, 0}};
  const ck_split split = ck_split_for(images, side, ck_threads_for(work, num_threads));
  return (ck_loops_split){split.parts[0], split.parts[1], split.num_threads};
}

ck_loops_part ck_loops_part_at(const ck_conv_plan *plan, const ck_loops_split *split, int64_t task) {
  const int64_t channel_part = task % split->channel_parts, pixel_part = task / split->channel_parts % split->pixel_parts;
  const int64_t image = task / split->channel_parts / split->pixel_parts, tiles = ck_channel_tile_count(plan);
  const int64_t pixels = ck_volume(plan->problem.window.out), unit = plan->tiling.pixel_unit, units = ck_ceil_div(pixels, unit);
  return (ck_loops_part){
      .sample = image / plan->problem.g,
      .group = image % plan->problem.g,
      .channel_tile0 = ck_share(tiles, split->channel_parts, channel_part),
      .channel_tile1 = ck_share(tiles, split->channel_parts, channel_part + 1),
      .pixel0 = ck_share(units, split->pixel_parts, pixel_part) * unit,
      .pixel1 = ck_min(ck_share(units, split->pixel_parts, pixel_part + 1) * unit, pixels),
  };
}

int64_t ck_loops_tasks(const ck_conv_plan *plan, int64_t n, int num_threads) {
  return ck_loops_split_for(plan, n, num_threads).num_threads;
}

int64_t ck_loops_task_outputs(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task) {
  const ck_loops_split split = ck_loops_split_for(plan, n, num_threads);
  if (task >= n * plan->problem.g * split.pixel_parts * split.channel_parts) return -1;
  const ck_loops_part part = ck_loops_part_at(plan, &split, task);
  const ck_channel_tile first = ck_channel_tile_at(plan, part.channel_tile0),
                        last = ck_channel_tile_at(plan, part.channel_tile1 - 1);
  return (part.pixel1 - part.pixel0) * (last.first + last.count - first.first);
}
