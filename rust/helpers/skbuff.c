// SPDX-License-Identifier: GPL-2.0
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/ip_tunnels.h>
#include <net/xfrm.h>

__net_helper int net_helper_skb_shared(const struct sk_buff *skb)
{
	return skb_shared(skb);
}

__net_helper struct sk_buff *net_helper_skb_share_check(struct sk_buff *skb, gfp_t pri)
{
	return skb_share_check(skb, pri);
}

__net_helper int net_helper_skb_cow_head(struct sk_buff *skb, unsigned int headroom)
{
	return skb_cow_head(skb, headroom);
}

#ifndef CONFIG_TRACEPOINTS
/* Elsewhere it is a function. */
__net_helper void net_helper_consume_skb(struct sk_buff *skb)
{
	consume_skb(skb);
}
#endif

__net_helper void net_helper_nf_reset_ct(struct sk_buff *skb)
{
	nf_reset_ct(skb);
}

__net_helper void net_helper_skb_clear_hash(struct sk_buff *skb)
{
	skb_clear_hash(skb);
}

__net_helper void net_helper_skb_orphan(struct sk_buff *skb)
{
	skb_orphan(skb);
}

__net_helper void net_helper_skb_dst_drop(struct sk_buff *skb)
{
	skb_dst_drop(skb);
}

__net_helper void net_helper_skb_dst_set(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set(skb, dst);
}

__net_helper void net_helper_skb_dst_set_noref(struct sk_buff *skb, struct dst_entry *dst)
{
	skb_dst_set_noref(skb, dst);
}

__net_helper void net_helper_skb_postpull_rcsum(struct sk_buff *skb, const void *start, unsigned int len)
{
	skb_postpull_rcsum(skb, start, len);
}

__net_helper void net_helper_skb_set_ignore_df(struct sk_buff *skb)
{
	skb->ignore_df = 1;
}

__net_helper bool net_helper_skb_ip_summed_is_unnecessary(const struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_UNNECESSARY;
}

__net_helper void net_helper_skb_set_ip_summed_none(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_NONE;
}

/* Nothing in the packet is left to others any more. */
__net_helper void net_helper_skb_forget_offloads(struct sk_buff *skb)
{
	skb->ip_summed = CHECKSUM_NONE;
	/* Some devices would look for the checksum of the outer datagram in the tunnel that is inside. */
	skb->encapsulation = 0;
}

__net_helper bool net_helper_skb_is_gso(const struct sk_buff *skb)
{
	return skb_is_gso(skb);
}

__net_helper unsigned short net_helper_skb_gso_segs(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_segs;
}

/* Length of the headers that each packet gets when one is split. */
__net_helper unsigned int net_helper_skb_gso_headers(const struct sk_buff *skb)
{
	if (skb_is_gso_tcp(skb))
		return skb_tcp_all_headers(skb);
	return skb_transport_offset(skb) + sizeof(struct udphdr);
}

/* The same for headers in a tunnel, which have just become those at the data pointer. */
__net_helper unsigned int net_helper_skb_gso_inner_headers(const struct sk_buff *skb)
{
	if (skb_is_gso_tcp(skb))
		return skb_inner_tcp_all_headers(skb);
	return skb_inner_transport_offset(skb) + sizeof(struct udphdr);
}

__net_helper unsigned short net_helper_skb_gso_size(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_size;
}

__net_helper bool net_helper_skb_ip_summed_is_partial(const struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_PARTIAL;
}

__net_helper bool net_helper_skb_encapsulation(const struct sk_buff *skb)
{
	return skb->encapsulation;
}

__net_helper void net_helper_skb_set_inner_ethernet(struct sk_buff *skb)
{
	skb_set_inner_protocol(skb, htons(ETH_P_TEB));
}

/*
 * What was said of the headers in a tunnel is now said of the packet's only ones. A virtual machine may have said it, where it is only checked
 * that the inner headers are behind the outer ones: these must be behind ours as well.
 */
__net_helper int net_helper_skb_leave_tunnel_offloads(struct sk_buff *skb)
{
	int err;

	if (skb_is_gso(skb) && skb_inner_transport_offset(skb) < (int)(ETH_HLEN + sizeof(struct iphdr)))
		return -EINVAL;
	err = iptunnel_pull_offloads(skb);
	if (err)
		return err;
	skb->transport_header = skb->inner_transport_header;
	if (skb_is_gso(skb)) {
		unsigned int type = skb_shinfo(skb)->gso_type;
		bool fixedid = type & SKB_GSO_TCP_FIXEDID_INNER;

		type &= ~(SKB_GSO_TCP_FIXEDID | SKB_GSO_TCP_FIXEDID_INNER);
		skb_shinfo(skb)->gso_type = type | (fixedid ? SKB_GSO_TCP_FIXEDID : 0);
	}
	return 0;
}

__net_helper bool net_helper_skb_gso_fixedid(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->gso_type & (SKB_GSO_TCP_FIXEDID | SKB_GSO_TCP_FIXEDID_INNER);
}

/* Whether gro_cells_receive() would hand the packet on without trying to merge it. */
__net_helper bool net_helper_gro_cells_pass(const struct sk_buff *skb)
{
	return skb_cloned(skb) || netif_elide_gro(skb->dev);
}
