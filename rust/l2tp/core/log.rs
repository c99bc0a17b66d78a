// SPDX-License-Identifier: GPL-2.0

//! Messages about tunnels and sessions, as their debug masks ask for them.
//!
//! A tunnel or session has a mask of [`Category`]s, 0 at first, which netlink and the sockets of PPP set. What happens to it and
//! is of one of these categories is printed, ten times in five seconds for each kind of event. Until the first mask is set the
//! packet path does not even look at them.

use crate::{
    Session,
    Tunnel, //
};
use core::fmt::Write;
use kernel::fmt;
use net::{
    rcu::ReadSide,
    skb::SkBuff,
    udp::SocketKey, //
};
use wire::MIN_UDP_FRAME;

/// What messages are about: `L2TP_MSG_*`.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Category {
    /// How it is set up, changed and ended.
    Control = 2,
    /// Sequence numbers.
    Seq = 4,
    /// Frames, with what they begin with.
    Data = 8,
}

net::declare_static_key! {
    /// Whether any mask has ever been set.
    pub(crate) mod masks;
}

/// What has a name and a mask.
pub trait Object {
    /// Mask of [`Category`]s.
    fn mask(&self) -> u32;

    /// Whether messages of a category are wanted.
    #[inline(always)]
    fn logs(&self, category: Category) -> bool {
        masks::is_enabled() && self.mask() & category as u32 != 0
    }
}

impl Object for Tunnel {
    #[inline]
    fn mask(&self) -> u32 {
        self.debug()
    }
}

impl Object for Session {
    #[inline]
    fn mask(&self) -> u32 {
        self.debug()
    }
}

/// Somebody sets a mask.
pub(crate) fn mask_set(mask: u32) {
    if mask != 0 {
        masks::enable();
    }
}

/// Prints a message about a tunnel or session, if its mask asks for the category.
///
/// The format's first argument is the name.
///
/// # Examples
///
/// ```ignore
/// log!(session, Seq, debug, "{}: updated nr to {}\n", nr);
/// ```
#[macro_export]
macro_rules! log {
    ($object:expr, $category:ident, $level:ident, $format:tt $(, $arg:expr)* $(,)?) => {{
        use $crate::log::Object as _;
        if $object.logs($crate::log::Category::$category) {
            static LIMIT: ::net::ratelimit::RateLimit = ::net::ratelimit::RateLimit::new();
            if LIMIT.allows() {
                $crate::log_at!($level, $format, $object.name() $(, $arg)*);
            }
        }
    }};
}

/// Prints at a level. The kernel crate's `pr_debug!` prints nothing unless the kernel is built with debug assertions.
#[doc(hidden)]
#[macro_export]
macro_rules! log_at {
    (debug, $($arg:tt)+) => {
        ::kernel::print_macro!(::kernel::print::format_strings::DEBUG, false, $($arg)+)
    };
    (info, $($arg:tt)+) => { ::kernel::pr_info!($($arg)+) };
    (warn, $($arg:tt)+) => { ::kernel::pr_warn!($($arg)+) };
}

/// Prints what a frame begins with, at most 32 bytes, if the object's mask asks for [`Category::Data`].
///
/// # Examples
///
/// ```ignore
/// log_frame!(session, "{}: xmit\n", skb.data());
/// ```
#[macro_export]
macro_rules! log_frame {
    ($object:expr, $format:tt, $data:expr) => {{
        use $crate::log::Object as _;
        if $object.logs($crate::log::Category::Data) {
            let (name, data) = ($object.name(), $data);
            $crate::log::cold(move || {
                static LIMIT: ::net::ratelimit::RateLimit = ::net::ratelimit::RateLimit::new();
                if LIMIT.allows() {
                    $crate::log_at!(debug, $format, name);
                    $crate::log::dump(data);
                }
            });
        }
    }};
}

/// Keeps code that prints, and the stack it needs, away from the packet path.
#[doc(hidden)]
#[cold]
#[inline(never)]
pub fn cold(print: impl FnOnce()) {
    print();
}

/// Prints the first 32 bytes: sixteen in a line, with their offset, and as characters.
#[doc(hidden)]
#[cold]
pub fn dump(data: &[u8]) {
    for (line, bytes) in data.chunks(16).take(2).enumerate() {
        log_at!(debug, "{:08x}:{}\n", line.wrapping_mul(16), Line(bytes));
    }
}

/// Up to sixteen bytes of a dump.
struct Line<'a>(&'a [u8]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, " {:02x}", byte)?;
        }
        for _ in self.0.len()..16 {
            f.write_str("   ")?;
        }
        f.write_str("  ")?;
        for byte in self.0 {
            let printable = byte.is_ascii_graphic() || *byte == b' ';
            f.write_char(if printable { char::from(*byte) } else { '.' })?;
        }
        Ok(())
    }
}

/// A datagram arrived on the socket of a UDP tunnel: tells what will become of it. Returns it.
#[cold]
pub(crate) fn datagram(
    net: &crate::NetState,
    socket: SocketKey,
    mut skb: SkBuff,
    read: ReadSide<'_>,
) -> SkBuff {
    if let Some(tunnel) = net.tunnel_by_socket(socket, read) {
        tell_fate(net, tunnel, &mut skb, read);
    }
    skb
}

fn tell_fate(net: &crate::NetState, tunnel: &crate::Tunnel, skb: &mut SkBuff, read: ReadSide<'_>) {
    if !tunnel.logs(Category::Data) {
        return;
    }
    log!(tunnel, Data, debug, "{}: received {} bytes\n", skb.len());
    if !skb.may_pull(MIN_UDP_FRAME) {
        log!(
            tunnel,
            Data,
            info,
            "{}: recv short packet (len={})\n",
            skb.len()
        );
        return;
    }
    log_frame!(tunnel, "{}: recv\n", skb.data());
    let Some(first) = skb.data().first_chunk() else {
        return;
    };
    let (tunnel_id, session_id, version, session) = match wire::udp::classify(first) {
        wire::udp::Frame::Control => {
            log!(
                tunnel,
                Data,
                debug,
                "{}: recv control packet, len={}\n",
                skb.len()
            );
            return;
        }
        wire::udp::Frame::V2(header) => {
            let (tunnel, session) = (header.tunnel_id, header.session_id);
            (
                tunnel.into(),
                session.into(),
                2,
                net.v2_session(tunnel, session, read),
            )
        }
        wire::udp::Frame::V3(header) => {
            let id = header.session_id;
            (
                tunnel.id(),
                id,
                header.version,
                net.v3_session(id, Some(tunnel.socket().key()), read),
            )
        }
    };
    match session {
        None => log!(
            tunnel,
            Data,
            info,
            "{}: no session found ({}/{}). Passing up.\n",
            tunnel_id,
            session_id
        ),
        Some(session) if session.version != version => log!(
            tunnel,
            Data,
            info,
            "{}: recv protocol version mismatch: got {} expected {}\n",
            version,
            session.version
        ),
        Some(_) => {}
    }
}
