//! One file as the rules see it: its text and, for Rust, what of each line is code, comment or test.
//!
//! A scanner, not a parser: it tells code from comments and strings, and pairs braces. That is enough for the
//! rules, needs no dependency, and a rule that reads code cannot be fooled by a word in a string.

/// A file of the repository, by its path from the root with forward slashes.
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// A Rust file taken apart; all three have one entry for each line.
pub struct RustLines {
    /// Without comments and without the insides of strings and characters.
    pub code: Vec<String>,
    /// What stands in comments and nothing else.
    pub comments: Vec<String>,
    /// Whether the line belongs to an item that only tests compile.
    pub is_test: Vec<bool>,
}

/// A function with a body, by its lines, counted from one.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub first_line: usize,
    pub lines: usize,
}

impl SourceFile {
    pub fn is_rust(&self) -> bool {
        self.path.starts_with("crates/") && self.path.ends_with(".rs")
    }

    /// The folder below `crates/`, or nothing for a file elsewhere.
    pub fn krate(&self) -> &str {
        let below = self.path.strip_prefix("crates/").unwrap_or_default();
        below.split_once('/').map_or("", |(krate, _)| krate)
    }

    pub fn file_name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether all of the file is for tests: `tests.rs`, `laws.rs` and what lies below a folder `tests` or `laws`.
    pub fn is_test_file(&self) -> bool {
        matches!(self.file_name(), "tests.rs" | "laws.rs")
            || self.path.split('/').any(|part| matches!(part, "tests" | "laws"))
    }

    pub fn rust_lines(&self) -> RustLines {
        let (code, comments) = split(&self.text);
        let is_test = if self.is_test_file() { vec![true; code.lines().count()] } else { test_lines(&code) };
        RustLines {
            code: code.lines().map(str::to_owned).collect(),
            comments: comments.lines().map(str::to_owned).collect(),
            is_test,
        }
    }

    /// Its functions, tests left out.
    pub fn functions(&self) -> Vec<Function> {
        let (code, _) = split(&self.text);
        let is_test = test_lines(&code);
        let mut functions = functions(&code);
        functions.retain(|function| !self.is_test_file() && !is_test[function.first_line - 1]);
        functions
    }
}

/// What opens an item that only tests compile.
const TEST_ATTRIBUTES: [&str; 4] = ["#[cfg(test)]", "#[cfg(all(test", "#[test]", "#[tokio::test"];

/// Whether a word stands in a line by itself, not as part of a longer one.
pub fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The same text twice, once with all but the code blanked and once with all but the comments.
fn split(text: &str) -> (String, String) {
    let letters: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::with_capacity(text.len()), String::new());
    let mut at = 0;
    while at < letters.len() {
        let (kind, end) = next_piece(&letters, at);
        for &letter in &letters[at..end] {
            let blank = if letter == '\n' { '\n' } else { ' ' };
            code.push(if kind == Piece::Code { letter } else { blank });
            comments.push(if kind == Piece::Comment { letter } else { blank });
        }
        at = end;
    }
    (code, comments)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Literal,
}

/// The piece that starts here and where it ends, at least one letter further.
fn next_piece(letters: &[char], at: usize) -> (Piece, usize) {
    let next = letters.get(at + 1).copied();
    let is_start_of_word = at == 0 || !is_word(letters[at - 1]);
    match letters[at] {
        '/' if next == Some('/') => (Piece::Comment, find_from(letters, at, |letter| letter == '\n')),
        '/' if next == Some('*') => (Piece::Comment, end_of_block_comment(letters, at)),
        '"' => (Piece::Literal, end_of_quoted(letters, at, '"')),
        'b' | 'c' if is_start_of_word && next == Some('r') => raw_string_or_code(letters, at, at + 1),
        'r' if is_start_of_word => raw_string_or_code(letters, at, at),
        '\'' if next == Some('\\') || letters.get(at + 2) == Some(&'\'') => {
            (Piece::Literal, end_of_quoted(letters, at, '\''))
        }
        _ => (Piece::Code, at + 1),
    }
}

/// A raw string if the `r` is followed by hashes and a quote; otherwise one letter of code.
fn raw_string_or_code(letters: &[char], at: usize, r: usize) -> (Piece, usize) {
    let quote = find_from(letters, r + 1, |letter| letter != '#');
    if letters.get(quote) != Some(&'"') {
        return (Piece::Code, at + 1);
    }
    let hashes = quote - r - 1;
    let is_end = |from: usize| {
        letters[from] == '"'
            && letters[from + 1..].iter().take(hashes).filter(|letter| **letter == '#').count() == hashes
    };
    let end = (quote + 1..letters.len()).find(|from| is_end(*from));
    (Piece::Literal, end.map_or(letters.len(), |end| end + 1 + hashes))
}

fn end_of_quoted(letters: &[char], at: usize, quote: char) -> usize {
    let mut here = at + 1;
    while here < letters.len() && letters[here] != quote {
        here += if letters[here] == '\\' { 2 } else { 1 };
    }
    (here + 1).min(letters.len())
}

/// Block comments nest in Rust.
fn end_of_block_comment(letters: &[char], at: usize) -> usize {
    let (mut here, mut depth) = (at, 0_u32);
    while here < letters.len() {
        let change = match (letters[here], letters.get(here + 1)) {
            ('/', Some('*')) => 1,
            ('*', Some('/')) => -1,
            _ => 0,
        };
        depth = depth.saturating_add_signed(change);
        here += if change == 0 { 1 } else { 2 };
        if depth == 0 {
            return here;
        }
    }
    letters.len()
}

fn find_from(letters: &[char], at: usize, is_wanted: impl Fn(char) -> bool) -> usize {
    (at..letters.len()).find(|here| is_wanted(letters[*here])).unwrap_or(letters.len())
}

/// For each line of code, whether it belongs to an item that only tests compile.
fn test_lines(code: &str) -> Vec<bool> {
    let mut is_test = vec![false; code.lines().count()];
    for attribute in TEST_ATTRIBUTES {
        for (at, _) in code.match_indices(attribute) {
            let (first, last) = (line_index(code, at), line_index(code, end_of_item(code, at).1));
            is_test[first..=last].fill(true);
        }
    }
    is_test
}

fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let name: String = code[at + 3..].trim_start().chars().take_while(|letter| is_word(*letter)).collect();
        let is_keyword = !code[..at].chars().next_back().is_some_and(is_word) && !name.is_empty();
        let (has_body, end) = end_of_item(code, at);
        if is_keyword && has_body {
            let (first, last) = (line_index(code, at), line_index(code, end));
            found.push(Function { name, first_line: first + 1, lines: last - first + 1 });
        }
    }
    found
}

/// Whether the item has braces, and the byte at which it ends: their closing one, or a semicolon.
fn end_of_item(code: &str, at: usize) -> (bool, usize) {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (offset, letter) in code[at..].char_indices() {
        match letter {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces <= 0 {
                    return (true, at + offset);
                }
            }
            ';' if brackets == 0 && braces == 0 => return (false, at + offset),
            _ => {}
        }
    }
    (false, code.len())
}

/// Counted from zero, and a line that exists even at the end of the text.
fn line_index(code: &str, at: usize) -> usize {
    let breaks = code[..at].matches('\n').count();
    breaks.min(code.lines().count().saturating_sub(1))
}
