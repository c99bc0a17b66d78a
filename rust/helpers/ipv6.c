// SPDX-License-Identifier: GPL-2.0
#include <linux/ipv6.h>
#include <net/dst.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>

__net_helper int net_helper_inet6_iif(const struct sk_buff *skb)
{
	return inet6_iif(skb);
}

__net_helper bool net_helper_inet6_test_bit_sndflow(const struct sock *sk)
{
	return inet6_test_bit(SNDFLOW, sk);
}

__net_helper void net_helper_ipcm6_init_sk(struct ipcm6_cookie *ipc6, const struct sock *sk)
{
	ipcm6_init_sk(ipc6, sk);
}

__net_helper struct ip6_flowlabel *net_helper_fl6_sock_lookup(struct sock *sk, __be32 label)
{
	return fl6_sock_lookup(sk, label);
}

__net_helper void net_helper_fl6_sock_release(struct ip6_flowlabel *fl)
{
	fl6_sock_release(fl);
}

__net_helper struct in6_addr *net_helper_fl6_update_dst(struct flowi6 *fl6, const struct ipv6_txoptions *opt,
							struct in6_addr *orig)
{
	return fl6_update_dst(fl6, opt, orig);
}

__net_helper struct ipv6_txoptions *net_helper_txopt_get(const struct ipv6_pinfo *np)
{
	return txopt_get(np);
}

__net_helper void net_helper_txopt_put(struct ipv6_txoptions *opt)
{
	txopt_put(opt);
}

__net_helper struct ipv6_txoptions *net_helper_ipv6_fixup_options(struct ipv6_txoptions *opt_space,
								  struct ipv6_txoptions *opt)
{
	return ipv6_fixup_options(opt_space, opt);
}

__net_helper __be32 net_helper_ip6_make_flowinfo(unsigned int tclass, __be32 flowlabel)
{
	return ip6_make_flowinfo(tclass, flowlabel);
}

__net_helper int net_helper_ip6_sk_dst_hoplimit(struct ipv6_pinfo *np, struct flowi6 *fl6, struct dst_entry *dst)
{
	return ip6_sk_dst_hoplimit(np, fl6, dst);
}

__net_helper void net_helper_dst_confirm_neigh(const struct dst_entry *dst, const void *daddr)
{
	dst_confirm_neigh(dst, daddr);
}

__net_helper struct rt6_info *net_helper_dst_rt6_info(struct dst_entry *dst)
{
	return dst_rt6_info(dst);
}

/* IPv6 takes whom a packet is accounted to for one of its own sockets, and looks there for options. */
__net_helper void net_helper_skb_orphan_unless_inet(struct sk_buff *skb)
{
	if (skb->sk && !sk_is_inet(skb->sk))
		skb_orphan(skb);
}
