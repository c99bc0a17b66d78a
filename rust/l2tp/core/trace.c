// SPDX-License-Identifier: GPL-2.0
/* The trace events of trace.h, and the entry points through which trace.rs fires them. */
#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "trace.h"
