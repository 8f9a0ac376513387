/* panel.c: the input of a few output rows, or of a part of one, copied once, padded, with the stride taken out.
 *
 *   for channel of the block: for depth tap: for row phase: for column phase: [rows][columns]
 *
 * Along an axis the taps fall into phases (ck_phases). Within a phase neighbouring output pixels are neighbours, so that every
 * tap of a vector of pixels is one unaligned load at a fixed offset, whatever stride, dilation and padding are. Each input
 * element is copied at most once a phase it serves; a lowered block holds it once a tap. Column phases are filled together, row
 * by row, so that a row of the input is read from L1 by all but the first. */
#include "lowering.h"

ck_panel ck_panel_of(const ck_conv_tiling *t, int64_t pixels) {
  const ck_window *w = &t->window;
  const int64_t width = ck_min(pixels, w->out[2]);
  ck_panel panel = {.width = width, .phases = {w->kernel[0], 1, 1}, .length = {1, pixels / width, width}};
  for (int axis = 1; axis < CK_AXES; axis++) {
    panel.phases[axis] = ck_phases(w, axis);
    panel.length[axis] += (w->kernel[axis] - 1) * w->dilation[axis] / w->stride[axis];
  }
  /* The zeros after a row are the zeros before the next. */
  const int64_t zeros = w->stride[2] == 1 && width == w->out[2] ? ck_min(w->before[2], w->after[2]) : 0;
  panel.pitch = panel.length[2] - ck_min(zeros, panel.length[2] - width);
  /* Too large to be of use, and for products with a block of K to stay in int64. */
  const int64_t factors[6] = {panel.length[1], panel.length[2], panel.phases[0], panel.phases[1], panel.phases[2], 1 << 16};
  if (ck_checked_product(factors, 6).overflow) return (ck_panel){0};
  /* A row of a phase hangs over into the one below, which is filled later; the last needs room, which becomes zeros. */
  panel.phase[2] = (panel.length[1] - 1) * panel.pitch + panel.length[2] + (panel.phases[2] > 1 ? CK_PACK_SLACK : 0);
  panel.phase[1] = panel.phase[2] * panel.phases[2];
  panel.phase[0] = panel.phase[1] * panel.phases[1];
  panel.channel = panel.phase[0] * panel.phases[0];
  return panel;
}

int64_t ck_panel_moves_most(const ck_panel *panel) {
  return panel->phases[0] * panel->phases[1] * panel->phases[2] * (5 * panel->length[1] + 1);
}

/* Lists columns [from, to) of each column phase of a row. `at`: the first output pixel of the row of taps; dst: the row of the
 * first phase. */
static ck_move *list_columns(const ck_window *w, const ck_panel *panel, const int64_t at[CK_AXES],
                             const int64_t row_tap[CK_AXES], const int64_t steps[CK_AXES], int64_t from, int64_t to,
                             ptrdiff_t dst, ck_move *move) {
  for (int64_t phase = 0; phase < panel->phases[2]; phase++) {
    const int64_t tap[CK_AXES] = {row_tap[0], row_tap[1], phase};
    const int64_t pixel[CK_AXES] = {at[0], at[1], at[2] - phase * w->dilation[2] / w->stride[2] + from};
    move = ck_move_row(w, pixel, tap, steps, to - from, dst + phase * panel->phase[2] + from, panel->channel, move);
  }
  return move;
}

/* Lists the column phases of a row: columns that all of them have inside the input are dealt out, the others copied. */
static ck_move *list_row(const ck_window *w, const ck_panel *panel, const int64_t at[CK_AXES], const int64_t row_tap[CK_AXES],
                         const int64_t steps[CK_AXES], ptrdiff_t dst, ck_move *move) {
  const int64_t stride = w->stride[2], length = panel->length[2], column = at[2] * stride - w->before[2];
  const bool in_order = stride == CK_DEALT && panel->phases[2] == stride && w->dilation[2] % stride == 1;
  int64_t offset = 0, last = 0;
  if (in_order && ck_row_inside(w, at, row_tap, steps, &offset) && column < w->in[2]) {
    const int64_t first = column < 0 ? ck_min(ck_ceil_div(-column, stride), length) : 0;
    last = ck_clamp((w->in[2] - column) / stride, first, length);
    if (first > 0) move = list_columns(w, panel, at, row_tap, steps, 0, first, dst, move);
    if (last > first)
      *move++ =
          (ck_move){offset + column + first * stride, dst + first, (int32_t)(last - first), (int32_t)panel->channel, true};
  }
  return list_columns(w, panel, at, row_tap, steps, last, length, dst, move);
}

void ck_panel_fill(const ck_conv_plan *plan, const ck_panel *panel, const void *src, const void *src_end, int64_t group,
                   ck_k_block block, int64_t first_pixel, ck_move *moves, void *to) {
  const ck_window *w = &plan->tiling.window;
  const ck_dtype sum = ck_dtype_sum(plan->problem.src_dtype);
  int64_t first[CK_AXES], tap[CK_AXES], steps[CK_AXES];
  ck_move *move = moves;
  ptrdiff_t phase = 0;
  ck_place_of(w, first_pixel, first);
  ck_steps_of(plan, steps);
  for (tap[0] = 0; tap[0] < panel->phases[0]; tap[0]++)
    for (tap[1] = 0; tap[1] < panel->phases[1]; tap[1]++, phase += panel->phase[1])
      for (int64_t row = 0; row < panel->length[1]; row++) {
        /* The output row whose tap would be in this row; it may lie outside the output. */
        const int64_t at[CK_AXES] = {first[0], first[1] + row - tap[1] * w->dilation[1] / w->stride[1], first[2]};
        move = list_row(w, panel, at, tap, steps, phase + row * panel->pitch, move);
        for (int64_t i = 0; row == panel->length[1] - 1 && panel->phases[2] > 1 && i < panel->phases[2]; i++)
          move = ck_move_add(move, CK_MOVE_ZERO, phase + i * panel->phase[2] + row * panel->pitch + panel->length[2],
                             CK_PACK_SLACK, panel->channel);
      }
  const int64_t channels = block.inner1 - block.inner0, plane = ck_volume(w->in), size = ck_dtype_size(sum);
  const ck_pack pack = {
      .src = (const char *)src + (group * ck_in_channels(plan) + block.inner0) * plane * ck_dtype_size(plan->problem.src_dtype),
      .src_end = src_end,
      .dst = to,
      .moves = moves,
      .move_count = move - moves,
      .channels = channels,
      .src_step = plane,
      .stride = w->stride[2],
      .apart = panel->phase[2]};
  ck_isa_table(plan->isa)->of[plan->problem.src_dtype].pack(&pack);
  /* The last tile may look beyond the panel: what it computes there is not stored, but arithmetic on leftovers could be
   * slow. */
  memset((char *)to + channels * panel->channel * size, 0, (size_t)(ck_tile_pixels(plan) * size));
}

void ck_panel_offsets(const ck_conv_plan *plan, const ck_panel *panel, ck_k_block block, ptrdiff_t *offsets) {
  const ck_window *w = &plan->tiling.window;
  const int64_t channels = block.inner1 - block.inner0;
  int64_t at[CK_AXES];
  for (int64_t tap = block.outer0; tap < block.outer1; tap++) {
    ck_tap_at(w, tap, at);
    ptrdiff_t offset = at[0] * panel->phase[0];
    for (int axis = 1; axis < CK_AXES; axis++)
      offset += at[axis] % panel->phases[axis] * panel->phase[axis] +
                at[axis] * w->dilation[axis] / w->stride[axis] * (axis == 1 ? panel->pitch : 1);
    for (int64_t channel = 0; channel < channels; channel++, offset += panel->channel) *offsets++ = offset;
  }
  for (int64_t ahead = 0; ahead < CK_OFFSETS_AHEAD; ahead++) *offsets++ = 0;
}

/* Lanes over one output row, or on over row ends: then the columns between two rows are computed and left out when sums are
 * stored. */
int64_t ck_panel_tiles(const ck_conv_plan *plan, const ck_panel *panel, int64_t first, int64_t last, ck_tile *tiles) {
  const ck_conv_tiling *t = &plan->tiling;
  const int64_t width = panel->width, pitch = panel->pitch, most = ck_tile_pixels(plan), rows = (last - first) / width;
  const int64_t lanes = t->run_on ? rows * pitch - (pitch - width) : width;
  int64_t count = 0;
  for (int64_t row = 0; row < rows; row += t->run_on ? rows : 1) {
    for (int64_t at = 0, end; at < lanes; at = end) {
      if (at % pitch >= width) at = ck_round_up(at, pitch); /* no tile begins in a gap */
      end = ck_min(at + most, lanes);
      const int64_t in_row = at % pitch, stop = end - ck_max((end - 1) % pitch + 1 - width, 0);
      tiles[count++] = (ck_tile){.pixel = first + (row + at / pitch) * width + in_row,
                                 .count = (int)(stop - at),
                                 .packed = CK_IN_PLACE,
                                 .origin = row * pitch + at,
                                 .run = (int)(pitch > width ? ck_min(width - in_row, stop - at) : stop - at)};
    }
  }
  return count;
}
