// SPDX-License-Identifier: GPL-2.0
#include <linux/net.h>
#include <net/inet_sock.h>
#include <net/sock.h>

__net_helper void net_helper_sock_hold(struct sock *sk)
{
	sock_hold(sk);
}

__net_helper void net_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

__net_helper void net_helper_sockfd_put(struct socket *sock)
{
	sockfd_put(sock);
}

__net_helper struct net *net_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}

__net_helper bool net_helper_sock_hold_not_zero(struct sock *sk)
{
	return refcount_inc_not_zero(&sk->sk_refcnt);
}

__net_helper void net_helper_lock_sock(struct sock *sk)
{
	lock_sock(sk);
}

__net_helper void net_helper_sk_callback_lock(struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
}

__net_helper void net_helper_sk_callback_unlock(struct sock *sk)
{
	write_unlock_bh(&sk->sk_callback_lock);
}

__net_helper void *net_helper_sk_user_data(const struct sock *sk)
{
	return rcu_access_pointer(sk->sk_user_data);
}

__net_helper struct dst_entry *net_helper_sk_dst_cache_rcu(const struct sock *sk)
{
	return rcu_dereference_check(sk->sk_dst_cache, rcu_read_lock_bh_held());
}

__net_helper struct dst_entry *net_helper_sk_dst_get(const struct sock *sk)
{
	return sk_dst_get(sk);
}

__net_helper void net_helper_sk_dst_set(struct sock *sk, struct dst_entry *dst)
{
	sk_dst_set(sk, dst);
}

__net_helper void net_helper_sk_dst_reset(struct sock *sk)
{
	sk_dst_reset(sk);
}

__net_helper bool net_helper_inet_test_bit_recverr(const struct sock *sk)
{
	return inet_test_bit(RECVERR, sk);
}

__net_helper bool net_helper_inet6_test_bit_recverr6(const struct sock *sk)
{
	return inet6_test_bit(RECVERR6, sk);
}

__net_helper struct ipv6_pinfo *net_helper_inet6_sk(const struct sock *sk)
{
	return inet6_sk(sk);
}

__net_helper kuid_t net_helper_sk_uid(const struct sock *sk)
{
	return sk_uid(sk);
}

__net_helper bool net_helper_sk_has_policy(const struct sock *sk)
{
#ifdef CONFIG_XFRM
	return rcu_access_pointer(sk->sk_policy[0]) || rcu_access_pointer(sk->sk_policy[1]);
#else
	return false;
#endif
}

/* Only to be compared. */
__net_helper const void *net_helper_sk_policy_out(const struct sock *sk)
{
#ifdef CONFIG_XFRM
	return rcu_access_pointer(sk->sk_policy[XFRM_POLICY_OUT]);
#else
	return NULL;
#endif
}

__net_helper bool net_helper_sock_owned_by_user_nocheck(const struct sock *sk)
{
	return sock_owned_by_user_nocheck(sk);
}

__net_helper void net_helper_sock_orphan(struct sock *sk)
{
	sock_orphan(sk);
}

__net_helper bool net_helper_sock_flag(const struct sock *sk, int flag)
{
	return sock_flag(sk, flag);
}

__net_helper void net_helper_sock_set_flag(struct sock *sk, int flag)
{
	sock_set_flag(sk, flag);
}
