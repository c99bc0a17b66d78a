// SPDX-License-Identifier: GPL-2.0
#include <net/inet_sock.h>
#include <net/ip.h>
#include <net/route.h>
#include <net/snmp.h>

__net_helper void net_helper_ip_cmsg_recv(struct msghdr *msg, struct sk_buff *skb)
{
	ip_cmsg_recv(msg, skb);
}

__net_helper unsigned long net_helper_inet_cmsg_flags(const struct inet_sock *inet)
{
	return inet_cmsg_flags(inet);
}

__net_helper int net_helper_inet_iif(const struct sk_buff *skb)
{
	return inet_iif(skb);
}

__net_helper void net_helper_IP_INC_STATS(struct net *net, int field)
{
	IP_INC_STATS(net, field);
}
