/* winograd_tiles.c: brings tiles from the input to V and from M to the output.
 *
 *   channels last     for plane: for tile: transform, all channels          read and written in place
 *   channels first    for plane: for vector of channels: for some rows of tiles:
 *                       transpose into a strip [pixel][lanes], for tile: transform; the same backwards
 *   with stride       the strip, in either layout, is gathered: a lane for each phase and channel
 *
 * The tensor is never padded: a tile at the border reads zeros by its bits and stores what lies inside. Gathered strips are. */
#include "winograd.h"

#include <string.h>

/* Columns from a tile to the next, and how many tiles follow in such steps. */
static int64_t column_step(const ck_winograd_axis *a, int64_t tile) {
  return a->classes > 1 ? 1 : (tile < a->whole ? a->m : a->m - 1) * a->dilation;
}
static int64_t evenly(const ck_winograd_axis *a, int64_t tile, int64_t last) {
  if (a->classes > 1) return ck_min(a->classes - tile % a->classes, last - tile);
  return tile < a->whole ? ck_min(a->whole, last) - tile : last - tile;
}

/* Which of a tile's inputs, beginning at x, lie inside. */
static unsigned bits_of(const ck_winograd_axis *a, int64_t x) {
  unsigned bits = 0;
  for (int i = 0; i < a->n; i++) bits |= (unsigned)(x + i * a->dilation >= 0 && x + i * a->dilation < a->in) << i;
  return bits;
}

/* Outputs of a tile, beginning at `base`, that lie inside. */
static int inside_of(const ck_winograd_axis *a, int64_t base, bool whole) {
  return (int)ck_clamp(ck_ceil_div(ck_max(a->out - base, 0), a->dilation), 0, whole ? a->m : a->m - 1);
}
static int rows_of(const ck_winograd_axis *a, int64_t tile) {
  return inside_of(a, ck_winograd_row_of(a, tile), tile % a->class_tiles < a->whole);
}
static int columns_of(const ck_winograd_axis *a, int64_t tile) {
  return inside_of(a, ck_winograd_column_of(a, tile), tile / a->classes < a->whole);
}

/* Tiles that the planes at infinity do not hold: before the block, and in it. */
typedef struct {
  int64_t before[CK_WINOGRAD_ENDS], inside[CK_WINOGRAD_ENDS];
} ck_missing;

static int64_t missing_before(const ck_winograd *w, int64_t tile, int ends) { return tile - ck_winograd_rank(w, tile, ends); }

static ck_missing missing_of(const ck_winograd *w, ck_winograd_block b) {
  ck_missing missing = {0};
  for (int ends = 1; ends < CK_WINOGRAD_ENDS; ends++) {
    missing.before[ends] = missing_before(w, ck_winograd_first_tile(w, b.unit0), ends);
    missing.inside[ends] = ck_winograd_tiles(w, b) - ck_winograd_held(w, b, ends);
  }
  return missing;
}

/* How far apart from where all tiles stand those from `tile` on, in its row, do in the planes at infinity (winograd_args.h), in
 * slice or plane q and rows of V or M so long: one place sooner for each that is missing. One that a plane does not hold comes
 * where the next of them will be, or behind the last: it may be written there, as long as that is done in order, and what is
 * read there is of no account. */
static void set_ends(const ck_winograd *w, const ck_missing *missing, int64_t q, int64_t tile, int64_t row, ptrdiff_t *at) {
  for (int ends = 0; ends < CK_WINOGRAD_ENDS; ends++) {
    const int64_t inside = missing->inside[ends];
    at[ends] = inside ? -(q * inside + missing_before(w, tile, ends) - missing->before[ends]) * row : 0;
  }
}

/* The input slice of a slot, NULL where it lies in the padding. */
static const char *slice_of(const ck_winograd_call *call, int64_t group, ck_winograd_block block, int64_t slot) {
  const ck_winograd *w = &call->w;
  const ck_conv_problem *p = &call->plan->problem;
  const bool deep = w->depth_taps > 1;
  const int64_t plane = block.plane0 + (deep ? 0 : slot / w->pieces);
  const int64_t id = plane % w->depth_out * w->depth_stride - w->depth_before + (deep ? slot : 0);
  const bool channels_last = p->layout == CK_LAYOUT_CHANNELS_LAST;
  const int64_t area = p->window.in[1] * p->window.in[2];
  if (id < 0 || id >= w->depth_in) return NULL;
  const int64_t offset =
      plane / w->depth_out * call->buffers->src_batch_stride +
      (channels_last ? id * area * p->ic + group * w->inputs : (group * w->inputs * w->depth_in + id) * area);
  return (const char *)call->buffers->src + offset * w->size;
}

/* ---- Input --------------------------------------------------------------------------------------------------------------- */

/* Runs of tiles of one unit that read the same columns of their tile, transformed together: channels first, one vector of
 * channels. */
static void unit_from_strip(const ck_winograd *w, const ck_kernels *kernels, ck_winograd_input t, const ck_winograd_strip *s) {
  const ck_winograd_axis *wide = &w->axis[1];
  char *v = t.dst;
  const char *strip = t.src;
  for (int64_t tile = s->tile0; tile < s->tile1; tile += t.count) {
    const int64_t x = ck_winograd_column_of(wide, tile) - wide->before, step = column_step(wide, tile),
                  most = evenly(wide, tile, s->tile1);
    t.src_next = step * w->lanes;
    t.column_bits = bits_of(wide, x);
    t.count = 1;
    while (t.count < most && bits_of(wide, x + t.count * step) == t.column_bits) t.count++;
    t.src = strip + (x - s->x0) * w->lanes * w->size;
    t.dst = v + (tile - s->tile0) * w->v_row * w->size;
    kernels->winograd_input(&t);
  }
}

static void slice_from_strips(const ck_winograd_call *call, const char *slice, int64_t slot, ck_winograd_block block,
                              int64_t vector0, int64_t vector1, int64_t plane, char *v, char *strip) {
  const ck_winograd *w = &call->w;
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  const int64_t tile0 = ck_winograd_first_tile(w, block.unit0);
  const ck_missing missing = missing_of(w, block);
  for (int64_t vector = vector0; vector < vector1; vector++) {
    for (int64_t unit = block.unit0; unit < block.unit0 + block.units;) {
      const ck_winograd_strip s = ck_winograd_strip_at(w, unit, block.unit0 + block.units, true);
      const int64_t pitch = s.x1 - s.x0;
      ck_winograd_strip_fill(call, &s, slice, vector, strip);
      for (int64_t i = 0; i < s.units; i++, unit++) {
        const int64_t y = ck_winograd_row_of(high, s.tile_row + i) - high->before, tile = ck_winograd_first_tile(w, unit);
        ck_winograd_input t = {.src = strip + (y - s.y0) / high->dilation * pitch * w->lanes * w->size,
                               .dst = v + ((tile - tile0) * w->v_row + vector * w->lanes) * w->size,
                               .row_step = pitch * w->lanes,
                               .column_step = wide->dilation * w->lanes,
                               .plane_step = plane,
                               .dst_next = w->v_row,
                               .rows = high->n,
                               .columns = wide->n,
                               .row_bits = bits_of(high, y),
                               .lanes = (int)w->lanes};
        set_ends(w, &missing, slot, tile, w->v_row, t.ends);
        unit_from_strip(w, call->kernels, t, &s);
      }
    }
  }
}

static void slice_in_place(const ck_winograd_call *call, const char *slice, int64_t slot, ck_winograd_block block,
                           int64_t vector0, int64_t vector1, int64_t plane, char *v) {
  const ck_winograd *w = &call->w;
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  const int64_t pixel = call->plan->problem.ic, row = pixel * wide->in, first = ck_winograd_first_tile(w, block.unit0);
  const int64_t tiles = ck_winograd_tiles(w, block), from = vector0 * w->lanes, to = ck_min(vector1 * w->lanes, w->channels);
  const ck_missing missing = missing_of(w, block);
  ptrdiff_t ends[CK_WINOGRAD_ENDS];
  for (int64_t tile = first; tile < first + tiles; tile++) {
    if (tile == first || tile % wide->tiles == 0) set_ends(w, &missing, slot, tile, w->v_row, ends);
    const int64_t y = ck_winograd_row_of(high, tile / wide->tiles) - high->before,
                  x = ck_winograd_column_of(wide, tile % wide->tiles) - wide->before;
    ck_winograd_input t = {.src = slice + (y * row + x * pixel + from) * w->size,
                           .dst = v + ((tile - first) * w->v_row + from) * w->size,
                           .row_step = row * high->dilation,
                           .column_step = pixel * wide->dilation,
                           .plane_step = plane,
                           .src_next = w->lanes,
                           .dst_next = w->lanes,
                           .count = (to - from) / w->lanes,
                           .rows = high->n,
                           .columns = wide->n,
                           .row_bits = bits_of(high, y),
                           .column_bits = bits_of(wide, x),
                           .lanes = (int)w->lanes};
    memcpy(t.ends, ends, sizeof ends);
    if (t.count > 0) call->kernels->winograd_input(&t);
    if ((to - from) % w->lanes == 0) continue;
    t.src = (const char *)t.src + t.count * w->lanes * w->size;
    t.dst = (char *)t.dst + t.count * w->lanes * w->size;
    t.lanes = (int)((to - from) % w->lanes);
    t.count = 1;
    call->kernels->winograd_input(&t);
  }
}

/* The call with the first taps of slice k of the reduction for its first taps. */
static ck_winograd_call at_piece(const ck_winograd_call *call, int64_t k) {
  ck_winograd_call at = *call;
  for (int axis = 0; axis < 2; axis++)
    at.w.axis[axis].before -= ck_winograd_taps_before(&call->w, k, axis) * call->w.axis[axis].dilation;
  return at;
}

void ck_winograd_tiles_in(const ck_winograd_call *call, int64_t group, ck_winograd_block block, int64_t vector0,
                          int64_t vector1, char *v, char *strip) {
  const ck_winograd *w = &call->w;
  const int64_t slots = ck_winograd_slots(w, block), tiles = ck_winograd_tiles(w, block);
  const int64_t plane = ck_winograd_plane(w, slots * tiles, w->v_row);
  for (int64_t slot = 0; slot < slots; slot++) {
    const char *slice = slice_of(call, group, block, slot);
    char *to = v + slot * tiles * w->v_row * w->size;
    if (!slice) continue;
    const ck_winograd_call piece = at_piece(call, slot % w->pieces);
    if (call->plan->problem.layout == CK_LAYOUT_CHANNELS_LAST && !w->gathered)
      slice_in_place(&piece, slice, slot, block, vector0, vector1, plane, to);
    else
      slice_from_strips(&piece, slice, slot, block, vector0, vector1, plane, to, strip);
  }
}

/* ---- Output -------------------------------------------------------------------------------------------------------------- */

/* The outputs of one tile or of a run of them. */
static ck_winograd_output output_of(const ck_winograd_call *call, int64_t group, int64_t first, int64_t plane) {
  const ck_winograd *w = &call->w;
  const char *bias = call->buffers->bias;
  return (ck_winograd_output){.bias = bias ? bias + (group * w->outputs + first) * w->size : NULL,
                              .plane_step = plane,
                              .count = 1,
                              .rows = w->axis[0].n,
                              .columns = w->axis[1].n,
                              .row_taps = w->axis[0].taps,
                              .column_taps = w->axis[1].taps,
                              .lanes = (int)w->lanes,
                              .activation = call->plan->problem.activation};
}

static void plane_to_strips(const ck_winograd_call *call, ck_winograd_output t, char *dst, int64_t q, ck_winograd_block block,
                            int64_t count, const char *m, int64_t m_row, char *strip) {
  const ck_winograd *w = &call->w;
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  const int64_t tile0 = ck_winograd_first_tile(w, block.unit0);
  const ck_missing missing = missing_of(w, block);
  t.column_step = wide->dilation * w->lanes;
  t.src_next = m_row;
  t.lanes = (int)w->lanes;
  for (int64_t unit = block.unit0; unit < block.unit0 + block.units;) {
    const ck_winograd_strip s = ck_winograd_strip_at(w, unit, block.unit0 + block.units, false);
    t.row_step = (s.x1 - s.x0) * w->lanes;
    for (int64_t i = 0; i < s.units; i++, unit++) {
      const int64_t first = ck_winograd_first_tile(w, unit),
                    r = (ck_winograd_row_of(high, s.tile_row + i) - s.y0) / high->dilation;
      const char *row = m + (first - tile0) * m_row * w->size;
      set_ends(w, &missing, q, first, m_row, t.ends);
      t.rows_stored = rows_of(high, s.tile_row + i);
      for (int64_t tile = s.tile0; tile < s.tile1; tile += t.count) {
        const int64_t x = ck_winograd_column_of(wide, tile), step = column_step(wide, tile), most = evenly(wide, tile, s.tile1);
        t.columns_stored = columns_of(wide, tile);
        t.count = 1;
        while (t.count < most && columns_of(wide, tile + t.count) == t.columns_stored) t.count++;
        t.src = row + (tile - s.tile0) * m_row * w->size;
        t.dst = strip + (r * t.row_step + (x - s.x0) * w->lanes) * w->size;
        t.dst_next = step * w->lanes;
        call->kernels->winograd_output(&t);
      }
    }
    ck_winograd_strip_store(call, &s, dst, count, strip);
  }
}

static void plane_in_place(const ck_winograd_call *call, ck_winograd_output t, char *dst, int64_t q, ck_winograd_block block,
                           int64_t count, const char *m, int64_t m_row) {
  const ck_winograd *w = &call->w;
  const ck_winograd_axis *high = &w->axis[0], *wide = &w->axis[1];
  const int64_t pixel = call->plan->problem.oc, row = pixel * wide->out;
  const int64_t first = ck_winograd_first_tile(w, block.unit0), tiles = ck_winograd_tiles(w, block);
  const int64_t whole = count / w->lanes * w->lanes;
  const char *bias = t.bias;
  t.row_step = row * high->dilation;
  t.column_step = pixel * wide->dilation;
  t.src_next = t.dst_next = t.bias_next = w->lanes;
  const ck_missing missing = missing_of(w, block);
  for (int64_t tile = first; tile < first + tiles; tile++) {
    if (tile == first || tile % wide->tiles == 0) set_ends(w, &missing, q, tile, m_row, t.ends);
    const int64_t y = ck_winograd_row_of(high, tile / wide->tiles), x = ck_winograd_column_of(wide, tile % wide->tiles);
    t.rows_stored = rows_of(high, tile / wide->tiles);
    t.columns_stored = columns_of(wide, tile % wide->tiles);
    if (t.rows_stored == 0 || t.columns_stored == 0) continue;
    for (int64_t at = 0; at<count; at += whole> at ? whole : w->lanes) {
      t.count = at < whole ? whole / w->lanes : 1;
      t.lanes = (int)(at < whole ? w->lanes : count - whole);
      t.src = m + ((tile - first) * m_row + at) * w->size;
      t.dst = dst + (y * row + x * pixel + at) * w->size;
      t.bias = bias ? bias + at * w->size : NULL;
      call->kernels->winograd_output(&t);
    }
  }
}

void ck_winograd_tiles_out(const ck_winograd_call *call, int64_t group, ck_winograd_block block, int64_t first, int64_t count,
                           const char *m, int64_t m_row, char *strip) {
  const ck_winograd *w = &call->w;
  const ck_conv_problem *p = &call->plan->problem;
  const int64_t tiles = ck_winograd_tiles(w, block), plane = ck_winograd_plane(w, block.planes * tiles, m_row);
  const int64_t area = w->axis[0].out * w->axis[1].out;
  for (int64_t q = 0; q < block.planes; q++) {
    const int64_t sample = (block.plane0 + q) / w->depth_out, od = (block.plane0 + q) % w->depth_out;
    const char *from = m + q * tiles * m_row * w->size;
    char *dst = call->buffers->dst;
    if (p->layout == CK_LAYOUT_CHANNELS_LAST) {
      dst += ((sample * w->depth_out + od) * area * p->oc + group * w->outputs + first) * w->size;
      plane_in_place(call, output_of(call, group, first, plane), dst, q, block, count, from, m_row);
      continue;
    }
    for (int64_t at = 0; at < count; at += w->lanes) {
      const int64_t channel = sample * p->oc + group * w->outputs + first + at, lanes = ck_min(w->lanes, count - at);
      ck_winograd_output t = output_of(call, group, first + at, plane);
      char bias[CK_ALIGNMENT] __attribute__((aligned(CK_ALIGNMENT))) = {0};
      if (t.bias && lanes < w->lanes) t.bias = memcpy(bias, t.bias, (size_t)(lanes * w->size));
      plane_to_strips(call, t, dst + (channel * w->depth_out + od) * area * w->size, q, block, lanes, from + at * w->size,
                      m_row, strip);
    }
  }
}
