/* portable_tails.h: partial loads and stores through memcpy, for instruction sets without masks. */
#ifndef CK_SIMD_PORTABLE_TAILS_H
#define CK_SIMD_PORTABLE_TAILS_H

#include <string.h>

#include "../base/common.h"

typedef int64_t ck_bits __attribute__((vector_size(CK_SIMD_BYTES)));

CK_INLINE ck_bits load_bits_32(const void *p, int n) {
  ck_bits v = {0};
  memcpy(&v, p, (size_t)n * 4);
  return v;
}
CK_INLINE ck_bits load_bits_64(const void *p, int n) {
  ck_bits v = {0};
  memcpy(&v, p, (size_t)n * 8);
  return v;
}
CK_INLINE void store_bits_32(void *p, ck_bits v, int n) { memcpy(p, &v, (size_t)n * 4); }
CK_INLINE void store_bits_64(void *p, ck_bits v, int n) { memcpy(p, &v, (size_t)n * 8); }

#endif
