// SPDX-License-Identifier: GPL-2.0

//! Safe abstractions over the kernel's networking, in the manner of `rust/kernel`.
//!
//! All `unsafe` code of the project is in this crate (and in the generated bindings); it knows nothing of L2TP.
//!
//! Variables that only this crate and its users access are `core::sync::atomic`: they compile to plain instructions, while the
//! kernel's `Atomic` is a function call for each access in a kernel that is not built with clang. The kernel's own variables are
//! only accessed through the kernel's functions and macros.

#![deny(unsafe_op_in_unsafe_fn)]

#[allow(dead_code)]
const __LOG_PREFIX: &[u8] = b"l2tp_core\0";

pub mod debugfs;
pub mod error;
pub mod genl;
pub mod inet;
pub mod inet_socket;
pub mod lock;
pub mod module;
pub mod namespace;
pub mod netdev;
pub mod netlink;
pub mod percpu;
pub mod ppp;
pub mod pppox;
pub mod procfs;
pub mod ratelimit;
pub mod rcu;
pub mod rcu_slot;
pub mod rcu_table;
pub mod seq_file;
pub mod shared;
pub mod skb;
pub mod sock;
pub mod sockopt;
pub mod static_key;
pub mod time;
pub mod trace;
pub mod udp;
pub mod workqueue;
