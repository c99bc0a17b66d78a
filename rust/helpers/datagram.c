// SPDX-License-Identifier: GPL-2.0
/* Of <linux/skbuff.h> and <net/sock.h>: what datagram sockets use. */
#include <linux/skbuff.h>
#include <net/sock.h>

__net_helper int net_helper_memcpy_from_msg(void *data, struct msghdr *msg, int len)
{
	return memcpy_from_msg(data, msg, len);
}

__net_helper int net_helper_skb_copy_datagram_msg(const struct sk_buff *from, int offset, struct msghdr *msg, int size)
{
	return skb_copy_datagram_msg(from, offset, msg, size);
}

__net_helper struct net *net_helper_skb_dev_net(const struct sk_buff *skb)
{
	return dev_net(skb->dev);
}

__net_helper int net_helper_sock_queue_rcv_skb(struct sock *sk, struct sk_buff *skb)
{
	return sock_queue_rcv_skb(sk, skb);
}

__net_helper int net_helper_sk_receive_skb(struct sock *sk, struct sk_buff *skb, int nested)
{
	return sk_receive_skb(sk, skb, nested);
}

__net_helper void net_helper_sock_recv_timestamp(struct msghdr *msg, struct sock *sk, struct sk_buff *skb)
{
	sock_recv_timestamp(msg, sk, skb);
}

__net_helper int net_helper_sk_wmem_alloc_get(const struct sock *sk)
{
	return sk_wmem_alloc_get(sk);
}

__net_helper void net_helper_sock_reset_flag(struct sock *sk, enum sock_flags flag)
{
	sock_reset_flag(sk, flag);
}

__net_helper struct sk_buff *net_helper_skb_peek(const struct sk_buff_head *list)
{
	return skb_peek(list);
}

__net_helper unsigned int net_helper_NET_SKB_PAD(void)
{
	return NET_SKB_PAD;
}
