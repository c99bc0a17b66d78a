// SPDX-License-Identifier: GPL-2.0
#include <linux/percpu.h>

__net_helper void *net_helper_this_cpu_ptr(void __percpu *p)
{
	return this_cpu_ptr(p);
}

__net_helper void *net_helper_per_cpu_ptr(void __percpu *p, unsigned int cpu)
{
	return per_cpu_ptr(p, cpu);
}

__net_helper unsigned int net_helper_cpumask_next_possible(int cpu)
{
	return cpumask_next(cpu, cpu_possible_mask);
}

__net_helper void __percpu *net_helper_alloc_percpu(size_t size, size_t align, gfp_t gfp)
{
	return __alloc_percpu_gfp(size, align, gfp);
}
