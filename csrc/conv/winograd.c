/* winograd.c: fewer multiplications, by computing tiles of outputs from tiles of inputs in a transformed space.
 *
 *   local     for group, block of tiles, part of the output channels      one task; V and M keep to 0.6 of L2
 *               V = the block's input tiles, transformed                  [e][tile][input channel]
 *               for some output channels:
 *                 for e: M[e] = V[e] * U[e]                               a gemm: lanes are output channels, rows are tiles
 *                 transform M into the output, with bias and activation
 *   shared    for a round of tiles: V of all of them, then in parallel over output channels and blocks the second half of the above.
 *             Where V of a useful block leaves L2: many channels.
 *
 * U, the transformed weights: [group][output channel tile][depth tap][e][input channel][lanes]. Depth taps are part of the reduction: the transform is of
 * height and width. Sums run over the channels in chains of at most CHAIN, which are then added: a long chain would lose what the transform leaves of the
 * precision. Numbering of tiles, chains and transforms depend on the sizes of one sample alone, and so do the bits.
 *
 * After: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015. */
#include "winograd.h"

#include <string.h>

#include "../base/cpu.h"
#include "../base/workspace.h"

#define CHAIN 128
#define TERMS_MOST 4096     /* of a sum: up to here the error bound of docs/numerics.md is tested */
#define SCRATCH_BYTES 16384 /* weights of a few input channels, transposed */
#define STRIP_BYTES (64 << 10)
#define SHARED_BYTES (12 << 20) /* of V */
#define WORK_PER_THREAD 100000

#define CYCLES_TILE 25.0
#define CYCLES_ELEMENT_IN 3.5 /* a vector of a transformed tile */
#define CYCLES_ELEMENT_OUT 3.0
#define CYCLES_STRIP_VECTOR 4.0 /* transposed */
#define CYCLES_WEIGHT_VECTOR 10.0
#define BYTES_PER_CYCLE 6.0 /* of U, from L3 */
#define CYCLES_PER_US 3000.0

enum {
  DETAIL_N,
  DETAIL_SHARED,
  DETAIL_PART_TILES,
  DETAIL_BLOCK_PLANES,
  DETAIL_BLOCK_UNITS,
  DETAIL_SUB_PLANES,
  DETAIL_SUB_UNITS
};

static const char *declines(const ck_conv_problem *p) {
  const ck_window *w = &p->window;
  if (p->src_dtype != CK_DTYPE_f32 && p->src_dtype != CK_DTYPE_f64)
    return "integers cannot be transformed exactly; it serves float32 and float64";
  if (w->stride[1] != 1 || w->stride[2] != 1) return "it serves stride 1 in height and width";
  if (w->kernel[1] == 1 && w->kernel[2] == 1) return "a kernel of one tap in height and width has nothing to save";
  if (w->kernel[1] > CK_WINOGRAD_TAPS_MOST || w->kernel[2] > CK_WINOGRAD_TAPS_MOST)
    return "it serves at most 5 taps in height and width";
  if (w->kernel[0] > 9) return "it serves at most 9 taps in depth";
  if (p->ic / p->g == 1) return "one input channel a group leaves nothing to save";
  if (p->ic / p->g * w->kernel[0] > TERMS_MOST)
    return "sums over more than 4096 input channels and depth taps may miss its error bound";
  /* Of one tile of each class in a row: the transformed inputs, and a strip. */
  const int64_t tile = (w->kernel[1] > 1 ? CK_WINOGRAD_MOST : 1) * CK_WINOGRAD_MOST,
                classes = ck_min(w->dilation[2], w->out[2]);
  if (classes > 2048 || classes * tile * (p->ic / p->g + 16) * ck_dtype_size(p->src_dtype) > SHARED_BYTES ||
      classes * tile * CK_ALIGNMENT > 1 << 20)
    return "tiles of rows that are dilated so far do not fit the caches";
  return NULL;
}

/* ---- Sizes ----------------------------------------------------------------------------------------------------------------- */

static ck_winograd_axis axis_of(const ck_window *w, int axis, int n) {
  ck_winograd_axis a = {.taps = (int)w->kernel[axis],
                        .n = w->kernel[axis] > 1 ? n : 1,
                        .in = w->in[axis],
                        .out = w->out[axis],
                        .before = w->before[axis],
                        .dilation = w->kernel[axis] > 1 ? w->dilation[axis] : 1};
  a.classes = ck_min(a.dilation, a.out);
  a.m = a.n - a.taps + 1;
  a.class_tiles = ck_ceil_div(ck_ceil_div(a.out, a.dilation), a.m);
  a.tiles = a.classes * a.class_tiles;
  return a;
}

static const ck_kernels *kernels_of(const ck_conv_plan *plan) { return &ck_isa_table(plan->isa)->of[plan->problem.src_dtype]; }

/* What follows from the problem and n alone. */
static ck_winograd sizes_of(const ck_conv_plan *plan, int n) {
  const ck_conv_problem *p = &plan->problem;
  ck_winograd w = {.axis = {axis_of(&p->window, 1, n), axis_of(&p->window, 2, n)},
                   .depth_in = p->window.in[0],
                   .depth_out = p->window.out[0],
                   .depth_taps = p->window.kernel[0],
                   .depth_stride = p->window.stride[0],
                   .depth_dilation = p->window.dilation[0],
                   .depth_before = p->window.before[0],
                   .channels = p->ic / p->g,
                   .outputs = p->oc / p->g,
                   .lanes = kernels_of(plan)->lanes,
                   .size = ck_dtype_size(p->src_dtype)};
  const ck_winograd_axis *high = &w.axis[0], *wide = &w.axis[1];
  w.elements = high->n * wide->n;
  w.v_row = ck_winograd_row(&w, w.channels);
  /* A unit's strip keeps to STRIP_BYTES, if it is not a single tile of each class. */
  const int64_t columns = STRIP_BYTES / (high->n * w.lanes * w.size) - (wide->taps - 1) * wide->dilation;
  const int64_t most = ck_max(ck_min(columns / (wide->m * wide->dilation), 64 / wide->classes), 1);
  w.segments = ck_ceil_div(wide->class_tiles, most);
  w.segment = ck_ceil_div(wide->class_tiles, w.segments) * wide->classes;
  w.segments = ck_ceil_div(wide->tiles, w.segment);
  w.units = high->tiles * w.segments;
  w.strip_rows_units = 1;
  const int64_t row = ck_max(wide->in, wide->out) * w.lanes * w.size;
  if (w.segments == 1) w.strip_rows_units = ck_clamp((STRIP_BYTES / row - (high->n - high->m)) / high->m, 1, high->class_tiles);
  return w;
}

static int64_t tile_vectors(const ck_conv_plan *plan) { return kernels_of(plan)->shapes[0].vectors; }
static int tile_rows(const ck_conv_plan *plan) { return kernels_of(plan)->shapes[0].rows; }
static int64_t output_tiles(const ck_conv_plan *plan, const ck_winograd *w) {
  return ck_ceil_div(w->outputs, w->lanes * tile_vectors(plan));
}
/* Elements of a row of M. */
static int64_t m_row_of(const ck_conv_plan *plan, const ck_winograd *w) {
  return ck_winograd_row(w, w->part_tiles * tile_vectors(plan) * w->lanes);
}
static int64_t v_elements(const ck_winograd *w, ck_winograd_block b) {
  return w->elements * ck_winograd_plane(w, ck_winograd_slots(w, b) * ck_winograd_tiles(w, b), w->v_row);
}
static int64_t m_elements(const ck_conv_plan *plan, const ck_winograd *w, ck_winograd_block b) {
  const int64_t row = m_row_of(plan, w);
  return w->elements * ck_winograd_plane(w, b.planes * ck_winograd_tiles(w, b), row);
}
/* Elements of one group's transformed weights. */
static int64_t u_elements(const ck_winograd *w) {
  return ck_round_up(w->outputs, w->lanes) * w->depth_taps * w->elements * w->channels;
}

static ck_winograd restored(const ck_conv_plan *plan) {
  ck_winograd w = sizes_of(plan, (int)plan->detail[DETAIL_N]);
  w.shared = plan->detail[DETAIL_SHARED] != 0;
  w.part_tiles = plan->detail[DETAIL_PART_TILES];
  w.block_planes = plan->detail[DETAIL_BLOCK_PLANES];
  w.block_units = plan->detail[DETAIL_BLOCK_UNITS];
  w.sub_planes = plan->detail[DETAIL_SUB_PLANES];
  w.sub_units = plan->detail[DETAIL_SUB_UNITS];
  return w;
}

static void keep(ck_conv_plan *plan, const ck_winograd *w, int n) {
  plan->detail[DETAIL_N] = n;
  plan->detail[DETAIL_SHARED] = w->shared;
  plan->detail[DETAIL_PART_TILES] = w->part_tiles;
  plan->detail[DETAIL_BLOCK_PLANES] = w->block_planes;
  plan->detail[DETAIL_BLOCK_UNITS] = w->block_units;
  plan->detail[DETAIL_SUB_PLANES] = w->sub_planes;
  plan->detail[DETAIL_SUB_UNITS] = w->sub_units;
}

/* ---- Blocks ---------------------------------------------------------------------------------------------------------------- */

/* The largest block, of at most `planes` planes and `units` units, whose V (if asked for) and M take at most so many bytes; at least one unit. */
static ck_winograd_block largest(const ck_conv_plan *plan, const ck_winograd *w, int64_t planes, int64_t units, bool with_v,
                                 bool with_m, int64_t bytes) {
  ck_winograd_block best = {0, 1, 0, 1};
  int64_t most = 0;
  /* Whole planes where one is small; with depth taps, a few planes share the slices between them. */
  for (int64_t deep = 1; deep <= planes; deep++) {
    ck_winograd_block b = {0, deep, 0, units};
    while (b.units >= 1) {
      const int64_t need = (with_v ? v_elements(w, b) : 0) + (with_m ? m_elements(plan, w, b) : 0);
      if (need * w->size <= bytes) break;
      b.units = ck_min(b.units - 1, b.units * bytes / (need * w->size));
    }
    if (b.units < 1) break;
    if (w->depth_taps == 1 && deep > 1 && b.units < units) break;
    int64_t tiles = deep * ck_winograd_tiles(w, b);
    /* Slices that are transformed for nothing count against a block. */
    if (w->depth_taps > 1) tiles = tiles * deep / ck_winograd_slots(w, b);
    if (tiles <= most) continue;
    most = tiles;
    best = b;
  }
  return best;
}

static void choose_blocks(const ck_conv_plan *plan, ck_winograd *w) {
  const int64_t l2 = ck_clamp(ck_cpu_caches().l2, 256 << 10, 2560 << 10),
                planes = w->depth_taps > 1 ? ck_min(w->depth_out, 16) : 256;
  const int64_t lanes = w->lanes * tile_vectors(plan), all = output_tiles(plan, w);
  w->part_tiles = ck_min(ck_max(64 / lanes, 1), all);
  /* Small weights stay in L2 beside V and M; large ones come from L3 for every block, which should then be large. */
  const int64_t share = u_elements(w) * w->size * 2 < l2 ? 3 : 6;
  const ck_winograd_block local = largest(plan, w, planes, w->units, true, true, l2 * share / 10);
  w->block_planes = local.planes;
  w->block_units = local.units;
  const int64_t bytes = (v_elements(w, local) + m_elements(plan, w, local)) * w->size;
  w->shared = (local.planes * ck_winograd_tiles(w, local) < 2 * tile_rows(plan) && bytes * 4 > l2) || bytes > l2;
  if (!w->shared) return;
  const ck_winograd_block round = largest(plan, w, w->depth_taps > 1 ? w->depth_out : 256, w->units, true, false, SHARED_BYTES);
  w->part_tiles = ck_min(ck_max(128 / lanes, 1), all);
  const ck_winograd_block sub = largest(plan, w, round.planes, round.units, false, true, l2 * 5 / 10);
  w->block_planes = round.planes;
  w->block_units = round.units;
  w->sub_planes = sub.planes;
  w->sub_units = sub.units;
}

/* ---- Weights --------------------------------------------------------------------------------------------------------------- */

typedef struct {
  const ck_conv_plan *plan;
  ck_winograd w;
  const char *weights;
  char *packed;
} ck_winograd_pack;

/* One vector of output channels of a tile: some input channels at a time are transposed to [channel][tap][lanes]. */
static void pack_vector(const ck_winograd_pack *call, int64_t group, int64_t tile, int64_t vector) {
  const ck_winograd *w = &call->w;
  const ck_kernels *kernels = kernels_of(call->plan);
  char scratch[SCRATCH_BYTES] __attribute__((aligned(CK_ALIGNMENT)));
  const int64_t plane_taps = w->axis[0].taps * w->axis[1].taps, taps = w->depth_taps * plane_taps;
  const int64_t tile_lanes = w->lanes * tile_vectors(call->plan), first = tile * tile_lanes;
  const int64_t width = ck_min(tile_lanes, ck_round_up(w->outputs - first, w->lanes)), output = first + vector * w->lanes;
  const int64_t together = SCRATCH_BYTES / (taps * w->lanes * w->size);
  char *dst =
      call->packed + (group * u_elements(w) + first * w->depth_taps * w->elements * w->channels + vector * w->lanes) * w->size;
  for (int64_t channel = 0; channel < w->channels; channel += together) {
    const int64_t count = ck_min(together, w->channels - channel);
    const ck_transpose t = {.src = call->weights + (((group * w->outputs + output) * w->channels + channel) * taps) * w->size,
                            .dst = scratch,
                            .src_stride = w->channels * taps,

                            .dst_stride = w->lanes,
                            .rows = ck_min(w->lanes, w->outputs - output),
                            .columns = count * taps,
                            .fill = true};
    kernels->transpose(&t);
    for (int64_t k = 0; k < w->depth_taps; k++) {
      const ck_winograd_weights u = {.src = scratch + k * plane_taps * w->lanes * w->size,
                                     .dst = dst + (k * w->elements * w->channels + channel) * width * w->size,
                                     .row_step = w->axis[1].taps * w->lanes,
                                     .column_step = w->lanes,
                                     .plane_step = w->channels * width,
                                     .src_next = taps * w->lanes,
                                     .dst_next = width,
                                     .count = count,
                                     .rows = w->axis[0].n,
                                     .columns = w->axis[1].n,
                                     .row_taps = w->axis[0].taps,
                                     .column_taps = w->axis[1].taps};
      kernels->winograd_weights(&u);
    }
  }
}

static void pack_tile(const void *context, int64_t task, int slot) {
  const ck_winograd_pack *call = context;
  const int64_t tiles = output_tiles(call->plan, &call->w), tile = task % tiles, vectors = tile_vectors(call->plan);
  const int64_t left = ck_ceil_div(call->w.outputs, call->w.lanes) - tile * vectors;
  (void)slot;
  for (int64_t vector = 0; vector < ck_min(vectors, left); vector++) pack_vector(call, task / tiles, tile, vector);
}

static void pack(const ck_conv_plan *plan, const void *weights, void *packed) {
  const ck_winograd_pack call = {plan, restored(plan), weights, packed};
  const ck_control serial = {.num_threads = 1};
  ck_parallel_for(&serial, plan->problem.g * output_tiles(plan, &call.w), pack_tile, &call);
}

/* ---- Multiplication -------------------------------------------------------------------------------------------------------- */

/* One run of rows of V[e] times the weights of one tile of output channels. */
static void multiply_run(const ck_winograd_call *call, ck_gemm_tile *g, const char *a, char *c, int64_t rows, bool add) {
  const ck_winograd *w = &call->w;
  const int64_t parts = ck_ceil_div(rows, tile_rows(call->plan)), chains = ck_ceil_div(w->channels, CHAIN);
  const char *b = g->b;
  for (int64_t chain = 0; chain < chains; chain++) {
    const int64_t k0 = ck_share(w->channels, chains, chain);
    g->k = ck_share(w->channels, chains, chain + 1) - k0;
    g->b = b + k0 * g->b_stride * w->size;
    g->add = add || chain > 0;
    for (int64_t part = 0; part < parts; part++) {
      const int64_t row = ck_share(rows, parts, part);
      g->rows = (int)(ck_share(rows, parts, part + 1) - row);
      g->a = a + (row * g->a_stride + k0) * w->size;
      g->c = c + row * g->c_stride * w->size;
      call->kernels->gemm(g);
    }
  }
  g->b = b;
}

/* M of the block for output channel tiles [tile0, tile1): all depth taps, all channels. V is of the block `whole`, of which `block` is a part. */
static void multiply(const ck_winograd_call *call, int64_t group, ck_winograd_block whole, ck_winograd_block block,
                     int64_t tile0, int64_t tile1, const char *v, char *m) {
  const ck_winograd *w = &call->w;
  const int64_t v_tiles = ck_winograd_tiles(w, whole), tiles = ck_winograd_tiles(w, block), m_row = m_row_of(call->plan, w);
  const int64_t v_plane = ck_winograd_plane(w, ck_winograd_slots(w, whole) * v_tiles, w->v_row);
  const int64_t m_plane = ck_winograd_plane(w, block.planes * tiles, m_row), lanes = w->lanes * tile_vectors(call->plan);
  const int64_t v_first = ck_winograd_slot(w, block.plane0 - whole.plane0, 0) * v_tiles +
                          ck_winograd_first_tile(w, block.unit0) - ck_winograd_first_tile(w, whole.unit0);
  /* Not every tap lies inside the input in depth. */
  const bool deep = w->depth_taps > 1 || w->depth_before > 0 || (w->depth_out - 1) * w->depth_stride >= w->depth_in;
  const bool joined = tiles == v_tiles && (w->depth_taps == 1 || w->depth_stride == 1);
  if (deep) memset(m, 0, (size_t)(w->elements * m_plane * w->size));
  ck_gemm_tile g = {.a_in_place = true, .a_stride = w->v_row, .c_stride = m_row, .k_outer = 1};
  for (int64_t tile = tile0; tile < tile1; tile++) {
    g.lanes = (int)ck_min(lanes, ck_round_up(w->outputs - tile * lanes, w->lanes));
    g.b_stride = g.lanes;
    for (int64_t k = 0; k < w->depth_taps; k++) {
      for (int64_t e = 0; e < w->elements; e++) {
        g.b = call->weights + (group * u_elements(w) + tile * lanes * w->depth_taps * w->elements * w->channels +
                               (k * w->elements + e) * w->channels * g.lanes) *
                                  w->size;
        for (int64_t q = 0, next; q < block.planes; q = next) {
          const int64_t id = (block.plane0 + q) % w->depth_out * w->depth_stride - w->depth_before + k * w->depth_dilation;
          next = q + 1;
          if (id < 0 || id >= w->depth_in) continue;
          if (joined && !deep) next = block.planes;
          if (joined && deep && w->depth_taps > 1) next = ck_min(block.planes, q + w->depth_in - id);
          multiply_run(call, &g, v + (e * v_plane + (v_first + ck_winograd_slot(w, q, k) * v_tiles) * w->v_row) * w->size,
                       m + (e * m_plane + q * tiles * m_row + (tile - tile0) * lanes) * w->size, (next - q) * tiles, deep);
        }
      }
    }
  }
}

/* Output channel tiles [tile0, tile1), part after part: M and the outputs. */
static void finish(const ck_winograd_call *call, int64_t group, ck_winograd_block whole, ck_winograd_block block, int64_t tile0,
                   int64_t tile1, const char *v, char *m, char *strip) {
  const ck_winograd *w = &call->w;
  const int64_t lanes = w->lanes * tile_vectors(call->plan), parts = ck_ceil_div(tile1 - tile0, w->part_tiles);
  for (int64_t part = 0; part < parts; part++) {
    const int64_t from = tile0 + ck_share(tile1 - tile0, parts, part), to = tile0 + ck_share(tile1 - tile0, parts, part + 1);
    multiply(call, group, whole, block, from, to, v, m);
    ck_winograd_tiles_out(call, group, block, from * lanes, ck_min(to * lanes, w->outputs) - from * lanes, m,
                          m_row_of(call->plan, w), strip);
  }
}

/* ---- Tasks ----------------------------------------------------------------------------------------------------------------- */

/* How a call is split. Planes and units of a round (shared) or of all (local) are cut into even parts. */
typedef struct {
  int64_t samples, planes; /* local with depth taps: planes of a sample; else samples is 1 */
  int64_t plane_parts, unit_parts, channel_parts;
  int num_threads;
} ck_winograd_split;

typedef struct {
  ck_winograd_call base;
  ck_winograd_split split;
  ck_winograd_block round; /* shared */
  int64_t group;
  char *v;
  size_t v_at, m_at, strip_at;
} ck_winograd_run;

static double imbalance(int64_t tasks, int threads) { return (double)(ck_ceil_div(tasks, threads) * threads) / (double)tasks; }

static ck_winograd_split split_local(const ck_conv_plan *plan, const ck_winograd *w, int64_t n, int threads) {
  const bool deep = w->depth_taps > 1;
  ck_winograd_split s = {.samples = deep ? n : 1, .planes = deep ? w->depth_out : n * w->depth_out, .channel_parts = 1};
  s.plane_parts = ck_ceil_div(s.planes, w->block_planes);
  s.unit_parts = ck_ceil_div(w->units, w->block_units);
  const double work = (double)(w->elements * w->channels * w->depth_taps) * (double)w->outputs * (double)n *
                      (double)plan->problem.g * (double)w->depth_out * (double)(w->axis[0].tiles * w->axis[1].tiles);
  s.num_threads = (int)ck_clamp((int64_t)ck_min((int64_t)(work / WORK_PER_THREAD), 1 << 20) + 1, 1, threads);
  if (s.num_threads == 1) return s;
  /* More parts of units or planes while they stay above one register tile, else parts of the output channels, which repeat the input's transform. */
  const int64_t groups = plan->problem.g * s.samples, enough = (int64_t)tile_rows(plan);
  const bool by_units = w->units >= s.planes;
  int64_t *parts = by_units ? &s.unit_parts : &s.plane_parts;
  const int64_t most = by_units ? w->units : s.planes, fixed = groups * s.plane_parts * s.unit_parts / *parts, start = *parts;
  const int64_t tiles = w->axis[0].tiles * w->axis[1].tiles * s.planes / (s.plane_parts * s.unit_parts / *parts);
  for (int64_t more = start; more <= ck_min(most, start + s.num_threads); more++)
    if (more == start ||
        (tiles / more >= enough && imbalance(fixed * more, s.num_threads) < imbalance(fixed * *parts, s.num_threads) - 0.02))
      *parts = more;
  const int64_t tasks = fixed * *parts;
  for (int64_t more = 1; more <= ck_min(output_tiles(plan, w), s.num_threads); more++)
    if (imbalance(tasks * more, s.num_threads) < imbalance(tasks * s.channel_parts, s.num_threads) - 0.1)
      s.channel_parts = more;
  return s;
}

static ck_winograd_block block_at(const ck_winograd *w, const ck_winograd_split *s, int64_t plane_part, int64_t unit_part) {
  ck_winograd_block b;
  b.plane0 = ck_share(s->planes, s->plane_parts, plane_part);
  b.planes = ck_share(s->planes, s->plane_parts, plane_part + 1) - b.plane0;
  b.unit0 = ck_share(w->units, s->unit_parts, unit_part);
  b.units = ck_share(w->units, s->unit_parts, unit_part + 1) - b.unit0;
  return b;
}

static char *own_of(const ck_winograd_run *run, int slot) {
  return (char *)run->base.buffers->workspace + run->base.plan->shared_bytes + (size_t)slot * run->base.plan->thread_bytes;
}

static void run_local(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_winograd_split *s = &run->split;
  const int64_t channel_part = task % s->channel_parts, unit_part = task / s->channel_parts % s->unit_parts;
  const int64_t block_number = task / s->channel_parts / s->unit_parts, tiles = output_tiles(call->plan, w);
  const int64_t group = block_number / s->plane_parts % call->plan->problem.g,
                sample = block_number / s->plane_parts / call->plan->problem.g;
  ck_winograd_block block = block_at(w, s, block_number % s->plane_parts, unit_part);
  block.plane0 += sample * s->planes;
  char *own = own_of(run, slot), *v = own + run->v_at, *strip = own + run->strip_at;
  ck_winograd_tiles_in(call, group, block, 0, ck_ceil_div(w->channels, w->lanes), v, strip);
  finish(call, group, block, block, ck_share(tiles, s->channel_parts, channel_part),
         ck_share(tiles, s->channel_parts, channel_part + 1), v, own + run->m_at, strip);
}

static void run_round_in(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const int64_t vectors = ck_ceil_div(run->base.w.channels, run->base.w.lanes);
  ck_winograd_tiles_in(&run->base, run->group, run->round, task * 2, ck_min(task * 2 + 2, vectors), run->v,
                       own_of(run, slot) + run->strip_at);
}

static void run_round_out(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_winograd_split *s = &run->split;
  const int64_t tiles = output_tiles(call->plan, w), channel_part = task / s->unit_parts / s->plane_parts;
  const int64_t plane_part = task / s->unit_parts % s->plane_parts, unit_part = task % s->unit_parts;
  ck_winograd_block block = run->round;
  block.plane0 += ck_share(run->round.planes, s->plane_parts, plane_part);
  block.planes = run->round.plane0 + ck_share(run->round.planes, s->plane_parts, plane_part + 1) - block.plane0;
  block.unit0 += ck_share(run->round.units, s->unit_parts, unit_part);
  block.units = run->round.unit0 + ck_share(run->round.units, s->unit_parts, unit_part + 1) - block.unit0;
  char *own = own_of(run, slot);
  finish(call, run->group, run->round, block, ck_share(tiles, s->channel_parts, channel_part),
         ck_share(tiles, s->channel_parts, channel_part + 1), run->v, own + run->m_at, own + run->strip_at);
}

/* Parts of the output channels, evenly for the threads: V is read once for each, U once for each part of the tiles. */
static void split_round(const ck_conv_plan *plan, const ck_winograd *w, ck_winograd_run *run) {
  ck_winograd_split *s = &run->split;
  const int64_t tiles = output_tiles(plan, w);
  s->plane_parts = ck_ceil_div(run->round.planes, w->sub_planes);
  s->unit_parts = ck_ceil_div(run->round.units, w->sub_units);
  s->channel_parts = ck_ceil_div(tiles, w->part_tiles);
  const int64_t fixed = s->plane_parts * s->unit_parts, start = s->channel_parts;
  for (int64_t more = start; more <= ck_min(tiles, start + s->num_threads); more++)
    if (imbalance(fixed * more, s->num_threads) < imbalance(fixed * s->channel_parts, s->num_threads) - 0.02)
      s->channel_parts = more;
}

static ck_status run_rounds(ck_winograd_run *run, const ck_control *control) {
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_conv_problem *p = &call->plan->problem;
  const int64_t n = call->buffers->n, samples = w->depth_taps > 1 ? n : 1, planes = n * w->depth_out / samples;
  const int64_t plane_rounds = ck_ceil_div(planes, w->block_planes), unit_rounds = ck_ceil_div(w->units, w->block_units);
  const ck_winograd_split all = {.planes = planes, .plane_parts = plane_rounds, .unit_parts = unit_rounds};
  for (int64_t round = 0; round < samples * p->g * plane_rounds * unit_rounds; round++) {
    run->round = block_at(w, &all, round / unit_rounds % plane_rounds, round % unit_rounds);
    run->round.plane0 += round / unit_rounds / plane_rounds / p->g * planes;
    run->group = round / unit_rounds / plane_rounds % p->g;
    split_round(call->plan, w, run);
    ck_status status = ck_parallel_for(control, ck_ceil_div(ck_ceil_div(w->channels, w->lanes), 2), run_round_in, run);
    if (!status)
      status = ck_parallel_for(control, run->split.plane_parts * run->split.unit_parts * run->split.channel_parts,
                               run_round_out, run);
    if (status) return status;
  }
  return CK_STATUS_OK;
}

/* ---- The plan and the call ------------------------------------------------------------------------------------------------- */

static double estimate(const ck_conv_plan *plan, const ck_winograd *w) {
  const ck_conv_problem *p = &plan->problem;
  const int64_t tiles = w->axis[0].tiles * w->axis[1].tiles * w->depth_out, vectors = ck_ceil_div(w->outputs, w->lanes);
  const ck_winograd_block whole = {0, ck_min(w->block_planes, w->depth_out), 0, w->block_units};
  const ck_winograd_block block =
      w->shared ? (ck_winograd_block){0, ck_min(w->sub_planes, w->depth_out), 0, w->sub_units} : whole;
  const double together = (double)(block.planes * ck_winograd_tiles(w, block));
  const double blocks = (double)tiles / together;
  const double rows = together / (double)ck_ceil_div((int64_t)together, tile_rows(plan)),
               lane_vectors = (double)ck_min(tile_vectors(plan), vectors);
  const double adds = rows * lane_vectors / 2, loads = (rows + lane_vectors) / 1.9,
               step = adds < 4       ? 4
                      : adds > loads ? adds
                                     : loads;
  const double calls = w->elements * blocks * together / rows * (double)vectors / lane_vectors * (double)w->depth_taps;
  const double chains = (double)ck_ceil_div(w->channels, CHAIN), in_vectors = (double)ck_ceil_div(w->channels, w->lanes);
  const double slices = (double)ck_winograd_slots(w, whole) / (double)whole.planes;
  const double u_bytes = (double)u_elements(w) * (double)w->size;
  double cycles = calls * ((double)w->channels * step + CYCLES_TILE * chains);
  if (u_bytes * 2 > (double)ck_cpu_caches().l2) cycles += 0.3 * blocks * u_bytes / BYTES_PER_CYCLE;
  cycles += (double)tiles * w->elements * (in_vectors * slices * CYCLES_ELEMENT_IN + (double)vectors * CYCLES_ELEMENT_OUT);
  if (p->layout == CK_LAYOUT_CHANNELS_FIRST) {
    const double halo = w->segments > 1
                            ? (double)w->axis[0].n / w->axis[0].m
                            : 1 + (double)(w->axis[0].n - w->axis[0].m) / (double)(w->strip_rows_units * w->axis[0].m);
    cycles += CYCLES_STRIP_VECTOR * ((double)(w->axis[0].in * w->axis[1].in * w->depth_out) * in_vectors * slices * halo +
                                     (double)ck_volume(p->window.out) * (double)vectors);
  }
  if (!p->prepared) cycles += u_bytes / (double)(w->lanes * w->size) * CYCLES_WEIGHT_VECTOR;
  return cycles * (double)p->g / CYCLES_PER_US;
}

static size_t book(const ck_conv_plan *plan, const ck_winograd *w, ck_winograd_run *run, size_t *shared) {
  ck_ledger own = {0}, all = {0};
  const ck_winograd_block whole = {0, w->block_planes, 0, w->block_units}, sub = {0, w->sub_planes, 0, w->sub_units};
  const bool first = plan->problem.layout == CK_LAYOUT_CHANNELS_FIRST;
  run->v_at = ck_ledger_book(&own, w->shared ? 0 : v_elements(w, whole), w->size);
  run->m_at = ck_ledger_book(&own, m_elements(plan, w, w->shared ? sub : whole), w->size);
  run->strip_at = ck_ledger_book(&own, first ? ck_max(ck_winograd_strip_in(w), ck_winograd_strip_out(w)) : 0, w->size);
  const size_t u_at = ck_ledger_book(&all, plan->problem.prepared ? 0 : plan->problem.g * u_elements(w), w->size);
  ck_ledger_book(&all, w->shared ? v_elements(w, whole) : 0, w->size);
  run->v =
      (char *)(u_at +
               (plan->problem.prepared ? 0 : (size_t)ck_round_up(plan->problem.g * u_elements(w) * w->size, CK_ALIGNMENT)));
  *shared = (size_t)all.bytes.value;
  return own.bytes.overflow || all.bytes.overflow ? 0 : (size_t)own.bytes.value;
}

static ck_status make(ck_conv_plan *plan, int n) {
  ck_winograd w = sizes_of(plan, n);
  const int64_t factors[6] = {plan->problem.g, w.elements, w.depth_taps, w.channels, ck_round_up(w.outputs, w.lanes),
                              2 * w.size};
  if (ck_checked_product(factors, 6).overflow) return CK_STATUS_TOO_LARGE;
  choose_blocks(plan, &w);
  keep(plan, &w, n);
  ck_winograd_run run;
  plan->thread_bytes = book(plan, &w, &run, &plan->shared_bytes);
  plan->packed_bytes = plan->problem.prepared ? (size_t)(plan->problem.g * u_elements(&w) * w.size) : 0;
  plan->cost = estimate(plan, &w);
  return plan->thread_bytes ? CK_STATUS_OK : CK_STATUS_TOO_LARGE;
}

/* What decides between tiles of 4 and of 6: bits depend on it, so it looks at the problem alone. Cycles of a machine with 16 lanes and an L2 of 2 MB. */
static double reference_cycles(const ck_conv_plan *plan, int n) {
  const ck_winograd w = sizes_of(plan, n);
  const double channels = (double)(w.channels * w.depth_taps), outputs = (double)w.outputs;
  const double tiles = (double)(w.axis[0].tiles * w.axis[1].tiles) * (double)w.depth_out,
               bytes = 4 * w.elements * channels * outputs;
  double cycles = tiles * (channels * outputs / 28 + CYCLES_ELEMENT_IN * channels / 16 + CYCLES_ELEMENT_OUT * outputs / 16);
  if (!plan->problem.prepared) cycles += channels * outputs / 16 * CYCLES_WEIGHT_VECTOR;
  cycles *= w.elements;
  return bytes > 1 << 20 ? cycles + 0.5 * bytes / BYTES_PER_CYCLE * (1 + tiles / 56) : cycles;
}

static ck_status plan_best(ck_conv_plan *plan) {
  const int64_t *kernel = plan->problem.window.kernel;
  const bool four = kernel[1] <= 3 && kernel[2] <= 3 && reference_cycles(plan, 4) < reference_cycles(plan, CK_WINOGRAD_MOST);
  return make(plan, four ? 4 : CK_WINOGRAD_MOST);
}

static int64_t tasks(const ck_conv_plan *plan, int64_t n, int num_threads) {
  const ck_winograd w = restored(plan);
  return w.shared ? num_threads : split_local(plan, &w, n, num_threads).num_threads;
}

static ck_status run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control) {
  ck_winograd_run r = {
      .base = {
          .plan = plan, .buffers = buffers, .kernels = kernels_of(plan), .weights = buffers->weights, .w = restored(plan)}};
  const ck_winograd *w = &r.base.w;
  size_t shared;
  book(plan, w, &r, &shared);
  r.v = (char *)buffers->workspace + (size_t)r.v;
  r.split = split_local(plan, w, buffers->n, control->num_threads);
  ck_control narrowed = *control;
  if (w->shared)
    r.split.num_threads = control->num_threads;
  else
    narrowed.num_threads = r.split.num_threads;
  if (!plan->problem.prepared) {
    const ck_winograd_pack call = {plan, *w, buffers->weights, buffers->workspace};
    const ck_status status = ck_parallel_for(&narrowed, plan->problem.g * output_tiles(plan, w), pack_tile, &call);
    if (status) return status;
    r.base.weights = buffers->workspace;
  }
  if (w->shared) return run_rounds(&r, &narrowed);
  return ck_parallel_for(&narrowed,
                         plan->problem.g * r.split.samples * r.split.plane_parts * r.split.unit_parts * r.split.channel_parts,
                         run_local, &r);
}

const ck_conv_algorithm ck_conv_winograd = {"winograd", declines, plan_best, pack, run, tasks};
