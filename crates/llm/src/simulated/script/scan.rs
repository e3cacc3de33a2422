//! Reading a shell script far enough to know where a command ends: quotes, here-documents, and everything that nests.

use std::collections::VecDeque;

/// Something that was opened and has to be closed before a command can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Single,
    /// `$'…'`, where a backslash escapes.
    Ansi,
    Double,
    /// `${…}`.
    Param,
    /// A subshell, a list of words, a pattern.
    Paren,
    /// `$(…)`, `<(…)`.
    Substitution,
    Backtick,
    /// One level of `((…))` or `$((…))`.
    Arithmetic,
    Brace,
    If,
    Loop,
    Case,
}

/// A here-document that was announced.
#[derive(Clone, Debug)]
struct HereDocument {
    end: String,
    strips_tabs: bool,
}

/// What is open after the lines so far.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    open: Vec<Frame>,
    here: VecDeque<HereDocument>,
    announced: VecDeque<HereDocument>,
    at_command: bool,
    after_for: bool,
    after_function: bool,
    joined: bool,
    background: bool,
    confused: bool,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { at_command: true, ..Self::default() }
    }

    /// Whether a command may begin here: nothing is open, and the last line did not ask for more.
    pub(super) fn is_between_commands(&self) -> bool {
        self.open.is_empty() && self.here.is_empty() && !self.joined
    }

    /// Whether the next line is data.
    pub(super) fn is_in_here_document(&self) -> bool {
        !self.here.is_empty()
    }

    /// Whether something was sent to the background since this was last asked.
    pub(super) fn takes_background(&mut self) -> bool {
        std::mem::take(&mut self.background)
    }

    /// Whether something was closed that was never opened: the script is not understood.
    pub(super) fn is_confused(&self) -> bool {
        self.confused
    }

    /// Takes in one line, without its line break.
    pub(super) fn line(&mut self, line: &str) {
        if let Some(document) = self.here.front() {
            let text = if document.strips_tabs { line.trim_start_matches('\t') } else { line };
            if text == document.end {
                self.here.pop_front();
            }
            return;
        }
        self.joined = false;
        let text: Vec<char> = line.chars().collect();
        let mut at = 0;
        while at < text.len() {
            at += self.step(&text[at..], at == 0 || text[at - 1].is_whitespace());
        }
        if !self.is_quoted() && !self.joined {
            self.at_command = true;
        }
        self.here.append(&mut self.announced);
    }

    fn is_quoted(&self) -> bool {
        matches!(self.open.last(), Some(Frame::Single | Frame::Ansi | Frame::Double | Frame::Param))
    }

    /// Takes in the next few characters and says how many.
    fn step(&mut self, text: &[char], at_word: bool) -> usize {
        match self.open.last() {
            Some(Frame::Single) => self.close_at(text[0], '\''),
            Some(Frame::Ansi) if text[0] == '\\' => 2,
            Some(Frame::Ansi) => self.close_at(text[0], '\''),
            Some(Frame::Double) => self.in_double(text),
            Some(Frame::Param) => self.in_param(text),
            Some(Frame::Arithmetic) => self.in_arithmetic(text),
            _ => self.in_command(text, at_word),
        }
    }

    fn close_at(&mut self, found: char, end: char) -> usize {
        if found == end {
            self.open.pop();
        }
        1
    }

    fn in_double(&mut self, text: &[char]) -> usize {
        match text[0] {
            '\\' => 2,
            '"' => self.close_at('"', '"'),
            _ => self.expansion(text).unwrap_or(1),
        }
    }

    fn in_param(&mut self, text: &[char]) -> usize {
        match text[0] {
            '\\' => 2,
            '}' => self.close_at('}', '}'),
            '"' => self.enter(Frame::Double, 1),
            // Inside double quotes an apostrophe in a parameter is only a character.
            '\'' if !self.open.contains(&Frame::Double) => self.enter(Frame::Single, 1),
            _ => self.expansion(text).unwrap_or(1),
        }
    }

    fn in_arithmetic(&mut self, text: &[char]) -> usize {
        match text[0] {
            '(' => self.enter(Frame::Arithmetic, 1),
            ')' => {
                self.open.pop();
                self.at_command = false;
                1
            }
            '"' => self.enter(Frame::Double, 1),
            _ => self.expansion(text).unwrap_or(1),
        }
    }

    fn enter(&mut self, frame: Frame, length: usize) -> usize {
        self.open.push(frame);
        length
    }

    /// An expansion that begins here, in quotes or outside.
    fn expansion(&mut self, text: &[char]) -> Option<usize> {
        match text {
            ['$', '(', '(', ..] => {
                self.open.push(Frame::Arithmetic);
                Some(self.enter(Frame::Arithmetic, 3))
            }
            ['$', '(', ..] => {
                self.at_command = true;
                Some(self.enter(Frame::Substitution, 2))
            }
            ['$', '{', ..] => Some(self.enter(Frame::Param, 2)),
            ['`', ..] => {
                // The innermost open backtick is closed; what is open inside it would be unbalanced anyway.
                match self.open.iter().rposition(|frame| *frame == Frame::Backtick) {
                    Some(position) if position + 1 == self.open.len() => {
                        self.open.pop();
                    }
                    _ => {
                        self.at_command = true;
                        self.open.push(Frame::Backtick);
                    }
                }
                Some(1)
            }
            _ => None,
        }
    }

    fn in_command(&mut self, text: &[char], at_word: bool) -> usize {
        match text {
            ['\\'] => {
                self.joined = true;
                1
            }
            ['\\', ..] => self.word(2),
            ['\'', ..] => self.quote(Frame::Single, 1),
            ['"', ..] => self.quote(Frame::Double, 1),
            ['$', '\'', ..] => self.quote(Frame::Ansi, 2),
            ['#', ..] if at_word => text.len(),
            ['<', '<', '<', ..] => self.word(3),
            ['<', '<', ..] => self.here_document(text),
            ['<' | '>', '(', ..] => {
                self.at_command = true;
                self.enter(Frame::Substitution, 2)
            }
            ['(', '(', ..] if self.at_command || self.after_for => {
                self.open.push(Frame::Arithmetic);
                self.enter(Frame::Arithmetic, 2)
            }
            ['(', ..] => {
                self.at_command = true;
                self.enter(Frame::Paren, 1)
            }
            [')', ..] => self.close_paren(),
            ['&', '&', ..] | ['|', '|', ..] => self.operator(text, 2),
            ['|', ..] => self.operator(text, 1),
            ['<' | '>', '&', ..] | ['&', '>', ..] => 2,
            [';' | '&', ..] => {
                self.background |= text[0] == '&';
                self.at_command = true;
                1
            }
            [space, ..] if space.is_whitespace() => 1,
            ['<' | '>', ..] => 1,
            _ => match self.expansion(text) {
                Some(length) => length,
                None => self.plain_word(text),
            },
        }
    }

    fn word(&mut self, length: usize) -> usize {
        self.at_command = false;
        length
    }

    fn quote(&mut self, frame: Frame, length: usize) -> usize {
        self.at_command = false;
        self.enter(frame, length)
    }

    /// `&&`, `||` or `|`: at the end of a line, the command goes on.
    fn operator(&mut self, text: &[char], length: usize) -> usize {
        self.at_command = true;
        let rest: String = text[length..].iter().collect();
        let rest = rest.trim_start();
        if (rest.is_empty() || rest.starts_with('#'))
            && !matches!(self.open.last(), Some(Frame::Case))
        {
            self.joined = true;
        }
        length
    }

    fn close_paren(&mut self) -> usize {
        match self.open.last() {
            Some(Frame::Paren) => {
                self.open.pop();
                // `name() {` and `( … ) {`.
                self.at_command = true;
            }
            Some(Frame::Substitution) => {
                self.open.pop();
                self.at_command = false;
            }
            // The end of a pattern.
            Some(Frame::Case) => self.at_command = true,
            _ => self.confused = true,
        }
        1
    }

    fn here_document(&mut self, text: &[char]) -> usize {
        let mut at = 2;
        let strips_tabs = text.get(at) == Some(&'-');
        at += usize::from(strips_tabs);
        while text.get(at).is_some_and(|c| *c == ' ' || *c == '\t') {
            at += 1;
        }
        let mut end = String::new();
        while let Some(c) = text.get(at).filter(|c| !c.is_whitespace() && !";&|<>()".contains(**c))
        {
            if !"'\"\\".contains(*c) {
                end.push(*c);
            }
            at += 1;
        }
        self.announced.push_back(HereDocument { end, strips_tabs });
        at
    }

    fn plain_word(&mut self, text: &[char]) -> usize {
        let ends = |c: &char| c.is_whitespace() || ";&|()<>'\"`$\\".contains(*c);
        let length = text.iter().position(ends).unwrap_or(text.len()).max(1);
        let word: String = text[..length].iter().collect();
        let alone = text.get(length).is_none_or(|next| !"'\"`$\\(".contains(*next) || *next == '(');
        let at_command = std::mem::replace(&mut self.at_command, false);
        self.after_for = false;
        if at_command && alone {
            self.keyword(&word);
        } else if std::mem::replace(&mut self.after_function, false) {
            self.at_command = true;
        }
        length
    }

    fn keyword(&mut self, word: &str) {
        match word {
            "if" => self.open_block(Frame::If),
            "while" | "until" => self.open_block(Frame::Loop),
            "{" => self.open_block(Frame::Brace),
            "for" | "select" => {
                self.open.push(Frame::Loop);
                self.after_for = true;
            }
            "case" => self.open.push(Frame::Case),
            "then" | "else" | "elif" | "do" | "!" | "time" => self.at_command = true,
            "function" => self.after_function = true,
            "fi" => self.close_block(Frame::If),
            "done" => self.close_block(Frame::Loop),
            "esac" => self.close_block(Frame::Case),
            "}" => self.close_block(Frame::Brace),
            _ => {}
        }
    }

    fn open_block(&mut self, frame: Frame) {
        self.open.push(frame);
        self.at_command = true;
    }

    fn close_block(&mut self, frame: Frame) {
        if self.open.last() == Some(&frame) {
            self.open.pop();
        } else {
            self.confused = true;
        }
    }
}
