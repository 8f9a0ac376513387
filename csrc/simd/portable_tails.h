/* portable_tails.h: partial loads and stores through memcpy, for instruction sets without masks. */
#ifndef CK_SIMD_PORTABLE_TAILS_H
#define CK_SIMD_PORTABLE_TAILS_H

#include <string.h>

#include "../base/common.h"

typedef int64_t ck_bits __attribute__((vector_size(CK_SIMD_BYTES)));

CK_INLINE ck_bits load_bytes(const char *p, int from, int to) {
  ck_bits v = {0};
  memcpy((char *)&v + from, p + from, (size_t)(to - from));
  return v;
}
CK_INLINE void store_bytes(char *p, ck_bits v, int from, int to) {
  memcpy(p + from, (const char *)&v + from, (size_t)(to - from));
}
CK_INLINE ck_bits load_bits_32(const void *p, int from, int to) { return load_bytes(p, from * 4, to * 4); }
CK_INLINE ck_bits load_bits_64(const void *p, int from, int to) { return load_bytes(p, from * 8, to * 8); }
CK_INLINE void store_bits_32(void *p, ck_bits v, int from, int to) { store_bytes(p, v, from * 4, to * 4); }
CK_INLINE void store_bits_64(void *p, ck_bits v, int from, int to) { store_bytes(p, v, from * 8, to * 8); }

#endif
