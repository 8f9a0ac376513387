/* dispatch.h: which kernel tables this CPU can run, and which one is in use. */
#ifndef CK_DISPATCH_H
#define CK_DISPATCH_H

#include "kernels/kernels.h"

/* The table of an index below ck_isa_count(). The algorithms' only way to the kernels. */
const ck_kernel_table *ck_isa_table(int isa);

#endif
