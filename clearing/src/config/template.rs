//! The configuration file as `clearing init` writes it: every key, with what it means and what it may be.

use std::fmt::Write as _;

use super::keys::{KEYS, SECTIONS};

/// The width at which comments are broken.
const WIDTH: usize = 110;

/// A complete file. Keys of `values` are set, all others stand as comments with their defaults.
///
/// # Panics
///
/// If a value names no key: that is a fault of the program.
pub fn template(values: &[(&str, String)]) -> String {
    for (name, _) in values {
        assert!(KEYS.iter().any(|key| key.name == *name), "{name} is a key");
    }
    let mut text = String::from(
        "# Configuration of the clearing house.\n\
         #\n\
         # Every key may also be set in the environment (house.listen is CLEARING_HOUSE_LISTEN) or on the command line\n\
         # (--set house.listen=...); the command line wins over the environment, the environment over this file.\n\
         # Relative paths start at the folder of this file. `clearing config check` tells what is in force, and from where.\n",
    );
    for (section, purpose) in SECTIONS {
        write!(text, "\n# {purpose}\n[{section}]\n").expect("writing to a String cannot fail");
        for key in KEYS.iter().filter(|key| key.parts().0 == *section) {
            let quoted = |value: &str| {
                if key.kind.is_number() { value.to_owned() } else { toml::Value::String(value.to_owned()).to_string() }
            };
            let name = key.parts().1;
            let set = values.iter().find(|(of, _)| *of == key.name);
            let line = match (set, key.default) {
                (Some((_, value)), _) => format!("{name} = {}", quoted(value)),
                (None, Some(default)) => format!("# {name} = {}", quoted(default)),
                (None, None) => format!("# {name} = {}", quoted("")),
            };
            let default = key.default.map_or_else(String::new, |default| format!(" Default: {default}."));
            let comment = format!("{} Allowed: {}.{default}", key.doc, key.kind.allowed());
            write!(text, "\n{}{line}\n", commented(&comment)).expect("writing to a String cannot fail");
        }
    }
    text
}

/// Breaks a text into lines of a comment.
fn commented(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}
