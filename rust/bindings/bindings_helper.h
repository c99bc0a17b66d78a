/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Headers from which bindgen generates the crate `net_bindings`, and constants that are macros bindgen cannot evaluate.
 * What of them ends up in the crate is listed in bindgen_parameters.
 */
#include <linux/hrtimer_types.h>

#include <asm/ioctls.h>
#include <linux/capability.h>
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/if_pppol2tp.h>
#include <linux/if_pppox.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/kmod.h>
#include <linux/l2tp.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/pid_namespace.h>
#include <linux/ppp_channel.h>
#include <linux/ppp-ioctl.h>
#include <linux/proc_fs.h>
#include <linux/ratelimit.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/seq_file_net.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/sockios.h>
#include <linux/udp.h>
#include <linux/workqueue.h>
#include <net/addrconf.h>
#include <net/dst.h>
#include <net/genetlink.h>
#include <net/gro_cells.h>
#include <net/icmp.h>
#include <net/inet_common.h>
#include <net/inet6_connection_sock.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netlink.h>
#include <net/netns/generic.h>
#include <net/protocol.h>
#include <net/route.h>
#include <net/rtnetlink.h>
#include <net/sock.h>
#include <net/tcp_states.h>
#include <net/transp_v6.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>
#include <net/xfrm.h>

/* The build renames RUST_CONST_HELPER_X to X. */
const gfp_t RUST_CONST_HELPER_GFP_ATOMIC = GFP_ATOMIC;
const gfp_t RUST_CONST_HELPER_GFP_KERNEL = GFP_KERNEL;
const gfp_t RUST_CONST_HELPER___GFP_ZERO = __GFP_ZERO;
const unsigned long long RUST_CONST_HELPER_NETIF_F_SG = NETIF_F_SG;
const unsigned long long RUST_CONST_HELPER_NETIF_F_HW_CSUM = NETIF_F_HW_CSUM;
const unsigned long long RUST_CONST_HELPER_NETIF_F_FRAGLIST = NETIF_F_FRAGLIST;
const unsigned long long RUST_CONST_HELPER_NETIF_F_GSO_FRAGLIST = NETIF_F_GSO_FRAGLIST;
const unsigned long long RUST_CONST_HELPER_NETIF_F_RXCSUM = NETIF_F_RXCSUM;
const unsigned long long RUST_CONST_HELPER_NETIF_F_GSO_SOFTWARE = NETIF_F_GSO_SOFTWARE;
const unsigned long long RUST_CONST_HELPER_NETIF_F_GSO_UDP_TUNNEL = NETIF_F_GSO_UDP_TUNNEL;
const unsigned long long RUST_CONST_HELPER_NETIF_F_GSO_UDP_TUNNEL_CSUM = NETIF_F_GSO_UDP_TUNNEL_CSUM;
const size_t RUST_CONST_HELPER_GENLMSG_DEFAULT_SIZE = GENLMSG_DEFAULT_SIZE;
const size_t RUST_CONST_HELPER_NLMSG_GOODSIZE = NLMSG_GOODSIZE;
const size_t RUST_CONST_HELPER_SOCKET_LOCK_SIZE = sizeof(socket_lock_t);
