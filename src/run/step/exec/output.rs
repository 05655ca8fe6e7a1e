//! Writes a program's input and reads its output at the same time, so that neither waits for the other.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{ioctl_fionread, read};
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe::{Receiver, Sender};

use super::program::Pipes;
use super::progress::{Progress, Stream, TooLarge};

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

/// The pipes of a program, and how much of each stream is taken.
pub(super) struct Output {
    stdout: Receiver,
    stderr: Receiver,
    most: usize,
}

/// Why reading ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutputError {
    #[error("{0}")]
    TooLarge(#[from] TooLarge),
    #[error("its output cannot be read: {0}")]
    Io(#[from] io::Error),
}

impl Output {
    /// The output of a program, and what feeds it.
    pub(super) fn new(pipes: Pipes, most: usize) -> io::Result<(Self, Option<Sender>)> {
        let receiver = |pipe: OwnedFd| Receiver::from_owned_fd(pipe);
        let output = Self { stdout: receiver(pipes.stdout.into())?, stderr: receiver(pipes.stderr.into())?, most };
        let stdin = pipes.stdin.map(|pipe| Sender::from_owned_fd(pipe.into())).transpose()?;
        Ok((output, stdin))
    }

    /// Feeds and reads until nobody holds the other ends any more.
    pub(super) async fn pump(&self, stdin: Option<Sender>, fed: &str, progress: &Progress) -> Result<(), OutputError> {
        let feeding = async {
            feed(stdin, fed).await;
            Ok(())
        };
        let reading = |pipe, stream| self.read(pipe, stream, progress);
        tokio::try_join!(feeding, reading(&self.stdout, Stream::Stdout), reading(&self.stderr, Stream::Stderr)).map(drop)
    }

    async fn read(&self, pipe: &Receiver, stream: Stream, progress: &Progress) -> Result<(), OutputError> {
        let mut chunk = vec![0; CHUNK];
        loop {
            pipe.readable().await?;
            match pipe.try_read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(bytes) => progress.received(stream, &chunk[..bytes], self.most)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads what is in the pipes now that the program has ended. Later output would come from other processes, which may keep
    /// the pipes open for as long as they like.
    pub(super) fn drain(&self, progress: &Progress) -> Result<(), OutputError> {
        for (pipe, stream) in [(&self.stdout, Stream::Stdout), (&self.stderr, Stream::Stderr)] {
            let mut left = ioctl_fionread(pipe).map_err(io::Error::from)?;
            let mut chunk = vec![0; CHUNK];
            while left > 0 {
                let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
                // A direct read: the runtime may not have noticed yet that there is something.
                match read(pipe, &mut chunk[..wanted]) {
                    Ok(0) | Err(_) => break,
                    Ok(bytes) => {
                        progress.received(stream, &chunk[..bytes], self.most)?;
                        left -= bytes as u64;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes all of it and closes the pipe. A program need not read what it is given.
async fn feed(stdin: Option<Sender>, text: &str) {
    if let Some(mut stdin) = stdin {
        let _ = stdin.write_all(text.as_bytes()).await;
    }
}
