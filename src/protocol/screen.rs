//! A terminal's size, as clients give it and agents get it.

/// How many characters there are on a screen: 1 to 1,000 rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenSize {
    rows: u16,
    cols: u16,
}

impl ScreenSize {
    /// Most rows and columns: many times what the largest real terminal has.
    pub const SIDE_MAX: u16 = 1_000;

    /// The size, or the next one that is allowed.
    pub fn new(rows: u16, cols: u16) -> Self {
        Self { rows: rows.clamp(1, Self::SIDE_MAX), cols: cols.clamp(1, Self::SIDE_MAX) }
    }

    /// In lines.
    pub fn rows(self) -> u16 {
        self.rows
    }

    /// In characters.
    pub fn cols(self) -> u16 {
        self.cols
    }

    /// What fits into both, rows and columns apart.
    #[must_use]
    pub fn smaller(self, other: Self) -> Self {
        Self { rows: self.rows.min(other.rows), cols: self.cols.min(other.cols) }
    }
}
