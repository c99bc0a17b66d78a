// SPDX-License-Identifier: GPL-2.0
#include <linux/ipv6.h>
#include <linux/netfilter.h>
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

/*
 * What ip6_dst_store() notes in the socket about a route that may not be right for all that is sent to the peer. Those who read it
 * without the socket's lock look the route up again if it is not about the route that they find.
 */
__net_helper void net_helper_ip6_dst_note(struct ipv6_pinfo *np, struct dst_entry *dst)
{
	WRITE_ONCE(np->dst_cookie, rt6_get_cookie(dst_rt6_info(dst)));
	/* Pointers before Linux 7.3. */
	WRITE_ONCE(np->daddr_cache, 0);
#ifdef CONFIG_IPV6_SUBTREES
	WRITE_ONCE(np->saddr_cache, 0);
#endif
}

#ifdef CONFIG_NETFILTER
/* Whether the hooks may put packets into a queue: those that look at rules, of nftables or iptables, have data of their own. */
static __always_inline bool nf_hooks_have_rules(const struct nf_hook_entries *hooks)
{
	for (unsigned int i = 0; hooks && i < hooks->num_hook_entries; i++)
		if (hooks->hooks[i].priv)
			return true;
	return false;
}
#endif

/* Whether IPv6 itself sends local packets by this route, and at once: not so with IPsec, encapsulation, VRF, and rules of netfilter. */
static __always_inline bool ip6_outputs_at_once(const struct net *net, const struct dst_entry *dst)
{
#ifdef CONFIG_NETFILTER
	const struct netns_nf *nf = &net->nf;

	if (nf_hooks_have_rules(rcu_dereference_check(nf->hooks_ipv6[NF_INET_LOCAL_OUT], rcu_read_lock_bh_held())) ||
	    nf_hooks_have_rules(rcu_dereference_check(nf->hooks_ipv6[NF_INET_POST_ROUTING], rcu_read_lock_bh_held())))
		return false;
#endif
	return dst->output == ip6_output &&
	       !netif_is_l3_slave(rcu_dereference_check(dst->dev_rcu, rcu_read_lock_bh_held()));
}

/*
 * IPv6 takes whom a packet is accounted to for one of its own sockets, and looks there for options, unless a device is transmitting,
 * as one mostly is here. So the packets of others, such as packet sockets, stay theirs only if that is so until IPv6 is done with them.
 */
__net_helper void net_helper_skb_orphan_for_ip6(const struct net *net, struct sk_buff *skb)
{
	if (skb->sk && !sk_is_inet(skb->sk) &&
	    !(dev_recursion_level() && ip6_outputs_at_once(net, skb_dst(skb))))
		skb_orphan(skb);
}
