// SPDX-License-Identifier: GPL-2.0

//! Adapts a [`Protocol`] to the kernel's callbacks.

use super::{
    socket::{
        Object,
        Socket, //
    },
    Protocol, //
};
use crate::{
    module::this_module,
    rcu::Softirq,
    skb::{
        Reason,
        SkBuff, //
    },
    sockopt::{
        OptionBuffer,
        OptionValue, //
    },
};
use core::{
    marker::PhantomData,
    ptr::null_mut, //
};
use kernel::{
    error::{
        from_result,
        to_result, //
    },
    iov::IovIterSource,
    prelude::*, //
};
use net_bindings as c;

/// The callbacks of protocol `P`.
///
/// All functions here are only for the kernel, which calls them as their C prototypes say: with live sockets of `P`.
pub(super) struct Operations<P>(PhantomData<P>);

impl<P: Protocol> Operations<P> {
    /// What the family calls.
    pub(super) const PPPOX: c::pppox_proto = c::pppox_proto {
        create: Some(Self::create),
        ioctl: Some(Self::ioctl),
        owner: this_module::<P::OwnerModule>().as_ptr().cast(),
    };

    /// What generic PPP calls.
    pub(super) const CHANNEL: c::ppp_channel_ops = c::ppp_channel_ops {
        start_xmit: Some(Self::start_xmit),
        ..pin_init::zeroed()
    };

    /// What the socket layer calls.
    const SOCKET: c::proto_ops = c::proto_ops {
        family: c::AF_PPPOX as c_int,
        owner: this_module::<P::OwnerModule>().as_ptr().cast(),
        release: Some(Self::release),
        bind: Some(c::sock_no_bind),
        connect: Some(Self::connect),
        socketpair: Some(c::sock_no_socketpair),
        accept: Some(c::sock_no_accept),
        getname: Some(Self::getname),
        poll: Some(c::datagram_poll),
        ioctl: Some(c::pppox_ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: Some(c::pppox_compat_ioctl),
        listen: Some(c::sock_no_listen),
        shutdown: Some(c::sock_no_shutdown),
        setsockopt: Some(Self::setsockopt),
        getsockopt_iter: Some(Self::getsockopt),
        sendmsg: Some(Self::sendmsg),
        recvmsg: Some(Self::recvmsg),
        mmap: Some(c::sock_no_mmap),
        ..pin_init::zeroed()
    };

    /// The socket of `P` that `sock` is.
    ///
    /// # Safety
    ///
    /// `sock` must be a socket of `P` that is not released before `'a` ends.
    unsafe fn socket<'a>(sock: *mut c::socket) -> &'a Socket<P> {
        // SAFETY: By the safety requirements; `create` initialised it.
        unsafe { Socket::from_raw((*sock).sk) }
    }

    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn create(net: *mut c::net, sock: *mut c::socket, kern: c_int) -> c_int {
        // SAFETY: The protocol is registered: its structure is initialised, and says the size of an `Object<P>`.
        let sk = unsafe {
            c::sk_alloc(
                net,
                c::PF_PPPOX as c_int,
                c::GFP_KERNEL,
                P::slot().proto.get(),
                kern,
            )
        };
        if sk.is_null() {
            return ENOMEM.to_errno();
        }
        // SAFETY: An `Object<P>` was allocated and zeroed, which is an initialised `ppp_channel`, and it is ours. `data` is
        // dropped by `destruct`.
        unsafe {
            (&raw mut (*sk.cast::<Object<P>>()).data).write(P::new());
            c::sock_init_data(sock, sk);
            // `Socket` and `SocketSlot` promise it.
            c::sock_set_flag(sk, c::sock_flags_SOCK_RCU_FREE as c_int);
            (*sock).state = c::socket_state_SS_UNCONNECTED;
            (*sock).ops = &Self::SOCKET;
            (*sk).sk_protocol = P::NUMBER;
            (*sk).__sk_common.skc_family = c::PF_PPPOX as u16;
            (*sk).__sk_common.skc_state = c::PPPOX_NONE as u8;
            // Whatever type was asked for.
            (*sk).sk_type = c::sock_type_SOCK_STREAM as u16;
            (*sk).sk_destruct = Some(Self::destruct);
        }
        0
    }

    /// # Safety
    ///
    /// See [`Operations`]. The last reference is gone, a grace period ago.
    unsafe extern "C" fn destruct(sk: *mut c::sock) {
        // SAFETY: Nobody uses the socket any more; `create` initialised `data`.
        unsafe {
            c::skb_queue_purge_reason(&raw mut (*sk).sk_receive_queue, Reason::QueuePurge as u32);
            c::skb_queue_purge_reason(&raw mut (*sk).sk_write_queue, Reason::QueuePurge as u32);
            core::ptr::drop_in_place(&raw mut (*sk.cast::<Object<P>>()).data);
        }
    }

    /// # Safety
    ///
    /// See [`Operations`]. The last user closes `sock`.
    unsafe extern "C" fn release(sock: *mut c::socket) -> c_int {
        // SAFETY: `sock` is valid, and its `sk` null or valid.
        let sk = unsafe { (*sock).sk };
        if sk.is_null() {
            return 0;
        }
        // SAFETY: The socket is alive until `sock_put()`, which gives back the reference that `sock` had. Unregistering the
        // channel waits until nobody transmits through it.
        unsafe {
            c::lock_sock(sk);
            if c::sock_flag(sk, c::sock_flags_SOCK_DEAD as c_int) {
                c::release_sock(sk);
                return EBADF.to_errno();
            }
            c::pppox_unbind_sock(sk);
            (&raw mut (*sk).__sk_common.skc_state).write_volatile(c::PPPOX_DEAD as u8);
            c::sock_orphan(sk);
            (*sock).sk = null_mut();
            P::release(Socket::from_raw(sk));
            c::release_sock(sk);
            c::sock_put(sk);
        }
        0
    }

    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn connect(
        sock: *mut c::socket,
        address: *mut c::sockaddr_unsized,
        len: c_int,
        _flags: c_int,
    ) -> c_int {
        from_result(|| {
            let len = usize::try_from(len).map_err(|_| EINVAL)?;
            // SAFETY: The socket layer copied `len` bytes of address.
            let address = unsafe { core::slice::from_raw_parts(address.cast::<u8>(), len) };
            // SAFETY: The caller's file keeps the socket.
            P::connect(unsafe { Self::socket(sock) }, address)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn getname(
        sock: *mut c::socket,
        address: *mut c::sockaddr,
        _peer: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The caller's file keeps the socket.
            let name = P::name(unsafe { Self::socket(sock) })?;
            let bytes = name.as_bytes();
            // SAFETY: The socket layer passes a `sockaddr_storage`, of 128 bytes, and an address has at most half of that.
            unsafe {
                core::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast::<u8>(), bytes.len());
            }
            // CAST: At most 64.
            Ok(bytes.len() as c_int)
        })
    }

    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn ioctl(sock: *mut c::socket, command: c_uint, argument: c_ulong) -> c_int {
        from_result(|| {
            // SAFETY: The caller's file keeps the socket.
            P::ioctl(unsafe { Self::socket(sock) }, command, argument)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn setsockopt(
        sock: *mut c::socket,
        level: c_int,
        option: c_int,
        value: c::sockptr_t,
        len: c_uint,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The value belongs to the caller, for `len` bytes if it is in kernel space.
            let value = unsafe { OptionValue::new(value, len) };
            // SAFETY: The caller's file keeps the socket.
            P::set_option(unsafe { Self::socket(sock) }, level, option, &value)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn getsockopt(
        sock: *mut c::socket,
        level: c_int,
        option: c_int,
        opt: *mut c::sockopt_t,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The socket layer passes it for this call.
            let mut buffer = unsafe { OptionBuffer::from_raw(opt) };
            // SAFETY: The caller's file keeps the socket.
            P::get_option(unsafe { Self::socket(sock) }, level, option, &mut buffer)?;
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn sendmsg(
        sock: *mut c::socket,
        message: *mut c::msghdr,
        len: usize,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The message is the caller's, with an iterator that is a source; it is ours during the call.
            let payload = unsafe { IovIterSource::from_raw((&raw mut (*message).msg_iter).cast()) };
            // SAFETY: The caller's file keeps the socket.
            let sent = P::send(unsafe { Self::socket(sock) }, payload, len)?;
            // CAST: A message is limited to less than 2^31 bytes.
            Ok(sent as c_int)
        })
    }

    /// Takes one frame from the socket's queue.
    ///
    /// # Safety
    ///
    /// See [`Operations`].
    unsafe extern "C" fn recvmsg(
        sock: *mut c::socket,
        message: *mut c::msghdr,
        len: usize,
        flags: c_int,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The caller's file keeps the socket.
            let socket = unsafe { Self::socket(sock) };
            if socket.is_bound() {
                return Err(EIO);
            }
            let mut err = 0;
            // SAFETY: The socket is alive, and `err` valid for writes.
            let skb = unsafe { c::skb_recv_datagram(socket.as_ptr(), flags as c_uint, &mut err) };
            if skb.is_null() {
                to_result(err)?;
                return Ok(0);
            }
            // SAFETY: The packet is valid, and a share of it ours until it is freed; the message is the caller's, and ours
            // during the call. No more is copied than the packet has.
            unsafe {
                let available = (*skb).len as usize;
                if len < available {
                    (*message).msg_flags |= c::MSG_TRUNC;
                }
                let copied = len.min(available) as c_int;
                let err = c::skb_copy_datagram_iter(skb, 0, &raw mut (*message).msg_iter, copied);
                c::consume_skb(skb);
                to_result(err)?;
                Ok(copied)
            }
        })
    }

    /// # Safety
    ///
    /// See [`Operations`]. The channel is that of a socket of `P`, and stays registered during the call.
    unsafe extern "C" fn start_xmit(chan: *mut c::ppp_channel, skb: *mut c::sk_buff) -> c_int {
        // SAFETY: `private` is the socket, which stays until its channel is unregistered, and that waits for us.
        let socket = unsafe { Socket::<P>::from_raw((*chan).private.cast()) };
        // SAFETY: Generic PPP gives the packet away if it is told that it was taken, as it is below.
        let mut skb = unsafe { SkBuff::from_raw(skb) };
        // A frame of a bridged channel is still on the device that it came from, where the outer packet does not belong.
        skb.forget_device();
        // SAFETY: Generic PPP holds a lock of the channel, with bottom halves disabled.
        P::transmit(socket, skb, unsafe { Softirq::assume() });
        1
    }
}
