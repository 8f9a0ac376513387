/* elements.h: elements of a dtype that is known at run time only, as integers of 64 bits.
 *
 * Test data are integers (and, for reals, NaN and infinities), so that every sum is exact and results can be compared with ==.
 * Integer dtypes wrap: arithmetic is done in uint64_t, element_wrap brings its result into the dtype. */
#ifndef CONVKIT_TESTS_ELEMENTS_H
#define CONVKIT_TESTS_ELEMENTS_H

#include <math.h>

#include "check.h"
#include "kernels/dtype.h"

#define ELEMENT_NAN (INT64_MIN + 1)         /* reals only */
#define ELEMENT_INFINITY ((int64_t)1 << 60) /* reals only; the negative one with a minus */
#define ELEMENT_NONE (INT64_MIN + 2)        /* a real that is no integer: never expected */

typedef struct {
  const char *name;
  int kind; /* of dtypes.def */
  bool real;
  int64_t (*get)(const void *array, int64_t i);
  void (*set)(void *array, int64_t i, int64_t value);
  bool (*less)(int64_t a, int64_t b);
  double (*as_double)(const void *array, int64_t i);
  void (*set_double)(void *array, int64_t i, double value); /* rounded; reals only */
} element_type;

#define CK_EACH_DTYPE "element_row.h"
#include "kernels/dtypes.def"

static const element_type element_types[CK_DTYPE_COUNT] = {
#define ELEMENT_TABLE
#include "kernels/dtypes.def"
};
#undef CK_EACH_DTYPE

CHECK_UNUSED static size_t element_size(ck_dtype dtype) { return (size_t)ck_dtype_size(dtype); }

CHECK_UNUSED static bool element_is_unsigned(ck_dtype dtype) { return element_types[dtype].less(0, -1); }

CHECK_UNUSED static int64_t element_wrap(ck_dtype dtype, uint64_t value) {
  int64_t space;
  element_types[dtype].set(&space, 0, (int64_t)value);
  return element_types[dtype].get(&space, 0);
}

/* What the kernels must make of a finished sum. */
CHECK_UNUSED static int64_t element_activated(ck_dtype dtype, int64_t value, int activation) {
  const element_type *type = &element_types[dtype];
  if (activation != 0 && type->less(value, 0)) return 0;
  return activation == 2 && type->less(6, value) ? 6 : value;
}

/* Random elements: reals from -3 to 3, so that long sums stay exact; integers now small, now anywhere. */
CHECK_UNUSED static int64_t element_any(ck_dtype dtype) {
  const uint64_t bits = check_bits();
  if (element_types[dtype].real) return (int64_t)(bits % 7) - 3;
  return element_wrap(dtype, bits % 4 == 0 ? bits >> 8 : (uint64_t)((int64_t)(bits >> 8) % 7 - 3));
}

CHECK_UNUSED static void elements_fill(ck_dtype dtype, void *array, int64_t count) {
  for (int64_t i = 0; i < count; i++) element_types[dtype].set(array, i, element_any(dtype));
}

/* `count` random elements in guarded memory. */
CHECK_UNUSED static void *elements_new(const char *name, ck_dtype dtype, int64_t count, guard_side side) {
  void *array = guard_new(name, (size_t)count * element_size(dtype), element_size(dtype), side);
  elements_fill(dtype, array, count);
  return array;
}

/* Compares element `i` of an array; true if it is right. `what` names the array. */
#define CHECK_ELEMENT(dtype, array, i, expected, what) element_check(dtype, array, i, expected, what, __FILE__, __LINE__)
CHECK_UNUSED static bool element_check(ck_dtype dtype, const void *array, int64_t i, int64_t expected, const char *what,
                                       const char *file, int line) {
  const int64_t got = element_types[dtype].get(array, i);
  if (got == expected) return check_that(true, file, line, "%s", what);
  return check_that(false, file, line, "%s[%lld] is %lld (%g), not %lld", what, (long long)i, (long long)got,
                    element_types[dtype].as_double(array, i), (long long)expected);
}

#endif
