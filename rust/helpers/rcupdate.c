// SPDX-License-Identifier: GPL-2.0
#include <linux/bottom_half.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>

__net_helper void net_helper_rcu_read_lock(void)
{
	rcu_read_lock();
}

__net_helper void net_helper_rcu_read_unlock(void)
{
	rcu_read_unlock();
}

__net_helper void net_helper_call_rcu_hurry(struct rcu_head *head, rcu_callback_t func)
{
	call_rcu_hurry(head, func);
}

__net_helper void net_helper_local_bh_disable(void)
{
	local_bh_disable();
}

__net_helper void net_helper_local_bh_enable(void)
{
	local_bh_enable();
}

__net_helper void net_helper_spin_lock_bh(spinlock_t *lock)
{
	spin_lock_bh(lock);
}

__net_helper int net_helper_spin_trylock_bh(spinlock_t *lock)
{
	return spin_trylock_bh(lock);
}

__net_helper void net_helper_spin_unlock_bh(spinlock_t *lock)
{
	spin_unlock_bh(lock);
}

__net_helper void net_helper___spin_lock_init(spinlock_t *lock, const char *name, struct lock_class_key *key)
{
#ifdef CONFIG_DEBUG_SPINLOCK
# if defined(CONFIG_PREEMPT_RT)
	__spin_lock_init(lock, name, key, false);
# else
	__raw_spin_lock_init(spinlock_check(lock), name, key, LD_WAIT_CONFIG);
# endif
#else
	spin_lock_init(lock);
#endif
}

__net_helper void net_helper_lockdep_assert_held(spinlock_t *lock)
{
	lockdep_assert_held(lock);
}

__net_helper void net_helper_refcount_set(refcount_t *r, int n)
{
	refcount_set(r, n);
}

__net_helper void net_helper_refcount_inc(refcount_t *r)
{
	refcount_inc(r);
}

__net_helper bool net_helper_refcount_inc_not_zero(refcount_t *r)
{
	return refcount_inc_not_zero(r);
}

__net_helper bool net_helper_refcount_dec_and_test(refcount_t *r)
{
	return refcount_dec_and_test(r);
}

__net_helper unsigned int net_helper_refcount_read(const refcount_t *r)
{
	return refcount_read(r);
}
