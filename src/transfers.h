/* SPDX-License-Identifier: MIT */
/** @file transfers.h The process-wide list of transfers (aispipe/tensor.h): where they are noted. */
#ifndef AISPIPE_TRANSFERS_H
#define AISPIPE_TRANSFERS_H

#include "aispipe/tensor.h"

/** Notes a transfer that took `ns`, if they are being kept. Thread-safe. */
void transfers_note(enum aispipe_transfer direction, uint64_t ns);

#endif
