// SPDX-License-Identifier: GPL-2.0

//! Trace events that C defines with `TRACE_EVENT` and Rust fires.
//!
//! C headers: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h),
//! [`include/linux/jump_label.h`](srctree/include/linux/jump_label.h)

mod sealed {
    pub trait Sealed {}
    impl Sealed for i32 {}
    impl Sealed for u32 {}
    impl<const N: usize> Sealed for &[u8; N] {}
}

/// What a trace event may take: values that mean the same to C and Rust.
///
/// `i32` is C's `int`, `u32` is `u32`, and a byte array of fixed length is passed as `const u8 *`.
pub trait Argument: sealed::Sealed + Copy {}
impl Argument for i32 {}
impl Argument for u32 {}
impl<const N: usize> Argument for &[u8; N] {}

#[doc(hidden)]
#[inline(always)]
pub fn assert_argument<T: Argument>(_: T) {}

/// Declares functions that fire trace events.
///
/// A function fires the event of its name. It tests a static key first: while the event is off that is one no-op which the kernel
/// patches into a jump, and the arguments are not used. They should be cheap to evaluate, because that happens before the test.
///
/// Unlike [`kernel::declare_trace!`] this works for events of modules, and makes safe functions.
///
/// # Requirements
///
/// A C file of the same module must define the event, with both `CREATE_TRACE_POINTS` and `CREATE_RUST_TRACE_POINTS`, and its
/// `TP_PROTO` must match the declaration as [`Argument`] says. No C type reaches this macro, so neither compiler can check that:
/// keep the declaration beside the header. C must not read more of a byte array than the length that the declaration gives.
///
/// # Examples
///
/// For `TRACE_EVENT(frame_lost, TP_PROTO(const u8 *name, u32 number), ...)`, which copies 16 bytes from `name`:
///
/// ```ignore
/// net::declare_trace! {
///     /// A frame was lost.
///     pub(crate) fn frame_lost(name: &[u8; 16], number: u32);
/// }
/// frame_lost(b"eth0\0\0\0\0\0\0\0\0\0\0\0\0", 7);
/// ```
#[macro_export]
macro_rules! declare_trace {
    ($($(#[$attr:meta])* $vis:vis fn $name:ident($($arg:ident: $type:ty),* $(,)?);)*) => {$(
        $(#[$attr])*
        #[inline(always)]
        $vis fn $name($($arg: $type),*) {
            $( $crate::trace::assert_argument($arg); )*
            #[cfg(CONFIG_TRACEPOINTS)]
            ::kernel::macros::paste! {
                // A tracepoint contains types without size if lock debugging is off.
                #[allow(improper_ctypes)]
                extern "C" {
                    static mut [< __tracepoint_ $name >]: ::kernel::bindings::tracepoint;
                    fn [< rust_do_trace_ $name >]($($arg: $type),*);
                }
                // SAFETY: The user of the macro defines the tracepoint in C, and its static key is only read here.
                if unsafe {
                    ::kernel::jump_label::static_branch_unlikely!(
                        [< __tracepoint_ $name >],
                        ::kernel::bindings::tracepoint,
                        key
                    )
                } {
                    // SAFETY: The arguments are plain values or valid for reads, and as the C function expects them: the user
                    // of the macro asserts that.
                    unsafe { [< rust_do_trace_ $name >]($($arg),*) };
                }
            }
        }
    )*}
}
