//! Cuts the bytes of an import into lines, and lines into chunks of rows.
//!
//! Knows neither the network nor the store: bytes in, chunks out, whatever the pieces they come in. A chunk holds no
//! id twice; a row whose id is in the chunk already opens the next one, so rows of one id keep their order.

use std::collections::HashSet;
use std::io::Write;

use domain::time::Micros;
use wire::manifest::{Fault, FaultCode, IMPORT_LINE_BYTES_MAX, parse_import_row};
use xxhash_rust::xxh3::xxh3_64;

use crate::master_data::{CHUNK_ROWS, Chunk, Row};

/// Cuts bytes into chunks of rows and hands them to `emit`.
pub struct LineCutter<E> {
    emit: E,
    now: Micros,
    chunk: Chunk,
    /// Hashes of the ids in the chunk; two ids that share one only cost a chunk that is not full.
    ids: HashSet<u64>,
    /// A line whose end has not come yet.
    rest: Vec<u8>,
    /// Whether that line is longer than is read.
    is_overlong: bool,
    line: u64,
    bytes: u64,
    bytes_max: u64,
}

/// Why cutting ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    #[error("more than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
    #[error("nobody takes the chunks any more")]
    NobodyTakes,
}

impl<E: FnMut(Chunk) -> bool> LineCutter<E> {
    /// Begins with line 1. `emit` says whether it takes any more. `now` is when rows were created that do not say.
    pub fn new(emit: E, now: Micros, bytes_max: u64) -> Self {
        let (chunk, ids, rest) = (Chunk::default(), HashSet::with_capacity(CHUNK_ROWS), Vec::new());
        Self { emit, now, chunk, ids, rest, is_overlong: false, line: 0, bytes: 0, bytes_max }
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// [`CutError`] when there are too many, or nobody takes the chunks.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), CutError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(CutError::TooLarge { bytes_max: self.bytes_max });
        }
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let mut piece = pieces.next().unwrap_or_default();
        for next in pieces {
            self.end_line(piece)?;
            piece = next;
        }
        self.keep(piece);
        Ok(())
    }

    /// The bytes have come to their end: takes the last line, with or without a line feed, and emits what is left.
    ///
    /// # Errors
    /// [`CutError::NobodyTakes`].
    pub fn finish(&mut self) -> Result<(), CutError> {
        if !self.rest.is_empty() || self.is_overlong {
            self.end_line(&[])?;
        }
        self.emit()
    }

    /// The bytes broke off: emits whole lines only.
    ///
    /// # Errors
    /// [`CutError::NobodyTakes`].
    pub fn break_off(&mut self) -> Result<(), CutError> {
        self.rest.clear();
        self.is_overlong = false;
        self.emit()
    }

    /// Keeps the beginning of a line, unless it is too long already.
    fn keep(&mut self, piece: &[u8]) {
        if self.is_overlong || self.rest.len() + piece.len() > IMPORT_LINE_BYTES_MAX {
            self.is_overlong = self.is_overlong || !piece.is_empty();
            self.rest.clear();
        } else {
            self.rest.extend_from_slice(piece);
        }
    }

    fn end_line(&mut self, piece: &[u8]) -> Result<(), CutError> {
        self.line += 1;
        if self.rest.is_empty() && !self.is_overlong {
            return self.read(piece);
        }
        self.keep(piece);
        if std::mem::take(&mut self.is_overlong) {
            let message = format!("the line is longer than {IMPORT_LINE_BYTES_MAX} bytes");
            return self.refuse(&Fault::new(FaultCode::TooLarge, message));
        }
        let line = std::mem::take(&mut self.rest);
        let outcome = self.read(&line);
        self.rest = line;
        self.rest.clear();
        outcome
    }

    fn read(&mut self, line: &[u8]) -> Result<(), CutError> {
        let line = line.trim_ascii();
        // A byte order mark stands before the first line at most.
        let line = if self.line == 1 { line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line) } else { line };
        if line.is_empty() {
            return Ok(());
        }
        let Ok(text) = std::str::from_utf8(line) else {
            return self.refuse(&Fault::new(FaultCode::NotUtf8, "the line is not UTF-8"));
        };
        match parse_import_row(text, self.line, self.now) {
            Ok((instance, _)) => self.add(Row { line: self.line, instance }),
            Err(fault) => self.refuse(&fault),
        }
    }

    fn add(&mut self, row: Row) -> Result<(), CutError> {
        let hash = xxh3_64(row.instance.id.as_str().as_bytes());
        if self.ids.contains(&hash) {
            self.emit_through(row.line - 1)?;
        }
        self.ids.insert(hash);
        self.chunk.rows.push(row);
        if self.chunk.rows.len() >= CHUNK_ROWS { self.emit() } else { Ok(()) }
    }

    fn refuse(&mut self, fault: &Fault) -> Result<(), CutError> {
        self.chunk.refuse(self.line, fault);
        if self.chunk.refused.len() >= CHUNK_ROWS { self.emit() } else { Ok(()) }
    }

    fn emit(&mut self) -> Result<(), CutError> {
        self.emit_through(self.line)
    }

    fn emit_through(&mut self, line: u64) -> Result<(), CutError> {
        self.ids.clear();
        let rows = Vec::with_capacity(self.chunk.rows.len());
        let chunk = std::mem::replace(&mut self.chunk, Chunk { rows, ..Chunk::default() });
        if (self.emit)(Chunk { through_line: line, ..chunk }) { Ok(()) } else { Err(CutError::NobodyTakes) }
    }
}

impl<E: FnMut(Chunk) -> bool> Write for LineCutter<E> {
    /// For an unpacker that writes what it has unpacked.
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.push(bytes).map(|()| bytes.len()).map_err(std::io::Error::other)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str) -> String {
        format!("{{\"id\":\"{id}\",\"product\":\"basic\"}}\n")
    }

    /// Ids and lines of each chunk, and lines and codes of what was refused.
    type Cut = (Vec<Vec<(String, u64)>>, Vec<(u64, String)>);

    /// What comes out of a text that goes in in pieces of a size.
    fn cut(text: &[u8], piece: usize) -> Cut {
        let (mut chunks, mut refused) = (Vec::new(), Vec::new());
        let mut cutter = LineCutter::new(
            |chunk: Chunk| {
                refused.extend(chunk.refused.iter().map(|it| (it.line, it.code.clone())));
                let rows = chunk.rows.iter().map(|row| (row.instance.id.to_string(), row.line));
                chunks.push(rows.collect::<Vec<_>>());
                true
            },
            Micros(0),
            u64::MAX,
        );
        text.chunks(piece).for_each(|piece| cutter.push(piece).unwrap());
        cutter.finish().unwrap();
        drop(cutter);
        chunks.retain(|chunk: &Vec<_>| !chunk.is_empty());
        (chunks, refused)
    }

    #[test]
    fn pieces_of_any_size_give_the_same_rows() {
        let text = format!("\u{feff}{}\r\n\n{}not json\n{}", row("a"), row("b"), row("c").trim_end());
        let whole = cut(text.as_bytes(), text.len());
        assert_eq!(whole.0, vec![vec![("a".into(), 1), ("b".into(), 4), ("c".into(), 6)]]);
        assert_eq!(whole.1, vec![(5, "syntax".into())]);
        for piece in 1..text.len() {
            assert_eq!(cut(text.as_bytes(), piece), whole, "pieces of {piece}");
        }
    }

    #[test]
    fn an_id_that_comes_again_opens_another_chunk() {
        let text = [row("a"), row("b"), row("a"), row("c")].concat();
        let (chunks, _) = cut(text.as_bytes(), 7);
        assert_eq!(chunks, vec![vec![("a".into(), 1), ("b".into(), 2)], vec![("a".into(), 3), ("c".into(), 4)]]);
    }

    #[test]
    fn an_overlong_line_is_refused_and_not_held() {
        let mut text = vec![b'x'; 3 * IMPORT_LINE_BYTES_MAX];
        text.push(b'\n');
        text.extend_from_slice(row("a").as_bytes());
        for piece in [1000, IMPORT_LINE_BYTES_MAX, text.len()] {
            let (chunks, refused) = cut(&text, piece);
            assert_eq!(refused, vec![(1, "too-large".into())], "pieces of {piece}");
            assert_eq!(chunks, vec![vec![("a".into(), 2)]], "pieces of {piece}");
        }
    }

    #[test]
    fn a_line_that_is_not_utf8_is_named() {
        let (chunks, refused) = cut(&[b"\xff\xfe\n".as_slice(), row("a").as_bytes()].concat(), 3);
        assert_eq!(refused, vec![(1, "not-utf8".into())]);
        assert_eq!(chunks.len(), 1);
    }

    #[test]
    fn too_many_bytes_end_it() {
        let mut cutter = LineCutter::new(|_| true, Micros(0), 10);
        assert_eq!(cutter.push(&[b'\n'; 10]), Ok(()));
        assert_eq!(cutter.push(b"\n"), Err(CutError::TooLarge { bytes_max: 10 }));
    }
}
