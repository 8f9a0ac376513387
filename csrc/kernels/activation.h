/* activation.h: the functions that a kernel can apply to a finished sum. NaN stays NaN. */
#ifndef CK_KERNELS_ACTIVATION_H
#define CK_KERNELS_ACTIVATION_H

typedef enum { CK_ACTIVATION_NONE, CK_ACTIVATION_RELU, CK_ACTIVATION_RELU6 } ck_activation;

#endif
