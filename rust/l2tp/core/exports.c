// SPDX-License-Identifier: GPL-2.0
/* Symbols of this module's crates that the other modules use. */
#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
