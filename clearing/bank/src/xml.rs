//! XML of a bounded size and depth, without anything that expands. Text is what stands between two tags; of attributes, only
//! the currency and namespaces are read.

use clearing_core::units::shown;
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesStart, Event};

use crate::fault::{Fault, FileError};

/// Elements within each other, at most. Banks' files have some fifteen.
const DEPTH_MAX: usize = 64;

/// Elements of one entry, at most: that is a batch of some 4,000 payments.
const ELEMENTS_MAX: usize = 100_000;

/// Attributes of one element, at most.
const ATTRIBUTES_MAX: usize = 32;

/// The beginning of an element.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Without the prefix of its namespace.
    pub(crate) name: String,
    pub(crate) line: u64,
    /// The attribute `Ccy`.
    pub(crate) currency: Option<String>,
    /// Namespaces that it declares.
    pub(crate) namespaces: Vec<String>,
}

/// An element with all that is in it.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) line: u64,
    pub(crate) currency: Option<String>,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The elements of a name in this one.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> + Clone {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The first element along a path such as `Acct/Id`.
    pub(crate) fn find(&self, path: &str) -> Option<&Self> {
        path.split('/').try_fold(self, |element, name| element.children.iter().find(|child| child.name == name))
    }

    /// The text of the first element along a path, if it has one, without blanks around it.
    pub(crate) fn text_of(&self, path: &str) -> Option<&str> {
        self.find(path).map(|element| element.text.trim()).filter(|text| !text.is_empty())
    }

    /// The first element along a path.
    ///
    /// # Errors
    /// [`Fault::Missing`].
    pub(crate) fn need(&self, path: &str) -> Result<&Self, FileError> {
        self.find(path).ok_or_else(|| FileError::at(self.line, self.path_to(path), Fault::Missing))
    }

    /// A path from here, as errors name it.
    pub(crate) fn path_to(&self, path: &str) -> String {
        format!("{}/{path}", self.name)
    }
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    Open(Head),
    /// The end of the element that was opened last.
    Close,
    /// The end of the file.
    End,
}

/// Walks through a file.
pub(crate) struct Walker<'a> {
    text: &'a str,
    reader: Reader<&'a [u8]>,
    /// Up to which byte lines are counted, and the line there.
    counted: usize,
    line: u64,
    depth: usize,
    /// Whether the one root was there.
    rooted: bool,
}

enum Piece {
    Open(Head),
    Close,
    Text(String),
    End,
}

impl<'a> Walker<'a> {
    /// Of a text that is all characters of XML.
    ///
    /// # Errors
    /// [`Fault::Malformed`] for a character that XML does not have.
    pub(crate) fn new(text: &'a str) -> Result<Self, FileError> {
        if let Some((at, character)) = text.char_indices().find(|(_, character)| !is_character(*character)) {
            let line = 1 + count_lines(&text.as_bytes()[..at]);
            let code = u32::from(character);
            return Err(FileError::at(line, "", Fault::Malformed(format!("U+{code:04X} is no character of XML"))));
        }
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = true;
        config.check_end_names = true;
        Ok(Self { text, reader, counted: 0, line: 1, depth: 0, rooted: false })
    }

    /// The next beginning or end of an element. Between them, nothing but blanks may stand.
    pub(crate) fn step(&mut self) -> Result<Step, FileError> {
        loop {
            match self.piece()? {
                Piece::Open(head) => return Ok(Step::Open(head)),
                Piece::Close => return Ok(Step::Close),
                Piece::End => return Ok(Step::End),
                Piece::Text(text) if text.trim_ascii().is_empty() => {}
                Piece::Text(text) => {
                    let found = shown(text.trim());
                    return Err(self.error(Fault::Malformed(format!("{found} stands where an element should"))));
                }
            }
        }
    }

    /// All of the element that was opened just now.
    pub(crate) fn element(&mut self, head: Head) -> Result<Element, FileError> {
        let mut open = vec![Element::of(head)];
        let mut elements = 1;
        loop {
            match self.piece()? {
                Piece::Open(head) => {
                    elements += 1;
                    if elements > ELEMENTS_MAX {
                        let what = "elements stand in one entry";
                        return Err(self.error(Fault::TooMuch { what, found: elements, max: ELEMENTS_MAX }));
                    }
                    open.push(Element::of(head));
                }
                Piece::Text(text) => open.last_mut().expect("ended when the first closes").text.push_str(&text),
                Piece::Close => {
                    let closed = open.pop().expect("ended when the first closes");
                    match open.last_mut() {
                        Some(around) => around.children.push(closed),
                        None => return Ok(closed),
                    }
                }
                Piece::End => unreachable!("the end within an element is an error of the walk"),
            }
        }
    }

    fn piece(&mut self) -> Result<Piece, FileError> {
        loop {
            // The line of what comes now.
            let at = usize::try_from(self.reader.buffer_position()).expect("a place in memory").min(self.text.len());
            self.line += count_lines(&self.text.as_bytes()[self.counted..at]);
            self.counted = at;
            match self.reader.read_event() {
                Ok(Event::Start(start) | Event::Empty(start)) => {
                    if self.depth == 0 && self.rooted {
                        return Err(self.error(Fault::Malformed("a second document begins".to_owned())));
                    }
                    self.rooted = true;
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        let what = "elements stand within each other";
                        return Err(self.error(Fault::TooMuch { what, found: self.depth, max: DEPTH_MAX }));
                    }
                    return self.head(&start).map(Piece::Open);
                }
                Ok(Event::End(_)) => {
                    self.depth -= 1;
                    return Ok(Piece::Close);
                }
                Ok(Event::Text(text)) => return Ok(Piece::Text(text.xml10_content().into_owned())),
                Ok(Event::CData(text)) => return Ok(Piece::Text(text.xml10_content().into_owned())),
                Ok(Event::GeneralRef(name)) => return self.character(&name).map(|one| Piece::Text(one.to_string())),
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::Decl(declaration)) => {
                    let encoding = declaration.encoding().transpose().ok().flatten();
                    let known =
                        |name: &str| ["utf-8", "utf8", "us-ascii"].iter().any(|own| name.eq_ignore_ascii_case(own));
                    if let Some(encoding) = encoding.filter(|name| !known(name)) {
                        let found = shown(&encoding);
                        return Err(self.error(Fault::Encoding(format!("{found} is declared, and UTF-8 is read"))));
                    }
                }
                Ok(Event::DocType(_)) => return Err(self.error(Fault::Doctype)),
                Ok(Event::Eof) if self.depth > 0 => {
                    return Err(self.error(Fault::Truncated("it ends within an element".to_owned())));
                }
                Ok(Event::Eof) if !self.rooted => return Err(self.error(Fault::UnknownFormat)),
                Ok(Event::Eof) => return Ok(Piece::End),
                Err(Error::Syntax(error)) => return Err(self.error(Fault::Truncated(error.to_string()))),
                Err(Error::IllFormed(error @ IllFormedError::MissingEndTag(_))) => {
                    return Err(self.error(Fault::Truncated(error.to_string())));
                }
                Err(error) => return Err(self.error(Fault::Malformed(error.to_string()))),
            }
        }
    }

    fn head(&self, start: &BytesStart<'_>) -> Result<Head, FileError> {
        let mut head = Head {
            name: start.local_name().as_ref().to_owned(),
            line: self.line,
            currency: None,
            namespaces: Vec::new(),
        };
        for (count, attribute) in start.attributes().enumerate() {
            if count == ATTRIBUTES_MAX {
                let what = "attributes stand in one element";
                return Err(self.error(Fault::TooMuch { what, found: count + 1, max: ATTRIBUTES_MAX }));
            }
            let attribute = attribute.map_err(|error| self.error(Fault::Malformed(error.to_string())))?;
            let name: &str = attribute.key.as_ref();
            if name == "Ccy" {
                head.currency = Some(attribute.value.trim().to_owned());
            } else if name == "xmlns" || name.starts_with("xmlns:") {
                head.namespaces.push(attribute.value.to_string());
            }
        }
        Ok(head)
    }

    /// The character that a reference stands for.
    fn character(&self, name: &str) -> Result<char, FileError> {
        let entity = || self.error(Fault::Entity(shown(&format!("&{name};"))));
        if let Some(number) = name.strip_prefix('#') {
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            return code.ok().and_then(char::from_u32).filter(|one| is_character(*one)).ok_or_else(entity);
        }
        match name {
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "amp" => Ok('&'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            _ => Err(entity()),
        }
    }

    fn error(&self, fault: Fault) -> FileError {
        FileError::at(self.line, "", fault)
    }
}

impl Element {
    fn of(head: Head) -> Self {
        Self { name: head.name, line: head.line, currency: head.currency, text: String::new(), children: Vec::new() }
    }
}

/// Source: XML 1.0, production 2.
fn is_character(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        _ => character >= ' ',
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).expect("a count of what is in memory")
}
