# SPDX-License-Identifier: GPL-2.0
#
# Sourced: runs one of the kernel's own test scripts as it is and turns its results ("TEST: name  [ OK ]") into KTAP. The scripts are
# in the directory above: in a kernel tree anyway, in the VM because tools/testing/vm/run takes them from the kernel's source.

n=0 failed=0
skip() { printf 'TAP version 13\n1..0 # SKIP %s\n' "$*"; exit 4; }
result() { # <ok?> <name>
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n $2"; else echo "not ok $n $2"; failed=$((failed + 1)); fi
}

# report <log>: results of what the script has written
report() {
	local line
	while IFS= read -r line; do
		case $line in
		"TEST: "*"[ OK ]") result 0 "$(echo "${line#TEST: }" | sed 's/ *\[ OK \]$//')" ;;
		"TEST: "*"[FAIL]") result 1 "$(echo "${line#TEST: }" | sed 's/ *\[FAIL\]$//')" ;;
		*) echo "# $line" ;;
		esac
	done < "$1"
}

# modules_used <module>...: they have been loaded
modules_used() {
	local module missing=''
	for module; do [ -d "/sys/module/$module" ] || missing="$missing $module"; done
	[ -z "$missing" ]
	result $? "the modules were used${missing:+; not:$missing}"
}

finish() {
	echo "1..$n"
	[ $failed = 0 ]
}
