use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::*;

/// Runs a future on a runtime of its own: property tests are not async.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// A source that gives exactly these pieces, one a read.
struct Pieces(std::collections::VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        std::task::Poll::Ready(Ok(()))
    }
}

/// What the reader should give, worked out in another way.
fn expected(text: &[u8]) -> Vec<(Vec<u8>, bool)> {
    let mut lines: Vec<(Vec<u8>, bool)> = text
        .split(|byte| *byte == b'\n')
        .map(|line| (line.strip_suffix(b"\r").unwrap_or(line).to_vec(), true))
        .collect();
    lines.pop();
    let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    if !last.is_empty() {
        lines.push((last.to_vec(), false));
    }
    lines
}

async fn read_all<R: AsyncRead + Unpin>(reader: &mut LineReader<R>) -> Result<Vec<(Vec<u8>, bool)>, LineError> {
    let mut lines = Vec::new();
    while let Some(line) = reader.next().await? {
        lines.push((line.bytes.to_vec(), line.is_complete));
    }
    Ok(lines)
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_how_they_arrive(
        pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 1..20), 0..40),
    ) {
        let text: Vec<u8> = pieces.concat();
        let mut reader = LineReader::new(Pieces(pieces.into()));
        let lines = block_on(read_all(&mut reader)).expect("no line is too long");
        prop_assert_eq!(lines, expected(&text));
    }

    #[test]
    fn only_lines_that_are_too_long_are_skipped(
        pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(b"ab\r\n".to_vec()), 1..20), 0..40),
        limit in 0..20_usize,
    ) {
        let text: Vec<u8> = pieces.concat();
        let mut reader = LineReader::skipping(Pieces(pieces.into()), limit);
        let lines = block_on(read_all(&mut reader)).expect("long lines are skipped");
        let (short, long): (Vec<_>, Vec<_>) = expected(&text).into_iter().partition(|(line, _)| line.len() <= limit);
        prop_assert_eq!(lines, short);
        prop_assert_eq!(reader.skipped(), long.len() as u64);
    }
}

#[tokio::test]
async fn a_limit_holds_wherever_the_line_is_cut() {
    let is_refused = |outcome: &Result<_, _>| matches!(outcome, Err(LineError::TooLong { limit: 5 }));
    let endings = ["\n", "\r\n", ""];
    for case in 0..9 * 3 * 11 {
        let (length, ending, cut) = (case % 9, endings[case / 9 % 3], case / 27);
        let mut text = "x".repeat(length) + ending;
        let second = text.split_off(cut.min(text.len()));
        let pieces = [text, second].into_iter().filter(|piece| !piece.is_empty()).map(String::into_bytes).collect();
        let mut reader = LineReader::with_limit(Pieces(pieces), 5);
        let first = reader.next().await;
        if length > 5 {
            assert!(is_refused(&first), "{length} {ending:?} {cut}: {first:?}");
            assert!(is_refused(&reader.next().await), "it stays so");
        } else {
            let given = first.expect("within the limit").map_or(0, |line| line.bytes.len());
            assert_eq!(given, length, "{ending:?} {cut}");
        }
    }
}

#[tokio::test]
async fn an_endless_line_is_refused_without_being_kept() {
    let mut reader = LineReader::with_limit(tokio::io::repeat(b'x'), 1_000_000);
    assert!(matches!(reader.next().await, Err(LineError::TooLong { limit: 1_000_000 })));
    assert_eq!(reader.buffer.capacity(), 0);
}

#[tokio::test]
async fn an_endless_line_is_skipped_without_being_kept() {
    let source = tokio::io::repeat(b'x').take(50_000_000).chain(&b"\nshort\n"[..]);
    let mut reader = LineReader::skipping(source, 100_000);
    let line = reader.next().await.expect("a line").expect("a line");
    assert_eq!((&line.bytes[..], reader.skipped()), (&b"short"[..], 1));
    assert!(reader.buffer.capacity() <= 2 * READ_BYTES, "{} bytes are held", reader.buffer.capacity());
}

#[tokio::test]
async fn the_memory_of_a_large_line_is_given_back() {
    let mut text = vec![b'x'; 8_000_000];
    text.extend_from_slice(b"\nsmall\nrest");
    let mut reader = LineReader::new(&text[..]);
    let large = reader.next().await.expect("a line").expect("a line");
    assert_eq!(large.bytes.len(), 8_000_000);
    assert!(reader.buffer.capacity() <= 2 * READ_BYTES, "{} bytes are held", reader.buffer.capacity());
    drop(large);
    let small = reader.next().await.expect("a line").expect("a line");
    assert_eq!(&small.bytes[..], b"small");
    assert!(reader.buffer.capacity() <= 2 * READ_BYTES);
    let rest = reader.next().await.expect("a line").expect("a line");
    assert_eq!((&rest.bytes[..], rest.is_complete), (&b"rest"[..], false));
    assert!(reader.next().await.expect("the end").is_none());
}

#[tokio::test]
async fn small_lines_share_one_block_of_memory() {
    let text = b"{\"n\":1}\n".repeat(100_000);
    let mut reader = LineReader::new(&text[..]);
    while let Some(line) = reader.next().await.expect("a line") {
        assert_eq!(line.bytes.len(), 7);
        drop(line);
        assert!(reader.buffer.capacity() <= 3 * READ_BYTES, "{} bytes are held", reader.buffer.capacity());
    }
}

#[tokio::test]
async fn a_cancelled_read_loses_nothing() {
    let (mut writer, source) = tokio::io::duplex(64);
    let mut reader = LineReader::new(source);
    for piece in ["{\"a\"", ":1", "}"] {
        writer.write_all(piece.as_bytes()).await.expect("room");
        // The line is not whole yet, so the other branch wins, and the half-done read is dropped.
        tokio::select! {
            biased;
            line = reader.next() => panic!("{line:?} is no whole line"),
            () = std::future::ready(()) => {}
        }
    }
    writer.write_all(b"\n").await.expect("room");
    let line = reader.next().await.expect("a line").expect("a line");
    assert_eq!(&line.bytes[..], b"{\"a\":1}");
}

#[tokio::test]
async fn a_long_line_that_may_be_spared_is_skipped_and_another_is_not() {
    for pieces in [1, 7, 1_000] {
        let text = [&b"echo "[..], &[b'x'; 500], b"\nshort\nother ", &[b'x'; 500], b"\n"].concat();
        let source = Pieces(text.chunks(pieces).map(<[u8]>::to_vec).collect());
        let mut reader = LineReader::with_limit(source, 100).sparing(b"echo");
        let line = reader.next().await.expect("the long one is skipped").expect("a line");
        assert_eq!((&line.bytes[..], reader.skipped()), (&b"short"[..], 1));
        assert!(matches!(reader.next().await, Err(LineError::TooLong { limit: 100 })));
    }
}
