// SPDX-License-Identifier: GPL-2.0
#include <linux/percpu.h>

/*
 * To Rust, per-CPU pointers are pointers. Compilers that know address spaces make a difference, which LLVM minds when it inlines
 * these functions.
 */
__net_helper void *net_helper_this_cpu_ptr(void *p)
{
	return this_cpu_ptr((void __percpu *)(unsigned long)p);
}

__net_helper void net_helper_this_cpu_add(u64 *p, u64 value)
{
	this_cpu_add(*(u64 __percpu *)(unsigned long)p, value);
}

__net_helper void *net_helper_per_cpu_ptr(void *p, unsigned int cpu)
{
	return per_cpu_ptr((void __percpu *)(unsigned long)p, cpu);
}

__net_helper unsigned int net_helper_cpumask_next_possible(int cpu)
{
	return cpumask_next(cpu, cpu_possible_mask);
}

__net_helper void *net_helper_alloc_percpu(size_t size, size_t align, gfp_t gfp)
{
	return (void *)(unsigned long)__alloc_percpu_gfp(size, align, gfp);
}
