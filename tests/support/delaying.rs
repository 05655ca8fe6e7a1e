//! A proxy before a server on a Unix socket, which passes on what either side says after a delay, or never.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long what comes from now on takes to the other side; for ever if absent.
type Delay = Arc<Mutex<Option<Duration>>>;

/// A proxy for as long as the test program goes on.
pub(crate) struct Delaying {
    pub(crate) address: SocketAddr,
    delay: Delay,
}

impl Delaying {
    /// A proxy without delay.
    pub(crate) fn before(socket: PathBuf) -> Self {
        Self::at("127.0.0.1:0", socket)
    }

    /// One that listens there.
    pub(crate) fn at(address: &str, socket: PathBuf) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let proxy =
            Self { address: listener.local_addr().expect("it is bound"), delay: Arc::new(Mutex::new(Some(Duration::ZERO))) };
        let delay = Arc::clone(&proxy.delay);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away is one that hangs up.
                let Ok(server) = UnixStream::connect(&socket) else { continue };
                let (to_server, from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let hang_up = |client: &TcpStream, server: &UnixStream| {
                    let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    move || {
                        // Whoever has gone needs no end.
                        let _ = (client.shutdown(Shutdown::Both), server.shutdown(Shutdown::Both));
                    }
                };
                pass_on(from_client, to_server, Arc::clone(&delay), hang_up(&client, &server));
                let end = hang_up(&client, &server);
                pass_on(server, client, Arc::clone(&delay), end);
            }
        });
        proxy
    }

    /// From now on each message takes so long; with nothing, none arrives, and those on their way neither.
    pub(crate) fn set(&self, delay: Option<Duration>) {
        *self.delay.lock().unwrap() = delay;
    }
}

/// Passes on what one side says, in order, until either side ends.
fn pass_on(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    delay: Delay,
    end: impl FnOnce() + Send + 'static,
) {
    let (said, sayings) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if said.send((Instant::now(), bytes[..count].to_vec())).is_err() {
                break;
            }
        }
    });
    std::thread::spawn(move || {
        for (at, bytes) in sayings {
            loop {
                match *delay.lock().unwrap() {
                    Some(delay) if at.elapsed() >= delay => break,
                    Some(_) | None => {}
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        end();
    });
}
