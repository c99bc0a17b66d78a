// SPDX-License-Identifier: GPL-2.0
/*
 * Wrappers of kernel inline functions and macros for crate `net`, one file for each kernel header.
 *
 * Each is named net_helper_<C name>; the bindings drop the prefix. No logic belongs here.
 */
#include <linux/compiler_types.h>

#ifdef __BINDGEN__
/* bindgen ignores inline functions. */
#define __net_helper
#elif defined(L2TP_INLINE_HELPERS)
/* Always: LLVM does not consider the attributes of functions from C and Rust compatible, though they are. */
#define __net_helper __always_inline
#else
#define __net_helper __used
#endif

/* Not called from C: there is no header to declare them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wmissing-declarations"

#include "barrier.c"
#include "datagram.c"
#include "genetlink.c"
#include "gro.c"
#include "inet.c"
#include "ip.c"
#include "ipv6.c"
#include "jiffies.c"
#include "jump_label.c"
#include "list.c"
#include "module.c"
#include "net_namespace.c"
#include "netdevice.c"
#include "netlink.c"
#include "percpu.c"
#include "rcupdate.c"
#include "seq_file.c"
#include "skbuff.c"
#include "sock.c"
#include "sockptr.c"
#include "uaccess.c"
#include "udp.c"
#include "xfrm.c"
