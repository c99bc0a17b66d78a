// SPDX-License-Identifier: GPL-2.0
/*
 * What the Rust module! macro has no key for: the version, and the symbols that other modules use.
 */
#include <linux/export.h>
#include <linux/module.h>

MODULE_VERSION("1.0");

/* The type of a Rust symbol does not matter to its export. */
#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)
#include "exports_generated.h"
