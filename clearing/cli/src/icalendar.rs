//! The calendar as a file that calendar programs read (iCalendar, RFC 5545).
//!
//! Lines end with CRLF and are folded at 75 octets, never within a character. Whatever a text holds, it stays a text: what would
//! end a line, a value or a list is escaped, and what no text may hold is left out.

/// Octets of a line at the most, its end aside (RFC 5545, section 3.1).
const LINE_OCTETS_MAX: usize = 75;

/// Something that happens at a moment, or on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Names it for ever: a program that has read an earlier file knows the event again.
    pub uid: String,
    pub when: When,
    /// Higher in a file that replaces an earlier one.
    pub sequence: u32,
    pub summary: String,
    pub description: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    At(Moment),
    /// Year, month, day.
    On(u16, u8, u8),
}

/// A moment of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Year, month, day.
    pub date: (u16, u8, u8),
    /// Hour, minute, second.
    pub time: (u8, u8, u8),
}

impl Moment {
    fn text(self) -> String {
        let ((year, month, day), (hour, minute, second)) = (self.date, self.time);
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
    }
}

/// The file of these events. The same events and the same moment of making give the same bytes.
pub fn file(name: &str, made: Moment, events: &[Event]) -> String {
    let mut lines = vec![
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Clearing house//Calendar of cut-offs//EN".to_owned(),
        "CALSCALE:GREGORIAN".to_owned(),
        "METHOD:PUBLISH".to_owned(),
        format!("NAME:{}", text(name)),
        format!("X-WR-CALNAME:{}", text(name)),
    ];
    for event in events {
        let Event { uid, when, sequence, summary, description } = event;
        lines.push("BEGIN:VEVENT".to_owned());
        lines.push(format!("UID:{}", text(uid)));
        lines.push(format!("DTSTAMP:{}", made.text()));
        lines.push(match when {
            When::At(moment) => format!("DTSTART:{}", moment.text()),
            When::On(year, month, day) => format!("DTSTART;VALUE=DATE:{year:04}{month:02}{day:02}"),
        });
        lines.push(format!("SEQUENCE:{sequence}"));
        lines.push(format!("SUMMARY:{}", text(summary)));
        if !description.is_empty() {
            lines.push(format!("DESCRIPTION:{}", text(description)));
        }
        // Nobody is busy because of it.
        lines.push("TRANSP:TRANSPARENT".to_owned());
        lines.push("END:VEVENT".to_owned());
    }
    lines.push("END:VCALENDAR".to_owned());
    lines.iter().map(|line| folded(line)).collect()
}

/// A text as a value: RFC 5545, section 3.3.11.
fn text(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut characters = raw.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' | ';' | ',' => value.extend(['\\', character]),
            '\r' => {
                characters.next_if_eq(&'\n');
                value.push_str("\\n");
            }
            // Others end a line for some programs.
            '\n' | '\u{85}' | '\u{2028}' | '\u{2029}' => value.push_str("\\n"),
            '\t' => value.push(' '),
            control if control.is_control() => {}
            other => value.push(other),
        }
    }
    value
}

/// A line with its end, cut where it is too long: what follows begins with a space.
fn folded(line: &str) -> String {
    let mut folded = String::with_capacity(line.len() + 2);
    let mut octets = 0;
    for character in line.chars() {
        if octets + character.len_utf8() > LINE_OCTETS_MAX {
            folded.push_str("\r\n ");
            octets = 1;
        }
        folded.push(character);
        octets += character.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADE: Moment = Moment { date: (2026, 1, 2), time: (3, 4, 5) };

    fn event(summary: &str) -> Event {
        Event {
            uid: "cut-off-20260109T180000Z@kopeck".to_owned(),
            when: When::At(Moment { date: (2026, 1, 9), time: (18, 0, 0) }),
            sequence: 2,
            summary: summary.to_owned(),
            description: String::new(),
        }
    }

    /// What a reader makes of a file: its lines, unfolded.
    fn read(file: &str) -> Vec<String> {
        let whole = file.replace("\r\n ", "");
        assert!(whole.ends_with("\r\n"));
        whole.split_terminator("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn an_event_is_written_as_programs_read_it() {
        let day = Event { when: When::On(2026, 1, 14), ..event("Paid") };
        let lines = read(&file("Kopeck", MADE, &[event("Window closes"), day]));
        let expected = [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Clearing house//Calendar of cut-offs//EN",
            "CALSCALE:GREGORIAN",
            "METHOD:PUBLISH",
            "NAME:Kopeck",
            "X-WR-CALNAME:Kopeck",
            "BEGIN:VEVENT",
            "UID:cut-off-20260109T180000Z@kopeck",
            "DTSTAMP:20260102T030405Z",
            "DTSTART:20260109T180000Z",
            "SEQUENCE:2",
            "SUMMARY:Window closes",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
            "BEGIN:VEVENT",
            "UID:cut-off-20260109T180000Z@kopeck",
            "DTSTAMP:20260102T030405Z",
            "DTSTART;VALUE=DATE:20260114",
            "SEQUENCE:2",
            "SUMMARY:Paid",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
            "END:VCALENDAR",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn whatever_a_name_holds_it_adds_no_line_and_no_value() {
        let hostile = [
            "x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nSUMMARY:pay me",
            "x\nATTACH:https://example.com",
            "x\rATTENDEE:mailto:a@example.com",
            "x\u{2028}BEGIN:VALARM\u{85}TRIGGER:-PT1M",
            "a;b,c\\n\\",
            "\u{0}\u{7}\u{1b}[31m\u{7f}",
        ];
        for name in hostile {
            let plain = read(&file("n", MADE, &[event("s")]));
            let lines = read(&file(name, MADE, &[Event { uid: name.to_owned(), ..event(name) }]));
            assert_eq!(lines.len(), plain.len(), "{name:?}");
            for (line, plain) in lines.iter().zip(&plain) {
                assert_eq!(line.split_once(':').unwrap().0, plain.split_once(':').unwrap().0, "{name:?}");
                assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
        assert_eq!(text("a;b,c\\n\\"), "a\\;b\\,c\\\\n\\\\");
        assert_eq!(text("a\r\nb\rc\nd"), "a\\nb\\nc\\nd");
    }

    #[test]
    fn no_line_is_longer_than_75_octets_and_no_character_is_cut() {
        for letter in ["a", "\u{436}", "\u{4e00}", "\u{1f600}", "\\", ","] {
            for count in 0..200 {
                let name = letter.repeat(count);
                let whole = file(&name, MADE, &[event(&name)]);
                assert!(whole.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX), "{letter} {count}");
                assert!(read(&whole).contains(&format!("SUMMARY:{}", text(&name))), "{letter} {count}");
            }
        }
    }
}
