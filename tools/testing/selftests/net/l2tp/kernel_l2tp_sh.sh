#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own test of L2TP/IP, tools/testing/selftests/net/l2tp.sh, as it is, with its results as KTAP: Ethernet over L2TPv3 over
# IPv4 and IPv6, without and with IPsec.

cd "$(dirname "$0")" || exit 1
. lib/kernel-script.sh
cd .. || exit 1
[ -f l2tp.sh ] || skip "no l2tp.sh in $PWD"
modprobe -q -n l2tp_ip || [ -d /sys/module/l2tp_ip ] || skip "no l2tp_ip"

echo "TAP version 13"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
# The script gives each answer one second, and a busy machine may need more: ping is more patient here.
for name in ping ping6; do
	command -v $name > /dev/null || continue
	printf '#!/bin/sh\nfor word; do shift; [ "$word" != -w1 ] || word=-w60; set -- "$@" "$word"; done\nexec %s "$@"\n' \
		"$(command -v $name)" > "$work/$name"
	chmod +x "$work/$name"
done
PATH=$work:$PATH
bash ./l2tp.sh > "$log" 2>&1
report "$log"
passed=$(sed -n 's/^Tests passed: *//p' "$log")
[ $((passed + $(sed -n 's/^Tests failed: *//p' "$log"))) = $n ] && [ "$n" -gt 0 ]
result $? "the script came to its end"
modules_used l2tp_ip l2tp_ip6 l2tp_eth
finish
