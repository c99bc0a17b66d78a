// SPDX-License-Identifier: GPL-2.0

//! Files that list the records of a network namespace.
//!
//! The kernel's [`SeqFile`] is what a record is printed to; this adds the part that finds records. [`debugfs`](crate::debugfs)
//! makes files of them.
//!
//! C headers: [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h),
//! [`include/linux/seq_file_net.h`](srctree/include/linux/seq_file_net.h)

use crate::{module::OwnerModule, namespace::Namespace};
use core::{
    marker::PhantomData,
    mem::{align_of, size_of, MaybeUninit},
    ptr::null_mut,
};
use kernel::{prelude::*, seq_file::SeqFile};
use net_bindings as c;

/// The records of a file.
///
/// A `read()` gives as many as there is room for, one of which is held at a time. Between two calls only a position is kept, from
/// which the next one is looked up: records may come and go meanwhile.
pub trait Records: 'static {
    /// The module that the code belongs to. It stays loaded while a file is open.
    type OwnerModule: OwnerModule;

    /// Where to look for a record. The default is the position of the first one.
    type Position: Copy + Default + Send;

    /// A record, with the references that it needs while it is printed.
    type Record;

    /// Prints what comes before the records.
    fn header(m: &SeqFile);

    /// The first record at or after `position`, and the position after it. Asked again at the same position, if there was no room
    /// for the record in what was read.
    fn find(ns: &Namespace, position: Self::Position) -> Option<(Self::Record, Self::Position)>;

    /// Prints a record.
    fn show(record: &Self::Record, m: &SeqFile);
}

/// What an open file knows: `private` of its `seq_file`.
///
/// C allocates this zeroed and frees it without a drop: all bytes zero are a valid value, and between two calls of `read()` there
/// is nothing to be dropped. So it also is what `proc_create_net_data()` can be told to allocate.
#[repr(C)]
pub(crate) struct OpenFile<R: Records> {
    /// The namespace: `seq_file_net()` expects it here. Who opens and closes the file manages it.
    pub(crate) net: c::seq_net_private,
    /// Where the record of the file's index is looked for; of the first one, if that is the header. Initialised by `start` at the
    /// header, which comes before anything else.
    position: MaybeUninit<R::Position>,
    /// The record that is being printed.
    record: MaybeUninit<R::Record>,
    /// Where the one after `record` is looked for.
    next: MaybeUninit<R::Position>,
    /// Whether `record` and `next` are initialised.
    found: bool,
}

impl<R: Records> OpenFile<R> {
    /// Drops the record that is being printed; whether there was one.
    fn drop_record(&mut self) -> bool {
        let found = core::mem::take(&mut self.found);
        if found {
            // SAFETY: It was initialised, as `found` said.
            unsafe { self.record.assume_init_drop() };
        }
        found
    }
}

/// The operations of files with records `R`. Their `private` must be an [`OpenFile<R>`] with a namespace.
pub(crate) struct Operations<R>(PhantomData<R>);

impl<R: Records> Operations<R> {
    /// C's allocator aligns to 8 bytes at least.
    const ALIGNED: () = assert!(align_of::<OpenFile<R>>() <= 8);

    /// Size of what `private` points to.
    pub(crate) const PRIVATE_SIZE: usize = {
        let () = Self::ALIGNED;
        size_of::<OpenFile<R>>()
    };

    pub(crate) const OPS: c::seq_operations = c::seq_operations {
        start: Some(Self::start),
        stop: Some(Self::stop),
        next: Some(Self::next),
        show: Some(Self::show),
    };

    /// What stands for the header: `SEQ_START_TOKEN` of C.
    fn header() -> *mut c_void {
        core::ptr::without_provenance_mut(1)
    }

    /// # Safety
    ///
    /// `m` must be a file of this kind, and the caller hold its lock.
    unsafe fn open_file<'a>(m: *mut c::seq_file) -> &'a mut OpenFile<R> {
        // SAFETY: By the safety requirements `private` is valid, and nobody else accesses it at the moment.
        unsafe { &mut *(*m).private.cast() }
    }

    /// Finds the record at `position`: what `seq_file` is to be told.
    ///
    /// # Safety
    ///
    /// `m` must be a file of this kind, whose `position` is initialised, and the caller hold its lock.
    unsafe fn find(m: *mut c::seq_file) -> *mut c_void {
        // SAFETY: By the safety requirements of this function; the file keeps the namespace until it is closed.
        let (this, ns) = unsafe { (Self::open_file(m), Namespace::from_raw(c::seq_file_net(m))) };
        // SAFETY: By the safety requirements of this function.
        let Some((record, next)) = R::find(ns, unsafe { this.position.assume_init() }) else {
            return null_mut();
        };
        this.record.write(record);
        this.next.write(next);
        this.found = true;
        m.cast()
    }

    /// # Safety
    ///
    /// Called by `seq_file` for a file of this kind, with its lock held.
    unsafe extern "C" fn start(m: *mut c::seq_file, index: *mut c::loff_t) -> *mut c_void {
        // SAFETY: By the safety requirements of this function; `index` points into `m`.
        let (this, index) = unsafe { (Self::open_file(m), *index) };
        if index == 0 {
            this.position.write(R::Position::default());
            return Self::header();
        }
        // What `next` found last did not fit, or was not asked for. SAFETY: As above; the index is 0 at first, and only `next`
        // makes it another one, so `position` was initialised at 0.
        unsafe { Self::find(m) }
    }

    /// # Safety
    ///
    /// Called by `seq_file` for a file of this kind, with its lock held; between `start` and `stop`.
    unsafe extern "C" fn next(
        m: *mut c::seq_file,
        _v: *mut c_void,
        index: *mut c::loff_t,
    ) -> *mut c_void {
        // SAFETY: By the safety requirements of this function.
        let this = unsafe { Self::open_file(m) };
        // There is none after the header, with which `position` is that of the first one.
        if this.drop_record() {
            this.position = this.next;
        }
        // SAFETY: `index` points into the file.
        unsafe { *index = (*index).wrapping_add(1) };
        // SAFETY: As above; `start` initialised `position`.
        unsafe { Self::find(m) }
    }

    /// # Safety
    ///
    /// Called by `seq_file` for a file of this kind, with its lock held, after `start`.
    unsafe extern "C" fn stop(m: *mut c::seq_file, _v: *mut c_void) {
        // SAFETY: By the safety requirements of this function.
        unsafe { Self::open_file(m) }.drop_record();
    }

    /// # Safety
    ///
    /// Called by `seq_file` for a file of this kind, with its lock held; `v` is what `start` or `next` returned.
    unsafe extern "C" fn show(m: *mut c::seq_file, v: *mut c_void) -> c_int {
        // SAFETY: By the safety requirements of this function.
        let this = unsafe { Self::open_file(m) };
        // SAFETY: The file is valid, and its lock is held.
        let file = unsafe { SeqFile::from_raw(m.cast()) };
        if v == Self::header() {
            R::header(file);
        } else if this.found {
            // SAFETY: Initialised, as `found` says.
            R::show(unsafe { this.record.assume_init_ref() }, file);
        }
        0
    }
}

fn raw(m: &SeqFile) -> *mut c::seq_file {
    // `SeqFile` is a transparent wrapper of the C type in an `UnsafeCell`.
    core::ptr::from_ref(m).cast_mut().cast()
}

/// Prints bytes as they are, such as the name of a network device, which need not be text.
pub fn write_bytes(m: &SeqFile, bytes: &[u8]) {
    // SAFETY: A `SeqFile` reference is a valid file, which is only used by this task. A full buffer is handled by `seq_file`.
    let _ = unsafe { c::seq_write(raw(m), bytes.as_ptr().cast(), bytes.len()) };
}

/// Prints an IPv4 address as `192.0.2.1`.
pub fn write_ipv4(m: &SeqFile, address: &[u8; 4]) {
    // SAFETY: As in `write_bytes()`; the format takes a pointer to four bytes.
    unsafe {
        c::seq_printf(
            raw(m),
            c"%pI4".to_bytes_with_nul().as_ptr().cast(),
            address.as_ptr(),
        )
    };
}

/// Prints an IPv6 address in its short form, as `2001:db8::1` or `::ffff:192.0.2.1`.
pub fn write_ipv6(m: &SeqFile, address: &[u8; 16]) {
    // SAFETY: As in `write_bytes()`; the format takes a pointer to sixteen bytes.
    unsafe {
        c::seq_printf(
            raw(m),
            c"%pI6c".to_bytes_with_nul().as_ptr().cast(),
            address.as_ptr(),
        )
    };
}
