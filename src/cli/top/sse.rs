//! Server-sent events, out of the pieces that a connection brings.
//!
//! As far as the service sends them: a name and a line of data. Comments, ids and what else there may be are passed over.

/// Bytes of an event that is not whole yet, beyond which what answers is no service.
const MOST: usize = 64 << 20;

/// An event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SseEvent {
    /// What it is called.
    pub(super) name: String,
    /// What it says.
    pub(super) data: String,
}

/// Takes pieces and gives events.
#[derive(Debug, Default)]
pub(super) struct SseReader {
    rest: Vec<u8>,
    /// Bytes of it that have no end of a line.
    seen: usize,
    name: String,
    data: String,
}

/// What comes is longer than any event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl SseReader {
    /// The events that end in this piece.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        let mut begin = 0;
        while let Some(length) = self.rest[self.seen..].iter().position(|byte| *byte == b'\n') {
            let end = self.seen + length;
            let line = String::from_utf8_lossy(&self.rest[begin..end]).into_owned();
            (begin, self.seen) = (end + 1, end + 1);
            events.extend(self.line(line.trim_end_matches('\r')));
        }
        self.rest.drain(..begin);
        self.seen = self.rest.len();
        if self.rest.len() + self.data.len() > MOST { Err(TooLong) } else { Ok(events) }
    }

    fn line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return (!name.is_empty()).then_some(SseEvent { name, data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push_str(value),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> SseEvent {
        SseEvent { name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_the_same_however_they_are_cut_into_pieces() {
        let text = ": hello\r\nevent: beat\ndata:\n\nevent: head\r\ndata: {\"a\": \"é\"}\r\nid: 7\r\n\r\nevent: rest\ndata: x";
        for size in [1, 2, 7, text.len()] {
            let mut reader = SseReader::default();
            let events: Vec<SseEvent> = text.as_bytes().chunks(size).flat_map(|piece| reader.take(piece).unwrap()).collect();
            assert_eq!(events, [event("beat", ""), event("head", "{\"a\": \"é\"}")], "{size}");
        }
    }

    #[test]
    fn what_never_ends_is_no_event() {
        let mut reader = SseReader::default();
        let piece = vec![b'x'; MOST];
        assert_eq!(reader.take(&piece), Ok(Vec::new()));
        assert_eq!(reader.take(b"x"), Err(TooLong));
    }
}
