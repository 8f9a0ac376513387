/* scalar.c: the kernel table of scalar (needs no flag: the one that runs everywhere). */
#include "../simd/scalar.h"
#include "../kernels/instantiate.h"
