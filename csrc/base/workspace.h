/* workspace.h: the ledger of a plan's scratch memory.
 *
 * The library allocates nothing. While a plan is made, each part that needs scratch books it and keeps the offset; the total is
 * what the caller brings, once for each thread. */
#ifndef CK_BASE_WORKSPACE_H
#define CK_BASE_WORKSPACE_H

#include "checked.h"

typedef struct {
  ck_checked bytes;
} ck_ledger;

/* Books count * size bytes on a cache line of their own and returns their offset. */
CK_INLINE size_t ck_ledger_book(ck_ledger *ledger, int64_t count, int64_t size) {
  const size_t offset = (size_t)ledger->bytes.value;
  const int64_t factors[2] = {count, size};
  ck_checked need = ck_checked_add(ck_checked_product(factors, 2), ck_checked_of(CK_ALIGNMENT - 1));
  need.value &= ~(int64_t)(CK_ALIGNMENT - 1);
  ledger->bytes = ck_checked_add(ledger->bytes, need);
  return offset;
}

#endif
