// SPDX-License-Identifier: GPL-2.0

//! The system calls of the samples that the standard library has no names for. Other programs would take the crate `libc` or `nix`.

use std::{
    ffi::{c_int, c_ulong, c_void},
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
};

extern "C" {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn bind(fd: c_int, address: *const c_void, length: u32) -> c_int;
    fn connect(fd: c_int, address: *const c_void, length: u32) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_void) -> c_int;
    fn poll(fds: *mut c_void, count: c_ulong, timeout: c_int) -> c_int;
}

fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// `socket()`.
#[allow(dead_code)]
pub fn new_socket(domain: i32, kind: i32, protocol: i32) -> io::Result<OwnedFd> {
    // SAFETY: No memory is passed, and a new descriptor is nobody else's.
    unsafe { Ok(OwnedFd::from_raw_fd(check(socket(domain, kind, protocol))?)) }
}

/// `bind()`, with the address as the bytes of its C structure.
#[allow(dead_code)]
pub fn bind_to(fd: &impl AsRawFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: The address is as long as we say.
    unsafe {
        check(bind(
            fd.as_raw_fd(),
            address.as_ptr().cast(),
            address.len() as u32,
        ))?
    };
    Ok(())
}

/// `connect()`, with the address as the bytes of its C structure.
#[allow(dead_code)]
pub fn connect_to(fd: &impl AsRawFd, address: &[u8]) -> io::Result<()> {
    // SAFETY: The address is as long as we say.
    unsafe {
        check(connect(
            fd.as_raw_fd(),
            address.as_ptr().cast(),
            address.len() as u32,
        ))?
    };
    Ok(())
}

/// An `ioctl()` whose argument is a structure of `N` bytes, which its number must tell.
#[allow(dead_code)]
pub fn control<const N: usize>(
    fd: &impl AsRawFd,
    request: u32,
    argument: &mut [u8; N],
) -> io::Result<()> {
    assert_eq!(request as usize >> 16 & 0x3fff, N);
    // SAFETY: The argument is as long as the number of the request says.
    unsafe {
        check(ioctl(
            fd.as_raw_fd(),
            request.into(),
            argument.as_mut_ptr().cast(),
        ))?
    };
    Ok(())
}

/// Waits until there is something to be read; tells from which descriptors.
#[allow(dead_code)]
pub fn readable<const N: usize>(fds: [&dyn AsRawFd; N]) -> io::Result<[bool; N]> {
    #[repr(C)]
    struct PollFd {
        fd: c_int,
        events: i16,
        revents: i16,
    }
    const POLLIN: i16 = 1;
    let mut wait = fds.map(|fd| PollFd {
        fd: fd.as_raw_fd(),
        events: POLLIN,
        revents: 0,
    });
    // SAFETY: These are so many structures `pollfd`.
    unsafe { check(poll(wait.as_mut_ptr().cast(), N as c_ulong, -1))? };
    Ok(wait.map(|one| one.revents != 0))
}
