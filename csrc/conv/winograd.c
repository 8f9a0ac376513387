/* winograd.c: fewer multiplications, by computing tiles of outputs from tiles of inputs in a transformed space.
 *
 *   local     for group, block of tiles, part of the output channels      one task; V and M keep to 0.3 or 0.6 of L2
 *               V = the block's input tiles, transformed                  [e][tile][input channel]
 *               for some output channels:
 *                 for e: M[e] = V[e] * U[e]                               a gemm: lanes are output channels, rows are tiles
 *                 transform M into the output, with bias and activation
 *   shared    for a round of tiles: V of all of them, then in parallel over output channels and blocks the second half of the
 *             above. V and M leave L2, but of one plane e they stay there while U[e] goes by, once. Where U is large against
 *             what a local block would hold, or that would be a handful of tiles.
 *
 * U is of a plan, or made by a call (winograd_weights.c): one that uses it once makes it by tile, in L2, when it is multiplied.
 * Depth taps and the pieces of long kernels are slices of the reduction: the transform is of height and width. Sums run over
 * the channels in chains of bounded length, which are then added: a long one would lose what the transform leaves of the
 * precision. Numbering of tiles, chains and transforms depend on the sizes of one sample alone, and so do the bits.
 *
 * After: Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015. */
#include "winograd.h"

#include <string.h>

#include "../base/cpu.h"
#include "cost.h"
#include "split.h"

/* What one more part of a split repeats, as a share of the work times the tiles or the output channels. */
#define READ_AGAIN 8.0
#define TRANSFORM_AGAIN 20.0
#define TRANSFORM_WEIGHTS_AGAIN 36.0

/* ---- Multiplication ------------------------------------------------------------------------------------------------------ */

/* Chains of the reduction over the channels; U of their first channel is at hand. */
typedef struct {
  int64_t first, last;
} ck_chains;

CK_INLINE int64_t chain_at(const ck_winograd *w, int64_t chain) { return ck_share(w->channels, ck_winograd_chains(w), chain); }

/* One run of rows of V[e] times the weights of one tile of output channels. */
static void multiply_run(const ck_winograd_call *call, ck_gemm_tile *g, const char *a, const char *b, char *c, int64_t rows,
                         ck_chains chains, bool add) {
  const ck_winograd *w = &call->w;
  const int64_t parts = ck_ceil_div(rows, ck_winograd_tile_rows(call->plan));
  for (int64_t chain = chains.first; chain < chains.last; chain++) {
    const int64_t k0 = chain_at(w, chain);
    g->k = chain_at(w, chain + 1) - k0;
    g->b = b + (k0 - chain_at(w, chains.first)) * g->b_stride * w->size;
    g->add = add || chain > 0;
    for (int64_t part = 0; part < parts; part += g->tiles) {
      const int64_t row = ck_share(rows, parts, part);
      g->rows = (int)(ck_share(rows, parts, part + 1) - row);
      g->tiles = ck_shares_alike(rows, parts, part);
      g->a_next = g->rows * g->a_stride;
      g->c_next = g->rows * g->c_stride;
      g->a = a + (row * g->a_stride + k0) * w->size;
      g->c = c + row * g->c_stride * w->size;
      call->kernels->gemm(g);
      if (g->ahead) g->ahead += (uintptr_t)(g->ahead_step * g->tiles * g->k);
    }
  }
}

/* A plane of V, U and M, and at which ends it is. */
typedef struct {
  int e, ends;
} ck_plane;

/* Where V and M of a block lie, and what of them is multiplied. */
typedef struct {
  ck_winograd_block block;
  /* Rows of V and of M for a slice or plane, and the first of V: in the planes e at such ends. */
  int64_t v_tiles[CK_WINOGRAD_ENDS], tiles[CK_WINOGRAD_ENDS], v_first[CK_WINOGRAD_ENDS];
  int64_t v_plane, m_plane, m_row;
  ck_plane planes[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST]; /* those that hold any */
  int64_t plane_count;
  const char *v;
  char *m;
  bool deep;   /* M is a sum of slices, or may miss some: it begins with zeros */
  bool joined; /* the slices that planes after each other meet follow each other too */
} ck_product;

static ck_product product_of(const ck_winograd *w, ck_winograd_block whole, ck_winograd_block block, const char *v, char *m) {
  const int64_t m_row = ck_winograd_m_row(w);
  const int64_t first = ck_winograd_first_tile(w, block.unit0), whole_first = ck_winograd_first_tile(w, whole.unit0);
  ck_product p = {.block = block,
                  .v_plane = ck_winograd_plane(w, ck_winograd_slots(w, whole) * ck_winograd_tiles(w, whole), w->v_row),
                  .m_plane = ck_winograd_plane(w, block.planes * ck_winograd_tiles(w, block), m_row),
                  .m_row = m_row,
                  .v = v,
                  .m = m,
                  .deep = w->slices > 1 || w->depth_before > 0 || (w->depth_out - 1) * w->depth_stride >= w->depth_in,
                  .joined = block.units == whole.units && (w->slices == 1 || (w->pieces == 1 && w->depth_stride == 1))};
  for (int ends = 0; ends < CK_WINOGRAD_ENDS; ends++) {
    p.v_tiles[ends] = ck_winograd_held(w, whole, ends);
    p.tiles[ends] = ck_winograd_held(w, block, ends);
    p.v_first[ends] = ck_winograd_slot(w, block.plane0 - whole.plane0, 0) * p.v_tiles[ends] + ck_winograd_rank(w, first, ends) -
                      ck_winograd_rank(w, whole_first, ends);
  }
  for (int e = 0; e < w->elements; e++) {
    const int ends = ck_winograd_ends(w, e);
    if (p.tiles[ends] > 0) p.planes[p.plane_count++] = (ck_plane){e, ends};
  }
  return p;
}

/* M of a plane, of output channels that begin at lane `at` of a row: slice k of all output planes that meet it, with u, U of
 * the first of the chains. */
static void multiply_plane(const ck_winograd_call *call, const ck_product *product, ck_gemm_tile *g, ck_plane plane, int64_t k,
                           ck_chains chains, const char *u, int64_t at) {
  const ck_winograd *w = &call->w;
  const ck_winograd_block block = product->block;
  const int ends = plane.ends;
  const int64_t tiles = product->tiles[ends];
  for (int64_t q = 0, next; q < block.planes; q = next) {
    const int64_t id =
        (block.plane0 + q) % w->depth_out * w->depth_stride - w->depth_before + ck_winograd_depth_tap(w, k) * w->depth_dilation;
    next = q + 1;
    if (id < 0 || id >= w->depth_in) continue;
    if (product->joined && !product->deep) next = block.planes;
    if (product->joined && w->depth_taps > 1) next = ck_min(block.planes, q + w->depth_in - id);
    const int64_t v_row = product->v_first[ends] + ck_winograd_slot(w, q, k) * product->v_tiles[ends];
    multiply_run(call, g, product->v + (plane.e * product->v_plane + v_row * w->v_row) * w->size, u,
                 product->m + (plane.e * product->m_plane + q * tiles * product->m_row + at) * w->size, (next - q) * tiles,
                 chains, product->deep);
  }
}

/* U of an output channel tile, and how far apart its planes and slices are, in bytes. */
typedef struct {
  const char *u;
  int64_t lanes, plane, slice;
} ck_factor;

static ck_factor factor_of(const ck_winograd_call *call, int64_t group, int64_t tile) {
  const ck_winograd *w = &call->w;
  return (ck_factor){.u = call->weights + ck_winograd_u_at(w, group, tile),
                     .lanes = ck_winograd_tile_width(w, tile),
                     .plane = ck_winograd_u_plane(w, tile) * w->size,
                     .slice = ck_winograd_u_tile(w, tile) * w->size};
}

/* A step of the order in which U is multiplied: by number of a plane, of a tile, of a slice. */
typedef struct {
  int64_t plane, tile, k;
} ck_step;

static ck_step step_after(const ck_winograd *w, ck_step step, int64_t tiles) {
  if (++step.k < w->slices) return step;
  step.k = 0;
  if (++step.tile < tiles) return step;
  return (ck_step){.plane = step.plane + 1};
}

/* M of the block for output channel tiles [tile0, tile1): all slices, all channels. V is of the block `whole`, of which
 * `block` is a part. One plane e after the other, so that V[e] stays at hand while U goes by; where U is made by tile, one tile
 * after the other. */
static void multiply(const ck_winograd_call *call, int64_t group, ck_winograd_block whole, ck_winograd_block block,
                     int64_t tile0, int64_t tile1, const char *v, char *m, char *u_own) {
  const ck_winograd *w = &call->w;
  const ck_product product = product_of(w, whole, block, v, m);
  const int64_t lanes = w->tile_lanes, all = ck_winograd_chains(w);
  ck_gemm_tile g = {.a_in_place = true, .a_stride = w->v_row, .c_stride = product.m_row, .k_outer = 1};
  if (product.deep) memset(m, 0, (size_t)(w->elements * product.m_plane * w->size));
  if (w->by_tile) {
    /* U of one chain at a time. */
    for (int64_t i = 0; i < (tile1 - tile0) * all; i++) {
      const int64_t tile = tile0 + i / all, chain = i % all, plane = ck_winograd_own_u_plane(w, tile);
      g.lanes = (int)(g.b_stride = ck_winograd_tile_width(w, tile));
      ck_winograd_u_make(call->plan, w, call->weights, group, tile, chain_at(w, chain), chain_at(w, chain + 1), plane, u_own);
      for (int64_t j = 0; j < product.plane_count; j++)
        multiply_plane(call, &product, &g, product.planes[j], 0, (ck_chains){chain, chain + 1},
                       u_own + product.planes[j].e * plane * w->size, (tile - tile0) * lanes);
    }
    return;
  }
  ck_factor factors[CK_WINOGRAD_PART_LANES];
  const int64_t tiles = tile1 - tile0;
  for (int64_t i = 0; i < tiles; i++) factors[i] = factor_of(call, group, tile0 + i);
  const bool far = product.plane_count * tiles * w->slices * factors[0].plane > ck_cpu_caches().l2 / 2;
  for (ck_step step = {0}, next; step.plane < product.plane_count; step = next) {
    const ck_plane plane = product.planes[step.plane];
    const ck_factor *f = &factors[step.tile];
    next = step_after(w, step, tiles);
    g.lanes = (int)(g.b_stride = f->lanes);
    /* Meanwhile the next U comes from beyond L2: at its first use it would arrive more slowly than it can be multiplied. */
    g.ahead = 0;
    if (far && next.plane < product.plane_count) {
      const ck_factor *then = &factors[next.tile];
      const int64_t rows = block.planes * product.tiles[plane.ends];
      g.ahead = (uintptr_t)(then->u + product.planes[next.plane].e * then->plane + next.k * then->slice);
      g.ahead_step = ck_ceil_div(f->lanes * w->size, ck_ceil_div(rows, ck_winograd_tile_rows(call->plan)));
    }
    multiply_plane(call, &product, &g, plane, step.k, (ck_chains){0, all}, f->u + plane.e * f->plane + step.k * f->slice,
                   step.tile * lanes);
  }
}

/* A thread's workspace. */
typedef struct {
  char *v, *m, *u, *strip;
} ck_winograd_own;

/* Output channel tiles [tile0, tile1), part after part: M and the outputs. */
static void finish(const ck_winograd_call *call, int64_t group, ck_winograd_block whole, ck_winograd_block block, int64_t tile0,
                   int64_t tile1, const char *v, ck_winograd_own own) {
  const ck_winograd *w = &call->w;
  const int64_t lanes = w->tile_lanes, parts = ck_ceil_div(tile1 - tile0, w->part_tiles);
  for (int64_t part = 0; part < parts; part++) {
    const int64_t from = tile0 + ck_share(tile1 - tile0, parts, part), to = tile0 + ck_share(tile1 - tile0, parts, part + 1);
    multiply(call, group, whole, block, from, to, v, own.m, own.u);
    ck_winograd_tiles_out(call, group, block, from * lanes, ck_min(to * lanes, w->outputs) - from * lanes, own.m,
                          ck_winograd_m_row(w), own.strip);
  }
}

/* ---- Tasks --------------------------------------------------------------------------------------------------------------- */

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
  ck_winograd_memory at;
} ck_winograd_run;

static ck_winograd_split split_local(const ck_conv_plan *plan, const ck_winograd *w, int64_t n, int threads) {
  const bool deep = w->depth_taps > 1;
  ck_winograd_split s = {.samples = deep ? n : 1, .planes = deep ? w->depth_out : n * w->depth_out, .channel_parts = 1};
  s.plane_parts = ck_ceil_div(s.planes, w->block_planes);
  s.unit_parts = ck_ceil_div(w->units, w->block_units);
  const double values = (double)ck_winograd_values(&w->axis[0]) * (double)ck_winograd_values(&w->axis[1]);
  const double work = values * (double)(w->channels * w->slices) * (double)w->outputs * (double)n * (double)plan->problem.g *
                      (double)w->depth_out;
  /* More parts of units or planes while they stay above one register tile, and parts of the output channels, which repeat the
   * input's transform. */
  const bool by_units = w->units >= s.planes;
  int64_t *parts = by_units ? &s.unit_parts : &s.plane_parts;
  const int64_t units = by_units ? w->units : s.planes, others = by_units ? s.plane_parts : s.unit_parts;
  const int64_t images = plan->problem.g * s.samples * others;
  const int64_t tiles = w->axis[0].tiles * w->axis[1].tiles * s.planes / others;
  const int64_t most = ck_clamp(tiles / ck_winograd_tile_rows(plan), *parts, units), channels = ck_winograd_output_tiles(w);
  const double units_again = READ_AGAIN + (w->by_tile ? TRANSFORM_WEIGHTS_AGAIN : 0);
  const ck_split_side side[2] = {{units, *parts, most, units_again / (double)tiles, 0},
                                 {channels, 1, channels, TRANSFORM_AGAIN / (double)w->outputs, 0}};
  const ck_split split = ck_split_for(images, side, ck_threads_for(work, threads));
  *parts = split.parts[0];
  s.channel_parts = split.parts[1];
  s.num_threads = split.num_threads;
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

/* What a task finishes: a block, and tiles [tile0, tile1) of the output channels of a group. */
typedef struct {
  ck_winograd_block block;
  int64_t group, tile0, tile1;
} ck_winograd_part;

static ck_winograd_part local_part(const ck_conv_plan *plan, const ck_winograd *w, const ck_winograd_split *s, int64_t task) {
  const int64_t channel_part = task % s->channel_parts, unit_part = task / s->channel_parts % s->unit_parts;
  const int64_t number = task / s->channel_parts / s->unit_parts, tiles = ck_winograd_output_tiles(w);
  ck_winograd_part part = {.block = block_at(w, s, number % s->plane_parts, unit_part),
                           .group = number / s->plane_parts % plan->problem.g,
                           .tile0 = ck_share(tiles, s->channel_parts, channel_part),
                           .tile1 = ck_share(tiles, s->channel_parts, channel_part + 1)};
  part.block.plane0 += number / s->plane_parts / plan->problem.g * s->planes;
  return part;
}

static ck_winograd_part round_part(const ck_winograd *w, const ck_winograd_split *s, ck_winograd_block round, int64_t task) {
  const int64_t tiles = ck_winograd_output_tiles(w), channel_part = task / s->unit_parts / s->plane_parts;
  const int64_t plane_part = task / s->unit_parts % s->plane_parts, unit_part = task % s->unit_parts;
  const int64_t plane0 = ck_share(round.planes, s->plane_parts, plane_part),
                unit0 = ck_share(round.units, s->unit_parts, unit_part);
  return (ck_winograd_part){.block = {.plane0 = round.plane0 + plane0,
                                      .planes = ck_share(round.planes, s->plane_parts, plane_part + 1) - plane0,
                                      .unit0 = round.unit0 + unit0,
                                      .units = ck_share(round.units, s->unit_parts, unit_part + 1) - unit0},
                            .tile0 = ck_share(tiles, s->channel_parts, channel_part),
                            .tile1 = ck_share(tiles, s->channel_parts, channel_part + 1)};
}

static ck_winograd_own own_of(const ck_winograd_run *run, int slot) {
  char *own = (char *)run->base.buffers->workspace + run->base.plan->shared_bytes + (size_t)slot * run->base.plan->thread_bytes;
  return (ck_winograd_own){.v = own + run->at.v, .m = own + run->at.m, .u = own + run->at.u, .strip = own + run->at.strip};
}

static char *shared_v(const ck_winograd_run *run) { return (char *)run->base.buffers->workspace + run->at.v; }

static void run_local(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_winograd_part part = local_part(call->plan, w, &run->split, task);
  const ck_winograd_own own = own_of(run, slot);
  ck_winograd_tiles_in(call, part.group, part.block, 0, ck_ceil_div(w->channels, w->lanes), own.v, own.strip);
  finish(call, part.group, part.block, part.block, part.tile0, part.tile1, own.v, own);
}

static void run_round_in(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const int64_t vectors = ck_ceil_div(run->base.w.channels, run->base.w.lanes);
  ck_winograd_tiles_in(&run->base, run->group, run->round, task * 2, ck_min(task * 2 + 2, vectors), shared_v(run),
                       own_of(run, slot).strip);
}

static void run_round_out(const void *context, int64_t task, int slot) {
  const ck_winograd_run *run = context;
  const ck_winograd_part part = round_part(&run->base.w, &run->split, run->round, task);
  finish(&run->base, run->group, run->round, part.block, part.tile0, part.tile1, shared_v(run), own_of(run, slot));
}

/* Parts of the output channels, for each of which V is read again, and of the tiles, for each of which U is read or made
 * again. */
static ck_winograd_split split_round(const ck_conv_plan *plan, const ck_winograd *w, ck_winograd_block round, int threads) {
  const int64_t channels = ck_winograd_output_tiles(w), tiles = round.planes * ck_winograd_tiles(w, round);
  ck_winograd_split s = {.plane_parts = ck_ceil_div(round.planes, w->sub_planes)};
  const int64_t least = ck_ceil_div(round.units, w->sub_units);
  const int64_t most = ck_clamp(tiles / s.plane_parts / ck_winograd_tile_rows(plan), least, round.units);
  const double units_again = READ_AGAIN + (w->by_tile ? TRANSFORM_WEIGHTS_AGAIN : 0);
  const ck_split_side side[2] = {
      {round.units, least, most, units_again / (double)tiles, 0},
      {channels, ck_ceil_div(channels, w->part_tiles), channels, READ_AGAIN / (double)w->outputs, 0}};
  const ck_split split = ck_split_for(s.plane_parts, side, threads);
  s.unit_parts = split.parts[0];
  s.channel_parts = split.parts[1];
  return s;
}

/* The rounds of a sample and group. */
static ck_winograd_split split_rounds(const ck_winograd *w, int64_t n) {
  const int64_t planes = w->depth_taps > 1 ? w->depth_out : n * w->depth_out;
  return (ck_winograd_split){.samples = w->depth_taps > 1 ? n : 1,
                             .planes = planes,
                             .plane_parts = ck_ceil_div(planes, w->block_planes),
                             .unit_parts = ck_ceil_div(w->units, w->block_units)};
}

static ck_status run_rounds(ck_winograd_run *run, const ck_control *control) {
  const ck_winograd_call *call = &run->base;
  const ck_winograd *w = &call->w;
  const ck_conv_problem *p = &call->plan->problem;
  const ck_winograd_split all = split_rounds(w, call->buffers->n);
  for (int64_t round = 0; round < all.samples * p->g * all.plane_parts * all.unit_parts; round++) {
    const int64_t number = round / all.unit_parts;
    run->round = block_at(w, &all, number % all.plane_parts, round % all.unit_parts);
    run->round.plane0 += number / all.plane_parts / p->g * all.planes;
    run->group = number / all.plane_parts % p->g;
    run->split = split_round(call->plan, w, run->round, control->num_threads);
    ck_status status = ck_parallel_for(control, ck_ceil_div(ck_ceil_div(w->channels, w->lanes), 2), run_round_in, run);
    if (!status)
      status = ck_parallel_for(control, run->split.plane_parts * run->split.unit_parts * run->split.channel_parts,
                               run_round_out, run);
    if (status) return status;
  }
  return CK_STATUS_OK;
}

static int64_t tasks(const ck_conv_plan *plan, int64_t n, int num_threads) {
  const ck_winograd w = ck_winograd_of(plan);
  return w.shared ? num_threads : split_local(plan, &w, n, num_threads).num_threads;
}

/* In rounds: of the first round, whose second phase has most of the work. */
static int64_t task_outputs(const ck_conv_plan *plan, int64_t n, int num_threads, int64_t task) {
  const ck_winograd w = ck_winograd_of(plan);
  const ck_winograd_split all = split_rounds(&w, n);
  const ck_winograd_block first = block_at(&w, &all, 0, 0);
  const ck_winograd_split s = w.shared ? split_round(plan, &w, first, num_threads) : split_local(plan, &w, n, num_threads);
  const int64_t parts = s.plane_parts * s.unit_parts * s.channel_parts;
  if (task >= (w.shared ? parts : parts * s.samples * plan->problem.g)) return -1;
  const ck_winograd_part part = w.shared ? round_part(&w, &s, first, task) : local_part(plan, &w, &s, task);
  const int64_t lanes = w.tile_lanes;
  return part.block.planes * ck_winograd_tiles(&w, part.block) * w.axis[0].m * w.axis[1].m *
         (ck_min(part.tile1 * lanes, w.outputs) - part.tile0 * lanes);
}

static ck_status run(const ck_conv_plan *plan, const ck_conv_buffers *buffers, const ck_control *control) {
  ck_winograd_run r = {.base = {.plan = plan,
                                .buffers = buffers,
                                .kernels = ck_winograd_kernels(plan),
                                .weights = buffers->weights,
                                .src_end = ck_conv_src_end(&plan->problem, buffers),
                                .w = ck_winograd_of(plan)}};
  const ck_winograd *w = &r.base.w;
  r.at = ck_winograd_book(plan, w);
  ck_control narrowed = *control;
  if (!w->shared) {
    r.split = split_local(plan, w, buffers->n, control->num_threads);
    narrowed.num_threads = r.split.num_threads;
  }
  if (!plan->problem.prepared && !w->by_tile) {
    char *const packed = (char *)buffers->workspace + r.at.u;
    const ck_status status = ck_winograd_pack_all(plan, w, buffers->weights, packed, &narrowed);
    if (status) return status;
    r.base.weights = packed;
  }
  if (w->shared) return run_rounds(&r, &narrowed);
  return ck_parallel_for(&narrowed,
                         plan->problem.g * r.split.samples * r.split.plane_parts * r.split.unit_parts * r.split.channel_parts,
                         run_local, &r);
}

const ck_conv_algorithm ck_conv_winograd = {"winograd", false, ck_winograd_declines, ck_winograd_plan, ck_winograd_pack,
                                            run,        tasks, task_outputs};
