# SPDX-License-Identifier: GPL-2.0
#
# What a person can ask for. The modules themselves are described by Kbuild; the work is done by scripts in tools/.

.PHONY: help setup modules install uninstall demo demo-ppp shell test test-debug conformance report bench lint fmt doc deb test-install clean
.DEFAULT_GOAL := help
export KDIR LLVM KERNEL L2TP_CACHE OUT JOBS V INSTALL_MOD_PATH INSTALL_MOD_STRIP IMPL ENCAP TESTS TIMEOUT BENCH L2TP_INLINE_HELPERS
# Variables not given must not reach the scripts as empty ones.
$(foreach v,KDIR LLVM KERNEL L2TP_CACHE OUT JOBS V INSTALL_MOD_PATH INSTALL_MOD_STRIP IMPL ENCAP TESTS TIMEOUT BENCH L2TP_INLINE_HELPERS,$(if $($v),,$(eval unexport $v)))

help:
	@sed -n 's/^#: \{0,1\}//p' $(firstword $(MAKEFILE_LIST))

#: Linux L2TP in Rust: modules for an unmodified Debian kernel
#:
#:   make demo          boot a stock kernel in a VM and carry traffic through the Rust modules (ENCAP=udp|udp6|ip|ip6)
#:   make demo-ppp      the same for an L2TPv2 call: two xl2tpd daemons, pppd, ppp devices
#:   make test          host tests, lint, then all tests in the VM, and a few on the other kernels (TESTS="name..." for some)
#:   make conformance   OPS=n random operations of SEED=n on the C modules and on ours, compared (a million, of the clock)
#:   make test-debug    the VM tests on a kernel with KASAN, lockdep, kmemleak and more (hours; TESTS works as well)
#:   make report        one table of what the last runs have shown
#:   make bench         C and Rust modules measured in turn (BENCH="packets tcp..." for some of the workloads)
#:   make shell         an interactive VM with the modules loaded
#:
#:   make setup         prepare build root, kernel build tree and VM in the cache; the others do it when needed
#:   make modules       build the modules (into build/modules)
#:   make install       install them into /lib/modules/<version>/updates, where modprobe prefers them
#:   make uninstall     remove them from there
#:   make lint          clippy, rustfmt check, no warnings
#:   make fmt           format the Rust sources
#:   make doc           API documentation (build/doc)
#:   make deb           the Debian package l2tp-rust-dkms and its source package (into build/deb)
#:   make test-install  install, upgrade and remove that package in a Debian system in a VM
#:   make clean         remove build/ (the cache stays; it can be deleted at any time)
#:
#: Variables
#:   KDIR=<dir>         modules, install: build against this Rust-enabled kernel build tree, with this machine's tools
#:   LLVM=1|-19         with KDIR, for a kernel built with LLVM: which one (default: the one it was built with)
#:   IMPL=c             demo, shell, test: the kernel's own C modules instead of the Rust ones
#:   KERNEL=<version>   another stock kernel of tools/build/kernels; KERNEL=debug: the kernel of test-debug
#:   L2TP_CACHE=<dir>   where the cache is (default ~/.cache/l2tp-rust; about 10 GB while it is made)
#:   INSTALL_MOD_PATH   install, uninstall: below another root directory; INSTALL_MOD_STRIP=1 drops debug information
#:   JOBS=<n>, V=1      processes of the kernel build; show its commands

setup:
	@tools/build/setup

modules:
	@tools/build/modules modules

install: modules
	@tools/build/install

uninstall:
	@tools/build/install --remove

demo demo-ppp shell: $(if $(filter c,$(IMPL)),,modules)
	@tools/testing/demo/$@

test:
	@tools/testing/run-tests

test-debug:
	@KERNEL=debug tools/testing/run-tests

conformance: modules
	@tools/testing/conformance/run $(if $(SEED),--seed $(SEED)) $(if $(OPS),--ops $(OPS))

report:
	@tools/testing/report

bench: modules
	@tools/testing/bench/run $(BENCH)

lint:
	@tools/build/lint

fmt:
	@tools/build/lint --fix

doc: modules
	@tools/build/doc

deb:
	@tools/build/deb

test-install:
	@tools/testing/install/run

clean:
	@rm -rf build
