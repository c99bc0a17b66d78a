// SPDX-License-Identifier: GPL-2.0

//! One end of an L2TPv3 tunnel directly over IP with an Ethernet session, made through generic netlink: what l2tpv3.c does, in Rust.
//!
//! ```text
//! l2tpv3 <device> <address> <tunnel> <session>  <peer's address, tunnel, session>
//! ```

mod system;

use std::{
    env,
    error::Error,
    fs::File,
    io::{self, Read, Write},
    net::Ipv4Addr,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    process::ExitCode,
};
use system::{bind_to, connect_to, new_socket, readable};

const AF_INET: u16 = 2;
const AF_NETLINK: u16 = 16;
const SOCK_DGRAM: i32 = 2;
const IPPROTO_L2TP: i32 = 115;
const NETLINK_GENERIC: i32 = 16;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

// linux/l2tp.h
const TUNNEL_CREATE: u8 = 1;
const TUNNEL_DELETE: u8 = 2;
const SESSION_CREATE: u8 = 5;
const PW_TYPE: u16 = 1;
const ENCAP_TYPE: u16 = 2;
const PROTO_VERSION: u16 = 7;
const IFNAME: u16 = 8;
const CONN_ID: u16 = 9;
const PEER_CONN_ID: u16 = 10;
const SESSION_ID: u16 = 11;
const PEER_SESSION_ID: u16 = 12;
const COOKIE: u16 = 15;
const PEER_COOKIE: u16 = 16;
const FD: u16 = 23;
const PWTYPE_ETH: u16 = 5;
const ENCAPTYPE_IP: u16 = 1;

const CONTROL_HEADER: usize = 12;
const OUR_COOKIE: &[u8] = b"tea\0";

/// What one end is called.
struct End {
    address: Ipv4Addr,
    tunnel: u32,
    session: u32,
}

impl End {
    fn parse(words: &[String]) -> Result<Self, Box<dyn Error>> {
        Ok(Self {
            address: words[0].parse()?,
            tunnel: words[1].parse()?,
            session: words[2].parse()?,
        })
    }

    /// `struct sockaddr_l2tpip`.
    fn sockaddr(&self) -> Vec<u8> {
        let mut raw = AF_INET.to_ne_bytes().to_vec();
        raw.extend([0; 2]);
        raw.extend(self.address.octets());
        raw.extend(self.tunnel.to_ne_bytes());
        raw.extend([0; 4]);
        raw
    }
}

/// A generic netlink request in the making.
struct Request {
    family: u16,
    body: Vec<u8>,
}

impl Request {
    fn new(family: u16, command: u8) -> Self {
        Self {
            family,
            body: vec![command, 1, 0, 0],
        }
    }

    fn add(mut self, kind: u16, value: &[u8]) -> Self {
        self.body.extend((4 + value.len() as u16).to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(value);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut raw = (16 + self.body.len() as u32).to_ne_bytes().to_vec();
        raw.extend(self.family.to_ne_bytes());
        raw.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        raw.extend([0; 8]); // sequence number, port
        raw.extend(&self.body);
        raw
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// A netlink socket, connected to the kernel.
struct Netlink(File);

impl Netlink {
    fn new() -> io::Result<Self> {
        let socket = new_socket(AF_NETLINK.into(), SOCK_DGRAM, NETLINK_GENERIC)?;
        let mut kernel = AF_NETLINK.to_ne_bytes().to_vec();
        kernel.resize(12, 0);
        connect_to(&socket, &kernel)?;
        Ok(Self(socket.into()))
    }

    /// Sends a request and waits until it is acknowledged. Returns the 16-bit attribute `wanted` of the reply, if there is one.
    fn submit(&mut self, request: &Request, wanted: u16) -> io::Result<Option<u16>> {
        self.0.write_all(&request.bytes())?;
        let mut buffer = [0; 8192];
        let mut found = None;
        loop {
            let length = self.0.read(&mut buffer)?;
            let mut rest = &buffer[..length];
            while rest.len() >= 16 {
                let length = u32_at(rest, 0) as usize;
                let message = &rest[..length];
                if u16_at(message, 4) == NLMSG_ERROR {
                    return match u32_at(message, 16) as i32 {
                        0 => Ok(found),
                        error => Err(io::Error::from_raw_os_error(-error)),
                    };
                }
                let mut attributes = &message[20..];
                while attributes.len() >= 4 {
                    let length = u16_at(attributes, 0) as usize;
                    if u16_at(attributes, 2) == wanted {
                        found = Some(u16_at(attributes, 4));
                    }
                    attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
                }
                rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
            }
        }
    }
}

/// A control message, RFC 3931, 3.2.1: flags T, L and S, version 3; length; whose it is; Ns; Nr; what it contains.
fn control_message(peer: &End, ns: u16, text: &[u8]) -> Vec<u8> {
    let mut raw = 0xc803u16.to_be_bytes().to_vec();
    raw.extend((CONTROL_HEADER as u16 + text.len() as u16).to_be_bytes());
    raw.extend(peer.tunnel.to_be_bytes());
    raw.extend(ns.to_be_bytes());
    raw.extend([0; 2]);
    raw.extend(text);
    raw
}

/// The control messages of both sides, until our input ends.
fn talk(tunnel: OwnedFd, peer: &End) -> io::Result<()> {
    let (mut tunnel, mut buffer, mut ns) = (File::from(tunnel), [0; 1400], 0u16);
    // The standard library's own buffers what poll() then does not know of.
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    loop {
        let [input, message] = readable([&stdin, &tunnel])?;
        if message {
            let length = tunnel.read(&mut buffer)?;
            let text = buffer[..length].get(CONTROL_HEADER..).unwrap_or(&[]);
            io::stdout().write_all(text)?;
            io::stdout().flush()?;
        }
        if input {
            match stdin.read(&mut buffer)? {
                0 => return Ok(()),
                length => tunnel.write_all(&control_message(peer, ns, &buffer[..length]))?,
            }
            ns = ns.wrapping_add(1);
        }
    }
}

fn run(device: &str, local: &End, peer: &End) -> Result<(), Box<dyn Error>> {
    // The tunnel's socket, which control messages are sent and received with.
    let tunnel = new_socket(AF_INET.into(), SOCK_DGRAM, IPPROTO_L2TP)?;
    bind_to(&tunnel, &local.sockaddr())?;
    connect_to(&tunnel, &peer.sockaddr())?;

    let mut netlink = Netlink::new()?;
    let request =
        Request::new(GENL_ID_CTRL, CTRL_CMD_GETFAMILY).add(CTRL_ATTR_FAMILY_NAME, b"l2tp\0");
    let family = netlink.submit(&request, CTRL_ATTR_FAMILY_ID)?;
    let family = family.ok_or("no netlink family l2tp")?;

    let request = Request::new(family, TUNNEL_CREATE)
        .add(CONN_ID, &local.tunnel.to_ne_bytes())
        .add(PEER_CONN_ID, &peer.tunnel.to_ne_bytes())
        .add(PROTO_VERSION, &[3])
        .add(ENCAP_TYPE, &ENCAPTYPE_IP.to_ne_bytes())
        .add(FD, &tunnel.as_raw_fd().to_ne_bytes());
    netlink.submit(&request, 0)?;

    let request = Request::new(family, SESSION_CREATE)
        .add(CONN_ID, &local.tunnel.to_ne_bytes())
        .add(SESSION_ID, &local.session.to_ne_bytes())
        .add(PEER_SESSION_ID, &peer.session.to_ne_bytes())
        .add(PW_TYPE, &PWTYPE_ETH.to_ne_bytes())
        .add(IFNAME, format!("{device}\0").as_bytes())
        .add(COOKIE, OUR_COOKIE)
        .add(PEER_COOKIE, OUR_COOKIE);
    netlink.submit(&request, 0)?;
    println!("ready");
    io::stdout().flush()?;

    let kept = tunnel.try_clone()?;
    talk(tunnel, peer)?;

    // Closing the tunnel's last descriptor deletes it with its sessions; a daemon that goes on would ask for it.
    let request = Request::new(family, TUNNEL_DELETE).add(CONN_ID, &local.tunnel.to_ne_bytes());
    netlink.submit(&request, 0)?;
    drop(kept);
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if words.len() != 7 {
        eprintln!(
            "usage: l2tpv3 <device> <address> <tunnel> <session> <peer's address, tunnel, session>"
        );
        return ExitCode::from(2);
    }
    let result = End::parse(&words[1..4])
        .and_then(|local| End::parse(&words[4..]).and_then(|peer| run(&words[0], &local, &peer)));
    if let Err(error) = result {
        eprintln!("l2tpv3: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
