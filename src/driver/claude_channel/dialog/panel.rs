//! Where things are on claude's screen: the prompt box, or the dialog in its place, with its title and its options.

/// What is drawn across the whole screen above a prompt or a dialog. The prompt's may have a name in it.
const RULE: &str = "──";

/// What is drawn inside of a tool's dialog, above and below what it shows.
const INNER_RULE: char = '╌';

/// Marks the option that Enter chooses, and the prompt.
const MARK: char = '❯';

/// How the last line of a dialog tells the keys; a turn's status says "esc" in small letters.
const FOOTS: [&str; 3] = ["Enter to ", "Esc to ", "Space to "];

/// Whether claude takes input: there is its prompt box, two rules with the mark at the beginning of the line below the first.
pub(super) fn takes_input(lines: &[String]) -> bool {
    let mut rules = rules(lines).rev();
    let (Some(bottom), Some(top)) = (rules.next(), rules.next()) else { return false };
    lines.get(top + 1).is_some_and(|line| line.starts_with(MARK)) && bottom > top + 1
}

/// A dialog, or what may be one.
pub(super) struct Panel<'a> {
    /// Its first line; empty when that is not on the screen.
    pub(super) title: &'a str,
    /// Whether it stands below a rule.
    pub(super) ruled: bool,
    lines: &'a [String],
}

/// A dialog's options.
pub(super) struct Options<'a> {
    labels: Vec<&'a str>,
    /// Which one Enter chooses.
    pub(super) marked: usize,
    /// Whether they are numbered, and there are several.
    pub(super) numbered: bool,
    /// The line of the first one.
    first: usize,
}

impl<'a> Panel<'a> {
    /// What stands in place of the prompt; none where that is there.
    pub(super) fn of(lines: &'a [String]) -> Option<Self> {
        if takes_input(lines) {
            return None;
        }
        let mut below = rules(lines).rev().filter_map(|rule| lines.get(rule + 1..)).peekable();
        let last = below.peek().copied();
        // A form may have a rule above its last options.
        let Some(ruled) = below.find(|lines| marked_line(lines).is_some()).or(last) else {
            return Some(Self { title: "", ruled: false, lines });
        };
        let title = ruled.iter().map(|line| line.trim()).find(|line| !line.is_empty()).unwrap_or_default();
        Some(Self { title, ruled: true, lines: ruled })
    }

    /// The options, if one of them is marked. Where they are numbered, only numbers that follow each other count.
    pub(super) fn options(&self) -> Option<Options<'a>> {
        if !self.ruled && !self.lines.iter().any(|line| line.starts_with(INNER_RULE) || line.starts_with(" ╌")) {
            return None;
        }
        let (at, column) = marked_line(self.lines)?;
        let text = |line: usize| self.lines.get(line).and_then(|line| option_text(line, column));
        let mut rows = vec![at];
        if let Some(number) = text(at).and_then(number) {
            let numbered = |line: &usize, wanted: usize| text(*line).and_then(self::number) == Some(wanted);
            let (mut line, mut wanted) = (at, number);
            while let Some(found) = (0..line).rev().find(|line| wanted > 1 && numbered(line, wanted - 1)) {
                rows.insert(0, found);
                (line, wanted) = (found, wanted - 1);
            }
            (line, wanted) = (at, number);
            while let Some(found) = (line + 1..self.lines.len()).find(|line| numbered(line, wanted + 1)) {
                rows.push(found);
                (line, wanted) = (found, wanted + 1);
            }
        } else {
            let above = (0..at).rev().take_while(|line| text(*line).is_some());
            let below = (at + 1..self.lines.len()).take_while(|line| text(*line).is_some());
            rows = above.collect::<Vec<_>>().into_iter().rev().chain(rows).chain(below).collect();
        }
        let numbered = rows.len() > 1 && text(at).and_then(number).is_some();
        let labels = rows.iter().filter_map(|row| text(*row)).map(label).collect();
        let marked = rows.iter().position(|row| *row == at)?;
        Some(Options { labels, marked, numbered, first: *rows.first()? })
    }

    /// The line above the options.
    pub(super) fn above(&self, options: &Options<'_>) -> &'a str {
        let above = self.lines.get(..options.first).unwrap_or_default();
        above.iter().map(|line| line.trim()).rfind(|line| !line.is_empty()).unwrap_or_default()
    }

    /// The last line.
    pub(super) fn foot(&self) -> &'a str {
        self.lines.iter().map(|line| line.trim()).rfind(|line| !line.is_empty()).unwrap_or_default()
    }

    /// Whether the last line tells the keys.
    pub(super) fn has_foot(&self) -> bool {
        let foot = self.foot();
        FOOTS.iter().any(|keys| foot.starts_with(keys))
    }
}

impl Options<'_> {
    /// Where an option is: the one that is called so, or else the only one whose name begins so.
    pub(super) fn position(&self, option: &str) -> Option<usize> {
        self.labels.iter().position(|label| *label == option).or_else(|| {
            let mut found = self.labels.iter().enumerate().filter(|(_, label)| label.starts_with(option));
            let (position, _) = found.next()?;
            found.next().is_none().then_some(position)
        })
    }
}

fn rules(lines: &[String]) -> impl DoubleEndedIterator<Item = usize> {
    lines.iter().enumerate().filter(|(_, line)| line.starts_with(RULE) && line.ends_with(RULE)).map(|(at, _)| at)
}

/// The last line that has the mark before some text, and the mark's column.
fn marked_line(lines: &[String]) -> Option<(usize, usize)> {
    let column = |line: &String| {
        let column = line.chars().take_while(|c| *c == ' ').count();
        let rest = line.trim_start().strip_prefix(MARK)?.strip_prefix(' ')?;
        rest.starts_with(|c: char| !c.is_whitespace()).then_some(column)
    };
    lines.iter().enumerate().rev().find_map(|(at, line)| Some((at, column(line)?)))
}

/// What stands behind the mark's column, if the line is an option: before it are only the mark, or arrows that tell of
/// further options, and it is not indented more.
fn option_text(line: &str, column: usize) -> Option<&str> {
    let mut chars = line.char_indices();
    let mut head = chars.by_ref().take(column + 2).map(|(_, c)| c);
    let is_head = head.by_ref().take(column).all(|c| c == ' ')
        && head.next().is_some_and(|c| matches!(c, ' ' | MARK | '↑' | '↓'))
        && head.next() == Some(' ');
    let (at, first) = chars.next()?;
    (is_head && !first.is_whitespace()).then(|| line.get(at..)).flatten()
}

fn number(text: &str) -> Option<usize> {
    text.split_once(". ")?.0.parse().ok()
}

/// An option's name: without its number, its box, and the tick of the one that is in force.
fn label(text: &str) -> &str {
    let text = if number(text).is_some() { text.split_once(". ").map_or(text, |(_, rest)| rest) } else { text };
    let text = ["✔ ", "[✔] ", "[ ] "].iter().find_map(|tick| text.strip_prefix(tick)).unwrap_or(text);
    text.trim_end_matches(" ✔").trim()
}
