/* windows.h: windows to test with: drawn small for exact comparisons, or wild to see that only a status comes of them. */
#ifndef CONVKIT_TESTS_WINDOWS_H
#define CONVKIT_TESTS_WINDOWS_H

#include "base/window.h"
#include "check.h"

/* Draws axis by axis until the window fits the padded input. `dims` axes are used, of at most `length` elements. */
CHECK_UNUSED static ck_window window_draw(int dims, int64_t length, int64_t kernel, int64_t stride, int64_t dilation,
                                          int64_t padding) {
  ck_window w = {.in = {1, 1, 1}, .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}, .out = {1, 1, 1}};
  for (int axis = CK_AXES - dims; axis < CK_AXES; axis++) {
    int64_t room;
    do {
      w.in[axis] = check_pick(1, length);
      w.kernel[axis] = check_pick(1, kernel);
      w.stride[axis] = check_pick(1, stride);
      w.dilation[axis] = check_pick(1, dilation);
      w.before[axis] = check_pick(0, 2) ? check_pick(0, padding) : 0;
      w.after[axis] = check_pick(0, 2) ? check_pick(0, padding) : 0;
      room = w.in[axis] + w.before[axis] + w.after[axis] - w.dilation[axis] * (w.kernel[axis] - 1) - 1;
    } while (room < 0);
    w.out[axis] = room / w.stride[axis] + 1;
  }
  return w;
}

CHECK_UNUSED static void window_note(const ck_window *w) {
  static const char *const names[] = {"d", "h", "w"};
  for (int axis = 0; axis < CK_AXES; axis++)
    if (w->in[axis] != 1 || w->kernel[axis] != 1 || w->before[axis] + w->after[axis] > 0 || axis == 2)
      check_note(" %s:%lldk%llds%lldd%lldp%lld+%lld", names[axis], (long long)w->in[axis], (long long)w->kernel[axis],
                 (long long)w->stride[axis], (long long)w->dilation[axis], (long long)w->before[axis],
                 (long long)w->after[axis]);
}

/* For each position at[0..2] below size[0..2], the last axis first. */
#define EACH_POSITION(at, size)                                                                                                \
  for (int64_t at[3] = {0, 0, 0}; at[0] < size[0]; at[0]++)                                                                    \
    for (at[1] = 0; at[1] < size[1]; at[1]++)                                                                                  \
      for (at[2] = 0; at[2] < size[2]; at[2]++)

/* Where element (sample n, channel c, position at) of an array lies. */
CHECK_UNUSED static int64_t place(bool channels_last, int64_t n, int64_t channels, int64_t c, const int64_t at[3],
                                  const int64_t size[3]) {
  const int64_t pixel = (at[0] * size[1] + at[1]) * size[2] + at[2], pixels = ck_volume(size);
  return channels_last ? (n * pixels + pixel) * channels + c : (n * channels + c) * pixels + pixel;
}

/* Where tap k of window o lies on the input; false if in the padding. */
CHECK_UNUSED static bool input_position(const ck_window *w, const int64_t o[3], const int64_t k[3], int64_t i[3]) {
  for (int axis = 0; axis < 3; axis++) {
    i[axis] = o[axis] * w->stride[axis] - w->before[axis] + k[axis] * w->dilation[axis];
    if (i[axis] < 0 || i[axis] >= w->in[axis]) return false;
  }
  return true;
}

/* Any number that a caller may send: mostly harmless, else large, or around the limits of arithmetic. */
CHECK_UNUSED static int64_t wild_number(void) {
  static const int64_t wild[] = {0,         -1,        INT64_MIN, INT64_MAX, INT64_MAX - 1, ((int64_t)1 << 31) - 1,
                                 1ll << 31, 1ll << 32, 1ll << 53, 1ll << 59, 1ll << 61};
  const int64_t kind = check_pick(0, 39);
  if (kind == 0) return wild[check_pick(0, (int64_t)(sizeof wild / sizeof *wild) - 1)];
  if (kind <= 2) return (int64_t)(check_bits() >> check_pick(1, 63));
  return kind <= 6 ? check_pick(1, 300) : check_pick(1, 4);
}

CHECK_UNUSED static ck_window wild_window(void) {
  ck_window w;
  for (int axis = 0; axis < CK_AXES; axis++) {
    w.in[axis] = wild_number();
    w.kernel[axis] = wild_number();
    w.stride[axis] = wild_number();
    w.dilation[axis] = wild_number();
    w.before[axis] = check_pick(0, 1) ? wild_number() : 0;
    w.after[axis] = check_pick(0, 1) ? wild_number() : 0;
    w.out[axis] = wild_number();
  }
  return w;
}

#endif
