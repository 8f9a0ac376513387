/* kernels_pool.h: tests of the pooling kernels: fold_*, slide_*, root, argmax. */
#ifndef CONVKIT_TESTS_KERNELS_POOL_H
#define CONVKIT_TESTS_KERNELS_POOL_H

#include "dispatch.h"
#include "elements.h"

/* Something to compare: ties, the ends of the range; of reals also NaN and infinities. */
static int64_t comparable(ck_dtype dtype) {
  static const int64_t special[] = {ELEMENT_NAN, ELEMENT_INFINITY, -ELEMENT_INFINITY};
  if (element_types[dtype].real && check_pick(0, 40) == 0) return special[check_pick(0, 2)];
  return element_any(dtype);
}

static void *comparables(const char *name, ck_dtype dtype, int64_t count) {
  void *array = elements_new(name, dtype, count, check_side());
  for (int64_t i = 0; i < count; i++) element_types[dtype].set(array, i, comparable(dtype));
  return array;
}

/* The type in which averages are taken. */
static ck_dtype wide_of(ck_dtype dtype) { return dtype == CK_DTYPE_f32 ? CK_DTYPE_f32 : CK_DTYPE_f64; }

/* Numbers that need rounding when they are summed: sevenths for reals, any integers. */
static void *summables(const char *name, ck_dtype dtype, int64_t count) {
  void *array = elements_new(name, dtype, count, check_side());
  for (int64_t i = 0; i < count && element_types[dtype].real; i++)
    element_types[dtype].set_double(array, i, (double)check_pick(-1000000, 1000000) / 7);
  return array;
}

static double sum_in(ck_dtype dtype, double a, double b) {
  const volatile float narrow = (float)a + (float)b;
  const volatile double wide = a + b;
  return dtype == CK_DTYPE_f32 ? narrow : wide;
}

static double divided_in(ck_dtype dtype, double a, double b) {
  return dtype == CK_DTYPE_f32 ? (double)((float)a / (float)b) : a / b;
}

static int64_t larger_of(ck_dtype dtype, int64_t a, int64_t b) {
  const bool real = element_types[dtype].real;
  if (real && (a == ELEMENT_NAN || b == ELEMENT_NAN)) return ELEMENT_NAN;
  return element_types[dtype].less(a, b) ? b : a;
}

/* ---- Folds: element i of every tap --------------------------------------------------------------------------------------- */

static ck_fold fold_draw(int64_t count) {
  ck_fold f = {.count = count, .resume = check_pick(0, 1), .divisor = (double)check_pick(1, 3)};
  for (int axis = 0; axis < 3; axis++) {
    f.taps[axis] = check_pick(1, 3);
    f.strides[axis] = check_pick(0, count + 3);
  }
  check_note(" taps=%dx%dx%d resume=%d divisor=%g", (int)f.taps[0], (int)f.taps[1], (int)f.taps[2], f.resume, f.divisor);
  return f;
}

static int64_t fold_reach(const ck_fold *f) {
  int64_t reach = f->count;
  for (int axis = 0; axis < 3; axis++) reach += (f->taps[axis] - 1) * f->strides[axis];
  return reach;
}

static int64_t fold_at(const ck_fold *f, int64_t tap) {
  return tap % f->taps[2] * f->strides[2] + tap / f->taps[2] % f->taps[1] * f->strides[1] +
         tap / f->taps[2] / f->taps[1] * f->strides[0];
}

static void fold_max_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count) {
  ck_fold f = fold_draw(count);
  void *src = comparables("src", dtype, fold_reach(&f)), *dst = comparables("dst", dtype, count);
  void *before = malloc((size_t)count * element_size(dtype));
  memcpy(before, dst, (size_t)count * element_size(dtype));
  guard_freeze(src);
  f.src = src;
  f.dst = dst;
  kernels->fold_max(&f);
  for (int64_t i = 0; i < count; i++) {
    int64_t best = element_types[dtype].get(f.resume ? before : src, i);
    for (int64_t tap = 0; tap < f.taps[0] * f.taps[1] * f.taps[2]; tap++)
      best = larger_of(dtype, best, element_types[dtype].get(src, fold_at(&f, tap) + i));
    CHECK_ELEMENT(dtype, dst, i, best, "dst");
  }
  free(before);
  guard_done();
}

static void fold_sum_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count) {
  ck_fold f = fold_draw(count);
  const ck_dtype wide = wide_of(dtype);
  void *src = summables("src", dtype, fold_reach(&f)), *dst = summables("dst", wide, count);
  double *sums = calloc((size_t)count, sizeof *sums);
  for (int64_t i = 0; i < count; i++) {
    if (f.resume) sums[i] = element_types[wide].as_double(dst, i);
    for (int64_t tap = 0; tap < f.taps[0] * f.taps[1] * f.taps[2]; tap++)
      sums[i] = sum_in(wide, sums[i], element_types[dtype].as_double(src, fold_at(&f, tap) + i));
  }
  guard_freeze(src);
  f.src = src;
  f.dst = dst;
  kernels->fold_sum(&f);
  for (int64_t i = 0; i < count; i++) {
    const double got = element_types[wide].as_double(dst, i), expected = divided_in(wide, sums[i], f.divisor);
    CHECK(got == expected, "dst[%d] is %a, not %a", (int)i, got, expected);
  }
  free(sums);
  guard_done();
}

/* Integers of which CK_FOLD_CHAIN can be summed in float without rounding, but no more. */
static void fold_wide_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count) {
  ck_fold f = fold_draw(count);
  f.taps[2] = check_pick(1, 300);
  f.strides[2] = check_pick(0, 3);
  check_note(" taps=%d", (int)f.taps[2]);
  void *src = elements_new("src", dtype, fold_reach(&f), check_side());
  double *dst = guard_new("dst", (size_t)count * sizeof *dst, sizeof *dst, check_side());
  double *sums = calloc((size_t)count, sizeof *sums);
  for (int64_t i = 0; i < fold_reach(&f); i++) element_types[dtype].set(src, i, (1 << 24) / CK_FOLD_CHAIN - check_pick(0, 9));
  for (int64_t i = 0; i < count; i++) {
    if (f.resume) sums[i] = dst[i] = (double)check_pick(0, 1 << 30);
    for (int64_t tap = 0; tap < f.taps[0] * f.taps[1] * f.taps[2]; tap++)
      sums[i] += element_types[dtype].as_double(src, fold_at(&f, tap) + i);
  }
  guard_freeze(src);
  f.src = src;
  f.dst = dst;
  kernels->fold_wide(&f);
  for (int64_t i = 0; i < count; i++)
    CHECK(dst[i] == sums[i] / f.divisor, "dst[%d] is %a, not %a", (int)i, dst[i], sums[i] / f.divisor);
  free(sums);
  guard_done();
}

static void fold_power_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count) {
  static const double powers[] = {1, 2, 3, 1.5};
  ck_fold f = fold_draw(count);
  void *src = elements_new("src", dtype, fold_reach(&f), check_side());
  double *dst = guard_new("dst", (size_t)count * sizeof *dst, sizeof *dst, check_side());
  double *sums = calloc((size_t)count, sizeof *sums);
  f.power = powers[check_pick(0, 3)];
  check_note(" power=%g", f.power);
  for (int64_t i = 0; i < fold_reach(&f); i++)
    element_types[dtype].set(src, i, check_pick(element_is_unsigned(dtype) ? 0 : -9, 9));
  for (int64_t i = 0; i < count; i++) {
    if (f.resume) sums[i] = dst[i] = (double)check_pick(0, 9);
    for (int64_t tap = 0; tap < f.taps[0] * f.taps[1] * f.taps[2]; tap++)
      sums[i] += pow(fabs(element_types[dtype].as_double(src, fold_at(&f, tap) + i)), f.power);
  }
  guard_freeze(src);
  f.src = src;
  f.dst = dst;
  kernels->fold_power(&f);
  for (int64_t i = 0; i < count; i++) CHECK(dst[i] == sums[i], "dst[%d] is %a, not %a", (int)i, dst[i], sums[i]);
  free(sums);
  guard_done();
}

/* ---- Slides: tap after tap of each output -------------------------------------------------------------------------------- */

static ck_slide slide_draw(int64_t count, int64_t stride) {
  ck_slide s = {.count = count,
                .stride = stride,
                .taps = check_pick(1, 5),
                .step = check_pick(1, 4),
                .divisor = (double)check_pick(1, 3)};
  s.readable = (count - 1) * stride + (s.taps - 1) * s.step + 1 + check_pick(0, 1) * check_pick(0, 40);
  check_note(" taps=%d step=%d readable=%d divisor=%g", (int)s.taps, (int)s.step, (int)s.readable, s.divisor);
  return s;
}

static void slide_max_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count, int64_t stride) {
  ck_slide s = slide_draw(count, stride);
  void *src = comparables("src", dtype, s.readable);
  void *dst = guard_new("dst", (size_t)count * element_size(dtype), element_size(dtype), check_side());
  guard_freeze(src);
  s.src = src;
  s.dst = dst;
  kernels->slide_max(&s);
  for (int64_t o = 0; o < count; o++) {
    int64_t best = element_types[dtype].get(src, o * stride);
    for (int64_t t = 1; t < s.taps; t++) best = larger_of(dtype, best, element_types[dtype].get(src, o * stride + t * s.step));
    CHECK_ELEMENT(dtype, dst, o, best, "dst");
  }
  guard_done();
}

static void slide_sum_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count, int64_t stride) {
  ck_slide s = slide_draw(count, stride);
  void *src = summables("src", dtype, s.readable);
  void *dst = guard_new("dst", (size_t)count * element_size(dtype), element_size(dtype), check_side());
  guard_freeze(src);
  s.src = src;
  s.dst = dst;
  kernels->slide_sum(&s);
  for (int64_t o = 0; o < count; o++) {
    double sum = element_types[dtype].as_double(src, o * stride);
    for (int64_t t = 1; t < s.taps; t++) sum = sum_in(dtype, sum, element_types[dtype].as_double(src, o * stride + t * s.step));
    const double got = element_types[dtype].as_double(dst, o), expected = divided_in(dtype, sum, s.divisor);
    CHECK(got == expected, "dst[%d] is %a, not %a", (int)o, got, expected);
  }
  guard_done();
}

static void root_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count, double power) {
  double *src = guard_new("src", (size_t)count * sizeof *src, sizeof *src, check_side());
  void *dst = guard_new("dst", (size_t)count * element_size(dtype), element_size(dtype), check_side());
  for (int64_t i = 0; i < count; i++) src[i] = (double)check_pick(0, 1000) / 8;
  guard_freeze(src);
  kernels->root(&(ck_root){src, dst, count, power});
  for (int64_t i = 0; i < count; i++) {
    const double exact = power == 1 ? src[i] : power == 2 ? sqrt(src[i]) : pow(src[i], 1 / power);
    const double expected = dtype == CK_DTYPE_f32 ? (double)(float)exact : exact;
    const double got = element_types[dtype].as_double(dst, i);
    CHECK(got == expected, "dst[%d] is %a, not %a", (int)i, got, expected);
  }
  guard_done();
}

/* ---- Maxima with places -------------------------------------------------------------------------------------------------- */

static void argmax_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count, int64_t stride) {
  ck_argmax a = {.count = count, .lane_stride = stride, .lane_index = check_pick(0, 3), .index = check_pick(0, 1) << 40};
  int64_t reach = (count - 1) * stride + 1;
  for (int axis = 0; axis < 3; axis++) {
    a.taps[axis] = check_pick(1, 3);
    a.strides[axis] = check_pick(0, 9);
    a.places[axis] = check_pick(0, 20) == 0 ? (ptrdiff_t)1 << 33 : check_pick(0, 99);
    reach += (a.taps[axis] - 1) * a.strides[axis];
  }
  a.readable = reach + check_pick(0, 1) * check_pick(0, 40);
  check_note(" taps=%dx%dx%d readable=%d", (int)a.taps[0], (int)a.taps[1], (int)a.taps[2], (int)a.readable);
  void *src = comparables("src", dtype, a.readable);
  void *dst = guard_new("dst", (size_t)count * element_size(dtype), element_size(dtype), check_side());
  a.indices = guard_new("indices", (size_t)count * sizeof(int64_t), sizeof(int64_t), check_side());
  guard_freeze(src);
  a.src = src;
  a.dst = dst;
  kernels->argmax(&a);
  for (int64_t i = 0; i < count; i++) {
    int64_t best = 0, place = -1;
    for (int64_t tap = 0; tap < a.taps[0] * a.taps[1] * a.taps[2]; tap++) {
      const int64_t t[3] = {tap / a.taps[2] / a.taps[1], tap / a.taps[2] % a.taps[1], tap % a.taps[2]};
      int64_t at = i * stride, here = a.index + i * a.lane_index;
      for (int axis = 0; axis < 3; axis++) at += t[axis] * a.strides[axis], here += t[axis] * a.places[axis];
      const int64_t x = element_types[dtype].get(src, at);
      if (place < 0 || larger_of(dtype, best, x) != best) best = x, place = here;
    }
    CHECK_ELEMENT(dtype, dst, i, best, "dst");
    CHECK(a.indices[i] == place, "indices[%d] is %lld, not %lld", (int)i, (long long)a.indices[i], (long long)place);
  }
  guard_done();
}

/* ---- All of them --------------------------------------------------------------------------------------------------------- */

/* Every count up to two vectors, and those around the blocks of four. */
static int64_t next_count(int64_t count, int64_t lanes) {
  return count < 2 * lanes + 1 ? count + 1 : count < 4 * lanes - 1 ? 4 * lanes - 1 : count + lanes / 2 + 1;
}

#define POOL_CASES(kernel, table, dtype, extras, ...)                                                                          \
  for (int64_t count = 1; count <= 6 * (table)->of[dtype].lanes; count = next_count(count, (table)->of[dtype].lanes))          \
    for (int extra = 0; extra < extras; extra++)                                                                               \
      if (check_case(#kernel " %s %s count=%d %d", (table)->name, element_types[dtype].name, (int)count, extra))               \
        kernel##_one(&(table)->of[dtype], dtype, count __VA_OPT__(, ) __VA_ARGS__);

static void test_fold_max(const ck_kernel_table *table, ck_dtype dtype) { POOL_CASES(fold_max, table, dtype, 3) }
static void test_fold_sum(const ck_kernel_table *table, ck_dtype dtype) { POOL_CASES(fold_sum, table, dtype, 3) }
static void test_fold_wide(const ck_kernel_table *table, ck_dtype dtype) { POOL_CASES(fold_wide, table, dtype, 3) }
static void test_fold_power(const ck_kernel_table *table, ck_dtype dtype) { POOL_CASES(fold_power, table, dtype, 3) }
static void test_slide_max(const ck_kernel_table *table, ck_dtype dtype) {
  POOL_CASES(slide_max, table, dtype, 6, extra % 3 + 1)
}
static void test_slide_sum(const ck_kernel_table *table, ck_dtype dtype) {
  POOL_CASES(slide_sum, table, dtype, 6, extra % 3 + 1)
}
static void test_root(const ck_kernel_table *table, ck_dtype dtype) { POOL_CASES(root, table, dtype, 4, 1 + extra / 2.0) }
static void test_argmax(const ck_kernel_table *table, ck_dtype dtype) { POOL_CASES(argmax, table, dtype, 6, extra % 3 + 1) }

#undef POOL_CASES

#endif
