// SPDX-License-Identifier: GPL-2.0
#include <linux/udp.h>
#include <net/udp.h>
#include <net/udp_tunnel.h>

__net_helper int net_helper_udp_sock_create(struct net *net, struct udp_port_cfg *cfg, struct socket **sockp)
{
	return udp_sock_create(net, cfg, sockp);
}

__net_helper struct udp_sock *net_helper_udp_sk(struct sock *sk)
{
	return udp_sk(sk);
}

__net_helper bool net_helper_udp_get_no_check6_tx(const struct sock *sk)
{
	return udp_get_no_check6_tx(sk);
}

__net_helper bool net_helper_udp_get_no_check6_rx(const struct sock *sk)
{
	return udp_get_no_check6_rx(sk);
}

__net_helper bool net_helper_sk_no_check_tx(const struct sock *sk)
{
	return sk->sk_no_check_tx;
}
