//! The encodings that files of 1C have beside UTF-8: windows-1251 (`Windows`) and code page 866 (`DOS`). Both are one byte a
//! character, ASCII below 128; the tables are frozen standards. They are written out here because the library that knows them
//! brings the tables of all other encodings as well, and four crates, to everybody who builds the house.
//!
//! Source: unicode.org, Mappings, `MICSFT/WINDOWS/CP1251.TXT` and `MICSFT/PC/CP866.TXT`.

/// The mark that some programs put before UTF-8.
pub(crate) const BOM: &[u8] = "\u{FEFF}".as_bytes();

/// How the characters of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Windows1251,
    Dos866,
}

/// The characters of the bytes 128 to 255. U+FFFD stands for a byte that is none.
const WINDOWS_1251: &str = "\
     ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\u{FFFD}™љ›њќћџ\
     \u{A0}ЎўЈ¤Ґ¦§Ё©Є«¬\u{AD}®Ї°±Ііґµ¶·ё№є»јЅѕї\
     АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ\
     абвгдежзийклмнопрстуфхцчшщъыьэюя";
const DOS_866: &str = "\
     АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ\
     абвгдежзийклмноп░▒▓│┤╡╢╖╕╣║╗╝╜╛┐\
     └┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
     рстуфхцчшщъыьэюяЁёЄєЇїЎў°∙·√№¤■\u{A0}";

impl Encoding {
    /// As documentation calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Windows1251 => "windows-1251",
            Self::Dos866 => "code page 866",
        }
    }

    /// The text of some bytes; the place of the first byte that is no character, if there is one.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<String, usize> {
        let table = match self {
            Self::Utf8 => return std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| error.valid_up_to()),
            Self::Windows1251 => table(WINDOWS_1251),
            Self::Dos866 => table(DOS_866),
        };
        let mut text = String::with_capacity(bytes.len() * 2);
        for (at, &byte) in bytes.iter().enumerate() {
            match byte.checked_sub(128) {
                None => text.push(char::from(byte)),
                Some(high) => match table[usize::from(high)] {
                    char::REPLACEMENT_CHARACTER => return Err(at),
                    character => text.push(character),
                },
            }
        }
        Ok(text)
    }

    /// The bytes of a text; the first character that the encoding does not have, if there is one.
    pub(crate) fn encode(self, text: &str) -> Result<Vec<u8>, char> {
        let table = match self {
            Self::Utf8 => return Ok(text.as_bytes().to_vec()),
            Self::Windows1251 => table(WINDOWS_1251),
            Self::Dos866 => table(DOS_866),
        };
        let byte = |character: char| {
            if character.is_ascii() {
                return u8::try_from(character).map_err(|_| character);
            }
            let place = table.iter().position(|&known| known == character && known != char::REPLACEMENT_CHARACTER);
            place.and_then(|place| u8::try_from(place + 128).ok()).ok_or(character)
        };
        text.chars().map(byte).collect()
    }
}

fn table(characters: &str) -> [char; 128] {
    let mut table = [char::REPLACEMENT_CHARACTER; 128];
    for (place, character) in table.iter_mut().zip(characters.chars()) {
        *place = character;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_a_character_and_comes_back() {
        for (encoding, undefined) in [(Encoding::Windows1251, vec![0x98]), (Encoding::Dos866, vec![])] {
            for byte in 0..=u8::MAX {
                match encoding.decode(&[byte]) {
                    Ok(text) => assert_eq!(encoding.encode(&text), Ok(vec![byte]), "{encoding:?} {byte:#x}"),
                    Err(at) => assert!(at == 0 && undefined.contains(&byte), "{encoding:?} {byte:#x}"),
                }
            }
            assert_eq!(encoding.encode("\u{5D0}"), Err('\u{5D0}'));
        }
        assert_eq!(Encoding::Windows1251.decode(b"\xD1\xF3\xEC\xEC\xE0 \xB9"), Ok("Сумма №".to_owned()));
        assert_eq!(Encoding::Dos866.decode(b"\x91\xE3\xAC\xAC\xA0 \xFC"), Ok("Сумма №".to_owned()));
        assert_eq!(Encoding::Utf8.decode(b"a\xFF"), Err(1));
    }
}
