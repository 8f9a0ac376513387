/* checked.h: integer arithmetic that notices overflow. All size rules of the library are written with it.
 *
 * A ck_checked carries a value and whether any step that led to it left the range of int64_t; the flag sticks, so a whole
 * formula is written first and tested once. */
#ifndef CK_BASE_CHECKED_H
#define CK_BASE_CHECKED_H

#include <stdbool.h>

#include "common.h"

typedef struct {
  int64_t value;
  bool overflow;
} ck_checked;

CK_INLINE ck_checked ck_checked_of(int64_t value) { return (ck_checked){value, false}; }

CK_INLINE ck_checked ck_checked_add(ck_checked a, ck_checked b) {
  ck_checked r = {0, a.overflow || b.overflow};
  r.overflow |= __builtin_add_overflow(a.value, b.value, &r.value);
  return r;
}

CK_INLINE ck_checked ck_checked_sub(ck_checked a, ck_checked b) {
  ck_checked r = {0, a.overflow || b.overflow};
  r.overflow |= __builtin_sub_overflow(a.value, b.value, &r.value);
  return r;
}

CK_INLINE ck_checked ck_checked_mul(ck_checked a, ck_checked b) {
  ck_checked r = {0, a.overflow || b.overflow};
  r.overflow |= __builtin_mul_overflow(a.value, b.value, &r.value);
  return r;
}

/* The product of `count` factors; a factor of zero does not hide an overflow of the others. */
CK_INLINE ck_checked ck_checked_product(const int64_t *factors, int count) {
  ck_checked r = ck_checked_of(1);
  bool zero = false;
  for (int i = 0; i < count; i++) {
    if (factors[i] == 0) zero = true;
    else r = ck_checked_mul(r, ck_checked_of(factors[i]));
  }
  if (zero) r.value = 0;
  return r;
}

#endif
