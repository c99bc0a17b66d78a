// SPDX-License-Identifier: GPL-2.0
#include <linux/security.h>
#include <net/dst.h>
#include <net/inet_ecn.h>
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/ip6_route.h>
#include <net/ipv6.h>
#include <net/route.h>

__net_helper void net_helper_inet_sk_init_flowi4(const struct inet_sock *inet, struct flowi4 *fl4)
{
	inet_sk_init_flowi4(inet, fl4);
}

__net_helper void net_helper_flowi4_set_tos(struct flowi4 *fl4, u8 tos)
{
	fl4->flowi4_dscp = inet_dsfield_to_dscp(tos);
}

__net_helper int net_helper_ip4_dst_hoplimit(const struct dst_entry *dst)
{
	return ip4_dst_hoplimit(dst);
}

/*
 * Sets the identification of a packet: the first of those that it is to be split into, which count up from it. A socket with a peer counts
 * by itself, and ip_select_ident_segs() then gives the last.
 */
__net_helper void net_helper_ip_select_first_ident(struct net *net, struct sk_buff *skb, struct sock *sk)
{
	struct iphdr *iph = ip_hdr(skb);
	bool connected = inet_sk(sk)->inet_daddr;
	int segs = max_t(int, skb_shinfo(skb)->gso_segs, 1);

	ip_select_ident_segs(net, skb, sk, segs);
	if (connected)
		iph->id = htons(ntohs(iph->id) - (segs - 1));
}

/* What the user of a socket wants its packets to be handled like. */
__net_helper void net_helper_skb_set_priority_and_mark(struct sk_buff *skb, const struct sock *sk)
{
	skb->priority = READ_ONCE(sk->sk_priority);
	skb->mark = READ_ONCE(sk->sk_mark);
}

__net_helper u32 net_helper_dst_mtu(const struct dst_entry *dst)
{
	return dst_mtu(dst);
}

__net_helper struct dst_entry *net_helper_dst_check(struct dst_entry *dst, u32 cookie)
{
	return dst_check(dst, cookie);
}

__net_helper struct net_device *net_helper_dst_dev_rcu(const struct dst_entry *dst)
{
	/* dst_dev_rcu(), which does not know that disabled bottom halves are a read-side section, too. */
	return rcu_dereference_check(dst->dev_rcu, rcu_read_lock_bh_held());
}

__net_helper unsigned int net_helper_LL_RESERVED_SPACE(const struct net_device *dev)
{
	return LL_RESERVED_SPACE(dev);
}

__net_helper void net_helper_security_sk_classify_flow6(const struct sock *sk, struct flowi6 *fl6)
{
	security_sk_classify_flow(sk, flowi6_to_flowi_common(fl6));
}

__net_helper void net_helper_IP6_ECN_flow_xmit(struct sock *sk, struct flowi6 *fl6)
{
	IP6_ECN_flow_xmit(sk, fl6->flowlabel);
}

__net_helper u32 net_helper_kernel_sock_ip_overhead(struct sock *sk)
{
	return kernel_sock_ip_overhead(sk);
}

__net_helper bool net_helper_ipv6_addr_v4mapped(const struct in6_addr *a)
{
	return ipv6_addr_v4mapped(a);
}

__net_helper struct ipv6_txoptions *net_helper_np_opt_rcu(const struct ipv6_pinfo *np)
{
	return rcu_dereference_check(np->opt, rcu_read_lock_bh_held());
}

__net_helper void net_helper_dst_hold(struct dst_entry *dst)
{
	dst_hold(dst);
}
